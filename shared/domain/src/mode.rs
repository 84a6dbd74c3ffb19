//! Modes: how on-call stops Strata when Strata itself is the trouble.

use serde::{Deserialize, Serialize};

/// The mode of the installation, a stack or a layer. Ordered from the most to the least free, so that the strictest is the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Decide, tell and act.
    Active,
    /// Decide and tell, do nothing. A new installation starts here.
    Observe,
    /// Do nothing.
    Frozen,
}

/// The kinds of action that a mode may allow or not, when the mode itself cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Starting or launching capacity.
    Start,
    /// Taking capacity away: stop, drain.
    Stop,
    /// Terminating or deleting.
    Terminate,
    /// Changing the software on a host.
    Patch,
}

impl Mode {
    /// Reads the parameter's text; anything unknown is `None` and counts as unreadable.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "active" => Some(Self::Active),
            "observe" => Some(Self::Observe),
            "frozen" => Some(Self::Frozen),
            _ => None,
        }
    }

    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Observe => "observe",
            Self::Frozen => "frozen",
        }
    }

    /// The mode that counts when installation, stack and layer each have one: the strictest.
    pub fn strictest(modes: impl IntoIterator<Item = Mode>) -> Mode {
        modes.into_iter().max().unwrap_or(Mode::Active)
    }
}

/// Whether an action may be done in `mode`. `None` is an unreadable mode: frozen for stop, terminate and patch, while a start may
/// go on, since missing capacity hurts more than a machine too many.
pub fn permits(mode: Option<Mode>, action: ActionKind) -> bool {
    match (mode, action) {
        (Some(Mode::Active), _) => true,
        (Some(Mode::Observe | Mode::Frozen), _) => false,
        (None, ActionKind::Start) => true,
        (None, ActionKind::Stop | ActionKind::Terminate | ActionKind::Patch) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_acts_and_an_unreadable_mode_never_takes_anything_away() {
        use ActionKind::*;
        for (mode, start, rest) in [
            (Some(Mode::Active), true, true),
            (Some(Mode::Observe), false, false),
            (Some(Mode::Frozen), false, false),
            (None, true, false),
        ] {
            assert_eq!(permits(mode, Start), start, "{mode:?}");
            for action in [Stop, Terminate, Patch] {
                assert_eq!(permits(mode, action), rest, "{mode:?} {action:?}");
            }
        }
    }

    #[test]
    fn the_strictest_mode_counts() {
        assert_eq!(Mode::strictest([Mode::Active, Mode::Frozen, Mode::Observe]), Mode::Frozen);
        assert_eq!(Mode::strictest([Mode::Active, Mode::Observe]), Mode::Observe);
        assert_eq!(Mode::strictest([]), Mode::Active);
        assert_eq!(Mode::parse(" frozen\n"), Some(Mode::Frozen));
        assert_eq!(Mode::parse("on"), None);
    }
}
