//! Update: OS and package updates.

use std::fs;

use crate::host::{AL2023, Host, UBUNTU};

fn update(host: &Host, nonce: &str, allow: &str) -> (i32, String) {
    host.run("update", &[("Nonce", nonce), ("AllowReboot", allow)])
}

/// [SEC-11] [SEC-16]
#[test]
fn an_update_reboots_if_a_newer_kernel_is_there_and_it_may() {
    let host = Host::new(AL2023);
    let boot = |id: &str| fs::write(host.path("proc/sys/kernel/random/boot_id"), id).unwrap();
    boot("first");
    host.program("uname", "echo 6.1.9-1.x86_64");
    host.program("rpm", "printf '6.1.10-1.x86_64\\n6.1.9-1.x86_64\\n'");
    assert_eq!(update(&host, "gentle", "false"), (0, "reboot required but not allowed\n".to_owned()));
    assert_eq!(update(&host, "n", "true"), (194, "updated, rebooting\n".to_owned()));
    assert_eq!(update(&host, "n", "true").0, 194, "until it has rebooted");
    boot("second");
    assert_eq!(update(&host, "n", "true"), (0, "updated, rebooted\n".to_owned()));
    assert_eq!(update(&host, "n", "true").0, 0);
    assert_eq!(host.calls("dnf"), ["dnf -y upgrade --releasever=latest"; 2]);

    host.program("uname", "echo 6.1.10-1.x86_64");
    assert_eq!(update(&host, "later", "true"), (0, "updated\n".to_owned()));
}

/// [SEC-11] [SEC-12] [SEC-14]
#[test]
fn sec_14_what_the_running_system_reports_says_how_it_is_updated() {
    for (os, call) in [
        ("ID=\"amzn\"\nVERSION_ID=\"2\"\n", "yum -y update"),
        (AL2023, "dnf -y upgrade --releasever=latest"),
        (UBUNTU, "apt-get"),
        (CENTOS, "yum -y update"),
    ] {
        let host = Host::new(os);
        assert_eq!(update(&host, "n", "false").0, 0);
        let managers: Vec<String> = ["yum", "dnf", "apt-get"].into_iter().flat_map(|name| host.calls(name)).collect();
        assert!(!managers.is_empty() && managers.iter().all(|one| one.starts_with(call)), "{managers:?}");
    }
}

const AL2: &str = "ID=\"amzn\"\nVERSION_ID=\"2\"\nPRETTY_NAME=\"Amazon Linux 2\"\n";
const CENTOS: &str = "ID=\"centos\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n";
const RHEL: &str = "ID=\"rhel\"\nVERSION_ID=\"7.9\"\nPRETTY_NAME=\"Red Hat Enterprise Linux\"\n";

fn upgrade(host: &Host, nonce: &str, to: &str) -> (i32, String) {
    host.run("update", &[("Nonce", nonce), ("AllowReboot", "true"), ("UpgradeOsTo", to)])
}

/// [SEC-18] [SEC-16]
#[test]
fn sec_18_an_upgrade_of_amazon_linux_is_told_its_release_for_good_and_then_updates_and_reboots() {
    for (os, to, release, call) in [
        (AL2, "Amazon Linux 2", "2", "yum -y update"),
        (AL2023, "Amazon Linux 2023", "latest", "dnf -y upgrade --releasever=latest"),
    ] {
        let host = Host::new(os);
        fs::write(host.path("etc/real.conf"), "[main]\ngpgcheck=1\nreleasever = 2016.03\n[other]\nname=x\n").unwrap();
        std::os::unix::fs::symlink("real.conf", host.path("etc/yum.conf")).unwrap();
        fs::write(host.path("proc/sys/kernel/random/boot_id"), "first").unwrap();
        host.program("uname", "echo 6.1.9-1.x86_64");
        host.program("rpm", "echo 6.1.10-1.x86_64");
        let (code, said) = upgrade(&host, "1", to);
        assert_eq!((code, said.as_str()), (194, "updated, rebooting\n"));
        let expected = format!("[main]\nreleasever={release}\ngpgcheck=1\n[other]\nname=x\n");
        assert_eq!(host.read("etc/real.conf"), expected, "a link stays one");
        assert_eq!(upgrade(&host, "2", to).0, 194);
        assert_eq!(host.read("etc/real.conf"), expected, "one line, however often");
        let managers: Vec<String> = ["yum", "dnf"].into_iter().flat_map(|name| host.calls(name)).collect();
        assert_eq!(managers, [call; 2]);
        assert_eq!(update(&host, "3", "false").0, 0);
        assert_eq!(host.read("etc/real.conf"), expected, "plain updates leave it");
    }
    let bare = Host::new(AL2023);
    assert_eq!(upgrade(&bare, "1", "Amazon Linux 2023").0, 0);
    assert_eq!(bare.read("etc/yum.conf"), "[main]\nreleasever=latest\n");
}

/// [SEC-19] [SEC-12]
#[test]
fn sec_19_an_upgrade_of_centos_and_red_hat_is_a_plain_update() {
    for (os, to) in [(CENTOS, "CentOS Linux 7"), (RHEL, "Red Hat Enterprise Linux 7")] {
        let host = Host::new(os);
        assert_eq!(upgrade(&host, "1", to), (0, "updated\n".to_owned()));
        assert_eq!((host.calls("yum"), host.read("etc/yum.conf").as_str()), (vec!["yum -y update".to_owned()], ""));
    }
}

/// [SEC-17]
#[test]
fn sec_17_what_a_host_runs_cannot_become_another_system() {
    for (os, to) in [
        (UBUNTU, "Ubuntu 22.04 LTS"),
        (AL2, "Amazon Linux 2023"),
        (AL2023, "Amazon Linux 2018.03"),
        (CENTOS, "Red Hat Enterprise Linux 8"),
        (AL2023, "Custom"),
    ] {
        let host = Host::new(os);
        let (code, said) = upgrade(&host, "1", to);
        assert!(code == 1 && said.contains(&format!("cannot become {to}; that takes a new instance")), "{said}");
        assert_eq!(host.read("calls"), "", "{to}");
    }
    let host = Host::new(UBUNTU);
    assert_eq!(upgrade(&host, "1", "Ubuntu 24.04 LTS").0, 0);
    assert_eq!(host.calls("apt-get").len(), 2);
}

/// [SEC-13] [SEC-17]
#[test]
fn ubuntu_fetches_its_lists_first_and_is_not_rebooted() {
    let host = Host::new(UBUNTU);
    assert_eq!(update(&host, "n", "true"), (0, "updated\n".to_owned()));
    let calls = host.calls("apt-get");
    assert!(calls.len() == 2 && calls[0].ends_with(" update") && calls[1].ends_with(" upgrade"), "{calls:?}");
}

/// [SEC-15]
#[test]
fn an_unknown_system_is_left_alone() {
    for document in ["update", "setup"] {
        let host = Host::new("ID=plan9\nPRETTY_NAME=\"Plan 9\"\n");
        let (code, said) = host.run(document, &[("Nonce", "n"), ("InstallUpdates", "true")]);
        assert!(code == 1 && said.contains("this is Plan 9") && said.contains("nothing was done"), "{said}");
        assert_eq!(host.read("calls"), "");
    }
}
