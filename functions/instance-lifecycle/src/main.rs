//! The Lambda function instance-lifecycle: wiring only.

use std::process::ExitCode;
use std::sync::Arc;

use strata_aws::attachments::Ec2Attachments;
use strata_aws::commands::SsmCommands;
use strata_aws::compute::Ec2Compute;
use strata_aws::containers::EcsContainers;
use strata_aws::events::EventBridgeEvents;
use strata_aws::inventory::Ec2Inventory;
use strata_aws::lambda::{run, telling};
use strata_aws::load_balancers::ElbLoadBalancers;
use strata_aws::modes::SsmModes;
use strata_aws::objects::S3Objects;
use strata_aws::pager::SnsPager;
use strata_aws::store::DynamoStore;
use strata_aws::upkeep::Ec2Upkeep;
use strata_aws::{Base, SettingsError};
use strata_domain::decision::Function;
use strata_instance_lifecycle::{Deps, handle};
use strata_ports::machine::{RandomIds, SystemClock};
use strata_ports::{Absent, Ports};

fn main() -> ExitCode {
    run(Function::InstanceLifecycle, wire, async |event, deps| Ok(handle(event, deps).await?.response()))
}

fn wire(base: &Base) -> Result<Deps, SettingsError> {
    Ok(Deps::new(Ports {
        store: telling(base, DynamoStore::new(base)?),
        compute: Arc::new(Ec2Compute::new(base)),
        attachments: Arc::new(Ec2Attachments::new(base)),
        upkeep: Arc::new(Ec2Upkeep::new(base)),
        containers: Arc::new(EcsContainers::new(base)),
        inventory: Arc::new(Ec2Inventory::new(base)),
        load_balancers: Arc::new(ElbLoadBalancers::new(base)),
        identity: Arc::new(Absent),
        commands: Arc::new(SsmCommands::new(base)),
        alarms: Arc::new(Absent),
        pager: Arc::new(SnsPager::new(base)?),
        events: Arc::new(EventBridgeEvents::new(base)),
        modes: Arc::new(SsmModes::new(base)),
        objects: Arc::new(S3Objects::new(base)?),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
    }))
}
