//! StopInstance [ACT-60] [INST-3, 21, 25]: the intent is accepted, lifecycle does the work.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::{Instance, RootDeviceType, Stack};
use strata_domain::{InstanceStatus, ScalingType};
use strata_ports::{Change, Expect, Told, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::reconciler::write::close_incident;
use crate::records::{Stored, busy_changes, configure_due_change, removal_changes};
use crate::status_change::move_status;

/// Stops an instance: it leaves the load balancer and the cluster first. The answer comes at once; watch the status.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
    /// Whether a stop that has begun or failed is ended at once. Default: false.
    force: Option<bool>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = call.instance(&required(m.instance_id, "InstanceId")?).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    let is_forced = m.force == Some(true) && stored.record.root_device_type == RootDeviceType::Ebs;
    match allowed(InstanceAction::Stop, stored.record.status, stored.record.origin) {
        // Force on an EBS-backed one: only our record goes, the EC2 instance is the user's to terminate [INST-25].
        Allowed::Yes if is_forced => forced(call, &stored).await,
        Allowed::Yes | Allowed::NoEffect | Allowed::Refused(_) => piece(call, &stack, &stored).await,
    }
}

/// The record goes at once, with what is open about it: whoever was in service has left it [LIFE-2], and nobody is left to end its page.
async fn forced(call: &Call<'_>, stored: &Stored<Instance>) -> Result<Answer, ApiError> {
    let gone = Instance { status: InstanceStatus::Stopped, ..stored.record.clone() };
    let mut changes = removal_changes(call.store(), stored).await?;
    changes.extend(configure_due_change(call.store(), &stored.record, &gone, call.now).await?);
    let mut told = Told::default();
    let incident = keys::incident(&gone.stack_id, gone.id.as_str());
    let what = format!("{} was stopped by force; its machine is its owner's now", gone.hostname);
    close_incident(call.store(), &incident, call.now, &what, &mut told, &mut changes).await?;
    changes.extend(told.changes());
    Ok(Answer::done(changes))
}

/// One instance's stop. Touches only the instance's own records.
pub(super) async fn piece(call: &Call<'_>, stack: &Stack, stored: &Stored<Instance>) -> Result<Answer, ApiError> {
    match allowed(InstanceAction::Stop, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    let mut next = stored.record.clone();
    next.initiated_by = Some(call.initiated_by());
    next.shutdown_command = None;
    next.healing = false;
    let first = match next.root_device_type {
        RootDeviceType::Ebs => InstanceStatus::Stopping,
        RootDeviceType::InstanceStore => InstanceStatus::Terminating,
    };
    let event = move_status(&mut next, first, call.now, stack);
    let mut changes = vec![stored.put(&next)];
    changes.extend(busy_changes(call.store(), &next, true).await?);
    changes.extend(configure_due_change(call.store(), &stored.record, &next, call.now).await?);
    changes.extend(manual_stop(call, &next).await?);
    Ok(Answer::done(changes).telling(event))
}

/// A person's stop of a time- or load-based instance holds it, so that its scaler does not start it at once [TIME-9] [LOAD-15].
async fn manual_stop(call: &Call<'_>, instance: &Instance) -> Result<Option<Change>, ApiError> {
    if instance.scaling == ScalingType::AlwaysOn || call.principal.is_controller {
        return Ok(None);
    }
    let key = keys::instance_hold(&instance.stack_id, &instance.id, "manual-stop");
    let expect = call.store().get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
    let hold = Hold {
        target: HoldTarget::Instance(instance.id.clone()),
        kind: HoldKind::ManualStop,
        by: call.principal.arn.clone(),
        reason: format!("{} was stopped by hand", instance.hostname),
        since: call.now,
        until: None,
    };
    Ok(Some(Change::put(key, &hold, expect)))
}
