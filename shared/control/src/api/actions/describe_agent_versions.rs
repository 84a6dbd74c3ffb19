//! DescribeAgentVersions [ACT-22] [DSC-1]: one version for each Chef version. No agent of that kind exists any more, but clients compare.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stack_members::{ConfigurationManager, chef_version};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::transaction::Answer;
use crate::api::wire::{self, REPORTED_AGENT_VERSION};

/// Lists the agent versions that a stack, or a Chef version, can have.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack.
    stack_id: Option<String>,
    /// The configuration manager, instead of a stack.
    configuration_manager: Option<ConfigurationManager>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The versions.
    agent_versions: Vec<AgentVersion<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct AgentVersion<'a> {
    /// `<build>-<yyyymmddhhmmss>`.
    version: &'static str,
    /// For which Chef version.
    configuration_manager: wire::ConfigurationManager<'a>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let text = "Please provide either a stack ID or a configuration manager";
    checks::exactly_one(&[m.stack_id.is_some(), m.configuration_manager.is_some()], text)?;
    let named = chef_version(m.configuration_manager)?;
    let chef = match m.stack_id {
        Some(id) => Some(call.stack(&id).await?.record.chef_version),
        None => named,
    };
    call.permit(None).await?;
    let asked = ["11.10", "12"].into_iter().filter(|version| chef.as_deref().is_none_or(|chef| chef == *version));
    let of = |version| AgentVersion {
        version: REPORTED_AGENT_VERSION,
        configuration_manager: wire::ConfigurationManager::of(version),
    };
    Ok(Answer::of(&Output { agent_versions: asked.map(of).collect() }))
}
