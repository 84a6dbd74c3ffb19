//! The Lambda function `api`: the OpsWorks Stacks API behind a function URL.
//!
//! Wiring only: a function URL's request (payload 2.0, IAM auth) becomes an HTTP request with its caller, the service answers it, and
//! the answer becomes a function URL's response. What the API does stands in `strata_control::api`.

mod audit;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use serde::Serialize;
use strata_domain::decision::Function;
use strata_ports::http_service::Caller;
use strata_ports::{HandlerError, HttpService};
use strata_triggers::{FunctionUrlCall, Trigger, parse, wrong_function};

pub use audit::Audit;

/// What the function needs.
#[derive(Clone)]
pub struct Deps {
    /// The API, usually a `strata_control::Api`.
    pub api: Arc<dyn HttpService>,
    /// Who is told of each call; `None` in a world without an audit log.
    pub audit: Option<Audit>,
}

/// A function URL's response, payload 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionUrlResponse {
    /// HTTP status.
    pub status_code: u16,
    /// Headers; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body: text, or base64 of what is none.
    pub body: String,
    /// Whether the body is base64: the API answers JSON or nothing, but the installer is an archive.
    pub is_base64_encoded: bool,
    /// Always empty; Lambda wants the member to be there.
    pub cookies: Vec<String>,
}

/// Answers one function URL request. Whatever the API refuses is an HTTP answer, not an error.
///
/// # Errors
/// [`HandlerError::Event`]: the event is no function URL request.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<FunctionUrlResponse, HandlerError> {
    let call = match parse(event)? {
        Trigger::FunctionUrl(call) => *call,
        other => return Err(wrong_function(Function::Api, &other).into()),
    };
    let response = deps.api.call(request(&call)).await;
    if let Some(audit) = &deps.audit {
        audit.record(&call, &response);
    }
    Ok(answer(&response))
}

/// The request as the API takes it. A method, path or header that HTTP does not allow cannot have come through Lambda's front door; it is
/// left out, and the API then finds no action to do.
fn request(call: &FunctionUrlCall) -> Request<Bytes> {
    let mut request = Request::new(Bytes::from(call.body.clone()));
    *request.method_mut() = Method::from_bytes(call.method.as_bytes()).unwrap_or_default();
    *request.uri_mut() = Uri::try_from(call.path.as_str()).unwrap_or_default();
    for (name, value) in &call.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request.headers_mut().insert(name, value);
        }
    }
    if let Some(arn) = call.caller_arn.clone() {
        request.extensions_mut().insert(Caller { arn });
    }
    request
}

