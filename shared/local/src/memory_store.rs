//! The store in memory, for the simulation and for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use rand_chacha::ChaCha8Rng;
use strata_ports::store::{Listing, check_possible};
use strata_ports::{Change, CommitError, Item, Key, Store, StoreError};
use tokio::sync::Notify;

use crate::change_feed::{ChangeFeed, Taken};
use crate::store_rules::{check_conditions, end_of_prefix, next_version};
use crate::{VirtualClock, rng};

/// How often a [`MemoryStore`] was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCalls {
    /// Calls of `get`.
    pub get: u64,
    /// Calls of `list`.
    pub list: u64,
    /// Calls of `commit`, refused ones included.
    pub commit: u64,
    /// Commits refused because a condition did not hold.
    pub conflicts: u64,
    /// Commits cancelled by seed, as DynamoDB cancels overlapping transactions.
    pub cancelled: u64,
}

/// Records, versions and the change feed in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    changed: Notify,
    latency: Option<(VirtualClock, SignedDuration)>,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<String, Partition>,
    changes: VecDeque<Key>,
    calls: StoreCalls,
    cancel: Option<(ChaCha8Rng, u32)>,
}

/// Version and value by sort key.
type Partition = BTreeMap<String, (u64, Bytes)>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels `per_mille` of 1,000 commits by seed with [`CommitError::Conflict`], as DynamoDB does with overlapping transactions.
    #[must_use]
    pub fn with_conflicts(self, seed: u64, per_mille: u32) -> Self {
        self.state().cancel = Some((rng::stream(seed, "store/conflicts"), per_mille));
        self
    }

    /// Lets each call take `latency` of virtual time before it does its work, so that other tasks get in between.
    #[must_use]
    pub fn with_latency(mut self, clock: VirtualClock, latency: SignedDuration) -> Self {
        self.latency = Some((clock, latency));
        self
    }

    /// The keys written or removed since the last call, in the order of the commits.
    pub fn take_changes(&self) -> Vec<Key> {
        std::mem::take(&mut self.state().changes).into()
    }

    /// Every record, in the order of the keys: what a test compares whole worlds by.
    pub fn records(&self) -> Vec<(Key, Bytes)> {
        let state = self.state();
        let of = |(pk, partition): (&String, &Partition)| {
            partition.iter().map(|(sk, (_, value))| (Key::new(pk, sk), value.clone())).collect::<Vec<_>>()
        };
        state.partitions.iter().flat_map(of).collect()
    }

    /// How often it was asked so far.
    pub fn calls(&self) -> StoreCalls {
        self.state().calls
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call panics while it holds the lock with a commit half done, so the records are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self) {
        if let Some((clock, latency)) = &self.latency {
            clock.sleep(*latency).await;
        }
    }
}

impl State {
    fn version(&self, key: &Key) -> Option<u64> {
        Some(self.partitions.get(&key.pk)?.get(&key.sk)?.0)
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.calls.commit += 1;
        check_possible(&changes)?;
        if let (Some((draws, per_mille)), Some(first)) = (&mut self.cancel, changes.first())
            && rng::chance(draws, *per_mille)
        {
            self.calls.cancelled += 1;
            return Err(CommitError::Conflict { key: first.key().clone() });
        }
        let Ok(failed) = check_conditions(&changes, |key| Ok::<_, std::convert::Infallible>(self.version(key)));
        if let Some(key) = failed {
            self.calls.conflicts += 1;
            return Err(CommitError::Conflict { key });
        }
        for change in changes {
            self.apply(change);
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put { key, value, expect } => {
                let record = (next_version(expect), value);
                match self.partitions.get_mut(&key.pk) {
                    Some(partition) => partition.insert(key.sk.clone(), record),
                    None => self.partitions.entry(key.pk.clone()).or_default().insert(key.sk.clone(), record),
                };
                self.changes.push_back(key);
            }
            Change::Delete { key, .. } => {
                let Some(partition) = self.partitions.get_mut(&key.pk) else { return };
                let removed = partition.remove(&key.sk).is_some();
                if partition.is_empty() {
                    self.partitions.remove(&key.pk);
                }
                if removed {
                    self.changes.push_back(key);
                }
            }
            Change::Check { .. } => {}
        }
    }

