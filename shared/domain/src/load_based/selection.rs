//! Which instances a scaling event takes [LOAD-14].

use std::collections::BTreeMap;

use super::{Candidate, Direction};
use crate::workload::{Room, Workload};
use crate::{InstanceId, InstanceStatus, ScalingType};

/// What a direction can choose from.
pub(super) struct Pool<'a> {
    direction: Direction,
    zones: BTreeMap<&'a str, Zone<'a>>,
    /// Room on the hosts that stay; `None` where nobody has asked what runs on them.
    room: Option<Room<'a>>,
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

/// What was chosen.
pub(super) struct Taken<'a> {
    /// In the order in which they were chosen.
    pub(super) taken: Vec<&'a Candidate>,
    /// Those that would have been chosen, had the others room for their tasks.
    pub(super) would_not_fit: Vec<&'a Candidate>,
}

impl<'a> Pool<'a> {
    /// Up takes from `stopped`, down from `online`; never a 24/7 or time-based instance, never a held one.
    ///
    /// Our choice: a member on its way up counts as online when zones are compared. Otherwise two events within one boot time
    /// would put their instances into the same zone.
    pub(super) fn new(direction: Direction, members: &'a [Candidate]) -> Self {
        let is_looked_at = |m: &Candidate| m.workload.as_ref().is_some_and(|w| w.tasks.is_some());
        let counts = direction == Direction::Down && members.iter().any(is_looked_at);
        let mut pool = Self::of(direction, members, |member| !counts || is_looked_at(member));
        pool.room = counts.then(|| {
            let online = members.iter().filter(|m| m.status == InstanceStatus::Online);
            Room::of(online.filter_map(|m| Some((m.id.as_str(), m.workload.as_ref()?.free))))
        });
        pool
    }

    /// `may_be_taken`: for those in the right status.
    fn of(direction: Direction, members: &'a [Candidate], may_be_taken: impl Fn(&Candidate) -> bool) -> Self {
        let from = match direction {
            Direction::Up => InstanceStatus::Stopped,
            Direction::Down => InstanceStatus::Online,
        };
        let mut pool = Self { direction, zones: BTreeMap::new(), room: None, available: 0, held: 0 };
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
                continue;
            }
            pool.available += 1;
            if may_be_taken(member) {
                zone.is_refused = member.is_refused && direction == Direction::Up;
                zone.candidates.push(member);
            }
        }
        for zone in pool.zones.values_mut() {
            zone.candidates.sort_unstable_by(|a, b| within_a_zone(direction, b).cmp(&within_a_zone(direction, a)));
        }
        pool
    }

    /// Takes up to `count`, one by one, each from the zone that most needs it after the ones before, none whose tasks the rest could not hold.
    pub(super) fn take(mut self, count: u32) -> Taken<'a> {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(self.available);
        let mut done = Taken { taken: Vec::with_capacity(count), would_not_fit: Vec::new() };
        let (weight, step) = match self.direction {
            Direction::Up => (1, 1),
            Direction::Down => (-1, -1),
        };
        while done.taken.len() < count {
            let best = self.zones.values_mut().filter_map(|zone| {
                let (is_protected, disturbs, age) = within_a_zone(self.direction, zone.candidates.last()?);
                Some(((zone.is_refused, is_protected, zone.members * weight, disturbs, age), zone))
            });
            let Some((_, zone)) = best.min_by(|(a, _), (b, _)| a.cmp(b)) else { break };
            let Some(candidate) = zone.candidates.pop() else { break };
            let workload = candidate.workload.as_ref();
            let fits = match (&mut self.room, workload) {
                (Some(room), Some(workload)) => room.move_away(candidate.id.as_str(), workload),
                _ => true,
            };
            if fits {
                zone.members += step;
                done.taken.push(candidate);
            } else {
                done.would_not_fit.push(candidate);
            }
        }
        done
    }
}

/// So many more than an event stops are looked at, to find the ones that disturb least.
const LOOKED_AT_BESIDE: u32 = 20;

/// Whose tasks are worth a look before an event stops `count`: by how many tasks run on them, where that is known.
///
/// Our choice: at most [`LOOKED_AT_BESIDE`] more than the event takes, since a look is several calls for each host.
pub fn instances_to_look_at(members: &[Candidate], count: u32) -> Vec<InstanceId> {
    let pool = Pool::of(Direction::Down, members, |_| true);
    pool.take(count.saturating_add(LOOKED_AT_BESIDE)).taken.into_iter().map(|c| c.id.clone()).collect()
}

