//! DescribeTimeBasedAutoScaling [ACT-41] [TIME-5] [DSC-2].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::time_based::StoredSchedule;
use strata_ports::keys;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;
use crate::api::wire::WeeklyAutoScalingSchedule;

/// Shows the schedules of time-based instances.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// Ids of instances; at least one.
    #[schemars(required)]
    instance_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct TimeBasedAutoScalingConfiguration {
    /// The instance's id, a UUID; not EC2's `i-...`.
    instance_id: String,
    /// Hours by day, in UTC.
    #[schemars(with = "WeeklyAutoScalingSchedule")]
    auto_scaling_schedule: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// The instances' schedules.
    time_based_auto_scaling_configurations: Vec<TimeBasedAutoScalingConfiguration>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = required(non_empty(m.instance_ids), "InstanceIds")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let instance = call.instance(&id).await?.record;
        call.permit(Some(&instance.stack_id)).await?;
        let stored = call.find::<StoredSchedule>(&keys::time_based(&instance.stack_id, &instance.id)).await?;
        let auto_scaling_schedule = stored.map(|s| s.record.schedule).unwrap_or_default().to_wire();
        found.push((instance.created_at, TimeBasedAutoScalingConfiguration { instance_id: id, auto_scaling_schedule }));
    }
    found.sort_by(|a, b| (a.0, &a.1.instance_id).cmp(&(b.0, &b.1.instance_id)));
    Ok(Answer::of(&Output { time_based_auto_scaling_configurations: found.into_iter().map(|(_, c)| c).collect() }))
}
