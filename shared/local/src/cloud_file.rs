//! The simulated cloud's snapshot in a file of its own, beside the store's.
//!
//! A file of its own, because a store holds one write transaction at a time: the cloud's larger writes would hold up the API's small ones.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, TableDefinition};

use crate::cloud::Disk;
use crate::redb_store::OpenError;

const SNAPSHOT: TableDefinition<(), &[u8]> = TableDefinition::new("snapshot");

/// The file.
pub struct CloudFile {
    db: Database,
    path: PathBuf,
}

impl CloudFile {
    /// Opens the file, or makes an empty one. After a crash this repairs what needs repair.
    ///
    /// # Errors
    /// [`OpenError::InUse`] while another process (or this one) has it open; [`OpenError::Unusable`] otherwise.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let path = path.as_ref();
        match Database::create(path) {
            Ok(db) => Ok(Self { db, path: path.to_owned() }),
            Err(DatabaseError::DatabaseAlreadyOpen) => Err(OpenError::InUse { path: path.to_owned() }),
            Err(other) => Err(OpenError::unusable(path, other.into())),
        }
    }

    /// The last snapshot; `None`: none was ever saved.
    ///
    /// # Errors
    /// [`OpenError::Unusable`]: the file is damaged.
    pub fn load(&self) -> Result<Option<Vec<u8>>, OpenError> {
        let load = || -> Result<Option<Vec<u8>>, redb::Error> {
            match self.db.begin_read()?.open_table(SNAPSHOT) {
                Ok(table) => Ok(table.get(())?.map(|bytes| bytes.value().to_vec())),
                Err(redb::TableError::TableDoesNotExist(_)) => Ok(None),
                Err(other) => Err(other.into()),
            }
        };
        load().map_err(|e| OpenError::unusable(&self.path, e))
    }

    fn write(&self, snapshot: &[u8]) -> Result<(), redb::Error> {
        let transaction = self.db.begin_write()?;
        transaction.open_table(SNAPSHOT)?.insert((), snapshot)?;
        Ok(transaction.commit()?)
    }
}

impl Disk for CloudFile {
    fn save(&self, snapshot: &[u8]) -> Result<(), std::io::Error> {
        self.write(snapshot).map_err(std::io::Error::other)
    }
}
