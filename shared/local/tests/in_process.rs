//! The OpsWorks SDK against a service in the same process.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_opsworks::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_opsworks::config::{BehaviorVersion, Config, Credentials, Region, RuntimeComponents};
use aws_sdk_opsworks::error::ProvideErrorMetadata;
use aws_sdk_opsworks::operation::describe_instances::DescribeInstancesError;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::Document;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_local::{InProcess, SeededIds, VirtualClock, opsworks_client, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::{Clock, HttpService};

const ROLE: &str = "arn:aws:iam::123456789012:role/strata-controllers";
const INSTANCES: &str =
    r#"{"Instances":[{"InstanceId":"5c1f1c1e-0000-4000-8000-000000000001","Hostname":"web1","Status":"online"}]}"#;

/// Answers with what it was given, in order, the last for ever; keeps what it was asked.
struct Stub {
    answers: Mutex<Vec<(u16, &'static str)>>,
    asked: Mutex<Vec<Asked>>,
    clock: VirtualClock,
}

struct Asked {
    after: SignedDuration,
    request: http::Request<Bytes>,
}

impl Stub {
    fn new(answers: &[(u16, &'static str)]) -> Arc<Self> {
        let mut answers = answers.to_vec();
        answers.reverse();
        let clock = VirtualClock::new("2026-03-01T00:00:00Z".parse().unwrap());
        Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::default(), clock })
    }

    fn client(self: &Arc<Self>, seed: u64) -> aws_sdk_opsworks::Client {
        opsworks_client(self.clone(), ROLE, Arc::new(self.clock), seed)
    }

    fn header(&self, n: usize, name: &str) -> String {
        self.asked.lock().unwrap()[n].request.headers()[name].to_str().unwrap().to_owned()
    }

    fn waits(&self) -> Vec<SignedDuration> {
        self.asked.lock().unwrap().windows(2).map(|pair| pair[1].after - pair[0].after).collect()
    }

    /// All that the service was asked, as text.
    fn transcript(&self) -> String {
        let asked = self.asked.lock().unwrap();
        let one = |asked: &Asked| format!("{} {:?}\n", asked.after, asked.request);
        asked.iter().map(one).collect()
    }
}

#[async_trait]
impl HttpService for Stub {
    async fn call(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let after = self.clock.now().duration_since(self.clock.start());
        self.asked.lock().unwrap().push(Asked { after, request });
        let mut answers = self.answers.lock().unwrap();
        let (status, body) = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0] };
        http::Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.1")
            .body(Bytes::from(body))
            .unwrap()
    }
}

fn run<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    virtual_runtime().unwrap().block_on(async { test().await })
}

#[test]
fn a_call_goes_out_and_comes_back_in_the_sdks_own_wire_format() {
    run(|| async {
        let stub = Stub::new(&[(200, INSTANCES)]);
        let answer = stub.client(1).describe_instances().stack_id("s-1").send().await.unwrap();
        let instance = &answer.instances()[0];
        assert_eq!((instance.hostname(), instance.status()), (Some("web1"), Some("online")));

        let asked = stub.asked.lock().unwrap();
        let request = &asked[0].request;
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "http://opsworks.local/");
        assert_eq!(request.headers()["x-amz-target"], "OpsWorks_20130218.DescribeInstances");
        assert_eq!(request.headers()["content-type"], "application/x-amz-json-1.1");
        assert_eq!(request.body(), r#"{"StackId":"s-1"}"#);
        assert_eq!(request.extensions().get::<Caller>(), Some(&Caller { arn: ROLE.to_owned() }));
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].after, SignedDuration::ZERO, "no virtual time passes unless asked for");
    });
}

