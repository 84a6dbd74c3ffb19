//! CreateDeployment [ACT-7] (updates-and-access.md, section 2): stack commands. It makes the record and one command per target; lifecycle
//! runs them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ecs_cluster;
use strata_domain::instance_actions::runs_command;
use strata_domain::model::{Instance, Stack};
use strata_domain::{CommandId, DeploymentId, InstanceStatus};
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::{After, Answer};
use crate::records::{CommandState, Deployment, DeploymentState, Stored, Target, deployment_event};

/// Stack commands [CMD-1..7].
const STACK_COMMANDS: [&str; 6] =
    ["update_custom_cookbooks", "execute_recipes", "setup", "configure", "install_dependencies", "update_dependencies"];
/// App commands, out of scope [CMD-8, 9, 13].
const APP_COMMANDS: [&str; 6] = ["deploy", "undeploy", "rollback", "start", "stop", "restart"];

/// Runs a stack command on instances: one command for each, all told as one deployment.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
    /// Not supported: run applications as ECS services and tasks.
    app_id: Option<String>,
    /// Ids of instances to run it on. With neither these nor layers: all that are online.
    instance_ids: Option<Vec<String>>,
    /// Ids of layers, whose instances are to run it.
    layer_ids: Option<Vec<String>>,
    /// What to run.
    #[schemars(required)]
    command: Option<DeploymentCommandMembers>,
    /// A remark, for people.
    comment: Option<String>,
    /// A JSON object as text, at most 120 KB.
    custom_json: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct DeploymentCommandMembers {
    /// The stack command.
    #[schemars(required, extend("enum" = STACK_COMMANDS))]
    name: Option<String>,
    /// Arguments by name; each is a list of texts.
    args: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new deployment's id.
    deployment_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let (command, args) = check_command(&m)?;
    let stack_id = required(m.stack_id.as_deref(), "StackId")?;
    checks::custom_json(m.custom_json.as_deref())?;
    let stack = call.stack(stack_id).await?.record;
    let targets = targets(call, &stack, &m).await?;
    call.permit(Some(&stack.id)).await?;
    check_stack(&stack, &command, &args)?;
    if targets.is_empty() {
        return Err(ApiError::Validation("There is no online instance to run the command on".to_owned()));
    }
    let new_target = |instance: &Instance| Target {
        instance_id: instance.id.clone(),
        command_id: CommandId::from(call.ports.ids.uuid()),
        skipped: !runs_command(&command, instance.status),
    };
    let targets: Vec<Target> = targets.iter().map(|i| new_target(&i.record)).collect();
    let state = |t: &Target| if t.skipped { CommandState::Skipped } else { CommandState::Pending };
    let status = DeploymentState::of(targets.iter().map(state));
    let deployment = Deployment {
        id: DeploymentId::from(call.ports.ids.uuid()),
        stack_id: stack.id.clone(),
        command,
        args,
        comment: m.comment,
        custom_json: m.custom_json,
        iam_user_arn: Some(call.principal.arn.clone()),
        targets,
        created_at: call.now,
        completed_at: (status != DeploymentState::Running).then_some(call.now),
        status,
    };
    Ok(answer(&stack, deployment))
}

fn answer(stack: &Stack, deployment: Deployment) -> Answer {
    let owner = keys::Owner { kind: "deployment".to_owned(), stack_id: stack.id.clone() };
    let mut answer = Answer::of(&Output { deployment_id: deployment.id.as_str() }).with(vec![
        Change::put(keys::deployment(&stack.id, &deployment.id), &deployment, Expect::Absent),
        Change::put(keys::pointer(deployment.id.as_str()), &owner, Expect::Absent),
    ]);
    answer.events.push(deployment_event(stack, &deployment, DeploymentState::Running));
    if deployment.status == DeploymentState::Running {
        answer.changes.push(Change::put(keys::open_deployment(&deployment.id), &owner, Expect::Absent));
    } else {
        answer.events.push(deployment_event(stack, &deployment, deployment.status));
    }
    answer.then(After::Expand(Box::new(stack.clone()), Box::new(deployment)))
}

type Args = BTreeMap<String, Vec<String>>;

