//! SSM, and what Setup and updates do to a host.

use strata_ports::{CommandKind, CommandStatus, Commands, Compute, Containers};
use strata_triggers::HintKind;

use crate::cloud::testkit::{World, config};
use crate::cloud::{Mishap, Victim};

#[tokio::test(start_paused = true)]
async fn agents_ping_every_five_minutes_from_their_boot_on() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    w.pass(69).await;
    assert_eq!(w.last_ping(&id).await, None);
    w.pass(1).await;
    let boot = w.now();
    for (seconds, age) in [(0, 0), (299, 299), (1, 0), (601, 1)] {
        w.pass(seconds).await;
        let ping = w.last_ping(&id).await.unwrap();
        assert_eq!(w.now().duration_since(ping).as_secs(), age);
        assert!(ping >= boot);
    }
}

#[tokio::test(start_paused = true)]
async fn setup_registers_the_host_when_it_is_through_and_tells_how_it_goes() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    w.pass(70).await;
    w.told.clear();
    let request = w.command(CommandKind::Setup, &id, "n");
    let command = w.send(&request).await;
    assert_eq!(w.send(&request).await, command, "the same nonce is the same command");
    assert_eq!(w.result(&command).await.status, CommandStatus::Pending);
    w.pass(100).await;
    assert_eq!((w.result(&command).await.status, w.container(&id).await), (CommandStatus::InProgress, None));
    w.pass(1).await;
    let result = w.result(&command).await;
    assert_eq!((result.status, result.exit_code), (CommandStatus::Success, Some(0)));
    let container = w.container(&id).await.unwrap();
    assert!(container.agent_connected && container.registered_at == w.now());
    let told: Vec<String> = w
        .hints()
        .into_iter()
        .map(|hint| match hint {
            HintKind::Command { status, instance, .. } => format!("{status} {}", instance == Some(id.clone())),
            HintKind::ContainerInstance { status, agent_connected, .. } => format!("{status} {agent_connected}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["InProgress true", "ACTIVE true", "Success true"]);
}

#[tokio::test(start_paused = true)]
async fn updates_on_boot_make_setup_longer() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    w.pass(70).await;
    let mut request = w.command(CommandKind::Setup, &id, "n");
    request.parameters.push(("install_updates".to_owned(), "true".to_owned()));
    let command = w.send(&request).await;
    w.pass(150).await;
    assert_eq!(w.result(&command).await.status, CommandStatus::InProgress);
    w.pass(1).await;
    assert_eq!(w.result(&command).await.status, CommandStatus::Success);
}

#[tokio::test(start_paused = true)]
async fn setup_fails_by_chance_or_for_want_of_the_cluster_and_registers_nothing() {
    for (per_mille, cluster, line) in [(1_000, "shop", "E: the package"), (0, "gone", "the ECS agent did not answer")] {
        let mut settings = config();
        settings.ssm.setup_fail_per_mille = per_mille;
        let mut w = World::new(settings);
        let id = w.launch("web1", "a").await;
        w.pass(70).await;
        let mut request = w.command(CommandKind::Setup, &id, "n");
        request.parameters[0].1 = request.parameters[0].1.replace("shop", cluster);
        let command = w.send(&request).await;
        w.pass(101).await;
        let result = w.result(&command).await;
        assert_eq!((result.status, result.exit_code), (CommandStatus::Failed, Some(1)));
        assert!(result.last_line.starts_with(line), "{}", result.last_line);
        assert_eq!(w.container(&id).await, None);
    }
}

/// [EBS-29]: the documents' own tests say how; here a volume that is not at the machine is the one that never appears.
#[tokio::test(start_paused = true)]
async fn ebs_29_setup_fails_for_want_of_a_volume_that_it_is_told_to_mount() {
    use base64::Engine;
    let mut w = World::new(config());
    let volume = strata_ports::VolumeSpec {
        mount_point: "/data".to_owned(),
        size: 10,
        volume_type: "gp3".to_owned(),
        iops: None,
        encrypted: true,
        device: "/dev/sdi".to_owned(),
    };
    let spec = strata_ports::LaunchSpec { volumes: vec![volume], ..w.spec("web1", "a") };
    let host = w.cloud.run_instance(&w.scope, &spec).await.unwrap();
    w.pass(80).await;
    let own = host.volumes[0].0.clone();
    let list = |ids: &[&str]| {
        let lines: String = ids.iter().map(|id| format!("{id} /dev/sdi /{id}\n")).collect();
        base64::prelude::BASE64_STANDARD.encode(format!("strata-volumes 1\n{lines}"))
    };
    let missing = "the volume vol-other did not appear within 300 s";
    for (nonce, volumes, line) in [
        ("a", list(&[&own]), None),
        ("b", list(&[&own, "vol-other"]), Some(missing)),
        ("c", "none".to_owned(), None),
        ("d", "bm8=".to_owned(), Some("the list of volumes is in no known form; nothing was mounted")),
    ] {
        let mut request = w.command(CommandKind::Setup, &host.id, nonce);
        request.parameters.push(("volumes".to_owned(), volumes));
        let command = w.send(&request).await;
        w.pass(101).await;
        let result = w.result(&command).await;
        assert_eq!(result.status, if line.is_some() { CommandStatus::Failed } else { CommandStatus::Success }, "{result:?}");
        assert_eq!(line.unwrap_or(&result.last_line), result.last_line);
    }
}

/// [ECS-64] step 5, [ECS-67].
#[tokio::test(start_paused = true)]
async fn ecs_67_setup_leaves_an_agent_in_the_right_cluster_alone_and_fails_on_one_in_another() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    let arn = w.arn(&id).await;
    let again = w.setup(&id).await;
    w.pass(101).await;
    assert_eq!(w.result(&again).await.status, CommandStatus::Success);
    assert_eq!(w.arn(&id).await, arn);
    let mut request = w.command(CommandKind::Setup, &id, "other");
    request.parameters[0].1 = w.cloud.create_cluster("other").to_string();
    let other = w.send(&request).await;
    w.pass(101).await;
    assert_eq!(w.result(&other).await.last_line, "registered to a different cluster");
}

