//! What EC2 announces about a machine: that it takes it back, stops it or reboots it, and when. When the host is taken out of service for
//! that, and which instance stands in.
//!
//! Our choice: EC2's announcements are weeks or two minutes early. A host is drained two hours before its time at the earliest, one at a time
//! in a layer; in the last half hour all that are left go. A machine that EC2 wants to stop is stopped and started by us once its tasks have
//! moved, which brings it to other hardware. A recommendation to rebalance is followed only where an instance stands in.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::Instance;
use crate::{Ec2InstanceId, InstanceStatus, ScalingType};

/// What EC2 will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announced {
    /// Take a Spot machine back, in two minutes.
    SpotInterruption,
    /// Perhaps take a Spot machine back.
    Rebalance,
    /// Stop it.
    InstanceStop,
    /// Stop it, or terminate it if its root is an instance store, for its hardware fails.
    InstanceRetirement,
    /// Reboot it.
    InstanceReboot,
    /// Reboot its hardware.
    SystemReboot,
    /// Take its network or power away for a moment.
    SystemMaintenance,
}

/// A host is drained so long before its time, at the earliest.
pub const LEAD: SignedDuration = SignedDuration::from_hours(2);
/// In the last stretch before their time hosts no longer wait for each other.
pub const LAST_CALL: SignedDuration = SignedDuration::from_mins(30);
/// So long after its time the host comes back, should EC2 not say before that it is over.
const GRACE: SignedDuration = SignedDuration::from_hours(2);
/// A Spot machine is gone two minutes after the warning; a claim on one that is not lapses after this.
const SPOT_CLAIM: SignedDuration = SignedDuration::from_mins(12);
/// After so long without an interruption a recommendation to rebalance counts as over.
const REBALANCE_CLAIM: SignedDuration = SignedDuration::from_hours(1);
/// Every holder of these claims begins so.
const HOLDER: &str = "ec2/";

/// Whether the host is taken out of service now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Not yet.
    NotBefore(Timestamp),
    /// Its turn has not come: others of its layer are out.
    AfterOthers,
    /// Now, and back at this time at the latest.
    TakeOut {
        /// End of the claim.
        until: Timestamp,
    },
}

impl Announced {
    /// Reads EC2's code of a scheduled event; `None` for one that is none of a machine's power.
    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "instance-stop" => Some(Self::InstanceStop),
            "instance-retirement" => Some(Self::InstanceRetirement),
            "instance-reboot" => Some(Self::InstanceReboot),
            "system-reboot" => Some(Self::SystemReboot),
            "system-maintenance" => Some(Self::SystemMaintenance),
            _ => None,
        }
    }

    /// EC2's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpotInterruption => "spot-interruption",
            Self::Rebalance => "rebalance",
            Self::InstanceStop => "instance-stop",
            Self::InstanceRetirement => "instance-retirement",
            Self::InstanceReboot => "instance-reboot",
            Self::SystemReboot => "system-reboot",
            Self::SystemMaintenance => "system-maintenance",
        }
    }

    /// Whether EC2 goes on saying it in its descriptions; Spot's warnings come once.
    pub fn is_scheduled(self) -> bool {
        !matches!(self, Self::SpotInterruption | Self::Rebalance)
    }

    /// Whether a stop and start by us makes it void.
    fn is_ended_by_restart(self) -> bool {
        matches!(self, Self::InstanceStop | Self::InstanceRetirement)
    }

    /// What is done at `now` about a host whose time is `at`, while `others_out` of its layer are out for their own announcements.
    pub fn plan(self, at: Timestamp, others_out: usize, now: Timestamp) -> Plan {
        let plus = |from: Timestamp, time| from.checked_add(time).unwrap_or(Timestamp::MAX);
        match self {
            Self::SpotInterruption => return Plan::TakeOut { until: plus(now, SPOT_CLAIM) },
            Self::Rebalance => return Plan::TakeOut { until: plus(now, REBALANCE_CLAIM) },
            _ => {}
        }
        let left = at.duration_since(now);
        if left > LEAD {
            return Plan::NotBefore(at.checked_sub(LEAD).unwrap_or(Timestamp::MIN));
        }
        if left > LAST_CALL && others_out > 0 {
            return Plan::AfterOthers;
        }
        Plan::TakeOut { until: plus(at.max(now), GRACE) }
    }

    /// The holder of the claim on a machine's host.
    pub fn holder(self, machine: &Ec2InstanceId) -> String {
        format!("{HOLDER}{}/{machine}", self.as_str())
    }
}

