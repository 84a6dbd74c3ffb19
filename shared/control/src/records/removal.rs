//! The end of an instance: all that belongs to its record alone goes with it.

use strata_domain::model::Instance;
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, Item, Store, StoreError, keys};

use super::Stored;
use super::resource::{Fate, resource_changes};

/// The changes that remove an instance's record, pointer, host name, EC2 index, schedule, last start, holds, claim, busy entry and note of its hooks, for
/// one commit: the last step of DeleteInstance (lifecycle, once EC2 has terminated it) and of DeregisterInstance (status `deregistering`;
/// the machine runs on, and its volumes and addresses leave the stack with it [EBS-25]), and StopInstance with Force [INST-25].
///
/// Its commands and service errors stay readable until the stack goes. Its volumes and its Elastic IP address stay registered with the
/// stack, unless their deletion was asked for too [INST-32].
///
/// # Errors
/// [`StoreError`]: nothing is known; give up this round.
pub async fn removal_changes(store: &dyn Store, instance: &Stored<Instance>) -> Result<Vec<Change>, StoreError> {
    let fate = |goes: bool| if goes { Fate::Deregistered } else { Fate::StayRegistered };
    let delete = instance.record.delete;
    let fates = (fate(delete.is_some_and(|d| d.volumes)), fate(delete.is_some_and(|d| d.elastic_ip)));
    removal(store, instance, fates).await
}

/// The changes that remove the record of an instance whose machine lives on without us, DeregisterInstance's last step: its volumes and
/// its address leave the stack too, and stay attached [EBS-25] [REG-4].
///
/// # Errors
/// [`StoreError`]: nothing is known; give up this call.
pub async fn deregistration_changes(store: &dyn Store, instance: &Stored<Instance>) -> Result<Vec<Change>, StoreError> {
    removal(store, instance, (Fate::Deregistered, Fate::Deregistered)).await
}

async fn removal(store: &dyn Store, instance: &Stored<Instance>, fates: (Fate, Fate)) -> Result<Vec<Change>, StoreError> {
    let Instance { id, stack_id, hostname, .. } = &instance.record;
    let mut changes = vec![instance.delete()];
    let alone = [
        keys::pointer(id.as_str()),
        keys::unique(stack_id, "host", &hostname.to_ascii_lowercase()),
        keys::time_based(stack_id, id),
        keys::last_start(stack_id, id),
        keys::claim(stack_id, id),
        keys::claim_report(stack_id, id),
        keys::busy(id),
        keys::hooks(stack_id, id),
        keys::patch_state(stack_id, id),
    ];
    for key in alone {
        // What is not there must still not be there at the commit, or it would be left behind.
        changes.push(store.get(&key).await?.map_or(Change::Check { key, expect: Expect::Absent }, delete));
    }
    changes.extend(resource_changes(store, &instance.record, fates).await?);
    if let Some(ec2) = &instance.record.ec2_instance_id {
        changes.extend(store.get(&keys::ec2_index(ec2)).await?.map(delete));
    }
    let holds = Listing::of(keys::stack_pk(stack_id), format!("{}instance#{id}#", keys::HOLD));
    changes.extend(store.list(&holds).await?.into_iter().map(delete));
    Ok(changes)
}

fn delete(item: Item) -> Change {
    Change::Delete { expect: item.unchanged(), key: item.key }
}
