//! What a step does to an instance's volumes, in the records of the stack's volumes: those that its launch made are registered in the
//! very commit in which the instance's record names them [EBS-16], so none is ever known to one side alone.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use strata_domain::VolumeId;
use strata_domain::block_devices::taken_devices;
use strata_domain::model::{ElasticIp, Instance, RegisteredVolume, VolumeConfiguration, VolumeFacts};
use strata_domain::resources::on_host::{NOTHING_TO_MOUNT, mount_of, mounts_list};
use strata_domain::resources::{disassociated, name_of_made_volume, next_device, untied};

use strata_ports::{Change, Expect, Store, StoreError, keys};

use super::telling::Teller;
use super::view::StackView;
use crate::records::{
    Stored, deregister_address_changes, deregister_volume_changes, find_address, find_volume, register_address_changes,
    register_volume_changes,
};

/// The changes that bring the volumes' records in step with a write of `record`; a volume that somebody has registered for another use
/// in the meantime is taken out of `record`: it is not ours to attach or delete.
pub(super) async fn volume_changes(
    store: &dyn Store,
    view: &StackView,
    teller: &Teller<'_>,
    before: &Instance,
    record: &mut Instance,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    let is_in = |of: &Instance, id: &str| of.volumes.iter().any(|v| v.ec2_volume_id == id);
    for gone in before.volumes.iter().filter(|v| !is_in(record, &v.ec2_volume_id)) {
        let Some(volume) = find_volume(store, &gone.ec2_volume_id).await? else { continue };
        if volume.record.instance_id.as_ref() != Some(&record.id) {
            continue;
        }
        match record.delete.is_some_and(|d| d.volumes) {
            true => changes.extend(deregister_volume_changes(store, &volume).await?),
            false => changes.push(volume.put(&untied(&volume.record))),
        }
    }
    let mut devices = None;
    for new in record.volumes.clone().iter().filter(|v| !is_in(before, &v.ec2_volume_id)) {
        let standing = store.get(&keys::registered_volume(&new.ec2_volume_id)).await?;
        match find_volume(store, &new.ec2_volume_id).await? {
            Some(volume) if volume.record.instance_id.as_ref() == Some(&record.id) => {}
            Some(_) => record.volumes.retain(|v| v.ec2_volume_id != new.ec2_volume_id),
            None => {
                let devices = match &mut devices {
                    Some(known) => known,
                    unknown @ None => unknown.insert(devices_of(store, before).await?),
                };
                let device = next_device(devices);
                devices.extend(device.clone());
                let id = VolumeId::new(teller.ids.uuid());
                let mut volume = made(view, record, id, &new.ec2_volume_id, &new.mount_point, teller.now);
                volume.device = device;
                let standing = standing.map_or(Expect::Absent, |item| item.unchanged());
                changes.extend(register_volume_changes(&volume, standing));
            }
        }
    }
    Ok(changes)
}

/// The changes that bring the addresses' records in step with a write of `record`: one that was allocated for it is registered with the
/// stack in this very commit [EIP-9], one that was released leaves the stack [EIP-17]. One that somebody has registered for another use in the
/// meantime is taken out of `record`.
pub(super) async fn address_changes(
    store: &dyn Store,
    teller: &Teller<'_>,
    before: &Instance,
    record: &mut Instance,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    if let Some(gone) = &before.elastic_ip
        && let Some(address) = find_address(store, gone).await?
        && address.record.instance_id.as_ref() == Some(&record.id)
    {
        match record.delete.is_some_and(|d| d.elastic_ip) {
            true => changes.extend(deregister_address_changes(store, &address).await?),
            false => changes.push(address.put(&disassociated(&address.record))),
        }
    }
    let Some(ip) = record.elastic_ip.clone() else { return Ok(changes) };
    match find_address(store, &ip).await? {
        Some(address) if address.record.instance_id.as_ref() == Some(&record.id) => {}
        Some(_) => record.elastic_ip = None,
        None => {
            let standing = store.get(&keys::registered_address(&ip)).await?.map_or(Expect::Absent, |item| item.unchanged());
            let address = ElasticIp {
                ip,
                stack_id: record.stack_id.clone(),
                name: None,
                domain: "vpc".to_owned(),
                instance_id: Some(record.id.clone()),
                registered_at: teller.now,
            };
            changes.extend(register_address_changes(&address, standing));
        }
    }
    Ok(changes)
}

/// What the instance's host mounts, as Setup is told: base64 of the list, or `none` [EBS-29].
///
/// # Errors
/// [`StoreError`]: nothing is known; a host must not be told of fewer volumes than there are.
pub(crate) async fn mounts_of(store: &dyn Store, instance: &Instance) -> Result<String, StoreError> {
    let mut mounts = Vec::new();
    for tied in &instance.volumes {
        let device = find_volume(store, &tied.ec2_volume_id).await?.and_then(|volume| volume.record.device);
        mounts.extend(mount_of(tied, device.as_deref()));
    }
    Ok(mounts_list(mounts).map_or_else(|| NOTHING_TO_MOUNT.to_owned(), |list| BASE64_STANDARD.encode(list)))
}

/// The device names that an instance's volumes and block devices have. The first volume of a launch gets the first one that is left, the
/// next one the next, in the launch and in the volumes' records alike.
pub(super) async fn devices_of(store: &dyn Store, instance: &Instance) -> Result<Vec<String>, StoreError> {
    let mut devices: Vec<String> = taken_devices(&instance.block_device_mappings).collect();
    for tied in &instance.volumes {
        let volume: Option<Stored<RegisteredVolume>> = find_volume(store, &tied.ec2_volume_id).await?;
        devices.extend(volume.and_then(|v| v.record.device));
    }
    Ok(devices)
}

/// The record of a volume that a launch made from the layers' settings.
fn made(
    view: &StackView,
    record: &Instance,
    id: VolumeId,
    ec2_volume_id: &str,
    mount_point: &str,
    now: jiff::Timestamp,
) -> RegisteredVolume {
    let mut wanted = view.layers_of(record).flat_map(|layer| &layer.volume_configurations);
    let wanted: Option<&VolumeConfiguration> = wanted.find(|v| v.mount_point == mount_point);
    RegisteredVolume {
        id,
        stack_id: record.stack_id.clone(),
        ec2_volume_id: ec2_volume_id.to_owned(),
        name: Some(name_of_made_volume(&record.hostname)),
        mount_point: Some(mount_point.to_owned()),
        instance_id: Some(record.id.clone()),
        device: None,
        facts: VolumeFacts {
            state: "in-use".to_owned(),
            size: wanted.map_or(0, |v| v.size),
            volume_type: wanted.map_or_else(|| "standard".to_owned(), |v| v.volume_type.clone()),
            iops: wanted.and_then(|v| v.iops),
            encrypted: wanted.is_some_and(|v| v.encrypted),
            zone: record.availability_zone.clone(),
        },
        registered_at: now,
    }
}
