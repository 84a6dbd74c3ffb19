//! What a layer's `VolumeConfigurations` may ask for [EBS-1..13], and the sizes that each type of volume can have.

use std::collections::BTreeSet;

use crate::model::VolumeConfiguration;

/// So many volumes a layer may ask for per instance; device names run from `/dev/sdi` to `/dev/sdz` [EBS-30].
pub const MOST_VOLUMES: usize = 18;

/// Mount points that belong to the service or to the system [EBS-13].
const RESERVED: [&str; 8] =
    ["/srv/www", "/var/log/apache2", "/var/log/httpd", "/var/log/mysql", "/var/www", "/", "/home", "/etc"];

/// What EBS offers of one type: name, sizes in GiB, whether IOPS are asked for [EBS-8..12].
struct VolumeType {
    name: &'static str,
    smallest: u32,
    largest: u32,
    needs_iops: bool,
}

/// `gp3` and `io2` came after OpsWorks (monitoring-and-resources.md, Q7).
const TYPES: [VolumeType; 7] = [
    VolumeType { name: "standard", smallest: 1, largest: 1_024, needs_iops: false },
    VolumeType { name: "gp2", smallest: 1, largest: 16_384, needs_iops: false },
    VolumeType { name: "gp3", smallest: 1, largest: 16_384, needs_iops: false },
    VolumeType { name: "io1", smallest: 4, largest: 16_384, needs_iops: true },
    VolumeType { name: "io2", smallest: 4, largest: 16_384, needs_iops: true },
    VolumeType { name: "st1", smallest: 125, largest: 16_384, needs_iops: false },
    VolumeType { name: "sc1", smallest: 125, largest: 16_384, needs_iops: false },
];

/// IOPS per GiB at most [EBS-10].
const MOST_IOPS_PER_GIB: u32 = 50;
/// IOPS at least, of the types that ask for them.
const LEAST_IOPS: u32 = 100;

/// What is wrong with a volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// [EBS-1]
    #[error("MountPoint \"{0}\" must be the absolute path of a directory, at most 255 characters without white space and quotes")]
    MountPoint(String),
    /// [EBS-13]
    #[error("MountPoint \"{0}\" is reserved")]
    Reserved(String),
    /// [EBS-13]
    #[error("MountPoint \"{0}\" is there twice")]
    Twice(String),
    /// [EBS-2]
    #[error("NumberOfDisks of \"{mount_point}\" must be 1 without RAID, not {found}")]
    Disks {
        /// Which volume.
        mount_point: String,
        /// What was sent.
        found: u32,
    },
    /// [EBS-4]
    #[error("VolumeType \"{0}\" is not one of standard, gp2, gp3, io1, io2, st1, sc1")]
    Type(String),
    /// [EBS-8..12]
    #[error("Size of a volume of type {volume_type} must be {smallest} to {largest} GiB, not {found}")]
    Size {
        /// Its type.
        volume_type: String,
        /// GiB.
        smallest: u32,
        /// GiB.
        largest: u32,
        /// What was sent.
        found: u32,
    },
    /// [EBS-5]
    #[error("Iops is required for volumes of type {0}")]
    NoIops(String),
    /// [EBS-10]
    #[error("Iops must be {LEAST_IOPS} to {most} for {size} GiB, not {found}")]
    Iops {
        /// What the size allows.
        most: u32,
        /// GiB.
        size: u32,
        /// What was sent.
        found: u32,
    },
    /// Too many.
    #[error("at most {MOST_VOLUMES} volumes are possible, not {0}")]
    TooMany(usize),
}

/// Whether type, size and IOPS go together [EBS-4, 5, 8..12].
///
/// # Errors
/// [`VolumeError`].
pub fn check_type(volume_type: &str, size: u32, iops: Option<u32>) -> Result<(), VolumeError> {
    let known = TYPES.iter().find(|t| t.name == volume_type).ok_or_else(|| VolumeError::Type(volume_type.to_owned()))?;
    if !(known.smallest..=known.largest).contains(&size) {
        let (smallest, largest) = (known.smallest, known.largest);
        return Err(VolumeError::Size { volume_type: volume_type.to_owned(), smallest, largest, found: size });
    }
    match (known.needs_iops, iops) {
        (true, None) => Err(VolumeError::NoIops(volume_type.to_owned())),
        (true, Some(found)) => {
            let most = size.saturating_mul(MOST_IOPS_PER_GIB);
            if (LEAST_IOPS..=most).contains(&found) { Ok(()) } else { Err(VolumeError::Iops { most, size, found }) }
        }
        (false, _) => Ok(()),
    }
}

