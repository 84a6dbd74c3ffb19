//! The data folder: `store.redb` (records), `cloud.redb` (the simulated cloud), `demand.json` (CPU by layer), `endpoint` (where it is
//! served, while it is) and `format` (which version wrote it).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strata_domain::LayerId;
use strata_local::cloud::Saved;
use strata_local::{CloudFile, OpenError, RedbStore};

use crate::CliError;

/// The format that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;
const FORMAT_WORDS: &str = "strata-world";

/// An open folder; nobody else has it.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) store: Arc<RedbStore>,
    pub(super) cloud: Arc<CloudFile>,
}

fn bad(path: &Path, what: impl std::fmt::Display) -> CliError {
    CliError::BadInput(format!("--data {}: {what}", path.display()))
}

fn open_error(path: &Path, error: OpenError) -> CliError {
    match error {
        OpenError::InUse { .. } => CliError::Failed(anyhow::anyhow!(
            "--data {}: the folder is in use by another process: stop that `strata sim serve`, or choose another folder",
            path.display()
        )),
        unusable @ OpenError::Unusable { .. } => {
            bad(path, format!("{:#}; choose another folder, or restore this one", anyhow::Error::new(unusable)))
        }
    }
}

/// Writes a small file whole: after a crash the old or the new one is there.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let fresh = file.with_extension("tmp");
    std::fs::write(&fresh, text)?;
    std::fs::File::open(&fresh)?.sync_all()?;
    std::fs::rename(&fresh, file)
}

impl Folder {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// Failed: in use by another process. Bad input: it cannot be read or made, or a newer version wrote it.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        std::fs::create_dir_all(path).map_err(|e| bad(path, format!("the folder cannot be made: {e}")))?;
        check_format(path)?;
        let store = RedbStore::open(path.join("store.redb")).map_err(|e| open_error(path, e))?;
        let cloud = CloudFile::open(path.join("cloud.redb")).map_err(|e| open_error(path, e))?;
        Ok(Self { path: path.to_owned(), store: Arc::new(store), cloud: Arc::new(cloud) })
    }

    /// The cloud as it was saved; `None` in a fresh folder.
    pub(super) fn saved(&self) -> Result<Option<Saved>, CliError> {
        let Some(bytes) = self.cloud.load().map_err(|e| open_error(&self.path, e))? else { return Ok(None) };
        Saved::read(&bytes).map(Some).map_err(|e| bad(&self.path, format!("cloud.redb: {e}; choose another folder")))
    }

    /// Says where the world is served, to `strata sim world`.
    pub(super) fn announce(&self, endpoint: &str) -> Result<(), CliError> {
        replace(&endpoint_file(&self.path), endpoint).map_err(|e| bad(&self.path, format!("endpoint cannot be written: {e}")))
    }

    /// No longer served.
    pub(super) fn withdraw(&self) {
        // If it stays, `strata sim world` finds nobody there, and says so.
        drop(std::fs::remove_file(endpoint_file(&self.path)));
    }

    /// CPU percent by layer, as a person has set it.
    pub(super) fn demand(&self) -> Result<BTreeMap<LayerId, f64>, CliError> {
        match std::fs::read(self.path.join("demand.json")) {
            Ok(json) => serde_json::from_slice(&json).map_err(|e| bad(&self.path, format!("demand.json: {e}"))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(e) => Err(bad(&self.path, format!("demand.json cannot be read: {e}"))),
        }
    }

    pub(super) fn set_demand(&self, demand: &BTreeMap<LayerId, f64>) -> std::io::Result<()> {
        replace(&self.path.join("demand.json"), &serde_json::to_string(demand)?)
    }
}

/// Where the address of the running server stands.
pub(in crate::sim) fn endpoint_file(data: &Path) -> PathBuf {
    data.join("endpoint")
}

/// Reads the format, or writes it into a folder that has no world yet.
fn check_format(path: &Path) -> Result<(), CliError> {
    let file = path.join("format");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && !path.join("store.redb").exists() => {
            return replace(&file, &format!("{FORMAT_WORDS} {FORMAT}\n"))
                .map_err(|e| bad(path, format!("cannot be written: {e}")));
        }
        Err(e) => return Err(bad(path, format!("format cannot be read: {e}"))),
    };
    let format = text.trim().strip_prefix(FORMAT_WORDS).and_then(|n| n.trim().parse::<u32>().ok());
    match format {
        Some(1..=FORMAT) => Ok(()),
        Some(newer) if newer > FORMAT => Err(bad(
            path,
            format!(
                "a newer strata wrote this folder (format {newer}, this one reads up to {FORMAT}): update strata, or choose another folder"
            ),
        )),
        _ => Err(bad(path, format!("format says {:?}, expected \"{FORMAT_WORDS} {FORMAT}\"", text.trim()))),
    }
}
