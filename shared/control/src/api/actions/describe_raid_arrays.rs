//! DescribeRaidArrays [ACT-35]: checks its ids; there never is an array (monitoring-and-resources.md, Q3).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::EmptyObject;

/// Describes RAID arrays, of which there never are any. Exactly one of the members must be given.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// An instance's id.
    instance_id: Option<String>,
    /// A stack's id.
    stack_id: Option<String>,
    /// RAID arrays' ids; none is ever known.
    raid_array_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// Always empty.
    #[schemars(with = "Vec<EmptyObject>")]
    raid_arrays: [EmptyObject; 0],
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.raid_array_ids);
    let text = "Please provide one or more RAID array IDs or a stack ID or an instance ID";
    checks::exactly_one(&[m.instance_id.is_some(), m.stack_id.is_some(), ids.is_some()], text)?;
    let stack = match (&m.stack_id, &m.instance_id, ids.iter().flatten().next()) {
        (Some(id), _, _) => call.stack(id).await?.record.id,
        (_, Some(id), _) => call.instance(id).await?.record.stack_id,
        (_, _, id) => return Err(ApiError::unknown_id("RAID array", id.map_or("", String::as_str))),
    };
    call.permit(Some(&stack)).await?;
    Ok(Answer::of(&Output { raid_arrays: [] }))
}
