//! Requests that the API has written down.

use strata_ports::asked::{JobAnswer, waiting};
use strata_triggers::{CampaignRequest, RequestVerb};

use super::*;

const ASKED: &[u8] = include_bytes!("../../../../events/campaign-asked.json");
const TICK: &[u8] = include_bytes!("../../../../events/schedule-tick.json");

fn request(verb: RequestVerb, time: &str) -> CampaignRequest {
    CampaignRequest {
        verb,
        stack: STACK.to_owned(),
        layer: LAYER.to_owned(),
        requested_by: "ada".to_owned(),
        reason: None,
        at: time.parse().unwrap(),
    }
}

impl World {
    async fn write_down(&self, request: &CampaignRequest) {
        let key = keys::campaign_request(&LAYER.into(), request.at, request.verb.as_str());
        self.store.commit(vec![Change::put(key, request, Expect::Absent)]).await.unwrap();
    }

    async fn waiting(&self) -> usize {
        waiting::<CampaignRequest>(&*self.store, keys::CAMPAIGN_REQUESTS_PK).await.unwrap().len()
    }

    async fn answer(&self) -> Option<JobAnswer> {
        self.store.get(&keys::campaign_answer(LAYER)).await.unwrap().map(|item| item.decode().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_written_down_is_heeded_by_its_word_or_else_by_the_tick() {
    for event in [ASKED, TICK] {
        let world = World::new(&["web1"], NO_CANARY);
        world.write_down(&request(RequestVerb::Start, "2026-03-02T18:10:30.25Z")).await;
        let told = handle(event, &world.deps).await.unwrap().decisions;
        assert!(told[0].did.starts_with("begin a rolling update") && told[0].trigger.contains("by ada"), "{told:?}");
        assert_eq!((world.claims().await, world.waiting().await), (vec!["web1".to_owned()], 0));
        let answer = world.answer().await.unwrap();
        assert_eq!((answer.verb, answer.refused, answer.requested_by.as_str()), (RequestVerb::Start, None, "ada"));
        assert_eq!(answer.asked_at, "2026-03-02T18:10:30.25Z".parse().unwrap());
        let id = updates::campaign_id(&LAYER.into(), answer.asked_at);
        assert!(world.store.get(&keys::campaign(&id)).await.unwrap().is_some(), "the API names the same id");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_layer_are_heeded_in_the_order_in_which_they_were_made() {
    let world = World::new(&["web1"], NO_CANARY);
    for (verb, time) in [
        (RequestVerb::Abort, "2026-03-02T18:10:32Z"),
        (RequestVerb::Start, "2026-03-02T18:10:30Z"),
        (RequestVerb::Pause, "2026-03-02T18:10:31Z"),
    ] {
        world.write_down(&request(verb, time)).await;
    }
    handle(ASKED, &world.deps).await.unwrap();
    assert_eq!(outcome(&world.ended().await[0]), CampaignOutcome::Aborted);
    assert_eq!((world.waiting().await, world.answer().await.unwrap().verb), (0, RequestVerb::Abort));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_heeded_leaves_its_reason_for_whoever_asked() {
    let world = World::new(&["web1"], NO_CANARY);
    world.write_down(&request(RequestVerb::Pause, "2026-03-02T18:10:30Z")).await;
    handle(TICK, &world.deps).await.unwrap();
    assert_eq!(world.answer().await.unwrap().refused.as_deref(), Some("no campaign is under way"));
    world.set_mode(Mode::Frozen, false);
    world.write_down(&request(RequestVerb::Start, "2026-03-02T18:10:31Z")).await;
    handle(TICK, &world.deps).await.unwrap();
    assert_eq!(world.answer().await.unwrap().refused.as_deref(), Some("the mode is frozen"));
    assert_eq!((world.waiting().await, world.claims().await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_no_request_waits_and_troubles_no_other() {
    let world = World::new(&["web1"], NO_CANARY);
    let key = Key::new(keys::CAMPAIGN_REQUESTS_PK, "a#torn");
    world.store.commit(vec![Change::put(key.clone(), &"torn", Expect::Absent)]).await.unwrap();
    world.write_down(&request(RequestVerb::Start, "2026-03-02T18:10:30Z")).await;
    handle(TICK, &world.deps).await.unwrap();
    assert_eq!(world.claims().await, ["web1"]);
    assert!(world.store.get(&key).await.unwrap().is_some());
}

/// Every commit fails once, before or after its effect: the request is heeded once, and its answer says so.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_commit_loses_no_request_and_heeds_none_twice() {
    let mut points = 0;
    for verb in [RequestVerb::Start, RequestVerb::Pause] {
        for at in 1.. {
            for after in [false, true] {
                let world = World::new(&["web1"], NO_CANARY);
                world.write_down(&request(verb, "2026-03-02T18:10:30Z")).await;
                world.state().faults.fail = Some((at, after));
                while world.waiting().await > 0 {
                    let _ = handle(TICK, &world.deps).await;
                }
                let refused = world.answer().await.unwrap().refused;
                assert_eq!(
                    refused.as_deref(),
                    (verb == RequestVerb::Pause).then_some("no campaign is under way"),
                    "{at} {after}"
                );
                let begun = world.journal().await.iter().filter(|did| did.starts_with("begin a rolling")).count();
                assert_eq!(begun, usize::from(verb == RequestVerb::Start), "{at} {after}");
                points += 1;
                if world.state().faults.calls < at {
                    break;
                }
            }
            if at > 8 {
                break;
            }
        }
    }
    assert!(points > 20, "only {points} points");
}
