//! The world's motor: virtual time, the cloud, the bus and the functions, until the scenario's end.
//!
//! Functions run as tasks beside each other, as Lambda runs them; every call takes its time, so they interleave. The motor sleeps until the
//! next thing is due and wakes earlier when a call has made something due earlier. All of it is on one thread and one clock, so a
//! seed gives one run.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha8Rng;
use strata_domain::decision::Function;
use strata_local::bus::{self, Target};
use strata_local::{ChangeFeed, rng};
use strata_ports::{Clock, HandlerError, Key, keys};
use strata_triggers::emit;
use tokio::task::JoinSet;

use super::calendar::{self, Happening};
use super::frozen::Frozen;
use super::functions::Answer;
use super::invariants::Invariants;
use super::{World, befall, measure};
use crate::CliError;
use crate::args::Faults;
use crate::sim::Observer;
use crate::sim::log::LogLine;

/// The table's stream gathers changes for so long before it wakes the function.
pub(crate) const STREAM_WINDOW: SignedDuration = SignedDuration::from_millis(500);
/// Lambda waits so long before it repeats a failed asynchronous invocation, and repeats it twice.
const RETRY_AFTER: SignedDuration = SignedDuration::from_mins(1);
const RETRIES: u8 = 2;

/// Why a function runs.
#[derive(Clone, Debug)]
enum Origin {
    /// A schedule; the next one makes up for a failure.
    Schedule,
    /// The table's stream; a failed batch comes again.
    Stream(BTreeSet<(String, String)>),
    /// The bus, by this delivery; it repeats what failed.
    Bus(u64),
    /// A request, tried so often before.
    Request(u8),
}

/// One invocation to be made.
#[derive(Clone, Debug)]
struct Work {
    function: Function,
    body: String,
    origin: Origin,
}

/// One invocation that is over; `None`: it was killed on the way.
struct Done {
    work: Work,
    result: Option<Result<Answer, HandlerError>>,
}

pub(super) struct Driver<'a> {
    world: &'a mut World,
    observer: &'a mut dyn Observer,
    invariants: Invariants,
    frozen: Frozen,
    calendar: std::collections::VecDeque<(Timestamp, Happening)>,
    running: JoinSet<Done>,
    /// Changes that the stream has not yet delivered, and since when it gathers.
    gathered: BTreeSet<(String, String)>,
    stream_due: Option<Timestamp>,
    stream_is_running: bool,
    again: Vec<(Timestamp, Work)>,
    mischief: Mischief,
    pages_seen: usize,
    end: Timestamp,
}

/// What the faults do to schedules and invocations; calls and events have their own.
struct Mischief {
    rng: ChaCha8Rng,
    tick_lost: u32,
    tick_doubled: u32,
    killed: u32,
}

impl Mischief {
    fn new(seed: u64, faults: Faults) -> Self {
        let (tick_lost, tick_doubled, killed) = match faults {
            Faults::None => (0, 0, 0),
            Faults::Light => (5, 5, 1),
            Faults::Heavy => (50, 50, 5),
        };
        Self { rng: rng::stream(seed, "world/mischief"), tick_lost, tick_doubled, killed }
    }
}

