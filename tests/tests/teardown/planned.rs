//! A teardown that a layer's settings plan.

use serde_json::{Value, json};
use strata_domain::decision::{Page, Severity};
use strata_domain::mode::Mode;
use strata_domain::pages::PageKind;
use strata_ports::store::Listing;
use strata_ports::{ModeScope, Store, keys};

use super::on_virtual_time;
use super::world::{Place, World};

/// Four days after the world begins.
const MOMENT: &str = "2026-03-06T18:00:00Z";

fn custom_json(at: &str, more: &Value) -> String {
    let mut teardown = json!({ "at": at, "confirm": "shop hosts", "delete_stack": true });
    for (member, value) in more.as_object().unwrap() {
        teardown[member] = value.clone();
    }
    json!({ "strata": { "teardown": teardown } }).to_string()
}

async fn plan(world: &World, place: &Place, at: &str) -> Result<Value, String> {
    world.call("UpdateLayer", json!({ "LayerId": place.layer, "CustomJson": custom_json(at, &json!({})) })).await
}

/// Ticks at these moments of that week, for example `5T17:59`, and the pages since.
async fn at(world: &World, moments: &[&str]) -> Vec<Page> {
    let before = world.pages(PageKind::TeardownPlanned).len();
    for moment in moments {
        world.pass_until(&format!("2026-03-0{moment}:00Z")).await;
        world.tick().await;
    }
    world.pages(PageKind::TeardownPlanned).split_off(before)
}

async fn plans(world: &World) -> usize {
    world.store.list(&Listing::of(keys::TEARDOWN_PLANS_PK, "")).await.unwrap().len()
}

async fn has_layer(world: &World, place: &Place) -> bool {
    world.call("DescribeLayers", json!({ "LayerIds": [place.layer] })).await.is_ok()
}

#[test]
fn a_planned_teardown_pages_a_day_and_an_hour_ahead_and_then_begins_by_itself() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        world.instance(&shop, "web1", json!({})).await;
        plan(&world, &shop, MOMENT).await.unwrap();
        assert_eq!(at(&world, &["4T18:00", "5T17:59"]).await, []);
        let [day] = <[_; 1]>::try_from(at(&world, &["5T18:00", "5T18:01", "6T16:59"]).await).unwrap();
        assert_eq!(day.what, format!("shop/ecs-cluster will be taken down at {MOMENT}"));
        assert!(day.severity == Severity::Warning && !day.resolved && day.why.contains("with the stack"), "{day:?}");
        let [hour] = <[_; 1]>::try_from(at(&world, &["6T17:00", "6T17:01", "6T17:59"]).await).unwrap();
        assert!(!hour.resolved && hour.incident != day.incident);
        assert!(has_layer(&world, &shop).await);
        let resolved = at(&world, &["6T18:00", "6T18:01", "6T18:02", "6T18:03", "6T18:04", "6T18:05"]).await;
        let incidents: Vec<_> = resolved.iter().map(|p| (p.incident.as_str(), p.resolved)).collect();
        assert_eq!(incidents, [(day.incident.as_str(), true), (hour.incident.as_str(), true)]);
        world.until_layer_gone(&shop).await;
        assert_eq!(world.good("DescribeStacks", json!({})).await["Stacks"], json!([]), "the stack was to go too");
        assert_eq!(plans(&world).await, 0);
    });
}

#[test]
fn lost_ticks_cost_the_first_page_and_never_the_hour_between_page_and_beginning() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        plan(&world, &shop, MOMENT).await.unwrap();
        let pages = at(&world, &["6T18:30", "6T18:31"]).await;
        assert_eq!(pages.len(), 1);
        assert!(pages[0].what.ends_with("will be taken down at 2026-03-06T19:30:00Z"), "{pages:?}");
        at(&world, &["6T19:29"]).await;
        assert!(has_layer(&world, &shop).await && !world.is_marked(&shop).await);
        at(&world, &["6T19:30"]).await;
        world.until_layer_gone(&shop).await;
    });
}

#[test]
fn a_moment_that_is_moved_renews_the_pages_and_one_that_is_taken_out_resolves_them() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        plan(&world, &shop, MOMENT).await.unwrap();
        assert_eq!(at(&world, &["5T18:00"]).await.len(), 1);
        plan(&world, &shop, "2026-03-07T18:00[Europe/Berlin]").await.unwrap();
        let pages = at(&world, &["5T18:01", "6T16:59", "6T17:00", "6T18:00"]).await;
        assert_eq!(pages.iter().map(|p| p.resolved).collect::<Vec<_>>(), [true, false], "17:00 UTC is a day ahead now");
        world.good("UpdateLayer", json!({ "LayerId": shop.layer, "CustomJson": "{}" })).await;
        let pages = at(&world, &["6T18:01", "7T17:00", "7T17:01"]).await;
        assert_eq!(
            pages.iter().map(|p| (p.resolved, p.why.as_str())).collect::<Vec<_>>(),
            [(true, "it is not planned any more")]
        );
        assert!(has_layer(&world, &shop).await && plans(&world).await == 0);
    });
}

