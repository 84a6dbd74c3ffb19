//! What whole fleets cost: a stack of `n` 24/7 instances is launched, stopped and started again through the API and instance-lifecycle on the
//! simulated cloud, and every call to AWS is counted.
//!
//! Events come as on AWS: table changes and hints in batches of at most a hundred, a tick every minute, each an invocation beside the others;
//! only those of the table's stream follow one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strata_control::{Api, ApiConfig};
use strata_domain::model::Instance;
use strata_domain::{InstanceStatus, StackId};
use strata_instance_lifecycle::Deps;
use strata_local::cloud::CloudConfig;
use strata_local::{MemoryStore, SeededIds, SimCloud, VirtualClock, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Clock, HandlerError, HttpService, Key, Outcome, Store, keys};
use strata_triggers::emit::{self, Envelope, QueuedMessage};
use tokio::task::JoinSet;

/// Most records in one batch of the table's stream, and most messages of the hint queue: the template's settings.
const BATCH: usize = 100;
/// How long a batch is gathered.
const WINDOW: SignedDuration = SignedDuration::from_secs(1);
/// EC2's bucket of RunInstances: at once, and a second.
const LAUNCHES: (usize, usize) = (5, 2);

/// What one phase cost.
#[derive(Clone, Debug)]
pub struct Phase {
    /// `first launches`, `stops`, `restarts`.
    pub name: &'static str,
    /// Calls by IAM action.
    pub calls: BTreeMap<String, u64>,
    /// Calls that EC2 throttled.
    pub throttled: u64,
    /// From the request until EC2 has taken the last one of them.
    pub asked_for: SignedDuration,
    /// What EC2's buckets allow at best for that.
    pub floor: SignedDuration,
}

impl Phase {
    /// Calls of an action.
    pub fn count(&self, action: &str) -> u64 {
        self.calls.get(action).copied().unwrap_or(0)
    }

    /// EC2's changing calls, with those of the full sweep that follows.
    pub fn mutating(&self) -> u64 {
        self.calls.iter().filter(|(action, _)| is_mutating(action)).map(|(_, count)| count).sum()
    }

    /// EC2's describing calls until all are there.
    pub fn describes(&self) -> u64 {
        self.calls.iter().filter(|(action, _)| action.starts_with("ec2:Describe")).map(|(_, count)| count).sum()
    }
}

fn is_mutating(action: &str) -> bool {
    action.starts_with("ec2:") && !action.starts_with("ec2:Describe")
}

/// A stack of 24/7 instances and the two functions that bring them up and down.
pub struct Fleet {
    clock: Arc<VirtualClock>,
    cloud: Arc<SimCloud>,
    store: Arc<MemoryStore>,
    api: Api,
    lifecycle: Deps,
    stack: StackId,
    /// Table changes that no invocation has seen, and since when.
    changes: BTreeSet<Key>,
    changed_since: Option<Timestamp>,
    /// A record has changed since somebody looked at all of them.
    has_changed: bool,
    hints: Vec<String>,
    hinted_since: Option<Timestamp>,
    /// Invocations under way, and whether each is the stream's.
    running: JoinSet<(bool, Result<Outcome, HandlerError>)>,
    stream_is_running: bool,
    next_tick: Timestamp,
}

impl Fleet {
    /// First launches, stops and restarts of `n` instances.
    ///
    /// # Errors
    /// When the world fails, or an instance does not get where it should within two hours.
    pub fn life(n: usize) -> anyhow::Result<Vec<Phase>> {
        virtual_runtime()?.block_on(async {
            let mut fleet = Self::new(n).await?;
            let launches = n.saturating_sub(LAUNCHES.0).div_ceil(LAUNCHES.1);
            let floor = SignedDuration::from_secs(i64::try_from(launches)?);
            let launched = fleet.phase("first launches", "StartStack", InstanceStatus::Online, floor).await?;
            let stopped = fleet.phase("stops", "StopStack", InstanceStatus::Stopped, SignedDuration::ZERO).await?;
            // A call for each 500, at five at once: none has to wait.
            let started = fleet.phase("restarts", "StartStack", InstanceStatus::Online, SignedDuration::ZERO).await?;
            Ok(vec![launched, stopped, started])
        })
    }