/// [ECS-123], [ECS-124]: stopped without a deregistration it stays ACTIVE and disconnected, and reconnects as the same one.
#[tokio::test(start_paused = true)]
async fn ecs_124_a_restart_keeps_the_container_instance_unless_it_was_deregistered() {
    let mut w = World::new(config());
    let id = w.online("web1", "a").await;
    let arn = w.arn(&id).await;
    let ids = [id.clone()];
    w.cloud.stop_instances(&w.scope, &ids, false).await.unwrap();
    w.pass(60).await;
    let stopped = w.container(&id).await.unwrap();
    assert!(stopped.arn == arn && !stopped.agent_connected && stopped.state == strata_ports::ContainerInstanceState::Active);
    w.cloud.start_instances(&w.scope, &ids).await.unwrap();
    w.pass(74).await;
    assert!(!w.container(&id).await.unwrap().agent_connected);
    w.pass(1).await;
    assert!(w.container(&id).await.unwrap().agent_connected && w.arn(&id).await == arn);

    w.cloud.deregister(&w.scope, &w.cluster, &arn).await.unwrap();
    w.cloud.stop_instances(&w.scope, &ids, false).await.unwrap();
    w.pass(60).await;
    w.cloud.start_instances(&w.scope, &ids).await.unwrap();
    w.pass(600).await;
    assert_eq!(w.container(&id).await, None, "the agent's old state is of no use");
    w.setup(&id).await;
    w.pass(101).await;
    assert_ne!(w.arn(&id).await, arn);
}

