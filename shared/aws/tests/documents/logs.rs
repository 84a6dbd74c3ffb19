//! Configure: which logs are shipped, and what a run tells of hooks.

use std::fs;

use crate::host::{AL2023, Host, UBUNTU, base64};

/// A host where the CloudWatch agent's package brings its control program, which keeps configurations as the real one does.
fn with_log_agent(os: &str) -> Host {
    let host = Host::new(os);
    let ctl = r#"mkdir -p "$STRATA_ROOT/opt/aws/amazon-cloudwatch-agent/bin" "$STRATA_ROOT/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d"
cat >"$STRATA_ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl" <<'CTL'
#!/bin/bash
printf '%s\n' "ctl $*" >>"$STRATA_ROOT/calls"
[ ! -e "$STRATA_ROOT/broken" ] || exit 1
d="$STRATA_ROOT/opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d"
file="${6#file:}"
case "$4" in
  fetch-config) rm -f "$d"/*; cp "$file" "$d/" ;;
  append-config) cp "$file" "$d/" ;;
  remove-config) rm "$d/$(basename "$file")" ;;
esac
CTL
chmod 0755 "$STRATA_ROOT/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl""#;
    for name in ["dnf", "apt-get"] {
        host.program(name, &format!("case \"$*\" in *cloudwatch-agent*) {ctl};; esac"));
    }
    host.program("curl", "case \"$*\" in *-o*) ;; *) echo x;; esac");
    host
}

fn configure(host: &Host, nonce: &str, logs: &str) -> (i32, String) {
    host.run("configure", &[("Nonce", nonce), ("Hostname", "web1"), ("Logs", logs)])
}

/// [CWL-3] [CWL-4]
#[test]
fn cwl_4_logs_are_shipped_changed_and_ended_and_what_others_configured_stays() {
    for os in [AL2023, UBUNTU] {
        let host = with_log_agent(os);
        let (one, two) = (base64("{\"one\":1}"), base64("{\"two\":2}"));
        let shipped = || host.read("opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d/strata-logs.json");
        let calls = || host.read("calls").lines().filter(|call| call.starts_with("ctl")).count();
        assert_eq!(configure(&host, "0", "none").0, 0, "nothing to end");
        assert_eq!(configure(&host, "1", &one).0, 0);
        assert_eq!((shipped().as_str(), calls()), ("{\"one\":1}", 1));
        assert_eq!(configure(&host, "2", &one).0, 0);
        assert_eq!(configure(&host, "3", "").0, 0);
        assert_eq!(calls(), 1, "nothing has changed");
        fs::write(host.path("opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d/own.json"), "own").unwrap();
        assert_eq!(host.run("setup", &[("Nonce", "4"), ("Logs", &two)]).0, 0, "Setup does the same");
        assert_eq!(shipped(), "{\"two\":2}");
        assert_eq!(configure(&host, "5", "none").0, 0);
        assert_eq!(shipped(), "");
        assert_eq!(host.read("opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d/own.json"), "own");
    }
}

#[test]
fn an_agent_that_fails_is_a_warning_and_is_tried_again() {
    let host = with_log_agent(AL2023);
    fs::write(host.path("broken"), "").unwrap();
    let one = base64("{\"one\":1}");
    let (code, said) = configure(&host, "1", &one);
    assert!(code == 0 && said.contains("warning: logs are not shipped"), "{said}");
    fs::remove_file(host.path("broken")).unwrap();
    let (code, said) = configure(&host, "2", &one);
    assert!(code == 0 && !said.contains("warning"), "{said}");
    assert!(host.path("opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.d/strata-logs.json").exists());
}

/// The last line tells Strata where Configure has something to do; a folder is no hook.
#[test]
fn the_last_line_of_a_run_tells_which_events_have_a_hook() {
    let host = Host::new(AL2023);
    let last = |nonce: &str| {
        let (code, said) = host.run("configure", &[("Nonce", nonce), ("Hostname", "web1")]);
        assert_eq!(code, 0, "{said}");
        said.lines().last().unwrap().to_owned()
    };
    fs::create_dir_all(host.path("etc/strata/hooks/configure.d/folder")).unwrap();
    assert_eq!(last("1"), "web1 is configured; hooks:");
    host.hook("setup", "");
    host.hook("configure", "");
    assert_eq!(last("2"), "web1 is configured; hooks: configure setup");
}
