//! The store in one file: redb, a transactional B-tree with copy-on-write pages.
//!
//! A commit is on disk when it returns, so a killed process loses nothing that was accepted, and a commit is there whole or not
//! at all. Calls block for as long as the disk takes (a commit: one or two syncs, some milliseconds); they are made where the caller
//! runs, since handing each to another thread costs more than most of them take and would leave the simulation's order to chance.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use redb::{
    AccessGuard, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, StorageError, Table,
    TableDefinition, WriteTransaction,
};
use strata_ports::store::{Listing, check_possible};
use strata_ports::{Change, Clock, CommitError, Item, Key, Store, StoreError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use crate::change_feed::{ChangeFeed, Taken};
use crate::store_rules::{check_conditions, end_of_prefix, next_version};

/// Partition and sort key.
type RecordKey = (&'static str, &'static str);
/// Version and JSON.
type Record = (u64, &'static [u8]);

/// All records.
const RECORDS: TableDefinition<RecordKey, Record> = TableDefinition::new("records");
/// Changes that nobody has acknowledged yet, by a number that grows with each change.
const CHANGES: TableDefinition<u64, RecordKey> = TableDefinition::new("changes");
/// When the last commit was, in milliseconds, if somebody wants to know.
const LAST_COMMIT: TableDefinition<(), i64> = TableDefinition::new("last-commit");

/// Why a store's file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// One process at a time: stop the other, or choose another file.
    #[error("the store {} is in use by another process", path.display())]
    InUse {
        /// File.
        path: PathBuf,
    },
    /// Not a store, not readable, or damaged.
    #[error("the store {} cannot be opened", path.display())]
    Unusable {
        /// File.
        path: PathBuf,
        /// What redb says.
        #[source]
        source: Box<redb::Error>,
    },
}

impl OpenError {
    pub(crate) fn unusable(path: &Path, source: redb::Error) -> Self {
        Self::Unusable { path: path.to_owned(), source: Box::new(source) }
    }
}

/// Records, versions and the change feed in one file.
pub struct RedbStore {
    db: Database,
    /// Number of the next change; only moved while the one write transaction is open, or before anybody has the store.
    next_change: AtomicU64,
    /// All changes below this number can be read.
    committed: AtomicU64,
    /// Number of the first change that was not taken yet.
    next_taken: AtomicU64,
    changed: Notify,
    /// Stamps commits.
    clock: OnceLock<Arc<dyn Clock>>,
    /// For each partition that was written since the store was opened: one more than the number of its last change.
    stamps: Mutex<BTreeMap<String, u64>>,
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}

impl RedbStore {
    /// Opens the store in `path`, or makes an empty one there. After a crash this repairs what needs repair.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while another process (or this one) has it open; [`OpenError::Unusable`] otherwise.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        let unusable = |source| OpenError::unusable(path, source);
        let db = Database::create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: path.to_owned() },
            other => unusable(other.into()),
        })?;
        let next_change = prepare(&db).map_err(unusable)?;
        let (committed, next_change) = (AtomicU64::new(next_change), AtomicU64::new(next_change));
        let (next_taken, changed, clock) = (AtomicU64::new(0), Notify::new(), OnceLock::new());
        Ok(Self { db, next_change, committed, next_taken, changed, clock, stamps: Mutex::default() })
    }

    /// Has every commit carry the time of `clock`, so that a world whose time is its own can go on where it was. Once only.
    pub fn stamp_with(&self, clock: Arc<dyn Clock>) {
        // A second clock would be a second time; the first one stays.
        drop(self.clock.set(clock));
    }

    /// The time of the last commit that was stamped.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be read.
    pub fn last_commit(&self) -> Result<Option<Timestamp>, StoreError> {
        let read = || -> Result<Option<i64>, redb::Error> {
            match self.db.begin_read()?.open_table(LAST_COMMIT) {
                Ok(table) => Ok(table.get(())?.map(|at| at.value())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(other) => Err(other.into()),
            }
        };
        Ok(read().map_err(unavailable)?.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// The keys written or removed since the last call, in the order of the commits; on a freshly opened store all that were never
    /// acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be read; nothing is lost, the next call gives it.
    pub fn take_changes(&self) -> Result<Taken, StoreError> {
        let from = self.next_taken.load(Ordering::Acquire);
        let mut taken = Taken { keys: Vec::new(), up_to: from.saturating_sub(1) };
        let mut read = || -> Result<(), redb::Error> {
            for entry in self.db.begin_read()?.open_table(CHANGES)?.range(from..)? {
                let (number, key) = entry?;
                let (pk, sk) = key.value();
                taken.keys.push(Key::new(pk, sk));
                taken.up_to = number.value();
            }
            Ok(())
        };
        read().map_err(unavailable)?;
        if !taken.keys.is_empty() {
            self.next_taken.fetch_max(taken.up_to + 1, Ordering::AcqRel);
        }
        Ok(taken)
    }

    fn read(&self) -> Result<ReadOnlyTable<RecordKey, Record>, redb::Error> {
        Ok(self.db.begin_read()?.open_table(RECORDS)?)
    }

    fn write(&self, changes: &[Change]) -> Result<(), WriteError> {
        let transaction = self.db.begin_write()?;
        let mut number = self.next_change.load(Ordering::Acquire);
        {
            let mut records = transaction.open_table(RECORDS)?;
            if let Some(key) = check_conditions(changes, |key| version(&records, key))? {
                return Err(WriteError::Refused(CommitError::Conflict { key }));
            }
            let mut feed = transaction.open_table(CHANGES)?;
            for change in changes {
                if let Some(key) = apply(&mut records, change)? {
                    feed.insert(number, (key.pk.as_str(), key.sk.as_str()))?;
                    number += 1;
                }
            }
        }
        let done = self.finish(transaction, number);
        // Also when it failed: whether it happened is then unknown.
        self.stamp_anew(changes, number);
        done
    }

    /// Numbers only grow, so whichever of two commits gets here last, the greater one counts.
    fn stamp_anew(&self, changes: &[Change], number: u64) {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes.iter().filter(|change| !matches!(change, Change::Check { .. })) {
            let stamp = stamps.entry(change.key().pk.clone()).or_default();
            *stamp = number.max(*stamp);
        }
    }

    /// Makes the commit durable, unless it changes nothing.
    fn finish(&self, transaction: WriteTransaction, next_change: u64) -> Result<(), WriteError> {
        if next_change == self.next_change.load(Ordering::Acquire) {
            return Ok(transaction.abort()?);
        }
        if let Some(clock) = self.clock.get() {
            transaction.open_table(LAST_COMMIT)?.insert((), clock.now().as_millisecond())?;
        }
        // Moved before the commit, after which the next write transaction may already be underway.
        self.next_change.store(next_change, Ordering::Release);
        transaction.commit().map_err(|error| WriteError::Refused(CommitError::OutcomeUnknown { why: error.to_string() }))?;
        self.committed.fetch_max(next_change, Ordering::AcqRel);
        self.changed.notify_one();
        Ok(())
    }
}

/// Makes the tables if there are none, and finds the number that the next change gets.
fn prepare(db: &Database) -> Result<u64, redb::Error> {
    let transaction = db.begin_write()?;
    transaction.open_table(RECORDS)?;
    let next_change = transaction.open_table(CHANGES)?.last()?.map_or(0, |(number, _)| number.value() + 1);
    transaction.commit()?;
    Ok(next_change)
}

type Records<'t> = Table<'t, RecordKey, Record>;

fn version(records: &Records<'_>, key: &Key) -> Result<Option<u64>, StorageError> {
    Ok(records.get((key.pk.as_str(), key.sk.as_str()))?.map(|record| record.value().0))
}

/// Carries out one change, whose condition is true; gives its key if it made a difference.
fn apply<'c>(records: &mut Records<'_>, change: &'c Change) -> Result<Option<&'c Key>, StorageError> {
    match change {
        Change::Put { key, value, expect } => {
            records.insert((key.pk.as_str(), key.sk.as_str()), (next_version(*expect), value.as_ref()))?;
            Ok(Some(key))
        }
        Change::Delete { key, .. } => {
            let removed = records.remove((key.pk.as_str(), key.sk.as_str()))?.is_some();
            Ok(removed.then_some(key))
        }
        Change::Check { .. } => Ok(None),
    }
}

/// Why a write transaction came to nothing.
enum WriteError {
    /// As the port says it.
    Refused(CommitError),
    /// redb failed before the commit, so nothing was written.
    Before(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for WriteError {
    fn from(error: E) -> Self {
        Self::Before(error.into())
    }
}

/// Runs what waits for the disk. Where there are several worker threads, the others take over what this one has to do meanwhile: with as
/// many writers as workers, readers would otherwise wait for the disk too.
fn off_the_runtime<T>(write: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(write),
        _ => write(),
    }
}

fn unavailable(error: redb::Error) -> StoreError {
    StoreError::Unavailable { why: error.to_string() }
}

#[async_trait]
impl Store for RedbStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let records = self.read().map_err(unavailable)?;
        let record = records.get((key.pk.as_str(), key.sk.as_str())).map_err(|e| unavailable(e.into()))?;
        Ok(record.map(|record| {
            let (version, value) = record.value();
            Item { key: key.clone(), version, value: Bytes::copy_from_slice(value) }
        }))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        let list = || -> Result<Vec<Item>, redb::Error> {
            let records = self.read()?;
            // Where no sort key can end the range, the next partition does: no string lies between a string and itself with a nul.
            let (end_pk, end_sk) = match end_of_prefix(&listing.prefix) {
                Some(end) => (listing.pk.clone(), end),
                None => (format!("{}\0", listing.pk), String::new()),
            };
            let range = records.range((listing.pk.as_str(), listing.prefix.as_str())..(end_pk.as_str(), end_sk.as_str()))?;
            let item = |entry: Result<(AccessGuard<'_, RecordKey>, AccessGuard<'_, Record>), StorageError>| {
                let (key, record) = entry?;
                let ((pk, sk), (version, value)) = (key.value(), record.value());
                Ok(Item { key: Key::new(pk, sk), version, value: Bytes::copy_from_slice(value) })
            };
            let limit = listing.limit.unwrap_or(usize::MAX);
            if listing.descending { range.rev().take(limit).map(item).collect() } else { range.take(limit).map(item).collect() }
        };
        list().map_err(unavailable)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        check_possible(&changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        off_the_runtime(|| self.write(&changes)).map_err(|error| match error {
            WriteError::Refused(error) => error,
            WriteError::Before(error) => CommitError::Unavailable { why: error.to_string() },
        })
    }

    fn stamp(&self, pk: &str) -> Option<u64> {
        Some(self.stamps.lock().unwrap_or_else(PoisonError::into_inner).get(pk).copied().unwrap_or(0))
    }
}

#[async_trait]
impl ChangeFeed for RedbStore {
    fn take(&self) -> Result<Taken, StoreError> {
        self.take_changes()
    }

    fn acknowledge(&self, up_to: u64) -> Result<(), StoreError> {
        let acknowledge = || -> Result<(), redb::Error> {
            let mut transaction = self.db.begin_write()?;
            // Not worth a sync of its own: it reaches the disk with the next commit, and if a crash comes first the changes
            // only come again.
            transaction.set_durability(Durability::None)?;
            transaction.open_table(CHANGES)?.retain_in(..=up_to, |_, _| false)?;
            Ok(transaction.commit()?)
        };
        acknowledge().map_err(unavailable)
    }

    async fn changed(&self) {
        while self.next_taken.load(Ordering::Acquire) >= self.committed.load(Ordering::Acquire) {
            self.changed.notified().await;
        }
    }
}
