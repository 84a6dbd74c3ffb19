//! `cargo xtask bench rolling`: how long a rolling update of a whole layer takes in waves and with one host out at a time, and how long its
//! teardown, beside what the hosts themselves need. All of it is simulated, so the figures are the same on every machine.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use clap::Parser;
use strata_tests::rolling::Setup;
use strata_tests::rolling::figures::{self, Figures};

#[derive(Debug, Parser)]
#[command(about = "Rolls updates over a simulated layer, and takes one down")]
struct Args {
    /// Instances of the layer that is updated; 0: none
    #[arg(long, default_value_t = 1_000)]
    hosts: usize,
    /// At most so many percent of them are out at once
    #[arg(long, default_value_t = 10)]
    percent: u8,
    /// Leave out the campaign with one host at a time
    #[arg(long)]
    waves_only: bool,
    /// Instances of the layer that is taken down; 0: none
    #[arg(long, default_value_t = 500)]
    teardown: usize,
    /// Services of each layer
    #[arg(long, default_value_t = 20)]
    services: usize,
    /// Show the calls by action
    #[arg(long)]
    calls: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(
        "{:<22} {:>6} {:>6} {:>6} {:>10} {:>10} {:>6} {:>12} {:>12} {:>10} {:>10} {:>13}",
        "what",
        "hosts",
        "done",
        "waves",
        "seconds",
        "ideal",
        "ratio",
        "interrupted",
        "under min",
        "AWS calls",
        "API calls",
        "record bytes"
    );
    let mut all = Vec::new();
    if args.hosts > 0 {
        let setup = Setup::calm(args.hosts, args.services);
        all.extend(figures::campaigns(&setup, args.percent, !args.waves_only)?);
    }
    if args.teardown > 0 {
        all.push(figures::teardown(&Setup::steady(args.teardown, args.services))?);
    }
    for figures in &all {
        println!("{}", line(figures));
    }
    for figures in all.iter().filter(|_| args.calls) {
        println!("\n{}", figures.what);
        figures.calls.iter().for_each(|(action, n)| println!("  {action:<44} {n:>8}"));
    }
    Ok(())
}

fn line(f: &Figures) -> String {
    format!(
        "{:<22} {:>6} {:>6} {:>6} {:>10.0} {:>10.0} {:>6.2} {:>12} {:>12} {:>10} {:>10} {:>13}",
        f.what,
        f.hosts,
        f.done,
        f.waves,
        f.makespan.as_secs_f64(),
        f.ideal.as_secs_f64(),
        f.ratio(),
        f.tasks_interrupted,
        f.under_minimum.len(),
        f.calls_of_aws(),
        f.calls_of_the_api(),
        f.record_bytes,
    )
}
