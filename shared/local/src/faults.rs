//! Faults: wraps any ports so that chosen calls fail, before or after they took effect, or are the last thing that a process does.
//!
//! The wrapped ports know nothing of it; what fails is decided by a seed, or written in the test that needs it.

mod attaching;
mod crash;
mod reading;
mod upkeep;
mod wrappers;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use strata_ports::{Clock, CloudError, Ports};

use crash::Crash;
pub use crash::{Called, Moment};
use tokio::sync::Notify;

use crate::rng;

/// How much the world misbehaves; the cloud, the bus and the ports each have their own figures for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Not at all.
    #[default]
    None,
    /// As on an ordinary day.
    Light,
    /// As on the worst one.
    Heavy,
}

/// What is done to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `RetryLater`, nothing happened.
    Throttled,
    /// `RetryLater`, nothing happened.
    Unavailable,
    /// `OutcomeUnknown`, and nothing happened.
    RequestLost,
    /// `OutcomeUnknown`, and it happened.
    ReplyLost,
    /// `Refused` with this code, nothing happened.
    Refused(String),
    /// `Wrong` with this code, nothing happened.
    Wrong(String),
}

impl Fault {
    /// In two words.
    fn effect(&self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::RequestLost => "request lost",
            Self::ReplyLost => "reply lost",
            Self::Refused(_) => "refused",
            Self::Wrong(_) => "wrong",
        }
    }
}

/// Which of an action's calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The first is 1.
    Nth(u64),
    /// This one and all after it; the first is 1.
    From(u64),
}

/// The `n`th call of an action; the first is 1.
pub fn nth(n: u64) -> When {
    When::Nth(n)
}

/// Every call of an action.
pub fn always() -> When {
    When::From(1)
}

/// How often calls fail, of 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Nothing happened; half of them say so, the other half leave it open. Reading calls always say so.
    pub before_per_mille: u32,
    /// It happened, but the answer is lost.
    pub after_per_mille: u32,
    /// Throttled; for a commit of the store: cancelled by an overlapping one.
    pub throttle_per_mille: u32,
}

/// What fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Seed of what is left to chance.
    pub seed: u64,
    /// For actions without rates of their own.
    pub rates: Rates,
    /// Rates by action, for example `ec2:RunInstances`, `store:commit`.
    pub by_action: BTreeMap<String, Rates>,
    /// What fails for certain.
    pub scripted: Vec<(String, When, Fault)>,
}

impl FaultPlan {
    /// A plan by which nothing fails, to add to.
    pub fn quiet(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The plan of a profile.
    pub fn of(profile: Profile, seed: u64) -> Self {
        let rates = match profile {
            Profile::None => Rates::default(),
            Profile::Light => Rates { before_per_mille: 2, after_per_mille: 2, throttle_per_mille: 3 },
            Profile::Heavy => Rates { before_per_mille: 20, after_per_mille: 20, throttle_per_mille: 20 },
        };
        // The store is asked tens of times where the cloud is asked once, and an adapter's own retries stand before it: what a caller
        // still meets is rarer.
        let store = Rates {
            before_per_mille: rates.before_per_mille.div_ceil(8),
            after_per_mille: rates.after_per_mille.div_ceil(8),
            throttle_per_mille: rates.throttle_per_mille.div_ceil(8),
        };
        let plan = Self { rates, ..Self::quiet(seed) };
        ["store:get", "store:list", "store:commit"].into_iter().fold(plan, |plan, action| plan.rate(action, store))
    }

    /// Lets one action fail at rates of its own.
    #[must_use]
    pub fn rate(mut self, action: &str, rates: Rates) -> Self {
        self.by_action.insert(action.to_owned(), rates);
        self
    }

    /// Lets certain calls of an action fail: `.on("ec2:RunInstances", nth(2), Fault::ReplyLost)`.
    #[must_use]
    pub fn on(mut self, action: &str, when: When, fault: Fault) -> Self {
        self.scripted.push((action.to_owned(), when, fault));
        self
    }
}

/// A fault that was put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// When.
    pub at: Timestamp,
    /// The action.
    pub action: &'static str,
    /// What was done to it, for example `reply lost`.
    pub effect: &'static str,
}

/// Whether a call changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Reads,
    Writes,
}

#[derive(Debug)]
struct Dice {
    plan: FaultPlan,
    rng: ChaCha8Rng,
    calls: BTreeMap<&'static str, u64>,
    injected: Vec<Injected>,
    is_quiet: bool,
}

