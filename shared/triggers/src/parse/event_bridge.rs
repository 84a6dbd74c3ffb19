//! EventBridge events, recognised by `detail-type`.

use serde::Deserialize;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, SsmCommandId};

use super::member::{self, Raw, wrong};
use super::{Shape, alarm, request};
use crate::{CAMPAIGN_ASKED, CommandStatus, EventError, Hint, HintKind, TEARDOWN_ASKED, Trigger};

/// What an EventBridge event is, before it is known by which way it came.
pub(super) enum Event {
    Hint(HintKind),
    Command(CommandStatus),
    Other(Trigger),
}

impl Event {
    /// The meaning of an event that a rule sends straight to a function.
    pub(super) fn into_trigger(self) -> Trigger {
        match self {
            Self::Hint(kind) => Trigger::Hints(vec![Hint { message_id: None, kind }]),
            Self::Command(status) => Trigger::CommandStatus(status),
            Self::Other(trigger) => trigger,
        }
    }
}

pub(super) fn read(shape: &Shape<'_>) -> Result<Event, EventError> {
    let detail_type = member::text("EventBridge event", "detail-type", shape.detail_type)?;
    match &*detail_type {
        "CloudWatch Alarm State Change" => {
            from("CloudWatch alarm as EventBridge event", shape, &["aws.cloudwatch", "aws.monitoring"])?;
            alarm::event_bridge(shape).map(|alarm| Event::Other(Trigger::Alarm(vec![alarm])))
        }
        "Scheduled Event" => scheduled(shape),
        "EC2 Instance State-change Notification" => ec2_state(shape),
        "EC2 Spot Instance Interruption Warning" => spot_interruption(shape),
        "EC2 Instance Rebalance Recommendation" => rebalance(shape),
        "AWS Health Event" => health(shape),
        "ECS Container Instance State Change" => container_instance(shape),
        "EC2 Command Status-change Notification" => command("EC2 command status event", shape, false),
        "EC2 Command Invocation Status-change Notification" => command("EC2 command invocation status event", shape, true),
        "Strata Teardown Request" => request::teardown(shape).map(|r| Event::Other(Trigger::TeardownRequest(r))),
        CAMPAIGN_ASKED | TEARDOWN_ASKED => request::asked(shape).map(|at| Event::Other(Trigger::Tick { at })),
        "Strata Campaign Request" => request::campaign(shape).map(|r| Event::Other(Trigger::CampaignRequest(r))),
        other => {
            let source = member::text("EventBridge event", "source", shape.source).unwrap_or_default();
            let saw = format!("EventBridge event `{}` from `{}`", member::clip(other), member::clip(&source));
            Err(EventError::NotRecognised { saw })
        }
    }
}

/// Checks the sender: anybody may put events on a bus, but only AWS may use a source that begins with `aws.`.
pub(super) fn from(form: &'static str, shape: &Shape<'_>, sources: &[&str]) -> Result<(), EventError> {
    let source = member::text(form, "source", shape.source)?;
    if sources.contains(&&*source) {
        return Ok(());
    }
    Err(wrong(form, "source", format!("is `{}`, expected `{}`", member::clip(&source), sources.join("` or `"))))
}

fn scheduled(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "scheduled event";
    from(FORM, shape, &["aws.events", "aws.scheduler"])?;
    Ok(Event::Other(Trigger::Tick { at: member::time(FORM, "time", shape.time)? }))
}

/// The `detail` of EC2's instance events and of SSM's.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Detail<'a> {
    #[serde(borrow)]
    instance_id: Raw<'a>,
    #[serde(borrow)]
    state: Raw<'a>,
    #[serde(borrow)]
    instance_action: Raw<'a>,
    #[serde(borrow)]
    command_id: Raw<'a>,
    #[serde(borrow)]
    document_name: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
}

/// The `detail` of ECS's container instance event.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ContainerInstanceDetail<'a> {
    #[serde(borrow)]
    cluster_arn: Raw<'a>,
    #[serde(borrow)]
    container_instance_arn: Raw<'a>,
    #[serde(borrow)]
    ec2_instance_id: Raw<'a>,
    #[serde(borrow)]
    agent_connected: Raw<'a>,
    #[serde(borrow)]
    status: Raw<'a>,
}

fn instance(form: &'static str, detail: &Detail<'_>) -> Result<Ec2InstanceId, EventError> {
    Ok(Ec2InstanceId::new(member::name(form, "detail.instance-id", detail.instance_id)?))
}

