//! Setting the world up: through the OpsWorks API, by the SDK, as a person would.

use aws_sdk_opsworks::Client;
use aws_sdk_opsworks::types::{
    AutoScalingThresholds, AutoScalingType, LayerAttributesKeys, LayerType, LifecycleEventConfiguration, RootDeviceType,
    ShutdownEventConfiguration, VolumeConfiguration, WeeklyAutoScalingSchedule,
};
use std::collections::HashMap;

use strata_domain::{ClusterArn, InstanceId, LayerId, ScalingType, StackId};

use crate::CliError;
use crate::sim::scenario::{LayerSpec, Member, RootDevice, Schedule, Thresholds, World};

/// A layer of the scenario, as it was created.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// Its stack.
    pub(crate) stack: StackId,
    /// The layer.
    pub(crate) layer: LayerId,
    /// Its cluster.
    pub(crate) cluster: ClusterArn,
    /// Its instances with what the scenario says of them, in order of creation.
    pub(crate) members: Vec<(InstanceId, Member)>,
}

/// The subnet that the default VPC has in a zone: the zone's place among the zones counts.
pub(crate) fn subnet_of(zones: &[String], zone: &str) -> String {
    let place = zones.iter().position(|z| z == zone).unwrap_or(0);
    format!("subnet-{place:08x}")
}

/// The ARN of a cluster of this account.
pub(crate) fn cluster_arn(region: &str, name: &str) -> ClusterArn {
    ClusterArn::from(format!("arn:aws:ecs:{region}:{ACCOUNT}:cluster/{name}"))
}

/// The simulated account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Creates stack, layer and instances, sets schedules and thresholds, and starts the 24/7 instances.
///
/// # Errors
/// Failed: the API said no, which is a mistake of the scenario's or of ours; its text is kept.
pub(crate) async fn build(user: &Client, world: &World, spec: &LayerSpec) -> Result<Built, CliError> {
    let stack = create_stack(user, world, spec).await?;
    let cluster = cluster_arn(&world.region, &spec.cluster);
    user.register_ecs_cluster()
        .ecs_cluster_arn(cluster.as_str())
        .stack_id(stack.as_str())
        .send()
        .await
        .map_err(|e| refused("RegisterEcsCluster", e))?;
    let layer = create_layer(user, spec, &stack, &cluster).await?;
    if spec.load_balancer {
        let attach = user.attach_elastic_load_balancer().elastic_load_balancer_name(&spec.stack).layer_id(layer.as_str());
        attach.send().await.map_err(|e| refused("AttachElasticLoadBalancer", e))?;
    }
    let mut members = Vec::new();
    for member in spec.members(&world.zones) {
        let id = create_instance(user, spec, (&stack, &layer), &subnet_of(&world.zones, &member.zone), &member).await?;
        members.push((id, member));
    }
    if let Some(scaling) = &spec.load_scaling {
        user.set_load_based_auto_scaling()
            .layer_id(layer.as_str())
            .enable(scaling.enabled)
            .up_scaling(thresholds(&scaling.up))
            .down_scaling(thresholds(&scaling.down))
            .send()
            .await
            .map_err(|e| refused("SetLoadBasedAutoScaling", e))?;
    }
    for (id, _) in members.iter().filter(|(_, m)| m.scaling == ScalingType::AlwaysOn) {
        user.start_instance().instance_id(id.as_str()).send().await.map_err(|e| refused("StartInstance", e))?;
    }
    Ok(Built { stack, layer, cluster, members })
}

async fn create_stack(user: &Client, world: &World, spec: &LayerSpec) -> Result<StackId, CliError> {
    let reply = user
        .create_stack()
        .name(&spec.stack)
        .region(&world.region)
        .service_role_arn(format!("arn:aws:iam::{ACCOUNT}:role/aws-opsworks-service-role"))
        .default_instance_profile_arn(format!("arn:aws:iam::{ACCOUNT}:instance-profile/aws-opsworks-ec2-role-with-ecs"))
        .default_os("Amazon Linux 2023")
        .send()
        .await
        .map_err(|e| refused("CreateStack", e))?;
    Ok(StackId::from(reply.stack_id().unwrap_or_default()))
}

