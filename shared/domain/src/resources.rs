//! Resources of a stack: what may be registered, assigned, associated and attached, and what stands afterwards [RES] [EIP] [ELB].
//!
//! Records only: attaching volumes, addresses and hosts is lifecycle's; what was taken from an instance and may still be at its machine stands
//! in its `attached`. An instance and its resources name each other, so the functions
//! that tie and untie give all the records that change.

mod error;
pub mod on_host;
#[cfg(test)]
mod tests;

pub use error::ResourceError;

use crate::InstanceStatus;
use crate::instance_actions::Origin;
use crate::model::{Attached, ElasticIp, Instance, LayerLoadBalancer, RegisteredVolume, Volume};

/// The volume types that can be registered [RES-3] [EBS-8..12], and the two newer ones (monitoring-and-resources.md, Q7).
pub const VOLUME_TYPES: [&str; 7] = ["standard", "gp2", "io1", "st1", "sc1", "gp3", "io2"];

/// Device names of volumes: `/dev/sdi` to `/dev/sdz` [EBS-30].
const DEVICE_LETTERS: std::ops::RangeInclusive<char> = 'i'..='z';

/// Our choice: so many volumes are tied to one instance at most, one for each device name. It also keeps all the records of an
/// instance within one commit.
pub const MAX_VOLUMES: usize = 18;

/// Whether a volume may be registered: not a root volume, and of a known type [RES-3]. That it is in the stack's region is shown by EC2
/// knowing it there; RAID arrays do not exist here.
///
/// # Errors
/// [`ResourceError::RootVolume`] or [`ResourceError::VolumeType`].
pub fn check_register_volume(ec2_volume_id: &str, is_root: bool, volume_type: &str) -> Result<(), ResourceError> {
    if is_root {
        return Err(ResourceError::RootVolume(ec2_volume_id.to_owned()));
    }
    if VOLUME_TYPES.contains(&volume_type) { Ok(()) } else { Err(ResourceError::VolumeType(volume_type.to_owned())) }
}

/// Whether a volume may be deregistered: not while an instance has it [RES-8].
///
/// # Errors
/// [`ResourceError::VolumeAssigned`].
pub fn check_deregister_volume(volume: &RegisteredVolume) -> Result<(), ResourceError> {
    match &volume.instance_id {
        Some(holder) => Err(ResourceError::VolumeAssigned(holder.clone())),
        None => Ok(()),
    }
}

/// A mount point: an absolute path below `/` that can stand in a line of fstab.
///
/// # Errors
/// [`ResourceError::MountPointForm`].
pub fn check_mount_point(path: &str) -> Result<(), ResourceError> {
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let has_form = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part));
    if has_form && path.len() <= 255 && !path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Ok(())
    } else {
        Err(ResourceError::MountPointForm(path.to_owned()))
    }
}

/// What AssignVolume comes to: the records as they stand then.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The volume.
    pub volume: RegisteredVolume,
    /// The instance that gets it.
    pub to: Instance,
    /// The instance that had it.
    pub from: Option<Instance>,
}

/// Whether `volume`, which `holder` has, may be assigned to `to`, and what stands then; `None` if it is on that instance already [RES-7].
///
/// All instances concerned must be stopped [RES-5], the mount point known [RES-4], the zone the volume's [RES-7]. Our choice: two volumes
/// of one instance never share a mount point. `devices` are the device names that `to` already uses.
///
/// # Errors
/// The first rule that is broken.
pub fn assign(
    volume: &RegisteredVolume,
    to: &Instance,
    origin: Origin,
    holder: Option<&Instance>,
    devices: &[String],
) -> Result<Option<Assignment>, ResourceError> {
    if volume.instance_id.as_ref() == Some(&to.id) {
        return Ok(None);
    }
    if volume.stack_id != to.stack_id {
        return Err(ResourceError::OtherStack);
    }
    check_origin(origin, "EBS volumes")?;
    let mount_point = volume.mount_point.clone().ok_or(ResourceError::NoMountPoint)?;
    if volume.facts.zone != to.availability_zone {
        let (volume, instance) = (volume.facts.zone.clone(), to.availability_zone.clone());
        return Err(ResourceError::OtherZone { volume, instance });
    }
    check_stopped(to)?;
    holder.map_or(Ok(()), check_stopped)?;
    check_mount_point_is_free(to, &mount_point)?;
    let device = next_device(devices).filter(|_| to.volumes.len() < MAX_VOLUMES).ok_or(ResourceError::TooManyVolumes)?;
    let mut next = to.clone();
    next.attached.volumes_leaving.retain(|id| *id != volume.ec2_volume_id);
    next.volumes.push(Volume { ec2_volume_id: volume.ec2_volume_id.clone(), mount_point });
    Ok(Some(Assignment {
        volume: RegisteredVolume { instance_id: Some(to.id.clone()), device: Some(device), ..volume.clone() },
        to: next,
        from: holder.map(|instance| released_of(instance, &volume.ec2_volume_id)),
    }))
}

