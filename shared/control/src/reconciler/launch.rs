//! What a launch and a Setup run are asked to do: settings of stack, layers and instance put together.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use strata_domain::break_glass::{self, Typical};
use strata_domain::lifecycle::type_to_ask;
use strata_domain::log_streams::agent_configuration;
use strata_domain::model::Instance;
use strata_domain::resources::{MAX_VOLUMES, next_device};
use strata_domain::security_groups;
use strata_domain::tags::{Tags, effective};
use strata_domain::{InstanceId, InstanceStatus, LayerId};
use strata_ports::{CloudError, CommandKind, CommandRequest, LaunchSpec, VolumeSpec};

use super::Config;
use super::view::StackView;
use crate::deployments::users::UsersList;

/// The launch of a record: its token makes a repeat the same launch. `taken` are the device names that it has given away already.
///
/// # Errors
/// `Wrong` when its layers ask for more volumes than there are device names.
///
/// `built_in` are the ids of the built-in security groups by name.
pub(super) fn launch_spec(
    view: &StackView,
    record: &Instance,
    taken: Vec<String>,
    built_in: &BTreeMap<String, String>,
) -> Result<LaunchSpec, CloudError> {
    let volumes = volumes_of_layers(view, record, taken)?;
    let layers = OfLayers::of(view, &record.layer_ids, built_in);
    Ok(LaunchSpec {
        token: record.launch_token(),
        instance_id: record.id.clone(),
        hostname: record.hostname.clone(),
        stack_name: view.stack.name.clone(),
        instance_type: type_to_ask(record, &view.fallback_types(record)).unwrap_or(&record.instance_type).to_owned(),
        availability_zone: record.availability_zone.clone(),
        subnet_id: record.subnet_id.clone(),
        os: record.os.clone(),
        ami_id: record.ami_id.clone(),
        instance_profile_arn: layers.instance_profile_arn,
        // An address type is assigned if any layer asks for it [ECS-55].
        associate_public_ip: view.layers_of(record).any(|layer| layer.auto_assign_public_ips),
        volumes,
        security_group_ids: layers.security_group_ids,
        key_name: record.ssh_key_name.clone(),
        ebs_optimized: record.ebs_optimized,
        tenancy: record.tenancy.clone(),
        block_devices: record.block_device_mappings.clone(),
        layers: layers.names,
        tags: layers.tags,
        imdsv1: layers.imdsv1,
        plain_root: layers.plain_root,
    })
}

/// What a machine takes from stack and layers, whether it is launched for a record or by a template.
struct OfLayers {
    instance_profile_arn: String,
    security_group_ids: Vec<String>,
    names: Vec<(String, String)>,
    tags: Tags,
    imdsv1: bool,
    plain_root: bool,
}

impl OfLayers {
    fn of(view: &StackView, ids: &[LayerId], built_in: &BTreeMap<String, String>) -> Self {
        let layers = || view.layers_named(ids).map(|(layer, _)| layer);
        // The ECS layer's profile is what the ECS agent needs [ECS-40].
        let own_profile = |with_cluster: bool| {
            layers()
                .filter(move |layer| layer.cluster.is_some() == with_cluster)
                .find_map(|layer| layer.custom_instance_profile_arn.clone())
        };
        let default_profile = || view.stack.default_instance_profile_arn.clone();
        let groups = security_groups::of_instance(view.stack.use_opsworks_security_groups, layers());
        let groups = groups.iter().filter_map(|name| built_in.get(*name).cloned());
        let own_groups = layers().flat_map(|layer| layer.custom_security_group_ids.iter().cloned());
        let mut tags = Tags::new();
        layers().for_each(|layer| tags.extend(effective(&view.stack.tags, &layer.tags)));
        Self {
            instance_profile_arn: own_profile(true).or_else(|| own_profile(false)).unwrap_or_else(default_profile),
            security_group_ids: own_groups.chain(groups).collect::<BTreeSet<_>>().into_iter().collect(),
            names: layers().map(|layer| (layer.shortname.clone(), layer.name.clone())).collect(),
            tags,
            imdsv1: view.layers_named(ids).any(|(_, settings)| settings.launch.imdsv1),
            plain_root: view.layers_named(ids).any(|(_, settings)| !settings.launch.encrypt_root),
        }
    }
}

