//! The statuses of an instance, exactly as the API spells them [INST-1], and what they mean to the scalers.

use serde::{Deserialize, Serialize};

/// `Instance.Status`. The guide's "offline" is [`InstanceStatus::Stopped`]. Wire form: snake_case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceStatus {
    /// EC2 has been asked, or is about to be asked, to launch or start the instance. Next: `Pending`.
    Requested,
    /// Waiting for EC2 to start it. Next: `Booting`.
    Pending,
    /// EC2 runs, the OS boots, the SSM agent is not yet in contact. Next: `RunningSetup`, at the latest after the boot timeout.
    Booting,
    /// Setup runs on the host. Next: `Online` or `SetupFailed`.
    RunningSetup,
    /// In service: EC2 running, ECS agent connected, container instance ACTIVE.
    Online,
    /// Setup failed; EC2 stays up for debugging.
    SetupFailed,
    /// The instance did not start.
    StartFailed,
    /// A soft reboot is under way.
    Rebooting,
    /// The host is silent and not, or not yet, healed.
    ConnectionLost,
    /// Stop of an EBS-backed instance: leaving the load balancer. Next: `ShuttingDown`.
    Stopping,
    /// Shutdown event, draining, deregistration; for EBS roots also the EC2 stop. Next: `Stopped` or `Terminated`.
    ShuttingDown,
    /// Stop of an instance-store instance, or deletion: first stage.
    Terminating,
    /// EC2 is being terminated. Next: `Stopped`, or the record goes.
    Terminated,
    /// EC2 would not stop.
    StopFailed,
    /// Not running; also the status of a fresh record.
    Stopped,
    /// First setup of a registered instance.
    Registering,
    /// Registered, in no layer.
    Registered,
    /// Being put into layers.
    Assigning,
    /// Being taken out of its layers.
    Unassigning,
    /// Leaving the stack; the machine runs on.
    Deregistering,
}

impl InstanceStatus {
    /// All twenty, in the order of the spec's table.
    pub const ALL: [Self; 20] = [
        Self::Requested,
        Self::Pending,
        Self::Booting,
        Self::RunningSetup,
        Self::Online,
        Self::SetupFailed,
        Self::StartFailed,
        Self::Rebooting,
        Self::ConnectionLost,
        Self::Stopping,
        Self::ShuttingDown,
        Self::Terminating,
        Self::Terminated,
        Self::StopFailed,
        Self::Stopped,
        Self::Registering,
        Self::Registered,
        Self::Assigning,
        Self::Unassigning,
        Self::Deregistering,
    ];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Pending => "pending",
            Self::Booting => "booting",
            Self::RunningSetup => "running_setup",
            Self::Online => "online",
            Self::SetupFailed => "setup_failed",
            Self::StartFailed => "start_failed",
            Self::Rebooting => "rebooting",
            Self::ConnectionLost => "connection_lost",
            Self::Stopping => "stopping",
            Self::ShuttingDown => "shutting_down",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
            Self::StopFailed => "stop_failed",
            Self::Stopped => "stopped",
            Self::Registering => "registering",
            Self::Registered => "registered",
            Self::Assigning => "assigning",
            Self::Unassigning => "unassigning",
            Self::Deregistering => "deregistering",
        }
    }

    /// Reads the wire form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// On its way to `Online` after a start.
    pub fn is_starting(self) -> bool {
        matches!(self, Self::Requested | Self::Pending | Self::Booting | Self::RunningSetup)
    }

    /// On its way down after a stop or a deletion.
    pub fn is_going_down(self) -> bool {
        matches!(self, Self::Stopping | Self::ShuttingDown | Self::Terminating | Self::Terminated)
    }

    /// Something is under way in this status that ends by itself or by its deadline: the one list of what may not last for ever [REG-1].
    ///
    /// `connection_lost` is not among them: it may last where nobody is to heal the host [HEAL-2].
    pub fn has_deadlines(self) -> bool {
        match self {
            Self::Requested
            | Self::Pending
            | Self::Booting
            | Self::RunningSetup
            | Self::Rebooting
            | Self::Stopping
            | Self::ShuttingDown
            | Self::Terminating
            | Self::Terminated
            | Self::Registering
            | Self::Assigning
            | Self::Unassigning
            | Self::Deregistering => true,
            Self::Online
            | Self::ConnectionLost
            | Self::SetupFailed
            | Self::StartFailed
            | Self::StopFailed
            | Self::Stopped
            | Self::Registered => false,
        }
    }

    /// A status in which nothing happens by itself: lifecycle has no next step until someone asks for one or EC2 surprises us.
    pub fn is_at_rest(self) -> bool {
        !self.has_deadlines() && self != Self::ConnectionLost
    }
}