/// The command's name and arguments [CMD-10..14, 25].
fn check_command(m: &Members) -> Result<(String, Args), ApiError> {
    let command = required(m.command.clone(), "Command")?;
    let name = required(command.name, "Command.Name")?;
    if APP_COMMANDS.contains(&name.as_str()) {
        return Err(ApiError::unsupported(&format!("Command.Name={name}"), "Deploy applications as ECS services and tasks."));
    }
    checks::one_of("Command", &name, &STACK_COMMANDS)?;
    if m.app_id.is_some() {
        return Err(ApiError::field("AppId", format!("cannot be given with the stack command {name}")));
    }
    let args = command.args.unwrap_or_default();
    let known: &[&str] = match name.as_str() {
        "execute_recipes" => &["recipes"],
        "update_dependencies" => &["upgrade_os_to", "allow_reboot"],
        _ => &[],
    };
    if let Some(unknown) = args.keys().find(|a| !known.contains(&a.as_str())) {
        return Err(ApiError::field("Command", format!("{name} has no argument \"{unknown}\"")));
    }
    match name.as_str() {
        "execute_recipes" => check_recipes(args.get("recipes"))?,
        "update_dependencies" => check_upgrade(&args)?,
        _ => {}
    }
    Ok((name, args))
}

fn check_recipes(recipes: Option<&Vec<String>>) -> Result<(), ApiError> {
    let recipes = recipes.filter(|r| !r.is_empty()).ok_or_else(|| ApiError::field("Command", "execute_recipes needs recipes"))?;
    recipes.iter().try_for_each(|recipe| checks::recipe("Command", recipe))
}

fn check_upgrade(args: &Args) -> Result<(), ApiError> {
    let one = |name: &str| -> Result<Option<&str>, ApiError> {
        match args.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(ApiError::field("Command", format!("{name} takes one value"))),
        }
    };
    let allow_reboot = one("allow_reboot")?;
    if let Some(value) = allow_reboot {
        checks::one_of("Command", value, &["true", "false"])?;
    }
    match one("upgrade_os_to")? {
        Some(_) if allow_reboot != Some("true") => Err(ApiError::field("Command", "upgrade_os_to needs allow_reboot [\"true\"]")),
        Some(os) => checks::os("Command", os),
        None => Ok(()),
    }
}

/// What depends on the stack's Chef version [CMD-12], and on the Os table [ECS-11].
fn check_stack(stack: &Stack, command: &str, args: &Args) -> Result<(), ApiError> {
    if command == "install_dependencies" && stack.chef_version == "12" {
        return Err(ApiError::field("Command", "install_dependencies is not available on Chef 12"));
    }
    match args.get("upgrade_os_to").and_then(|v| v.first()) {
        Some(os) if !ecs_cluster::supports_os(os, &stack.chef_version) => {
            Err(ApiError::field("Command", format!("\"{os}\" is not supported on Chef {}", stack.chef_version)))
        }
        Some(_) | None => Ok(()),
    }
}

/// All online instances, or the union of those named and the members of the layers named [CMD-16..18]; oldest first, each once.
async fn targets(call: &Call<'_>, stack: &Stack, m: &Members) -> Result<Vec<Stored<Instance>>, ApiError> {
    let mut all = call.instances_of(&stack.id).await?;
    let (named, layers) = (non_empty(m.instance_ids.clone()), non_empty(m.layer_ids.clone()));
    if named.is_none() && layers.is_none() {
        all.retain(|i| i.record.status == InstanceStatus::Online);
        return Ok(all);
    }
    let named: BTreeSet<String> = named.into_iter().flatten().collect();
    let present: BTreeSet<&str> = all.iter().map(|i| i.record.id.as_str()).collect();
    if let Some(unknown) = named.iter().find(|id| !present.contains(id.as_str())) {
        return Err(ApiError::unknown_id("instance", unknown));
    }
    let layers = call.layers(&layers.unwrap_or_default()).await?;
    if let Some(foreign) = layers.iter().find(|l| l.record.stack_id != stack.id) {
        return Err(ApiError::unknown_id("layer", foreign.record.id.as_str()));
    }
    let of_layers: BTreeSet<_> = layers.iter().map(|l| &l.record.id).collect();
    all.retain(|i| named.contains(i.record.id.as_str()) || i.record.layer_ids.iter().any(|id| of_layers.contains(id)));
    Ok(all)
}
