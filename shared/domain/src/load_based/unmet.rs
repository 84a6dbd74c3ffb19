//! What becomes of an upscaling whose instances do not all start: stand-ins from other zones, then retries.
//!
//! Our choice: an instance that an event has started and whose start fails is still needed. A stopped load-based instance of another zone stands
//! in for it, once, and the failed one is given up: it is stopped, so that a later event can choose it again. While no other zone has one to
//! give, the failed one itself is started again, after waits of minutes. Its zone is chosen last for a while.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::selection::Pool;
use super::{Candidate, Direction, ScalingEvent};
use crate::start_retries::{LONGEST, retry_at};
use crate::{InstanceId, InstanceStatus};

/// So long after a failed start its zone is chosen last.
const REFUSES_FOR: SignedDuration = LONGEST;

/// What the events so far still want, and what failures have taught; stored beside the last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Unmet {
    /// Asked to start and not yet seen in service, in the order in which they were chosen.
    pub wanted: Vec<InstanceId>,
    /// Not wanted any more; stopped if their start fails.
    pub given_up: Vec<InstanceId>,
    /// Zones in which a start has failed, and until when they are chosen last.
    pub refusing: BTreeMap<String, Timestamp>,
}

/// An instance to be started for the sake of an earlier event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which.
    pub instance: InstanceId,
    /// Whose place it takes; `None`: its own start is tried again.
    pub instead_of: Option<InstanceId>,
    /// Why, in words for on-call.
    pub reason: String,
}

/// What is to be done about it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// What stands afterwards.
    pub unmet: Unmet,
    /// To be started, in this order.
    pub start: Vec<Start>,
    /// Failed and not needed: to be stopped.
    pub stop: Vec<InstanceId>,
}

impl Unmet {
    /// Whether there is nothing left to watch, so that nobody need look at the fleet.
    pub fn is_met(&self) -> bool {
        self.wanted.is_empty() && self.given_up.is_empty()
    }

    /// What stands after a new event: one up wants its instances too, one down ends the need of all before.
    pub fn after(&self, event: &ScalingEvent) -> Self {
        let mut next = self.clone();
        match event.direction {
            Direction::Up => next.wanted.extend(event.instances.iter().filter(|id| !self.wanted.contains(id)).cloned()),
            Direction::Down => next.given_up.append(&mut next.wanted),
        }
        next.given_up.retain(|id| !next.wanted.contains(id));
        next
    }

    /// Whether an instance's zone has refused a start a moment ago.
    pub fn is_refused(&self, zone: &str, now: Timestamp) -> bool {
        self.refusing.get(zone).is_some_and(|until| now < *until)
    }

    /// Looks at the layer's members and decides what is still to be done. The same look again asks for the same.
    pub fn follow(&self, members: &[Candidate], now: Timestamp) -> FollowUp {
        let find = |id: &InstanceId| members.iter().find(|m| m.id == *id);
        let mut unmet = Self { refusing: self.refusing.clone(), ..Self::default() };
        unmet.refusing.retain(|_, until| now < *until);
        let failed: Vec<&Candidate> = self.wanted.iter().filter_map(find).filter(|m| has_failed(m)).collect();
        for member in &failed {
            let until = attempted_at(member).checked_add(REFUSES_FOR).unwrap_or(Timestamp::MAX);
            if now < until {
                unmet.refusing.insert(member.availability_zone.clone(), until);
            }
        }
        let mut free = stand_ins(members, &unmet, now);
        let mut start = Vec::new();
        for member in self.wanted.iter().filter_map(find).filter(|m| is_open(m)) {
            let elsewhere = free.iter().position(|other| other.availability_zone != member.availability_zone);
            match elsewhere.filter(|_| has_failed(member)).map(|at| free.remove(at)) {
                Some(other) => {
                    start.push(in_place_of(member, other));
                    unmet.wanted.push(other.id.clone());
                    unmet.given_up.push(member.id.clone());
                }
                None => {
                    start.extend(Some(member).filter(|m| has_failed(m)).and_then(|m| again(m, now)));
                    unmet.wanted.push(member.id.clone());
                }
            }
        }
        let given_up = self.given_up.iter().filter_map(find).filter(|m| is_open(m)).map(|m| m.id.clone());
        unmet.given_up.extend(given_up);
        let stop = unmet.given_up.iter().filter_map(find).filter(|m| has_failed(m)).map(|m| m.id.clone()).collect();
        FollowUp { unmet, start, stop }
    }
}

