//! What runs on a host, and whether other hosts could hold it.

use serde::{Deserialize, Serialize};

/// What tasks reserve, or what a host has left to reserve. ECS places by both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resources {
    /// CPU units; 1,024 are one vCPU.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory: u32,
}

impl Resources {
    /// Whether all of it fits into `room`.
    pub fn fits(self, room: Self) -> bool {
        self.cpu <= room.cpu && self.memory <= room.memory
    }

    /// Both added up.
    pub fn plus(self, other: Self) -> Self {
        Self { cpu: self.cpu.saturating_add(other.cpu), memory: self.memory.saturating_add(other.memory) }
    }

    /// What is left after `other`, never below nothing.
    pub fn minus(self, other: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(other.cpu), memory: self.memory.saturating_sub(other.memory) }
    }
}

impl std::fmt::Display for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} CPU units and {} MiB", self.cpu, self.memory)
    }
}

/// Whose task it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOwner {
    /// A service, which starts another one elsewhere when its host is drained.
    Service,
    /// A DAEMON service: it ends with its host and is needed nowhere else.
    Daemon,
    /// Nobody: a standalone task ends where it runs.
    Standalone,
}

/// A task on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLoad {
    /// Whose it is.
    pub owner: TaskOwner,
    /// Scale-in protection is on.
    pub is_protected: bool,
    /// What it reserves.
    pub reserves: Resources,
}

/// What is known of a host's tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workload {
    /// What is left to reserve on it; nothing while it takes no tasks.
    pub free: Resources,
    /// How many tasks run or start on it, DAEMON ones included.
    pub running: u32,
    /// The tasks themselves; `None` while nobody has looked at them.
    pub tasks: Option<Vec<TaskLoad>>,
}

impl Workload {
    /// How many tasks would have to move, or to end, were the host stopped; all that run on it while nobody has looked.
    pub fn disturbs(&self) -> u32 {
        match &self.tasks {
            Some(tasks) => tasks.iter().filter(|t| t.owner != TaskOwner::Daemon).count().try_into().unwrap_or(u32::MAX),
            None => self.running,
        }
    }

    /// Whether a task on it has scale-in protection.
    pub fn is_protected(&self) -> bool {
        self.tasks.iter().flatten().any(|t| t.is_protected)
    }

    /// Whether a drain would meet a task that does not move by itself: a protected or a standalone one.
    pub fn is_stubborn(&self) -> bool {
        self.tasks.iter().flatten().any(|t| t.is_protected || t.owner == TaskOwner::Standalone)
    }

    /// What its services' tasks reserve, the largest first: so they are placed.
    fn moving(&self) -> Vec<Resources> {
        let owned = self.tasks.iter().flatten().filter(|t| t.owner == TaskOwner::Service);
        let mut moving: Vec<Resources> = owned.map(|t| t.reserves).collect();
        moving.sort_unstable_by_key(|r| std::cmp::Reverse((r.memory, r.cpu)));
        moving
    }

    /// All that would have to be held elsewhere.
    pub fn reserved_by_services(&self) -> Resources {
        self.moving().into_iter().fold(Resources::default(), Resources::plus)
    }
}

/// The room on hosts that stay.
///
/// Our choice: tasks are placed one by one, the largest first, each on the first host that has room; ECS may place otherwise, by strategies
/// and constraints that are not looked at. Hosts that Strata does not run are not counted, so it errs on keeping one too many.
#[derive(Clone, Debug)]
pub(crate) struct Room<'a>(Vec<Place<'a>>);

/// A host that stays, so far.
#[derive(Clone, Debug)]
struct Place<'a> {
    host: &'a str,
    free: Resources,
    /// What has moved here: it moves on if this host leaves too.
    moved_in: Vec<Resources>,
}

