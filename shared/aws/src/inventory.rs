//! What the account has, by EC2; what runs on its machines, by SSM.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Address, Filter, Image, Instance, InstanceLifecycleType, Subnet, Volume};
use aws_sdk_ssm::types::InstanceInformationStringFilter;
use strata_domain::Ec2InstanceId;
use strata_ports::inventory::Platform;
use strata_ports::{
    AddressView, CloudError, HostView, ImageView, Inventory, SecurityGroupView, StackScope, SubnetView, VolumeView, VpcView,
};

use crate::compute::{clients, describe};
use crate::error::{Effect, sort};
use crate::filters::{PER_PAGE, filter, filters};
use crate::own_in_region::OwnSsm;
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

/// Hosts in one DescribeInstanceInformation call, which is also its largest page.
const PER_INFORMATION_CALL: usize = 50;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "vpc", role: Role::Stack, actions: &["ec2:DescribeSubnets", "ec2:DescribeVpcs"] },
    Uses { method: "security_groups", role: Role::Stack, actions: &["ec2:DescribeSecurityGroups"] },
    Uses { method: "key_pairs", role: Role::Stack, actions: &["ec2:DescribeKeyPairs"] },
    Uses { method: "images", role: Role::Stack, actions: &["ec2:DescribeImages"] },
    Uses { method: "volumes", role: Role::Stack, actions: &["ec2:DescribeInstances", "ec2:DescribeVolumes"] },
    Uses { method: "volumes_of", role: Role::Stack, actions: &["ec2:DescribeInstances", "ec2:DescribeVolumes"] },
    Uses { method: "addresses", role: Role::Stack, actions: &["ec2:DescribeAddresses"] },
    Uses { method: "addresses_of", role: Role::Stack, actions: &["ec2:DescribeAddresses"] },
    Uses { method: "hosts", role: Role::Stack, actions: &["ec2:DescribeInstances"] },
    Uses { method: "hosts", role: Role::Function, actions: &["ssm:DescribeInstanceInformation"] },
];

/// EC2 under the stack's service role, SSM under the function's own.
pub struct Ec2Inventory {
    clients: PerStack<Client>,
    ssm: OwnSsm,
}

impl Ec2Inventory {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self { clients: clients(base), ssm: OwnSsm::new(base) }
    }

    /// What the SSM agents of these hosts say that they run on.
    async fn platforms(&self, region: &str, hosts: &[&str]) -> Result<BTreeMap<String, Platform>, CloudError> {
        let client = self.ssm.in_region(region);
        let mut found = BTreeMap::new();
        for chunk in hosts.chunks(PER_INFORMATION_CALL) {
            let values = chunk.iter().map(|id| (*id).to_owned()).collect();
            let of_hosts = InstanceInformationStringFilter::builder().key("InstanceIds").set_values(Some(values)).build();
            let of_hosts = of_hosts.map_err(|error| CloudError::Wrong {
                action: "ssm:DescribeInstanceInformation",
                code: "ValidationError".to_owned(),
                why: error.to_string(),
            })?;
            let request = client.describe_instance_information().filters(of_hosts).max_results(50);
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| sort("ssm:DescribeInstanceInformation", Effect::Read, error))?;
                found.extend(page.instance_information_list().iter().filter_map(|seen| {
                    let platform =
                        Platform { name: seen.platform_name()?.to_owned(), version: seen.platform_version()?.to_owned() };
                    Some((seen.instance_id()?.to_owned(), platform))
                }));
            }
        }
        Ok(found)
    }
}

/// A VPC's subnets, the first zone's first; of a default VPC only those that EC2 itself would take.
async fn subnets(client: &Client, vpc_id: &str, is_default: bool) -> Result<Vec<SubnetView>, CloudError> {
    let mut wanted = vec![filter("vpc-id", [vpc_id])];
    wanted.extend(is_default.then(|| filter("default-for-az", ["true"])));
    let mut pages = client.describe_subnets().set_filters(Some(wanted)).max_results(PER_PAGE).into_paginator().send();
    let mut found: Vec<Subnet> = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| sort("ec2:DescribeSubnets", Effect::Read, error))?;
        found.extend(page.subnets.unwrap_or_default());
    }
    let view = |s: &Subnet| Some(SubnetView { id: s.subnet_id()?.to_owned(), zone: s.availability_zone()?.to_owned() });
    let mut views: Vec<SubnetView> = found.iter().filter_map(view).collect();
    views.sort_by(|a, b| (&a.zone, &a.id).cmp(&(&b.zone, &b.id)));
    Ok(views)
}

