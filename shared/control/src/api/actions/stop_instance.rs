//! StopInstance [ACT-60] [INST-3, 21, 25]: the intent is accepted, lifecycle does the work.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::{Instance, RootDeviceType, Stack};
use strata_domain::{InstanceStatus, ScalingType};
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
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
        Allowed::Yes if is_forced => Ok(Answer::done(removal_changes(call.store(), &stored).await?)),
        Allowed::Yes | Allowed::NoEffect | Allowed::Refused(_) => piece(call, &stack, &stored).await,
    }
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
