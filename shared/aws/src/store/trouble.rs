//! What DynamoDB's refusals mean to whoever reads or commits.

use std::error::Error;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use strata_ports::{CloudError, CommitError, Key, StoreError};

use crate::error::{Effect, sort};

/// The call that commits; no IAM action has this name, messages do.
const TRANSACTION: &str = "dynamodb:TransactWriteItems";

/// Which table, for those who have to mend it.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) region: String,
}

impl Table {
    /// A read that failed: nothing that a caller could do but try again later, and perhaps something that a person can do now.
    pub(super) fn unread<E>(&self, action: &'static str, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        StoreError::Unavailable { why: self.explain(action, &sort(action, Effect::Read, error)) }
    }

    /// A commit whose last attempt failed. `keys` are those of its changes, in order.
    pub(super) fn uncommitted(&self, keys: &[Key], error: SdkError<TransactWriteItemsError, HttpResponse>) -> CommitError {
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                return self.cancelled(keys, cancelled.cancellation_reasons());
            }
            // It is this very commit, begun by an attempt before, that is under way.
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => {
                return CommitError::OutcomeUnknown {
                    why: "an earlier attempt of the same commit is still under way".to_owned(),
                };
            }
            _ => {}
        }
        let error = sort(TRANSACTION, Effect::Write, error);
        let why = self.explain(TRANSACTION, &error);
        match error {
            CloudError::OutcomeUnknown { .. } => CommitError::OutcomeUnknown { why },
            CloudError::Wrong { code, .. } if code == "ValidationException" => CommitError::Impossible { why },
            _ => CommitError::Unavailable { why },
        }
    }

    /// A transaction that was cancelled wrote nothing. Reasons stand in the order of the changes, `None` where a change is not to blame.
    ///
    /// A change that can never be made outweighs conditions, since repeating does not help; a condition that did not hold outweighs an
    /// overlap with another transaction, and that outweighs throttling.
    fn cancelled(&self, keys: &[Key], reasons: &[CancellationReason]) -> CommitError {
        let blamed = || keys.iter().zip(reasons).filter_map(|(key, reason)| Some((key, reason.code()?, reason.message())));
        let first = |codes: &[&str]| blamed().find(|(_, code, _)| codes.contains(code));
        if let Some((key, code, message)) = first(&["ValidationError", "ItemCollectionSizeLimitExceeded"]) {
            return CommitError::Impossible { why: format!("{key}: {code}: {}", message.unwrap_or("no text")) };
        }
        let conflict = first(&["ConditionalCheckFailed", "DuplicateItem"]).or_else(|| first(&["TransactionConflict"]));
        if let Some((key, ..)) = conflict {
            return CommitError::Conflict { key: key.clone() };
        }
        let why = match blamed().find(|(_, code, _)| *code != "None") {
            Some((key, code, message)) => format!("{key}: {code}: {}", message.unwrap_or("no text")),
            None => "the transaction was cancelled without a reason".to_owned(),
        };
        CommitError::Unavailable { why: format!("{why} (table {} in {})", self.name, self.region) }
    }

    /// In words for people: which table, where, and what to do.
    fn explain(&self, action: &str, error: &CloudError) -> String {
        let Self { name, region } = self;
        match error.code() {
            Some("ResourceNotFoundException") => format!(
                "{action}: there is no DynamoDB table {name} in {region}; have STRATA_TABLE name the table that the template has made, in \
                 this region"
            ),
            Some("AccessDeniedException") => format!(
                "{error}; the function's role needs its rights to the DynamoDB table {name} in {region}, as the template gives them"
            ),
            Some("ValidationException") => format!(
                "{error}; this does not fit the DynamoDB table {name} in {region}, whose keys should be pk and sk, both of type S, as the \
                 template makes it"
            ),
            _ => format!("{error} (table {name} in {region})"),
        }
    }
}