/// Whether a volume may be unassigned from its holder: only while that is stopped [RES-5]. Gives both records as they stand then; the
/// volume stays registered [RES-8].
///
/// # Errors
/// [`ResourceError::NotStopped`].
pub fn unassign(volume: &RegisteredVolume, holder: &Instance) -> Result<(RegisteredVolume, Instance), ResourceError> {
    check_stopped(holder)?;
    Ok((untied(volume), released_of(holder, &volume.ec2_volume_id)))
}

/// The volume as it stands when no instance has it any more.
pub fn untied(volume: &RegisteredVolume) -> RegisteredVolume {
    RegisteredVolume { instance_id: None, device: None, ..volume.clone() }
}

/// A change of a volume by UpdateVolume; `None` is an unset name or mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeUpdate {
    /// The name.
    pub name: Option<String>,
    /// The mount point.
    pub mount_point: Option<String>,
}

/// What stands after UpdateVolume: the volume, and its holder if it has one. Only while the holder is stopped [RES-9], and an assigned
/// volume keeps a mount point [RES-4].
///
/// # Errors
/// The first rule that is broken.
pub fn update_volume(
    volume: &RegisteredVolume,
    holder: Option<&Instance>,
    to: VolumeUpdate,
) -> Result<(RegisteredVolume, Option<Instance>), ResourceError> {
    let VolumeUpdate { name, mount_point } = to;
    let mut changed = None;
    if let Some(holder) = holder {
        check_stopped(holder)?;
        // A volume that came with its machine may go on without one.
        let none = volume.mount_point.is_none().then(String::new);
        let mount_point = mount_point.clone().or(none).ok_or(ResourceError::NoMountPoint)?;
        let mut next = without_volume(holder, &volume.ec2_volume_id);
        check_mount_point_is_free(&next, &mount_point)?;
        next.volumes.push(Volume { ec2_volume_id: volume.ec2_volume_id.clone(), mount_point });
        changed = Some(next);
    }
    Ok((RegisteredVolume { name, mount_point, ..volume.clone() }, changed))
}

/// The first free device name [EBS-30].
pub fn next_device(taken: &[String]) -> Option<String> {
    DEVICE_LETTERS.map(|letter| format!("/dev/sd{letter}")).find(|name| !taken.contains(name))
}

/// The name of a volume that the service made [EBS-30].
pub fn name_of_made_volume(hostname: &str) -> String {
    format!("Created for {hostname}")
}

/// The volumes of an instance with what its machine shows: what the machine's own launch made is added. What else is found attached to a
/// machine that was noted before is somebody else's, or was unassigned or deregistered since [EBS-27].
pub fn with_launched(record: &Instance, machine: &crate::Ec2InstanceId, shown: &[Volume]) -> Vec<Volume> {
    let mut volumes = record.volumes.clone();
    if record.volumes_noted_of.as_ref() != Some(machine) {
        let is_new = |v: &&Volume| !record.volumes.iter().any(|known| known.ec2_volume_id == v.ec2_volume_id);
        volumes.extend(shown.iter().filter(is_new).cloned());
    }
    volumes
}

/// What AssociateElasticIp comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Association {
    /// The address, which now belongs to the instance's stack.
    pub address: ElasticIp,
    /// The instance that gets it.
    pub to: Instance,
    /// The instance that had it [EIP-14].
    pub from: Option<Instance>,
    /// The address that the instance had: it stays registered.
    pub replaced: Option<ElasticIp>,
}

/// Associates an address, in whatever status the instances are [INST-43]; `None` if it is so already.
///
/// The address leaves the instance that had it, also one of another stack [EIP-13, 14]; Our choice: its registration moves along. Our
/// choice: an instance has one address, so the one that it had before is disassociated and stays registered.
///
/// # Errors
/// [`ResourceError::OnPremises`].
pub fn associate(
    address: &ElasticIp,
    to: &Instance,
    origin: Origin,
    holder: Option<&Instance>,
    present: Option<&ElasticIp>,
) -> Result<Option<Association>, ResourceError> {
    check_origin(origin, "Elastic IP addresses")?;
    if address.instance_id.as_ref() == Some(&to.id) {
        return Ok(None);
    }
    Ok(Some(Association {
        address: ElasticIp { stack_id: to.stack_id.clone(), instance_id: Some(to.id.clone()), ..address.clone() },
        to: with_address(to, &address.ip),
        from: holder.map(without_address),
        replaced: present.map(disassociated),
    }))
}