/// Whether a layer may have these volumes [EBS-1..13].
///
/// # Errors
/// [`VolumeError`] names the first mistake.
pub fn check(volumes: &[VolumeConfiguration]) -> Result<(), VolumeError> {
    if volumes.len() > MOST_VOLUMES {
        return Err(VolumeError::TooMany(volumes.len()));
    }
    let mut seen = BTreeSet::new();
    for volume in volumes {
        let point = check_mount_point(&volume.mount_point)?;
        if !seen.insert(point) {
            return Err(VolumeError::Twice(volume.mount_point.clone()));
        }
        if volume.number_of_disks != 1 {
            return Err(VolumeError::Disks { mount_point: volume.mount_point.clone(), found: volume.number_of_disks });
        }
        check_type(&volume.volume_type, volume.size, volume.iops)?;
    }
    Ok(())
}

/// Whether something may be mounted there [EBS-1, 13]; gives the path without a slash at its end.
///
/// # Errors
/// [`VolumeError::MountPoint`] or [`VolumeError::Reserved`].
pub fn check_mount_point(path: &str) -> Result<&str, VolumeError> {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '\'' | '\\' | '`' | '$');
    let is_path = path.starts_with('/')
        && path.chars().count() <= 255
        && path.chars().all(is_plain)
        && !path.contains("//")
        && path.split('/').all(|part| part != "." && part != "..");
    if !is_path {
        return Err(VolumeError::MountPoint(path.to_owned()));
    }
    let point = if path == "/" { path } else { path.trim_end_matches('/') };
    if RESERVED.contains(&point) || point.starts_with("/media/ephemeral") {
        return Err(VolumeError::Reserved(path.to_owned()));
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(mount_point: &str) -> VolumeConfiguration {
        VolumeConfiguration {
            mount_point: mount_point.into(),
            number_of_disks: 1,
            size: 10,
            volume_type: "gp2".into(),
            iops: None,
            encrypted: false,
        }
    }

    /// [EBS-8] [EBS-9] [EBS-10] [EBS-11] [EBS-12] [EBS-4]
    #[test]
    fn ebs_8_each_type_has_its_sizes() {
        for (name, smallest, largest) in [
            ("standard", 1, 1_024),
            ("gp2", 1, 16_384),
            ("gp3", 1, 16_384),
            ("io1", 4, 16_384),
            ("io2", 4, 16_384),
            ("st1", 125, 16_384),
            ("sc1", 125, 16_384),
        ] {
            let fits = |size| check_type(name, size, Some(100)).is_ok();
            assert!(fits(smallest) && fits(largest) && !fits(smallest - 1) && !fits(largest + 1), "{name}");
        }
        assert_eq!(check_type("gp9", 10, None), Err(VolumeError::Type("gp9".into())));
    }

    /// [EBS-5] [EBS-10]
    #[test]
    fn ebs_10_iops_are_asked_for_by_io1_only_and_at_most_50_per_gib() {
        assert_eq!(check_type("io1", 10, None), Err(VolumeError::NoIops("io1".into())));
        for (iops, fits) in [(99, false), (100, true), (500, true), (501, false)] {
            assert_eq!(check_type("io1", 10, Some(iops)).is_ok(), fits, "{iops}");
        }
        assert!(check_type("gp2", 10, Some(9_999)).is_ok(), "ignored on others");
        assert!(check_type("io1", 16_384, Some(u32::MAX)).is_err());
    }

    /// [EBS-1] [EBS-13]
    #[test]
    fn ebs_13_mount_points_are_directories_that_belong_to_nobody_else() {
        for fits in ["/data", "/data/", "/srv/www2", "/var/lib/docker", "/home/shop", "/media/disk"] {
            assert!(check_mount_point(fits).is_ok(), "{fits}");
        }
        for reserved in [
            "/",
            "/home",
            "/home/",
            "/etc",
            "/srv/www",
            "/var/www",
            "/var/log/mysql",
            "/var/log/httpd",
            "/var/log/apache2",
            "/media/ephemeral0",
        ] {
            assert_eq!(check_mount_point(reserved), Err(VolumeError::Reserved(reserved.into())), "{reserved}");
        }
        let long = format!("/{}", "a".repeat(255));
        for bad in ["", "data", "/dev/sdh x", "/a/../etc", "/a//b", "/a\nb", "/$(reboot)", "/a'b", long.as_str()] {
            assert_eq!(check_mount_point(bad), Err(VolumeError::MountPoint(bad.into())), "{bad}");
        }
        assert_eq!(check(&[volume("/a"), volume("/b"), volume("/a/")]), Err(VolumeError::Twice("/a/".into())));
    }

    /// [EBS-2]
    #[test]
    fn ebs_2_one_disk_and_not_too_many_volumes() {
        let two = VolumeConfiguration { number_of_disks: 2, ..volume("/a") };
        assert!(matches!(check(&[two]), Err(VolumeError::Disks { found: 2, .. })));
        let many = |n: usize| (0..n).map(|i| volume(&format!("/v{i}"))).collect::<Vec<_>>();
        assert_eq!(check(&many(MOST_VOLUMES)), Ok(()));
        assert_eq!(check(&many(MOST_VOLUMES + 1)), Err(VolumeError::TooMany(MOST_VOLUMES + 1)));
    }
}
