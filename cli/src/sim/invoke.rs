//! `strata sim invoke`: one function, one event, once.

use std::path::Path;

use serde::Serialize;
use strata_domain::decision::{DecisionRecord, Verdict};

use super::world;
use crate::args::{InvokeArgs, Output};
use crate::{CliError, Exit};

/// What Lambda delivers at most, synchronously: 6 MiB.
pub const LARGEST_EVENT: u64 = 6 * 1024 * 1024;

/// What an invocation came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Invoked {
    /// Its decisions, changed or not.
    pub decisions: Vec<DecisionRecord>,
    /// SQS messages to be delivered again.
    pub failed_messages: Vec<String>,
    /// The API's answer, as the function URL gives it; `None` for the other functions.
    pub response: Option<serde_json::Value>,
}

/// Reads the event, runs the function and prints its decisions.
///
/// # Errors
/// Bad input: the event cannot be read, is too large, or is not the function's. Failed: the function failed.
pub fn invoke(args: &InvokeArgs, output: Output) -> Result<Exit, CliError> {
    let event = read_event(&args.event)?;
    if let Some(world) = args.world.as_deref().filter(|world| world.exists() && !world.is_dir()) {
        return Err(CliError::BadInput(format!("--world {}: is a file, expected a folder", world.display())));
    }
    // The handler's error names form and field; the file is known only here.
    let invoked = world::invoke(args.function, &event, args.world.as_deref()).map_err(|error| match error {
        CliError::BadInput(what) => CliError::BadInput(format!("{}: {what}", args.event.display())),
        failed @ CliError::Failed(_) => failed,
    })?;
    let text = match output {
        Output::Json => serde_json::to_string_pretty(&invoked).map_err(|e| CliError::Failed(e.into()))? + "\n",
        Output::Table => for_people(&invoked),
    };
    crate::write_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn read_event(file: &Path) -> Result<Vec<u8>, CliError> {
    let size = std::fs::metadata(file).map_err(|e| CliError::unreadable(file, &e))?.len();
    if size > LARGEST_EVENT {
        let what = format!("has {size} bytes, expected an event of at most {LARGEST_EVENT}");
        return Err(CliError::BadInput(format!("{}: {what}", file.display())));
    }
    let event = std::fs::read(file).map_err(|e| CliError::unreadable(file, &e))?;
    if event.iter().all(u8::is_ascii_whitespace) {
        return Err(CliError::BadInput(format!("{}: is empty, expected a JSON event", file.display())));
    }
    Ok(event)
}

fn for_people(invoked: &Invoked) -> String {
    let mut text = String::new();
    for decision in &invoked.decisions {
        let verdict = match decision.verdict {
            Verdict::Act => "acts",
            Verdict::Hold => "holds",
            Verdict::WouldAct => "would act",
        };
        text += &format!("{} {verdict} on {}: {}\n", decision.function, decision.subject, decision.did);
        for (name, value) in [("woken by", &decision.trigger), ("saw", &decision.saw), ("why", &decision.why)] {
            text += &format!("  {name:8}  {value}\n");
        }
    }
    if let Some(response) = &invoked.response {
        text += &format!("{response:#}\n");
    } else if invoked.decisions.is_empty() {
        text += "no decision: there was nothing to decide\n";
    }
    for message in &invoked.failed_messages {
        text += &format!("message {message} goes back to the queue\n");
    }
    // What users wrote must not move the cursor.
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_absent_empty_or_larger_than_lambda_delivers_is_bad_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("e.json");
        let refused = |says: &str| {
            let error = read_event(&file).unwrap_err();
            assert_eq!(error.exit(), Exit::BadInput);
            assert!(error.to_string().contains("e.json") && error.to_string().contains(says), "{error}");
        };
        refused("cannot be read");
        std::fs::write(&file, " \n").unwrap();
        refused("is empty");
        std::fs::write(&file, vec![b' '; 10 * 1024 * 1024]).unwrap();
        refused("has 10485760 bytes, expected an event of at most 6291456");
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(read_event(&file).unwrap(), b"{}");
    }

    #[test]
    fn nothing_decided_is_said_too() {
        assert!(for_people(&Invoked::default()).contains("nothing to decide"));
    }
}
