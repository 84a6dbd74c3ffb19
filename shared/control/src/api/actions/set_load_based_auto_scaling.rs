//! SetLoadBasedAutoScaling [ACT-55] [LOAD-1..5, 15].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::ScalingType;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::load_based::{Configuration, ThresholdsPatch};
use strata_domain::model::{Instance, Layer, Stack};
use strata_ports::{Change, Expect, Key, keys};

use super::load_based_index;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::{After, Answer};
use crate::api::wire::AutoScalingThresholds;

/// So many manual stops end in the commit itself; the rest follow it.
const HOLDS_IN_COMMIT: usize = 40;

/// Sets a layer's load-based scaling. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
    /// Whether load-based scaling is on. Off at first.
    enable: Option<bool>,
    /// When and how to start instances.
    #[schemars(with = "Option<AutoScalingThresholds>")]
    up_scaling: Option<ThresholdsPatch>,
    /// When and how to stop instances.
    #[schemars(with = "Option<AutoScalingThresholds>")]
    down_scaling: Option<ThresholdsPatch>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let id = required(m.layer_id, "LayerId")?;
    let merge = |present: &Configuration| {
        present
            .merge(m.enable, m.up_scaling.as_ref(), m.down_scaling.as_ref(), call.now)
            .map_err(|e| ApiError::Validation(e.to_string()))
    };
    // Also before any look-up: a number out of range is a bad value [WIRE-13].
    merge(&Configuration::default())?;
    let layer = call.layer(&id).await?;
    let stack = call.stack(layer.record.stack_id.as_str()).await?;
    call.permit(Some(&stack.record.id)).await?;
    let key = keys::load_based(&stack.record.id, &layer.record.id);
    let stored = call.find::<Configuration>(&key).await?;
    let before = stored.as_ref().map(|s| s.record.clone()).unwrap_or_default();
    let after = merge(&before)?;
    check_alarms(call, &stack.record, &after).await?;

    let expect = stored.map_or(Expect::Absent, |s| s.unchanged());
    // The alarms carry the stack's and the layer's names, so both must be as read.
    let mut answer = Answer::done(vec![Change::put(key, &after, expect), layer.check(), stack.check()]);
    load_based_index::reconfigure(call, &stack.record, &layer.record, (&before, &after), &mut answer).await?;
    end_manual_stops(call, &layer.record, &mut answer).await?;
    for warning in after.warnings(&scaling_types(call, &layer.record).await?) {
        tracing::warn!(layer.id = %layer.record.id, warning);
    }
    Ok(answer)
}

/// Custom alarms need `cloudwatch:DescribeAlarms` in the service role; lacking it is an error here, not silence later [LOAD-5]. An
/// alarm that does not exist is accepted: it counts as INSUFFICIENT_DATA [LOAD-21].
async fn check_alarms(call: &Call<'_>, stack: &Stack, configuration: &Configuration) -> Result<(), ApiError> {
    let names: Vec<String> = configuration.up.alarms.iter().chain(&configuration.down.alarms).cloned().collect();
    if !names.is_empty() {
        call.check_role(&stack.service_role_arn, &["cloudwatch:DescribeAlarms"], "custom alarms need").await?;
        call.ports.alarms.describe(&call.scope(stack), &names).await?;
    }
    Ok(())
}

/// A new configuration ends the manual stops of the layer's load-based members [LOAD-15].
async fn end_manual_stops(call: &Call<'_>, layer: &Layer, answer: &mut Answer) -> Result<(), ApiError> {
    let holds = call.list::<Hold>(&layer.stack_id, &format!("{}instance#", keys::HOLD)).await?;
    let mut later: Vec<Key> = Vec::new();
    for hold in holds.into_iter().filter(|h| h.record.kind == HoldKind::ManualStop) {
        let HoldTarget::Instance(id) = &hold.record.target else { continue };
        let instance = call.find::<Instance>(&keys::instance(&layer.stack_id, id)).await?;
        let is_meant = |i: &Instance| i.scaling == ScalingType::Load && i.layer_ids.contains(&layer.id);
        if !instance.is_some_and(|i| is_meant(&i.record)) {
            continue;
        }
        if answer.changes.len() < HOLDS_IN_COMMIT { answer.changes.push(hold.delete()) } else { later.push(hold.key) }
    }
    if !later.is_empty() {
        answer.after.push(After::Remove(later));
    }
    Ok(())
}

async fn scaling_types(call: &Call<'_>, layer: &Layer) -> Result<Vec<ScalingType>, ApiError> {
    Ok(call.members_of(layer).await?.iter().map(|i| i.record.scaling).collect())
}
