//! Auto healing: when a host counts as failed, and when so many do that it is an outage of something else.
//!
//! Healing needs two independent signs, or one that proves itself: EC2 saying that the machine is gone, stopped or impaired [HEAL-10].

use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::{ContainerSeen, Ec2Seen, HostState, PingSeen};

/// What health is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Health<'a> {
    /// EC2.
    pub ec2: &'a Ec2Seen,
    /// ECS; not looked at for a host of no cluster.
    pub container: &'a ContainerSeen,
    /// The host is a container instance.
    pub has_cluster: bool,
    /// Since when the ECS agent was seen disconnected.
    pub agent_silent_since: Option<Timestamp>,
    /// SSM.
    pub last_ping: PingSeen,
    /// [HEAL-1]: 300 s.
    pub silence: SignedDuration,
}

/// The signs that make a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// EC2 has terminated the machine, or knows none of that id.
    Ec2Gone,
    /// EC2 has stopped it, and we have not [INST-26].
    Ec2Stopped,
    /// EC2's status checks fail.
    Ec2Impaired,
    /// The ECS agent is disconnected, and SSM has not heard of its agent either.
    AgentAndPing {
        /// How long the ECS agent has been silent.
        silent_for: SignedDuration,
    },
    /// A host without ECS: SSM has not heard of it for twice the time.
    PingAlone,
}

impl std::fmt::Display for Signs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ec2Gone => f.write_str("EC2 has terminated the machine"),
            Self::Ec2Stopped => f.write_str("EC2 says the machine is stopped, and Strata has not stopped it"),
            Self::Ec2Impaired => f.write_str("EC2's status checks fail"),
            Self::AgentAndPing { silent_for } => {
                write!(f, "the ECS agent has been disconnected for {} s, and SSM hears nothing either", silent_for.as_secs())
            }
            Self::PingAlone => f.write_str("SSM has heard nothing of the host for ten minutes"),
        }
    }
}

/// Whether a watched host has failed at `now`, and by which signs. What is unknown never counts as a sign.
pub fn is_failed(health: &Health<'_>, now: Timestamp) -> Option<Signs> {
    let host = match health.ec2 {
        Ec2Seen::Unknown => return None,
        Ec2Seen::Absent => return Some(Signs::Ec2Gone),
        Ec2Seen::Seen(host) => host,
    };
    match host.state {
        HostState::Terminated => return Some(Signs::Ec2Gone),
        HostState::Stopped => return Some(Signs::Ec2Stopped),
        // Soon one of the above.
        HostState::Stopping | HostState::ShuttingDown | HostState::Pending => return None,
        HostState::Running => {}
    }
    if host.impaired {
        return Some(Signs::Ec2Impaired);
    }
    // An agent that never called has been silent since the boot.
    let ping_age = match health.last_ping {
        PingSeen::Unknown => return None,
        PingSeen::Never => now.duration_since(host.launched_at),
        PingSeen::At(last) => now.duration_since(last),
    };
    if !health.has_cluster {
        return (ping_age > health.silence.saturating_mul(2)).then_some(Signs::PingAlone);
    }
    let connected = match health.container {
        ContainerSeen::Unknown => return None,
        ContainerSeen::Absent => false,
        ContainerSeen::Seen(container) => container.agent_connected,
    };
    let silent_for = now.duration_since(health.agent_silent_since?);
    (!connected && silent_for >= health.silence && ping_age > health.silence).then_some(Signs::AgentAndPing { silent_for })
}

/// Hosts that fall sick within this time of each other count together.
pub const OUTAGE_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// In a layer an outage is more than this share.
pub const OUTAGE_LAYER_PERCENT: usize = 20;
/// In the installation an outage is more than this share.
pub const OUTAGE_INSTALLATION_PERCENT: usize = 5;
/// Our choice: one sick host of a layer is never an outage, however small the layer.
pub const OUTAGE_LAYER_MINIMUM: usize = 2;
/// Our choice: fewer than five hosts are never an outage of the installation; 5 % of a small one would be a single host.
pub const OUTAGE_INSTALLATION_MINIMUM: usize = 5;

