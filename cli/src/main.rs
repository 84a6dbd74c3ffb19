//! The `strata` command: parse, run, exit.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // A usage mistake ends here with exit code 2, `--help` with 0.
    let cli = strata_cli::args::Cli::parse();
    match strata_cli::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("strata: {error}");
            error.exit().into()
        }
    }
}
