//! Events about instances: EC2, ECS, SSM. The simulated cloud sends these by the hundred thousand, so they are written from
//! borrowed values.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Envelope, milliseconds};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ec2Detail<'a> {
    instance_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_action: Option<&'a str>,
}

/// `EC2 Instance State-change Notification`; `state` is EC2's word, for example `shutting-down`.
pub fn ec2_state_change(envelope: &Envelope<'_>, instance: &str, state: &str) -> String {
    let arn = envelope.arn("ec2", &format!("instance/{instance}"));
    let detail = Ec2Detail { instance_id: instance, state: Some(state), instance_action: None };
    envelope.event("EC2 Instance State-change Notification", "aws.ec2", &[arn], detail)
}

/// `EC2 Spot Instance Interruption Warning`; its ARN names the zone where other events name region and account.
pub fn spot_interruption(envelope: &Envelope<'_>, zone: &str, instance: &str, action: &str) -> String {
    let arn = format!("arn:aws:ec2:{zone}:instance/{instance}");
    let detail = Ec2Detail { instance_id: instance, state: None, instance_action: Some(action) };
    envelope.event("EC2 Spot Instance Interruption Warning", "aws.ec2", &[arn], detail)
}

/// `EC2 Instance Rebalance Recommendation`.
pub fn rebalance_recommendation(envelope: &Envelope<'_>, instance: &str) -> String {
    let arn = envelope.arn("ec2", &format!("instance/{instance}"));
    let detail = Ec2Detail { instance_id: instance, state: None, instance_action: None };
    envelope.event("EC2 Instance Rebalance Recommendation", "aws.ec2", &[arn], detail)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthDetail<'a> {
    event_arn: String,
    service: &'static str,
    event_type_code: &'a str,
    event_type_category: &'static str,
    event_scope_code: &'static str,
    communication_id: &'a str,
    start_time: String,
    last_updated_time: String,
    status_code: &'static str,
    event_region: &'a str,
    event_description: [Description; 1],
    affected_entities: [AffectedEntity<'a>; 1],
    page: &'static str,
    total_pages: &'static str,
    affected_account: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    language: &'static str,
    latest_description: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AffectedEntity<'a> {
    entity_value: &'a str,
    last_updated_time: String,
    status: &'static str,
}

/// `AWS Health Event` about something that EC2 has scheduled for a machine at `starts`; `code` is Health's word for it.
pub fn scheduled_by_ec2(envelope: &Envelope<'_>, code: &str, instance: &str, starts: Timestamp) -> String {
    // Health writes its times as mail does.
    let mail = |at: Timestamp| at.strftime("%a, %-d %b %Y %H:%M:%S GMT").to_string();
    let detail = HealthDetail {
        event_arn: format!("arn:aws:health:{}::event/EC2/{code}/{code}_{}", envelope.region, envelope.id),
        service: "EC2",
        event_type_code: code,
        event_type_category: "scheduledChange",
        event_scope_code: "ACCOUNT_SPECIFIC",
        communication_id: envelope.id,
        start_time: mail(starts),
        last_updated_time: mail(envelope.at),
        status_code: "upcoming",
        event_region: envelope.region,
        event_description: [Description { language: "en_US", latest_description: "EC2 has scheduled maintenance." }],
        affected_entities: [AffectedEntity { entity_value: instance, last_updated_time: mail(envelope.at), status: "PENDING" }],
        page: "1",
        total_pages: "1",
        affected_account: envelope.account,
    };
    envelope.event("AWS Health Event", "aws.health", &[instance.to_owned()], detail)
}

/// A container instance as ECS tells of it.
#[derive(Clone, Copy, Debug)]
pub struct ContainerInstanceChange<'a> {
    /// ARN of the cluster.
    pub cluster: &'a str,
    /// ARN of the container instance.
    pub container_instance: &'a str,
    /// The host.
    pub ec2_instance: &'a str,
    /// Whether the agent is connected.
    pub agent_connected: bool,
    /// `ACTIVE`, `DRAINING`, `INACTIVE`, ...
    pub status: &'a str,
    /// ECS's version of the record; it grows with each change.
    pub version: u64,
    /// CPU units and MiB that the host registered.
    pub registered: (u32, u32),
    /// CPU units and MiB that are free.
    pub remaining: (u32, u32),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerInstanceDetail<'a> {
    agent_connected: bool,
    attributes: [Attribute; 3],
    cluster_arn: &'a str,
    container_instance_arn: &'a str,
    ec2_instance_id: &'a str,
    registered_resources: [Resource; 4],
    remaining_resources: [Resource; 4],
    status: &'a str,
    version: u64,
    version_info: VersionInfo,
    updated_at: String,
}

