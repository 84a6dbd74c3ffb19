//! The event bus between the cloud and the functions: it delays, reorders, doubles and loses, as far as each source allows.
//!
//! Hints go through a queue that hands them out in batches; alarms, and the status of updates, go to their function directly. Time is
//! what the caller says it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use strata_triggers::emit::{Envelope, QueuedMessage, sqs_batch};

use crate::cloud::{Emission, Source, Spread, after, fresh_uuid};
use crate::faults::Profile;
use crate::rng;

/// Which function is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// instance-lifecycle, by a batch of its hint queue.
    InstanceLifecycle,
    /// load-scaling, by an alarm.
    LoadScaling,
    /// security-updates, by the status of an update on a host, or the word of a request.
    SecurityUpdates,
    /// teardown, by the word of a request.
    Teardown,
}

impl Target {
    /// The function's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InstanceLifecycle => "instance-lifecycle",
            Self::LoadScaling => "load-scaling",
            Self::SecurityUpdates => "security-updates",
            Self::Teardown => "teardown",
        }
    }
}

/// An invocation that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Names it in [`Bus::done`].
    pub id: u64,
    /// When it was due.
    pub at: Timestamp,
    /// The function.
    pub target: Target,
    /// The event, in AWS's exact JSON.
    pub body: String,
    /// How many messages it carries; 1 for a direct one.
    pub messages: usize,
}

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It succeeded, but for these messages of the batch.
    Except(Vec<String>),
    /// It failed as a whole.
    Failed,
}

/// What the bus did to an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusNote {
    /// When.
    pub at: Timestamp,
    /// The source of the event.
    pub source: Source,
    /// What: `lost`, `delivered twice`, `delivered late`, `dead letter`.
    pub effect: &'static str,
}

/// How a class of sources is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Usual time under way. A fixed one keeps the order.
    pub delay: Spread,
    /// So many of 1,000 take `late` on top.
    pub late_per_mille: u32,
    /// See `late_per_mille`.
    pub late: Spread,
    /// So many of 1,000 come twice.
    pub twice_per_mille: u32,
    /// So many of 1,000 never come.
    pub lost_per_mille: u32,
}

/// Settings of the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusSettings {
    /// Events of EC2, ECS, SSM and Spot: AWS sends them on a best-effort basis.
    pub best_effort: Manner,
    /// Alarms: at least once, so never lost.
    pub at_least_once: Manner,
    /// The queue's batching window. Default 1 s.
    pub window_ms: i64,
    /// Most messages in a batch. Default 100.
    pub batch: usize,
    /// After a failure a message is delivered again so much later. Default 30 s.
    pub visibility_ms: i64,
    /// A message that failed so often becomes a dead letter. Default 5.
    pub max_receives: u32,
    /// A direct invocation that failed is repeated so often, after one minute, then two. Default 2.
    pub direct_retries: u32,
    /// Account of the queue.
    pub account: String,
    /// Region of the queue.
    pub region: String,
}

impl BusSettings {
    /// The settings of a fault profile.
    pub fn of(profile: Profile) -> Self {
        let late = Spread::seconds(10, 30, 180);
        let none = Manner { delay: Spread::fixed_ms(500), late_per_mille: 0, late, twice_per_mille: 0, lost_per_mille: 0 };
        let (best_effort, at_least_once) = match profile {
            Profile::None => (none, none),
            Profile::Light => {
                let light = Manner {
                    delay: Spread::ms(150, 700, 6_000),
                    late_per_mille: 10,
                    late,
                    twice_per_mille: 10,
                    lost_per_mille: 10,
                };
                (light, Manner { lost_per_mille: 0, ..light })
            }
            Profile::Heavy => {
                let delay = Spread::ms(150, 2_000, 30_000);
                let heavy = Manner { delay, late_per_mille: 60, late, twice_per_mille: 100, lost_per_mille: 150 };
                (heavy, Manner { lost_per_mille: 0, ..heavy })
            }
        };
        Self {
            best_effort,
            at_least_once,
            window_ms: 1_000,
            batch: 100,
            visibility_ms: 30_000,
            max_receives: 5,
            direct_retries: 2,
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    fn manner(&self, source: Source) -> Manner {
        match source {
            Source::Ec2 | Source::Spot | Source::Ecs | Source::Ssm | Source::SsmUpdate | Source::Health => self.best_effort,
            Source::CloudWatch | Source::CampaignAsked | Source::TeardownAsked => self.at_least_once,
        }
    }
}

/// Which functions an event goes to.
fn targets(source: Source) -> &'static [Target] {
    match source {
        Source::Ec2 | Source::Spot | Source::Ecs | Source::Ssm | Source::Health => &[Target::InstanceLifecycle],
        Source::SsmUpdate => &[Target::InstanceLifecycle, Target::SecurityUpdates],
        Source::CloudWatch => &[Target::LoadScaling],
        Source::CampaignAsked => &[Target::SecurityUpdates],
        Source::TeardownAsked => &[Target::Teardown],
    }
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    source: Source,
    body: String,
    /// How often it has been handed out.
    receives: u32,
}

/// The bus.
#[derive(Debug)]
pub struct Bus {
    settings: BusSettings,
    rng: ChaCha8Rng,
    ids: ChaCha8Rng,
    sequence: u64,
    under_way: BTreeMap<(Timestamp, u64), (Target, Message)>,
    /// The batch that is being gathered, and when its window closes.
    gathering: Vec<Message>,
    closes_at: Option<Timestamp>,
    in_flight: BTreeMap<u64, (Target, Vec<Message>)>,
    notes: Vec<BusNote>,
}

impl Bus {
    /// A bus with a profile's settings.
    pub fn new(seed: u64, profile: Profile) -> Self {
        Self::with_settings(seed, BusSettings::of(profile))
    }

