//! The crash sweep: an operation is run once to the end, each of its calls of the cloud and commits of the store is counted, and then it
//! is run again for each of them, twice: the process dies before the call, and it dies after it, when the answer is lost with all that was
//! known. What is left goes on by ticks alone and must come to the same end.
//!
//! Nobody lists the calls: every port's calls pass through [`strata_local::faults`]. A port method that is added there is in the sweep.

mod end_state;
pub mod operations;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use strata_local::faults::{Called, Moment};
use strata_local::virtual_runtime;
use strata_ports::Ports;

pub use operations::Operation;
pub use world::World;

/// What a test does to the cloud's ports so that something is wrong with them.
pub type Tamper = fn(Ports) -> Ports;

/// A run that was to crash and did not come to the end that the undisturbed run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The operation.
    pub operation: &'static str,
    /// The number of the call, from 0 on.
    pub number: usize,
    /// Its action.
    pub action: &'static str,
    /// Where the process died.
    pub moment: Moment,
    /// What is different: lines that are missing begin with `-`, those that are too many with `+`.
    pub what: String,
}

/// What the sweep over one operation came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Calls of the cloud and commits of the store in the undisturbed run.
    pub calls: Vec<Called>,
    /// Runs that crashed and were compared.
    pub crashes: usize,
    /// Those that came to another end.
    pub findings: Vec<Finding>,
}

/// Which of an operation's calls the process dies at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All.
    All,
    /// Every so many-th, beginning at a place that depends on the operation, of those that change something.
    EveryNthWrite(usize),
}

/// Sweeps over operations, on as many threads as the machine has processors.
///
/// # Panics
/// When an undisturbed run does not come to its end.
pub fn sweep(operations: &[Operation], share: Share, tamper: Option<Tamper>) -> BTreeMap<&'static str, Swept> {
    let bases: Vec<Base> = operations.iter().map(|operation| Base::of(operation, tamper)).collect();
    let jobs: Vec<Job> = bases.iter().enumerate().flat_map(|(at, base)| base.jobs(at, share)).collect();
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(finding) = bases[job.base].crashed(job, tamper) {
                        findings.lock().unwrap_or_else(PoisonError::into_inner).push((job.base, finding));
                    }
                }
            });
        }
    });
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.sort_by_key(|(base, finding)| (*base, finding.number, finding.moment));
    let swept = |(at, base): (usize, &Base)| {
        let crashes = jobs.iter().filter(|job| job.base == at).count();
        let findings = findings.iter().filter(|(base, _)| *base == at).map(|(_, finding)| finding.clone()).collect();
        (base.operation.name, Swept { calls: base.calls.clone(), crashes, findings })
    };
    bases.iter().enumerate().map(swept).collect()
}

/// The undisturbed run of an operation.
struct Base {
    operation: Operation,
    calls: Vec<Called>,
    end: String,
}

/// One run that is to crash.
#[derive(Clone, Copy, Debug)]
struct Job {
    base: usize,
    number: usize,
    moment: Moment,
}

impl Base {
    fn of(operation: &Operation, tamper: Option<Tamper>) -> Self {
        let (end, calls) = run(operation, None, tamper);
        let end = end.unwrap_or_else(|problem| panic!("{}, undisturbed: {problem}", operation.name));
        Self { operation: *operation, calls, end }
    }

    fn jobs(&self, base: usize, share: Share) -> Vec<Job> {
        let writes: Vec<usize> = (0..self.calls.len()).filter(|n| self.calls[*n].writes).collect();
        let numbers: Vec<usize> = match share {
            Share::All => (0..self.calls.len()).collect(),
            Share::EveryNthWrite(n) => writes.into_iter().skip(base % n).step_by(n).collect(),
        };
        let both = |number| [Moment::Before, Moment::After].map(|moment| Job { base, number, moment });
        numbers.into_iter().flat_map(both).collect()
    }

    fn crashed(&self, job: &Job, tamper: Option<Tamper>) -> Option<Finding> {
        let (end, calls) = run(&self.operation, Some((job.number, job.moment)), tamper);
        let what = match end {
            Ok(end) if end == self.end => return None,
            Ok(end) => end_state::difference(&self.end, &end),
            Err(problem) => problem,
        };
        let action = calls.get(job.number).map_or("none: it never came so far", |called| called.action);
        Some(Finding { operation: self.operation.name, number: job.number, action, moment: job.moment, what })
    }
}

/// Runs an operation to its end, undisturbed but for this: every event and every table change is lost. How many were.
///
/// # Errors
/// It does not come to its end.
pub fn by_ticks_alone(operation: &Operation) -> Result<usize, String> {
    virtual_runtime().expect("a runtime can be made").block_on(async {
        let world = World::new(None).await;
        (operation.prepare)(&world).await?;
        (operation.run)(&world).await?;
        world.settle().await?;
        Ok(world.lost())
    })
}

/// Runs an operation in a world of its own; its end, and the calls from the operation's beginning to the crash or the end.
fn run(operation: &Operation, crash: Option<(usize, Moment)>, tamper: Option<Tamper>) -> (Result<String, String>, Vec<Called>) {
    virtual_runtime().expect("a runtime can be made").block_on(async {
        let world = World::new(tamper).await;
        (operation.prepare)(&world).await.expect("nothing crashes while the world is prepared");
        world.faulty.crash_at(crash);
        let done = (operation.run)(&world).await;
        let end = match done {
            Ok(()) => world.settle().await,
            Err(problem) => Err(problem),
        };
        let calls = world.faulty.take_calls();
        if crash.is_some() && world.deaths() != 1 {
            return (Err(format!("the process died {} times, expected once", world.deaths())), calls);
        }
        match end {
            Ok(()) => (Ok(end_state::of(&world).await), calls),
            Err(problem) => (Err(problem), calls),
        }
    })
}
