//! The contract of the store.

use bytes::Bytes;

use crate::store::{Listing, MAX_CHANGES, MAX_COMMIT_BYTES, MAX_PK_BYTES, MAX_SK_BYTES, MAX_VALUE_BYTES};
use crate::{Change, CommitError, Expect, Item, Key, Store};

/// Checks an empty store; it holds records of its own partitions afterwards.
pub async fn store_contract(store: &dyn Store) {
    reads_what_was_written(store).await;
    counts_versions(store).await;
    keeps_to_conditions(store).await;
    writes_all_or_nothing(store).await;
    lists_in_order(store).await;
    lists_by_prefix(store).await;
    keeps_partitions_apart(store).await;
    keeps_to_limits(store).await;
    keeps_commits_small_enough(store).await;
    has_names_for_all_records(store).await;
    stamps_what_changes(store).await;
}

/// Adds one to the number at `key` by optimistic retry, reading again after each conflict. Returns how often it had to try.
///
/// For tests that let many do so at once: none may be lost.
pub async fn add_one(store: &dyn Store, key: &Key) -> u32 {
    for tries in 1.. {
        let item = store.get(key).await.expect("the store answers");
        let number: u64 = item.as_ref().map_or(0, |item| item.decode().expect("a number"));
        let expect = item.as_ref().map_or(Expect::Absent, Item::unchanged);
        match store.commit(vec![Change::put(key.clone(), &(number + 1), expect)]).await {
            Ok(()) => return tries,
            Err(CommitError::Conflict { .. }) => {}
            Err(other) => panic!("neither written nor in conflict: {other}"),
        }
    }
    unreachable!("a conflict means that another one was written, so this ends")
}

/// A store that stamps its partitions does so whenever one is written, and only then.
async fn stamps_what_changes(store: &dyn Store) {
    let stamps = || (store.stamp("stamped"), store.stamp("other"));
    let Some(before) = store.stamp("stamped") else { return };
    let other = store.stamp("other");
    assert_eq!(stamps(), (Some(before), other), "nothing was written");
    write(store, vec![put("stamped", "a", b"1", Expect::Absent)]).await;
    let written = stamps();
    assert!(written.0 != Some(before) && written.1 == other, "{written:?}");
    conflict(store, "stamped", "a", vec![put("stamped", "a", b"2", Expect::Absent)]).await;
    write(store, vec![check("stamped", "a", Expect::Version(1))]).await;
    assert_eq!(stamps(), written, "nothing was changed");
    write(store, vec![delete("stamped", "a", Expect::Version(1)), put("other", "b", b"1", Expect::Absent)]).await;
    let removed = stamps();
    assert!(removed.0 != written.0 && removed.1 != written.1, "{removed:?}");
}

fn put(pk: &str, sk: &str, value: &'static [u8], expect: Expect) -> Change {
    Change::Put { key: Key::new(pk, sk), value: Bytes::from_static(value), expect }
}

fn delete(pk: &str, sk: &str, expect: Expect) -> Change {
    Change::Delete { key: Key::new(pk, sk), expect }
}

fn check(pk: &str, sk: &str, expect: Expect) -> Change {
    Change::Check { key: Key::new(pk, sk), expect }
}

async fn write(store: &dyn Store, changes: Vec<Change>) {
    store.commit(changes).await.expect("all conditions hold");
}

/// Expects a conflict about `sk`.
async fn conflict(store: &dyn Store, pk: &str, sk: &str, changes: Vec<Change>) {
    let what = format!("{changes:?}");
    assert_eq!(store.commit(changes).await, Err(CommitError::Conflict { key: Key::new(pk, sk) }), "{what}");
}

async fn read(store: &dyn Store, pk: &str, sk: &str) -> Option<(u64, Vec<u8>)> {
    let item = store.get(&Key::new(pk, sk)).await.expect("the store answers")?;
    assert_eq!(item.key, Key::new(pk, sk));
    Some((item.version, item.value.to_vec()))
}

async fn list(store: &dyn Store, listing: &Listing) -> Vec<String> {
    let items = store.list(listing).await.expect("the store answers");
    assert!(items.iter().all(|item| item.key.pk == listing.pk), "a listing stays in its partition");
    items.into_iter().map(|item| item.key.sk).collect()
}

