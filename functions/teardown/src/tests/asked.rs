//! Requests that the API has written down.

use strata_ports::asked::{JobAnswer, waiting};
use strata_triggers::{RequestVerb, TeardownRequest};

use super::*;

const ASKED: &[u8] = include_bytes!("../../../../events/teardown-asked.json");
const TICK: &[u8] = include_bytes!("../../../../events/schedule-tick.json");

/// As the API writes it: names are ids, and members that it does not know are absent.
fn request(verb: &str, time: &str, confirm: Option<&str>) -> TeardownRequest {
    let members = json!({
        "verb": verb, "stack": STACK, "layer": LAYER, "requested_by": "ada", "delete_services": true, "confirm": confirm, "at": time,
    });
    serde_json::from_value(members).unwrap()
}

impl World {
    async fn write_down(&self, request: &TeardownRequest) {
        let key = keys::teardown_request(&LAYER.into(), request.at, request.verb.as_str());
        self.store.commit(vec![Change::put(key, request, Expect::Absent)]).await.unwrap();
    }

    async fn waiting(&self) -> usize {
        waiting::<TeardownRequest>(&*self.store, keys::TEARDOWN_REQUESTS_PK).await.unwrap().len()
    }

    async fn answer(&self) -> Option<JobAnswer> {
        self.store.get(&keys::teardown_answer(LAYER)).await.unwrap().map(|item| item.decode().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_written_down_is_heeded_by_its_word_or_else_by_the_tick() {
    for event in [ASKED, TICK] {
        let world = World::new();
        let start = request("start", "2026-03-02T18:09:30.25Z", Some("Web hosts"));
        world.write_down(&start).await;
        let told = handle(event, &world.deps).await.unwrap().decisions;
        assert!(told[0].did.starts_with("begin the teardown") && told[0].trigger.contains("by ada"), "{told:?}");
        assert!(world.is_marked().await && world.waiting().await == 0);
        let answer = world.answer().await.unwrap();
        assert_eq!((answer.verb, answer.refused, answer.asked_at), (RequestVerb::Start, None, start.at));
        let id = teardown::teardown_id(&LAYER.into(), start.at);
        let item = world.store.get(&keys::teardown(&id)).await.unwrap().expect("the API names the same id");
        assert!(read(&item).unwrap().options.delete_services);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_heeded_leaves_its_reason_for_whoever_asked() {
    for (verb, confirm, settings, why) in [
        ("start", Some("web"), "{}", "the confirmation must be the layer's name, Web hosts"),
        ("start", None, "{}", "the confirmation must be the layer's name, Web hosts"),
        ("start", Some("Web hosts"), r#"{"strata":{"protected":true}}"#, "Web hosts is protected"),
        ("resume", None, "{}", "no teardown of it is under way"),
    ] {
        let world = World::new();
        world.state().settings = settings;
        world.write_down(&request(verb, "2026-03-02T18:09:30Z", confirm)).await;
        handle(TICK, &world.deps).await.unwrap();
        let refused = world.answer().await.unwrap().refused.unwrap();
        assert!(refused.starts_with(why), "{refused}");
        assert!(!world.is_marked().await && world.waiting().await == 0, "{verb}");
    }
}

/// The layer may be gone while its stack is still to be deleted.
#[tokio::test(start_paused = true)]
async fn an_order_about_a_layer_that_is_gone_is_heeded() {
    let world = World::new();
    world.write_down(&request("start", "2026-03-02T18:09:30Z", Some("Web hosts"))).await;
    handle(TICK, &world.deps).await.unwrap();
    world.state().has_layer = false;
    world.write_down(&request("abort", "2026-03-02T18:09:31Z", None)).await;
    handle(ASKED, &world.deps).await.unwrap();
    assert_eq!(world.answer().await.unwrap().refused, None);
    assert!(matches!(world.ended().await.unwrap().state, TeardownState::Ended { outcome: TeardownOutcome::Aborted, .. }));
}

/// Every commit and call fails once, before or after its effect: the request is heeded once, and its answer says so.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_loses_no_request_and_heeds_none_twice() {
    let mut points = 0;
    for at in 1..=10 {
        for after in [false, true] {
            let world = World::new();
            world.write_down(&request("start", "2026-03-02T18:09:30Z", Some("Web hosts"))).await;
            world.state().fail = Some((at, after));
            for looks in 0.. {
                assert!(looks < 20, "{at} {after}");
                let _ = handle(TICK, &world.deps).await;
                if world.waiting().await == 0 {
                    break;
                }
            }
            assert_eq!(world.answer().await.unwrap().refused, None, "{at} {after}");
            let journal = world.store.list(&Listing::of(keys::journal_pk(Some(&STACK.into())), "")).await.unwrap();
            let did = journal.iter().map(|item| item.decode::<DecisionRecord>().unwrap().did);
            assert_eq!(did.filter(|did| did.starts_with("begin the teardown")).count(), 1, "{at} {after}");
            points += 1;
        }
    }
    assert_eq!(points, 20);
}
