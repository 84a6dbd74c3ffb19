//! On-call is told when a layer has not been able to scale for five minutes, by whom, once, and when that is over.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[expect(dead_code, reason = "the handler's own tests need more of the shop")]
mod support;

use serde_json::json;
use strata_domain::InstanceStatus as S;
use strata_domain::decision::{Page, Severity};
use strata_domain::mode::Mode;
use strata_domain::pages::PageKind;
use strata_load_scaling::{Deps, handle};
use strata_local::cloud::CustomAlarm;
use strata_ports::store::Listing;
use strata_ports::{AlarmState, Change, Expect, keys};
use strata_triggers::AlarmForm;
use support::{Shop, TICK, on_virtual_time};

const UP: &str = "strata/shop/ecs-cluster/up-cpu";
const DOWN: &str = "strata/shop/ecs-cluster/down-cpu";

fn deps(shop: &Shop) -> Deps {
    Deps::new(shop.fleet(), shop.ports.clone())
}

/// A shop that scales by CPU, and by the alarm `queue` if `has_queue`, which has no data yet.
async fn shop(has_queue: bool) -> Shop {
    let shop = Shop::at("2026-03-02T09:00:00Z").await;
    let mut up = json!({});
    if has_queue {
        up = json!({ "Alarms": ["queue"] });
        let form = AlarmForm::EventBridge;
        shop.cloud.create_custom_alarm(&CustomAlarm {
            name: "queue".to_owned(),
            above: true,
            threshold: 100.0,
            evaluation_periods: 1,
            form,
        });
    }
    shop.call("SetLoadBasedAutoScaling", json!({ "LayerId": shop.layer, "Enable": true, "UpScaling": up })).await;
    shop.pass_minutes(30).await;
    shop
}

/// A tick each minute, `minutes` of them; the pages so far.
async fn ticks(shop: &Shop, minutes: i64) -> Vec<Page> {
    for _ in 0..minutes {
        handle(TICK, &deps(shop)).await.unwrap();
        shop.pass_minutes(1).await;
    }
    shop.cloud.pages(0).into_iter().map(|(_, page)| page).collect()
}

/// What status shows.
async fn open_incidents(shop: &Shop) -> usize {
    shop.ports.store.list(&Listing::of(keys::stack_pk(&shop.stack), keys::INCIDENT)).await.unwrap().len()
}

/// [LOAD-21]
#[test]
fn load_21_an_alarm_without_data_is_paged_in_its_sixth_minute_once_and_resolved_after_five_good_ones() {
    on_virtual_time(async {
        let shop = shop(true).await;
        assert_eq!(ticks(&shop, 5).await, [], "minutes 0 to 4");
        let [page] = <[Page; 1]>::try_from(ticks(&shop, 20).await).unwrap();
        assert_eq!((page.kind, page.severity, page.resolved), (PageKind::ScalingBlocked, Severity::Warning, false));
        assert_eq!(page.why, "scaling is blocked: alarm queue has insufficient data");
        assert!(page.next.ends_with("--alarm-names 'queue'"), "{}", page.next);
        assert_eq!(open_incidents(&shop).await, 1);

        shop.cloud.set_alarm_state("queue", AlarmState::Ok);
        assert_eq!(ticks(&shop, 5).await.len(), 1);
        let pages = ticks(&shop, 1).await;
        assert_eq!(pages.len(), 2);
        assert_eq!((pages[1].resolved, &pages[1].incident, pages[1].severity), (true, &page.incident, page.severity));
        assert_eq!(open_incidents(&shop).await, 0);
        assert_eq!(ticks(&shop, 10).await.len(), 2);
    });
}

#[test]
fn a_block_that_ends_before_five_minutes_pages_nobody_and_the_next_one_counts_from_its_own_beginning() {
    on_virtual_time(async {
        let shop = shop(true).await;
        assert_eq!(ticks(&shop, 5).await, []);
        shop.cloud.set_alarm_state("queue", AlarmState::Ok);
        assert_eq!(ticks(&shop, 1).await, []);
        shop.cloud.set_alarm_state("queue", AlarmState::InsufficientData);
        assert_eq!(ticks(&shop, 5).await, []);
        assert_eq!(ticks(&shop, 1).await.len(), 1);
    });
}

#[test]
fn an_alarm_without_data_is_critical_while_something_asks_for_more() {
    on_virtual_time(async {
        let shop = shop(true).await;
        shop.cloud.set_alarm_state(UP, AlarmState::Alarm);
        let pages = ticks(&shop, 6).await;
        assert_eq!(pages[0].severity, Severity::Critical);
        assert_eq!(pages[0].why, "scaling is blocked: alarm queue has insufficient data, while cpu asks for upscaling");
    });
}

