//! Auto healing: when a host counts as failed, and when so many do that it is an outage of something else.
//!
//! Healing needs two independent signs, or one that proves itself: EC2 saying that the machine is gone, stopped or impaired [HEAL-10].

use jiff::{SignedDuration, Timestamp};

use crate::lifecycle::{ContainerSeen, Ec2Seen, HostState, PingSeen};

mod sick;

pub use sick::{SILENT_COUNTS_AFTER, should_serve, sick_since};

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
    /// How long an ECS agent may be silent on a host that is well otherwise; `None`: for ever [HEAL-10].
    pub silent_agent_limit: Option<SignedDuration>,
    /// When the ECS agent was told to restart, in this silence.
    pub agent_restarted_at: Option<Timestamp>,
}

/// How long an ECS agent that was told to restart may take until it is connected again.
pub const AGENT_RESTART_SETTLES: SignedDuration = SignedDuration::from_mins(3);

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
    /// The ECS agent has been disconnected beyond the layer's limit, and its restart has not helped; the host is well otherwise.
    AgentAlone {
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
            Self::AgentAlone { silent_for } => {
                let secs = silent_for.as_secs();
                write!(
                    f,
                    "the ECS agent has been disconnected for {secs} s, its restart included, though EC2 and SSM hear the host"
                )
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
    if connected || silent_for < health.silence {
        return None;
    }
    if ping_age > health.silence {
        return Some(Signs::AgentAndPing { silent_for });
    }
    is_lost_alone(health, silent_for, now).then_some(Signs::AgentAlone { silent_for })
}

/// Whether a silent ECS agent on a host that is well otherwise is given up: beyond the layer's limit, and not before its restart had time
/// to help.
fn is_lost_alone(health: &Health<'_>, silent_for: SignedDuration, now: Timestamp) -> bool {
    let had_time = |at: Timestamp| now.duration_since(at) >= AGENT_RESTART_SETTLES;
    health.silent_agent_limit.is_some_and(|limit| silent_for >= limit) && health.agent_restarted_at.is_some_and(had_time)
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
            instance_type: "m5.large".into(),
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
        let health = Health {
            ec2,
            container,
            has_cluster: true,
            agent_silent_since,
            last_ping,
            silence,
            silent_agent_limit: None,
            agent_restarted_at: None,
        };
        is_failed(&health, at(0))
    }

    /// [HEAL-10]: the layer's setting goes beyond it, and without it nothing does.
    #[test]
    fn heal_10_a_silent_agent_alone_is_a_failure_beyond_the_layers_limit_once_its_restart_had_three_minutes() {
        let (up, gone) = (ec2(HostState::Running, false), container(false));
        let limit = Some(600);
        for (connected, limit, silent, restarted, failed) in [
            (false, limit, -600, Some(-180), true),
            (false, limit, -599, Some(-180), false),
            (false, limit, -600, Some(-179), false),
            (false, limit, -6_000, None, false),
            (false, None, -6_000, Some(-5_000), false),
            (true, limit, -600, Some(-180), false),
        ] {
            let health = Health {
                ec2: &up,
                container: if connected { &container(true) } else { &gone },
                has_cluster: true,
                agent_silent_since: Some(at(silent)),
                last_ping: PingSeen::At(at(-10)),
                silence: SignedDuration::from_secs(300),
                silent_agent_limit: limit.map(SignedDuration::from_secs),
                agent_restarted_at: restarted.map(at),
            };
            let signs = Signs::AgentAlone { silent_for: SignedDuration::from_secs(-silent) };
            assert_eq!(is_failed(&health, at(0)), failed.then_some(signs), "{connected} {limit:?} {silent} {restarted:?}");
        }
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
                silent_agent_limit: None,
                agent_restarted_at: None,
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
