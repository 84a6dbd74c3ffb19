//! Queues of the server, to read back what was sent. SQS is nothing that Strata calls, so its three calls are made by hand: JSON 1.0, with
//! a signature that nobody checks.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{ACCOUNT, REGION, endpoint};

/// A queue that was made for one test.
pub(crate) struct Queue {
    url: String,
    pub(crate) arn: String,
}

impl Queue {
    pub(crate) fn create(name: &str) -> Self {
        let answer = call("CreateQueue", &json!({ "QueueName": name }));
        let url = answer["QueueUrl"].as_str().expect("a queue has a URL").to_owned();
        Self { url, arn: format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}") }
    }

    /// The bodies of all messages, which are JSON. They are deleted.
    pub(crate) fn drain(&self) -> Vec<Value> {
        let mut bodies = Vec::new();
        loop {
            let answer = call("ReceiveMessage", &json!({ "QueueUrl": self.url, "MaxNumberOfMessages": 10 }));
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                bodies.push(serde_json::from_str(message["Body"].as_str().expect("a body")).expect("JSON"));
                call("DeleteMessage", &json!({ "QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"] }));
            }
        }
    }
}

fn call(operation: &str, parameters: &Value) -> Value {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").expect("http://HOST:PORT");
    let body = parameters.to_string();
    let scope = format!("AKIAIOSFODNN7EXAMPLE/20260801/{REGION}/sqs/aws4_request");
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\ncontent-type: application/x-amz-json-1.0\r\n\
         x-amz-target: AmazonSQS.{operation}\r\nauthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0\r\n\
         \r\n{body}",
        body.len(),
    );
    let mut stream = TcpStream::connect(host).expect("the server is there");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, content) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{operation}: {answer}");
    serde_json::from_str(content).unwrap_or(Value::Null)
}
