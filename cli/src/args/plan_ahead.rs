//! What can be typed to judge a layer by measured history.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::{Unit, parse_time};

pub(super) const BACKTEST_EXAMPLES: &str = "Examples:
  strata backtest --layer-file web.toml --metrics cpu.csv --unit cpu --measured-on 12
  strata backtest --layer-file now.toml --layer-file then.toml --metrics requests.csv --unit requests --per-server 900 --chart out.html

A layer file is a scenario file (docs/scenarios.md); its first layer is taken. Each minute is given to the deciders that the functions ask.";

pub(super) const RECOMMEND_EXAMPLES: &str = "Examples:
  strata recommend --metrics cpu.csv --unit cpu --measured-on 12 --layer-file web.toml --chart web.html
  strata recommend --metrics requests.csv --unit requests --per-server 900 --commands web.sh

Two weeks of history are best, three days the least. The first part is fitted on, the last days only judged on. docs/recommend.md says how.";

/// `strata backtest`.
#[derive(Clone, Debug, Args)]
pub struct BacktestArgs {
    /// A layer file; several are compared side by side
    #[arg(long = "layer-file", value_name = "FILE.toml", required = true)]
    pub layer_files: Vec<PathBuf>,
    /// The history, and how it is read.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Write a self-contained page with a chart of each
    #[arg(long, value_name = "FILE.html")]
    pub chart: Option<PathBuf>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

/// A measured history, and what hosts cost and take.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// The history: a CSV with a header line, as CloudWatch exports it
    #[arg(long, value_name = "FILE.csv")]
    pub metrics: PathBuf,
    /// What its values are: CPU percent of a fleet, or requests (any count)
    #[arg(long, value_enum)]
    pub unit: Unit,
    /// Its column of times
    #[arg(long, value_name = "NAME", default_value = "timestamp")]
    pub time_column: String,
    /// Its column of values
    #[arg(long, value_name = "NAME", default_value = "value")]
    pub value_column: String,
    /// On how many hosts CPU was measured [default of backtest: what the first layer has without load-based instances]
    #[arg(long, value_name = "HOSTS", value_parser = positive, conflicts_with = "per_server")]
    pub measured_on: Option<f64>,
    /// How many requests, as the file counts them, one host serves at the target [default of backtest: by the 95th percentile]
    #[arg(long, value_name = "REQUESTS", value_parser = positive)]
    pub per_server: Option<f64>,
    /// CPU percent at which a host does all that it should
    #[arg(long, value_name = "PERCENT", default_value = "75", value_parser = percent)]
    pub target_cpu: f64,
    /// Start at this moment of the history instead of at its first value
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<Timestamp>,
    /// Use so many days of it [default: to the end]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub days: Option<u32>,
    /// What a host costs an hour, in any currency
    #[arg(long, value_name = "PRICE", default_value = "0.0892", value_parser = positive)]
    pub price: f64,
    /// From a start to online
    #[arg(long, value_name = "MINUTES", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=120))]
    pub minutes_to_online: u32,
    /// From a stop to stopped
    #[arg(long, value_name = "MINUTES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=120))]
    pub minutes_to_stopped: u32,
}

/// `strata recommend`.
#[derive(Clone, Debug, Args)]
pub struct RecommendArgs {
    /// The history, and how it is read.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Judge on so many of the last days, which the mix is not fitted on [default: two of each seven]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=366))]
    pub held_out_days: Option<u32>,
    /// In so many percent of the minutes demand may be greater than the hosts in service
    #[arg(long, value_name = "PERCENT", default_value = "1", value_parser = share)]
    pub shortage_limit: f64,
    /// Name of the stack in the layer file
    #[arg(long, value_name = "NAME", default_value = "shop")]
    pub stack: String,
    /// Name of the ECS cluster in the layer file [default: the stack's name]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// EC2 type of the hosts
    #[arg(long, value_name = "TYPE", default_value = "c7i.large")]
    pub instance_type: String,
    /// Write the mix as a layer file, for `strata backtest --layer-file`
    #[arg(long, value_name = "FILE.toml")]
    pub layer_file: Option<PathBuf>,
    /// Write the mix as `aws opsworks` commands
    #[arg(long, value_name = "FILE.sh")]
    pub commands: Option<PathBuf>,
    /// Write a self-contained page: the week, and the held-out days of each way to scale
    #[arg(long, value_name = "FILE.html")]
    pub chart: Option<PathBuf>,
    /// Print one object; same as `--output json`
    #[arg(long)]
    pub json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number such as 12.5".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("expected a number above 0".to_owned()) }
}

fn percent(text: &str) -> Result<f64, String> {
    positive(text).ok().filter(|number| (1.0..=100.0).contains(number)).ok_or_else(|| "expected 1 to 100".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok().filter(|number| (0.0..=50.0).contains(number));
    number.ok_or_else(|| "expected 0 to 50, such as 0.5".to_owned())
}
