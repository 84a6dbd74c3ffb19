//! RequestCampaign, RequestTeardown and what tells of both jobs: the targets of our own behind `strata campaign` and `strata teardown`.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::decision::DecisionRecord;
use strata_domain::mode::Mode;
use strata_domain::teardown::{NewTeardown, Options, Teardown, TeardownOutcome, TeardownState, TeardownTold};
use strata_domain::updates::{Campaign, CampaignTold, NewCampaign, Phase};
use strata_local::cloud::Policy;
use strata_ports::asked::{self, JobAnswer};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, ModeScope, Store, keys};
use strata_triggers::{CAMPAIGN_ASKED, CampaignRequest, RequestVerb, TEARDOWN_ASKED, TeardownRequest};

use super::TestApi;
use super::status::ask_for;
use super::support::{USER, text, with};
use crate::api::extension::{CampaignPlanned, Jobs, TARGET_PREFIX, TeardownPlanned};

const NOW: &str = "2026-01-01T00:00:00Z";

async fn campaigns(app: &TestApi, members: Value) -> Jobs<CampaignTold> {
    serde_json::from_value(ask_for(app, "DescribeCampaigns", members).await.good()).unwrap()
}

async fn teardowns(app: &TestApi, members: Value) -> Jobs<TeardownTold> {
    serde_json::from_value(ask_for(app, "DescribeTeardowns", members).await.good()).unwrap()
}

async fn requests<R: serde::de::DeserializeOwned>(app: &TestApi, pk: &str) -> Vec<R> {
    asked::waiting(&*app.store, pk).await.unwrap().into_iter().map(|(_, request)| request).collect()
}

fn campaign(stack: &str, layer: &str, hosts: &[&str]) -> Campaign {
    let new = NewCampaign {
        id: strata_domain::updates::campaign_id(&layer.into(), NOW.parse().unwrap()),
        stack_id: stack.into(),
        stack_name: "shop".into(),
        layer_id: layer.into(),
        layer_name: "ecs-cluster".into(),
        requested_by: "bob".into(),
        reason: None,
        asked_at: NOW.parse().unwrap(),
        settings: serde_json::from_value(json!({})).unwrap(),
        drain: strata_domain::claims::DrainPolicy::Wait,
        hosts: hosts.iter().map(|h| ((*h).into(), (*h).to_owned())).collect(),
    };
    Campaign::begin(new, NOW.parse().unwrap())
}

async fn run_campaign(app: &TestApi, campaign: &Campaign) {
    let mark = keys::campaign_mark(&campaign.stack_id, &campaign.layer_id);
    let changes = vec![
        Change::put(keys::campaign(&campaign.id), campaign, Expect::Absent),
        Change::put(mark, &campaign.id, Expect::Absent),
    ];
    app.commit(changes).await;
}

fn teardown(stack: &str, layer: &str, by: &str) -> Teardown {
    let new = NewTeardown {
        id: strata_domain::teardown::teardown_id(&layer.into(), NOW.parse().unwrap()),
        stack_id: stack.into(),
        stack_name: "shop".into(),
        layer_id: layer.into(),
        layer_name: "web".into(),
        layer_shortname: "ecs-cluster".into(),
        cluster: None,
        options: Options::default(),
        requested_by: by.into(),
        asked_at: NOW.parse().unwrap(),
    };
    Teardown::begin(new, NOW.parse().unwrap())
}

