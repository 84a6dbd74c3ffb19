//! CreateStack [ACT-10] [STK-1..12].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::ecs_cluster::parse_agent_version;
use strata_domain::hostnames::LAYER_DEPENDENT;
use strata_domain::model::{RootDeviceType, Stack};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, keys};

use super::placement::{Members as PlaceMembers, place};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::permission;
use crate::api::transaction::Answer;

/// Stacks of an installation [QTA-1].
const MAX_STACKS: usize = 500;
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
    /// Whether the stack has cookbooks of its own. Default: false.
    use_custom_cookbooks: Option<bool>,
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

/// `ConfigurationManager`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfigurationManager {
    /// `Chef`.
    name: Option<String>,
    /// `12` or `11.10`.
    version: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new stack's id.
    stack_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let stack = read(call, input)?;
    call.permit(None).await?;
    permission::check_pass_role(call, "ServiceRoleArn", &stack.service_role_arn).await?;
    let entries = call.store().list(&Listing::of(keys::STACKS_PK, "")).await?;
    checks::quota("stacks", entries.len(), MAX_STACKS)?;
    Ok(Answer::of(&Output { stack_id: stack.id.as_str() }).with(vec![
        Change::put(keys::stack(&stack.id), &stack, Expect::Absent),
        Change::put(keys::stack_entry(&stack.id), &BTreeMap::<String, String>::new(), Expect::Absent),
    ]))
}

fn read(call: &Call<'_>, input: &Input) -> Result<Stack, ApiError> {
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
    let vpc_id = m.vpc_id.unwrap_or_else(|| config.vpc_id.clone());
    let given = (m.default_subnet_id.as_deref(), m.default_availability_zone.as_deref());
    let default = place(config, &vpc_id, DEFAULT_PLACE, given, None)?;
    Ok(Stack {
        id: StackId::from(call.ports.ids.uuid()),
        name,
        region,
        account: config.account.clone(),
        vpc_id,
        default_subnet_id: Some(default.subnet_id),
        default_availability_zone: Some(default.zone),
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
        custom_json: m.custom_json,
        attributes: attributes(m.attributes)?,
        created_at: call.now,
    })
}

/// Chef `12` and `11.10` [STK-7]; 11.4 and 12.2 are out of scope [SCP-4].
pub(super) fn chef_version(manager: Option<ConfigurationManager>) -> Result<Option<String>, ApiError> {
    let Some(ConfigurationManager { name, version }) = manager else { return Ok(None) };
    if let Some(name) = name.filter(|n| n != "Chef") {
        return Err(ApiError::field("ConfigurationManager", format!("Name must be Chef, not \"{name}\"")));
    }
    match version.as_deref() {
        None | Some("12" | "11.10") => Ok(version),
        Some(old @ ("0.9" | "11.4" | "12.2")) => {
            Err(ApiError::unsupported(&format!("ConfigurationManager.Version={old}"), "Use version 12 or 11.10."))
        }
        Some(other) => Err(ApiError::field("ConfigurationManager", format!("\"{other}\" is not a known Chef version"))),
    }
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
