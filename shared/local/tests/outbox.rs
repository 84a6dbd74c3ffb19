//! What the outbox sends when one of its receivers is down.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::sync::Mutex;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use strata_domain::decision::{Page, Severity};
use strata_domain::pages::PageKind;
use strata_local::MemoryStore;
use strata_ports::tell::flush_outbox;
use strata_ports::{CloudError, EventOut, Events, Pager, Store, Told};

fn now() -> Timestamp {
    "2026-03-02T03:00:00Z".parse().unwrap()
}

fn page() -> Page {
    Page {
        incident: "heal/1".to_owned(),
        resolved: false,
        severity: Severity::Critical,
        kind: PageKind::AutoHealing,
        stack: "shop".to_owned(),
        layer: None,
        host: None,
        what: "web1 is lost".to_owned(),
        why: String::new(),
        did: String::new(),
        next: String::new(),
        decision: "d".into(),
        at: now(),
    }
}

fn event(minute: i64, id: &str) -> EventOut {
    EventOut {
        id: id.to_owned(),
        detail_type: "OpsWorks Instance State Change".to_owned(),
        resources: Vec::new(),
        detail: serde_json::Value::Null,
        time: now() + SignedDuration::from_mins(minute),
    }
}

/// On-call, who hears everything, and a bus that takes events or does not.
#[derive(Default)]
struct World {
    takes_events: bool,
    pages: Mutex<Vec<String>>,
    events: Mutex<Vec<String>>,
}

#[async_trait]
impl Pager for World {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        self.pages.lock().unwrap().push(page.incident.clone());
        Ok(())
    }
}

#[async_trait]
impl Events for World {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        if !self.takes_events {
            return Err(CloudError::RetryLater { action: "events:PutEvents", why: "it is down".to_owned() });
        }
        self.events.lock().unwrap().extend(events.iter().map(|event| event.id.clone()));
        Ok(())
    }
}

async fn store(told: &[Told]) -> MemoryStore {
    let store = MemoryStore::new();
    for told in told {
        store.commit(told.changes()).await.unwrap();
    }
    store
}

#[tokio::test]
async fn a_bus_that_takes_no_events_keeps_no_page_from_on_call_however_many_wait() {
    let mut told: Vec<Told> = (0..300).map(|n| Told { events: vec![event(n, &format!("{n:03}"))], ..Told::default() }).collect();
    told.push(Told { pages: vec![page()], ..Told::default() });
    let (store, world) = (store(&told).await, World::default());
    assert_eq!(flush_outbox(&store, &world, &world, now()).await.unwrap(), 1);
    assert_eq!(*world.pages.lock().unwrap(), ["heal/1"]);
    assert_eq!(flush_outbox(&store, &world, &world, now()).await.unwrap(), 0, "it is sent once");
}

#[tokio::test]
async fn a_backlog_of_events_goes_out_in_the_order_in_which_they_came_to_be() {
    let told: Vec<Told> = [(2, "a"), (0, "c"), (1, "b"), (11, "d")]
        .map(|(minute, id)| Told { events: vec![event(minute, id)], ..Told::default() })
        .into();
    let (store, world) = (store(&told).await, World { takes_events: true, ..World::default() });
    assert_eq!(flush_outbox(&store, &world, &world, now()).await.unwrap(), 4);
    assert_eq!(*world.events.lock().unwrap(), ["c", "b", "a", "d"]);
}
