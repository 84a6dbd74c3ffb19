//! PutHold, ReleaseHold, DescribeHolds: a person keeps the scalers', the healer's, campaigns' and teardowns' hands off an instance or a layer.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::DecisionId;
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::holds::{Hold, HoldKind, HoldRequest, HoldTarget, place};
use strata_domain::model::Stack;
use strata_ports::{Change, Expect, Key, Told, keys};

use super::super::actions::visible_stacks;
use super::super::call::Call;
use super::super::error::ApiError;
use super::super::input::{Input, required};
use super::super::transaction::Answer;
use super::moment::{From, moment};
use super::subject::{Named, Subject};
use crate::records::Stored;

/// A hold as told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldShape {
    /// Names, for people: `shop/web`, `shop/web/web3`.
    pub subject: String,
    /// On what, from where, by whom, why, until when.
    #[serde(flatten)]
    pub hold: Hold,
}

/// The answer of DescribeHolds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    /// Those in force, the soonest to end first.
    pub holds: Vec<HoldShape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutMembers {
    layer_id: Option<String>,
    instance_id: Option<String>,
    /// RFC 3339, or how long from now, for example `2h`.
    until: Option<String>,
    reason: Option<String>,
    /// Whether another person's hold gives way.
    replace: Option<bool>,
}

pub(super) async fn put(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: PutMembers = input.read()?;
    let until = required(m.until, "Until")?;
    let until = moment(&until, From::After, call.now).ok_or_else(|| {
        ApiError::field("Until", format!("expected a time such as 2026-03-01T18:00:00Z or 2h, not \"{until}\""))
    })?;
    let reason = required(m.reason, "Reason")?;
    let subject = Subject::find(call, Named { stack_id: None, layer_id: m.layer_id, instance_id: m.instance_id }).await?;
    let (target, key) = held_by_id(&subject)?;
    let held: Option<Stored<Hold>> = call.find(&key).await?;
    let by = call.principal.arn.clone();
    let request = HoldRequest { target, by, reason, until, replaces: m.replace == Some(true) };
    let hold = place(request, held.as_ref().map(|stored| &stored.record), call.now)
        .map_err(|refused| ApiError::Validation(refused.to_string()))?;
    let mut changes = match &held {
        Some(stored) => {
            let mut changes = vec![stored.put(&hold)];
            changes.extend(end_change(call, &key, &stored.record, Some(until)).await?);
            changes
        }
        None => vec![Change::put(key.clone(), &hold, Expect::Absent)],
    };
    let (end, entry) = (keys::hold_end(until, &key), keys::HoldEnd { stack_id: subject.stack.id.clone(), sk: key.sk, until });
    let expect = call.store().get(&end).await?.map_or(Expect::Absent, |item| item.unchanged());
    changes.push(Change::put(end, &entry, expect));
    changes.extend(told(call, &subject, format!("hold it until {until}"), hold.reason.clone()));
    Ok(Answer::of(&HoldShape { subject: subject.path(), hold }).with(changes))
}

fn held_by_id(subject: &Subject) -> Result<(HoldTarget, Key), ApiError> {
    subject.hold().ok_or_else(|| ApiError::Validation("Please provide a LayerId or an InstanceId".to_owned()))
}

/// The removal of the entry of a hold's end, unless it is the one that is written anew.
async fn end_change(call: &Call<'_>, key: &Key, hold: &Hold, stays: Option<Timestamp>) -> Result<Option<Change>, ApiError> {
    let Some(until) = hold.until.filter(|until| Some(*until) != stays) else { return Ok(None) };
    let item = call.store().get(&keys::hold_end(until, key)).await?;
    Ok(item.map(|item| Change::Delete { expect: item.unchanged(), key: item.key }))
}

/// The journal's entry.
fn told(call: &Call<'_>, subject: &Subject, did: String, why: String) -> Vec<Change> {
    let decision = DecisionRecord {
        id: DecisionId::new(call.ports.ids.uuid()),
        at: call.now,
        function: Function::Api,
        trigger: format!("a call of {}", call.principal.arn),
        subject: subject.path(),
        stack_id: Some(subject.stack.id.clone()),
        layer_id: subject.layers.first().map(|layer| layer.id.clone()),
        verdict: Verdict::Act,
        saw: "a person asked for it".to_owned(),
        did,
        why,
        touched: Touched::new(None, subject.instance.iter().map(|instance| instance.id.clone())),
    };
    Told { decisions: vec![decision], ..Told::default() }.changes()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReleaseMembers {
    layer_id: Option<String>,
    instance_id: Option<String>,
}

pub(super) async fn release(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: ReleaseMembers = input.read()?;
    let subject = Subject::find(call, Named { stack_id: None, layer_id: m.layer_id, instance_id: m.instance_id }).await?;
    let (_, key) = held_by_id(&subject)?;
    let held: Option<Stored<Hold>> = call.find(&key).await?;
    let Some(held) = held.filter(|held| held.record.is_in_force(call.now)) else {
        return Err(ApiError::NotFound(format!("Nobody holds {}", subject.path())));
    };
    let mut changes = vec![held.delete()];
    changes.extend(end_change(call, &key, &held.record, None).await?);
    let why = format!("{} had held it: {}", held.record.by, held.record.reason);
    changes.extend(told(call, &subject, "release it".to_owned(), why));
    Ok(Answer::of(&HoldShape { subject: subject.path(), hold: held.record }).with(changes))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeMembers {
    stack_id: Option<String>,
}

pub(super) async fn describe(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: DescribeMembers = input.read()?;
    let stacks = match m.stack_id {
        Some(id) => vec![Subject::find(call, Named { stack_id: Some(id), ..Named::default() }).await?.stack],
        None => visible_stacks(call).await?,
    };
    let mut holds = Vec::new();
    for stack in &stacks {
        holds.extend(of_stack(call, stack).await?);
    }
    // One without an end comes last.
    holds.sort_by_key(|shape: &HoldShape| {
        (shape.hold.until.is_none(), shape.hold.until, shape.subject.clone(), shape.hold.kind != HoldKind::Person)
    });
    Ok(Answer::of(&Holds { holds }))
}

async fn of_stack(call: &Call<'_>, stack: &Stack) -> Result<Vec<HoldShape>, ApiError> {
    let holds: Vec<Stored<Hold>> = call.list(&stack.id, keys::HOLD).await?;
    let mut told = Vec::new();
    for hold in holds.into_iter().map(|stored| stored.record).filter(|hold| hold.is_in_force(call.now)) {
        let named = match &hold.target {
            HoldTarget::Instance(id) => Named { instance_id: Some(id.to_string()), ..Named::default() },
            HoldTarget::Layer(id) => Named { layer_id: Some(id.to_string()), ..Named::default() },
        };
        // One whose target has gone holds nothing.
        match Subject::find(call, named).await {
            Ok(subject) => told.push(HoldShape { subject: subject.path(), hold }),
            Err(ApiError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(told)
}
