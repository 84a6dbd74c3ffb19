//! Old commands: their logs, and of the service's own their records, go when newer ones have ended [CMD-31].

use strata_domain::commands::keeping::{Keep, LOGS_KEPT, Past, keeping};
use strata_ports::store::Listing;
use strata_ports::{Change, Key, StoreError, keys};

use super::queue::StackRun;
use crate::records::{Command, Stored};

/// So many old commands go with the end of one: more than come, and few enough for its commit.
const GONE_PER_COMMIT: usize = 10;

impl StackRun<'_> {
    /// What goes of the instance's older commands in the commit that ends `done`, which stands at `own`.
    pub(super) async fn old_commands_changes(&self, done: &Command, own: &Key) -> Result<Vec<Change>, StoreError> {
        let store = &*self.ports.store;
        let listing = Listing::of(keys::stack_pk(&done.stack_id), keys::commands_of(&done.instance_id));
        let items = store.list(&listing).await?;
        if items.len() <= LOGS_KEPT {
            return Ok(Vec::new());
        }
        let commands: Vec<Stored<Command>> = items.into_iter().map(Stored::of).collect::<Result<_, _>>()?;
        let past = |c: &Stored<Command>| Past {
            created_at: c.record.created_at,
            is_final: c.record.status.is_final() && c.key != *own,
            by_service: c.record.deployment_id.is_none(),
            has_log: c.record.log.is_some(),
        };
        let kept = keeping(&commands.iter().map(past).collect::<Vec<_>>());
        let old = commands.iter().zip(kept).filter(|(_, keep)| *keep != Keep::Whole).take(GONE_PER_COMMIT);
        let mut changes = Vec::new();
        for (command, keep) in old {
            if keep == Keep::WithoutLog {
                changes.push(command.put(&Command { log: None, ..command.record.clone() }));
                continue;
            }
            changes.push(command.delete());
            if let Some(pointer) = store.get(&keys::pointer(command.record.id.as_str())).await? {
                changes.push(Change::Delete { expect: pointer.unchanged(), key: pointer.key });
            }
        }
        Ok(changes)
    }
}
