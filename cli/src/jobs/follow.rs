//! Following a request until it is heeded, and a job until it is over.

use std::time::Duration;

use strata_control::api::extension::{JobAsked, LayerJobs};

use super::{Job, look};
use crate::args::Output;
use crate::client::Api;
use crate::{CliError, Exit};

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// So many looks at a request that nobody is going to wait for: the event wakes its function within seconds.
const SHORT: u32 = 5;
/// So many looks at a request before it is taken for one that nobody heeds: ticks come every minute.
const LONG: u32 = 300;

/// The layer's job once the request was heeded; `None`: it still waits, and nobody wants to wait with it.
///
/// # Errors
/// [`CliError::Failed`]: it was refused, or nobody heeds it.
pub(super) async fn until_heeded<T: Job>(api: &Api, asked: &JobAsked, wait: bool) -> Result<Option<LayerJobs<T>>, CliError> {
    for _ in 0..if wait { LONG } else { SHORT } {
        let layer = look::<T>(api, &asked.layer_id).await?;
        if let Some(answer) = layer.answer.as_ref().filter(|answer| answer.asked_at == asked.asked_at) {
            return match &answer.refused {
                Some(why) => Err(CliError::Failed(anyhow::anyhow!("{}: {} was not done: {why}", asked.subject, asked.verb))),
                None => Ok(Some(layer)),
            };
        }
        // Another request about the layer was answered after it.
        if !layer.waiting.iter().any(|waiting| waiting.asked_at == asked.asked_at) {
            return Ok(Some(layer));
        }
        tokio::time::sleep(PAUSE).await;
    }
    if wait {
        let seconds = u64::from(LONG) * PAUSE.as_secs();
        return Err(CliError::Failed(anyhow::anyhow!(
            "{}: nobody has heeded the request for {seconds} s; strata doctor tells whether the functions run",
            asked.subject
        )));
    }
    Ok(None)
}

/// The job once it is over or stands still, and how the command ends. What changes on the way is told on stderr, a line each.
///
/// `aborts`: an end by abort is what was asked for, and what blocks it counts no more.
pub(super) async fn until_over<T: Job>(
    api: &Api,
    layer_id: &str,
    job_id: &str,
    aborts: bool,
    output: Output,
) -> Result<(LayerJobs<T>, Exit), CliError> {
    let mut before = String::new();
    loop {
        let layer = look::<T>(api, layer_id).await?;
        let Some(job) = layer.job.as_ref().filter(|job| job.id() == job_id) else {
            return Err(CliError::Failed(anyhow::anyhow!("{}: {job_id} is not its newest {} any more", layer.subject, T::NAME)));
        };
        let line = job.line();
        if line != before && output == Output::Table {
            eprintln!("{line}");
        }
        before = line;
        if job.is_ended() {
            let is_well = job.is_success() || aborts;
            return Ok((layer, if is_well { Exit::Done } else { Exit::Failed }));
        }
        if let Some(why) = layer.held_up.clone().or_else(|| job.blocked().filter(|_| !aborts)) {
            eprintln!("strata: {}: it does not go on: {why}", layer.subject);
            return Ok((layer, Exit::Failed));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
