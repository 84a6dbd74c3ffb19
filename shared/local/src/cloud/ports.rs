//! The simulated cloud as every port that stands for a service of AWS.

use std::sync::Arc;

use strata_ports::{Ids, Ports, Store};

use super::SimCloud;

impl SimCloud {
    /// All ports: this cloud for whatever is AWS's, with its clock, beside a store and a source of ids.
    pub fn ports(self: &Arc<Self>, store: Arc<dyn Store>, ids: Arc<dyn Ids>) -> Ports {
        Ports {
            store,
            compute: self.clone(),
            attachments: self.clone(),
            upkeep: self.clone(),
            containers: self.clone(),
            inventory: self.clone(),
            load_balancers: self.clone(),
            identity: self.clone(),
            commands: self.clone(),
            alarms: self.clone(),
            objects: self.clone(),
            pager: self.clone(),
            events: self.clone(),
            modes: self.clone(),
            clock: self.clock.clone(),
            ids,
        }
    }
}
