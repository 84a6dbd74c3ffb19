//! Commands from the API to the hosts of the simulated cloud and back.

mod boot;
mod configure;
mod crashes;
mod service;
mod snapshot;
mod users;
mod world;

use serde_json::{Value, json};
use strata_domain::mode::Mode;
use strata_ports::{CommandKind, ModeScope, keys};

use world::{World, on_virtual_time, text};

fn of_deployment(id: &str) -> Value {
    json!({ "DeploymentId": id })
}

/// [CMD-2] [CMD-26] [CMD-29] [CMD-32]
#[test]
fn cmd_26_a_command_runs_on_each_target_and_the_deployment_ends_with_the_last() {
    on_virtual_time(async || {
        let world = World::new(2, |_| {}).await;
        world.sent.forget();
        let id = world.deploy("execute_recipes", json!({ "recipes": ["shop::migrate", "cache"] })).await;
        let pending = world.commands(of_deployment(&id)).await;
        assert!(pending.iter().all(|c| c["Status"] == "pending" && c["LogUrl"].is_null() && c["AcknowledgedAt"].is_null()));
        let done = world.finished(&id).await;
        assert_eq!(done["Status"], "successful");
        let seconds = |at: &Value| text(at).parse::<jiff::Timestamp>().unwrap().as_second();
        assert_eq!(done["Duration"], seconds(&done["CompletedAt"]) - seconds(&done["CreatedAt"]), "{done}");
        let requests = world.sent.requests();
        assert_eq!(requests.len(), 2, "one to each host");
        for request in &requests {
            assert_eq!(request.kind, CommandKind::Recipes);
            let parameter = |name: &str| request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
            assert_eq!((parameter("command"), parameter("recipes")), (Some("execute_recipes"), Some("shop::migrate,cache")));
        }
        for command in world.commands(of_deployment(&id)).await {
            assert_eq!((&command["Status"], &command["ExitCode"]), (&json!("successful"), &json!(0)));
            assert!(seconds(&command["AcknowledgedAt"]) <= seconds(&command["CompletedAt"]), "{command}");
            let log = text(&command["LogUrl"]);
            let (_, key) = log.split_once("/_strata/objects/").unwrap();
            let key = key.split_once('?').unwrap().0;
            assert!(key.starts_with(&format!("logs/command-{}/", text(&command["CommandId"]))), "{key}");
            assert!(world.ports.objects.get(key).await.unwrap().is_some(), "its output is there");
        }
        assert!(world.list(keys::OPEN_DEPLOYMENTS_PK).await.is_empty() && world.list(keys::PENDING_COMMANDS_PK).await.is_empty());
    });
}

/// [CMD-4] [CMD-5] [CMD-7] [CMD-1]
#[test]
fn each_command_runs_its_document_with_its_arguments_as_data() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let cases = [
            ("configure", json!({}), CommandKind::Configure, None),
            ("update_custom_cookbooks", json!({}), CommandKind::Recipes, Some(("command", "update_custom_cookbooks"))),
            ("update_dependencies", json!({}), CommandKind::Update, Some(("allow_reboot", "false"))),
            ("update_dependencies", json!({ "allow_reboot": ["true"] }), CommandKind::Update, Some(("allow_reboot", "true"))),
        ];
        for (name, args, kind, parameter) in cases {
            world.sent.forget();
            let id = world.deploy(name, args).await;
            assert_eq!(world.finished(&id).await["Status"], "successful", "{name}");
            let sent = world.sent.requests();
            let own: Vec<_> = sent.iter().filter(|r| r.nonce.starts_with("command-")).collect();
            assert_eq!(own.iter().map(|r| r.kind).collect::<Vec<_>>(), [kind], "{name}");
            if let Some((name, value)) = parameter {
                assert!(own[0].parameters.contains(&(name.to_owned(), value.to_owned())), "{:?}", own[0].parameters);
            }
        }
    });
}

/// [CMD-29] [SVE-2]
#[test]
fn cmd_29_a_script_that_fails_fails_its_deployment_with_its_exit_code() {
    on_virtual_time(async || {
        let world = World::new(1, |config| config.ssm.script_fail_per_mille = 1_000).await;
        let id = world.deploy("execute_recipes", json!({ "recipes": ["shop"] })).await;
        assert_eq!(world.finished(&id).await["Status"], "failed");
        let command = &world.commands(of_deployment(&id)).await[0];
        assert_eq!((&command["Status"], &command["ExitCode"]), (&json!("failed"), &json!(1)));
    });
}

