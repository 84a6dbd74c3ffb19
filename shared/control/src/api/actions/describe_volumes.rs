//! DescribeVolumes [ACT-43] [RES-10]: the records, with what EC2 says of the volumes now.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::model::{RegisteredVolume, Stack, VolumeFacts};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::resources::facts_of;
use crate::api::transaction::Answer;
use crate::api::wire::VolumeShape;

/// Describes registered volumes: a stack's, an instance's, or those named. Exactly one of the members must be given.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance whose volumes are described.
    instance_id: Option<String>,
    /// The stack whose volumes are described.
    stack_id: Option<String>,
    /// A RAID array's id; none is ever known.
    raid_array_id: Option<String>,
    /// The volumes' ids, as RegisterVolume gave them.
    volume_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The volumes, oldest first.
    volumes: Vec<VolumeShape<'a>>,
}

/// What EC2 says of a volume now: facts, and the device name while it is attached.
type Live = BTreeMap<String, (VolumeFacts, Option<String>)>;

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.volume_ids);
    checks::exactly_one(
        &[m.instance_id.is_some(), m.stack_id.is_some(), m.raid_array_id.is_some(), ids.is_some()],
        "Please provide one or more volume IDs or a stack ID or an instance ID or a RAID array ID",
    )?;
    let (stacks, volumes) = match (m.stack_id, m.instance_id, m.raid_array_id) {
        (Some(id), _, _) => of_stack(call, &call.stack(&id).await?.record.id).await?,
        (_, Some(id), _) => {
            let instance = call.instance(&id).await?.record;
            let (stacks, mut volumes) = of_stack(call, &instance.stack_id).await?;
            volumes.retain(|v| v.instance_id.as_ref() == Some(&instance.id));
            (stacks, volumes)
        }
        (_, _, Some(id)) => return Err(ApiError::unknown_id("RAID array", &id)),
        (None, None, None) => by_ids(call, &ids.unwrap_or_default()).await?,
    };
    let live = look(call, &stacks, &volumes).await;
    let shapes = volumes.iter().filter_map(|volume| {
        let region = &stacks.get(&volume.stack_id)?.region;
        let now = live.get(&volume.ec2_volume_id);
        Some(VolumeShape::of(volume, region, now.map_or(&volume.facts, |n| &n.0), now.and_then(|n| n.1.as_deref())))
    });
    Ok(Answer::of(&Output { volumes: shapes.collect() }))
}

type Found = (BTreeMap<StackId, Stack>, Vec<RegisteredVolume>);

async fn of_stack(call: &Call<'_>, id: &StackId) -> Result<Found, ApiError> {
    let stacks = call.permitted_stacks([id.clone()]).await?;
    Ok((stacks, call.volumes_of(id).await?))
}

async fn by_ids(call: &Call<'_>, ids: &[String]) -> Result<Found, ApiError> {
    let mut volumes = Vec::with_capacity(ids.len());
    for id in ids {
        volumes.push(call.volume(id).await?.record);
    }
    volumes.sort_by(|a, b| (a.registered_at, &a.id).cmp(&(b.registered_at, &b.id)));
    volumes.dedup_by(|a, b| a.id == b.id);
    let stacks = call.permitted_stacks(volumes.iter().map(|v| v.stack_id.clone())).await?;
    Ok((stacks, volumes))
}

/// Asks EC2, one call for each stack. Our choice: where EC2 does not answer, the answer shows what was last seen; a volume that EC2 does
/// not know any more shows as `deleted`.
async fn look(call: &Call<'_>, stacks: &BTreeMap<StackId, Stack>, volumes: &[RegisteredVolume]) -> Live {
    let mut live = Live::new();
    for (id, stack) in stacks {
        let of_stack: Vec<&RegisteredVolume> = volumes.iter().filter(|v| v.stack_id == *id).collect();
        if of_stack.is_empty() {
            continue;
        }
        let names: Vec<String> = of_stack.iter().map(|v| v.ec2_volume_id.clone()).collect();
        match call.ports.inventory.volumes(&call.scope(stack), &names).await {
            Ok(views) => {
                let deleted = |v: &RegisteredVolume| VolumeFacts { state: "deleted".to_owned(), ..v.facts.clone() };
                live.extend(of_stack.iter().map(|v| (v.ec2_volume_id.clone(), (deleted(v), None))));
                live.extend(views.into_iter().map(|v| (v.id.clone(), (facts_of(&v), v.device))));
            }
            Err(error) => tracing::warn!(error.message = %error, "EC2 does not describe the volumes; last seen facts are shown"),
        }
    }
    live
}