/// Whether it may still come up or fail: what is in service, or in other hands, needs no watching.
fn is_open(member: &Candidate) -> bool {
    member.status.is_starting() || member.status == InstanceStatus::StartFailed
}

/// A failed start that is ours to deal with.
fn has_failed(member: &Candidate) -> bool {
    member.status == InstanceStatus::StartFailed && !member.is_held
}

fn attempted_at(member: &Candidate) -> Timestamp {
    member.started_at.unwrap_or(member.created_at)
}

/// Those that may stand in: in zones that have not refused a moment ago, the best first.
fn stand_ins<'a>(members: &'a [Candidate], unmet: &Unmet, now: Timestamp) -> Vec<&'a Candidate> {
    let is_elsewhere = |m: &&Candidate| !unmet.is_refused(&m.availability_zone, now);
    Pool::new(Direction::Up, members).take(u32::MAX).taken.into_iter().filter(is_elsewhere).collect()
}

fn in_place_of(failed: &Candidate, other: &Candidate) -> Start {
    let reason = format!(
        "{} did not start in {}: {} of {} stands in for it",
        failed.hostname, failed.availability_zone, other.hostname, other.availability_zone
    );
    Start { instance: other.id.clone(), instead_of: Some(failed.id.clone()), reason }
}

fn again(failed: &Candidate, now: Timestamp) -> Option<Start> {
    (now >= retry_at(attempted_at(failed), failed.failed_starts)).then(|| Start {
        instance: failed.id.clone(),
        instead_of: None,
        reason: format!("{} did not start, and no other zone has one to stand in: it is tried again", failed.hostname),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::member;
    use super::*;
    use crate::InstanceStatus::{Booting, Online, Requested, SetupFailed, StartFailed, Stopped};
    use crate::ScalingType::{Load, Timer};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    /// Its start was asked for in `minute`, after `failed_starts` that had failed.
    fn failed(host: &str, zone: &str, minute: i64, failed_starts: u32) -> Candidate {
        Candidate { started_at: Some(at(minute)), failed_starts, ..member(host, Load, StartFailed, zone, 0) }
    }

    fn wants(hosts: &[&str]) -> Unmet {
        Unmet { wanted: hosts.iter().map(|h| member(h, Load, Online, "a", 0).id).collect(), ..Unmet::default() }
    }

    /// Starts as `host` or `host for failed`, stops, and who is still wanted.
    fn follow(unmet: &Unmet, members: &[Candidate], minute: i64) -> (String, String, String) {
        let name = |id: &InstanceId| members.iter().find(|m| m.id == *id).unwrap().hostname.clone();
        let names = |ids: &[InstanceId]| ids.iter().map(name).collect::<Vec<_>>().join(" ");
        let done = unmet.follow(members, at(minute));
        let start = done.start.iter().map(|s| match &s.instead_of {
            Some(failed) => format!("{} for {}", name(&s.instance), name(failed)),
            None => name(&s.instance),
        });
        (start.collect::<Vec<_>>().join(", "), names(&done.stop), names(&done.unmet.wanted))
    }

    fn expect(start: &str, stop: &str, wanted: &str) -> (String, String, String) {
        (start.to_owned(), stop.to_owned(), wanted.to_owned())
    }

    #[test]
    fn a_stopped_one_of_another_zone_stands_in_at_once_and_the_failed_one_is_stopped() {
        let members = [
            failed("f", "a", 0, 0),
            member("same", Load, Stopped, "a", 1),
            member("timer", Timer, Stopped, "b", 1),
            member("other", Load, Stopped, "b", 2),
        ];
        assert_eq!(follow(&wants(&["f"]), &members, 0), expect("other for f", "f", "other"));
        let after = wants(&["f"]).follow(&members, at(0)).unmet;
        assert_eq!(after.refusing["a"], at(10), "the zone is chosen last for ten minutes");
        assert!(after.is_refused("a", at(9)) && !after.is_refused("a", at(10)) && !after.is_refused("b", at(0)));
    }

    #[test]
    fn with_nothing_to_stand_in_it_is_tried_again_after_waits_that_grow() {
        let members = |failed_starts| [failed("f", "a", 0, failed_starts), member("same", Load, Stopped, "a", 1)];
        for (failed_starts, minute, start) in [(0, 0, ""), (0, 1, "f"), (2, 3, ""), (2, 4, "f"), (9, 9, "")] {
            let wanted = follow(&wants(&["f"]), &members(failed_starts), minute);
            assert_eq!(wanted, expect(start, "", "f"), "{failed_starts} failed before, minute {minute}");
        }
        assert_eq!(follow(&wants(&["f"]), &members(9), 10), expect("f", "", "f"), "one of its own zone never stands in");
    }

    #[test]
    fn each_failed_one_gets_one_stand_in_and_a_failed_stand_in_closes_its_zone_too() {
        let members = [failed("f1", "a", 0, 0), failed("f2", "a", 0, 0), member("b1", Load, Stopped, "b", 1)];
        assert_eq!(follow(&wants(&["f1", "f2"]), &members, 0), expect("b1 for f1", "f1", "b1 f2"));
        let members = [failed("b1", "b", 1, 0), member("a1", Load, Stopped, "a", 1), member("c1", Load, Stopped, "c", 1)];
        let unmet = Unmet { refusing: [("a".to_owned(), at(10))].into(), ..wants(&["b1"]) };
        assert_eq!(follow(&unmet, &members, 1), expect("c1 for b1", "b1", "c1"));
    }

    #[test]
    fn what_is_up_or_in_other_hands_is_watched_no_more() {
        let members = [
            member("up", Load, Online, "a", 0),
            member("coming", Load, Booting, "a", 0),
            member("asked", Load, Requested, "a", 0),
            member("setup", Load, SetupFailed, "a", 0),
            member("stopped", Load, Stopped, "a", 0),
        ];
        let unmet = wants(&["up", "coming", "asked", "setup", "stopped", "gone"]);
        assert_eq!(follow(&unmet, &members, 9), expect("", "", "coming asked"));
        assert!(!unmet.is_met() && Unmet::default().is_met());
        let held = [Candidate { is_held: true, ..failed("f", "a", 0, 0) }, member("other", Load, Stopped, "b", 2)];
        assert_eq!(follow(&wants(&["f"]), &held, 9), expect("", "", "f"), "hands off, as long as it is held");
    }

    #[test]
    fn an_event_down_ends_the_need_and_an_event_up_adds_to_it() {
        let event = |direction, id: &str| ScalingEvent {
            direction,
            at: at(0),
            ignore_until: at(1),
            instances: vec![member(id, Load, Online, "a", 0).id],
            fired_by: "cpu".to_owned(),
        };
        let members = [failed("f", "a", 0, 0), member("n", Load, Requested, "b", 0)];
        let up = wants(&["f"]).after(&event(Direction::Up, "n"));
        assert_eq!(follow(&up, &members, 9), expect("f", "", "f n"));
        let down = up.after(&event(Direction::Down, "x"));
        assert_eq!(follow(&down, &members, 9), expect("", "f", ""));
        let once_more = down.after(&event(Direction::Up, "f"));
        assert_eq!(follow(&once_more, &members, 9), expect("f", "", "f"), "chosen again, it is no longer given up");
        let stopped = [member("f", Load, Stopped, "a", 0), member("n", Load, Online, "b", 0)];
        assert!(down.follow(&stopped, at(9)).unmet.is_met(), "nothing is left to stop");
    }
}