#[test]
fn a_modelled_error_arrives_as_itself_and_is_not_retried() {
    run(|| async {
        let stub = Stub::new(&[(400, r#"{"__type":"ValidationException","message":"no such stack"}"#)]);
        let error = stub.client(1).describe_instances().stack_id("s-1").send().await.unwrap_err();
        let error = error.into_service_error();
        assert!(matches!(&error, DescribeInstancesError::ValidationException(e) if e.message() == Some("no such stack")));
        assert_eq!(stub.asked.lock().unwrap().len(), 1);
    });
}

/// [WIRE-15] rests on this: each attempt of a call carries the same id, and no two calls do.
#[test]
fn wire_15_a_throttled_call_is_retried_under_the_same_invocation_id() {
    run(|| async {
        let throttle = (400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#);
        let stub = Stub::new(&[throttle, (503, "{}"), (200, INSTANCES)]);
        let client = stub.client(1);
        client.describe_instances().send().await.unwrap();
        client.describe_instances().send().await.unwrap();
        assert_eq!(stub.asked.lock().unwrap().len(), 4);
        let id = |n| stub.header(n, "amz-sdk-invocation-id");
        assert!(id(0) == id(1) && id(1) == id(2));
        assert_ne!(id(2), id(3));
        assert_eq!(stub.header(1, "amz-sdk-request"), "attempt=2; max=3");
        let waits = stub.waits();
        let longest = SignedDuration::from_millis(1_000);
        assert!(waits[..2].iter().all(|wait| (SignedDuration::ZERO..=longest).contains(wait)), "{waits:?}");
        assert_ne!(waits[0], waits[1]);
    });
}

#[test]
fn a_call_that_is_throttled_three_times_fails() {
    run(|| async {
        let stub = Stub::new(&[(400, r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#)]);
        let error = stub.client(1).describe_instances().send().await.unwrap_err();
        assert_eq!(error.code(), Some("ThrottlingException"));
        assert_eq!(stub.asked.lock().unwrap().len(), 3);
    });
}

/// Enough failures to use up the retry quota, so that a quota shared with an earlier run would show.
fn transcript_of_a_rough_day(seed: u64) -> String {
    run(|| async {
        let stub = Stub::new(&[(500, "{}")]);
        let client = stub.client(seed);
        for n in 0..150 {
            let _ = client.start_instance().instance_id(format!("i-{n}")).send().await;
        }
        stub.answers.lock().unwrap()[0] = (200, "{}");
        client.start_instance().instance_id("last").send().await.unwrap();
        stub.transcript()
    })
}

#[test]
fn the_same_seed_gives_the_same_bytes_headers_and_waits() {
    let first = transcript_of_a_rough_day(5);
    assert_eq!(first, transcript_of_a_rough_day(5));
    assert_ne!(first, transcript_of_a_rough_day(6));
    assert!(!first.to_lowercase().contains(std::env::consts::OS), "nothing of this machine is in a request");
    let attempts = first.matches("StartInstance").count();
    assert!((151..451).contains(&attempts), "{attempts}: the quota ran out, as it would with the real service");
}

#[test]
fn latency_takes_virtual_time_on_each_attempt() {
    run(|| async {
        let stub = Stub::new(&[(200, INSTANCES)]);
        let ids = Arc::new(SeededIds::new(1, "calls"));
        let latency = Duration::from_millis(20);
        let way = InProcess { caller_arn: ROLE.to_owned(), region: "eu-west-1".to_owned(), ids, seed: 1, latency };
        let (one, other) = (way.client(stub.clone(), Arc::new(stub.clock)), way.client(stub.clone(), Arc::new(stub.clock)));
        one.describe_instances().send().await.unwrap();
        other.describe_instances().send().await.unwrap();
        assert_eq!(stub.waits(), [SignedDuration::from_millis(20)]);
        assert_ne!(
            stub.header(0, "amz-sdk-invocation-id"),
            stub.header(1, "amz-sdk-invocation-id"),
            "clients share the ids' source"
        );
    });
}

/// Prints what a call costs: `cargo test --release -p strata-local --test in_process -- --ignored --nocapture`.
#[test]
#[ignore = "measures, proves nothing"]
fn cost_of_a_call() {
    run(|| async {
        let stub = Stub::new(&[(200, INSTANCES)]);
        let client = stub.client(1);
        let calls = 20_000;
        for pass in ["warm-up", "measured"] {
            #[expect(clippy::disallowed_methods, reason = "measures wall time")]
            let begin = std::time::Instant::now();
            for _ in 0..calls {
                client.describe_instances().stack_id("s-1").send().await.unwrap();
            }
            println!("{pass}: {:.1} µs a call", begin.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
            stub.asked.lock().unwrap().clear();
        }
    });
}

/// Answers every request with an empty object; keeps how each was signed, and what was said of its attempts.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<Mutex<Vec<(String, String)>>>);

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let header = |name: &str| request.headers().get(name).unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((header("authorization"), header("amz-sdk-request")));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from("{}"))))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// A function URL wants signatures of the service `lambda`.
#[derive(Debug)]
struct FunctionUrl;

impl ResolveEndpoint for FunctionUrl {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        let scheme = [("name", "sigv4"), ("signingName", "lambda"), ("signingRegion", "us-east-1")];
        let scheme: HashMap<String, Document> =
            scheme.map(|(key, value)| (key.to_owned(), Document::from(value.to_owned()))).into();
        let url = Endpoint::builder().url("https://abc.lambda-url.us-east-1.on.aws");
        EndpointFuture::ready(Ok(url.property("authSchemes", vec![Document::from(scheme)]).build()))
    }
}

/// [CLT-7] What whoever writes a client with the SDK must know: the address alone signs as `opsworks`, which a function URL refuses; an
/// endpoint with schemes of its own signs as `lambda`; a configuration made by hand repeats nothing; and an answer without members is no list.
#[tokio::test]
async fn clt_7_an_address_alone_signs_as_opsworks_and_an_endpoint_of_ones_own_as_lambda() {
    let wire = Wire::default();
    let config = || {
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
            .http_client(wire.clone())
    };
    for (config, service) in [
        (config().endpoint_url("https://abc.lambda-url.us-east-1.on.aws").build(), "opsworks"),
        (config().endpoint_resolver(FunctionUrl).build(), "lambda"),
    ] {
        let described = aws_sdk_opsworks::Client::from_conf(config).describe_stacks().send().await.unwrap();
        assert_eq!(described.stacks, None, "an answer without the member is no empty list");
        let (authorization, attempts) = wire.0.lock().unwrap().pop().unwrap();
        assert!(authorization.contains(&format!("/us-east-1/{service}/aws4_request")), "{authorization}");
        assert_eq!(attempts, "attempt=1; max=1");
    }
}