impl<'a> Driver<'a> {
    pub(super) fn new(world: &'a mut World, observer: &'a mut dyn Observer, end: Timestamp) -> Self {
        let plan = world.plan.clone();
        Self {
            invariants: Invariants::default(),
            frozen: Frozen::default(),
            calendar: calendar::of(&plan.scenario).into(),
            running: JoinSet::new(),
            gathered: BTreeSet::new(),
            stream_due: None,
            stream_is_running: false,
            again: Vec::new(),
            mischief: Mischief::new(plan.scenario.world.seed, plan.scenario.world.faults),
            pages_seen: world.pages.len(),
            end,
            world,
            observer,
        }
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// Failed: the world itself failed, which is never a function's fault.
    pub(super) async fn run(mut self) -> Result<Invariants, CliError> {
        let mut minute = calendar::next_minute(self.world.clock.now());
        loop {
            let now = self.world.clock.now();
            if now >= self.end {
                break;
            }
            self.follow_store(now).await?;
            for emission in self.world.cloud.advance(now) {
                self.world.bus.send(now, &emission);
            }
            self.deliver(now);
            self.follow_faults();
            while self.calendar.front().is_some_and(|(at, _)| *at <= now) {
                let Some((_, happening)) = self.calendar.pop_front() else { break };
                self.happen(&happening, now);
            }
            if now >= minute {
                self.minute(minute).await?;
                minute += SignedDuration::from_mins(1);
            }
            self.wait(minute).await?;
        }
        self.stop().await?;
        Ok(self.invariants)
    }

    /// Sleeps until something is due, or until a call or a finished invocation changes that.
    async fn wait(&mut self, minute: Timestamp) -> Result<(), CliError> {
        let again = self.again.iter().map(|(at, _)| *at).min();
        let stream = if self.stream_is_running { None } else { self.stream_due };
        let happening = self.calendar.front().map(|(at, _)| *at);
        let due = [self.world.cloud.next_due(), self.world.bus.next_due(), again, stream, happening, Some(self.end)];
        let due = due.into_iter().flatten().fold(minute, Timestamp::min);
        let (cloud, store) = (self.world.cloud.clone(), self.world.store.clone());
        tokio::select! {
            biased;
            Some(done) = self.running.join_next() => {
                let done = done.map_err(|e| CliError::Failed(anyhow::anyhow!("a function panicked: {e}")))?;
                self.finished(done);
            }
            () = cloud.changed().notified() => {}
            () = store.changed() => {}
            () = self.world.clock.sleep_until(due) => {}
        }
        Ok(())
    }

    /// Logs the faults that were put in since the last look.
    fn follow_faults(&mut self) {
        for note in self.world.bus.take_notes() {
            let call = format!("{} event", note.source.as_str());
            self.observer.line(&LogLine::Fault { at: note.at, call, effect: note.effect.to_owned() });
        }
        for fault in self.world.faulty.iter().flat_map(|f| f.take_injected()) {
            let (call, effect) = (fault.action.to_owned(), fault.effect.to_owned());
            self.observer.line(&LogLine::Fault { at: fault.at, call, effect });
        }
    }

    /// Reads what was committed since the last look: for the record, the log and the stream.
    async fn follow_store(&mut self, now: Timestamp) -> Result<(), CliError> {
        for key in self.world.store.take_changes() {
            if let Some(line) =
                self.world.follow.changed(&*self.world.store, &key, now).await.map_err(|e| CliError::Failed(e.into()))?
            {
                self.observer.line(&line);
            }
            if is_streamed(&key) {
                self.gathered.insert((key.pk, key.sk));
                self.stream_due.get_or_insert(now + STREAM_WINDOW);
            }
        }
        for (_, page) in self.world.cloud.pages(self.pages_seen) {
            self.pages_seen += 1;
            self.observer.line(&LogLine::Page(page.clone()));
            self.world.pages.push(page);
        }
        Ok(())
    }

    /// Invokes what is due: stream, bus, repeats.
    fn deliver(&mut self, now: Timestamp) {
        if !self.stream_is_running && self.stream_due.is_some_and(|due| due <= now) {
            self.stream_due = None;
            self.stream_is_running = true;
            let keys = std::mem::take(&mut self.gathered);
            let pairs: Vec<(&str, &str)> = keys.iter().map(|(pk, sk)| (pk.as_str(), sk.as_str())).collect();
            let body = self.world.event(now, |e| emit::dynamodb_keys(e, "strata", &pairs));
            self.invoke(Work { function: Function::InstanceLifecycle, body, origin: Origin::Stream(keys) }, now);
        }
        for delivery in self.world.bus.due(now) {
            let function = match delivery.target {
                Target::InstanceLifecycle => Function::InstanceLifecycle,
                Target::LoadScaling => Function::LoadScaling,
                Target::SecurityUpdates => Function::SecurityUpdates,
                Target::Teardown => Function::Teardown,
            };
            self.invoke(Work { function, body: delivery.body, origin: Origin::Bus(delivery.id) }, now);
        }
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.again).into_iter().partition(|(at, _)| *at <= now);
        self.again = later;
        for (_, work) in due {
            self.invoke(work, now);
        }
    }

