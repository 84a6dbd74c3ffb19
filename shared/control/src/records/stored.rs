//! A record as it was read, with the version that a write of it is conditional on.

use serde::Serialize;
use serde::de::DeserializeOwned;
use strata_ports::{Change, Expect, Item, Key, StoreError};

/// A decoded record and the item that it came from.
#[derive(Clone, Debug)]
pub struct Stored<T> {
    /// Where it stands.
    pub key: Key,
    /// The version read.
    pub version: u64,
    /// The record.
    pub record: T,
}

impl<T: DeserializeOwned> Stored<T> {
    /// Decodes an item.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] names the key.
    pub fn of(item: Item) -> Result<Self, StoreError> {
        let record = item.decode()?;
        Ok(Self { key: item.key, version: item.version, record })
    }
}

impl<T> Stored<T> {
    /// The condition that nobody has written it since.
    pub fn unchanged(&self) -> Expect {
        Expect::Version(self.version)
    }
    /// Removes it, if nobody has written it since.
    pub fn delete(&self) -> Change {
        Change::Delete { key: self.key.clone(), expect: self.unchanged() }
    }
    /// Changes nothing, but fails the commit if somebody has written it since.
    pub fn check(&self) -> Change {
        Change::Check { key: self.key.clone(), expect: self.unchanged() }
    }
}

impl<T: Serialize> Stored<T> {
    /// Writes `record` in its place, if nobody has written it since.
    pub fn put(&self, record: &T) -> Change {
        Change::put(self.key.clone(), record, self.unchanged())
    }
    /// Writes it unchanged: its version grows, so that a commit which read it before must look again. A layer is touched when it
    /// gets a member, a stack when it gets a layer; that is what keeps DeleteLayer and DeleteStack from losing the race.
    pub fn touch(&self) -> Change {
        self.put(&self.record)
    }
}
