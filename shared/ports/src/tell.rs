//! Telling: decision records, pages and events are written in the commit of the decision and sent afterwards, so that none is
//! lost and none is invented. A repeat carries the same id.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::decision::{DecisionRecord, Page};

use crate::store::Listing;
use crate::{Change, CloudError, CommitError, Expect, Item, Key, Store, StoreError, keys};

/// An event out: EventBridge, source `opsworks` [EVT-1..7].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventOut {
    /// Our own event id, stable across repeats [EVT-13].
    pub id: String,
    /// `detail-type`.
    pub detail_type: String,
    /// `resources`.
    pub resources: Vec<String>,
    /// `detail`.
    pub detail: serde_json::Value,
    /// `time`.
    pub time: jiff::Timestamp,
}

/// SNS to on-call.
#[async_trait]
pub trait Pager: Send + Sync {
    /// Publishes a page; delivery is at least once.
    async fn publish(&self, page: &Page) -> Result<(), CloudError>;
}

/// EventBridge, outwards.
#[async_trait]
pub trait Events: Send + Sync {
    /// Puts events; delivery is at least once and unordered.
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError>;
}

/// A message of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// To the pager.
    Page {
        /// The page.
        page: Box<Page>,
        /// Since when an invocation is sending it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sending_since: Option<Timestamp>,
    },
    /// To the bus.
    Event {
        /// The event.
        event: EventOut,
    },
}

/// What a decision tells. Its changes go into the decision's own commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// For the journal.
    pub decisions: Vec<DecisionRecord>,
    /// For on-call.
    pub pages: Vec<Page>,
    /// For the bus.
    pub events: Vec<EventOut>,
}

impl Told {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty() && self.pages.is_empty() && self.events.is_empty()
    }

    /// The changes that write it: journal entries and outbox messages, all new keys.
    pub fn changes(&self) -> Vec<Change> {
        let journal = self.decisions.iter().map(|d| {
            let key = Key::new(keys::journal_pk(d.stack_id.as_ref()), format!("{}#{}", d.at, d.id));
            Change::put(key, d, Expect::Absent)
        });
        let pages = self.pages.iter().map(|page| {
            let id = format!("{PAGES}{}#{}", page.incident, if page.resolved { "resolved" } else { "open" });
            Change::put(keys::outbox(&id), &Message::Page { page: Box::new(page.clone()), sending_since: None }, Expect::Absent)
        });
        let events = self
            .events
            .iter()
            .map(|event| Change::put(event_key(event), &Message::Event { event: event.clone() }, Expect::Absent));
        journal.chain(pages).chain(events).collect()
    }
}

/// Sorted by time, so that a backlog goes out in the order in which it came to be.
fn event_key(event: &EventOut) -> Key {
    keys::outbox(&format!("{EVENTS}{:015}#{}", event.time.as_millisecond().max(0), event.id))
}

const PAGES: &str = "page#";
const EVENTS: &str = "event#";
/// At most so many messages of each kind in one go.
const MOST: usize = 200;
/// Events in one call: EventBridge's most. One call for each would hold up a thousand starts by minutes.
const EVENTS_PER_PUT: usize = 10;
/// A page is being sent by one invocation; another sends it only when that one has not removed it for so long.
const LEASE: SignedDuration = SignedDuration::from_mins(1);

/// Sends what the outbox holds and removes what was sent: pages first, so that events which the bus does not take hide none from on-call, then
/// events, oldest first. Called after a commit that told something, and by the
/// lifecycle tick for what a crash left behind. Returns how many messages were sent.
///
/// A page is leased before it is sent, so that two invocations at once do not both wake on-call; a crash in between costs a minute, and
/// the repeat carries the same incident.
///
/// # Errors
/// [`StoreError`] when the outbox cannot be read. A message that cannot be sent now stays for the next call.
pub async fn flush_outbox(
    store: &dyn Store,
    pager: &dyn Pager,
    events: &dyn Events,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut sent = 0;
    let mut batch: Vec<(Item, EventOut)> = Vec::new();
    let of = |kind| Listing { limit: Some(MOST), ..Listing::of(keys::OUTBOX_PK, kind) };
    let mut items = store.list(&of(PAGES)).await?;
    items.extend(store.list(&of(EVENTS)).await?);
    for mut item in items {
        // A torn or foreign message must not hold up the others.
        let Ok(message) = item.decode::<Message>() else { continue };
        match message {
            Message::Page { page, sending_since } => {
                if sending_since.is_some_and(|since| now.duration_since(since) < LEASE) {
                    continue;
                }
                let leased = Message::Page { page: page.clone(), sending_since: Some(now) };
                if store.commit(vec![Change::put(item.key.clone(), &leased, item.unchanged())]).await.is_err() {
                    continue;
                }
                item.version += 1;
                if pager.publish(&page).await.is_ok() {
                    sent += 1;
                    remove(store, &[item]).await?;
                }
            }
            Message::Event { event } => batch.push((item, event)),
        }
        if batch.len() == EVENTS_PER_PUT {
            sent += put(store, events, std::mem::take(&mut batch)).await?;
        }
    }
    sent += put(store, events, batch).await?;
    Ok(sent)
}

/// Puts events and removes them; how many. What cannot be put now stays.
async fn put(store: &dyn Store, events: &dyn Events, batch: Vec<(Item, EventOut)>) -> Result<usize, StoreError> {
    let (items, batch): (Vec<Item>, Vec<EventOut>) = batch.into_iter().unzip();
    if batch.is_empty() || events.put(&batch).await.is_err() {
        return Ok(0);
    }
    remove(store, &items).await?;
    Ok(items.len())
}

/// Removes messages that were sent. Another sender may have removed one meanwhile, so that the others are removed one by one; one that stays, or
/// whose answer is lost, is sent once more with the same id.
async fn remove(store: &dyn Store, items: &[Item]) -> Result<(), StoreError> {
    let delete = |item: &Item| Change::Delete { key: item.key.clone(), expect: item.unchanged() };
    let together = store.commit(items.iter().map(delete).collect()).await;
    match together {
        Ok(()) | Err(CommitError::Unavailable { .. } | CommitError::OutcomeUnknown { .. }) => Ok(()),
        Err(CommitError::Impossible { why }) => Err(StoreError::Unavailable { why }),
        Err(CommitError::Conflict { .. }) if items.len() == 1 => Ok(()),
        Err(CommitError::Conflict { .. }) => {
            for item in items {
                // Whatever this comes to, the message is only sent once more.
                let _ = store.commit(vec![delete(item)]).await;
            }
            Ok(())
        }
    }
}