#[tokio::test(start_paused = true)]
async fn a_command_to_a_host_that_never_called_is_wrong_and_one_to_a_silent_host_waits_or_times_out() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    w.pass(60).await;
    let early = w.cloud.send(&w.scope, &w.command(CommandKind::Setup, &id, "n")).await.unwrap_err();
    assert_eq!(early.code(), Some("InvalidInstanceId"));
    w.pass(10).await;
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Hang, w.now());
    w.pass(1).await;
    let mut short = w.command(CommandKind::Configure, &id, "short");
    short.timeout_seconds = 100;
    let (short, long) = (w.send(&short).await, w.send(&w.command(CommandKind::Configure, &id, "long")).await);
    w.pass(99).await;
    assert_eq!(w.result(&short).await.status, CommandStatus::Pending);
    w.pass(1).await;
    assert_eq!(w.result(&short).await.status, CommandStatus::TimedOut);
    w.cloud.reboot_instances(&w.scope, &[id]).await.unwrap();
    w.pass(310).await;
    assert_eq!(w.result(&long).await.status, CommandStatus::Success, "delivered when the agent was back");
    assert_eq!(w.result(&short).await.status, CommandStatus::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_host_goes_down_is_not_heard_of_until_its_time_is_over() {
    let mut w = World::new(config());
    let id = w.launch("web1", "a").await;
    w.pass(70).await;
    let setup = w.setup(&id).await;
    // The host is back before Setup would have been through.
    w.pass(20).await;
    w.cloud.inject(Victim::Ec2(id.clone()), Mishap::Reboot, w.now());
    w.pass(600).await;
    assert_eq!(w.result(&setup).await.status, CommandStatus::InProgress);
    assert_eq!(w.container(&id).await, None);
    w.pass(3_600).await;
    assert_eq!(w.result(&setup).await.status, CommandStatus::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_needs_a_reboot_takes_the_agents_away_and_brings_the_same_host_back() {
    let mut settings = config();
    settings.ssm.update_reboot_per_mille = 1_000;
    let mut w = World::new(settings);
    let id = w.online("web1", "a").await;
    let arn = w.arn(&id).await;
    let update = w.send(&w.command(CommandKind::Update, &id, "u")).await;
    w.pass(202).await;
    assert!(!w.container(&id).await.unwrap().agent_connected);
    assert_eq!(w.ec2(&id).await.unwrap().state, strata_ports::Ec2State::Running);
    assert_eq!(w.result(&update).await.status, CommandStatus::InProgress);
    w.pass(60).await;
    assert_eq!(w.result(&update).await.status, CommandStatus::Success);
    w.pass(5).await;
    assert!(w.container(&id).await.unwrap().agent_connected && w.arn(&id).await == arn);
    let sources: Vec<_> = w.told.iter().filter(|e| e.source == crate::cloud::Source::SsmUpdate).collect();
    assert_eq!(sources.len(), 2, "in progress, success");

    let mut gentle = w.command(CommandKind::Update, &id, "gentle");
    gentle.parameters.push(("allow_reboot".to_owned(), "false".to_owned()));
    let gentle = w.send(&gentle).await;
    w.pass(202).await;
    let line = w.result(&gentle).await.last_line;
    assert!(line.starts_with("reboot required but not allowed; patches: missing=0 security=0 reboot=yes updated="), "{line}");
    assert!(w.container(&id).await.unwrap().agent_connected);
}

#[tokio::test(start_paused = true)]
async fn an_update_can_fail_and_then_does_not_reboot() {
    let mut settings = config();
    (settings.ssm.update_reboot_per_mille, settings.ssm.update_fail_per_mille) = (1_000, 1_000);
    let mut w = World::new(settings);
    let id = w.online("web1", "a").await;
    let update = w.send(&w.command(CommandKind::Update, &id, "u")).await;
    w.pass(202).await;
    assert_eq!(w.result(&update).await.status, CommandStatus::Failed);
    assert!(w.container(&id).await.unwrap().agent_connected);
}
