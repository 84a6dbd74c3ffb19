//! A store in memory that keeps every condition, gives way at every call so that concurrent calls interleave, and loses answers on demand.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use strata_ports::store::{Listing, check_possible};
use strata_ports::{Change, CommitError, Expect, Item, Key, Store, StoreError};

#[derive(Default)]
pub(super) struct TestStore {
    records: Mutex<BTreeMap<Key, (u64, Bytes)>>,
    /// So many commits to come take effect, but their answers are lost.
    pub(super) lose_answers: AtomicU32,
    /// So many commits to come never arrive, which looks just the same.
    pub(super) lose_calls: AtomicU32,
    /// Commits that failed because somebody was quicker.
    pub(super) conflicts: AtomicU32,
    /// Commits that took effect.
    pub(super) commits: AtomicU32,
    /// Writes by partition, so that answers are kept and given again as over the store in a file.
    stamps: Mutex<BTreeMap<String, u64>>,
}

impl TestStore {
    /// All records.
    pub(super) fn all(&self) -> Vec<Item> {
        let records = self.records.lock().unwrap();
        records.iter().map(|(key, (version, value))| Item { key: key.clone(), version: *version, value: value.clone() }).collect()
    }

    /// Where records stand, repeats' receipts apart.
    pub(super) fn keys(&self) -> Vec<Key> {
        let records = self.records.lock().unwrap();
        records.keys().filter(|key| key.pk != strata_ports::keys::REPEATS_PK).cloned().collect()
    }

    /// All records of a partition.
    pub(super) fn partition(&self, pk: &str) -> Vec<Item> {
        let records = self.records.lock().unwrap();
        let of = records.iter().filter(|(key, _)| key.pk == pk);
        of.map(|(key, (version, value))| Item { key: key.clone(), version: *version, value: value.clone() }).collect()
    }

    fn apply(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let mut records = self.records.lock().unwrap();
        check_possible(&changes)?;
        for change in &changes {
            let (Change::Put { key, expect, .. } | Change::Delete { key, expect } | Change::Check { key, expect }) = change;
            let holds = match (expect, records.get(key)) {
                (Expect::Absent, None) => true,
                (Expect::Version(expected), Some((version, _))) => expected == version,
                (Expect::Absent, Some(_)) | (Expect::Version(_), None) => false,
            };
            if !holds {
                return Err(CommitError::Conflict { key: key.clone() });
            }
        }
        let mut stamps = self.stamps.lock().unwrap();
        for change in changes {
            *stamps.entry(change.key().pk.clone()).or_default() += 1;
            match change {
                Change::Put { key, value, .. } => {
                    let version = records.get(&key).map_or(1, |(version, _)| version + 1);
                    records.insert(key, (version, value));
                }
                Change::Delete { key, .. } => {
                    records.remove(&key);
                }
                Change::Check { .. } => {}
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for TestStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        tokio::task::yield_now().await;
        let records = self.records.lock().unwrap();
        Ok(records.get(key).map(|(version, value)| Item { key: key.clone(), version: *version, value: value.clone() }))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        tokio::task::yield_now().await;
        let mut items = self.partition(&listing.pk);
        items.retain(|item| item.key.sk.starts_with(&listing.prefix));
        if listing.descending {
            items.reverse();
        }
        items.truncate(listing.limit.unwrap_or(usize::MAX));
        Ok(items)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        tokio::task::yield_now().await;
        let is_due = |losses: &AtomicU32| losses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        let unknown = || Err(CommitError::OutcomeUnknown { why: "no answer".into() });
        if is_due(&self.lose_calls) {
            return unknown();
        }
        let result = self.apply(changes);
        match &result {
            Ok(()) => self.commits.fetch_add(1, Ordering::Relaxed),
            Err(_) => self.conflicts.fetch_add(1, Ordering::Relaxed),
        };
        if result.is_ok() && is_due(&self.lose_answers) { unknown() } else { result }
    }

    fn stamp(&self, pk: &str) -> Option<u64> {
        Some(self.stamps.lock().unwrap().get(pk).copied().unwrap_or(0))
    }
}