async fn reads_what_was_written(store: &dyn Store) {
    assert_eq!(read(store, "contract/read", "a").await, None);
    write(store, vec![put("contract/read", "a", b"{\"n\":1}", Expect::Absent)]).await;
    assert_eq!(read(store, "contract/read", "a").await, Some((1, b"{\"n\":1}".to_vec())));
    write(store, vec![put("contract/read", "empty", b"", Expect::Absent)]).await;
    assert_eq!(read(store, "contract/read", "empty").await, Some((1, Vec::new())));
    let items = store.list(&Listing::of("contract/read", "a")).await.expect("the store answers");
    let item = Item { key: Key::new("contract/read", "a"), version: 1, value: Bytes::from_static(b"{\"n\":1}") };
    assert_eq!(items, [item], "a listing gives versions and values too");
    write(store, Vec::new()).await;
}

async fn counts_versions(store: &dyn Store) {
    let pk = "contract/versions";
    write(store, vec![put(pk, "a", b"1", Expect::Absent)]).await;
    for version in 1..5 {
        write(store, vec![put(pk, "a", b"1", Expect::Version(version))]).await;
        assert_eq!(read(store, pk, "a").await, Some((version + 1, b"1".to_vec())), "equal values count as writes");
    }
    write(store, vec![delete(pk, "a", Expect::Version(5))]).await;
    assert_eq!(read(store, pk, "a").await, None);
    write(store, vec![put(pk, "a", b"2", Expect::Absent)]).await;
    assert_eq!(read(store, pk, "a").await, Some((1, b"2".to_vec())), "a record made anew starts at 1");
}

async fn keeps_to_conditions(store: &dyn Store) {
    let pk = "contract/conditions";
    write(store, vec![put(pk, "there", b"1", Expect::Absent)]).await;
    write(store, vec![put(pk, "there", b"2", Expect::Version(1))]).await;
    for expect in [Expect::Absent, Expect::Version(1), Expect::Version(3), Expect::Version(0)] {
        conflict(store, pk, "there", vec![put(pk, "there", b"x", expect)]).await;
        conflict(store, pk, "there", vec![delete(pk, "there", expect)]).await;
        conflict(store, pk, "there", vec![check(pk, "there", expect)]).await;
    }
    for expect in [Expect::Version(0), Expect::Version(1)] {
        conflict(store, pk, "gone", vec![put(pk, "gone", b"x", expect)]).await;
        conflict(store, pk, "gone", vec![delete(pk, "gone", expect)]).await;
        conflict(store, pk, "gone", vec![check(pk, "gone", expect)]).await;
    }
    write(store, vec![check(pk, "there", Expect::Version(2)), check(pk, "gone", Expect::Absent)]).await;
    write(store, vec![delete(pk, "gone", Expect::Absent)]).await;
    assert_eq!(read(store, pk, "there").await, Some((2, b"2".to_vec())), "a check changes nothing");
    assert_eq!(read(store, pk, "gone").await, None);
}

async fn writes_all_or_nothing(store: &dyn Store) {
    let pk = "contract/atomic";
    write(store, vec![put(pk, "a", b"1", Expect::Absent), put(pk, "b", b"1", Expect::Absent)]).await;
    let changes = |last: Change| vec![put(pk, "a", b"2", Expect::Version(1)), delete(pk, "b", Expect::Version(1)), last];
    conflict(store, pk, "c", changes(check(pk, "c", Expect::Version(1)))).await;
    conflict(store, pk, "c", changes(put(pk, "c", b"1", Expect::Version(1)))).await;
    let two_fail = vec![put(pk, "b", b"x", Expect::Absent), put(pk, "a", b"x", Expect::Absent)];
    conflict(store, pk, "b", two_fail).await;
    assert_eq!(read(store, pk, "a").await, Some((1, b"1".to_vec())));
    assert_eq!(read(store, pk, "b").await, Some((1, b"1".to_vec())));
    assert_eq!(read(store, pk, "c").await, None);

    let across = vec![put("contract/atomic/2", "a", b"1", Expect::Absent), put(pk, "c", b"1", Expect::Absent)];
    write(store, [changes(put(pk, "d", b"1", Expect::Absent)), across].concat()).await;
    assert_eq!(list(store, &Listing::of(pk, "")).await, ["a", "c", "d"]);
    assert_eq!(list(store, &Listing::of("contract/atomic/2", "")).await, ["a"]);
}

