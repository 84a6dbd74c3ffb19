//! What can be typed.

mod explain;
mod jobs;
mod on_call;
mod plan_ahead;
mod register;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::decision::Function;

use crate::client::ApiOptions;
pub use explain::{HoldArgs, HoldsArgs, PreviewArgs, ReleaseArgs, WhyArgs};
pub use jobs::*;
pub use on_call::*;
pub use plan_ahead::{BacktestArgs, HistoryArgs, RecommendArgs};
pub use register::RegisterArgs;

/// `strata`.
#[derive(Debug, Parser)]
#[command(
    name = "strata",
    version,
    about = "Runs OpsWorks Stacks' ECS Cluster layers: the laptop world, and the tools of on-call",
    after_help = "Exit codes: 0 done, 1 failed, 2 usage or bad input, 3 there are changes (where that was asked).\n\n\
                  Examples:\n  strata sim run                       a day of the best-practices layer\n  \
                  strata sim run --days 7 --instances 100 --json\n  \
                  strata completions bash > /etc/bash_completion.d/strata",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// Form of the answer
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The laptop world: the same functions on a simulated cloud, on virtual time
    Sim {
        /// What to do in it.
        #[command(subcommand)]
        command: SimCommand,
    },
    /// Print the service model that teaches today's AWS CLI and boto3 this API, or install it where they look
    #[command(after_help = AWS_MODEL_EXAMPLES)]
    AwsModel(AwsModelArgs),
    /// Let clients that sign for `opsworks` only (Terraform, old scripts) reach a deployed API
    #[command(after_help = PROXY_EXAMPLES)]
    Proxy(ProxyArgs),
    /// One screen: stacks, layers, instances, alarms, holds, jobs, and what is blocked and why
    #[command(
        after_help = "Examples:\n  strata status\n  strata status --watch\n  strata status --endpoint http://127.0.0.1:4280 --json"
    )]
    Status(StatusArgs),
    /// What was seen, decided and done about a stack, a layer or an instance, and why
    #[command(after_help = explain::WHY_EXAMPLES)]
    Why(WhyArgs),
    /// What each scaler would do now, and why, without doing it
    #[command(after_help = explain::PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Replay a measured history through the deciders: capacity, cost and events of one or more layers
    #[command(after_help = plan_ahead::BACKTEST_EXAMPLES)]
    Backtest(Box<BacktestArgs>),
    /// The mix of 24/7, time-based and load-based instances that a measured history asks for, judged on days it was not fitted on
    #[command(after_help = plan_ahead::RECOMMEND_EXAMPLES)]
    Recommend(Box<RecommendArgs>),
    /// Keep Strata's hands off an instance or a layer for a while
    #[command(after_help = explain::HOLD_EXAMPLES)]
    Hold(HoldArgs),
    /// End a hold before its time
    #[command(after_help = explain::HOLD_EXAMPLES)]
    Release(ReleaseArgs),
    /// What is held, by whom, why and until when
    #[command(after_help = "Example:\n  strata holds --stack shop")]
    Holds(HoldsArgs),
    /// Rolling updates of a layer, wave by wave
    #[command(after_help = jobs::CAMPAIGN_EXAMPLES)]
    Campaign {
        /// What to do.
        #[command(subcommand)]
        command: CampaignCommand,
    },
    /// Take a layer down in order
    #[command(after_help = jobs::TEARDOWN_EXAMPLES)]
    Teardown {
        /// What to do.
        #[command(subcommand)]
        command: TeardownCommand,
    },
    /// Is everything there that Strata needs, and if not, how is it mended
    #[command(after_help = on_call::DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Does AWS do what Strata takes for granted: walks one small host through its life, and removes it
    #[command(after_help = on_call::SMOKE_EXAMPLES)]
    Smoke(SmokeArgs),
    /// Stop Strata from doing anything: in the whole installation, a stack or a layer
    #[command(after_help = on_call::FREEZE_EXAMPLES)]
    Freeze(ModeArgs),
    /// Let Strata act again, and for the first time after an installation
    #[command(after_help = on_call::THAW_EXAMPLES)]
    Thaw(ModeArgs),
    /// Have Strata tell what it would do, and do nothing
    #[command(after_help = on_call::OBSERVE_EXAMPLES)]
    Observe(ModeArgs),
    /// ECS Cluster layers, in one step instead of several
    Layer {
        /// What to do.
        #[command(subcommand)]
        command: LayerCommand,
    },
    /// Make an EC2 instance that exists already an instance of a stack
    #[command(after_help = register::EXAMPLES)]
    Register(RegisterArgs),
    /// Print the completion script of a shell
    #[command(after_help = "Example:\n  strata completions zsh > ~/.zfunc/_strata")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

