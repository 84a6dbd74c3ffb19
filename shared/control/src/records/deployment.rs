//! Deployments and commands as they are stored, and how a deployment of any size is written.
//!
//! A deployment names its targets and their commands' ids in one record; that record is the intent. The commands are written
//! after it in portions that a commit holds ([`expand_deployment`]): by CreateDeployment itself, or after a crash by whoever
//! finds the deployment among the open ones. Reads derive what is not written yet from the deployment ([`Deployment::pending`]).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use strata_domain::commands::LIMIT;
use strata_domain::model::{Instance, Stack};
use strata_domain::{CommandId, DeploymentId, InstanceId, SsmCommandId, StackId};
use strata_ports::{Change, CommitError, EventOut, Expect, Store, Told, keys};

/// How far a deployment is [CMD-29].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Some command is not final.
    Running,
    /// All are final, none failed or expired.
    Successful,
    /// All are final, some failed or expired.
    Failed,
}

impl DeploymentState {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
        }
    }

    /// A deployment's state from its commands' states [CMD-29]; without commands it is successful.
    pub fn of(commands: impl IntoIterator<Item = CommandState>) -> Self {
        commands.into_iter().fold(Self::Successful, |so_far, command| match (so_far, command) {
            (Self::Running, _) | (_, CommandState::Pending) => Self::Running,
            (Self::Failed, _) | (_, CommandState::Failed | CommandState::Expired) => Self::Failed,
            (Self::Successful, CommandState::Successful | CommandState::Skipped | CommandState::Superseded) => Self::Successful,
        })
    }
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Not finished.
    Pending,
    /// Done, exit code 0.
    Successful,
    /// Done, another exit code.
    Failed,
    /// Not run, because the target was in no state for it [CMD-20].
    Skipped,
    /// Not finished in time [CMD-34].
    Expired,
    /// A newer configure made it needless [CMD-33].
    Superseded,
}

impl CommandState {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }

    /// Whether nothing more comes.
    pub fn is_final(self) -> bool {
        self != Self::Pending
    }
}

/// One target of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The instance.
    pub instance_id: InstanceId,
    /// Its command.
    pub command_id: CommandId,
    /// The instance was in no state for the command when the deployment was created [CMD-20].
    pub skipped: bool,
}

/// A deployment, at `keys::deployment`; while it runs also among `keys::OPEN_DEPLOYMENTS_PK`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The uuid.
    pub id: DeploymentId,
    /// The stack.
    pub stack_id: StackId,
    /// `Command.Name`, one of the stack commands of the catalogue [CMD-1..7].
    pub command: String,
    /// `Command.Args`: lists of strings, also for scalars [CMD-10].
    pub args: BTreeMap<String, Vec<String>>,
    /// As given.
    pub comment: Option<String>,
    /// As given, byte for byte.
    pub custom_json: Option<String>,
    /// Who asked.
    pub iam_user_arn: Option<String>,
    /// Whom it goes to, each once.
    pub targets: Vec<Target>,
    /// When.
    pub created_at: Timestamp,
    /// When the last command was final.
    pub completed_at: Option<Timestamp>,
    /// How far it is.
    pub status: DeploymentState,
}

impl Deployment {
    /// A target's command as it is before anything has happened to it.
    pub fn pending(&self, target: &Target) -> Command {
        Command {
            id: target.command_id.clone(),
            instance_id: target.instance_id.clone(),
            stack_id: self.stack_id.clone(),
            deployment_id: Some(self.id.clone()),
            command_type: self.command.clone(),
            created_at: self.created_at,
            acknowledged_at: None,
            completed_at: target.skipped.then_some(self.created_at),
            status: if target.skipped { CommandState::Skipped } else { CommandState::Pending },
            exit_code: None,
            ssm_command: None,
            begun_at: None,
            limit_seconds: None,
            last_line: None,
            log: None,
        }
    }
}

