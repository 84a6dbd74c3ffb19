//! `cargo xtask bench cold-start`: what a function costs from exec to its first response, beside a bare Rust function and a Python one.
//!
//! All are started in turn in the same run, so what counts are the ratios; absolute figures belong to the machine of the day.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time")]

mod measured;
mod world;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Parser;
use measured::{Measured, Subject};
use serde_json::{Value, json};
use world::World;

#[derive(Debug, Parser)]
#[command(about = "Measures cold starts of the six functions")]
struct Args {
    /// The folder in which each function has one with its `bootstrap` and `bootstrap.zip`
    #[arg(long)]
    lambda: PathBuf,
    /// A Python with boto3 that knows OpsWorks; without it the functions are measured beside the bare one alone
    #[arg(long)]
    python: Option<PathBuf>,
    /// Starts of each
    #[arg(long, default_value_t = 20)]
    runs: usize,
    /// Only these functions
    #[arg(long)]
    only: Vec<String>,
    /// Instances of the layer that a decision is about
    #[arg(long, default_value_t = 100)]
    instances: usize,
    /// Invocations of a warm function
    #[arg(long, default_value_t = 50)]
    warm: u32,
}

/// A function, and the event that it is first woken with.
const FUNCTIONS: [(&str, &[u8]); 6] = [
    ("load-scaling", include_bytes!("../../../../events/alarm-metric-eventbridge.json")),
    ("time-scaling", include_bytes!("../../../../events/schedule-tick.json")),
    ("security-updates", include_bytes!("../../../../events/schedule-tick.json")),
    ("teardown", include_bytes!("../../../../events/schedule-tick.json")),
    ("instance-lifecycle", include_bytes!("../../../../events/schedule-tick.json")),
    ("api", include_bytes!("../../../../events/function-url-request.json")),
];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = runtime.block_on(World::new(args.instances))?;
    println!("medians of {} starts each, in turn; times in ms, memory and zip in MB", args.runs);
    println!("{:<20} {:>7} {:>7} {:>7} {:>7} {:>6}  against", "", "init", "first", "CPU", "memory", "zip");
    for (name, event) in FUNCTIONS.iter().filter(|(name, _)| args.only.is_empty() || args.only.iter().any(|o| o == name)) {
        measure(&args, &world, name, &event_of(name, event, &world)?)?;
    }
    Ok(())
}

/// The event about the world's own stack.
fn event_of(name: &str, event: &[u8], world: &World) -> anyhow::Result<Vec<u8>> {
    let mut event: Value = serde_json::from_slice(event)?;
    match name {
        "load-scaling" => event["detail"]["alarmName"] = json!("strata/shop/web/up-cpu"),
        "api" => event["body"] = json!(json!({ "StackId": world.stack_id }).to_string()),
        _ => {}
    }
    Ok(event.to_string().into_bytes())
}

fn measure(args: &Args, world: &World, name: &str, event: &[u8]) -> anyhow::Result<()> {
    let folder = args.lambda.join(name);
    let bootstrap = path(&folder.join("bootstrap"))?;
    let hello = path(&args.lambda.join("strata-hello/bootstrap"))?;
    let fixed = world.aws.variables();
    let variables: Vec<(&str, &str)> = fixed.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let ours = Subject { program: &bootstrap, variables: variables.clone(), event };
    // Once before all, so that the world has its answers ready; it also shows which services are called.
    world.aws.take();
    ours.start_once()?;
    let called = services(&world.aws.take().into_iter().map(|asked| asked.service).collect());
    let bare = Subject { program: &hello, variables: Vec::new(), event };
    let python = args.python.as_deref().map(|python| Python::new(python, name, &called)).transpose()?;
    let python = python.as_ref().map(|python| python.subject(&variables, event));

    let (mut of_ours, mut of_bare, mut of_python) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        of_ours.push(ours.start_once()?);
        of_bare.push(bare.start_once()?);
        if let Some(python) = &python {
            of_python.push(python.start_once()?);
        }
    }
    let (mine, bare) = (median(&of_ours), median(&of_bare));
    let zip = std::fs::metadata(folder.join("bootstrap.zip")).map(|file| file.len() as f64 / 1e6).ok();
    row(name, mine, zip, "");
    row("  bare", bare, None, &ratios(mine, bare));
    if !of_python.is_empty() {
        let python = median(&of_python);
        row("  Python", python, None, &ratios(mine, python));
    }
    let warm = ours.warm(args.warm)?;
    println!("  warm: {warm:.2} ms CPU per invocation, calls to {}", called.join(", "));
    Ok(())
}

