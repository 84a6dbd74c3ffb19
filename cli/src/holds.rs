//! `strata hold`, `release`, `holds`: a person keeps Strata's hands off an instance or a layer for a while.

use jiff::Timestamp;
use serde_json::{Value, json};
use strata_control::api::extension::{HoldShape, Holds};
use strata_domain::holds::HoldKind;

use crate::args::{HoldArgs, HoldsArgs, Output, ReleaseArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::subject::{self, Subject};
use crate::{CliError, Exit, write_stdout};

/// Holds.
///
/// # Errors
/// [`CliError`]: nothing is called so, or the API says no; then nothing is held.
pub fn hold(args: &HoldArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let mut members = member(&subject::find(api, &args.subject).await?)?;
        members["Until"] = json!(args.until);
        members["Reason"] = json!(args.reason);
        members["Replace"] = json!(args.replace);
        let shape: HoldShape = api.ask_own("PutHold", &members).await?;
        let until = shape.hold.until.map(|until| until.to_string()).unwrap_or_default();
        show(&shape, args.json, output, || {
            format!(
                "{} is held until {until}: {}\nto end it: strata release {}\n",
                shape.subject, shape.hold.reason, shape.subject
            )
        })
    })
}

/// Lets go.
///
/// # Errors
/// [`CliError`]: nobody holds it, nothing is called so, or the API says no.
pub fn release(args: &ReleaseArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let members = member(&subject::find(api, &args.subject).await?)?;
        let shape: HoldShape = api.ask_own("ReleaseHold", &members).await?;
        show(&shape, args.json, output, || format!("{} is released; {} had held it\n", shape.subject, shape.hold.by))
    })
}

/// Lists what is held.
///
/// # Errors
/// [`CliError`]: what the API says.
pub fn list(args: &HoldsArgs, output: Output) -> Result<Exit, CliError> {
    with_api(&args.api, async |api| {
        let members = match &args.stack {
            Some(named) => json!({ "StackId": crate::layer::stack(api, Some(named)).await?.stack_id() }),
            None => json!({}),
        };
        let holds: Holds = api.ask_own("DescribeHolds", &members).await?;
        show(&holds, args.json, output, || table(&holds))
    })
}

fn with_api(options: &crate::client::ApiOptions, body: impl AsyncFnOnce(&Api) -> Result<(), CliError>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let api = Api::connect(options, &Environment::read()).await?;
        body(&api).await?;
        Ok(Exit::Done)
    })
}

/// The request's member; a stack is frozen, not held.
fn member(subject: &Subject) -> Result<Value, CliError> {
    match subject.member {
        "StackId" => Err(CliError::BadInput(format!(
            "{} is a stack: hold a layer or an instance of it, or keep hands off all of it with `strata freeze --stack {}`",
            subject.path, subject.path
        ))),
        member => Ok(json!({ member: subject.id })),
    }
}

fn show<T: serde::Serialize>(told: &T, json: bool, output: Output, text: impl FnOnce() -> String) -> Result<(), CliError> {
    let text = match if json { Output::Json } else { output } {
        Output::Json => serde_json::to_string(told).map_err(|e| CliError::Failed(e.into()))? + "\n",
        Output::Table => text(),
    };
    write_stdout(text.as_bytes())
}

fn table(holds: &Holds) -> String {
    if holds.holds.is_empty() {
        return "nothing is held\n".to_owned();
    }
    let line = |shape: &HoldShape| {
        let until = shape.hold.until.as_ref().map_or_else(|| until_words(shape.hold.kind).to_owned(), Timestamp::to_string);
        format!("{:<32} until {until:<22} by {}: {}\n", shape.subject, shape.hold.by, shape.hold.reason)
    };
    holds.holds.iter().map(line).collect()
}

/// What ends a hold without a time.
fn until_words(kind: HoldKind) -> &'static str {
    match kind {
        HoldKind::Person => "it is released",
        HoldKind::ManualStop => "it is started",
        HoldKind::Foreign => "it is ACTIVE again",
    }
}
