//! Real metric traces drive the layer. They are read from the folder that `STRATA_TRACES` names.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use clap::Parser;
use strata_cli::args::{Cli, Command, SimCommand};
use strata_cli::sim::RunPlan;
use strata_tests::{broken, run};

fn plan(flags: &[&str]) -> RunPlan {
    let cli = Cli::try_parse_from(["strata", "sim", "run"].iter().chain(flags)).unwrap();
    let Command::Sim { command: SimCommand::Run(args) } = cli.command else { panic!("not a run") };
    RunPlan::of(&args).unwrap()
}

#[test]
fn a_day_of_real_traces_breaks_no_invariant() {
    #[expect(clippy::disallowed_methods, reason = "the test's own switch, read once")]
    let Ok(folder) = std::env::var("STRATA_TRACES") else {
        println!("skipped: STRATA_TRACES names no folder of traces");
        return;
    };
    let cases: [(&str, &[&str]); 2] = [
        ("nab/grok_asg_anomaly.csv", &["--time-column", "timestamp", "--value-column", "value", "--unit", "cpu"]),
        (
            "worldcup98/requests_per_minute.csv",
            &["--time-column", "period", "--value-column", "count", "--unit", "requests", "--trace-from", "1998-06-10 00:00:00"],
        ),
    ];
    for (file, flags) in cases {
        let path = format!("{folder}/{file}");
        let (record, kept) = run(&plan(&[&["--trace", path.as_str()], flags].concat()));
        assert_eq!(broken(&kept), "", "{file}");
        assert!(record.series.iter().filter(|m| m.demand.is_some()).count() > 1_000, "{file} drives the demand");
    }
}
