//! What all services of the simulated cloud share: the queue of what happens next, what is told, ids, counts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};
use strata_domain::Ec2InstanceId;
use strata_ports::CloudError;
use strata_triggers::emit::Envelope;

use super::Latency;
use super::account::Account;
use super::buckets::Buckets;
use super::cloudwatch::{CloudWatch, Series};
use super::config::CloudConfig;
use super::ec2::{Ec2, HostNo};
use super::ecs::{ClusterNo, ContainerNo, Ecs};
use super::inject::Injection;
use super::objects::Files;
use super::ssm::{CommandNo, Ssm};
use super::tasks::TaskNo;
use super::telling::Telling;
use crate::rng;

/// Which service tells, which is also how far its events can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// EC2 instance state changes; best effort.
    Ec2,
    /// Spot interruption warnings and rebalance recommendations; best effort.
    Spot,
    /// ECS container instance state changes; best effort.
    Ecs,
    /// SSM command status, of any document but Update; best effort.
    Ssm,
    /// SSM command status of the Update document; best effort.
    SsmUpdate,
    /// CloudWatch alarm state changes; at least once.
    CloudWatch,
    /// AWS Health: what EC2 has scheduled; best effort.
    Health,
    /// The API, when it has written down a request for a campaign; at least once.
    CampaignAsked,
    /// The API, when it has written down a request for a teardown; at least once.
    TeardownAsked,
}

impl Source {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Spot => "spot",
            Self::Ecs => "ecs",
            Self::Ssm => "ssm",
            Self::SsmUpdate => "ssm-update",
            Self::CloudWatch => "cloudwatch",
            Self::Health => "health",
            Self::CampaignAsked => "campaign-asked",
            Self::TeardownAsked => "teardown-asked",
        }
    }
}

/// Something that a service tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emission {
    /// Who tells.
    pub source: Source,
    /// When it happened.
    pub at: Timestamp,
    /// The event, in AWS's exact JSON.
    pub body: String,
}

/// Something that will happen. The number beside a host is its epoch: what was planned for an earlier life of it comes to nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Due {
    Running(HostNo, u32),
    Booted(HostNo, u32),
    AgentBack(HostNo, u32),
    Impaired(HostNo, u32),
    Stopped(HostNo, u32),
    Terminated(HostNo, u32),
    Vanished(HostNo),
    Detached(String, Ec2InstanceId),
    SpotReclaim(HostNo, Timestamp),
    Scheduled(HostNo),
    ZoneBack(String),
    CommandDelivered(CommandNo),
    CommandDone(CommandNo),
    CommandExpires(CommandNo),
    TaskRunning(TaskNo),
    TaskStopped(TaskNo),
    ProtectionEnds(TaskNo),
    Schedule(ClusterNo),
    Evaluate(Series),
    Inject(Box<Injection>),
}

/// One stream of randomness for each concern, so that a change in one shifts no other.
#[derive(Serialize, Deserialize)]
pub(super) struct Streams {
    pub(super) ec2: ChaCha8Rng,
    pub(super) ssm: ChaCha8Rng,
    pub(super) ecs: ChaCha8Rng,
    pub(super) cloudwatch: ChaCha8Rng,
    latency: ChaCha8Rng,
    ids: ChaCha8Rng,
    event_ids: ChaCha8Rng,
}

#[derive(Serialize, Deserialize)]
pub(super) struct State {
    pub(super) config: CloudConfig,
    /// The moment that is being lived.
    pub(super) now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Due>,
    sequence: u64,
    emissions: Vec<Emission>,
    pub(super) streams: Streams,
    pub(super) buckets: Buckets,
    pub(super) ec2: Ec2,
    pub(super) ecs: Ecs,
    pub(super) ssm: Ssm,
    pub(super) cloudwatch: CloudWatch,
    pub(super) telling: Telling,
    #[serde(default)]
    pub(super) account: Account,
    #[serde(default)]
    pub(super) files: Files,
    /// Counts what was asked of the cloud since it was made or woken.
    #[serde(skip)]
    pub(super) doings: u64,
    /// Counts what happened by itself.
    #[serde(skip)]
    pub(super) happened: u64,
}

/// `at` and `ms` milliseconds.
pub(crate) fn after(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX)
}

pub(super) fn wrong(action: &'static str, code: &str, why: impl Into<String>) -> CloudError {
    CloudError::Wrong { action, code: code.to_owned(), why: why.into() }
}

