//! Repeats and lost answers.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use strata_ports::store::Listing;
use strata_ports::{Store, keys};

use super::TestApi;
use super::support::Reply;

async fn with_id(app: &TestApi, action: &str, members: Value, id: &str) -> Reply {
    let mut request = TestApi::request(action, members.to_string());
    request.headers_mut().insert("amz-sdk-invocation-id", id.parse().unwrap());
    app.send(request).await
}

/// [WIRE-15]
#[tokio::test]
async fn wire_15_a_repeat_within_15_minutes_gets_the_first_result() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let create = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" });
    let first = with_id(&app, "CreateInstance", create.clone(), "one").await.good();
    app.cloud.advance(15 * 60);
    assert_eq!(with_id(&app, "CreateInstance", create.clone(), "one").await.good(), first);
    let other = with_id(&app, "CreateInstance", create.clone(), "two").await.good();
    assert_ne!(other, first, "another id is another call");
    app.cloud.advance(1);
    let late = with_id(&app, "CreateInstance", create.clone(), "one").await.good();
    assert_ne!(late, first, "after 15 minutes it is another call");
    let all = app.call("DescribeInstances", json!({ "StackId": stack })).await.good();
    assert_eq!(all["Instances"].as_array().map(Vec::len), Some(3));
}

/// [WIRE-15]: of the same call twice at once, one is done.
#[tokio::test]
async fn wire_15_two_at_once_are_done_once() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let create = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" });
    let (a, b) = futures::future::join(
        with_id(&app, "CreateInstance", create.clone(), "one"),
        with_id(&app, "CreateInstance", create.clone(), "one"),
    )
    .await;
    assert_eq!(a.good(), b.good());
    let all = app.call("DescribeInstances", json!({ "StackId": stack })).await.good();
    assert_eq!(all["Instances"].as_array().map(Vec::len), Some(1));
}

/// [WIRE-15]: reads keep nothing, errors keep nothing, and old results are removed.
#[tokio::test]
async fn wire_15_only_successful_writes_are_kept_and_not_for_ever() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let kept = |app: &TestApi| app.store.partition(keys::REPEATS_PK).len();
    let before = kept(&app);
    with_id(&app, "DescribeStacks", json!({}), "read").await.good();
    with_id(&app, "StartInstance", json!({ "InstanceId": "unknown" }), "error").await.not_found();
    assert_eq!(kept(&app), before);
    let create = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" });
    for n in 0..5 {
        with_id(&app, "CreateInstance", create.clone(), &format!("id-{n}")).await.good();
    }
    assert_eq!(kept(&app), before + 5);
    app.cloud.advance(46 * 60);
    with_id(&app, "CreateInstance", create.clone(), "late").await.good();
    assert_eq!(kept(&app), 1);
}

/// A commit whose answer is lost is looked for, not done again: with and without an invocation id.
#[tokio::test]
async fn a_lost_answer_does_not_double_the_work() {
    for id in [None, Some("one")] {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let create = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t" });
        app.store.lose_answers.store(1, Ordering::Relaxed);
        let reply = match id {
            Some(id) => with_id(&app, "CreateInstance", create, id).await,
            None => app.call("CreateInstance", create).await,
        };
        let created = reply.good()["InstanceId"].clone();
        let all = app.call("DescribeInstances", json!({ "StackId": stack })).await.good();
        assert_eq!(all["Instances"].as_array().map(Vec::len), Some(1), "{id:?}");
        assert_eq!(all["Instances"][0]["InstanceId"], created);
        app.store.lose_answers.store(1, Ordering::Relaxed);
        app.call("StartInstance", json!({ "InstanceId": created })).await.good();
        assert_eq!(app.record(created.as_str().unwrap()).await.record.launch_number, 1);
        assert_eq!(app.cloud.events.lock().unwrap().len(), 1);
    }
}

/// A commit that never arrived is done again, also where it only touches what it does not change.
#[tokio::test]
async fn a_lost_call_is_made_up_for() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.store.lose_calls.store(1, Ordering::Relaxed);
    let layer = app.custom_layer(&stack, "web").await;
    app.store.lose_calls.store(1, Ordering::Relaxed);
    let instance = app.instance(&stack, &layer, json!({})).await;
    app.store.lose_calls.store(1, Ordering::Relaxed);
    app.call("StartStack", json!({ "StackId": stack })).await.good();
    assert_eq!(app.described(&instance).await["Status"], "requested");
    let told = app.store.list(&Listing::of(keys::OUTBOX_PK, "")).await.unwrap();
    assert_eq!(told.len(), 1, "its event waits for instance-lifecycle, once");
}
