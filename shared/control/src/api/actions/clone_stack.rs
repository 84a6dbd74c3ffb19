//! CloneStack [ACT-5] [STK-14]: a stack's settings and layers again, without its instances, apps and cluster.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::{Layer, LayerType, Stack};
use strata_domain::permissions::Permission;
use strata_domain::{LayerId, StackId, ecs_cluster};
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Expect, keys};

use super::create_stack::{self, Asked, agent_version, attributes, root_device_type};
use super::placement::Place;
use super::stack_members::{chef_configuration, chef_version, cookbooks_source};
use super::teardown_plan::{self, Settled};
use super::update_stack::unless_emptied;
use super::update_windows;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::permission;
use crate::api::transaction::Answer;
use crate::records::Stored;
use crate::records::cloning::{Cloning, stage_clone};

/// Makes a new stack with the settings and layers of another one. Each setting that is sent takes the place of the source stack's. The
/// ECS Cluster layer is left out, since a cluster belongs to one stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(extend("required" = ["SourceStackId", "ServiceRoleArn"]))]
pub(super) struct Members {
    /// The stack to clone.
    source_stack_id: Option<String>,
    /// Whether users get the levels that they have on the source stack; default false. SSH and sudo are not copied.
    clone_permissions: Option<bool>,
    /// Apps to clone; none can be, since apps are out of scope.
    clone_app_ids: Option<Vec<String>>,
    #[serde(flatten)]
    settings: create_stack::Members,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new stack's id.
    stack_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let Members { source_stack_id, clone_permissions, clone_app_ids, settings } = input.read()?;
    if non_empty(clone_app_ids).is_some() {
        return Err(ApiError::unsupported("CloneAppIds", "Leave it out, and run applications as ECS services and tasks."));
    }
    let source_id = required(source_stack_id, "SourceStackId")?;
    create_stack::check_values(call, &settings)?;
    let source = call.stack(&source_id).await?.record;
    call.permit(Some(&source.id)).await?;
    permission::check_pass_role(call, "ServiceRoleArn", &required(settings.service_role_arn.clone(), "ServiceRoleArn")?).await?;
    let entries = call.store().list(&Listing::of(keys::STACKS_PK, "")).await?;
    checks::quota("stacks", entries.len(), call.config.max_stacks)?;

    // In another VPC the source's subnet does not count.
    let asked = Asked {
        vpc: Some(settings.vpc_id.clone().unwrap_or_else(|| source.vpc_id.clone())),
        subnet: settings.default_subnet_id.clone(),
        zone: settings.default_availability_zone.clone(),
    };
    let present = source.default_subnet_id.clone().zip(source.default_availability_zone.clone());
    let present =
        present.filter(|_| asked.vpc.as_ref() == Some(&source.vpc_id)).map(|(subnet_id, zone)| Place { subnet_id, zone });
    let mut stack = overridden(call, input, &source, settings)?;
    create_stack::stand(call, &mut stack, &asked, present).await?;
    let mut portions = layers(call, &source, &stack).await?;
    if clone_permissions == Some(true) {
        portions.extend(permissions(call, &source, &stack).await?);
    }
    // The stack's own record comes last: until it stands, nobody sees any of the others.
    let cloning = Cloning { stack_id: stack.id.clone(), since: call.now };
    let end_of_intent = stage_clone(call.store(), &cloning, portions).await.map_err(not_staged)?;
    // A planned teardown of the source or its layers is left behind; one that the call itself sends counts.
    let (before, after) = (source.custom_json.as_deref(), stack.custom_json.as_deref());
    let settled = Settled { stack: &stack.id, layer: None, before, after };
    let plan = teardown_plan::plan(call, settled, None).await?;
    let changes = [
        Change::put(keys::stack(&stack.id), &stack, Expect::Absent),
        create_stack::entry(&stack.id),
        create_stack::groups_due(&stack.id),
        end_of_intent,
    ];
    Ok(Answer::of(&Output { stack_id: stack.id.as_str() }).with(changes.into_iter().chain(plan).collect()))
}

fn not_staged(error: CommitError) -> ApiError {
    match error {
        CommitError::Impossible { why } => ApiError::Internal(why),
        CommitError::Unavailable { .. } | CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. } => {
            ApiError::Unavailable("The stack could not be cloned now, and nothing of the clone is left; try again".to_owned())
        }
    }
}

