//! What the recorder has seen: operations, and requests that no service would have understood.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, bail};

/// A recorder's books.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// How often each operation was asked for, by `service Operation`.
    requests: BTreeMap<String, usize>,
    /// How often each fault was found.
    complaints: BTreeMap<String, usize>,
}

impl Books {
    /// The books that a recorder kept in `folder`.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        Ok(Self::parse(&text("requests.txt")?, &text("complaints.txt")?))
    }

    fn parse(requests: &str, complaints: &str) -> Self {
        Self { requests: counted(requests), complaints: counted(complaints) }
    }

    /// Fails if anything was malformed, or if nothing was asked at all: then the tests have not looked at the server.
    pub(crate) fn verdict(&self) -> anyhow::Result<()> {
        if !self.complaints.is_empty() {
            bail!("{} malformed kinds of request, listed above under \"malformed\"", self.complaints.len());
        }
        if self.requests.is_empty() {
            bail!("no request came: are there contract tests, and do they read STRATA_WIRE_ENDPOINT?");
        }
        Ok(())
    }
}

fn counted(lines: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines.lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} requests, {} operations:", self.requests.values().sum::<usize>(), self.requests.len())?;
        for (operation, count) in &self.requests {
            writeln!(f, "  {count:5} {operation}")?;
        }
        for (complaint, count) in &self.complaints {
            writeln!(f, "malformed, {count} times: {complaint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_requests_pass_and_are_counted() {
        let books = Books::parse("ec2 RunInstances\nsns Publish\nec2 RunInstances\n", "");
        assert_eq!(books.to_string(), "\n3 requests, 2 operations:\n      2 ec2 RunInstances\n      1 sns Publish\n");
        assert!(books.verdict().is_ok());
    }

    #[test]
    fn a_complaint_fails_and_is_printed() {
        let books = Books::parse("sns Publish\n", "sns Publish: Missing required parameter\n");
        assert!(books.to_string().ends_with("malformed, 1 times: sns Publish: Missing required parameter\n"));
        assert!(books.verdict().unwrap_err().to_string().starts_with("1 malformed"));
    }

    #[test]
    fn no_request_at_all_fails() {
        assert!(Books::parse("", "").verdict().unwrap_err().to_string().starts_with("no request came"));
    }
}