/// One command of one instance, at `keys::command`; of a deployment, or made by the service [CMD-27].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The uuid.
    pub id: CommandId,
    /// The instance.
    pub instance_id: InstanceId,
    /// The stack.
    pub stack_id: StackId,
    /// Its deployment, unless the service made it.
    pub deployment_id: Option<DeploymentId>,
    /// `Type`: a name of the catalogue, or `shutdown`.
    #[serde(rename = "type")]
    pub command_type: String,
    /// Queued.
    pub created_at: Timestamp,
    /// Accepted by the host.
    pub acknowledged_at: Option<Timestamp>,
    /// Finished.
    pub completed_at: Option<Timestamp>,
    /// How far.
    pub status: CommandState,
    /// Process exit code, once completed.
    pub exit_code: Option<i32>,
    /// The SSM command that carries it, once sent.
    pub ssm_command: Option<SsmCommandId>,
    /// When it was first tried to send it; written before the call, so that a repeat is known for one.
    #[serde(default)]
    pub begun_at: Option<Timestamp>,
    /// Its time limit, where it is not the one of all commands [CMD-34].
    #[serde(default)]
    pub limit_seconds: Option<u32>,
    /// The last line of its output, for people.
    #[serde(default)]
    pub last_line: Option<String>,
    /// Key of the object with its output [CMD-32].
    #[serde(default)]
    pub log: Option<String>,
}

impl Command {
    /// A new command of an instance that nobody asked for by name [CMD-27].
    pub fn of_service(id: CommandId, instance: &Instance, command_type: &str, now: Timestamp) -> Self {
        Self {
            id,
            instance_id: instance.id.clone(),
            stack_id: instance.stack_id.clone(),
            deployment_id: None,
            command_type: command_type.to_owned(),
            created_at: now,
            acknowledged_at: None,
            completed_at: None,
            status: CommandState::Pending,
            exit_code: None,
            ssm_command: None,
            begun_at: None,
            limit_seconds: None,
            last_line: None,
            log: None,
        }
    }

    /// Its nonce: the same command never runs twice on a host.
    pub fn nonce(&self) -> String {
        format!("command-{}", self.id)
    }

    /// Its time limit [CMD-34].
    pub fn limit(&self) -> SignedDuration {
        self.limit_seconds.map_or(LIMIT, |seconds| SignedDuration::from_secs(seconds.into()))
    }
}

/// What the pointer record of a command holds, and its entry among the pending ones: it reads as a `keys::Owner` too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandPointer {
    /// Always `command`.
    pub kind: String,
    /// The stack.
    pub stack_id: StackId,
    /// The instance, which is part of the command's key.
    pub instance_id: InstanceId,
}

/// The changes that write a new command: the record, its pointer and, unless it is final, its entry among the pending ones.
pub fn command_changes(command: &Command) -> Vec<Change> {
    let pointer = CommandPointer {
        kind: "command".to_owned(),
        stack_id: command.stack_id.clone(),
        instance_id: command.instance_id.clone(),
    };
    let mut changes = vec![
        Change::put(keys::command(&command.stack_id, &command.instance_id, &command.id), command, Expect::Absent),
        Change::put(keys::pointer(command.id.as_str()), &pointer, Expect::Absent),
    ];
    if !command.status.is_final() {
        changes.push(Change::put(keys::pending_command(&command.instance_id, &command.id), &pointer, Expect::Absent));
    }
    changes
}

/// `OpsWorks Deployment State Change` [EVT-6, 11]: `running`, and one with the final status and the duration.
pub fn deployment_event(stack: &Stack, deployment: &Deployment, status: DeploymentState) -> EventOut {
    let arn = |t: &Target| format!("arn:aws:opsworks:{}:{}:instance/{}", stack.region, stack.account, t.instance_id);
    let id = format!("{}-{}", deployment.id, status.as_str());
    let mut detail = json!({
        "stack-id": deployment.stack_id,
        "instance-ids": deployment.targets.iter().map(|t| &t.instance_id).collect::<Vec<_>>(),
        "deployment-id": deployment.id,
        "command": deployment.command,
        "status": status.as_str(),
        "event-id": id,
    });
    if let (Some(end), true) = (deployment.completed_at, status != DeploymentState::Running) {
        detail["duration"] = json!(end.as_second() - deployment.created_at.as_second());
    }
    EventOut {
        id,
        detail_type: "OpsWorks Deployment State Change".to_owned(),
        resources: deployment.targets.iter().map(arn).collect(),
        detail,
        time: deployment.completed_at.filter(|_| status != DeploymentState::Running).unwrap_or(deployment.created_at),
    }
}

