//! Claims: how a controller takes a host out of service without touching it.
//!
//! One claim per instance, written conditionally. Lifecycle drains the host, reports it out, and restores it when the claim is
//! released or has lapsed. Scalers, healer and teardown honour claims.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::InstanceId;

/// What a drain does with tasks that do not move by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainPolicy {
    /// Wait for them, until the claim lapses or the stop's timeout is over.
    #[default]
    Wait,
    /// Stop them when the waiting time is over.
    Stop,
    /// Do not drain while there are any.
    Refuse,
}

/// A controller's hold on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The host.
    pub instance_id: InstanceId,
    /// Who holds it, for example `security-updates/<campaign>`; only the holder may release it.
    pub holder: String,
    /// Why, in words for on-call.
    pub reason: String,
    /// When it lapses by itself.
    pub until: Timestamp,
    /// What becomes of protected and standalone tasks.
    pub drain: DrainPolicy,
}

/// How long a claim that has lapsed is left to its holder, who may still report on it; then lifecycle removes it.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

impl Claim {
    /// Whether the claim still binds at `now`; at `until` itself it has lapsed.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// Whether it lapsed so long ago that its holder has forgotten it.
    pub fn is_forgotten(&self, now: Timestamp) -> bool {
        now.duration_since(self.until) >= FORGOTTEN_AFTER
    }

    /// Whether `holder` may take the host at `now`, given the claim that stands on it: free, lapsed, or its own.
    pub fn may_take(standing: Option<&Claim>, holder: &str, now: Timestamp) -> bool {
        standing.is_none_or(|c| c.holder == holder || !c.is_in_force(now))
    }
}

/// What lifecycle tells a claim's holder about the host. It stands from when the host is set DRAINING for the claim until it is
/// ACTIVE again, so it outlives the claim by the time that the way back takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimReport {
    /// For whom it was drained: the record's `drained_for`.
    pub holder: String,
    /// Since when the drain is over and the host is out of service; `None` while it is being drained.
    pub out_of_service_since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(holder: &str, until: &str) -> Claim {
        Claim {
            instance_id: InstanceId::from("i"),
            holder: holder.to_owned(),
            reason: "patch".to_owned(),
            until: until.parse().unwrap(),
            drain: DrainPolicy::Wait,
        }
    }

    #[test]
    fn a_claim_is_forgotten_ten_minutes_after_it_lapsed() {
        let lapsed = claim("updates/1", "2026-01-01T10:00:00Z");
        for (now, forgotten) in [("2026-01-01T09:00:00Z", false), ("2026-01-01T10:09:59Z", false), ("2026-01-01T10:10:00Z", true)]
        {
            assert_eq!(lapsed.is_forgotten(now.parse().unwrap()), forgotten, "{now}");
        }
    }

    #[test]
    fn a_claim_binds_until_its_last_moment_and_never_two_holders() {
        let standing = claim("updates/1", "2026-01-01T10:00:00Z");
        for (now, holder, may) in [
            ("2026-01-01T09:59:59Z", "updates/1", true),
            ("2026-01-01T09:59:59Z", "updates/2", false),
            ("2026-01-01T10:00:00Z", "updates/2", true),
        ] {
            assert_eq!(Claim::may_take(Some(&standing), holder, now.parse().unwrap()), may, "{now} {holder}");
        }
        assert!(Claim::may_take(None, "anyone", "2026-01-01T00:00:00Z".parse().unwrap()));
    }
}
