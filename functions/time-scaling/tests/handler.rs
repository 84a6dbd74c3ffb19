//! The handler over the local world.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "../../load-scaling/tests/support/mod.rs"]
mod support;

use jiff::Timestamp;
use serde_json::{Value, json};
use strata_domain::decision::{Touched, Verdict, Way};
use strata_domain::mode::Mode;
use strata_domain::{InstanceId, InstanceStatus as S};
use strata_local::{Fault, FaultPlan, Faulty, nth};
use strata_ports::keys::{self, LastStart};
use strata_ports::{Change, Clock, Expect};
use strata_time_scaling::{Deps, handle};
use support::{Shop, TICK, Trouble, on_virtual_time};

fn deps(shop: &Shop) -> Deps {
    let p = shop.ports.clone();
    Deps { fleet: shop.fleet(), store: p.store, modes: p.modes, pager: p.pager, events: p.events, clock: p.clock, ids: p.ids }
}

/// An hour before the first on-hour: Monday 09:00. On are Monday 10 and 11, and Tuesday 10.
async fn shop() -> Shop {
    Shop::at("2026-03-02T09:00:00Z").await
}

async fn scheduled(shop: &Shop, hostname: &str) -> InstanceId {
    let id = shop.instance("timer", hostname).await;
    let hours = json!({ "Monday": { "10": "on", "11": "on" }, "Tuesday": { "10": "on" } });
    shop.call("SetTimeBasedAutoScaling", json!({ "InstanceId": id, "AutoScalingSchedule": hours })).await;
    id
}

/// A check at a moment of that week, for example `2T10:00:00` on Monday.
async fn check(shop: &Shop, at: &str) -> Vec<String> {
    let at: Timestamp = format!("2026-03-0{at}Z").parse().unwrap();
    shop.clock.sleep_until(at).await;
    let told = handle(TICK, &deps(shop)).await.unwrap().decisions;
    told.into_iter().map(|d| d.did).collect()
}

const NOTHING: [&str; 0] = [];

/// [TIME-7]
#[test]
fn time_7_off_to_on_starts_and_on_to_off_stops() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        assert_eq!(check(&shop, "2T09:59:59.9").await, NOTHING);
        assert_eq!(check(&shop, "2T10:00:00").await, ["start web1"]);
        assert_eq!(shop.status(&id).await, S::Requested);
        assert_eq!(check(&shop, "2T10:01:00").await, NOTHING);
        shop.settle(&id, S::Online).await;
        assert_eq!(check(&shop, "2T11:00:00").await, NOTHING);
        assert_eq!(check(&shop, "2T11:59:59.9").await, NOTHING);
        assert_eq!(shop.status(&id).await, S::Online);
        assert_eq!(check(&shop, "2T12:00:00").await, ["stop web1"]);
        assert!(!matches!(shop.status(&id).await, S::Online | S::Requested));
    });
}

/// [TIME-6] [TIME-7]
#[test]
fn time_7_a_missed_check_is_made_good_by_the_next() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        assert_eq!(check(&shop, "2T10:17:00").await, ["start web1"]);
        shop.settle(&id, S::Online).await;
        assert_eq!(check(&shop, "2T15:03:00").await, ["stop web1"]);
    });
}

/// [TIME-9]
#[test]
fn time_9_a_manual_stop_holds_until_the_next_off_to_on_boundary() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        check(&shop, "2T10:00:00").await;
        shop.settle(&id, S::Online).await;
        shop.pass_minutes(20).await;
        shop.call("StopInstance", json!({ "InstanceId": id })).await;
        shop.settle(&id, S::Stopped).await;
        for at in ["2T10:30:00", "2T11:00:00", "2T11:59:00", "2T12:00:00", "3T09:59:59.9"] {
            assert_eq!(check(&shop, at).await, NOTHING, "{at}");
            assert_eq!(shop.status(&id).await, S::Stopped, "{at}");
        }
        assert_eq!(check(&shop, "3T10:00:00").await, ["start web1"]);
        assert_eq!(shop.status(&id).await, S::Requested);
    });
}

/// [TIME-9]
#[test]
fn time_9_a_manual_start_in_an_off_hour_is_stopped_again_at_the_next_check() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        shop.call("StartInstance", json!({ "InstanceId": id })).await;
        assert_eq!(check(&shop, "2T09:10:00").await, ["stop web1"]);
        assert_ne!(shop.status(&id).await, S::Requested);
    });
}