/// Decides which calls fail. Keep it to read what was put in.
pub struct Faulty {
    dice: Mutex<Dice>,
    clock: Arc<dyn Clock>,
    crash: Mutex<Crash>,
    died: Notify,
}

impl Faulty {
    /// A decider by `plan`, which tells times by `clock`.
    pub fn new(plan: FaultPlan, clock: Arc<dyn Clock>) -> Arc<Self> {
        let rng = rng::stream(plan.seed, "faults");
        let dice = Dice { plan, rng, calls: BTreeMap::new(), injected: Vec::new(), is_quiet: false };
        Arc::new(Self { dice: Mutex::new(dice), clock, crash: Mutex::default(), died: Notify::new() })
    }

    /// `ports` with faults by `plan`, when nobody asks afterwards what was put in. Clock, ids and modes never fail.
    pub fn over(ports: Ports, plan: FaultPlan) -> Ports {
        Self::new(plan, ports.clock.clone()).wrap(ports)
    }

    /// `ports` with this one's faults.
    pub fn wrap(self: &Arc<Self>, ports: Ports) -> Ports {
        wrappers::wrap(self, ports)
    }

    /// While quiet nothing fails; the calls go on being counted.
    pub fn set_quiet(&self, quiet: bool) {
        self.dice().is_quiet = quiet;
    }

    /// What was put in since the last call.
    pub fn take_injected(&self) -> Vec<Injected> {
        std::mem::take(&mut self.dice().injected)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn crash(&self) -> MutexGuard<'_, Crash> {
        self.crash.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault of this call, if it is to have one.
    fn decide(&self, action: &'static str, kind: Kind) -> Option<Fault> {
        let at = self.clock.now();
        let mut dice = self.dice();
        let fault = dice.roll(action, kind)?;
        dice.injected.push(Injected { at, action, effect: fault.effect() });
        Some(fault)
    }

    /// Makes the call, unless it fails or the process dies before; forgets its answer, if either comes after.
    async fn run<T>(
        &self,
        action: &'static str,
        kind: Kind,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let end = self.end_at(action, kind);
        self.die_if(end == Some(Moment::Before)).await;
        let answer = self.run_by_plan(action, kind, call).await;
        self.die_if(end == Some(Moment::After)).await;
        answer
    }

    async fn run_by_plan<T>(
        &self,
        action: &'static str,
        kind: Kind,
        call: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let later = |why: &str| CloudError::RetryLater { action, why: why.to_owned() };
        let unknown = |why: &str| CloudError::OutcomeUnknown { action, why: why.to_owned() };
        match self.decide(action, kind) {
            None => call.await,
            Some(Fault::Throttled) => Err(later("Throttling: rate exceeded")),
            Some(Fault::Unavailable) => Err(later("ServiceUnavailable")),
            Some(Fault::RequestLost) => Err(unknown("the connection was reset")),
            Some(Fault::ReplyLost) => Err(call.await.err().unwrap_or_else(|| unknown("the connection was reset"))),
            Some(Fault::Refused(code)) => Err(CloudError::Refused { action, code, why: "refused by plan".to_owned() }),
            Some(Fault::Wrong(code)) => Err(CloudError::Wrong { action, code, why: "wrong by plan".to_owned() }),
        }
    }
}

impl Dice {
    fn roll(&mut self, action: &'static str, kind: Kind) -> Option<Fault> {
        let calls = self.calls.entry(action).or_default();
        *calls += 1;
        let number = *calls;
        if self.is_quiet {
            return None;
        }
        let hits = |when: &When| match when {
            When::Nth(n) => number == *n,
            When::From(n) => number >= *n,
        };
        if let Some((_, _, fault)) = self.plan.scripted.iter().find(|(a, when, _)| a == action && hits(when)) {
            return Some(fault.clone());
        }
        let rates = self.plan.by_action.get(action).copied().unwrap_or(self.plan.rates);
        // One draw for each of the three, so that one rate's change doesn't shift what the others meet.
        let throttled = rng::chance(&mut self.rng, rates.throttle_per_mille);
        let before = rng::chance(&mut self.rng, rates.before_per_mille);
        let after = rng::chance(&mut self.rng, rates.after_per_mille);
        match kind {
            _ if throttled => Some(Fault::Throttled),
            Kind::Reads => (before || after).then_some(Fault::Unavailable),
            Kind::Writes if before => Some(if rng::chance(&mut self.rng, 500) { Fault::Unavailable } else { Fault::RequestLost }),
            Kind::Writes => after.then_some(Fault::ReplyLost),
        }
    }
}
