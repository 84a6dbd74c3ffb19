//! The triggers, as the functions see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, SsmCommandId};

/// What woke a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// CloudWatch alarms changed state; one, except that an SNS event may carry more.
    Alarm(Vec<AlarmEvent>),
    /// The minute tick or another schedule, or the word that a request was written down.
    Tick {
        /// When the schedule fired, which may be a little ago.
        at: Timestamp,
    },
    /// Something may have happened to instances; a batch of the hint queue, or one event sent straight to the function.
    Hints(Vec<Hint>),
    /// Records of the table changed; only their keys are told.
    TableChanges(Vec<TableKey>),
    /// A command, or its run on one host, changed status; sent straight to the function.
    CommandStatus(CommandStatus),
    /// Somebody wants a layer taken down, or a teardown paused, resumed or ended.
    TeardownRequest(TeardownRequest),
    /// Somebody wants a rolling update begun, paused, resumed or ended.
    CampaignRequest(CampaignRequest),
    /// A call of the OpsWorks API.
    FunctionUrl(Box<FunctionUrlCall>),
}

/// A CloudWatch alarm's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum AlarmState {
    /// `OK`
    Ok,
    /// `ALARM`
    Alarm,
    /// `INSUFFICIENT_DATA`
    InsufficientData,
}

impl AlarmState {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// Reads the wire form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Ok, Self::Alarm, Self::InsufficientData].into_iter().find(|s| s.as_str() == text)
    }
}

/// By which way an alarm came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum AlarmForm {
    /// An EventBridge rule.
    EventBridge,
    /// An SNS topic among the alarm's actions.
    Sns,
    /// The function itself among the alarm's actions.
    Direct,
}

/// An alarm's change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmEvent {
    /// The alarm's name, case sensitive.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The state it is in now.
    pub state: AlarmState,
    /// The state it left, if the event says so.
    pub previous_state: Option<AlarmState>,
    /// CloudWatch's sentence about why; may be empty.
    pub reason: String,
    /// When the state changed.
    pub at: Timestamp,
    /// By which way it came.
    pub form: AlarmForm,
    /// Whether it is a composite alarm, which has a rule over other alarms and no metric.
    pub composite: bool,
}

/// A hint that an instance should be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The SQS message that carried it, for partial batch failures; `None` for an event sent straight to the function.
    pub message_id: Option<String>,
    /// What it says.
    pub kind: HintKind,
}

/// What a hint says. States and statuses are AWS's own words, for the log only: the truth is read afresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// EC2 changed an instance's state.
    Ec2State {
        /// The instance.
        instance: Ec2InstanceId,
        /// `pending`, `running`, `stopping`, `stopped`, `shutting-down` or `terminated`.
        state: String,
    },
    /// EC2 takes a Spot instance back in two minutes.
    SpotInterruption {
        /// The instance.
        instance: Ec2InstanceId,
        /// `terminate`, `stop` or `hibernate`.
        action: String,
    },
    /// A Spot instance is at elevated risk.
    Rebalance {
        /// The instance.
        instance: Ec2InstanceId,
    },
    /// AWS Health tells of something that EC2 has scheduled for machines.
    Scheduled {
        /// The machines; none where the event names none, or is about something else.
        instances: Vec<Ec2InstanceId>,
        /// Health's word for it, for example `AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED`.
        code: String,
    },
    /// ECS changed a container instance.
    ContainerInstance {
        /// Its cluster.
        cluster: ClusterArn,
        /// The container instance.
        container_instance: ContainerInstanceArn,
        /// The host.
        ec2_instance: Ec2InstanceId,
        /// Whether the ECS agent is connected.
        agent_connected: bool,
        /// `REGISTERING`, `ACTIVE`, `DRAINING`, `DEREGISTERING` or `INACTIVE`.
        status: String,
    },
    /// SSM changed the status of a command.
    Command {
        /// The command.
        command_id: SsmCommandId,
        /// The host, if the event is about the command's run on one host.
        instance: Option<Ec2InstanceId>,
        /// `InProgress`, `Success`, `Failed`, `TimedOut`, ...
        status: String,
    },
    /// A message of the batch that could not be read; the rest of the batch is not spoilt by it.
    Unreadable {
        /// One sentence: form, field, what was expected.
        problem: String,
    },
}

/// The key of a changed record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableKey {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// A change of an SSM command's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandStatus {
    /// The command.
    pub command_id: SsmCommandId,
    /// The host, if the event is about the command's run on one host.
    pub instance: Option<Ec2InstanceId>,
    /// `InProgress`, `Success`, `Failed`, `TimedOut`, ...
    pub status: String,
    /// The SSM document that runs.
    pub document: String,
    /// When.
    pub at: Timestamp,
}

/// The `detail-type` of the word that a request for a campaign was written down.
pub const CAMPAIGN_ASKED: &str = "Strata Campaign Asked";
/// The `detail-type` of the word that a request for a teardown was written down.
pub const TEARDOWN_ASKED: &str = "Strata Teardown Asked";

/// What a request wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestVerb {
    /// Begin.
    Start,
    /// Begin nothing new; what is under way goes on.
    Pause,
    /// Go on.
    Resume,
    /// End it where it stands.
    Abort,
}

impl RequestVerb {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Abort => "abort",
        }
    }

    /// Reads the wire form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Start, Self::Pause, Self::Resume, Self::Abort].into_iter().find(|v| v.as_str() == text)
    }
}