/// The address as it stands when no instance has it any more; it stays registered.
pub fn disassociated(address: &ElasticIp) -> ElasticIp {
    ElasticIp { instance_id: None, ..address.clone() }
}

/// The instance without its address, which is still to leave its machine, if it has one.
pub fn without_address(instance: &Instance) -> Instance {
    let mut attached = instance.attached.clone();
    if let (Some(ip), Some(_)) = (&instance.elastic_ip, &instance.ec2_instance_id)
        && !attached.addresses_leaving.contains(ip)
    {
        attached.addresses_leaving.push(ip.clone());
    }
    Instance { elastic_ip: None, attached, ..instance.clone() }
}

/// The instance with an address in place of the one that it had.
fn with_address(instance: &Instance, ip: &str) -> Instance {
    let before = without_address(instance);
    let mut attached = Attached { due: true, address_refused: None, ..before.attached };
    attached.addresses_leaving.retain(|leaving| leaving != ip);
    Instance { elastic_ip: Some(ip.to_owned()), attached, ..instance.clone() }
}

/// Whether an address may be deregistered: not while it is associated [EIP-16].
///
/// # Errors
/// [`ResourceError::AddressAssociated`].
pub fn check_deregister_address(address: &ElasticIp) -> Result<(), ResourceError> {
    match &address.instance_id {
        Some(holder) => Err(ResourceError::AddressAssociated(holder.clone())),
        None => Ok(()),
    }
}

/// What AttachElasticLoadBalancer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// It is attached to that layer already.
    AsItIs,
    /// Attach it.
    Attach,
}

/// Whether a load balancer may be attached to a layer: one per layer, one layer per load balancer [ELB-2]. `of_layer` is the layer's,
/// `of_name` where the load balancer is attached, if anywhere. Our choice: it must stand in the stack's VPC, or it could reach no host.
///
/// # Errors
/// The first rule that is broken.
pub fn check_attach(
    name: &str,
    layer: &crate::LayerId,
    of_layer: Option<&LayerLoadBalancer>,
    of_name: Option<&crate::LayerId>,
    (its_vpc, stack_vpc): (Option<&str>, &str),
) -> Result<Attachment, ResourceError> {
    match (of_layer, of_name) {
        (Some(present), _) if present.name == name => Ok(Attachment::AsItIs),
        (Some(present), _) => Err(ResourceError::LayerHasLoadBalancer(present.name.clone())),
        (None, Some(other)) if other != layer => Err(ResourceError::LoadBalancerTaken(name.to_owned())),
        _ if its_vpc != Some(stack_vpc) => {
            let vpc = its_vpc.unwrap_or("no VPC").to_owned();
            Err(ResourceError::OtherVpc { name: name.to_owned(), vpc, stack: stack_vpc.to_owned() })
        }
        (None, _) => Ok(Attachment::Attach),
    }
}

/// On-premises instances have no EBS volumes, Elastic IP addresses or load balancers [RES-11].
fn check_origin(origin: Origin, what: &'static str) -> Result<(), ResourceError> {
    if origin == Origin::OnPremises { Err(ResourceError::OnPremises(what)) } else { Ok(()) }
}

/// [RES-5]
fn check_stopped(instance: &Instance) -> Result<(), ResourceError> {
    if instance.status == InstanceStatus::Stopped {
        return Ok(());
    }
    Err(ResourceError::NotStopped { hostname: instance.hostname.clone(), status: instance.status })
}

fn check_mount_point_is_free(instance: &Instance, mount_point: &str) -> Result<(), ResourceError> {
    match instance.volumes.iter().find(|v| !mount_point.is_empty() && v.mount_point == mount_point) {
        Some(other) => {
            Err(ResourceError::MountPointTaken { mount_point: mount_point.to_owned(), by: other.ec2_volume_id.clone() })
        }
        None => Ok(()),
    }
}

/// The instance without a volume, which is still to be detached from its machine, if it has one.
fn released_of(instance: &Instance, ec2_volume_id: &str) -> Instance {
    let mut next = without_volume(instance, ec2_volume_id);
    let leaving = &mut next.attached.volumes_leaving;
    if instance.ec2_instance_id.is_some() && !leaving.iter().any(|id| id == ec2_volume_id) {
        leaving.push(ec2_volume_id.to_owned());
    }
    next
}

fn without_volume(instance: &Instance, ec2_volume_id: &str) -> Instance {
    let mut next = instance.clone();
    next.volumes.retain(|v| v.ec2_volume_id != ec2_volume_id);
    next
}
