//! The SSM documents: their parameters are data, and their scripts are really run, in a directory of their own with stand-ins for what
//! changes a machine.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use strata_aws::commands::parameter_name;
use tempfile::TempDir;

const DOCUMENTS: [(&str, &str); 7] = [
    ("configure", include_str!("../documents/configure.yaml")),
    ("reconnect", include_str!("../documents/reconnect.yaml")),
    ("recipes", include_str!("../documents/recipes.yaml")),
    ("setup", include_str!("../documents/setup.yaml")),
    ("shutdown", include_str!("../documents/shutdown.yaml")),
    ("update", include_str!("../documents/update.yaml")),
    ("users", include_str!("../documents/users.yaml")),
];

fn document(name: &str) -> &'static str {
    DOCUMENTS.iter().find(|(n, _)| *n == name).unwrap().1
}

/// The script of a document: the one block scalar of its `runCommand`.
fn script(name: &str) -> String {
    let block = document(name).split_once("    runCommand:\n    - |\n").unwrap().1;
    block.lines().map(|line| format!("{}\n", line.strip_prefix("      ").unwrap_or(line))).collect()
}

/// The parameters with their settings, as they stand in the document.
fn parameters(name: &str) -> Vec<(String, String)> {
    let block = document(name).split_once("parameters:\n").unwrap().1.split_once("mainSteps:").unwrap().0;
    let mut found: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            Some(head) => found.push((head.trim_end_matches(':').to_owned(), String::new())),
            None => found.last_mut().unwrap().1.push_str(&format!("{}\n", line.trim())),
        }
    }
    found
}

/// The part of a script between `# -- <name>` and `# -- end of <name>`.
fn part<'a>(script: &'a str, name: &str) -> &'a str {
    script.split_once(&format!("# -- {name}\n")).unwrap().1.split_once(&format!("# -- end of {name}\n")).unwrap().0
}

/// What Setup puts on a host to publish metrics.
fn metrics() -> String {
    let setup = script("setup");
    let (_, rest) = setup.split_once("<<'METRICS'").unwrap();
    rest.split_once('\n').unwrap().1.split_once("METRICS\n").unwrap().0.to_owned()
}

/// A machine made of a directory: what changes a machine is replaced by programs that write down how they were called.
struct Host {
    dir: TempDir,
}

