//! A stack that is being cloned. More records than a commit holds are written before the stack's own, so until that one stands nobody
//! sees any of them; the intent, written first, is how those of a clone that never came to its end are found and removed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::model::Layer;
use strata_ports::store::{Listing, MAX_CHANGES, first_portion, fits_one_commit};
use strata_ports::{Change, CommitError, Expect, Key, Store, StoreError, keys};

use super::Stored;

/// No call of CloneStack lasts so long; what is older was cut off.
const UNFINISHED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// A clone under way, at `keys::cloning`; the commit that writes the stack removes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloning {
    /// The stack to be.
    pub stack_id: StackId,
    /// Since when.
    pub since: Timestamp,
}

/// Writes the intent and then everything but the stack's own record; answers with the change that ends the intent, for the commit that
/// writes the stack. `portions` are records that belong together.
///
/// # Errors
/// [`CommitError`]: nobody has seen anything, and a sweep removes what was written.
pub async fn stage_clone(store: &dyn Store, cloning: &Cloning, portions: Vec<Vec<Change>>) -> Result<Change, CommitError> {
    let key = keys::cloning(&cloning.stack_id);
    store.commit(vec![Change::put(key.clone(), cloning, Expect::Absent)]).await?;
    let mut batch: Vec<Change> = Vec::new();
    for portion in portions {
        if !batch.is_empty() && !fits_one_commit(batch.iter().chain(&portion)) {
            store.commit(std::mem::take(&mut batch)).await?;
        }
        batch.extend(portion);
    }
    if !batch.is_empty() {
        store.commit(batch).await?;
    }
    Ok(Change::Delete { key, expect: Expect::Version(1) })
}

/// Removes what is left of clones that were cut off. One that comes to its end after all finds its intent gone, and begins anew.
///
/// # Errors
/// [`CommitError`] and unreadable records; the next sweep goes on.
pub async fn sweep_unfinished(store: &dyn Store, now: Timestamp) -> Result<(), CommitError> {
    let unavailable = |e: StoreError| CommitError::Unavailable { why: e.to_string() };
    for item in store.list(&Listing::of(keys::CLONING_PK, "")).await.map_err(unavailable)? {
        let cloning: Stored<Cloning> = Stored::of(item).map_err(unavailable)?;
        if now.duration_since(cloning.record.since) < UNFINISHED_AFTER {
            continue;
        }
        // From here on the clone cannot come to its end.
        let mut given_up = cloning.record.clone();
        given_up.since = Timestamp::MIN;
        store.commit(vec![cloning.put(&given_up)]).await?;
        remove_staged(store, &cloning.record.stack_id).await?;
        let gone = Change::Delete { key: cloning.key.clone(), expect: Expect::Version(cloning.version + 1) };
        store.commit(vec![gone]).await?;
    }
    Ok(())
}

/// The staged records, with a layer its pointer and its entry among those with update windows.
async fn remove_staged(store: &dyn Store, stack: &StackId) -> Result<(), CommitError> {
    let unavailable = |e: StoreError| CommitError::Unavailable { why: e.to_string() };
    loop {
        let some = Listing { limit: Some(MAX_CHANGES / 3), ..Listing::of(keys::stack_pk(stack), "") };
        let items = first_portion(store.list(&some).await.map_err(unavailable)?);
        if items.is_empty() {
            return Ok(());
        }
        let mut changes = Vec::new();
        for item in items {
            if item.key.sk.starts_with(keys::LAYER) {
                let layer: Layer = item.decode().map_err(unavailable)?;
                let beside: [Key; 2] = [keys::pointer(layer.id.as_str()), keys::update_window(&layer.id)];
                for key in beside {
                    let found = store.get(&key).await.map_err(unavailable)?;
                    changes.extend(found.map(|item| Change::Delete { expect: item.unchanged(), key }));
                }
            }
            changes.push(Change::Delete { expect: item.unchanged(), key: item.key });
        }
        store.commit(changes).await?;
    }
}
