//! Commands: what runs on hosts, by SSM.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::{Ec2InstanceId, SsmCommandId};

use crate::{CloudError, StackScope};

/// Which of our documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Setup, then Deploy: updates first unless disabled, Docker, the ECS agent, registration with the cluster.
    Setup,
    /// The Shutdown event.
    Shutdown,
    /// OS and package updates, with a reboot if needed and allowed.
    Update,
    /// The Configure event.
    Configure,
    /// The restart of an ECS agent that has lost its cluster, while the host is well otherwise.
    Reconnect,
    /// Scripts that a stack command names: recipes, cookbooks, packages.
    Recipes,
    /// Users with SSH access, in step with their permissions.
    Users,
}

impl CommandKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Setup, Self::Shutdown, Self::Update, Self::Configure, Self::Reconnect, Self::Recipes, Self::Users];

    /// The end of its document's name, `<installation>-<name>`; the document's step has the same name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Setup => "Setup",
            Self::Shutdown => "Shutdown",
            Self::Update => "Update",
            Self::Configure => "Configure",
            Self::Reconnect => "Reconnect",
            Self::Recipes => "Recipes",
            Self::Users => "Users",
        }
    }
}

/// One command to one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// Run-once nonce, checked on the host: the same nonce never runs twice.
    pub nonce: String,
    /// Document.
    pub kind: CommandKind,
    /// Host.
    pub host: Ec2InstanceId,
    /// Parameters as data, never pasted into a shell.
    pub parameters: Vec<(String, String)>,
    /// Seconds until it expires.
    pub timeout_seconds: u32,
}

/// How far a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandStatus {
    /// Not yet on the host.
    Pending,
    /// Running.
    InProgress,
    /// Done, exit code 0.
    Success,
    /// Done, another exit code.
    Failed,
    /// Not finished in time.
    TimedOut,
}

impl CommandStatus {
    /// Whether nothing more comes.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::TimedOut)
    }
}

/// A command's result so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// Which.
    pub id: SsmCommandId,
    /// How far.
    pub status: CommandStatus,
    /// Process exit code, once final.
    pub exit_code: Option<i32>,
    /// Last line of the output, for people.
    pub last_line: String,
    /// Key of the object with the whole output, once final; `None` if none was asked to be kept. The host writes it, so it may be
    /// missing, and a moment late.
    pub log: Option<String>,
}

/// Where the output of the command with this nonce is kept: what the keys of its objects begin with.
pub fn log_folder(nonce: &str) -> String {
    format!("logs/{nonce}")
}

/// What SSM knows of a host's agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Host.
    pub host: Ec2InstanceId,
    /// Last ping; SSM agents ping every five minutes.
    pub last_ping: Timestamp,
}

/// SSM.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Sends a command; the same nonce again gives the same command.
    async fn send(&self, scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError>;
    /// Results of commands; unknown ids are missing from the answer.
    async fn results(&self, scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError>;
    /// Last pings of hosts; hosts whose agent never called are missing.
    async fn pings(&self, scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError>;
}
