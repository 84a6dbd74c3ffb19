//! The front door: who calls, by the `Authorization` header's access key. Signatures are not checked: this is a laptop's world.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use strata_control::Refusal;
use strata_ports::http_service::Caller;

use super::keys::Keys;

/// Who may come in, and as whom.
pub(super) struct FrontDoor {
    region: String,
    /// Who everybody is without keys.
    root_arn: String,
    keys: Option<Keys>,
}

/// The access key and the region of `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`.
fn credential(header: &str) -> Option<(&str, &str)> {
    let (_, scope) = header.split_once("Credential=")?;
    let scope = scope.split([',', ' ']).next()?;
    let mut parts = scope.split('/');
    let (key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
    (!key.is_empty()).then_some((key, region))
}

impl FrontDoor {
    pub(super) fn new(region: &str, root_arn: &str, keys: Option<Keys>) -> Self {
        Self { region: region.to_owned(), root_arn: root_arn.to_owned(), keys }
    }

    /// The caller of a request with these headers.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let header = headers.get(AUTHORIZATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let credential = header.as_deref().and_then(credential);
        if let Some((_, region)) = credential.filter(|(_, region)| *region != self.region) {
            return Err(Refusal::WrongRegion(region.to_owned()));
        }
        let Some(keys) = &self.keys else { return Ok(Caller { arn: self.root_arn.clone() }) };
        match (header.is_some(), credential) {
            (false, _) => Err(Refusal::MissingAuthentication),
            (true, None) => Err(Refusal::IncompleteSignature),
            (true, Some((key, _))) => match keys.keys.get(key) {
                Some(arn) => Ok(Caller { arn: arn.clone() }),
                None => Err(Refusal::UnknownKey),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "arn:aws:iam::123456789012:root";
    const ADA: &str = "arn:aws:iam::123456789012:user/ada";

    fn door(has_keys: bool) -> FrontDoor {
        let keys = Keys { keys: [("AKIA1".to_owned(), ADA.to_owned())].into(), ..Keys::default() };
        FrontDoor::new("us-east-1", ROOT, has_keys.then_some(keys))
    }

    fn signed(scope: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature=00")
    }

    #[track_caller]
    fn check(has_keys: bool, authorization: Option<&str>, expected: Result<&str, Refusal>) {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        let caller = door(has_keys).caller(&headers).map(|caller| caller.arn);
        assert_eq!(caller, expected.map(str::to_owned), "{authorization:?}");
    }

    #[test]
    fn without_keys_everybody_is_the_accounts_root() {
        check(false, None, Ok(ROOT));
        check(false, Some("Bearer x"), Ok(ROOT));
        check(false, Some(&signed("ANY/20260301/us-east-1/opsworks/aws4_request")), Ok(ROOT));
    }

    #[test]
    fn with_keys_the_access_key_names_the_caller_for_whatever_service_it_signed() {
        for service in ["opsworks", "lambda"] {
            check(true, Some(&signed(&format!("AKIA1/20260301/us-east-1/{service}/aws4_request"))), Ok(ADA));
        }
        check(true, Some(&signed("AKIA2/20260301/us-east-1/opsworks/aws4_request")), Err(Refusal::UnknownKey));
        check(true, None, Err(Refusal::MissingAuthentication));
        check(true, Some("Bearer x"), Err(Refusal::IncompleteSignature));
        check(true, Some(&signed("AKIA1")), Err(Refusal::IncompleteSignature));
    }

    /// [TXT-11]
    #[test]
    fn txt_11_a_signature_for_another_region_is_refused_with_keys_or_without() {
        for has_keys in [true, false] {
            let header = signed("AKIA1/20260301/eu-west-1/opsworks/aws4_request");
            check(has_keys, Some(&header), Err(Refusal::WrongRegion("eu-west-1".to_owned())));
        }
    }
}
