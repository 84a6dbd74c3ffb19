//! `VolumeConfigurations` of a layer and `BlockDeviceMappings` of an instance, read and checked [EBS-1..14].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::{BlockDeviceMapping, EbsBlockDevice, VolumeConfiguration};
use strata_domain::{block_devices, volume_configurations};

use crate::api::error::ApiError;

/// A volume of a layer's instances, as sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VolumeConfigurationMembers {
    /// The directory where the volume is mounted.
    #[schemars(required)]
    mount_point: Option<String>,
    /// The RAID level; RAID is not supported.
    raid_level: Option<i64>,
    /// The number of disks, which must be 1.
    #[schemars(required)]
    number_of_disks: Option<i64>,
    /// The size in GiB.
    #[schemars(required)]
    size: Option<i64>,
    /// The type: standard (the default), gp2, gp3, io1, io2, st1 or sc1.
    volume_type: Option<String>,
    /// The I/O operations per second of an io1 or io2 volume.
    iops: Option<i64>,
    /// Whether the volume is encrypted. The default is false.
    encrypted: Option<bool>,
}

/// A block device of an instance, as sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BlockDeviceMappingMembers {
    /// The device name, such as /dev/sdh, or ROOT_DEVICE for the root device.
    device_name: Option<String>,
    /// Drops the image's mapping of the device. Set it to an empty text.
    no_device: Option<String>,
    /// The virtual device name, such as ephemeral0.
    virtual_name: Option<String>,
    /// The EBS volume.
    ebs: Option<EbsBlockDeviceMembers>,
}

/// The EBS volume of a block device, as sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct EbsBlockDeviceMembers {
    /// The snapshot that the volume is made from.
    snapshot_id: Option<String>,
    /// The I/O operations per second of an io1 volume.
    iops: Option<i64>,
    /// The size in GiB.
    volume_size: Option<i64>,
    /// The type: standard (the default), gp2, io1, gp3 or io2.
    volume_type: Option<String>,
    /// Whether the volume is deleted with the instance.
    delete_on_termination: Option<bool>,
}

/// A layer's volumes, checked.
pub(super) fn volumes(sent: &[VolumeConfigurationMembers]) -> Result<Vec<VolumeConfiguration>, ApiError> {
    let volumes = sent.iter().map(volume).collect::<Result<Vec<_>, _>>()?;
    volume_configurations::check(&volumes).map_err(|e| ApiError::field(VOLUMES, e))?;
    Ok(volumes)
}

/// An instance's block devices, checked.
pub(super) fn block_devices(sent: &[BlockDeviceMappingMembers]) -> Result<Vec<BlockDeviceMapping>, ApiError> {
    let mappings = sent.iter().map(mapping).collect::<Result<Vec<_>, _>>()?;
    block_devices::check(&mappings).map_err(|e| ApiError::field(DEVICES, e))?;
    Ok(mappings)
}

const VOLUMES: &str = "VolumeConfigurations";
const DEVICES: &str = "BlockDeviceMappings";

fn volume(v: &VolumeConfigurationMembers) -> Result<VolumeConfiguration, ApiError> {
    let missing = |name: &str| ApiError::field(VOLUMES, format!("{name} is required"));
    if let Some(level) = v.raid_level {
        return Err(ApiError::unsupported(&format!("RaidLevel={level}"), "Use one volume of the full size."));
    }
    let whole = |name: &str, n: Option<i64>| n.map(|n| whole(VOLUMES, name, n)).transpose();
    Ok(VolumeConfiguration {
        mount_point: v.mount_point.clone().ok_or_else(|| missing("MountPoint"))?,
        number_of_disks: whole("NumberOfDisks", v.number_of_disks)?.ok_or_else(|| missing("NumberOfDisks"))?,
        size: whole("Size", v.size)?.ok_or_else(|| missing("Size"))?,
        volume_type: v.volume_type.clone().unwrap_or_else(|| "standard".to_owned()),
        iops: whole("Iops", v.iops)?,
        encrypted: v.encrypted.unwrap_or(false),
    })
}

fn mapping(m: &BlockDeviceMappingMembers) -> Result<BlockDeviceMapping, ApiError> {
    let whole = |name: &str, n: Option<i64>| n.map(|n| whole(DEVICES, name, n)).transpose();
    let ebs = match &m.ebs {
        Some(ebs) => Some(EbsBlockDevice {
            snapshot_id: ebs.snapshot_id.clone(),
            iops: whole("Iops", ebs.iops)?,
            volume_size: whole("VolumeSize", ebs.volume_size)?,
            volume_type: ebs.volume_type.clone(),
            delete_on_termination: ebs.delete_on_termination,
        }),
        None => None,
    };
    Ok(BlockDeviceMapping {
        device_name: m.device_name.clone().ok_or_else(|| ApiError::field(DEVICES, "DeviceName is required"))?,
        ebs,
        virtual_name: m.virtual_name.clone(),
        no_device: m.no_device.clone(),
    })
}

/// A number of the wire as a count; a negative one is a bad value, not bad JSON [WIRE-4].
fn whole(member: &str, name: &str, n: i64) -> Result<u32, ApiError> {
    u32::try_from(n).map_err(|_| ApiError::field(member, format!("{name} must be 0 to {}, not {n}", u32::MAX)))
}
