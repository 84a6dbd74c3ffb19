//! The motor: virtual time, the cloud, the bus, the table's streams and the functions. Functions run as tasks beside each other, as Lambda
//! runs them.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use strata_domain::decision::Function;
use strata_local::bus::{self, Target};
use strata_local::cloud::{Emission, Source};
use strata_local::{ChangeFeed, rng};
use strata_ports::{Clock, HandlerError, Key, Outcome, keys};
use strata_triggers::emit::{self, Envelope};

use super::{ACCOUNT, REGION, Rolling};

/// Most records in one batch of the table's stream.
const BATCH: usize = 100;
/// How long a batch is gathered.
const WINDOW: SignedDuration = SignedDuration::from_secs(1);
/// Lambda repeats a failed asynchronous invocation twice, after one minute and after two.
const RETRIES: u8 = 2;
/// How long an event is on its way to a function that the bus does not know it for.
const ON_ITS_WAY: SignedDuration = SignedDuration::from_millis(500);

/// Why a function runs.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A schedule, or an event that nobody repeats: the next tick makes up for it.
    Once,
    /// The table's stream; a failed batch comes again.
    Stream(usize, BTreeSet<Key>),
    /// The bus, by this delivery.
    Bus(u64),
    /// A request, tried so often before.
    Request(u8),
}

/// One invocation to be made.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) function: Function,
    pub(super) body: String,
    pub(super) origin: Origin,
}

/// One invocation that is over; `None`: it was killed on the way.
pub(super) struct Done {
    work: Work,
    result: Option<Result<Outcome, HandlerError>>,
}

/// One consumer of the table's stream: batches follow one another.
pub(super) struct Stream {
    function: Function,
    is_meant: fn(&Key) -> bool,
    gathered: BTreeSet<Key>,
    due: Option<Timestamp>,
    is_running: bool,
}

impl Stream {
    /// As the template's filters have them.
    pub(super) fn both() -> [Self; 2] {
        let new = |function, is_meant| Self { function, is_meant, gathered: BTreeSet::new(), due: None, is_running: false };
        [new(Function::InstanceLifecycle, wakes_lifecycle), new(Function::SecurityUpdates, wakes_updates)]
    }
}

fn wakes_lifecycle(key: &Key) -> bool {
    let of_stack = key.pk.starts_with("stack#") && (key.sk.starts_with(keys::INSTANCE) || key.sk.starts_with(keys::CLAIM));
    of_stack || *key == keys::launch_poke() || [keys::PENDING_COMMANDS_PK, keys::USERS_DUE_PK].contains(&key.pk.as_str())
}

fn wakes_updates(key: &Key) -> bool {
    key.pk.starts_with("stack#") && key.sk.starts_with(keys::CLAIM_REPORT)
}

impl Rolling {
    /// Whatever is due next: a batch, a tick, the cloud's own doings, or the end of an invocation.
    pub(super) async fn go_on(&mut self) -> anyhow::Result<()> {
        let now = self.clock.now();
        self.gather(now);
        if now >= self.next_tick {
            self.next_tick += SignedDuration::from_mins(1);
            self.tick();
        }
        self.deliver(now);
        self.wait().await?;
        self.watch();
        Ok(())
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        let again = self.again.iter().map(|(at, _)| *at).min();
        let streams = self.streams.iter().filter(|s| !s.is_running).filter_map(|s| s.due);
        let due = [self.cloud.next_due(), self.bus.next_due(), again].into_iter().flatten().chain(streams);
        let due = due.fold(self.next_tick, Timestamp::min);
        let (cloud, store, clock) = (self.cloud.clone(), self.store.clone(), self.clock.clone());
        tokio::select! {
            biased;
            Some(done) = self.running.join_next() => self.finished(done?)?,
            () = cloud.changed().notified() => {}
            () = store.changed() => {}
            () = clock.sleep_until(due) => {}
        }
        Ok(())
    }

    /// Takes what has happened in the store and the cloud.
    fn gather(&mut self, now: Timestamp) {
        for key in self.store.take_changes() {
            for stream in self.streams.iter_mut().filter(|stream| (stream.is_meant)(&key)) {
                stream.gathered.insert(key.clone());
                stream.due.get_or_insert(now + WINDOW);
            }
        }
        for emission in self.cloud.advance(now) {
            self.paths.heed(&emission, now);
            if wakes_updates_at_once(&emission) && !rng::chance(&mut self.rng, self.mischief.tick_lost) {
                let work = Work { function: Function::SecurityUpdates, body: emission.body.clone(), origin: Origin::Once };
                self.again.push((now + ON_ITS_WAY, work));
            }
            if wakes_teardown(&emission) && !rng::chance(&mut self.rng, self.mischief.tick_lost) {
                let work = Work { function: Function::Teardown, body: emission.body.clone(), origin: Origin::Once };
                self.again.push((now + ON_ITS_WAY, work));
            }
            self.bus.send(now, &emission);
        }
    }

    fn tick(&mut self) {
        for function in [Function::InstanceLifecycle, Function::SecurityUpdates, Function::Teardown] {
            let lost = rng::chance(&mut self.rng, self.mischief.tick_lost);
            let doubled = rng::chance(&mut self.rng, self.mischief.tick_doubled);
            for _ in 0..(1 + u32::from(doubled)).saturating_sub(2 * u32::from(lost)) {
                let body = self.event(|e| emit::scheduled(e, "strata-tick"));
                self.invoke(Work { function, body, origin: Origin::Once });
            }
        }
    }