impl State {
    pub(super) fn new(config: CloudConfig, seed: u64, now: Timestamp) -> Self {
        let stream = |name: &str| rng::stream(seed, &format!("cloud/{name}"));
        let streams = Streams {
            ec2: stream("ec2"),
            ssm: stream("ssm"),
            ecs: stream("ecs"),
            cloudwatch: stream("cloudwatch"),
            latency: stream("latency"),
            ids: stream("ids"),
            event_ids: stream("event-ids"),
        };
        Self {
            buckets: Buckets::new(config.api.clone()),
            config,
            now,
            queue: BTreeMap::new(),
            sequence: 0,
            emissions: Vec::new(),
            streams,
            ec2: Ec2::default(),
            ecs: Ecs::default(),
            ssm: Ssm::default(),
            cloudwatch: CloudWatch::default(),
            telling: Telling::default(),
            account: Account::default(),
            files: Files::default(),
            doings: 0,
            happened: 0,
        }
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        let told = self.emissions.first().map(|e| e.at);
        let planned = self.queue.first_key_value().map(|((at, _), _)| *at);
        told.into_iter().chain(planned).min()
    }

    pub(super) fn take_emissions(&mut self) -> Vec<Emission> {
        std::mem::take(&mut self.emissions)
    }

    /// Plans `due` for `ms` milliseconds from now. Equal times happen in the order of planning.
    pub(super) fn plan(&mut self, ms: i64, due: Due) {
        self.plan_at(after(self.now, ms.max(0)), due);
    }

    pub(super) fn plan_at(&mut self, at: Timestamp, due: Due) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), due);
    }

    pub(super) fn run_until(&mut self, now: Timestamp) {
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((at, _), due) = entry.remove_entry();
            self.now = self.now.max(at);
            self.happened += 1;
            self.happen(due);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Running(host, epoch) => self.on_running(host, epoch),
            Due::Booted(host, epoch) => self.on_booted(host, epoch),
            Due::AgentBack(host, epoch) => self.on_agent_back(host, epoch),
            Due::Impaired(host, epoch) => self.on_impaired(host, epoch),
            Due::Stopped(host, epoch) => self.on_stopped(host, epoch),
            Due::Terminated(host, epoch) => self.on_terminated(host, epoch),
            Due::Vanished(host) => self.on_vanished(host),
            Due::Detached(volume, host) => self.on_detached(&volume, &host),
            Due::SpotReclaim(host, launched_at) => self.on_spot_reclaim(host, launched_at),
            Due::Scheduled(host) => self.on_scheduled(host),
            Due::ZoneBack(zone) => self.on_zone_back(&zone),
            Due::CommandDelivered(command) => self.on_command_delivered(command),
            Due::CommandDone(command) => self.on_command_done(command),
            Due::CommandExpires(command) => self.on_command_expires(command),
            Due::TaskRunning(task) => self.on_task_running(task),
            Due::TaskStopped(task) => self.on_task_stopped(task),
            Due::ProtectionEnds(task) => self.on_protection_ends(task),
            Due::Schedule(cluster) => self.on_schedule(cluster),
            Due::Evaluate(series) => self.on_evaluate(&series),
            Due::Inject(injection) => self.on_inject(*injection),
        }
    }

    pub(super) fn latency_ms(&mut self, latency: Latency) -> i64 {
        let spread = match latency {
            Latency::Read => self.config.api.read_latency,
            Latency::Write => self.config.api.write_latency,
        };
        spread.draw(&mut self.streams.latency)
    }

    /// Counts `calls` of `action`.
    ///
    /// # Errors
    /// `RetryLater` when the action's bucket holds too few tokens.
    pub(super) fn admit(&mut self, action: &'static str, calls: usize) -> Result<(), CloudError> {
        let calls = u64::try_from(calls).unwrap_or(u64::MAX);
        if calls == 0 || self.buckets.admit(action, calls, self.now) {
            return Ok(());
        }
        Err(CloudError::RetryLater { action, why: "Throttling: rate exceeded".to_owned() })
    }

    /// So many lower-case hex digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits);
        while text.len() < digits {
            let word = format!("{:016x}", self.streams.ids.next_u64());
            text.push_str(&word[..word.len().min(digits - text.len())]);
        }
        text
    }

    pub(super) fn uuid(&mut self) -> String {
        fresh_uuid(&mut self.streams.ids)
    }

    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.config.region, self.config.account)
    }

    /// Tells an event; `write` gets its envelope.
    pub(super) fn tell(&mut self, source: Source, write: impl FnOnce(&Envelope<'_>) -> String) {
        let id = fresh_uuid(&mut self.streams.event_ids);
        let envelope = Envelope { account: &self.config.account, region: &self.config.region, at: self.now, id: &id };
        let body = write(&envelope);
        self.emissions.push(Emission { source, at: self.now, body });
    }

    pub(super) fn slots_of(&self, instance_type: &str) -> u32 {
        self.config.ecs.slots_by_type.get(instance_type).copied().unwrap_or(self.config.ecs.slots_per_host)
    }

    /// The container instance that the host's agent is registered as.
    pub(super) fn container_of(&self, host: HostNo) -> Option<ContainerNo> {
        self.ec2.hosts.get(&host).and_then(|h| h.container)
    }
}

pub(crate) fn fresh_uuid(rng: &mut impl Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
