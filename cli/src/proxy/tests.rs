//! The checks on requests that botocore 1.40.18 has signed (`fixtures/`), and on the same ones with one thing changed.

use aws_credential_types::Credentials;
use http::Request;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};

use super::authorization::Claim;
use super::check;
use super::guard;
use super::refusal::{Kind, Refusal};

const PLAIN: &str = include_str!("fixtures/boto3-describe-stacks.http");
const TOKEN: &str = include_str!("fixtures/boto3-session-token.http");
const HASHED: &str = include_str!("fixtures/signer-content-sha256.http");
const ODD: &str = include_str!("fixtures/signer-odd-headers.http");
const QUERY: &str = include_str!("fixtures/signer-path-and-query.http");

const SIGNED_AT: &str = "2026-03-01T12:00:00Z";

fn own(token: Option<&str>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token.map(str::to_owned), None, "test")
}

fn parse(text: &str) -> (Parts, Vec<u8>) {
    let (head, body) = text.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let (target, _) = lines.next().unwrap().strip_prefix("POST ").unwrap().rsplit_once(' ').unwrap();
    let mut request = Request::post(target);
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        request = request.header(name, value.strip_prefix(' ').unwrap_or(value));
    }
    (request.body(()).unwrap().into_parts().0, body.as_bytes().to_vec())
}

fn check_at(text: &str, own: &Credentials, now: Timestamp) -> Result<(), Refusal> {
    let (head, body) = parse(text);
    guard::admit(&head, 4281)?;
    let claim = Claim::read(&head)?;
    check::time(&claim, now)?;
    check::identity(&claim, &head, own)?;
    check::body(&head, &body)?;
    check::signature(&claim, &head, &body, own)
}

fn check(text: &str, token: Option<&str>) -> Result<(), Refusal> {
    check_at(text, &own(token), SIGNED_AT.parse().unwrap())
}

#[test]
fn what_botocore_signs_is_accepted() {
    for (name, text, token) in [
        ("plain", PLAIN, None),
        ("session token", TOKEN, Some("a-session//token==")),
        ("hash of the body", HASHED, None),
        ("headers twice and with many spaces", ODD, None),
        ("path and query", QUERY, None),
        // As HTTP hands on what is not signed.
        ("other user agent", &PLAIN.replace("Boto3/1.40.18", "other"), None),
    ] {
        assert_eq!(check(text, token), Ok(()), "{name}");
    }
}

#[test]
fn a_signature_is_good_for_five_minutes_before_and_after_its_date() {
    for (millis, accepted) in
        [(0, true), (300_000, true), (300_001, false), (86_400_000, false), (-300_000, true), (-300_001, false)]
    {
        let now = SIGNED_AT.parse::<Timestamp>().unwrap() + SignedDuration::from_millis(millis);
        let checked = check_at(PLAIN, &own(None), now);
        assert_eq!(checked.is_ok(), accepted, "{millis} ms: {checked:?}");
        if let Err(refusal) = checked {
            let says = if millis > 0 { "Signature expired" } else { "Signature not yet current" };
            assert!(refusal.kind == Kind::InvalidSignature && refusal.message.starts_with(says), "{millis} ms: {refusal:?}");
        }
    }
}