    fn deliver(&mut self, now: Timestamp) {
        for place in 0..self.streams.len() {
            let stream = &mut self.streams[place];
            if stream.is_running || stream.due.is_none_or(|due| due > now) {
                continue;
            }
            let rest: BTreeSet<Key> = stream.gathered.iter().skip(BATCH).cloned().collect();
            let mut batch = std::mem::replace(&mut stream.gathered, rest);
            batch.retain(|key| !stream.gathered.contains(key));
            // A full batch does not wait for the window's end.
            stream.due = (!stream.gathered.is_empty()).then_some(now);
            stream.is_running = true;
            let function = stream.function;
            let pairs: Vec<(&str, &str)> = batch.iter().map(|key| (key.pk.as_str(), key.sk.as_str())).collect();
            let body = self.event(|e| emit::dynamodb_keys(e, "strata", &pairs));
            self.invoke(Work { function, body, origin: Origin::Stream(place, batch) });
        }
        for delivery in self.bus.due(now) {
            let function = match delivery.target {
                Target::InstanceLifecycle => Function::InstanceLifecycle,
                // The template's rule lets through what is final.
                Target::SecurityUpdates if !is_under_way(&delivery.body) => Function::SecurityUpdates,
                Target::Teardown => Function::Teardown,
                Target::SecurityUpdates | Target::LoadScaling => {
                    self.bus.done(now, delivery.id, &bus::Done::Except(Vec::new()));
                    continue;
                }
            };
            self.invoke(Work { function, body: delivery.body, origin: Origin::Bus(delivery.id) });
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= now);
        self.again = later;
        due.into_iter().for_each(|(_, work)| self.invoke(work));
    }

    pub(super) fn event(&self, write: impl FnOnce(&Envelope<'_>) -> String) -> String {
        let id = "00000000-0000-4000-8000-000000000001";
        write(&Envelope { account: ACCOUNT, region: REGION, at: self.clock.now(), id })
    }

    pub(super) fn invoke(&mut self, work: Work) {
        let functions = self.functions.clone();
        // Lambda may end an invocation at any moment: a timeout, a sandbox that dies.
        let killed_after =
            rng::chance(&mut self.rng, self.mischief.killed).then(|| Duration::from_millis(rng::below(&mut self.rng, 2_000)));
        self.running.spawn(async move {
            let event = work.body.as_bytes();
            let run = async {
                match work.function {
                    Function::SecurityUpdates => strata_security_updates::handle(event, &functions.updates).await,
                    Function::Teardown => strata_teardown::handle(event, &functions.teardown).await,
                    _ => strata_instance_lifecycle::handle(event, &functions.lifecycle).await,
                }
            };
            let result = match killed_after {
                Some(after) => tokio::time::timeout(after, run).await.ok(),
                None => Some(run.await),
            };
            Done { work, result }
        });
    }

    /// Has what failed done again, as AWS would. Where nothing is to fail, a failure is the world's end.
    fn finished(&mut self, done: Done) -> anyhow::Result<()> {
        let now = self.clock.now();
        let is_failed = !matches!(done.result, Some(Ok(_)));
        if let (Some(Err(error)), true) = (&done.result, self.is_calm) {
            anyhow::bail!("{} failed: {error}", done.work.function);
        }
        match done.work.origin {
            Origin::Once => {}
            Origin::Stream(place, batch) => {
                let stream = &mut self.streams[place];
                stream.is_running = false;
                if is_failed {
                    stream.gathered.extend(batch);
                    stream.due.get_or_insert(now + WINDOW);
                }
            }
            Origin::Bus(delivery) => {
                let failed = match done.result {
                    Some(Ok(outcome)) => bus::Done::Except(outcome.failed_messages),
                    Some(Err(_)) | None => bus::Done::Failed,
                };
                self.bus.done(now, delivery, &failed);
            }
            Origin::Request(tries) if is_failed && tries < RETRIES => {
                let again = now + SignedDuration::from_mins(i64::from(tries) + 1);
                self.again.push((again, Work { origin: Origin::Request(tries + 1), ..done.work }));
            }
            Origin::Request(_) => {}
        }
        Ok(())
    }

    fn watch(&mut self) {
        let Some(short) = &mut self.short else { return };
        for service in self.cloud.service_views() {
            if !service.daemon && service.healthy < service.min_healthy {
                let (healthy, min) = (service.healthy, service.min_healthy);
                short.insert(format!("{} had {healthy} tasks of at least {min} at {}", service.name, self.clock.now()));
            }
        }
    }
}

fn is_under_way(body: &str) -> bool {
    ["\"InProgress\"", "\"Pending\""].iter().any(|status| body.contains(status))
}

/// Agents that are back while their hosts are out of service: the template's rule.
fn wakes_updates_at_once(emission: &Emission) -> bool {
    emission.source == Source::Ecs && emission.body.contains("\"DRAINING\"") && emission.body.contains("\"agentConnected\":true")
}

/// Machines that are down, and container instances that are gone: the template's rule.
fn wakes_teardown(emission: &Emission) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| emission.body.contains(word));
    match emission.source {
        Source::Ec2 => has(&["\"stopped\"", "\"terminated\""]),
        Source::Ecs => has(&["\"INACTIVE\""]),
        Source::Spot
        | Source::Ssm
        | Source::SsmUpdate
        | Source::Health
        | Source::CloudWatch
        | Source::CampaignAsked
        | Source::TeardownAsked => false,
    }
}
