//! A server that gives the answers of a script, for what moto does not have: each operation's answers in their order, and what was asked.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use strata_aws::Base;

#[derive(Default)]
struct Script {
    answers: BTreeMap<String, VecDeque<(u16, String)>>,
    seen: Vec<(String, Value)>,
    regions: Vec<String>,
}

/// A running script. Its server ends with the test.
pub(crate) struct Scripted {
    url: String,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    /// A server on a port of its own, without answers but to AssumeRole.
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    /// The next answer to `operation`: a body, JSON or XML as the service speaks.
    pub(crate) fn answer(&self, operation: &str, body: impl std::fmt::Display) -> &Self {
        self.answer_with(operation, 200, body)
    }

    /// As [`answer`](Self::answer), with a status.
    pub(crate) fn answer_with(&self, operation: &str, status: u16, body: impl std::fmt::Display) -> &Self {
        self.script.lock().unwrap().answers.entry(operation.to_owned()).or_default().push_back((status, body.to_string()));
        self
    }

    /// Clients of this server.
    pub(crate) fn base(&self, more: &[(&str, &str)]) -> Base {
        super::base_at(&self.url, more)
    }

    /// What `operation` was asked since the last look, in its order; JSON, or a form's fields.
    pub(crate) fn asked(&self, operation: &str) -> Vec<Value> {
        let mut script = self.script.lock().unwrap();
        let (of_it, rest) = std::mem::take(&mut script.seen).into_iter().partition(|(name, _)| name == operation);
        script.seen = rest;
        let of_it: Vec<(String, Value)> = of_it;
        of_it.into_iter().map(|(_, body)| body).collect()
    }

    /// The regions that requests were signed for, in their order.
    pub(crate) fn regions(&self) -> Vec<String> {
        self.script.lock().unwrap().regions.clone()
    }

    /// # Panics
    /// When there are answers that nobody asked for.
    pub(crate) fn is_done(&self) {
        let script = self.script.lock().unwrap();
        let left: Vec<_> = script.answers.iter().filter(|(_, queue)| !queue.is_empty()).map(|(name, _)| name).collect();
        assert!(left.is_empty(), "nobody asked for these answers: {left:?}");
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).and_then(|t| t.rsplit('.').next());
    let (operation, asked) = match target {
        Some(operation) => (operation.to_owned(), serde_json::from_slice(&body).unwrap_or_default()),
        None => {
            let form = form(&body);
            (form.get("Action").and_then(Value::as_str).unwrap_or_default().to_owned(), Value::Object(form))
        }
    };
    let mut script = script.lock().unwrap();
    // Credential=<key>/<day>/<region>/<service>/aws4_request
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok());
    script.regions.extend(signed.and_then(|value| value.split('/').nth(2)).map(str::to_owned));
    let scripted = script.answers.get_mut(&operation).and_then(VecDeque::pop_front);
    script.seen.push((operation.clone(), asked));
    match scripted {
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body),
        None if operation == "AssumeRole" => (StatusCode::OK, SESSION.to_owned()),
        None => (StatusCode::BAD_REQUEST, format!("{{\"__type\":\"NotScripted\",\"message\":\"{operation}\"}}")),
    }
}

fn form(body: &[u8]) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), Value::String(decoded(value)))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

const SESSION: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
