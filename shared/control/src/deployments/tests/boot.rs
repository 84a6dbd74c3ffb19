//! What a start tells its host to do, and what is told of it: updates first unless disabled, and the events of the way up and down.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_local::SimCloud;
use strata_local::cloud::OwnHost;
use strata_ports::{CommandKind, CommandRequest, EventOut};

use super::world::{World, on_virtual_time, text};

fn setups(world: &World) -> Vec<CommandRequest> {
    world.sent.requests().into_iter().filter(|r| r.kind == CommandKind::Setup).collect()
}

fn parameter(request: &CommandRequest, name: &str) -> String {
    request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn restart(world: &World, host: &str) {
    world.call("StopInstance", json!({ "InstanceId": host })).await;
    world.until(host, "stopped").await;
    world.call("StartInstance", json!({ "InstanceId": host })).await;
    world.until(host, "online").await;
}

/// [SEC-7] [SEC-9] [ECS-71]
#[test]
fn sec_7_updates_come_first_unless_the_instance_or_one_of_its_layers_says_no() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        for (of_instance, of_layer, installs) in
            [(true, true, "true"), (false, true, "false"), (true, false, "false"), (false, false, "false")]
        {
            world.call("UpdateLayer", json!({ "LayerId": world.layer, "InstallUpdatesOnBoot": of_layer })).await;
            world.call("StopInstance", json!({ "InstanceId": host })).await;
            world.until(&host, "stopped").await;
            world.call("UpdateInstance", json!({ "InstanceId": host, "InstallUpdatesOnBoot": of_instance })).await;
            world.sent.forget();
            world.minutes(3).await;
            assert!(setups(&world).is_empty(), "the flags alone do nothing");
            world.call("StartInstance", json!({ "InstanceId": host })).await;
            world.until(&host, "online").await;
            let told: Vec<String> = setups(&world).iter().map(|r| parameter(r, "install_updates")).collect();
            assert_eq!(told, [installs], "{of_instance} {of_layer}");
        }
    });
}

/// [SEC-11]
#[test]
fn sec_11_a_boot_is_told_the_release_that_a_layer_is_pinned_to() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        let pin = r#"{"strata":{"updates":{"release":"2023.9.20251117"}}}"#;
        for (custom_json, release) in [("{}", ""), (pin, "2023.9.20251117")] {
            world.call("UpdateLayer", json!({ "LayerId": world.layer, "CustomJson": custom_json })).await;
            world.sent.forget();
            restart(&world, &host).await;
            assert_eq!(setups(&world).iter().map(|r| parameter(r, "release")).collect::<Vec<_>>(), [release]);
        }
    });
}

/// [SEC-2] [SEC-3] [SEC-5] [LIFE-4]
#[test]
fn sec_3_every_start_takes_the_boot_path_and_a_reboot_takes_none() {
    on_virtual_time(async || {
        let world = World::new(1, |config| config.ssm.configure_hooks = true).await;
        let host = world.hosts[0].clone();
        let first = setups(&world);
        assert_eq!(first.iter().map(|r| parameter(r, "install_updates")).collect::<Vec<_>>(), ["true"]);
        world.sent.forget();
        restart(&world, &host).await;
        assert_eq!(setups(&world).iter().map(|r| parameter(r, "install_updates")).collect::<Vec<_>>(), ["true"]);
        assert_ne!(first[0].nonce, setups(&world)[0].nonce, "it is a run of its own");
        world.minutes(5).await;
        world.sent.forget();
        world.call("RebootInstance", json!({ "InstanceId": host })).await;
        world.minutes(1).await;
        world.until(&host, "online").await;
        world.minutes(5).await;
        assert!(world.sent.requests().is_empty(), "no updates and no event: {:?}", world.sent.requests());
    });
}

/// [REG-8] [SEC-8] [ECS-73] [SEC-25] [MET-21]
#[test]
fn reg_8_a_registered_machine_is_not_updated_and_takes_commands_without_a_layer() {
    on_virtual_time(async || {
        let world = World::new(0, |_| {}).await;
        let machine = world.cloud.add_host(OwnHost::default());
        let document = world.cloud.identity_document(&machine);
        let identity = json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
        let members = json!({ "StackId": world.stack, "InstanceIdentity": identity });
        let host = text(&world.call("RegisterInstance", members).await["InstanceId"]);
        world.until(&host, "registered").await;
        let setup = &setups(&world)[0];
        assert_eq!((parameter(setup, "install_updates"), parameter(setup, "clear_agent_state")), ("false".into(), String::new()));
        assert_eq!((parameter(setup, "layer_ids"), parameter(setup, "stack_id")), (String::new(), world.stack.clone()));
        for (name, args) in [("update_dependencies", json!({})), ("execute_recipes", json!({ "recipes": ["shop"] }))] {
            let command = json!({ "Name": name, "Args": args });
            let members = json!({ "StackId": world.stack, "InstanceIds": [host], "Command": command });
            let id = text(&world.call("CreateDeployment", members).await["DeploymentId"]);
            assert_eq!(world.finished(&id).await["Status"], "successful", "{name}");
            let commands = world.commands(json!({ "DeploymentId": id })).await;
            assert_eq!(commands[0]["Status"], "successful", "{name}: it was run");
        }
    });
}

/// The statuses of an instance's events, in their order.
fn statuses(events: &[Value]) -> Vec<String> {
    let of_instances = events.iter().filter(|e| e["detail-type"] == "OpsWorks Instance State Change");
    of_instances.map(|e| text(&e["detail"]["status"])).collect()
}

/// [EVT-2] [EVT-3] [EVT-8] [ECS-77]
#[test]
fn evt_8_the_way_up_and_down_commands_deployments_and_errors_are_all_told() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        world.call("RebootInstance", json!({ "InstanceId": host })).await;
        world.minutes(1).await;
        world.until(&host, "online").await;
        let id = world.deploy("execute_recipes", json!({ "recipes": ["shop"] })).await;
        world.finished(&id).await;
        world.cloud.let_commands_fail(1_000, 0);
        world.call("StopInstance", json!({ "InstanceId": host })).await;
        world.until(&host, "stopped").await;
        world.call("StartInstance", json!({ "InstanceId": host })).await;
        world.until(&host, "setup_failed").await;
        world.flush().await;
        // The API sends its own at once and lifecycle sends later; each says when it happened.
        let mut told: Vec<_> = world.cloud.events_out(0).into_iter().map(|(_, event)| event).collect();
        told.sort_by_key(|event| event.time);
        let json_of = |e: EventOut| json!({ "detail-type": e.detail_type, "resources": e.resources, "detail": e.detail });
        let told: Vec<Value> = told.into_iter().map(json_of).collect();
        let up = ["requested", "pending", "booting", "running_setup", "online", "rebooting", "online"];
        let down = ["stopping", "shutting_down", "stopped", "requested", "pending", "booting", "running_setup", "setup_failed"];
        assert_eq!(statuses(&told), [&up[..], &down].concat());
        let kinds: BTreeSet<String> = told.iter().map(|e| text(&e["detail-type"])).collect();
        let four = ["Alert", "Command State Change", "Deployment State Change", "Instance State Change"];
        assert_eq!(kinds, four.map(|kind| format!("OpsWorks {kind}")).into());
        for event in &told {
            for key in event["detail"].as_object().unwrap().keys() {
                assert!(key == "initiated_by" || !key.contains('_'), "{key} in {event}");
            }
            for arn in event["resources"].as_array().unwrap() {
                assert_eq!(*arn, json!(format!("arn:aws:opsworks:us-east-1:123456789012:instance/{host}")));
            }
        }
    });
}
