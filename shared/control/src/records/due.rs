//! What makes the Configure event due.

use jiff::Timestamp;
use strata_domain::InstanceStatus;
use strata_domain::model::Instance;
use strata_ports::{Change, Expect, Store, StoreError, keys};

/// The change that makes Configure due on a stack's hosts, for the commit in which an instance enters or leaves `online` [LIFE-2]. A reboot
/// is neither [LIFE-4].
///
/// # Errors
/// [`StoreError`]: nothing is known; give up this round.
pub async fn configure_due_change(
    store: &dyn Store,
    before: &Instance,
    after: &Instance,
    now: Timestamp,
) -> Result<Option<Change>, StoreError> {
    let is_online = |instance: &Instance| matches!(instance.status, InstanceStatus::Online | InstanceStatus::Rebooting);
    if is_online(before) == is_online(after) {
        return Ok(None);
    }
    let key = keys::configure_due_by(&after.stack_id, &after.id);
    let expect = store.get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
    Ok(Some(Change::put(key, &keys::ConfigureDue { at: now }, expect)))
}
