//! The Configure event: a run on each online host of a stack that has a hook for it [LIFE].
//!
//! Our choice: causes are gathered until the tick, which makes one run of all of them; and a run is only made where the host has said, in
//! the last line of its latest run, that it has a hook, or its layer asks for a hosts file [INST-63]. So a thousand hosts that come up are not a million commands.

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::model::{Instance, Layer};
use strata_domain::settings::Settings;
use strata_domain::{CommandId, InstanceId, InstanceStatus, LayerId, StackId};
use strata_ports::store::{Listing, MAX_CHANGES};
use strata_ports::{Change, HandlerError, Item, keys};

use super::CommandRunner;
use crate::reconciler::round::committed;
use crate::records::Command;

impl CommandRunner {
    /// Makes the Configure runs that are due.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer; what is due stays due until its runs are made, so a run may be made twice, and the
    /// later one supersedes the earlier unless that was sent already [CMD-33].
    pub async fn configure(&self) -> Result<(), HandlerError> {
        let mut by_stack: BTreeMap<StackId, Vec<Item>> = BTreeMap::new();
        for item in self.ports.store.list(&Listing::of(keys::CONFIGURE_DUE_PK, "")).await? {
            let stack = item.key.sk.split('#').next().unwrap_or_default();
            by_stack.entry(StackId::from(stack)).or_default().push(item);
        }
        for (stack, due) in by_stack {
            let mut commands = Vec::new();
            for instance in self.targets(&stack, &due).await? {
                let Some(item) = self.ports.store.get(&keys::instance(&stack, &instance)).await? else { continue };
                let record: Instance = item.decode()?;
                if record.status == InstanceStatus::Online {
                    let id = CommandId::new(self.ports.ids.uuid());
                    commands.push(Command::of_service(id, &record, "configure", self.ports.clock.now()));
                }
            }
            self.make(commands).await?;
            for portion in due.chunks(MAX_CHANGES) {
                let gone = portion.iter().map(|item| Change::Delete { key: item.key.clone(), expect: item.unchanged() });
                // What became due again meanwhile stays due.
                committed(self.ports.store.commit(gone.collect()).await)?;
            }
        }
        Ok(())
    }

    /// The instances that a stack's causes are about: members of layers whose logs have changed, and for any other cause those with a hook or a
    /// hosts file.
    async fn targets(&self, stack: &StackId, due: &[Item]) -> Result<BTreeSet<InstanceId>, HandlerError> {
        let layer = |item: &Item| item.key.sk.split_once('#')?.1.strip_prefix(keys::CONFIGURE_DUE_LAYER).map(LayerId::from);
        let mut layers: BTreeSet<LayerId> = due.iter().filter_map(layer).collect();
        let mut targets = BTreeSet::new();
        if due.iter().any(|item| layer(item).is_none()) {
            targets.extend(self.with_hook(stack).await?);
            layers.extend(self.with_hosts_file(stack).await?);
        }
        if !layers.is_empty() {
            for item in self.ports.store.list(&Listing::of(keys::stack_pk(stack), keys::INSTANCE)).await? {
                let record: Instance = item.decode()?;
                if record.layer_ids.iter().any(|id| layers.contains(id)) {
                    targets.insert(record.id);
                }
            }
        }
        Ok(targets)
    }

    /// The layers of a stack that ask for a hosts file [INST-63].
    async fn with_hosts_file(&self, stack: &StackId) -> Result<Vec<LayerId>, HandlerError> {
        let mut found = Vec::new();
        for item in self.ports.store.list(&Listing::of(keys::stack_pk(stack), keys::LAYER)).await? {
            let layer: Layer = item.decode()?;
            if Settings::from_custom_json(layer.custom_json.as_deref()).is_ok_and(|settings| settings.hosts_file) {
                found.push(layer.id);
            }
        }
        Ok(found)
    }

    /// The instances of a stack that have said that they have a hook.
    async fn with_hook(&self, stack: &StackId) -> Result<Vec<InstanceId>, HandlerError> {
        let mut found = Vec::new();
        for item in self.ports.store.list(&Listing::of(keys::stack_pk(stack), keys::HOOKS)).await? {
            let hooks: keys::Hooks = item.decode()?;
            if hooks.configure {
                found.extend(item.key.sk.strip_prefix(keys::HOOKS).map(InstanceId::from));
            }
        }
        Ok(found)
    }
}