impl std::fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an instance is started and stopped; fixed at creation [INST-51]. The wire's `AutoScalingType` is `timer`, `load` or absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScalingType {
    /// 24/7: started and stopped by hand. Absent on the wire.
    AlwaysOn,
    /// Time-based, `timer`.
    Timer,
    /// Load-based, `load`.
    Load,
}

impl ScalingType {
    /// The wire form, `None` for 24/7.
    pub fn as_wire(self) -> Option<&'static str> {
        match self {
            Self::AlwaysOn => None,
            Self::Timer => Some("timer"),
            Self::Load => Some("load"),
        }
    }

    /// Reads the wire form: absent is 24/7, an unknown word is `None`.
    pub fn from_wire(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(Self::AlwaysOn),
            Some("timer") => Some(Self::Timer),
            Some("load") => Some(Self::Load),
            Some(_) => None,
        }
    }
}

impl std::fmt::Display for ScalingType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AlwaysOn => "24/7",
            Self::Timer => "time-based",
            Self::Load => "load-based",
        })
    }
}

/// Who asked for a change of an instance: `initiated_by` of its events [EVT-9].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitiatedBy {
    /// A person or a tool through the API.
    User,
    /// One of the scalers.
    AutoScaling,
    /// The healer.
    AutoHealing,
}

impl InitiatedBy {
    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::AutoScaling => "auto-scaling",
            Self::AutoHealing => "auto-healing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [INST-1]
    #[test]
    fn inst_1_every_status_has_its_own_wire_form_and_no_other_is_read() {
        for status in InstanceStatus::ALL {
            assert_eq!(InstanceStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        for other in ["offline", "Online", "running-setup", "deleted", ""] {
            assert_eq!(InstanceStatus::parse(other), None, "{other}");
        }
    }

    /// [REG-1]: what may last for ever is at rest; everything else is under way, or lost.
    #[test]
    fn reg_1_seven_statuses_may_last_and_thirteen_may_not() {
        let (under_way, may_last): (Vec<_>, Vec<_>) = InstanceStatus::ALL.into_iter().partition(|s| s.has_deadlines());
        assert_eq!(
            may_last.iter().map(|s| s.as_str()).collect::<Vec<_>>(),
            ["online", "setup_failed", "start_failed", "connection_lost", "stop_failed", "stopped", "registered"]
        );
        assert_eq!(under_way.len(), 13);
        for status in InstanceStatus::ALL {
            let is_lost = status == InstanceStatus::ConnectionLost;
            assert_eq!(status.is_at_rest(), !status.has_deadlines() && !is_lost, "{status}");
            assert!(status.has_deadlines() || !(status.is_starting() || status.is_going_down()), "{status}");
        }
    }

    /// [SCALE-1]
    #[test]
    fn scale_1_absent_is_24_7_and_only_timer_and_load_are_words() {
        assert_eq!(ScalingType::from_wire(None), Some(ScalingType::AlwaysOn));
        assert_eq!(ScalingType::from_wire(Some("timer")), Some(ScalingType::Timer));
        assert_eq!(ScalingType::from_wire(Some("load")), Some(ScalingType::Load));
        assert_eq!(ScalingType::from_wire(Some("24/7")), None);
    }
}
