//! The store against a server that speaks DynamoDB's protocol.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use strata_aws::Base;
use strata_aws::store::{DynamoStore, USES};
use strata_ports::contract::{add_one, check_against_model, random_operations, store_contract};
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Expect, Key, Store};
use support::http::{Loss, Lossy};

/// A table of its own for each test, as the template makes it.
async fn make_table(base: &Base, name: &str) {
    let client = Client::from_conf(Builder::from(&base.own("DYNAMODB")).build());
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    // What an earlier run has left behind.
    drop(client.delete_table().table_name(name).send().await);
    let make = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let make = make.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    make.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).send().await.unwrap();
}

/// A store over a table of its own.
async fn store(table: &str) -> (Base, DynamoStore) {
    let base = support::base(&[("STRATA_TABLE", table)]);
    make_table(&base, table).await;
    let store = DynamoStore::new(&base).unwrap();
    (base, store)
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let (_, store) = store("contract").await;
    store_contract(&store).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn random_operations_do_what_they_do_to_a_plain_map() {
    for seed in 0..6 {
        let (_, store) = store("model").await;
        let model = check_against_model(&store, &random_operations(seed, 200)).await;
        assert!(model.changed().len() > 10, "a seed that writes nothing tests nothing");
    }
}

/// [`Lossy`] says why one call at a time: reads and writes of many tasks still come in any order.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn of_many_tasks_adding_to_one_number_none_is_lost() {
    let base = support::base(&[("STRATA_TABLE", "counter")]).with_http(Lossy::new(&[], false));
    make_table(&base, "counter").await;
    let store = Arc::new(DynamoStore::new(&base).unwrap());
    let key = Key::new("counter", "one");
    let tasks: Vec<_> = (0..24)
        .map(|_| {
            let (store, key) = (store.clone(), key.clone());
            tokio::spawn(async move { add_one(&*store, &key).await + add_one(&*store, &key).await })
        })
        .collect();
    let mut tries = 0;
    for task in tasks {
        tries += task.await.unwrap();
    }
    let item = store.get(&key).await.unwrap().unwrap();
    assert_eq!((item.version, item.decode::<u64>().unwrap()), (48, 48));
    assert!(tries > 48, "the test tests nothing if no two ever meet");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let (base, store) = store("uses").await;
    let key = |sk: &str| Key::new("p", sk);
    store
        .commit(vec![Change::put(key("gone"), &1, Expect::Absent), Change::put(key("there"), &1, Expect::Absent)])
        .await
        .unwrap();
    base.log().take();
    let changes = vec![
        Change::put(key("new"), &1, Expect::Absent),
        Change::Delete { key: key("gone"), expect: Expect::Version(1) },
        Change::Check { key: key("there"), expect: Expect::Version(1) },
    ];
    store.commit(changes).await.unwrap();
    support::check_uses(&base, USES, "commit");
    store.get(&key("new")).await.unwrap().unwrap();
    support::check_uses(&base, USES, "get");
    assert_eq!(store.list(&Listing::of("p", "")).await.unwrap().len(), 2);
    support::check_uses(&base, USES, "list");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_listing_of_several_pages_is_whole() {
    let (base, store) = store("pages").await;
    let text = "x".repeat(200_000);
    for n in 0..12 {
        store.commit(vec![Change::put(Key::new("p", format!("{n:02}")), &text, Expect::Absent)]).await.unwrap();
    }
    base.log().take();
    let found = store.list(&Listing::of("p", "")).await.unwrap();
    let names: Vec<String> = found.iter().map(|item| item.key.sk.clone()).collect();
    assert_eq!(names, (0..12).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    assert!(base.log().take().len() > 2, "2.4 MB are more than two pages");
    let last = store.list(&Listing { descending: true, limit: Some(7), ..Listing::of("p", "") }).await.unwrap();
    assert_eq!((last.len(), last[6].key.sk.as_str()), (7, "05"));
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_missing_table_is_named() {
    let store = DynamoStore::new(&support::base(&[("STRATA_TABLE", "nowhere")])).unwrap();
    let key = Key::new("p", "a");
    let text = "there is no DynamoDB table nowhere in us-east-1";
    let why = store.get(&key).await.unwrap_err().to_string();
    assert!(why.contains(text), "{why}");
    let why = store.list(&Listing::of("p", "")).await.unwrap_err().to_string();
    assert!(why.contains(text), "{why}");
    let why = store.commit(vec![Change::put(key, &1, Expect::Absent)]).await.unwrap_err();
    assert!(matches!(&why, CommitError::Unavailable { why } if why.contains(text)), "{why}");
}

/// Writes a record's second version while calls and answers get lost; gives the outcome and the version that stands afterwards.
async fn write_through(table: &str, losses: &[Loss], keeps_tokens: bool) -> (Result<(), CommitError>, u64) {
    let (base, store) = store(table).await;
    let key = Key::new("p", "a");
    store.commit(vec![Change::put(key.clone(), &1, Expect::Absent)]).await.unwrap();
    let over = DynamoStore::new(&base.with_http(Lossy::new(losses, keeps_tokens))).unwrap();
    let outcome = over.commit(vec![Change::put(key.clone(), &2, Expect::Version(1))]).await;
    let item = store.get(&key).await.unwrap().unwrap();
    assert_eq!(item.version, item.decode::<u64>().unwrap());
    (outcome, item.version)
}

fn is_unknown(outcome: &Result<(), CommitError>) -> bool {
    matches!(outcome, Err(CommitError::OutcomeUnknown { .. }))
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_commit_whose_answer_is_lost_is_written_once_and_known_by_its_token() {
    let (outcome, version) = write_through("lost-token", &[Loss::Answer], true).await;
    assert_eq!((outcome, version), (Ok(()), 2));
}

/// moto keeps no tokens, so it answers the repeat with a condition that does not hold: which must not be taken for somebody else's write.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_commit_whose_answer_is_lost_is_never_taken_for_a_conflict() {
    let (outcome, version) = write_through("lost-answer", &[Loss::Answer], false).await;
    assert!(is_unknown(&outcome) && version == 2, "{outcome:?} {version}");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_commit_of_which_nothing_is_heard_is_unknown_whether_it_was_written_or_not() {
    for keeps_tokens in [true, false] {
        let (outcome, version) = write_through("lost-both", &[Loss::Answer, Loss::Answer], keeps_tokens).await;
        assert!(is_unknown(&outcome) && version == 2, "{outcome:?} {version}");
    }
    let (outcome, version) = write_through("lost-calls", &[Loss::Call, Loss::Call], true).await;
    assert!(is_unknown(&outcome) && version == 1, "{outcome:?} {version}");
    let (outcome, version) = write_through("lost-call", &[Loss::Call], true).await;
    assert_eq!((outcome, version), (Ok(()), 2), "the repeat arrives");
}
