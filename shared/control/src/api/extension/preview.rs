//! PreviewScaling: what each scaler would do now, and why, without doing it, by the very rules that they ask.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::holds::HoldKind;
use strata_domain::load_based::{Decision, Direction};
use strata_domain::mode::Mode;
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::settings::Settings;
use strata_domain::time_based::{self, Plan, StoredSchedule, TimerDecision, TimerView};
use strata_domain::{InstanceId, ScalingType};
use strata_ports::keys;

use super::super::actions::visible_stacks;
use super::super::call::Call;
use super::super::error::ApiError;
use super::super::input::Input;
use super::super::transaction::Answer;
use super::describe_status::{Records, mode_of, scaling};
use super::subject::{Named, Subject};

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// When it was worked out.
    pub at: Timestamp,
    /// The layers that a scaler looks at.
    pub layers: Vec<LayerPreview>,
}

/// What the scalers would do with a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerPreview {
    /// `shop/web`.
    pub subject: String,
    /// The mode that counts; in any but `active` nothing of this is done. `None`: unreadable.
    pub mode: Option<Mode>,
    /// Load-scaling, where it is configured.
    pub load: Option<Move>,
    /// What whoever set its thresholds should know, in whole sentences, for example that they are the wrong way round.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Time-scaling, for each time-based instance.
    pub timers: Vec<TimerPreview>,
}

/// What would be done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// `start`, `stop` or `nothing`.
    pub act: String,
    /// To which hosts.
    pub hosts: Vec<String>,
    /// Why.
    pub why: String,
}

/// A time-based instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerPreview {
    /// Host name.
    pub host: String,
    /// `start`, `stop` or `nothing`.
    pub act: String,
    /// Why.
    pub why: String,
    /// When its schedule next turns on after off.
    pub next_on: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_id: Option<String>,
    layer_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let (stacks, only) = match (&m.stack_id, &m.layer_id) {
        (None, None) => (visible_stacks(call).await?, None),
        _ => {
            let named = Named { stack_id: m.stack_id, layer_id: m.layer_id, instance_id: None };
            let subject = Subject::find(call, named).await?;
            (vec![subject.stack], subject.layers.into_iter().next().map(|layer| layer.id))
        }
    };
    let mut layers = Vec::new();
    for stack in &stacks {
        let records = Records::read(call, stack).await?;
        for layer in call.layers_of(&stack.id).await?.into_iter().map(|stored| stored.record) {
            if only.as_ref().is_none_or(|only| *only == layer.id) {
                layers.extend(of_layer(call, stack, &layer, &records).await?);
            }
        }
    }
    Ok(Answer::of(&Preview { at: call.now, layers }))
}

/// `None` for a layer that no scaler looks at.
async fn of_layer(call: &Call<'_>, stack: &Stack, layer: &Layer, records: &Records) -> Result<Option<LayerPreview>, ApiError> {
    let members: Vec<&Instance> = records.instances.iter().filter(|i| i.layer_ids.contains(&layer.id)).collect();
    let scaling = scaling::of_layer(call, stack, layer, &members, records).await?;
    let load = scaling.as_ref().map(|scaling| load_move(scaling, &members));
    let warnings = scaling.map(|scaling| scaling.warnings).unwrap_or_default();
    let plan = plan(stack, layer, &members, records);
    let mut timers = Vec::new();
    // One that is in two layers is told once, with the first.
    let own = members.iter().filter(|i| i.scaling == ScalingType::Timer && i.layer_ids.first() == Some(&layer.id));
    for instance in own {
        timers.extend(timer(call, instance, &plan, records).await?);
    }
    if load.is_none() && timers.is_empty() {
        return Ok(None);
    }
    let subject = format!("{}/{}", stack.name, layer.shortname);
    Ok(Some(LayerPreview { subject, mode: mode_of(call, stack, layer).await, load, warnings, timers }))
}

fn load_move(scaling: &scaling::Scaling, members: &[&Instance]) -> Move {
    let nothing = || Move { act: "nothing".to_owned(), hosts: Vec::new(), why: scaling.status.says.clone() };
    let Some(Decision::Scale { direction, instances, reason, .. }) = &scaling.decision else { return nothing() };
    let act = match direction {
        Direction::Up => "start",
        Direction::Down => "stop",
    };
    let host = |id: &InstanceId| members.iter().find(|i| i.id == *id).map(|i| i.hostname.clone());
    Move { act: act.to_owned(), hosts: instances.iter().filter_map(host).collect(), why: reason.clone() }
}

/// What the layer's schedules mean, as time-scaling reads it.
fn plan(stack: &Stack, layer: &Layer, members: &[&Instance], records: &Records) -> Plan {
    let of = |json: Option<&str>| Settings::from_custom_json(json).unwrap_or_default().time_scaling;
    let took = members.iter().filter_map(|i| records.last_start(i)?.took_seconds);
    let took = took.map(|secs| SignedDuration::from_secs(secs.into()));
    Plan::of(&of(layer.custom_json.as_deref()), &of(stack.custom_json.as_deref()), took)
}

/// `None` for one that never had a schedule: time-scaling leaves it alone.
async fn timer(call: &Call<'_>, instance: &Instance, plan: &Plan, records: &Records) -> Result<Option<TimerPreview>, ApiError> {
    let (stack, now) = (&instance.stack_id, call.now);
    let Some(stored) = call.find::<StoredSchedule>(&keys::time_based(stack, &instance.id)).await? else { return Ok(None) };
    let mut is_torn_down = false;
    for layer in &instance.layer_ids {
        is_torn_down |= call.store().get(&keys::teardown_mark(stack, layer)).await?.is_some();
    }
    let holds = || records.holds_on(instance, now);
    let last_start = records.last_start(instance);
    let view = TimerView {
        id: &instance.id,
        hostname: &instance.hostname,
        status: instance.status,
        schedule: &stored.record.schedule,
        manual_stop_since: holds().filter(|hold| hold.kind == HoldKind::ManualStop).map(|hold| hold.since).max(),
        is_held: is_torn_down || holds().any(|hold| hold.kind != HoldKind::ManualStop) || records.is_claimed(instance, now),
        last_start_attempt: last_start.map(|start| start.at),
        failed_starts: last_start.map_or(0, |start| start.failed_before),
        schedule_changed_at: Some(stored.record.changed_at),
    };
    let (act, why) = match time_based::decide_at(&view, &plan.at(now)) {
        TimerDecision::Start { reason } => ("start", reason.to_string()),
        TimerDecision::Stop { reason } => ("stop", reason.to_string()),
        TimerDecision::Nothing(reason) => ("nothing", reason.to_string()),
    };
    let next_on = plan.calendar.next_off_to_on(&stored.record.schedule, now);
    Ok(Some(TimerPreview { host: instance.hostname.clone(), act: act.to_owned(), why, next_on }))
}
