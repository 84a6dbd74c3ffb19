//! The busy index: which instances lifecycle still has work for.

use strata_domain::model::Instance;
use strata_ports::{Change, Expect, Store, StoreError, keys};

/// The changes that bring the busy index in step with a write of `instance`, for the same commit: none when it already says so.
///
/// Sound because an entry changes only in commits that also write the instance: a change between this look and the commit fails
/// the condition on the instance itself. So look *after* the instance was read.
///
/// # Errors
/// [`StoreError`]: nothing is known; give up this round.
pub async fn busy_changes(store: &dyn Store, instance: &Instance, is_busy: bool) -> Result<Vec<Change>, StoreError> {
    let key = keys::busy(&instance.id);
    Ok(match (store.get(&key).await?, is_busy) {
        (Some(_), true) | (None, false) => Vec::new(),
        (Some(item), false) => vec![Change::Delete { expect: item.unchanged(), key }],
        (None, true) => {
            let owner = keys::Owner { kind: "instance".to_owned(), stack_id: instance.stack_id.clone() };
            vec![Change::put(key, &owner, Expect::Absent)]
        }
    })
}
