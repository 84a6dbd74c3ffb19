//! The Configure event on the hosts of the simulated cloud.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use strata_local::cloud::{Mishap, Victim};
use strata_ports::{Clock, CommandKind, CommandRequest, keys};

use super::world::{ADA, World, on_virtual_time, text};

fn configures(world: &World) -> usize {
    world.sent.requests().iter().filter(|r| r.kind == CommandKind::Configure).count()
}

/// [LIFE-2]
#[test]
fn life_2_configure_runs_on_the_online_hosts_when_one_enters_or_leaves_online() {
    on_virtual_time(async || {
        let world = World::new(2, |config| config.ssm.configure_hooks = true).await;
        world.minutes(3).await;
        world.sent.forget();
        world.minutes(10).await;
        assert_eq!(configures(&world), 0, "nothing has changed");
        world.call("StopInstance", json!({ "InstanceId": world.hosts[1] })).await;
        world.until(&world.hosts[1], "stopped").await;
        world.minutes(3).await;
        assert_eq!(configures(&world), 1, "on the one that is left");
        world.sent.forget();
        world.call("StartInstance", json!({ "InstanceId": world.hosts[1] })).await;
        world.until(&world.hosts[1], "online").await;
        world.minutes(3).await;
        assert_eq!(configures(&world), 2, "on both");
        let commands = world.commands(json!({ "InstanceId": world.hosts[0] })).await;
        assert_eq!((text(&commands[0]["Type"]), text(&commands[0]["Status"])), ("configure".into(), "successful".into()));
        assert!(commands[0]["DeploymentId"].is_null());
        assert!(world.list(keys::CONFIGURE_DUE_PK).await.is_empty());
    });
}

/// [HEAL-6] [LIFE-4]: what a heal brings back is told to all who are online, itself included.
#[test]
fn heal_6_healing_ends_with_configure_on_all() {
    on_virtual_time(async || {
        let world = World::new(6, |config| config.ssm.configure_hooks = true).await;
        world.minutes(3).await;
        let machine = world.machine(0).await;
        world.cloud.inject(Victim::Ec2(machine), Mishap::Ec2Stop, world.clock.now());
        world.minutes(2).await;
        assert_ne!(world.status(&world.hosts[0]).await, "online");
        world.sent.forget();
        world.until(&world.hosts[0], "online").await;
        world.minutes(3).await;
        let told: BTreeSet<String> =
            world.sent.requests().iter().filter(|r| r.kind == CommandKind::Configure).map(|r| r.host.to_string()).collect();
        assert_eq!(told.len(), 6, "{told:?}");
    });
}

#[test]
fn hosts_without_a_hook_get_no_configure_however_many_come_up() {
    on_virtual_time(async || {
        let world = World::new(5, |_| {}).await;
        assert_eq!(configures(&world), 0);
        assert!(world.list(keys::CONFIGURE_DUE_PK).await.is_empty(), "it was looked at and forgotten");
    });
}

/// [CWL-5]
#[test]
fn cwl_5_a_machine_whose_role_may_not_write_logs_is_online_and_a_service_error() {
    on_virtual_time(async || {
        for (no_log_rights, errors) in [(true, 1), (false, 0)] {
            let world = World::new(1, |config| config.ssm.no_log_rights = no_log_rights).await;
            world.minutes(3).await;
            assert_eq!(world.status(&world.hosts[0]).await, "online");
            let told = world.call("DescribeServiceErrors", json!({ "InstanceId": world.hosts[0] })).await;
            let told = told["ServiceErrors"].as_array().unwrap().clone();
            assert_eq!(told.len(), errors, "{told:?}");
            for error in told {
                let message = text(&error["Message"]);
                assert!(message.contains("logs:CreateLogStream for shop."), "{message}");
                let by_id = world.call("DescribeServiceErrors", json!({ "ServiceErrorIds": [error["ServiceErrorId"]] })).await;
                assert_eq!(by_id["ServiceErrors"][0], error, "it is found by its id");
                let described = world.call("DescribeInstances", json!({ "InstanceIds": [world.hosts[0]] })).await;
                assert_eq!(described["Instances"][0]["LastServiceErrorId"], error["ServiceErrorId"]);
            }
        }
    });
}

