//! PutHold, ReleaseHold, DescribeHolds: the targets of our own by which a person keeps hands off.

use serde_json::{Value, json};
use strata_domain::decision::DecisionRecord;
use strata_domain::holds::{Hold, HoldKind, HoldTarget};
use strata_local::cloud::Policy;
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, Store, keys};

use super::TestApi;
use super::status::ask_for;
use super::support::USER;
use crate::api::extension::Holds;

const TEN: &str = "2026-01-01T00:10:00Z";

async fn put(app: &TestApi, members: Value) -> super::support::Reply {
    ask_for(app, "PutHold", members).await
}

async fn holds(app: &TestApi) -> Vec<(String, String, String)> {
    let told: Holds = serde_json::from_value(ask_for(app, "DescribeHolds", json!({})).await.good()).unwrap();
    let row = |shape: crate::api::extension::HoldShape| {
        (shape.subject, shape.hold.reason, shape.hold.until.map(|until| until.to_string()).unwrap_or_default())
    };
    told.holds.into_iter().map(row).collect()
}

async fn ends(app: &TestApi) -> usize {
    app.store.list(&Listing::of(keys::HOLD_ENDS_PK, "")).await.unwrap().len()
}

async fn journal(app: &TestApi, stack: &str) -> Vec<(String, String)> {
    let items = app.store.list(&Listing::of(keys::journal_pk(Some(&stack.into())), "")).await.unwrap();
    items.iter().map(|item| item.decode::<DecisionRecord>().unwrap()).map(|d| (d.subject, d.did)).collect()
}

#[tokio::test]
async fn a_person_holds_an_instance_or_a_layer_and_lets_it_go() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    put(&app, json!({ "InstanceId": id, "Until": TEN, "Reason": "kernel dump" })).await.good();
    put(&app, json!({ "LayerId": layer, "Until": "2026-01-02T00:00:00Z", "Reason": "audit" })).await.good();
    let row = |subject: &str, reason: &str, until: &str| (subject.to_owned(), reason.to_owned(), until.to_owned());
    let (host, whole) = ("shop/ecs-cluster/ecs-cluster1", "shop/ecs-cluster");
    assert_eq!(holds(&app).await, [row(host, "kernel dump", TEN), row(whole, "audit", "2026-01-02T00:00:00Z")]);
    ask_for(&app, "ReleaseHold", json!({ "InstanceId": id })).await.good();
    assert_eq!(holds(&app).await, [row(whole, "audit", "2026-01-02T00:00:00Z")]);
    assert_eq!(ends(&app).await, 1, "nothing is left to end of what was released");
    ask_for(&app, "ReleaseHold", json!({ "InstanceId": id })).await.not_found();
    let did = journal(&app, &stack).await.into_iter().map(|(subject, did)| format!("{subject}: {did}")).collect::<Vec<_>>();
    assert_eq!(did.len(), 3);
    for told in [format!("{host}: hold it until {TEN}"), format!("{host}: release it")] {
        assert!(did.contains(&told), "{did:?}");
    }
}

#[tokio::test]
async fn ones_own_hold_is_prolonged_and_another_persons_only_replaced_when_asked_to() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    let hold = Hold {
        target: HoldTarget::Instance(id.as_str().into()),
        kind: HoldKind::Person,
        by: "bob".into(),
        reason: "demo".into(),
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
        until: Some(TEN.parse().unwrap()),
    };
    let key = keys::instance_hold(&stack.as_str().into(), &id.as_str().into(), keys::PERSON_HOLD);
    app.commit(vec![Change::put(key, &hold, Expect::Absent)]).await;
    let members = |until: &str| json!({ "InstanceId": id, "Until": until, "Reason": "mine" });
    let told = put(&app, members("2026-01-01T01:00:00Z")).await.invalid();
    assert!(told.contains("bob holds it until 2026-01-01T00:10:00Z: \"demo\""), "{told}");
    let mut replacing = members("2026-01-01T01:00:00Z");
    replacing["Replace"] = json!(true);
    put(&app, replacing).await.good();
    for until in ["2026-01-01T02:00:00Z", "2026-01-01T00:30:00Z", "2026-01-01T00:30:00Z"] {
        put(&app, members(until)).await.good();
        assert_eq!(holds(&app).await.len(), 1);
        assert_eq!((holds(&app).await[0].2.as_str(), ends(&app).await), (until, 1), "one hold has one end");
    }
}

#[tokio::test]
async fn what_cannot_be_held_is_refused_and_changes_nothing() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    for (members, named) in [
        (json!({ "InstanceId": id, "Until": "tomorrow", "Reason": "r" }), "2026-03-01T18:00:00Z"),
        (json!({ "InstanceId": id, "Until": "2026-01-01T00:00:00Z", "Reason": "r" }), "not after now"),
        (json!({ "InstanceId": id, "Until": "2026-04-01T00:00:01Z", "Reason": "r" }), "90 days"),
        (json!({ "InstanceId": id, "Until": TEN }), "Reason"),
        (json!({ "InstanceId": id, "Until": TEN, "Reason": "two\nlines" }), "one line"),
        (json!({ "InstanceId": id, "Reason": "r" }), "Until"),
        (json!({ "Until": TEN, "Reason": "r" }), "exactly one of"),
        (json!({ "InstanceId": id, "LayerId": layer, "Until": TEN, "Reason": "r" }), "exactly one of"),
    ] {
        let told = put(&app, members.clone()).await.invalid();
        assert!(told.contains(named), "{members}: {told}");
    }
    put(&app, json!({ "InstanceId": "unknown", "Until": TEN, "Reason": "r" })).await.not_found();
    assert_eq!((holds(&app).await.len(), ends(&app).await), (0, 0));
    ask_for(&app, "DescribeHolds", json!({ "StackId": "unknown" })).await.not_found();
}

/// [PERM-3]: whoever may not stop an instance may not hold it either, and whoever may not describe it does not see its holds.
#[tokio::test]
async fn perm_3_holding_takes_the_right_to_stop() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let id = app.instance(&stack, &layer, json!({})).await;
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:StopInstance".into()], ..Policy::administrator() });
    put(&app, json!({ "InstanceId": id, "Until": TEN, "Reason": "r" })).await.error("AccessDeniedException");
    ask_for(&app, "ReleaseHold", json!({ "InstanceId": id })).await.error("AccessDeniedException");
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:DescribeInstances".into()], ..Policy::administrator() });
    ask_for(&app, "DescribeHolds", json!({ "StackId": stack })).await.error("AccessDeniedException");
    ask_for(&app, "DescribeDecisions", json!({ "StackId": stack })).await.error("AccessDeniedException");
}

#[tokio::test]
async fn a_layers_hold_goes_with_the_layer() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    put(&app, json!({ "LayerId": layer, "Until": TEN, "Reason": "r" })).await.good();
    app.call("DeleteLayer", json!({ "LayerId": layer })).await.good();
    assert!(holds(&app).await.is_empty());
    let left = Listing::of(keys::stack_pk(&stack.as_str().into()), keys::HOLD);
    assert!(app.store.list(&left).await.unwrap().is_empty());
}
