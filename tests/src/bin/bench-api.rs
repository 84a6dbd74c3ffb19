//! `cargo xtask bench api`: how fast the OpsWorks API answers over loopback, beside a server that has the same bytes ready.
//!
//! Both run as processes of their own and are measured in turn in one run, so what counts is the ratio; absolute figures belong to the
//! machine of the day.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time")]

use std::io::{BufRead, BufReader as StdBufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[derive(Debug, Parser)]
#[command(about = "Measures the OpsWorks API over loopback")]
struct Args {
    /// The `strata` binary that serves
    #[arg(long)]
    strata: PathBuf,
    /// Instances of the layer that is described
    #[arg(long, default_value_t = 1_000)]
    instances: usize,
    /// Connections that ask at once
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Seconds that each measurement lasts
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Measurements of each server
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests of the memory run; 0 leaves it out
    #[arg(long, default_value_t = 1_000_000)]
    requests: usize,
    /// Serve this file's bytes to every request: the server to compare with
    #[arg(long, hide = true)]
    same_bytes: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.same_bytes {
        Some(file) => runtime.block_on(serve_same_bytes(file)),
        None => runtime.block_on(measure(&args)),
    }
}

/// An axum handler that returns the same bytes from memory.
async fn serve_same_bytes(file: &Path) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(file)?);
    let answer = move |_: Bytes| {
        let body = body.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/x-amz-json-1.1")], body) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
    Ok(axum::serve(listener, axum::Router::new().fallback(answer)).await?)
}

/// A server that is stopped when the bench is over, however that comes about.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn().context("the server cannot be started")?;
        let stdout = child.stdout.take().context("the server has a stdout")?;
        let mut lines = StdBufReader::new(stdout).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            Some(rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect::<String>())
        });
        // What it prints later must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address: address.context("the server printed no address")? })
    }

    /// Resident memory in MB.
    fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).context("VmRSS")?;
        let kb: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kb / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("strata-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = measure_in(args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn measure_in(args: &Args, folder: &Path) -> anyhow::Result<()> {
    let mut serve = Command::new(&args.strata);
    serve.args(["sim", "serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("world"));
    let api = Server::start(&mut serve)?;
    let (stack, layer, ids) = fill(&api.address, args.instances).await?;
    let question = Question::new("DescribeInstances", &json!({ "LayerId": layer }));
    let body = ask(&api.address, &question).await?;
    println!("DescribeInstances of {} instances: {} bytes", ids.len(), body.len());

    let file = folder.join("body.json");
    std::fs::write(&file, &body)?;
    let same = Server::start(Command::new(std::env::current_exe()?).arg("--strata=-").arg("--same-bytes").arg(&file))?;
    compare(args, &api, &same, question).await?;
    if args.requests > 0 {
        // Before anything is started: machines that come up take memory of their own.
        memory(args, &api, &stack, &layer, &ids).await?;
    }
    starts(args, &api, &ids).await
}

async fn compare(args: &Args, api: &Server, same: &Server, question: Question) -> anyhow::Result<()> {
    let question = Arc::new(vec![question]);
    let mut ratios = Vec::new();
    println!("{:>24} {:>10} {:>9} {:>9} {:>7}", "", "requests/s", "p50 ms", "p99 ms", "ratio");
    for round in 1..=args.rounds {
        let ours = load(&api.address, &question, args, None).await?;
        let theirs = load(&same.address, &question, args, None).await?;
        let ratio = ours.per_second() / theirs.per_second();
        println!("{:>24} {}", format!("round {round}: API"), ours.line());
        println!("{:>24} {} {ratio:>7.2}", "same bytes", theirs.line());
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of throughput, API to same bytes: {:.2}", ratios[ratios.len() / 2]);
    Ok(())
}

/// StartInstance: durable in the store when it is answered.
async fn starts(args: &Args, api: &Server, ids: &[String]) -> anyhow::Result<()> {
    let (alone, together) = ids.split_at(ids.len() / 10);
    for (what, ids, connections) in [("one at a time", alone, 1), ("at once", together, args.connections)] {
        let questions = ids.iter().map(|id| Question::new("StartInstance", &json!({ "InstanceId": id }))).collect();
        let limited = Args { connections, ..args.limited() };
        let measured = load(&api.address, &Arc::new(questions), &limited, Some(ids.len())).await?;
        println!("{:>24} {}", format!("StartInstance {what}"), measured.line());
    }
    Ok(())
}

/// Many requests of several kinds; memory must not grow with them.
async fn memory(args: &Args, api: &Server, stack: &str, layer: &str, ids: &[String]) -> anyhow::Result<()> {
    let mut questions: Vec<Question> =
        ids.iter().take(50).map(|id| Question::new("DescribeInstances", &json!({ "InstanceIds": [id] }))).collect();
    questions.push(Question::new("DescribeStacks", &json!({ "StackIds": [stack] })));
    questions.push(Question::new("DescribeLayers", &json!({ "LayerIds": [layer] })));
    questions.push(Question::new("DescribeLoadBasedAutoScaling", &json!({ "LayerIds": [layer] })));
    questions.push(Question::new("DescribeInstances", &json!({ "StackId": "unknown" })));
    questions.push(Question::new("DescribeInstances", &json!({ "LayerId": layer })));
    let questions = Arc::new(questions);
    println!("{:>24} {:.1} MB", "memory at the start", api.memory()?);
    for tenth in 1..=10 {
        let measured = load(&api.address, &questions, args, Some(args.requests / 10)).await?;
        println!("{:>24} {:.1} MB  {}", format!("after {} requests", tenth * args.requests / 10), api.memory()?, measured.line());
    }
    Ok(())
}

impl Args {
    fn limited(&self) -> Self {
        Self { strata: self.strata.clone(), same_bytes: None, ..*self }
    }
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
struct Question(Bytes);

impl Question {
    fn new(action: &str, members: &Value) -> Self {
        let body = members.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-amz-json-1.1\r\nx-amz-target: OpsWorks_20130218.{action}\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self(Bytes::from(head + &body))
    }
}

/// One connection that is kept.
struct Connection {
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("{address} cannot be reached"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream), body: Vec::new() })
    }

    /// Asks and reads the whole answer; its status.
    async fn ask(&mut self, question: &Question) -> anyhow::Result<u16> {
        self.stream.get_mut().write_all(&question.0).await?;
        let (mut status, mut length, mut line) = (0, 0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                bail!("the server hung up");
            }
            let text = line.trim_end();
            if text.is_empty() {
                break;
            }
            if let Some(code) = text.strip_prefix("HTTP/1.1 ") {
                status = code.split(' ').next().unwrap_or_default().parse()?;
            } else if let Some((name, value)) = text.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok(status)
    }
}

async fn ask(address: &str, question: &Question) -> anyhow::Result<Vec<u8>> {
    let mut connection = Connection::open(address).await?;
    let status = connection.ask(question).await?;
    let text = String::from_utf8_lossy(&connection.body);
    if status != 200 {
        bail!("{}\nwas answered {status} {text}", String::from_utf8_lossy(&question.0));
    }
    Ok(connection.body)
}

/// What a load came to.
struct Measured {
    requests: usize,
    time: Duration,
    latencies: Vec<Duration>,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }

    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1_000.0)
    }

    fn line(&self) -> String {
        format!("{:>10.0} {:>9.2} {:>9.2}", self.per_second(), self.percentile(50), self.percentile(99))
    }
}

