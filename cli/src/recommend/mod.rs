//! `strata recommend`: from a measured history, how many 24/7, time-based and load-based instances, and with what thresholds.
//!
//! The first days are fitted on ([`fit`], [`search`]), the last ones are only judged on, beside an always-on fleet and load-based scaling
//! alone. `docs/recommend.md` says how. Arithmetic is plain and nothing is random: the same file gives the same answer.

mod commands;
mod days;
mod fit;
mod judged;
mod layer_file;
mod page;
mod reasons;
mod report;
mod search;
mod week;

use std::io::Write;
use std::path::Path;

use self::days::{Day, Parted};
use self::fit::hosts;
pub use self::judged::Judged;
use self::reasons::Reason;
use self::search::{RESERVE_PERCENT, Search, Tally};
use crate::args::{Output, RecommendArgs, Unit};
use crate::backtest::History;
use crate::backtest::engine::Times;
use crate::sim::output_file::OutputFile;
use crate::sim::scenario::LayerSpec;
use crate::{CliError, Exit, write_stdout};

/// A larger fleet is planned in parts; its replays would take minutes, and a wrong scale is likelier.
const MOST_HOSTS: u32 = 1_000;

/// What is recommended, and how it did.
pub struct Recommendation {
    /// The mix.
    pub layer: LayerSpec,
    /// What it was measured against, and itself as the last, on the days that were held out.
    pub judged: Vec<Judged>,
    /// Of the held-out minutes with data so many may be under capacity.
    pub limit: u64,
    fitted: Vec<Day>,
    /// How it did on the fitted days, each judged by a mix of the others.
    on_fitted: Tally,
    parted: Parted,
    reasons: Vec<Reason>,
    peak: f64,
    price: f64,
}

/// Recommends.
///
/// # Errors
/// Bad input: metrics that cannot be read or are too few, no scale for them, a fleet of more than 1,000 hosts, a name that cannot be one,
/// or a file that cannot be written.
pub fn run(args: &RecommendArgs, output: Output) -> Result<Exit, CliError> {
    let files = [&args.layer_file, &args.commands, &args.chart].map(Option::as_deref);
    let [layer_file, commands, chart] = files.map(|file| file.map(OutputFile::create).transpose());
    let (layer_file, commands, chart) = (layer_file?, commands?, chart?);
    let told = Recommendation::of(args)?;
    let head = told.head(args);
    keep(layer_file, &layer_file::text(&told.layer, &head))?;
    keep(commands, &commands::text(&told.layer, &head))?;
    keep(chart, &page::page(&told))?;
    let text = match if args.json { Output::Json } else { output } {
        Output::Json => told.object().to_string() + "\n",
        Output::Table => told.table(),
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn keep(file: Option<OutputFile>, text: &str) -> Result<(), CliError> {
    let Some(mut file) = file else { return Ok(()) };
    file.write_all(text.as_bytes()).map_err(|e| CliError::Failed(e.into()))?;
    file.keep()
}

impl Recommendation {
    /// The mix that the history asks for.
    ///
    /// # Errors
    /// Bad input, as for [`run`].
    pub fn of(args: &RecommendArgs) -> Result<Self, CliError> {
        let names = layer_file::empty_layer(args)?;
        let history = History::of(&args.history, || Err(no_scale(args.history.unit)))?;
        let mut parted = Parted::of(&history, args.held_out_days)?;
        let peak = parted.peak();
        refuse_too_many(peak, &args.history.metrics)?;
        let fitted = std::mem::take(&mut parted.fitted);
        let measured: usize = fitted.iter().map(|day| day.minutes.iter().flatten().count()).sum();
        let search = Search {
            names: &names,
            demand: &history.demand,
            days: &fitted,
            times: Times::from(&args.history),
            target_cpu: args.history.target_cpu,
            // Half of it is kept for days that are unlike the fitted ones.
            limit: share(measured as u64, args.shortage_limit / 2.0),
            peak,
        };
        let (reactive, _) = search.reactive()?;
        let (plan, on_fitted) = search.mix(&reactive)?;
        let layer = search.layer(&plan);
        let judged = judged::all(&search, &parted, search.layer(&reactive), layer.clone())?;
        let limit = share(judged.first().map_or(0, |one| one.measures.measured), args.shortage_limit);
        let reasons = reasons::reasons(&search, &plan, &layer);
        if peak <= 0.0 {
            parted.warnings.push("there is no demand at all: one host keeps the layer alive".to_owned());
        }
        Ok(Self { layer, judged, limit, fitted, on_fitted, parted, reasons, peak, price: args.history.price })
    }
}

fn no_scale(unit: Unit) -> CliError {
    let (what, expected) = match unit {
        Unit::Cpu => ("percent of CPU say nothing without the hosts that they were measured on", "--measured-on HOSTS"),
        Unit::Requests => ("counts say nothing without what one host can serve", "--per-server REQUESTS"),
    };
    CliError::BadInput(format!("--metrics: {what}, expected {expected}"))
}

fn refuse_too_many(peak: f64, metrics: &Path) -> Result<(), CliError> {
    let wanted = hosts(peak, RESERVE_PERCENT);
    if wanted <= MOST_HOSTS {
        return Ok(());
    }
    let what = format!("the greatest demand is {peak:.0} hosts, with the reserve {wanted}");
    Err(CliError::BadInput(format!(
        "{}: {what}, expected at most {MOST_HOSTS}: look at --measured-on or --per-server, or plan a part of the fleet",
        metrics.display()
    )))
}

/// `percent` of so many minutes, rounded down.
fn share(minutes: u64, percent: f64) -> u64 {
    (minutes as f64 * percent / 100.0) as u64
}