#[test]
fn whatever_is_changed_after_signing_is_refused() {
    let signature = "Signature=f0b46c024d69e61c27a53747891c761e7f6c206d3f35219338dbf7b83507ae4f";
    for (text, from, to) in [
        (PLAIN, "\n\n{}", "\n\n{ }"),
        (PLAIN, "\n\n{}", "\n\n"),
        (PLAIN, "DescribeStacks", "DeleteStack"),
        (PLAIN, "x-amz-json-1.1", "x-amz-json-1.0"),
        (PLAIN, "Host: 127.0.0.1:4281", "Host: localhost:4281"),
        (PLAIN, "POST / ", "POST /x "),
        (PLAIN, "POST / ", "POST /?a=b "),
        (PLAIN, "20260301T120000Z", "20260301T120001Z"),
        (PLAIN, "eu-west-1", "eu-west-2"),
        (PLAIN, "/opsworks/", "/lambda/"),
        (PLAIN, "3507ae4f", "3507ae4e"),
        (PLAIN, signature, &signature.to_uppercase().replace("SIGNATURE", "Signature")),
        (PLAIN, "3507ae4f", ""),
        (ODD, "b   b", "c   b"),
        (ODD, "My-Header: b   b\nMy-Header:  a  ", "My-Header: a\nMy-Header: b b"),
        (ODD, "\"x   y\"", "\"xy\""),
        (QUERY, "a=%20&a=1", "a=%20&a=2"),
        (QUERY, "%C3%BC", "%C3%BD"),
    ] {
        assert!(text.contains(from), "{from}");
        let refusal = check(&text.replace(from, to), None).expect_err(to);
        let told = (refusal.kind, refusal.message.starts_with("The request signature we calculated does not match"));
        assert_eq!(told, (Kind::InvalidSignature, true), "{from} -> {to}: {}", refusal.message);
    }
    let wrong_secret = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEZ", None, None, "test");
    assert_eq!(check_at(PLAIN, &wrong_secret, SIGNED_AT.parse().unwrap()).unwrap_err().kind, Kind::InvalidSignature);
}

#[test]
fn each_kind_of_request_that_cannot_be_checked_is_refused_with_its_reason() {
    let line = |name: &str| PLAIN.lines().find(|l| l.starts_with(name)).unwrap();
    let authorization = format!("{}\n", line("Authorization"));
    let hash = "X-Amz-Content-SHA256: e3e083d65fcc85bc54075cad2a06a2b3e7c7a27d3d2d0591e4bdf498d200eb5e";
    for (text, from, to, kind, says) in [
        (PLAIN, &*authorization, "", Kind::MissingAuthenticationToken, "Missing Authentication Token"),
        (PLAIN, &*authorization, "Authorization: Basic bWU6c2VjcmV0\n", Kind::InvalidSignature, "not in the form"),
        (PLAIN, "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", Kind::InvalidSignature, "not in the form"),
        (PLAIN, ", Signature=", ", Signature=0, Signature=", Kind::InvalidSignature, "not in the form"),
        (PLAIN, ", SignedHeaders=", ", Headers=", Kind::InvalidSignature, "not in the form"),
        (PLAIN, "/aws4_request", "", Kind::InvalidSignature, "Credential is not"),
        (PLAIN, "/aws4_request", "/aws4_request/x", Kind::InvalidSignature, "Credential is not"),
        (PLAIN, "/aws4_request", "/aws5_request", Kind::InvalidSignature, "Credential is not"),
        (PLAIN, "/20260301/", "/20260302/", Kind::InvalidSignature, "the day of Credential"),
        (PLAIN, "/20260301/", "/2026030/", Kind::InvalidSignature, "the day of Credential"),
        (PLAIN, "X-Amz-Date: 20260301T120000Z\n", "", Kind::InvalidSignature, "no X-Amz-Date"),
        (PLAIN, "X-Amz-Date: 2026", "X-Amz-Date: x026", Kind::InvalidSignature, "X-Amz-Date is not"),
        (PLAIN, "content-type;host", "host;content-type", Kind::InvalidSignature, "in order"),
        (PLAIN, ";host;", ";host;host;", Kind::InvalidSignature, "each once"),
        (PLAIN, "content-type;", "Content-Type;", Kind::InvalidSignature, "lower case"),
        (PLAIN, ";host;", ";", Kind::InvalidSignature, "host is not signed"),
        (PLAIN, ";x-amz-target", "", Kind::InvalidSignature, "x-amz-target is not signed"),
        (PLAIN, "x-amz-date;", "", Kind::InvalidSignature, "x-amz-date is not signed"),
        (PLAIN, ";host;", ";host;user;", Kind::InvalidSignature, "which the request does not have"),
        (PLAIN, "Content-Length", "X-Amz-More: 1\nContent-Length", Kind::InvalidSignature, "x-amz-more is not signed"),
        (PLAIN, "POST / ", "POST /?X-Amz-Signature=0&X-Amz-Expires=60 ", Kind::InvalidSignature, "presigned"),
        (PLAIN, "POST / ", "POST /?a=b&x-amz-algorithm=AWS4-HMAC-SHA256 ", Kind::InvalidSignature, "presigned"),
        (PLAIN, "=AKIDEXAMPLE/", "=AKIDEXAMPLF/", Kind::UnrecognizedClient, "with the credentials it holds"),
        (PLAIN, "=AKIDEXAMPLE/", "=/", Kind::UnrecognizedClient, "with the credentials it holds"),
        (TOKEN, "a-session", "b-session", Kind::UnrecognizedClient, "with the credentials it holds"),
        (HASHED, hash, "X-Amz-Content-SHA256: UNSIGNED-PAYLOAD", Kind::InvalidSignature, "must be signed"),
        (HASHED, hash, "X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", Kind::InvalidSignature, "must be signed"),
        (HASHED, hash, "X-Amz-Content-SHA256: e3", Kind::InvalidSignature, "is not the SHA-256"),
        (HASHED, "[\"a\"]", "[\"b\"]", Kind::InvalidSignature, "is not the SHA-256"),
        (PLAIN, "Content-Length", "Origin: null\nContent-Length", Kind::AccessDenied, "no browser"),
    ] {
        assert!(text.contains(from), "{from}");
        let refusal = check(&text.replacen(from, to, 1), None).expect_err(to);
        assert!(refusal.kind == kind && refusal.message.contains(says), "{from} -> {to}: {refusal:?}");
    }
}