async fn create_layer(user: &Client, spec: &LayerSpec, stack: &StackId, cluster: &ClusterArn) -> Result<LayerId, CliError> {
    let shutdown = ShutdownEventConfiguration::builder()
        .execution_timeout(i32::try_from(spec.shutdown_timeout_seconds).unwrap_or(i32::MAX))
        .build();
    let volume = |gib| {
        let volume = VolumeConfiguration::builder().mount_point("/data").number_of_disks(1);
        volume.size(i32::try_from(gib).unwrap_or(i32::MAX)).build()
    };
    let volumes = spec.volume_gib.map(|gib| volume(gib).map(|volume| vec![volume])).transpose();
    let volumes = volumes.map_err(|error| CliError::Failed(error.into()))?;
    let reply = user
        .create_layer()
        .stack_id(stack.as_str())
        .r#type(LayerType::EcsCluster)
        .name(&spec.name)
        .shortname("ecs-cluster")
        .attributes(LayerAttributesKeys::EcsClusterArn, cluster.as_str())
        .enable_auto_healing(spec.auto_healing)
        .auto_assign_elastic_ips(spec.elastic_ips)
        .set_volume_configurations(volumes)
        .set_custom_json(spec.custom_json())
        .lifecycle_event_configuration(LifecycleEventConfiguration::builder().shutdown(shutdown).build())
        .send()
        .await
        .map_err(|e| refused("CreateLayer", e))?;
    Ok(LayerId::from(reply.layer_id().unwrap_or_default()))
}

async fn create_instance(
    user: &Client,
    spec: &LayerSpec,
    (stack, layer): (&StackId, &LayerId),
    subnet: &str,
    member: &Member,
) -> Result<InstanceId, CliError> {
    let root = match spec.root_device {
        RootDevice::Ebs => RootDeviceType::Ebs,
        RootDevice::InstanceStore => RootDeviceType::InstanceStore,
    };
    let reply = user
        .create_instance()
        .stack_id(stack.as_str())
        .layer_ids(layer.as_str())
        .instance_type(&spec.instance_type)
        .hostname(&member.hostname)
        .subnet_id(subnet)
        .root_device_type(root)
        .set_auto_scaling_type(member.scaling.as_wire().map(AutoScalingType::from))
        .send()
        .await
        .map_err(|e| refused("CreateInstance", e))?;
    let id = InstanceId::from(reply.instance_id().unwrap_or_default());
    if let Some(schedule) = &member.schedule {
        user.set_time_based_auto_scaling()
            .instance_id(id.as_str())
            .auto_scaling_schedule(weekly(schedule))
            .send()
            .await
            .map_err(|e| refused("SetTimeBasedAutoScaling", e))?;
    }
    Ok(id)
}

// The SDK takes hash maps; their order does not reach the API, which reads a map.
fn weekly(schedule: &Schedule) -> WeeklyAutoScalingSchedule {
    let day = |place: usize| -> Option<HashMap<String, String>> {
        Some(schedule.hours_on(place).map(|hour| (hour.to_string(), "on".to_owned())).collect())
    };
    WeeklyAutoScalingSchedule::builder()
        .set_monday(day(0))
        .set_tuesday(day(1))
        .set_wednesday(day(2))
        .set_thursday(day(3))
        .set_friday(day(4))
        .set_saturday(day(5))
        .set_sunday(day(6))
        .build()
}

fn thresholds(spec: &Thresholds) -> AutoScalingThresholds {
    let whole = |n: Option<u32>| n.map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    AutoScalingThresholds::builder()
        .set_instance_count(whole(spec.instances))
        .set_thresholds_wait_time(whole(spec.wait_minutes))
        .set_ignore_metrics_time(whole(spec.ignore_minutes))
        .set_cpu_threshold(spec.cpu)
        .set_memory_threshold(spec.memory)
        .set_load_threshold(spec.load)
        .build()
}

fn refused<E, R>(action: &'static str, error: aws_sdk_opsworks::error::SdkError<E, R>) -> CliError
where
    E: aws_sdk_opsworks::error::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    CliError::Failed(anyhow::anyhow!("setting the world up: {}", strata_fleet::sort(action, error)))
}
