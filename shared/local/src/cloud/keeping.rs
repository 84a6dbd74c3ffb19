//! The cloud on disk: a snapshot of its whole state, and the promise that an answered call is in it.
//!
//! AWS does not forget a RunInstances that it has accepted. So once [`SimCloud::keep_in`] has been called, no port call is answered
//! before everything that it did or saw of other calls' doings is on disk; callers that come together share one write. What the cloud
//! does by itself (boots, tasks) is not waited for: the snapshot holds what is planned and the state of every stream of randomness, so after
//! a crash the same things happen again, with the same ids.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use strata_ports::CloudError;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::SimCloud;
use super::state::State;
use crate::VirtualClock;

/// Where snapshots go.
pub trait Disk: Send + Sync {
    /// Replaces the snapshot; returns when it is durable. After a crash the old or the new one is there, whole.
    ///
    /// # Errors
    /// What the operating system says; the old snapshot is still there.
    fn save(&self, snapshot: &[u8]) -> Result<(), std::io::Error>;
}

/// A snapshot that is not one, or one of another version.
#[derive(Debug, thiserror::Error)]
#[error("not a snapshot of the simulated cloud: {0}")]
pub struct SnapshotError(#[from] rmp_serde::decode::Error);

/// A cloud that was read from a snapshot and whose time stands still.
pub struct Saved(Box<State>);

impl Saved {
    /// Reads what [`SimCloud::snapshot`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(snapshot: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self(rmp_serde::from_slice(snapshot)?))
    }

    /// The moment that it was saved at. The clock that it is woken with must not be behind it.
    pub fn at(&self) -> Timestamp {
        self.0.now
    }

    /// Lets its time go on, as `clock` tells it: what was due meanwhile happens, in the order of time, at the next call.
    pub fn wake(self, clock: Arc<VirtualClock>) -> Arc<SimCloud> {
        SimCloud::of(*self.0, clock)
    }
}

/// What makes calls durable.
#[derive(Default)]
pub(super) struct Keeping {
    disk: OnceLock<Arc<dyn Disk>>,
    /// Held by the one who writes.
    writing: Arc<AsyncMutex<()>>,
    /// Which doings are on disk, by [`State::doings`], and which of the world's own by [`State::happened`].
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    doings: AtomicU64,
    happened: AtomicU64,
}

fn bytes(state: &State) -> Vec<u8> {
    rmp_serde::to_vec_named(state).expect("every type of the state can be written: the round trip's test writes them all")
}

impl Keeping {
    /// Returns when everything up to `doing` is on disk.
    async fn up_to(&self, disk: &Arc<dyn Disk>, state: &Arc<Mutex<State>>, doing: u64) -> Result<(), std::io::Error> {
        while self.kept.doings.load(Ordering::Acquire) < doing {
            // Whoever waited here while another one wrote finds his own doing written as well, mostly.
            let turn = self.writing.clone().lock_owned().await;
            if self.kept.doings.load(Ordering::Acquire) >= doing {
                break;
            }
            let (disk, state, kept) = (disk.clone(), state.clone(), self.kept.clone());
            // The turn goes along: a caller that is dropped meanwhile must not let an older snapshot overtake a newer one.
            let write = move || {
                let _turn = turn;
                save(&*disk, &state, &kept)
            };
            tokio::task::spawn_blocking(write).await.map_err(std::io::Error::other)??;
        }
        Ok(())
    }
}

fn save(disk: &dyn Disk, state: &Mutex<State>, kept: &Kept) -> Result<(), std::io::Error> {
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let (snapshot, doings, happened) = (bytes(&state), state.doings, state.happened);
    drop(state);
    disk.save(&snapshot)?;
    kept.doings.store(doings, Ordering::Release);
    kept.happened.store(happened, Ordering::Release);
    Ok(())
}

impl SimCloud {
    pub(super) fn of(state: State, clock: Arc<VirtualClock>) -> Arc<Self> {
        let state = Arc::new(Mutex::new(state));
        Arc::new(Self { clock, state, changed: Notify::new(), keeping: Keeping::default() })
    }

    /// The whole state, self-describing (MessagePack with names), for [`Saved::read`].
    pub fn snapshot(&self) -> Vec<u8> {
        bytes(&self.lock())
    }

    /// From now on no call is answered before what it did is on `disk`. Once only; on a runtime that has threads for blocking.
    pub fn keep_in(&self, disk: Arc<dyn Disk>) {
        // A second disk would be a second truth; the first one stays.
        drop(self.keeping.disk.set(disk));
    }

    /// Saves what is not yet saved, also what happened by itself; nothing without [`SimCloud::keep_in`].
    ///
    /// # Errors
    /// The disk's; everything will be tried again.
    pub async fn keep(&self) -> Result<(), std::io::Error> {
        let Some(disk) = self.keeping.disk.get() else { return Ok(()) };
        let doing = self.count_what_happened();
        self.keeping.up_to(disk, &self.state, doing).await
    }

    /// What happened by itself since the last write counts as one doing.
    fn count_what_happened(&self) -> u64 {
        let mut state = self.lock();
        state.doings += u64::from(state.happened > self.keeping.kept.happened.load(Ordering::Acquire));
        state.doings
    }

    /// What a call waits for before it is answered.
    pub(super) async fn kept_up_to(&self, doing: u64) -> Result<(), CloudError> {
        let Some(disk) = self.keeping.disk.get() else { return Ok(()) };
        let unknown =
            |e: std::io::Error| CloudError::OutcomeUnknown { action: "cloud", why: format!("it could not be saved: {e}") };
        self.keeping.up_to(disk, &self.state, doing).await.map_err(unknown)
    }
}
