//! Reconnect: the restart of an ECS agent.

use std::fs;

use crate::host::{AL2023, CLUSTER, Host};
use crate::setup::with_agent;

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
