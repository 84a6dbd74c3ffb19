//! The user data of break-glass templates: really run, in a directory of its own, with stand-ins for what changes a machine.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use strata_domain::break_glass::user_data;
use tempfile::TempDir;

const SETUP: &str = include_str!("../documents/setup.yaml");
const AL2023: &str = "ID=\"amzn\"\nVERSION_ID=\"2023\"\n";
const UBUNTU: &str = "ID=ubuntu\nVERSION_ID=\"24.04\"\n";

fn boot() -> String {
    user_data(&"arn:aws:ecs:eu-west-1:123456789012:cluster/shop".into()).unwrap()
}

/// A machine made of a directory; `has_agent`: its image has an ECS agent.
fn machine(os_release: &str, has_agent: bool) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in ["bin", "etc"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    fs::write(dir.path().join("etc/os-release"), os_release).unwrap();
    let unknown = if has_agent { "" } else { "[ \"$1\" != cat ]" };
    for (name, body) in [
        ("systemctl", unknown),
        ("curl", "case \"$*\" in *placement/region) echo eu-west-1 ;; *services/domain) echo amazonaws.com ;; esac"),
        ("dpkg", "echo amd64"),
        ("dnf", ""),
        ("apt-get", ""),
        ("getent", ""),
        ("groupadd", ""),
        ("sleep", ""),
    ] {
        let path = dir.path().join("bin").join(name);
        let text = format!("#!/bin/bash\nprintf '%s\\n' \"{name} $*\" >>\"$STRATA_ROOT/calls\"\n{body}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

/// Exit code and what was said.
fn run(machine: &TempDir) -> (i32, String) {
    let file = machine.path().join("user-data");
    fs::write(&file, boot()).unwrap();
    let path = format!("{}:/usr/bin:/bin", machine.path().join("bin").display());
    let mut command = Command::new("bash");
    let output = command.arg(file).env_clear().env("PATH", path).env("STRATA_ROOT", machine.path()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn calls(machine: &TempDir, beginning: &str) -> Vec<String> {
    let calls = fs::read_to_string(machine.path().join("calls")).unwrap_or_default();
    calls.lines().filter(|call| call.starts_with(beginning)).map(str::to_owned).collect()
}

fn config(machine: &TempDir) -> String {
    fs::read_to_string(machine.path().join("etc/ecs/ecs.config")).unwrap_or_default()
}

#[test]
fn a_plain_image_gets_the_agent_and_joins_the_cluster_without_waiting_for_the_unit() {
    for (os_release, installs) in [(AL2023, "dnf -y install docker ecs-init"), (UBUNTU, "apt-get")] {
        let machine = machine(os_release, false);
        let (code, said) = run(&machine);
        assert_eq!((code, said.trim_end()), (0, "the ECS agent starts and joins the cluster shop"));
        assert!(!calls(&machine, installs).is_empty(), "{installs}");
        assert!(config(&machine).starts_with("ECS_CLUSTER=shop\n"), "{}", config(&machine));
        let expected = ["cat ecs.service", "enable docker ecs", "start docker", "restart --no-block ecs"];
        assert_eq!(calls(&machine, "systemctl"), expected.map(|call| format!("systemctl {call}")));
    }
}

#[test]
fn an_image_with_an_agent_is_only_told_its_cluster_and_keeps_its_other_settings() {
    let machine = machine("ID=flatcar\n", true);
    fs::create_dir_all(machine.path().join("etc/ecs")).unwrap();
    fs::write(machine.path().join("etc/ecs/ecs.config"), "ECS_CLUSTER=default\nECS_ENABLE_GPU_SUPPORT=true\n").unwrap();
    assert_eq!(run(&machine).0, 0);
    let expected = "ECS_ENABLE_GPU_SUPPORT=true\nECS_CLUSTER=shop\n";
    assert!(config(&machine).starts_with(expected), "{}", config(&machine));
    assert!(calls(&machine, "dnf").is_empty() && calls(&machine, "apt-get").is_empty());
}

#[test]
fn an_unknown_system_without_an_agent_is_said_and_left_alone() {
    let machine = machine("ID=flatcar\nPRETTY_NAME=\"Flatcar Linux\"\n", false);
    let (code, said) = run(&machine);
    assert!(code == 1 && said.contains("this is Flatcar Linux"), "{code} {said}");
    assert_eq!(config(&machine), "");
}

/// A function of a script, up to the brace that ends it.
fn function<'a>(script: &'a str, name: &str) -> &'a str {
    let from = script.find(&format!("\n{name}() {{\n")).unwrap_or_else(|| panic!("there is no {name}"));
    let rest = &script[from..];
    &rest[..rest.find("\n}\n").unwrap()]
}

#[test]
fn what_installs_and_configures_the_agent_is_the_same_as_in_setup_and_it_is_a_script() {
    let block = SETUP.split_once("    runCommand:\n    - |\n").unwrap().1;
    let setup: String = block.lines().map(|line| format!("{}\n", line.strip_prefix("      ").unwrap_or(line))).collect();
    for name in ["family", "tries", "apt_get", "imds", "install_agent", "configure_agent"] {
        assert_eq!(function(&boot(), name), function(&setup, name), "{name}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("user-data");
    fs::write(&file, boot()).unwrap();
    let has_shellcheck = Command::new("shellcheck").arg("--version").output().is_ok();
    for checker in [&["bash", "-n"][..], &["shellcheck"]].into_iter().filter(|c| c[0] != "shellcheck" || has_shellcheck) {
        let output = Command::new(checker[0]).args(&checker[1..]).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
