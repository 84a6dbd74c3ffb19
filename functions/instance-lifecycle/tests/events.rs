//! Every file in `events/` through the real handler.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use strata_instance_lifecycle::{Deps, handle};
use strata_local::MemoryStore;
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, HandlerError, Item, Key, Store, StoreError};

fn event(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A store that does not answer.
struct NoStore;

#[async_trait]
impl Store for NoStore {
    async fn get(&self, _: &Key) -> Result<Option<Item>, StoreError> {
        Err(StoreError::Unavailable { why: "down".to_owned() })
    }
    async fn list(&self, _: &Listing) -> Result<Vec<Item>, StoreError> {
        Err(StoreError::Unavailable { why: "down".to_owned() })
    }
    async fn commit(&self, _: Vec<Change>) -> Result<(), CommitError> {
        Err(CommitError::Unavailable { why: "down".to_owned() })
    }
}

#[tokio::test]
async fn every_event_is_followed_or_refused_by_a_typed_error() {
    let own = [
        "aws-health-event",
        "sqs-hints",
        "ec2-instance-state-change",
        "ec2-rebalance-recommendation",
        "ec2-spot-interruption-warning",
        "ecs-container-instance-state-change",
        "dynamodb-stream-keys",
        "schedule-tick",
        // Words that something stands in the store are ticks to whoever gets them.
        "campaign-asked",
        "teardown-asked",
    ];
    let deps = Deps::new(support::ports(Arc::new(MemoryStore::new())));
    let mut seen = 0;
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events")).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".json") else { continue };
        let result = handle(&event(name), &deps).await;
        if own.contains(&name) {
            seen += 1;
            assert!(result.unwrap().failed_messages.is_empty(), "{name}");
        } else {
            assert!(matches!(result, Err(HandlerError::Event(_))), "{name}: {result:?}");
        }
    }
    assert_eq!(seen, own.len());
}

#[tokio::test]
async fn what_is_no_event_is_a_typed_error() {
    let deps = Deps::new(support::ports(Arc::new(MemoryStore::new())));
    for payload in [&b""[..], b"{}", b"[1]", b"not json", &[0xff; 10], &vec![b' '; 10_000_000]] {
        assert!(matches!(handle(payload, &deps).await, Err(HandlerError::Event(_))), "{} bytes", payload.len());
    }
}

#[tokio::test]
async fn messages_that_cannot_be_followed_come_again_and_a_direct_event_fails() {
    let deps = Deps::new(support::ports(Arc::new(NoStore)));
    let outcome = handle(&event("sqs-hints"), &deps).await.unwrap();
    assert!(!outcome.failed_messages.is_empty());
    for direct in ["ec2-instance-state-change", "dynamodb-stream-keys", "schedule-tick"] {
        assert!(matches!(handle(&event(direct), &deps).await, Err(HandlerError::Store(_))), "{direct}");
    }
}
