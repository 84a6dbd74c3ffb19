//! `strata doctor`: is everything there that Strata needs, and if not, how is it mended. It changes nothing.
//!
//! [`api`] asks the API, [`aws`] the services that an installation is made of (feature `aws`), [`judge`] is what counts as well, on what was
//! seen and nothing else, [`iam`] the statements that somebody lacks.

mod api;
#[cfg(feature = "aws")]
mod aws;
mod iam;
mod judge;

use serde::Serialize;

use crate::args::{DoctorArgs, Output};
use crate::client::Api;
use crate::environment::Environment;
use crate::sim::world_command;
use crate::{CliError, Exit, write_stdout};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Well.
    Ok,
    /// Not well: `mend` says what to do.
    Fail,
    /// Not looked at: `found` says why.
    Skip,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    /// What was seen, one sentence.
    pub(crate) found: String,
    /// What to do about it; may have several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mend: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Ok, found: found.into(), mend: None }
    }

    pub(crate) fn fail(name: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Fail, found: found.into(), mend: Some(mend.into()) }
    }

    pub(crate) fn skip(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: Outcome::Skip, found: why.into(), mend: None }
    }
}

/// What only AWS can tell.
const ON_AWS: [&str; 7] = ["caller", "table", "rules", "topic", "documents", "mode parameter", "alarms on Strata"];

/// Makes the checks and tells them; exit code 1 if one failed.
///
/// # Errors
/// Bad input: no API is named, or no credentials are found.
pub fn run(args: &DoctorArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let environment = Environment::read();
        let api = Api::connect(&args.api, &environment).await?;
        let mut checks = api::checks(&api, args.installation_name(&environment)).await;
        checks.extend(on_aws(&api, args, &environment).await);
        let is_json = args.json || output == Output::Json;
        write_stdout(if is_json { json(&checks)? } else { text(&checks) }.as_bytes())?;
        Ok(if checks.iter().any(|check| check.outcome == Outcome::Fail) { Exit::Failed } else { Exit::Done })
    })
}

async fn on_aws(api: &Api, args: &DoctorArgs, environment: &Environment) -> Vec<Check> {
    if world_command::world_behind(api.endpoint()).is_some() {
        return ON_AWS.map(|name| Check::skip(name, "a served world has none")).to_vec();
    }
    call_aws(api, args, environment).await
}

#[cfg(feature = "aws")]
async fn call_aws(api: &Api, args: &DoctorArgs, environment: &Environment) -> Vec<Check> {
    match crate::aws::base(&args.api, Some(api.endpoint()), args.installation_name(environment)).await {
        Ok(base) => aws::checks(&base, args).await,
        Err(error) => ON_AWS.map(|name| Check::skip(name, error.to_string())).to_vec(),
    }
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "with the feature `aws` it calls AWS")]
async fn call_aws(_: &Api, _: &DoctorArgs, _: &Environment) -> Vec<Check> {
    let why = "this build does not call AWS; get one that does: cargo install --path cli --features aws";
    ON_AWS.map(|name| Check::skip(name, why)).to_vec()
}

fn json(checks: &[Check]) -> Result<String, CliError> {
    let is_well = checks.iter().all(|check| check.outcome != Outcome::Fail);
    let told = serde_json::json!({ "is_well": is_well, "checks": checks });
    serde_json::to_string(&told).map(|text| text + "\n").map_err(|e| CliError::Failed(e.into()))
}

fn text(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let line = |check: &Check| {
        let mark = match check.outcome {
            Outcome::Ok => "ok  ",
            Outcome::Fail => "FAIL",
            Outcome::Skip => "skip",
        };
        let mend = check.mend.iter().flat_map(|mend| mend.lines()).map(|line| format!("      {line}\n"));
        format!("{mark}  {:width$}  {}\n{}", check.name, check.found, mend.collect::<String>())
    };
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Fail).count();
    let end = match failed {
        0 => "all is well, as far as it was looked at\n".to_owned(),
        1 => "1 check failed\n".to_owned(),
        many => format!("{many} checks failed\n"),
    };
    checks.iter().map(line).collect::<String>() + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_and_what_mends_it_follows() {
        let checks = [
            Check::ok("endpoint", "it answers"),
            Check::fail("clock", "it is late", "set it:\n  ntpdate"),
            Check::skip("table", "a served world has none"),
        ];
        assert_eq!(
            text(&checks),
            "ok    endpoint  it answers\nFAIL  clock     it is late\n      set it:\n        ntpdate\n\
             skip  table     a served world has none\n1 check failed\n"
        );
        let told: serde_json::Value = serde_json::from_str(&json(&checks[..1]).unwrap()).unwrap();
        assert_eq!(told["is_well"], true);
        assert!(told["checks"][0].get("mend").is_none());
    }
}
