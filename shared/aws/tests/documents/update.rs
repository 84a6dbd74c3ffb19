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

/// [SEC-11] [SEC-14]
#[test]
fn sec_14_what_the_running_system_reports_says_how_it_is_updated() {
    for (os, call) in [
        ("ID=\"amzn\"\nVERSION_ID=\"2\"\n", "yum -y update"),
        (AL2023, "dnf -y upgrade --releasever=latest"),
        (UBUNTU, "apt-get"),
    ] {
        let host = Host::new(os);
        assert_eq!(update(&host, "n", "false").0, 0);
        let managers: Vec<String> = ["yum", "dnf", "apt-get"].into_iter().flat_map(|name| host.calls(name)).collect();
        assert!(!managers.is_empty() && managers.iter().all(|one| one.starts_with(call)), "{managers:?}");
    }
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
