//! Token buckets: how many calls an API lets through.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::config::ApiSettings;

/// A bucket's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSize {
    /// Calls at once.
    pub burst: u32,
    /// Calls a second that come back.
    pub per_second: u32,
}

/// Tokens in thousandths, so that a millisecond's refill is a whole number.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bucket {
    size: BucketSize,
    thousandths: u64,
    at: Timestamp,
}

impl Bucket {
    /// Takes a token for each of `calls`, or none.
    fn take(&mut self, calls: u64, now: Timestamp) -> bool {
        let passed = u64::try_from(now.duration_since(self.at).as_millis()).unwrap_or(0);
        let full = u64::from(self.size.burst) * 1_000;
        self.thousandths = self.thousandths.saturating_add(passed.saturating_mul(u64::from(self.size.per_second))).min(full);
        self.at = self.at.max(now);
        let price = calls.saturating_mul(1_000);
        if price > self.thousandths {
            return false;
        }
        self.thousandths -= price;
        true
    }
}

/// Calls by action and the buckets that they draw on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Buckets {
    settings: ApiSettings,
    buckets: BTreeMap<String, Bucket>,
    /// Calls by action, throttled ones included.
    pub(super) calls: BTreeMap<String, u64>,
    /// Throttled calls by action.
    pub(super) throttled: BTreeMap<String, u64>,
}

impl Buckets {
    pub(super) fn new(settings: ApiSettings) -> Self {
        Self { settings, buckets: BTreeMap::new(), calls: BTreeMap::new(), throttled: BTreeMap::new() }
    }

    /// Counts `calls` of `action` and takes their tokens; `false`: throttled, and no token taken.
    pub(super) fn admit(&mut self, action: &'static str, calls: u64, now: Timestamp) -> bool {
        add(&mut self.calls, action, calls);
        let Some((name, size)) = self.bucket_of(action) else { return true };
        let full = u64::from(size.burst) * 1_000;
        let bucket = match self.buckets.get_mut(name) {
            Some(bucket) => bucket,
            None => self.buckets.entry(name.to_owned()).or_insert(Bucket { size, thousandths: full, at: now }),
        };
        let admitted = bucket.take(calls, now);
        if !admitted {
            add(&mut self.throttled, action, calls);
        }
        admitted
    }

    fn bucket_of(&self, action: &'static str) -> Option<(&'static str, BucketSize)> {
        let s = &self.settings;
        let (service, verb) = action.split_once(':')?;
        match (service, verb) {
            ("ec2", "RunInstances") => Some(("ec2:RunInstances", s.run_instances)),
            ("ec2", "StartInstances") => Some(("ec2:StartInstances", s.start_instances)),
            ("ec2", verb) if verb.starts_with("Describe") => Some(("ec2:Describe*", s.ec2_describe)),
            ("ec2", _) => Some(("ec2 mutating", s.ec2_mutating)),
            ("ecs", _) => s.ecs.map(|size| ("ecs", size)),
            ("ssm", _) => s.ssm.map(|size| ("ssm", size)),
            ("cloudwatch", _) => s.cloudwatch.map(|size| ("cloudwatch", size)),
            _ => None,
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, action: &str, calls: u64) {
    match counts.get_mut(action) {
        Some(count) => *count += calls,
        None => {
            counts.insert(action.to_owned(), calls);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap()
    }

    #[test]
    fn run_instances_lets_five_through_at_once_and_then_two_a_second() {
        let mut buckets = Buckets::new(ApiSettings::default());
        let mut run = |ms| buckets.admit("ec2:RunInstances", 1, at(ms));
        assert!((0..5).all(|_| run(0)));
        for (ms, admitted) in [(0, false), (499, false), (500, true), (501, false), (999, false), (1_000, true)] {
            assert_eq!(run(ms), admitted, "{ms}");
        }
        assert_eq!((0..10).filter(|_| run(60_000)).count(), 5, "never more than the burst");
        assert_eq!(buckets.calls["ec2:RunInstances"], 21);
        assert_eq!(buckets.throttled["ec2:RunInstances"], 9);
    }

    #[test]
    fn each_action_draws_on_its_own_kind_of_bucket() {
        let count = |action: &'static str| {
            let mut buckets = Buckets::new(ApiSettings::default());
            (0..1_000).filter(|_| buckets.admit(action, 1, at(0))).count()
        };
        for (action, burst) in [
            ("ec2:StartInstances", 5),
            ("ec2:StopInstances", 50),
            ("ec2:DeleteVolume", 50),
            ("ec2:DescribeInstances", 100),
            ("ecs:StopTask", 1_000),
        ] {
            assert_eq!(count(action), burst, "{action}");
        }
    }

    #[test]
    fn stops_and_terminations_share_a_bucket_and_a_call_too_many_takes_no_token() {
        let mut buckets = Buckets::new(ApiSettings::default());
        assert!(buckets.admit("ec2:StopInstances", 40, at(0)));
        assert!(!buckets.admit("ec2:TerminateInstances", 11, at(0)));
        assert!(buckets.admit("ec2:TerminateInstances", 10, at(0)));
    }
}
