//! A server that speaks AWS's protocols, for tests that are run by `cargo xtask wire`: moto, with a proxy before it that holds each
//! request against the service's own model.
#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod canned;
pub(crate) mod http;
pub(crate) mod scripted;
pub(crate) mod sqs;

use std::collections::BTreeSet;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::HttpClient;
use strata_aws::{Base, Settings, Uses};
use strata_ports::StackScope;

/// Where the server is; `cargo xtask wire` sets it.
pub(crate) const VARIABLE: &str = "STRATA_WIRE_ENDPOINT";
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "123456789012";

/// The server's endpoint, `http://HOST:PORT`.
///
/// # Panics
/// When it is not set.
pub(crate) fn endpoint() -> String {
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows where the server is")]
    std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} is not set: these tests are run by `cargo xtask wire`"))
}

/// Clients of the server, with a log of their calls. `more` are settings beside region and endpoint.
pub(crate) fn base(more: &[(&str, &str)]) -> Base {
    base_at(&endpoint(), more)
}

/// As [`base`], of a server of the test's own.
pub(crate) fn base_at(endpoint: &str, more: &[(&str, &str)]) -> Base {
    let settings = Settings::read(|name| match name {
        "AWS_REGION" => Some(REGION.to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.to_owned()),
        other => more.iter().find(|(n, _)| *n == other).map(|(_, value)| (*value).to_owned()),
    });
    let base = Base::new(settings.expect("settings"), keys());
    base.log().keep();
    base
}

/// Clients that reach nothing but `http`, with a log of their calls. `more` are settings beside the region.
pub(crate) fn base_over(http: impl HttpClient + 'static, more: &[(&str, &str)]) -> Base {
    let settings = Settings::read(|name| match name {
        "AWS_REGION" => Some(REGION.to_owned()),
        other => more.iter().find(|(n, _)| *n == other).map(|(_, value)| (*value).to_owned()),
    });
    let base = Base::new(settings.expect("settings"), keys()).with_http(http);
    base.log().keep();
    base
}

/// Any key will do.
pub(crate) fn keys() -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
}

/// A stack with a service role that the server lets anybody assume.
pub(crate) fn scope() -> StackScope {
    StackScope {
        stack_id: "2f18b4cb-4de5-4429-a149-ff7da9f0d8ee".into(),
        region: REGION.to_owned(),
        service_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/strata-service"),
    }
}

/// Holds what `method` was just seen to call against its lines of the table, one for each role.
///
/// # Panics
/// When they differ. AssumeRole is left out: every method of a stack's calls it when a session is due.
pub(crate) fn check_uses(base: &Base, table: &[Uses], method: &str) {
    let seen: BTreeSet<String> = base.log().take().iter().map(|call| call.action()).filter(|a| a != "sts:AssumeRole").collect();
    let listed: BTreeSet<String> =
        table.iter().filter(|uses| uses.method == method).flat_map(|uses| uses.actions).map(|a| (*a).to_owned()).collect();
    assert!(!listed.is_empty(), "no line for {method}");
    assert_eq!(seen, listed, "{method}");
}

/// A call in the JSON protocol of a service whose SDK is not linked; gives back the body of the answer.
pub(crate) async fn json_call(service: &str, target: &str, input: &serde_json::Value) -> serde_json::Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    #[expect(clippy::disallowed_methods, reason = "only whoever runs the tests knows where the server is")]
    let endpoint = std::env::var(VARIABLE).expect("set, as `base` has seen");
    let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let body = input.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: {target}\r\n\
         x-amz-date: 20260301T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAIOSFODNN7EXAMPLE/20260301/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(host).await.expect("the server answers");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it writes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer over HTTP");
    assert!(head.contains(" 200 "), "{target}: {answer}");
    if body.is_empty() { serde_json::Value::Null } else { serde_json::from_str(body).expect("JSON") }
}