/// A machine of the layer as its launch template asks for it.
///
/// Our choice: without the layer's volumes, which outlive their machine and which only Setup mounts; and without a public address of its own
/// asking, which can be said only beside a subnet: there the subnet's default holds.
pub(super) fn machine_of_layer(
    view: &StackView,
    layer: &LayerId,
    typical: &Typical,
    built_in: &BTreeMap<String, String>,
) -> LaunchSpec {
    let layers = OfLayers::of(view, std::slice::from_ref(layer), built_in);
    LaunchSpec {
        token: String::new(),
        instance_id: InstanceId::from(""),
        hostname: break_glass::HOSTNAME.to_owned(),
        stack_name: view.stack.name.clone(),
        instance_type: typical.instance_type.clone(),
        availability_zone: String::new(),
        subnet_id: String::new(),
        os: typical.os.clone(),
        ami_id: typical.ami_id.clone(),
        instance_profile_arn: layers.instance_profile_arn,
        associate_public_ip: false,
        volumes: Vec::new(),
        security_group_ids: layers.security_group_ids,
        key_name: typical.key_name.clone(),
        ebs_optimized: typical.ebs_optimized,
        tenancy: typical.tenancy.clone(),
        block_devices: Vec::new(),
        layers: layers.names,
        tags: layers.tags,
        imdsv1: layers.imdsv1,
        plain_root: layers.plain_root,
    }
}

/// One volume for each configuration of its layers [EBS-16], under a device name of its own. An instance that has been in service has had its
/// volumes: what is added to its layers later is for others [EBS-17]. A new machine of a heal has all that its layers prescribe [EBS-22].
fn volumes_of_layers(view: &StackView, record: &Instance, mut taken: Vec<String>) -> Result<Vec<VolumeSpec>, CloudError> {
    let mut volumes = Vec::new();
    if record.volumes_noted_of.is_some() && !record.healing {
        return Ok(volumes);
    }
    let wanted = view.layers_of(record).flat_map(|layer| &layer.volume_configurations);
    // A volume that the record has already keeps its place and its data [EBS-19].
    for volume in wanted.filter(|wanted| !record.volumes.iter().any(|known| known.mount_point == wanted.mount_point)) {
        for _ in 0..volume.number_of_disks.max(1) {
            let device = next_device(&taken).ok_or_else(|| CloudError::Wrong {
                action: "ec2:RunInstances",
                code: "TooManyVolumes".to_owned(),
                why: format!("its layers and block devices ask for more than the {MAX_VOLUMES} devices /dev/sdi to /dev/sdz"),
            })?;
            taken.push(device.clone());
            volumes.push(VolumeSpec {
                mount_point: volume.mount_point.clone(),
                size: volume.size,
                volume_type: volume.volume_type.clone(),
                iops: volume.iops,
                encrypted: volume.encrypted,
                device,
            });
        }
    }
    Ok(volumes)
}

/// The Setup run of a start; a heal or a restart has a launch number, and so a nonce, of its own.
pub(super) fn setup_request(
    view: &StackView,
    record: &Instance,
    told: &SetupNews<'_>,
    config: &Config,
) -> Option<CommandRequest> {
    // A machine that runs already is not updated [REG-8], and its ECS agent stays where it is [ECS-67].
    let is_booting = !matches!(record.status, InstanceStatus::Registering | InstanceStatus::Assigning);
    Some(CommandRequest {
        nonce: setup_nonce(record),
        kind: CommandKind::Setup,
        host: record.ec2_instance_id.clone()?,
        parameters: setup_parameters(view, record, told, is_booting),
        timeout_seconds: u32::try_from(config.setup_timeout.as_secs()).unwrap_or(u32::MAX),
    })
}

/// Which logs the host ships, as Setup and Configure are told: base64 of the CloudWatch agent's configuration, or `none` [CWL-3, 4].
pub(crate) fn logs_of(view: &StackView, record: &Instance) -> (String, String) {
    let layers = view.layers_of(record).filter_map(|layer| layer.logs.as_ref());
    let encoded =
        agent_configuration(layers, &record.hostname).map(|configuration| BASE64_STANDARD.encode(configuration.to_string()));
    ("logs".to_owned(), encoded.unwrap_or_else(|| "none".to_owned()))
}

/// What is read anew for each Setup run.
pub(crate) struct SetupNews<'a> {
    /// Who has SSH access [SSH-10]; without it users stay as they are.
    pub(crate) users: Option<&'a UsersList>,
    /// What the host mounts, as [`mounts_of`](super::volumes::mounts_of) gives it.
    pub(crate) volumes: String,
    /// The stack as scripts see it, as [`Snapshots`](crate::deployments::snapshot::Snapshots) give it.
    pub(crate) snapshot: Option<String>,
}

