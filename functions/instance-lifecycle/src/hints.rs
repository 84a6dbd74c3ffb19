//! Following a batch of hints: whose machines and commands they are about, and which messages must come again.

use std::collections::BTreeSet;

use strata_control::deployments::CommandRunner;
use strata_control::reconciler::{Named, Reconciler};
use strata_domain::Ec2InstanceId;
use strata_domain::announced::Announced;
use strata_domain::decision::DecisionRecord;
use strata_ports::{HandlerError, Outcome};
use strata_triggers::{Hint, HintKind};

/// Steps the instances that the hints are about. A message that fails does not spoil the others.
///
/// # Errors
/// [`HandlerError`] when the store does not answer and a hint came without a queue, so that only the whole event can come again.
pub(crate) async fn follow(
    reconciler: &Reconciler,
    runner: &CommandRunner,
    hints: &[Hint],
    woken_by: &str,
) -> Result<Outcome, HandlerError> {
    let mut outcome = Outcome::default();
    let mut ids = BTreeSet::new();
    let mut followed = Vec::new();
    let mut queues = BTreeSet::new();
    for hint in hints {
        match one(reconciler, hint, woken_by, &mut outcome.decisions).await {
            Ok(found) => {
                if let HintKind::Command { .. } = &hint.kind {
                    queues.extend(found.iter().map(|(_, instance)| instance.clone()));
                }
                ids.extend(found);
                followed.push(hint);
            }
            Err(error) => fail(&mut outcome, hint, error)?,
        }
    }
    let ids: Vec<Named> = ids.into_iter().collect();
    // A batch about nobody's machines is over here: other people's instances live in the same account.
    if ids.is_empty() {
        return Ok(outcome);
    }
    let stepped = reconciler.step(&ids, woken_by).await;
    let run = runner.step(&queues, woken_by).await;
    match stepped.and_then(|stepped| Ok([stepped, run?].concat())) {
        Ok(decisions) => outcome.decisions.extend(decisions),
        Err(error) => {
            let why = error.to_string();
            let mut error = Some(error);
            for hint in followed {
                let error = error.take().unwrap_or_else(|| HandlerError::Api { action: "Step", why: why.clone() });
                fail(&mut outcome, hint, error)?;
            }
        }
    }
    Ok(outcome)
}

/// Whose machines a hint is about: none if they are none of ours, or the hint names none.
async fn one(
    reconciler: &Reconciler,
    hint: &Hint,
    woken_by: &str,
    decisions: &mut Vec<DecisionRecord>,
) -> Result<BTreeSet<Named>, HandlerError> {
    if let HintKind::Unreadable { problem } = &hint.kind {
        // Nobody can follow it, but people should see it: as a failed message it ends in the dead-letter queue.
        return Err(HandlerError::Api { action: "Parse", why: problem.clone() });
    }
    if let HintKind::Scheduled { instances, .. } = &hint.kind {
        return scheduled(reconciler, instances, woken_by, decisions).await;
    }
    let Some(machine) = hint.kind.instance() else { return Ok(BTreeSet::new()) };
    let owner = reconciler.owner_of(machine).await?;
    let notice = match &hint.kind {
        HintKind::SpotInterruption { .. } => Some(Announced::SpotInterruption),
        HintKind::Rebalance { .. } => Some(Announced::Rebalance),
        _ => None,
    };
    if let (Some(owner), Some(notice)) = (&owner, notice) {
        decisions.extend(reconciler.on_spot_notice(owner, machine, notice, woken_by).await?);
    }
    Ok(owner.into_iter().collect())
}

/// What EC2 has scheduled is read afresh, for the stacks of the machines that AWS Health names.
async fn scheduled(
    reconciler: &Reconciler,
    machines: &[Ec2InstanceId],
    woken_by: &str,
    decisions: &mut Vec<DecisionRecord>,
) -> Result<BTreeSet<Named>, HandlerError> {
    let mut stacks = BTreeSet::new();
    for machine in machines {
        stacks.extend(reconciler.owner_of(machine).await?.map(|(stack, _)| stack));
    }
    let (ids, told) = reconciler.on_scheduled(&stacks, woken_by).await?;
    decisions.extend(told);
    Ok(ids)
}

/// The message comes again by itself; a hint without one fails the event.
fn fail(outcome: &mut Outcome, hint: &Hint, error: HandlerError) -> Result<(), HandlerError> {
    let Some(message) = &hint.message_id else { return Err(error) };
    tracing::warn!(message.id = message, error = %error, "a hint could not be followed and comes again");
    outcome.failed_messages.push(message.clone());
    Ok(())
}
