//! Tags of stacks and layers.

use serde_json::{Map, Value, json};

use super::TestApi;
use super::support::{ACCOUNT, REGION};

fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:opsworks:{REGION}:{ACCOUNT}:{kind}/{id}/")
}

async fn tag(app: &TestApi, arn: &str, tags: Value) -> super::support::Reply {
    app.call("TagResource", json!({ "ResourceArn": arn, "Tags": tags })).await
}

async fn listed(app: &TestApi, arn: &str) -> Value {
    app.call("ListTags", json!({ "ResourceArn": arn })).await.good()
}

fn numbered(prefix: &str, n: usize) -> Value {
    Value::Object((0..n).map(|i| (format!("{prefix}{i}"), json!("v"))).collect::<Map<_, _>>())
}

/// [TAG-1] [IDN-4] [ACT-62] [ACT-48]
#[tokio::test]
async fn tag_1_stacks_and_layers_are_tagged_by_either_form_of_their_arn_and_nothing_else_is() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    for (kind, id) in [("stack", &stack), ("layer", &layer)] {
        let (slashed, bare) = (arn(kind, id), arn(kind, id).trim_end_matches('/').to_owned());
        assert!(tag(&app, &bare, json!({ "Name": "shop", "empty": "" })).await.good().is_null());
        assert_eq!(listed(&app, &slashed).await, json!({ "Tags": { "Name": "shop", "empty": "" } }));
        assert_eq!(listed(&app, &bare).await, listed(&app, &slashed).await);
        let elsewhere = slashed.replace(REGION, "us-east-1");
        tag(&app, &elsewhere, json!({ "a": "b" })).await.not_found();
    }
    for other in [format!("arn:aws:opsworks:{REGION}:{ACCOUNT}:instance/{instance}"), stack.clone()] {
        assert!(tag(&app, &other, json!({ "a": "b" })).await.invalid().starts_with("Resource Arn:"), "{other}");
    }
    tag(&app, &arn("stack", "unknown"), json!({ "a": "b" })).await.not_found();
    tag(&app, &arn("layer", &stack), json!({ "a": "b" })).await.not_found();
    app.call("TagResource", json!({ "ResourceArn": arn("stack", &stack) })).await.invalid();
}

/// [TAG-2] [TAG-8] [ACT-65]
#[tokio::test]
async fn tag_2_a_layer_inherits_from_its_stack_and_may_only_override_values() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (stack, layer) = (arn("stack", &stack), arn("layer", &layer));
    tag(&app, &stack, json!({ "stage": "prod", "team": "a" })).await.good();
    tag(&app, &layer, json!({ "team": "b", "tier": "web" })).await.good();
    assert_eq!(listed(&app, &layer).await["Tags"], json!({ "stage": "prod", "team": "b", "tier": "web" }));
    assert_eq!(listed(&app, &stack).await["Tags"], json!({ "stage": "prod", "team": "a" }));
    let untag = |arn: &str, keys: Value| json!({ "ResourceArn": arn, "TagKeys": keys });
    for inherited in ["stage", "team"] {
        let text = app.call("UntagResource", untag(&layer, json!(["tier", inherited]))).await.invalid();
        assert!(text.contains(inherited), "{text}");
    }
    assert_eq!(listed(&app, &layer).await["Tags"]["tier"], "web", "a refused call changes nothing");
    app.call("UntagResource", untag(&stack, json!(["team"]))).await.good();
    app.call("UntagResource", untag(&layer, json!(["team", "nothing"]))).await.good();
    assert_eq!(listed(&app, &layer).await["Tags"], json!({ "stage": "prod", "tier": "web" }));
}

/// [TAG-4] [QTA-3]
#[tokio::test]
async fn tag_4_a_stack_cannot_get_so_many_tags_that_one_of_its_layers_has_more_than_forty() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (stack, layer) = (arn("stack", &stack), arn("layer", &layer));
    tag(&app, &layer, numbered("l", 30)).await.good();
    assert!(tag(&app, &stack, numbered("s", 11)).await.invalid().contains("would have 41"));
    tag(&app, &stack, numbered("s", 10)).await.good();
    tag(&app, &layer, json!({ "l0": "again", "s0": "over" })).await.good();
    assert!(tag(&app, &layer, json!({ "one": "more" })).await.invalid().contains("the layer \"web\""));
    assert_eq!(listed(&app, &stack).await["Tags"], numbered("s", 10));
}

/// [TAG-4]: two calls at once cannot get past the limit together.
#[tokio::test]
async fn tag_4_a_stack_and_its_layer_tagged_at_once_stay_within_forty() {
    for _ in 0..10 {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let (stack, layer) = (arn("stack", &stack), arn("layer", &layer));
        let (a, b) = futures::future::join(tag(&app, &stack, numbered("s", 25)), tag(&app, &layer, numbered("l", 25))).await;
        assert_ne!(a.response.status() == 200, b.response.status() == 200, "{a:?} {b:?}");
    }
}

/// [TAG-5] [TAG-6] [TAG-7]
#[tokio::test]
async fn tag_5_bad_keys_and_values_are_refused_and_change_nothing() {
    let app = TestApi::new();
    let stack = arn("stack", &app.stack("shop").await);
    tag(&app, &stack, json!({ " a ": " b " })).await.good();
    for bad in [json!({ "c": "d", "aws:x": "y" }), json!({ "": "v" }), json!({ "k": "*" }), json!({ "k": "v".repeat(256) })] {
        assert!(tag(&app, &stack, bad.clone()).await.invalid().starts_with("Tags:"), "{bad}");
    }
    tag(&app, &stack, json!({ "k": 1 })).await.error("SerializationException");
    tag(&app, &stack, json!({})).await.good();
    assert_eq!(listed(&app, &stack).await["Tags"], json!({ "a": "b" }));
}

/// [TAG-8] [DSC-5]
#[tokio::test]
async fn tag_8_list_tags_has_no_pages() {
    let app = TestApi::new();
    let stack = arn("stack", &app.stack("shop").await);
    for (member, value) in [("MaxResults", json!(0)), ("NextToken", json!("t"))] {
        let mut members = json!({ "ResourceArn": stack });
        members[member] = value;
        app.call("ListTags", members).await.invalid();
    }
    assert_eq!(listed(&app, &stack).await, json!({ "Tags": {} }));
}
