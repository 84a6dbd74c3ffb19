//! The Lambda function api: wiring only.

use std::process::ExitCode;
use std::sync::Arc;

use strata_api::{Audit, Deps, handle};
use strata_aws::alarms::CloudWatchAlarms;
use strata_aws::commands::SsmCommands;
use strata_aws::compute::Ec2Compute;
use strata_aws::containers::EcsContainers;
use strata_aws::events::EventBridgeEvents;
use strata_aws::identity::IamIdentity;
use strata_aws::inventory::Ec2Inventory;
use strata_aws::lambda::{run, telling};
use strata_aws::load_balancers::ElbLoadBalancers;
use strata_aws::modes::SsmModes;
use strata_aws::objects::S3Objects;
use strata_aws::store::DynamoStore;
use strata_aws::{Base, Settings, SettingsError};
use strata_control::{Api, ApiConfig};
use strata_domain::decision::Function;
use strata_ports::machine::{RandomIds, SystemClock};
use strata_ports::{Absent, Ports};

fn main() -> ExitCode {
    run(Function::Api, wire, async |event, deps| handle(event, deps).await)
}

fn wire(base: &Base) -> Result<Deps, SettingsError> {
    let ids = Arc::new(RandomIds);
    let write = Arc::new(strata_telemetry::lines::print);
    let audit = Audit { region: base.settings().region.clone(), ids: ids.clone(), write };
    let ports = Ports {
        store: telling(base, DynamoStore::new(base)?),
        compute: Arc::new(Ec2Compute::new(base)),
        attachments: Arc::new(Absent),
        upkeep: Arc::new(Absent),
        containers: Arc::new(EcsContainers::new(base)),
        inventory: Arc::new(Ec2Inventory::new(base)),
        load_balancers: Arc::new(ElbLoadBalancers::new(base)),
        identity: Arc::new(IamIdentity::new(base)),
        commands: Arc::new(SsmCommands::new(base)),
        alarms: Arc::new(CloudWatchAlarms::new(base)),
        pager: Arc::new(Absent),
        events: Arc::new(EventBridgeEvents::new(base)),
        modes: Arc::new(SsmModes::new(base)),
        objects: Arc::new(S3Objects::new(base)?),
        clock: Arc::new(SystemClock),
        ids,
    };
    Ok(Deps { api: Arc::new(Api::new(ports, config(base.settings())?)), audit: Some(audit) })
}

fn config(settings: &Settings) -> Result<ApiConfig, SettingsError> {
    let account = Settings::required(&settings.account, "STRATA_ACCOUNT", "the AWS account, 12 digits")?;
    let usual = ApiConfig::default();
    Ok(ApiConfig {
        region: settings.region.clone(),
        account: account.to_owned(),
        controller_role_arns: settings.controller_role_arns.clone(),
        max_stacks: settings.max_stacks.unwrap_or(usual.max_stacks),
        max_layers: settings.max_layers.unwrap_or(usual.max_layers),
        max_instances: settings.max_instances.unwrap_or(usual.max_instances),
        public_url: settings.api_url.clone(),
        installation: Some(settings.installation.clone()),
    })
}
