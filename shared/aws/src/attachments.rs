//! Volumes and Elastic IP addresses of machines, on EC2.
//!
//! EC2 names addresses by allocation and volumes by attachment, and refuses what is so already. So each change first looks: what is as it is to be
//! needs no call, and what is taken away is taken away from that one machine and from no other that has it by now.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{Address, DomainType, ResourceType, TagSpecification, Volume, VolumeAttachmentState, VolumeType};
use strata_domain::Ec2InstanceId;
use strata_ports::{Attachments, CloudError, NewVolume, StackScope};

use crate::compute::{clients, tags};
use crate::error::{Effect, sort};
use crate::filters::filter;
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "attach_volume", role: Role::Stack, actions: &["ec2:AttachVolume", "ec2:DescribeVolumes"] },
    Uses { method: "make_volume", role: Role::Stack, actions: &["ec2:CreateVolume", "ec2:DescribeVolumes"] },
    Uses { method: "detach_volume", role: Role::Stack, actions: &["ec2:DescribeVolumes", "ec2:DetachVolume"] },
    Uses { method: "associate_address", role: Role::Stack, actions: &["ec2:AssociateAddress", "ec2:DescribeAddresses"] },
    Uses { method: "disassociate_address", role: Role::Stack, actions: &["ec2:DescribeAddresses", "ec2:DisassociateAddress"] },
    Uses { method: "allocated_for", role: Role::Stack, actions: &["ec2:DescribeAddresses"] },
    Uses { method: "allocate_address", role: Role::Stack, actions: &["ec2:AllocateAddress"] },
    Uses { method: "release_address", role: Role::Stack, actions: &["ec2:DescribeAddresses", "ec2:ReleaseAddress"] },
];

/// EC2, under the stack's service role.
pub struct Ec2Attachments {
    clients: PerStack<Client>,
    installation: String,
}

impl Ec2Attachments {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self { clients: clients(base), installation: base.settings().installation.clone() }
    }
}

async fn volume(client: &Client, id: &str) -> Result<Option<Volume>, CloudError> {
    found_by(client, "volume-id", id).await
}

async fn found_by(client: &Client, name: &str, value: &str) -> Result<Option<Volume>, CloudError> {
    let answer = client.describe_volumes().filters(filter(name, [value])).send().await;
    let answer = answer.map_err(|error| sort("ec2:DescribeVolumes", Effect::Read, error))?;
    Ok(answer.volumes.unwrap_or_default().into_iter().next())
}

/// The machine that has it, and whether it is just leaving that one.
fn holder(volume: &Volume) -> Option<(&str, bool)> {
    let at = volume.attachments().iter().find(|at| at.state() != Some(&VolumeAttachmentState::Detached))?;
    Some((at.instance_id()?, at.state() == Some(&VolumeAttachmentState::Detaching)))
}

async fn address(client: &Client, ip: &str) -> Result<Option<Address>, CloudError> {
    Ok(addresses(client, "public-ip", ip).await?.into_iter().next())
}

async fn addresses(client: &Client, name: &str, value: &str) -> Result<Vec<Address>, CloudError> {
    let answer = client.describe_addresses().filters(filter(name, [value])).send().await;
    let answer = answer.map_err(|error| sort("ec2:DescribeAddresses", Effect::Read, error))?;
    Ok(answer.addresses.unwrap_or_default())
}

fn not_there(action: &'static str, code: &str, why: String) -> CloudError {
    CloudError::Wrong { action, code: code.to_owned(), why }
}

/// Success also where EC2 says that there is nothing of the kind any more.
fn unless_gone(result: Result<(), CloudError>, gone: &[&str]) -> Result<(), CloudError> {
    match result {
        Err(CloudError::Wrong { code, .. }) if gone.contains(&code.as_str()) => Ok(()),
        other => other,
    }
}

#[async_trait]
impl Attachments for Ec2Attachments {
    async fn attach_volume(&self, scope: &StackScope, id: &str, host: &Ec2InstanceId, device: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:AttachVolume";
        let client = self.clients.client(scope);
        let found = volume(&client, id).await?;
        let found =
            found.ok_or_else(|| not_there(ACTION, "InvalidVolume.NotFound", format!("the volume {id} does not exist")))?;
        match holder(&found) {
            Some((at, false)) if at == host.as_str() => return Ok(()),
            Some((at, false)) => return Err(not_there(ACTION, "VolumeInUse", format!("{id} is attached to {at}"))),
            Some((at, true)) => {
                return Err(CloudError::RetryLater { action: ACTION, why: format!("{id} is being detached from {at}") });
            }
            None => {}
        }
        let request = client.attach_volume().volume_id(id).instance_id(host.as_str()).device(device);
        request.send().await.map(drop).map_err(|error| sort(ACTION, Effect::Write, error))
    }

