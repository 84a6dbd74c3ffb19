//! The Lambda function load-scaling: wiring only.

use std::process::ExitCode;
use std::sync::Arc;

use strata_aws::alarms::CloudWatchAlarms;
use strata_aws::containers::EcsContainers;
use strata_aws::events::EventBridgeEvents;
use strata_aws::lambda::{run, telling};
use strata_aws::modes::SsmModes;
use strata_aws::pager::SnsPager;
use strata_aws::store::DynamoStore;
use strata_aws::{Base, SettingsError, opsworks};
use strata_domain::decision::Function;
use strata_fleet::Fleet;
use strata_load_scaling::{Deps, handle};
use strata_ports::machine::{RandomIds, SystemClock};

fn main() -> ExitCode {
    run(Function::LoadScaling, wire, async |event, deps| Ok(handle(event, deps).await?.response()))
}

fn wire(base: &Base) -> Result<Deps, SettingsError> {
    Ok(Deps {
        fleet: Fleet::new(opsworks::client(base)?),
        store: telling(base, DynamoStore::new(base)?),
        alarms: Arc::new(CloudWatchAlarms::new(base)),
        containers: Arc::new(EcsContainers::new(base)),
        modes: Arc::new(SsmModes::new(base)),
        pager: Arc::new(SnsPager::new(base)?),
        events: Arc::new(EventBridgeEvents::new(base)),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
    })
}
