//! Which instances a scaling event takes [LOAD-14].

use std::collections::BTreeMap;

use super::{Candidate, Direction};
use crate::{InstanceStatus, ScalingType};

/// What a direction can choose from.
pub(super) struct Pool<'a> {
    zones: BTreeMap<&'a str, Zone<'a>>,
    /// Load-based ones in the right status.
    pub(super) available: usize,
    /// Load-based ones in the right status that somebody holds.
    pub(super) held: usize,
}

#[derive(Default)]
struct Zone<'a> {
    /// It has refused a start a moment ago: the others come first.
    is_refused: bool,
    /// Members in service or on their way there, of every scaling type.
    members: i64,
    /// The best candidate last.
    candidates: Vec<&'a Candidate>,
}

impl<'a> Pool<'a> {
    /// Up takes from `stopped`, down from `online`; never a 24/7 or time-based instance, never a held one.
    ///
    /// Our choice: a member on its way up counts as online when zones are compared. Otherwise two events within one boot time
    /// would put their instances into the same zone.
    pub(super) fn new(direction: Direction, members: &'a [Candidate]) -> Self {
        let from = match direction {
            Direction::Up => InstanceStatus::Stopped,
            Direction::Down => InstanceStatus::Online,
        };
        let mut pool = Self { zones: BTreeMap::new(), available: 0, held: 0 };
        for member in members {
            let zone = pool.zones.entry(member.availability_zone.as_str()).or_default();
            if member.status == InstanceStatus::Online || member.status.is_starting() {
                zone.members += 1;
            }
            if member.scaling != ScalingType::Load || member.status != from {
                continue;
            }
            if member.is_held {
                pool.held += 1;
            } else {
                pool.available += 1;
                zone.is_refused = member.is_refused && direction == Direction::Up;
                zone.candidates.push(member);
            }
        }
        for zone in pool.zones.values_mut() {
            zone.candidates.sort_unstable_by(|a, b| age_order(direction, b).cmp(&age_order(direction, a)));
        }
        pool
    }

    /// Takes up to `count`, one by one, each from the zone that most needs it after the ones before.
    pub(super) fn take(mut self, direction: Direction, count: u32) -> Vec<&'a Candidate> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.available);
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let (weight, step) = match direction {
                Direction::Up => (1, 1),
                Direction::Down => (-1, -1),
            };
            let best = self
                .zones
                .values_mut()
                .filter_map(|zone| {
                    let best = zone.candidates.last()?;
                    Some(((zone.is_refused, zone.members * weight, age_order(direction, best)), zone))
                })
                .min_by(|(a, _), (b, _)| a.cmp(b));
            let Some((_, zone)) = best else { break };
            zone.members += step;
            taken.extend(zone.candidates.pop());
        }
        taken
    }
}

