//! What an instance's `BlockDeviceMappings` may ask for [EBS-14] (instances.md, section 6).

use std::collections::BTreeSet;

use crate::model::BlockDeviceMapping;
use crate::volume_configurations::{self, VolumeError};

/// The name that stands for the root device, whatever it is called.
pub const ROOT_DEVICE: &str = "ROOT_DEVICE";
/// So many mappings an instance may have; with it the largest answer of DescribeInstances fits [QTA-1].
pub const MOST_MAPPINGS: usize = 2;
/// IOPS of an `io1` root volume [EBS-14].
const ROOT_IOPS: std::ops::RangeInclusive<u32> = 100..=240;
/// The smallest root volume in GiB [EBS-14].
const SMALLEST_ROOT: u32 = 8;

/// The device names that mappings take, as `/dev/sd?`: some images call the same device `/dev/xvd?`.
pub fn taken_devices(mappings: &[BlockDeviceMapping]) -> impl Iterator<Item = String> {
    mappings.iter().map(|mapping| {
        let name = mapping.device_name.strip_prefix("/dev/").unwrap_or(&mapping.device_name);
        format!("/dev/{}", name.strip_prefix("xvd").map_or_else(|| name.to_owned(), |rest| format!("sd{rest}")))
    })
}

/// What is wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockDeviceError {
    /// No name, or one of another form.
    #[error("DeviceName \"{0}\" must be ROOT_DEVICE or a device such as /dev/sdh, at most 16 characters")]
    Name(String),
    /// A device twice.
    #[error("DeviceName \"{0}\" is there twice")]
    Twice(String),
    /// Nothing or too much is mapped.
    #[error("{0} needs exactly one of Ebs, VirtualName and NoDevice")]
    OneOf(String),
    /// The root device is a volume.
    #[error("ROOT_DEVICE takes Ebs only")]
    Root,
    /// A virtual name of another form.
    #[error("VirtualName \"{0}\" must be ephemeral and a number")]
    VirtualName(String),
    /// A snapshot id of another form.
    #[error("SnapshotId \"{0}\" must be of the form snap-0123456789abcdef0")]
    Snapshot(String),
    /// [EBS-14]
    #[error("VolumeSize of the root volume must be at least {SMALLEST_ROOT} GiB, not {0}")]
    RootSize(u32),
    /// [EBS-14]
    #[error("Iops of the root volume must be 100 to 240, not {0}")]
    RootIops(u32),
    /// Type, size or IOPS.
    #[error("{0}")]
    Volume(#[from] VolumeError),
    /// Too many.
    #[error("at most {MOST_MAPPINGS} are possible, not {0}")]
    TooMany(usize),
}

/// Whether an instance may have these mappings.
///
/// # Errors
/// [`BlockDeviceError`] names the first mistake.
pub fn check(mappings: &[BlockDeviceMapping]) -> Result<(), BlockDeviceError> {
    if mappings.len() > MOST_MAPPINGS {
        return Err(BlockDeviceError::TooMany(mappings.len()));
    }
    let mut seen = BTreeSet::new();
    for mapping in mappings {
        let name = &mapping.device_name;
        if !is_device(name) {
            return Err(BlockDeviceError::Name(name.clone()));
        }
        if !seen.insert(name) {
            return Err(BlockDeviceError::Twice(name.clone()));
        }
        check_one(mapping)?;
    }
    Ok(())
}

fn is_device(name: &str) -> bool {
    let is_path = |path: &str| !path.is_empty() && path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/');
    name.len() <= 16
        && (name == ROOT_DEVICE
            || name.strip_prefix("/dev/").is_some_and(is_path)
            || name.strip_prefix("xvd").is_some_and(is_path))
}

