//! What lifecycle may answer, and the rules that it is given.

use jiff::{SignedDuration, Timestamp};

use crate::InstanceStatus;
use crate::claims::DrainPolicy;
use crate::model::Instance;

/// Settings of the instance's layers and the state of the installation, as one instance meets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// One of its layers stands for a registered cluster: the host is a container instance.
    pub has_cluster: bool,
    /// Every one of its layers has auto healing on [HEAL-2].
    pub auto_healing: bool,
    /// A person's hold keeps the healer's hands off; by whom.
    pub held_by: Option<String>,
    /// So many are sick at once that it is an outage of something else: nobody is healed.
    pub outage: bool,
    /// The mode lets the healer act.
    pub mode_permits_healing: bool,
    /// The mode lets be done what the present status waits for; otherwise its deadlines stand still.
    pub mode_permits: bool,
    /// How long an ECS agent may be silent on a host that is well otherwise, until the host is healed; `None`: for ever [HEAL-10].
    pub silent_agent_limit: Option<SignedDuration>,
    /// Longest ExecutionTimeout of its layers [LIFE-5].
    pub shutdown_timeout: SignedDuration,
    /// Instance types that a start tries in this order when EC2 has none of the record's own.
    pub fallback_types: Vec<String>,
    /// What becomes of protected and standalone tasks during a stop.
    pub drain: DrainPolicy,
    /// From the accepted start until EC2 must have taken it; launches wait for EC2's bucket. Default 60 minutes.
    pub launch_timeout: SignedDuration,
    /// From the beginning of `pending`, and again of `booting`, to the next status [INST-14].
    pub boot_timeout: SignedDuration,
    /// From the Setup run's start to `online`.
    pub setup_timeout: SignedDuration,
    /// Silence that makes a failure [HEAL-1].
    pub heal_silence: SignedDuration,
    /// How long each stage of going down may exceed its time before it is forced, and then given up.
    pub stop_patience: SignedDuration,
    /// One of its layers has a load balancer, or names target groups.
    pub has_balancers: bool,
    /// A stop waits until the connections have drained: `DelayUntilElbConnectionsDrained` of one of those layers [ELB-6].
    pub drains_connections: bool,
    /// One of its layers assigns Elastic IP addresses by itself [EIP-6].
    pub auto_elastic_ip: bool,
    /// Where its layers prescribe volumes [EBS-22].
    pub volume_mounts: Vec<String>,
    /// A start of it would be refused: its cluster is deregistered, or its layer is being taken down.
    pub starts_refused: bool,
    /// One of its layers is being taken down: it is not healed, and a heal that is under way ends with the machine down.
    pub is_torn_down: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            has_cluster: true,
            auto_healing: true,
            held_by: None,
            outage: false,
            mode_permits_healing: true,
            mode_permits: true,
            silent_agent_limit: None,
            shutdown_timeout: SignedDuration::from_secs(120),
            fallback_types: Vec::new(),
            drain: DrainPolicy::Wait,
            launch_timeout: SignedDuration::from_mins(60),
            boot_timeout: SignedDuration::from_mins(20),
            setup_timeout: SignedDuration::from_mins(20),
            heal_silence: SignedDuration::from_secs(300),
            stop_patience: SignedDuration::from_mins(10),
            has_balancers: false,
            drains_connections: true,
            auto_elastic_ip: false,
            volume_mounts: Vec::new(),
            starts_refused: false,
            is_torn_down: false,
        }
    }
}

/// At most so many heals of one instance begin within [`HEAL_CAP_PERIOD`] (`instances.md`, question 6).
pub const HEAL_CAP: usize = 3;
/// See [`HEAL_CAP`].
pub const HEAL_CAP_PERIOD: SignedDuration = SignedDuration::from_hours(1);
/// How long a launch whose answer was lost may still turn up in EC2's descriptions, which are eventually consistent.
pub const LAUNCH_SETTLES: SignedDuration = SignedDuration::from_secs(60);
/// How long beyond its time a step still waits for EC2 or ECS to say how it ended, when they have not answered.
///
/// Our choice: who does not hear the end of a step calls it failed later than who does, but calls it so. A role that EC2 refuses for good would
/// else keep instances on their way for ever, and nobody would hear of it.
pub const UNANSWERED: SignedDuration = SignedDuration::from_mins(30);
/// How long a host may still look alive after a reboot was sent.
pub const REBOOT_SETTLES: SignedDuration = SignedDuration::from_secs(60);

