//! The lifecycle reconciler: brings instances forward, one computed step at a time.
//!
//! An invocation names instances. For each, the record is read, the world is observed in batches, `lifecycle::next` computes the
//! step, the step is carried out, and that is repeated until every instance is settled or has to wait. Any await may be the last:
//! whatever was done can be seen in the record or in the world, so the next invocation goes on from there. Two invocations may
//! run side by side: calls are idempotent, record writes conditional.

mod act;
mod adoption;
mod announced;
mod attach;
mod backlog;
pub(crate) mod balancers;
mod forgetting;
mod groups;
mod hold_ends;
pub(crate) mod launch;
mod look_at_attached;
mod notices;
mod observe;
mod outage;
pub(crate) mod round;
mod shortage;
mod sweep;
mod tagging;
pub(crate) mod telling;
mod templates;
#[cfg(test)]
mod tests;
pub(crate) mod view;
pub(crate) mod volumes;
pub(crate) mod write;

use jiff::SignedDuration;
use strata_domain::decision::DecisionRecord;
use strata_domain::{Ec2InstanceId, InstanceId, StackId};
use strata_ports::{HandlerError, Ports, StoreError, keys};

/// An instance and its stack: enough to find the record.
pub type Named = (StackId, InstanceId);

/// What woke an invocation.
#[derive(Clone, Copy, Debug)]
struct Woken<'a> {
    /// In a few words.
    by: &'a str,
    of: Source,
}

/// Where it came from, as far as that bears on what is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Something has happened in the world.
    Hint,
    /// A record was written.
    Table,
    /// The minute tick: the one invocation that names all that are on their way.
    Tick,
}

/// Settings of the reconciler.
#[derive(Clone, Debug)]
pub struct Config {
    /// From the beginning of `pending`, and again of `booting`, to the next status; default 20 minutes [INST-14].
    pub boot_timeout: SignedDuration,
    /// From the Setup run's start to `online`; default 20 minutes.
    pub setup_timeout: SignedDuration,
    /// At most so many steps per instance in one invocation; default 12.
    pub rounds: usize,
    /// How often every record that is not stopped is looked at; default 15 minutes.
    pub full_sweep_every: SignedDuration,
    /// How many throttled launches an invocation of the table's stream takes along; default 10.
    pub backlog_portion: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            boot_timeout: SignedDuration::from_mins(20),
            setup_timeout: SignedDuration::from_mins(20),
            rounds: 12,
            full_sweep_every: SignedDuration::from_mins(15),
            backlog_portion: 10,
        }
    }
}

/// The reconciler. Cheap to clone; holds no state between invocations.
#[derive(Clone)]
pub struct Reconciler {
    ports: Ports,
    config: Config,
}

impl Reconciler {
    /// A reconciler over these ports.
    pub fn new(ports: Ports, config: Config) -> Self {
        Self { ports, config }
    }

    /// Brings these instances forward as far as they go now. `trigger` says in a few words what woke us. Returns the decisions told.
    ///
    /// Launches that wait in the backlog are left to [`Reconciler::step_and_launch`]: EC2 lets few through, and a repeat of somebody else's
    /// launch at the same moment would use up a token for nothing.
    ///
    /// # Errors
    /// [`HandlerError::Store`] and [`HandlerError::Commit`] when the store does not answer; what was done until then stands.
    /// Trouble of the cloud is no error: the step is repeated on the next look.
    pub async fn step(&self, ids: &[Named], trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        self.go(ids, Vec::new(), Woken { by: trigger, of: Source::Hint }).await
    }

    /// As [`Reconciler::step`], with some throttled launches. For the table's stream, whose invocations follow one another, so that one of them
    /// at a time works on the backlog.
    ///
    /// Our choice: a record in a status that only lifecycle itself writes, and that waits for the world, is not looked at again because it was
    /// written: whoever wrote it went on as far as it went. That halves what a fleet on its way asks EC2.
    ///
    /// # Errors
    /// As `step`.
    pub async fn step_and_launch(&self, ids: &[Named], trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        self.go(ids, self.backlog(self.config.backlog_portion).await?, Woken { by: trigger, of: Source::Table }).await
    }

    async fn go(&self, ids: &[Named], waiting: Vec<Named>, woken: Woken<'_>) -> Result<Vec<DecisionRecord>, HandlerError> {
        let mut open: std::collections::BTreeSet<Named> = ids.iter().cloned().collect();
        open.extend(waiting.iter().cloned());
        let waiting = waiting.into_iter().map(|(_, id)| id).collect();
        let mut run = round::Run::new(self, woken, open, waiting);
        for _ in 0..self.config.rounds {
            if run.is_over() {
                break;
            }
            run.round().await?;
        }
        run.into_decisions()
    }

    /// Whose machine this is; `None` if it is none of ours.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub async fn owner_of(&self, ec2: &Ec2InstanceId) -> Result<Option<Named>, StoreError> {
        let Some(item) = self.ports.store.get(&keys::ec2_index(ec2)).await? else { return Ok(None) };
        let owner: keys::Ec2Owner = item.decode()?;
        Ok(Some((owner.stack_id, owner.instance_id)))
    }
}

/// Reads an index entry whose sort key is an instance's id and whose value names its stack.
fn named(item: &strata_ports::Item) -> Result<Named, StoreError> {
    let owner: keys::Owner = item.decode()?;
    Ok((owner.stack_id, InstanceId::new(item.key.sk.clone())))
}
