//! `strata proxy` as it is built, between a client and an API, both of this test: the API checks the signature for `lambda` by a reading of
//! Signature Version 4 of its own.

mod support;

use aws_sdk_opsworks::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_opsworks::error::ProvideErrorMetadata;
use support::{KEY, Proxy, SECRET, TOKEN, Upstream, http};

/// A stock client: it knows nothing of `lambda`.
fn stock_client(endpoint: &str, secret: &str) -> aws_sdk_opsworks::Client {
    let connector = aws_smithy_http_client::Connector::builder().build_http();
    let connector = aws_smithy_runtime_api::client::http::SharedHttpConnector::new(connector);
    let config = aws_sdk_opsworks::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(KEY, secret, Some(TOKEN.to_owned()), None, "test"))
        .http_client(aws_smithy_runtime_api::client::http::http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_opsworks::Client::from_conf(config)
}

#[tokio::test]
async fn a_stock_clients_request_arrives_signed_for_lambda_and_its_answer_comes_back_unchanged() {
    let upstream = Upstream::start(200, r#"{"Stacks":[{"Name":"shop"}]}"#).await;
    let proxy = Proxy::start(&upstream.url("/base"));
    let stacks = stock_client(&proxy.endpoint, SECRET).describe_stacks().stack_ids("a").send().await.unwrap();
    assert_eq!(stacks.stacks()[0].name(), Some("shop"));
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].path.as_str(), seen[0].body.as_str()), ("/base/", r#"{"StackIds":["a"]}"#));
    assert_eq!(seen[0].header("x-amz-target"), Some("OpsWorks_20130218.DescribeStacks"));
    assert_eq!(seen[0].header("content-type"), Some("application/x-amz-json-1.1"));
    assert!(seen[0].header("amz-sdk-invocation-id").is_some_and(|id| id.len() == 36));
    assert!(seen[0].header("amz-sdk-request").is_some_and(|r| r.starts_with("attempt=1")));
    assert!(seen[0].header("user-agent").is_some_and(|agent| agent.contains("aws-sdk-rust")));
    assert_eq!(seen[0].is_signed_for("lambda", "eu-west-1"), Ok(()));
}

#[tokio::test]
async fn errors_of_the_api_come_back_with_status_headers_and_body() {
    let upstream = Upstream::start(400, r#"{"__type":"ValidationException","message":"Name is taken"}"#).await;
    let proxy = Proxy::start(&upstream.url(""));
    let error = stock_client(&proxy.endpoint, SECRET).describe_stacks().send().await.unwrap_err().into_service_error();
    assert_eq!((error.code(), error.message()), (Some("ValidationException"), Some("Name is taken")));
    let raw = http(&proxy.endpoint, &support::signed(&proxy.endpoint, "{}")).await;
    assert!(raw.starts_with("HTTP/1.1 400 "), "{raw}");
    assert!(raw.contains("x-amzn-requestid: 0a1b") && !raw.contains("x-powered-by"), "{raw}");
    assert!(raw.ends_with(r#"{"__type":"ValidationException","message":"Name is taken"}"#), "{raw}");
}

#[tokio::test]
async fn what_is_refused_never_reaches_the_api() {
    let upstream = Upstream::start(200, "{}").await;
    let proxy = Proxy::start(&upstream.url(""));
    let wrong = stock_client(&proxy.endpoint, "another").describe_stacks().send().await.unwrap_err().into_service_error();
    assert_eq!(wrong.code(), Some("InvalidSignatureException"));
    let good = support::signed(&proxy.endpoint, "{}");
    for (request, status, kind) in [
        (good.replacen("\r\n", "\r\norigin: http://127.0.0.1\r\n", 1), 403, "AccessDeniedException"),
        (good.replace("host: 127.0.0.1", "host: localhost.example.com"), 403, "AccessDeniedException"),
        (good.replacen("POST", "GET", 1), 400, "UnknownOperationException"),
        (good.replace(KEY, "AKIDANOTHER"), 400, "UnrecognizedClientException"),
        (good.replace("\r\n\r\n{}", "\r\n\r\n[]"), 400, "InvalidSignatureException"),
        (support::signed(&proxy.endpoint, &" ".repeat(6_000_001)), 400, "SerializationException"),
    ] {
        let answer = http(&proxy.endpoint, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(kind), "{kind}: {answer}");
        assert!(!answer.contains("access-control-"), "{answer}");
    }
    assert_eq!(upstream.seen().len(), 0);
    assert!(http(&proxy.endpoint, &support::signed(&proxy.endpoint, &" ".repeat(6_000_000))).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn an_api_that_cannot_be_reached_is_a_503_that_says_so() {
    let gone = Upstream::start(200, "{}").await.url("");
    let proxy = Proxy::start(&gone);
    let error = stock_client(&proxy.endpoint, SECRET).describe_stacks().send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("ServiceUnavailable"));
    assert!(error.message().is_some_and(|m| m.contains(&gone) && m.contains("cannot be reached")), "{error:?}");
}

#[tokio::test]
async fn no_key_token_or_signature_is_logged_however_much_is_asked_for() {
    let upstream = Upstream::start(200, "{}").await;
    let log = tempfile::NamedTempFile::new().unwrap();
    let proxy = Proxy::start_logging(&upstream.url(""), log.reopen().unwrap());
    stock_client(&proxy.endpoint, SECRET).describe_stacks().send().await.unwrap();
    stock_client(&proxy.endpoint, "another").describe_stacks().send().await.unwrap_err();
    drop(proxy);
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.contains("aws_sigv4") && log.contains("not forwarded"), "the log is on");
    for secret in [SECRET, TOKEN, "Signature="] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn flags_and_credentials_that_cannot_be_used_end_with_2_and_one_sentence() {
    for (arguments, keys, says) in [
        (&["--to", "http://api.example.com"][..], true, "is not https"),
        (&["--to", "https://api.example.com"], true, "--region"),
        (&["--to", "http://127.0.0.1:1", "--listen", "0.0.0.0:0"], true, "is not a loopback address"),
        (&["--to", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--profile", "absent"], true, "credentials"),
        (&["--to", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"], false, "no AWS credentials were found"),
    ] {
        let output = support::proxy_command(keys).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.lines().count() == 1 && stderr.starts_with("strata: ") && stderr.contains(says), "{stderr}");
        assert!(output.stdout.is_empty() && !stderr.contains(SECRET), "{arguments:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = support::proxy_command(true).args(["--to", "http://127.0.0.1:1", "--listen", &address]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(&format!("--listen: {address} cannot be listened on")), "{stderr}");
}