/// [LOAD-15] [LOAD-14]
#[test]
fn load_15_held_candidates_are_paged_with_whoever_holds_them_for_up_and_for_down() {
    for (alarm, status, severity) in [(UP, S::Stopped, Severity::Critical), (DOWN, S::Online, Severity::Warning)] {
        on_virtual_time(async {
            let shop = shop(false).await;
            let held = shop.instance("load", "web1").await;
            shop.settle(&held, status).await;
            shop.hold(&held).await;
            shop.cloud.set_alarm_state(alarm, AlarmState::Alarm);
            let pages = ticks(&shop, 6).await;
            assert_eq!((pages.len(), pages[0].severity), (1, severity));
            assert!(pages[0].why.ends_with("(1 held): web1 by ada (debugging)"), "{}", pages[0].why);
            assert_eq!(pages[0].next, "strata holds --stack 'shop'");
        });
    }
}

/// [LOAD-14]
#[test]
fn load_14_an_exhausted_layer_is_paged_while_the_need_stands_and_a_quiet_night_is_not() {
    on_virtual_time(async {
        let shop = shop(false).await;
        let only = shop.instance("load", "web1").await;
        shop.cloud.set_alarm_state(DOWN, AlarmState::Alarm);
        assert_eq!(ticks(&shop, 30).await, [], "nothing is left to stop, all night");
        shop.settle(&only, S::Online).await;
        shop.cloud.set_alarm_state(DOWN, AlarmState::Ok);
        shop.cloud.set_alarm_state(UP, AlarmState::Alarm);
        let pages = ticks(&shop, 6).await;
        assert_eq!((pages.len(), pages[0].severity), (1, Severity::Critical));
        assert!(pages[0].why.ends_with("no load-based instance is left to start"), "{}", pages[0].why);
        // The need ends.
        shop.cloud.set_alarm_state(UP, AlarmState::Ok);
        let pages = ticks(&shop, 6).await;
        assert_eq!((pages.len(), pages[1].resolved), (2, true));
    });
}

/// [LOAD-4]
#[test]
fn load_4_switching_scaling_off_resolves_the_page() {
    on_virtual_time(async {
        let shop = shop(true).await;
        assert_eq!(ticks(&shop, 6).await.len(), 1);
        shop.call("SetLoadBasedAutoScaling", json!({ "LayerId": shop.layer, "Enable": false })).await;
        let pages = ticks(&shop, 1).await;
        assert_eq!((pages.len(), pages[1].resolved, open_incidents(&shop).await), (2, true, 0));
        assert_eq!(ticks(&shop, 10).await.len(), 2);
    });
}

#[test]
fn nobody_is_woken_for_a_layer_that_is_frozen_observed_or_taken_down() {
    on_virtual_time(async {
        let shop = shop(true).await;
        for mode in [Mode::Frozen, Mode::Observe] {
            shop.set_mode(mode);
            assert_eq!(ticks(&shop, 10).await, [], "{mode:?}");
        }
        shop.set_mode(Mode::Active);
        let mark = keys::teardown_mark(&shop.stack, &shop.layer);
        shop.ports.store.commit(vec![Change::put(mark.clone(), &json!({}), Expect::Absent)]).await.unwrap();
        assert_eq!(ticks(&shop, 10).await, [], "a teardown is under way");
        let marked = shop.ports.store.get(&mark).await.unwrap().unwrap();
        shop.ports.store.commit(vec![Change::Delete { key: mark, expect: marked.unchanged() }]).await.unwrap();
        assert_eq!(ticks(&shop, 1).await.len(), 1, "it has been blocked all the while");
    });
}

#[test]
fn a_record_that_cannot_be_read_keeps_no_layer_from_scaling() {
    on_virtual_time(async {
        let shop = shop(false).await;
        let host = shop.instance("load", "web1").await;
        let gone = strata_domain::LayerId::from("gone");
        let junk = [keys::scaling_blocked(&shop.layer), keys::scaling_blocked(&gone)];
        let junk = junk.map(|key| Change::put(key, &json!("junk"), Expect::Absent));
        shop.ports.store.commit(junk.into()).await.unwrap();
        shop.cloud.set_alarm_state(UP, AlarmState::Alarm);
        assert_eq!(ticks(&shop, 1).await, []);
        assert_eq!(shop.status(&host).await, S::Requested);
        assert!(shop.ports.store.get(&keys::scaling_blocked(&gone)).await.unwrap().is_none(), "no layer of that id scales");
    });
}

#[test]
fn two_invocations_at_once_page_once() {
    on_virtual_time(async {
        let shop = shop(true).await;
        assert_eq!(ticks(&shop, 5).await, []);
        let (one, two) = (deps(&shop), deps(&shop));
        let (a, b) = tokio::join!(handle(TICK, &one), handle(TICK, &two));
        assert_eq!(a.unwrap().decisions.len() + b.unwrap().decisions.len(), 1);
        assert_eq!(ticks(&shop, 0).await.len(), 1);
    });
}
