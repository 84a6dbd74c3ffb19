//! `tests/wire/recorder.py`, for as long as the tests run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use anyhow::{Context, bail};

use crate::python;

/// What it says when it is ready.
const LISTENING: &str = "listening on ";

/// A recorder on a free port with a moto of its own. It ends when this is dropped, whatever happens, and if this program is killed too: it
/// reads its standard input to the end.
pub(crate) struct Recorder {
    process: Child,
    stdin: Option<ChildStdin>,
    endpoint: String,
}

impl Recorder {
    /// Starts it and waits until it has said where it listens. Its books go into `folder`.
    pub(crate) fn start(python: &Path, folder: &Path) -> anyhow::Result<Self> {
        let script = crate::root().join("tests/wire/recorder.py");
        let mut command = python::clean(python, folder);
        command.arg(&script).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("cannot start {}", python.display()))?;
        let stdin = process.stdin.take();
        let stdout = process.stdout.take().context("the recorder's output is piped")?;
        let mut recorder = Self { process, stdin, endpoint: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("the recorder's output")?;
        let Some(endpoint) = line.trim().strip_prefix(LISTENING) else {
            bail!("{} ended before it listened; its words stand above; it printed: {line:?}", script.display());
        };
        endpoint.clone_into(&mut recorder.endpoint);
        Ok(recorder)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Has it close its books.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.stdin.take();
        let status = self.process.wait().context("the recorder")?;
        if !status.success() {
            bail!("the recorder failed ({status}); its words stand above");
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
