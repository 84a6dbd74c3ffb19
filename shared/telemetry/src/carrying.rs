//! Which decision is being carried out, for the calls that do it: an adapter names it in the call's user agent, so that CloudTrail joins up.

use strata_domain::DecisionId;

tokio::task_local! {
    static DECISION: DecisionId;
}

/// Runs `acting`; the calls that are made in it carry out the decision. `None`: none that was told, as when a call is repeated.
pub async fn carrying_out<T>(decision: Option<&DecisionId>, acting: impl Future<Output = T>) -> T {
    match decision {
        Some(id) => DECISION.scope(id.clone(), acting).await,
        None => acting.await,
    }
}

/// The decision that is being carried out here and now.
pub fn carried_out() -> Option<DecisionId> {
    DECISION.try_with(Clone::clone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_decision_is_known_while_it_is_carried_out_and_not_outside() {
        let id = DecisionId::from("d-1");
        assert_eq!(carried_out(), None);
        let seen = carrying_out(Some(&id), async {
            tokio::task::yield_now().await;
            carried_out()
        });
        assert_eq!(seen.await, Some(id));
        assert_eq!(carrying_out(None, async { carried_out() }).await, None);
        assert_eq!(carried_out(), None);
    }
}
