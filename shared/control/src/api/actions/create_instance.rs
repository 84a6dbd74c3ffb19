//! CreateInstance [ACT-8] (instances.md, section 6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::ecs_cluster::{self, parse_agent_version};
use strata_domain::instance_actions::Origin;
use strata_domain::model::{Attached, Care, Instance, Layer, LayerType, Stack};
use strata_domain::{InstanceId, InstanceStatus, ScalingType, hostnames};
use strata_ports::{Change, Expect, keys};

use super::placement::{Members as PlaceMembers, Place, place};
use super::start_instance::check_joins;
use super::uniqueness::{self, hosts_of};
use super::volume_members::{BlockDeviceMappingMembers, block_devices};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;
use crate::records::Stored;

const PLACE: PlaceMembers = PlaceMembers { subnet: "SubnetId", zone: "AvailabilityZone" };

/// Makes an instance in one or more layers. It does not start it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack's id.
    #[schemars(required)]
    stack_id: Option<String>,
    /// Ids of the layers that it is in, all of one stack.
    #[schemars(required)]
    layer_ids: Option<Vec<String>>,
    /// The EC2 instance type, such as `m5.large`.
    #[schemars(required)]
    instance_type: Option<String>,
    /// `load` or `timer`; left out: 24/7.
    #[schemars(extend("enum" = ["load", "timer"]))]
    auto_scaling_type: Option<String>,
    /// The host name: 1 to 63 letters, digits and hyphens, unique in the stack. Default: after the theme.
    hostname: Option<String>,
    /// The operating system, or `Custom` together with `AmiId`. Default: the stack's.
    os: Option<String>,
    /// The AMI; only with the operating system `Custom`.
    ami_id: Option<String>,
    /// The EC2 key pair. Default: the stack's.
    ssh_key_name: Option<String>,
    /// The zone. Default: the stack's.
    availability_zone: Option<String>,
    /// How the machine is virtualised.
    #[schemars(extend("enum" = ["hvm", "paravirtual"]))]
    virtualization_type: Option<String>,
    /// The subnet. Default: the stack's.
    subnet_id: Option<String>,
    /// The processor architecture. Default: `x86_64`.
    #[schemars(extend("enum" = ["x86_64", "i386"]))]
    architecture: Option<String>,
    /// The root device. Default: the stack's.
    #[schemars(extend("enum" = ["ebs", "instance-store"]))]
    root_device_type: Option<String>,
    /// Block devices; an AMI of your own has its own.
    block_device_mappings: Option<Vec<BlockDeviceMappingMembers>>,
    /// Whether the operating system's updates are installed at boot. Default: true.
    install_updates_on_boot: Option<bool>,
    /// Whether the machine is EBS-optimised. Default: false.
    ebs_optimized: Option<bool>,
    /// The agent version that is claimed. Default: `INHERIT`, the stack's.
    agent_version: Option<String>,
    /// The tenancy. Default: the VPC's.
    tenancy: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The new instance's id.
    instance_id: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack_id = required(m.stack_id.clone(), "StackId")?;
    let layer_ids = required(non_empty(m.layer_ids.clone()), "LayerIds")?;
    let scaling = check_values(&m)?;
    let stack = call.stack(&stack_id).await?.record;
    let layers = call.layers_of_one_stack(&layer_ids).await?;
    call.permit(Some(&stack.id)).await?;
    check_layers(&stack, &layers)?;
    check_joins(call, layers.iter().map(|l| &l.record)).await?;

    let taken = hosts_of(call, &stack.id).await?;
    checks::quota("instances in a stack", taken.len(), call.config.max_instances)?;
    let first = &layers[0].record;
    let hostname = match &m.hostname {
        Some(given) if taken.contains(&given.to_ascii_lowercase()) => return Err(hostname_taken(given)),
        Some(given) => given.clone(),
        None => hostnames::suggest(&stack.hostname_theme, &first.shortname, &taken),
    };
    let place = refer(call, &stack, &layers, &m).await?;
    let instance = build(call, input, (&stack, &layers), (m, scaling), (hostname, place))?;
    let host = uniqueness::host(&stack.id, &instance.hostname);
    let owner = keys::Owner { kind: "instance".to_owned(), stack_id: stack.id.clone() };
    let mut changes = vec![
        Change::put(keys::instance(&stack.id, &instance.id), &instance, Expect::Absent),
        Change::put(keys::pointer(instance.id.as_str()), &owner, Expect::Absent),
        Change::put(host, &instance.id, Expect::Absent),
    ];
    // The layers are written too, so that a DeleteLayer or DeregisterEcsCluster which saw no such member must look again.
    changes.extend(layers.iter().map(Stored::touch));
    Ok(Answer::of(&Output { instance_id: instance.id.as_str() }).with(changes))
}

