//! Update windows: the tick begins what they ask for.

use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_domain::settings::WindowSettings;
use strata_ports::keys::UpdateWindow;

use super::*;

/// A world at 18:11 whose layer's window opens at 18:15, for an hour.
async fn world() -> World {
    let world = World::new(&["web1"], NO_CANARY);
    list(&world, LAYER, "15 18 * * *").await;
    world
}

async fn list(world: &World, layer: &str, cron: &str) {
    let window = WindowSettings { cron: cron.to_owned(), duration_minutes: Some(60), ..WindowSettings::default() };
    let entry = UpdateWindow { stack_id: STACK.into(), window, window_minutes: 240 };
    let change = Change::put(keys::update_window(&layer.into()), &entry, Expect::Absent);
    world.store.commit(vec![change]).await.unwrap();
}

/// The next tick comes at that minute past 18:00.
fn move_to(world: &World, minute: i64) {
    let eighteen: Timestamp = "2026-03-02T18:00:00Z".parse().unwrap();
    world.state().now = Some(eighteen + SignedDuration::from_mins(minute - 1));
}

async fn running(world: &World) -> Vec<Campaign> {
    world.list(keys::CAMPAIGNS_PK, "").await
}

async fn campaigns(world: &World) -> usize {
    running(world).await.len() + world.ended().await.len()
}

#[tokio::test(start_paused = true)]
async fn a_window_begins_one_campaign_that_ends_with_it_and_the_next_day_another() {
    let world = world().await;
    for minute in 12..15 {
        assert_eq!(world.tick().await.unwrap(), [], "18:{minute}");
    }
    let told = world.tick().await.unwrap();
    assert_eq!(told[0].did, "begin a rolling update of 1 instances, until 2026-03-02T19:15:00Z");
    assert_eq!(told[0].why, "its update window opened at 2026-03-02T18:15:00Z");
    assert_eq!(running(&world).await[0].requested_by, "the layer's update window");
    for _ in 0..70 {
        world.tick().await.unwrap();
    }
    assert_eq!((campaigns(&world).await, world.ended().await.len()), (1, 1), "once, though it was over long before its window");
    move_to(&world, 24 * 60 + 15);
    world.tick().await.unwrap();
    assert_eq!(campaigns(&world).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_is_late_within_the_window_still_begins_it_and_one_after_it_does_not() {
    for (minute, begun) in [(74, 1), (75, 0)] {
        let world = world().await;
        move_to(&world, minute);
        world.tick().await.unwrap();
        assert_eq!(campaigns(&world).await, begun, "18:{minute}");
        if let [campaign] = &running(&world).await[..] {
            assert_eq!(campaign.window_end, "2026-03-02T19:15:00Z".parse().unwrap(), "its end is the window's");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_aborts_the_window_does_not_begin_again() {
    let world = world().await;
    move_to(&world, 15);
    world.tick().await.unwrap();
    world.ask("abort").await;
    for _ in 0..58 {
        world.tick().await.unwrap();
    }
    assert_eq!(world.ended().await.iter().map(outcome).collect::<Vec<_>>(), [CampaignOutcome::Aborted]);
    assert!(running(&world).await.is_empty() && world.claims().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_window_that_opens_while_a_campaign_runs_waits_for_its_end() {
    let world = world().await;
    world.ask("start").await;
    world.ask_at("pause", "2026-03-02T18:11:01Z").await;
    move_to(&world, 15);
    assert_eq!(world.tick().await.unwrap().iter().filter(|d| d.did.starts_with("begin a rolling")).count(), 0);
    assert_eq!(campaigns(&world).await, 1);
    world.ask_at("abort", "2026-03-02T18:20:00Z").await;
    for _ in 0..10 {
        world.tick().await.unwrap();
    }
    assert_eq!(campaigns(&world).await, 2, "the window's own, since it was still open");
}

#[tokio::test(start_paused = true)]
async fn modes_holds_and_teardowns_are_respected_and_observe_tells_what_it_would_do() {
    for (mode, unreadable, verdict) in
        [(Mode::Frozen, false, Verdict::Hold), (Mode::Observe, false, Verdict::WouldAct), (Mode::Active, true, Verdict::Hold)]
    {
        let world = world().await;
        world.set_mode(mode, unreadable);
        move_to(&world, 15);
        let told = world.tick().await.unwrap();
        assert_eq!(told.iter().map(|d| d.verdict).collect::<Vec<_>>(), [verdict], "{mode:?}");
        assert_eq!(world.tick().await.unwrap(), [], "{mode:?}: told once");
        assert_eq!(campaigns(&world).await, 0);
        world.set_mode(Mode::Active, false);
        world.tick().await.unwrap();
        assert_eq!(campaigns(&world).await, 1, "thawed within the window");
    }
    let torn = world().await;
    let mark = Change::put(keys::teardown_mark(&STACK.into(), &LAYER.into()), &"t", Expect::Absent);
    torn.store.commit(vec![mark]).await.unwrap();
    move_to(&torn, 15);
    assert_eq!(torn.tick().await.unwrap()[0].why, "the layer is being taken down");
    assert_eq!(campaigns(&torn).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_somebody_holds_waits_for_its_release() {
    let world = world().await;
    let until = |text: &str| Some(text.parse().unwrap());
    let hold = Hold {
        target: HoldTarget::Layer(LAYER.into()),
        kind: HoldKind::Person,
        by: "ada".into(),
        reason: "release night".into(),
        since: "2026-03-02T18:00:00Z".parse().unwrap(),
        until: until("2026-03-02T18:30:00Z"),
    };
    let change = Change::put(keys::layer_hold(&STACK.into(), &LAYER.into()), &hold, Expect::Absent);
    world.store.commit(vec![change]).await.unwrap();
    move_to(&world, 15);
    let told = world.tick().await.unwrap();
    assert_eq!((told.len(), told[0].why.as_str()), (1, "the layer is held by ada: release night"));
    move_to(&world, 29);
    assert_eq!(world.tick().await.unwrap(), []);
    assert_eq!(campaigns(&world).await, 0);
    world.tick().await.unwrap();
    assert_eq!(campaigns(&world).await, 1, "at the end of the hold the window is still open");
}

#[tokio::test(start_paused = true)]
async fn one_layers_unreadable_window_does_not_keep_another_from_its_own() {
    let world = world().await;
    list(&world, "a-layer", "at night").await;
    move_to(&world, 15);
    let error = world.tick().await.unwrap_err().to_string();
    assert!(error.contains("a-layer") && error.contains("five fields"), "{error}");
    assert_eq!(world.claims().await, ["web1"]);
}

/// Every commit and every send fails once, before or after its effect: there is one campaign, and its host is patched once.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_never_makes_a_second_campaign_of_a_window() {
    for at in 1.. {
        let mut calls = 0;
        for after in [false, true] {
            let world = world().await;
            world.state().faults.fail = Some((at, after));
            move_to(&world, 15);
            for _ in 0..50 {
                let _ = world.tick().await;
            }
            assert_eq!((campaigns(&world).await, world.ended().await.len()), (1, 1), "fault {at} {after}");
            assert_eq!(world.state().commands.len(), 1, "fault {at} {after}");
            assert!(world.claims().await.is_empty(), "fault {at} {after}");
            calls = world.state().faults.calls;
        }
        if at > calls {
            assert!(at > 5, "only {at} points");
            return;
        }
    }
}
