//! Launches that EC2 has throttled. Each invocation takes some along, whatever woke it, so that many launches go on as fast as
//! EC2's bucket lets them and not a bucketful a minute.

use strata_domain::InstanceId;
use strata_domain::model::Instance;
use strata_ports::{Change, Expect, HandlerError, StoreError, keys};

use super::round::{Run, committed};

impl Run<'_> {
    /// Launches that were throttled are taken along by the next invocations, whatever wakes them.
    pub(super) async fn join_backlog(&self, records: &[Instance]) -> Result<(), HandlerError> {
        let store = &self.reconciler.ports.store;
        for record in records {
            let key = keys::launch_backlog(&record.id);
            if store.get(&key).await?.is_none() {
                let owner = keys::Owner { kind: "instance".to_owned(), stack_id: record.stack_id.clone() };
                committed(store.commit(vec![Change::put(key, &owner, Expect::Absent)]).await)?;
            }
        }
        if !records.is_empty() {
            let poke = store.get(&keys::launch_poke()).await?;
            let count = poke.as_ref().and_then(|item| item.decode::<u64>().ok()).unwrap_or(0).wrapping_add(1);
            let expect = poke.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
            // Somebody else's poke does as well.
            committed(store.commit(vec![Change::put(keys::launch_poke(), &count, expect)]).await)?;
        }
        Ok(())
    }

    /// Takes an entry out that is no longer wanted: launched, given up, or its record is gone.
    pub(super) async fn leave_backlog(&self, id: &InstanceId) -> Result<(), StoreError> {
        let store = &self.reconciler.ports.store;
        let Some(item) = store.get(&keys::launch_backlog(id)).await? else { return Ok(()) };
        // Whatever this comes to, the entry is only a hint, and the next invocation that meets it tries again.
        let _ = store.commit(vec![Change::Delete { expect: item.unchanged(), key: item.key }]).await;
        Ok(())
    }
}
