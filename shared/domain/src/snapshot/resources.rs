//! Each kind of resource as scripts see it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ClusterArn;
use crate::model::{Instance, Layer, RegisteredVolume, Stack};
use crate::users::HostUser;

/// One for each registered cluster: ARN and name, nothing else [ECS-110].
pub(super) fn ecs_clusters(layers: &[&Layer]) -> Vec<Value> {
    let clusters: BTreeSet<&ClusterArn> = layers.iter().filter_map(|layer| layer.cluster.as_ref()).collect();
    let name = |arn: &ClusterArn| arn.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    clusters.into_iter().map(|arn| json!({ "ecs_cluster_arn": arn, "ecs_cluster_name": name(arn) })).collect()
}

/// `type` is always `custom`: a layer that stands for a cluster is known by its ARN [ECS-111].
pub(super) fn layer(layer: &Layer) -> Value {
    let volumes = layer.volume_configurations.iter().map(|v| {
        json!({
            "mount_point": v.mount_point,
            "number_of_disks": v.number_of_disks,
            "raid_level": null,
            "size": v.size,
            "volume_type": v.volume_type,
            "iops": v.iops,
            "encrypted": v.encrypted,
        })
    });
    let mut all = json!({
        "layer_id": layer.id,
        "name": layer.name,
        "packages": layer.packages,
        "shortname": layer.shortname,
        "type": "custom",
        "volume_configurations": volumes.collect::<Vec<_>>(),
    });
    if let Some(cluster) = &layer.cluster {
        all["ecs_cluster_arn"] = json!(cluster);
    }
    all
}

pub(super) fn instance(one: &Instance) -> Value {
    json!({
        "ami_id": one.ami_id,
        "architecture": one.architecture,
        "auto_scaling_type": one.scaling.as_wire(),
        "availability_zone": one.availability_zone,
        "created_at": one.created_at,
        "ebs_optimized": one.ebs_optimized,
        "ec2_instance_id": one.ec2_instance_id,
        "elastic_ip": one.elastic_ip,
        "hostname": one.hostname,
        "instance_id": one.id,
        "instance_type": one.instance_type,
        "layer_ids": one.layer_ids,
        "os": one.os,
        "private_ip": one.private_ip,
        "public_ip": one.public_ip,
        "root_device_type": one.root_device_type.as_str(),
        "status": one.status.to_string(),
        "subnet_id": one.subnet_id,
        "virtualization_type": one.virtualization_type,
    })
}

pub(super) fn load_balancers(all: &[(&str, &str)]) -> Vec<Value> {
    all.iter().map(|(layer, name)| json!({ "elastic_load_balancer_name": name, "layer_id": layer })).collect()
}

/// Where cookbooks come from is in it, and what they are fetched with is not.
pub(super) fn stack(one: &Stack) -> Value {
    let source = one.custom_cookbooks_source.as_ref();
    json!({
        "arn": one.arn(),
        "custom_cookbooks_source": source.map(|s| json!({ "type": s.source_type, "url": s.url, "revision": s.revision })),
        "name": one.name,
        "region": one.region,
        "stack_id": one.id,
        "use_custom_cookbooks": one.use_custom_cookbooks,
        "vpc_id": one.vpc_id,
    })
}

pub(super) fn user(one: &HostUser) -> Value {
    json!({
        "administrator_privileges": one.sudo,
        "remote_access": true,
        "unix_user_id": one.uid,
        "username": one.name,
    })
}

pub(super) fn volume(one: &RegisteredVolume) -> Value {
    json!({
        "availability_zone": one.facts.zone,
        "device": one.device,
        "ec2_volume_id": one.ec2_volume_id,
        "encrypted": one.facts.encrypted,
        "instance_id": one.instance_id,
        "iops": one.facts.iops,
        "mount_point": one.mount_point,
        "name": one.name,
        "size": one.facts.size,
        "volume_id": one.id,
        "volume_type": one.facts.volume_type,
    })
}
