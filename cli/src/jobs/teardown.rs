//! `strata teardown`.

use std::io::{BufRead, Write};

use serde_json::{Value, json};
use strata_control::api::extension::TeardownPlanned;
use strata_domain::teardown::TeardownTold;

use super::{Meant, ask, find, render, show, status, with_api};
use crate::args::{JobArgs, JobFollowArgs, Output, TeardownCommand, TeardownOptions, TeardownPlanArgs, TeardownStartArgs};
use crate::client::Api;
use crate::{CliError, Exit};

/// Plans, begins, tells or turns a teardown.
///
/// # Errors
/// [`CliError`]: nothing is called so, it was not confirmed, or the API says no; then nothing was asked for.
pub fn run(command: &TeardownCommand, output: Output) -> Result<Exit, CliError> {
    match command {
        TeardownCommand::Plan(args) => plan(args, output),
        TeardownCommand::Start(args) => start(args, output),
        TeardownCommand::Status(args) => {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
            runtime.block_on(status::<TeardownTold>(args, output))
        }
        TeardownCommand::Pause(args) => turn("pause", args, false, output),
        TeardownCommand::Resume(JobFollowArgs { of, wait }) => turn("resume", of, *wait, output),
        TeardownCommand::Abort(JobFollowArgs { of, wait }) => turn("abort", of, *wait, output),
    }
}

fn turn(verb: &str, args: &JobArgs, wait: bool, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let meant = find::<TeardownTold>(api, &args.layer).await?;
        ask::<TeardownTold>(api, &meant, json!({ "Verb": verb }), wait, if args.json { Output::Json } else { output }).await
    })
}

fn members(options: TeardownOptions) -> Value {
    json!({
        "DeleteServices": options.delete_services,
        "DeleteVolumes": options.delete_volumes,
        "DeleteAddresses": options.delete_addresses,
        "DeleteStack": options.delete_stack,
    })
}

async fn planned(api: &Api, meant: &Meant, options: TeardownOptions) -> Result<TeardownPlanned, CliError> {
    let mut members = members(options);
    members["LayerId"] = json!(meant.id);
    api.ask_own("PlanTeardown", &members).await
}

fn plan(args: &TeardownPlanArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.of.api, async |api| {
        let meant = find::<TeardownTold>(api, &args.of.layer).await?;
        let planned = planned(api, &meant, args.options).await?;
        show(if args.of.json { Output::Json } else { output }, &planned, || render::teardown_plan(&planned))?;
        Ok(if planned.blocked.is_empty() { Exit::Done } else { Exit::Failed })
    })
}

fn start(args: &TeardownStartArgs, output: Output) -> Result<Exit, CliError> {
    let of = &args.follow.of;
    with_api(&of.api, async |api| {
        let meant = find::<TeardownTold>(api, &of.layer).await?;
        let planned = planned(api, &meant, args.options).await?;
        if let Some(why) = planned.blocked.first() {
            return Err(CliError::Failed(anyhow::anyhow!("{}: {why}", meant.path)));
        }
        if !args.yes {
            eprint!("{}", render::teardown_plan(&planned));
            confirm(&planned.layer_name, &mut std::io::stdin().lock())?;
        }
        let mut members = members(args.options);
        members["Verb"] = json!("start");
        members["Confirm"] = json!(planned.layer_name);
        ask::<TeardownTold>(api, &meant, members, args.follow.wait, if of.json { Output::Json } else { output }).await
    })
}

/// Whoever takes a layer down types its name.
fn confirm(name: &str, typed: &mut impl BufRead) -> Result<(), CliError> {
    eprint!("Type the layer's name, {name}, to take it down: ");
    let mut line = String::new();
    let read = std::io::stderr().flush().and_then(|()| typed.read_line(&mut line));
    read.map_err(|error| CliError::Failed(anyhow::Error::new(error).context("stdin cannot be read")))?;
    if line.trim_end_matches(['\r', '\n']) == name {
        return Ok(());
    }
    let saw = if line.is_empty() { "nothing".to_owned() } else { format!("{:?}", line.trim_end()) };
    Err(CliError::BadInput(format!(
        "expected the layer's name, {name}, and got {saw}: nothing was done; --yes does without the question"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_name_confirms() {
        for (typed, agrees) in [
            ("Web hosts\n", true),
            ("Web hosts\r\n", true),
            ("Web hosts", true),
            ("web hosts\n", false),
            ("Web hosts \n", false),
            ("y\n", false),
            ("", false),
        ] {
            let answer = confirm("Web hosts", &mut typed.as_bytes());
            assert_eq!(answer.is_ok(), agrees, "{typed:?}");
            if let Err(error) = answer {
                assert!(error.to_string().contains("nothing was done; --yes"), "{error}");
            }
        }
    }
}
