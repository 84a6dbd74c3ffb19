//! Setup: the volumes that are assigned to a host, mounted [EBS-29].

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::{AL2023, Host, UBUNTU, base64};

const OPTIONS: &str = "relatime,nofail,x-systemd.before=docker.service";

/// A host with disks: a file `dev/<name>` each, which holds what blkid finds on it. A mount is a line `directory device` of the file
/// `mounts`. mkfs.xfs refuses what is not empty, as it does when it is not forced.
struct Disks(Host);

impl Disks {
    fn new(os: &str) -> Self {
        let host = Host::new(os);
        fs::create_dir_all(host.path("dev")).unwrap();
        fs::write(host.path("etc/fstab"), "UUID=root / xfs defaults 0 0\n").unwrap();
        host.program("blkid", r#"[ "$1 $2 $3" = "-p -o export" ] || exit 4; [ -s "$4" ] || exit 2; cat "$4""#);
        host.program("mkfs.xfs", r#"[ ! -s "$1" ] || exit 1; printf 'UUID=of-%s\nTYPE=xfs\n' "$(basename "$1")" >"$1""#);
        host.program(
            "findmnt",
            r#"[ "$1 $2 $3 $4" = "-n -o SOURCE -M" ] || exit 9; sed -n "s|^$5 ||p" "$STRATA_ROOT/mounts" 2>/dev/null"#,
        );
        host.program(
            "mount",
            r#"[ "$1 $2 $3 $4" = "-t xfs -o relatime" ] && [ -d "$6" ] || exit 32; echo "$6 $5" >>"$STRATA_ROOT/mounts""#,
        );
        Self(host)
    }

    /// An EBS volume as an NVMe device, with this on it.
    fn nvme(&self, name: &str, id: &str, holds: &str) {
        let device = self.0.path(&format!("sys/block/{name}/device"));
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("model"), "Amazon Elastic Block Store              \n").unwrap();
        fs::write(device.join("serial"), format!("{}\n", id.replace('-', ""))).unwrap();
        self.disk(name, holds);
    }

    fn disk(&self, name: &str, holds: &str) {
        fs::write(self.0.path("dev").join(name), holds).unwrap();
    }

    fn setup(&self, nonce: &str, lines: &[&str]) -> (i32, String) {
        let list = base64(&format!("strata-volumes 1\n{}", lines.iter().map(|line| format!("{line}\n")).collect::<String>()));
        self.0.run("setup", &[("Nonce", nonce), ("Hostname", "web1"), ("Volumes", &list)])
    }

    /// The machine is down and comes up again: fstab is what is mounted by then.
    fn reboot(&self) {
        fs::write(self.0.path("mounts"), "").unwrap();
        fs::write(self.0.path("calls"), "").unwrap();
    }

    fn fstab(&self) -> Vec<String> {
        self.0.read("etc/fstab").lines().map(str::to_owned).collect()
    }

    /// Directory and device of each mount.
    fn mounts(&self) -> Vec<(String, String)> {
        let root = format!("{}", self.0.path("").display());
        let root = root.trim_end_matches('/');
        let pair = |line: &str| {
            let (at, device) = line.split_once(' ').unwrap();
            (at.trim_start_matches(root).to_owned(), device.trim_start_matches(root).to_owned())
        };
        self.0.read("mounts").lines().map(pair).collect()
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// [EBS-29]
#[test]
fn ebs_29_on_nvme_a_volume_is_found_by_its_id_made_xfs_once_and_mounted_at_every_start() {
    let host = Disks::new(AL2023);
    host.nvme("nvme2n1", "vol-0a", "");
    host.nvme("nvme1n1", "vol-0b", "");
    // Names of the other kind are somebody else's there.
    host.disk("xvdi", "");
    let lines = ["vol-0a /dev/sdi /data", "vol-0b /dev/sdj /data/logs"];
    let (code, said) = host.setup("1", &lines);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("volumes: vol-0a (/dev/nvme2n1) was empty and has an XFS file system now"), "{said}");
    let made = host.0.calls("mkfs.xfs");
    assert!(made.len() == 2 && made[0].ends_with("/dev/nvme2n1") && made[1].ends_with("/dev/nvme1n1"), "{made:?}");
    let expected = vec![
        "UUID=root / xfs defaults 0 0".to_owned(),
        format!("UUID=of-nvme2n1 /data xfs {OPTIONS},x-strata.volume=vol-0a 0 0"),
        format!("UUID=of-nvme1n1 /data/logs xfs {OPTIONS},x-strata.volume=vol-0b 0 0"),
    ];
    assert_eq!(host.fstab(), expected);
    assert_eq!(host.mounts(), pairs(&[("/data", "/dev/nvme2n1"), ("/data/logs", "/dev/nvme1n1")]));
    assert_eq!(fs::metadata(host.0.path("data")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(host.0.read("dev/xvdi"), "", "it is not touched");

    // Setup again on a running host changes nothing; after a restart devices may have changed names.
    fs::write(host.0.path("calls"), "").unwrap();
    assert_eq!(host.setup("2", &lines).0, 0);
    assert_eq!((host.0.calls("mkfs").len(), host.0.calls("mount").len(), host.fstab()), (0, 0, expected.clone()));
    host.reboot();
    let (a, b) = (host.0.read("dev/nvme2n1"), host.0.read("dev/nvme1n1"));
    host.nvme("nvme1n1", "vol-0a", &a);
    host.nvme("nvme2n1", "vol-0b", &b);
    let (code, said) = host.setup("3", &lines);
    assert_eq!((code, host.0.calls("mkfs").len()), (0, 0), "{said}");
    assert_eq!(host.fstab(), expected, "by the file systems' ids nothing has changed");
    assert_eq!(host.mounts(), pairs(&[("/data", "/dev/nvme1n1"), ("/data/logs", "/dev/nvme2n1")]));
}

/// [EBS-29] [EBS-21]: a heal's new machine finds the file system that was there.
#[test]
fn ebs_29_elsewhere_a_volume_is_found_by_its_name_and_what_is_on_it_stays() {
    for name in ["xvdi", "sdi"] {
        let host = Disks::new(UBUNTU);
        host.disk(name, "UUID=old\nTYPE=xfs\n");
        // An instance store may be NVMe where EBS volumes are not.
        fs::create_dir_all(host.0.path("sys/block/nvme0n1/device")).unwrap();
        fs::write(host.0.path("sys/block/nvme0n1/device/model"), "Amazon EC2 NVMe Instance Storage\n").unwrap();
        fs::write(host.0.path("sys/block/nvme0n1/device/serial"), "AWS1234\n").unwrap();
        let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(host.mounts(), pairs(&[("/data", &format!("/dev/{name}"))]));
        assert_eq!((host.0.calls("mkfs").len(), host.0.read(&format!("dev/{name}")).as_str()), (0, "UUID=old\nTYPE=xfs\n"));
        assert!(host.fstab()[1].starts_with("UUID=old /data xfs relatime,"), "{:?}", host.fstab());
    }
}

/// [EBS-29]
#[test]
fn ebs_29_old_lines_for_the_device_the_volume_and_the_mount_point_go_and_others_stay() {
    let host = Disks::new(AL2023);
    host.nvme("nvme1n1", "vol-1", "UUID=u1\nTYPE=xfs\n");
    let old = "# mounts\nUUID=root / xfs defaults 0 0\n/dev/nvme1n1 /mnt xfs defaults 0 0\n/dev/sdi /old ext4 defaults 0 0\n\
        LABEL=x /data xfs defaults 0 0\nUUID=u1 /elsewhere xfs defaults 0 0\nUUID=u0 /was xfs relatime,x-strata.volume=vol-1 0 0\n\
        UUID=u7 /gone xfs relatime,nofail,x-strata.volume=vol-7 0 0\nnfs:/x /nfs nfs defaults 0 0\n";
    fs::write(host.0.path("etc/fstab"), old).unwrap();
    assert_eq!(host.setup("1", &["vol-1 /dev/sdi /data"]).0, 0);
    let new = format!("UUID=u1 /data xfs {OPTIONS},x-strata.volume=vol-1 0 0");
    assert_eq!(host.fstab(), ["# mounts", "UUID=root / xfs defaults 0 0", "nfs:/x /nfs nfs defaults 0 0", &new]);
    assert!(!host.0.calls("systemctl daemon-reload").is_empty(), "systemd knows of it");

    // Unassigned while it was stopped.
    assert_eq!(host.0.run("setup", &[("Nonce", "2"), ("Volumes", "none")]).0, 0);
    assert_eq!(host.fstab(), ["# mounts", "UUID=root / xfs defaults 0 0", "nfs:/x /nfs nfs defaults 0 0"]);
    let before = host.fstab();
    assert_eq!(host.0.run("setup", &[("Nonce", "3")]).0, 0, "without a list nothing is touched");
    assert_eq!(host.fstab(), before);
}

/// [EBS-29] [RES-3]
#[test]
fn ebs_29_what_is_not_empty_gets_no_file_system_and_only_xfs_is_mounted() {
    for (holds, said_of_it) in [
        ("UUID=e\nTYPE=ext4\n", "has a file system of the type ext4, and only XFS is mounted"),
        ("PTUUID=1\nPTTYPE=gpt\n", "is not empty either (partition table: gpt)"),
    ] {
        let host = Disks::new(AL2023);
        host.nvme("nvme1n1", "vol-1", holds);
        let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
        assert!(code == 1 && said.contains(said_of_it) && said.contains("nothing was changed on it"), "{said}");
        assert_eq!((host.0.read("dev/nvme1n1").as_str(), host.0.calls("mkfs").len(), host.mounts().len()), (holds, 0, 0));
    }
    let host = Disks::new(AL2023);
    host.nvme("nvme1n1", "vol-1", "");
    // Several signatures at once: blkid will not say.
    host.0.program("blkid", "exit 8");
    let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
    assert!(code == 1 && said.contains("cannot be told: blkid ended with exit code 8"), "{said}");
    assert_eq!(host.0.calls("mkfs").len(), 0);
}

/// [EBS-29]
#[test]
fn ebs_29_a_volume_that_does_not_appear_fails_setup_after_three_hundred_seconds_and_one_that_does_is_waited_for() {
    let host = Disks::new(AL2023);
    host.nvme("nvme1n1", "vol-2", "");
    let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
    assert!(code == 1 && said.ends_with("the volume vol-1 (/dev/sdi) for /data did not appear within 300 s\n"), "{said}");
    assert_eq!(host.0.calls("sleep 1").len(), 300);
    assert_eq!(host.0.read("dev/nvme1n1"), "", "another volume is not taken for it");

    let host = Disks::new(AL2023);
    host.0.program("sleep", r#"[ "$(grep -c sleep "$STRATA_ROOT/calls")" -lt 300 ] || : >"$STRATA_ROOT/dev/xvdi""#);
    let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
    assert_eq!((code, host.mounts()), (0, pairs(&[("/data", "/dev/xvdi")])), "{said}");
}

#[test]
fn a_place_that_is_taken_fails_setup_and_nothing_is_mounted_over_it() {
    let host = Disks::new(AL2023);
    host.disk("xvdi", "UUID=u\nTYPE=xfs\n");
    let taken = format!("{}/data /dev/other\n", host.0.path("").display().to_string().trim_end_matches('/'));
    fs::write(host.0.path("mounts"), taken).unwrap();
    let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
    assert!(code == 1 && said.contains("belongs at /data, where /dev/other is mounted"), "{said}");
    assert_eq!((host.mounts().len(), host.fstab().len()), (1, 1));
    // Two at one place would be an array.
    let (code, said) = host.setup("2", &["vol-1 /dev/sdi /a", "vol-2 /dev/sdj /a"]);
    assert!(code == 1 && said.contains("RAID arrays are not made; nothing was mounted"), "{said}");
    assert_eq!(host.fstab().len(), 1);
}

#[test]
fn a_list_in_no_known_form_mounts_nothing_and_its_words_are_data() {
    let host = Disks::new(AL2023);
    host.disk("xvdi", "");
    for (nonce, bad) in [("1", base64("strata-volumes 2\nvol-1 /dev/sdi /data\n")), ("2", "!!".to_owned())] {
        let (code, said) = host.0.run("setup", &[("Nonce", nonce), ("Volumes", &bad)]);
        assert!(code == 1 && said.contains("nothing was mounted"), "{said}");
    }
    assert_eq!((host.0.read("dev/xvdi").as_str(), host.fstab().len()), ("", 1));
    let odd = r#"/data/$(touch${IFS}x);"'*\b"#;
    let (code, said) = host.setup("3", &[&format!("vol-1 /dev/sdi {odd}")]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(host.mounts(), pairs(&[(odd, "/dev/xvdi")]));
    assert!(host.0.path(odd.trim_start_matches('/')).is_dir());
    assert!(host.fstab()[1].starts_with(&format!("UUID=of-xvdi {} xfs", odd.replace('\\', "\\134"))), "{:?}", host.fstab());
}

#[test]
fn volumes_are_mounted_before_hooks_and_the_agent_and_mkfs_is_installed_if_it_is_missing() {
    for (os, install) in [(AL2023, "dnf -y install xfsprogs"), (UBUNTU, "apt-get")] {
        let host = Disks::new(os);
        host.disk("xvdi", "");
        let make = fs::read_to_string(host.0.path("bin/mkfs.xfs")).unwrap();
        fs::remove_file(host.0.path("bin/mkfs.xfs")).unwrap();
        let tail = make.lines().skip(2).collect::<Vec<_>>().join("\n");
        let program = if os == AL2023 { "dnf" } else { "apt-get" };
        host.0.program(
            program,
            &format!(
                "cat >\"$STRATA_ROOT/bin/mkfs.xfs\" <<'MKFS'\n#!/bin/bash\n{tail}\nMKFS\nchmod 0755 \"$STRATA_ROOT/bin/mkfs.xfs\""
            ),
        );
        host.0.hook("setup", "cp \"$STRATA_ROOT/mounts\" \"$STRATA_ROOT/seen\"");
        let (code, said) = host.setup("1", &["vol-1 /dev/sdi /data"]);
        assert_eq!(code, 0, "{said}");
        assert!(host.0.calls(install).iter().any(|call| call.ends_with("install xfsprogs")), "{said}");
        assert!(host.0.read("seen").contains("/dev/xvdi"), "the hook found it mounted");
    }
}
