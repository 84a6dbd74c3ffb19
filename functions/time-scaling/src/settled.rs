//! Not looking: when a check may be spared because nothing can have changed since the last one that found all in order.
//!
//! A fleet's description costs as much as the fleet is large, and a check runs every minute. So a check that found every time-based
//! instance as its schedule wants it leaves a note. The next ones are spared until a schedule may want something else, while the schedules and
//! what they mean are the same, and lifecycle has left no hint that an instance changed. A lost hint costs [`FULL_LOOK_EVERY`] at most.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_ports::{Change, CommitError, Expect, HandlerError, Item, Key, keys};

use crate::Deps;
use crate::observe::Schedules;

/// Every so often the fleet is looked at whatever the hints say.
const FULL_LOOK_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// The note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// Until when no schedule wants anything else.
    until: Timestamp,
    /// How many schedules there were, and when the last of them was set.
    schedules: usize,
    schedules_changed_at: Option<Timestamp>,
    /// Version of the hint that the fleet changed; 0 for none.
    fleet_version: u64,
    /// When the fleet was looked at.
    at: Timestamp,
}

/// A check's beginning: what a note would say, read before the fleet is, so that a change in between is not missed.
pub(crate) struct Look {
    /// The last note still holds: the check is spared.
    pub(crate) still_holds: bool,
    key: Key,
    expect: Expect,
    note: Note,
}

impl Look {
    /// Reads hint and note.
    pub(crate) async fn begin(deps: &Deps, stack: &StackId, schedules: &Schedules, now: Timestamp) -> Result<Self, HandlerError> {
        let hint = deps.store.get(&keys::fleet_changed(stack)).await?;
        let key = keys::timers_settled(stack);
        let item = deps.store.get(&key).await?;
        let note = Note {
            until: now,
            schedules: schedules.len(),
            schedules_changed_at: schedules.values().map(|s| s.changed_at).max(),
            fleet_version: hint.map_or(0, |hint| hint.version),
            at: now,
        };
        let last: Option<Note> = item.as_ref().and_then(|item| item.decode().ok());
        let still_holds = last.is_some_and(|last| note.follows(&last));
        Ok(Self { still_holds, expect: item.as_ref().map_or(Expect::Absent, Item::unchanged), key, note })
    }

    /// Leaves the note. Another check that was quicker has left as good a one.
    pub(crate) async fn note(&self, deps: &Deps, until: Timestamp) -> Result<(), HandlerError> {
        let note = Note { until, ..self.note.clone() };
        match deps.store.commit(vec![Change::put(self.key.clone(), &note, self.expect)]).await {
            Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Note {
    /// Whether nothing can have changed since `last`.
    fn follows(&self, last: &Self) -> bool {
        let unchanged = Self { at: last.at, until: last.until, ..self.clone() } == *last;
        unchanged && self.at < last.until && self.at.duration_since(last.at) < FULL_LOOK_EVERY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_spared_only_until_the_next_change_while_schedules_and_fleet_are_the_same_and_not_for_long() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let note = |text: &str| Note {
            until: at("2026-03-02T11:00:00Z"),
            schedules: 12,
            schedules_changed_at: Some(at("2026-01-01T00:00:00Z")),
            fleet_version: 7,
            at: at(text),
        };
        let last = note("2026-03-02T10:40:00Z");
        assert!(note("2026-03-02T10:41:00Z").follows(&last));
        assert!(note("2026-03-02T10:54:59Z").follows(&last));
        assert!(!note("2026-03-02T10:55:00Z").follows(&last), "a full look every 15 minutes");
        let last = note("2026-03-02T10:59:00Z");
        assert!(!note("2026-03-02T11:00:00Z").follows(&last), "the next hour has its own wishes");
        let ahead = Note { until: at("2026-03-02T10:59:10Z"), ..last.clone() };
        assert!(note("2026-03-02T10:59:09Z").follows(&ahead));
        assert!(!note("2026-03-02T10:59:10Z").follows(&ahead), "so has the lead before an hour");
        let now = note("2026-03-02T10:59:30Z");
        assert!(!Note { fleet_version: 8, ..now.clone() }.follows(&last));
        assert!(!Note { schedules: 11, ..now.clone() }.follows(&last));
        assert!(!Note { schedules_changed_at: Some(at("2026-03-02T10:59:10Z")), ..now }.follows(&last));
    }
}
