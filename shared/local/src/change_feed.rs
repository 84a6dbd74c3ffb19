//! The change feed of the local stores: which records were written or removed, for those who reconcile.
//!
//! A change only names a record. Whoever is woken reads the record as it is by then, so a change that comes twice does no harm.

use async_trait::async_trait;
use strata_ports::{Key, StoreError};

/// Changes that were taken from a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Keys in the order of the commits, and within a commit in the order of its changes; a key written twice is there twice.
    pub keys: Vec<Key>,
    /// What to acknowledge once all of them are dealt with.
    pub up_to: u64,
}

/// What was committed, for one consumer.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// What was committed since the last call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be read; nothing is lost, the next call gives it.
    fn take(&self) -> Result<Taken, StoreError>;

    /// Forgets all changes up to [`Taken::up_to`]. What was taken and not acknowledged comes again when the store is next opened,
    /// if it is one that outlives the process.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: they may come again.
    fn acknowledge(&self, up_to: u64) -> Result<(), StoreError>;

    /// Returns when there is something to take, at once if there is already.
    async fn changed(&self);
}
