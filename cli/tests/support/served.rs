//! `strata sim serve`, the built binary, and what tests ask of it.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// So often a state is looked for before the world is taken to stand still.
pub const POLLS: u32 = 200_000;
const ROOT_SCOPE: &str = "AKIAROOT/20260301/us-east-1/opsworks/aws4_request";

/// A running server; it is stopped when this is dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    pub fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strata"))
            .args(["sim", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let said: Vec<String> = lines.by_ref().take(3).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        let endpoint = said[0].rsplit(' ').next().unwrap().to_owned();
        assert_eq!(said[1], format!("  export AWS_ENDPOINT_URL_OPSWORKS={endpoint}"));
        assert!(said[2].starts_with("  aws opsworks describe-stacks"), "{said:?}");
        let address = endpoint.strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }

    /// A call of the API: status and body.
    pub fn send(&self, action: &str, input: &[u8], scope: Option<&str>) -> (u16, Value) {
        let signed =
            scope.map(|s| format!("authorization: AWS4-HMAC-SHA256 Credential={s}, SignedHeaders=host, Signature=0\r\n"));
        let headers = format!("x-amz-target: OpsWorks_20130218.{action}\r\n{}", signed.unwrap_or_default());
        request(&self.address, "POST / HTTP/1.1", &headers, input)
    }

    #[track_caller]
    pub fn call(&self, action: &str, input: Value) -> Value {
        let (status, body) = self.send(action, input.to_string().as_bytes(), Some(ROOT_SCOPE));
        assert_eq!(status, 200, "{action}: {body}");
        body
    }

    pub fn status_of(&self, instance: &str) -> Value {
        self.call("DescribeInstances", json!({ "InstanceIds": [instance] }))["Instances"][0].clone()
    }

    /// Asks again and again, until the instance has that status.
    pub fn wait_for(&self, instance: &str, status: &str) -> Value {
        for _ in 0..POLLS {
            let seen = self.status_of(instance);
            if seen["Status"] == status {
                return seen;
            }
            assert!(!seen["Status"].as_str().unwrap().ends_with("failed"), "{seen}");
            std::thread::yield_now();
        }
        panic!("{instance} does not become {status}: {}", self.status_of(instance));
    }

    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[cfg(unix)]
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as it should.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn request(address: &str, line: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let host = if headers.contains("host:") { String::new() } else { format!("host: {address}\r\n") };
    let head = format!("{line}\r\n{host}{headers}connection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub fn strata(arguments: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_strata")).args(arguments).arg("--data").arg(data).output().unwrap()
}

#[track_caller]
pub fn world(arguments: &[&str], data: &Path) -> Value {
    let output = strata(&[&["sim", "world", "--json"][..], arguments].concat(), data);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A stack with an ECS layer on the first cluster, and an instance in it: their ids.
pub fn layer(server: &Server, account: &Value) -> (String, String, String) {
    let stack = server.call(
        "CreateStack",
        json!({
            "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": account["service_role_arn"],
            "DefaultInstanceProfileArn": account["instance_profile_arn"], "DefaultOs": "Amazon Linux 2023",
        }),
    );
    let stack = stack["StackId"].as_str().unwrap().to_owned();
    let cluster = &account["cluster_arns"][0];
    server.call("RegisterEcsCluster", json!({ "EcsClusterArn": cluster, "StackId": stack }));
    let layer = server.call(
        "CreateLayer",
        json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "ecs-cluster",
            "Attributes": { "EcsClusterArn": cluster },
        }),
    );
    let layer = layer["LayerId"].as_str().unwrap().to_owned();
    let instance = server.call("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "c5.large" }));
    (stack, layer, instance["InstanceId"].as_str().unwrap().to_owned())
}

/// A command of `strata` against the served API: exit code, stdout, stderr.
pub fn tool(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_strata"))
        .args(arguments)
        .args(["--endpoint", &format!("http://{}", server.address)])
        .env("AWS_ACCESS_KEY_ID", "AKIAROOT")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
