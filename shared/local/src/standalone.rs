//! A small world of its own, for what needs nothing in it: an empty store and an empty simulated cloud.
//!
//! It lives as long as the process, in real time. The cloud goes on by itself whenever it is called.

use std::sync::Arc;

use strata_ports::{HttpService, Ports};

use crate::cloud::{CloudConfig, SimCloud};
use crate::{MemoryStore, RandomIds, VirtualClock, opsworks_client};

/// Ports on one machine.
pub struct Standalone {
    /// All of them.
    pub ports: Ports,
}

impl Standalone {
    /// An empty world; must be made inside a tokio runtime, whose clock it uses.
    pub fn new() -> Self {
        let clock = Arc::new(VirtualClock::new(jiff::Timestamp::now()));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        let ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(RandomIds));
        Self { ports }
    }

    /// The controllers' way to an API over these ports.
    pub fn opsworks(&self, api: Arc<dyn HttpService>) -> aws_sdk_opsworks::Client {
        opsworks_client(api, "arn:aws:iam::123456789012:role/strata-controllers", self.ports.clock.clone(), 1)
    }
}

impl Default for Standalone {
    fn default() -> Self {
        Self::new()
    }
}
