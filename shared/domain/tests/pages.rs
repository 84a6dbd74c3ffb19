//! `docs/pages.md` against the code: a runbook for each kind of page and none beside, with the very text that on-call gets.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;

use strata_domain::decision::{Page, Severity};
use strata_domain::pages::{Message, Origin, PageKind};

const DOCUMENT: &str = include_str!("../../../docs/pages.md");
const ORIGIN: Origin<'_> = Origin { installation: "strata", account: "123456789012", region: "eu-west-1" };
const INSTANCE: &str = "2f18b4cb-4de5-4429-a149-ff7da9f0d8ee";
const LAYER: &str = "5f2ad4c1-1f0e-4d5c-8b0f-4c1a3c3c5a11";

/// A page about web3, in the words of the function that sends it.
fn host(kind: PageKind, severity: Severity, incident: &str, words: [&str; 3]) -> Page {
    let [what, why, did] = words.map(str::to_owned);
    Page {
        incident: format!("{incident}/{INSTANCE}/7"),
        resolved: false,
        severity,
        kind,
        stack: "shop".to_owned(),
        layer: Some("ecs-cluster".to_owned()),
        host: Some("web3".to_owned()),
        what,
        why,
        did,
        next: format!("aws opsworks describe-instances --instance-ids {INSTANCE}"),
        decision: "0d8f1c3a-94c1-4f5e-9b0e-6d1b7c2a5e42".into(),
        at: "2026-03-02T18:05:12Z".parse().unwrap(),
    }
}

fn layer(kind: PageKind, severity: Severity, incident: &str, words: [&str; 3]) -> Page {
    let next = format!("aws opsworks describe-instances --layer-id {LAYER}");
    Page { host: None, next, incident: format!("{incident}/{LAYER}/1"), ..host(kind, severity, incident, words) }
}

const ANNOUNCED: &str = "what EC2 announces cannot be stopped, but its tasks can move first";

/// The examples of a kind.
fn examples(kind: PageKind) -> Vec<Page> {
    use Severity::{Critical, Info, Warning};
    match kind {
        PageKind::AutoHealing => vec![
            host(kind, Warning, "heal", ["web3 has failed and is being healed", "EC2's status checks fail", "heal web3"]),
            host(kind, Critical, "held", ["web3 has failed and is not healed", "ada holds it", "leave it alone"]),
        ],
        PageKind::HoldEnded => {
            let what = "the hold on shop/ecs-cluster/web3 has ended";
            let why = "arn:aws:iam::123456789012:user/ada held it until now: kernel dump";
            let page = host(kind, Info, "hold", [what, why, "scale, heal and update it again"]);
            let next = "strata hold shop/ecs-cluster/web3 --until 2h --reason '...'".to_owned();
            vec![Page { incident: format!("hold/{}", page.decision), next, ..page }]
        }
        PageKind::Outage => {
            let why = "so many hosts are sick at once that it is an outage of something else";
            vec![layer(
                kind,
                Critical,
                "outage",
                ["many hosts of shop/ecs-cluster have failed at once", why, "heal none of them"],
            )]
        }
        PageKind::ScalingBlocked => {
            let what = "shop/ecs-cluster has not been able to scale for 5 minutes";
            let at = "2026-03-02T18:00:12Z";
            let exhausted = "strata/shop/ecs-cluster/up-cpu asks for upscaling, but no load-based instance is left to start";
            let silent = "scaling is blocked: alarm queue-depth has insufficient data";
            let next = "aws cloudwatch describe-alarms --alarm-types MetricAlarm CompositeAlarm --alarm-names 'queue-depth'";
            let page = |severity, words| {
                let page = layer(kind, severity, "scaling-blocked", words);
                Page { incident: format!("scaling-blocked/{LAYER}/{at}"), ..page }
            };
            vec![
                page(Critical, [what, exhausted, "go on with what is online"]),
                Page { next: next.to_owned(), ..page(Warning, [what, silent, "start and stop nothing"]) },
            ]
        }
        PageKind::ScheduledEvent => {
            let what = "EC2 has scheduled instance-retirement for the machine of web3";
            let words = [what, ANNOUNCED, "drain web3 when its time comes nearer"];
            vec![Page { incident: "instance-retirement/i-0a1b2c3d4e5f60718".to_owned(), ..host(kind, Info, "scheduled", words) }]
        }
        PageKind::SetupFailed => {
            let words = ["web3 is setup_failed", "Setup did not finish in time", "leave web3 setup_failed"];
            vec![host(kind, Warning, "setup_failed", words)]
        }
        PageKind::SpotInterruption => {
            let what = "EC2 takes the Spot machine of web3 back in two minutes";
            let words = [what, ANNOUNCED, "drain web3 and start web7 in its place"];
            vec![Page { incident: "spot-interruption/i-0a1b2c3d4e5f60718".to_owned(), ..host(kind, Info, "spot", words) }]
        }
        PageKind::StartFailed => {
            let why = "EC2 refused to start the machine: InsufficientInstanceCapacity: there is no c7i.large left in eu-west-1a";
            vec![host(kind, Warning, "start_failed", ["web3 is start_failed", why, "leave web3 start_failed"])]
        }
        PageKind::StopFailed => {
            let why = "EC2 did not take the machine down, though forced";
            vec![host(kind, Warning, "stop_failed", ["web3 is stop_failed", why, "leave web3 stop_failed"])]
        }
        PageKind::TeardownBlocked => {
            let what = "the teardown of shop/ecs-cluster is blocked: removal of the services does not end";
            let why = "api (desired 0, 2 tasks)";
            let did = "keeps trying; what to do: look at the service's events";
            vec![layer(kind, Warning, "teardown", [what, why, did])]
        }
        PageKind::TeardownPlanned => {
            let moment = "2026-03-06T18:00:00Z";
            let planned = format!("shop/ecs-cluster will be taken down at {moment}");
            let why = format!("its strata settings plan it for {moment}, with the cluster's services, volumes");
            let did = "nothing yet; to keep it, take \"teardown\" out of its strata settings or set \"protected\"";
            let kept = format!("shop/ecs-cluster was not taken down at {moment}");
            let protected = "ECS Cluster is protected; take \"protected\" out of its strata settings first";
            let leave = "leave it standing; give a new moment, or ask for the teardown";
            let page = |severity, words, number| {
                let next = format!("aws opsworks describe-layers --layer-ids {LAYER}");
                let incident = format!("teardown-planned/{LAYER}/1772820000/{number}");
                Page { next, incident, ..layer(kind, severity, "teardown-planned", words) }
            };
            vec![page(Warning, [&planned, &why, did], "day"), page(Info, [&kept, protected, leave], "given-up")]
        }
        PageKind::UpdateBlocked => {
            let what = "the rolling update of shop/ecs-cluster has begun no wave for 30 minutes";
            let why = "the other hosts have no room for the tasks of any host that waits, for example 1024 CPU units and 2048 MiB of web3";
            let did = "hosts in service stay there; it looks again every minute until 2026-03-02T19:15:00Z";
            vec![layer(kind, Warning, "update-blocked", [what, why, did])]
        }
        PageKind::UpdatePaused => {
            let why = "2 hosts have failed: web3, web4";
            let did = "no new host is begun, those in flight are finished";
            vec![layer(kind, Warning, "update", ["the rolling update of shop/ecs-cluster is paused", why, did])]
        }
        PageKind::UsersOutOfStep => {
            let what = "the users of web3 are not in step with their permissions";
            let why = "the command said: users are not in step; the messages are above";
            vec![host(kind, Warning, "users", [what, why, "try again, at most an hour apart"])]
        }
    }
}

