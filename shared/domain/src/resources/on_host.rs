//! Which volumes a host mounts, and the list of them that goes to the host [EBS-29].

use crate::model::Volume;

/// What a host is told when it has nothing to mount; by itself an empty parameter is the document's default, which changes nothing.
pub const NOTHING_TO_MOUNT: &str = "none";

/// A volume as a host is to mount it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `vol-...`.
    pub ec2_volume_id: String,
    /// The name that it is attached under, if its record knows it.
    pub device: Option<String>,
    /// Absolute path, without white space.
    pub mount_point: String,
}

/// The mount of an instance's volume; `None` for one without a mount point, which is attached and no more, and for what no line can hold:
/// records have none such.
pub fn mount_of(volume: &Volume, device: Option<&str>) -> Option<Mount> {
    let is_word = |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let device = device.filter(|device| is_word(device)).map(str::to_owned);
    let can_be_told = is_word(&volume.ec2_volume_id) && is_word(&volume.mount_point);
    can_be_told.then(|| Mount { ec2_volume_id: volume.ec2_volume_id.clone(), device, mount_point: volume.mount_point.clone() })
}

/// The list as Setup reads it: the line `strata-volumes 1`, then `id device mount-point` for each, so that a directory comes before what
/// is below it; `-` stands for a device that is not known. `None`: there is nothing to mount.
pub fn mounts_list(mut mounts: Vec<Mount>) -> Option<String> {
    if mounts.is_empty() {
        return None;
    }
    mounts.sort_by(|a, b| (&a.mount_point, &a.ec2_volume_id).cmp(&(&b.mount_point, &b.ec2_volume_id)));
    let line = |m: &Mount| format!("{} {} {}\n", m.ec2_volume_id, m.device.as_deref().unwrap_or("-"), m.mount_point);
    Some(format!("strata-volumes 1\n{}", mounts.iter().map(line).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(id: &str, device: Option<&str>, mount_point: &str) -> Option<Mount> {
        mount_of(&Volume { ec2_volume_id: id.to_owned(), mount_point: mount_point.to_owned() }, device)
    }

    /// [EBS-29]
    #[test]
    fn ebs_29_parents_are_mounted_first_and_volumes_without_a_mount_point_are_skipped() {
        let mounts =
            [mount("vol-3", Some("/dev/sdj"), "/data/logs"), mount("vol-2", Some("/dev/sdk"), ""), mount("vol-1", None, "/data")];
        let list = mounts_list(mounts.into_iter().flatten().collect());
        assert_eq!(list.as_deref(), Some("strata-volumes 1\nvol-1 - /data\nvol-3 /dev/sdj /data/logs\n"));
        assert_eq!(mounts_list(Vec::new()), None);
    }

    #[test]
    fn what_is_more_than_a_word_makes_no_line() {
        for bad in ["/a b", "/a\nvol-9 /dev/sdz /etc", "/a\t"] {
            assert_eq!(mount("vol-1", None, bad), None, "{bad:?}");
        }
        assert_eq!(mount("vol 1", None, "/a"), None);
        assert_eq!(mount("vol-1", Some("/dev/sd i"), "/a").and_then(|m| m.device), None, "its id finds it");
    }
}