    /// A bus.
    pub fn with_settings(seed: u64, settings: BusSettings) -> Self {
        Self {
            settings,
            rng: rng::stream(seed, "bus"),
            ids: rng::stream(seed, "bus/ids"),
            sequence: 0,
            under_way: BTreeMap::new(),
            gathering: Vec::new(),
            closes_at: None,
            in_flight: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Takes an event at `now`.
    pub fn send(&mut self, now: Timestamp, emission: &Emission) {
        let manner = self.settings.manner(emission.source);
        for target in targets(emission.source) {
            if rng::chance(&mut self.rng, manner.lost_per_mille) {
                self.note(now, emission.source, "lost");
                continue;
            }
            let is_twice = rng::chance(&mut self.rng, manner.twice_per_mille);
            if is_twice {
                self.note(now, emission.source, "delivered twice");
            }
            for _ in 0..=u8::from(is_twice) {
                let mut ms = manner.delay.draw(&mut self.rng);
                if rng::chance(&mut self.rng, manner.late_per_mille) {
                    ms += manner.late.draw(&mut self.rng);
                    self.note(now, emission.source, "delivered late");
                }
                let id = fresh_uuid(&mut self.ids);
                let message = Message { id, source: emission.source, body: emission.body.clone(), receives: 0 };
                self.enter(after(now, ms), *target, message);
            }
        }
    }

    /// When something is next due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let arrives = self.under_way.first_key_value().map(|((at, _), _)| *at);
        arrives.into_iter().chain(self.closes_at).min()
    }

    /// What is due at `now`, in the order of time.
    pub fn due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let mut due = Vec::new();
        while let Some(at) = self.next_due().filter(|at| *at <= now) {
            if self.closes_at == Some(at) {
                due.extend(self.close_batch(at));
                continue;
            }
            let Some((_, (target, message))) = self.under_way.pop_first() else { break };
            if target == Target::InstanceLifecycle {
                due.extend(self.gather(at, message));
            } else {
                due.push(self.hand_out(at, target, vec![message]));
            }
        }
        due
    }

    /// What became of a delivery: what failed is delivered again later, until it has failed too often.
    pub fn done(&mut self, now: Timestamp, delivery: u64, done: &Done) {
        let Some((target, messages)) = self.in_flight.remove(&delivery) else { return };
        for message in messages {
            let has_failed = match done {
                Done::Failed => true,
                Done::Except(failed) => failed.contains(&message.id),
            };
            if !has_failed {
                continue;
            }
            let (most, ms) = match target {
                Target::InstanceLifecycle => (self.settings.max_receives, self.settings.visibility_ms),
                Target::LoadScaling | Target::SecurityUpdates | Target::Teardown => {
                    (self.settings.direct_retries.saturating_add(1), i64::from(message.receives) * 60_000)
                }
            };
            if message.receives >= most {
                self.note(now, message.source, "dead letter");
            } else {
                self.enter(after(now, ms), target, message);
            }
        }
    }

    /// What the bus did to events since the last call.
    pub fn take_notes(&mut self) -> Vec<BusNote> {
        std::mem::take(&mut self.notes)
    }

    fn note(&mut self, at: Timestamp, source: Source, effect: &'static str) {
        self.notes.push(BusNote { at, source, effect });
    }

    fn enter(&mut self, at: Timestamp, target: Target, message: Message) {
        self.sequence += 1;
        self.under_way.insert((at, self.sequence), (target, message));
    }

    fn gather(&mut self, at: Timestamp, message: Message) -> Option<Delivery> {
        if self.gathering.is_empty() {
            self.closes_at = Some(after(at, self.settings.window_ms));
        }
        self.gathering.push(message);
        if self.gathering.len() >= self.settings.batch { self.close_batch(at) } else { None }
    }

    fn close_batch(&mut self, at: Timestamp) -> Option<Delivery> {
        self.closes_at = None;
        let messages = std::mem::take(&mut self.gathering);
        (!messages.is_empty()).then(|| self.hand_out(at, Target::InstanceLifecycle, messages))
    }

    fn hand_out(&mut self, at: Timestamp, target: Target, mut messages: Vec<Message>) -> Delivery {
        for message in &mut messages {
            message.receives += 1;
        }
        let body = match (target, messages.first()) {
            (Target::LoadScaling | Target::SecurityUpdates | Target::Teardown, Some(only)) => only.body.clone(),
            _ => self.batch_body(at, &messages),
        };
        self.sequence += 1;
        let delivery = Delivery { id: self.sequence, at, target, body, messages: messages.len() };
        self.in_flight.insert(delivery.id, (target, messages));
        delivery
    }

    fn batch_body(&mut self, at: Timestamp, messages: &[Message]) -> String {
        let id = fresh_uuid(&mut self.ids);
        let envelope = Envelope { account: &self.settings.account, region: &self.settings.region, at, id: &id };
        let queued: Vec<QueuedMessage<'_>> =
            messages.iter().map(|m| QueuedMessage { message_id: &m.id, body: &m.body, receive_count: m.receives }).collect();
        sqs_batch(&envelope, "strata-hints", &queued)
    }
}

#[cfg(test)]
mod tests;
