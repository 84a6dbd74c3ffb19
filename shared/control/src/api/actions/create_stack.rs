//! CreateStack [ACT-10] [STK-1..12].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::ecs_cluster::parse_agent_version;
use strata_domain::hostnames::LAYER_DEPENDENT;
use strata_domain::model::{ChefConfiguration, RootDeviceType, Stack};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, keys};

use super::placement::{Members as PlaceMembers, Place, place};
use super::stack_members::{
    ChefConfigurationMembers, ConfigurationManager, SourceMembers, check_agent_fits, chef_configuration, chef_version,
    cookbooks_source,
};
use super::teardown_plan::{self, Settled};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::permission;
use crate::api::transaction::Answer;

/// What CreateStack itself looks up with the service role.
const LOOKS_UP: [&str; 2] = ["ec2:DescribeVpcs", "ec2:DescribeSubnets"];
/// Current Amazon Linux [ECS-121].
const DEFAULT_OS: &str = "Amazon Linux 2023";

/// Our names for subnet and zone.
pub(super) const DEFAULT_PLACE: PlaceMembers = PlaceMembers { subnet: "DefaultSubnetId", zone: "DefaultAvailabilityZone" };

/// Makes a stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The name that is shown, at most 64 characters; it need not be unique.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// The stack's region. Default: the installation's, which is the only one that it serves.
    pub(super) region: Option<String>,
    /// The stack's VPC; it never changes. Default: the default VPC.
    pub(super) vpc_id: Option<String>,
    /// Attributes; the only one is `Color`.
    pub(super) attributes: Option<BTreeMap<String, Option<String>>>,
    /// The role under which EC2, ECS and the like are called for this stack.
    #[schemars(required)]
    pub(super) service_role_arn: Option<String>,
    /// The instance profile of the stack's machines, where the layer has none.
    #[schemars(required)]
    pub(super) default_instance_profile_arn: Option<String>,
    /// The operating system of new instances. Default: `Amazon Linux 2023`.
    pub(super) default_os: Option<String>,
    /// How host names are made up. Default: `Layer_Dependent`.
    pub(super) hostname_theme: Option<String>,
    /// The zone of new instances. Default: that of the subnet.
    pub(super) default_availability_zone: Option<String>,
    /// The subnet of new instances. Required in a VPC that is not the default one.
    pub(super) default_subnet_id: Option<String>,
    /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
    pub(super) custom_json: Option<String>,
    /// The Chef version that is claimed. Default: Chef 12.
    pub(super) configuration_manager: Option<ConfigurationManager>,
    /// Berkshelf settings; they are kept and shown.
    pub(super) chef_configuration: Option<ChefConfigurationMembers>,
    /// Whether the stack has cookbooks of its own. Default: false.
    pub(super) use_custom_cookbooks: Option<bool>,
    /// The repository that custom cookbooks come from.
    pub(super) custom_cookbooks_source: Option<SourceMembers>,
    /// Whether layers get the built-in security groups. Default: true.
    pub(super) use_opsworks_security_groups: Option<bool>,
    /// The EC2 key pair of new instances.
    pub(super) default_ssh_key_name: Option<String>,
    /// The root device of new instances. Default: `ebs`.
    #[schemars(extend("enum" = ["ebs", "instance-store"]))]
    pub(super) default_root_device_type: Option<String>,
    /// The agent version that is claimed. Default: `LATEST`.
    pub(super) agent_version: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new stack's id.
    stack_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let (mut stack, asked) = read(call, input)?;
    call.permit(None).await?;
    permission::check_pass_role(call, "ServiceRoleArn", &stack.service_role_arn).await?;
    let entries = call.store().list(&Listing::of(keys::STACKS_PK, "")).await?;
    checks::quota("stacks", entries.len(), call.config.max_stacks)?;
    stand(call, &mut stack, &asked, None).await?;
    let mut changes = vec![Change::put(keys::stack(&stack.id), &stack, Expect::Absent), entry(&stack.id), groups_due(&stack.id)];
    let settled = Settled { stack: &stack.id, layer: None, before: None, after: stack.custom_json.as_deref() };
    changes.extend(teardown_plan::plan(call, settled, None).await?);
    Ok(Answer::of(&Output { stack_id: stack.id.as_str() }).with(changes))
}

/// The built-in security groups of the new stack's VPC are to be overwritten [SG-8].
pub(super) fn groups_due(stack: &StackId) -> Change {
    Change::put(keys::groups_due(stack), &(), Expect::Absent)
}

/// The new stack's entry in the list of stacks.
pub(super) fn entry(stack: &StackId) -> Change {
    Change::put(keys::stack_entry(stack), &BTreeMap::<String, String>::new(), Expect::Absent)
}

/// Checks the values that were sent, each by itself.
pub(super) fn check_values(call: &Call<'_>, m: &Members) -> Result<(), ApiError> {
    let config = call.config;
    if let Some(name) = &m.name {
        checks::name("Name", name, 64)?;
    }
    if let Some(region) = m.region.as_ref().filter(|region| **region != config.region) {
        let text = format!("\"{region}\" is not served here; this installation serves {}", config.region);
        return Err(ApiError::field("Region", text));
    }
    checks::iam_arn("ServiceRoleArn", required(m.service_role_arn.as_deref(), "ServiceRoleArn")?, "role", &config.account)?;
    if let Some(profile) = &m.default_instance_profile_arn {
        checks::iam_arn("DefaultInstanceProfileArn", profile, "instance-profile", &config.account)?;
    }
    if let Some(os) = &m.default_os {
        checks::os("DefaultOs", os)?;
    }
    check_agent_fits(m.agent_version.as_deref(), m.configuration_manager.as_ref())?;
    checks::custom_json_with_settings(m.custom_json.as_deref())
}

