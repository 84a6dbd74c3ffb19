//! What the scenario has in store, in the order of time.

use jiff::{SignedDuration, Timestamp};

use crate::sim::scenario::{EventSpec, Scenario, TeardownSpec, UpdateWindow};

/// Something that the scenario lets happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// Something befalls hosts or a zone.
    Event(EventSpec),
    /// An update window opens: a person, or a schedule of his, asks for a rolling update.
    Update(UpdateWindow),
    /// A person asks for a teardown.
    Teardown(TeardownSpec),
}

/// All happenings of a scenario with their moments, earliest first; of one moment in the order of the file.
pub(crate) fn of(scenario: &Scenario) -> Vec<(Timestamp, Happening)> {
    let (start, days) = (scenario.world.start, scenario.world.days);
    let mut all = Vec::new();
    for event in &scenario.events {
        all.extend(event.at.occurrences(start, days).into_iter().map(|at| (at, Happening::Event(event.clone()))));
    }
    for window in &scenario.update_windows {
        all.extend(window.at.occurrences(start, days).into_iter().map(|at| (at, Happening::Update(window.clone()))));
    }
    for teardown in &scenario.teardowns {
        all.extend(teardown.at.occurrences(start, days).into_iter().map(|at| (at, Happening::Teardown(teardown.clone()))));
    }
    // Stable: what stands first in the file happens first.
    all.sort_by_key(|(at, _)| *at);
    all
}

/// The first full minute after `now`.
pub(crate) fn next_minute(now: Timestamp) -> Timestamp {
    let into = now.as_millisecond().rem_euclid(60_000);
    now + SignedDuration::from_millis(60_000 - into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn happenings_come_in_the_order_of_time() {
        let mut scenario = Scenario::built_in();
        scenario.world.days = 2;
        let all = of(&scenario);
        assert!(all.is_sorted_by_key(|(at, _)| *at));
        let hangs = all.iter().filter(|(_, h)| matches!(h, Happening::Event(_))).count();
        let teardowns = all.iter().filter(|(_, h)| matches!(h, Happening::Teardown(_))).count();
        assert_eq!((hangs, teardowns), (2, 1), "the hang is every day, the teardown once");
    }

    #[test]
    fn the_next_minute_is_never_now() {
        for (now, next) in [
            ("2026-03-02T00:00:00Z", "2026-03-02T00:01:00Z"),
            ("2026-03-02T00:00:00.001Z", "2026-03-02T00:01:00Z"),
            ("2026-03-02T00:00:59.999Z", "2026-03-02T00:01:00Z"),
        ] {
            assert_eq!(next_minute(now.parse().unwrap()), next.parse().unwrap(), "{now}");
        }
    }
}
