//! DescribeCommands [ACT-24] [CMD-30, 31]: newest first. What a deployment has not written yet is derived from it.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::Instance;
use strata_domain::{CommandId, StackId};
use strata_ports::keys;
use strata_ports::store::Listing;

use super::describe_deployments;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::CommandShape;
use crate::records::{Command, CommandPointer, Deployment, Stored};

/// `LogUrl` is good for so long [CMD-32].
const LOG_URL_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Lists commands, the newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// A deployment's id: its commands.
    deployment_id: Option<String>,
    /// An instance's id: its commands.
    instance_id: Option<String>,
    /// Ids of commands.
    command_ids: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The commands.
    commands: Vec<CommandShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ids = non_empty(m.command_ids);
    let text = "Please provide one or more command IDs or a deployment ID or an instance ID";
    checks::exactly_one(&[m.deployment_id.is_some(), m.instance_id.is_some(), ids.is_some()], text)?;
    let mut commands = match (m.deployment_id, m.instance_id) {
        (Some(id), _) => {
            let deployment = describe_deployments::find(call, &id).await?;
            call.permit(Some(&deployment.stack_id)).await?;
            of_deployment(call, &deployment).await?
        }
        (None, Some(id)) => {
            let instance = call.instance(&id).await?.record;
            call.permit(Some(&instance.stack_id)).await?;
            of_instance(call, &instance).await?
        }
        (None, None) => {
            let mut found = Vec::new();
            for id in ids.into_iter().flatten() {
                let command = by_id(call, &id).await?;
                call.permit(Some(&command.stack_id)).await?;
                found.push(command);
            }
            found
        }
    };
    commands.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let mut shapes = Vec::with_capacity(commands.len());
    for command in &commands {
        shapes.push(CommandShape::of(command, log_url(call, command).await));
    }
    Ok(Answer::of(&Output { commands: shapes }))
}

/// A link to the command's output [CMD-32]; `None` for one that kept none, and where nobody can be lent objects.
async fn log_url(call: &Call<'_>, command: &Command) -> Option<String> {
    let key = command.log.as_deref().filter(|_| command.status.is_final())?;
    call.ports.objects.link(key, LOG_URL_LIFE).await.ok()
}

async fn of_deployment(call: &Call<'_>, deployment: &Deployment) -> Result<Vec<Command>, ApiError> {
    let mut commands = Vec::with_capacity(deployment.targets.len());
    for target in &deployment.targets {
        let key = keys::command(&deployment.stack_id, &target.instance_id, &target.command_id);
        let written = call.find::<Command>(&key).await?;
        commands.push(written.map_or_else(|| deployment.pending(target), |c| c.record));
    }
    Ok(commands)
}

async fn of_instance(call: &Call<'_>, instance: &Instance) -> Result<Vec<Command>, ApiError> {
    let prefix = keys::command(&instance.stack_id, &instance.id, &CommandId::from("")).sk;
    let written: Vec<Stored<Command>> = call.list(&instance.stack_id, &prefix).await?;
    let mut commands: Vec<Command> = written.into_iter().map(|c| c.record).collect();
    for deployment in open_deployments(call, Some(&instance.stack_id)).await? {
        let targets = deployment.targets.iter().filter(|t| t.instance_id == instance.id);
        let missing: Vec<_> = targets.filter(|t| commands.iter().all(|c| c.id != t.command_id)).collect();
        commands.extend(missing.into_iter().map(|t| deployment.pending(t)));
    }
    Ok(commands)
}

async fn by_id(call: &Call<'_>, id: &str) -> Result<Command, ApiError> {
    let command_id = CommandId::from(id);
    let pointer = call.find::<serde_json::Value>(&keys::pointer(id)).await?;
    if let Some(pointer) = pointer.and_then(|p| serde_json::from_value::<CommandPointer>(p.record).ok()) {
        let key = keys::command(&pointer.stack_id, &pointer.instance_id, &command_id);
        if let Some(command) = call.find::<Command>(&key).await? {
            return Ok(command.record);
        }
    }
    let open = open_deployments(call, None).await?;
    let pending = |d: &Deployment| d.targets.iter().find(|t| t.command_id == command_id).map(|t| d.pending(t));
    open.iter().find_map(pending).ok_or_else(|| ApiError::unknown_id("command", id))
}

async fn open_deployments(call: &Call<'_>, stack: Option<&StackId>) -> Result<Vec<Deployment>, ApiError> {
    let mut open = Vec::new();
    for item in call.store().list(&Listing::of(keys::OPEN_DEPLOYMENTS_PK, "")).await? {
        let owner: keys::Owner = item.decode()?;
        if stack.is_none_or(|s| *s == owner.stack_id) {
            let key = keys::deployment(&owner.stack_id, &item.key.sk.as_str().into());
            open.extend(call.find::<Deployment>(&key).await?.map(|d| d.record));
        }
    }
    Ok(open)
}
