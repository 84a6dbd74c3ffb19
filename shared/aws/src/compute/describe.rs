//! What EC2 says of machines.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName, InstanceStatus, InstanceStatusEvent, SummaryStatus};
use jiff::Timestamp;
use strata_domain::announced::Announced;
use strata_domain::{Ec2InstanceId, InstanceId};
use strata_ports::{CloudError, Ec2Instance, Ec2State, ScheduledEvent, StackScope};

use super::tags;
use crate::error::{Effect, sort};
use crate::filters::{PER_PAGE, filter, filters};

const INSTANCES: &str = "ec2:DescribeInstances";
const STATUS: &str = "ec2:DescribeInstanceStatus";
/// Ids in one DescribeInstanceStatus call.
const PER_STATUS_CALL: usize = 100;
/// The states of a machine that is not terminated.
const LIVING: [&str; 5] = ["pending", "running", "stopping", "stopped", "shutting-down"];
/// The states of a machine that does not run.
const NOT_RUNNING: [&str; 5] = ["pending", "stopping", "stopped", "shutting-down", "terminated"];

/// The machines that pass all of these filters, page by page.
pub(crate) async fn instances(client: &Client, filters: Vec<Filter>) -> Result<Vec<Instance>, CloudError> {
    let mut pages = client.describe_instances().set_filters(Some(filters)).max_results(PER_PAGE).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| sort(INSTANCES, Effect::Read, error))?;
        found.extend(page.reservations.unwrap_or_default().into_iter().flat_map(|r| r.instances.unwrap_or_default()));
    }
    Ok(found)
}

/// The machines with these ids.
pub(crate) async fn by_id(client: &Client, ids: &[Ec2InstanceId]) -> Result<Vec<Instance>, CloudError> {
    let mut found = Vec::new();
    for chunk in filters("instance-id", ids.iter().map(Ec2InstanceId::as_str)) {
        found.extend(instances(client, vec![chunk]).await?);
    }
    Ok(found)
}

/// The machines that these records' launches made and that are not terminated.
pub(super) async fn by_record(client: &Client, scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Instance>, CloudError> {
    let mut found = Vec::new();
    for chunk in filters(&format!("tag:{}", tags::INSTANCE), records.iter().map(InstanceId::as_str)) {
        found.extend(instances(client, vec![of_stack(scope), chunk, filter("instance-state-name", LIVING)]).await?);
    }
    Ok(found)
}

/// The machine of a launch, whatever became of it, as long as EC2 shows it with its tags.
pub(super) async fn by_token(client: &Client, scope: &StackScope, token: &str) -> Result<Option<Instance>, CloudError> {
    let of_token = filter(&format!("tag:{}", tags::TOKEN), [token]);
    Ok(instances(client, vec![of_stack(scope), of_token]).await?.into_iter().next())
}

fn of_stack(scope: &StackScope) -> Filter {
    filter(&format!("tag:{}", tags::STACK), [scope.stack_id.as_str()])
}

/// The stack's machines that are impaired, or do not run although we want them to: four calls, and a page more for each 200 that are impaired
/// in the region or 1,000 that are down.
pub(super) async fn exceptions(client: &Client, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
    let wanted = filter(&format!("tag:{}", tags::POWER), ["on"]);
    let down = instances(client, vec![of_stack(scope), wanted, filter("instance-state-name", NOT_RUNNING)]).await?;
    let impaired = impaired_in_region(client).await?;
    let mut found = down;
    for chunk in filters("instance-id", &impaired) {
        found.extend(instances(client, vec![of_stack(scope), chunk, filter("instance-state-name", ["running"])]).await?);
    }
    views(&found, &impaired)
}

/// The stack's machines that run although they are noted as taken down.
pub(super) async fn unnoted(client: &Client, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
    let down = filter(&format!("tag:{}", tags::POWER), ["off"]);
    let up = instances(client, vec![of_stack(scope), down, filter("instance-state-name", ["running"])]).await?;
    views(&up, &BTreeSet::new())
}

/// The two checks are asked for one after the other: filters of different names must hold both at once.
async fn impaired_in_region(client: &Client) -> Result<BTreeSet<String>, CloudError> {
    let mut found = BTreeSet::new();
    for check in ["instance-status.status", "system-status.status"] {
        let request = client.describe_instance_status().filters(filter(check, ["impaired"])).max_results(PER_PAGE);
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| sort(STATUS, Effect::Read, error))?;
            let bad = page.instance_statuses().iter().filter(|status| is_impaired(status));
            found.extend(bad.filter_map(|status| status.instance_id().map(str::to_owned)));
        }
    }
    Ok(found)
}

/// What is scheduled for the region's machines: EC2 tells it by status only, and lists what is over for a week, marked by its description.
pub(super) async fn scheduled(client: &Client) -> Result<Vec<ScheduledEvent>, CloudError> {
    let codes = ["instance-stop", "instance-retirement", "instance-reboot", "system-reboot", "system-maintenance"];
    let request = client.describe_instance_status().filters(filter("event.code", codes)).max_results(PER_PAGE);
    let mut pages = request.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| sort(STATUS, Effect::Read, error))?;
        for status in page.instance_statuses() {
            let Some(host) = status.instance_id() else { continue };
            found.extend(status.events().iter().filter_map(|event| scheduled_event(host, event)));
        }
    }
    Ok(found)
}

