//! The kinds of page; `docs/pages.md` has a runbook for each.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$about:meta])* $name:ident = $text:literal $(or $earlier:literal)?,)+) => {
        /// What a page is about, for filter policies and runbooks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum PageKind {
            $($(#[$about])* #[serde(rename = $text $(, alias = $earlier)?)] $name,)+
        }

        impl PageKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name, as in the message attribute and in the headings of `docs/pages.md`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

kinds! {
    /// A host has failed: it is being healed, or it is not and why.
    AutoHealing = "auto-healing",
    /// A person's hold has ended.
    HoldEnded = "hold-ended",
    /// Many hosts have failed at once, so none is healed.
    Outage = "outage",
    /// A layer has not been able to scale for a while.
    ScalingBlocked = "scaling-blocked",
    /// EC2 has scheduled a stop, a retirement or a reboot of a machine.
    ScheduledEvent = "scheduled-event",
    /// An instance did not come through Setup.
    SetupFailed = "setup-failed" or "setup_failed",
    /// EC2 takes a Spot machine back.
    SpotInterruption = "spot-interruption",
    /// An instance did not start.
    StartFailed = "start-failed" or "start_failed",
    /// An instance did not stop.
    StopFailed = "stop-failed" or "stop_failed",
    /// A step of a teardown does not end.
    TeardownBlocked = "teardown-blocked",
    /// A layer's settings plan its teardown, which comes near; or it was not begun at its moment.
    TeardownPlanned = "teardown-planned",
    /// A rolling update could begin no wave for long.
    UpdateBlocked = "update-blocked",
    /// A rolling update begins no more hosts.
    UpdatePaused = "update-paused",
    /// A host's users are not those who have SSH access.
    UsersOutOfStep = "users-out-of-step",
}

impl std::fmt::Display for PageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