#[test]
fn a_session_token_must_be_ours_whether_we_have_one_or_not() {
    for (text, token) in [(PLAIN, Some("a-session//token==")), (TOKEN, None), (TOKEN, Some("another"))] {
        let refusal = check(text, token).unwrap_err();
        assert_eq!(refusal.kind, Kind::UnrecognizedClient, "{token:?}");
    }
    let unsigned = TOKEN.replace("x-amz-security-token;", "");
    assert!(check(&unsigned, Some("a-session//token==")).unwrap_err().message.contains("x-amz-security-token is not signed"));
}

#[test]
fn refusals_tell_no_keys_tokens_and_signatures() {
    for (text, token) in [(PLAIN, Some("our-token")), (TOKEN, None), (TOKEN, Some("our-token"))] {
        for text in [text.to_owned(), text.replace("Content-Type", "X-Other")] {
            let message = check(&text, token).unwrap_err().message;
            for secret in ["AKIDEXAMPLE", "wJalr", "session//token", "our-token", "f0b46c02", "2a0b940b"] {
                assert!(!message.contains(secret), "{message}");
            }
        }
    }
}

#[test]
fn a_refusal_is_an_aws_json_error() {
    for (kind, status, name) in [
        (Kind::AccessDenied, 403, "AccessDeniedException"),
        (Kind::ExpiredToken, 400, "ExpiredTokenException"),
        (Kind::InvalidSignature, 400, "InvalidSignatureException"),
        (Kind::MissingAuthenticationToken, 400, "MissingAuthenticationTokenException"),
        (Kind::Serialization, 400, "SerializationException"),
        (Kind::ServiceUnavailable, 503, "ServiceUnavailable"),
        (Kind::UnknownOperation, 400, "UnknownOperationException"),
        (Kind::UnrecognizedClient, 400, "UnrecognizedClientException"),
    ] {
        let response = kind.because("why").response();
        assert_eq!(response.status().as_u16(), status, "{name}");
        assert_eq!(response.headers()["x-amzn-errortype"], name);
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
    }
}

#[test]
fn the_region_is_the_one_named_or_the_urls() {
    let region = |named: Option<&str>, to: &str| super::region(named, &crate::endpoint::Endpoint::parse("--to", to).unwrap());
    let url = "https://abc.lambda-url.eu-west-1.on.aws";
    assert_eq!(region(None, url).unwrap(), "eu-west-1");
    assert_eq!(region(Some("eu-west-3"), url).unwrap(), "eu-west-3");
    assert_eq!(region(None, "http://127.0.0.1:4280").unwrap(), "us-east-1");
    assert!(region(None, "https://strata.example.com").unwrap_err().to_string().contains("--region eu-west-1"));
}
