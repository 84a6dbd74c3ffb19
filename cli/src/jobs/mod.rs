//! `strata campaign` and `strata teardown`: plan, start, status, pause, resume, abort.
//!
//! All of them ask the API, which writes requests down; [`follow`] waits for what the job's function makes of them, [`render`] has the words.

mod campaign;
mod debt;
mod follow;
mod render;
mod teardown;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strata_control::api::extension::{JobAsked, Jobs, LayerJobs};
use strata_domain::teardown::TeardownTold;
use strata_domain::updates::CampaignTold;

use crate::args::{JobStatusArgs, Output};
use crate::client::{Api, ApiOptions};
use crate::environment::Environment;
use crate::subject::{self, Subject};
use crate::{CliError, Exit, write_stdout};

pub use campaign::run as campaign;
pub use teardown::run as teardown;

/// What the two jobs have in common for whoever follows one.
trait Job: Serialize + DeserializeOwned {
    /// `campaign` or `teardown`.
    const NAME: &'static str;
    /// The action that tells it.
    const DESCRIBE: &'static str;
    /// The action by which something is asked of it.
    const REQUEST: &'static str;
    fn id(&self) -> &str;
    fn is_ended(&self) -> bool;
    /// What keeps it from going on, with what to do.
    fn blocked(&self) -> Option<String>;
    /// How far it is, in one line.
    fn line(&self) -> String;
    /// Whether its end is all that was asked for.
    fn is_success(&self) -> bool;
    /// The whole of it, for people.
    fn screen(&self) -> String;
}

impl Job for CampaignTold {
    const NAME: &'static str = "campaign";
    const DESCRIBE: &'static str = "DescribeCampaigns";
    const REQUEST: &'static str = "RequestCampaign";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn is_ended(&self) -> bool {
        Self::is_ended(self)
    }
    fn blocked(&self) -> Option<String> {
        self.blocked.as_ref().map(|why| format!("{why}; {}", self.next))
    }
    fn line(&self) -> String {
        let outcome = self.outcome.as_deref().map(|o| format!(", {o}")).unwrap_or_default();
        format!("{}: {}{outcome}, wave {}: {}", self.subject, self.state, self.wave, self.tally)
    }
    fn is_success(&self) -> bool {
        let is_well = |phase: &str| matches!(phase, "done" | "skipped");
        self.outcome.as_deref() == Some("completed") && self.hosts.iter().all(|h| is_well(&h.phase))
    }
    fn screen(&self) -> String {
        render::campaign(self)
    }
}

impl Job for TeardownTold {
    const NAME: &'static str = "teardown";
    const DESCRIBE: &'static str = "DescribeTeardowns";
    const REQUEST: &'static str = "RequestTeardown";
    fn id(&self) -> &str {
        self.id.as_str()
    }
    fn is_ended(&self) -> bool {
        Self::is_ended(self)
    }
    fn blocked(&self) -> Option<String> {
        self.blocked.as_ref().map(|why| format!("{why}; {}", self.next))
    }
    fn line(&self) -> String {
        let outcome = self.outcome.as_deref().map(|o| format!(", {o}")).unwrap_or_default();
        format!("{}: {}{outcome}, {}", self.subject, self.state, self.stage_name)
    }
    fn is_success(&self) -> bool {
        self.outcome.as_deref() == Some("completed")
    }
    fn screen(&self) -> String {
        render::teardown(self)
    }
}

/// A layer as it is meant, also one that a teardown has taken away.
struct Meant {
    id: String,
    path: String,
}

fn with_api(options: &ApiOptions, body: impl AsyncFnOnce(&Api) -> Result<Exit, CliError>) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async { body(&Api::connect(options, &Environment::read()).await?).await })
}

/// The layer that is meant; one that is gone is found by what its job's record calls it.
async fn find<T: Job>(api: &Api, text: &str) -> Result<Meant, CliError> {
    match subject::find(api, text).await {
        Ok(Subject { member: "LayerId", id, path }) => Ok(Meant { id, path }),
        Ok(other) => Err(CliError::BadInput(format!(
            "{text}: expected a layer, such as {}/LAYER",
            other.path.split('/').next().unwrap_or_default()
        ))),
        Err(CliError::BadInput(why)) => {
            let jobs: Jobs<T> = api.ask_own(T::DESCRIBE, &json!({})).await?;
            let is_meant = |l: &LayerJobs<T>| {
                [&l.subject, &l.layer_id].contains(&&text.to_owned()) || l.job.as_ref().is_some_and(|job| job.id() == text)
            };
            match jobs.layers.into_iter().find(is_meant) {
                Some(layer) => Ok(Meant { id: layer.layer_id, path: layer.subject }),
                None => Err(CliError::BadInput(why)),
            }
        }
        Err(error) => Err(error),
    }
}

