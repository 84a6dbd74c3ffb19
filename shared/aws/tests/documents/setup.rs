//! Setup: updates, the ECS agent, hooks.

use std::fs;

use crate::host::{AL2023, CLUSTER, Host};

/// [SEC-10] [ECS-64]
#[test]
fn a_package_manager_that_fails_is_tried_three_times_and_fails_the_command() {
    let host = Host::new(AL2023);
    host.program("dnf", "echo 'Error: no mirror' >&2; exit 1");
    let (code, said) = host.run("setup", &[("Nonce", "n"), ("InstallUpdates", "true"), ("Cluster", CLUSTER)]);
    assert!(code == 1 && said.contains("Error: no mirror") && said.ends_with("its messages are above\n"), "{said}");
    assert_eq!((host.calls("dnf -y").len(), host.calls("sleep 5").len(), host.calls("systemctl").len()), (3, 2, 0));
}

/// The agent answers once its unit was started.
pub(crate) fn with_agent(host: &Host, cluster: &str) {
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
    assert_eq!(host.calls("dnf -y"), ["dnf -y upgrade --releasever=latest", "dnf -y install docker ecs-init"]);
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

/// [INST-11] [LIFE-1]: what is built in comes first, then what is the owner's. Our choice: the agent joins its cluster after the Setup hooks, so
/// that a host is ready before tasks come.
#[test]
fn inst_11_setup_goes_by_updates_cookbooks_setup_agent_and_deploy() {
    let host = Host::new(AL2023);
    with_agent(&host, "shop");
    for event in ["cookbooks", "setup", "deploy"] {
        host.hook(event, &format!("echo 'hook {event}' >>\"$STRATA_ROOT/calls\""));
    }
    let given = |nonce| [("Nonce", nonce), ("Hostname", "web1"), ("InstallUpdates", "true"), ("Cluster", CLUSTER)];
    let steps = || {
        let calls = host.read("calls");
        let told = ["dnf -y upgrade", "hostnamectl", "hook", "systemctl restart"];
        let of = |call: &str| told.iter().any(|beginning| call.starts_with(beginning)).then(|| call.to_owned());
        calls.lines().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(host.run("setup", &given("1")).0, 0);
    let first = [
        "dnf -y upgrade --releasever=latest",
        "hostnamectl set-hostname web1",
        "hook cookbooks",
        "hook setup",
        "systemctl restart --no-block ecs",
        "hook deploy",
    ];
    assert_eq!(steps(), first);
    // A restart: the machine has its cookbooks, and its agent has gone down with it.
    fs::remove_file(host.path("calls")).unwrap();
    fs::remove_file(host.path("up")).unwrap();
    assert_eq!(host.run("setup", &given("2")).0, 0);
    assert_eq!(steps(), first.into_iter().filter(|step| *step != "hook cookbooks").collect::<Vec<_>>());
}

/// [SCALE-5]: a machine fetches at its first start what is newest then. One that was only stopped, as an EBS-backed one is, keeps it until
/// somebody asks for an update.
#[test]
fn scale_5_a_first_start_has_the_newest_cookbooks_and_a_restart_may_have_older_ones() {
    let machine = |newest: &str| {
        let host = Host::new(AL2023);
        host.hook("cookbooks", &format!("echo {newest} >\"$STRATA_ROOT/cookbooks\""));
        host
    };
    let old = machine("v1");
    assert_eq!(old.run("setup", &[("Nonce", "1")]).0, 0);
    old.hook("cookbooks", "echo v2 >\"$STRATA_ROOT/cookbooks\"");
    assert_eq!(old.run("setup", &[("Nonce", "2")]).0, 0);
    assert_eq!(old.read("cookbooks"), "v1\n", "restarted after v2 came out");
    let new = machine("v2");
    assert_eq!(new.run("setup", &[("Nonce", "1")]).0, 0);
    assert_eq!(new.read("cookbooks"), "v2\n");
    assert_eq!(old.run("recipes", &[("Nonce", "3"), ("Command", "update_custom_cookbooks"), ("Recipes", "")]).0, 0);
    assert_eq!(old.read("cookbooks"), "v2\n");
}

#[test]
fn cookbooks_that_could_not_be_fetched_are_fetched_by_the_next_setup() {
    let host = Host::new(AL2023);
    host.hook("cookbooks", "exit 3");
    let (code, said) = host.run("setup", &[("Nonce", "1")]);
    assert!(code == 1 && said.contains("ended with exit code 3"), "{said}");
    host.hook("cookbooks", "echo fetched >>\"$STRATA_ROOT/ran\"");
    for nonce in ["2", "3"] {
        assert_eq!(host.run("setup", &[("Nonce", nonce)]).0, 0);
    }
    assert_eq!(host.read("ran"), "fetched\n");
}

/// [LIFE-1]: for Configure and Shutdown.
#[test]
fn life_1_what_is_built_in_into_an_event_comes_before_its_hooks() {
    let host = Host::new(AL2023);
    host.hook("shutdown", "echo 'hook shutdown' >>\"$STRATA_ROOT/calls\"");
    assert_eq!(host.run("shutdown", &[("Nonce", "1")]).0, 0);
    assert_eq!(host.read("calls"), "systemctl disable --now strata-metrics.timer\nhook shutdown\n");
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

/// [SEC-11]: what a layer is pinned to holds at boot too.
#[test]
fn sec_11_a_boot_goes_to_the_release_that_the_layer_is_pinned_to() {
    let host = Host::new(AL2023);
    let given = [("Nonce", "n"), ("InstallUpdates", "true"), ("Release", "2023.8.20250707")];
    assert_eq!(host.run("setup", &given).0, 0);
    assert_eq!(host.calls("dnf"), ["dnf -y upgrade --releasever=2023.8.20250707"]);
}