/// What a claim is about, and of which machine, if its holder is one of [`Announced::holder`].
pub fn of_holder(holder: &str) -> Option<(Announced, Ec2InstanceId)> {
    let (what, machine) = holder.strip_prefix(HOLDER)?.split_once('/')?;
    let what = match what {
        "spot-interruption" => Announced::SpotInterruption,
        "rebalance" => Announced::Rebalance,
        code => Announced::of_code(code)?,
    };
    Some((what, Ec2InstanceId::new(machine)))
}

/// Whether the claim of this holder wants the host stopped and started once it is out of service.
pub fn wants_restart(holder: &str) -> bool {
    of_holder(holder).is_some_and(|(what, _)| what.is_ended_by_restart())
}

/// Which of the instances stands in for `host`: a stopped load-based one of the same layers, which its scaler takes down again when it is no
/// longer needed. The host's own zone is preferred, then the order of the host names. `is_free`: no hold or claim is on it.
pub fn stand_in<'a>(
    host: &Instance,
    instances: impl Iterator<Item = &'a Instance>,
    is_free: impl Fn(&Instance) -> bool,
) -> Option<&'a Instance> {
    let fits = |other: &&Instance| {
        other.status == InstanceStatus::Stopped
            && other.scaling == ScalingType::Load
            && other.delete.is_none()
            && other.id != host.id
            && host.layer_ids.iter().all(|layer| other.layer_ids.contains(layer))
            && is_free(other)
    };
    instances.filter(fits).min_by_key(|other| (other.availability_zone != host.availability_zone, other.hostname.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::sample_record;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    #[test]
    fn a_scheduled_event_drains_two_hours_ahead_one_host_at_a_time_and_in_the_last_half_hour_all() {
        let out = |until| Plan::TakeOut { until: at(until) };
        for (now, others_out, expected) in [
            (-20_000, 0, Plan::NotBefore(at(-120))),
            (-121, 0, Plan::NotBefore(at(-120))),
            (-120, 0, out(120)),
            (-120, 1, Plan::AfterOthers),
            (-31, 1, Plan::AfterOthers),
            (-30, 1, out(120)),
            (10, 3, out(130)),
        ] {
            assert_eq!(Announced::InstanceRetirement.plan(at(0), others_out, at(now)), expected, "{now} {others_out}");
        }
    }

    #[test]
    fn spot_does_not_wait() {
        assert_eq!(Announced::SpotInterruption.plan(at(2), 9, at(0)), Plan::TakeOut { until: at(12) });
        assert_eq!(Announced::Rebalance.plan(at(0), 9, at(0)), Plan::TakeOut { until: at(60) });
    }

    #[test]
    fn a_holder_names_what_was_announced_and_of_which_machine() {
        let machine = Ec2InstanceId::from("i-1");
        for what in [
            Announced::SpotInterruption,
            Announced::Rebalance,
            Announced::InstanceStop,
            Announced::InstanceRetirement,
            Announced::InstanceReboot,
            Announced::SystemReboot,
            Announced::SystemMaintenance,
        ] {
            assert_eq!(of_holder(&what.holder(&machine)), Some((what, machine.clone())));
            assert_eq!(what.is_scheduled(), Announced::of_code(what.as_str()).is_some());
        }
        for other in ["security-updates/1", "ec2/", "ec2/fire/i-1", "ec2/rebalance"] {
            assert_eq!(of_holder(other), None, "{other}");
        }
        assert!(
            wants_restart("ec2/instance-retirement/i-1")
                && !wants_restart("ec2/system-reboot/i-1")
                && !wants_restart("updates/1")
        );
    }

    #[test]
    fn a_stopped_load_based_instance_of_the_same_layers_stands_in_the_hosts_zone_first() {
        let stopped = |name: &str, zone: &str| Instance {
            id: name.into(),
            hostname: name.to_owned(),
            availability_zone: zone.to_owned(),
            scaling: ScalingType::Load,
            ..sample_record(InstanceStatus::Stopped)
        };
        let host = Instance { id: "host".into(), ..sample_record(InstanceStatus::Online) };
        let all = [
            stopped("a1", "eu-west-1b"),
            stopped("b2", "eu-west-1a"),
            stopped("c3", "eu-west-1a"),
            Instance { scaling: ScalingType::Timer, ..stopped("a0", "eu-west-1a") },
            Instance { status: InstanceStatus::StartFailed, ..stopped("a0", "eu-west-1a") },
            Instance { layer_ids: vec!["other".into()], ..stopped("a0", "eu-west-1a") },
        ];
        let chosen =
            |taken: &[&str]| stand_in(&host, all.iter(), |i| !taken.contains(&i.hostname.as_str())).map(|i| i.hostname.as_str());
        assert_eq!(chosen(&[]), Some("b2"));
        assert_eq!(chosen(&["b2"]), Some("c3"));
        assert_eq!(chosen(&["b2", "c3"]), Some("a1"));
        assert_eq!(chosen(&["b2", "c3", "a1"]), None);
    }
}
