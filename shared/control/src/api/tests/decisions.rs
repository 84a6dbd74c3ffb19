//! DescribeDecisions: the target of our own behind `strata why`.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict, Way};
use strata_ports::{Change, Expect, Key, Told, keys};

use super::TestApi;
use super::status::ask_for;
use crate::api::extension::Decisions;

/// The API's time in these tests, four days after the first entry.
const NOW: &str = "2026-01-05T00:00:00Z";

struct Entry<'a> {
    at: &'a str,
    subject: &'a str,
    did: &'a str,
}

async fn app_with(entries: &[Entry<'_>]) -> (TestApi, String, String, String) {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let host = app.instance(&stack, &layer, json!({})).await;
    let decision = |(n, entry): (usize, &Entry<'_>)| DecisionRecord {
        id: format!("d-{n}").into(),
        at: entry.at.parse().unwrap(),
        function: Function::LoadScaling,
        trigger: "tick".to_owned(),
        subject: entry.subject.to_owned(),
        stack_id: Some(stack.as_str().into()),
        layer_id: Some(layer.as_str().into()),
        verdict: Verdict::Act,
        saw: "2 of 4 available".to_owned(),
        did: entry.did.to_owned(),
        why: "average cpu above 75%".to_owned(),
        touched: Touched::default(),
    };
    let decisions = entries.iter().enumerate().map(decision).collect();
    app.commit(Told { decisions, ..Told::default() }.changes()).await;
    let now: Timestamp = NOW.parse().unwrap();
    let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    app.cloud.advance(now.duration_since(begun).as_secs());
    (app, stack, layer, host)
}

async fn ask(app: &TestApi, members: Value) -> Decisions {
    serde_json::from_value(ask_for(app, "DescribeDecisions", members).await.good()).unwrap()
}

fn did(told: &Decisions) -> Vec<&str> {
    told.decisions.iter().map(|d| d.did.as_str()).collect()
}

#[tokio::test]
async fn a_days_decisions_about_a_host_are_told_in_order_with_those_that_name_it() {
    let (app, stack, layer, host) = app_with(&[
        Entry { at: "2026-01-03T23:59:59Z", subject: "shop/ecs-cluster", did: "start ecs-cluster1: too long ago" },
        Entry { at: "2026-01-04T00:00:00Z", subject: "shop/ecs-cluster", did: "start ecs-cluster1" },
        Entry { at: "2026-01-04T12:00:00Z", subject: "shop/ecs-cluster", did: "start ecs-cluster12" },
        Entry { at: "2026-01-04T12:00:01Z", subject: "shop/ecs-cluster/ecs-cluster1", did: "heal it" },
        Entry { at: "2026-01-05T00:00:00Z", subject: "shop/ecs-cluster", did: "stop ecs-cluster1" },
    ])
    .await;
    let told = ask(&app, json!({ "InstanceId": host })).await;
    assert_eq!(did(&told), ["start ecs-cluster1", "heal it", "stop ecs-cluster1"]);
    assert_eq!((told.subject.as_str(), told.is_truncated), ("shop/ecs-cluster/ecs-cluster1", false));
    let all = ["start ecs-cluster1", "start ecs-cluster12", "heal it", "stop ecs-cluster1"];
    assert_eq!(did(&ask(&app, json!({ "LayerId": layer })).await), all);
    assert_eq!(did(&ask(&app, json!({ "StackId": stack })).await), all);
    let longer = json!({ "InstanceId": host, "Since": "2026-01-02T00:00:00Z" });
    assert_eq!(did(&ask(&app, longer).await).len(), 4);
}

/// A decision about a crowd names some of it; who is not named finds it by its id.
#[tokio::test]
async fn a_host_that_a_decision_lists_without_naming_it_is_told_of_it() {
    let (app, stack, layer, host) = app_with(&[]).await;
    let decision = DecisionRecord {
        id: "d-1".into(),
        at: NOW.parse().unwrap(),
        function: Function::InstanceLifecycle,
        trigger: "tick".to_owned(),
        subject: "shop/ecs-cluster".to_owned(),
        stack_id: Some(stack.as_str().into()),
        layer_id: Some(layer.as_str().into()),
        verdict: Verdict::Act,
        saw: String::new(),
        did: "bring 8 instances (web1, web2, ...) up".to_owned(),
        why: String::new(),
        touched: Touched::new(Some(Way::Up), ["another".into(), host.as_str().into()]),
    };
    app.commit(Told { decisions: vec![decision], ..Told::default() }.changes()).await;
    let told = ask(&app, json!({ "InstanceId": host })).await;
    assert_eq!((did(&told), told.decisions[0].touched.way), (vec!["bring 8 instances (web1, web2, ...) up"], Some(Way::Up)));
    let other = app.instance(&stack, &layer, json!({})).await;
    assert!(ask(&app, json!({ "InstanceId": other })).await.decisions.is_empty());
}

#[tokio::test]
async fn the_newest_are_told_when_there_are_more_than_asked_for() {
    let (app, _, layer, _) = app_with(&[
        Entry { at: "2026-01-04T01:00:00Z", subject: "shop/ecs-cluster", did: "one" },
        Entry { at: "2026-01-04T02:00:00Z", subject: "shop/ecs-cluster", did: "two" },
        Entry { at: "2026-01-05T00:00:00Z", subject: "shop/ecs-cluster", did: "three" },
    ])
    .await;
    for (most, expected, is_truncated) in
        [(1, vec!["three"], true), (2, vec!["two", "three"], true), (3, vec!["one", "two", "three"], false)]
    {
        let told = ask(&app, json!({ "LayerId": layer, "MaxResults": most })).await;
        assert_eq!((did(&told), told.is_truncated), (expected, is_truncated), "{most}");
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_hides_no_other() {
    let (app, stack, layer, _) = app_with(&[Entry { at: "2026-01-04T01:00:00Z", subject: "shop/ecs-cluster", did: "one" }]).await;
    let torn = Key::new(keys::journal_pk(Some(&stack.as_str().into())), "2026-01-04T02:00:00Z#torn");
    app.commit(vec![Change::put(torn, &json!({ "from": "another version" }), Expect::Absent)]).await;
    assert_eq!(did(&ask(&app, json!({ "LayerId": layer })).await), ["one"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let (app, stack, layer, _) = app_with(&[]).await;
    let long_ago = (NOW.parse::<Timestamp>().unwrap() - SignedDuration::from_hours(31 * 24 + 1)).to_string();
    for (members, named) in [
        (json!({}), "exactly one of"),
        (json!({ "StackId": stack, "LayerId": layer }), "exactly one of"),
        (json!({ "LayerId": layer, "Since": "yesterday" }), "2026-03-01T18:00:00Z"),
        (json!({ "LayerId": layer, "Since": "2026-01-05T00:00:01Z" }), "before now"),
        (json!({ "LayerId": layer, "Since": long_ago }), "31 days"),
        (json!({ "LayerId": layer, "MaxResults": 0 }), "1 to 1000"),
        (json!({ "LayerId": layer, "MaxResults": 1001 }), "1 to 1000"),
    ] {
        let told = ask_for(&app, "DescribeDecisions", members.clone()).await.invalid();
        assert!(told.contains(named), "{members}: {told}");
    }
    ask_for(&app, "DescribeDecisions", json!({ "InstanceId": "unknown" })).await.not_found();
}