impl Host {
    fn new(os_release: &str) -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["bin", "etc", "run", "proc/sys/kernel/random", "var"] {
            fs::create_dir_all(host.path(dir)).unwrap();
        }
        fs::write(host.path("etc/os-release"), os_release).unwrap();
        for name in [
            "apt-get",
            "yum",
            "dnf",
            "rpm",
            "amazon-linux-extras",
            "systemctl",
            "hostnamectl",
            "hostname",
            "groupadd",
            "getent",
            "sleep",
            "curl",
            "dpkg",
            "uname",
            "pkill",
            "runuser",
            "useradd",
            "userdel",
            "usermod",
            "visudo",
        ] {
            host.program(name, "");
        }
        host
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// A stand-in for a program; it writes its call down and then does `body`.
    fn program(&self, name: &str, body: &str) {
        let path = self.path("bin").join(name);
        let text = format!("#!/bin/bash\nprintf '%s\\n' \"$(basename \"$0\") $*\" >>\"$STRATA_ROOT/calls\"\n{body}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn hook(&self, event: &str, body: &str) {
        let dir = self.path(&format!("etc/strata/hooks/{event}.d"));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("10-test"), format!("#!/bin/bash\n{body}\n")).unwrap();
        fs::set_permissions(dir.join("10-test"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A run of a script in here, with these parameters as the SSM agent gives them.
    fn command(&self, script: &str, parameters: &[(&str, &str)]) -> Command {
        let file = self.path(&format!("script-{:x}", script.len()));
        fs::write(&file, script).unwrap();
        let mut command = Command::new("bash");
        command.arg(file).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())).env("STRATA_ROOT", self.dir.path());
        command.envs(parameters.iter().map(|(name, value)| (format!("SSM_{name}"), *value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Exit code and what was said, of a document's run with the parameters' defaults.
    fn run(&self, name: &str, given: &[(&str, &str)]) -> (i32, String) {
        let default = |settings: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix("default: '"));
            line.map(|line| line.trim_end_matches('\'').to_owned())
        };
        let declared = parameters(name);
        let defaults = declared.iter().filter_map(|(name, settings)| Some((name.as_str(), default(settings)?)));
        let defaults: Vec<(&str, String)> = defaults.collect();
        let mut all: Vec<(&str, &str)> = defaults.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(given);
        ended(&self.command(&script(name), &all).output().unwrap())
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    /// The calls of stand-ins since the last look that begin so.
    fn calls(&self, beginning: &str) -> Vec<String> {
        self.read("calls").lines().filter(|call| call.starts_with(beginning)).map(str::to_owned).collect()
    }
}

fn ended(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

const AL2023: &str = "ID=\"amzn\"\nVERSION_ID=\"2023\"\nPRETTY_NAME=\"Amazon Linux 2023\"\n";
const UBUNTU: &str = "ID=ubuntu\nVERSION_ID=\"24.04\"\n";
const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/shop";

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
        "layer_ids",
        "cluster",
        "clear_agent_state",
        "users",
        "users_revision",
        "stack_id",
        "instance_metrics",
        "logs",
    ];
    let sent: [(&str, &[&str]); 7] = [
        ("reconnect", &["hostname", "cluster", "clear_agent_state"]),
        ("setup", &setup),
        ("shutdown", &["hostname"]),
        ("configure", &["hostname", "logs"]),
        ("recipes", &["hostname", "command", "recipes", "packages"]),
        ("users", &["hostname", "users", "users_revision"]),
        ("update", &["allow_reboot"]),
    ];
    for (document, names) in sent {
        let declared: Vec<String> = parameters(document).into_iter().map(|(name, _)| name).collect();
        for name in names.iter().map(|name| parameter_name(name)).chain(["Nonce".to_owned(), "ExecutionTimeout".to_owned()]) {
            assert!(declared.contains(&name), "{document} does not declare {name}");
        }
    }
}

/// `work` of a test, run once under a nonce.
fn once(work: &str) -> String {
    format!("set -u\n{}\nwork() {{\n{work}\n}}\nonce \"$SSM_Nonce\"\n", part(&script("setup"), "run once"))
}

#[test]
fn a_nonce_that_has_run_gives_its_exit_code_again_and_runs_nothing() {
    let host = Host::new(AL2023);
    let run =
        |nonce: &str| ended(&host.command(&once("echo run >>\"$ROOT/runs\"; exit 3"), &[("Nonce", nonce)]).output().unwrap());
    assert_eq!(run("c/i/1"), (3, String::new()));
    assert_eq!(run("c/i/1"), (3, "this command has run before; its exit code was 3\n".to_owned()));
    assert_eq!(host.read("runs"), "run\n");
    assert_eq!(run("c/i/2").0, 3, "another nonce is another run");
    assert_eq!(run("c_i_1").0, 3, "however alike");
    assert_eq!(host.read("runs"), "run\n".repeat(3));
}

#[test]
fn who_comes_while_a_nonce_runs_waits_for_its_end() {
    let host = Host::new(AL2023);
    // It says that it runs, then waits for a line.
    let mut first = host.command(&once("echo began; read -r _; exit 7"), &[("Nonce", "n")]);
    let mut first = first.stdin(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(first.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "began\n");
    let second = host.command(&once("echo ran as well >>\"$ROOT/runs\"; exit 9"), &[("Nonce", "n")]).spawn().unwrap();
    first.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(7));
    assert_eq!(ended(&second.wait_with_output().unwrap()).0, 7);
    assert_eq!(host.read("runs"), "");
}

#[test]
fn a_run_that_died_is_begun_again_and_one_that_goes_on_afterwards_does_not_keep_the_lock() {
    let host = Host::new(AL2023);
    let mut first = host.command(&once("echo began; read -r _"), &[("Nonce", "n")]);
    let mut first = first.stdin(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut line).unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let (code, _) = ended(&host.command(&once("exit 0"), &[("Nonce", "n")]).output().unwrap());
    assert_eq!(code, 0);
}

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

/// [SEC-10] [ECS-64]
#[test]
fn a_package_manager_that_fails_is_tried_three_times_and_fails_the_command() {
    let host = Host::new(AL2023);
    host.program("dnf", "echo 'Error: no mirror' >&2; exit 1");
    let (code, said) = host.run("setup", &[("Nonce", "n"), ("InstallUpdates", "true"), ("Cluster", CLUSTER)]);
    assert!(code == 1 && said.contains("Error: no mirror") && said.ends_with("its messages are above\n"), "{said}");
    assert_eq!((host.calls("dnf").len(), host.calls("sleep 5").len(), host.calls("systemctl").len()), (3, 2, 0));
}

/// The agent answers once its unit was started.
fn with_agent(host: &Host, cluster: &str) {
    let told = format!("{{\"Cluster\":\"{cluster}\",\"ContainerInstanceArn\":\"arn:ci/1\",\"Version\":\"Amazon ECS Agent\"}}");
    fs::write(host.path("answer"), told).unwrap();
    host.program("curl", "cat \"$STRATA_ROOT/up\" 2>/dev/null || exit 7");
    host.program(
        "systemctl",
        "case \"$1\" in cat) [ -e \"$STRATA_ROOT/up\" ];; restart) cp \"$STRATA_ROOT/answer\" \"$STRATA_ROOT/up\";; esac",
    );
}

/// [ECS-64] [ECS-122]
#[test]
fn setup_updates_then_installs_the_agent_and_waits_until_it_is_registered() {
    let host = Host::new(AL2023);
    with_agent(&host, "shop");
    fs::create_dir_all(host.path("etc/ecs")).unwrap();
    fs::write(host.path("etc/ecs/ecs.config"), "ECS_CLUSTER=old\nECS_INSTANCE_ATTRIBUTES={\"a\":\"b\"}\n").unwrap();
    let given = [("Nonce", "n"), ("Hostname", "web1"), ("InstallUpdates", "true"), ("Cluster", CLUSTER)];
    let (code, said) = host.run("setup", &given);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("the ECS agent was installed; it registered as arn:ci/1\n") && said.ends_with("web1 is set up; hooks:\n"),
        "{said}"
    );
    assert_eq!(host.calls("dnf"), ["dnf -y upgrade --releasever=latest", "dnf -y install docker ecs-init"]);
    assert_eq!(host.calls("hostnamectl"), ["hostnamectl set-hostname web1"]);
    assert_eq!(host.calls("systemctl restart"), ["systemctl restart --no-block ecs"]);
    let config = host.read("etc/ecs/ecs.config");
    let lines: Vec<&str> = config.lines().collect();
    assert_eq!(lines[..2], ["ECS_INSTANCE_ATTRIBUTES={\"a\":\"b\"}", "ECS_CLUSTER=shop"], "others' lines stay");
    assert!(lines.contains(&"ECS_AVAILABLE_LOGGING_DRIVERS=[\"json-file\",\"awslogs\"]"), "{config}");
}

/// [ECS-124]
#[test]
fn what_the_agent_remembers_is_cleared_after_a_deregistration_only() {
    for (clear, left) in [("true", false), ("false", true)] {
        let host = Host::new(AL2023);
        with_agent(&host, "shop");
        fs::create_dir_all(host.path("var/lib/ecs/data")).unwrap();
        fs::write(host.path("var/lib/ecs/data/agent.db"), "old").unwrap();
        let (code, said) = host.run("setup", &[("Nonce", "n"), ("Cluster", CLUSTER), ("ClearAgentState", clear)]);
        assert_eq!(code, 0, "{said}");
        assert_eq!((host.path("var/lib/ecs/data/agent.db").exists(), host.path("var/lib/ecs/data").exists()), (left, true));
    }
}

/// [ECS-64]
#[test]
fn an_agent_in_the_cluster_is_left_alone_and_one_in_another_cluster_is_a_failure() {
    let host = Host::new(AL2023);
    with_agent(&host, "shop");
    fs::copy(host.path("answer"), host.path("up")).unwrap();
    let given = |nonce| [("Nonce", nonce), ("Cluster", CLUSTER), ("ClearAgentState", "true")];
    let (code, said) = host.run("setup", &given("one"));
    assert!(code == 0 && said.contains("was there already and is in the cluster shop"), "{said}");
    assert_eq!((host.calls("dnf").len(), host.calls("systemctl stop").len()), (0, 0));

    with_agent(&host, "elsewhere");
    fs::copy(host.path("answer"), host.path("up")).unwrap();
    let (code, said) = host.run("setup", &given("two"));
    assert!(code == 1 && said.contains("registered to a different cluster: elsewhere instead of shop"), "{said}");
}

/// [ECS-64]
#[test]
fn an_agent_that_never_answers_fails_setup_after_three_hundred_looks() {
    let host = Host::new(AL2023);
    host.program("curl", "exit 7");
    let (code, said) = host.run("setup", &[("Nonce", "n"), ("Cluster", CLUSTER)]);
    assert!(code == 1 && said.contains("did not answer within 5 minutes"), "{said}");
    assert_eq!(host.calls("sleep 1").len(), 299);
}

#[test]
fn hooks_run_at_their_event_and_a_failed_one_fails_it() {
    let host = Host::new(AL2023);
    for event in ["setup", "deploy", "shutdown", "configure"] {
        host.hook(event, &format!("echo {event} >>\"$STRATA_ROOT/events\""));
    }
    for document in ["setup", "configure", "shutdown"] {
        assert_eq!(host.run(document, &[("Nonce", document)]).0, 0);
    }
    assert_eq!(host.read("events"), "setup\ndeploy\nconfigure\nshutdown\n");
    assert_eq!(
        host.calls("systemctl"),
        ["systemctl disable --now strata-metrics.timer"],
        "no cluster, no layers: only Shutdown's"
    );
    host.hook("shutdown", "exit 5");
    let (code, said) = host.run("shutdown", &[("Nonce", "again")]);
    assert!(code == 1 && said.contains("ended with exit code 5"), "{said}");
}

/// A host whose timer is installed, with stand-ins for what it reads and calls. A look answers with what was published: dimension, its
/// value, metric, value.
struct Metrics(Host);

impl Metrics {
    fn new(given: &[(&str, &str)]) -> Self {
        let host = Host::new(AL2023);
        let (code, said) = host.run("setup", &[&[("Nonce", "n")], given].concat());
        assert_eq!(code, 0, "{said}");
        let imds = r#"case "$*" in
        *api/token*) echo token;; *placement/region*) echo us-east-1;; *services/domain*) echo amazonaws.com;;
        *security-credentials/profile*) printf '{\n "AccessKeyId" : "AKIA",\n "SecretAccessKey" : "secret",\n "Token" : "session" }\n';;
        *security-credentials/*) echo profile;; *monitoring.*) cat >"$STRATA_ROOT/stdin";; esac"#;
        host.program("curl", imds);
        let metrics = Self(host);
        let meminfo = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 700 kB\nBuffers: 100 kB\nCached: 200 kB\nSwapCached: 9 kB\n\
            SwapTotal: 50 kB\nSwapFree: 20 kB\n";
        metrics.proc("meminfo", meminfo);
        metrics.proc("loadavg", "1.25 0.70 0.50 2/345 6789\n");
        metrics
    }

    fn proc(&self, name: &str, text: &str) {
        fs::write(self.0.path("proc").join(name), text).unwrap();
    }

    /// A run of the timer's script so many seconds after the boot, with these jiffies.
    fn look(&self, uptime: u32, jiffies: &str) -> Vec<[String; 4]> {
        self.proc("uptime", &format!("{uptime}.25 9.99\n"));
        self.proc("stat", &format!("cpu  {jiffies} 0 0\ncpu0 1 1 1 1\n"));
        fs::remove_file(self.0.path("calls")).unwrap_or_default();
        let output = self.0.command(&self.0.read("usr/local/lib/strata/metrics"), &[]).output().unwrap();
        assert_eq!(ended(&output), (0, String::new()));
        let calls = self.0.read("calls");
        let Some(call) = calls.lines().find(|call| call.contains("PutMetricData")) else { return Vec::new() };
        assert!(call.contains("Namespace=OpsWorks&") && call.contains("--aws-sigv4 aws:amz:us-east-1:monitoring"), "{call}");
        assert!(call.ends_with(" https://monitoring.us-east-1.amazonaws.com/"), "{call}");
        let data = call.split_whitespace().find(|word| word.starts_with("Action=")).unwrap();
        let pairs: std::collections::BTreeMap<&str, &str> = data.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let datum = |n: usize| {
            let of = |what: &str| pairs.get(format!("MetricData.member.{n}.{what}").as_str()).map(|text| (*text).to_owned());
            assert!(of("Unit").is_none_or(|unit| unit == "None"));
            Some([of("Dimensions.member.1.Name")?, of("Dimensions.member.1.Value")?, of("MetricName")?, of("Value")?])
        };
        (1..).map_while(datum).collect()
    }
}

const LAYERS: [&str; 2] = ["2f18b4cb-4de5-4429-a149-ff7da9f0d8ee", "00000000-4de5-4429-a149-ff7da9f0d8ee"];
const STACK: &str = "11111111-4de5-4429-a149-ff7da9f0d8ee";
const ITSELF: &str = "22222222-4de5-4429-a149-ff7da9f0d8ee";

/// [MET-18] [MET-20] [LOAD-7] [MET-22] [ECS-127]
#[test]
fn met_18_each_minute_percent_and_load_go_out_for_each_layer() {
    let metrics = Metrics::new(&[("LayerIds", &LAYERS.join(","))]);
    let host = &metrics.0;
    assert_eq!(host.read("etc/strata/metrics.conf"), format!("LayerId {}\nLayerId {}\n", LAYERS[0], LAYERS[1]));
    assert!(host.read("etc/systemd/system/strata-metrics.timer").contains("OnCalendar=*:*:00\n"));
    assert!(metrics.look(100, "100 0 100 800 0 0 0 0").is_empty(), "the first look has nothing to compare with");
    let sent = metrics.look(160, "160 0 115 825 0 0 0 0");
    let values = [("cpu", "75.00"), ("memory", "40.00"), ("load_1", "1.25")];
    let of_layer = |layer: &&str| values.map(|(name, value)| ["LayerId", layer, name, value].map(str::to_owned));
    assert_eq!(sent, LAYERS.iter().flat_map(of_layer).collect::<Vec<_>>());
    assert_eq!(host.read("stdin"), "user = \"AKIA:secret\"\nheader = \"X-Amz-Security-Token: session\"\n");
    assert!(!host.read("calls").contains("secret"), "keys are on no command line");
    assert!(metrics.look(10, "10 0 10 80 0 0 0 0").is_empty(), "after a boot the counters begin anew");
    assert_eq!(metrics.look(70, "20 0 20 90 0 0 0 0").len(), 6);
}

/// [MET-1] [MET-2] [MET-3] [MET-4] [MET-5] [MET-6] [MET-7] [MET-8] [MET-9] [MET-10] [MET-11] [MET-12] [MET-13] [MET-14] [MET-15] [MET-16]
/// [MET-17] [MET-19] [ECS-76]
#[test]
fn met_1_every_five_minutes_the_sixteen_metrics_go_out_by_layer_and_stack() {
    let metrics = Metrics::new(&[("LayerIds", LAYERS[0]), ("StackId", STACK), ("InstanceId", ITSELF)]);
    metrics.look(100, "100 0 100 800 0 0 0 0");
    assert_eq!(metrics.look(369, "200 10 200 1000 20 0 0 30").len(), 3, "not yet");
    let sent = metrics.look(370, "210 20 200 1000 20 0 0 30");
    let sixteen = [
        ("cpu_idle", "41.67"),
        ("cpu_nice", "4.17"),
        ("cpu_steal", "6.25"),
        ("cpu_system", "20.83"),
        ("cpu_user", "22.92"),
        ("cpu_waitio", "4.17"),
        ("memory_buffers", "100"),
        ("memory_cached", "200"),
        ("memory_free", "300"),
        ("memory_swap", "30"),
        ("memory_total", "1000"),
        ("memory_used", "400"),
        ("load_1", "1.25"),
        ("load_5", "0.70"),
        ("load_15", "0.50"),
        ("procs", "2"),
    ];
    for (dimension, id) in [("LayerId", LAYERS[0]), ("StackId", STACK)] {
        for (name, value) in sixteen {
            let datum = [dimension, id, name, value].map(str::to_owned);
            assert_eq!(sent.iter().filter(|d| **d == datum).count(), 1, "{datum:?} in {sent:?}");
        }
    }
    assert_eq!(sent.len(), 2 * 16 + 2, "and CPU and memory percent of the layer");
    assert!(sent.iter().all(|[_, id, ..]| id != ITSELF), "nothing of itself unless the layer asks for it");
    assert_eq!(metrics.look(430, "220 20 210 1000 20 0 0 30").len(), 3);
}

/// [MET-18]
#[test]
fn met_18_a_host_publishes_of_itself_what_its_layer_asks_for() {
    for (which, count) in [("off", 0), ("basic", 3), ("all", 16)] {
        let metrics = Metrics::new(&[("LayerIds", LAYERS[0]), ("InstanceId", ITSELF), ("InstanceMetrics", which)]);
        metrics.look(100, "100 0 100 800 0 0 0 0");
        let sent = metrics.look(400, "200 0 200 1600 0 0 0 0");
        let own = sent.iter().filter(|[dimension, id, ..]| dimension == "InstanceId" && id == ITSELF).count();
        assert_eq!(own, count, "{which}");
    }
}

/// [ECS-124]
#[test]
fn a_silent_agent_is_restarted_and_forgets_its_container_instance_only_when_that_is_gone() {
    for (clear, left) in [("true", false), ("false", true)] {
        let host = Host::new(AL2023);
        with_agent(&host, "shop");
        fs::copy(host.path("answer"), host.path("up")).unwrap();
        fs::create_dir_all(host.path("var/lib/ecs/data")).unwrap();
        fs::write(host.path("var/lib/ecs/data/agent.db"), "old").unwrap();
        let given = [("Nonce", "n"), ("Hostname", "web1"), ("Cluster", CLUSTER), ("ClearAgentState", clear)];
        let (code, said) = host.run("reconnect", &given);
        assert!(code == 0 && said.ends_with("the ECS agent was restarted; it is registered as arn:ci/1\n"), "{said}");
        assert_eq!(host.path("var/lib/ecs/data/agent.db").exists(), left);
        assert_eq!(host.calls("systemctl restart"), ["systemctl restart --no-block ecs"]);
        let (code, said) = host.run("reconnect", &given);
        assert!(code == 0 && said.contains("has run before"), "once in a silence: {said}");
        assert_eq!(host.calls("systemctl restart").len(), 1);
    }
}

#[test]
fn an_agent_that_does_not_come_back_or_is_elsewhere_or_is_not_there_fails_the_restart() {
    for (cluster, up, answer) in
        [("elsewhere", true, "elsewhere instead of shop"), ("shop", false, "there is no ECS agent on web1")]
    {
        let host = Host::new(AL2023);
        with_agent(&host, cluster);
        if up {
            fs::copy(host.path("answer"), host.path("up")).unwrap();
        }
        let (code, said) = host.run("reconnect", &[("Nonce", "n"), ("Hostname", "web1"), ("Cluster", CLUSTER)]);
        assert!(code == 1 && said.contains(answer), "{said}");
    }
    let host = Host::new(AL2023);
    host.program("curl", "exit 7");
    let (code, said) = host.run("reconnect", &[("Nonce", "n"), ("Cluster", CLUSTER)]);
    assert!(code == 1 && said.contains("did not answer within a minute"), "{said}");
    assert_eq!(host.calls("sleep 1").len(), 59);
}

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

fn recipe(host: &Host, path: &str, body: &str) {
    let file = host.path("etc/strata/hooks/recipes.d").join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("#!/bin/bash\n{body}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn recipes(host: &Host, nonce: &str, names: &str) -> (i32, String) {
    host.run("recipes", &[("Nonce", nonce), ("Hostname", "web1"), ("Command", "execute_recipes"), ("Recipes", names)])
}

/// [CMD-2] [CMD-14]
#[test]
fn cmd_2_recipes_are_scripts_that_run_in_the_given_order() {
    let host = Host::new(AL2023);
    recipe(&host, "shop/migrate", "echo migrate >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "cache/default", "echo cache >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "shop/fails", "echo oops; exit 7");
    let (code, said) = recipes(&host, "1", "cache,shop::migrate,cache::default");
    assert_eq!((code, host.read("ran").as_str()), (0, "cache\nmigrate\ncache\n"), "{said}");
    assert!(said.ends_with("web1 has run execute_recipes; hooks:\n"), "{said}");
    let (code, said) = recipes(&host, "2", "shop::fails,cache");
    assert!(code == 1 && said.ends_with("oops\nthe recipe shop::fails ended with exit code 7\n"), "{said}");
    assert_eq!(host.read("ran").lines().count(), 3, "what comes after a failure is not run");
}

#[test]
fn a_recipe_that_is_not_there_or_leads_elsewhere_runs_nothing() {
    let host = Host::new(AL2023);
    recipe(&host, "shop/default", "echo ran >>\"$STRATA_ROOT/ran\"");
    recipe(&host, "../elsewhere", "echo ran >>\"$STRATA_ROOT/ran\"");
    for bad in ["shop,none", "shop::none", "..::elsewhere", "shop::..", "shop::a::b", "."] {
        let (code, said) = recipes(&host, bad, bad);
        assert!(code == 1 && said.contains("no script for") && said.contains("nothing was done"), "{bad}: {said}");
    }
    assert_eq!(host.read("ran"), "");
}

/// [CMD-1] [CMD-5]
#[test]
fn cmd_5_packages_are_installed_and_cookbooks_are_a_hook() {
    for (os, calls) in [(AL2023, &["dnf -y install htop jq"][..]), (UBUNTU, &["apt-get"])] {
        let host = Host::new(os);
        let run = |nonce: &str, command: &str, packages: &str| {
            host.run("recipes", &[("Nonce", nonce), ("Command", command), ("Packages", packages)])
        };
        host.hook("cookbooks", "echo fetched >>\"$STRATA_ROOT/ran\"");
        assert_eq!(run("1", "update_custom_cookbooks", "").0, 0);
        assert_eq!((host.read("ran").as_str(), host.calls(calls[0]).len()), ("fetched\n", 0));
        assert_eq!(run("2", "install_dependencies", "").0, 0, "no packages");
        assert_eq!(run("3", "install_dependencies", "htop,jq").0, 0);
        let last = host.read("calls").lines().last().unwrap().to_owned();
        assert!(last.starts_with(calls[0]) && last.ends_with(" install htop jq"), "{last}");
    }
}

/// A host with a user database of its own: files that the stand-ins read and write as the real programs do.
fn with_users(passwd: &str) -> Host {
    let host = Host::new(AL2023);
    fs::write(host.path("etc/passwd"), passwd).unwrap();
    fs::write(host.path("etc/group"), "").unwrap();
    host.program(
        "getent",
        r#"file="$STRATA_ROOT/etc/$1"
if [ "$#" = 1 ]; then cat "$file"; exit; fi
awk -F: -v key="$2" '$1 == key || $3 == key { print; found = 1 } END { exit !found }' "$file""#,
    );
    host.program("groupadd", r#"echo "$1:x:990:" >>"$STRATA_ROOT/etc/group""#);
    host.program(
        "useradd",
        r#"[ "$1 $3 $5 $7 $8 $9" = "-u -g -d -m -s /bin/bash" ] || exit 9
echo "${10}:x:$2:990::$6:$9" >>"$STRATA_ROOT/etc/passwd"; mkdir -p "$6""#,
    );
    host.program(
        "userdel",
        r#"[ ! -e "$STRATA_ROOT/stuck" ] || exit 8
sed -i "/^$2:/d" "$STRATA_ROOT/etc/passwd"; rm -r "${STRATA_ROOT:?}/home/$2""#,
    );
    host.program(
        "usermod",
        r#"passwd="$STRATA_ROOT/etc/passwd"
[ "$1" != -L ] || exit 0
[ "$1" = -l ] || exit 9
old="${!#}"
if [ "$3" = -d ]; then mv "$(awk -F: -v n="$old" '$1 == n { print $6 }' "$passwd")" "$4" && sed -i "s|^\($old:.*\):[^:]*:\([^:]*\)\$|\1:$4:\2|" "$passwd"; fi
sed -i "s/^$old:/$2:/" "$passwd""#,
    );
    // As whom does not matter here; that it is not as root does.
    host.program("runuser", r#"shift 3; exec "$@""#);
    host
}

fn base64(text: &str) -> String {
    let mut encode = Command::new("base64").arg("-w0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    encode.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(encode.wait_with_output().unwrap().stdout).unwrap()
}

/// The document's run with these users, under a nonce and revision of its own.
fn sync(host: &Host, revision: u32, users: &[&str]) -> (i32, String) {
    let list = base64(&format!("strata-users 1\n{}", users.iter().map(|user| format!("{user}\n")).collect::<String>()));
    let revision = revision.to_string();
    let nonce = format!("{revision}-{}", list.len());
    host.run("users", &[("Nonce", &nonce), ("Users", &list), ("UsersRevision", &revision)])
}

fn names(host: &Host) -> Vec<String> {
    let mut names: Vec<String> =
        host.read("etc/passwd").lines().map(|l| l.split(':').step_by(2).take(2).collect::<Vec<_>>().join(":")).collect();
    names.sort();
    names
}

fn mode(host: &Host, path: &str) -> u32 {
    fs::metadata(host.path(path)).unwrap().permissions().mode() & 0o7777
}

/// [SSH-4] [SSH-7]
#[test]
fn ssh_4_users_come_with_home_key_and_sudo_and_a_repeat_changes_nothing() {
    let host = with_users("root:x:0:0::/root:/bin/bash\n");
    let wanted = ["2000:ada:1:ssh-ed25519 AAAA ada@home: \"; rm -rf /", "2001:bob:0:"];
    for revision in 1..=2 {
        let (code, said) = sync(&host, revision, &wanted);
        assert_eq!(code, 0, "{said}");
        assert_eq!(names(&host), ["ada:2000", "bob:2001", "root:0"]);
        assert_eq!(host.read("home/ada/.ssh/authorized_keys"), "ssh-ed25519 AAAA ada@home: \"; rm -rf /\n", "its key is data");
        assert_eq!((mode(&host, "home/ada/.ssh"), mode(&host, "home/ada/.ssh/authorized_keys")), (0o700, 0o600));
        assert!(!host.path("home/bob/.ssh/authorized_keys").exists(), "no key, no file");
        assert_eq!(host.read("etc/sudoers.d/opsworks").lines().nth(1), Some("ada ALL=(ALL) NOPASSWD:ALL"));
        assert_eq!(host.read("etc/sudoers.d/opsworks").lines().count(), 2);
        assert_eq!(mode(&host, "etc/sudoers.d/opsworks"), 0o440);
        assert_eq!((host.calls("useradd").len(), host.calls("groupadd").len()), (2, 1));
    }
    assert_eq!(sync(&host, 3, &["2000:ada:0:"]).0, 0);
    assert!(!host.path("home/ada/.ssh/authorized_keys").exists(), "a key that was taken away is taken away");
    assert!(!host.read("etc/sudoers.d/opsworks").contains("ada"));
}

/// [SSH-6]
#[test]
fn ssh_6_a_revoked_user_goes_with_processes_and_home_and_one_who_cannot_go_is_locked() {
    let host = with_users("root:x:0:0::/root:/bin/bash\n");
    assert_eq!(sync(&host, 1, &["2000:ada:1:key", "2001:bob:0:key"]).0, 0);
    assert_eq!(sync(&host, 2, &["2001:bob:0:key"]).0, 0);
    assert_eq!(names(&host), ["bob:2001", "root:0"]);
    assert!(!host.path("home/ada").exists());
    assert_eq!(host.calls("pkill"), ["pkill -KILL -u 2000"]);
    fs::write(host.path("stuck"), "").unwrap();
    let (code, said) = sync(&host, 3, &[]);
    assert!(code == 1 && said.contains("bob could not be removed and is locked"), "{said}");
    assert_eq!(host.calls("usermod"), ["usermod -L -e 1 bob"]);
    assert!(!host.path("home/bob/.ssh/authorized_keys").exists());
    fs::remove_file(host.path("stuck")).unwrap();
    assert_eq!(sync(&host, 4, &[]).0, 0);
    assert_eq!(names(&host), ["root:0"]);
}

/// [SSH-5]
#[test]
fn ssh_5_whose_name_or_uid_is_another_users_is_skipped_and_gets_no_sudo() {
    let foreign = "bob:x:1001:1001::/home/bob:/bin/bash\nsvc:x:2005:5::/:/bin/false\n";
    let host = with_users(foreign);
    let (code, said) = sync(&host, 1, &["2000:bob:1:key", "2005:eve:1:key", "2006:ada:1:key"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("bob is skipped") && said.contains("eve is skipped"), "{said}");
    assert_eq!(names(&host), ["ada:2006", "bob:1001", "svc:2005"]);
    assert_eq!(host.read("etc/sudoers.d/opsworks").lines().skip(1).collect::<Vec<_>>(), ["ada ALL=(ALL) NOPASSWD:ALL"]);
}

/// [USR-6]
#[test]
fn usr_6_users_are_renamed_with_their_homes_also_when_two_change_names() {
    let host = with_users("");
    assert_eq!(sync(&host, 1, &["2000:ada:0:a", "2001:bob:0:b"]).0, 0);
    fs::write(host.path("home/ada/notes"), "of 2000").unwrap();
    let (code, said) = sync(&host, 2, &["2000:bob:0:a", "2001:eve:0:b"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&host), ["bob:2000", "eve:2001"]);
    assert_eq!((host.read("home/bob/notes").as_str(), host.read("home/eve/.ssh/authorized_keys").as_str()), ("of 2000", "b\n"));
    assert_eq!(host.calls("pkill").len(), 2, "their processes end");
}

#[test]
fn an_older_list_and_one_in_no_known_form_change_nothing() {
    let host = with_users("");
    assert_eq!(sync(&host, 5, &["2000:ada:0:"]).0, 0);
    let (code, said) = sync(&host, 4, &[]);
    assert!(code == 0 && said.contains("a newer list was applied before"), "{said}");
    for bad in ["", &base64("users 2\n"), "!!"] {
        assert_ne!(host.run("users", &[("Nonce", &format!("bad-{}", bad.len())), ("Users", bad), ("UsersRevision", "6")]).0, 0);
    }
    assert_eq!(names(&host), ["ada:2000"]);
}

/// [SSH-7]
#[test]
fn ssh_7_a_sudoers_file_that_visudo_refuses_is_not_put_in_place() {
    let host = with_users("");
    assert_eq!(sync(&host, 1, &["2000:ada:1:"]).0, 0);
    let before = host.read("etc/sudoers.d/opsworks");
    host.program("visudo", "exit 1");
    let (code, said) = sync(&host, 2, &["2000:ada:0:"]);
    assert!(code == 1 && said.contains("visudo refuses"), "{said}");
    assert_eq!(host.read("etc/sudoers.d/opsworks"), before);
}

/// [SSH-10]
#[test]
fn ssh_10_setup_brings_users_in_step_and_says_so_if_it_cannot() {
    let host = with_users("");
    let list = base64("strata-users 1\n2000:ada:1:key\n");
    let given = |nonce| [("Nonce", nonce), ("Hostname", "web1"), ("Users", list.as_str()), ("UsersRevision", "1")];
    let (code, said) = host.run("setup", &given("1"));
    assert!(code == 0 && said.ends_with("web1 is set up; hooks:\n"), "{said}");
    assert_eq!(names(&host), ["ada:2000"]);
    host.program("visudo", "exit 1");
    let (code, said) = host.run("setup", &given("2"));
    assert!(code == 0 && said.ends_with("web1 is set up; users: not in step; hooks:\n"), "{said}");
    assert_eq!(host.run("setup", &[("Nonce", "3")]).0, 0, "without a list nobody is touched");
    assert_eq!(names(&host), ["ada:2000"]);
}