/// Whether the host lists the stack's online instances, as Setup and Configure are told [INST-63].
pub(crate) fn hosts_file_of(view: &StackView, record: &Instance) -> (String, String) {
    ("hosts_file".to_owned(), view.has_hosts_file(record).to_string())
}

/// What Setup is told. Only one that is part of a boot installs updates [SEC-6] and clears what the ECS agent remembers.
pub(crate) fn setup_parameters(
    view: &StackView,
    record: &Instance,
    told: &SetupNews<'_>,
    is_booting: bool,
) -> Vec<(String, String)> {
    let installs_updates =
        is_booting && record.install_updates_on_boot && view.layers_of(record).all(|layer| layer.install_updates_on_boot);
    let mut parameters = vec![
        ("hostname".to_owned(), record.hostname.clone()),
        ("instance_id".to_owned(), record.id.to_string()),
        ("install_updates".to_owned(), installs_updates.to_string()),
        ("release".to_owned(), view.release(record)),
        ("stack_id".to_owned(), record.stack_id.to_string()),
        ("instance_metrics".to_owned(), view.instance_metrics(record).as_str().to_owned()),
        // Whose metrics the host publishes, for load-based scaling [MET-18].
        ("layer_ids".to_owned(), record.layer_ids.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(",")),
    ];
    parameters.push(logs_of(view, record));
    parameters.push(hosts_file_of(view, record));
    parameters.push(("volumes".to_owned(), told.volumes.clone()));
    parameters.extend(told.snapshot.clone().map(|snapshot| ("snapshot".to_owned(), snapshot)));
    // Changes while it was down [SSH-10].
    parameters.extend(told.users.map(UsersList::parameters).unwrap_or_default());
    if let Some(cluster) = view.cluster_of(record) {
        parameters.push(("cluster".to_owned(), cluster.to_string()));
        // Every start follows a deregistration, so the agent's old checkpoint must go [ECS-124]; a reboot runs no Setup.
        parameters.push(("clear_agent_state".to_owned(), is_booting.to_string()));
    }
    parameters
}

/// The restart of an ECS agent that has fallen silent. Its state is cleared if its container instance is gone, and only then [ECS-124].
pub(super) fn reconnect_request(view: &StackView, record: &Instance, is_registered: bool) -> Option<CommandRequest> {
    let mut parameters =
        vec![("hostname".to_owned(), record.hostname.clone()), ("clear_agent_state".to_owned(), (!is_registered).to_string())];
    parameters.extend(view.cluster_of(record).map(|cluster| ("cluster".to_owned(), cluster.to_string())));
    Some(CommandRequest {
        nonce: format!("reconnect-{}-{}", record.id, record.agent_silent_since?.as_second()),
        kind: CommandKind::Reconnect,
        host: record.ec2_instance_id.clone()?,
        parameters,
        timeout_seconds: 120,
    })
}

/// What every run of scripts is told: whom it is about, and of the stack around it.
pub(crate) fn for_scripts(record: &Instance, snapshot: Option<String>) -> Vec<(String, String)> {
    let own = [("hostname", record.hostname.clone()), ("instance_id", record.id.to_string())];
    let own = own.into_iter().chain(snapshot.map(|snapshot| ("snapshot", snapshot)));
    own.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The nonce of a Setup run of a start.
pub(super) fn setup_nonce(record: &Instance) -> String {
    format!("setup-{}", record.launch_token())
}

/// The nonce of the Shutdown event of a stop.
pub(super) fn shutdown_nonce(record: &Instance) -> String {
    format!("shutdown-{}-{}", record.id, record.status_sequence)
}

/// The Shutdown event of a stop.
pub(super) fn shutdown_request(view: &StackView, record: &Instance, snapshot: Option<String>) -> Option<CommandRequest> {
    let timeout = view.layers_of(record).map(|layer| layer.shutdown.execution_timeout_seconds).max();
    Some(CommandRequest {
        nonce: shutdown_nonce(record),
        kind: CommandKind::Shutdown,
        host: record.ec2_instance_id.clone()?,
        parameters: for_scripts(record, snapshot),
        timeout_seconds: timeout.unwrap_or(120),
    })
}
