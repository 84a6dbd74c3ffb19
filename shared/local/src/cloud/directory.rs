//! The Inventory and Identity ports: what the account has, and who may do what.

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use strata_domain::{ClusterArn, Ec2InstanceId};
use strata_ports::inventory::Platform;
use strata_ports::{
    AddressView, CloudError, HostView, IamDecision, Identity, ImageView, InstanceIdentity, Inventory, RoleCheck,
    SecurityGroupView, StackScope, VolumeView, VpcView,
};

use super::account::DEFAULT_VPC;
use super::ec2::{Host, SsmAgent};
use super::{Latency, SimCloud};

#[async_trait]
impl Inventory for SimCloud {
    async fn vpc(&self, _: &StackScope, id: Option<&str>) -> Result<Option<VpcView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeVpcs", 1)?;
            Ok(s.vpc(id))
        })
        .await
    }

    async fn security_groups(&self, _: &StackScope, ids: &[String]) -> Result<Vec<SecurityGroupView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeSecurityGroups", 1)?;
            Ok(ids.iter().filter_map(|id| s.account.security_group(id)).collect())
        })
        .await
    }

    async fn key_pairs(&self, _: &StackScope, names: &[String]) -> Result<Vec<String>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeKeyPairs", 1)?;
            Ok(names.iter().filter(|name| s.account.has_key_pair(name)).cloned().collect())
        })
        .await
    }

    async fn images(&self, _: &StackScope, ids: &[String]) -> Result<Vec<ImageView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeImages", 1)?;
            Ok(ids.iter().filter_map(|id| s.account.image(id)).collect())
        })
        .await
    }

    async fn volumes(&self, _: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeVolumes", 1)?;
            Ok(ids.iter().filter(|id| s.shows_volume(id)).filter_map(|id| s.volume(id)).collect())
        })
        .await
    }

    async fn volumes_of(&self, _: &StackScope, host: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeVolumes", 1)?;
            Ok(s.volumes_of(host))
        })
        .await
    }

    async fn addresses(&self, _: &StackScope, ips: &[String]) -> Result<Vec<AddressView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeAddresses", 1)?;
            Ok(ips.iter().filter_map(|ip| s.account.address(ip)).collect())
        })
        .await
    }

    async fn addresses_of(&self, _: &StackScope, host: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeAddresses", 1)?;
            let of_host = s.account.addresses.iter().filter(|(_, of)| of.as_ref() == Some(host));
            Ok(of_host.filter_map(|(ip, _)| s.account.address(ip)).collect())
        })
        .await
    }

    async fn hosts(&self, _: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeInstances", 1)?;
            let hosts = ids.iter().filter_map(|id| s.visible_host(id)).filter_map(|no| s.ec2.hosts.get(&no));
            Ok(hosts.map(host_view).collect())
        })
        .await
    }
}

fn host_view(host: &Host) -> HostView {
    let (shown, own) = (host.describe(), host.own.as_ref());
    HostView {
        id: host.id.clone(),
        state: host.state,
        vpc_id: own.map_or(DEFAULT_VPC, |o| &o.vpc_id).to_owned(),
        subnet_id: host.spec.subnet_id.clone(),
        zone: host.spec.availability_zone.clone(),
        instance_type: host.spec.instance_type.clone(),
        root_device_type: own.map_or("ebs", |o| &o.root_device_type).to_owned(),
        architecture: own.map_or("x86_64", |o| &o.architecture).to_owned(),
        image_id: host.spec.ami_id.clone(),
        platform: own.map_or_else(|| launched_platform(host), |o| o.platform.clone()),
        key_name: own.and_then(|o| o.key_name.clone()),
        private_ip: shown.private_ip,
        public_ip: shown.public_ip,
        is_spot: own.is_some_and(|o| o.is_spot),
        auto_scaling_group: own.and_then(|o| o.auto_scaling_group.clone()),
        installation: own.and_then(|o| o.installation.clone()),
    }
}

/// What the SSM agent of a launched machine says, by the Os that it was launched with.
fn launched_platform(host: &Host) -> Option<Platform> {
    let os = host.spec.os.strip_suffix(" LTS").unwrap_or(&host.spec.os);
    let (name, version) = os.rsplit_once(' ').filter(|_| host.ssm != SsmAgent::Never)?;
    Some(Platform { name: name.to_owned(), version: version.to_owned() })
}

#[async_trait]
impl Identity for SimCloud {
    async fn decide(&self, principal: &str, action: &str, resource: &str) -> Result<IamDecision, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("iam:SimulatePrincipalPolicy", 1)?;
            Ok(s.account.decide(principal, action, resource))
        })
        .await
    }

    async fn check_role(&self, role_arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> Result<RoleCheck, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("sts:AssumeRole", 1)?;
            Ok(s.account.check_role(role_arn, actions, cluster))
        })
        .await
    }

    async fn verify_instance(&self, document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError> {
        if signature != SimCloud::sign_identity(document) {
            return Ok(None);
        }
        let json: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let member = |name: &str| json.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        Ok((|| {
            Some(InstanceIdentity {
                host: Ec2InstanceId::from(member("instanceId")?),
                region: member("region")?,
                account: member("accountId")?,
            })
        })())
    }
}

impl SimCloud {
    /// The signature that this cloud's metadata service would give for an instance identity document. It proves nothing to anybody
    /// outside the simulation.
    pub fn sign_identity(document: &str) -> String {
        let digest = Sha256::digest(format!("simulated instance identity: {document}"));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
