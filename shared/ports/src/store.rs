//! The store: get, list, commit, and a change feed.

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Key;

mod limits;

pub use limits::{
    MAX_CHANGES, MAX_COMMIT_BYTES, MAX_PK_BYTES, MAX_SK_BYTES, MAX_VALUE_BYTES, check_possible, first_portion, fits_one_commit,
};

/// A stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub key: Key,
    /// Counts the writes of this key, from 1.
    pub version: u64,
    /// JSON.
    pub value: Bytes,
}

impl Item {
    /// Reads the JSON.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] names the key: the record is torn or foreign.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_slice(&self.value).map_err(|e| StoreError::Unreadable { key: self.key.clone(), problem: e.to_string() })
    }

    /// The condition that nobody has written this key since it was read.
    pub fn unchanged(&self) -> Expect {
        Expect::Version(self.version)
    }
}

/// What must be true of a key for the commit to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no record.
    Absent,
    /// The record has this version.
    Version(u64),
}

/// One change of a commit; every change is conditional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes a record.
    Put {
        /// Where.
        key: Key,
        /// JSON.
        value: Bytes,
        /// Condition.
        expect: Expect,
    },
    /// Removes a record.
    Delete {
        /// Where.
        key: Key,
        /// Condition.
        expect: Expect,
    },
    /// Changes nothing, but must hold.
    Check {
        /// Where.
        key: Key,
        /// Condition.
        expect: Expect,
    },
}

impl Change {
    /// A put of a serializable value.
    pub fn put<T: Serialize>(key: Key, value: &T, expect: Expect) -> Self {
        let value = serde_json::to_vec(value).expect("records are plain data with string keys, which always serialize");
        Self::Put { key, value: value.into(), expect }
    }

    /// The key that it is about.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Try again later.
    #[error("the store is unavailable: {why}")]
    Unavailable {
        /// What it said.
        why: String,
    },
    /// A record that this version cannot read.
    #[error("record {key} is unreadable: {problem}")]
    Unreadable {
        /// Where.
        key: Key,
        /// What is wrong.
        problem: String,
    },
}

/// Why a commit did not happen, or may not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold, or another transaction overlapped; nothing was written: read again and decide anew.
    #[error("record {key} has changed since it was read")]
    Conflict {
        /// The first key whose condition failed.
        key: Key,
    },
    /// What [`check_possible`] refuses: a mistake of the caller's.
    #[error("the commit is not possible: {why}")]
    Impossible {
        /// What is wrong.
        why: String,
    },
    /// Nothing was written: try again later.
    #[error("the store is unavailable: {why}")]
    Unavailable {
        /// What it said.
        why: String,
    },
    /// The answer was lost: read before writing again.
    #[error("the outcome of the commit is unknown: {why}")]
    OutcomeUnknown {
        /// What happened.
        why: String,
    },
}

/// Which records to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Partition.
    pub pk: String,
    /// Only sort keys that start so; empty for all.
    pub prefix: String,
    /// From the greatest sort key down.
    pub descending: bool,
    /// At most so many; `None` for all.
    pub limit: Option<usize>,
}

impl Listing {
    /// All of a partition whose sort keys start with `prefix`, in ascending order.
    pub fn of(pk: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { pk: pk.into(), prefix: prefix.into(), descending: false, limit: None }
    }
}

/// The store. Reads are strongly consistent. The change feed is the adapter's: a DynamoDB stream, or a channel.
#[async_trait]
pub trait Store: Send + Sync {
    /// One record. Where none can be, for want of a name or because it is too long, there is none.
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError>;
    /// Records of one partition, ordered by sort key.
    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError>;
    /// Writes all changes or none. Every change is conditional on the version read.
    ///
    /// # Errors
    /// [`CommitError`]. What [`check_possible`] refuses is [`CommitError::Impossible`] in every store.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError>;
    /// A mark of what a partition holds: as long as it is the same, nothing in the partition was written or removed. What was made of the
    /// partition after the mark was read may be used again under the same mark. `None` where telling costs as much as reading.
    ///
    /// A commit that was answered has changed the mark; one that is not answered yet may not have.
    fn stamp(&self, _pk: &str) -> Option<u64> {
        None
    }
}
