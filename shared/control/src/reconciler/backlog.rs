//! Launches that EC2 has throttled. A write to the poke record wakes the table's stream, whose next invocation takes some of them along, and so
//! on, so that many launches go on as fast as EC2's bucket lets them and not a bucketful a minute. The tick begins the chain anew when it has
//! broken off.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use strata_domain::InstanceId;
use strata_domain::model::Instance;
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, StoreError, keys};

use super::round::{Run, committed};
use super::{Named, Reconciler, named};

/// A chain whose last poke is older than this has broken off.
const CHAIN_BREAKS_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// Entries in one commit.
const PER_COMMIT: usize = 50;

impl Run<'_> {
    /// Launches that were throttled are taken along by the next invocations of the table's stream.
    pub(super) async fn join_backlog(&self, records: &[Instance]) -> Result<(), HandlerError> {
        let store = &self.reconciler.ports.store;
        for some in records.chunks(PER_COMMIT) {
            let mut entries = Vec::with_capacity(some.len());
            for record in some {
                let key = keys::launch_backlog(&record.id);
                if store.get(&key).await?.is_none() {
                    let owner = keys::Owner { kind: "instance".to_owned(), stack_id: record.stack_id.clone() };
                    entries.push(Change::put(key, &owner, Expect::Absent));
                }
            }
            // One that somebody else has put in keeps all out: the tick brings them.
            if !entries.is_empty() {
                committed(store.commit(entries).await)?;
            }
        }
        match records.is_empty() {
            true => Ok(()),
            false => self.reconciler.poke(self.reconciler.ports.clock.now()).await,
        }
    }

    /// Takes an entry out that is no longer wanted: launched, given up, or its record is gone.
    pub(super) async fn leave_backlog(&self, id: &InstanceId) -> Result<(), StoreError> {
        let store = &self.reconciler.ports.store;
        let Some(item) = store.get(&keys::launch_backlog(id)).await? else { return Ok(()) };
        // Whatever this comes to, the entry is only a hint, and the next invocation that meets it tries again.
        let _ = store.commit(vec![Change::Delete { expect: item.unchanged(), key: item.key }]).await;
        Ok(())
    }

    /// Of these, those that wait in the backlog and are not this invocation's to launch.
    pub(super) async fn left_to_others(&self, ids: &[InstanceId]) -> Result<BTreeSet<InstanceId>, StoreError> {
        let mut left = BTreeSet::new();
        for id in ids.iter().filter(|id| !self.waiting.contains(*id)) {
            if self.reconciler.ports.store.get(&keys::launch_backlog(id)).await?.is_some() {
                left.insert(id.clone());
            }
        }
        Ok(left)
    }
}

impl Reconciler {
    /// Wakes the table's stream, which goes on with the backlog.
    async fn poke(&self, now: Timestamp) -> Result<(), HandlerError> {
        let store = &self.ports.store;
        let poke = store.get(&keys::launch_poke()).await?;
        let expect = poke.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
        // Somebody else's poke does as well.
        committed(store.commit(vec![Change::put(keys::launch_poke(), &now, expect)]).await).map(drop).map_err(HandlerError::from)
    }

    /// What the tick takes along: some launches if they wait and nobody has poked for a while, since an invocation was lost or the stream is
    /// out of order. The chain begins anew with it.
    pub(super) async fn stranded(&self) -> Result<Vec<Named>, HandlerError> {
        let now = self.ports.clock.now();
        let waiting = self.backlog(self.config.backlog_portion).await?;
        if waiting.is_empty() {
            return Ok(waiting);
        }
        let last: Option<Timestamp> = self.ports.store.get(&keys::launch_poke()).await?.and_then(|item| item.decode().ok());
        if last.is_some_and(|last| now.duration_since(last) < CHAIN_BREAKS_AFTER) {
            return Ok(Vec::new());
        }
        self.poke(now).await?;
        Ok(waiting)
    }

    /// The first launches that were throttled.
    pub(super) async fn backlog(&self, most: usize) -> Result<Vec<Named>, StoreError> {
        let listing = Listing { limit: Some(most), ..Listing::of(keys::LAUNCH_BACKLOG_PK, "") };
        self.ports.store.list(&listing).await?.iter().map(named).collect()
    }
}
