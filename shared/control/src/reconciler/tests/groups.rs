//! The security groups and settings that a launch is given.

use strata_domain::model::{Layer, LayerType, Stack};
use strata_domain::security_groups::{CUSTOM_SERVER, DEFAULT_SERVER, ECS_CLUSTER, GroupRule};
use strata_ports::Compute;

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
/// from the next launch on, and a machine that runs is never changed [EIP-1] [EIP-7].
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

/// [ECS-54] [EIP-4] With neither kind of address asked for the machine is private. Where its subnet has no way out its agent never calls: the
/// instance stays `booting`, nobody gives it an address, and its start fails when its time is over [INST-14].
#[tokio::test]
async fn ecs_54_a_private_machine_without_a_way_out_stays_booting_and_is_given_no_address() {
    let world = World::new(2).await;
    change_layer(&world, |layer| (layer.auto_assign_public_ips, layer.auto_assign_elastic_ips) = (false, false)).await;
    world.ask_start(0).await;
    world.ask_start(1).await;
    world.step().await;
    assert!(world.cloud.state().launches.iter().all(|launch| !launch.associate_public_ip));
    // The first one's subnet has no way out: nothing of it is ever heard.
    world.cloud.state().hosts[0].hung = true;
    world.run(15).await;
    assert_eq!((world.status(0).await, world.status(1).await), (InstanceStatus::Booting, InstanceStatus::Online));
    world.run(10).await;
    assert_eq!((world.status(0).await, world.status(1).await), (InstanceStatus::StartFailed, InstanceStatus::Online));
    let state = world.cloud.state();
    assert_eq!(state.launches.len(), 2, "it is not launched anew with an address");
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

/// A world whose groups are the simulated account's, in which somebody has opened port 22 to the world before a stack was made.
async fn edited(world: &mut World) -> GroupRule {
    let ssh = GroupRule { egress: false, protocol: "tcp".to_owned(), ports: (22, 22), peer: "0.0.0.0/0".to_owned() };
    let ports = Ports { compute: world.account.clone(), ..world.reconciler.ports.clone() };
    world.reconciler = Reconciler::new(ports, Config::default());
    let (scope, vpc) = (super::super::view::scope_of(&samples::stack()), samples::stack().vpc_id);
    world.account.ensure_groups(&scope, &vpc).await.unwrap();
    world.account.edit_group(&vpc, DEFAULT_SERVER, |rules| {
        rules.insert(ssh.clone());
    });
    ssh
}

async fn new_stack_is_due(world: &World) {
    world.commit(vec![Change::put(keys::groups_due(&samples::stack().id), &(), Expect::Absent)]).await;
}

async fn due(world: &World) -> usize {
    world.store.list(&Listing::of(keys::GROUPS_DUE_PK, "")).await.unwrap().len()
}

/// [SG-8] The tick after CreateStack overwrites what somebody has edited, once, and tells it; what is edited afterwards stays.
#[tokio::test(start_paused = true)]
async fn sg_8_a_new_stack_overwrites_the_built_in_groups_once() {
    let mut world = World::new(0).await;
    let (ssh, vpc) = (edited(&mut world).await, samples::stack().vpc_id);
    let has_ssh = |world: &World| world.account.rules_of_group(&vpc, DEFAULT_SERVER).contains(&ssh);
    world.reconciler.sweep("tick").await.unwrap();
    assert!(has_ssh(&world), "no stack is new");
    new_stack_is_due(&world).await;
    let told = world.reconciler.sweep("tick").await.unwrap();
    assert!(!has_ssh(&world));
    let decision = told.iter().find(|d| d.subject.ends_with("/security groups")).unwrap();
    assert_eq!(decision.did, "AWS-OpsWorks-Default-Server: revoke tcp 22 from 0.0.0.0/0");
    assert_eq!(due(&world).await, 0);
    world.account.edit_group(&vpc, DEFAULT_SERVER, |rules| {
        rules.insert(ssh.clone());
    });
    world.reconciler.sweep("tick").await.unwrap();
    assert!(has_ssh(&world), "what was edited since is the user's");
}

/// [SG-8] A stack that does not use the groups, or is gone, touches none; a freeze puts it off.
#[tokio::test(start_paused = true)]
async fn sg_8_a_stack_without_built_in_groups_overwrites_none_and_a_freeze_puts_it_off() {
    let mut world = World::new(0).await;
    let (ssh, vpc) = (edited(&mut world).await, samples::stack().vpc_id);
    let has_ssh = |world: &World| world.account.rules_of_group(&vpc, DEFAULT_SERVER).contains(&ssh);
    world.cloud.state().mode = Some(Mode::Frozen);
    new_stack_is_due(&world).await;
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!((due(&world).await, has_ssh(&world)), (1, true), "frozen means frozen");
    change_stack(&world, |stack| stack.use_opsworks_security_groups = false).await;
    world.cloud.state().mode = Some(Mode::Active);
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!((due(&world).await, has_ssh(&world)), (0, true));
    world.commit(vec![Change::put(keys::groups_due(&"gone".into()), &(), Expect::Absent)]).await;
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(due(&world).await, 0);
}

/// A group that Strata has not made guards somebody's machines: it is named and left alone.
#[tokio::test(start_paused = true)]
async fn a_group_of_a_built_in_ones_name_that_is_not_ours_is_left_alone_and_told() {
    let mut world = World::new(0).await;
    let vpc = samples::stack().vpc_id;
    world.account.add_foreign_group(&vpc, DEFAULT_SERVER);
    let ssh = edited(&mut world).await;
    new_stack_is_due(&world).await;
    let told = world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(world.account.rules_of_group(&vpc, DEFAULT_SERVER).into_iter().collect::<Vec<_>>(), [ssh]);
    let decision = told.iter().find(|d| d.subject.ends_with("/security groups")).unwrap();
    assert_eq!(decision.did, "leave AWS-OpsWorks-Default-Server alone, which this installation has not made");
}

/// What EC2 refuses for good is one service error; what it only throttles is tried by the next tick.
#[tokio::test]
async fn a_refusal_to_overwrite_groups_is_told_once_and_a_throttling_tried_again() {
    let world = World::new(0).await;
    new_stack_is_due(&world).await;
    let throttled = CloudError::RetryLater { action: "ec2:DescribeSecurityGroupRules", why: "slow down".to_owned() };
    world.cloud.state().faults.push(("ResetGroups", throttled, false));
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(due(&world).await, 1);
    let (code, why) = ("UnauthorizedOperation".to_owned(), "no".to_owned());
    let denied = CloudError::Wrong { action: "ec2:RevokeSecurityGroupIngress", code, why };
    world.cloud.state().faults.push(("ResetGroups", denied, false));
    world.reconciler.sweep("tick").await.unwrap();
    assert_eq!(due(&world).await, 0);
    let errors = world.store.list(&Listing::of(keys::stack_pk(&samples::stack().id), keys::SERVICE_ERROR)).await.unwrap();
    let errors: Vec<ServiceError> = errors.iter().map(|item| item.decode().unwrap()).collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].error_type == "SecurityGroups" && errors[0].message.contains("UnauthorizedOperation: no"), "{errors:?}");
}
