//! Only *changed* decisions are told: the same hold for the same reason, minute after minute, is one journal entry.

use serde::{Deserialize, Serialize};
use strata_domain::decision::{DecisionRecord, Function};

use crate::{Change, Expect, Key, Store, StoreError, keys};

/// What the last told decision about a subject came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    sameness: String,
}

/// A decision's place among those already told.
#[derive(Clone, Debug)]
pub struct News {
    key: Key,
    expect: Expect,
    sameness: String,
    /// Whether it differs from the last one told about the subject.
    pub is_new: bool,
    /// Whether nothing was told about the subject before.
    pub is_first: bool,
}

impl News {
    /// The change that makes this the last decision told; goes into the commit that tells it.
    pub fn change(&self) -> Change {
        Change::put(self.key.clone(), &Last { sameness: self.sameness.clone() }, self.expect)
    }
}

/// Compares a decision with the last one told by the same function about the same subject.
///
/// `sameness` is what makes two decisions the same, for example the verdict and the kind of reason, without the moving numbers in it.
///
/// # Errors
/// [`StoreError`] when the last one cannot be read.
pub async fn news(store: &dyn Store, function: Function, subject: &str, sameness: &str) -> Result<News, StoreError> {
    let key = keys::last_decision(function.as_str(), subject);
    let item = store.get(&key).await?;
    // An unreadable last decision is told anew rather than holding up the decisions that follow.
    let same = item.as_ref().and_then(|i| i.decode::<Last>().ok()).is_some_and(|last| last.sameness == sameness);
    let expect = item.as_ref().map_or(Expect::Absent, crate::Item::unchanged);
    Ok(News { key, expect, sameness: sameness.to_owned(), is_new: !same, is_first: item.is_none() })
}

/// The decision in one line, for logs.
pub fn line(decision: &DecisionRecord) -> String {
    format!("{}: {}: saw {}; {}; because {}", decision.function, decision.subject, decision.saw, decision.did, decision.why)
}
