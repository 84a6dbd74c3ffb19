//! Pages as on-call gets them: which kinds there are, and one message in the form that each of SNS's protocols takes.
//!
//! [`message`] renders, [`alarm`] is the form for machines, `docs/pages.md` has an example and a runbook for each kind.

pub mod alarm;
pub mod kind;
pub mod message;
mod text;

pub use alarm::alarm;
pub use kind::PageKind;
pub use message::{Message, Origin};

use crate::decision::{Page, Severity};

/// What a page does to its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStatus {
    /// Opens it, or says again that it is open.
    Open,
    /// Closes it.
    Resolved,
    /// For the record: there is nothing to be done, so no incident is opened that nobody would close.
    Notice,
}

impl PageStatus {
    /// A page of severity `info` is a notice.
    pub fn of(page: &Page) -> Self {
        match (page.resolved, page.severity) {
            (true, _) => Self::Resolved,
            (false, Severity::Info) => Self::Notice,
            (false, Severity::Warning | Severity::Critical) => Self::Open,
        }
    }

    /// As in the message attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Notice => "notice",
        }
    }
}

#[cfg(test)]
mod tests;
