//! Helpers of the end-to-end tests: run a scenario through the command line's own seam and keep its whole log.

pub mod calls;
pub mod cloud_endpoint;
pub mod crash;
pub mod fuzz;
pub mod methods;
pub mod rolling;

use strata_cli::sim::log::LogLine;
use strata_cli::sim::record::RunRecord;
use strata_cli::sim::{Observer, RunPlan, world};

/// Keeps every line of the log, as the JSON that is hashed and written.
#[derive(Debug, Default)]
pub struct Kept {
    /// The lines, in order.
    pub lines: Vec<String>,
}

impl Observer for Kept {
    fn line(&mut self, line: &LogLine) {
        self.lines.push(serde_json::to_string(line).expect("log lines are plain data, which always serializes"));
    }
    fn progress(&mut self, _simulated: jiff::SignedDuration, _of: jiff::SignedDuration) {}
}

/// Runs a plan to its end.
///
/// # Panics
/// When the world itself fails.
pub fn run(plan: &RunPlan) -> (RunRecord, Kept) {
    let mut kept = Kept::default();
    let record = world::run(plan, &mut kept).expect("the world does not fail");
    (record, kept)
}

/// The broken invariants of a run, one a line; empty is good.
pub fn broken(kept: &Kept) -> String {
    kept.lines.iter().filter(|line| line.contains("\"type\":\"broken\"")).cloned().collect::<Vec<_>>().join("\n")
}
