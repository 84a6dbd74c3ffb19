//! Ports that a function has no use for: so that it neither links a service's client nor has a right to its calls.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_domain::decision::Page;
use strata_domain::tags::Tags;
use strata_domain::{ClusterArn, Ec2InstanceId, LayerId};

use crate::alarms::{AlarmObservation, AlarmSpec};
use crate::identity::{IamDecision, InstanceIdentity, RoleCheck};
use crate::{
    Alarms, Attachments, BalancerHosts, CloudError, Identity, ItemResult, LoadBalancerView, LoadBalancers, NewVolume, Objects,
    Pager, StackScope, TemplateSpec, Upkeep,
};

/// Refuses every call. One that is made nevertheless says that the function was wired wrongly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Absent;

fn refused<T>(action: &'static str) -> Result<T, CloudError> {
    let why = "this function has no client for it; its main wires none".to_owned();
    Err(CloudError::Wrong { action, code: "NotWired".to_owned(), why })
}

#[async_trait]
impl Pager for Absent {
    async fn publish(&self, _: &Page) -> Result<(), CloudError> {
        refused("sns:Publish")
    }
}

#[async_trait]
impl Identity for Absent {
    async fn decide(&self, _: &str, _: &str, _: &str) -> Result<IamDecision, CloudError> {
        refused("iam:SimulatePrincipalPolicy")
    }
    async fn check_role(&self, _: &str, _: &[&str], _: Option<&ClusterArn>) -> Result<RoleCheck, CloudError> {
        refused("sts:AssumeRole")
    }
    async fn verify_instance(&self, _: &str, _: &str) -> Result<Option<InstanceIdentity>, CloudError> {
        refused("instance identity")
    }
}

#[async_trait]
impl LoadBalancers for Absent {
    async fn tags(&self, _: &StackScope, _: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        refused("elasticloadbalancing:DescribeTags")
    }
    async fn change_tags(&self, _: &StackScope, _: &str, _: &Tags, _: &BTreeSet<String>) -> Result<(), CloudError> {
        refused("elasticloadbalancing:AddTags")
    }
    async fn describe(&self, _: &StackScope, _: &[String]) -> Result<Vec<LoadBalancerView>, CloudError> {
        refused("elasticloadbalancing:DescribeLoadBalancers")
    }
    async fn hosts(&self, _: &StackScope, _: &str, _: &[Ec2InstanceId]) -> Result<Option<BalancerHosts>, CloudError> {
        refused("elasticloadbalancing:DescribeInstanceHealth")
    }
    async fn register(&self, _: &StackScope, _: &str, _: &[Ec2InstanceId]) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        refused("elasticloadbalancing:RegisterInstancesWithLoadBalancer")
    }
    async fn deregister(
        &self,
        _: &StackScope,
        _: &str,
        _: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        refused("elasticloadbalancing:DeregisterInstancesFromLoadBalancer")
    }
    async fn drain_time(&self, _: &StackScope, _: &str) -> Result<SignedDuration, CloudError> {
        refused("elasticloadbalancing:DescribeLoadBalancerAttributes")
    }
    async fn add_subnets(&self, _: &StackScope, _: &str, _: &[String]) -> Result<(), CloudError> {
        refused("elasticloadbalancing:AttachLoadBalancerToSubnets")
    }
}

#[async_trait]
impl Attachments for Absent {
    async fn make_volume(&self, _: &StackScope, _: &NewVolume) -> Result<String, CloudError> {
        refused("ec2:CreateVolume")
    }
    async fn attach_volume(&self, _: &StackScope, _: &str, _: &Ec2InstanceId, _: &str) -> Result<(), CloudError> {
        refused("ec2:AttachVolume")
    }
    async fn detach_volume(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        refused("ec2:DetachVolume")
    }
    async fn associate_address(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        refused("ec2:AssociateAddress")
    }
    async fn disassociate_address(&self, _: &StackScope, _: &str, _: &Ec2InstanceId) -> Result<(), CloudError> {
        refused("ec2:DisassociateAddress")
    }
    async fn allocated_for(&self, _: &StackScope, _: &str) -> Result<Vec<String>, CloudError> {
        refused("ec2:DescribeAddresses")
    }
    async fn allocate_address(&self, _: &StackScope, _: &str) -> Result<String, CloudError> {
        refused("ec2:AllocateAddress")
    }
    async fn release_address(&self, _: &StackScope, _: &str) -> Result<(), CloudError> {
        refused("ec2:ReleaseAddress")
    }
}

#[async_trait]
impl Upkeep for Absent {
    async fn put_template(&self, _: &StackScope, _: &TemplateSpec) -> Result<(), CloudError> {
        refused("ec2:CreateLaunchTemplate")
    }
    async fn delete_template(&self, _: &StackScope, _: &str) -> Result<(), CloudError> {
        refused("ec2:DeleteLaunchTemplate")
    }
    async fn break_glass_hosts(&self, _: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError> {
        refused("ec2:DescribeInstances")
    }
    async fn tags(&self, _: &StackScope, _: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        refused("ec2:DescribeTags")
    }
    async fn change_tags(
        &self,
        _: &StackScope,
        _: &[String],
        _: &Tags,
        _: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        refused("ec2:CreateTags")
    }
}

#[async_trait]
impl Alarms for Absent {
    async fn put(&self, _: &StackScope, _: &[AlarmSpec]) -> Result<(), CloudError> {
        refused("cloudwatch:PutMetricAlarm")
    }
    async fn delete(&self, _: &StackScope, _: &[String]) -> Result<(), CloudError> {
        refused("cloudwatch:DeleteAlarms")
    }
    async fn describe(&self, _: &StackScope, _: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        refused("cloudwatch:DescribeAlarms")
    }
}

#[async_trait]
impl Objects for Absent {
    async fn put(&self, _: &str, _: Bytes, _: &str) -> Result<(), CloudError> {
        refused("s3:PutObject")
    }
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CloudError> {
        refused("s3:GetObject")
    }
    async fn delete(&self, _: &str) -> Result<(), CloudError> {
        refused("s3:DeleteObject")
    }
    async fn link(&self, _: &str, _: SignedDuration) -> Result<String, CloudError> {
        refused("s3:GetObject")
    }
}
