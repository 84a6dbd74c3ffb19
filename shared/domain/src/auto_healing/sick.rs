//! Who is counted when it is asked whether many are sick at once.

use jiff::{SignedDuration, Timestamp};

use crate::InstanceStatus;
use crate::instance_actions::Origin;
use crate::model::Instance;

/// ECS agents lose their connection for a moment several times an hour; one that is silent for so long counts as sick.
pub const SILENT_COUNTS_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// Whether the host is to be in service: one that is, one that is lost, one that is being healed, and a registered EC2 instance in no layer.
pub fn should_serve(record: &Instance) -> bool {
    match record.status {
        InstanceStatus::Online | InstanceStatus::Rebooting | InstanceStatus::ConnectionLost => true,
        InstanceStatus::Registered => record.origin == Origin::RegisteredEc2,
        InstanceStatus::Requested
        | InstanceStatus::Pending
        | InstanceStatus::Booting
        | InstanceStatus::RunningSetup
        | InstanceStatus::SetupFailed
        | InstanceStatus::StartFailed
        | InstanceStatus::Stopping
        | InstanceStatus::ShuttingDown
        | InstanceStatus::Terminating
        | InstanceStatus::Terminated
        | InstanceStatus::StopFailed
        | InstanceStatus::Stopped
        | InstanceStatus::Registering
        | InstanceStatus::Assigning
        | InstanceStatus::Unassigning
        | InstanceStatus::Deregistering => record.healing,
    }
}

/// Since when a host that should serve is sick, if it is; `is_down`: EC2 says that its machine is stopped, terminated or impaired.
pub fn sick_since(record: &Instance, is_down: bool, now: Timestamp) -> Option<Timestamp> {
    match record.status {
        InstanceStatus::ConnectionLost => Some(record.status_since),
        InstanceStatus::Online | InstanceStatus::Registered if is_down => Some(now),
        InstanceStatus::Online | InstanceStatus::Registered => {
            record.agent_silent_since.filter(|since| now.duration_since(*since) >= SILENT_COUNTS_AFTER)
        }
        _ => record.heals.iter().max().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::sample_record;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// The record of a host in `status` since second 0, healed at -500.
    fn host(status: InstanceStatus, silent_since: Option<i64>) -> Instance {
        let heals = vec![at(-900), at(-500)];
        Instance { status_since: at(0), agent_silent_since: silent_since.map(at), heals, ..sample_record(status) }
    }

    #[test]
    fn a_silent_agent_counts_after_two_minutes_and_what_is_lost_down_or_healed_at_once() {
        use InstanceStatus as S;
        for (status, silent_since, is_down, now, since) in [
            (S::Online, None, false, 100, None),
            (S::Online, Some(0), false, 119, None),
            (S::Online, Some(0), false, 120, Some(0)),
            (S::Online, Some(0), true, 60, Some(60)),
            (S::Registered, None, true, 60, Some(60)),
            (S::Registered, None, false, 60, None),
            (S::ConnectionLost, Some(-300), false, 60, Some(0)),
            (S::Stopping, None, true, 60, Some(-500)),
            (S::Booting, None, false, 60, Some(-500)),
        ] {
            assert_eq!(sick_since(&host(status, silent_since), is_down, at(now)), since.map(at), "{status} {is_down} {now}");
        }
    }

    #[test]
    fn who_is_on_the_way_up_or_down_serves_only_if_it_is_a_heal() {
        use InstanceStatus as S;
        for status in S::ALL {
            let in_service = matches!(status, S::Online | S::Rebooting | S::ConnectionLost);
            assert_eq!(should_serve(&host(status, None)), in_service, "{status}");
            let healed = Instance { healing: true, ..host(status, None) };
            assert_eq!(should_serve(&healed), status != S::Registered, "{status}");
        }
        let registered = Instance { origin: Origin::RegisteredEc2, ..host(S::Registered, None) };
        assert!(should_serve(&registered));
    }
}