const PROXY_EXAMPLES: &str = "Examples:
  strata proxy --to https://<id>.lambda-url.eu-west-1.on.aws
  export AWS_ENDPOINT_URL_OPSWORKS=http://127.0.0.1:4281

Requests must be signed with the very credentials that the proxy holds, and are signed again with them. Where a profile assumes a role or
signs in by SSO each program gets keys of its own; give both the same ones first:
  eval \"$(aws configure export-credentials --format env)\"";

/// `strata proxy`.
#[derive(Clone, Debug, Args)]
pub struct ProxyArgs {
    /// The API: https, or a loopback address
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where to listen; loopback only, port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4281")]
    pub listen: SocketAddr,
    /// Region to sign for [default: the one in a function URL]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Service to sign for
    #[arg(long, value_name = "NAME", default_value = "lambda")]
    pub signing_name: String,
    /// Profile whose credentials to use [default: as the AWS CLI chooses]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// `strata status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// Only the stack of this id
    #[arg(long, value_name = "ID")]
    pub stack: Option<String>,
    /// Ask again every so many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub watch: Option<u64>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// `strata layer`.
#[derive(Clone, Debug, Subcommand)]
pub enum LayerCommand {
    /// Register an ECS cluster with a stack and create its layer; on failure everything is left as it was
    #[command(after_help = "Example:\n  strata layer add --cluster arn:aws:ecs:us-east-1:123456789012:cluster/shop --stack shop")]
    Add(LayerAddArgs),
    /// Delete a stack's ECS Cluster layer and deregister its cluster, which stays in ECS
    #[command(after_help = "Example:\n  strata layer delete --stack shop")]
    Delete(LayerDeleteArgs),
}

/// `strata layer add`.
#[derive(Clone, Debug, Args)]
pub struct LayerAddArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The ECS cluster: its ARN, or its name in the stack's region
    #[arg(long, value_name = "ARN|NAME")]
    pub cluster: String,
    /// The stack: its id or its name [default: the only one]
    #[arg(long, value_name = "ID|NAME")]
    pub stack: Option<String>,
    /// The layer's name
    #[arg(long, value_name = "NAME", default_value = "ECS Cluster")]
    pub name: String,
    /// The EC2 instance profile [default: aws-opsworks-ec2-role-with-ecs, made where that can be done]
    #[arg(long, value_name = "ARN")]
    pub instance_profile: Option<String>,
    /// Widen the service role without asking
    #[arg(long)]
    pub yes: bool,
}

/// `strata layer delete`.
#[derive(Clone, Debug, Args)]
pub struct LayerDeleteArgs {
    /// How to reach the API.
    #[command(flatten)]
    pub api: ApiOptions,
    /// The stack: its id or its name [default: the only one]
    #[arg(long, value_name = "ID|NAME")]
    pub stack: Option<String>,
}

/// The commands of the laptop world.
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Run days of a scenario on the simulated cloud and report what happened
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Serve the simulated world in real time behind a loopback endpoint, until Ctrl-C
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// List what the account of the served world has, or add to it
    #[command(after_help = WORLD_EXAMPLES)]
    World(WorldArgs),
    /// Run one function once with one event and print its decisions
    #[command(after_help = INVOKE_EXAMPLES)]
    Invoke(InvokeArgs),
    /// Print the built-in scenario, or check a scenario file
    #[command(after_help = SCENARIO_EXAMPLES)]
    Scenario(ScenarioArgs),
}

const RUN_EXAMPLES: &str = "Examples:
  strata sim run
  strata sim run --days 7 --instances 100 --faults heavy --seed 3
  strata sim run --trace cpu.csv --time-column timestamp --value-column value --unit cpu
  strata sim run --report day.html --events day.jsonl --json

Exits with 1 if an invariant was broken, with 2 if a file or a flag cannot be used.";

const SERVE_EXAMPLES: &str = "Examples:
  strata sim serve
  strata sim serve --speed 60 --data ./my-world
  strata sim serve --keys keys.toml      who calls, by access key

