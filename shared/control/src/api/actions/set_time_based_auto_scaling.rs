//! SetTimeBasedAutoScaling [ACT-57] [TIME-2, 4, 9].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::ScalingType;
use strata_domain::time_based::{StoredSchedule, WeeklySchedule};
use strata_ports::{Change, Expect, keys};

use super::start_instance::end_of_manual_stop;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::api::wire::WeeklyAutoScalingSchedule;

/// Sets the hours at which a time-based instance is online. Hours and days that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
    /// Hours by day, in UTC. Hours and days that are left out stay as they are.
    #[schemars(with = "Option<WeeklyAutoScalingSchedule>")]
    auto_scaling_schedule: Option<BTreeMap<String, Option<BTreeMap<String, String>>>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let id = required(m.instance_id, "InstanceId")?;
    let patch = m.auto_scaling_schedule.into_iter().flatten().filter_map(|(day, hours)| Some((day, hours?))).collect();
    // Also before any look-up: a bad hour is a bad value [WIRE-13].
    WeeklySchedule::default().merge(&patch).map_err(|e| ApiError::Validation(e.to_string()))?;
    let instance = call.instance(&id).await?;
    call.permit(Some(&instance.record.stack_id)).await?;
    if instance.record.scaling != ScalingType::Timer {
        return Err(ApiError::field("InstanceId", format!("{} is not a time-based instance", instance.record.hostname)));
    }
    let key = keys::time_based(&instance.record.stack_id, &instance.record.id);
    let stored = call.find::<StoredSchedule>(&key).await?;
    let present = stored.as_ref().map(|s| s.record.schedule).unwrap_or_default();
    let schedule = present.merge(&patch).map_err(|e| ApiError::Validation(e.to_string()))?;
    let expect = stored.map_or(Expect::Absent, |s| s.unchanged());
    let mut changes = vec![Change::put(key, &StoredSchedule { schedule, changed_at: call.now }, expect), instance.check()];
    changes.extend(end_of_manual_stop(call, &instance.record).await?);
    Ok(Answer::done(changes))
}
