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

use super::placement::{Members as PlaceMembers, place};
use super::stack_members::{
    ChefConfigurationMembers, ConfigurationManager, SourceMembers, check_agent_fits, chef_configuration, chef_version,
    cookbooks_source,
};
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
    name: Option<String>,
    /// The stack's region. Default: the installation's, which is the only one that it serves.
    region: Option<String>,
    /// The stack's VPC; it never changes. Default: the default VPC.
    vpc_id: Option<String>,
    /// Attributes; the only one is `Color`.
    attributes: Option<BTreeMap<String, Option<String>>>,
    /// The role under which EC2, ECS and the like are called for this stack.
    #[schemars(required)]
    service_role_arn: Option<String>,
    /// The instance profile of the stack's machines, where the layer has none.
    #[schemars(required)]
    default_instance_profile_arn: Option<String>,
    /// The operating system of new instances. Default: `Amazon Linux 2023`.
    default_os: Option<String>,
    /// How host names are made up. Default: `Layer_Dependent`.
    hostname_theme: Option<String>,
    /// The zone of new instances. Default: that of the subnet.
    default_availability_zone: Option<String>,
    /// The subnet of new instances. Required in a VPC that is not the default one.
    default_subnet_id: Option<String>,
    /// A JSON object as text, at most 120 KB. The key `strata` holds settings that OpsWorks had no member for.
    custom_json: Option<String>,
    /// The Chef version that is claimed. Default: Chef 12.
    configuration_manager: Option<ConfigurationManager>,
    /// Berkshelf settings; they are kept and shown.
    chef_configuration: Option<ChefConfigurationMembers>,
    /// Whether the stack has cookbooks of its own. Default: false.
    use_custom_cookbooks: Option<bool>,
    /// The repository that custom cookbooks come from.
    custom_cookbooks_source: Option<SourceMembers>,
    /// Whether layers get the built-in security groups. Default: true.
    use_opsworks_security_groups: Option<bool>,
    /// The EC2 key pair of new instances.
    default_ssh_key_name: Option<String>,
    /// The root device of new instances. Default: `ebs`.
    #[schemars(extend("enum" = ["ebs", "instance-store"]))]
    default_root_device_type: Option<String>,
    /// The agent version that is claimed. Default: `LATEST`.
    agent_version: Option<String>,
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
    stand(call, &mut stack, &asked).await?;
    Ok(Answer::of(&Output { stack_id: stack.id.as_str() }).with(vec![
        Change::put(keys::stack(&stack.id), &stack, Expect::Absent),
        Change::put(keys::stack_entry(&stack.id), &BTreeMap::<String, String>::new(), Expect::Absent),
    ]))
}

/// Where the stack is asked to stand.
struct Asked {
    vpc: Option<String>,
    subnet: Option<String>,
    zone: Option<String>,
}

/// Looks up what the stack refers to, under its own service role [VAL-7], and puts it into its place [STK-3, 4].
async fn stand(call: &Call<'_>, stack: &mut Stack, asked: &Asked) -> Result<(), ApiError> {
    call.check_role(&stack.service_role_arn, &LOOKS_UP, "CreateStack needs").await?;
    let scope = call.scope(stack);
    let vpc = call.vpc(&scope, asked.vpc.as_deref()).await?;
    let default = place(&vpc, DEFAULT_PLACE, (asked.subnet.as_deref(), asked.zone.as_deref()), None)?;
    stack.vpc_id = vpc.id;
    (stack.default_subnet_id, stack.default_availability_zone) = (Some(default.subnet_id), Some(default.zone));
    call.check_key_pair(&scope, "DefaultSshKeyName", stack.default_ssh_key_name.as_deref()).await
}

fn read(call: &Call<'_>, input: &Input) -> Result<(Stack, Asked), ApiError> {
    let m: Members = input.read()?;
    let config = call.config;
    let name = required(m.name, "Name")?;
    checks::name("Name", &name, 64)?;
    // Our model leaves it out of the required ones: the newest CLI takes `--region` for its own.
    let region = m.region.unwrap_or_else(|| config.region.clone());
    if region != config.region {
        return Err(ApiError::field(
            "Region",
            format!("\"{region}\" is not served here; this installation serves {}", config.region),
        ));
    }
    let service_role_arn = required(m.service_role_arn, "ServiceRoleArn")?;
    checks::iam_arn("ServiceRoleArn", &service_role_arn, "role", &config.account)?;
    let profile = required(m.default_instance_profile_arn, "DefaultInstanceProfileArn")?;
    checks::iam_arn("DefaultInstanceProfileArn", &profile, "instance-profile", &config.account)?;
    let default_os = m.default_os.unwrap_or_else(|| DEFAULT_OS.to_owned());
    checks::os("DefaultOs", &default_os)?;
    checks::custom_json_with_settings(m.custom_json.as_deref())?;
    check_agent_fits(m.agent_version.as_deref(), m.configuration_manager.as_ref())?;
    let asked = Asked { vpc: m.vpc_id, subnet: m.default_subnet_id, zone: m.default_availability_zone };
    let stack = Stack {
        id: StackId::from(call.ports.ids.uuid()),
        name,
        region,
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
