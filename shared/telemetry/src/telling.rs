//! Tells of what was committed: a log line for each decision and page, counts and times for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use strata_domain::InstanceStatus;
use strata_domain::decision::{DecisionRecord, Page, Verdict};
use strata_ports::store::Listing;
use strata_ports::tell::Message;
use strata_ports::{Change, Clock, CommitError, Expect, Item, Key, Store, StoreError, keys};

use crate::{Meter, Metric};

/// So many records of instances are remembered at most; an invocation reads a hundred or so.
const REMEMBERED: usize = 1_000;

/// A store whose commits are told of: journal entries and pages as log lines, and what changed for instances in the meter.
pub struct TellingStore {
    inner: Arc<dyn Store>,
    meter: Meter,
    clock: Arc<dyn Clock>,
    /// Records of instances as they were read, since what a change means depends on what was before it.
    read: Mutex<BTreeMap<Key, Item>>,
}

impl TellingStore {
    /// Around a store.
    pub fn new(inner: Arc<dyn Store>, meter: Meter, clock: Arc<dyn Clock>) -> Self {
        Self { inner, meter, clock, read: Mutex::default() }
    }

    fn before(&self, key: &Key, expect: Expect) -> Option<Seen> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(key).filter(|item| item.unchanged() == expect).and_then(|item| item.decode().ok())
    }

    /// What a change means, as far as it is one to tell of.
    fn news(&self, change: &Change) -> Option<News> {
        let Change::Put { key, value, expect } = change else { return None };
        if key.pk.starts_with(keys::JOURNAL) {
            return serde_json::from_slice(value).ok().map(|decision| News::Decision(Box::new(decision)));
        }
        // A page's later writes only lease it.
        if key.pk == keys::OUTBOX_PK && *expect == Expect::Absent {
            return match serde_json::from_slice(value).ok()? {
                Message::Page { page, .. } => Some(News::Page(page)),
                Message::Event { .. } => None,
            };
        }
        if is_instance(key) {
            let (before, after) = (self.before(key, *expect)?, serde_json::from_slice(value).ok()?);
            return Some(News::Instance { before, after });
        }
        None
    }

    fn tell(&self, news: &News) {
        match news {
            News::Decision(decision) => {
                log_decision(decision);
                self.meter.count(Metric::Decisions);
            }
            News::Page(page) => {
                log_page(page);
                self.meter.count(Metric::Pages);
            }
            News::Instance { before, after } => self.measure(before, after),
        }
    }

    fn measure(&self, before: &Seen, after: &Seen) {
        let since = |then: Timestamp| self.clock.now().duration_since(then).as_millis();
        let milliseconds = |then| i64::try_from(since(then)).unwrap_or(i64::MAX);
        if before.status == InstanceStatus::ShuttingDown && before.is_in_cluster() && !after.is_in_cluster() {
            self.meter.time(Metric::DrainTime, milliseconds(before.status_since));
        }
        if before.status == after.status {
            return;
        }
        match after.status {
            InstanceStatus::Pending => self.meter.count(Metric::Starts),
            InstanceStatus::ShuttingDown => self.meter.count(Metric::Stops),
            InstanceStatus::Stopping if before.status == InstanceStatus::ConnectionLost => self.meter.count(Metric::Heals),
            InstanceStatus::Online if !before.has_been_online => {
                if let Some(started_at) = after.started_at {
                    self.meter.time(Metric::TimeToOnline, milliseconds(started_at));
                }
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Store for TellingStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let item = self.inner.get(key).await?;
        if let Some(item) = item.as_ref().filter(|_| is_instance(key)) {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            if read.len() >= REMEMBERED {
                read.clear();
            }
            read.insert(key.clone(), item.clone());
        }
        Ok(item)
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        self.inner.list(listing).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let news: Vec<News> = changes.iter().filter_map(|change| self.news(change)).collect();
        self.inner.commit(changes).await?;
        news.iter().for_each(|news| self.tell(news));
        Ok(())
    }

    fn stamp(&self, pk: &str) -> Option<u64> {
        self.inner.stamp(pk)
    }
}

enum News {
    Decision(Box<DecisionRecord>),
    Page(Box<Page>),
    Instance { before: Seen, after: Seen },
}

/// An instance's record, as far as the metrics ask.
#[derive(Deserialize)]
struct Seen {
    status: InstanceStatus,
    status_since: Timestamp,
    started_at: Option<Timestamp>,
    has_been_online: bool,
    container_instance_arn: Option<String>,
}

impl Seen {
    fn is_in_cluster(&self) -> bool {
        self.container_instance_arn.is_some()
    }
}

fn is_instance(key: &Key) -> bool {
    key.pk.starts_with("stack#") && key.sk.starts_with(keys::INSTANCE)
}

fn log_decision(decision: &DecisionRecord) {
    let verdict = match decision.verdict {
        Verdict::Act => "act",
        Verdict::Hold => "hold",
        Verdict::WouldAct => "would_act",
    };
    tracing::info!(
        decision.id = %decision.id,
        decision.function = %decision.function,
        decision.trigger = decision.trigger,
        decision.subject = decision.subject,
        decision.verdict = verdict,
        decision.saw = decision.saw,
        decision.did = decision.did,
        decision.why = decision.why,
        stack.id = decision.stack_id.as_ref().map(tracing::field::display),
        layer.id = decision.layer_id.as_ref().map(tracing::field::display),
        "decision"
    );
}

fn log_page(page: &Page) {
    tracing::info!(
        page.incident = page.incident,
        page.kind = page.kind.as_str(),
        page.resolved = page.resolved,
        decision.id = %page.decision,
        "page"
    );
}

#[cfg(test)]
mod tests;
