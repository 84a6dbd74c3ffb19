//! How long each host's own way through an update took, read off the events that AWS sends of it: from DRAINING until no task is left, from the
//! command's beginning to its end, and from there until the ECS agent is back. What anybody waited in between is not in it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use strata_domain::Ec2InstanceId;
use strata_local::cloud::{Emission, Source};
use strata_triggers::{HintKind, Trigger, parse};

/// One host on its way.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    /// From DRAINING to the last word of it before the command.
    drain: Option<(Timestamp, Timestamp)>,
    begun: Option<Timestamp>,
    over: Option<Timestamp>,
    connected: Option<Timestamp>,
}

impl Path {
    fn length(&self) -> SignedDuration {
        let drained = self.drain.map_or(SignedDuration::ZERO, |(from, to)| to.duration_since(from));
        let patched = self.begun.zip(self.over).map_or(SignedDuration::ZERO, |(from, to)| to.duration_since(from));
        let back = self.over.zip(self.connected).map_or(SignedDuration::ZERO, |(from, to)| to.duration_since(from));
        drained + patched + back.max(SignedDuration::ZERO)
    }
}

/// The hosts that are on their way, and how long it took those that are back.
#[derive(Debug, Default)]
pub(super) struct Paths {
    under_way: BTreeMap<Ec2InstanceId, Path>,
    taken: BTreeMap<Ec2InstanceId, SignedDuration>,
}

impl Paths {
    /// The lengths of the ways so far, by machine; it forgets them.
    pub(super) fn take(&mut self) -> BTreeMap<Ec2InstanceId, SignedDuration> {
        std::mem::take(&mut self.taken)
    }

    /// Reads one of the cloud's events, which happened at `now`.
    pub(super) fn heed(&mut self, emission: &Emission, now: Timestamp) {
        if !matches!(emission.source, Source::Ecs | Source::SsmUpdate) {
            return;
        }
        match parse(emission.body.as_bytes()) {
            Ok(Trigger::Hints(hints)) => hints.into_iter().for_each(|hint| self.hint(hint.kind, now)),
            Ok(Trigger::CommandStatus(status)) => {
                if let Some(host) = status.instance {
                    self.command(host, &status.status, now);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn hint(&mut self, kind: HintKind, now: Timestamp) {
        match kind {
            HintKind::ContainerInstance { ec2_instance, agent_connected, status, .. } => match status.as_str() {
                "DRAINING" => {
                    let path = self.under_way.entry(ec2_instance).or_default();
                    match (path.begun, path.drain) {
                        (None, None) => path.drain = Some((now, now)),
                        (None, Some((from, _))) => path.drain = Some((from, now)),
                        (Some(_), _) if agent_connected => path.connected = Some(now),
                        (Some(_), _) => {}
                    }
                }
                "ACTIVE" => {
                    if let Some(path) = self.under_way.remove(&ec2_instance) {
                        self.taken.insert(ec2_instance, path.length());
                    }
                }
                _ => {}
            },
            HintKind::Command { instance: Some(host), status, .. } => self.command(host, &status, now),
            _ => {}
        }
    }

    fn command(&mut self, host: Ec2InstanceId, status: &str, now: Timestamp) {
        let Some(path) = self.under_way.get_mut(&host) else { return };
        match status {
            "InProgress" => path.begun = path.begun.or(Some(now)),
            "Pending" => {}
            _ => path.over = path.over.or(Some(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_triggers::emit::{self, ContainerInstanceChange, Envelope};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    fn container(status: &str, agent_connected: bool, second: i64) -> (Emission, Timestamp) {
        let at = at(second);
        let envelope = Envelope { account: "123456789012", region: "us-east-1", at, id: "1" };
        let arn = "arn:aws:ecs:us-east-1:123456789012:container-instance/blue/1";
        let change = ContainerInstanceChange {
            cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/blue",
            container_instance: arn,
            ec2_instance: "i-1",
            agent_connected,
            status,
            version: 1,
            registered: (1, 1),
            remaining: (1, 1),
        };
        (Emission { at, source: Source::Ecs, body: emit::container_instance_state_change(&envelope, &change) }, at)
    }

    fn command(status: &str, second: i64) -> (Emission, Timestamp) {
        let at = at(second);
        let envelope = Envelope { account: "123456789012", region: "us-east-1", at, id: "1" };
        let body = emit::command_invocation_status(&envelope, "c-1", "Strata-Update", "i-1", status, at);
        (Emission { at, source: Source::SsmUpdate, body }, at)
    }

    #[test]
    fn a_hosts_way_is_its_drain_its_command_and_its_agents_return_without_what_lies_between() {
        let mut paths = Paths::default();
        for (emission, at) in [
            container("DRAINING", true, 0),
            container("DRAINING", true, 30),
            command("InProgress", 60),
            container("DRAINING", false, 200),
            command("Success", 260),
            container("DRAINING", true, 265),
            container("ACTIVE", true, 300),
        ] {
            paths.heed(&emission, at);
        }
        let taken: Vec<i64> = paths.take().into_values().map(|length| length.as_secs()).collect();
        assert_eq!(taken, [30 + 200 + 5]);
        assert!(paths.take().is_empty());
    }
}