impl<'a> Room<'a> {
    /// Of these hosts, each with a name that is its own.
    pub(crate) fn of(hosts: impl Iterator<Item = (&'a str, Resources)>) -> Self {
        Self(hosts.map(|(host, free)| Place { host, free, moved_in: Vec::new() }).collect())
    }

    /// Moves the tasks of `leaving`, its own and those that have moved there, to the others, and takes its room away. `false`, and nothing is
    /// changed, if they do not all fit.
    pub(crate) fn move_away(&mut self, leaving: &str, workload: &Workload) -> bool {
        let mut moving = workload.moving();
        moving.extend(self.0.iter().filter(|place| place.host == leaving).flat_map(|place| &place.moved_in));
        moving.sort_unstable_by_key(|r| std::cmp::Reverse((r.memory, r.cpu)));
        let others = self.0.iter().filter(|place| place.host != leaving);
        let left = others.clone().fold(Resources::default(), |sum, place| sum.plus(place.free));
        if !moving.iter().fold(Resources::default(), |sum, task| sum.plus(*task)).fits(left) {
            return false;
        }
        let mut others: Vec<Place<'a>> = others.cloned().collect();
        for task in moving {
            let Some(place) = others.iter_mut().find(|place| task.fits(place.free)) else { return false };
            place.free = place.free.minus(task);
            place.moved_in.push(task);
        }
        self.0 = others;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cpu: u32, memory: u32) -> Resources {
        Resources { cpu, memory }
    }

    fn task(owner: TaskOwner, cpu: u32, memory: u32) -> TaskLoad {
        TaskLoad { owner, is_protected: false, reserves: of(cpu, memory) }
    }

    fn host(tasks: &[TaskLoad]) -> Workload {
        Workload { running: 9, tasks: Some(tasks.to_vec()), ..Workload::default() }
    }

    #[test]
    fn tasks_fit_by_cpu_and_by_memory_to_the_last_unit_and_each_on_one_host() {
        use TaskOwner::Service;
        let leaving = host(&[task(Service, 512, 1_024), task(Service, 512, 512)]);
        for (rest, fits) in [
            (vec![of(1_024, 1_536)], true),
            (vec![of(1_023, 1_536)], false),
            (vec![of(1_024, 1_535)], false),
            (vec![of(512, 512), of(512, 1_024)], true),
            (vec![of(256, 512), of(768, 1_024)], false),
            (vec![of(512, 768), of(512, 768)], false),
            (vec![], false),
        ] {
            let names: Vec<String> = (0..rest.len()).map(|n| format!("h{n}")).collect();
            let others = names.iter().map(String::as_str).zip(rest.iter().copied());
            let mut room = Room::of(others.chain([("leaving", of(9_999, 9_999))]));
            assert_eq!(room.move_away("leaving", &leaving), fits, "{rest:?}");
        }
    }

    #[test]
    fn what_has_moved_takes_room_and_what_leaves_gives_none() {
        let leaving = host(&[task(TaskOwner::Service, 100, 100)]);
        let mut room = Room::of([("a", of(50, 50)), ("b", of(50, 50)), ("c", of(150, 150))].into_iter());
        assert!(room.move_away("a", &leaving));
        assert!(!room.move_away("b", &leaving), "c has 50 left");
        assert!(room.move_away("b", &host(&[])), "and b can still go when it is empty");
        assert!(!room.move_away("c", &leaving), "nobody is left");
    }

    #[test]
    fn what_has_moved_to_a_host_moves_on_when_that_leaves_too() {
        let busy = host(&[task(TaskOwner::Service, 100, 100)]);
        let mut room = Room::of([("a", of(0, 0)), ("b", of(100, 100))].into_iter());
        assert!(room.move_away("a", &busy));
        assert!(!room.move_away("b", &host(&[])), "its own are none, but nobody else has room for a's");
        let mut room = Room::of([("a", of(0, 0)), ("b", of(100, 100)), ("c", of(200, 200))].into_iter());
        assert!(room.move_away("a", &busy));
        assert!(room.move_away("b", &busy));
        assert!(!room.move_away("c", &host(&[])));
    }

    #[test]
    fn daemons_and_standalone_tasks_need_no_room_elsewhere_but_standalone_ones_are_disturbed() {
        use TaskOwner::{Daemon, Service, Standalone};
        let mixed = host(&[task(Daemon, 9, 9), task(Standalone, 7, 7), task(Service, 1, 2)]);
        assert_eq!((mixed.disturbs(), mixed.reserved_by_services()), (2, of(1, 2)));
        assert!(mixed.is_stubborn() && !mixed.is_protected());
        let protected = host(&[TaskLoad { is_protected: true, ..task(Service, 1, 1) }]);
        assert!(protected.is_stubborn() && protected.is_protected());
        assert!(!host(&[task(Service, 1, 1), task(Daemon, 1, 1)]).is_stubborn());
        assert_eq!(Workload { tasks: None, ..mixed }.disturbs(), 9, "not looked at: what runs");
    }
}
