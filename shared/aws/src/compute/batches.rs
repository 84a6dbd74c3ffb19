//! One call for many: EC2 refuses a whole batch for one bad id, so the bad ones are found and the rest is asked for again.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use strata_ports::{CloudError, ItemResult};

use crate::error::{Effect, sort};

/// Ids in one call: EC2 takes a thousand and advises smaller batches.
const PER_CALL: usize = 500;
/// Calls that one batch may come to; what is left then is for the next tick.
const MOST_CALLS: usize = 32;
/// Refusals for the state of one of several, which the table of errors has among what is for later.
const OF_ONE: [&str; 2] = ["IncorrectInstanceState", "IncorrectState"];

/// A call that failed.
pub(crate) struct Failure {
    error: CloudError,
    code: String,
    message: String,
}

impl Failure {
    pub(crate) fn of<E>(action: &'static str, error: SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|m| m.code()).unwrap_or_default().to_owned();
        let message = meta.and_then(|m| m.message()).unwrap_or_default().to_owned();
        Self { error: sort(action, Effect::Write, error), code, message }
    }

    /// Whether it may be about some of the ids only.
    fn is_about_some(&self) -> bool {
        OF_ONE.contains(&self.code.as_str()) || matches!(self.error, CloudError::Refused { .. } | CloudError::Wrong { .. })
    }
}

/// Does `call` for all ids, and gives each its own result.
///
/// # Errors
/// `RetryLater` when the very first call was throttled, so that nothing happened to any of them.
pub(crate) async fn each<C>(
    action: &'static str,
    ids: Vec<String>,
    call: impl Fn(Vec<String>) -> C,
) -> Result<Vec<ItemResult<String>>, CloudError>
where
    C: Future<Output = Result<(), Failure>>,
{
    let mut batches: Vec<Vec<String>> = ids.chunks(PER_CALL).rev().map(<[String]>::to_vec).collect();
    let mut results = Vec::with_capacity(ids.len());
    let mut calls = 0;
    let mut throttled = None;
    while let Some(batch) = batches.pop() {
        if let Some(why) = throttled.clone().or_else(|| (calls == MOST_CALLS).then(|| too_many(action))) {
            results.extend(all(batch, &Err(why)));
            continue;
        }
        calls += 1;
        match call(batch.clone()).await {
            Ok(()) => results.extend(all(batch, &Ok(()))),
            Err(failure) if failure.is_about_some() && batch.len() > 1 => {
                let (bad, rest) = split(batch, &failure.message);
                results.extend(all(bad, &Err(failure.error)));
                batches.extend(rest.into_iter().rev());
            }
            Err(failure) => {
                if failure.error.is_retryable() && !failure.is_about_some() {
                    if results.is_empty() && calls == 1 {
                        return Err(failure.error);
                    }
                    throttled = Some(failure.error.clone());
                }
                results.extend(all(batch, &Err(failure.error)));
            }
        }
    }
    Ok(results)
}

/// The ids that the message names, and the others; if it names none, nothing and the two halves.
fn split(batch: Vec<String>, message: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let (bad, mut rest): (Vec<String>, Vec<String>) = batch.into_iter().partition(|id| message.contains(id.as_str()));
    let mut parts = Vec::new();
    if bad.is_empty() {
        let second = rest.split_off(rest.len() / 2);
        parts.push(rest);
        parts.push(second);
    } else if !rest.is_empty() {
        parts.push(rest);
    }
    (bad, parts)
}

fn all(ids: Vec<String>, result: &Result<(), CloudError>) -> impl Iterator<Item = ItemResult<String>> {
    ids.into_iter().map(|id| ItemResult { id, result: result.clone() })
}

