//! Hosts whose ECS agent alone is silent, through the reconciler.

use super::*;

impl World {
    /// The layer's settings of ours.
    async fn set_strata(&self, settings: &str) {
        let mut layer = samples::layer();
        layer.custom_json = Some(format!(r#"{{"strata":{settings}}}"#));
        let item = self.store.get(&keys::layer(&layer.stack_id, &layer.id)).await.unwrap().unwrap();
        self.commit(vec![Change::put(item.key.clone(), &layer, item.unchanged())]).await;
    }

    async fn heals(&self, i: usize) -> usize {
        self.record(i).await.unwrap().heals.len()
    }
}

/// [HEAL-10]: first the service error, then the agent's restart, once; the host itself is left alone.
#[tokio::test]
async fn a_stuck_agent_is_restarted_once_by_a_command_and_the_host_is_not_healed() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].agent_stuck = true;
    world.run(15).await;
    assert_eq!(world.calls(), ["SendCommand"]);
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.agent_silent_since, record.heals.len()), (InstanceStatus::Online, None, 0));
    let sent = world.cloud.state().commands.values().find(|(r, _)| r.kind == CommandKind::Reconnect).unwrap().0.clone();
    assert!(sent.parameters.contains(&("clear_agent_state".to_owned(), "false".to_owned())), "{sent:?}");
    assert_eq!(world.list(keys::BUSY_PK).await, 0);
}

/// [HEAL-4] [HEAL-9]
#[tokio::test]
async fn an_agent_that_stays_silent_beyond_ten_minutes_has_its_host_drained_and_healed_with_one_page() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].agent_cut_off = true;
    world.run(10).await;
    assert_eq!((world.status(0).await, world.heals(0).await), (InstanceStatus::Online, 0), "not yet");
    world.run(15).await;
    assert_eq!((world.status(0).await, world.heals(0).await), (InstanceStatus::Online, 1));
    let calls = world.calls();
    let expected = ["SendCommand", "Drain", "StopInstances", "DeregisterContainerInstance", "StartInstances"];
    assert!(calls.starts_with(&expected), "{calls:?}");
    assert_eq!(world.statuses_told(0).await[..2], ["connection_lost", "stopping"]);
    assert_eq!(world.pages(), [("auto-healing".to_owned(), false), ("auto-healing".to_owned(), true)]);
}

/// [HEAL-10]
#[tokio::test]
async fn heal_10_with_the_layers_setting_off_a_silent_agent_is_a_service_error_and_nothing_is_done() {
    let world = World::online(6).await;
    world.set_strata(r#"{"healing":{"silent_agent":false}}"#).await;
    world.cloud.state().hosts[0].agent_cut_off = true;
    world.run(40).await;
    assert_eq!((world.calls(), world.heals(0).await), (Vec::new(), 0));
    let record = world.record(0).await.unwrap();
    assert_eq!(record.status, InstanceStatus::Online);
    let error = record.last_service_error_id.expect("a service error");
    let item = world.store.get(&keys::service_error(&record.stack_id, &error)).await.unwrap().unwrap();
    assert_eq!(item.decode::<ServiceError>().unwrap().error_type, "EcsRegistration");
}

#[tokio::test]
async fn a_layer_may_wait_longer() {
    let world = World::online(6).await;
    world.set_strata(r#"{"healing":{"silent_agent_minutes":30}}"#).await;
    world.cloud.state().hosts[0].agent_cut_off = true;
    world.run(29).await;
    assert_eq!(world.heals(0).await, 0);
    world.run(4).await;
    assert_eq!(world.heals(0).await, 1);
}

/// ECS itself is in trouble: 3 of 10 agents are more than a fifth of the layer. With 2 of 10 each is healed.
#[tokio::test]
async fn when_more_than_a_fifth_of_the_agents_fall_silent_nobody_is_touched_until_it_clears() {
    for (sick, is_outage) in [(2, false), (3, true)] {
        let world = World::online(10).await;
        for i in 0..sick {
            world.cloud.state().hosts[i].agent_cut_off = true;
        }
        world.run(20).await;
        world.flush().await;
        if !is_outage {
            assert_eq!((world.heals(0).await, world.heals(1).await), (1, 1));
            continue;
        }
        assert_eq!(world.calls(), [""; 0], "nobody's agent is restarted, nobody is healed");
        assert_eq!(world.pages(), [("outage".to_owned(), false)], "one page");
        // ECS hears two of them again: the page is closed when the last one is heard, or healed as the single case that it is now.
        for i in 1..sick {
            world.cloud.state().hosts[i].agent_cut_off = false;
        }
        world.run(12).await;
        world.flush().await;
        assert_eq!((world.heals(0).await, world.heals(1).await), (1, 0));
        assert!(world.pages().contains(&("outage".to_owned(), true)), "{:?}", world.pages());
    }
}

/// [ECS-124]: somebody has deregistered the container instance: the agent must forget it.
#[tokio::test]
async fn an_agent_without_its_container_instance_is_told_to_forget_it() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].container = None;
    // ECS lists what is disconnected, not what is gone: the full sweep finds it.
    world.run(25).await;
    let state = world.cloud.state();
    let sent = state.commands.values().find(|(request, _)| request.kind == CommandKind::Reconnect).unwrap();
    assert!(sent.0.parameters.contains(&("clear_agent_state".to_owned(), "true".to_owned())), "{:?}", sent.0);
}

/// A freeze keeps hands off; after the thaw the agent is restarted first, however long ago it fell silent.
#[tokio::test]
async fn in_a_freeze_a_silent_agent_is_left_alone_and_after_it_the_restart_still_comes_first() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].agent_stuck = true;
    world.cloud.state().mode = Some(Mode::Frozen);
    world.run(60).await;
    assert_eq!((world.calls(), world.status(0).await), (Vec::new(), InstanceStatus::Online));
    world.cloud.state().mode = Some(Mode::Active);
    world.run(5).await;
    assert_eq!((world.calls(), world.heals(0).await), (vec!["SendCommand"], 0));
    assert_eq!(world.record(0).await.unwrap().agent_silent_since, None);
}

#[tokio::test]
async fn a_restart_that_ssm_refuses_counts_as_tried() {
    let world = World::online(6).await;
    world.cloud.state().hosts[0].agent_cut_off = true;
    let refused = CloudError::Wrong { action: "ssm:SendCommand", code: "InvalidDocument".to_owned(), why: "no such".to_owned() };
    world.cloud.state().faults.push(("SendCommand", refused, false));
    world.run(13).await;
    assert_eq!(world.heals(0).await, 1);
}
