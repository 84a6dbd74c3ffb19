//! The Configure event on the hosts of the simulated cloud.

use serde_json::json;
use strata_ports::{CommandKind, keys};

use super::world::{World, on_virtual_time, text};

fn configures(world: &World) -> usize {
    world.sent.requests().iter().filter(|r| r.kind == CommandKind::Configure).count()
}

/// [LIFE-1]
#[test]
fn life_1_configure_runs_on_the_online_hosts_when_one_enters_or_leaves_online() {
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

#[test]
fn hosts_without_a_hook_get_no_configure_however_many_come_up() {
    on_virtual_time(async || {
        let world = World::new(5, |_| {}).await;
        assert_eq!(configures(&world), 0);
        assert!(world.list(keys::CONFIGURE_DUE_PK).await.is_empty(), "it was looked at and forgotten");
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