fn check_one(mapping: &BlockDeviceMapping) -> Result<(), BlockDeviceError> {
    let is_root = mapping.device_name == ROOT_DEVICE;
    match (&mapping.ebs, &mapping.virtual_name, &mapping.no_device) {
        (Some(_), None, None) => check_volume(mapping, is_root),
        (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => {
            Err(BlockDeviceError::OneOf(mapping.device_name.clone()))
        }
        (None, Some(_), None) | (None, None, Some(_)) if is_root => Err(BlockDeviceError::Root),
        (None, Some(name), None) => {
            let number = name.strip_prefix("ephemeral").unwrap_or_default();
            let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
            if is_number { Ok(()) } else { Err(BlockDeviceError::VirtualName(name.clone())) }
        }
        (None, None, Some(_)) => Ok(()),
    }
}

fn check_volume(mapping: &BlockDeviceMapping, is_root: bool) -> Result<(), BlockDeviceError> {
    let Some(ebs) = &mapping.ebs else { return Ok(()) };
    if let Some(snapshot) = &ebs.snapshot_id {
        let hex = snapshot.strip_prefix("snap-").unwrap_or_default();
        if !(8..=17).contains(&hex.len()) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BlockDeviceError::Snapshot(snapshot.clone()));
        }
    }
    let volume_type = ebs.volume_type.as_deref().unwrap_or("standard");
    match ebs.volume_size {
        Some(size) if is_root && size < SMALLEST_ROOT => return Err(BlockDeviceError::RootSize(size)),
        Some(size) => volume_configurations::check_type(volume_type, size, ebs.iops)?,
        // The image's own size, which EC2 knows: type and IOPS are judged with a size that allows them.
        None => volume_configurations::check_type(volume_type, 1_000, ebs.iops)?,
    }
    match ebs.iops {
        Some(iops) if is_root && volume_type == "io1" && !ROOT_IOPS.contains(&iops) => Err(BlockDeviceError::RootIops(iops)),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EbsBlockDevice;

    fn root(volume_type: &str, size: u32, iops: Option<u32>) -> BlockDeviceMapping {
        let ebs =
            EbsBlockDevice { volume_type: Some(volume_type.into()), volume_size: Some(size), iops, ..EbsBlockDevice::default() };
        BlockDeviceMapping { device_name: ROOT_DEVICE.into(), ebs: Some(ebs), virtual_name: None, no_device: None }
    }

    /// [EBS-14]
    #[test]
    fn ebs_14_root_volumes_have_their_sizes_and_iops() {
        for (volume_type, size, iops, fits) in [
            ("gp2", 7, None, false),
            ("gp2", 8, None, true),
            ("gp2", 16_384, None, true),
            ("gp2", 16_385, None, false),
            ("standard", 8, None, true),
            ("standard", 1_024, None, true),
            ("standard", 1_025, None, false),
            ("standard", 7, None, false),
            ("io1", 8, Some(100), true),
            ("io1", 8, Some(240), true),
            ("io1", 8, Some(241), false),
            ("io1", 8, Some(99), false),
            ("io1", 8, None, false),
            ("io1", 7, Some(100), false),
            ("nvme", 8, None, false),
        ] {
            assert_eq!(check(&[root(volume_type, size, iops)]).is_ok(), fits, "{volume_type} {size} {iops:?}");
        }
    }

    #[test]
    fn a_device_is_taken_under_either_of_its_names() {
        let named = |name: &str| BlockDeviceMapping { device_name: name.into(), ..root("gp2", 8, None) };
        let taken: Vec<String> = taken_devices(&["/dev/sdi", "/dev/xvdj", "xvdk"].map(named)).collect();
        assert_eq!(taken, ["/dev/sdi", "/dev/sdj", "/dev/sdk"]);
    }

    #[test]
    fn a_mapping_names_a_device_once_and_maps_one_thing_to_it() {
        let plain = |device: &str| BlockDeviceMapping {
            device_name: device.into(),
            ebs: None,
            virtual_name: Some("ephemeral0".into()),
            no_device: None,
        };
        assert_eq!(check(&[plain("/dev/sdb"), plain("xvdc")]), Ok(()));
        assert_eq!(check(&[plain("/dev/sdb"), plain("/dev/sdb")]), Err(BlockDeviceError::Twice("/dev/sdb".into())));
        for bad in ["", "sdb", "/dev/", "/dev/sd b", "root_device"] {
            assert_eq!(check(&[plain(bad)]), Err(BlockDeviceError::Name(bad.into())), "{bad}");
        }
        assert_eq!(check(&[plain(ROOT_DEVICE)]), Err(BlockDeviceError::Root));
        let nothing = BlockDeviceMapping { virtual_name: None, ..plain("/dev/sdb") };
        let removed = BlockDeviceMapping { no_device: Some(String::new()), ..nothing.clone() };
        let both = BlockDeviceMapping { no_device: Some(String::new()), ..plain("/dev/sdb") };
        let with_ebs = BlockDeviceMapping { ebs: Some(EbsBlockDevice::default()), ..plain("/dev/sdb") };
        assert_eq!(check(&[removed]), Ok(()));
        for bad in [nothing, both, with_ebs] {
            assert_eq!(check(&[bad]), Err(BlockDeviceError::OneOf("/dev/sdb".into())));
        }
        for (name, fits) in
            [("ephemeral0", true), ("ephemeral23", true), ("ephemeral", false), ("disk0", false), ("ephemeral100", false)]
        {
            let mapping = BlockDeviceMapping { virtual_name: Some(name.into()), ..plain("/dev/sdb") };
            assert_eq!(check(&[mapping]).is_ok(), fits, "{name}");
        }
        let from = |id: &str| BlockDeviceMapping {
            ebs: Some(EbsBlockDevice { snapshot_id: Some(id.into()), ..EbsBlockDevice::default() }),
            virtual_name: None,
            ..plain("/dev/sdb")
        };
        assert_eq!(check(&[from("snap-0123456789abcdef0")]), Ok(()));
        assert_eq!(check(&[from("snap-x")]), Err(BlockDeviceError::Snapshot("snap-x".into())));
        let many: Vec<_> = (0..=MOST_MAPPINGS).map(|n| plain(&format!("/dev/sd{n}"))).collect();
        assert_eq!(check(&many[1..]), Ok(()));
        assert_eq!(check(&many), Err(BlockDeviceError::TooMany(MOST_MAPPINGS + 1)));
    }
}