    /// A full minute: metrics, invariants, ticks.
    async fn minute(&mut self, now: Timestamp) -> Result<(), CliError> {
        measure::measure(self.world, now);
        let broken = self.invariants.check(self.world, now).await.map_err(|e| CliError::Failed(e.into()))?;
        for line in broken {
            self.observer.line(&line);
        }
        let start = self.world.plan.scenario.world.start;
        let of = self.world.plan.length();
        self.observer.progress(now.duration_since(start).max(SignedDuration::ZERO), of);
        for function in [
            Function::TimeScaling,
            Function::LoadScaling,
            Function::InstanceLifecycle,
            Function::SecurityUpdates,
            Function::Teardown,
        ] {
            let lost = rng::chance(&mut self.mischief.rng, self.mischief.tick_lost);
            let doubled = rng::chance(&mut self.mischief.rng, self.mischief.tick_doubled);
            for _ in 0..(1 + u32::from(doubled)).saturating_sub(2 * u32::from(lost)) {
                let body = self.world.event(now, |e| emit::scheduled(e, "strata-tick"));
                self.invoke(Work { function, body, origin: Origin::Schedule }, now);
            }
        }
        Ok(())
    }

    fn happen(&mut self, happening: &Happening, now: Timestamp) {
        let (line, request) = befall::happen(self.world, happening, now);
        self.observer.line(&LogLine::World { at: now, what: line });
        if let Some(told) = self.frozen.follow(self.world) {
            self.observer.line(&LogLine::World { at: now, what: told });
        }
        if let Some((function, body)) = request {
            self.invoke(Work { function, body, origin: Origin::Request(0) }, now);
        }
    }

    /// Starts an invocation beside those that run.
    fn invoke(&mut self, work: Work, now: Timestamp) {
        let kind = match &work.origin {
            Origin::Schedule => "tick".to_owned(),
            Origin::Stream(keys) => format!("{} table changes", keys.len()),
            Origin::Bus(_) => "bus".to_owned(),
            Origin::Request(_) => "request".to_owned(),
        };
        self.observer.line(&LogLine::event(now, work.function.as_str(), kind, work.body.as_bytes()));
        let functions = Arc::clone(&self.world.functions);
        // Lambda may end an invocation at any moment: a timeout, a sandbox that dies.
        let killed_after = rng::chance(&mut self.mischief.rng, self.mischief.killed)
            .then(|| std::time::Duration::from_millis(rng::below(&mut self.mischief.rng, 2_000)));
        self.running.spawn(async move {
            let run = functions.invoke(work.function, work.body.as_bytes());
            let result = match killed_after {
                Some(after) => tokio::time::timeout(after, run).await.ok(),
                None => Some(run.await),
            };
            Done { work, result }
        });
    }

    /// Takes note of a finished invocation, and has what failed done again as AWS would.
    fn finished(&mut self, done: Done) {
        let now = self.world.clock.now();
        let failed_messages = match &done.result {
            Some(Ok(answer)) => answer.outcome.failed_messages.clone(),
            Some(Err(_)) | None => Vec::new(),
        };
        let is_failed = !matches!(done.result, Some(Ok(_)));
        if let Some(Err(error)) = &done.result {
            tracing::debug!(function = %done.work.function, error = %error, "the invocation failed");
        }
        match done.work.origin {
            Origin::Schedule => {}
            Origin::Stream(keys) => {
                self.stream_is_running = false;
                if is_failed {
                    self.gathered.extend(keys);
                    self.stream_due.get_or_insert(now + SignedDuration::from_secs(1));
                }
            }
            Origin::Bus(delivery) => {
                let result = if is_failed { bus::Done::Failed } else { bus::Done::Except(failed_messages) };
                self.world.bus.done(now, delivery, &result);
            }
            Origin::Request(tries) => {
                if is_failed && tries < RETRIES {
                    let work = Work { origin: Origin::Request(tries + 1), ..done.work };
                    self.again.push((now + RETRY_AFTER, work));
                }
            }
        }
    }

    /// Lets running invocations end, and takes their last commits into the record.
    async fn stop(&mut self) -> Result<(), CliError> {
        while let Some(done) = self.running.join_next().await {
            done.map_err(|e| CliError::Failed(anyhow::anyhow!("a function panicked: {e}")))?;
        }
        let now = self.world.clock.now();
        self.follow_store(now).await?;
        let broken = self.invariants.check(self.world, now).await.map_err(|e| CliError::Failed(e.into()))?;
        for line in broken {
            self.observer.line(&line);
        }
        Ok(())
    }
}

/// Which changes wake instance-lifecycle: the filter of the stream's event source mapping.
pub(crate) fn is_streamed(key: &Key) -> bool {
    super::follow::is_instance(key)
        || (key.pk.starts_with("stack#") && key.sk.starts_with(keys::CLAIM))
        || *key == keys::launch_poke()
        || key.pk == keys::PENDING_COMMANDS_PK
        || key.pk == keys::USERS_DUE_PK
}