fn check_values(m: &Members) -> Result<ScalingType, ApiError> {
    required(m.instance_type.as_deref(), "InstanceType")?;
    let scaling = ScalingType::from_wire(m.auto_scaling_type.as_deref());
    let scaling = scaling.ok_or_else(|| ApiError::field("AutoScalingType", "must be load, timer or absent"))?;
    if let Some(hostname) = &m.hostname {
        check_hostname(hostname)?;
    }
    if let Some(os) = &m.os {
        checks::os("Os", os)?;
    }
    if let Some(architecture) = &m.architecture {
        checks::one_of("Architecture", architecture, &["x86_64", "i386"])?;
    }
    if let Some(virtualization) = &m.virtualization_type {
        checks::one_of("VirtualizationType", virtualization, &["hvm", "paravirtual"])?;
    }
    if let Some(tenancy) = &m.tenancy {
        checks::one_of("Tenancy", tenancy, &["default", "dedicated", "host"])?;
    }
    check_texts(m.instance_type.as_deref(), m.ami_id.as_deref(), m.ssh_key_name.as_deref())?;
    block_devices(m.block_device_mappings.as_deref().unwrap_or_default())?;
    Ok(scaling)
}

/// So many layers an instance may be in; with it the largest answer of DescribeInstances fits [QTA-1].
const MAX_LAYERS_OF_ONE: usize = 4;

/// Texts that EC2 alone can judge are bounded.
pub(super) fn check_texts(instance_type: Option<&str>, ami: Option<&str>, key: Option<&str>) -> Result<(), ApiError> {
    checks::bounded("InstanceType", instance_type, 32)?;
    checks::bounded("AmiId", ami, 32)?;
    checks::bounded("SshKeyName", key, 255)
}

/// A host name's form.
pub(super) fn check_hostname(hostname: &str) -> Result<(), ApiError> {
    if hostnames::is_valid(hostname) {
        Ok(())
    } else {
        Err(ApiError::field("Hostname", "must have 1 to 63 letters, digits and hyphens, with no hyphen at either end"))
    }
}

/// Somebody in the stack has the host name.
pub(super) fn hostname_taken(hostname: &str) -> ApiError {
    ApiError::field("Hostname", format!("\"{hostname}\" is already used in this stack"))
}

/// All layers are the stack's, and they go together [ECS-68] [VAL-2].
pub(super) fn check_layers(stack: &Stack, layers: &[Stored<Layer>]) -> Result<(), ApiError> {
    if layers.iter().any(|l| l.record.stack_id != stack.id) {
        return Err(ApiError::Validation("Please only provide layer IDs from the same stack".to_owned()));
    }
    if layers.len() > MAX_LAYERS_OF_ONE {
        return Err(ApiError::field(
            "LayerIds",
            format!("an instance can be in at most {MAX_LAYERS_OF_ONE} layers, not {}", layers.len()),
        ));
    }
    let mut ids: Vec<_> = layers.iter().map(|l| &l.record.id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ApiError::field("LayerIds", "names a layer twice"));
    }
    Ok(ecs_cluster::check_layer_types(layers.iter().map(|l| l.record.layer_type))?)
}

/// Os and AMI [ECS-11, 14]: `Custom` needs an AMI and an AMI needs `Custom`.
pub(super) fn check_os<'a>(
    stack: &'a Stack,
    layers: &[Stored<Layer>],
    named: Option<&'a str>,
    ami: Option<&str>,
) -> Result<&'a str, ApiError> {
    let in_ecs = layers.iter().any(|l| l.record.layer_type == LayerType::EcsCluster);
    let os = if in_ecs {
        ecs_cluster::member_os(named, &stack.default_os, &stack.chef_version)?
    } else {
        named.unwrap_or(&stack.default_os)
    };
    match (os == "Custom", ami) {
        (true, None) => Err(ApiError::field("AmiId", "is required with Os Custom")),
        (false, Some(_)) => Err(ApiError::field("AmiId", "needs Os Custom")),
        (true, Some(_)) | (false, None) => Ok(os),
    }
}

