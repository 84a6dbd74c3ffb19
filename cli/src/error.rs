//! Errors of the command line, and its exit codes.

use std::process::ExitCode;

use strata_ports::HandlerError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed, or the simulation broke an invariant.
    Failed,
    /// 2: usage, or input that cannot be used.
    BadInput,
    /// 3: there are changes; only where that was asked.
    Changes,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::BadInput => 2,
            Exit::Changes => 3,
        })
    }
}

/// Why a command stopped; printed as one sentence behind `strata: `.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Input that cannot be used: names file, line, field and what was expected, as far as each applies. Exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Anything else; the chain of causes is printed behind it. Exit code 1.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl CliError {
    /// Its exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::BadInput(_) => Exit::BadInput,
            Self::Failed(_) => Exit::Failed,
        }
    }

    /// A file that cannot be read.
    pub(crate) fn unreadable(file: &std::path::Path, error: &std::io::Error) -> Self {
        Self::BadInput(format!("{}: cannot be read: {error}", file.display()))
    }
}

/// An event that is not the function's is the caller's mistake; everything else is a failure.
impl From<HandlerError> for CliError {
    fn from(error: HandlerError) -> Self {
        match error {
            HandlerError::Event(event) => Self::BadInput(event.to_string()),
            other => Self::Failed(anyhow::Error::new(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_form_is_bad_input_and_an_absent_store_is_a_failure() {
        let foreign = strata_triggers::EventError::NotRecognised { saw: "an empty object".to_owned() };
        let error = CliError::from(HandlerError::Event(foreign));
        assert_eq!(error.exit(), Exit::BadInput);
        assert!(error.to_string().contains("expected one of the forms in events/"), "{error}");
        let down = CliError::from(HandlerError::Api { action: "DescribeStacks", why: "unavailable".to_owned() });
        assert_eq!(down.exit(), Exit::Failed);
    }
}
