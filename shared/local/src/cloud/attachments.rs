//! The Attachments port: EC2's volumes and Elastic IP addresses at machines.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::Ec2InstanceId;
use strata_domain::resources::name_of_made_volume;
use strata_ports::{Attachments, CloudError, Ec2State, NewVolume, StackScope};

use super::account::AccountVolume;
use super::ec2::HostNo;
use super::state::{Due, State, after, wrong};
use super::{Latency, SimCloud};

/// From DetachVolume to `available`.
const DETACHES_WITHIN_MS: i64 = 8_000;

/// How an address was allocated, which its tag says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Allocation {
    pub(super) token: String,
    /// Descriptions show it from here on.
    visible_from: Timestamp,
}

/// What CreateVolume made of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MadeVolume {
    id: String,
    /// Descriptions show it from here on.
    visible_from: Timestamp,
}

impl State {
    /// CreateVolume: the same token again is the same volume, whatever became of it.
    fn make_volume(&mut self, new: &NewVolume) -> Result<String, CloudError> {
        const ACTION: &str = "ec2:CreateVolume";
        self.admit(ACTION, 1)?;
        if let Some(made) = self.account.made_volumes.get(&new.token) {
            return Ok(made.id.clone());
        }
        if new.token.is_empty() || new.token.len() > 64 {
            return Err(wrong(ACTION, "InvalidParameterValue", "the client token must have 1 to 64 characters"));
        }
        let id = format!("vol-{}", self.hex(17));
        let volume = AccountVolume {
            id: id.clone(),
            size: new.volume.size,
            volume_type: new.volume.volume_type.clone(),
            iops: new.volume.iops,
            zone: new.availability_zone.clone(),
            encrypted: new.volume.encrypted,
            attached: None,
            is_root: false,
            name: Some(name_of_made_volume(&new.hostname)),
        };
        self.account.volumes.insert(id.clone(), volume);
        let lag = self.config.ec2.describe_lag.draw(&mut self.streams.ec2);
        let made = MadeVolume { id: id.clone(), visible_from: after(self.now, lag) };
        self.account.made_volumes.insert(new.token.clone(), made);
        Ok(id)
    }

    /// A volume that was just made may be missing from descriptions.
    pub(super) fn shows_volume(&self, id: &str) -> bool {
        !self.account.made_volumes.values().any(|made| made.id == id && made.visible_from > self.now)
    }

    /// The machine that runs or is stopped.
    fn settled_host(&self, action: &'static str, id: &Ec2InstanceId) -> Result<HostNo, CloudError> {
        let no = self.known(action, id)?;
        match self.ec2.hosts.get(&no).map(|h| h.state) {
            Some(Ec2State::Running | Ec2State::Stopped) => Ok(no),
            Some(Ec2State::Pending | Ec2State::Stopping) => {
                let why = format!("IncorrectInstanceState: {id} is changing its state");
                Err(CloudError::RetryLater { action, why })
            }
            _ => Err(wrong(action, "IncorrectInstanceState", format!("{id} is terminated"))),
        }
    }

    /// AttachVolume.
    fn attach_volume(&mut self, volume: &str, host: &Ec2InstanceId, device: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:AttachVolume";
        self.admit(ACTION, 1)?;
        let Some(view) = self.volume(volume) else {
            return Err(wrong(ACTION, "InvalidVolume.NotFound", format!("the volume '{volume}' does not exist")));
        };
        match &view.host {
            Some(at) if at == host => return Ok(()),
            Some(at) => return Err(wrong(ACTION, "VolumeInUse", format!("{volume} is already attached to {at}"))),
            None => {}
        }
        let no = self.settled_host(ACTION, host)?;
        let zone = self.ec2.hosts.get(&no).map(|h| h.spec.availability_zone.clone()).unwrap_or_default();
        if zone != view.zone {
            let why = format!("the volume '{volume}' is not in the same availability zone as instance '{host}'");
            return Err(wrong(ACTION, "InvalidVolume.ZoneMismatch", why));
        }
        if self.volumes_of(host).iter().any(|other| other.device.as_deref() == Some(device)) {
            let why = format!("the attachment point {device} of {host} is already in use");
            return Err(wrong(ACTION, "InvalidParameterValue", why));
        }
        if let Some(own) = self.account.volumes.get_mut(volume) {
            own.attached = Some((host.clone(), device.to_owned()));
        }
        Ok(())
    }