/// Volumes that pass a filter. Whether one is a root volume only its host can say.
async fn volumes(client: &Client, wanted: Vec<Filter>) -> Result<Vec<VolumeView>, CloudError> {
    let mut found: Vec<Volume> = Vec::new();
    for one in wanted {
        let mut pages = client.describe_volumes().filters(one).max_results(PER_PAGE).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| sort("ec2:DescribeVolumes", Effect::Read, error))?;
            found.extend(page.volumes.unwrap_or_default());
        }
    }
    let hosts: BTreeSet<Ec2InstanceId> =
        found.iter().flat_map(Volume::attachments).filter_map(|a| a.instance_id()).map(Ec2InstanceId::from).collect();
    let hosts = describe::by_id(client, &hosts.into_iter().collect::<Vec<_>>()).await?;
    let roots = hosts.iter().filter_map(|h| Some((h.instance_id()?, h.root_device_name()?))).collect();
    Ok(found.iter().filter_map(|volume| volume_view(volume, &roots)).collect())
}

fn volume_view(volume: &Volume, roots: &BTreeSet<(&str, &str)>) -> Option<VolumeView> {
    let attachment = volume.attachments().first();
    let at = attachment.and_then(|a| Some((a.instance_id()?, a.device()?)));
    let name = volume.tags().iter().find(|tag| tag.key() == Some("Name")).and_then(|tag| tag.value());
    Some(VolumeView {
        id: volume.volume_id()?.to_owned(),
        state: volume.state()?.as_str().to_owned(),
        size: volume.size().and_then(|size| u32::try_from(size).ok())?,
        volume_type: volume.volume_type()?.as_str().to_owned(),
        iops: volume.iops().and_then(|iops| u32::try_from(iops).ok()),
        zone: volume.availability_zone()?.to_owned(),
        encrypted: volume.encrypted().unwrap_or_default(),
        host: attachment.and_then(|a| a.instance_id()).map(Ec2InstanceId::from),
        device: attachment.and_then(|a| a.device()).map(str::to_owned),
        is_root: at.is_some_and(|at| roots.contains(&at)),
        name: name.filter(|name| !name.is_empty()).map(str::to_owned),
    })
}

/// Addresses that pass a filter; EC2 gives them all in one answer.
async fn addresses(client: &Client, wanted: Vec<Filter>) -> Result<Vec<AddressView>, CloudError> {
    let mut found = Vec::new();
    for one in wanted {
        let answer = client.describe_addresses().filters(one).send().await;
        let answer = answer.map_err(|error| sort("ec2:DescribeAddresses", Effect::Read, error))?;
        found.extend(answer.addresses().iter().filter_map(address_view));
    }
    Ok(found)
}

fn address_view(address: &Address) -> Option<AddressView> {
    Some(AddressView {
        ip: address.public_ip()?.to_owned(),
        domain: address.domain().map_or("vpc", |domain| domain.as_str()).to_owned(),
        host: address.instance_id().filter(|id| !id.is_empty()).map(Ec2InstanceId::from),
    })
}

fn image_view(image: &Image) -> Option<ImageView> {
    Some(ImageView {
        id: image.image_id()?.to_owned(),
        name: image.name().unwrap_or_default().to_owned(),
        owner_alias: image.image_owner_alias().filter(|alias| *alias != "self" && !alias.is_empty()).map(str::to_owned),
    })
}

