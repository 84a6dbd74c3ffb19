//! Launches that EC2 has throttled. Each invocation takes some along, whatever woke it, so that many launches go on as fast as
//! EC2's bucket lets them and not a bucketful a minute.

use strata_domain::model::Instance;
use strata_domain::{InstanceId, InstanceStatus};
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
        Ok(())
    }

    /// An entry that is no longer wanted: its instance was stopped, or another invocation has launched it.
    pub(super) async fn leave_backlog_if_there(&self, record: &Instance) -> Result<(), StoreError> {
        match record.status {
            InstanceStatus::Stopping | InstanceStatus::Terminating | InstanceStatus::StartFailed | InstanceStatus::Stopped => {
                self.leave_backlog(&record.id).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn leave_backlog(&self, id: &InstanceId) -> Result<(), StoreError> {
        let store = &self.reconciler.ports.store;
        let Some(item) = store.get(&keys::launch_backlog(id)).await? else { return Ok(()) };
        // Whatever this comes to, the entry is only a hint, and the next invocation that meets it tries again.
        let _ = store.commit(vec![Change::Delete { expect: item.unchanged(), key: item.key }]).await;
        Ok(())
    }
}