/// `INHERIT` or a full number; a member of an ECS layer needs a recent one [ECS-13].
pub(super) fn check_agent_version(layers: &[Stored<Layer>], version: &str) -> Result<(), ApiError> {
    if layers.iter().any(|l| l.record.layer_type == LayerType::EcsCluster) {
        ecs_cluster::check_agent_version(version)?;
    }
    if version == "INHERIT" || parse_agent_version(version).is_some() {
        Ok(())
    } else {
        Err(ApiError::field("AgentVersion", format!("\"{version}\" is neither INHERIT nor <build>-<yyyymmddhhmmss>")))
    }
}

/// Looks up what the instance refers to, under the stack's service role [VAL-7], and finds its place [INST-56]. What it inherits from the
/// stack was looked up there.
async fn refer(call: &Call<'_>, stack: &Stack, layers: &[Stored<Layer>], m: &Members) -> Result<Place, ApiError> {
    let scope = call.scope(stack);
    call.check_key_pair(&scope, "SshKeyName", m.ssh_key_name.as_deref()).await?;
    if let Some(ami) = &m.ami_id {
        let image = call.image(stack, ami).await?;
        if layers.iter().any(|l| l.record.layer_type == LayerType::EcsCluster) {
            ecs_cluster::check_image(image.owner_alias.as_deref(), &image.name)?;
        }
    }
    let vpc = call.vpc(&scope, Some(&stack.vpc_id)).await?;
    place(&vpc, PLACE, (m.subnet_id.as_deref(), m.availability_zone.as_deref()), Place::default_of(stack))
}

fn build(
    call: &Call<'_>,
    input: &Input,
    (stack, layers): (&Stack, &[Stored<Layer>]),
    (m, scaling): (Members, ScalingType),
    (hostname, place): (String, Place),
) -> Result<Instance, ApiError> {
    let os = check_os(stack, layers, m.os.as_deref(), m.ami_id.as_deref())?.to_owned();
    let agent_version = m.agent_version.unwrap_or_else(|| "INHERIT".to_owned());
    check_agent_version(layers, &agent_version)?;
    let root = m.root_device_type.as_deref().map(|given| checks::root_device_type("RootDeviceType", given)).transpose()?;
    // A custom AMI has its own block devices.
    let devices = block_devices(m.block_device_mappings.as_deref().filter(|_| os != "Custom").unwrap_or_default())?;
    // Absent: the stack's; sent as "": none [SSH-1].
    let inherited = stack.default_ssh_key_name.clone().filter(|_| !input.is_emptied("SshKeyName"));
    let ssh_key_name = m.ssh_key_name.or(inherited);
    let layers_optimize = layers.iter().any(|l| l.record.use_ebs_optimized_instances);
    Ok(Instance {
        id: InstanceId::from(call.ports.ids.uuid()),
        stack_id: stack.id.clone(),
        origin: Origin::Created,
        registration: None,
        layer_ids: layers.iter().map(|l| l.record.id.clone()).collect(),
        hostname,
        instance_type: required(m.instance_type, "InstanceType")?,
        os,
        ami_id: m.ami_id,
        subnet_id: place.subnet_id,
        availability_zone: place.zone,
        root_device_type: root.unwrap_or(stack.default_root_device_type),
        scaling,
        architecture: m.architecture.unwrap_or_else(|| "x86_64".to_owned()),
        virtualization_type: m.virtualization_type.unwrap_or_else(|| "hvm".to_owned()),
        block_device_mappings: devices,
        ssh_key_name,
        install_updates_on_boot: m.install_updates_on_boot.unwrap_or(true),
        ebs_optimized: m.ebs_optimized.unwrap_or(layers_optimize),
        agent_version,
        tenancy: m.tenancy,
        created_at: call.now,
        status: InstanceStatus::Stopped,
        status_since: call.now,
        status_sequence: 0,
        initiated_by: None,
        launch_number: 0,
        started_at: None,
        shortage: strata_domain::model::Shortage::default(),
        online_since: None,
        has_been_online: false,
        ec2_instance_id: None,
        container_instance_arn: None,
        private_ip: None,
        public_ip: None,
        volumes: Vec::new(),
        volumes_noted_of: None,
        elastic_ip: None,
        attached: Attached::default(),
        setup_command: None,
        shutdown_command: None,
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        healing: false,
        heals: Vec::new(),
        care: Care::default(),
        delete: None,
        last_service_error_id: None,
    })
}
