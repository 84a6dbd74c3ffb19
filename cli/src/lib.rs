//! `strata`: the laptop world, and the tools of on-call.
//!
//! [`args`] is what can be typed, [`sim`] is the laptop world. [`aws_model`] teaches stock clients the API, [`proxy`] re-signs for those
//! that cannot be taught, [`client`] is how the other commands reach an API. Exit codes: 0 done, 1 failed, 2 usage or bad input, 3 there
//! are changes (only where that was asked).

pub mod args;
#[cfg(feature = "aws")]
mod aws;
pub mod aws_model;
pub mod backtest;
pub mod client;
pub mod credentials;
pub mod doctor;
pub mod endpoint;
pub mod environment;
pub mod error;
pub mod holds;
pub mod jobs;
pub mod layer;
pub mod modes;
pub mod preview;
pub mod proxy;
pub mod recommend;
pub mod register;
mod signing;
pub mod sim;
pub mod smoke;
pub mod status;
mod subject;
mod transport;
pub mod why;

use std::io::Write;

use clap::CommandFactory;

pub use error::{CliError, Exit};

use args::{Cli, Command, SimCommand};
use modes::Verb;

/// Runs one command.
///
/// # Errors
/// [`CliError`]: one sentence for stderr, and its exit code.
pub fn run(cli: &Cli) -> Result<Exit, CliError> {
    match &cli.command {
        Command::Sim { command: SimCommand::Run(args) } => sim::run(args, cli.output),
        Command::Sim { command: SimCommand::Serve(args) } => sim::serve::serve(args),
        Command::Sim { command: SimCommand::World(args) } => sim::world_command::world(args, cli.output),
        Command::Sim { command: SimCommand::Invoke(args) } => sim::invoke::invoke(args, cli.output),
        Command::Sim { command: SimCommand::Scenario(args) } => sim::scenario::show(args, cli.output),
        Command::AwsModel(args) => aws_model::run(args, cli.output),
        Command::Proxy(args) => proxy::run(args, cli.output),
        Command::Status(args) => status::run(args, cli.output),
        Command::Why(args) => why::run(args, cli.output),
        Command::Preview(args) => preview::run(args, cli.output),
        Command::Backtest(args) => backtest::run(args, cli.output),
        Command::Recommend(args) => recommend::run(args, cli.output),
        Command::Hold(args) => holds::hold(args, cli.output),
        Command::Release(args) => holds::release(args, cli.output),
        Command::Holds(args) => holds::list(args, cli.output),
        Command::Campaign { command } => jobs::campaign(command, cli.output),
        Command::Teardown { command } => jobs::teardown(command, cli.output),
        Command::Layer { command } => layer::run(command, cli.output),
        Command::Doctor(args) => doctor::run(args, cli.output),
        Command::Smoke(args) => smoke::run(args, cli.output),
        Command::Freeze(args) => modes::run(Verb::Freeze, args, cli.output),
        Command::Thaw(args) => modes::run(Verb::Thaw, args, cli.output),
        Command::Observe(args) => modes::run(Verb::Observe, args, cli.output),
        Command::Register(args) => register::run(args, cli.output),
        Command::Completions { shell } => {
            // Into a buffer first: the generator panics when it cannot write, and a closed pipe is no reason for that.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "strata", &mut script);
            write_stdout(&script)?;
            Ok(Exit::Done)
        }
    }
}

/// Writes to stdout; a reader that went away (`| head`) is not an error.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError::Failed(anyhow::Error::new(error).context("cannot write to stdout"))),
    }
}