/// A request to take a layer down. As the API writes it down, members that a later version adds are absent in earlier requests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TeardownRequest {
    /// What is wanted.
    pub verb: RequestVerb,
    /// The stack, by name or id.
    pub stack: String,
    /// The layer, by name, short name or id.
    pub layer: String,
    /// Who asks: an ARN or a person's name, for the journal.
    pub requested_by: String,
    /// Whether the cluster's services are scaled down and deleted first. Absent is false.
    #[serde(default)]
    pub delete_services: bool,
    /// Whether the instances' EBS volumes go with them. Absent is false.
    #[serde(default)]
    pub delete_volumes: bool,
    /// Whether the instances' Elastic IP addresses are released; else they stay registered with the stack. Absent is false.
    #[serde(default)]
    pub delete_addresses: bool,
    /// Whether the stack goes too, if nothing else is in it. Absent is false.
    #[serde(default)]
    pub delete_stack: bool,
    /// The layer's name, typed again by the person who asks.
    pub confirm: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
}

/// A request about a rolling update of a layer. As the API writes it down, members that a later version adds are absent in earlier requests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CampaignRequest {
    /// What is wanted.
    pub verb: RequestVerb,
    /// The stack, by name or id.
    pub stack: String,
    /// The layer, by name, short name or id.
    pub layer: String,
    /// Who asks: an ARN or a person's name, for the journal.
    pub requested_by: String,
    /// Why, in the words of who asks.
    pub reason: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
}

/// One HTTP request to the API's function URL. Lambda has checked its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionUrlCall {
    /// HTTP method, upper case.
    pub method: String,
    /// Path, from the first slash.
    pub path: String,
    /// Query string without the question mark; may be empty.
    pub query: String,
    /// Headers; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body, decoded.
    pub body: Vec<u8>,
    /// The caller, `requestContext.authorizer.iam.userArn`; `None` if the URL were ever opened without IAM auth.
    pub caller_arn: Option<String>,
    /// The caller's account.
    pub caller_account: Option<String>,
    /// The caller's unique id, `AIDA...` or `AROA...:session`.
    pub principal_id: Option<String>,
    /// The access key that signed.
    pub access_key_id: Option<String>,
    /// Lambda's id of the request.
    pub request_id: String,
    /// The caller's address, for the audit record.
    pub source_ip: String,
    /// When it came in.
    pub at: Timestamp,
}

impl FunctionUrlCall {
    /// The OpsWorks action, from `X-Amz-Target: OpsWorks_20130218.<Action>`; `None` if the header is absent or another service's.
    pub fn action(&self) -> Option<&str> {
        self.headers.get("x-amz-target")?.strip_prefix("OpsWorks_20130218.")
    }
}

impl Trigger {
    /// What woke the function, in a few words for the decision record: `alarm strata/shop/ecs-cluster/up-cpu ALARM`, `tick`, `3 hints`.
    pub fn describe(&self) -> String {
        match self {
            Self::Alarm(alarms) => match alarms.as_slice() {
                [one] => format!("alarm {} {}", one.name, one.state.as_str()),
                many => format!("{} alarms", many.len()),
            },
            Self::Tick { .. } => "tick".to_owned(),
            Self::Hints(hints) => match hints.as_slice() {
                [one] => one.kind.describe(),
                many => format!("{} hints", many.len()),
            },
            Self::TableChanges(keys) => match keys.as_slice() {
                [one] => format!("change of {}/{}", one.pk, one.sk),
                many => format!("{} table changes", many.len()),
            },
            Self::CommandStatus(c) => describe_command(&c.command_id, c.instance.as_ref(), &c.status),
            Self::TeardownRequest(r) => format!("teardown {} {}/{} by {}", r.verb.as_str(), r.stack, r.layer, r.requested_by),
            Self::CampaignRequest(r) => format!("campaign {} {}/{} by {}", r.verb.as_str(), r.stack, r.layer, r.requested_by),
            Self::FunctionUrl(call) => {
                format!("call {} by {}", call.action().unwrap_or("?"), call.caller_arn.as_deref().unwrap_or("nobody"))
            }
        }
    }
}

impl HintKind {
    /// The hint in a few words.
    pub fn describe(&self) -> String {
        match self {
            Self::Ec2State { instance, state } => format!("ec2 {instance} {state}"),
            Self::SpotInterruption { instance, action } => format!("spot interruption of {instance}: {action}"),
            Self::Rebalance { instance } => format!("rebalance recommendation for {instance}"),
            Self::Scheduled { instances, code } => match instances.as_slice() {
                [one] => format!("health {code} of {one}"),
                many => format!("health {code} of {} machines", many.len()),
            },
            Self::ContainerInstance { ec2_instance, agent_connected, status, .. } => {
                format!("ecs {ec2_instance} {status}, agent {}", if *agent_connected { "connected" } else { "disconnected" })
            }
            Self::Command { command_id, instance, status } => describe_command(command_id, instance.as_ref(), status),
            Self::Unreadable { problem } => format!("unreadable hint: {problem}"),
        }
    }

    /// The EC2 instance that the hint is about, if it names one; what is scheduled may be about many.
    pub fn instance(&self) -> Option<&Ec2InstanceId> {
        match self {
            Self::Ec2State { instance, .. } | Self::SpotInterruption { instance, .. } | Self::Rebalance { instance } => {
                Some(instance)
            }
            Self::ContainerInstance { ec2_instance, .. } => Some(ec2_instance),
            Self::Command { instance, .. } => instance.as_ref(),
            Self::Scheduled { .. } | Self::Unreadable { .. } => None,
        }
    }
}

fn describe_command(command: &SsmCommandId, instance: Option<&Ec2InstanceId>, status: &str) -> String {
    match instance {
        Some(instance) => format!("command {command} {status} on {instance}"),
        None => format!("command {command} {status}"),
    }
}
