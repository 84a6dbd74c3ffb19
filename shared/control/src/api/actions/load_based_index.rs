//! What must stay in step with a layer's load-based configuration: the list of enabled layers, the index from alarm names to layers, and
//! the managed alarms themselves.
//!
//! List and index are written in the commit; the alarms follow it, and load-scaling's tick repairs what is missed there.

use std::collections::BTreeSet;

use strata_domain::LayerId;
use strata_domain::load_based::{self, Comparison, Configuration, Direction, Metric};
use strata_domain::model::{Layer, Stack};
use strata_ports::{AlarmSpec, Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::transaction::{After, Answer};

/// What the index and CloudWatch should hold for a layer.
struct Wanted {
    managed: Vec<AlarmSpec>,
    names: BTreeSet<String>,
    is_listed: bool,
}

impl Wanted {
    fn nothing() -> Self {
        Self { managed: Vec::new(), names: BTreeSet::new(), is_listed: false }
    }

    fn of(configuration: &Configuration, stack: &Stack, layer: &Layer) -> Self {
        let managed = managed_alarms(configuration, stack, layer);
        let custom = Direction::ALL.into_iter().flat_map(|d| configuration.thresholds(d).alarms.iter().cloned());
        let custom = custom.filter(|_| configuration.enable);
        let names = managed.iter().map(|spec| spec.name.clone()).chain(custom).collect();
        Self { managed, names, is_listed: configuration.enable }
    }
}

/// The managed alarms of a layer, in the port's form.
fn managed_alarms(configuration: &Configuration, stack: &Stack, layer: &Layer) -> Vec<AlarmSpec> {
    let specs = load_based::managed_alarms(configuration, &stack.name, &layer.shortname).into_iter();
    specs
        .map(|spec| AlarmSpec {
            name: spec.name,
            layer_id: layer.id.clone(),
            metric: match spec.metric {
                Metric::Cpu => "cpu",
                Metric::Memory => "memory",
                Metric::Load => "load_1",
            }
            .to_owned(),
            above: match spec.comparison {
                Comparison::GreaterThanThreshold => true,
                Comparison::LessThanThreshold => false,
            },
            threshold: spec.threshold,
            evaluation_periods: spec.evaluation_periods,
        })
        .collect()
}

/// A layer's configuration changes from `before` to `after`.
pub(super) async fn reconfigure(
    call: &Call<'_>,
    stack: &Stack,
    layer: &Layer,
    (before, after): (&Configuration, &Configuration),
    answer: &mut Answer,
) -> Result<(), ApiError> {
    move_to(call, stack, &layer.id, (Wanted::of(before, stack, layer), Wanted::of(after, stack, layer)), answer).await
}

/// A layer goes: its configuration, index entries and alarms go with it.
pub(super) async fn remove_layer(call: &Call<'_>, stack: &Stack, layer: &Layer, answer: &mut Answer) -> Result<(), ApiError> {
    let Some(stored) = call.find::<Configuration>(&keys::load_based(&stack.id, &layer.id)).await? else { return Ok(()) };
    answer.changes.push(stored.delete());
    move_to(call, stack, &layer.id, (Wanted::of(&stored.record, stack, layer), Wanted::nothing()), answer).await
}

/// A layer gets another short name, which its alarms carry.
pub(super) async fn rename_layer(
    call: &Call<'_>,
    stack: &Stack,
    (before, after): (&Layer, &Layer),
    answer: &mut Answer,
) -> Result<(), ApiError> {
    let Some(stored) = call.find::<Configuration>(&keys::load_based(&stack.id, &after.id)).await? else { return Ok(()) };
    answer.changes.push(stored.check());
    let wanted = (Wanted::of(&stored.record, stack, before), Wanted::of(&stored.record, stack, after));
    move_to(call, stack, &after.id, wanted, answer).await
}

/// A stack gets another name, which its layers' alarms carry.
pub(super) async fn rename_stack(call: &Call<'_>, before: &Stack, after: &Stack, answer: &mut Answer) -> Result<(), ApiError> {
    for layer in call.layers_of(&after.id).await? {
        let layer = layer.record;
        let Some(stored) = call.find::<Configuration>(&keys::load_based(&after.id, &layer.id)).await? else { continue };
        answer.changes.push(stored.check());
        let wanted = (Wanted::of(&stored.record, before, &layer), Wanted::of(&stored.record, after, &layer));
        move_to(call, after, &layer.id, wanted, answer).await?;
    }
    Ok(())
}

async fn move_to(
    call: &Call<'_>,
    stack: &Stack,
    layer: &LayerId,
    (before, after): (Wanted, Wanted),
    answer: &mut Answer,
) -> Result<(), ApiError> {
    let owner = |kind: &str| keys::Owner { kind: kind.to_owned(), stack_id: stack.id.clone() };
    let mut entries: Vec<_> = [(keys::load_based_layer(layer), "layer", after.is_listed)].into();
    entries.extend(
        before.names.union(&after.names).map(|name| (keys::alarm_index(name, layer), "alarm", after.names.contains(name))),
    );
    for (key, kind, is_wanted) in entries {
        let change = match (call.store().get(&key).await?, is_wanted) {
            (Some(_), true) | (None, false) => continue,
            (Some(item), false) => Change::Delete { expect: item.unchanged(), key },
            (None, true) => Change::put(key, &owner(kind), Expect::Absent),
        };
        answer.changes.push(change);
    }
    let kept: BTreeSet<&str> = after.managed.iter().map(|spec| spec.name.as_str()).collect();
    let delete = before.managed.iter().map(|spec| spec.name.clone()).filter(|name| !kept.contains(name.as_str())).collect();
    answer.after.push(After::Alarms { scope: call.scope(stack), put: after.managed, delete });
    Ok(())
}
