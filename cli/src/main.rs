//! The `strata` command: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    // A usage mistake ends here with exit code 2, `--help` with 0.
    let cli = strata_cli::args::Cli::parse();
    // What the functions log for operators, on request: RUST_LOG=debug.
    let filter = tracing_subscriber::EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match strata_cli::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("strata: {error}");
            error.exit().into()
        }
    }
}
