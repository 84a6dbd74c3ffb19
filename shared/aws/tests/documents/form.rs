//! What all documents have in common.

use std::fs;
use std::process::{Command, Stdio};

use strata_aws::commands::parameter_name;

use crate::host::{DOCUMENTS, ended, parameters, part, script};
use crate::metrics::metrics;

fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[test]
fn every_script_is_a_script() {
    let mut scripts: Vec<(String, String)> = DOCUMENTS.iter().map(|(name, _)| ((*name).to_owned(), script(name))).collect();
    scripts.push(("metrics".to_owned(), metrics()));
    let dir = tempfile::tempdir().unwrap();
    let checkers: &[&[&str]] = if is_installed("shellcheck") { &[&["bash", "-n"], &["shellcheck"]] } else { &[&["bash", "-n"]] };
    for (name, text) in scripts {
        assert!(text.starts_with("#!/bin/bash\n"), "{name}: the agent runs a script as its first line says");
        let file = dir.path().join(&name);
        fs::write(&file, text).unwrap();
        for checker in checkers {
            let output = Command::new(checker[0]).args(&checker[1..]).arg(&file).output().unwrap();
            assert!(output.status.success(), "{name}: {}", ended(&output).1);
        }
    }
}

#[test]
fn what_documents_share_is_the_same_in_all_of_them() {
    let of = |name: &str, what: &str| part(&script(name), what).to_owned();
    for (what, names) in [
        ("run once", &["configure", "reconnect", "recipes", "shutdown", "update", "users"][..]),
        ("snapshot", &["configure", "recipes", "shutdown"]),
        ("hosts", &["configure"]),
        ("hooks", &["configure", "recipes", "shutdown"]),
        ("packages", &["configure", "recipes", "update"]),
        ("logs", &["configure"]),
        ("upgrade", &["update"]),
        ("users", &["users"]),
    ] {
        for name in names {
            assert_eq!(of(name, what), of("setup", what), "{name} {what}");
        }
    }
}

/// A parameter is a variable for the script; where an old agent fills in its text, a pattern keeps that text harmless.
#[test]
fn parameters_are_data() {
    for (document, text) in DOCUMENTS {
        assert!(text.starts_with("schemaVersion: '2.2'\n"), "{document}");
        let (declared, script) = (parameters(document), script(document));
        let filled_in = script.lines().filter(|line| line.contains("{{")).collect::<Vec<_>>();
        let own: Vec<&(String, String)> = declared.iter().filter(|(name, _)| name != "ExecutionTimeout").collect();
        let expected: Vec<String> =
            own.iter().map(|(name, _)| format!("[ -n \"${{SSM_{name}+x}}\" ] || SSM_{name}=\"{{{{ {name} }}}}\"")).collect();
        assert_eq!(filled_in, expected, "{document}");
        for (name, settings) in &declared {
            let pattern =
                settings.lines().find_map(|line| line.strip_prefix("allowedPattern: '")).unwrap().trim_end_matches('\'');
            assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{document} {name}: {pattern}");
            let classes = pattern.trim_start_matches("^$|");
            for odd in ["\"", "`", "\\", ";", "&", ".*", "\\s", "[^"] {
                assert!(!classes.contains(odd), "{document} {name}: {pattern} lets {odd} through");
            }
            assert!(name == "ExecutionTimeout" || settings.contains("interpolationType: ENV_VAR\n"), "{document} {name}");
        }
    }
}

/// What lifecycle and security-updates send is what the documents declare.
#[test]
fn what_is_sent_is_declared() {
    let setup = [
        "hostname",
        "instance_id",
        "install_updates",
        "release",
        "layer_ids",
        "cluster",
        "clear_agent_state",
        "users",
        "users_revision",
        "stack_id",
        "instance_metrics",
        "volumes",
        "logs",
        "snapshot",
        "hosts_file",
    ];
    let sent: [(&str, &[&str]); 7] = [
        ("reconnect", &["hostname", "cluster", "clear_agent_state"]),
        ("setup", &setup),
        ("shutdown", &["hostname", "instance_id", "snapshot"]),
        ("configure", &["hostname", "instance_id", "logs", "snapshot", "hosts_file"]),
        ("recipes", &["hostname", "instance_id", "command", "recipes", "packages", "snapshot"]),
        ("users", &["hostname", "users", "users_revision"]),
        ("update", &["allow_reboot", "upgrade_os_to", "kind", "release", "reboot", "health_command", "health_seconds"]),
    ];
    for (document, names) in sent {
        let declared: Vec<String> = parameters(document).into_iter().map(|(name, _)| name).collect();
        for name in names.iter().map(|name| parameter_name(name)).chain(["Nonce".to_owned(), "ExecutionTimeout".to_owned()]) {
            assert!(declared.contains(&name), "{document} does not declare {name}");
        }
    }
}
