//! CloudWatch alarms in their three forms. EventBridge's `detail` and a direct invocation's `alarmData` have the same shape;
//! SNS carries another one, as a string.

use jiff::Timestamp;
use serde::Deserialize;

use super::Shape;
use super::member::{self, Raw, wrong};
use crate::{AlarmEvent, AlarmForm, AlarmState, EventError, Trigger};

const EVENT_BRIDGE: &str = "CloudWatch alarm as EventBridge event";
const DIRECT: &str = "CloudWatch alarm as direct invocation";
const SNS: &str = "CloudWatch alarm as SNS message";

/// `detail` and `alarmData`.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow)]
    alarm_name: Raw<'a>,
    #[serde(borrow)]
    state: Raw<'a>,
    #[serde(borrow)]
    previous_state: Raw<'a>,
    #[serde(borrow)]
    configuration: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State<'a> {
    #[serde(borrow)]
    value: Raw<'a>,
    #[serde(borrow)]
    reason: Raw<'a>,
    #[serde(borrow)]
    timestamp: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Configuration<'a> {
    #[serde(borrow)]
    alarm_rule: Raw<'a>,
}

/// The JSON text in an SNS message.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct Message<'a> {
    #[serde(borrow)]
    alarm_name: Raw<'a>,
    #[serde(borrow)]
    alarm_arn: Raw<'a>,
    #[serde(borrow)]
    new_state_value: Raw<'a>,
    #[serde(borrow)]
    old_state_value: Raw<'a>,
    #[serde(borrow)]
    new_state_reason: Raw<'a>,
    #[serde(borrow)]
    state_change_time: Raw<'a>,
    #[serde(borrow)]
    alarm_rule: Raw<'a>,
}

/// An EventBridge event `CloudWatch Alarm State Change`.
pub(super) fn event_bridge(shape: &Shape<'_>) -> Result<AlarmEvent, EventError> {
    let resources = member::list(EVENT_BRIDGE, "resources", shape.resources)?;
    let arn = member::name(EVENT_BRIDGE, "resources[0]", resources.first().copied())?.into_owned();
    state_change(EVENT_BRIDGE, "detail", shape.detail, arn, AlarmForm::EventBridge, shape.time)
}

/// A Lambda function among the alarm's actions.
pub(super) fn direct(shape: &Shape<'_>) -> Result<Trigger, EventError> {
    expect_source(DIRECT, shape)?;
    let arn = member::name(DIRECT, "alarmArn", shape.alarm_arn)?.into_owned();
    Ok(Trigger::Alarm(vec![state_change(DIRECT, "alarmData", shape.alarm_data, arn, AlarmForm::Direct, shape.time)?]))
}

fn expect_source(form: &'static str, shape: &Shape<'_>) -> Result<(), EventError> {
    let source = member::text(form, "source", shape.source)?;
    if source == "aws.cloudwatch" {
        return Ok(());
    }
    Err(wrong(form, "source", format!("is `{}`, expected `aws.cloudwatch`", member::clip(&source))))
}

fn state_change(
    form: &'static str,
    at_field: &str,
    data: Raw<'_>,
    arn: String,
    alarm_form: AlarmForm,
    event_time: Raw<'_>,
) -> Result<AlarmEvent, EventError> {
    let data: Data<'_> = member::object(form, at_field, data)?;
    let path = |rest: &str| format!("{at_field}.{rest}");
    let state: State<'_> = member::object(form, &path("state"), data.state)?;
    let previous: Option<State<'_>> =
        data.previous_state.map(|_| member::object(form, &path("previousState"), data.previous_state)).transpose()?;
    let configuration: Configuration<'_> = if data.configuration.is_some() {
        member::object(form, &path("configuration"), data.configuration)?
    } else {
        Configuration::default()
    };
    Ok(AlarmEvent {
        name: member::name(form, &path("alarmName"), data.alarm_name)?.into_owned(),
        arn,
        state: alarm_state(form, &path("state.value"), state.value)?,
        previous_state: previous.map(|p| alarm_state(form, &path("previousState.value"), p.value)).transpose()?,
        reason: member::optional_text(form, &path("state.reason"), state.reason)?.unwrap_or_default().into_owned(),
        at: changed_at(form, &path("state.timestamp"), state.timestamp, event_time)?,
        form: alarm_form,
        composite: configuration.alarm_rule.is_some(),
    })
}

/// The state's own time; the event's if it has none.
fn changed_at(form: &'static str, field: &str, own: Raw<'_>, event_time: Raw<'_>) -> Result<Timestamp, EventError> {
    if own.is_some() { member::time(form, field, own) } else { member::time(form, "time", event_time) }
}

fn alarm_state(form: &'static str, field: &str, raw: Raw<'_>) -> Result<AlarmState, EventError> {
    let text = member::text(form, field, raw)?;
    AlarmState::parse(&text)
        .ok_or_else(|| wrong(form, field, format!("is `{}`, expected OK, ALARM or INSUFFICIENT_DATA", member::clip(&text))))
}

/// The text of one SNS message.
pub(super) fn sns_message(text: &str) -> Result<AlarmEvent, EventError> {
    let not_an_object = || wrong(SNS, "Message", "is no JSON object, expected an alarm notification");
    if !text.trim_ascii_start().starts_with('{') {
        return Err(not_an_object());
    }
    let message: Message<'_> = serde_json::from_str(text).map_err(|_| not_an_object())?;
    let field = |name: &str| format!("Message.{name}");
    Ok(AlarmEvent {
        name: member::name(SNS, &field("AlarmName"), message.alarm_name)?.into_owned(),
        arn: member::name(SNS, &field("AlarmArn"), message.alarm_arn)?.into_owned(),
        state: alarm_state(SNS, &field("NewStateValue"), message.new_state_value)?,
        previous_state: message.old_state_value.map(|raw| alarm_state(SNS, &field("OldStateValue"), Some(raw))).transpose()?,
        reason: member::optional_text(SNS, &field("NewStateReason"), message.new_state_reason)?.unwrap_or_default().into_owned(),
        at: member::time(SNS, &field("StateChangeTime"), message.state_change_time)?,
        form: AlarmForm::Sns,
        composite: message.alarm_rule.is_some(),
    })
}
