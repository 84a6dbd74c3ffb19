//! What a function's `handle` returns.

use strata_domain::decision::DecisionRecord;
use strata_triggers::EventError;

use crate::{CloudError, CommitError, StoreError};

/// What one invocation came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The decisions of this invocation, changed or not; the journal keeps only the changed ones.
    pub decisions: Vec<DecisionRecord>,
    /// SQS messages to be delivered again (partial batch failure).
    pub failed_messages: Vec<String>,
}

impl Outcome {
    /// What the function answers to Lambda: the decisions, and the messages that the queue is to deliver again, in the form of SQS's
    /// partial batch response.
    pub fn response(&self) -> serde_json::Value {
        let failures: Vec<_> = self.failed_messages.iter().map(|id| serde_json::json!({ "itemIdentifier": id })).collect();
        serde_json::json!({ "decisions": self.decisions, "batchItemFailures": failures })
    }
}

/// Why an invocation failed. The platform delivers the event again, or the next tick makes up for it.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event is not this function's, or not in a form that AWS sends.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused a commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The cloud did not answer.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The OpsWorks API did not answer, or said no.
    #[error("opsworks {action}: {why}")]
    Api {
        /// Action.
        action: &'static str,
        /// Its answer.
        why: String,
    },
}
