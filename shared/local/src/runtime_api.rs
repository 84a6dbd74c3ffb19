//! A Lambda Runtime API on loopback: hands one event to a function's binary and takes its answer, as Lambda does.
//!
//! For tests of the binaries. It speaks just the part of HTTP/1.1 that `lambda_runtime` uses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What the function answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The body of `/response`.
    Response(String),
    /// The body of `/error`.
    Error(String),
}

/// The API, listening on a free loopback port until it is dropped.
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

    /// The next answer, or `None` when none came in `seconds`.
    pub fn answer(&self, seconds: u64) -> Option<Answer> {
        self.answers.recv_timeout(std::time::Duration::from_secs(seconds)).ok()
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
                std::thread::park_timeout(std::time::Duration::from_secs(60));
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
        let text = String::from_utf8_lossy(&body).into_owned();
        if path.ends_with("/response") {
            let _ = tell.send(Answer::Response(text));
        } else if path.ends_with("/error") {
            let _ = tell.send(Answer::Error(text));
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
