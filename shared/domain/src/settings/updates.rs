//! `"strata".updates`: how a layer is updated.

use serde::{Deserialize, Serialize};

/// `"strata".updates`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateSettings {
    /// At most so many percent of the layer's online instances are out at once, at least one. 1 to 100, default 10.
    pub max_unavailable_percent: u8,
    /// So many instances go first, alone. Default 1.
    pub canary: u32,
    /// Minutes to watch the canary before the rest goes. Default 10.
    pub soak_minutes: u32,
    /// Stop starting new ones after so many failures; default 2. A failed canary always stops.
    pub failure_budget: u32,
    /// Minutes that one host's drain may take before it is given back and skipped. Default 30.
    pub drain_minutes: u32,
    /// Minutes that patch and reboot of one host may take. Default 30.
    pub patch_minutes: u32,
    /// Length of a window in minutes: no new host is begun after it. Default 240.
    pub window_minutes: u32,
}

impl Default for UpdateSettings {
    fn default() -> Self {
        Self {
            max_unavailable_percent: 10,
            canary: 1,
            soak_minutes: 10,
            failure_budget: 2,
            drain_minutes: 30,
            patch_minutes: 30,
            window_minutes: 240,
        }
    }
}

impl UpdateSettings {
    /// What is wrong with it: the member, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=100).contains(&self.max_unavailable_percent) {
            return Err(("max_unavailable_percent", format!("{} is not within 1 to 100", self.max_unavailable_percent)));
        }
        Ok(())
    }
}
