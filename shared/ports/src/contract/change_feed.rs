//! The contract of a store's change feed, which is not part of the port: each adapter has its own way of handing it out.

use crate::{Change, Expect, Key, Store};

/// Checks the feed of a store whose feed is empty; `take` gives what was committed since it was last called.
pub async fn change_feed_contract(store: &dyn Store, mut take: impl FnMut() -> Vec<Key>) {
    let key = |sk: &str| Key::new("contract/feed", sk);
    let put = |sk: &str, expect| Change::put(key(sk), &1, expect);
    let delete = |sk: &str, expect| Change::Delete { key: key(sk), expect };
    assert_eq!(take(), [], "nothing was written");

    store.commit(vec![put("b", Expect::Absent), put("a", Expect::Absent)]).await.expect("new records");
    store.commit(vec![put("c", Expect::Absent)]).await.expect("a new record");
    assert_eq!(take(), [key("b"), key("a"), key("c")], "in the order of the commits and of their changes");
    assert_eq!(take(), [], "a change is given once");

    store.commit(vec![put("a", Expect::Version(1))]).await.expect("it has this version");
    store.commit(vec![put("a", Expect::Version(2))]).await.expect("it has this version");
    store.commit(vec![delete("b", Expect::Version(1))]).await.expect("it has this version");
    assert_eq!(take(), [key("a"), key("a"), key("b")], "every write counts, and so does a removal");

    store.commit(vec![put("c", Expect::Absent)]).await.expect_err("it is there");
    store.commit(vec![put("d", Expect::Absent), put("c", Expect::Absent)]).await.expect_err("it is there");
    let check = Change::Check { key: key("c"), expect: Expect::Version(1) };
    store.commit(vec![check, delete("gone", Expect::Absent)]).await.expect("both hold");
    assert_eq!(take(), [], "what changes nothing is not told");
}
