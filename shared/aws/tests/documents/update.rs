//! Update: OS and package updates.

use std::fs;

use crate::host::{AL2023, Host, UBUNTU, base64};

fn update(host: &Host, nonce: &str, allow: &str) -> (i32, String) {
    host.run("update", &[("Nonce", nonce), ("AllowReboot", allow)])
}

/// What a run came to: its exit code, and what its last line says before it tells of the host's updates.
fn words(run: &(i32, String)) -> (i32, &str) {
    let last = run.1.lines().last().unwrap_or_default();
    (run.0, last.split_once("; patches: ").map_or(last, |(words, _)| words))
}

/// What the last line tells of the host's updates.
fn patches(run: &(i32, String)) -> &str {
    run.1.lines().last().and_then(|last| last.split_once("; patches: ")).map_or("", |(_, told)| told)
}

/// A package database with these kernels and this release of the system.
fn rpm(host: &Host, kernels: &str, release: &str) {
    let kernels = kernels.replace('\n', "\\n");
    let body = format!(
        "case \"$*\" in *system-release) echo {release} ;; *) printf 'package x is not installed\\n{kernels}\\n' ;; esac"
    );
    host.program("rpm", &body);
}

/// [SEC-11] [SEC-16]
#[test]
fn an_update_reboots_if_a_newer_kernel_is_there_and_it_may() {
    let host = Host::new(AL2023);
    let boot = |id: &str| fs::write(host.path("proc/sys/kernel/random/boot_id"), id).unwrap();
    boot("first");
    host.program("uname", "echo 6.1.9-1.x86_64");
    rpm(&host, "6.1.10-1.x86_64\n6.1.9-1.x86_64", "2023.8.20250707");
    assert_eq!(words(&update(&host, "gentle", "false")), (0, "reboot required but not allowed"));
    assert_eq!(update(&host, "n", "true"), (194, "updated, rebooting\n".to_owned()));
    assert_eq!(update(&host, "n", "true").0, 194, "until it has rebooted");
    boot("second");
    assert_eq!(words(&update(&host, "n", "true")), (0, "updated, rebooted"));
    assert_eq!(update(&host, "n", "true").0, 0);
    assert_eq!(host.calls("dnf -y"), ["dnf -y upgrade --releasever=latest"; 2]);

    host.program("uname", "echo 6.1.10-1.x86_64");
    assert_eq!(words(&update(&host, "later", "true")), (0, "updated"));
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
        let managers: Vec<String> = ["yum -y", "dnf -y", "apt-get -y"].into_iter().flat_map(|name| host.calls(name)).collect();
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
        rpm(&host, "6.1.10-1.x86_64", "2023.8.20250707");
        let (code, said) = upgrade(&host, "1", to);
        assert_eq!((code, said.as_str()), (194, "updated, rebooting\n"));
        let expected = format!("[main]\nreleasever={release}\ngpgcheck=1\n[other]\nname=x\n");
        assert_eq!(host.read("etc/real.conf"), expected, "a link stays one");
        assert_eq!(upgrade(&host, "2", to).0, 194);
        assert_eq!(host.read("etc/real.conf"), expected, "one line, however often");
        let managers: Vec<String> = ["yum -y", "dnf -y"].into_iter().flat_map(|name| host.calls(name)).collect();
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
        assert_eq!(words(&upgrade(&host, "1", to)), (0, "updated"));
        assert_eq!((host.calls("yum -y"), host.read("etc/yum.conf").as_str()), (vec!["yum -y update".to_owned()], ""));
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
    assert_eq!(host.calls("apt-get -y").len(), 2);
}

