//! The records of volumes and Elastic IP addresses, and the changes that must always go together: the record in its stack's partition,
//! the one that keeps it unique in the installation, and for a volume the pointer from its uuid.

use strata_domain::StackId;
use strata_domain::model::{ElasticIp, Instance, RegisteredVolume};
use strata_domain::resources::{disassociated, untied};
use strata_ports::store::{Listing, first_portion};
use strata_ports::{Change, Expect, Item, Store, StoreError, keys};

use super::Stored;

/// What becomes of an instance's volumes and address when its record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They stay registered with the stack, tied to nothing [EBS-24] [EIP-17].
    StayRegistered,
    /// They leave the stack too.
    Deregistered,
}

/// The three changes that register a volume. `standing` is what stands where the uniqueness goes: nothing, or what a deleted stack left.
pub fn register_volume_changes(volume: &RegisteredVolume, standing: Expect) -> [Change; 3] {
    let owner = keys::VolumeOwner { stack_id: volume.stack_id.clone(), volume_id: volume.id.clone() };
    let pointer = keys::Owner { kind: "volume".to_owned(), stack_id: volume.stack_id.clone() };
    [
        Change::put(keys::volume(&volume.stack_id, &volume.id), volume, Expect::Absent),
        Change::put(keys::pointer(volume.id.as_str()), &pointer, Expect::Absent),
        Change::put(keys::registered_volume(&volume.ec2_volume_id), &owner, standing),
    ]
}

/// The changes that take a volume's record, pointer and uniqueness away. It deletes nothing in EC2 [RES-8].
///
/// # Errors
/// [`StoreError`]: nothing is known; give up this call or round.
pub async fn deregister_volume_changes(store: &dyn Store, volume: &Stored<RegisteredVolume>) -> Result<Vec<Change>, StoreError> {
    let mut changes = vec![volume.delete()];
    changes.extend(store.get(&keys::pointer(volume.record.id.as_str())).await?.map(delete));
    if let Some(item) = store.get(&keys::registered_volume(&volume.record.ec2_volume_id)).await? {
        // Another stack's, if this one's has been taken over.
        if item.decode::<keys::VolumeOwner>()?.volume_id == volume.record.id {
            changes.push(delete(item));
        }
    }
    Ok(changes)
}

/// The registration of the EC2 volume, with whatever stack it is.
///
/// # Errors
/// [`StoreError`].
pub async fn find_volume(store: &dyn Store, ec2_volume_id: &str) -> Result<Option<Stored<RegisteredVolume>>, StoreError> {
    let Some(item) = store.get(&keys::registered_volume(ec2_volume_id)).await? else { return Ok(None) };
    let owner: keys::VolumeOwner = item.decode()?;
    store.get(&keys::volume(&owner.stack_id, &owner.volume_id)).await?.map(Stored::of).transpose()
}

/// The two changes that register an address. `standing` as in [`register_volume_changes`].
pub fn register_address_changes(address: &ElasticIp, standing: Expect) -> [Change; 2] {
    [
        Change::put(keys::elastic_ip(&address.stack_id, &address.ip), address, Expect::Absent),
        address_owner_change(address, standing),
    ]
}

/// The change that says where an address is registered.
pub fn address_owner_change(address: &ElasticIp, standing: Expect) -> Change {
    let owner = keys::Owner { kind: "elastic-ip".to_owned(), stack_id: address.stack_id.clone() };
    Change::put(keys::registered_address(&address.ip), &owner, standing)
}

/// The changes that take an address's record and uniqueness away. It releases nothing in EC2 [EIP-16].
///
/// # Errors
/// [`StoreError`].
pub async fn deregister_address_changes(store: &dyn Store, address: &Stored<ElasticIp>) -> Result<Vec<Change>, StoreError> {
    let mut changes = vec![address.delete()];
    if let Some(item) = store.get(&keys::registered_address(&address.record.ip)).await?
        && item.decode::<keys::Owner>()?.stack_id == address.record.stack_id
    {
        changes.push(delete(item));
    }
    Ok(changes)
}