/// Lowest first: one without protected tasks, then the one whose stopping disturbs the fewest tasks, then by age.
fn within_a_zone(direction: Direction, candidate: &Candidate) -> (bool, u32, (i128, &str)) {
    let workload = candidate.workload.as_ref().filter(|_| direction == Direction::Down);
    (workload.is_some_and(Workload::is_protected), workload.map_or(0, Workload::disturbs), age_order(direction, candidate))
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
        Pool::new(direction, members).take(count).taken.iter().map(|c| c.hostname.as_str()).collect()
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

    fn with(host: &str, zone: &str, started: i64, services: usize, free: u32) -> Candidate {
        use crate::workload::{Resources, TaskLoad, TaskOwner};
        let task = TaskLoad { owner: TaskOwner::Service, is_protected: false, reserves: Resources { cpu: 256, memory: 512 } };
        let free = Resources { cpu: 256 * free, memory: 512 * free };
        let workload = Workload { free, running: 1, tasks: Some(vec![task; services]) };
        Candidate {
            started_at: Some(jiff::Timestamp::from_second(started * 60).unwrap()),
            workload: Some(workload),
            ..member(host, Load, Online, zone, 0)
        }
    }

    fn protect(mut host: Candidate) -> Candidate {
        let tasks = host.workload.as_mut().and_then(|w| w.tasks.as_mut()).unwrap();
        tasks[0].is_protected = true;
        host
    }

    #[test]
    fn down_disturbs_least_protected_last_then_the_fuller_zone_then_the_fewest_tasks_then_the_newest() {
        let roomy = member("24/7", AlwaysOn, Online, "c", 0);
        let roomy = Candidate { workload: with("x", "c", 0, 0, 99).workload, ..roomy };
        let of = |hosts: &[Candidate], count| {
            let members: Vec<Candidate> = hosts.iter().cloned().chain([roomy.clone()]).collect();
            self::hosts(Direction::Down, &members, count).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let equal = [with("busy", "a", 9, 3, 0), with("calm", "b", 1, 1, 0)];
        assert_eq!(of(&equal, 1), ["calm"], "though busy was started last");
        let uneven = [with("busy", "a", 1, 3, 0), with("busier", "a", 2, 4, 0), with("calm", "b", 3, 1, 0)];
        assert_eq!(of(&uneven, 2), ["busy", "calm"], "the fuller zone first");
        let same = [with("old", "a", 1, 2, 0), with("new", "a", 2, 2, 0)];
        assert_eq!(of(&same, 1), ["new"]);
        let protected = [protect(with("p", "a", 1, 1, 0)), with("busy", "a", 2, 4, 0), with("b", "b", 3, 4, 0)];
        assert_eq!(of(&protected, 3), ["busy", "b", "p"], "though its zone is fuller and it has fewer tasks");
    }

    #[test]
    fn none_is_stopped_whose_tasks_the_rest_could_not_hold_and_the_next_one_is_tried() {
        let members = [with("one", "a", 1, 1, 0), with("three", "a", 2, 3, 1), with("two", "a", 3, 2, 0)];
        let done = Pool::new(Direction::Down, &members).take(3);
        let names = |of: &[&Candidate]| of.iter().map(|c| c.hostname.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(&done.taken), names(&done.would_not_fit)),
            (vec!["one".to_owned()], vec!["two".to_owned(), "three".to_owned()])
        );
        let roomy = [with("one", "a", 1, 1, 0), with("three", "a", 2, 3, 3), with("two", "a", 3, 2, 0)];
        assert_eq!(hosts(Direction::Down, &roomy, 3), ["one", "two"], "three has room for both, and nobody for three's");
    }

    #[test]
    fn hosts_that_were_not_looked_at_are_not_stopped_but_lend_their_room() {
        let mut members = [with("seen", "a", 1, 2, 0), with("unseen", "a", 2, 0, 2)];
        members[1].workload.as_mut().unwrap().tasks = None;
        assert_eq!(hosts(Direction::Down, &members, 9), ["seen"]);
        members[1].workload.as_mut().unwrap().free.cpu -= 1;
        assert!(hosts(Direction::Down, &members, 9).is_empty());
        for member in &mut members {
            member.workload = None;
        }
        assert_eq!(hosts(Direction::Down, &members, 9), ["unseen", "seen"], "nobody has asked: by age alone");
    }

    #[test]
    fn twenty_more_than_the_event_takes_are_looked_at_those_with_the_fewest_tasks() {
        let members: Vec<Candidate> = (0..30_u32)
            .map(|n| {
                let workload = Workload { running: 30 - n, ..Workload::default() };
                Candidate { workload: Some(workload), ..member(&format!("h{n:02}"), Load, Online, "a", 0) }
            })
            .collect();
        let looked_at = instances_to_look_at(&members, 2);
        assert_eq!((looked_at.len(), looked_at[0].as_str(), looked_at[21].as_str()), (22, "h29", "h08"));
        assert_eq!(instances_to_look_at(&members[..3], 2).len(), 3);
    }
}
