//! What is to be run: the scenario with the flags applied, and the demand of each layer.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use strata_local::faults::Rates;

use super::demand::Demand;
use super::scenario::Scenario;
use super::scenario::check::{MOST_INSTANCES, Problem};
use super::trace::{Trace, TraceSource};
use crate::CliError;
use crate::args::RunArgs;

/// Everything that a run depends on. Equal plans give equal runs, to the byte.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The scenario; seed, days and faults in its `world` are already those of the flags.
    pub scenario: Scenario,
    /// The demand of each layer, in the scenario's order.
    pub demand: Vec<Demand>,
    /// How often single actions fail (`sns:Publish`, ...), for tests that want them to fail more often than the scenario's faults do.
    pub rates: BTreeMap<String, Rates>,
}

impl RunPlan {
    /// The plan of `strata sim run`.
    ///
    /// # Errors
    /// Bad input: scenario or trace cannot be used.
    pub fn of(args: &RunArgs) -> Result<Self, CliError> {
        let mut scenario = match &args.scenario {
            Some(file) => Scenario::load(file)?,
            None => Scenario::built_in(),
        };
        let world = &mut scenario.world;
        world.seed = args.seed.unwrap_or(world.seed);
        world.days = args.days.unwrap_or(world.days);
        world.faults = args.faults.unwrap_or(world.faults);
        if let Some(instances) = args.instances {
            scale(&mut scenario, instances)?;
        }
        let world = &scenario.world;
        let mut demand: Vec<Demand> = scenario.layers.iter().map(|layer| Demand::of_scenario(layer, world.start)).collect();
        if let (Some(file), Some(unit)) = (&args.trace, args.unit) {
            let source = TraceSource {
                file: file.clone(),
                time_column: args.time_column.clone(),
                value_column: args.value_column.clone(),
                unit,
            };
            let trace = Trace::load(&source)?;
            demand[0] = Demand::of_trace(trace, args.trace_from, &scenario.layers[0], world.start, world.days)?;
        }
        Ok(Self { scenario, demand, rates: BTreeMap::new() })
    }

    /// The built-in scenario as it stands, for tests.
    pub fn built_in() -> Self {
        let scenario = Scenario::built_in();
        let demand = scenario.layers.iter().map(|layer| Demand::of_scenario(layer, scenario.world.start)).collect();
        Self { scenario, demand, rates: BTreeMap::new() }
    }

    /// How long the simulated time is.
    pub fn length(&self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.scenario.world.days) * 24)
    }

    /// When the simulated time ends.
    pub fn end(&self) -> Timestamp {
        self.scenario.world.start + self.length()
    }
}

fn scale(scenario: &mut Scenario, instances: u32) -> Result<(), CliError> {
    let others: u32 = scenario.layers[1..].iter().map(|layer| layer.instances()).sum();
    if instances.saturating_add(others) > MOST_INSTANCES {
        let what = format!("with the other layers' {others} that is more than {MOST_INSTANCES}, expected fewer");
        return Err(CliError::BadInput(format!("--instances {instances}: {what}")));
    }
    if scenario.layers[0].instances() == 0 {
        let what = "has no instances to scale, expected some".to_owned();
        return Err(scenario.problem(&Problem { path: "layer[0]".to_owned(), what }));
    }
    scenario.scale(instances);
    // A certain host of the file may be gone from a smaller layer.
    match scenario.first_problem() {
        Some(problem) => Err(scenario.problem(&problem)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, SimCommand};

    fn plan(flags: &[&str]) -> Result<RunPlan, CliError> {
        let cli = Cli::try_parse_from(["strata", "sim", "run"].iter().chain(flags)).unwrap();
        let Command::Sim { command: SimCommand::Run(args) } = cli.command else { panic!("not a run") };
        RunPlan::of(&args)
    }

    #[test]
    fn flags_win_over_the_scenario() {
        let plain = plan(&[]).unwrap();
        assert_eq!((plain.scenario.world.seed, plain.length()), (1, SignedDuration::from_hours(24)));
        let flagged = plan(&["--seed", "7", "--days", "2", "--instances", "100", "--faults", "heavy"]).unwrap();
        let world = &flagged.scenario.world;
        assert_eq!((world.seed, world.days, world.faults.as_str()), (7, 2, "heavy"));
        assert_eq!(flagged.scenario.layers[0].instances(), 100);
        assert_eq!(flagged.end().to_string(), "2026-03-04T00:00:00Z");
        let peak = flagged.demand[0].at(world.start).unwrap();
        assert!((peak - 16.0 * 100.0 / 19.0).abs() < 1e-9, "demand grows too: {peak}");
    }

    #[test]
    fn a_trace_takes_the_first_layers_demand_and_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cpu.csv");
        std::fs::write(&file, "t,cpu\n2014-02-14 14:30:00,75\n2014-02-14 14:35:00,0\n").unwrap();
        let file = file.to_str().unwrap();
        let flags = ["--trace", file, "--time-column", "t", "--value-column", "cpu", "--unit", "cpu"];
        let traced = plan(&flags).unwrap();
        let start = traced.scenario.world.start;
        assert!((traced.demand[0].at(start).unwrap() - traced.scenario.layers[0].reference_capacity()).abs() < 1e-9);
        assert_eq!(traced.demand[1].at(start), Some(2.0));
        let late = plan(&[&flags[..], &["--trace-from", "2014-02-14 14:35:00"]].concat()).unwrap();
        assert_eq!(late.demand[0].at(start), Some(0.0));
    }

    #[test]
    fn what_cannot_be_scaled_is_bad_input() {
        let error = plan(&["--instances", "10000"]).unwrap_err();
        assert!(error.to_string().contains("more than 10000"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        let text = "name = \"x\"\n[[layer]]\nstack = \"a\"\ncluster = \"a\"\nalways_on = 3\n[[event]]\nat = \"09:00\"\nkind = \"hang\"\nhost = \"a3\"\n";
        std::fs::write(&file, text).unwrap();
        let error = plan(&["--scenario", file.to_str().unwrap(), "--instances", "2"]).unwrap_err();
        assert!(error.to_string().contains("line 9: event[0].host"), "{error}");
    }
}
