//! The handler over the local world.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use serde_json::{Value, json};
use strata_domain::InstanceStatus as S;
use strata_domain::decision::Verdict;
use strata_domain::mode::Mode;
use strata_load_scaling::{Deps, handle};
use strata_local::{Fault, FaultPlan, Faulty, nth};
use strata_ports::{AlarmState, keys};
use support::{Shop, TICK, Trouble, on_virtual_time};

/// The alarm of the file is the one that the layer's CPU threshold calls for.
const ALARM: &[u8] = include_bytes!("../../../events/alarm-metric-eventbridge.json");
const UP: &str = "strata/shop/ecs-cluster/up-cpu";
const DOWN: &str = "strata/shop/ecs-cluster/down-cpu";

fn deps(shop: &Shop) -> Deps {
    Deps::new(shop.fleet(), shop.ports.clone())
}

/// A shop whose layer scales by `count` instances, with the alarm `fires` just gone off; nobody has looked yet.
async fn shop(count: u32, fires: &str) -> Shop {
    let shop = Shop::at("2026-03-02T09:00:00Z").await;
    let thresholds = json!({ "InstanceCount": count });
    let settings = json!({ "LayerId": shop.layer, "Enable": true, "UpScaling": thresholds, "DownScaling": thresholds });
    shop.call("SetLoadBasedAutoScaling", settings).await;
    shop.pass_minutes(30).await;
    shop.cloud.set_alarm_state(fires, AlarmState::Alarm);
    shop
}

/// The scaling event as stored.
async fn stored_event(shop: &Shop) -> Option<Value> {
    shop.ports.store.get(&keys::scaling(&shop.layer, "last-event")).await.unwrap().map(|i| i.decode().unwrap())
}

#[test]
fn alarm_event_and_tick_lead_to_the_same_scaling_event() {
    let after = |event: &'static [u8]| {
        let mut seen = None;
        on_virtual_time(async {
            let shop = shop(1, UP).await;
            let id = shop.instance("load", "web1").await;
            let told = handle(event, &deps(&shop)).await.unwrap().decisions;
            assert_eq!(shop.status(&id).await, S::Requested);
            let [told] = <[_; 1]>::try_from(told).unwrap();
            seen = Some((stored_event(&shop).await.unwrap(), told.verdict, told.saw, told.did, told.why));
            // The other one comes afterwards, and finds nothing left to do.
            for late in [TICK, ALARM] {
                assert_eq!(handle(late, &deps(&shop)).await.unwrap().decisions, []);
            }
        });
        seen.unwrap()
    };
    let by_tick = after(TICK);
    assert_eq!(by_tick, after(ALARM));
    assert_eq!((by_tick.1, by_tick.3.as_str()), (Verdict::Act, "start web1"));
    assert_eq!(by_tick.0["event"]["fired_by"], UP);
}

#[test]
fn an_alarm_that_no_layer_knows_moves_nothing() {
    on_virtual_time(async {
        let shop = shop(1, UP).await;
        let id = shop.instance("load", "web1").await;
        let foreign = String::from_utf8_lossy(ALARM).replace(UP, "someone-elses-alarm");
        assert_eq!(handle(foreign.as_bytes(), &deps(&shop)).await.unwrap().decisions, []);
        assert_eq!((shop.status(&id).await, stored_event(&shop).await), (S::Stopped, None));
    });
}

#[test]
fn two_invocations_at_once_make_one_scaling_event() {
    on_virtual_time(async {
        let shop = shop(1, UP).await;
        let ids = [shop.instance("load", "web1").await, shop.instance("load", "web2").await];
        let (one, two) = (deps(&shop), deps(&shop));
        let (a, b) = tokio::join!(handle(TICK, &one), handle(ALARM, &two));
        assert_eq!(a.unwrap().decisions.len() + b.unwrap().decisions.len(), 1);
        assert_eq!(shop.journal().await, ["start web1"]);
        assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Stopped));
    });
}

#[test]
fn a_crash_before_the_last_start_is_finished_by_the_next_run() {
    for trouble in [Trouble::Silence, Trouble::Failure] {
        on_virtual_time(async {
            let shop = shop(2, UP).await;
            let ids = [shop.instance("load", "web1").await, shop.instance("load", "web2").await];
            shop.door.jam(Some((&ids[1], trouble)));
            let deps = deps(&shop);
            // Silence: Lambda ends the invocation in the middle of the call.
            let ended = tokio::time::timeout(std::time::Duration::from_secs(60), handle(TICK, &deps)).await;
            assert!(!matches!(ended, Ok(Ok(_))), "{ended:?}");
            assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Stopped));
            let event = stored_event(&shop).await.unwrap();
            assert_eq!(event["pending"], json!(ids));

            shop.door.jam(None);
            shop.pass_minutes(1).await;
            assert_eq!(handle(TICK, &deps).await.unwrap().decisions, []);
            assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Requested));
            assert_eq!(shop.record(&ids[0]).await.launch_number, 1, "it was not started again");
            let after = stored_event(&shop).await.unwrap();
            assert_eq!((&after["event"], &after["pending"]), (&event["event"], &json!([])));
            assert_eq!(shop.journal().await, ["start web1, web2"]);
        });
    }
}

