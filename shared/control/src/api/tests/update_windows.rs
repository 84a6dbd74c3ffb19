//! The list of layers with an update window.

use serde_json::{Value, json};
use strata_ports::keys::{self, UpdateWindow};

use super::TestApi;
use super::support::text;

fn custom_json(window: &Value) -> String {
    json!({ "strata": { "updates": { "window": window } } }).to_string()
}

fn listed(app: &TestApi) -> Vec<(String, String)> {
    let items = app.store.partition(keys::UPDATE_WINDOWS_PK);
    items.iter().map(|i| (i.key.sk.clone(), i.decode::<UpdateWindow>().unwrap().window.cron)).collect()
}

#[tokio::test]
async fn a_layer_is_listed_exactly_while_its_settings_have_a_window() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let plain = app.custom_layer(&stack, "plain").await;
    assert_eq!(listed(&app), []);
    let nightly = custom_json(&json!({ "cron": "0 2 * * *" }));
    let members = json!({ "StackId": stack, "Type": "custom", "Name": "web", "Shortname": "web", "CustomJson": nightly });
    let web = text(&app.call("CreateLayer", members).await.good()["LayerId"]);
    assert_eq!(listed(&app), [(web.clone(), "0 2 * * *".to_owned())]);
    let update = |layer: &str, text: &str| json!({ "LayerId": layer, "CustomJson": text });
    let weekly = custom_json(&json!({ "cron": "0 2 * * SUN" }));
    app.call("UpdateLayer", update(&web, &weekly)).await.good();
    assert_eq!(listed(&app), [(web.clone(), "0 2 * * SUN".to_owned())]);
    app.call("UpdateLayer", update(&web, "{\"strata\":{}}")).await.good();
    assert_eq!(listed(&app), []);
    app.call("UpdateLayer", update(&plain, &weekly)).await.good();
    assert_eq!(listed(&app), [(plain.clone(), "0 2 * * SUN".to_owned())]);
    app.call("DeleteLayer", json!({ "LayerId": plain })).await.good();
    assert_eq!(listed(&app), []);
}

#[tokio::test]
async fn a_cloned_layer_has_its_window_too() {
    let app = TestApi::new();
    let (source, _) = app.shop().await;
    let web = app.custom_layer(&source, "batch").await;
    let nightly = custom_json(&json!({ "cron": "0 2 * * *" }));
    app.call("UpdateLayer", json!({ "LayerId": web, "CustomJson": nightly })).await.good();
    let role = "arn:aws:iam::123456789012:role/service";
    let clone = app.call("CloneStack", json!({ "SourceStackId": source, "ServiceRoleArn": role })).await.good();
    let layers = app.call("DescribeLayers", json!({ "StackId": clone["StackId"] })).await.good();
    let copy = text(&layers["Layers"][0]["LayerId"]);
    let mut expected = vec![(web, "0 2 * * *".to_owned()), (copy, "0 2 * * *".to_owned())];
    expected.sort();
    assert_eq!(listed(&app), expected);
}

/// Bad settings are refused alike wherever they are written, and change nothing.
#[tokio::test]
async fn a_bad_window_is_refused_with_its_path() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    for (window, path) in [
        (json!({ "cron": "0 2 * *" }), "window.cron"),
        (json!({ "cron": "0 2 31 2 *" }), "window.cron"),
        (json!({ "cron": "0 2 * * *", "time_zone": "Europe/Berln" }), "window.time_zone"),
        (json!({ "cron": "0 2 * * *", "duration_minutes": 5 }), "window.duration_minutes"),
        (json!({ "cron": "0 2 * * *", "duration_minutes": "1h" }), "window.duration_minutes"),
        (json!({ "cron": "0 2 * * *", "holidays": ["2026-02-30"] }), "window.holidays"),
    ] {
        let text = custom_json(&window);
        for (action, members) in [
            ("CreateLayer", json!({ "StackId": stack, "Type": "custom", "Name": "web", "Shortname": "web", "CustomJson": text })),
            ("UpdateLayer", json!({ "LayerId": layer, "CustomJson": text })),
            ("UpdateStack", json!({ "StackId": stack, "CustomJson": text })),
        ] {
            let told = app.call(action, members).await.invalid();
            assert!(told.starts_with(&format!("Custom Json: strata.updates.{path}:")), "{action} {window}: {told}");
        }
    }
    assert_eq!(listed(&app), []);
}