#[derive(Serialize)]
struct Attribute {
    name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    integer_value: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_set_value: Option<&'static [&'static str]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionInfo {
    agent_hash: &'static str,
    agent_version: &'static str,
    docker_version: &'static str,
}

const ATTRIBUTES: [Attribute; 3] = [
    Attribute { name: "com.amazonaws.ecs.capability.logging-driver.awslogs" },
    Attribute { name: "com.amazonaws.ecs.capability.ecr-auth" },
    Attribute { name: "com.amazonaws.ecs.capability.task-iam-role" },
];

/// Ports that the agent keeps for itself and for Docker.
const PORTS: &[&str] = &["22", "2376", "2375", "51678", "51679"];

fn resources((cpu, memory): (u32, u32)) -> [Resource; 4] {
    let integer = |name, value| Resource { name, kind: "INTEGER", integer_value: Some(value), string_set_value: None };
    let ports = |name, set| Resource { name, kind: "STRINGSET", integer_value: None, string_set_value: Some(set) };
    [integer("CPU", cpu), integer("MEMORY", memory), ports("PORTS", PORTS), ports("PORTS_UDP", &[])]
}

/// `ECS Container Instance State Change`.
pub fn container_instance_state_change(envelope: &Envelope<'_>, change: &ContainerInstanceChange<'_>) -> String {
    let detail = ContainerInstanceDetail {
        agent_connected: change.agent_connected,
        attributes: ATTRIBUTES,
        cluster_arn: change.cluster,
        container_instance_arn: change.container_instance,
        ec2_instance_id: change.ec2_instance,
        registered_resources: resources(change.registered),
        remaining_resources: resources(change.remaining),
        status: change.status,
        version: change.version,
        version_info: VersionInfo { agent_hash: "0a1b2c3d", agent_version: "1.89.2", docker_version: "DockerVersion: 25.0.8" },
        updated_at: milliseconds(envelope.at),
    };
    envelope.event("ECS Container Instance State Change", "aws.ecs", &[change.container_instance.to_owned()], detail)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct CommandDetail<'a> {
    command_id: &'a str,
    document_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<CommandParameters>,
    requested_date_time: String,
    status: &'a str,
}

#[derive(Serialize)]
struct CommandParameters {
    #[serde(rename = "executionTimeout")]
    execution_timeout: [&'static str; 1],
    commands: [&'static str; 1],
}

/// `EC2 Command Status-change Notification`: about a command as a whole, with all its hosts among the resources.
pub fn command_status(
    envelope: &Envelope<'_>,
    command: &str,
    document: &str,
    instances: &[&str],
    status: &str,
    requested_at: Timestamp,
) -> String {
    let arns: Vec<String> = instances.iter().map(|i| envelope.arn("ec2", &format!("instance/{i}"))).collect();
    let expires = requested_at.checked_add(SignedDuration::from_hours(1)).unwrap_or(requested_at);
    let detail = CommandDetail {
        command_id: command,
        document_name: document,
        instance_id: None,
        expire_after: Some(milliseconds(expires)),
        parameters: Some(CommandParameters { execution_timeout: ["3600"], commands: ["true"] }),
        requested_date_time: milliseconds(requested_at),
        status,
    };
    envelope.event("EC2 Command Status-change Notification", "aws.ssm", &arns, detail)
}

/// `EC2 Command Invocation Status-change Notification`: about a command's run on one host.
pub fn command_invocation_status(
    envelope: &Envelope<'_>,
    command: &str,
    document: &str,
    instance: &str,
    status: &str,
    requested_at: Timestamp,
) -> String {
    let arn = envelope.arn("ec2", &format!("instance/{instance}"));
    let detail = CommandDetail {
        command_id: command,
        document_name: document,
        instance_id: Some(instance),
        expire_after: None,
        parameters: None,
        requested_date_time: milliseconds(requested_at),
        status,
    };
    envelope.event("EC2 Command Invocation Status-change Notification", "aws.ssm", &[arn], detail)
}