    fn list(&self, listing: &Listing) -> Vec<Item> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let Some(partition) = self.partitions.get(&listing.pk) else { return Vec::new() };
        let end = end_of_prefix(&listing.prefix);
        let range = partition.range::<str, _>((Included(listing.prefix.as_str()), end.as_deref().map_or(Unbounded, Excluded)));
        let item = |(sk, (version, value)): (&String, &(u64, Bytes))| Item {
            key: Key::new(&listing.pk, sk),
            version: *version,
            value: value.clone(),
        };
        let limit = listing.limit.unwrap_or(usize::MAX);
        if listing.descending { range.rev().take(limit).map(item).collect() } else { range.take(limit).map(item).collect() }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.wait().await;
        let mut state = self.state();
        state.calls.get += 1;
        let record = state.partitions.get(&key.pk).and_then(|partition| partition.get(&key.sk));
        Ok(record.map(|(version, value)| Item { key: key.clone(), version: *version, value: value.clone() }))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        self.wait().await;
        let mut state = self.state();
        state.calls.list += 1;
        Ok(state.list(listing))
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.wait().await;
        let mut state = self.state();
        state.commit(changes)?;
        if !state.changes.is_empty() {
            self.changed.notify_one();
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeFeed for MemoryStore {
    fn take(&self) -> Result<Taken, StoreError> {
        Ok(Taken { keys: self.take_changes(), up_to: 0 })
    }

    /// Does nothing: what is in memory does not outlive a crash, so there is nobody to tell again.
    fn acknowledge(&self, _up_to: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn changed(&self) {
        while self.state().changes.is_empty() {
            self.changed.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use strata_ports::Expect;

    use super::*;

    fn put(sk: &str, expect: Expect) -> Change {
        Change::put(Key::new("p", sk), &1, expect)
    }

    #[tokio::test]
    async fn seeded_conflicts_write_nothing_and_are_the_same_in_each_run() {
        async fn run() -> Vec<bool> {
            let store = MemoryStore::new().with_conflicts(7, 300);
            let mut outcomes = Vec::new();
            for n in 0..200 {
                let sk = n.to_string();
                let outcome = store.commit(vec![put(&sk, Expect::Absent)]).await;
                let written = store.get(&Key::new("p", &sk)).await.unwrap().is_some();
                assert_eq!(outcome.is_ok(), written);
                assert!(outcome.is_ok() || outcome == Err(CommitError::Conflict { key: Key::new("p", &sk) }));
                outcomes.push(written);
            }
            let written = outcomes.iter().filter(|o| **o).count();
            assert_eq!(
                store.calls(),
                StoreCalls { get: 200, commit: 200, cancelled: 200 - written as u64, ..StoreCalls::default() }
            );
            assert_eq!(store.take_changes().len(), written);
            outcomes
        }
        let outcomes = run().await;
        assert_eq!(outcomes, run().await);
        let cancelled = outcomes.iter().filter(|o| !**o).count();
        assert!((40..=80).contains(&cancelled), "{cancelled} of 200, about 60 expected");
    }

    #[tokio::test]
    async fn calls_are_counted_by_kind() {
        let store = MemoryStore::new();
        store.commit(vec![put("a", Expect::Absent)]).await.unwrap();
        store.commit(vec![put("a", Expect::Absent)]).await.unwrap_err();
        store.get(&Key::new("p", "a")).await.unwrap();
        store.list(&Listing::of("p", "")).await.unwrap();
        assert_eq!(store.calls(), StoreCalls { get: 1, list: 1, commit: 2, conflicts: 1, cancelled: 0 });
    }

    #[test]
    fn latency_takes_virtual_time_on_each_call() {
        use strata_ports::Clock;
        crate::clock::virtual_runtime().unwrap().block_on(async {
            let clock = VirtualClock::new("2026-03-01T00:00:00Z".parse().unwrap());
            let store = MemoryStore::new().with_latency(clock, SignedDuration::from_millis(5));
            store.commit(vec![put("a", Expect::Absent)]).await.unwrap();
            store.get(&Key::new("p", "a")).await.unwrap();
            store.list(&Listing::of("p", "")).await.unwrap();
            assert_eq!(clock.now().to_string(), "2026-03-01T00:00:00.015Z");
        });
    }

    #[tokio::test]
    async fn an_emptied_partition_is_gone() {
        let store = MemoryStore::new();
        store.commit(vec![put("a", Expect::Absent)]).await.unwrap();
        store.commit(vec![Change::Delete { key: Key::new("p", "a"), expect: Expect::Version(1) }]).await.unwrap();
        assert!(store.state().partitions.is_empty());
    }
}
