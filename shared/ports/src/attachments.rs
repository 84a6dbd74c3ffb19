//! Attachments: which volumes and Elastic IP addresses machines have.

use async_trait::async_trait;
use strata_domain::{Ec2InstanceId, InstanceId};

use crate::{CloudError, StackScope, VolumeSpec};

/// An empty volume that is made by itself, for a record that is without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewVolume {
    /// Client token, at most 64 characters: a repeat with the same token is the same volume.
    pub token: String,
    /// The record that it is for, for tags.
    pub instance_id: InstanceId,
    /// Its host name, for tags.
    pub hostname: String,
    /// The zone that it is made in.
    pub availability_zone: String,
    /// What it is to be; its device is not used.
    pub volume: VolumeSpec,
}

/// EC2's volumes and addresses. All calls are idempotent in effect, except [`Attachments::allocate_address`].
#[async_trait]
pub trait Attachments: Send + Sync {
    /// Attaches a volume to a machine that runs or is stopped, under a device name, `/dev/sdi`; it outlives the machine [EBS-28]. One that the
    /// machine has already is a success.
    ///
    /// # Errors
    /// `Wrong`: the volume is gone, in another zone or attached elsewhere, or the device name is taken. `RetryLater`: throttled, or the
    /// machine is just changing its state.
    async fn attach_volume(&self, scope: &StackScope, volume: &str, host: &Ec2InstanceId, device: &str)
    -> Result<(), CloudError>;
    /// Makes a volume, and gives its id; the same token again gives the same volume. Descriptions may show it some seconds later.
    ///
    /// # Errors
    /// `Refused` for the account's limits, `Wrong` for a volume that EBS does not have, `OutcomeUnknown`: repeat with the same token.
    async fn make_volume(&self, scope: &StackScope, volume: &NewVolume) -> Result<String, CloudError>;
    /// Begins to detach a volume from a machine; one that the machine does not have, or that is gone, is a success.
    async fn detach_volume(&self, scope: &StackScope, volume: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    /// Associates an address with a running or stopped machine, also away from another one, and in place of the one that the machine has.
    ///
    /// # Errors
    /// `Wrong`: the account does not have the address, or EC2 knows no such machine.
    async fn associate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    /// Takes an address away from a machine; one that the machine does not have, or that is gone, is a success.
    async fn disassociate_address(&self, scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    /// The addresses that were allocated with a token, by their tag, in order; a new one may be missing for some seconds.
    async fn allocated_for(&self, scope: &StackScope, token: &str) -> Result<Vec<String>, CloudError>;
    /// Allocates an address and tags it with the token in the same call. A repeat allocates another one: look by the tag first.
    ///
    /// # Errors
    /// `Refused` for the account's limit.
    async fn allocate_address(&self, scope: &StackScope, token: &str) -> Result<String, CloudError>;
    /// Releases an address that no machine has; one that is gone is a success.
    ///
    /// # Errors
    /// `RetryLater` while a machine has it.
    async fn release_address(&self, scope: &StackScope, ip: &str) -> Result<(), CloudError>;
}
