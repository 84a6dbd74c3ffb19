//! The simulated cloud: a discrete-event model of EC2, ECS, SSM and CloudWatch on virtual time, with a seed.
//!
//! It implements the ports; what it does by itself (boots, tasks, alarms) it does in [`SimCloud::advance`], in the order of time, and
//! tells as [`Emission`]s in AWS's exact JSON. Nothing in it draws on anything but the seed, so a seed gives one run.

mod account;
mod alarms;
mod attachments;
mod buckets;
mod cloudwatch;
mod commands;
mod compute;
pub mod config;
mod containers;
mod directory;
mod ec2;
mod ecs;
mod groups;
mod hosts;
mod inject;
mod keeping;
mod load_balancers;
mod objects;
mod own_hosts;
mod patching;
mod ports;
mod power;
mod services;
mod ssm;
mod state;
mod tasks;
mod telling;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
mod upkeep;
mod world_view;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use strata_ports::{Clock, CloudError};
use tokio::sync::Notify;

pub use account::{AccountVolume, DEFAULT_VPC, Policy, Role, Vpc};
pub use buckets::BucketSize;
pub use cloudwatch::{CustomAlarm, LayerMetrics};
pub use config::{ApiSettings, Capacity, CloudConfig, CloudWatchSettings, Ec2Settings, EcsSettings, Spread, SsmSettings};
pub use ecs::ServiceSpec;
pub use inject::{Mishap, Victim};
pub use keeping::{Disk, Saved, SnapshotError};
pub use load_balancers::{AccountLoadBalancer, TargetGroup};
pub use objects::LINK_FOLDER;
pub use own_hosts::OwnHost;
pub use state::{Emission, Source};
pub(crate) use state::{after, fresh_uuid};
pub use upkeep::LaunchTemplate;
pub use world_view::{ContainerView, HostView, ServiceView, WorldView};

use crate::VirtualClock;
use keeping::Keeping;
use state::State;

/// The simulated cloud. Share it as an `Arc`; it is every port of the cloud at once.
pub struct SimCloud {
    clock: Arc<VirtualClock>,
    state: Arc<Mutex<State>>,
    changed: Notify,
    keeping: Keeping,
}

/// Whether a call reads or writes: they take differently long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latency {
    Read,
    Write,
}

impl SimCloud {
    /// An empty cloud: no instance, no cluster, no alarm.
    pub fn new(config: CloudConfig, seed: u64, clock: Arc<VirtualClock>) -> Arc<Self> {
        Self::of(State::new(config, seed, clock.now()), clock)
    }

    /// When something next happens by itself, or has happened and waits to be taken by [`SimCloud::advance`]; `None`: never.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.lock().next_due()
    }

    /// Lets everything happen that is due at `now`, in the order of time, and hands out what was told since the last call.
    pub fn advance(&self, now: Timestamp) -> Vec<Emission> {
        let mut state = self.lock();
        state.run_until(now);
        state.take_emissions()
    }

    /// Woken when a call has made [`SimCloud::next_due`] earlier than it was.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on the cloud as it stands now. It counts as a doing of somebody's, whom no later call's answer overtakes on disk.
    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        self.run(|state| {
            state.doings += 1;
            f(state)
        })
    }

    fn run<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let before = state.next_due();
        state.run_until(self.clock.now());
        let out = f(&mut state);
        let is_earlier = state.next_due().is_some_and(|due| before.is_none_or(|before| due < before));
        drop(state);
        if is_earlier {
            self.changed.notify_one();
        }
        out
    }

    /// One API call as the caller meets it: it takes its time, then `f` counts it and does what was asked, and what it did or saw is
    /// durable before it is answered, if the cloud is kept anywhere.
    async fn call<T>(&self, latency: Latency, f: impl FnOnce(&mut State) -> Result<T, CloudError>) -> Result<T, CloudError> {
        let ms = self.lock().latency_ms(latency);
        if ms > 0 {
            self.clock.sleep(SignedDuration::from_millis(ms)).await;
        }
        let (out, doing) = self.run(|state| {
            state.doings += u64::from(latency == Latency::Write);
            (f(state), state.doings)
        });
        self.kept_up_to(doing).await?;
        out
    }
}