#[test]
fn two_ticks_at_once_are_one_decision_and_one_start() {
    on_virtual_time(async {
        let shop = shop().await;
        let ids = [scheduled(&shop, "web1").await, scheduled(&shop, "web2").await];
        shop.pass_minutes(60).await;
        let (one, two) = (deps(&shop), deps(&shop));
        let (a, b) = tokio::join!(handle(TICK, &one), handle(TICK, &two));
        assert_eq!(a.unwrap().decisions.len() + b.unwrap().decisions.len(), 1);
        assert_eq!(shop.journal().await, ["start web1, web2"]);
        for id in &ids {
            assert_eq!((shop.status(id).await, shop.record(id).await.launch_number), (S::Requested, 1));
        }
    });
}

#[test]
fn a_crash_before_the_last_start_is_finished_by_the_next_check() {
    for trouble in [Trouble::Silence, Trouble::Failure] {
        on_virtual_time(async {
            let shop = shop().await;
            let ids = [scheduled(&shop, "web1").await, scheduled(&shop, "web2").await];
            shop.pass_minutes(60).await;
            shop.door.jam(Some((&ids[1], trouble)));
            let deps = deps(&shop);
            // Silence: Lambda ends the invocation in the middle of the call.
            let ended = tokio::time::timeout(std::time::Duration::from_secs(60), handle(TICK, &deps)).await;
            assert!(!matches!(ended, Ok(Ok(_))), "{ended:?}");
            assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Stopped));

            shop.door.jam(None);
            handle(TICK, &deps).await.unwrap();
            assert_eq!((shop.status(&ids[0]).await, shop.status(&ids[1]).await), (S::Requested, S::Requested));
            assert_eq!(shop.record(&ids[0]).await.launch_number, 1, "it was not started again");
        });
    }
}

#[test]
fn a_decision_whose_commit_was_lost_on_the_way_is_told_and_done_once() {
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        on_virtual_time(async {
            let mut shop = shop().await;
            let id = scheduled(&shop, "web1").await;
            shop.pass_minutes(60).await;
            // The scaler's store only: the API has its own way to it.
            shop.ports = Faulty::over(shop.ports.clone(), FaultPlan::quiet(1).on("store:commit", nth(1), fault));
            let deps = deps(&shop);
            handle(TICK, &deps).await.unwrap_err();
            assert_eq!(shop.status(&id).await, S::Stopped);
            handle(TICK, &deps).await.unwrap();
            handle(TICK, &deps).await.unwrap();
            assert_eq!((shop.status(&id).await, shop.record(&id).await.launch_number), (S::Requested, 1));
            assert_eq!(shop.journal().await, ["start web1"]);
        });
    }
}

#[test]
fn mode_observe_tells_what_it_would_do_and_frozen_does_nothing_at_all() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        shop.set_mode(Mode::Frozen);
        assert_eq!(check(&shop, "2T10:00:00").await, NOTHING);
        assert_eq!(shop.journal().await.len(), 0);

        shop.set_mode(Mode::Observe);
        let told = handle(TICK, &deps(&shop)).await.unwrap().decisions;
        assert_eq!((told.len(), told[0].verdict, told[0].did.as_str()), (1, Verdict::WouldAct, "would start web1"));
        assert_eq!(told[0].touched, Touched::new(Some(Way::Up), [id.clone()]));
        assert_eq!(check(&shop, "2T10:02:00").await, NOTHING, "it is told once");
        assert_eq!(shop.status(&id).await, S::Stopped);

        shop.set_mode(Mode::Active);
        assert_eq!(check(&shop, "2T10:03:00").await, ["start web1"]);
        assert_eq!(shop.status(&id).await, S::Requested);
    });
}

fn settings(own: Value) -> Value {
    json!(json!({ "strata": { "time_scaling": own } }).to_string())
}