fn host_view(host: &Instance, platform: Option<&Platform>) -> Option<HostView> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let tag = |key: &str| host.tags().iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value()).map(str::to_owned);
    Some(HostView {
        id: Ec2InstanceId::from(host.instance_id()?),
        state: describe::state(host)?,
        vpc_id: text(host.vpc_id()),
        subnet_id: text(host.subnet_id()),
        zone: text(host.placement().and_then(|placement| placement.availability_zone())),
        instance_type: text(host.instance_type().map(|kind| kind.as_str())),
        root_device_type: text(host.root_device_type().map(|kind| kind.as_str())),
        architecture: text(host.architecture().map(|kind| kind.as_str())),
        image_id: host.image_id().map(str::to_owned),
        platform: platform.cloned(),
        key_name: host.key_name().filter(|name| !name.is_empty()).map(str::to_owned),
        private_ip: host.private_ip_address().map(str::to_owned),
        public_ip: host.public_ip_address().map(str::to_owned),
        is_spot: host.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        auto_scaling_group: tag("aws:autoscaling:groupName"),
        installation: tag("strata:installation"),
    })
}

#[async_trait]
impl Inventory for Ec2Inventory {
    async fn vpc(&self, scope: &StackScope, id: Option<&str>) -> Result<Option<VpcView>, CloudError> {
        let client = self.clients.client(scope);
        let wanted = id.map_or_else(|| filter("is-default", ["true"]), |id| filter("vpc-id", [id]));
        let answer = client.describe_vpcs().filters(wanted).send().await;
        let answer = answer.map_err(|error| sort("ec2:DescribeVpcs", Effect::Read, error))?;
        let Some((vpc, id)) = answer.vpcs().iter().find_map(|vpc| Some((vpc, vpc.vpc_id()?))) else { return Ok(None) };
        let is_default = vpc.is_default().unwrap_or_default();
        Ok(Some(VpcView { id: id.to_owned(), is_default, subnets: subnets(&client, id, is_default).await? }))
    }

    async fn security_groups(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<SecurityGroupView>, CloudError> {
        let client = self.clients.client(scope);
        let mut found = Vec::new();
        for one in filters("group-id", ids) {
            let mut pages = client.describe_security_groups().filters(one).max_results(PER_PAGE).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| sort("ec2:DescribeSecurityGroups", Effect::Read, error))?;
                found.extend(page.security_groups().iter().filter_map(|group| {
                    let vpc_id = group.vpc_id().unwrap_or_default().to_owned();
                    Some(SecurityGroupView { id: group.group_id()?.to_owned(), vpc_id })
                }));
            }
        }
        Ok(found)
    }

    async fn key_pairs(&self, scope: &StackScope, names: &[String]) -> Result<Vec<String>, CloudError> {
        let client = self.clients.client(scope);
        let mut found = Vec::new();
        for one in filters("key-name", names) {
            let answer = client.describe_key_pairs().filters(one).send().await;
            let answer = answer.map_err(|error| sort("ec2:DescribeKeyPairs", Effect::Read, error))?;
            found.extend(answer.key_pairs().iter().filter_map(|pair| pair.key_name().map(str::to_owned)));
        }
        Ok(found)
    }

    async fn images(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<ImageView>, CloudError> {
        let client = self.clients.client(scope);
        let mut found = Vec::new();
        for one in filters("image-id", ids) {
            let mut pages =
                client.describe_images().filters(one).include_deprecated(true).max_results(PER_PAGE).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| sort("ec2:DescribeImages", Effect::Read, error))?;
                found.extend(page.images().iter().filter_map(image_view));
            }
        }
        Ok(found)
    }

    async fn volumes(&self, scope: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError> {
        volumes(&self.clients.client(scope), filters("volume-id", ids)).await
    }

    async fn volumes_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError> {
        volumes(&self.clients.client(scope), filters("attachment.instance-id", [host.as_str()])).await
    }

    async fn addresses(&self, scope: &StackScope, ips: &[String]) -> Result<Vec<AddressView>, CloudError> {
        addresses(&self.clients.client(scope), filters("public-ip", ips)).await
    }

    async fn addresses_of(&self, scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError> {
        addresses(&self.clients.client(scope), filters("instance-id", [host.as_str()])).await
    }

    async fn hosts(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError> {
        let found = describe::by_id(&self.clients.client(scope), ids).await?;
        let known: Vec<&str> = found.iter().filter_map(Instance::instance_id).collect();
        let platforms = self.platforms(&scope.region, &known).await?;
        let platform = |host: &Instance| platforms.get(host.instance_id()?);
        Ok(found.iter().filter_map(|host| host_view(host, platform(host))).collect())
    }
}