/// The registration of an address, with whatever stack it is.
///
/// # Errors
/// [`StoreError`].
pub async fn find_address(store: &dyn Store, ip: &str) -> Result<Option<Stored<ElasticIp>>, StoreError> {
    let Some(item) = store.get(&keys::registered_address(ip)).await? else { return Ok(None) };
    let owner: keys::Owner = item.decode()?;
    store.get(&keys::elastic_ip(&owner.stack_id, ip)).await?.map(Stored::of).transpose()
}

/// The changes of an instance's volumes and address that belong into the commit in which its record goes, so that none of them names
/// an instance that is no more. Sound because they are tied and untied only in commits that also write the instance.
///
/// # Errors
/// [`StoreError`].
pub async fn resource_changes(
    store: &dyn Store,
    instance: &Instance,
    (volumes, address): (Fate, Fate),
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    for tied in &instance.volumes {
        let Some(volume) = find_volume(store, &tied.ec2_volume_id).await? else { continue };
        match volumes {
            _ if volume.record.instance_id.as_ref() != Some(&instance.id) => {}
            Fate::StayRegistered => changes.push(volume.put(&untied(&volume.record))),
            Fate::Deregistered => changes.extend(deregister_volume_changes(store, &volume).await?),
        }
    }
    let Some(ip) = &instance.elastic_ip else { return Ok(changes) };
    let Some(stored) = find_address(store, ip).await? else { return Ok(changes) };
    match address {
        _ if stored.record.instance_id.as_ref() != Some(&instance.id) => {}
        Fate::StayRegistered => changes.push(stored.put(&disassociated(&stored.record))),
        Fate::Deregistered => changes.extend(deregister_address_changes(store, &stored).await?),
    }
    Ok(changes)
}

/// How many records of a deleted stack are removed in one commit: three changes each at most.
const REMOVED_PER_COMMIT: usize = 30;

/// Takes the outside records of what is left in a deleted stack's partition away, together with the records themselves: of registered
/// volumes and addresses [EBS-26] [STK-13], deployments and service errors. Commands' pointers stay, since there may be very many and
/// nothing reads them again.
///
/// # Errors
/// What the store said. What is missed is not lost: a registration whose stack is gone counts as none.
pub async fn release_stack(store: &dyn Store, stack: &StackId) -> Result<(), String> {
    for prefix in [keys::VOLUME, keys::ELASTIC_IP, keys::DEPLOYMENT, keys::SERVICE_ERROR, keys::TAGGING] {
        loop {
            let portion = Listing { limit: Some(REMOVED_PER_COMMIT), ..Listing::of(keys::stack_pk(stack), prefix) };
            let items = first_portion(store.list(&portion).await.map_err(|e| e.to_string())?);
            if items.is_empty() {
                break;
            }
            let mut changes = Vec::new();
            for item in items {
                changes.extend(outside_changes(store, stack, prefix, &item).await.map_err(|e| e.to_string())?);
                changes.push(delete(item));
            }
            store.commit(changes).await.map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

async fn outside_changes(store: &dyn Store, stack: &StackId, prefix: &str, item: &Item) -> Result<Vec<Change>, StoreError> {
    let id = item.key.sk.strip_prefix(prefix).unwrap_or_default();
    let outside = match prefix {
        keys::VOLUME => {
            let volume: RegisteredVolume = item.decode()?;
            vec![keys::pointer(id), keys::registered_volume(&volume.ec2_volume_id)]
        }
        keys::ELASTIC_IP => vec![keys::registered_address(id)],
        keys::DEPLOYMENT => vec![keys::pointer(id), keys::open_deployment(&id.into())],
        _ => vec![keys::pointer(id)],
    };
    let mut changes = Vec::with_capacity(outside.len());
    for key in outside {
        let standing = store.get(&key).await?;
        changes.extend(standing.filter(|of| of.decode::<OfStack>().is_ok_and(|of| of.stack_id == *stack)).map(delete));
    }
    Ok(changes)
}

/// What all outside records say.
#[derive(serde::Deserialize)]
struct OfStack {
    stack_id: StackId,
}

fn delete(item: Item) -> Change {
    Change::Delete { expect: item.unchanged(), key: item.key }
}
