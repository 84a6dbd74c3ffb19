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

/// A host whose role CloudWatch Logs answers with `stream` and `group`.
fn answered(stream: &str, group: &str) -> Host {
    let host = with_log_agent(AL2023);
    let curl = r#"case "$*" in
  *CreateLogGroup*) cat >/dev/null; cat "$STRATA_ROOT/group" ;;
  *CreateLogStream*) cat >"$STRATA_ROOT/keys"; cat "$STRATA_ROOT/stream" ;;
  *security-credentials/web*) echo '{ "AccessKeyId" : "AKIA", "SecretAccessKey" : "secret", "Token" : "token" }' ;;
  *security-credentials/*) echo web ;;
  *placement/region*) echo us-east-1 ;;
  *services/domain*) echo amazonaws.com ;;
  *) echo x ;;
esac"#;
    host.program("curl", curl);
    fs::write(host.path("stream"), stream).unwrap();
    fs::write(host.path("group"), group).unwrap();
    host
}

/// [CWL-5]: a custom profile is the user's to mend, and missing rights are told.
#[test]
fn cwl_5_a_role_that_may_not_write_logs_is_told_in_the_last_line_and_the_host_serves() {
    let config =
        base64("{\"logs\":[{\"log_group_name\":\"shop/web\",\"log_stream_name\":\"web1\"},{\"log_group_name\":\"other\"}]}");
    let denied = r#"{"__type":"AccessDeniedException","Message":"User: ... is not authorized"}"#;
    let gone = r#"{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}"#;
    let there = r#"{"__type":"ResourceAlreadyExistsException"}"#;
    let may_not = |action: &str| format!("; logs: the instance profile may not call logs:{action} for shop/web; hooks:");
    for (stream, group, told) in [
        (denied, "", may_not("CreateLogStream")),
        (gone, denied, may_not("CreateLogGroup")),
        (gone, "", "; hooks:".to_owned()),
        (there, denied, "; hooks:".to_owned()),
        ("", denied, "; hooks:".to_owned()),
    ] {
        for (document, done) in [("setup", "is set up"), ("configure", "is configured")] {
            let host = answered(stream, group);
            let (code, said) = host.run(document, &[("Nonce", "1"), ("Hostname", "web1"), ("Logs", &config)]);
            assert_eq!((code, said.lines().last().unwrap()), (0, format!("web1 {done}{told}").as_str()), "{said}");
            let calls = host.calls("curl");
            assert!(calls.iter().any(|call| call.contains("\"logStreamName\":\"web1\"")), "{calls:?}");
            assert!(
                calls.iter().all(|call| !call.contains("secret") && !call.contains("token\"")),
                "keys are in no command line"
            );
            assert!(host.read("keys").starts_with("user = \"AKIA:secret\"\n"));
            let again = host.run(document, &[("Nonce", "2"), ("Hostname", "web1"), ("Logs", &config)]);
            assert_eq!((again.0, host.calls("curl").len()), (0, calls.len()), "it is tried when the configuration changes");
        }
    }
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
