//! Carrying out what concerns load balancers, addresses and volumes. Each call is repeated harmlessly, so a lost answer is looked after by
//! the next look.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use strata_domain::lifecycle::{
    Action, VolumeAt, address_token, on_address_allocated, on_address_kept, on_address_refused, on_address_released,
    on_address_settled, on_balancers_left, on_balancers_refused, on_loose_ends_tied, on_volume_made, on_volume_not_made,
    on_volume_refused,
};
use strata_domain::model::Instance;
use strata_domain::resources::next_device;
use strata_domain::{Ec2InstanceId, InstanceId};
use strata_ports::{CloudError, ItemResult, NewVolume, VolumeSpec};

use super::act::{Actor, Next, failed, write_step};
use super::balancers::{Synced, sync, unread};
use super::volumes::devices_of;
use super::write::Write;
use crate::records::{Stored, find_address, find_volume};

/// By load balancer: how long its connections drain, and what became of each host.
type Deregistered = BTreeMap<String, Result<(SignedDuration, Vec<ItemResult<Ec2InstanceId>>), CloudError>>;

/// A failure for good in words; `None` for one that the next look looks after.
pub(super) fn for_good(error: &CloudError) -> Option<String> {
    match error {
        CloudError::Refused { code, why, .. } | CloudError::Wrong { code, why, .. } => Some(format!("{code}: {why}")),
        CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. } => None,
    }
}