/// Something to be done in the world. Each is carried out idempotently; then the world is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// EC2 RunInstances with the record's launch token.
    Launch,
    /// EC2 ModifyInstanceAttribute: the stopped machine gets the type that it is to be started with.
    SetType,
    /// EC2 StartInstances.
    PowerOn,
    /// EC2 StopInstances.
    PowerOff {
        /// Skip the OS's own shutdown.
        force: bool,
    },
    /// EC2 TerminateInstances.
    Terminate,
    /// EC2 TerminateInstances, of a second machine that the same start has launched.
    TerminateStray,
    /// EC2 RebootInstances, soft.
    Reboot,
    /// The Setup run, whose end includes Deploy.
    SendSetup,
    /// The Shutdown event.
    SendShutdown,
    /// Tell the ECS agent to restart; once in a silence.
    RestartAgent,
    /// Set the container instance DRAINING.
    Drain,
    /// Set it ACTIVE.
    Activate,
    /// Stop the tasks that are left on it.
    StopTasks {
        /// DAEMON tasks too.
        daemon: bool,
    },
    /// Deregister the container instance.
    Deregister,
    /// Delete the record's volumes.
    DeleteVolumes,
    /// Register the machine with the load balancers of its layers.
    JoinBalancers,
    /// Deregister it from them.
    LeaveBalancers,
    /// Make the volume that is written down as being made, or find it [EBS-22].
    MakeVolume,
    /// Attach those of its volumes that nothing has.
    AttachVolumes,
    /// Detach what was unassigned from it.
    DetachVolumes,
    /// Allocate an address for it, or see that one allocation has not become two.
    AllocateAddress,
    /// Associate its address with its machine.
    AssociateAddress,
    /// Take away the addresses that it has no longer.
    DisassociateAddresses,
    /// Release its address, for a deletion.
    ReleaseAddress,
    /// Write down that somebody else has set the host DRAINING.
    HoldForeign,
    /// Remove that again.
    ReleaseForeign,
}

/// A reason why nothing happens that on-call should hear of, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// The ECS agent is disconnected on an otherwise healthy host [HEAL-10].
    AgentSilent,
    /// Somebody else set the host DRAINING.
    ForeignDraining,
    /// A layer has auto healing off [HEAL-2].
    HealingOff,
    /// Healed too often within the hour.
    HealCap,
    /// Too many sick at once.
    Outage,
    /// A person's hold.
    HeldByPerson,
    /// The mode forbids healing.
    ModeForbids,
    /// The claim's drain policy forbids a drain while tasks are left.
    ClaimRefused,
    /// Its Elastic IP address cannot be had.
    AddressRefused,
    /// A load balancer does not take it.
    BalancerRefused,
    /// Volumes of it were lost, with their data [EBS-22].
    VolumesLost,
}

impl Notice {
    /// One word for it, stable: the same notice about the same host is told once.
    pub fn kind(self) -> &'static str {
        match self {
            Self::AgentSilent => "agent-silent",
            Self::ForeignDraining => "foreign-draining",
            Self::HealingOff => "healing-off",
            Self::HealCap => "heal-cap",
            Self::Outage => "outage",
            Self::HeldByPerson => "held-by-person",
            Self::ModeForbids => "mode-forbids",
            Self::ClaimRefused => "claim-refused",
            Self::AddressRefused => "address-refused",
            Self::BalancerRefused => "balancer-refused",
            Self::VolumesLost => "volumes-lost",
        }
    }

    /// The type of the service error that it leaves, if it leaves one [SVE-4].
    pub fn service_error(self) -> Option<&'static str> {
        match self {
            Self::AgentSilent => Some("EcsRegistration"),
            Self::HealCap => Some("InstanceHealing"),
            Self::AddressRefused => Some("ElasticIp"),
            Self::BalancerRefused => Some("LoadBalancer"),
            Self::VolumesLost => Some("VolumeAttach"),
            Self::ForeignDraining
            | Self::HealingOff
            | Self::Outage
            | Self::HeldByPerson
            | Self::ModeForbids
            | Self::ClaimRefused => None,
        }
    }
}

/// The one next step of an instance. `why` is one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing to do until somebody asks for something or EC2 or ECS surprises us.
    Settled {
        /// Why.
        why: String,
        /// To be told once.
        notice: Option<Notice>,
    },
    /// Nothing to do now; look again at `until`, or on the next tick.
    Wait {
        /// When waiting ends by itself, if it does.
        until: Option<Timestamp>,
        /// What is waited for.
        why: String,
        /// To be told once.
        notice: Option<Notice>,
    },
    /// Something is done; then look again.
    Act {
        /// What.
        action: Action,
        /// Why.
        why: String,
    },
    /// The status changes.
    Move {
        /// To what; never the present one.
        to: InstanceStatus,
        /// The record with every change that goes with it, except those of the status itself.
        record: Box<Instance>,
        /// Why.
        why: String,
    },
    /// The record changes and its status does not.
    Note {
        /// The record with the changes.
        record: Box<Instance>,
        /// Why.
        why: String,
    },
    /// The record goes.
    Remove {
        /// Why.
        why: String,
    },
}

impl Step {
    pub(super) fn settled(why: impl Into<String>) -> Self {
        Self::Settled { why: why.into(), notice: None }
    }

    pub(super) fn wait(until: impl Into<Option<Timestamp>>, why: impl Into<String>) -> Self {
        Self::Wait { until: until.into(), why: why.into(), notice: None }
    }

    pub(super) fn act(action: Action, why: impl Into<String>) -> Self {
        Self::Act { action, why: why.into() }
    }

    pub(super) fn to(to: InstanceStatus, record: Instance, why: impl Into<String>) -> Self {
        Self::Move { to, record: Box::new(record), why: why.into() }
    }

    pub(super) fn note(record: Instance, why: impl Into<String>) -> Self {
        Self::Note { record: Box::new(record), why: why.into() }
    }
}
