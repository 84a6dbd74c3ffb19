//! Events out, against a server that speaks EventBridge's protocol, read back from a queue that a rule sends them to.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use std::collections::BTreeSet;

use aws_sdk_eventbridge::types::Target;
use serde_json::json;
use strata_aws::Base;
use strata_aws::events::{EventBridgeEvents, USES};
use strata_ports::{EventOut, Events};
use support::sqs::Queue;

/// A bus of its own with a rule for Strata's events to a queue, and a base whose settings name the bus.
async fn ruled(name: &str) -> (Base, Queue) {
    let client = aws_sdk_eventbridge::Client::new(&support::base(&[]).own("EVENTBRIDGE"));
    client.create_event_bus().name(name).send().await.unwrap();
    let pattern = json!({ "source": ["opsworks"], "detail-type": ["OpsWorks Instance State Change"] }).to_string();
    client.put_rule().name(name).event_bus_name(name).event_pattern(pattern).send().await.unwrap();
    let queue = Queue::create(name);
    let target = Target::builder().id("queue").arn(&queue.arn).build().unwrap();
    client.put_targets().rule(name).event_bus_name(name).targets(target).send().await.unwrap();
    (support::base(&[("STRATA_EVENT_BUS", name)]), queue)
}

fn event(id: &str, detail_type: &str) -> EventOut {
    EventOut {
        id: id.to_owned(),
        detail_type: detail_type.to_owned(),
        resources: vec!["arn:aws:opsworks:us-east-1:123456789012:instance/1f2e".to_owned()],
        detail: json!({ "status": "online", "event-id": id }),
        time: "2026-08-01T12:00:00Z".parse().unwrap(),
    }
}

/// [EVT-1]: EventBridge's own envelope around what is told.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn more_events_than_one_call_takes_arrive_by_the_rule_that_names_them() {
    let (base, queue) = ruled("strata-events-read-back").await;
    let mut events: Vec<EventOut> = (0..11).map(|i| event(&format!("e-{i}"), "OpsWorks Instance State Change")).collect();
    events.push(event("other", "OpsWorks Alert"));
    EventBridgeEvents::new(&base).put(&events).await.unwrap();
    let received = queue.drain();
    let ids: BTreeSet<&str> = received.iter().filter_map(|e| e["detail"]["event-id"].as_str()).collect();
    assert_eq!(ids, events[..11].iter().map(|e| e.id.as_str()).collect(), "each once, and not the one of another kind");
    assert_eq!(received.len(), 11);
    let one = &received[0];
    assert_eq!((&one["source"], &one["detail-type"]), (&json!("opsworks"), &json!("OpsWorks Instance State Change")));
    assert_eq!((&one["resources"], &one["detail"]["status"]), (&json!(events[0].resources), &json!("online")));
    assert_eq!(one["time"], "2026-08-01T12:00:00Z");
    // moto leaves `account` out.
    for member in ["version", "id", "region"] {
        assert!(one[member].is_string(), "{member}: {one}");
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let (base, _queue) = ruled("strata-events-uses").await;
    EventBridgeEvents::new(&base).put(&[event("e-1", "OpsWorks Instance State Change")]).await.unwrap();
    support::check_uses(&base, USES, "put");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn nothing_to_put_is_no_call() {
    let base = support::base(&[]);
    EventBridgeEvents::new(&base).put(&[]).await.unwrap();
    assert_eq!(base.log().take(), []);
}
