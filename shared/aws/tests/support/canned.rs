//! A connector that answers with recorded answers, so that what AWS says on bad days can be read without a server.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use strata_aws::{Base, Settings};

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status and body.
    Http(u16, String),
    /// Nothing in time.
    Timeout,
    /// The connection broke.
    Broken,
}

/// A call as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `RunInstances`, ...
    pub(crate) operation: String,
    /// The query's parameters, or `json` with the whole body.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Call {
    /// A parameter's value.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The values of the filter of this name.
    pub(crate) fn filter(&self, name: &str) -> Vec<&str> {
        let of = self.parameters.iter().find(|(key, value)| key.ends_with(".Name") && *value == name);
        let Some(prefix) = of.and_then(|(key, _)| key.strip_suffix("Name")) else { return Vec::new() };
        (1..).map_while(|n| self.get(&format!("{prefix}Value.{n}"))).collect()
    }
}

type Answers = dyn Fn(&Call) -> Answer + Send + Sync;

/// The connector.
#[derive(Clone)]
pub(crate) struct Canned {
    answers: Arc<Answers>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Debug for Canned {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Canned")
    }
}

impl Canned {
    /// `answers` answers each call; one of AssumeRole is answered well, unless `answers` answers it itself.
    pub(crate) fn new(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        Self { answers: Arc::new(answers), calls: Arc::default() }
    }

    /// The calls since the last look, those of STS left out.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = std::mem::take(&mut *self.calls.lock().expect("no call panics"));
        calls.into_iter().filter(|call| call.operation != "AssumeRole").collect()
    }

    /// A base whose clients get these answers.
    pub(crate) fn base(&self) -> Base {
        let settings = Settings::read(|name| (name == "AWS_REGION").then(|| super::REGION.to_owned()));
        let base = Base::new(settings.expect("settings"), super::keys()).with_http(self.clone());
        base.log().keep();
        base
    }
}

/// The answer of STS.
pub(crate) fn assumed() -> Answer {
    let keys = "<AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token\
                </SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>";
    let result = format!("<AssumeRoleResult><Credentials>{keys}</Credentials></AssumeRoleResult>");
    Answer::Http(
        200,
        format!("<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">{result}</AssumeRoleResponse>"),
    )
}

/// An EC2 error as EC2 writes it.
pub(crate) fn ec2_error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let id = "<RequestID>ea966190-f9aa-478e-9ede-example</RequestID>";
    Answer::Http(status, format!("{head}\n<Response><Errors>{error}</Errors>{id}</Response>"))
}

/// An error of STS or ELB.
pub(crate) fn query_error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
    Answer::Http(status, format!("<ErrorResponse>{error}<RequestId>ea966190-example</RequestId></ErrorResponse>"))
}

/// An answer in the query protocol, of ELB for example.
pub(crate) fn query(operation: &str, members: &str) -> Answer {
    let result = format!("<{operation}Result>{members}</{operation}Result>");
    let metadata = "<ResponseMetadata><RequestId>ea966190-example</RequestId></ResponseMetadata>";
    Answer::Http(200, format!("<{operation}Response>{result}{metadata}</{operation}Response>"))
}

/// An EC2 answer.
pub(crate) fn ec2(operation: &str, members: &str) -> Answer {
    let xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/";
    Answer::Http(200, format!("<{operation}Response xmlns=\"{xmlns}\"><requestId>r</requestId>{members}</{operation}Response>"))
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = read(&request);
        self.calls.lock().expect("no call panics").push(call.clone());
        let answer = (self.answers)(&call);
        HttpConnectorFuture::ready(match answer {
            Answer::Http(status, body) => Ok(HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body))),
            Answer::Timeout => Err(ConnectorError::timeout("nothing in time".into())),
            Answer::Broken => Err(ConnectorError::io("connection reset by peer".into())),
        })
    }
}

fn read(request: &HttpRequest) -> Call {
    let body = String::from_utf8(request.body().bytes().unwrap_or_default().to_vec()).expect("text");
    if let Some(target) = request.headers().get("x-amz-target") {
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        return Call { operation, parameters: [("json".to_owned(), body)].into() };
    }
    let decoded = |text: &str| percent_decoded(&text.replace('+', " "));
    let parameters: BTreeMap<String, String> =
        body.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (decoded(key), decoded(value))).collect();
    Call { operation: parameters.get("Action").cloned().unwrap_or_default(), parameters }
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("text")
}