/// The runbooks: what follows each heading that is a kind.
fn runbooks() -> BTreeMap<&'static str, &'static str> {
    let sections = DOCUMENT.split("\n## `").skip(1);
    sections.map(|section| section.split_once("`\n").expect("a heading of one word")).collect()
}

/// A page as the document shows it: subject, then the text.
fn shown(page: &Page) -> String {
    let message = Message::of(page, &ORIGIN);
    format!("```text\nSubject: {}\n\n{}```", message.subject, message.text)
}

#[test]
fn every_kind_has_a_runbook_and_every_runbook_is_of_a_kind() {
    let kinds: Vec<&str> = PageKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(runbooks().into_keys().collect::<Vec<_>>(), kinds);
    for (kind, runbook) in runbooks() {
        assert!(runbook.contains("\n1. ") && runbook.contains("\n2. "), "{kind}: a runbook has steps");
    }
}

#[test]
fn the_examples_are_what_on_call_gets() {
    let runbooks = runbooks();
    let mut missing = Vec::new();
    let mut stale = Vec::new();
    for kind in PageKind::ALL {
        let examples: Vec<String> = examples(*kind).iter().map(shown).collect();
        let written = runbooks.get(kind.as_str()).copied().unwrap_or_default();
        if written.matches("```text").count() != examples.len() {
            stale.push(kind.as_str());
        }
        missing.extend(examples.into_iter().filter(|example| !written.contains(example.as_str())));
    }
    assert!(missing.is_empty(), "docs/pages.md should show:\n{}", missing.join("\n"));
    assert!(stale.is_empty(), "an example that the code does not give stands under {}", stale.join(", "));
}

#[test]
fn the_form_for_machines_is_what_a_program_gets() {
    let alarm = Message::of(&examples(PageKind::AutoHealing)[0], &ORIGIN).alarm;
    let written = DOCUMENT.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next()).expect("an example");
    let pretty = serde_json::to_string_pretty(&alarm).unwrap();
    assert_eq!(written, pretty, "docs/pages.md should show:\n{pretty}");
}
