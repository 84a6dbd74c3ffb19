//! StartInstance [ACT-58] [INST-2]: the intent is accepted, lifecycle does the work.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::{InstanceStatus, LayerId, ecs_cluster};
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::{Stored, busy_changes};
use crate::status_change::move_status;

/// Starts an instance. The answer comes at once; watch the status.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
}

/// Why members of a layer cannot be started, for the layers where that is so.
pub(super) type Refusals = BTreeMap<LayerId, String>;

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.instance(&required(m.instance_id, "InstanceId")?).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    let mut refusals = Refusals::new();
    for id in &stored.record.layer_ids {
        if let Some(layer) = call.find::<Layer>(&keys::layer(&stack.id, id)).await? {
            refusals.extend(refusal(call, &layer.record).await?.map(|text| (id.clone(), text)));
        }
    }
    piece(call, &stack, &refusals, &stored).await
}

/// Why a layer's members cannot be started, if so: its cluster is deregistered [ECS-94], or it is being taken down.
pub(super) async fn refusal(call: &Call<'_>, layer: &Layer) -> Result<Option<String>, ApiError> {
    if let Err(e) = ecs_cluster::check_start(layer.layer_type, layer.cluster.as_ref()) {
        return Ok(Some(e.to_string()));
    }
    Ok(is_taken_down(call, layer)
        .await?
        .then(|| format!("The layer \"{}\" is being taken down, so its instances cannot be started", layer.name)))
}

async fn is_taken_down(call: &Call<'_>, layer: &Layer) -> Result<bool, ApiError> {
    Ok(call.store().get(&keys::teardown_mark(&layer.stack_id, &layer.id)).await?.is_some())
}

/// Refuses a new member of a layer that is being taken down: it would be deleted with the others.
///
/// # Errors
/// ValidationException.
pub(super) async fn check_joins<'a>(call: &Call<'_>, layers: impl Iterator<Item = &'a Layer>) -> Result<(), ApiError> {
    for layer in layers {
        if is_taken_down(call, layer).await? {
            let text = format!("The layer \"{}\" is being taken down, so no instance can join it", layer.name);
            return Err(ApiError::Validation(text));
        }
    }
    Ok(())
}

/// One instance's start. Touches only the instance's own records.
pub(super) async fn piece(
    call: &Call<'_>,
    stack: &Stack,
    refusals: &Refusals,
    stored: &Stored<Instance>,
) -> Result<Answer, ApiError> {
    match allowed(InstanceAction::Start, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    if let Some(text) = stored.record.layer_ids.iter().find_map(|id| refusals.get(id)) {
        return Err(ApiError::Validation(text.clone()));
    }
    let mut next = stored.record.clone();
    next.launch_number += 1;
    next.started_at = Some(call.now);
    next.initiated_by = Some(call.initiated_by());
    next.setup_command = None;
    next.shutdown_command = None;
    next.healing = false;
    next.shortage.refused_types.clear();
    let event = move_status(&mut next, InstanceStatus::Requested, call.now, stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    changes.push(last_start(call, &stored.record).await?);
    changes.extend(end_of_manual_stop(call, &next).await?);
    Ok(Answer::done(changes).telling(event))
}

/// Counts the failed starts in a row, so that scalers try ever less often [TIME-11], and notes how long the start before this one took.
async fn last_start(call: &Call<'_>, before: &Instance) -> Result<Change, ApiError> {
    let key = keys::last_start(&before.stack_id, &before.id);
    let standing = call.store().get(&key).await?;
    let expect = standing.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
    let last: Option<keys::LastStart> = standing.and_then(|item| item.decode().ok());
    let failed_before = match before.status == InstanceStatus::StartFailed {
        true => last.map_or(1, |last| last.failed_before.saturating_add(1)),
        false => 0,
    };
    Ok(Change::put(key, &keys::LastStart::following(before, last.as_ref(), call.now, failed_before), expect))
}

/// The change that ends the hold of a manual stop, if there is one [TIME-9] [LOAD-15].
pub(super) async fn end_of_manual_stop(call: &Call<'_>, instance: &Instance) -> Result<Option<Change>, ApiError> {
    let key = keys::instance_hold(&instance.stack_id, &instance.id, "manual-stop");
    Ok(call.store().get(&key).await?.map(|item| Change::Delete { expect: item.unchanged(), key }))
}
