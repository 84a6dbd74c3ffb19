//! What lifecycle sees of the world around a record: the domain's own words for EC2, ECS and SSM.

use jiff::Timestamp;

use crate::claims::Claim;
use crate::model::Volume;
use crate::{ContainerInstanceArn, Ec2InstanceId};

/// EC2's instance states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostState {
    /// `pending`
    Pending,
    /// `running`
    Running,
    /// `stopping`
    Stopping,
    /// `stopped`
    Stopped,
    /// `shutting-down`
    ShuttingDown,
    /// `terminated`
    Terminated,
}

/// An EC2 instance as described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ec2Host {
    /// `i-...`.
    pub id: Ec2InstanceId,
    /// State.
    pub state: HostState,
    /// A system or instance status check is impaired.
    pub impaired: bool,
    /// Its instance type; empty when EC2 did not say.
    pub instance_type: String,
    /// When it was last launched or started.
    pub launched_at: Timestamp,
    /// While it has one.
    pub private_ip: Option<String>,
    /// While it has one.
    pub public_ip: Option<String>,
    /// Its non-root volumes.
    pub volumes: Vec<Volume>,
}

/// What EC2 says about the record's instance: the one that the record names, or for a record without one what its tag finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ec2Seen {
    /// It was not asked, or did not answer.
    Unknown,
    /// There is none.
    Absent,
    /// This one.
    Seen(Ec2Host),
}

/// The tasks on a container instance by kind; a task counts once. Starting ones count as running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Of services, without protection: DRAINING moves them away.
    pub service: u32,
    /// Of services, with scale-in protection.
    pub protected: u32,
    /// Of no service.
    pub standalone: u32,
    /// Of DAEMON services: they end with the host.
    pub daemon: u32,
}

impl TaskCounts {
    /// All tasks.
    pub fn total(self) -> u32 {
        self.service.saturating_add(self.daemon).saturating_add(self.left_behind())
    }

    /// Those that DRAINING does not move: protected and standalone ones.
    pub fn left_behind(self) -> u32 {
        self.protected.saturating_add(self.standalone)
    }
}

/// A registered container instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerHost {
    /// ARN.
    pub arn: ContainerInstanceArn,
    /// ACTIVE; else DRAINING.
    pub active: bool,
    /// Whether the ECS agent is connected.
    pub agent_connected: bool,
    /// `None`: not looked at, or ECS did not answer.
    pub tasks: Option<TaskCounts>,
    /// When it registered.
    pub registered_at: Timestamp,
}

/// What ECS says about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerSeen {
    /// It was not asked, or did not answer.
    Unknown,
    /// No container instance of this host is registered.
    Absent,
    /// This one.
    Seen(ContainerHost),
}

/// What SSM says about its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingSeen {
    /// SSM was not asked, or did not answer.
    Unknown,
    /// The agent never called.
    Never,
    /// Its last ping.
    At(Timestamp),
}

/// How far a run on the host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunSeen {
    /// Sent, not finished; also when SSM did not answer.
    Running,
    /// Finished well.
    Success,
    /// Finished otherwise.
    Failed {
        /// It was not finished in time.
        timed_out: bool,
    },
}

/// What ELB says of the machine and the load balancers of its layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BalancersSeen {
    /// They were not asked, or one of them did not answer.
    #[default]
    Unknown,
    /// All have answered.
    Seen {
        /// One of them does not have it.
        missing: bool,
        /// One of them has it.
        registered: bool,
        /// One of them had it, and its connections still drain.
        draining: bool,
    },
}

/// Where the record's address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressSeen {
    /// EC2 was not asked, or did not answer.
    #[default]
    Unknown,
    /// The account does not have it.
    Gone,
    /// Nothing has it.
    Free,
    /// The record's machine has it.
    Here,
    /// Another machine has it.
    Elsewhere,
}

/// Where a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeAt {
    /// EC2 knows no such volume.
    Gone,
    /// Nothing has it.
    Free,
    /// At the record's machine.
    Here,
    /// At another machine.
    Elsewhere(Ec2InstanceId),
    /// In a zone that the instance is not in.
    OtherZone(String),
}

/// What the cloud says of what belongs to the instance; a step that does not depend on it has it unasked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttachedSeen {
    /// Load balancers.
    pub balancers: BalancersSeen,
    /// Its address.
    pub address: AddressSeen,
    /// Its volumes by id; `None`: EC2 was not asked, or did not answer.
    pub volumes: Option<Vec<(String, VolumeAt)>>,
}

/// One look at the world, as far as the record's status makes it needful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// EC2.
    pub ec2: Ec2Seen,
    /// A second machine of the present start, launched with another type.
    pub stray: Option<Ec2InstanceId>,
    /// ECS; `Absent` for a host of no cluster.
    pub container: ContainerSeen,
    /// SSM's agent.
    pub last_ping: PingSeen,
    /// The Setup run that the record names; `None` if it names none.
    pub setup: Option<RunSeen>,
    /// The Shutdown run that the record names; `None` if it names none.
    pub shutdown: Option<RunSeen>,
    /// The claim on the instance, in force or not.
    pub claim: Option<Claim>,
    /// That somebody else has set the host DRAINING stands in the store as a hold.
    pub foreign_hold: bool,
    /// Load balancers, address and volumes.
    pub attached: AttachedSeen,
}

impl Observed {
    /// Nothing was seen of anything.
    pub fn nothing() -> Self {
        Self {
            ec2: Ec2Seen::Unknown,
            stray: None,
            container: ContainerSeen::Unknown,
            last_ping: PingSeen::Unknown,
            setup: None,
            shutdown: None,
            claim: None,
            foreign_hold: false,
            attached: AttachedSeen::default(),
        }
    }
}