    async fn new(n: usize) -> anyhow::Result<Self> {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:30Z".parse()?));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        let store = Arc::new(MemoryStore::new());
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(1, "calls")));
        let api = Api::new(ports.clone(), ApiConfig::default());
        let next_tick = "2026-03-02T00:01:00Z".parse()?;
        let mut fleet = Self {
            api,
            lifecycle: Deps::new(ports),
            stack: StackId::new(""),
            changes: BTreeSet::new(),
            changed_since: None,
            has_changed: true,
            hints: Vec::new(),
            hinted_since: None,
            running: JoinSet::new(),
            stream_is_running: false,
            next_tick,
            store,
            cloud,
            clock,
        };
        fleet.build(n).await?;
        Ok(fleet)
    }

    async fn build(&mut self, n: usize) -> anyhow::Result<()> {
        let members = json!({
            "Name": "shop", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        let stack = self.call("CreateStack", members).await?["StackId"].clone();
        let cluster = self.cloud.create_cluster("shop");
        self.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await?;
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": cluster },
        });
        let layer = self.call("CreateLayer", members).await?["LayerId"].clone();
        for _ in 0..n {
            self.call("CreateInstance", json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large" })).await?;
        }
        self.stack = StackId::new(stack.as_str().context("a stack's id")?);
        self.store.take_changes();
        Ok(())
    }

    /// One call for the whole stack, until all are in `status` and the notes of the next tick are made.
    async fn phase(
        &mut self,
        name: &'static str,
        action: &str,
        status: InstanceStatus,
        floor: SignedDuration,
    ) -> anyhow::Result<Phase> {
        let (before, throttled, began) = (self.cloud.calls(), self.cloud.throttled(), self.clock.now());
        self.call(action, json!({ "StackId": self.stack })).await?;
        let mut asked_for = None;
        let mut is_there = false;
        while !is_there {
            self.go_on().await?;
            if !std::mem::take(&mut self.has_changed) {
                continue;
            }
            is_there = self.are_all(|s| s == status).await?;
            if asked_for.is_none() && self.are_all(|s| !is_asked(s)).await? {
                asked_for = Some(self.clock.now().duration_since(began));
            }
            if self.clock.now().duration_since(began) > SignedDuration::from_hours(2) {
                bail!("{name}: not all are {status} after two hours");
            }
        }
        let twins = self.cloud.records_with_several_hosts();
        if !twins.is_empty() {
            bail!("{name}: several machines for one record: {twins:?}");
        }
        let mut calls = self.cloud.calls();
        // The next full sweep still notes what is back.
        let settled = self.clock.now() + SignedDuration::from_mins(16);
        while self.clock.now() < settled {
            self.go_on().await?;
        }
        let later = self.cloud.calls().into_iter().filter(|(action, _)| is_mutating(action));
        calls.extend(later);
        for (action, count) in before {
            calls.entry(action).and_modify(|now| *now -= count);
        }
        calls.retain(|_, count| *count > 0);
        let all = |throttled: &BTreeMap<String, u64>| throttled.values().sum::<u64>();
        let throttled = all(&self.cloud.throttled()) - all(&throttled);
        Ok(Phase { name, calls, throttled, asked_for: asked_for.unwrap_or_default(), floor })
    }

    async fn are_all(&self, is_meant: impl Fn(InstanceStatus) -> bool) -> anyhow::Result<bool> {
        let items = self.store.list(&Listing::of(keys::stack_pk(&self.stack), keys::INSTANCE)).await?;
        for item in items {
            if !is_meant(item.decode::<Instance>()?.status) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whatever is due next: a batch, a tick, the cloud's own doings, or the end of an invocation.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        self.gather();
        let now = self.clock.now();
        if now >= self.next_tick {
            self.next_tick += SignedDuration::from_mins(1);
            let body = self.event(|e| emit::scheduled(e, "strata-tick"));
            self.invoke(body, false);
        }
        if self.hinted_since.is_some_and(|since| since + WINDOW <= now) {
            self.deliver_hints();
        }
        if !self.stream_is_running && self.changed_since.is_some_and(|since| since + WINDOW <= now) {
            self.deliver_changes();
        }
        let stream = self.changed_since.filter(|_| !self.stream_is_running);
        let closes = [stream, self.hinted_since].into_iter().flatten().map(|since| since + WINDOW);
        let due = closes.chain(self.cloud.next_due()).fold(self.next_tick, Timestamp::min);
        let (cloud, clock) = (self.cloud.clone(), self.clock.clone());
        tokio::select! {
            biased;
            Some(done) = self.running.join_next() => {
                let (is_stream, result) = done?;
                self.stream_is_running &= !is_stream;
                result?;
            }
            () = cloud.changed().notified() => {}
            () = clock.sleep_until(due) => {}
        }
        Ok(())
    }

    /// Takes what has happened in the store and the cloud.
    fn gather(&mut self) {
        let is_streamed =
            |key: &Key| (key.pk.starts_with("stack#") && key.sk.starts_with(keys::INSTANCE)) || *key == keys::launch_poke();
        let changes = self.store.take_changes();
        self.has_changed |= !changes.is_empty();
        self.changes.extend(changes.into_iter().filter(is_streamed));
        self.hints.extend(self.cloud.advance(self.clock.now()).into_iter().map(|emission| emission.body));
        let now = self.clock.now();
        if !self.changes.is_empty() {
            self.changed_since.get_or_insert(now);
        }
        if !self.hints.is_empty() {
            self.hinted_since.get_or_insert(now);
        }
    }

    /// One batch of the stream; the rest follows when it is done.
    fn deliver_changes(&mut self) {
        let rest: Vec<Key> = self.changes.iter().skip(BATCH).cloned().collect();
        let batch = std::mem::replace(&mut self.changes, rest.into_iter().collect());
        let pairs: Vec<(&str, &str)> = batch.iter().take(BATCH).map(|key| (key.pk.as_str(), key.sk.as_str())).collect();
        let body = self.event(|e| emit::dynamodb_keys(e, "strata", &pairs));
        // A full batch does not wait for the window's end.
        self.changed_since = (!self.changes.is_empty()).then(|| self.clock.now() - WINDOW);
        self.stream_is_running = true;
        self.invoke(body, true);
    }

    fn deliver_hints(&mut self) {
        self.hinted_since = None;
        for batch in std::mem::take(&mut self.hints).chunks(BATCH) {
            let named: Vec<(String, &String)> = batch.iter().enumerate().map(|(n, body)| (format!("m-{n}"), body)).collect();
            let queued: Vec<QueuedMessage<'_>> =
                named.iter().map(|(id, body)| QueuedMessage { message_id: id, body, receive_count: 1 }).collect();
            let body = self.event(|e| emit::sqs_batch(e, "strata-hints", &queued));
            self.invoke(body, false);
        }
    }

    fn event(&self, write: impl FnOnce(&Envelope<'_>) -> String) -> String {
        let (account, region) = ("123456789012", "us-east-1");
        write(&Envelope { account, region, at: self.clock.now(), id: "00000000-0000-4000-8000-000000000001" })
    }

    fn invoke(&mut self, body: String, is_stream: bool) {
        let lifecycle = self.lifecycle.clone();
        self.running.spawn(async move { (is_stream, strata_instance_lifecycle::handle(body.as_bytes(), &lifecycle).await) });
    }

    async fn call(&self, action: &str, members: Value) -> anyhow::Result<Value> {
        let mut request = Request::new(Bytes::from(members.to_string()));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("x-amz-target", format!("OpsWorks_20130218.{action}").try_into()?);
        request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
        let response = self.api.call(request).await;
        if response.status() != 200 {
            bail!("{action} was answered {:?}", response.body());
        }
        Ok(serde_json::from_slice(response.body()).unwrap_or_default())
    }
}

/// EC2 has not taken the start or stop yet.
fn is_asked(status: InstanceStatus) -> bool {
    matches!(status, InstanceStatus::Requested | InstanceStatus::Stopping | InstanceStatus::ShuttingDown)
}