#[test]
fn a_layers_time_zone_counts_from_the_next_check_on_although_the_last_one_found_all_in_order() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        assert_eq!(check(&shop, "2T09:00:30").await, NOTHING);
        let stack = json!({ "StackId": shop.stack, "CustomJson": settings(json!({ "time_zone": "Europe/Berlin" })) });
        shop.call("UpdateStack", stack).await;
        let told = handle(TICK, &deps(&shop)).await.unwrap().decisions;
        assert_eq!((told[0].did.as_str(), told[0].saw.as_str()), ("start web1", "Monday 10:00 Europe/Berlin"));
        shop.settle(&id, S::Online).await;
        assert_eq!(check(&shop, "2T09:30:00").await, NOTHING);
        // The layer's own stands over the stack's: in New York it is a quarter to five in the morning.
        let layer = json!({ "LayerId": shop.layer, "CustomJson": settings(json!({ "time_zone": "America/New_York" })) });
        shop.call("UpdateLayer", layer).await;
        assert_eq!(check(&shop, "2T09:45:00").await, ["stop web1"]);
    });
}

#[test]
fn with_a_lead_it_is_started_once_ahead_of_its_hour_and_stopped_at_the_end_of_it() {
    on_virtual_time(async {
        let shop = shop().await;
        let id = scheduled(&shop, "web1").await;
        let layer = json!({ "LayerId": shop.layer, "CustomJson": settings(json!({ "lead_minutes": 12 })) });
        shop.call("UpdateLayer", layer).await;
        for (at, expected) in
            [("2T09:30:00", &[][..]), ("2T09:47:59.9", &[]), ("2T09:48:00", &["start web1"]), ("2T09:48:00", &[])]
        {
            assert_eq!(check(&shop, at).await, expected, "{at}");
        }
        shop.settle(&id, S::Online).await;
        for at in ["2T09:49:00", "2T09:59:59", "2T10:00:00", "2T11:59:59.9"] {
            assert_eq!(check(&shop, at).await, NOTHING, "{at}");
        }
        assert_eq!(check(&shop, "2T12:00:00").await, ["stop web1"]);
        assert_eq!(shop.record(&id).await.launch_number, 1);
    });
}

#[test]
fn a_measured_lead_is_what_the_layers_last_starts_took() {
    on_virtual_time(async {
        let shop = shop().await;
        let ids = [scheduled(&shop, "web1").await, shop.instance("load", "web2").await];
        let layer = json!({ "LayerId": shop.layer, "CustomJson": settings(json!({ "lead_minutes": "measured" })) });
        shop.call("UpdateLayer", layer).await;
        let last = LastStart { at: shop.clock.now(), failed_before: 0, took_seconds: Some(290) };
        let key = keys::last_start(&shop.stack, &ids[1]);
        shop.ports.store.commit(vec![Change::put(key, &last, Expect::Absent)]).await.unwrap();
        assert_eq!(check(&shop, "2T09:53:59").await, NOTHING);
        assert_eq!(check(&shop, "2T09:54:00").await, ["start web1"]);
        // Half-way its neighbour turns out to be quick: what is on its way goes on.
        let quick = LastStart { took_seconds: Some(60), ..last };
        let key = keys::last_start(&shop.stack, &ids[1]);
        let stored = shop.ports.store.get(&key).await.unwrap().unwrap();
        shop.ports.store.commit(vec![Change::put(key, &quick, stored.unchanged())]).await.unwrap();
        assert_eq!(check(&shop, "2T09:55:00").await, NOTHING);
        assert_eq!(check(&shop, "2T10:00:00").await, NOTHING);
        assert_eq!((shop.status(&ids[0]).await, shop.record(&ids[0]).await.launch_number), (S::Requested, 1));
    });
}

#[test]
fn a_held_instance_is_neither_started_nor_stopped_while_its_neighbour_is() {
    on_virtual_time(async {
        let shop = shop().await;
        let (held, free) = (scheduled(&shop, "web1").await, scheduled(&shop, "web2").await);
        shop.hold(&held).await;
        assert_eq!(check(&shop, "2T10:00:00").await, ["start web2"]);
        assert_eq!((shop.status(&held).await, shop.status(&free).await), (S::Stopped, S::Requested));
        shop.settle(&held, S::Online).await;
        assert_eq!(check(&shop, "2T12:00:00").await, ["stop web2"]);
        assert_eq!(shop.status(&held).await, S::Online);
    });
}

#[test]
fn load_based_instances_are_not_its_business() {
    on_virtual_time(async {
        let shop = shop().await;
        let load = shop.instance("load", "web1").await;
        scheduled(&shop, "web2").await;
        shop.settle(&load, S::Online).await;
        assert_eq!(check(&shop, "2T10:00:00").await, ["start web2"]);
        assert_eq!(check(&shop, "2T12:00:00").await, ["stop web2"]);
        assert_eq!(shop.status(&load).await, S::Online);
    });
}
