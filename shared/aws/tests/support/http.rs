//! Connectors for tests: one that answers by itself, and one that loses what a server answers.
#![allow(dead_code, reason = "each test file uses some of it")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) url: String,
    /// `X-Amz-Target`, without what stands before the dot.
    pub(crate) target: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        Self {
            url: request.uri().to_owned(),
            target: target.rsplit('.').next().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(request.body().bytes().expect("bodies are in memory")).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a JSON body")
    }
}

/// A status and a body; `None` is no answer at all.
type Answer = Option<(u16, String)>;

/// Gives prepared answers, in order, and keeps what it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canned {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Canned {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), asked: Arc::default() }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.asked.lock().unwrap().push(Asked::of(&request));
        let answer = self.answers.lock().unwrap().pop_front().expect("one call more than there are answers");
        HttpConnectorFuture::ready(match answer {
            Some((status, body)) => Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))),
            None => Err(ConnectorError::io("connection reset by peer".into())),
        })
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// What goes wrong with one call of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing.
    No,
    /// The server never hears of it.
    Call,
    /// The server does it, and nobody hears of that.
    Answer,
}

/// Statuses and bodies by token.
type Kept = BTreeMap<String, (u16, String)>;

/// A server's connector, one call at a time, whose answers get lost; what is not listed in `losses` goes well.
///
/// One at a time, since moto undoes a cancelled transaction by putting the whole table back as it was before, other clients' writes
/// included: a difference from DynamoDB that would lose what was written beside it.
#[derive(Clone, Debug)]
pub(crate) struct Lossy {
    connector: Arc<Mutex<Option<SharedHttpConnector>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    losses: Arc<Mutex<VecDeque<Loss>>>,
    /// Answers by token, for a server that does not keep them as DynamoDB does.
    kept: Option<Arc<Mutex<Kept>>>,
}

impl Lossy {
    /// `losses` are those of the first calls whose target is TransactWriteItems. With `keeps_tokens` a repeat with the same token is
    /// answered as the first one was, as DynamoDB has it for ten minutes; moto takes each call for a new one.
    pub(crate) fn new(losses: &[Loss], keeps_tokens: bool) -> Self {
        Self {
            connector: Arc::default(),
            turn: Arc::default(),
            losses: Arc::new(Mutex::new(losses.iter().copied().collect())),
            kept: keeps_tokens.then(Arc::default),
        }
    }

    async fn pass_on(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let asked = Asked::of(&request);
        let is_transaction = asked.target == "TransactWriteItems";
        let next = if is_transaction { self.losses.lock().unwrap().pop_front() } else { None };
        let loss = next.unwrap_or(Loss::No);
        let lost = || Err(ConnectorError::io("connection reset by peer".into()));
        if loss == Loss::Call {
            return lost();
        }
        let token = if is_transaction { asked.json()["ClientRequestToken"].as_str().map(str::to_owned) } else { None };
        let (status, body) = match self.kept_answer(token.as_deref()) {
            Some(kept) => kept,
            None => self.ask(request, token).await?,
        };
        if loss == Loss::Answer {
            return lost();
        }
        Ok(HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body)))
    }

    fn kept_answer(&self, token: Option<&str>) -> Option<(u16, String)> {
        self.kept.as_ref()?.lock().unwrap().get(token?).cloned()
    }

    async fn ask(&self, request: HttpRequest, token: Option<String>) -> Result<(u16, String), ConnectorError> {
        let _turn = self.turn.lock().await;
        let connector = self.connector.lock().unwrap().clone().expect("made with the client");
        let answer = connector.call(request).await?;
        let status = answer.status().as_u16();
        let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?;
        let answer = (status, String::from_utf8_lossy(&body.into_bytes()).into_owned());
        // A refused transaction is not kept: only a success is given again.
        if let (Some(kept), Some(token), 200) = (&self.kept, token, status) {
            kept.lock().unwrap().insert(token, answer.clone());
        }
        Ok(answer)
    }
}

impl HttpConnector for Lossy {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().pass_on(request))
    }
}

impl HttpClient for Lossy {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let server = aws_smithy_http_client::Builder::new().build_http();
        self.connector.lock().unwrap().get_or_insert_with(|| server.http_connector(settings, components));
        SharedHttpConnector::new(self.clone())
    }
}

/// Gets a URL of a server on this machine as anybody would, without credentials: content type and body of a 200.
pub(crate) async fn get(url: String) -> Option<(String, Bytes)> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("http://host:port/path");
    let mut stream = TcpStream::connect(host).await.expect("the server is there");
    // By 1.0 the answer is neither kept open nor cut in pieces.
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it is read");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head with an end");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    if head.split(' ').nth(1) != Some("200") {
        return None;
    }
    let content_type = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
    });
    Some((content_type.unwrap_or_default(), Bytes::copy_from_slice(&answer[end + 4..])))
}
