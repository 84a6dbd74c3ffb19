//! `cargo xtask bench calls`: what first launches, restarts and stops of whole fleets cost in calls, and how long they take beside the floor
//! that EC2's token buckets allow. All of it is simulated, so the figures are the same on every machine.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use clap::Parser;
use strata_tests::calls::{Fleet, Phase};

#[derive(Debug, Parser)]
#[command(about = "Counts the calls of whole fleets on the simulated cloud")]
struct Args {
    /// Sizes of the fleets
    #[arg(default_values_t = [1, 10, 100, 1_000])]
    sizes: Vec<usize>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(
        "{:>6}  {:<14} {:>8} {:>9} {:>10} {:>10} {:>9} {:>9} {:>6}",
        "N", "what", "mutating", "describes", "ECS states", "throttled", "seconds", "floor", "ratio"
    );
    for size in args.sizes {
        for phase in Fleet::life(size)? {
            println!("{}", line(size, &phase));
        }
    }
    Ok(())
}

fn line(size: usize, phase: &Phase) -> String {
    let seconds = phase.asked_for.as_millis() as f64 / 1_000.0;
    let floor = phase.floor.as_millis() as f64 / 1_000.0;
    let ratio = if floor > 0.0 { format!("{:.2}", seconds / floor) } else { "-".to_owned() };
    format!(
        "{size:>6}  {:<14} {:>8} {:>9} {:>10} {:>10} {seconds:>9.1} {floor:>9.1} {ratio:>6}",
        phase.name,
        phase.mutating(),
        phase.describes(),
        phase.count("ecs:UpdateContainerInstancesState"),
        phase.throttled,
    )
}
