//! What the `Authorization` header of a request claims, read strictly.

use http::HeaderMap;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::refusal::{Kind, Refusal};

/// A signature and what it is said to have been made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) access_key_id: String,
    /// Of the credential scope.
    pub(super) region: String,
    /// Of the credential scope; any service will do.
    pub(super) service: String,
    /// Lower case, in order, each once.
    pub(super) signed_headers: Vec<String>,
    /// As it was given; whether it is a good one is for the comparison to say.
    pub(super) signature: String,
    /// The `X-Amz-Date` header.
    pub(super) signed_at: Timestamp,
}

impl Claim {
    /// Reads the claim of a request.
    ///
    /// # Errors
    /// [`Refusal`]: none, one in the query (a presigned URL), or one that is not in the form of Signature Version 4.
    pub(super) fn read(head: &Parts) -> Result<Self, Refusal> {
        if is_presigned(head) {
            return Err(invalid("presigned requests are not taken; sign by the Authorization header"));
        }
        let Some(header) = head.headers.get(http::header::AUTHORIZATION) else {
            return Err(Kind::MissingAuthenticationToken.because("Missing Authentication Token"));
        };
        let fields = header.to_str().ok().and_then(Fields::parse).ok_or_else(|| {
            invalid(
                "the Authorization header is not in the form AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...",
            )
        })?;
        let [access_key_id, day, region, service, "aws4_request"] = fields.credential.split('/').collect::<Vec<_>>()[..] else {
            return Err(invalid("Credential is not in the form <key>/<day>/<region>/<service>/aws4_request"));
        };
        let date = single(&head.headers, "x-amz-date").ok_or_else(|| invalid("there is no X-Amz-Date header"))?;
        let signed_at = parse_date(date).ok_or_else(|| invalid("X-Amz-Date is not in the form 20130218T120000Z"))?;
        if !date.starts_with(day) || day.len() != 8 {
            return Err(invalid("the day of Credential is not the day of X-Amz-Date"));
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            signed_headers: signed_headers(fields.signed_headers, &head.headers)?,
            signature: fields.signature.to_owned(),
            signed_at,
        })
    }
}

/// The one value of a header, if it is plain text.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Kind::InvalidSignature.because(message)
}

struct Fields<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Fields<'a> {
    /// The three fields, in this order in all of AWS's clients; spaces after the commas are optional.
    fn parse(header: &'a str) -> Option<Self> {
        let mut fields = header.strip_prefix("AWS4-HMAC-SHA256 ")?.split(',').map(str::trim);
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let (credential, signed_headers, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
        fields.next().is_none().then_some(Self { credential, signed_headers, signature })
    }
}

fn is_presigned(head: &Parts) -> bool {
    let query = head.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-")))
}

/// `20130218T120000Z` and nothing else.
fn parse_date(text: &str) -> Option<Timestamp> {
    let is_digits = |part: Option<&str>| part.is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let in_form = text.len() == 16 && is_digits(text.get(..8)) && is_digits(text.get(9..15));
    let time = in_form.then(|| DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok())??;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// The names of the signed headers. `host` and every `x-amz-*` header of the request must be among them, as AWS demands: what is not signed
/// could have been changed on the way.
fn signed_headers(list: &str, headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = list.split(';').map(str::to_owned).collect();
    if !names.is_sorted_by(|a, b| a < b) || names.iter().any(|name| name.bytes().any(|b| b.is_ascii_uppercase())) {
        return Err(invalid("SignedHeaders must be in lower case, in order, and each once"));
    }
    if let Some(absent) = names.iter().find(|name| !headers.contains_key(name.as_str())) {
        return Err(invalid(format!("SignedHeaders names {absent:?}, which the request does not have")));
    }
    let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
    let present = headers.keys().map(http::HeaderName::as_str);
    match present.filter(|name| must_be_signed(name)).find(|name| !names.iter().any(|n| n == name)) {
        Some(unsigned) => Err(invalid(format!("the header {unsigned} is not signed"))),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_whole_second_in_basic_form() {
        for (text, expected) in [
            ("20130218T120000Z", Some("2013-02-18T12:00:00Z")),
            ("20240229T235959Z", Some("2024-02-29T23:59:59Z")),
            ("20230229T120000Z", None),
            ("20130218T240000Z", None),
            ("20130218T12000Z", None),
            ("2013-02-18T12:00", None),
            ("+2130218T120000Z", None),
            ("20130218T1200 0Z", None),
            ("20130218T120000z", None),
            ("２0130218T120000", None),
            ("", None),
        ] {
            assert_eq!(parse_date(text), expected.map(|e| e.parse().unwrap()), "{text}");
        }
    }
}
