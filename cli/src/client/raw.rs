//! Calls that the SDK does not know: actions of our own, such as `Strata_20261126.<Action>`.

use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::de::DeserializeOwned;
use serde_json::Value;
use strata_control::api::extension::TARGET_PREFIX;
use strata_local::clock::SystemClock;
use strata_ports::Clock;

use super::{ATTEMPTS, Api};
use crate::{CliError, transport};

/// Longer than any answer of a function URL may be.
const MAX_ANSWER: usize = 32 * 1024 * 1024;
/// The wait before the second attempt; before the third it is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    /// The header of this name; the body may tell it too.
    error_type: Option<String>,
    /// None: the body is not JSON.
    json: Option<Value>,
    /// The header of this name.
    date: Option<Timestamp>,
}

/// What one attempt told: for whoever looks at the way rather than at the answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(crate) status: u16,
    /// The error's name, if it is one.
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) json: Option<Value>,
    /// When the server answered, by its own clock.
    pub(crate) date: Option<Timestamp>,
}

impl Api {
    /// Calls the action `target` (the whole `X-Amz-Target`) with `input` and gives back its output; an empty answer is `{}`.
    ///
    /// A call that got no answer, a 5xx or a throttle is repeated under the same invocation id, by which the API knows a repeat.
    ///
    /// # Errors
    /// [`CliError`], one sentence as of [`explain`](Api::explain).
    pub async fn raw(&self, target: &str, input: &Value) -> Result<Value, CliError> {
        let invocation = uuid::Uuid::new_v4().to_string();
        let body = Bytes::from(input.to_string());
        let mut attempt = 1;
        loop {
            let is_last = attempt == ATTEMPTS;
            match self.attempt(target, &body, &invocation, attempt).await {
                Ok(answer) if is_last || !answer.is_worth_another_try() => return self.output(answer),
                Err(Failure::Ours(error)) => return Err(error),
                Err(Failure::NoAnswer(why)) if is_last => return Err(self.unreachable(&why)),
                Ok(_) | Err(Failure::NoAnswer(_)) => tokio::time::sleep(FIRST_WAIT * attempt).await,
            }
            attempt += 1;
        }
    }

    /// Calls an action of our own and reads its answer.
    ///
    /// # Errors
    /// [`CliError`], one sentence; also when an API of another version answers in a form that this one cannot read.
    pub(crate) async fn ask_own<T: DeserializeOwned>(&self, action: &str, input: &Value) -> Result<T, CliError> {
        let answer = self.raw(&format!("{TARGET_PREFIX}{action}"), input).await?;
        let of_another = |e| CliError::Failed(anyhow::anyhow!("{} answered in a form of another version: {e}", self.endpoint()));
        serde_json::from_value(answer).map_err(of_another)
    }

    /// Calls once and tells everything; an error of the API is an answer, too.
    ///
    /// # Errors
    /// One text: there was no answer.
    pub(crate) async fn probe(&self, target: &str, input: &Value) -> Result<Probe, String> {
        let invocation = uuid::Uuid::new_v4().to_string();
        match self.attempt(target, &Bytes::from(input.to_string()), &invocation, ATTEMPTS).await {
            Ok(answer) => Ok(Probe {
                status: answer.status.as_u16(),
                code: answer.code().map(str::to_owned),
                message: answer.text(["message", "Message"]).map(str::to_owned),
                date: answer.date,
                json: answer.json,
            }),
            Err(Failure::NoAnswer(why)) => Err(why),
            Err(Failure::Ours(error)) => Err(error.to_string()),
        }
    }

    async fn attempt(&self, target: &str, body: &Bytes, invocation: &str, attempt: u32) -> Result<Answer, Failure> {
        let now = SystemClock.now();
        let ours = |why: String| Failure::Ours(CliError::BadInput(why));
        let keys = self.keys.current(now).await.map_err(|e| ours(e.to_string()))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.with("/"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .header("user-agent", concat!("strata/", env!("CARGO_PKG_VERSION")))
            .header("amz-sdk-invocation-id", invocation)
            .header("amz-sdk-request", format!("attempt={attempt}; max={ATTEMPTS}"))
            .body(body.clone())
            .map_err(|e| ours(format!("{target:?} cannot be called: {e}")))?;
        self.scope.sign(&mut request, &keys, now).map_err(|e| ours(e.to_string()))?;
        let response = transport::send(&self.connector, request).await.map_err(Failure::NoAnswer)?;
        Answer::read(response).await.map_err(Failure::NoAnswer)
    }

    fn output(&self, answer: Answer) -> Result<Value, CliError> {
        match answer.json {
            Some(json) if answer.status.is_success() => Ok(json),
            Some(_) | None => Err(self.refused(answer.status.as_u16(), answer.code(), answer.text(["message", "Message"]))),
        }
    }
}

/// Why an attempt has no answer.
enum Failure {
    /// It was not sent, and never will be.
    Ours(CliError),
    /// The next one may fare better.
    NoAnswer(String),
}

impl Answer {
    async fn read(response: Response<SdkBody>) -> Result<Self, String> {
        let (head, body) = response.into_parts();
        let mut chunks = axum::body::Body::new(body).into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.next().await {
            whole.extend_from_slice(&chunk.map_err(transport::chain)?);
            if whole.len() > MAX_ANSWER {
                return Err(format!("the answer has more than {MAX_ANSWER} bytes"));
            }
        }
        let error_type = head.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let json =
            if whole.is_empty() { Some(Value::Object(serde_json::Map::new())) } else { serde_json::from_slice(&whole).ok() };
        let date = head.headers.get("date").and_then(|v| v.to_str().ok()).and_then(|text| rfc2822::parse(text).ok());
        Ok(Self { status: head.status, error_type, json, date: date.map(|zoned| zoned.timestamp()) })
    }

    fn is_worth_another_try(&self) -> bool {
        let throttled = !self.status.is_success() && self.code() == Some("ThrottlingException");
        throttled || self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    fn code(&self) -> Option<&str> {
        self.text(["__type", "code"]).or(self.error_type.as_deref()).map(bare)
    }

    fn text(&self, names: [&str; 2]) -> Option<&str> {
        let json = self.json.as_ref()?;
        names.iter().find_map(|name| json.get(*name)?.as_str())
    }
}

/// An error's name without what SDKs cut off: `prefix#` and `:suffix` [WIRE-10].
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code)
}
