//! Alarm events are hints: lost, doubled, late and in any order, beside ticks that come late or not at all, they end in the same fleet.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[expect(dead_code, reason = "the handler's own tests need more of the shop")]
mod support;

use jiff::SignedDuration;
use serde_json::json;
use strata_domain::InstanceStatus as S;
use strata_load_scaling::{Deps, handle};
use strata_local::rng::{below, chance, stream};
use strata_ports::{AlarmState, Clock};
use support::{Shop, TICK, on_virtual_time};

const ALARM: &str = include_str!("../../../events/alarm-metric-eventbridge.json");
const UP: &str = "strata/shop/ecs-cluster/up-cpu";
const DOWN: &str = "strata/shop/ecs-cluster/down-cpu";
/// What the alarms do, by minute. Up waits 5 and ignores 5, down 10 and 10: time for two starts, and for one stop.
const TURNS: [(i64, &str, AlarmState); 4] =
    [(0, UP, AlarmState::Alarm), (16, UP, AlarmState::Ok), (30, DOWN, AlarmState::Alarm), (46, DOWN, AlarmState::Ok)];
/// When what has been started is in service.
const ONLINE_AT: i64 = 20;
const MINUTES: i64 = 60;

fn deps(shop: &Shop) -> Deps {
    Deps::new(shop.fleet(), shop.ports.clone())
}

/// Something that happens; what the world does comes before who looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Turn(usize),
    Settle,
    Tick,
    Event(&'static str),
}

/// A tick each minute and no event.
fn plainly() -> Vec<(i64, Happens)> {
    (0..MINUTES).map(|minute| (minute * 60, Happens::Tick)).collect()
}

/// Ticks up to 20 seconds late, and never two lost in a row; each alarm's event no, one, two or three times, up to 40 minutes late.
fn at_random(seed: u64) -> Vec<(i64, Happens)> {
    let mut rng = stream(seed, "events");
    let mut happens = Vec::new();
    let mut was_lost = false;
    for minute in 0..MINUTES {
        was_lost = !was_lost && chance(&mut rng, 300);
        if !was_lost {
            happens.push((minute * 60 + below(&mut rng, 21) as i64, Happens::Tick));
        }
    }
    for (minute, alarm, state) in TURNS {
        if state == AlarmState::Alarm {
            for _ in 0..below(&mut rng, 4) {
                happens.push((minute * 60 + below(&mut rng, 40 * 60) as i64, Happens::Event(alarm)));
            }
        }
    }
    happens
}

/// The hosts' statuses at the end, and what was started and stopped.
async fn live_through(mut happens: Vec<(i64, Happens)>) -> (Vec<S>, Vec<String>) {
    happens.extend(TURNS.iter().enumerate().map(|(n, (minute, ..))| (minute * 60, Happens::Turn(n))));
    happens.push((ONLINE_AT * 60, Happens::Settle));
    happens.sort();
    let shop = Shop::at("2026-03-02T09:00:00Z").await;
    shop.call("SetLoadBasedAutoScaling", json!({ "LayerId": shop.layer, "Enable": true })).await;
    let mut hosts = Vec::new();
    for n in 1..=4 {
        hosts.push(shop.instance("load", &format!("web{n}")).await);
    }
    shop.pass_minutes(30).await;
    let begin = shop.clock.now();
    for (second, what) in happens {
        shop.clock.sleep_until(begin + SignedDuration::from_secs(second)).await;
        match what {
            Happens::Turn(n) => shop.cloud.set_alarm_state(TURNS[n].1, TURNS[n].2),
            Happens::Settle => {
                for host in &hosts {
                    if shop.status(host).await == S::Requested {
                        shop.settle(host, S::Online).await;
                    }
                }
            }
            Happens::Tick => drop(handle(TICK, &deps(&shop)).await.unwrap()),
            Happens::Event(alarm) => drop(handle(ALARM.replace(UP, alarm).as_bytes(), &deps(&shop)).await.unwrap()),
        }
    }
    let mut fleet = Vec::new();
    for host in &hosts {
        fleet.push(shop.status(host).await);
    }
    let moves = shop.journal().await.into_iter().filter(|did| did.contains("web")).collect();
    (fleet, moves)
}

/// [LOAD-13] [LOAD-14] [LOAD-20]
#[test]
fn load_13_lost_doubled_late_and_reordered_events_end_in_the_same_fleet() {
    on_virtual_time(async {
        let plain = live_through(plainly()).await;
        assert_eq!(plain.1, ["start web1", "start web2", "stop web2"]);
        for seed in 0..10 {
            assert_eq!(live_through(at_random(seed)).await, plain, "seed {seed}");
        }
    });
}

/// Events alone, without a tick, bring the first scaling event of each excursion; the ticks would bring the rest.
#[test]
fn an_alarm_event_is_enough_to_begin_with() {
    on_virtual_time(async {
        let (_, moves) = live_through(vec![(0, Happens::Event(UP)), (30 * 60, Happens::Event(DOWN))]).await;
        assert_eq!(moves, ["start web1", "stop web1"]);
    });
}
