//! GetHostnameSuggestion [ACT-46] [INST-62]: reserves nothing.

use serde::{Deserialize, Serialize};
use strata_domain::hostnames;

use super::uniqueness::hosts_of;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    layer_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Suggestion<'a> {
    layer_id: &'a str,
    hostname: String,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let layer = call.layer(&required(m.layer_id, "LayerId")?).await?.record;
    let stack = call.stack(layer.stack_id.as_str()).await?.record;
    call.permit(Some(&stack.id))?;
    let taken = hosts_of(call, &stack.id).await?;
    let hostname = hostnames::suggest(&stack.hostname_theme, &layer.shortname, &taken);
    Ok(Answer::of(&Suggestion { layer_id: layer.id.as_str(), hostname }))
}
