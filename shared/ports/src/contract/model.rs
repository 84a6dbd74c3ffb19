//! A plain map as the model of a store: random operations must have the same outcome on both.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::store::Listing;
use crate::{Change, CommitError, Expect, Item, Key, Store};

/// What a test does to a store and to the model.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Get.
    Get(Key),
    /// List.
    List(Listing),
    /// Commit; keys in one commit must differ.
    Commit(Vec<Change>),
}

/// What a store should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    records: BTreeMap<Key, (u64, Bytes)>,
    changed: Vec<Key>,
}

impl Model {
    /// The keys written or removed so far, in order.
    pub fn changed(&self) -> &[Key] {
        &self.changed
    }

    fn item(&self, key: &Key) -> Option<Item> {
        self.records.get(key).map(|(version, value)| Item { key: key.clone(), version: *version, value: value.clone() })
    }

    fn list(&self, listing: &Listing) -> Vec<Item> {
        let fits = |key: &&Key| key.pk == listing.pk && key.sk.starts_with(&listing.prefix);
        let mut items: Vec<Item> = self.records.keys().filter(fits).filter_map(|key| self.item(key)).collect();
        if listing.descending {
            items.reverse();
        }
        items.truncate(listing.limit.unwrap_or(usize::MAX));
        items
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        for change in changes {
            let (Change::Put { expect, .. } | Change::Delete { expect, .. } | Change::Check { expect, .. }) = change;
            let expected = if let Expect::Version(version) = expect { Some(*version) } else { None };
            if self.item(change.key()).map(|item| item.version) != expected {
                return Err(CommitError::Conflict { key: change.key().clone() });
            }
        }
        for change in changes {
            let difference = match change {
                Change::Put { key, value, .. } => {
                    let version = self.item(key).map_or(0, |item| item.version) + 1;
                    self.records.insert(key.clone(), (version, value.clone()));
                    true
                }
                Change::Delete { key, .. } => self.records.remove(key).is_some(),
                Change::Check { .. } => false,
            };
            if difference {
                self.changed.push(change.key().clone());
            }
        }
        Ok(())
    }
}

/// Does `operations` to an empty `store` and compares each outcome with the model, which it gives back.
pub async fn check_against_model(store: &dyn Store, operations: &[Operation]) -> Model {
    let mut model = Model::default();
    for (n, operation) in operations.iter().enumerate() {
        match operation {
            Operation::Get(key) => assert_eq!(store.get(key).await, Ok(model.item(key)), "operation {n}: {operation:?}"),
            Operation::List(listing) => {
                assert_eq!(store.list(listing).await, Ok(model.list(listing)), "operation {n}: {operation:?}")
            }
            Operation::Commit(changes) => {
                assert_eq!(store.commit(changes.clone()).await, model.commit(changes), "operation {n}: {operation:?}");
            }
        }
    }
    model
}
