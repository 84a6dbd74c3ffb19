//! A plain map as the model of a store: random operations must have the same outcome on both.

use std::collections::{BTreeMap, BTreeSet};

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

/// Operations drawn by seed, for stores that are too slow for many cases: few keys, so that operations meet.
pub fn random_operations(seed: u64, count: usize) -> Vec<Operation> {
    let mut draws = Draws(seed);
    (0..count).map(|_| draws.operation()).collect()
}

/// SplitMix64: a generator in one line, the same on every machine.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_of(&mut self, choices: &[&'static str]) -> &'static str {
        let n = self.below(choices.len() as u64);
        choices[usize::try_from(n).unwrap_or_default()]
    }

    fn key(&mut self) -> Key {
        Key::new(self.one_of(&["p", "p#", "q"]), self.one_of(&["a", "a#", "a#1", "a#2", "b", "\u{10ffff}", "é"]))
    }

    fn operation(&mut self) -> Operation {
        match self.below(9) {
            0 => Operation::Get(self.key()),
            1 | 2 => {
                let (pk, prefix) = (self.key().pk, self.one_of(&["", "a", "a#", "a#1", "b", "z", "\u{10ffff}"]));
                let limit = usize::try_from(self.below(5)).ok().filter(|limit| *limit < 4);
                Operation::List(Listing { descending: self.below(2) == 0, limit, ..Listing::of(pk, prefix) })
            }
            _ => Operation::Commit(self.commit()),
        }
    }

    fn commit(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = (0..=self.below(3)).map(|_| self.change()).collect();
        let mut seen = BTreeSet::new();
        changes.retain(|change| seen.insert(change.key().clone()));
        changes
    }

    fn change(&mut self) -> Change {
        let (key, kind, value) = (self.key(), self.below(6), self.below(256));
        let expect = if self.below(7) < 3 { Expect::Absent } else { Expect::Version(1 + self.below(3)) };
        match kind {
            0..4 => Change::put(key, &value, expect),
            4 => Change::Delete { key, expect },
            _ => Change::Check { key, expect },
        }
    }
}