keys.toml:
  [keys]
  AKIAADA0000000000000 = \"arn:aws:iam::123456789012:user/ada\"
  [policies.\"arn:aws:iam::123456789012:user/ada\"]   # may be left out
  allow = [\"opsworks:*\"]

The world survives being killed and goes on with the next start. Without --keys everybody is the account's root.";

const WORLD_EXAMPLES: &str = "Examples:
  strata sim world --json
  strata sim world add cluster shop-2
  strata sim world add service shop web --count 6
  strata sim world cpu 5f2ad4c1-1f0e-4d5c-8b0f-4c1a3c3c5a11 92";

const INVOKE_EXAMPLES: &str = "Examples:
  strata sim invoke load-scaling events/alarm-metric-eventbridge.json
  strata sim invoke instance-lifecycle events/sqs-hints.json --world ./my-world";

const SCENARIO_EXAMPLES: &str = "Examples:
  strata sim scenario > mine.toml      start from the built-in one
  strata sim scenario mine.toml        check it";

const AWS_MODEL_EXAMPLES: &str = "Examples:
  strata aws-model --install
  strata aws-model --install --signing-name lambda      for a deployed function URL
  strata aws-model > service-2.json

Installs into the first folder of AWS_DATA_PATH, or else into ~/.aws/models.";

/// `strata aws-model`.
#[derive(Clone, Debug, Args)]
pub struct AwsModelArgs {
    /// Write the model where the AWS CLI and boto3 look, with its waiters and paginators
    #[arg(long)]
    pub install: bool,
    /// The service that clients sign for; a deployed function URL takes only `lambda` [default: opsworks]
    #[arg(long, value_name = "NAME", value_parser = ["lambda", "execute-api", "opsworks"])]
    pub signing_name: Option<String>,
    /// Replace a model that strata did not write
    #[arg(long, requires = "install")]
    pub force: bool,
}

/// `strata sim run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Seed of everything that is random; the same seed gives the same run to the byte [default: the scenario's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Simulated days [default: the scenario's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub days: Option<u32>,
    /// Scale the first layer to so many instances in all; its demand and services grow with it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub instances: Option<u32>,
    /// Drive the first layer's demand from a metric file (CSV with a header line)
    #[arg(long, value_name = "FILE.csv", requires = "unit")]
    pub trace: Option<PathBuf>,
    /// The trace's column of times
    #[arg(long, value_name = "NAME", default_value = "timestamp", requires = "trace")]
    pub time_column: String,
    /// The trace's column of values
    #[arg(long, value_name = "NAME", default_value = "value", requires = "trace")]
    pub value_column: String,
    /// What the trace's values are: CPU percent of a fleet, or requests (any count; only its shape matters)
    #[arg(long, value_enum, requires = "trace")]
    pub unit: Option<Unit>,
    /// Start at this moment of the trace instead of at its first data point
    #[arg(long, value_name = "TIME", requires = "trace", value_parser = parse_time)]
    pub trace_from: Option<Timestamp>,
    /// Scenario file; see docs/scenarios.md [default: built in, print it with `strata sim scenario`]
    #[arg(long, value_name = "FILE.toml")]
    pub scenario: Option<PathBuf>,
    /// How much the cloud and the event bus misbehave [default: the scenario's]
    #[arg(long, value_enum)]
    pub faults: Option<Faults>,
    /// Print one summary object instead of the timeline; same as `--output json`
    #[arg(long)]
    pub json: bool,
    /// Print only the summary
    #[arg(long, short)]
    pub quiet: bool,
    /// Write every event and decision, a JSON object a line
    #[arg(long, value_name = "FILE.jsonl")]
    pub events: Option<PathBuf>,
    /// Write a self-contained page: demand against capacity, instance states, decisions with reasons
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
}

/// `strata sim invoke`.
#[derive(Clone, Debug, Args)]
pub struct InvokeArgs {
    /// The function
    #[arg(value_parser = PossibleValuesParser::new(Function::ALL.map(Function::as_str)).map(|name| function_named(&name)))]
    pub function: Function,
    /// The event in exactly the form that AWS sends; see events/
    #[arg(value_name = "EVENT.json")]
    pub event: PathBuf,
    /// A saved local world to run in; made if it does not exist [default: a fresh one that is thrown away]
    #[arg(long, value_name = "DIR")]
    pub world: Option<PathBuf>,
}

/// `strata sim serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Loopback address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4280")]
    pub listen: String,
    /// Folder that holds the world; made if it does not exist
    #[arg(long, value_name = "DIR", default_value = ".strata")]
    pub data: PathBuf,
    /// So many seconds pass in the world in one of yours
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub speed: u32,
    /// Which access key is whose [default: everybody is the account's root]
    #[arg(long, value_name = "FILE.toml")]
    pub keys: Option<PathBuf>,
}

/// `strata sim world`.
#[derive(Clone, Debug, Args)]
pub struct WorldArgs {
    /// Where the world is served [default: as the folder of --data says]
    #[arg(long, value_name = "URL", global = true)]
    pub endpoint: Option<String>,
    /// The served world's folder
    #[arg(long, value_name = "DIR", default_value = ".strata", global = true)]
    pub data: PathBuf,
    /// Print one object; same as `--output json`
    #[arg(long, global = true)]
    pub json: bool,
    /// What to change; without it, everything is listed.
    #[command(subcommand)]
    pub command: Option<WorldCommand>,
}

/// What can be asked of the served world.
#[derive(Clone, Debug, Subcommand)]
pub enum WorldCommand {
    /// Show the pages that on-call got, as SNS delivers them by e-mail
    Pages,
    /// Something that changes it.
    #[command(flatten)]
    Change(WorldChange),
}

