//! Instance-lifecycle: one step forward per instance; healing.
//!
//! Woken by the hint queue (EC2, ECS, SSM and Spot events), by changes of the table and by the minute tick. Every event only names
//! instances; what is done about them is computed from their records and a fresh look, see `strata_control::reconciler`.

mod hints;

use std::collections::BTreeSet;

use strata_control::deployments::CommandRunner;
use strata_control::reconciler::{Config, Named, Reconciler};
use strata_domain::decision::Function;
use strata_domain::{InstanceId, StackId};
use strata_ports::{Change, Expect, HandlerError, Outcome, Ports, keys, tell};
use strata_triggers::{TableKey, Trigger, parse, wrong_function};

/// What instance-lifecycle may touch: it is the one owner of a host, so nearly everything.
#[derive(Clone)]
pub struct Deps {
    /// All ports.
    pub ports: Ports,
    /// Settings of the reconciler.
    pub config: Config,
}

impl Deps {
    /// These ports, with the default settings.
    pub fn new(ports: Ports) -> Self {
        Self { ports, config: Config::default() }
    }
}

/// Brings the instances that the event names a step forward; the tick, everything that is under way or exceptional.
///
/// # Errors
/// A typed error for an event that is not this function's. [`HandlerError::Store`] and [`HandlerError::Commit`] when the store does
/// not answer; for a batch of the hint queue its messages are named as failed instead, so that only they come again.
pub async fn handle(event: &[u8], deps: &Deps) -> Result<Outcome, HandlerError> {
    let trigger = parse(event)?;
    let woken_by = trigger.describe();
    let reconciler = Reconciler::new(deps.ports.clone(), deps.config.clone());
    let runner = CommandRunner::new(deps.ports.clone());
    let outcome = match &trigger {
        Trigger::Hints(hints) => hints::follow(&reconciler, &runner, hints, &woken_by).await?,
        Trigger::TableChanges(changed) => {
            let ids: Vec<Named> = changed.iter().filter_map(instance_of).collect::<BTreeSet<_>>().into_iter().collect();
            tell_of_changes(deps, &ids).await;
            let poke = keys::launch_poke();
            let is_poked = changed.iter().any(|key| key.pk == poke.pk);
            let mut decisions =
                if ids.is_empty() && !is_poked { Vec::new() } else { reconciler.step_and_launch(&ids, &woken_by).await? };
            if changed.iter().any(|key| key.pk == keys::BALANCERS_DUE_PK) {
                decisions.extend(reconciler.balance(&woken_by).await?);
            }
            if changed.iter().any(|key| key.pk == keys::USERS_DUE_PK) {
                runner.sync_users().await?;
            }
            let queues: BTreeSet<InstanceId> = changed.iter().filter_map(queue_of).collect();
            decisions.extend(runner.step(&queues, &woken_by).await?);
            Outcome { decisions, ..Outcome::default() }
        }
        Trigger::Tick { .. } => {
            // Neither's trouble keeps the other from its tick; it is told at the end.
            let swept = reconciler.sweep(&woken_by).await;
            let run = runner.tick(&woken_by).await;
            Outcome { decisions: [swept?, run?].concat(), ..Outcome::default() }
        }
        Trigger::Alarm(_)
        | Trigger::CommandStatus(_)
        | Trigger::TeardownRequest(_)
        | Trigger::CampaignRequest(_)
        | Trigger::FunctionUrl(_) => return Err(wrong_function(Function::InstanceLifecycle, &trigger).into()),
    };
    // What is not sent now is sent by the next invocation.
    if let Err(error) =
        tell::flush_outbox(&*deps.ports.store, &*deps.ports.pager, &*deps.ports.events, deps.ports.clock.now()).await
    {
        tracing::warn!(error = %error, "the outbox could not be read");
    }
    Ok(outcome)
}

/// Leaves a hint for those who only look at a fleet when it has changed. One that is lost is made up for by their own full looks.
async fn tell_of_changes(deps: &Deps, ids: &[Named]) {
    let stacks: BTreeSet<&StackId> = ids.iter().map(|(stack, _)| stack).collect();
    for stack in stacks {
        let key = keys::fleet_changed(stack);
        let Ok(item) = deps.ports.store.get(&key).await else { continue };
        let expect = item.map_or(Expect::Absent, |item| item.unchanged());
        // Lost to somebody who leaves the same hint, or to a store that does not answer.
        drop(deps.ports.store.commit(vec![Change::put(key, &deps.ports.clock.now(), expect)]).await);
    }
}

/// The instance that a changed record is about: its own record, or a claim on it. Other records move no instance.
fn instance_of(key: &TableKey) -> Option<Named> {
    let stack = key.pk.strip_prefix("stack#")?;
    let instance = key.sk.strip_prefix(keys::INSTANCE).or_else(|| key.sk.strip_prefix(keys::CLAIM))?;
    Some((StackId::new(stack), InstanceId::new(instance)))
}

/// The instance whose queue of commands has changed.
fn queue_of(key: &TableKey) -> Option<InstanceId> {
    let (instance, _) = key.sk.split_once('#').filter(|_| key.pk == keys::PENDING_COMMANDS_PK)?;
    Some(InstanceId::new(instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_records_and_claims_of_instances_name_an_instance() {
        let named = |pk: &str, sk: &str| instance_of(&TableKey { pk: pk.to_owned(), sk: sk.to_owned() });
        let i = Some((StackId::from("s"), InstanceId::from("i")));
        for (pk, sk, expected) in [
            ("stack#s", "instance#i", i.clone()),
            ("stack#s", "claim#i", i),
            ("stack#s", "layer#l", None),
            ("stack#s", "hold#instance#i#person", None),
            ("busy", "i", None),
            ("outbox", "event#i-1", None),
        ] {
            assert_eq!(named(pk, sk), expected, "{pk} {sk}");
        }
        // The prefixes are those of the store's keys.
        let key = keys::instance(&"s".into(), &"i".into());
        assert!(named(&key.pk, &key.sk).is_some());
        let key = keys::claim(&"s".into(), &"i".into());
        assert!(named(&key.pk, &key.sk).is_some());
    }

    #[test]
    fn a_pending_command_names_the_instance_whose_queue_it_is_in() {
        let key = keys::pending_command(&"i".into(), &"c".into());
        assert_eq!(queue_of(&TableKey { pk: key.pk, sk: key.sk }), Some(InstanceId::from("i")));
        assert_eq!(queue_of(&TableKey { pk: "busy".to_owned(), sk: "i#c".to_owned() }), None);
    }
}
