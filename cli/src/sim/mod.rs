//! `strata sim`: the laptop world.
//!
//! This file is the seam: it turns flags and files into a [`RunPlan`], hands it to [`world`], which builds the simulated world and
//! runs the functions in it, and turns the [`record::RunRecord`] that comes back into summary, log and report. Nothing here is part
//! of the simulated world but the demand.

pub mod demand;
pub mod invoke;
pub mod log;
pub mod output_file;
pub mod plan;
pub mod record;
pub mod report;
pub mod scenario;
pub mod serve;
pub mod summary;
pub mod timeline;
pub mod trace;
pub mod watch;
pub mod world;
pub mod world_command;

use std::io::Write;
use std::time::Instant;

use jiff::SignedDuration;

pub use plan::RunPlan;

use crate::args::{Output, RunArgs};
use crate::{CliError, Exit};
use log::LogLine;
use output_file::OutputFile;
use record::RunRecord;
use watch::Watch;

/// Told what happens in the world while it runs, in the order of virtual time.
pub trait Observer {
    /// A line of the log.
    fn line(&mut self, line: &LogLine);
    /// How far the run has come; called about once per simulated minute.
    fn progress(&mut self, simulated: SignedDuration, of: SignedDuration);
}

/// `strata sim run`.
///
/// # Errors
/// Bad input: a file or flag cannot be used; told before the world is built, and nothing is written. Failed: the world failed.
#[expect(clippy::disallowed_methods, reason = "measures how long a whole run takes; nothing in the world sees it")]
pub fn run(args: &RunArgs, output: Output) -> Result<Exit, CliError> {
    let json = args.json || output == Output::Json;
    let plan = RunPlan::of(args)?;
    // Output files are begun first: a whole run should not end at a folder that is not there.
    let events = args.events.as_deref().map(OutputFile::create).transpose()?;
    let page = args.report.as_deref().map(OutputFile::create).transpose()?;
    let mut watch = Watch::new(events, !json && !args.quiet);

    let began = Instant::now();
    let mut run = world::run(&plan, &mut watch)?;
    let totals = watch.finish()?;
    run.summary.wall_seconds = (began.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
    complete(&mut run, &plan, totals);

    if let Some(mut page) = page {
        let written = page.write_all(report::page(&run).as_bytes());
        written.map_err(|e| CliError::Failed(anyhow::Error::new(e).context("cannot write the report")))?;
        page.keep()?;
    }
    let text = if json {
        serde_json::to_string(&run.summary).map_err(|e| CliError::Failed(e.into()))? + "\n"
    } else {
        format!("{}{}", if args.quiet { "" } else { "\n" }, run.summary.table())
    };
    crate::write_stdout(text.as_bytes())?;
    Ok(if run.summary.invariants_broken > 0 { Exit::Failed } else { Exit::Done })
}

/// Fills in what can be told from the plan, the record and the log; the rest the world has filled.
fn complete(run: &mut RunRecord, plan: &RunPlan, log: log::LogTotals) {
    let world = &plan.scenario.world;
    let summary = &mut run.summary;
    summary.scenario = plan.scenario.name.clone();
    summary.seed = world.seed;
    summary.faults = world.faults.as_str().to_owned();
    summary.simulated_seconds = u64::try_from(run.end.duration_since(run.start).as_secs()).unwrap_or(0);
    summary.decisions = run.decisions.len() as u64;
    summary.pages = run.pages.iter().filter(|page| !page.resolved).count() as u64;
    summary.count(&run.states, &run.series, run.end);
    summary.log_sha256 = log.sha256;
    summary.log_lines = log.lines;
}
