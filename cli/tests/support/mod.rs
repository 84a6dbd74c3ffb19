//! The two ends of a call: an API on loopback that keeps what it was asked, and the built `strata proxy`.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, reason = "clippy takes unwrap in test functions only; these are their helpers")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const TOKEN: &str = "a-session//token==";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// An API on loopback that answers everything alike; it goes when it is dropped.
pub struct Upstream {
    address: std::net::SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub async fn start(status: u16, answer: &'static str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        let router = Router::new().fallback(move |request: Request| {
            let kept = kept.clone();
            async move {
                let arrived = Seen::of(request).await;
                kept.lock().unwrap().push(arrived);
                let response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
                response
                    .header("x-amzn-requestid", "0a1b")
                    .header("x-powered-by", "test")
                    .body(axum::body::Body::from(answer))
                    .unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, seen, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Seen {
    async fn of(request: Request) -> Self {
        let (head, body) = request.into_parts();
        let body: Bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        let headers = head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.to_str().unwrap().to_owned())).collect();
        Self { path: head.uri.path().to_owned(), headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Signature Version 4 once more, written down from its description: for a path without special characters and no query.
    pub fn is_signed_for(&self, service: &str, region: &str) -> Result<(), String> {
        let given = self.header("authorization").ok_or("no Authorization header")?;
        let date = self.header("x-amz-date").ok_or("no X-Amz-Date header")?;
        if self.header("x-amz-security-token") != Some(TOKEN) {
            return Err("another session token".to_owned());
        }
        let names = given.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next()).ok_or("no SignedHeaders")?;
        let scope = format!("{}/{region}/{service}/aws4_request", &date[..8]);
        let headers: String = names.split(';').map(|n| format!("{n}:{}\n", self.header(n).unwrap_or("absent"))).collect();
        let canonical = format!("POST\n{}\n\n{headers}\n{names}\n{}", self.path, hex(&Sha256::digest(&self.body)));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let steps = [&date[..8], region, service, "aws4_request", &to_sign];
        let signature = steps.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, step| hmac(&key, step.as_bytes()));
        let expected = format!("AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={}", hex(&signature));
        let must = ["host", "x-amz-date", "x-amz-target", "x-amz-security-token"];
        let all_signed = must.iter().all(|must| names.split(';').any(|name| name == *must));
        if given == expected && all_signed { Ok(()) } else { Err(format!("{given}\nexpected {expected}")) }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.map(|b| b ^ with).to_vec();
    let inner = Sha256::digest([pad(0x36), text.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

/// `strata proxy`, running; it ends when it is dropped.
pub struct Proxy {
    pub endpoint: String,
    child: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command without the machine's own AWS configuration, with or without keys.
pub fn proxy_command(keys: bool) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.arg("proxy").env_clear().env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    if keys {
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN);
    }
    command
}

impl Proxy {
    pub fn start(to: &str) -> Self {
        Self::run(to, proxy_command(true))
    }

    /// With everything that the proxy and its libraries log, in `log`.
    pub fn start_logging(to: &str, log: std::fs::File) -> Self {
        let mut command = proxy_command(true);
        command.env("RUST_LOG", "trace").env("NO_COLOR", "1").stderr(log);
        Self::run(to, command)
    }

    fn run(to: &str, mut command: Command) -> Self {
        command.args(["--to", to, "--listen", "127.0.0.1:0", "--region", "eu-west-1", "--output", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        Self { endpoint: told["endpoint"].as_str().unwrap().to_owned(), child }
    }
}

/// A request with a good signature for `opsworks`, as it goes over the wire.
pub fn signed(endpoint: &str, body: &str) -> String {
    use strata_ports::Clock;
    let host = endpoint.strip_prefix("http://").unwrap();
    let now = strata_local::clock::SystemClock.now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let target = "OpsWorks_20130218.DescribeStacks";
    let scope = format!("{}/eu-west-1/opsworks/aws4_request", &now[..8]);
    let names = "host;x-amz-date;x-amz-security-token;x-amz-target";
    let canonical = format!(
        "POST\n/\n\nhost:{host}\nx-amz-date:{now}\nx-amz-security-token:{TOKEN}\nx-amz-target:{target}\n\n{names}\n{}",
        hex(&Sha256::digest(body))
    );
    let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let steps = [&now[..8], "eu-west-1", "opsworks", "aws4_request", &to_sign];
    let signature = steps.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, step| hmac(&key, step.as_bytes()));
    format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-date: {now}\r\nx-amz-security-token: {TOKEN}\r\nx-amz-target: {target}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        hex(&signature),
        body.len()
    )
}

/// Sends `request` as it stands and reads the answer to its end.
pub async fn http(endpoint: &str, request: &str) -> String {
    let mut socket = tokio::net::TcpStream::connect(endpoint.strip_prefix("http://").unwrap()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}