async fn lists_in_order(store: &dyn Store) {
    let pk = "contract/order";
    assert!(list(store, &Listing::of(pk, "")).await.is_empty());
    for sk in ["b", "a", "é", "10", "9", "B", "a#1", "\u{1f600}", "\u{ffff}"] {
        write(store, vec![put(pk, sk, b"1", Expect::Absent)]).await;
    }
    // The order of UTF-8 bytes, which is DynamoDB's too; UTF-16 would have the last two the other way round.
    let ascending = ["10", "9", "B", "a", "a#1", "b", "é", "\u{ffff}", "\u{1f600}"];
    let mut descending = ascending;
    descending.reverse();
    assert_eq!(list(store, &Listing::of(pk, "")).await, ascending);
    assert_eq!(list(store, &Listing { descending: true, ..Listing::of(pk, "") }).await, descending);
    for limit in [0, 1, 4, 9, 10] {
        let listing = Listing { limit: Some(limit), ..Listing::of(pk, "") };
        assert_eq!(list(store, &listing).await, ascending[..limit.min(9)]);
        assert_eq!(list(store, &Listing { descending: true, ..listing }).await, descending[..limit.min(9)]);
    }
}

async fn lists_by_prefix(store: &dyn Store) {
    let pk = "contract/prefix";
    for sk in ["instance#1", "instance#2", "instance", "instance$", "instancf", "layer#1", "\u{10ffff}", "\u{10ffff}x"] {
        write(store, vec![put(pk, sk, b"1", Expect::Absent)]).await;
    }
    assert_eq!(list(store, &Listing::of(pk, "instance#")).await, ["instance#1", "instance#2"]);
    assert_eq!(list(store, &Listing { descending: true, ..Listing::of(pk, "instance#") }).await, ["instance#2", "instance#1"]);
    let last = Listing { descending: true, limit: Some(1), ..Listing::of(pk, "instance#") };
    assert_eq!(list(store, &last).await, ["instance#2"], "the limit counts from the end");
    assert_eq!(list(store, &Listing::of(pk, "instance")).await, ["instance", "instance#1", "instance#2", "instance$"]);
    assert_eq!(list(store, &Listing::of(pk, "layer#1")).await, ["layer#1"], "a prefix is also its own match");
    assert!(list(store, &Listing::of(pk, "layer#10")).await.is_empty());
    assert_eq!(list(store, &Listing { descending: true, ..Listing::of(pk, "\u{10ffff}") }).await, ["\u{10ffff}x", "\u{10ffff}"]);
}

async fn keeps_partitions_apart(store: &dyn Store) {
    let partitions = ["contract/apart", "contract/apart#", "contract/apartment"];
    for pk in partitions {
        write(store, vec![put(pk, "one", b"1", Expect::Absent), put(pk, "two", b"1", Expect::Absent)]).await;
    }
    for pk in partitions {
        assert_eq!(list(store, &Listing::of(pk, "")).await, ["one", "two"]);
        assert_eq!(list(store, &Listing { descending: true, limit: Some(1), ..Listing::of(pk, "") }).await, ["two"]);
    }
    write(
        store,
        vec![delete("contract/apart#", "one", Expect::Version(1)), delete("contract/apart#", "two", Expect::Version(1))],
    )
    .await;
    assert!(list(store, &Listing::of("contract/apart#", "")).await.is_empty());
    assert_eq!(list(store, &Listing::of("contract/apart", "")).await, ["one", "two"]);
}