/// The services as Python's clients are named.
fn services(signed_for: &BTreeSet<String>) -> Vec<String> {
    let named = |service: &String| match service.as_str() {
        "lambda" => "opsworks".to_owned(),
        "monitoring" => "cloudwatch".to_owned(),
        "elasticloadbalancing" => "elb".to_owned(),
        other => other.to_owned(),
    };
    signed_for.iter().map(named).collect()
}

/// The Python function with clients for the services of one of ours, which calls each once that ours called.
struct Python {
    script: PathBuf,
    program: String,
    services: String,
    called: String,
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.script));
    }
}

impl Python {
    fn new(python: &Path, name: &str, called: &[String]) -> anyhow::Result<Self> {
        let linked: &[&str] = match name {
            "load-scaling" => &["cloudwatch", "dynamodb", "ecs", "events", "opsworks", "sns", "ssm", "sts"],
            "time-scaling" => &["dynamodb", "events", "opsworks", "sns", "ssm"],
            "security-updates" | "teardown" => &["dynamodb", "ecs", "events", "opsworks", "sns", "ssm", "sts"],
            "instance-lifecycle" => &["dynamodb", "ec2", "ecs", "events", "sns", "ssm", "sts"],
            "api" => &["cloudwatch", "dynamodb", "ec2", "ecs", "elb", "events", "iam", "ssm", "sts"],
            other => bail!("{other} has no list of services"),
        };
        let script = std::env::temp_dir().join(format!("strata-bench-{}-{name}.py", std::process::id()));
        // A program by itself, as a function's `bootstrap` is one.
        std::fs::write(&script, format!("#!{}\n{}", std::path::absolute(python)?.display(), include_str!("handler.py")))?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700))?;
        let program = path(&script)?;
        Ok(Self { script, program, services: linked.join(","), called: called.join(",") })
    }

    fn subject<'a>(&'a self, variables: &[(&'a str, &'a str)], event: &'a [u8]) -> Subject<'a> {
        let own = [
            ("STRATA_BENCH_SERVICES", self.services.as_str()),
            ("STRATA_BENCH_CALLED", self.called.as_str()),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ];
        let variables = variables.iter().copied().chain(own).collect();
        Subject { program: &self.program, variables, event }
    }
}

fn median(of: &[Measured]) -> Measured {
    let of_each = |figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = of.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Measured { init: of_each(|m| m.init), first: of_each(|m| m.first), cpu: of_each(|m| m.cpu), memory: of_each(|m| m.memory) }
}

fn row(name: &str, m: Measured, zip: Option<f64>, against: &str) {
    let zip = zip.map_or_else(String::new, |zip| format!("{zip:.2}"));
    println!("{name:<20} {:>7.1} {:>7.1} {:>7.1} {:>7.1} {zip:>6}  {against}", m.init, m.first, m.cpu, m.memory);
}

/// Ours against another: how many times as long, or how many times faster.
fn ratios(ours: Measured, other: Measured) -> String {
    let told = |ours: f64, other: f64| {
        if ours >= other { format!("{:.1}x as long", ours / other) } else { format!("{:.0}x faster", other / ours) }
    };
    format!("ours: {}, CPU {}", told(ours.init + ours.first, other.init + other.first), told(ours.cpu, other.cpu))
}

fn path(path: &Path) -> anyhow::Result<String> {
    let there = path.canonicalize().with_context(|| format!("{}: `cargo xtask package` makes it", path.display()))?;
    Ok(there.to_str().context("the path is no text")?.to_owned())
}
