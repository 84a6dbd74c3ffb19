//! The log of a run: every event and decision, a JSON object a line. Its SHA-256 is what two runs of one seed must share.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use strata_domain::InstanceStatus;
use strata_domain::decision::{DecisionRecord, Page};

use super::output_file::OutputFile;
use crate::CliError;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LogLine {
    /// The world did something by itself: a host hangs, a window opens, a person asks for a teardown.
    World {
        /// When.
        at: Timestamp,
        /// What, one short sentence.
        what: String,
    },
    /// An event reached a function.
    Event {
        /// When.
        at: Timestamp,
        /// The function.
        target: String,
        /// What kind, in a few words.
        kind: String,
        /// Size of its body.
        bytes: usize,
        /// The first 16 hex digits of its body's SHA-256.
        digest: String,
    },
    /// A fault was put in.
    Fault {
        /// When.
        at: Timestamp,
        /// Which call or event.
        call: String,
        /// What was done to it, for example `fails before`, `reply lost`, `delivered twice`.
        effect: String,
    },
    /// An instance changed its status.
    Status {
        /// When.
        at: Timestamp,
        /// `stack/layer/host`.
        host: String,
        /// Its status before; `None` for a new record.
        from: Option<InstanceStatus>,
        /// Its status now; `None` for a deleted record.
        to: Option<InstanceStatus>,
    },
    /// A changed decision.
    Decision(DecisionRecord),
    /// A page reached on-call.
    Page(Page),
    /// An invariant does not hold.
    Broken {
        /// When.
        at: Timestamp,
        /// Which.
        invariant: String,
        /// What was found.
        found: String,
    },
}

impl LogLine {
    /// The line for an event with its body.
    pub fn event(at: Timestamp, target: impl Into<String>, kind: impl Into<String>, body: &[u8]) -> Self {
        let digest = hex(&Sha256::digest(body)[..8]);
        Self::Event { at, target: target.into(), kind: kind.into(), bytes: body.len(), digest }
    }

    /// The line's type, as its JSON has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::World { .. } => "world",
            Self::Event { .. } => "event",
            Self::Fault { .. } => "fault",
            Self::Status { .. } => "status",
            Self::Decision(_) => "decision",
            Self::Page(_) => "page",
            Self::Broken { .. } => "broken",
        }
    }
}

/// Takes the lines: counts them, hashes them and, if asked, writes them.
#[derive(Debug)]
pub struct Log {
    hash: Sha256,
    lines: BTreeMap<String, u64>,
    file: Option<OutputFile>,
    error: Option<std::io::Error>,
    buffer: Vec<u8>,
}

/// What a finished log came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTotals {
    /// SHA-256 of all lines, hex.
    pub sha256: String,
    /// Lines by type.
    pub lines: BTreeMap<String, u64>,
}

impl Log {
    /// A log that also goes to `file`, if there is one.
    pub fn new(file: Option<OutputFile>) -> Self {
        Self { hash: Sha256::new(), lines: BTreeMap::new(), file, error: None, buffer: Vec::new() }
    }

    /// Takes one line. A write error is kept for [`Log::finish`], so that the world need not care.
    pub fn line(&mut self, line: &LogLine) {
        self.buffer.clear();
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.error.get_or_insert(error.into());
            return;
        }
        self.buffer.push(b'\n');
        self.hash.update(&self.buffer);
        match self.lines.get_mut(line.kind()) {
            Some(count) => *count += 1,
            None => drop(self.lines.insert(line.kind().to_owned(), 1)),
        }
        if let (Some(file), None) = (&mut self.file, &self.error)
            && let Err(error) = file.write_all(&self.buffer)
        {
            self.error = Some(error);
        }
    }

    /// Ends the log; its file now has its name.
    ///
    /// # Errors
    /// Failed: the file could not be written; nothing is left of it.
    pub fn finish(self) -> Result<LogTotals, CliError> {
        if let Some(error) = self.error {
            return Err(CliError::Failed(anyhow::Error::new(error).context("cannot write the log")));
        }
        if let Some(file) = self.file {
            file.keep()?;
        }
        Ok(LogTotals { sha256: hex(&self.hash.finalize()), lines: self.lines })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(found: &str) -> LogLine {
        LogLine::Broken { at: "2026-03-02T00:00:00Z".parse().unwrap(), invariant: "one host".into(), found: found.into() }
    }

    fn sha256(lines: &[LogLine]) -> String {
        let mut log = Log::new(None);
        lines.iter().for_each(|line| log.line(line));
        log.finish().unwrap().sha256
    }

    #[test]
    fn equal_lines_in_equal_order_have_equal_hashes_and_no_others() {
        assert_eq!(sha256(&[broken("a"), broken("b")]), sha256(&[broken("a"), broken("b")]));
        assert_ne!(sha256(&[broken("a"), broken("b")]), sha256(&[broken("b"), broken("a")]));
        assert_ne!(sha256(&[broken("a")]), sha256(&[broken("a"), broken("a")]));
        assert_eq!(sha256(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn the_file_has_a_json_object_a_line_and_appears_only_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        let mut log = Log::new(Some(OutputFile::create(&path).unwrap()));
        log.line(&broken("a\nb"));
        log.line(&LogLine::event("2026-03-02T00:00:00Z".parse().unwrap(), "load-scaling", "tick", b"{}"));
        assert!(!path.exists());
        let totals = log.finish().unwrap();
        assert_eq!(totals.lines, [("broken".to_owned(), 1), ("event".to_owned(), 1)].into());
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["type"], &lines[0]["found"]), (&"broken".into(), &"a\nb".into()));
        assert_eq!((&lines[1]["digest"], &lines[1]["bytes"]), (&"44136fa355b3678a".into(), &2.into()));
    }
}