async fn keeps_to_limits(store: &dyn Store) {
    let pk = "contract/limits";
    let many = |count: usize| (0..count).map(|n| put(pk, &format!("{n:03}"), b"1", Expect::Absent)).collect::<Vec<_>>();
    impossible(store, many(MAX_CHANGES + 1)).await;
    assert!(list(store, &Listing::of(pk, "")).await.is_empty());
    write(store, many(MAX_CHANGES)).await;
    assert_eq!(list(store, &Listing::of(pk, "")).await.len(), MAX_CHANGES);

    let sized =
        |bytes: usize| vec![Change::Put { key: Key::new(pk, "large"), value: vec![b'1'; bytes].into(), expect: Expect::Absent }];
    impossible(store, sized(MAX_VALUE_BYTES + 1)).await;
    assert_eq!(read(store, pk, "large").await, None);
    write(store, sized(MAX_VALUE_BYTES)).await;
    assert_eq!(read(store, pk, "large").await.map(|(_, value)| value.len()), Some(MAX_VALUE_BYTES));

    impossible(store, vec![put(pk, "twice", b"1", Expect::Absent), put(pk, "twice", b"2", Expect::Absent)]).await;
    impossible(store, vec![check(pk, "000", Expect::Version(1)), delete(pk, "000", Expect::Version(1))]).await;
    write(store, vec![put(pk, "twice", b"1", Expect::Absent), put("contract/limits/2", "twice", b"1", Expect::Absent)]).await;
}

/// Ten values of the greatest size and a last one, so that the commit has exactly `bytes`.
fn commit_of(pk: &str, bytes: usize) -> Vec<Change> {
    let put =
        |sk: &str, bytes: usize| Change::Put { key: Key::new(pk, sk), value: vec![b'1'; bytes].into(), expect: Expect::Absent };
    let mut changes: Vec<Change> = (0..10).map(|n| put(&n.to_string(), MAX_VALUE_BYTES)).collect();
    let rest = bytes - changes.iter().map(Change::bytes).sum::<usize>() - put("last", 0).bytes();
    changes.push(put("last", rest));
    changes
}

async fn keeps_commits_small_enough(store: &dyn Store) {
    let pk = "contract/commit";
    impossible(store, commit_of(pk, MAX_COMMIT_BYTES + 1)).await;
    assert!(list(store, &Listing::of(pk, "")).await.is_empty());
    write(store, commit_of(pk, MAX_COMMIT_BYTES)).await;
    // More than a page of DynamoDB's holds, which is 1 MB.
    assert_eq!(list(store, &Listing::of(pk, "")).await.len(), 11);
    assert_eq!(list(store, &Listing { limit: Some(5), ..Listing::of(pk, "") }).await, ["0", "1", "2", "3", "4"]);
    let last = Listing { limit: Some(4), descending: true, ..Listing::of(pk, "") };
    assert_eq!(list(store, &last).await, ["last", "9", "8", "7"]);
}

async fn has_names_for_all_records(store: &dyn Store) {
    let (longest_pk, longest_sk) = ("p".repeat(MAX_PK_BYTES), "s".repeat(MAX_SK_BYTES));
    let (pk_too_long, sk_too_long) = (format!("{longest_pk}p"), format!("{longest_sk}s"));
    for (pk, sk) in [("", "a"), ("contract/names", ""), (&*pk_too_long, "a"), ("contract/names", &*sk_too_long)] {
        impossible(store, vec![put(pk, sk, b"1", Expect::Absent)]).await;
        impossible(store, vec![delete(pk, sk, Expect::Absent)]).await;
        impossible(store, vec![check(pk, sk, Expect::Absent)]).await;
        assert_eq!(read(store, pk, sk).await, None, "where no record can be there is none");
    }
    assert!(list(store, &Listing::of("", "")).await.is_empty());
    assert!(list(store, &Listing::of(&*pk_too_long, "")).await.is_empty());
    write(store, vec![put(&longest_pk, &longest_sk, b"1", Expect::Absent)]).await;
    assert_eq!(read(store, &longest_pk, &longest_sk).await, Some((1, b"1".to_vec())));
    assert_eq!(list(store, &Listing::of(&*longest_pk, &*longest_sk)).await, [longest_sk]);
    assert!(list(store, &Listing::of(&*longest_pk, &*sk_too_long)).await.is_empty());
    impossible(store, vec![put("contract/names", "bytes", b"\xc3", Expect::Absent)]).await;
    assert!(list(store, &Listing::of("contract/names", "")).await.is_empty());
}

async fn impossible(store: &dyn Store, changes: Vec<Change>) {
    let outcome = store.commit(changes).await;
    assert!(matches!(outcome, Err(CommitError::Impossible { .. })), "{outcome:?}");
}
