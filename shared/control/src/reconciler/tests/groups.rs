//! The security groups and settings that a launch is given.

use strata_domain::model::{Layer, LayerType, Stack};
use strata_domain::security_groups::{CUSTOM_SERVER, DEFAULT_SERVER, ECS_CLUSTER};

use super::*;

fn built_in(name: &str) -> String {
    format!("sg-{name}")
}

async fn change_stack(world: &World, change: impl Fn(&mut Stack)) {
    let key = keys::stack(&samples::stack().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut stack: Stack = standing.decode().unwrap();
    change(&mut stack);
    world.commit(vec![Change::put(key, &stack, standing.unchanged())]).await;
}

async fn change_layer(world: &World, change: impl Fn(&mut Layer)) {
    let layer = samples::layer();
    let key = keys::layer(&layer.stack_id, &layer.id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut layer: Layer = standing.decode().unwrap();
    change(&mut layer);
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
}

fn groups_of_launch(world: &World, at: usize) -> Vec<String> {
    world.cloud.state().launches[at].security_group_ids.clone()
}

/// [SG-4] [SG-7] [ECS-48] [ECS-57] [ECS-59] Built-in groups beside the layer's own; a change reaches machines that are launched afterwards.
#[tokio::test]
async fn sg_4_a_launch_has_the_built_in_groups_beside_the_layers_own_and_a_change_counts_from_the_next() {
    let world = World::new(4).await;
    change_layer(&world, |layer| layer.custom_security_group_ids = vec!["sg-own".to_owned()]).await;
    world.ask_start(0).await;
    world.step().await;
    let mut expected = vec![built_in(DEFAULT_SERVER), built_in(ECS_CLUSTER), "sg-own".to_owned()];
    expected.sort_unstable();
    assert_eq!(groups_of_launch(&world, 0), expected);
    change_layer(&world, |layer| layer.layer_type = LayerType::Custom).await;
    world.ask_start(1).await;
    world.step().await;
    assert!(groups_of_launch(&world, 1).contains(&built_in(CUSTOM_SERVER)));
    assert!(!groups_of_launch(&world, 1).contains(&built_in(ECS_CLUSTER)));
    change_stack(&world, |stack| stack.use_opsworks_security_groups = false).await;
    world.ask_start(2).await;
    world.step().await;
    assert_eq!(groups_of_launch(&world, 2), ["sg-own"], "only its own");
    assert_eq!(world.cloud.count("DescribeSecurityGroups"), 2, "nobody asks for groups that the stack does not use");
    assert_eq!(world.cloud.state().launches.len(), 3, "machines that run are not touched");
}

#[tokio::test]
async fn groups_that_cannot_be_made_keep_no_machine_from_starting() {
    let world = World::new(1).await;
    let code = "UnauthorizedOperation".to_owned();
    let denied = CloudError::Wrong { action: "ec2:CreateSecurityGroup", code, why: "no".to_owned() };
    world.cloud.state().faults.push(("DescribeSecurityGroups", denied, false));
    world.ask_start(0).await;
    world.step().await;
    assert_eq!((world.status(0).await, groups_of_launch(&world, 0).len()), (InstanceStatus::Pending, 0));
}

/// [ECS-40] [ECS-44] [ECS-55] The ECS layer's profile comes first, then the stack's; any layer that asks for a public address counts; both
/// from the next launch on, and a machine that runs is never changed [EIP-1] [EIP-7]. With neither kind of address asked for it is launched
/// without one, and none is added behind anybody's back [EIP-4] [ECS-54].
#[tokio::test]
async fn ecs_44_profile_and_address_settings_count_from_the_next_launch() {
    let world = World::new(2).await;
    change_layer(&world, |layer| (layer.custom_instance_profile_arn, layer.auto_assign_public_ips) = (None, false)).await;
    world.ask_start(0).await;
    world.step().await;
    change_layer(&world, |layer| {
        (layer.custom_instance_profile_arn, layer.auto_assign_public_ips) = (Some("arn:profile/ecs".to_owned()), true);
    })
    .await;
    world.step().await;
    assert_eq!(world.cloud.state().launches.len(), 1, "a machine that runs keeps what it has");
    world.ask_start(1).await;
    world.step().await;
    let state = world.cloud.state();
    let seen: Vec<_> = state.launches.iter().map(|l| (l.instance_profile_arn.clone(), l.associate_public_ip)).collect();
    let default = samples::stack().default_instance_profile_arn;
    assert_eq!(seen, [(default, false), ("arn:profile/ecs".to_owned(), true)]);
    assert!(!state.calls.iter().any(|call| call.contains("Address")), "{:?}", state.calls);
}

/// [SEC-1] [SEC-7] [SEC-9] Updates at boot need the instance's and every layer's consent, as both stand when it boots.
#[tokio::test]
async fn sec_7_updates_at_boot_need_everybodys_consent_as_it_stands_at_the_boot() {
    for (instance, layer, expected) in [(true, true, "true"), (false, true, "false"), (true, false, "false")] {
        let world = World::new(1).await;
        world.ask_start(0).await;
        world.ask(0, InstanceStatus::Requested, |record| record.install_updates_on_boot = instance).await;
        // After the start was asked for, before the machine has booted.
        change_layer(&world, |record| record.install_updates_on_boot = layer).await;
        world.step().await;
        world.run(6).await;
        let state = world.cloud.state();
        let (setup, _) = state.commands.values().find(|(request, _)| request.kind == CommandKind::Setup).unwrap();
        let found = setup.parameters.iter().find(|(name, _)| name == "install_updates").map(|(_, value)| value.as_str());
        assert_eq!(found, Some(expected), "{instance} {layer}");
    }
}

/// [SEC-3] [SEC-5] Each start takes the boot path; a reboot runs no Setup.
#[tokio::test]
async fn sec_3_a_restart_is_a_boot_path_and_a_reboot_is_not() {
    let setups = |world: &World| world.cloud.state().commands.values().filter(|(r, _)| r.kind == CommandKind::Setup).count();
    let world = World::online(1).await;
    assert_eq!(setups(&world), 1);
    world.ask(0, InstanceStatus::Rebooting, |_| {}).await;
    world.run(4).await;
    assert_eq!((world.status(0).await, setups(&world)), (InstanceStatus::Online, 1));
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    world.ask_start(0).await;
    world.run(8).await;
    assert_eq!((world.status(0).await, setups(&world)), (InstanceStatus::Online, 2));
}

#[tokio::test]
async fn the_layers_settings_choose_metadata_version_and_root_encryption() {
    let world = World::new(2).await;
    world.ask_start(0).await;
    world.step().await;
    let json = r#"{"strata":{"launch":{"imdsv1":true,"encrypt_root":false}}}"#;
    change_layer(&world, |layer| layer.custom_json = Some(json.to_owned())).await;
    world.ask_start(1).await;
    world.step().await;
    let state = world.cloud.state();
    let seen: Vec<_> = state.launches.iter().map(|l| (l.imdsv1, l.plain_root)).collect();
    assert_eq!(seen, [(false, false), (true, true)]);
}

/// [SG-11] What is registered keeps the groups that it has: nobody asks for, makes or changes one.
#[tokio::test]
async fn sg_11_registering_and_assigning_a_machine_touches_no_security_group() {
    let world = World::online(1).await;
    world
        .ask(0, InstanceStatus::Assigning, |record| {
            record.origin = Origin::RegisteredEc2;
            record.launch_number += 1;
            record.setup_command = None;
        })
        .await;
    world.run(6).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    assert_eq!(world.cloud.count("DescribeSecurityGroups"), 0);
}

/// [SG-1] A change of the stack's settings and a start make built-in groups again where they are missing.
#[tokio::test]
async fn sg_1_built_in_groups_are_asked_for_by_a_start_and_by_a_change_of_the_stacks_settings() {
    let world = World::new(1).await;
    world.run(1).await;
    let before = world.cloud.count("DescribeSecurityGroups");
    world.run(3).await;
    assert_eq!(world.cloud.count("DescribeSecurityGroups"), before, "not each minute");
    change_stack(&world, |stack| stack.default_ssh_key_name = Some("ops".to_owned())).await;
    world.run(1).await;
    assert_eq!(world.cloud.count("DescribeSecurityGroups"), before + 1);
    world.ask_start(0).await;
    world.step().await;
    assert_eq!(world.cloud.count("DescribeSecurityGroups"), before + 2);
}
