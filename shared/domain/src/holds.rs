//! Holds: a person, or a manual stop, keeps the scalers' and the healer's hands off an instance or a layer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{InstanceId, LayerId};

/// What is held.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldTarget {
    /// One instance.
    Instance(InstanceId),
    /// Every instance of a layer.
    Layer(LayerId),
}

/// How a hold came about, and so how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// A person's, by `strata hold`: ends with its time or by release.
    Person,
    /// StopInstance or StopStack on a time- or load-based instance. A time-based one is held until its next off-to-on boundary
    /// [TIME-9], a load-based one until StartInstance or a new SetLoadBasedAutoScaling [LOAD-15].
    ManualStop,
    /// Somebody else set the host DRAINING or stopped it: not fought over.
    Foreign,
}

/// A hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// On what.
    pub target: HoldTarget,
    /// Where it comes from.
    pub kind: HoldKind,
    /// By whom, an ARN or a function's name.
    pub by: String,
    /// Why, in words for on-call.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None` is until something ends it.
    pub until: Option<Timestamp>,
}

impl Hold {
    /// Whether it binds at `now`; at `until` itself it is over.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether it covers an instance that is in these layers.
    pub fn covers(&self, instance: &InstanceId, layers: &[LayerId]) -> bool {
        match &self.target {
            HoldTarget::Instance(id) => id == instance,
            HoldTarget::Layer(id) => layers.contains(id),
        }
    }
}

/// A person's hold lasts at most so long: one that nobody thinks of any more must end.
pub const LONGEST_HOLD: SignedDuration = SignedDuration::from_hours(90 * 24);
/// A reason has at most so many characters; pages quote it.
pub const LONGEST_REASON: usize = 256;

/// A hold that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRequest {
    /// On what.
    pub target: HoldTarget,
    /// Whose: an ARN.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether another person's hold gives way to it.
    pub replaces: bool,
}

/// Why a hold is not placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldRefused {
    /// No reason, or one that pages cannot quote.
    #[error("Reason: expected 1 to {LONGEST_REASON} characters on one line, so that whoever is on call knows why")]
    Reason,
    /// It ends now, or too late.
    #[error("Until: {until} is not after now, {now}, and at most {} days from it", LONGEST_HOLD.as_hours() / 24)]
    Until {
        /// As asked for.
        until: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// Somebody else's is in force.
    #[error("{by} holds it until {until}: \"{reason}\". Ask them, or let the new hold replace theirs")]
    Held {
        /// Who.
        by: String,
        /// Until when.
        until: String,
        /// Why.
        reason: String,
    },
}

/// The hold that a request comes to; `held` is the person's hold that the target has. One's own is prolonged or shortened, another person's only
/// where that is asked for; one that is over counts no more.
///
/// # Errors
/// [`HoldRefused`].
pub fn place(request: HoldRequest, held: Option<&Hold>, now: Timestamp) -> Result<Hold, HoldRefused> {
    let HoldRequest { target, by, reason, until, replaces } = request;
    let reason = reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(HoldRefused::Reason);
    }
    if until <= now || until.duration_since(now) > LONGEST_HOLD {
        return Err(HoldRefused::Until { until, now });
    }
    if let Some(held) = held.filter(|held| held.is_in_force(now) && held.by != by && !replaces) {
        let until = held.until.map_or_else(|| "it is released".to_owned(), |until| until.to_string());
        return Err(HoldRefused::Held { by: held.by.clone(), until, reason: held.reason.clone() });
    }
    Ok(Hold { target, kind: HoldKind::Person, by, reason, since: now, until: Some(until) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-03-01T00:00:00Z";

    fn request(by: &str, until: &str) -> HoldRequest {
        let (target, reason) = (HoldTarget::Instance("i".into()), "kernel dump".to_owned());
        HoldRequest { target, by: by.to_owned(), reason, until: until.parse().unwrap(), replaces: false }
    }

    #[test]
    fn a_persons_hold_ends_after_now_and_within_90_days() {
        for (until, is_placed) in [
            ("2026-02-28T23:59:59Z", false),
            (NOW, false),
            ("2026-03-01T00:00:01Z", true),
            ("2026-05-30T00:00:00Z", true),
            ("2026-05-30T00:00:01Z", false),
        ] {
            assert_eq!(place(request("ada", until), None, NOW.parse().unwrap()).is_ok(), is_placed, "{until}");
        }
        let told = place(request("ada", NOW), None, NOW.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(told, "Until: 2026-03-01T00:00:00Z is not after now, 2026-03-01T00:00:00Z, and at most 90 days from it");
    }

    #[test]
    fn a_hold_has_a_reason_that_a_page_can_quote() {
        let long = "x".repeat(LONGEST_REASON);
        for (reason, kept) in [
            ("", None),
            ("  ", None),
            ("two\nlines", None),
            (&*format!("{long}x"), None),
            (&*long, Some(&*long)),
            (" kernel dump ", Some("kernel dump")),
        ] {
            let asked = HoldRequest { reason: reason.to_owned(), ..request("ada", "2026-03-02T00:00:00Z") };
            let placed = place(asked, None, NOW.parse().unwrap()).ok().map(|hold| hold.reason);
            assert_eq!(placed.as_deref(), kept, "{reason:?}");
        }
    }

    #[test]
    fn another_persons_hold_gives_way_only_when_asked_to_or_when_it_is_over() {
        let now: Timestamp = NOW.parse().unwrap();
        let held = |until: Option<&str>| Hold {
            target: HoldTarget::Instance("i".into()),
            kind: HoldKind::Person,
            by: "bob".into(),
            reason: "demo".into(),
            since: "2026-02-01T00:00:00Z".parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
        };
        let (later, open) = (held(Some("2026-03-01T12:00:00Z")), held(None));
        for (by, replaces, other, is_placed) in [
            ("ada", false, &later, false),
            ("ada", true, &later, true),
            ("bob", false, &later, true),
            ("ada", false, &held(Some(NOW)), true),
            ("ada", false, &open, false),
        ] {
            let asked = HoldRequest { replaces, ..request(by, "2026-03-02T00:00:00Z") };
            assert_eq!(place(asked, Some(other), now).is_ok(), is_placed, "{by} {replaces} {other:?}");
        }
        let told = place(request("ada", "2026-03-02T00:00:00Z"), Some(&later), now).unwrap_err().to_string();
        assert_eq!(told, "bob holds it until 2026-03-01T12:00:00Z: \"demo\". Ask them, or let the new hold replace theirs");
    }

    #[test]
    fn a_hold_covers_its_instance_or_its_layers_members_until_it_ends() {
        let hold = |target, until: Option<&str>| Hold {
            target,
            kind: HoldKind::Person,
            by: "ada".into(),
            reason: "debugging".into(),
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: until.map(|u| u.parse().unwrap()),
        };
        let (i, l) = (InstanceId::from("i"), LayerId::from("l"));
        assert!(hold(HoldTarget::Instance(i.clone()), None).covers(&i, &[]));
        assert!(!hold(HoldTarget::Instance("j".into()), None).covers(&i, std::slice::from_ref(&l)));
        assert!(hold(HoldTarget::Layer(l.clone()), None).covers(&i, std::slice::from_ref(&l)));
        let ends = hold(HoldTarget::Layer(l), Some("2026-01-01T10:00:00Z"));
        assert!(ends.is_in_force("2026-01-01T09:59:59Z".parse().unwrap()));
        assert!(!ends.is_in_force("2026-01-01T10:00:00Z".parse().unwrap()));
    }
}
