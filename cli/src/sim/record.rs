//! What a run leaves behind: filled by the world, read by summary and report.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use strata_domain::decision::{DecisionRecord, Page};
use strata_domain::{InstanceStatus, ScalingType};
use strata_local::Methods;

use super::summary::Summary;

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The scenario's name.
    pub scenario: String,
    /// When the simulated time began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Demand against capacity of the first layer, a value a minute, in time order.
    pub series: Vec<Minute>,
    /// Every host that ever was, of all layers, in the order of layer and creation.
    pub states: Vec<HostHistory>,
    /// Changed decisions, in time order.
    pub decisions: Vec<DecisionRecord>,
    /// Pages as on-call got them, in time order.
    pub pages: Vec<Page>,
    /// Which methods of which ports each function called.
    pub methods: BTreeMap<&'static str, Methods>,
    /// The figures.
    pub summary: Summary,
}

/// One minute of the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Minute {
    /// When.
    pub at: Timestamp,
    /// Servers' worth of work; `None` where a trace has a gap.
    pub demand: Option<f64>,
    /// Hosts in service.
    pub capacity: f64,
    /// Mean CPU percent of the hosts in service; `None` without a data point.
    pub cpu: Option<f64>,
}

impl Minute {
    /// Whether there was more work than hosts.
    pub fn is_under_capacity(&self) -> bool {
        self.demand.is_some_and(|demand| demand > self.capacity + 1e-9)
    }
}

/// The statuses that one host went through.
#[derive(Clone, Debug, PartialEq)]
pub struct HostHistory {
    /// `stack/layer`.
    pub layer: String,
    /// Host name.
    pub host: String,
    /// Its scaling type.
    pub scaling: ScalingType,
    /// Each status with its beginning, in time order; the first is the record's creation.
    pub changes: Vec<(Timestamp, InstanceStatus)>,
    /// When the record was deleted.
    pub gone_at: Option<Timestamp>,
}

impl HostHistory {
    /// The stretches of one status each, up to `end` or to the record's deletion.
    pub fn stretches(&self, end: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp, InstanceStatus)> + '_ {
        let end = self.gone_at.unwrap_or(end);
        let ends = self.changes.iter().skip(1).map(|(at, _)| *at).chain([end]);
        self.changes.iter().zip(ends).map(|((from, status), to)| (*from, to, *status))
    }

    /// How long a machine was paid for: from `requested` to `stopped`.
    pub fn running(&self, end: Timestamp) -> SignedDuration {
        self.stretches(end).filter(|(_, _, status)| is_paid_for(*status)).map(|(from, to, _)| to.duration_since(from)).sum()
    }

    /// How long the record was there, which is what a machine that is always on is paid for.
    pub fn existed(&self, end: Timestamp) -> SignedDuration {
        let created = self.changes.first().map_or(end, |(at, _)| *at);
        self.gone_at.unwrap_or(end).duration_since(created)
    }
}

fn is_paid_for(status: InstanceStatus) -> bool {
    use InstanceStatus::*;
    match status {
        Requested | Pending | Booting | RunningSetup | Online | SetupFailed | Rebooting | ConnectionLost | Stopping
        | ShuttingDown | Terminating | StopFailed | Registering | Registered | Assigning | Unassigning | Deregistering => true,
        StartFailed | Terminated | Stopped => false,
    }
}

/// How often hosts went up, down and through a heal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Ways up, heals not counted.
    pub starts: u64,
    /// Ways down, heals not counted.
    pub stops: u64,
    /// Heals begun: a way down out of `connection_lost` [HEAL-9].
    pub heals: u64,
}

/// Counts the moves of hosts.
pub fn count_moves(states: &[HostHistory]) -> Moves {
    let mut moves = Moves::default();
    for host in states {
        let mut healing = false;
        let mut before = None;
        for (_, status) in &host.changes {
            let goes_down = |s: InstanceStatus| matches!(s, InstanceStatus::Stopping | InstanceStatus::Terminating);
            if goes_down(*status) {
                healing = before == Some(InstanceStatus::ConnectionLost);
                if healing {
                    moves.heals += 1;
                } else {
                    moves.stops += 1;
                }
            } else if *status == InstanceStatus::Requested {
                if !healing {
                    moves.starts += 1;
                }
                healing = false;
            }
            before = Some(*status);
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;
    use InstanceStatus::*;

    fn host(statuses: &[InstanceStatus]) -> HostHistory {
        let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let changes = statuses.iter().enumerate().map(|(n, s)| (start + SignedDuration::from_hours(n as i64), *s)).collect();
        HostHistory { layer: "a/b".into(), host: "a1".into(), scaling: ScalingType::AlwaysOn, changes, gone_at: None }
    }

    /// [HEAL-9] A heal goes down and up through the same statuses as a stop and a start, and is neither.
    #[test]
    fn heal_9_a_heal_counts_as_a_heal_and_neither_as_a_stop_nor_as_a_start() {
        let day = [Stopped, Requested, Pending, Booting, RunningSetup, Online];
        let healed = [&day[..], &[ConnectionLost, Stopping, Requested, Pending, Booting, RunningSetup, Online]].concat();
        assert_eq!(count_moves(&[host(&healed)]), Moves { starts: 1, stops: 0, heals: 1 });
        let stopped = [&healed[..], &[Stopping, ShuttingDown, Stopped, Requested]].concat();
        assert_eq!(count_moves(&[host(&stopped)]), Moves { starts: 2, stops: 1, heals: 1 });
    }

    #[test]
    fn a_machine_is_paid_for_from_requested_to_stopped_and_a_record_exists_until_it_is_deleted() {
        let mut one = host(&[Stopped, Requested, Online, Stopping, Stopped]);
        let end = one.changes[0].0 + SignedDuration::from_hours(10);
        assert_eq!(one.running(end), SignedDuration::from_hours(3));
        assert_eq!(one.existed(end), SignedDuration::from_hours(10));
        one.gone_at = Some(end - SignedDuration::from_hours(4));
        assert_eq!(one.existed(end), SignedDuration::from_hours(6));
        let on = host(&[Stopped, Requested]);
        assert_eq!(on.running(end), SignedDuration::from_hours(9), "the last status goes on to the end");
    }

    #[test]
    fn a_minute_is_under_capacity_only_when_demand_is_known_and_larger() {
        let at = "2026-03-02T00:00:00Z".parse().unwrap();
        for (demand, capacity, under) in [(Some(5.1), 5.0, true), (Some(5.0), 5.0, false), (None, 0.0, false)] {
            assert_eq!(Minute { at, demand, capacity, cpu: None }.is_under_capacity(), under, "{demand:?} {capacity}");
        }
    }
}