#[test]
fn an_event_whose_commit_was_lost_on_the_way_happens_once() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        on_virtual_time(async {
            let mut shop = shop(1, UP).await;
            let ids = [shop.instance("load", "web1").await, shop.instance("load", "web2").await];
            // The scaler's store only: the API has its own way to it.
            shop.ports = Faulty::over(shop.ports.clone(), FaultPlan::quiet(1).on("store:commit", nth(1), fault));
            let deps = deps(&shop);
            handle(TICK, &deps).await.unwrap_err();
            assert_eq!(shop.status(&ids[0]).await, S::Stopped);
            handle(TICK, &deps).await.unwrap();
            handle(TICK, &deps).await.unwrap();
            assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Stopped));
            assert_eq!(shop.journal().await, ["start web1"]);
        });
    }
}

#[test]
fn mode_observe_tells_what_it_would_do_and_frozen_does_nothing_at_all() {
    on_virtual_time(async {
        let shop = shop(1, UP).await;
        let id = shop.instance("load", "web1").await;
        let deps = deps(&shop);
        shop.set_mode(Mode::Frozen);
        assert_eq!(handle(ALARM, &deps).await.unwrap().decisions, []);
        assert_eq!(shop.journal().await.len(), 0);

        shop.set_mode(Mode::Observe);
        let told = handle(ALARM, &deps).await.unwrap().decisions;
        assert_eq!((told.len(), told[0].verdict, told[0].did.as_str()), (1, Verdict::WouldAct, "would start web1"));
        assert_eq!(handle(TICK, &deps).await.unwrap().decisions, [], "it is told once");
        assert_eq!((shop.status(&id).await, stored_event(&shop).await), (S::Stopped, None));

        shop.set_mode(Mode::Active);
        handle(TICK, &deps).await.unwrap();
        assert_eq!(shop.status(&id).await, S::Requested);
    });
}

#[test]
fn a_crash_before_a_freeze_is_not_finished_while_it_lasts() {
    on_virtual_time(async {
        let shop = shop(1, UP).await;
        let id = shop.instance("load", "web1").await;
        let deps = deps(&shop);
        shop.door.jam(Some((&id, Trouble::Failure)));
        handle(TICK, &deps).await.unwrap_err();
        shop.door.jam(None);
        shop.set_mode(Mode::Frozen);
        handle(TICK, &deps).await.unwrap();
        assert_eq!(shop.status(&id).await, S::Stopped);
        shop.set_mode(Mode::Active);
        handle(TICK, &deps).await.unwrap();
        assert_eq!(shop.status(&id).await, S::Requested);
    });
}

/// [LOAD-15]
#[test]
fn load_15_an_instance_that_a_person_holds_or_has_stopped_is_not_started() {
    on_virtual_time(async {
        let shop = shop(3, UP).await;
        let [held, stopped, free] =
            [shop.instance("load", "web1").await, shop.instance("load", "web2").await, shop.instance("load", "web3").await];
        shop.hold(&held).await;
        shop.settle(&stopped, S::Online).await;
        shop.call("StopInstance", json!({ "InstanceId": stopped })).await;
        shop.settle(&stopped, S::Stopped).await;
        let told = handle(TICK, &deps(&shop)).await.unwrap().decisions;
        assert_eq!((told.len(), told[0].did.as_str()), (1, "start web3"));
        assert_eq!(
            (shop.status(&held).await, shop.status(&stopped).await, shop.status(&free).await),
            (S::Stopped, S::Stopped, S::Requested)
        );
    });
}

#[test]
fn with_everything_held_it_says_so_once_and_makes_no_event() {
    on_virtual_time(async {
        let shop = shop(1, UP).await;
        let held = shop.instance("load", "web1").await;
        shop.hold(&held).await;
        let told = handle(TICK, &deps(&shop)).await.unwrap().decisions;
        assert_eq!((told.len(), told[0].verdict), (1, Verdict::Hold));
        assert!(told[0].why.ends_with("(1 held)"), "{}", told[0].why);
        assert_eq!(handle(TICK, &deps(&shop)).await.unwrap().decisions, []);
        assert_eq!(stored_event(&shop).await, None);
    });
}

#[test]
fn a_down_alarm_stops_load_based_instances_only_and_sets_no_hold() {
    on_virtual_time(async {
        let shop = shop(2, DOWN).await;
        let (load, timer) = (shop.instance("load", "web1").await, shop.instance("timer", "web2").await);
        for id in [&load, &timer] {
            shop.settle(id, S::Online).await;
        }
        let told = handle(TICK, &deps(&shop)).await.unwrap().decisions;
        assert_eq!((told.len(), told[0].did.as_str()), (1, "stop web1"));
        assert_ne!(shop.status(&load).await, S::Online);
        assert_eq!(shop.status(&timer).await, S::Online);
        // A controller's stop is no manual stop: the next upscaling may have it again.
        shop.settle(&load, S::Stopped).await;
        shop.pass_minutes(30).await;
        shop.cloud.set_alarm_state(DOWN, AlarmState::Ok);
        shop.cloud.set_alarm_state(UP, AlarmState::Alarm);
        handle(TICK, &deps(&shop)).await.unwrap();
        assert_eq!(shop.status(&load).await, S::Requested);
    });
}