/// [CMD-23] [SEC-6]
#[test]
fn cmd_23_setup_takes_the_host_out_of_service_without_updates_and_puts_it_back() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.sent.forget();
        let id = world.deploy("setup", json!({})).await;
        world.runner().tick("test").await.unwrap();
        assert_eq!(world.status(&world.hosts[0]).await, "running_setup");
        assert_eq!(world.finished(&id).await["Status"], "successful");
        world.until(&world.hosts[0], "online").await;
        let setups: Vec<_> = world.sent.requests().into_iter().filter(|r| r.kind == CommandKind::Setup).collect();
        assert_eq!(setups.len(), 1, "lifecycle sends none of its own");
        for (name, value) in [("install_updates", "false"), ("clear_agent_state", "false")] {
            assert!(setups[0].parameters.contains(&(name.to_owned(), value.to_owned())), "{:?}", setups[0].parameters);
        }
    });
}

/// [CMD-23]
#[test]
fn cmd_23_a_setup_that_fails_leaves_the_host_setup_failed() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.cloud.let_commands_fail(1_000, 0);
        let id = world.deploy("setup", json!({})).await;
        assert_eq!(world.finished(&id).await["Status"], "failed");
        world.until(&world.hosts[0], "setup_failed").await;
    });
}

/// [CMD-20] [CMD-35]
#[test]
fn cmd_35_commands_of_a_host_run_in_turn_and_those_of_a_host_that_stops_are_skipped() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let first = world.deploy("execute_recipes", json!({ "recipes": ["one"] })).await;
        let second = world.deploy("execute_recipes", json!({ "recipes": ["two"] })).await;
        world.sent.forget();
        world.runner().tick("test").await.unwrap();
        assert_eq!(world.sent.requests().len(), 1, "the second waits for the first");
        world.call("StopInstance", json!({ "InstanceId": world.hosts[0] })).await;
        let (first, second) = (world.finished(&first).await, world.finished(&second).await);
        assert_eq!(second["Status"], "successful", "nothing failed");
        let of = |d: &Value| of_deployment(&text(&d["DeploymentId"]));
        assert_eq!(world.commands(of(&second)).await[0]["Status"], "skipped");
        assert_ne!(world.commands(of(&first)).await[0]["Status"], "skipped", "it was under way");
        world.until(&world.hosts[0], "stopped").await;
    });
}

/// [CMD-27]
#[test]
fn cmd_27_what_the_service_runs_by_itself_is_listed_without_a_deployment() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.call("StopInstance", json!({ "InstanceId": world.hosts[0] })).await;
        world.until(&world.hosts[0], "stopped").await;
        world.minutes(5).await;
        let commands = world.commands(json!({ "InstanceId": world.hosts[0] })).await;
        let seen: Vec<(String, String)> = commands.iter().map(|c| (text(&c["Type"]), text(&c["Status"]))).collect();
        let expected = ["shutdown", "setup"].map(|kind| (kind.to_owned(), "successful".to_owned()));
        assert_eq!(seen, expected);
        assert!(commands.iter().all(|c| c["DeploymentId"].is_null()));
        assert!(world.list(keys::PENDING_COMMANDS_PK).await.is_empty());
    });
}

/// [CMD-34] [CMD-36]
#[test]
fn cmd_34_in_a_frozen_stack_nothing_is_sent_and_after_an_hour_it_has_expired() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.cloud.set_mode(ModeScope::Installation, Some(Mode::Frozen));
        world.sent.forget();
        let id = world.deploy("configure", json!({})).await;
        world.minutes(59).await;
        assert_eq!(world.deployment(&id).await["Status"], "running");
        assert_eq!(world.finished(&id).await["Status"], "failed");
        assert_eq!(world.commands(of_deployment(&id)).await[0]["Status"], "expired");
        assert!(world.sent.requests().is_empty());
    });
}

#[test]
fn a_deleted_stack_leaves_no_entry_among_the_pending_commands() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.deploy("configure", json!({})).await;
        for item in world.list(&keys::stack_pk(&world.stack_id())).await {
            let gone = strata_ports::Change::Delete { expect: item.unchanged(), key: item.key };
            world.ports.store.commit(vec![gone]).await.unwrap();
        }
        world.runner().tick("test").await.unwrap();
        assert!(world.list(keys::PENDING_COMMANDS_PK).await.is_empty() && world.list(keys::OPEN_DEPLOYMENTS_PK).await.is_empty());
    });
}
