//! One look at load balancers, addresses and volumes, for the records whose step depends on them.

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::lifecycle::{AddressSeen, BalancersSeen, Observed, VolumeAt};
use strata_domain::model::Instance;
use strata_domain::{Ec2InstanceId, InstanceId, InstanceStatus};
use strata_ports::{AddressView, BalancerHosts, Ports, VolumeView};

use super::view::StackView;

/// What must be looked at for a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AttachedNeeds {
    balancers: bool,
    address: bool,
    volumes: bool,
}

fn needs(record: &Instance, is_claimed: bool) -> AttachedNeeds {
    use InstanceStatus as S;
    let is_due = record.status == S::Online && (record.attached.due || record.attached.has_loose_ends());
    AttachedNeeds {
        balancers: is_due
            || (record.status == S::Online && is_claimed)
            // A Setup that was asked for; on the way up none has it yet.
            || (record.status == S::RunningSetup && record.has_been_online)
            || matches!(record.status, S::Stopping | S::Terminating | S::Terminated | S::Unassigning | S::Deregistering),
        address: record.elastic_ip.is_some() && (is_due || matches!(record.status, S::Booting | S::RunningSetup)),
        volumes: record.status == S::Booting && !record.volumes.is_empty(),
    }
}

/// Looks at what belongs to these records, as few calls as there are kinds and load balancers.
pub(super) async fn look_at_attached(
    ports: &Ports,
    view: &StackView,
    records: &[&Instance],
    seen: &mut BTreeMap<InstanceId, Observed>,
) {
    let with = |pick: fn(&AttachedNeeds) -> bool| -> Vec<&Instance> {
        records.iter().copied().filter(|r| pick(&needs(r, view.claim_on(&r.id).is_some()))).collect()
    };
    look_at_volumes(ports, view, &with(|n| n.volumes), seen).await;
    look_at_addresses(ports, view, &with(|n| n.address), seen).await;
    look_at_balancers(ports, view, &with(|n| n.balancers), seen).await;
}

async fn look_at_volumes(ports: &Ports, view: &StackView, records: &[&Instance], seen: &mut BTreeMap<InstanceId, Observed>) {
    let ids: Vec<String> = records.iter().flat_map(|r| &r.volumes).map(|v| v.ec2_volume_id.clone()).collect();
    if ids.is_empty() {
        return;
    }
    let Ok(found) = ports.inventory.volumes(&view.scope, &ids).await else { return };
    let found: BTreeMap<&str, &VolumeView> = found.iter().map(|v| (v.id.as_str(), v)).collect();
    for record in records {
        let at = |id: &String| (id.clone(), volume_at(record, found.get(id.as_str()).copied()));
        let volumes = record.volumes.iter().map(|v| at(&v.ec2_volume_id)).collect();
        if let Some(observed) = seen.get_mut(&record.id) {
            observed.attached.volumes = Some(volumes);
        }
    }
}

fn volume_at(record: &Instance, volume: Option<&VolumeView>) -> VolumeAt {
    match volume {
        None => VolumeAt::Gone,
        Some(VolumeView { host: Some(host), .. }) if record.ec2_instance_id.as_ref() == Some(host) => VolumeAt::Here,
        Some(VolumeView { host: Some(host), .. }) => VolumeAt::Elsewhere(host.clone()),
        Some(volume) if volume.zone != record.availability_zone => VolumeAt::OtherZone(volume.zone.clone()),
        Some(_) => VolumeAt::Free,
    }
}

async fn look_at_addresses(ports: &Ports, view: &StackView, records: &[&Instance], seen: &mut BTreeMap<InstanceId, Observed>) {
    let ips: Vec<String> = records.iter().filter_map(|r| r.elastic_ip.clone()).collect();
    if ips.is_empty() {
        return;
    }
    let Ok(found) = ports.inventory.addresses(&view.scope, &ips).await else { return };
    let found: BTreeMap<&str, &AddressView> = found.iter().map(|a| (a.ip.as_str(), a)).collect();
    for record in records {
        let address = match record.elastic_ip.as_deref().and_then(|ip| found.get(ip)).map(|address| &address.host) {
            None => AddressSeen::Gone,
            Some(None) => AddressSeen::Free,
            Some(host) if *host == record.ec2_instance_id => AddressSeen::Here,
            Some(Some(_)) => AddressSeen::Elsewhere,
        };
        if let Some(observed) = seen.get_mut(&record.id) {
            observed.attached.address = address;
        }
    }
}

async fn look_at_balancers(ports: &Ports, view: &StackView, records: &[&Instance], seen: &mut BTreeMap<InstanceId, Observed>) {
    let mut asked: BTreeMap<String, BTreeSet<Ec2InstanceId>> = BTreeMap::new();
    for record in records {
        for balancer in view.balancers_of(record) {
            asked.entry(balancer).or_default().extend(record.ec2_instance_id.clone());
        }
    }
    let mut found: BTreeMap<String, BalancerHosts> = BTreeMap::new();
    for (balancer, hosts) in asked {
        let hosts: Vec<Ec2InstanceId> = hosts.into_iter().collect();
        if let Ok(answer) = ports.load_balancers.hosts(&view.scope, &balancer, &hosts).await {
            // One that is gone has nobody; joining it says so.
            found.insert(balancer, answer.unwrap_or_default());
        }
    }
    for record in records {
        let of: Option<Vec<&BalancerHosts>> = view.balancers_of(record).iter().map(|balancer| found.get(balancer)).collect();
        if let (Some(observed), Some(of)) = (seen.get_mut(&record.id), of) {
            observed.attached.balancers = balancers_seen(record.ec2_instance_id.as_ref(), &of);
        }
    }
}

fn balancers_seen(host: Option<&Ec2InstanceId>, balancers: &[&BalancerHosts]) -> BalancersSeen {
    let Some(host) = host else { return BalancersSeen::Seen { missing: false, registered: false, draining: false } };
    BalancersSeen::Seen {
        missing: balancers.iter().any(|b| !b.registered.contains(host)),
        registered: balancers.iter().any(|b| b.registered.contains(host)),
        draining: balancers.iter().any(|b| b.draining.contains(host)),
    }
}