/// Where the stack is asked to stand.
pub(super) struct Asked {
    pub(super) vpc: Option<String>,
    pub(super) subnet: Option<String>,
    pub(super) zone: Option<String>,
}

/// Looks up what the stack refers to, under its own service role [VAL-7], and puts it into its place [STK-3, 4]; a clone's source has a
/// place to fall back to.
pub(super) async fn stand(call: &Call<'_>, stack: &mut Stack, asked: &Asked, fallback: Option<Place>) -> Result<(), ApiError> {
    call.check_role(&stack.service_role_arn, &LOOKS_UP, &format!("{} needs", call.action.name)).await?;
    let scope = call.scope(stack);
    let vpc = call.vpc(&scope, asked.vpc.as_deref()).await?;
    let default = place(&vpc, DEFAULT_PLACE, (asked.subnet.as_deref(), asked.zone.as_deref()), fallback)?;
    stack.vpc_id = vpc.id;
    (stack.default_subnet_id, stack.default_availability_zone) = (Some(default.subnet_id), Some(default.zone));
    call.check_key_pair(&scope, "DefaultSshKeyName", stack.default_ssh_key_name.as_deref()).await
}

fn read(call: &Call<'_>, input: &Input) -> Result<(Stack, Asked), ApiError> {
    let m: Members = input.read()?;
    let config = call.config;
    required(m.name.as_deref(), "Name")?;
    check_values(call, &m)?;
    let name = required(m.name, "Name")?;
    let service_role_arn = required(m.service_role_arn, "ServiceRoleArn")?;
    let profile = required(m.default_instance_profile_arn, "DefaultInstanceProfileArn")?;
    let default_os = m.default_os.unwrap_or_else(|| DEFAULT_OS.to_owned());
    let asked = Asked { vpc: m.vpc_id, subnet: m.default_subnet_id, zone: m.default_availability_zone };
    let stack = Stack {
        id: StackId::from(call.ports.ids.uuid()),
        name,
        // Our model leaves Region out of the required ones: the newest CLI takes `--region` for its own.
        region: config.region.clone(),
        account: config.account.clone(),
        vpc_id: String::new(),
        default_subnet_id: None,
        default_availability_zone: None,
        default_os,
        hostname_theme: m.hostname_theme.as_deref().map_or(Ok(LAYER_DEPENDENT), checks::hostname_theme)?.to_owned(),
        chef_version: chef_version(m.configuration_manager)?.unwrap_or_else(|| "12".to_owned()),
        service_role_arn,
        default_instance_profile_arn: profile,
        default_root_device_type: root_device_type(m.default_root_device_type.as_deref())?.unwrap_or(RootDeviceType::Ebs),
        agent_version: agent_version(m.agent_version)?.unwrap_or_else(|| "LATEST".to_owned()),
        default_ssh_key_name: m.default_ssh_key_name,
        use_opsworks_security_groups: m.use_opsworks_security_groups.unwrap_or(true),
        use_custom_cookbooks: m.use_custom_cookbooks.unwrap_or(false),
        custom_cookbooks_source: m.custom_cookbooks_source.map_or(Ok(None), |source| cookbooks_source(source, None))?,
        chef_configuration: m.chef_configuration.map_or_else(|| Ok(ChefConfiguration::default()), chef_configuration)?,
        custom_json: m.custom_json,
        attributes: attributes(m.attributes)?,
        tags: BTreeMap::new(),
        created_at: call.now,
    };
    Ok((stack, asked))
}

/// A stack's default root device.
pub(super) fn root_device_type(given: Option<&str>) -> Result<Option<RootDeviceType>, ApiError> {
    given.map(|g| checks::root_device_type("DefaultRootDeviceType", g)).transpose()
}

/// A stack's agent version: `LATEST` or a full number; stored, acted on by nobody (api.md, Q6).
pub(super) fn agent_version(given: Option<String>) -> Result<Option<String>, ApiError> {
    match given {
        Some(version) if version != "LATEST" && parse_agent_version(&version).is_none() => {
            Err(ApiError::field("AgentVersion", format!("\"{version}\" is neither LATEST nor <build>-<yyyymmddhhmmss>")))
        }
        fine => Ok(fine),
    }
}

/// A stack's attributes: only `Color` is a key [STK-12]; a null is unset.
pub(super) fn attributes(given: Option<BTreeMap<String, Option<String>>>) -> Result<BTreeMap<String, String>, ApiError> {
    let given: BTreeMap<String, String> = given.into_iter().flatten().filter_map(|(k, v)| Some((k, v?))).collect();
    match given.keys().find(|key| *key != "Color") {
        Some(key) => Err(ApiError::field("Attributes", format!("\"{key}\" is not a stack attribute"))),
        None => Ok(given),
    }
}