/// A layer's job as it stands.
async fn look<T: Job>(api: &Api, layer_id: &str) -> Result<LayerJobs<T>, CliError> {
    let mut jobs: Jobs<T> = api.ask_own(T::DESCRIBE, &json!({ "LayerId": layer_id })).await?;
    if jobs.layers.is_empty() {
        return Err(CliError::Failed(anyhow::anyhow!("{layer_id}: the API told nothing about it")));
    }
    Ok(jobs.layers.swap_remove(0))
}

/// What is asked for, what became of it, and how far the job is.
#[derive(Serialize)]
struct Asked<'a, T> {
    #[serde(flatten)]
    asked: &'a JobAsked,
    /// Whether the job's function has heeded it yet.
    heeded: bool,
    job: Option<T>,
}

/// Asks something of a job and tells what becomes of it.
async fn ask<T: Job>(api: &Api, meant: &Meant, mut members: Value, wait: bool, output: Output) -> Result<Exit, CliError> {
    members["LayerId"] = json!(meant.id);
    let asked: JobAsked = api.ask_own(T::REQUEST, &members).await?;
    if output == Output::Table {
        let says: String = asked.says.iter().map(|line| format!("  {line}\n")).collect();
        write_stdout(format!("{}: {} asked for, {} {}\n{says}", asked.subject, asked.verb, T::NAME, asked.id).as_bytes())?;
    }
    let heeded = follow::until_heeded::<T>(api, &asked, wait).await?;
    let Some(layer) = heeded else {
        show(output, &Asked::<T> { asked: &asked, heeded: false, job: None }, || {
            format!("it is heeded within a minute; to follow it: strata {} status {} --wait\n", T::NAME, asked.subject)
        })?;
        return Ok(Exit::Done);
    };
    if wait {
        let (layer, exit) = follow::until_over::<T>(api, &asked.layer_id, &asked.id, asked.verb == "abort", output).await?;
        show(output, &Asked { asked: &asked, heeded: true, job: layer.job.as_ref() }, || screen(&layer))?;
        return Ok(exit);
    }
    show(output, &Asked { asked: &asked, heeded: true, job: layer.job.as_ref() }, || {
        let line = layer.job.as_ref().map(|job| format!("{}\n", job.line())).unwrap_or_default();
        format!("{line}to follow it: strata {} status {} --wait\n", T::NAME, asked.subject)
    })?;
    Ok(Exit::Done)
}

async fn status<T: Job>(args: &JobStatusArgs, output: Output) -> Result<Exit, CliError> {
    let output = if args.json { Output::Json } else { output };
    let api = &Api::connect(&args.api, &Environment::read()).await?;
    let Some(text) = &args.layer else {
        let jobs: Jobs<T> = api.ask_own(T::DESCRIBE, &json!({})).await?;
        show(output, &jobs, || match jobs.layers.as_slice() {
            [] => format!("no layer has a {}\n", T::NAME),
            layers => layers.iter().map(screen).collect(),
        })?;
        return Ok(Exit::Done);
    };
    let meant = find::<T>(api, text).await?;
    let layer = look::<T>(api, &meant.id).await?;
    if let (true, Some(id)) = (args.wait, layer.job.as_ref().map(|job| job.id().to_owned())) {
        let (layer, exit) = follow::until_over::<T>(api, &meant.id, &id, false, output).await?;
        show(output, &layer, || screen(&layer))?;
        return Ok(exit);
    }
    show(output, &layer, || screen(&layer))?;
    Ok(Exit::Done)
}

/// A layer's job, and what waits.
fn screen<T: Job>(layer: &LayerJobs<T>) -> String {
    let mut text = match &layer.job {
        Some(job) => job.screen(),
        None => format!("{}: no {}, and never one before\n", layer.subject, T::NAME),
    };
    text.push_str(&render::around(layer.held_up.as_deref(), &layer.waiting, layer.answer.as_ref()));
    text
}

fn show<S: Serialize>(output: Output, told: &S, text: impl FnOnce() -> String) -> Result<(), CliError> {
    let text = match output {
        Output::Json => serde_json::to_string(told).map_err(|e| CliError::Failed(e.into()))? + "\n",
        Output::Table => text(),
    };
    write_stdout(text.as_bytes())
}
