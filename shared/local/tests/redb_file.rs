//! The file of the redb store: closed and opened again, opened twice, killed in the middle of writing.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rand_chacha::ChaCha8Rng;
use strata_local::{ChangeFeed, OpenError, RedbStore, VirtualClock, rng};
use strata_ports::store::Listing;
use strata_ports::{Change, Clock, Expect, Key, Store};

/// Names the store's file to the child that is to be killed.
const CHILD_STORE: &str = "STRATA_TEST_CHILD_STORE";

fn put(sk: &str) -> Change {
    Change::put(Key::new("p", sk), &1, Expect::Absent)
}

#[tokio::test]
async fn records_versions_and_unacknowledged_changes_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    store.commit(vec![put("a"), put("b")]).await.unwrap();
    let first = store.take_changes().unwrap();
    store.acknowledge(first.up_to).unwrap();
    store.commit(vec![put("c")]).await.unwrap();
    assert_eq!(store.take_changes().unwrap().keys, [Key::new("p", "c")], "taken, but never acknowledged");
    store.commit(vec![Change::put(Key::new("p", "a"), &2, Expect::Version(1))]).await.unwrap();
    drop(store);

    let store = RedbStore::open(&path).unwrap();
    let item = store.get(&Key::new("p", "a")).await.unwrap().unwrap();
    assert_eq!((item.version, item.decode::<u8>().unwrap()), (2, 2));
    let taken = store.take_changes().unwrap();
    assert_eq!(taken.keys, [Key::new("p", "c"), Key::new("p", "a")]);
    store.commit(vec![put("d")]).await.unwrap();
    store.acknowledge(taken.up_to).unwrap();
    drop(store);

    let store = RedbStore::open(&path).unwrap();
    store.changed().await;
    assert_eq!(store.take_changes().unwrap().keys, [Key::new("p", "d")], "only what was taken is acknowledged");
}

#[tokio::test]
async fn commits_carry_the_time_of_the_clock_that_the_store_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    store.commit(vec![put("a")]).await.unwrap();
    assert_eq!(store.last_commit().unwrap(), None, "nobody wanted to know");
    let at: jiff::Timestamp = "2030-03-01T00:00:00Z".parse().unwrap();
    let clock = VirtualClock::new(at);
    store.stamp_with(std::sync::Arc::new(clock));
    store.commit(vec![put("a")]).await.unwrap_err();
    assert_eq!(store.last_commit().unwrap(), None, "a refused commit is none");
    store.commit(vec![put("b")]).await.unwrap();
    drop(store);
    let last = RedbStore::open(&path).unwrap().last_commit().unwrap().unwrap();
    assert!((at..=clock.now()).contains(&last), "{last}");
}

#[test]
fn a_store_that_is_open_says_so_to_whoever_opens_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    let error = RedbStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    assert_eq!(error.to_string(), format!("the store {} is in use by another process", path.display()));
    drop(store);
    RedbStore::open(&path).unwrap();
}

#[test]
fn what_is_not_a_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "dear diary ".repeat(1_000)).unwrap();
    let error = RedbStore::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Unusable { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "dear diary ".repeat(1_000));
    let missing = folder.path().join("no/such/folder/store.redb");
    assert!(matches!(RedbStore::open(missing).unwrap_err(), OpenError::Unusable { .. }));
}

/// Each commit writes three records and the number of the last commit.
fn numbered(n: u64, last: Option<&strata_ports::Item>) -> Vec<Change> {
    let record = |part: &str| Change::put(Key::new("numbered", format!("{n:08}#{part}")), &n, Expect::Absent);
    let expect = last.map_or(Expect::Absent, strata_ports::Item::unchanged);
    vec![record("a"), record("b"), Change::put(Key::new("last", "last"), &n, expect), record("c")]
}

async fn last(store: &RedbStore) -> Option<strata_ports::Item> {
    store.get(&Key::new("last", "last")).await.unwrap()
}