    /// The tag settles a repeat as soon as descriptions show the volume, and the token until then: EC2 refuses one that asks for something else.
    async fn make_volume(&self, scope: &StackScope, new: &NewVolume) -> Result<String, CloudError> {
        const ACTION: &str = "ec2:CreateVolume";
        let client = self.clients.client(scope);
        let made = found_by(&client, &format!("tag:{}", tags::TOKEN), &new.token).await?;
        if let Some(id) = made.and_then(|volume| volume.volume_id) {
            return Ok(id);
        }
        let spec = &new.volume;
        let tags = tags::of_volume(&self.installation, scope, new);
        let request = client
            .create_volume()
            .client_token(&new.token)
            .availability_zone(&new.availability_zone)
            .size(i32::try_from(spec.size).unwrap_or(i32::MAX))
            .volume_type(VolumeType::from(spec.volume_type.as_str()))
            .set_iops(
                spec.iops
                    .filter(|_| matches!(spec.volume_type.as_str(), "io1" | "io2" | "gp3"))
                    .map(|iops| i32::try_from(iops).unwrap_or(i32::MAX)),
            )
            .set_encrypted(spec.encrypted.then_some(true))
            .tag_specifications(TagSpecification::builder().resource_type(ResourceType::Volume).set_tags(Some(tags)).build());
        match request.send().await {
            // It was made, so the next look finds it by its tag.
            Ok(made) => made
                .volume_id
                .ok_or_else(|| CloudError::OutcomeUnknown { action: ACTION, why: "the answer names no volume".to_owned() }),
            Err(error) if error.code() == Some("IdempotentParameterMismatch") => {
                let why = format!("the volume of token {} was made with other settings and is not described yet", new.token);
                Err(CloudError::RetryLater { action: ACTION, why })
            }
            Err(error) => Err(sort(ACTION, Effect::Write, error)),
        }
    }

    async fn detach_volume(&self, scope: &StackScope, id: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:DetachVolume";
        let client = self.clients.client(scope);
        let found = volume(&client, id).await?;
        let Some((at, false)) = found.as_ref().and_then(holder) else { return Ok(()) };
        if at != host.as_str() {
            return Ok(());
        }
        let answer = client.detach_volume().volume_id(id).instance_id(host.as_str()).send().await;
        unless_gone(answer.map(drop).map_err(|error| sort(ACTION, Effect::Write, error)), &["InvalidVolume.NotFound"])
    }

    async fn associate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:AssociateAddress";
        let client = self.clients.client(scope);
        let found = address(&client, ip).await?;
        let found =
            found.ok_or_else(|| not_there(ACTION, "InvalidAddress.NotFound", format!("the address {ip} does not exist")))?;
        if found.instance_id() == Some(host.as_str()) {
            return Ok(());
        }
        let request = client.associate_address().set_allocation_id(found.allocation_id).instance_id(host.as_str());
        let answer = request.allow_reassociation(true).send().await;
        answer.map(drop).map_err(|error| sort(ACTION, Effect::Write, error))
    }

    async fn disassociate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:DisassociateAddress";
        let client = self.clients.client(scope);
        let found = address(&client, ip).await?.filter(|found| found.instance_id() == Some(host.as_str()));
        let Some(association) = found.and_then(|found| found.association_id) else { return Ok(()) };
        let answer = client.disassociate_address().association_id(association).send().await;
        unless_gone(answer.map(drop).map_err(|error| sort(ACTION, Effect::Write, error)), &["InvalidAssociationID.NotFound"])
    }

    async fn allocated_for(&self, scope: &StackScope, token: &str) -> Result<Vec<String>, CloudError> {
        let client = self.clients.client(scope);
        let found = addresses(&client, &format!("tag:{}", tags::TOKEN), token).await?;
        let mut ips: Vec<String> = found.into_iter().filter_map(|address| address.public_ip).collect();
        ips.sort();
        Ok(ips)
    }

    async fn allocate_address(&self, scope: &StackScope, token: &str) -> Result<String, CloudError> {
        const ACTION: &str = "ec2:AllocateAddress";
        let client = self.clients.client(scope);
        let pairs =
            [(tags::INSTALLATION, self.installation.as_str()), (tags::STACK, scope.stack_id.as_str()), (tags::TOKEN, token)];
        let tags = pairs.map(|(key, value)| tags::tag(key, value)).to_vec();
        let tags = TagSpecification::builder().resource_type(ResourceType::ElasticIp).set_tags(Some(tags)).build();
        let answer = client.allocate_address().domain(DomainType::Vpc).tag_specifications(tags).send().await;
        let answer = answer.map_err(|error| sort(ACTION, Effect::Write, error))?;
        // It was allocated, so the next look finds it by its tag.
        let unnamed = || CloudError::OutcomeUnknown { action: ACTION, why: "the answer names no address".to_owned() };
        answer.public_ip.ok_or_else(unnamed)
    }

    async fn release_address(&self, scope: &StackScope, ip: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ReleaseAddress";
        let client = self.clients.client(scope);
        let Some(found) = address(&client, ip).await? else { return Ok(()) };
        if let Some(host) = found.instance_id().filter(|id| !id.is_empty()) {
            return Err(CloudError::RetryLater { action: ACTION, why: format!("{ip} is associated with {host}") });
        }
        let answer = client.release_address().set_allocation_id(found.allocation_id).send().await;
        let gone = ["InvalidAllocationID.NotFound", "InvalidAddress.NotFound"];
        unless_gone(answer.map(drop).map_err(|error| sort(ACTION, Effect::Write, error)), &gone)
    }
}
