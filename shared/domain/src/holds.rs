//! Holds: a person, or a manual stop, keeps the scalers' and the healer's hands off an instance or a layer.

use jiff::Timestamp;
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

#[cfg(test)]
mod tests {
    use super::*;

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