impl Actor<'_> {
    /// Registers with all load balancers of their layers, and brings those in step on the way [ELB-4].
    pub(super) async fn join_balancers(&self, items: &[Stored<Instance>]) -> Vec<Next> {
        let wanted: BTreeSet<String> = items.iter().flat_map(|item| self.view.balancers_of(&item.record)).collect();
        let mut synced: BTreeMap<String, Result<Synced, CloudError>> = BTreeMap::new();
        for balancer in wanted {
            let result = sync(self.ports, self.view, &balancer, None).await;
            synced.insert(balancer, result);
        }
        items.iter().map(|item| self.after_joining(item, &synced)).collect()
    }

    fn after_joining(&self, item: &Stored<Instance>, synced: &BTreeMap<String, Result<Synced, CloudError>>) -> Next {
        for balancer in self.view.balancers_of(&item.record) {
            let host = item.record.ec2_instance_id.as_ref();
            let error = match synced.get(&balancer) {
                Some(Ok(synced)) => host.and_then(|host| synced.refused.get(host)),
                Some(Err(error)) => Some(error),
                None => None,
            };
            match error.map(|error| (error, for_good(error))) {
                None => {}
                Some((_, Some(why))) => {
                    let why = format!("the load balancer {balancer} does not take it: {why}");
                    return write_step(item, on_balancers_refused(&item.record, &why), false);
                }
                Some((error, None)) => return failed(&item.record, error),
            }
        }
        Next::Look
    }

    /// Deregisters from all load balancers of their layers; how long connections may drain is written with it [ELB-6].
    pub(super) async fn leave_balancers(&self, items: &[Stored<Instance>]) -> Vec<Next> {
        let mut leaving: BTreeMap<String, Vec<Ec2InstanceId>> = BTreeMap::new();
        for item in items {
            for balancer in self.view.balancers_of(&item.record) {
                leaving.entry(balancer).or_default().extend(item.record.ec2_instance_id.clone());
            }
        }
        let mut results: Deregistered = BTreeMap::new();
        for (balancer, hosts) in leaving {
            let result = self.deregister_from(&balancer, &hosts).await;
            results.insert(balancer, result);
        }
        items.iter().map(|item| self.after_leaving(item, &results)).collect()
    }

    async fn deregister_from(
        &self,
        balancer: &str,
        hosts: &[Ec2InstanceId],
    ) -> Result<(SignedDuration, Vec<ItemResult<Ec2InstanceId>>), CloudError> {
        let (elb, scope) = (&self.ports.load_balancers, &self.view.scope);
        let drain_time = elb.drain_time(scope, balancer).await?;
        Ok((drain_time, elb.deregister(scope, balancer, hosts).await?))
    }

    fn after_leaving(&self, item: &Stored<Instance>, results: &Deregistered) -> Next {
        let mut longest = SignedDuration::ZERO;
        for balancer in self.view.balancers_of(&item.record) {
            match results.get(&balancer) {
                Some(Ok((drain_time, hosts))) => {
                    longest = longest.max(*drain_time);
                    let of_host = hosts.iter().find(|h| Some(&h.id) == item.record.ec2_instance_id.as_ref());
                    if let Some(ItemResult { result: Err(error), .. }) = of_host {
                        return failed(&item.record, error);
                    }
                }
                Some(Err(error)) => return failed(&item.record, error),
                None => {}
            }
        }
        let after = on_balancers_left(&item.record, longest, self.now);
        let write = Write::note(item, after, "it is deregistered from its load balancers");
        Next::Write { write: Box::new(write), rest: false }
    }

    /// Makes the volume that its record says is being made [EBS-22]: a repeat is the same one. What it is to be is read from its layer, as that
    /// is now.
    pub(super) async fn make_volume(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let record = &item.record;
        let Some(making) = &record.attached.volume_making else { return Ok(Next::Look) };
        let mut wanted = self.view.layers_of(record).flat_map(|layer| &layer.volume_configurations);
        let Some(wanted) = wanted.find(|wanted| wanted.mount_point == making.mount_point) else {
            let why = format!("no layer of it has a volume at {} any more", making.mount_point);
            return Ok(write_step(item, on_volume_not_made(record, &why), false));
        };
        let new = NewVolume {
            token: making.token.clone(),
            instance_id: record.id.clone(),
            hostname: record.hostname.clone(),
            availability_zone: record.availability_zone.clone(),
            volume: VolumeSpec {
                mount_point: wanted.mount_point.clone(),
                size: wanted.size,
                volume_type: wanted.volume_type.clone(),
                iops: wanted.iops,
                encrypted: wanted.encrypted,
                device: String::new(),
            },
        };
        match self.ports.attachments.make_volume(&self.view.scope, &new).await {
            Ok(id) => Ok(write_step(item, on_volume_made(record, &id, self.now), false)),
            Err(error) => match for_good(&error) {
                Some(why) => Ok(write_step(item, on_volume_not_made(record, &why), true)),
                None => Err(error),
            },
        }
    }

    /// Attaches those of its volumes that the look has found free.
    pub(super) async fn attach_volumes(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let Some(host) = &item.record.ec2_instance_id else { return Ok(Next::Look) };
        for id in self.free_volumes(&item.record.id) {
            let device = self.device_of(&item.record, &id).await?;
            let attached = self.ports.attachments.attach_volume(&self.view.scope, &id, host, &device).await;
            match attached {
                Ok(()) => {}
                Err(CloudError::Refused { code, why, .. } | CloudError::Wrong { code, why, .. }) => {
                    return Ok(write_step(item, on_volume_refused(&item.record, &id, &code, &why), true));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Next::Look)
    }

    fn free_volumes(&self, id: &InstanceId) -> Vec<String> {
        let volumes = self.seen.get(id).and_then(|seen| seen.attached.volumes.as_ref());
        volumes.into_iter().flatten().filter(|(_, at)| *at == VolumeAt::Free).map(|(id, _)| id.clone()).collect()
    }

    /// The device name that a volume's record has given it, or else the first free one.
    async fn device_of(&self, record: &Instance, volume: &str) -> Result<String, CloudError> {
        let store = &*self.ports.store;
        let known = find_volume(store, volume).await.map_err(unread)?.and_then(|v| v.record.device);
        let taken = devices_of(store, record).await.map_err(unread)?;
        known.or_else(|| next_device(&taken)).ok_or_else(|| CloudError::Wrong {
            action: "ec2:AttachVolume",
            code: "TooManyVolumes".to_owned(),
            why: format!("no device name is left for {volume}"),
        })
    }

    /// What was taken from the record leaves its machine. What EC2 will never do is left to whoever has it.
    pub(super) async fn tie_loose_ends(&self, item: &Stored<Instance>, action: Action) -> Result<Next, CloudError> {
        let (attachments, scope, attached) = (&self.ports.attachments, &self.view.scope, &item.record.attached);
        let leaving = match action {
            Action::DetachVolumes => &attached.volumes_leaving,
            _ => &attached.addresses_leaving,
        };
        for one in leaving {
            let Some(host) = &item.record.ec2_instance_id else { break };
            let left = match action {
                Action::DetachVolumes => attachments.detach_volume(scope, one, host).await,
                _ => attachments.disassociate_address(scope, one, host).await,
            };
            match left {
                Ok(()) => {}
                Err(error) if for_good(&error).is_some() => {
                    tracing::warn!(instance.id = %item.record.id, error = %error, "{one} stays at the machine");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(write_step(item, on_loose_ends_tied(&item.record, action), false))
    }

    /// Associates its address with its machine.
    pub(super) async fn associate_address(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let (Some(ip), Some(host)) = (&item.record.elastic_ip, &item.record.ec2_instance_id) else { return Ok(Next::Look) };
        match self.ports.attachments.associate_address(&self.view.scope, ip, host).await {
            Ok(()) => Ok(Next::Look),
            Err(error) => match for_good(&error) {
                Some(why) => {
                    let why = format!("the address {ip} cannot be associated: {why}");
                    Ok(write_step(item, on_address_refused(&item.record, &why), false))
                }
                None => Err(error),
            },
        }
    }

    /// Takes the address that an earlier attempt has allocated, or allocates one [EIP-9]; the second time, releases what was allocated too
    /// many and is in nobody's records.
    pub(super) async fn allocate_address(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let (attachments, scope, record) = (&self.ports.attachments, &self.view.scope, &item.record);
        let token = record.attached.address_token.clone().unwrap_or_else(|| address_token(record));
        let mut ours = Vec::new();
        for ip in attachments.allocated_for(scope, &token).await? {
            if find_address(&*self.ports.store, &ip).await.map_err(unread)?.is_none() {
                ours.push(ip);
            }
        }
        if record.attached.address_settles_at.is_some() {
            for ip in ours.iter().filter(|ip| record.elastic_ip.as_ref() != Some(ip)) {
                attachments.release_address(scope, ip).await?;
            }
            return Ok(write_step(item, on_address_settled(record), false));
        }
        let allocated = match ours.into_iter().next() {
            Some(ip) => Ok(ip),
            None => attachments.allocate_address(scope, &token).await,
        };
        match allocated {
            Ok(ip) => Ok(write_step(item, on_address_allocated(record, &ip, self.now), false)),
            Err(error) => match for_good(&error) {
                Some(why) => {
                    let why = format!("no Elastic IP address can be had: {why}");
                    Ok(write_step(item, on_address_refused(record, &why), false))
                }
                None => Err(error),
            },
        }
    }

    /// Releases its address, which only a deletion asks for [EIP-17].
    pub(super) async fn release_address(&self, item: &Stored<Instance>) -> Result<Next, CloudError> {
        let Some(ip) = &item.record.elastic_ip else { return Ok(Next::Look) };
        match self.ports.attachments.release_address(&self.view.scope, ip).await {
            Ok(()) => Ok(write_step(item, on_address_released(&item.record), false)),
            Err(error) => match for_good(&error) {
                Some(why) => Ok(write_step(item, on_address_kept(&item.record, &why), false)),
                None => Err(error),
            },
        }
    }
}
