//! Waves that mind the layer's floor and the others' room, with a surge instance.

use strata_domain::load_based::{Direction, ScalingEvent};

use super::*;

const SURGE: &str = r#"{"canary":0,"max_unavailable":1,"surge":true}"#;

fn with_floor(hosts: &[&'static str], updates: &str, min_online: u32) -> World {
    let world = World::new(hosts, updates);
    let settings = format!(r#"{{"strata":{{"updates":{updates},"load_scaling":{{"min_online":{min_online}}}}}}}"#);
    world.state().settings = settings;
    world
}

async fn to_the_end(world: &World) -> Campaign {
    for _ in 0..120 {
        if let Some(ended) = world.ended().await.pop() {
            return ended;
        }
        let _ = world.tick().await;
    }
    panic!("no end: {:?}", world.journal().await);
}

#[tokio::test(start_paused = true)]
async fn a_surge_instance_serves_from_before_the_first_wave_until_the_end() {
    let world = with_floor(&["web1", "web2"], SURGE, 2);
    world.state().spare = Some(("web9", "stopped"));
    world.ask("start").await;
    let ended = to_the_end(&world).await;
    assert_eq!(ended.tally(), "2 updated, 0 failed, 1 skipped, 0 left");
    {
        let state = world.state();
        assert_eq!(state.api_calls, ["StartInstance web9", "StopInstance web9"]);
        assert_eq!(state.spare, Some(("web9", "stopping")));
        assert!(state.commands.iter().all(|(_, host, _)| host != "i-web9"));
    }
    let journal = world.journal().await;
    let place =
        |what: &str| journal.iter().position(|did| did.starts_with(what)).unwrap_or_else(|| panic!("{what}: {journal:?}"));
    place("start web9 for the campaign");
    place("stop web9, started for the campaign");
}

/// With both in service being the floor, nobody may leave while there is nobody to take their place.
#[tokio::test(start_paused = true)]
async fn the_layers_floor_holds_a_campaign_back_and_on_call_hears_of_it_once_and_of_its_end() {
    let world = with_floor(&["web1", "web2"], r#"{"canary":0,"max_unavailable":1}"#, 2);
    world.ask("start").await;
    for _ in 0..40 {
        world.tick().await.unwrap();
    }
    assert!(world.claims().await.is_empty());
    let pages = world.state().pages.clone();
    assert_eq!(pages.iter().map(|p| (p.kind.as_str(), p.resolved)).collect::<Vec<_>>(), [("update-blocked", false)]);
    assert_eq!(pages[0].why, "2 are in service, and load_scaling.min_online is 2");
    let journal = world.journal().await;
    assert_eq!(journal.iter().filter(|did| *did == "begin no wave").count(), 1);
    world.ask("abort").await;
    world.tick().await.unwrap();
    let pages = world.state().pages.clone();
    assert_eq!(pages.len(), 2);
    assert!(pages[1].resolved && pages[1].incident == pages[0].incident, "{pages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_tasks_the_rest_cannot_hold_stays_until_there_is_room() {
    let world = World::new(&["web1", "web2"], r#"{"canary":0,"max_unavailable":1}"#);
    world.state().tasks.insert("web1", 2);
    world.state().tasks.insert("web2", 2);
    world.state().free = 1;
    let told = world.ask("start").await;
    assert!(told.iter().any(|d| d.did == "begin no wave" && d.verdict == Verdict::Hold && d.why.contains("no room")), "{told:?}");
    assert!(world.claims().await.is_empty());
    world.state().free = 2;
    world.tick().await.unwrap();
    assert_eq!(world.claims().await, ["web1"]);
}

#[tokio::test(start_paused = true)]
async fn room_is_not_asked_for_where_nobody_needs_it() {
    let world = World::new(&["web1", "web2"], r#"{"canary":0,"max_unavailable":1,"needs_room":false}"#);
    world.state().tasks.insert("web1", 2);
    world.state().free = 0;
    world.ask("start").await;
    assert_eq!((world.claims().await, world.state().looks), (vec!["web1".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_surge_instance_that_load_scaling_wants_is_left_to_it() {
    let world = World::new(&["web1"], SURGE);
    world.state().spare = Some(("web9", "stopped"));
    world.ask("start").await;
    let at: Timestamp = "2026-03-02T18:15:00Z".parse().unwrap();
    let event = ScalingEvent { direction: Direction::Up, at, ignore_until: at, instances: Vec::new(), fired_by: "cpu".into() };
    let event = json!({ "event": event, "pending": [] });
    let change = Change::put(keys::scaling(&LAYER.into(), "last-event"), &event, Expect::Absent);
    world.store.commit(vec![change]).await.unwrap();
    to_the_end(&world).await;
    let state = world.state();
    assert_eq!((&state.api_calls[..], state.spare), (&["StartInstance web9".to_owned()][..], Some(("web9", "online"))));
}

/// Every commit, send, start and stop fails once, before or after its effect: the surge instance never runs on after the end.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_never_leaves_the_surge_instance_running() {
    for aborts in [false, true] {
        for at in 1.. {
            let mut calls = 0;
            for after in [false, true] {
                let world = World::new(&["web1", "web2"], SURGE);
                world.state().spare = Some(("web9", "stopped"));
                world.state().faults.fail = Some((at, after));
                let event = include_str!("../../../../events/campaign-request.json").replace("ecs-cluster", "web");
                while handle(event.as_bytes(), &world.deps).await.is_err() {}
                if aborts {
                    for _ in 0..3 {
                        let _ = world.tick().await;
                    }
                    let event = event.replace("start", "abort").replace("18:11:00Z", "18:14:00Z");
                    while handle(event.as_bytes(), &world.deps).await.is_err() {}
                }
                let ended = to_the_end(&world).await;
                let expected = if aborts { CampaignOutcome::Aborted } else { CampaignOutcome::Completed };
                assert_eq!(outcome(&ended), expected, "fault {at} {after}");
                let spare = world.state().spare;
                assert!(matches!(spare, Some((_, "stopping" | "stopped"))), "fault {at} {after}: {spare:?}");
                calls = world.state().faults.calls;
                assert!(world.claims().await.is_empty(), "fault {at} {after}");
            }
            if at > calls {
                assert!(at > 10, "only {at} points");
                break;
            }
        }
    }
}
