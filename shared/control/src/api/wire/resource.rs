//! Volume, ElasticIp, ElasticLoadBalancer.

use strata_domain::model::{ElasticIp, LayerLoadBalancer, RegisteredVolume, VolumeFacts};
use strata_ports::LoadBalancerView;

use super::shape;

shape! {
    /// An element of DescribeVolumes [RES-10].
    VolumeShape<'a> {
        /// The uuid under which the volume is registered; the other volume actions take this id.
        volume_id: &'a str,
        /// The id that EC2 knows it by, `vol-...`.
        ec2_volume_id: &'a str,
        /// EC2's volume state: `creating`, `available`, `in-use`, `deleting`, `deleted` or `error`.
        status: &'a str,
        /// The size in GiB.
        size: u32,
        /// The region.
        region: &'a str,
        /// The zone.
        availability_zone: &'a str,
        /// The volume type, for example `gp2`.
        volume_type: &'a str,
        /// Whether it is encrypted.
        encrypted: bool,
    } unless_absent {
        /// Its name.
        name: &'a str,
        /// The RAID array that it is part of; none ever is.
        raid_array_id: &'a str,
        /// The instance that it is assigned to.
        instance_id: &'a str,
        /// The device name.
        device: &'a str,
        /// Where it is mounted.
        mount_point: &'a str,
        /// IO operations per second, where the type has them.
        iops: u32,
    }
}

impl<'a> VolumeShape<'a> {
    /// `facts` and `device` are EC2's of now, or as they were last seen.
    pub(crate) fn of(volume: &'a RegisteredVolume, region: &'a str, facts: &'a VolumeFacts, device: Option<&'a str>) -> Self {
        Self {
            volume_id: volume.id.as_str(),
            ec2_volume_id: &volume.ec2_volume_id,
            status: &facts.state,
            size: facts.size,
            region,
            availability_zone: &facts.zone,
            volume_type: &facts.volume_type,
            encrypted: facts.encrypted,
            name: volume.name.as_deref(),
            raid_array_id: None,
            instance_id: volume.instance_id.as_ref().map(|id| id.as_str()),
            device: device.or(volume.device.as_deref()),
            mount_point: volume.mount_point.as_deref(),
            iops: facts.iops,
        }
    }
}

shape! {
    /// An element of DescribeElasticIps [EIP-18].
    ElasticIpShape<'a> {
        /// The address.
        ip: &'a str,
        /// `vpc` or `standard`.
        domain: &'a str,
        /// The region.
        region: &'a str,
    } unless_absent {
        /// Its name.
        name: &'a str,
        /// The instance that it is associated with.
        instance_id: &'a str,
    }
}

impl<'a> ElasticIpShape<'a> {
    pub(crate) fn of(address: &'a ElasticIp, region: &'a str) -> Self {
        Self {
            ip: &address.ip,
            domain: &address.domain,
            region,
            name: address.name.as_deref(),
            instance_id: address.instance_id.as_ref().map(|id| id.as_str()),
        }
    }
}

shape! {
    /// An element of DescribeElasticLoadBalancers, as ELB describes it now [ELB-11].
    ElasticLoadBalancerShape<'a> {
        /// Its name.
        elastic_load_balancer_name: &'a str,
        /// The region.
        region: &'a str,
        /// The stack of the layer that it is attached to.
        stack_id: &'a str,
        /// The layer that it is attached to.
        layer_id: &'a str,
        /// The zones that it serves.
        availability_zones: &'a [String],
        /// The subnets that it stands in.
        subnet_ids: &'a [String],
        /// The EC2 instances that are registered with it.
        ec2_instance_ids: Vec<&'a str>,
    } unless_absent {
        /// Its DNS name.
        dns_name: &'a str,
        /// Its VPC.
        vpc_id: &'a str,
    }
}

impl<'a> ElasticLoadBalancerShape<'a> {
    /// `live` is missing when ELB does not know it any more.
    pub(crate) fn of(attached: &'a LayerLoadBalancer, region: &'a str, live: Option<&'a LoadBalancerView>) -> Self {
        Self {
            elastic_load_balancer_name: &attached.name,
            region,
            stack_id: attached.stack_id.as_str(),
            layer_id: attached.layer_id.as_str(),
            availability_zones: live.map_or(&[], |view| &view.zones),
            subnet_ids: live.map_or(&[], |view| &view.subnet_ids),
            ec2_instance_ids: live.into_iter().flat_map(|view| view.hosts.iter().map(|id| id.as_str())).collect(),
            dns_name: live.map(|view| view.dns_name.as_str()),
            vpc_id: live.and_then(|view| view.vpc_id.as_deref()),
        }
    }
}
