//! The world's motor in real time: the cloud, the bus, the table's stream, the minute ticks; until the process ends.
//!
//! It does what `world::drive` does for a scenario, without faults, record and invariants. A crash loses events that were under way:
//! they are hints, and the tick makes up for them. Table changes are acknowledged when the function has dealt with them, so they come
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use strata_domain::decision::Function;
use strata_domain::model::Layer;
use strata_domain::{LayerId, StackId};
use strata_local::bus::{self, Bus, Target};
use strata_local::cloud::LayerMetrics;
use strata_local::{ChangeFeed, RandomIds, RedbStore, SimCloud, VirtualClock};
use strata_ports::store::Listing;
use strata_ports::{Clock, Ids, Store, StoreError, keys};
use strata_triggers::emit::{self, Envelope};
use tokio::task::JoinSet;

use super::account::REGION;
use crate::sim::world::calendar::next_minute;
use crate::sim::world::drive::{STREAM_WINDOW, is_streamed};
use crate::sim::world::functions::Functions;
use crate::sim::world::setup::ACCOUNT;

/// What each host in service shows of itself if nobody has said otherwise.
const CPU_PERCENT: f64 = 35.0;
/// What happens by itself is saved so often; a call is saved before it is answered.
const SAVED_EVERY: Duration = Duration::from_secs(1);
/// What failed on the way from the table comes again so much later.
const STREAM_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// CPU percent by layer, where a person has set it.
pub(super) type Demand = Arc<Mutex<BTreeMap<LayerId, f64>>>;

enum Origin {
    Schedule,
    /// These keys, and what to acknowledge.
    Stream(BTreeSet<(String, String)>, u64),
    Bus(u64),
}

struct Done {
    origin: Origin,
    /// Messages that go back to the queue; `None`: it failed as a whole.
    failed_messages: Option<Vec<String>>,
}

pub(super) struct Motor {
    clock: Arc<VirtualClock>,
    cloud: Arc<SimCloud>,
    store: Arc<RedbStore>,
    functions: Arc<Functions>,
    demand: Demand,
    bus: Bus,
    running: JoinSet<Done>,
    gathered: BTreeSet<(String, String)>,
    taken_up_to: Option<u64>,
    stream_due: Option<Timestamp>,
    stream_is_running: bool,
}

impl Motor {
    pub(super) fn new(
        clock: Arc<VirtualClock>,
        cloud: Arc<SimCloud>,
        store: Arc<RedbStore>,
        functions: Arc<Functions>,
        demand: Demand,
    ) -> Self {
        // Without faults the bus draws nothing, so the seed is of no consequence.
        let bus = Bus::new(1, strata_local::faults::Profile::None);
        let (running, gathered) = (JoinSet::new(), BTreeSet::new());
        Self {
            clock,
            cloud,
            store,
            functions,
            demand,
            bus,
            running,
            gathered,
            taken_up_to: None,
            stream_due: None,
            stream_is_running: false,
        }
    }