/// Not a test of its own: what the killed child runs. Prints `ready`, then `accepted N` and `acknowledged N` until it is killed.
#[tokio::test]
#[ignore = "run by survives_kill_9, which kills it"]
async fn child_that_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "the child is a test and has no main of its own")]
    let Ok(path) = std::env::var(CHILD_STORE) else { return };
    let store = RedbStore::open(path).unwrap();
    let mut out = std::io::stdout().lock();
    let mut say = |what: String| out.write_all(what.as_bytes()).and_then(|()| out.flush()).unwrap();
    let mut item = last(&store).await;
    let mut n = item.as_ref().map_or(0, |item| item.decode::<u64>().unwrap());
    say("\nready\n".to_owned());
    loop {
        n += 1;
        store.commit(numbered(n, item.as_ref())).await.unwrap();
        say(format!("accepted {n}\n"));
        if n.is_multiple_of(3) {
            // Said before it is done: a change may come again, but one may be missing only if it was at least to be acknowledged.
            let taken = store.take_changes().unwrap();
            say(format!("acknowledged {n}\n"));
            store.acknowledge(taken.up_to).unwrap();
        }
        item = last(&store).await;
    }
}

/// What the child said.
#[derive(Default)]
struct Said {
    accepted: u64,
    acknowledged: u64,
}

/// Runs the child, kills it some commits later, and gives what it had said by then.
fn run_and_kill(path: &Path, draws: &mut ChaCha8Rng) -> Said {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--ignored", "--nocapture"])
        .env(CHILD_STORE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "ready"), "the child opened what the last one left");
    let mut said = Said::default();
    let mut listen = |line: &str| match line.split_once(' ') {
        Some(("accepted", n)) => said.accepted = n.parse().unwrap(),
        Some(("acknowledged", n)) => said.acknowledged = n.parse().unwrap(),
        _ => panic!("the child said {line:?}"),
    };
    let count = usize::try_from(rng::below(draws, 25)).unwrap();
    lines.by_ref().take(count).for_each(|line| listen(&line));
    // A part of a commit later, so that the kill hits it anywhere.
    for _ in 0..rng::below(draws, 200_000) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What it had said by then, it had said.
    lines.for_each(|line| listen(&line));
    let status = child.wait().unwrap();
    assert!(!status.success(), "it was killed");
    said
}

/// The numbers in the store, each of which must be there with all its records.
async fn numbers(store: &RedbStore) -> Vec<u64> {
    let mut parts = BTreeMap::<u64, String>::new();
    for item in store.list(&Listing::of("numbered", "")).await.unwrap() {
        let n = item.decode().unwrap();
        assert!(item.key.sk.starts_with(&format!("{n:08}#")));
        parts.entry(n).or_default().push_str(&item.key.sk[9..]);
    }
    assert!(parts.values().all(|found| found == "abc"), "a commit is there whole or not at all: {parts:?}");
    parts.into_keys().collect()
}

#[tokio::test]
async fn survives_kill_9_with_nothing_accepted_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("store.redb");
    let mut draws = rng::stream(9, "kills");
    let (mut before, mut acknowledged) = (0, 0);
    for round in 0..30 {
        let said = run_and_kill(&path, &mut draws);
        acknowledged = said.acknowledged.max(acknowledged);
        let store = RedbStore::open(&path).unwrap();
        let numbers = numbers(&store).await;
        let greatest = numbers.last().copied().unwrap_or(0);
        assert_eq!(numbers, (1..=greatest).collect::<Vec<_>>(), "round {round}: none is missing");
        assert!(greatest >= said.accepted.max(before), "round {round}: {} was accepted, {greatest} is there", said.accepted);
        assert!(greatest <= said.accepted.max(before) + 1, "round {round}: at most one was underway");
        assert_eq!(last(&store).await.map_or(0, |item| item.decode().unwrap()), greatest);
        let told = store.take_changes().unwrap().keys;
        for n in acknowledged + 1..=greatest {
            assert!(told.contains(&Key::new("numbered", format!("{n:08}#c"))), "round {round}: the hint of {n} is lost");
        }
        before = greatest;
    }
    assert!(before > 30 && acknowledged > 0, "{before} commits in 30 rounds, acknowledged up to {acknowledged}");
}