fn too_many(action: &'static str) -> CloudError {
    let why = format!("{MOST_CALLS} calls have not got through all of them; the next one goes on with the rest");
    CloudError::RetryLater { action, why }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::future::ready;

    use super::*;

    fn ids(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("i-{i:04}")).collect()
    }

    fn failure(error: CloudError, code: &str, message: &str) -> Failure {
        Failure { error, code: code.to_owned(), message: message.to_owned() }
    }

    fn wrong(message: &str) -> Failure {
        let error = CloudError::Wrong { action: "a", code: "InvalidInstanceID.NotFound".into(), why: message.into() };
        failure(error, "InvalidInstanceID.NotFound", message)
    }

    fn later() -> Failure {
        failure(CloudError::RetryLater { action: "a", why: "slow down".into() }, "RequestLimitExceeded", "slow down")
    }

    /// Runs it against a service that refuses a batch with any of `bad` in it; gives the sizes of the calls and who failed.
    async fn run(n: usize, bad: &[usize], names_them: bool) -> (Vec<usize>, BTreeSet<String>) {
        let bad: BTreeSet<String> = bad.iter().map(|i| ids(n)[*i].clone()).collect();
        let calls = RefCell::new(Vec::new());
        let results = each("a", ids(n), |batch: Vec<String>| {
            calls.borrow_mut().push(batch.len());
            let found: Vec<String> = batch.into_iter().filter(|id| bad.contains(id)).collect();
            ready(match (found.is_empty(), names_them) {
                (true, _) => Ok(()),
                (false, true) => Err(wrong(&format!("The instance IDs '{}' do not exist", found.join(", ")))),
                (false, false) => Err(wrong("one of them is bad")),
            })
        })
        .await
        .unwrap();
        assert_eq!(results.len(), n, "each has a result");
        (calls.into_inner(), results.into_iter().filter(|r| r.result.is_err()).map(|r| r.id).collect())
    }

    #[tokio::test]
    async fn ids_that_the_message_names_are_left_out_of_the_next_call() {
        assert_eq!(run(0, &[], true).await, (vec![], BTreeSet::new()));
        assert_eq!(run(500, &[], true).await.0, [500]);
        assert_eq!(run(501, &[], true).await.0, [500, 1]);
        let (calls, failed) = run(10, &[3, 7], true).await;
        assert_eq!((calls, failed), (vec![10, 8], [3, 7].map(|i| ids(10)[i].clone()).into()));
        assert_eq!(run(1, &[0], true).await.0, [1]);
        assert_eq!(run(2, &[0, 1], true).await.0, [2], "nothing is left to ask for");
    }

    #[tokio::test]
    async fn one_that_nobody_names_is_found_by_halving() {
        let (calls, failed) = run(8, &[5], false).await;
        assert_eq!((calls, failed), (vec![8, 4, 4, 2, 1, 1, 2], [ids(8)[5].clone()].into()));
        let (calls, failed) = run(500, &[499], false).await;
        assert!(calls.len() <= 32 && failed == [ids(500)[499].clone()].into(), "{} calls", calls.len());
    }

    #[tokio::test]
    async fn a_batch_that_is_bad_altogether_ends_after_a_bounded_number_of_calls() {
        let (calls, failed) = run(500, &(0..500).collect::<Vec<_>>(), false).await;
        assert_eq!((calls.len(), failed.len()), (32, 500));
    }

    #[tokio::test]
    async fn throttling_at_once_means_that_nothing_happened_and_later_only_what_is_left() {
        assert!(each("a", ids(2), |_| ready(Err(later()))).await.unwrap_err().is_retryable());
        let calls = RefCell::new(0);
        let results = each("a", ids(1_200), |_| {
            *calls.borrow_mut() += 1;
            ready(if *calls.borrow() == 1 { Ok(()) } else { Err(later()) })
        })
        .await
        .unwrap();
        let done = results.iter().filter(|r| r.result.is_ok()).count();
        assert_eq!((*calls.borrow(), done, results.len()), (2, 500, 1_200), "whoever is throttled asks no more");
    }

    #[tokio::test]
    async fn a_state_that_does_not_fit_is_one_instances_affair() {
        let message = "The instance 'i-0001' is not in a state from which it can be started.";
        let results = each("a", ids(3), |batch: Vec<String>| {
            let error = CloudError::RetryLater { action: "a", why: message.into() };
            let is_bad = batch.contains(&ids(3)[1]);
            ready(if is_bad { Err(failure(error, "IncorrectInstanceState", message)) } else { Ok(()) })
        })
        .await
        .unwrap();
        let failed: Vec<_> = results.iter().filter(|r| r.result.is_err()).map(|r| r.id.as_str()).collect();
        assert_eq!(failed, ["i-0001"]);
    }

    #[tokio::test]
    async fn a_lost_answer_is_unknown_for_each_of_the_batch() {
        let lost = || failure(CloudError::OutcomeUnknown { action: "a", why: "reset".into() }, "", "");
        let results = each("a", ids(2), |_| ready(Err(lost()))).await.unwrap();
        assert!(results.iter().all(|r| matches!(r.result, Err(CloudError::OutcomeUnknown { .. }))));
    }
}