/// `OpsWorks Command State Change` [EVT-5, 10]: one when the command is final.
pub fn command_event(stack: &Stack, command: &Command) -> EventOut {
    let id = format!("{}-{}", command.id, command.status.as_str());
    EventOut {
        detail_type: "OpsWorks Command State Change".to_owned(),
        resources: vec![format!("arn:aws:opsworks:{}:{}:instance/{}", stack.region, stack.account, command.instance_id)],
        detail: json!({
            "command-id": command.id,
            "instance-id": command.instance_id,
            "type": command.command_type,
            "status": command.status.as_str(),
            "event-id": id,
        }),
        time: command.completed_at.unwrap_or(command.created_at),
        id,
    }
}

/// Commands written in one commit by [`expand_deployment`]: at most three changes each, within a commit's hundred.
const COMMANDS_PER_COMMIT: usize = 30;

/// Writes those commands of a deployment that are not there yet, and gives the events of those that are final already; the events stand
/// in the outbox, too. Idempotent; safe beside another one doing the same.
///
/// # Errors
/// [`CommitError`]: the next call goes on where this one stopped.
pub async fn expand_deployment(store: &dyn Store, stack: &Stack, deployment: &Deployment) -> Result<Vec<EventOut>, CommitError> {
    let unavailable = |e: strata_ports::StoreError| CommitError::Unavailable { why: e.to_string() };
    let mut missing = Vec::new();
    for target in &deployment.targets {
        let key = keys::command(&deployment.stack_id, &target.instance_id, &target.command_id);
        if store.get(&key).await.map_err(unavailable)?.is_none() {
            missing.push(deployment.pending(target));
        }
    }
    let mut events = Vec::new();
    for portion in missing.chunks(COMMANDS_PER_COMMIT) {
        let final_ones = portion.iter().filter(|c| c.status.is_final()).map(|c| command_event(stack, c)).collect();
        let told = Told { events: final_ones, ..Told::default() };
        store.commit(portion.iter().flat_map(command_changes).chain(told.changes()).collect()).await?;
        events.extend(told.events);
    }
    Ok(events)
}

/// Whether all its commands are written: they are written in the order of the targets, so the last one tells.
///
/// # Errors
/// [`strata_ports::StoreError`]: nothing is known.
pub async fn is_expanded(store: &dyn Store, deployment: &Deployment) -> Result<bool, strata_ports::StoreError> {
    let Some(last) = deployment.targets.last() else { return Ok(true) };
    let key = keys::command(&deployment.stack_id, &last.instance_id, &last.command_id);
    Ok(store.get(&key).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [CMD-29]
    #[test]
    fn cmd_29_a_deployment_runs_until_all_are_final_and_fails_only_for_failed_or_expired() {
        use CommandState as C;
        for (commands, state) in [
            (&[C::Successful, C::Pending][..], DeploymentState::Running),
            (&[C::Failed, C::Pending], DeploymentState::Running),
            (&[C::Pending, C::Expired], DeploymentState::Running),
            (&[C::Successful, C::Failed], DeploymentState::Failed),
            (&[C::Expired, C::Successful], DeploymentState::Failed),
            (&[C::Successful, C::Skipped, C::Superseded], DeploymentState::Successful),
            (&[C::Skipped], DeploymentState::Successful),
        ] {
            assert_eq!(DeploymentState::of(commands.iter().copied()), state, "{commands:?}");
        }
    }
}
