//! What hosts say of their updates, in the store: `strata_domain::updates::debt` makes the view of it.

use jiff::Timestamp;
use strata_domain::updates::{PatchReport, PatchState};
use strata_domain::{InstanceId, StackId};
use strata_ports::{Change, Expect, Store, StoreError, keys};

/// The change that keeps a host's report, on the condition that nobody has kept another meanwhile.
pub(crate) async fn kept(
    store: &dyn Store,
    stack: &StackId,
    instance: &InstanceId,
    report: PatchReport,
    now: Timestamp,
) -> Result<Change, StoreError> {
    let key = keys::patch_state(stack, instance);
    let known = store.get(&key).await?;
    // One that a newer version wrote in another form is written anew: it holds no decision.
    let before: Option<PatchState> = known.as_ref().and_then(|item| item.decode().ok());
    let expect = known.map_or(Expect::Absent, |item| item.unchanged());
    Ok(Change::put(key, &PatchState::after(before.as_ref(), report, now), expect))
}