    /// DetachVolume: the volume is free a few seconds later.
    fn detach_volume(&mut self, volume: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.admit("ec2:DetachVolume", 1)?;
        let Some(view) = self.volume(volume).filter(|view| view.host.as_ref() == Some(host)) else { return Ok(()) };
        if view.is_root {
            return Err(wrong("ec2:DetachVolume", "OperationNotPermitted", format!("{volume} is the root volume of {host}")));
        }
        self.plan(DETACHES_WITHIN_MS, Due::Detached(volume.to_owned(), host.clone()));
        Ok(())
    }

    pub(super) fn on_detached(&mut self, volume: &str, host: &Ec2InstanceId) {
        let is_there = self.volume(volume).is_some_and(|view| view.host.as_ref() == Some(host));
        if !is_there {
            return;
        }
        self.own_launched_volume(volume);
        if let Some(no) = self.ec2.by_id.get(host)
            && let Some(host) = self.ec2.hosts.get_mut(no)
        {
            host.volumes.retain(|(id, _)| id != volume);
        }
        if let Some(own) = self.account.volumes.get_mut(volume) {
            own.attached = None;
        }
    }

    /// A volume that a launch made and that leaves its machine is the account's like any other.
    fn own_launched_volume(&mut self, volume: &str) {
        if self.account.volumes.contains_key(volume) {
            return;
        }
        let Some(view) = self.volume(volume) else { return };
        self.ec2.volumes.remove(volume);
        let own = AccountVolume {
            id: view.id,
            size: view.size,
            volume_type: view.volume_type,
            iops: view.iops,
            zone: view.zone,
            encrypted: view.encrypted,
            attached: view.host.zip(view.device),
            is_root: view.is_root,
            name: view.name,
        };
        self.account.volumes.insert(volume.to_owned(), own);
    }

    /// A machine is terminated: volumes outlive it until somebody deletes them, and addresses until somebody releases them.
    pub(super) fn free_attachments(&mut self, host: &Ec2InstanceId) {
        for volume in self.volumes_of(host) {
            self.own_launched_volume(&volume.id);
            if let Some(own) = self.account.volumes.get_mut(&volume.id) {
                own.attached = None;
            }
        }
        for at in self.account.addresses.values_mut().filter(|at| at.as_ref() == Some(host)) {
            *at = None;
        }
    }

    /// The Elastic IP address of a machine, which it keeps over stops.
    pub(super) fn elastic_ip_of(&self, host: &Ec2InstanceId) -> Option<String> {
        self.account.addresses.iter().find(|(_, at)| at.as_ref() == Some(host)).map(|(ip, _)| ip.clone())
    }

    fn set_public_ip(&mut self, host: &Ec2InstanceId, ip: Option<String>) {
        if let Some(no) = self.ec2.by_id.get(host)
            && let Some(host) = self.ec2.hosts.get_mut(no)
        {
            host.public_ip = ip;
        }
    }

    /// AssociateAddress with AllowReassociation.
    fn associate_address(&mut self, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:AssociateAddress";
        self.admit(ACTION, 1)?;
        let Some(at) = self.account.addresses.get(ip).cloned() else {
            return Err(wrong(ACTION, "InvalidAddress.NotFound", format!("the address '{ip}' does not belong to you")));
        };
        if at.as_ref() == Some(host) {
            return Ok(());
        }
        self.settled_host(ACTION, host)?;
        if let Some(before) = at {
            self.set_public_ip(&before, None);
        }
        for other in self.account.addresses.values_mut().filter(|at| at.as_ref() == Some(host)) {
            *other = None;
        }
        self.account.addresses.insert(ip.to_owned(), Some(host.clone()));
        self.set_public_ip(host, Some(ip.to_owned()));
        Ok(())
    }

