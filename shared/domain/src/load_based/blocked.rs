//! When a layer that cannot scale is worth a page.
//!
//! A layer is blocked while one of the user's alarms has no data [LOAD-21], while upscaling is due and nothing is left to start, and while
//! all that downscaling could stop is held. That nothing is left to stop is every quiet night, and no block.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Direction, HoldReason};
use crate::decision::Severity;

/// On-call is told when a layer has been blocked for so long without a break, and that it is over when it has not been for as long.
pub const TOLD_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// A layer that is blocked, or was a moment ago; stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// Since when, without a break.
    pub since: Timestamp,
    /// Whether on-call knows.
    pub is_told: bool,
    /// On-call knows, but since then it is not blocked any more.
    pub clear_since: Option<Timestamp>,
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Nothing,
    /// Store this.
    Note(Blocked),
    /// Store this, and tell on-call.
    Tell(Blocked),
    /// It did not last: forget it.
    Forget,
    /// Forget it, and tell on-call that it is over.
    Resolve,
}

/// Looks at what stands and whether the layer is blocked at `now`.
pub fn watch(standing: Option<&Blocked>, is_blocked: bool, now: Timestamp) -> Watch {
    let lasted = |since: Timestamp| now.duration_since(since) >= TOLD_AFTER;
    match (standing, is_blocked) {
        (None, false) => Watch::Nothing,
        (None, true) => Watch::Note(Blocked { since: now, is_told: false, clear_since: None }),
        (Some(blocked), true) if !blocked.is_told && lasted(blocked.since) => {
            Watch::Tell(Blocked { is_told: true, ..blocked.clone() })
        }
        (Some(blocked), true) if blocked.clear_since.is_some() => Watch::Note(Blocked { clear_since: None, ..blocked.clone() }),
        (Some(_), true) => Watch::Nothing,
        (Some(blocked), false) if !blocked.is_told => Watch::Forget,
        (Some(blocked), false) => match blocked.clear_since {
            None => Watch::Note(Blocked { clear_since: Some(now), ..blocked.clone() }),
            Some(since) if lasted(since) => Watch::Resolve,
            Some(_) => Watch::Nothing,
        },
    }
}

impl HoldReason {
    /// How bad it is that the layer cannot scale for this reason; `None`: it is not blocked.
    pub fn blocks(&self) -> Option<Severity> {
        match self {
            Self::InsufficientData { .. } => Some(Severity::Warning),
            Self::NoCandidates { direction: Direction::Up, .. } => Some(Severity::Critical),
            Self::NoCandidates { direction: Direction::Down, held, .. } => (*held > 0).then_some(Severity::Warning),
            Self::Disabled
            | Self::Ignoring { .. }
            | Self::NothingCrossed
            | Self::Waiting { .. }
            | Self::WouldNotFit { .. }
            | Self::NotAll { .. }
            | Self::AtFloor { .. }
            | Self::WouldCross { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn blocked(since: i64, is_told: bool, clear_since: Option<i64>) -> Blocked {
        Blocked { since: at(since), is_told, clear_since: clear_since.map(at) }
    }

    #[test]
    fn on_call_is_told_after_five_minutes_without_a_break_and_once() {
        for (standing, is_blocked, second, expected) in [
            (None, false, 0, Watch::Nothing),
            (None, true, 7, Watch::Note(blocked(7, false, None))),
            (Some(blocked(0, false, None)), true, 299, Watch::Nothing),
            (Some(blocked(0, false, None)), true, 300, Watch::Tell(blocked(0, true, None))),
            (Some(blocked(0, true, None)), true, 301, Watch::Nothing),
            (Some(blocked(0, true, None)), true, 9_000, Watch::Nothing),
            (Some(blocked(0, false, None)), false, 299, Watch::Forget),
            (Some(blocked(0, false, None)), false, 300, Watch::Forget),
        ] {
            assert_eq!(watch(standing.as_ref(), is_blocked, at(second)), expected, "{standing:?} {is_blocked} {second}");
        }
    }

    #[test]
    fn its_end_is_told_after_five_minutes_without_a_block() {
        for (standing, is_blocked, second, expected) in [
            (blocked(0, true, None), false, 400, Watch::Note(blocked(0, true, Some(400)))),
            (blocked(0, true, Some(400)), false, 699, Watch::Nothing),
            (blocked(0, true, Some(400)), false, 700, Watch::Resolve),
            (blocked(0, true, Some(400)), true, 700, Watch::Note(blocked(0, true, None))),
        ] {
            assert_eq!(watch(Some(&standing), is_blocked, at(second)), expected, "{standing:?} {is_blocked} {second}");
        }
    }

    /// [LOAD-21] [LOAD-14]
    #[test]
    fn load_21_load_14_an_alarm_without_data_or_nothing_to_start_blocks_and_a_quiet_night_does_not() {
        let none_left = |direction, held| HoldReason::NoCandidates { direction, fired_by: "cpu".to_owned(), held };
        let cpu = || "cpu".to_owned();
        for (reason, severity) in [
            (HoldReason::InsufficientData { alarm: cpu(), is_missing: false }, Some(Severity::Warning)),
            (none_left(Direction::Up, 0), Some(Severity::Critical)),
            (none_left(Direction::Up, 2), Some(Severity::Critical)),
            (none_left(Direction::Down, 1), Some(Severity::Warning)),
            (none_left(Direction::Down, 0), None),
            (HoldReason::Disabled, None),
            (HoldReason::NothingCrossed, None),
            (HoldReason::Ignoring { direction: Direction::Up, until: at(0) }, None),
            (HoldReason::AtFloor { fired_by: cpu(), min_online: 2 }, None),
            (HoldReason::NotAll { calm: cpu() }, None),
        ] {
            assert_eq!(reason.blocks(), severity, "{reason}");
        }
    }
}
