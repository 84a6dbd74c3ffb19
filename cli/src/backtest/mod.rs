//! `strata backtest`: a measured history replayed through the real deciders, for one or more layer files side by side.

pub(crate) mod chart;
pub mod engine;
pub mod measures;

use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use self::engine::{Times, replay};
use self::measures::Measures;
use crate::args::{BacktestArgs, HistoryArgs, Output, Unit};
use crate::sim::demand::Demand;
use crate::sim::output_file::OutputFile;
use crate::sim::scenario::{LayerSpec, Scenario};
use crate::sim::trace::{Trace, TraceSource};
use crate::{CliError, Exit, write_stdout};

/// A layer file, replayed.
pub(crate) struct Replayed {
    /// As it was named on the command line.
    pub(crate) name: String,
    pub(crate) measures: Measures,
}

/// Replays and compares.
///
/// # Errors
/// Bad input: a layer or metric file that cannot be read, metrics that have no value in the days asked for, or a metric without a scale.
pub fn run(args: &BacktestArgs, output: Output) -> Result<Exit, CliError> {
    let layers = layers(args)?;
    let chart = args.chart.as_deref().map(OutputFile::create).transpose()?;
    let history = History::of(&args.history, || reference(&layers[0].1))?;
    let (times, price) = (Times::from(&args.history), args.history.price);
    let mut replayed = Vec::with_capacity(layers.len());
    for (name, layer) in &layers {
        let measures = replay(layer, &history.demand, history.from, history.to, times)?;
        replayed.push(Replayed { name: name.clone(), measures });
    }
    if let Some(mut file) = chart {
        let page = chart::page(&replayed, price);
        file.write_all(page.as_bytes()).map_err(|e| CliError::Failed(e.into()))?;
        file.keep()?;
    }
    let text = match if args.json { Output::Json } else { output } {
        Output::Json => object(&history, &replayed, price).to_string() + "\n",
        Output::Table => table(&history, &replayed, price),
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

/// The first layer of each file, by the file's name.
fn layers(args: &BacktestArgs) -> Result<Vec<(String, LayerSpec)>, CliError> {
    let mut layers = Vec::with_capacity(args.layer_files.len());
    for file in &args.layer_files {
        let scenario = Scenario::load(file)?;
        // A scenario without a layer is refused by its own reader.
        layers.extend(scenario.layers.into_iter().next().map(|layer| (file.display().to_string(), layer)));
    }
    Ok(layers)
}

/// The metrics, in servers, and which part of them counts.
pub(crate) struct History {
    pub(crate) demand: Demand,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) values: usize,
    /// With a history of CPU, the demand at 100 percent: what is beyond it was not measured.
    pub(crate) hosts_at_full_cpu: Option<f64>,
}

impl History {
    /// Reads it; `reference` says what the demand is measured against where the arguments do not.
    ///
    /// # Errors
    /// Bad input: as for [`Trace::load`], fractions for percent, no value in the days asked for, or none of the scales.
    pub(crate) fn of(args: &HistoryArgs, reference: impl Fn() -> Result<f64, CliError>) -> Result<Self, CliError> {
        let source = TraceSource {
            file: args.metrics.clone(),
            time_column: args.time_column.clone(),
            value_column: args.value_column.clone(),
            unit: args.unit,
        };
        let trace = Trace::load(&source)?;
        trace.refuse_fractions(&args.metrics)?;
        let from = args.from.unwrap_or_else(|| trace.first());
        let end = trace.last().checked_add(trace.step()).unwrap_or(Timestamp::MAX);
        let to = match args.days {
            None => end,
            Some(days) => from.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(end).min(end),
        };
        let Some(percentile) = trace.percentile_95(from, to) else {
            let between = format!("expected a moment between {} and {}", trace.first(), trace.last());
            return Err(CliError::BadInput(format!("--from {from}: the metrics have no value from there on, {between}")));
        };
        let target = args.target_cpu;
        let servers_per_unit = match (args.unit, args.measured_on, args.per_server) {
            (Unit::Cpu, Some(hosts), _) => hosts / target,
            (Unit::Cpu, None, _) => reference()? / target,
            (Unit::Requests, _, Some(requests)) => 1.0 / requests,
            (Unit::Requests, _, None) if percentile > 0.0 => reference()? / percentile,
            (Unit::Requests, _, None) => 0.0,
        };
        let values = trace.len();
        let hosts_at_full_cpu = (args.unit == Unit::Cpu).then_some(servers_per_unit * 100.0);
        Ok(Self { demand: Demand::measured(trace, servers_per_unit, target), from, to, values, hosts_at_full_cpu })
    }
}

impl From<&HistoryArgs> for Times {
    fn from(args: &HistoryArgs) -> Self {
        Self {
            to_online: SignedDuration::from_mins(i64::from(args.minutes_to_online)),
            to_stopped: SignedDuration::from_mins(i64::from(args.minutes_to_stopped)),
        }
    }
}

/// Where nothing says on how many hosts the metrics were measured: what the first layer has without load-based instances.
fn reference(layer: &LayerSpec) -> Result<f64, CliError> {
    let reference = layer.reference_capacity();
    if reference > 0.0 {
        return Ok(reference);
    }
    let what = format!("{} has neither 24/7 nor time-based instances to measure the history against", layer.label());
    Err(CliError::BadInput(format!("--metrics: {what}, expected --measured-on HOSTS, or --per-server REQUESTS")))
}

fn object(history: &History, replayed: &[Replayed], price: f64) -> serde_json::Value {
    let of = |one: &Replayed| {
        let mut object = json!(one.measures);
        object["layer_file"] = json!(one.name);
        object["cost"] = json!(one.measures.cost(price));
        object
    };
    let replayed: Vec<serde_json::Value> = replayed.iter().map(of).collect();
    json!({ "from": history.from, "to": history.to, "values": history.values, "price_per_hour": price, "replayed": replayed })
}

/// A column for each layer file, so that settings stand side by side.
fn table(history: &History, replayed: &[Replayed], price: f64) -> String {
    const LABEL: usize = 26;
    let mut text = format!("{} to {}, {} values\n\n", history.from, history.to, history.values);
    let names: Vec<&str> = replayed.iter().map(|one| short(&one.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(12) + 2;
    let mut row = |label: &str, of: &dyn Fn(&Measures) -> String| {
        let cells: String = replayed.iter().map(|one| format!("{:>width$}", of(&one.measures))).collect();
        text.push_str(&format!("{label:<LABEL$}{cells}\n"));
    };
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 };
    row("minutes under capacity", &|m| m.minutes_under.to_string());
    row("  of the minutes measured", &|m| format!("{:.2} %", share(m.minutes_under, m.measured)));
    row("  server-hours missing", &|m| format!("{:.1}", m.server_hours_missing));
    row("minutes over capacity", &|m| m.minutes_over.to_string());
    row("  idle host-hours", &|m| format!("{:.1}", m.idle_hours));
    row("host-hours paid for", &|m| format!("{:.1}", m.instance_hours));
    row("cost", &|m| format!("{:.2}", m.cost(price)));
    row("most hosts at once", &|m| format!("{:.0}", m.peak_capacity));
    row("scaling events", &|m| m.events.to_string());
    row("  of them flaps", &|m| m.flaps.to_string());
    row("minutes without data", &|m| m.gaps.to_string());
    let head: String = names.iter().map(|name| format!("{name:>width$}")).collect();
    let (first, rest) = text.split_once("\n\n").unwrap_or_default();
    format!("{first}\n\n{:<LABEL$}{head}\n{rest}", "")
}

/// A file's name without its folders.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