/// Lowest first: the oldest record for up, the newest start for down. The id settles ties, so the order of the input never does.
fn age_order(direction: Direction, candidate: &Candidate) -> (i128, &str) {
    let nanoseconds = match direction {
        Direction::Up => candidate.created_at.as_nanosecond(),
        Direction::Down => -candidate.started_at.unwrap_or(candidate.created_at).as_nanosecond(),
    };
    (nanoseconds, candidate.id.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::tests::member;
    use super::*;
    use crate::InstanceStatus::{Booting, ConnectionLost, Online, Stopped};
    use crate::ScalingType::{AlwaysOn, Load, Timer};

    fn hosts(direction: Direction, members: &[Candidate], count: u32) -> Vec<&str> {
        Pool::new(direction, members).take(direction, count).iter().map(|c| c.hostname.as_str()).collect()
    }

    /// [LOAD-36]
    #[test]
    fn load_36_up_evens_out_the_zones_and_so_does_down() {
        let up = [
            member("o1", AlwaysOn, Online, "a", 0),
            member("o2", AlwaysOn, Online, "a", 0),
            member("o3", AlwaysOn, Online, "b", 0),
            member("in-a", Load, Stopped, "a", 1),
            member("in-b", Load, Stopped, "b", 2),
        ];
        assert_eq!(hosts(Direction::Up, &up, 1), ["in-b"], "though in-a is older");
        let down = [member("a1", Load, Online, "a", 1), member("a2", Load, Online, "a", 2), member("b1", Load, Online, "b", 9)];
        assert_eq!(hosts(Direction::Down, &down, 1), ["a2"], "though b1 was started last");
    }

    /// [LOAD-14] Within equal zones up takes the oldest record, down the newest start.
    #[test]
    fn load_14_age_decides_between_equal_zones() {
        let stopped =
            [member("young", Load, Stopped, "a", 5), member("old", Load, Stopped, "b", 1), member("mid", Load, Stopped, "c", 3)];
        assert_eq!(hosts(Direction::Up, &stopped, 3), ["old", "mid", "young"]);
        let mut online =
            [member("first", Load, Online, "a", 1), member("last", Load, Online, "b", 1), member("mid", Load, Online, "c", 9)];
        for (member, minute) in online.iter_mut().zip([1, 7, 4]) {
            member.started_at = Some(jiff::Timestamp::from_second(minute * 60).unwrap());
        }
        assert_eq!(hosts(Direction::Down, &online, 3), ["last", "mid", "first"]);
    }

    /// [LOAD-14] [SCALE-7]
    #[test]
    fn load_14_one_event_spreads_over_the_zones_and_takes_all_if_there_are_fewer() {
        let members = [
            member("a1", Load, Stopped, "a", 1),
            member("a2", Load, Stopped, "a", 2),
            member("a3", Load, Stopped, "a", 3),
            member("b1", Load, Stopped, "b", 4),
            member("b2", Load, Stopped, "b", 5),
        ];
        assert_eq!(hosts(Direction::Up, &members, 4), ["a1", "b1", "a2", "b2"]);
        assert_eq!(hosts(Direction::Up, &members, u32::MAX).len(), 5);
        let booting =
            [member("x", Load, Booting, "a", 0), member("a1", Load, Stopped, "a", 1), member("b1", Load, Stopped, "b", 2)];
        assert_eq!(hosts(Direction::Up, &booting, 1), ["b1"], "one on its way up counts for its zone");
    }

    #[test]
    fn a_zone_that_has_just_refused_a_start_is_chosen_last_and_only_for_starts() {
        let refused = |name: &str, status| Candidate { is_refused: true, ..member(name, Load, status, "a", 0) };
        let up = [
            refused("a1", Stopped),
            member("b0", Load, Online, "b", 1),
            member("b1", Load, Stopped, "b", 2),
            member("b2", Load, Stopped, "b", 3),
        ];
        assert_eq!(hosts(Direction::Up, &up, 3), ["b1", "b2", "a1"], "though zone a has fewer members");
        let down = [refused("a1", Online), refused("a2", Online), member("b1", Load, Online, "b", 1)];
        assert_eq!(hosts(Direction::Down, &down, 1).len(), 1);
        assert!(hosts(Direction::Down, &down, 1)[0].starts_with('a'), "the fuller zone gives one up all the same");
    }

    #[test]
    fn records_of_one_moment_are_taken_by_id_whatever_the_order_of_the_input() {
        let mut members =
            [member("m2", Load, Stopped, "a", 1), member("m1", Load, Stopped, "b", 1), member("m3", Load, Stopped, "a", 1)];
        assert_eq!(hosts(Direction::Up, &members, 2), ["m1", "m2"]);
        members.reverse();
        assert_eq!(hosts(Direction::Up, &members, 2), ["m1", "m2"]);
    }

    /// [LOAD-14] [SCALE-2]
    #[test]
    fn load_14_only_load_based_members_in_the_right_status_and_held_by_nobody() {
        for status in InstanceStatus::ALL {
            for scaling in [AlwaysOn, Timer, Load] {
                let members = [member("m", scaling, status, "a", 0)];
                let can = |direction| !hosts(direction, &members, 9).is_empty();
                assert_eq!(can(Direction::Up), scaling == Load && status == Stopped, "{scaling} {status}");
                assert_eq!(can(Direction::Down), scaling == Load && status == Online, "{scaling} {status}");
            }
        }
        let mut held = [
            member("held", Load, Stopped, "a", 0),
            member("free", Load, Stopped, "a", 1),
            member("lost", Load, ConnectionLost, "a", 2),
        ];
        held[0].is_held = true;
        let pool = Pool::new(Direction::Up, &held);
        assert_eq!((pool.available, pool.held), (1, 1));
        assert_eq!(hosts(Direction::Up, &held, 9), ["free"]);
    }
}