/// Whether so many are sick at once that the trouble lies elsewhere: then nobody is healed and on-call is paged once.
///
/// Counts are of hosts that should be in service and fell sick within [`OUTAGE_WINDOW`] of each other.
pub fn is_outage(sick_in_layer: usize, layer_size: usize, sick_total: usize, total: usize) -> bool {
    let over = |sick: usize, of: usize, percent: usize| sick.saturating_mul(100) > of.saturating_mul(percent);
    (sick_in_layer >= OUTAGE_LAYER_MINIMUM && over(sick_in_layer, layer_size, OUTAGE_LAYER_PERCENT))
        || (sick_total >= OUTAGE_INSTALLATION_MINIMUM && over(sick_total, total, OUTAGE_INSTALLATION_PERCENT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{ContainerHost, Ec2Host};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn ec2(state: HostState, impaired: bool) -> Ec2Seen {
        Ec2Seen::Seen(Ec2Host {
            id: "i-1".into(),
            state,
            impaired,
            launched_at: at(-10_000),
            private_ip: None,
            public_ip: None,
            volumes: Vec::new(),
        })
    }

    fn container(agent_connected: bool) -> ContainerSeen {
        ContainerSeen::Seen(ContainerHost {
            arn: "c".into(),
            active: true,
            agent_connected,
            tasks: None,
            registered_at: at(-9_000),
        })
    }

    fn judge(ec2: &Ec2Seen, container: &ContainerSeen, silent_since: Option<i64>, last_ping: PingSeen) -> Option<Signs> {
        let silence = SignedDuration::from_secs(300);
        let agent_silent_since = silent_since.map(at);
        is_failed(&Health { ec2, container, has_cluster: true, agent_silent_since, last_ping, silence }, at(0))
    }

    /// [HEAL-10]
    #[test]
    fn heal_10_ec2_alone_is_enough_when_stopped_terminated_or_impaired() {
        let fine = container(true);
        let fresh = PingSeen::At(at(-10));
        for (seen, signs) in [
            (Ec2Seen::Unknown, None),
            (Ec2Seen::Absent, Some(Signs::Ec2Gone)),
            (ec2(HostState::Terminated, false), Some(Signs::Ec2Gone)),
            (ec2(HostState::Stopped, false), Some(Signs::Ec2Stopped)),
            (ec2(HostState::Running, true), Some(Signs::Ec2Impaired)),
            (ec2(HostState::Running, false), None),
            (ec2(HostState::Stopping, false), None),
            (ec2(HostState::ShuttingDown, false), None),
            (ec2(HostState::Pending, false), None),
        ] {
            assert_eq!(judge(&seen, &fine, None, fresh), signs, "{seen:?}");
        }
    }

    /// [HEAL-1] [HEAL-10]
    #[test]
    fn heal_10_silence_needs_both_agents_silent_for_300_seconds() {
        let up = ec2(HostState::Running, false);
        let both = |silent: i64| Some(Signs::AgentAndPing { silent_for: SignedDuration::from_secs(-silent) });
        for (connected, silent, ping, signs) in [
            (false, Some(-300), PingSeen::At(at(-301)), both(-300)),
            (false, Some(-299), PingSeen::At(at(-301)), None),
            (false, Some(-300), PingSeen::At(at(-300)), None),
            (false, Some(-300), PingSeen::Never, both(-300)),
            (false, Some(-300), PingSeen::Unknown, None),
            (true, Some(-300), PingSeen::At(at(-301)), None),
            (true, None, PingSeen::At(at(-100_000)), None),
            (false, None, PingSeen::At(at(-301)), None),
        ] {
            assert_eq!(judge(&up, &container(connected), silent, ping), signs, "{connected} {silent:?} {ping:?}");
        }
        assert_eq!(judge(&up, &ContainerSeen::Absent, Some(-300), PingSeen::At(at(-301))), both(-300));
        assert_eq!(judge(&up, &ContainerSeen::Unknown, Some(-300), PingSeen::At(at(-301))), None);
    }

    /// [HEAL-10]
    #[test]
    fn heal_10_a_host_without_ecs_is_judged_by_ssm_at_twice_the_time() {
        let up = ec2(HostState::Running, false);
        for (ping, failed) in [(-600, false), (-601, true)] {
            let health = Health {
                ec2: &up,
                container: &ContainerSeen::Absent,
                has_cluster: false,
                agent_silent_since: None,
                last_ping: PingSeen::At(at(ping)),
                silence: SignedDuration::from_secs(300),
            };
            assert_eq!(is_failed(&health, at(0)).is_some(), failed, "{ping}");
        }
    }

    #[test]
    fn an_outage_is_more_than_a_fifth_of_a_layer_or_a_twentieth_of_the_installation() {
        for (sick_in_layer, layer_size, sick_total, total, outage) in [
            (1, 1, 1, 1, false),
            (1, 3, 1, 3, false),
            (2, 3, 2, 3, true),
            (2, 10, 2, 10, false),
            (3, 10, 3, 10, true),
            (4, 20, 4, 20, false),
            (5, 21, 5, 1000, true),
            (1, 100, 4, 20, false),
            (1, 100, 5, 100, false),
            (1, 100, 5, 99, true),
            (1, 100, 50, 1000, false),
            (1, 100, 51, 1000, true),
        ] {
            assert_eq!(
                is_outage(sick_in_layer, layer_size, sick_total, total),
                outage,
                "{sick_in_layer}/{layer_size} {sick_total}/{total}"
            );
        }
    }
}
