//! Requests for long jobs that stand in the store: the API writes them down in the commit that answers the person, the job's function heeds
//! them and leaves its answer. The event that goes out with a request only wakes the function sooner.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use strata_triggers::RequestVerb;

use crate::store::Listing;
use crate::{Change, CommitError, Expect, Item, Key, Store, StoreError};

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAnswer {
    /// What was asked.
    pub verb: RequestVerb,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub asked_at: Timestamp,
    /// When it was heeded.
    pub at: Timestamp,
    /// Why it was not done; `None`: it was.
    pub refused: Option<String>,
}

/// The requests that wait, those of a layer oldest first. One that this version cannot read waits on and troubles no other.
///
/// # Errors
/// [`StoreError`] when they cannot be listed.
pub async fn waiting<R: DeserializeOwned>(store: &dyn Store, pk: &str) -> Result<Vec<(Item, R)>, StoreError> {
    let items = store.list(&Listing::of(pk, "")).await?;
    Ok(items.into_iter().filter_map(|item| item.decode().ok().map(|request| (item, request))).collect())
}

/// Takes a heeded request away and leaves the answer at `place`. A crash before it has the request heeded once more, which has no effect.
///
/// # Errors
/// [`CommitError::Unavailable`] or `Impossible`. Somebody who was quicker has done the same.
pub async fn answer(store: &dyn Store, request: &Item, place: Key, answer: &JobAnswer) -> Result<(), CommitError> {
    let before = store.get(&place).await.map_err(|error| CommitError::Unavailable { why: error.to_string() })?;
    let expect = before.as_ref().map_or(Expect::Absent, Item::unchanged);
    let changes =
        vec![Change::Delete { key: request.key.clone(), expect: request.unchanged() }, Change::put(place, answer, expect)];
    match store.commit(changes).await {
        Ok(()) | Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(()),
        Err(error @ (CommitError::Unavailable { .. } | CommitError::Impossible { .. })) => Err(error),
    }
}
