//! DescribeOperatingSystems [ACT-33] [ECS-121]: what OpsWorks named, past its support by now, and what is ours beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::operating_systems::{self, OperatingSystem};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::transaction::Answer;
use crate::api::wire::ConfigurationManager;

/// Lists the operating systems that stacks and instances can have.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Members {}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// The operating systems.
    operating_systems: Vec<OperatingSystemShape>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct OperatingSystemShape {
    /// As Os and DefaultOs take it.
    name: &'static str,
    /// A short form of the name; of those that OpsWorks did not know it begins with `strata-`.
    id: String,
    /// Always `Linux`.
    r#type: &'static str,
    /// The Chef versions whose stacks can have it.
    configuration_managers: Vec<ConfigurationManager<'static>>,
    /// Whether its maker still supports it.
    supported: bool,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let Members {} = input.read()?;
    call.permit(None).await?;
    Ok(Answer::of(&Output { operating_systems: operating_systems::ALL.iter().map(shape).collect() }))
}

fn shape(os: &OperatingSystem) -> OperatingSystemShape {
    let word = os.name.to_ascii_lowercase().replace([' ', '.'], "-");
    let managers = [("12", os.chef_12), ("11.10", os.chef_11)];
    OperatingSystemShape {
        name: os.name,
        id: if os.is_ours { format!("strata-{word}") } else { word },
        r#type: "Linux",
        configuration_managers: managers.into_iter().filter(|(_, has)| *has).map(|(v, _)| ConfigurationManager::of(v)).collect(),
        supported: os.is_supported,
    }
}