fn scheduled_event(host: &str, event: &InstanceStatusEvent) -> Option<ScheduledEvent> {
    let is_over = |text: &str| text.starts_with("[Completed]") || text.starts_with("[Canceled]");
    if event.description().is_some_and(is_over) {
        return None;
    }
    let what = Announced::of_code(event.code()?.as_str())?;
    let not_before = Timestamp::from_second(event.not_before()?.secs()).ok()?;
    Some(ScheduledEvent { host: Ec2InstanceId::from(host), what, not_before })
}

/// The machines with their status checks.
pub(super) async fn with_status(client: &Client, found: &[Instance]) -> Result<Vec<Ec2Instance>, CloudError> {
    let is_running = |i: &&Instance| i.state().and_then(|s| s.name()) == Some(&InstanceStateName::Running);
    let running: Vec<&str> = found.iter().filter(is_running).filter_map(Instance::instance_id).collect();
    views(found, &impaired_among(client, &running).await?)
}

/// The machines without them: none shows as impaired.
pub(super) fn without_status(found: &[Instance]) -> Result<Vec<Ec2Instance>, CloudError> {
    views(found, &BTreeSet::new())
}

async fn impaired_among(client: &Client, ids: &[&str]) -> Result<BTreeSet<String>, CloudError> {
    let mut impaired = BTreeSet::new();
    for chunk in ids.chunks(PER_STATUS_CALL) {
        let mut left: Vec<String> = chunk.iter().map(|id| (*id).to_owned()).collect();
        while !left.is_empty() {
            let answer = client.describe_instance_status().set_instance_ids(Some(left.clone())).send().await;
            match answer {
                Ok(answer) => {
                    let bad = answer.instance_statuses().iter().filter(|status| is_impaired(status));
                    impaired.extend(bad.filter_map(|status| status.instance_id().map(str::to_owned)));
                    break;
                }
                // A machine that was launched a moment ago, or is gone since: there is nothing to say of it.
                Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => {
                    let message = error.message().unwrap_or_default();
                    let before = left.len();
                    left.retain(|id| !message.contains(id.as_str()));
                    if left.len() == before {
                        return Err(sort(STATUS, Effect::Read, error));
                    }
                }
                Err(error) => return Err(sort(STATUS, Effect::Read, error)),
            }
        }
    }
    Ok(impaired)
}

fn is_impaired(status: &InstanceStatus) -> bool {
    let checks = [status.instance_status(), status.system_status()];
    checks.into_iter().flatten().any(|check| check.status() == Some(&SummaryStatus::Impaired))
}

fn views(found: &[Instance], impaired: &BTreeSet<String>) -> Result<Vec<Ec2Instance>, CloudError> {
    found.iter().map(|instance| view(instance, impaired)).collect()
}

/// A machine as the port has it.
///
/// # Errors
/// `Wrong` for an answer without what every answer has, or with a state that this version does not know: taken for a machine that is not
/// there, it would be launched again.
pub(super) fn view(instance: &Instance, impaired: &BTreeSet<String>) -> Result<Ec2Instance, CloudError> {
    let id = instance.instance_id().unwrap_or_default();
    let unreadable = |what: &str| CloudError::Wrong {
        action: INSTANCES,
        code: "UnreadableAnswer".to_owned(),
        why: format!("EC2 described the instance {id:?} with {what}"),
    };
    let launched = instance.launch_time().and_then(|time| Timestamp::from_second(time.secs()).ok());
    Ok(Ec2Instance {
        id: Ec2InstanceId::from(Some(id).filter(|id| !id.is_empty()).ok_or_else(|| unreadable("no id"))?),
        instance_id: tags::value(instance.tags(), tags::INSTANCE).map(InstanceId::from),
        state: state(instance).ok_or_else(|| unreadable("a state that this version does not know"))?,
        instance_type: instance.instance_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        impaired: impaired.contains(id),
        launched_at: launched.ok_or_else(|| unreadable("no launch time"))?,
        private_ip: instance.private_ip_address().map(str::to_owned),
        public_ip: instance.public_ip_address().map(str::to_owned),
        volumes: volumes(instance),
    })
}

pub(crate) fn state(instance: &Instance) -> Option<Ec2State> {
    Some(match instance.state()?.name()? {
        InstanceStateName::Pending => Ec2State::Pending,
        InstanceStateName::Running => Ec2State::Running,
        InstanceStateName::Stopping => Ec2State::Stopping,
        InstanceStateName::Stopped => Ec2State::Stopped,
        InstanceStateName::ShuttingDown => Ec2State::ShuttingDown,
        InstanceStateName::Terminated => Ec2State::Terminated,
        _ => return None,
    })
}

/// Volumes of the machine's own launch, as far as they are attached, with their mount points.
fn volumes(instance: &Instance) -> Vec<(String, String)> {
    let attached = |device: &str| {
        let mapping = instance.block_device_mappings().iter().find(|m| m.device_name() == Some(device))?;
        mapping.ebs()?.volume_id()
    };
    let noted = tags::noted_volumes(instance.tags());
    noted.into_iter().filter_map(|(device, mount_point)| Some((attached(&device)?.to_owned(), mount_point))).collect()
}