    /// Runs until it is dropped, which is as good as a crash: everything that counts is on disk.
    ///
    /// # Errors
    /// The disk's: the world cannot go on without it.
    pub(super) async fn run(mut self) -> Result<(), anyhow::Error> {
        let mut minute = next_minute(self.clock.now());
        let mut save = tokio::time::interval(SAVED_EVERY);
        save.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = self.clock.now();
            self.follow_store(now)?;
            for emission in self.cloud.advance(now) {
                self.bus.send(now, &emission);
            }
            self.bus.take_notes();
            self.deliver(now);
            if now >= minute {
                self.minute(now).await?;
                // After a pause of the machine there is one tick, not one for each minute that was missed.
                minute = next_minute(now);
            }
            let stream = if self.stream_is_running { None } else { self.stream_due };
            let due = [self.cloud.next_due(), self.bus.next_due(), stream].into_iter().flatten().fold(minute, Timestamp::min);
            tokio::select! {
                Some(done) = self.running.join_next() => self.finished(done?)?,
                () = self.cloud.changed().notified() => {}
                () = self.store.changed() => {}
                _ = save.tick() => self.cloud.keep().await?,
                () = self.clock.sleep_until(due) => {}
            }
        }
    }

    fn follow_store(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let taken = self.store.take_changes()?;
        if !taken.keys.is_empty() {
            self.taken_up_to = Some(taken.up_to);
        }
        for key in taken.keys.into_iter().filter(is_streamed) {
            self.gathered.insert((key.pk, key.sk));
            self.stream_due.get_or_insert(now + STREAM_WINDOW);
        }
        if self.gathered.is_empty() && !self.stream_is_running {
            self.acknowledge_taken()?;
        }
        Ok(())
    }

    fn acknowledge_taken(&mut self) -> Result<(), StoreError> {
        self.taken_up_to.take().map_or(Ok(()), |up_to| self.store.acknowledge(up_to))
    }

    /// Invokes what is due: stream and bus.
    fn deliver(&mut self, now: Timestamp) {
        if !self.stream_is_running && self.stream_due.is_some_and(|due| due <= now) {
            self.stream_due = None;
            self.stream_is_running = true;
            let keys = std::mem::take(&mut self.gathered);
            let pairs: Vec<(&str, &str)> = keys.iter().map(|(pk, sk)| (pk.as_str(), sk.as_str())).collect();
            let body = event(now, |e| emit::dynamodb_keys(e, "strata", &pairs));
            let up_to = self.taken_up_to.take().unwrap_or(0);
            self.invoke(Function::InstanceLifecycle, body, Origin::Stream(keys, up_to));
        }
        for delivery in self.bus.due(now) {
            let function = match delivery.target {
                Target::InstanceLifecycle => Function::InstanceLifecycle,
                Target::LoadScaling => Function::LoadScaling,
                Target::SecurityUpdates => Function::SecurityUpdates,
                Target::Teardown => Function::Teardown,
            };
            self.invoke(function, delivery.body, Origin::Bus(delivery.id));
        }
    }

    /// A full minute: metrics, then ticks.
    async fn minute(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.measure(now).await?;
        for function in [
            Function::TimeScaling,
            Function::LoadScaling,
            Function::InstanceLifecycle,
            Function::SecurityUpdates,
            Function::Teardown,
        ] {
            let body = event(now, |e| emit::scheduled(e, "strata-tick"));
            self.invoke(function, body, Origin::Schedule);
        }
        Ok(())
    }

    /// Publishes each layer's averages of this minute.
    async fn measure(&self, now: Timestamp) -> Result<(), StoreError> {
        for entry in self.store.list(&Listing::of(keys::STACKS_PK, "")).await? {
            let stack = StackId::from(entry.key.sk.as_str());
            for item in self.store.list(&Listing::of(keys::stack_pk(&stack), keys::LAYER)).await? {
                let layer: Layer = item.decode()?;
                let Some(cluster) = &layer.cluster else { continue };
                let has_hosts = self.cloud.online_capacity(cluster).values().any(|hosts| *hosts > 0);
                let set = self.demand.lock().unwrap_or_else(PoisonError::into_inner).get(&layer.id).copied();
                // Without a host in service nobody publishes [LOAD-8].
                let cpu = has_hosts.then_some(set.unwrap_or(CPU_PERCENT));
                let metrics = LayerMetrics { cpu, memory: cpu.map(|c| 25.0 + c / 2.0), load_1: cpu.map(|c| c / 25.0) };
                self.cloud.publish_layer_metrics(&layer.id, metrics, now);
            }
        }
        Ok(())
    }

    fn invoke(&mut self, function: Function, body: String, origin: Origin) {
        let functions = self.functions.clone();
        self.running.spawn(async move {
            // A task of its own: a panic of a function ends its invocation, not the world.
            let run = tokio::spawn(async move { functions.invoke(function, body.as_bytes()).await }).await;
            let failed_messages = match run {
                Ok(Ok(answer)) => Some(answer.outcome.failed_messages),
                Ok(Err(error)) => {
                    tracing::warn!(%function, error = %error, "the invocation failed");
                    None
                }
                Err(error) => {
                    tracing::error!(%function, error = %error, "the function panicked");
                    None
                }
            };
            Done { origin, failed_messages }
        });
    }

    fn finished(&mut self, done: Done) -> Result<(), StoreError> {
        let now = self.clock.now();
        match (done.origin, done.failed_messages) {
            (Origin::Schedule, _) => {}
            (Origin::Stream(_, up_to), Some(_)) => {
                self.stream_is_running = false;
                self.store.acknowledge(up_to)?;
            }
            (Origin::Stream(keys, up_to), None) => {
                self.stream_is_running = false;
                self.gathered.extend(keys);
                self.taken_up_to.get_or_insert(up_to);
                self.stream_due.get_or_insert(now + STREAM_AGAIN);
            }
            (Origin::Bus(id), Some(failed)) => self.bus.done(now, id, &bus::Done::Except(failed)),
            (Origin::Bus(id), None) => self.bus.done(now, id, &bus::Done::Failed),
        }
        Ok(())
    }
}

/// An event's text, in the envelope of this account and region.
pub(super) fn event(now: Timestamp, build: impl FnOnce(&Envelope<'_>) -> String) -> String {
    let id = RandomIds.uuid();
    build(&Envelope { account: ACCOUNT, region: REGION, at: now, id: &id })
}