fn ec2_state(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "EC2 instance state event";
    from(FORM, shape, &["aws.ec2"])?;
    let detail: Detail<'_> = member::object(FORM, "detail", shape.detail)?;
    let state = member::name(FORM, "detail.state", detail.state)?.into_owned();
    Ok(Event::Hint(HintKind::Ec2State { instance: instance(FORM, &detail)?, state }))
}

fn spot_interruption(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "EC2 Spot interruption event";
    from(FORM, shape, &["aws.ec2"])?;
    let detail: Detail<'_> = member::object(FORM, "detail", shape.detail)?;
    let action = member::name(FORM, "detail.instance-action", detail.instance_action)?.into_owned();
    Ok(Event::Hint(HintKind::SpotInterruption { instance: instance(FORM, &detail)?, action }))
}

fn rebalance(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "EC2 rebalance recommendation event";
    from(FORM, shape, &["aws.ec2"])?;
    let detail: Detail<'_> = member::object(FORM, "detail", shape.detail)?;
    Ok(Event::Hint(HintKind::Rebalance { instance: instance(FORM, &detail)? }))
}

/// The `detail` of AWS Health's event.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct HealthDetail<'a> {
    #[serde(borrow)]
    service: Raw<'a>,
    #[serde(borrow)]
    event_type_code: Raw<'a>,
    #[serde(borrow)]
    event_type_category: Raw<'a>,
    #[serde(borrow)]
    affected_entities: Raw<'a>,
}

/// One of the things that a Health event is about.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Entity<'a> {
    #[serde(borrow)]
    entity_value: Raw<'a>,
}

/// AWS Health's event: machines only where EC2 has scheduled something for them. An entity is named by its id, or by its ARN.
fn health(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "AWS Health event";
    from(FORM, shape, &["aws.health"])?;
    let detail: HealthDetail<'_> = member::object(FORM, "detail", shape.detail)?;
    let code = member::name(FORM, "detail.eventTypeCode", detail.event_type_code)?.into_owned();
    let service = member::name(FORM, "detail.service", detail.service)?;
    let category = member::name(FORM, "detail.eventTypeCategory", detail.event_type_category)?;
    if service != "EC2" || category != "scheduledChange" || detail.affected_entities.is_none() {
        return Ok(Event::Hint(HintKind::Scheduled { instances: Vec::new(), code }));
    }
    let mut instances = Vec::new();
    for (n, item) in member::list(FORM, "detail.affectedEntities", detail.affected_entities)?.into_iter().enumerate() {
        let field = format!("detail.affectedEntities[{n}]");
        let entity: Entity<'_> = member::object(FORM, &field, Some(item))?;
        let value = member::name(FORM, &format!("{field}.entityValue"), entity.entity_value)?;
        let id = value.rsplit('/').next().unwrap_or(&value);
        // Dedicated hosts and other things of EC2's are none of ours.
        if id.starts_with("i-") {
            instances.push(Ec2InstanceId::new(id));
        }
    }
    Ok(Event::Hint(HintKind::Scheduled { instances, code }))
}

fn container_instance(shape: &Shape<'_>) -> Result<Event, EventError> {
    const FORM: &str = "ECS container instance event";
    from(FORM, shape, &["aws.ecs"])?;
    let detail: ContainerInstanceDetail<'_> = member::object(FORM, "detail", shape.detail)?;
    Ok(Event::Hint(HintKind::ContainerInstance {
        cluster: ClusterArn::new(member::name(FORM, "detail.clusterArn", detail.cluster_arn)?),
        container_instance: ContainerInstanceArn::new(member::name(
            FORM,
            "detail.containerInstanceArn",
            detail.container_instance_arn,
        )?),
        ec2_instance: Ec2InstanceId::new(member::name(FORM, "detail.ec2InstanceId", detail.ec2_instance_id)?),
        agent_connected: member::boolean(FORM, "detail.agentConnected", detail.agent_connected)?,
        status: member::name(FORM, "detail.status", detail.status)?.into_owned(),
    }))
}

fn command(form: &'static str, shape: &Shape<'_>, of_one_host: bool) -> Result<Event, EventError> {
    from(form, shape, &["aws.ssm"])?;
    let detail: Detail<'_> = member::object(form, "detail", shape.detail)?;
    Ok(Event::Command(CommandStatus {
        command_id: SsmCommandId::new(member::name(form, "detail.command-id", detail.command_id)?),
        instance: of_one_host.then(|| instance(form, &detail)).transpose()?,
        status: member::name(form, "detail.status", detail.status)?.into_owned(),
        document: member::name(form, "detail.document-name", detail.document_name)?.into_owned(),
        at: member::time(form, "time", shape.time)?,
    }))
}