    /// DisassociateAddress of the machine's own association.
    fn disassociate_address(&mut self, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.admit("ec2:DisassociateAddress", 1)?;
        if let Some(at) = self.account.addresses.get_mut(ip).filter(|at| at.as_ref() == Some(host)) {
            *at = None;
            self.set_public_ip(host, None);
        }
        Ok(())
    }

    /// AllocateAddress: a repeat is another one.
    fn allocate_address(&mut self, token: &str) -> Result<String, CloudError> {
        const ACTION: &str = "ec2:AllocateAddress";
        self.admit(ACTION, 1)?;
        let most = self.config.ec2.max_addresses;
        if most.is_some_and(|most| self.account.addresses.len() >= usize::try_from(most).unwrap_or(usize::MAX)) {
            let why = "the maximum number of addresses has been reached".to_owned();
            return Err(CloudError::Refused { action: ACTION, code: "AddressLimitExceeded".to_owned(), why });
        }
        let ip = self.account.fresh_address();
        let lag = self.config.ec2.describe_lag.draw(&mut self.streams.ec2);
        let allocation = Allocation { token: token.to_owned(), visible_from: after(self.now, lag) };
        self.account.allocated.insert(ip.clone(), allocation);
        Ok(ip)
    }

    /// ReleaseAddress.
    fn release_address(&mut self, ip: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ReleaseAddress";
        self.admit(ACTION, 1)?;
        if let Some(Some(host)) = self.account.addresses.get(ip) {
            let why = format!("InvalidIPAddress.InUse: {ip} is associated with {host}");
            return Err(CloudError::RetryLater { action: ACTION, why });
        }
        self.account.addresses.remove(ip);
        self.account.allocated.remove(ip);
        Ok(())
    }
}

#[async_trait]
impl Attachments for SimCloud {
    async fn attach_volume(&self, _: &StackScope, volume: &str, host: &Ec2InstanceId, device: &str) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.attach_volume(volume, host, device)).await
    }

    async fn make_volume(&self, _: &StackScope, volume: &NewVolume) -> Result<String, CloudError> {
        self.call(Latency::Write, |s| s.make_volume(volume)).await
    }

    async fn detach_volume(&self, _: &StackScope, volume: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.detach_volume(volume, host)).await
    }

    async fn associate_address(&self, _: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.associate_address(ip, host)).await
    }

    async fn disassociate_address(&self, _: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.disassociate_address(ip, host)).await
    }

    async fn allocated_for(&self, _: &StackScope, token: &str) -> Result<Vec<String>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeAddresses", 1)?;
            let now = s.now;
            let of_token = s.account.allocated.iter().filter(|(_, a)| a.token == token && a.visible_from <= now);
            Ok(of_token.map(|(ip, _)| ip.clone()).collect())
        })
        .await
    }

    async fn allocate_address(&self, _: &StackScope, token: &str) -> Result<String, CloudError> {
        self.call(Latency::Write, |s| s.allocate_address(token)).await
    }

    async fn release_address(&self, _: &StackScope, ip: &str) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.release_address(ip)).await
    }
}

/// What somebody does in another console.
impl SimCloud {
    /// Attaches a volume to a machine, whatever has it.
    pub fn attach_by_hand(&self, volume: &str, host: &Ec2InstanceId) {
        self.with(|s| {
            if let Some(own) = s.account.volumes.get_mut(volume) {
                own.attached = Some((host.clone(), "/dev/sdz".to_owned()));
            }
        });
    }

    /// Detaches a volume from whatever has it, and deletes it.
    pub fn delete_volume_by_hand(&self, volume: &str) {
        self.with(|s| {
            if let Some(host) = s.volume(volume).and_then(|view| view.host) {
                s.on_detached(volume, &host);
            }
            s.account.volumes.remove(volume);
            s.ec2.volumes.remove(volume);
        });
    }

    /// Detaches a volume at once from whatever has it.
    pub fn detach_by_hand(&self, volume: &str) {
        self.with(|s| {
            if let Some(own) = s.account.volumes.get_mut(volume) {
                own.attached = None;
            }
        });
    }
}