/// [CMD-33] [EIP-15]
#[test]
fn cmd_33_what_comes_up_within_a_minute_is_one_run_on_each_host() {
    on_virtual_time(async || {
        let world = World::new(2, |config| config.ssm.configure_hooks = true).await;
        world.minutes(3).await;
        world.sent.forget();
        let first = world.cloud.add_address();
        let second = world.cloud.add_address();
        for (address, host) in [(&first, 0), (&second, 1)] {
            world.call("RegisterElasticIp", json!({ "StackId": world.stack, "ElasticIp": address })).await;
            world.call("AssociateElasticIp", json!({ "ElasticIp": address, "InstanceId": world.hosts[host] })).await;
        }
        world.minutes(3).await;
        assert_eq!(configures(&world), 2, "one on each");
    });
}

/// [SSH-9] [ECS-75]
#[test]
fn ssh_9_a_change_of_access_is_a_configure_event_too() {
    on_virtual_time(async || {
        let world = World::new(1, |config| config.ssm.configure_hooks = true).await;
        world.minutes(3).await;
        world.call("CreateUserProfile", json!({ "IamUserArn": ADA })).await;
        world.sent.forget();
        world.call("SetPermission", json!({ "StackId": world.stack, "IamUserArn": ADA, "AllowSsh": true })).await;
        world.minutes(3).await;
        // In whichever order: neither waits for the other.
        let kinds: BTreeSet<CommandKind> = world.sent.requests().iter().map(|r| r.kind).collect();
        assert_eq!(kinds, [CommandKind::Users, CommandKind::Configure].into());
        assert_eq!(world.sent.requests().len(), 2);
    });
}

/// [CWL-3] [CWL-2] [CWL-17]
#[test]
fn cwl_3_a_layers_changed_logs_reach_its_online_hosts_also_without_a_hook() {
    on_virtual_time(async || {
        let world = World::new(2, |_| {}).await;
        world.sent.forget();
        let told = || -> Vec<String> {
            let of = |r: &CommandRequest| r.parameters.iter().find(|(n, _)| n == "logs").map(|(_, value)| value.clone());
            world.sent.requests().iter().filter(|r| r.kind == CommandKind::Configure).filter_map(of).collect()
        };
        let logs = |on: bool| json!({ "Enabled": on, "LogStreams": [{ "LogGroupName": "shop", "File": "/var/log/app.log" }] });
        let set = async |logs: Value| {
            world.call("UpdateLayer", json!({ "LayerId": world.layer, "CloudWatchLogsConfiguration": logs })).await;
            world.minutes(3).await;
        };
        set(logs(true)).await;
        assert_eq!(told().len(), 2);
        for text in told() {
            let configuration: Value = serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
            let file = &configuration["logs"]["logs_collected"]["files"]["collect_list"][0];
            assert_eq!((&file["file_path"], &file["log_group_name"]), (&json!("/var/log/app.log"), &json!("shop")));
            assert!(file["log_stream_name"].as_str().unwrap().starts_with("ecs-cluster"), "by host name: {file}");
        }
        set(logs(true)).await;
        assert_eq!(told().len(), 2, "the same again is no change");
        set(logs(false)).await;
        assert_eq!(told()[2..], ["none", "none"]);
    });
}

/// A hook that somebody takes away is told of by the next run of anything.
#[test]
fn a_host_that_says_that_its_hook_is_gone_gets_no_more() {
    on_virtual_time(async || {
        let world = World::new(1, |config| config.ssm.configure_hooks = true).await;
        let key = keys::hooks(&world.stack_id(), &world.instance_id(0));
        let told = async || world.item(&key).await.unwrap().decode::<keys::Hooks>().unwrap().configure;
        assert!(told().await);
        world.cloud.let_hosts_have_configure_hooks(false);
        let id = world.deploy("execute_recipes", json!({ "recipes": ["shop"] })).await;
        world.finished(&id).await;
        assert!(!told().await);
    });
}
