//! `strata status`: the first thing that an on-call engineer types.

pub(crate) mod render;

use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;
use strata_control::api::status::Status;

use crate::args::{Output, StatusArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::{CliError, Exit, write_stdout};

/// Clears the screen and goes to its first corner.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Asks once and shows, or again and again with `--watch`, until it is interrupted.
///
/// # Errors
/// [`CliError`]: no API is named, it cannot be reached, or it says no; while watching only the first time, later it is shown.
pub fn run(args: &StatusArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let api = Api::connect(&args.api, &Environment::read()).await?;
        let output = if args.json { Output::Json } else { output };
        show(&ask(&api, args).await?, output, false)?;
        let Some(seconds) = args.watch else { return Ok(Exit::Done) };
        let clears = output == Output::Table && std::io::stdout().is_terminal();
        loop {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            match ask(&api, args).await {
                Ok(status) => show(&status, output, clears)?,
                // Whoever watches wants to see when it comes back.
                Err(error) => eprintln!("strata: {error}"),
            }
        }
    })
}

async fn ask(api: &Api, args: &StatusArgs) -> Result<Status, CliError> {
    let members = args.stack.as_ref().map_or_else(|| json!({}), |id| json!({ "StackId": id }));
    api.ask_own("DescribeStatus", &members).await
}

fn show(status: &Status, output: Output, clears: bool) -> Result<(), CliError> {
    let text = match output {
        Output::Json => serde_json::to_string(status).map_err(|e| CliError::Failed(e.into()))? + "\n",
        Output::Table => render::screen(status),
    };
    write_stdout(if clears { format!("{CLEAR}{text}") } else { text }.as_bytes())
}