fn answer(response: &Response<Bytes>) -> FunctionUrlResponse {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let (body, is_base64_encoded) = match std::str::from_utf8(response.body()) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(response.body()), true),
    };
    FunctionUrlResponse {
        status_code: response.status().as_u16(),
        headers: response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body,
        is_base64_encoded,
        cookies: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::{Value, json};

    use super::*;

    const REQUEST: &str = include_str!("../../../events/function-url-request.json");

    /// Answers 418 and remembers what it was asked.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<Request<Bytes>>>);

    #[async_trait]
    impl HttpService for Recorder {
        async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
            self.0.lock().unwrap().push(request);
            Response::builder().status(418).header("x-amzn-requestid", "r").body(Bytes::from("{\"a\":\"ü\"}")).unwrap()
        }
    }

    async fn handled(event: &str) -> (Result<FunctionUrlResponse, HandlerError>, Vec<Request<Bytes>>) {
        let recorder = Arc::new(Recorder::default());
        let answer = handle(event.as_bytes(), &Deps { api: recorder.clone(), audit: None }).await;
        (answer, std::mem::take(&mut *recorder.0.lock().unwrap()))
    }

    fn changed(change: impl FnOnce(&mut Value)) -> String {
        let mut event = serde_json::from_str(REQUEST).unwrap();
        change(&mut event);
        event.to_string()
    }

    #[tokio::test]
    async fn a_function_url_request_becomes_an_http_request_of_its_caller() {
        let (_, asked) = handled(REQUEST).await;
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].method(), "POST");
        assert_eq!(asked[0].headers()["x-amz-target"], "OpsWorks_20130218.DescribeInstances");
        assert_eq!(asked[0].headers()["amz-sdk-invocation-id"], "9d1c6a2e-4a53-4d58-8a5b-1e7cf3a3a8d4");
        assert_eq!(asked[0].body(), "{\"StackId\":\"2f18b4cb-4de5-4429-a149-ff7da9f0d8ee\"}");
        let caller = asked[0].extensions().get::<Caller>().unwrap();
        assert_eq!(caller.arn, "arn:aws:iam::123456789012:user/alice");
    }

    #[tokio::test]
    async fn a_base64_body_is_decoded_and_an_absent_one_is_empty() {
        let encoded = changed(|event| {
            event["body"] = json!("eyJhIjoxfQ==");
            event["isBase64Encoded"] = json!(true);
        });
        assert_eq!(handled(&encoded).await.1[0].body(), "{\"a\":1}");
        let absent = changed(|event| {
            event.as_object_mut().unwrap().remove("body");
        });
        assert!(handled(&absent).await.1[0].body().is_empty());
    }

    #[tokio::test]
    async fn without_iam_auth_there_is_no_caller() {
        let open = changed(|event| {
            event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        });
        assert!(handled(&open).await.1[0].extensions().get::<Caller>().is_none());
    }

    #[tokio::test]
    async fn the_answer_has_the_form_that_lambda_wants() {
        let (answer, _) = handled(REQUEST).await;
        let expected = json!({
            "statusCode": 418, "headers": { "x-amzn-requestid": "r" }, "body": "{\"a\":\"ü\"}", "isBase64Encoded": false, "cookies": [],
        });
        assert_eq!(serde_json::to_value(answer.unwrap()).unwrap(), expected);
    }

    /// An archive in the place of the API's JSON.
    struct Archive;

    #[async_trait]
    impl HttpService for Archive {
        async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
            assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/installer/opsworks-agent-installer.tgz"));
            Response::new(Bytes::from_static(&[0x1f, 0x8b, 0xff]))
        }
    }

    #[tokio::test]
    async fn what_is_no_text_is_answered_as_base64_and_the_path_is_handed_on() {
        let get = changed(|event| {
            event["rawPath"] = json!("/installer/opsworks-agent-installer.tgz");
            event["requestContext"]["http"]["method"] = json!("GET");
        });
        let answer = handle(get.as_bytes(), &Deps { api: Arc::new(Archive), audit: None }).await.unwrap();
        assert_eq!((answer.body.as_str(), answer.is_base64_encoded), ("H4v/", true));
    }

    #[tokio::test]
    async fn a_call_is_told_of_once_and_a_foreign_event_is_none() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let write = told.clone();
        let audit = Audit {
            region: "eu-central-1".to_owned(),
            ids: Arc::new(strata_ports::machine::RandomIds),
            write: Arc::new(move |line: &str| write.lock().unwrap().push(line.to_owned())),
        };
        let deps = Deps { api: Arc::new(Recorder::default()), audit: Some(audit) };
        handle(REQUEST.as_bytes(), &deps).await.unwrap();
        handle(include_bytes!("../../../events/schedule-tick.json"), &deps).await.unwrap_err();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(serde_json::from_str::<Value>(&told[0]).unwrap()["eventName"], "DescribeInstances");
    }

    #[tokio::test]
    async fn another_functions_event_is_an_error_and_asks_the_api_nothing() {
        for event in [include_str!("../../../events/schedule-tick.json"), "{}", "not json", ""] {
            let (answer, asked) = handled(event).await;
            assert!(matches!(answer, Err(HandlerError::Event(_))), "{event}");
            assert!(asked.is_empty());
        }
    }
}