/// Changes of the served world.
#[derive(Clone, Debug, Subcommand)]
pub enum WorldChange {
    /// Add to the account, as in another console
    Add {
        /// What to add.
        #[command(subcommand)]
        what: WorldAdd,
    },
    /// Have an instance's machine hang: its agents fall silent and its status checks fail
    Hang {
        /// The instance's id
        instance: String,
    },
    /// Terminate an instance's machine behind Strata's back
    Terminate {
        /// The instance's id
        instance: String,
    },
    /// Ask for a rolling update of a layer, as an update window does
    Update {
        /// The stack's name
        stack: String,
        /// The layer's short name
        #[arg(default_value = "ecs-cluster")]
        layer: String,
    },
    /// Set the CPU that a layer's hosts show, and so its memory and load
    Cpu {
        /// The layer's id
        layer: String,
        /// CPU percent, 0 to 100
        percent: f64,
    },
}

/// What can be added.
#[derive(Clone, Debug, Subcommand)]
pub enum WorldAdd {
    /// A role that can be assumed for stacks and allows these actions
    Role {
        /// Name
        name: String,
        /// Action that it allows, such as `ec2:*`; may be given more than once
        #[arg(long = "allow", value_name = "ACTION")]
        allow: Vec<String>,
    },
    /// An ECS cluster
    Cluster {
        /// Its name
        name: String,
    },
    /// An EBS volume that nobody uses yet
    Volume {
        /// Availability Zone
        #[arg(long, default_value = "us-east-1a")]
        zone: String,
        /// GiB
        #[arg(long, default_value_t = 20)]
        size: u32,
    },
    /// An Elastic IP address
    ElasticIp,
    /// A classic load balancer
    LoadBalancer {
        /// Its name
        name: String,
    },
    /// An EC2 instance that is in no stack; its metadata service is below /_strata/world/machines/
    Machine,
    /// An IAM user
    User {
        /// Its name
        name: String,
    },
    /// An ECS service
    Service {
        /// The cluster's name or ARN
        cluster: String,
        /// The service's name
        name: String,
        /// Desired count
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
    /// Standalone ECS tasks, as many as find room
    Task {
        /// The cluster's name or ARN
        cluster: String,
        /// How many
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
}

/// `strata sim scenario`.
#[derive(Clone, Debug, Args)]
pub struct ScenarioArgs {
    /// The file to check; without it the built-in scenario is printed
    #[arg(value_name = "FILE.toml")]
    pub file: Option<PathBuf>,
}

/// Form of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// How much the cloud and the event bus misbehave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Faults {
    /// Not at all
    #[default]
    None,
    /// Now and then
    Light,
    /// All the time
    Heavy,
}

impl Faults {
    /// As it is typed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }
}

/// What a trace's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// CPU percent, 0 to 100
    Cpu,
    /// Requests, or any other count from 0
    Requests,
}

fn function_named(name: &str) -> Function {
    Function::ALL.into_iter().find(|f| f.as_str() == name).expect("clap lets only the six names through")
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    crate::sim::trace::parse_time(text)
        .ok_or_else(|| "expected a time such as 2014-02-14 14:30:00 (UTC) or 2014-02-14T14:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_used_is_a_usage_error_with_exit_code_2_that_says_what_was_expected() {
        for (line, says) in [
            ("strata sim run --days 0", "1..=366"),
            ("strata sim run --days x", "invalid digit"),
            ("strata sim run --instances 0", "1..=10000"),
            ("strata sim run --faults some", "none, light, heavy"),
            ("strata sim run --trace a.csv", "--unit"),
            ("strata sim run --unit cpu", "--trace"),
            ("strata sim run --trace a.csv --unit bytes", "cpu, requests"),
            ("strata sim run --trace a.csv --unit cpu --trace-from noon", "expected a time"),
            ("strata sim invoke scaling e.json", "instance-lifecycle"),
            ("strata sim invoke api", "EVENT.json"),
            ("strata aws-model --force", "--install"),
            ("strata aws-model --signing-name sns", "lambda"),
            ("strata simulate", "sim"),
            ("strata proxy", "--to"),
            ("strata proxy --to https://a.example --listen 4281", "invalid socket address"),
            ("strata completions cmd", "bash"),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn every_function_has_its_name() {
        for function in Function::ALL {
            let cli = parse(&format!("strata sim invoke {function} e.json")).unwrap();
            let Command::Sim { command: SimCommand::Invoke(args) } = cli.command else { panic!("{cli:?}") };
            assert_eq!(args.function, function);
        }
    }

    #[test]
    fn the_form_of_the_answer_may_stand_anywhere() {
        for line in ["strata --output json sim run", "strata sim run --output json"] {
            assert_eq!(parse(line).unwrap().output, Output::Json, "{line}");
        }
    }
}
