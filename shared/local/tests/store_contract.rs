//! Both local stores keep the contract of the port.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::sync::Arc;

use proptest::prelude::*;
use strata_local::{ChangeFeed, MemoryStore, RedbStore};
use strata_ports::contract::{Operation, add_one, change_feed_contract, check_against_model, random_operations, store_contract};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, Key, Store};
use tempfile::TempDir;

fn redb() -> (TempDir, RedbStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::open(folder.path().join("store.redb")).unwrap();
    (folder, store)
}

#[tokio::test]
async fn the_memory_store_keeps_the_contract() {
    store_contract(&MemoryStore::new()).await;
}

#[tokio::test]
async fn the_redb_store_keeps_the_contract() {
    let (_folder, store) = redb();
    store_contract(&store).await;
}

#[tokio::test]
async fn the_memory_store_feeds_its_changes() {
    let store = MemoryStore::new();
    change_feed_contract(&store, || store.take_changes()).await;
}

#[tokio::test]
async fn the_redb_store_feeds_its_changes() {
    let (_folder, store) = redb();
    change_feed_contract(&store, || store.take_changes().unwrap().keys).await;
}

/// `changed` must neither sleep through a commit nor return when there is nothing.
async fn wakes_for_every_change(store: Arc<impl Store + ChangeFeed + 'static>) {
    let changes = 50;
    let waiting = tokio::spawn({
        let store = store.clone();
        async move {
            let mut keys = Vec::new();
            while keys.len() < changes {
                store.changed().await;
                let taken = store.take().unwrap();
                assert!(!taken.keys.is_empty(), "woken for nothing");
                store.acknowledge(taken.up_to).unwrap();
                keys.extend(taken.keys);
            }
            keys
        }
    });
    let keys: Vec<Key> = (0..changes).map(|n| Key::new("p", format!("{n:02}"))).collect();
    for key in &keys {
        store.commit(vec![Change::put(key.clone(), &1, Expect::Absent)]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(waiting.await.unwrap(), keys);
    assert!(store.take().unwrap().keys.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_stores_feed_wakes_for_every_change() {
    wakes_for_every_change(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redb_stores_feed_wakes_for_every_change() {
    let (_folder, store) = redb();
    wakes_for_every_change(Arc::new(store)).await;
}

/// Lets 64 tasks add to one number at once; none is lost, and they did get in each other's way.
async fn adds_up(store: Arc<dyn Store>, each: u32) {
    let key = Key::new("counter", "one");
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move {
                let mut tries = 0;
                for _ in 0..each {
                    tries += add_one(&*store, &key).await;
                }
                tries
            })
        })
        .collect();
    let mut tries = 0;
    for task in tasks {
        tries += task.await.unwrap();
    }
    let item = store.get(&key).await.unwrap().unwrap();
    assert_eq!((item.version, item.decode::<u64>().unwrap()), (64 * u64::from(each), 64 * u64::from(each)));
    assert!(tries > 64 * each, "the test tests nothing if no two ever meet");
}

#[test]
fn of_64_tasks_adding_to_one_number_in_memory_none_is_lost() {
    let runtime = strata_local::virtual_runtime().unwrap();
    runtime.block_on(async {
        // The latency lets every task read before any writes.
        let clock = strata_local::VirtualClock::new("2026-03-01T00:00:00Z".parse().unwrap());
        let store = MemoryStore::new().with_latency(clock, jiff::SignedDuration::from_millis(1)).with_conflicts(3, 100);
        adds_up(Arc::new(store), 10).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_tasks_adding_to_one_number_in_a_file_none_is_lost() {
    let (_folder, store) = redb();
    adds_up(Arc::new(store), 10).await;
}

/// The operations that slower stores are held to.
#[tokio::test]
async fn seeded_operations_do_what_they_do_to_a_plain_map() {
    for seed in 0..8 {
        let operations = random_operations(seed, 200);
        let committed = operations.iter().filter(|o| matches!(o, Operation::Commit(_))).count();
        assert!((100..180).contains(&committed), "{committed} of 200");
        let store = MemoryStore::new();
        let model = check_against_model(&store, &operations).await;
        assert!(model.changed().len() > 10, "a seed that writes nothing tests nothing");
        let (_folder, file) = redb();
        assert_eq!(check_against_model(&file, &operations).await, model);
    }
}

/// Few keys, so that operations meet.
fn key() -> impl Strategy<Value = Key> {
    let sk = prop::sample::select(vec!["a", "a#", "a#1", "a#2", "b", "\u{10ffff}", "é"]);
    (prop::sample::select(vec!["p", "p#", "q"]), sk).prop_map(|(pk, sk)| Key::new(pk, sk))
}

fn change() -> impl Strategy<Value = Change> {
    let expect = prop_oneof![3 => Just(Expect::Absent), 4 => (1..4u64).prop_map(Expect::Version)];
    (key(), expect, 0..6u8, any::<u8>()).prop_map(|(key, expect, kind, value)| match kind {
        0..4 => Change::put(key, &value, expect),
        4 => Change::Delete { key, expect },
        _ => Change::Check { key, expect },
    })
}

/// Keys of a commit differ: the later one of two is left out.
fn commit() -> impl Strategy<Value = Operation> {
    prop::collection::vec(change(), 1..4).prop_map(|mut changes| {
        let mut seen = std::collections::BTreeSet::new();
        changes.retain(|change| seen.insert(change.key().clone()));
        Operation::Commit(changes)
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    let prefix = prop::sample::select(vec!["", "a", "a#", "a#1", "b", "z", "\u{10ffff}"]);
    let listing = (key(), prefix, any::<bool>(), prop::option::of(0..4usize)).prop_map(|(key, prefix, descending, limit)| {
        Operation::List(Listing { descending, limit, ..Listing::of(key.pk, prefix) })
    });
    prop_oneof![6 => commit(), 1 => key().prop_map(Operation::Get), 2 => listing]
}

fn check(store: &dyn Store, take: impl FnOnce() -> Vec<Key>, operations: &[Operation]) -> Result<(), TestCaseError> {
    let runtime = strata_local::virtual_runtime().unwrap();
    let model = runtime.block_on(check_against_model(store, operations));
    prop_assert_eq!(take(), model.changed());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_store_does_what_a_plain_map_does(operations in prop::collection::vec(operation(), 1..120)) {
        let store = MemoryStore::new();
        check(&store, || store.take_changes(), &operations)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_redb_store_does_what_a_plain_map_does(operations in prop::collection::vec(operation(), 1..80)) {
        let (_folder, store) = redb();
        check(&store, || store.take_changes().unwrap().keys, &operations)?;
    }
}
