//! Repeats: SDKs resend a call after a lost answer, with the same `amz-sdk-invocation-id` [WIRE-15].
//!
//! The first result of a writing call is kept in the call's own commit, under a key that begins with the quarter of an hour in which
//! it was written. A repeat is looked for in the present and the previous quarter (two reads, writes only) and answered when it
//! is at most 15 minutes old. Old ones are removed a batch at a time, at most once a minute, by whatever write comes along.
//! Only successes are kept: an error wrote nothing, so its repeat is judged anew.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, Ids, Key, Store, StoreError, keys};

/// How long a first result is repeated.
const WINDOW_SECONDS: i64 = 15 * 60;
/// Removed in one commit.
const BATCH: usize = 90;

/// What makes two requests the same.
#[derive(Clone, Debug)]
pub(crate) struct RequestKey {
    suffix: String,
}

impl RequestKey {
    /// A request without an id, or with one that no SDK makes, gets an id of its own: it is no other's repeat, but its result serves as
    /// the receipt of its commit.
    pub(crate) fn of(caller: &str, action: &str, invocation_id: Option<&str>, ids: &dyn Ids) -> Self {
        let id = invocation_id.filter(|id| (1..=128).contains(&id.len())).map_or_else(|| ids.uuid(), str::to_owned);
        Self { suffix: format!("{action}#{id}#{caller}") }
    }

    fn key(&self, bucket: i64) -> Key {
        Key::new(keys::REPEATS_PK, format!("{bucket:012}#{}", self.suffix))
    }

    /// The change that keeps `body` as the first result.
    pub(crate) fn keep(&self, body: &Bytes, now: Timestamp) -> Change {
        let body = String::from_utf8_lossy(body).into_owned();
        Change::put(self.key(bucket(now)), &FirstResult { at: now, body }, Expect::Absent)
    }

    /// The first result, if there was one within the window.
    pub(crate) async fn find(&self, store: &dyn Store, now: Timestamp) -> Result<Option<Bytes>, StoreError> {
        for bucket in [bucket(now), bucket(now) - 1] {
            if let Some(item) = store.get(&self.key(bucket)).await? {
                let first: FirstResult = item.decode()?;
                if now.as_second() - first.at.as_second() <= WINDOW_SECONDS {
                    return Ok(Some(Bytes::from(first.body)));
                }
            }
        }
        Ok(None)
    }
}

#[derive(Serialize, Deserialize)]
struct FirstResult {
    at: Timestamp,
    body: String,
}

fn bucket(now: Timestamp) -> i64 {
    now.as_second().div_euclid(WINDOW_SECONDS)
}

/// Removes old results now and then.
#[derive(Debug, Default)]
pub(crate) struct Sweeper {
    next_second: AtomicI64,
}

impl Sweeper {
    /// Removes a batch of results that no repeat can ask for any more, if a minute has passed or the last batch was full. Whatever goes
    /// wrong is left to the next time.
    pub(crate) async fn sweep(&self, store: &dyn Store, now: Timestamp) {
        let second = now.as_second();
        let due = self.next_second.load(Ordering::Relaxed);
        let is_mine =
            due <= second && self.next_second.compare_exchange(due, second + 60, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_mine {
            return;
        }
        let oldest = Listing { limit: Some(BATCH), ..Listing::of(keys::REPEATS_PK, "") };
        let Ok(items) = store.list(&oldest).await else { return };
        let first_kept = format!("{:012}", bucket(now) - 1);
        let old: Vec<Change> = items
            .into_iter()
            .filter(|item| item.key.sk.as_str() < first_kept.as_str())
            .map(|item| Change::Delete { expect: item.unchanged(), key: item.key })
            .collect();
        let was_full = old.len() == BATCH;
        if !old.is_empty() && store.commit(old).await.is_ok() && was_full {
            self.next_second.store(second, Ordering::Relaxed);
        }
    }
}
