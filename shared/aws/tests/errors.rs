//! Which error comes out of what AWS says on bad days, through the real clients.

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::config::retry::RetryConfig;
use strata_aws::compute::Ec2Compute;
use strata_aws::error::{Effect, sort};
use strata_aws::{Base, Settings};
use strata_ports::{CloudError, Compute};
use support::canned::{Answer, Canned, assumed, ec2_error, query_error};

/// A client that calls once.
fn once(base: &Base) -> Client {
    Client::from_conf(Builder::from(&base.own("EC2")).retry_config(RetryConfig::disabled()).build())
}

/// What a read and a write come to.
async fn both(client: &Client) -> [CloudError; 2] {
    let read = client.describe_instances().send().await.expect_err("no answer of use");
    let write = client.run_instances().min_count(1).max_count(1).client_token("t").send().await.expect_err("no answer of use");
    [sort("ec2:DescribeInstances", Effect::Read, read), sort("ec2:RunInstances", Effect::Write, write)]
}

fn kind(error: &CloudError) -> String {
    match error {
        CloudError::RetryLater { .. } => "later".to_owned(),
        CloudError::Refused { code, .. } => format!("refused {code}"),
        CloudError::Wrong { code, .. } => format!("wrong {code}"),
        CloudError::OutcomeUnknown { .. } => "unknown".to_owned(),
    }
}

const CIPHER: &str = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/s/strata is not \
                      authorized to perform: ec2:RunInstances on resource: arn:aws:ec2:us-east-1:123456789012:instance/* because no \
                      identity-based policy allows the ec2:RunInstances action. Encoded authorization failure message: gEaBcD0123";

#[tokio::test]
async fn recorded_answers_say_what_to_do() {
    let html = "<html><head><title>502 Bad Gateway</title></head></html>".to_owned();
    let cases: Vec<(&str, Answer, &str, &str)> = vec![
        ("throttled", ec2_error(503, "RequestLimitExceeded", "Request limit exceeded."), "later", "later"),
        ("throttled by rate", ec2_error(503, "EC2ThrottledException", "Rate exceeded"), "later", "later"),
        ("unavailable", ec2_error(503, "Unavailable", "The service is unavailable. Please try again shortly."), "later", "later"),
        ("session expired", ec2_error(400, "RequestExpired", "Request has expired."), "later", "later"),
        (
            "no room",
            ec2_error(500, "InsufficientInstanceCapacity", "We currently do not have sufficient c7i.large capacity"),
            "refused InsufficientInstanceCapacity",
            "refused InsufficientInstanceCapacity",
        ),
        (
            "quota",
            ec2_error(
                400,
                "VcpuLimitExceeded",
                "You have requested more vCPU capacity than your current vCPU limit of 32 allows",
            ),
            "refused VcpuLimitExceeded",
            "refused VcpuLimitExceeded",
        ),
        (
            "not allowed",
            ec2_error(403, "UnauthorizedOperation", CIPHER),
            "wrong UnauthorizedOperation",
            "wrong UnauthorizedOperation",
        ),
        (
            "not there",
            ec2_error(400, "InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist"),
            "wrong InvalidInstanceID.NotFound",
            "wrong InvalidInstanceID.NotFound",
        ),
        ("internal error", ec2_error(500, "InternalError", "An internal error has occurred"), "later", "unknown"),
        ("a gateway's page", Answer::Http(502, html.clone()), "later", "unknown"),
        ("a page for an answer", Answer::Http(200, html), "later", "unknown"),
        ("an empty error", Answer::Http(503, String::new()), "later", "unknown"),
        ("nothing in time", Answer::Timeout, "later", "unknown"),
        ("a broken connection", Answer::Broken, "later", "unknown"),
    ];
    for (name, answer, read, write) in cases {
        let canned = Canned::new(move |_| answer.clone());
        let [for_read, for_write] = both(&once(&canned.base())).await;
        assert_eq!((kind(&for_read).as_str(), kind(&for_write).as_str()), (read, write), "{name}: {for_read} / {for_write}");
        assert_eq!(canned.calls().len(), 2, "{name}");
    }
}

#[tokio::test]
async fn the_cipher_at_the_end_of_a_refusal_is_left_to_cloudtrail() {
    let canned = Canned::new(|_| ec2_error(403, "UnauthorizedOperation", CIPHER));
    let text = both(&once(&canned.base())).await[1].to_string();
    assert!(text.contains("ec2:RunInstances action. (CloudTrail has the encoded reason)") && !text.contains("gEaB"), "{text}");
}

/// A server that answers every connection with these bytes, whatever it is asked, and closes it.
fn server_that_says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 65_536];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(bytes);
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_connection_that_is_closed_in_mid_answer_leaves_the_outcome_unknown() {
    let endpoint =
        server_that_says(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5000\r\n\r\n<RunInstancesResponse>");
    let settings = Settings::read(|name| match name {
        "AWS_REGION" => Some(support::REGION.to_owned()),
        "AWS_ENDPOINT_URL_EC2" => Some(endpoint.clone()),
        _ => None,
    });
    let [read, write] = both(&once(&Base::new(settings.expect("settings"), support::keys()))).await;
    assert_eq!((kind(&read).as_str(), kind(&write).as_str()), ("later", "unknown"), "{read} / {write}");
}

/// What a stack's call comes to when STS answers so.
async fn with_sts(answer: Answer) -> CloudError {
    let canned = Canned::new(move |call| match call.operation.as_str() {
        "AssumeRole" => answer.clone(),
        other => panic!("{other} went out without credentials"),
    });
    let compute = Ec2Compute::new(&canned.base());
    compute
        .describe_instances(&support::scope(), &["i-1".into()], strata_ports::StatusChecks::Asked)
        .await
        .expect_err("there are no credentials")
}

#[tokio::test]
async fn a_service_role_that_cannot_be_assumed_is_named() {
    let role = support::scope().service_role_arn;
    let message =
        format!("User: arn:aws:sts::123456789012:assumed-role/f/f is not authorized to perform: sts:AssumeRole on {role}");
    let error = with_sts(query_error(403, "AccessDenied", &message)).await;
    assert_eq!(error.code(), Some("AccessDenied"));
    assert!(error.to_string().contains(&format!("the service role {role} cannot be assumed")), "{error}");
}

#[tokio::test]
async fn an_sts_that_is_busy_is_asked_later() {
    for answer in [query_error(400, "Throttling", "Rate exceeded"), query_error(500, "InternalFailure", "oops"), Answer::Broken] {
        let error = with_sts(answer).await;
        assert!(error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_service_role_is_assumed_once_for_many_calls() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        other => ec2_error(400, "InvalidParameterValue", other),
    });
    let base = canned.base();
    let compute = Ec2Compute::new(&base);
    for _ in 0..3 {
        compute.describe_exceptions(&support::scope()).await.unwrap_err();
    }
    let calls = base.log().take();
    assert_eq!(calls.iter().filter(|call| call.operation == "AssumeRole").count(), 1, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.operation == "DescribeInstances").count(), 3);
}