#[test]
fn a_protected_layer_is_paged_as_such_and_never_taken_down() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        plan(&world, &shop, MOMENT).await.unwrap();
        world.good("UpdateStack", json!({ "StackId": shop.stack, "CustomJson": r#"{"strata":{"protected":true}}"# })).await;
        let pages = at(&world, &["5T18:00", "6T17:00", "6T17:59"]).await;
        assert_eq!(pages.len(), 2);
        assert!(
            pages.iter().all(|p| p.what.ends_with("but will not be") && p.did.contains("shop hosts is protected")),
            "{pages:?}"
        );
        let pages = at(&world, &["6T18:00", "6T18:01"]).await;
        let told: Vec<_> = pages.iter().filter(|p| p.severity == Severity::Info).collect();
        assert!(pages.len() == 3 && told.len() == 1 && told[0].what.contains("was not taken down"), "{pages:?}");
        // It is given up: taking the protection away later surprises nobody.
        world.good("UpdateStack", json!({ "StackId": shop.stack, "CustomJson": "{}" })).await;
        assert_eq!(at(&world, &["6T18:02", "7T18:00"]).await, []);
        assert!(has_layer(&world, &shop).await && !world.is_marked(&shop).await);
    });
}

#[test]
fn frozen_puts_a_planned_teardown_off_for_a_day_at_most() {
    on_virtual_time(async {
        for (thawed, begins) in [("7T17:59", true), ("7T18:00", false)] {
            let world = World::new();
            let shop = world.place("shop", json!({})).await;
            plan(&world, &shop, MOMENT).await.unwrap();
            world.cloud.set_mode(ModeScope::Installation, Some(Mode::Frozen));
            assert_eq!(at(&world, &["5T18:00", "6T17:00", "6T18:00", "6T18:01"]).await.len(), 2, "pages go out all the same");
            assert!(!world.is_marked(&shop).await);
            world.pass_until(&format!("2026-03-0{thawed}:00Z")).await;
            world.cloud.set_mode(ModeScope::Installation, None);
            world.tick().await;
            assert_eq!(world.is_marked(&shop).await || !has_layer(&world, &shop).await, begins, "{thawed}");
        }
    });
}

#[test]
fn a_stacks_settings_plan_for_the_layer_that_they_name_unless_it_has_a_plan_of_its_own() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        let of_stack = json!({ "StackId": shop.stack, "CustomJson": custom_json(MOMENT, &json!({})) });
        world.good("UpdateStack", of_stack).await;
        plan(&world, &shop, "2026-03-08T18:00:00Z").await.unwrap();
        assert_eq!(at(&world, &["5T18:00", "6T17:00", "6T18:00", "6T18:01"]).await, []);
        world.good("UpdateLayer", json!({ "LayerId": shop.layer, "CustomJson": "{}" })).await;
        let again = json!({ "StackId": shop.stack, "CustomJson": custom_json("2026-03-08T18:00:00Z", &json!({})) });
        world.good("UpdateStack", again).await;
        assert_eq!(at(&world, &["8T17:00"]).await.len(), 1);
        at(&world, &["8T18:00"]).await;
        world.until_layer_gone(&shop).await;
    });
}

#[test]
fn a_plan_that_cannot_be_meant_is_refused_and_changes_nothing() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        for (at, text) in [
            ("2026-03-02T08:59:59Z", "strata.teardown.at: 2026-03-02T08:59:59Z is past, it is 2026-03-02T09:00:00Z now"),
            ("2026-03-02T09:00:00Z", "is past"),
            ("next friday", "strata.teardown.at: \"next friday\" is not a moment such as"),
        ] {
            let refused = plan(&world, &shop, at).await.unwrap_err();
            assert!(refused.contains(text), "{refused}");
        }
        let other = custom_json(MOMENT, &json!({ "confirm": "web" }));
        let refused = world.call("UpdateLayer", json!({ "LayerId": shop.layer, "CustomJson": other })).await.unwrap_err();
        assert!(
            refused.contains("strata.teardown.confirm") && refused.contains("expected the layer's name, \"shop hosts\""),
            "{refused}"
        );
        let refused = world.call("UpdateStack", json!({ "StackId": shop.stack, "CustomJson": other })).await.unwrap_err();
        assert!(refused.contains("strata.teardown.confirm"), "{refused}");
        assert_eq!(plans(&world).await, 0);
        plan(&world, &shop, MOMENT).await.unwrap();
        // A rename would leave the confirmation wrong.
        assert!(world.call("UpdateLayer", json!({ "LayerId": shop.layer, "Name": "web" })).await.is_err());
        // Sent again after its time it is not new, and begins nothing.
        world.pass_until("2026-03-08T18:00:00Z").await;
        world.tick().await;
        plan(&world, &shop, MOMENT).await.unwrap();
        world.minutes(3).await;
        assert!(has_layer(&world, &shop).await && !world.is_marked(&shop).await && plans(&world).await == 0);
    });
}
