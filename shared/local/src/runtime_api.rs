//! A Lambda Runtime API on loopback: starts a function's binary, hands it events and takes its answers, as Lambda does.
//!
//! For tests of the binaries, and for measuring them.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Error, ErrorKind};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::loopback::{self, Reply, Request};

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

/// What a function did with the events that it was handed.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// One for each event, in their order.
    pub answers: Vec<Answer>,
    /// What it wrote to its standard output, which Lambda hands to its log; lines that are no JSON are kept as strings.
    pub lines: Vec<Value>,
}

/// Starts a function's binary, hands it `events` one after the other, and gives its answers in their order. The binary is ended then.
/// It sees of the environment what Lambda sets, and `variables`.
///
/// # Errors
/// When the binary cannot be started, ends by itself, or takes longer than a minute for an answer.
pub fn run(binary: &str, variables: &[(&str, &str)], events: &[&[u8]]) -> std::io::Result<Run> {
    let api = RuntimeApi::start(events.iter().map(|e| e.to_vec()).collect())?;
    let mut function = Function::start(binary, variables, &api)?;
    let answers = events.iter().map(|_| function.answer(&api)).collect::<std::io::Result<_>>()?;
    Ok(Run { answers, lines: function.end() })
}

/// A function's process, which does not outlive this value.
pub struct Function {
    process: Child,
    lines: Option<JoinHandle<Vec<Value>>>,
}

impl Function {
    /// Starts it as [`run`] does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(binary: &str, variables: &[(&str, &str)], api: &RuntimeApi) -> std::io::Result<Self> {
        let mut process = Command::new(binary)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "strata")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/strata")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = process.stdout.take().map(|out| {
            std::thread::spawn(move || {
                let lines = BufReader::new(out).lines().map_while(Result::ok);
                lines.map(|line| serde_json::from_str(&line).unwrap_or(Value::String(line))).collect()
            })
        });
        Ok(Self { process, lines })
    }

    /// Its process's id, for whoever measures it.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for its next answer.
    ///
    /// # Errors
    /// When it ends by itself, or takes longer than a minute.
    pub fn answer(&mut self, api: &RuntimeApi) -> std::io::Result<Answer> {
        for _ in 0..PATIENCE_SECONDS {
            if let Some(answer) = api.answer(Duration::from_secs(1)) {
                return Ok(answer);
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(Error::new(ErrorKind::BrokenPipe, format!("the function ended by itself: {status}")));
            }
        }
        Err(Error::new(ErrorKind::TimedOut, format!("the function gave no answer in {PATIENCE_SECONDS} s")))
    }

    /// Ends it, and gives what it has written.
    pub fn end(mut self) -> Vec<Value> {
        self.kill();
        self.lines.take().and_then(|lines| lines.join().ok()).unwrap_or_default()
    }

    fn kill(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The API, listening on a free loopback port for as long as the process lives.
pub struct RuntimeApi {
    address: SocketAddr,
    polls: Receiver<()>,
    answers: Receiver<Answer>,
}

impl RuntimeApi {
    /// Listens, ready to hand out `events` in order; a further poll for an event is left waiting, as Lambda does.
    ///
    /// # Errors
    /// When no loopback port can be had.
    pub fn start(events: Vec<Vec<u8>>) -> std::io::Result<Self> {
        let (poll, polls) = channel();
        let (tell, answers) = channel();
        let queue = Mutex::new(VecDeque::from(events));
        let address = loopback::serve(move |request| {
            if request.path.ends_with("/invocation/next") {
                let _ = poll.send(());
                return queue.lock().ok()?.pop_front().map(invocation);
            }
            if request.path.ends_with("/response") {
                let _ = tell.send(Answer::Response(body(request)));
            } else if request.path.ends_with("/error") {
                let _ = tell.send(Answer::Error(body(request)));
            }
            Some(Reply { status: 202, headers: Vec::new(), body: Vec::new() })
        })?;
        Ok(Self { address, polls, answers })
    }

    /// Value for `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Waits for the next time that the function asks for an event; whether it did.
    pub fn poll(&self, patience: Duration) -> bool {
        self.polls.recv_timeout(patience).is_ok()
    }

    /// The next answer, or `None` when none comes in this time.
    pub fn answer(&self, patience: Duration) -> Option<Answer> {
        self.answers.recv_timeout(patience).ok()
    }
}

/// An event as Lambda hands it out.
fn invocation(event: Vec<u8>) -> Reply {
    let headers = [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("Lambda-Runtime-Deadline-Ms", "4102444800000"),
        ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:strata"),
        ("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0"),
    ];
    Reply { status: 200, headers: headers.map(|(name, value)| (name, value.to_owned())).into(), body: event }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;

    use serde_json::json;

    use super::*;
    use crate::loopback::read_exactly;

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
        let (ok, accepted) = ("HTTP/1.1 200 OK", "HTTP/1.1 202 OK");
        let expected = [(ok, "{\"n\":1}"), (accepted, ""), (ok, "{}"), (accepted, "")];
        assert_eq!(told, expected.map(|(status, body)| (status.to_owned(), body.to_owned())));
        let patience = Duration::from_secs(10);
        assert_eq!(api.answer(patience), Some(Answer::Response(json!({ "ok": 1 }))));
        assert_eq!(api.answer(patience), Some(Answer::Error(json!("not json"))));
    }

    #[test]
    fn a_binary_sees_only_what_it_is_to_see_and_its_output_is_kept() {
        let api = RuntimeApi::start(Vec::new()).unwrap();
        let mut function = Function::start("/usr/bin/env", &[("STRATA_TABLE", "t")], &api).unwrap();
        assert_eq!(function.answer(&api).unwrap_err().kind(), ErrorKind::BrokenPipe);
        let lines = function.end();
        assert!(
            lines.contains(&json!("STRATA_TABLE=t"))
                && lines.contains(&json!(format!("AWS_LAMBDA_RUNTIME_API={}", api.address())))
        );
        assert!(lines.iter().all(|line| !line.as_str().unwrap_or_default().starts_with("PATH=")), "{lines:?}");
    }

    #[test]
    fn a_binary_that_ends_or_does_not_exist_is_an_error() {
        assert_eq!(run("/bin/true", &[], &[b"{}"]).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(run("/nowhere/at-all", &[], &[b"{}"]).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