/// The source's settings with what was sent in their place.
fn overridden(call: &Call<'_>, input: &Input, source: &Stack, m: create_stack::Members) -> Result<Stack, ApiError> {
    let theme = m.hostname_theme.as_deref().map(checks::hostname_theme).transpose()?;
    let given_attributes = m.attributes.map(|given| attributes(Some(given))).transpose()?;
    Ok(Stack {
        id: StackId::from(call.ports.ids.uuid()),
        name: m.name.unwrap_or_else(|| copy_name(&source.name)),
        default_os: m.default_os.unwrap_or_else(|| source.default_os.clone()),
        hostname_theme: theme.map_or_else(|| source.hostname_theme.clone(), str::to_owned),
        chef_version: chef_version(m.configuration_manager)?.unwrap_or_else(|| source.chef_version.clone()),
        service_role_arn: required(m.service_role_arn, "ServiceRoleArn")?,
        default_instance_profile_arn: m
            .default_instance_profile_arn
            .unwrap_or_else(|| source.default_instance_profile_arn.clone()),
        default_root_device_type: root_device_type(m.default_root_device_type.as_deref())?
            .unwrap_or(source.default_root_device_type),
        agent_version: agent_version(m.agent_version)?.unwrap_or_else(|| source.agent_version.clone()),
        default_ssh_key_name: unless_emptied(
            input,
            "DefaultSshKeyName",
            m.default_ssh_key_name,
            source.default_ssh_key_name.clone(),
        ),
        use_opsworks_security_groups: m.use_opsworks_security_groups.unwrap_or(source.use_opsworks_security_groups),
        use_custom_cookbooks: m.use_custom_cookbooks.unwrap_or(source.use_custom_cookbooks),
        custom_cookbooks_source: match m.custom_cookbooks_source {
            Some(sent) => cookbooks_source(sent, source.custom_cookbooks_source.as_ref())?,
            None => source.custom_cookbooks_source.clone(),
        },
        chef_configuration: m.chef_configuration.map_or_else(|| Ok(source.chef_configuration.clone()), chef_configuration)?,
        custom_json: unless_emptied(input, "CustomJson", m.custom_json, source.custom_json.clone()),
        attributes: given_attributes.unwrap_or_else(|| source.attributes.clone()),
        created_at: call.now,
        ..source.clone()
    })
}

/// `<source name>-copy` [STK-14]; a long name loses its end, since 64 characters are the most.
fn copy_name(source: &str) -> String {
    let begin: String = source.chars().take(64 - "-copy".len()).collect();
    format!("{begin}-copy")
}

/// The custom layers, each with its pointer and its names.
async fn layers(call: &Call<'_>, source: &Stack, stack: &Stack) -> Result<Vec<Vec<Change>>, ApiError> {
    let mut portions = Vec::new();
    let customs = call.layers_of(&source.id).await?.into_iter().filter(|l| l.record.layer_type == LayerType::Custom);
    for (place, Stored { record, .. }) in (0i64..).zip(customs) {
        ecs_cluster::check_security_groups(stack.use_opsworks_security_groups, &record.custom_security_group_ids)?;
        let layer = Layer {
            id: LayerId::from(call.ports.ids.uuid()),
            stack_id: stack.id.clone(),
            // So that they stay in the source's order, oldest first [DSC-6].
            created_at: call.now.checked_add(SignedDuration::from_nanos(place)).unwrap_or(call.now),
            ..record
        };
        let owner = keys::Owner { kind: "layer".to_owned(), stack_id: stack.id.clone() };
        let name = |what: &str, name: &str| Change::put(keys::unique(&stack.id, what, name), &layer.id, Expect::Absent);
        let mut portion = vec![
            name("layer-name", &layer.name),
            name("layer-shortname", &layer.shortname),
            Change::put(keys::pointer(layer.id.as_str()), &owner, Expect::Absent),
            Change::put(keys::layer(&stack.id, &layer.id), &layer, Expect::Absent),
        ];
        portion.extend(update_windows::entry(&layer));
        portions.push(portion);
    }
    Ok(portions)
}

/// The users' levels, and nothing else of their permissions [PERM-21].
async fn permissions(call: &Call<'_>, source: &Stack, stack: &Stack) -> Result<Vec<Vec<Change>>, ApiError> {
    let present: Vec<Stored<Permission>> = call.list(&source.id, keys::PERMISSION).await?;
    let copied = present.into_iter().map(|Stored { record, .. }| {
        let copy = Permission { stack_id: stack.id.clone(), allow_ssh: false, allow_sudo: false, ..record };
        vec![Change::put(keys::permission(&stack.id, &copy.iam_user_arn), &copy, Expect::Absent)]
    });
    Ok(copied.collect())
}
