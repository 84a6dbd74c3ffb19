//! The answer of `DescribeStatus`: what an on-call engineer wants to see first. Not part of the OpsWorks API, so it has its own form:
//! snake_case members, and times with `Z`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::load_based::{AlarmState, Direction};
use strata_domain::mode::Mode;
use strata_domain::{InstanceStatus, ScalingType};

/// The whole installation, as far as the caller may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// When it was looked at.
    pub at: Timestamp,
    /// AWS account.
    pub account: String,
    /// AWS region.
    pub region: String,
    /// The installation's mode; `None`: it cannot be read, and so counts as frozen for stop, terminate and patch.
    pub mode: Option<Mode>,
    /// Stacks, oldest first.
    pub stacks: Vec<StackStatus>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StackStatus {
    /// The uuid.
    pub stack_id: String,
    /// Name.
    pub name: String,
    /// Layers, oldest first.
    pub layers: Vec<LayerStatus>,
    /// Instances that are in no layer.
    pub unassigned: Vec<Count>,
    /// Open pages.
    pub incidents: Vec<IncidentStatus>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerStatus {
    /// The uuid.
    pub layer_id: String,
    /// Name.
    pub name: String,
    /// Short name.
    pub shortname: String,
    /// `ecs-cluster` or `custom`.
    pub layer_type: String,
    /// ARN of the cluster that it stands for.
    pub cluster: Option<String>,
    /// The mode that counts for it; `None`: it cannot be read.
    pub mode: Option<Mode>,
    /// Its instances by type and status.
    pub instances: Vec<Count>,
    /// Load-based scaling, if it was ever configured.
    pub scaling: Option<ScalingStatus>,
    /// Holds and claims on the layer or its instances.
    pub holds: Vec<HoldStatus>,
    /// The rolling update that is under way.
    pub campaign: Option<JobStatus>,
    /// The teardown that is under way.
    pub teardown: Option<JobStatus>,
    /// Each thing that is not going on, and why, in a sentence.
    pub blocked: Vec<String>,
}

/// So many instances of a type have a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// 24/7, time-based or load-based.
    pub scaling: ScalingType,
    /// Status.
    pub status: InstanceStatus,
    /// How many.
    pub instances: usize,
    /// Their host names, as far as they are not `online` or `stopped`; at most twenty.
    pub hosts: Vec<String>,
}

/// Load-based scaling of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingStatus {
    /// Whether it is switched on.
    pub enabled: bool,
    /// What load-scaling would decide now, in words.
    pub says: String,
    /// Its alarms; `None`: CloudWatch did not answer.
    pub alarms: Option<Vec<AlarmStatus>>,
}

/// An alarm of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// Name.
    pub name: String,
    /// Which way it scales.
    pub direction: Direction,
    /// One of the user's own.
    pub is_custom: bool,
    /// State.
    pub state: AlarmState,
    /// Since when; `None` for one that does not exist.
    pub since: Option<Timestamp>,
}

/// A hold or a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldStatus {
    /// Host name, or the layer's name.
    pub subject: String,
    /// `hold` or `claim`.
    pub kind: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when; `None`: until it is ended.
    pub until: Option<Timestamp>,
}

/// A campaign or a teardown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The id.
    pub id: String,
    /// `running`, `paused`, `finishing`, `aborted`.
    pub state: String,
    /// How far it is.
    pub progress: String,
    /// Since when.
    pub since: Timestamp,
    /// Who asked for it.
    pub by: String,
}

/// An open page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentStatus {
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// Layer and host, as far as it is about one.
    pub subject: String,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// One command to run next.
    pub next: String,
    /// Since when.
    pub since: Timestamp,
}