/// [SEC-13] [SEC-17]
#[test]
fn ubuntu_fetches_its_lists_first_and_is_not_rebooted() {
    let host = Host::new(UBUNTU);
    fs::create_dir_all(host.path("var/run")).unwrap();
    fs::write(host.path("var/run/reboot-required"), "").unwrap();
    let run = update(&host, "n", "true");
    assert_eq!(words(&run), (0, "updated"));
    assert!(patches(&run).contains("reboot=yes"), "it is told [SEC-17]: {run:?}");
    let calls = host.calls("apt-get -y");
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

fn campaign(host: &Host, nonce: &str, more: &[(&str, &str)]) -> (i32, String) {
    let given = [("Nonce", nonce), ("Reboot", "if_needed")];
    host.run("update", &given.into_iter().chain(more.iter().copied()).collect::<Vec<_>>())
}

/// dnf as it is on a host that is locked to its release: it upgrades to the releases that it is given by name only, if `obeys`.
fn locked_dnf(host: &Host, newest: &str, obeys: bool) {
    let named = if obeys { "echo 'Upgraded: system-release'" } else { "echo 'Nothing to do.'" };
    let body = format!(
        "case \"$*\" in\n  *check-release-update*) echo 'Version {newest}:' >&2 ;;\n  *check-update*) ;;\n  *--releasever={newest}*) {named} ;;\n  *) echo 'Nothing to do.' ;;\nesac"
    );
    host.program("dnf", &body);
}

/// [SEC-11]: both sides of "Nothing to do".
#[test]
fn sec_11_amazon_linux_2023_goes_to_a_release_by_name_and_nothing_to_do_while_a_newer_one_exists_is_a_failure() {
    const OLD: &str = "2023.8.20250707";
    const NEW: &str = "2023.9.20251117";
    for (present, newest, obeys, release, code, upgrade) in [
        (OLD, NEW, true, "", 0, NEW),
        (OLD, NEW, false, "", 1, NEW),
        // Nothing to do on the newest release is the truth.
        (NEW, NEW, false, "", 0, NEW),
        // A pinned release is gone to, and a newer one that exists is no failure.
        (OLD, NEW, false, OLD, 0, OLD),
        (OLD, NEW, true, NEW, 0, NEW),
    ] {
        let host = Host::new(AL2023);
        rpm(&host, "", present);
        locked_dnf(&host, newest, obeys);
        let (found, said) = campaign(&host, "n", &[("Release", release)]);
        assert_eq!(found, code, "{present} {newest} {obeys} {release}: {said}");
        assert_eq!(host.calls("dnf -y"), [format!("dnf -y upgrade --releasever={upgrade}")]);
        assert_eq!(said.contains(&format!("{newest} exists and this host is on {present}")), code != 0, "{said}");
        assert_eq!(host.path("var/lib/strata/updated").exists(), code == 0);
    }
}

#[test]
fn security_updates_alone_are_what_each_system_calls_so() {
    let al2023 = Host::new(AL2023);
    rpm(&al2023, "", "2023.8.20250707");
    locked_dnf(&al2023, "2023.9.20251117", false);
    assert_eq!(campaign(&al2023, "n", &[("Kind", "security")]).0, 0, "a release without security updates for it");
    assert_eq!(al2023.calls("dnf -y"), ["dnf -y upgrade --releasever=2023.9.20251117 --security"]);

    let al2 = Host::new(AL2);
    assert_eq!(campaign(&al2, "n", &[("Kind", "security")]).0, 0);
    assert_eq!(al2.calls("yum -y"), ["yum -y update --security"]);

    let centos = Host::new(CENTOS);
    let (code, said) = campaign(&centos, "n", &[("Kind", "security")]);
    assert!(code == 1 && said.contains("CentOS does not say which updates are security updates"), "{said}");
    assert!(centos.calls("yum").is_empty());

    let ubuntu = Host::new("ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n");
    assert_eq!(campaign(&ubuntu, "n", &[("Kind", "security")]).0, 0);
    let pins = ubuntu.read("var/lib/strata/security.pref");
    let priorities: Vec<&str> = pins.lines().filter(|line| line.starts_with("Pin")).collect();
    assert_eq!(priorities[..2], ["Pin: release a=noble-security", "Pin-Priority: 500"]);
    assert_eq!(priorities[6..], ["Pin: release a=now", "Pin-Priority: 100", "Pin: release *", "Pin-Priority: 50"]);
    let calls = ubuntu.calls("apt-get -y");
    assert!(
        calls[1].contains("-o Dir::Etc::Preferences=") && calls[1].ends_with("security.pref --with-new-pkgs upgrade"),
        "{calls:?}"
    );
}

#[test]
fn a_campaign_reboots_if_it_is_needed_or_always_or_never_on_every_system() {
    for (os, pending, reboot, code, said) in [
        (AL2023, true, "if_needed", 194, "updated, rebooting"),
        (AL2023, false, "if_needed", 0, "updated"),
        (AL2023, true, "never", 0, "reboot required but not allowed"),
        (AL2023, false, "never", 0, "updated"),
        (AL2023, false, "always", 194, "updated, rebooting"),
        (UBUNTU, true, "if_needed", 194, "updated, rebooting"),
        (UBUNTU, false, "if_needed", 0, "updated"),
        (UBUNTU, true, "never", 0, "reboot required but not allowed"),
        (UBUNTU, false, "always", 194, "updated, rebooting"),
    ] {
        let host = Host::new(os);
        fs::write(host.path("proc/sys/kernel/random/boot_id"), "first").unwrap();
        host.program("uname", "echo 6.1.9-1.x86_64");
        rpm(&host, if pending { "6.1.10-1.x86_64" } else { "6.1.9-1.x86_64" }, "2023.8.20250707");
        if pending {
            fs::create_dir_all(host.path("var/run")).unwrap();
            fs::write(host.path("var/run/reboot-required"), "").unwrap();
        }
        let run = host.run("update", &[("Nonce", "n"), ("Reboot", reboot)]);
        assert_eq!(words(&run), (code, said), "{os} {pending} {reboot}");
    }
}

#[test]
fn an_updated_host_must_pass_its_health_command_after_the_reboot_within_three_tries() {
    let host = Host::new(AL2023);
    fs::write(host.path("proc/sys/kernel/random/boot_id"), "first").unwrap();
    let check = base64("echo 'health; \"$HOME\"' >>\"$STRATA_ROOT/calls\"; test -e \"$STRATA_ROOT/well\"");
    let given = |nonce| [("Nonce", nonce), ("Reboot", "always"), ("HealthCommand", check.as_str()), ("HealthSeconds", "5")];
    assert_eq!(host.run("update", &given("1")).0, 194);
    assert!(host.calls("health").is_empty(), "not before the reboot");
    fs::write(host.path("proc/sys/kernel/random/boot_id"), "second").unwrap();
    let (code, said) = host.run("update", &given("1"));
    assert!(
        code == 1 && said.contains("the host is updated, but its health command failed three times within 5 s each"),
        "{said}"
    );
    assert_eq!((host.calls("health").len(), host.calls("sleep 5").len()), (3, 2));

    fs::write(host.path("well"), "").unwrap();
    assert_eq!(host.run("update", &given("2")).0, 194);
    fs::write(host.path("proc/sys/kernel/random/boot_id"), "third").unwrap();
    assert_eq!(words(&host.run("update", &given("2"))), (0, "updated, rebooted"));
    let (code, said) = campaign(&host, "3", &[("HealthCommand", "====")]);
    assert!(code == 1 && said.contains("the health command is not base64"), "{said}");
}

#[test]
fn a_health_command_that_does_not_end_is_ended() {
    let host = Host::new(AL2023);
    host.program("timeout", "[ \"$1\" = 7 ] && exit 124");
    let (code, said) = campaign(&host, "n", &[("HealthCommand", &base64("sleep infinity")), ("HealthSeconds", "7")]);
    assert!(code == 1 && said.contains("within 7 s each"), "{said}");
    assert_eq!(host.calls("timeout 7 bash -c sleep infinity").len(), 3);
}

/// [SEC-11] [SEC-13]
#[test]
fn a_scan_counts_what_is_missing_and_changes_nothing() {
    let host = Host::new(AL2023);
    rpm(&host, "6.1.10-1.x86_64", "2023.8.20250707");
    host.program("uname", "echo 6.1.9-1.x86_64");
    let list = "printf '\\nvim.x86_64  2:9  amazonlinux\\nkernel.x86_64\\n   6.1.11 amazonlinux\\nObsoleting Packages\\nold.noarch 1 x\\n'; exit 100";
    let body = format!(
        "case \"$*\" in\n  *check-release-update*) echo 2023.9.20251117 ;;\n  *check-update*--security*) printf 'vim.x86_64 2:9 amazonlinux\\n'; exit 100 ;;\n  *check-update*) {list} ;;\nesac"
    );
    host.program("dnf", &body);
    let run = host.run("update", &[("Nonce", "n"), ("Kind", "scan"), ("HealthCommand", "====")]);
    assert_eq!(words(&run), (0, "nothing was changed"));
    assert_eq!(patches(&run), "missing=2 security=1 reboot=yes release=2023.8.20250707 newest=2023.9.20251117");
    assert!(host.calls("dnf -y").is_empty() && !host.path("var/lib/strata/updated").exists());

    let ubuntu = Host::new("ID=ubuntu\nVERSION_ID=\"24.04\"\nVERSION_CODENAME=noble\n");
    let inst = "case \"$*\" in\n  *-s*Preferences*) echo 'Inst vim (2 Ubuntu:24.04/noble-security)' ;;\n  *-s*) printf 'Inst vim\\nInst git\\nConf vim\\n' ;;\nesac";
    ubuntu.program("apt-get", inst);
    let run = ubuntu.run("update", &[("Nonce", "n"), ("Kind", "scan")]);
    assert_eq!(patches(&run), "missing=2 security=1 reboot=no release=24.04");
    let calls = ubuntu.calls("apt-get -y");
    assert!(calls.len() == 1 && calls[0].ends_with(" update"), "the lists alone: {calls:?}");

    let centos = Host::new(CENTOS);
    centos.program("yum", "exit 1");
    assert_eq!(patches(&centos.run("update", &[("Nonce", "n"), ("Kind", "scan")])), "missing=? security=? reboot=no release=7");
}

#[test]
fn an_update_is_remembered_on_its_host() {
    let host = Host::new(AL2);
    let run = campaign(&host, "n", &[]);
    let told = patches(&run);
    assert!(told.starts_with("missing=0 security=0 reboot=no updated=1") && told.ends_with(" release=2"), "{told}");
}
