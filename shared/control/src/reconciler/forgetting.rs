//! What is kept for its time only: service errors [SVE-5].

use jiff::Timestamp;
use strata_domain::StackId;
use strata_domain::service_errors::{SWEPT_EVERY, is_over};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, Item, Store, keys};

use super::Reconciler;
use super::round::committed;
use crate::records::{ServiceError, Stored};

/// Errors that one commit removes, each with its pointer.
const PER_COMMIT: usize = 40;

impl Reconciler {
    /// Removes the service errors whose time is over, once a day. A failure leaves the rest to the next day.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub(super) async fn forget_errors(&self) -> Result<(), HandlerError> {
        let (store, now) = (&*self.ports.store, self.ports.clock.now());
        let item = store.get(&keys::error_sweep()).await?;
        let last: Option<Timestamp> = item.as_ref().and_then(|item| item.decode().ok());
        if last.is_some_and(|last| now.duration_since(last) < SWEPT_EVERY) {
            return Ok(());
        }
        let expect = item.as_ref().map_or(Expect::Absent, Item::unchanged);
        if !committed(store.commit(vec![Change::put(keys::error_sweep(), &now, expect)]).await)? {
            return Ok(());
        }
        for stack in store.list(&Listing::of(keys::STACKS_PK, "")).await? {
            forget_errors_of(store, &StackId::new(stack.key.sk), now).await?;
        }
        Ok(())
    }
}

async fn forget_errors_of(store: &dyn Store, stack: &StackId, now: Timestamp) -> Result<(), HandlerError> {
    let items = store.list(&Listing::of(keys::stack_pk(stack), keys::SERVICE_ERROR)).await?;
    // One that cannot be read has no time, and stays for people to look at.
    let errors = items.into_iter().filter_map(|item| Stored::<ServiceError>::of(item).ok());
    let over: Vec<Stored<ServiceError>> = errors.filter(|error| is_over(error.record.created_at, now)).collect();
    for some in over.chunks(PER_COMMIT) {
        let mut changes = Vec::with_capacity(some.len() * 2);
        for error in some {
            changes.push(error.delete());
            let pointer = store.get(&keys::pointer(error.record.id.as_str())).await?;
            changes.extend(pointer.map(|item| Change::Delete { expect: item.unchanged(), key: item.key }));
        }
        committed(store.commit(changes).await)?;
    }
    Ok(())
}