/// Also while the bus takes nothing, and once for a call that an SDK repeats.
#[tokio::test]
async fn a_request_is_written_down_and_journalled_and_its_function_is_told() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.cloud.events.lock().unwrap().clear();
    app.cloud.events_fail.store(true, Ordering::Relaxed);
    let members = json!({ "LayerId": layer, "Verb": "start", "Reason": " kernel fixes " });
    let again = async || {
        let mut request = TestApi::request("any", members.to_string());
        request.headers_mut().insert("x-amz-target", format!("{TARGET_PREFIX}RequestCampaign").parse().unwrap());
        request.headers_mut().insert("amz-sdk-invocation-id", "one".parse().unwrap());
        app.send(request).await.good()
    };
    let told = again().await;
    app.cloud.events_fail.store(false, Ordering::Relaxed);
    assert_eq!(again().await, told, "a repeat is answered with the first result");
    assert_eq!((text(&told["id"]), text(&told["subject"])), (format!("{layer}-1767225600"), "shop/ecs-cluster".to_owned()));
    let expected = CampaignRequest {
        verb: RequestVerb::Start,
        stack: stack.clone(),
        layer: layer.clone(),
        requested_by: USER.to_owned(),
        reason: Some("kernel fixes".to_owned()),
        at: NOW.parse().unwrap(),
    };
    assert_eq!(requests::<CampaignRequest>(&app, keys::CAMPAIGN_REQUESTS_PK).await, [expected]);
    let waiting = campaigns(&app, json!({ "LayerId": layer })).await.layers.remove(0).waiting;
    assert_eq!((waiting.len(), waiting[0].verb), (1, RequestVerb::Start));

    let confirmed = json!({ "LayerId": layer, "Verb": "start", "Confirm": "web", "DeleteServices": true });
    ask_for(&app, "RequestTeardown", confirmed).await.good();
    let request = requests::<TeardownRequest>(&app, keys::TEARDOWN_REQUESTS_PK).await.remove(0);
    assert_eq!((request.delete_services, request.delete_stack, request.confirm.as_deref()), (true, false, Some("web")));
    let words: Vec<String> = app.cloud.events.lock().unwrap().iter().map(|e| e.detail_type.clone()).collect();
    assert_eq!(words, [TEARDOWN_ASKED], "the first word was lost, which the tick makes up for");
    assert_ne!(CAMPAIGN_ASKED, TEARDOWN_ASKED);
    let journal = app.store.list(&Listing::of(keys::journal_pk(Some(&stack.as_str().into())), "")).await.unwrap();
    let did: Vec<String> = journal.iter().map(|item| item.decode::<DecisionRecord>().unwrap().did).collect();
    for job in ["campaign", "teardown"] {
        assert_eq!(did.iter().filter(|d| **d == format!("hand on the request to start the {job}")).count(), 1, "{did:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_leaves_no_request() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let of_layer = |more: Value| with(&json!({ "LayerId": layer }), more);
    for (action, members, says) in [
        ("RequestCampaign", of_layer(json!({ "Verb": "stop" })), "expected start, pause, resume or abort, not \"stop\""),
        ("RequestCampaign", of_layer(json!({})), "Verb"),
        ("RequestCampaign", json!({ "Verb": "start" }), "Layer Id"),
        ("RequestCampaign", of_layer(json!({ "Verb": "start", "Reason": "two\nlines" })), "on one line"),
        ("RequestCampaign", of_layer(json!({ "Verb": "start", "Reason": "x".repeat(257) })), "at most 256"),
        ("RequestCampaign", of_layer(json!({ "Verb": "pause" })), "No campaign of shop/ecs-cluster is under way"),
        ("RequestTeardown", of_layer(json!({ "Verb": "abort" })), "No teardown of shop/ecs-cluster is under way"),
        ("RequestTeardown", of_layer(json!({ "Verb": "start" })), "the confirmation must be the layer's name, web"),
        ("RequestTeardown", of_layer(json!({ "Verb": "start", "Confirm": "ecs-cluster" })), "the layer's name, web"),
    ] {
        let told = ask_for(&app, action, members.clone()).await.invalid();
        assert!(told.contains(says), "{action} {members}: {told}");
    }
    for action in ["RequestCampaign", "RequestTeardown", "PlanCampaign", "PlanTeardown", "DescribeCampaigns", "DescribeTeardowns"]
    {
        ask_for(&app, action, json!({ "LayerId": "unknown", "Verb": "start" })).await.not_found();
    }
    assert_eq!(requests::<CampaignRequest>(&app, keys::CAMPAIGN_REQUESTS_PK).await, []);
    assert_eq!(requests::<TeardownRequest>(&app, keys::TEARDOWN_REQUESTS_PK).await, []);
}

#[tokio::test]
async fn a_start_is_refused_while_another_waits_or_runs_and_in_a_mode_that_forbids_it() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let start = |confirm: &str| json!({ "LayerId": layer, "Verb": "start", "Confirm": confirm });
    for mode in [Mode::Frozen, Mode::Observe] {
        app.account.set_mode(ModeScope::Installation, Some(mode));
        for action in ["RequestCampaign", "RequestTeardown"] {
            let told = ask_for(&app, action, start("web")).await.invalid();
            assert!(told.contains(&format!("the mode is {}; strata thaw", mode.as_str())), "{told}");
        }
    }
    app.account.set_mode(ModeScope::Installation, None);
    let json = json!({ "LayerId": layer, "CustomJson": r#"{"strata":{"protected":true}}"# });
    app.call("UpdateLayer", json).await.good();
    let told = ask_for(&app, "RequestTeardown", start("web")).await.invalid();
    assert!(told.contains("web is protected"), "{told}");
    let plan: TeardownPlanned =
        serde_json::from_value(ask_for(&app, "PlanTeardown", json!({ "LayerId": layer })).await.good()).unwrap();
    assert!(plan.blocked[0].contains("web is protected"), "{plan:?}");
    app.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": "{}" })).await.good();

    ask_for(&app, "RequestCampaign", start("web")).await.good();
    ask_for(&app, "RequestTeardown", start("web")).await.good();
    for action in ["RequestCampaign", "RequestTeardown"] {
        let told = ask_for(&app, action, start("web")).await.invalid();
        assert!(told.contains(&format!("was asked for at {NOW} by {USER}")), "{told}");
    }
    run_campaign(&app, &campaign(&stack, &layer, &[])).await;
    let told = ask_for(&app, "RequestCampaign", start("web")).await.invalid();
    assert!(told.contains("is under way since 2026-01-01T00:00:00Z, asked for by bob, running"), "{told}");
}

#[tokio::test]
async fn an_order_tells_what_becomes_of_each_host_and_waits_to_be_heeded() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let mut running = campaign(&stack, &layer, &["web1", "web2"]);
    running.progress.get_mut(&"web1".into()).unwrap().phase = Phase::Draining { since: NOW.parse().unwrap() };
    run_campaign(&app, &running).await;
    for (verb, says) in [
        ("pause", "web1: drained and updated to the end, then back in service"),
        ("resume", "web2: their turn comes, wave by wave"),
        ("abort", "web1: given back at once, not updated"),
    ] {
        let told = ask_for(&app, "RequestCampaign", json!({ "LayerId": layer, "Verb": verb })).await.good();
        assert_eq!(text(&told["id"]), running.id.to_string());
        assert!(told["says"].as_array().unwrap().contains(&json!(says)), "{told}");
    }
    let told = campaigns(&app, json!({ "LayerId": layer })).await.layers.remove(0);
    assert_eq!(told.job.unwrap().tally, "0 updated, 0 failed, 0 skipped, 2 left");
    assert_eq!(told.waiting.len(), 3);
    app.account.set_mode(ModeScope::Installation, Some(Mode::Frozen));
    let told = campaigns(&app, json!({})).await.layers.remove(0);
    assert_eq!(told.held_up.as_deref(), Some("the mode is frozen; strata thaw lets it act"));
}

#[tokio::test]
async fn a_plan_shows_the_waves_and_changes_nothing() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let json =
        json!({ "LayerId": layer, "CustomJson": r#"{"strata":{"updates":{"max_unavailable_percent":60,"soak_minutes":5}}}"# });
    app.call("UpdateLayer", json).await.good();
    for _ in 0..3 {
        let id = app.instance(&stack, &layer, json!({})).await;
        app.settle(&id, InstanceStatus::Online).await;
    }
    app.instance(&stack, &layer, json!({})).await;
    let before = app.store.list(&Listing::of(keys::stack_pk(&stack.as_str().into()), "")).await.unwrap();
    let answer = ask_for(&app, "PlanCampaign", json!({ "LayerId": layer })).await.good();
    let planned: CampaignPlanned = serde_json::from_value(answer).unwrap();
    assert_eq!(planned.plan.waves.iter().map(|w| w.hosts.len()).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!((planned.plan.online, planned.plan.may_be_out, planned.plan.skipped.len()), (3, 1, 1));
    assert!(planned.plan.skipped[0].why.starts_with("it is stopped"), "{planned:?}");
    let answer = ask_for(&app, "PlanTeardown", json!({ "LayerId": layer, "DeleteStack": true })).await.good();
    let planned: TeardownPlanned = serde_json::from_value(answer).unwrap();
    let does: Vec<&String> = planned.plan.stages.iter().flat_map(|stage| &stage.does).collect();
    assert_eq!(does.iter().filter(|d| d.starts_with("drain and stop")).count(), 3, "{does:?}");
    assert_eq!(does.last().unwrap().as_str(), "delete the stack");
    let services = json!({ "LayerId": layer, "DeleteServices": true });
    let planned: TeardownPlanned = serde_json::from_value(ask_for(&app, "PlanTeardown", services).await.good()).unwrap();
    assert!(planned.blocked[0].contains("The services cannot be read"), "an ECS that says no hides nothing else: {planned:?}");
    assert_eq!(app.store.list(&Listing::of(keys::stack_pk(&stack.as_str().into()), "")).await.unwrap(), before);
}

#[tokio::test]
async fn a_layer_that_is_gone_is_told_by_its_teardown_and_to_whom_that_may_be() {
    let app = TestApi::new();
    for by in [USER, "arn:aws:iam::123456789012:user/bob"] {
        let id = if by == USER { "gone-1" } else { "gone-2" };
        let mut ended = teardown("gone-stack", id, by);
        ended.state = TeardownState::Ended { at: NOW.parse().unwrap(), outcome: TeardownOutcome::Completed };
        let answer = JobAnswer {
            verb: RequestVerb::Start,
            requested_by: by.to_owned(),
            asked_at: NOW.parse().unwrap(),
            at: NOW.parse().unwrap(),
            refused: None,
        };
        let put = Change::put(keys::ended_teardown(&ended.id), &ended, Expect::Absent);
        app.commit(vec![put, Change::put(keys::teardown_answer(id), &answer, Expect::Absent)]).await;
    }
    let told = teardowns(&app, json!({ "LayerId": "gone-1" })).await.layers.remove(0);
    assert_eq!((told.subject.as_str(), told.job.unwrap().outcome.as_deref()), ("shop/ecs-cluster", Some("completed")));
    assert!(told.answer.is_some() && told.held_up.is_none());
    assert_eq!(teardowns(&app, json!({})).await.layers.len(), 2);
    app.cloud.advance(60);
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:DescribeInstances".into()], ..Policy::administrator() });
    assert_eq!(teardowns(&app, json!({ "LayerId": "gone-1" })).await.layers.len(), 1, "whoever took it down may see that");
    ask_for(&app, "DescribeTeardowns", json!({ "LayerId": "gone-2" })).await.error("AccessDeniedException");
    app.cloud.advance(60);
    app.account.set_policy(USER, Policy::administrator());
    let told = ask_for(&app, "RequestTeardown", json!({ "LayerId": "gone-1", "Verb": "abort" })).await.invalid();
    assert!(told.contains("No teardown of shop/ecs-cluster is under way"), "{told}");
    ask_for(&app, "RequestTeardown", json!({ "LayerId": "gone-1", "Verb": "start" })).await.not_found();
}

/// [PERM-3]: a campaign takes what update_dependencies takes, a teardown the right to all that it does in a person's place.
#[tokio::test]
async fn perm_3_a_job_takes_the_rights_of_what_it_does() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    run_campaign(&app, &campaign(&stack, &layer, &[])).await;
    let request = |verb: &str| json!({ "LayerId": layer, "Verb": verb, "Confirm": "web", "DeleteStack": true });
    let without = |action: &str| Policy { deny: vec![format!("opsworks:{action}")], ..Policy::administrator() };
    app.account.set_policy(USER, without("CreateDeployment"));
    ask_for(&app, "RequestCampaign", request("abort")).await.error("AccessDeniedException");
    ask_for(&app, "PlanCampaign", request("")).await.good();
    for action in ["DeleteLayer", "StopInstance", "DeleteInstance", "DeregisterInstance", "DeregisterEcsCluster", "DeleteStack"] {
        app.cloud.advance(60);
        app.account.set_policy(USER, without(action));
        let told = ask_for(&app, "RequestTeardown", request("start")).await.error("AccessDeniedException");
        assert!(told.contains(&format!("opsworks:{action}")), "{told}");
    }
    let told = with(&request("start"), json!({ "DeleteStack": false }));
    ask_for(&app, "RequestTeardown", told).await.good();
    app.cloud.advance(60);
    app.account.set_policy(USER, without("DescribeInstances"));
    for action in ["PlanCampaign", "DescribeCampaigns", "PlanTeardown", "DescribeTeardowns"] {
        ask_for(&app, action, json!({ "LayerId": layer })).await.error("AccessDeniedException");
    }
}

#[tokio::test]
async fn debt_is_what_hosts_told_of_themselves_and_an_unreadable_word_is_none() {
    use crate::api::extension::Debts;
    use strata_domain::updates::debt::Standing;
    use strata_domain::updates::{PatchReport, PatchState};
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let told = PatchState::after(None, PatchReport::of("patches: missing=2 security=1 reboot=no").unwrap(), NOW.parse().unwrap());
    for n in 0..3 {
        let id = app.instance(&stack, &layer, json!({})).await;
        let key = keys::patch_state(&stack.as_str().into(), &id.as_str().into());
        match n {
            0 => app.commit(vec![Change::put(key, &told, Expect::Absent)]).await,
            1 => app.commit(vec![Change::put(key, &"torn", Expect::Absent)]).await,
            _ => {}
        }
    }
    let asked = ask_for(&app, "DescribeDebt", json!({ "LayerId": layer })).await.good();
    assert_eq!(ask_for(&app, "DescribeDebt", json!({})).await.good(), asked);
    let debts: Debts = serde_json::from_value(asked).unwrap();
    let standings: Vec<Standing> = debts.layers[0].debt.hosts.iter().map(|h| h.standing).collect();
    assert_eq!(standings, [Standing::Behind, Standing::Unknown, Standing::Unknown]);
    assert_eq!((debts.layers[0].debt.behind, debts.layers[0].debt.miss_security), (1, 1));
    assert_eq!(debts.layers[0].debt.next_window, None);
}