/// All connections ask, for the time that the arguments name, or until so many requests were made.
async fn load(address: &str, questions: &Arc<Vec<Question>>, args: &Args, requests: Option<usize>) -> anyhow::Result<Measured> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(args.seconds);
    let mut running = tokio::task::JoinSet::new();
    for place in 0..args.connections {
        let (address, questions, step) = (address.to_owned(), Arc::clone(questions), args.connections);
        running.spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let mut latencies = Vec::new();
            let mut n = place;
            while requests.map_or_else(|| Instant::now() < end, |requests| n < requests) {
                let asked = Instant::now();
                let status = connection.ask(&questions[n % questions.len()]).await?;
                latencies.push(asked.elapsed());
                if status >= 500 {
                    bail!("answered {status}: {}", String::from_utf8_lossy(&connection.body));
                }
                n += step;
            }
            Ok(latencies)
        });
    }
    let mut latencies: Vec<Duration> = Vec::new();
    while let Some(one) = running.join_next().await {
        latencies.extend(one??);
    }
    let time = begun.elapsed();
    latencies.sort();
    Ok(Measured { requests: latencies.len(), time, latencies })
}

/// A stack with a layer of so many instances; stack, layer and instance ids.
async fn fill(address: &str, instances: usize) -> anyhow::Result<(String, String, Vec<String>)> {
    let stack = json!({
        "Name": "bench", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/aws-opsworks-service-role",
        "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/aws-opsworks-ec2-role",
    });
    let stack = made(address, "CreateStack", &stack, "StackId").await?;
    let layer = json!({ "StackId": stack, "Type": "custom", "Name": "web", "Shortname": "web" });
    let layer = made(address, "CreateLayer", &layer, "LayerId").await?;
    let mut ids = Vec::with_capacity(instances);
    for n in 0..instances {
        let instance =
            json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "c7i.large", "Hostname": format!("web{n}") });
        ids.push(made(address, "CreateInstance", &instance, "InstanceId").await?);
    }
    Ok((stack, layer, ids))
}

async fn made(address: &str, action: &str, members: &Value, id: &str) -> anyhow::Result<String> {
    let body: Value = serde_json::from_slice(&ask(address, &Question::new(action, members)).await?)?;
    Ok(body[id].as_str().with_context(|| format!("{action} gives an {id}"))?.to_owned())
}
