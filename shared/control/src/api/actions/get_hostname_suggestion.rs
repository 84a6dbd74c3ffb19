//! GetHostnameSuggestion [ACT-46] [INST-62]: reserves nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::hostnames;

use super::uniqueness::hosts_of;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Suggests a free host name for the next instance of a layer, after the stack's theme.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The layer's id.
    #[schemars(required)]
    layer_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The layer's id.
    layer_id: &'a str,
    /// A host name that is free now.
    hostname: String,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let layer = call.layer(&required(m.layer_id, "LayerId")?).await?.record;
    let stack = call.stack(layer.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id)).await?;
    let taken = hosts_of(call, &stack.id).await?;
    let hostname = hostnames::suggest(&stack.hostname_theme, &layer.shortname, &taken);
    Ok(Answer::of(&Output { layer_id: layer.id.as_str(), hostname }))
}
