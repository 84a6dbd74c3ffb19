//! One start of a function, measured from outside.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use strata_local::runtime_api::{Answer, Function, RuntimeApi};

const PATIENCE: Duration = Duration::from_secs(60);

/// What one start took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    /// From exec to the first poll of the runtime API, in milliseconds.
    pub(crate) init: f64,
    /// From the first poll, which is answered at once, to the response, in milliseconds.
    pub(crate) first: f64,
    /// CPU time of both together, of all threads, in milliseconds.
    pub(crate) cpu: f64,
    /// Peak resident memory, in MB.
    pub(crate) memory: f64,
}

/// A program with its environment and an event.
pub(crate) struct Subject<'a> {
    pub(crate) program: &'a str,
    pub(crate) variables: Vec<(&'a str, &'a str)>,
    pub(crate) event: &'a [u8],
}

impl Subject<'_> {
    /// Starts it once.
    pub(crate) fn start_once(&self) -> anyhow::Result<Measured> {
        let api = RuntimeApi::start(vec![self.event.to_vec()])?;
        let begun = Instant::now();
        let mut function = Function::start(self.program, &self.variables, &api)?;
        if !api.poll(PATIENCE) {
            bail!("{} asked for no event", self.program);
        }
        let polled = Instant::now();
        let answer = function.answer(&api)?;
        let answered = Instant::now();
        let (cpu, memory) = (cpu_milliseconds(function.id())?, peak_megabytes(function.id())?);
        let lines = function.end();
        if let Answer::Error(error) = answer {
            bail!("{} failed: {error}; it wrote {lines:?}", self.program);
        }
        let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
        Ok(Measured { init: milliseconds(polled - begun), first: milliseconds(answered - polled), cpu, memory })
    }

    /// CPU time of one invocation among `invocations` of a function that is warm, in milliseconds: its own time, without waiting.
    pub(crate) fn warm(&self, invocations: u32) -> anyhow::Result<f64> {
        let before = 5;
        let events = (0..before + invocations).map(|_| self.event.to_vec()).collect();
        let api = RuntimeApi::start(events)?;
        let mut function = Function::start(self.program, &self.variables, &api)?;
        for _ in 0..before {
            function.answer(&api)?;
        }
        let begun = cpu_milliseconds(function.id())?;
        for _ in 0..invocations {
            if let Answer::Error(error) = function.answer(&api)? {
                bail!("{} failed when it was warm: {error}", self.program);
            }
        }
        Ok((cpu_milliseconds(function.id())? - begun) / f64::from(invocations))
    }
}

/// Time on a CPU of all threads that are there, to the nanosecond.
fn cpu_milliseconds(id: u32) -> anyhow::Result<f64> {
    let mut total = 0.0;
    for task in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let nanoseconds: f64 = text.split_whitespace().next().context("schedstat has no figure")?.parse()?;
        total += nanoseconds / 1e6;
    }
    Ok(total)
}

fn peak_megabytes(id: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
    Ok(kilobytes / 1_024.0)
}
