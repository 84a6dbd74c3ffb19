//! A Lambda Runtime API on loopback: hands events to a function's binary and takes its answers, as Lambda does.
//!
//! For tests of the binaries. It speaks just the part of HTTP/1.1 that `lambda_runtime` uses.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;

/// So long a binary may take for an answer, start included.
const PATIENCE_SECONDS: u32 = 60;

/// What the function answered. A body that is not JSON is kept as a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The body of `/response`.
    Response(Value),
    /// The body of `/error`: `errorType` and `errorMessage`.
    Error(Value),
}

/// Starts a function's binary, hands it `events` one after the other, and gives its answers in their order. The binary is ended then.
///
/// # Errors
/// When the binary cannot be started, ends by itself, or takes longer than a minute for an answer.
pub fn ask(binary: &str, events: &[&[u8]]) -> std::io::Result<Vec<Answer>> {
    let api = RuntimeApi::start(events.iter().map(|e| e.to_vec()).collect())?;
    let mut function = Ended(
        Command::new(binary)
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "strata")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/strata")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .spawn()?,
    );
    events.iter().map(|_| answer(&api, &mut function.0)).collect()
}

/// A process that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answer(api: &RuntimeApi, function: &mut Child) -> std::io::Result<Answer> {
    for _ in 0..PATIENCE_SECONDS {
        if let Some(answer) = api.answer(Duration::from_secs(1)) {
            return Ok(answer);
        }
        if let Some(status) = function.try_wait()? {
            return Err(Error::new(ErrorKind::BrokenPipe, format!("the function ended by itself: {status}")));
        }
    }
    Err(Error::new(ErrorKind::TimedOut, format!("the function gave no answer in {PATIENCE_SECONDS} s")))
}

/// The API, listening on a free loopback port for as long as the process lives.
pub struct RuntimeApi {
    address: SocketAddr,
    answers: Receiver<Answer>,
}

impl RuntimeApi {
    /// Listens, ready to hand out `events` in order; a further poll for an event is left waiting, as Lambda does.
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub fn start(events: Vec<Vec<u8>>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            let queue = std::sync::Arc::new(std::sync::Mutex::new(std::collections::VecDeque::from(events)));
            for stream in listener.incoming().flatten() {
                let (queue, tell) = (queue.clone(), tell.clone());
                std::thread::spawn(move || serve(stream, &queue, &tell));
            }
        });
        Ok(Self { address, answers })
    }

    /// Value for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The next answer, or `None` when none comes in this time.
    pub fn answer(&self, patience: Duration) -> Option<Answer> {
        self.answers.recv_timeout(patience).ok()
    }
}

type Queue = std::sync::Mutex<std::collections::VecDeque<Vec<u8>>>;

/// Serves one connection until it closes.
fn serve(stream: TcpStream, queue: &Queue, tell: &Sender<Answer>) {
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    while let Some((path, body)) = read_request(&mut input) {
        if path.ends_with("/invocation/next") {
            let Some(event) = queue.lock().ok().and_then(|mut q| q.pop_front()) else {
                std::thread::park_timeout(Duration::from_secs(60));
                return;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                 Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:strata\r\n\
                 Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\nContent-Length: {}\r\n\r\n",
                event.len()
            );
            if out.write_all(head.as_bytes()).and_then(|()| out.write_all(&event)).is_err() {
                return;
            }
            continue;
        }
        let body =
            || serde_json::from_slice(&body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
        if path.ends_with("/response") {
            let _ = tell.send(Answer::Response(body()));
        } else if path.ends_with("/error") {
            let _ = tell.send(Answer::Error(body()));
        }
        if out.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

/// One request's path and body; `None` when the connection is over or makes no sense.
fn read_request(input: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let path = line.split_whitespace().nth(1)?.to_owned();
    let (mut length, mut chunked) = (0usize, false);
    loop {
        let mut header = String::new();
        input.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let body = if chunked { read_chunks(input)? } else { read_exactly(input, length)? };
    Some((path, body))
}

fn read_exactly(input: &mut BufReader<TcpStream>, length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    input.read_exact(&mut body).ok()?;
    Some(body)
}

fn read_chunks(input: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        input.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim().split(';').next()?, 16).ok()?;
        body.extend(read_exactly(input, size)?);
        read_exactly(input, 2)?;
        if size == 0 {
            return Some(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Sends requests over one connection and reads the status line and body of each answer.
    fn exchange(api: &RuntimeApi, requests: &[&str]) -> Vec<(String, String)> {
        let mut out = TcpStream::connect(api.address()).unwrap();
        let mut input = BufReader::new(out.try_clone().unwrap());
        let mut answers = Vec::new();
        for request in requests {
            out.write_all(request.as_bytes()).unwrap();
            let mut lines = Vec::new();
            while lines.last().is_none_or(|last: &String| last != "\r\n") {
                let mut line = String::new();
                input.read_line(&mut line).unwrap();
                lines.push(line);
            }
            let length = lines.iter().find_map(|l| l.strip_prefix("Content-Length: ")).unwrap().trim().parse().unwrap();
            let body = read_exactly(&mut input, length).unwrap();
            answers.push((lines[0].trim_end().to_owned(), String::from_utf8(body).unwrap()));
        }
        answers
    }

    const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

    #[test]
    fn events_come_in_order_and_answers_are_told_apart() {
        let api = RuntimeApi::start(vec![b"{\"n\":1}".to_vec(), b"{}".to_vec()]).unwrap();
        let response = "POST /2018-06-01/runtime/invocation/i/response HTTP/1.1\r\ncontent-length: 8\r\n\r\n{\"ok\":1}";
        let chunked = "POST /2018-06-01/runtime/invocation/i/error HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n5\r\n json\r\n0\r\n\r\n";
        let told = exchange(&api, &[NEXT, response, NEXT, chunked]);
        let (ok, accepted) = ("HTTP/1.1 200 OK", "HTTP/1.1 202 Accepted");
        let expected = [(ok, "{\"n\":1}"), (accepted, ""), (ok, "{}"), (accepted, "")];
        assert_eq!(told, expected.map(|(status, body)| (status.to_owned(), body.to_owned())));
        let patience = Duration::from_secs(10);
        assert_eq!(api.answer(patience), Some(Answer::Response(json!({ "ok": 1 }))));
        assert_eq!(api.answer(patience), Some(Answer::Error(json!("not json"))));
    }

    #[test]
    fn a_binary_that_ends_or_does_not_exist_is_an_error() {
        assert_eq!(ask("true", &[b"{}"]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(ask("/nowhere/at-all", &[b"{}"]).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
