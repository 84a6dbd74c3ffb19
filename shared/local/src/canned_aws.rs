//! AWS on loopback, for a function's binary: every service answers at once, that there is nothing, or what a test wants it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::loopback::{self, Reply, Request};

/// A call as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The service that it is signed for, for example `dynamodb`, `monitoring`, `lambda`; empty when it is not signed.
    pub service: String,
    /// The operation, for example `Query`; for a REST call the method and the path.
    pub operation: String,
    /// All of it.
    pub request: Request,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let scope = request.header("authorization").and_then(|a| a.split("Credential=").nth(1)).unwrap_or_default();
        let service = scope.split('/').nth(3).unwrap_or_default().to_owned();
        let form = String::from_utf8_lossy(&request.body);
        let of_form = || form.split('&').find_map(|pair| pair.strip_prefix("Action="));
        let operation = match request.header("x-amz-target").and_then(|target| target.rsplit('.').next()).or_else(of_form) {
            Some(name) => name.to_owned(),
            None => format!("{} {}", request.method, request.path),
        };
        Self { service, operation, request: request.clone() }
    }

    /// Whether it changes nothing, by its name.
    pub fn is_read(&self) -> bool {
        let reads = ["AssumeRole", "BatchGet", "Describe", "GET ", "Get", "HEAD ", "List", "Query", "Simulate", "TransactGet"];
        reads.iter().any(|read| self.operation.starts_with(read))
    }
}

/// The services; they live as long as the process.
pub struct CannedAws {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl CannedAws {
    /// Services in which there is nothing: no record, no stack, no alarm.
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub fn empty() -> std::io::Result<Self> {
        Self::answering(|_| None)
    }

    /// As [`empty`](Self::empty), save where `answer` gives an answer of its own.
    ///
    /// # Errors
    /// See there.
    pub fn answering(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> std::io::Result<Self> {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = asked.clone();
        let address = loopback::serve(move |request| {
            let call = Asked::of(request);
            let reply = answer(&call).unwrap_or_else(|| nothing(&call));
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(call);
            Some(reply)
        })?;
        Ok(Self { address, asked })
    }

    /// Value for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived since the last look.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The environment of a function that is deployed rightly, and whose AWS this is.
    pub fn variables(&self) -> Vec<(String, String)> {
        let fixed = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "session-token-of-the-role"),
            ("STRATA_INSTALLATION", "strata"),
            ("STRATA_ACCOUNT", "123456789012"),
            ("STRATA_TABLE", "strata"),
            ("STRATA_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:strata-on-call"),
            ("STRATA_BUCKET", "strata-bucket"),
            ("STRATA_EXTERNAL_ID", "external-id"),
            ("STRATA_CONTROLLER_ROLE_ARNS", "arn:aws:iam::123456789012:role/strata-load-scaling"),
        ];
        let mut variables: Vec<_> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        variables.push(("STRATA_API_URL".to_owned(), format!("{}/", self.endpoint())));
        variables.push(("AWS_ENDPOINT_URL".to_owned(), self.endpoint()));
        variables
    }
}

/// An error in the form of the JSON protocols, and of the query protocols in the one of XML.
pub fn refusal(asked: &Asked, status: u16, code: &str, message: &str) -> Reply {
    let form = asked.request.header("content-type").unwrap_or_default();
    let (kind, body) = if form.starts_with("application/x-amz-json") {
        (form.to_owned(), format!("{{\"__type\":\"{code}\",\"message\":\"{message}\"}}"))
    } else {
        let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        ("text/xml".to_owned(), format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
    };
    Reply { status, headers: vec![("Content-Type", kind)], body: body.into_bytes() }
}

/// The answer of a service in which there is nothing.
fn nothing(asked: &Asked) -> Reply {
    let form = asked.request.header("content-type").unwrap_or_default();
    let body = match (asked.service.as_str(), asked.operation.as_str()) {
        ("dynamodb", "Query") => "{\"Count\":0,\"Items\":[],\"ScannedCount\":0}".to_owned(),
        ("ssm", "GetParameters") => "{\"InvalidParameters\":[],\"Parameters\":[]}".to_owned(),
        ("ssm", "GetParameter") => return refusal(asked, 400, "ParameterNotFound", ""),
        ("events", "PutEvents") => "{\"Entries\":[{\"EventId\":\"e\"}],\"FailedEntryCount\":0}".to_owned(),
        ("sts", "AssumeRole") => assumed(),
        (_, operation) if form.starts_with("application/x-www-form-urlencoded") => {
            format!(
                "<{operation}Response><{operation}Result/><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"
            )
        }
        _ => "{}".to_owned(),
    };
    let kind = if body.starts_with('<') { "text/xml" } else { form };
    Reply {
        status: 200,
        headers: vec![("Content-Type", kind.to_owned()), ("x-amzn-RequestId", "r".to_owned())],
        body: body.into_bytes(),
    }
}

fn assumed() -> String {
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
     <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>secret-of-the-stack</SecretAccessKey>\
     <SessionToken>token</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        .to_owned()
}
