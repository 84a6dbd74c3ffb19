//! What every pager must do, as a subscriber sees it.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde_json::Value;
use strata_domain::decision::{Page, Severity};
use strata_domain::pages::PageKind;

use crate::Pager;

/// A notice as a program that is subscribed gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// Subject.
    pub subject: String,
    /// Body: the form for machines.
    pub body: String,
    /// Message attributes.
    pub attributes: BTreeMap<String, String>,
}

impl Delivered {
    /// The body, read.
    ///
    /// # Panics
    /// If it is no JSON.
    pub fn alarm(&self) -> Value {
        serde_json::from_str(&self.body).expect("the form for machines is JSON")
    }
}

/// Gives what has been delivered since it was last asked.
pub type Inbox<'a> = &'a (dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Delivered>> + Send + 'a>> + Sync);

/// A page of an incident.
pub fn example(incident: &str) -> Page {
    Page {
        incident: incident.to_owned(),
        resolved: false,
        severity: Severity::Warning,
        kind: PageKind::AutoHealing,
        stack: "contract".to_owned(),
        layer: Some("ecs-cluster".to_owned()),
        host: Some("web1".to_owned()),
        what: "web1 has failed and is being healed".to_owned(),
        why: "EC2's status check fails".to_owned(),
        did: "heal web1".to_owned(),
        next: "aws opsworks describe-instances --instance-ids 1".to_owned(),
        decision: "decision-1".into(),
        at: "2026-03-02T18:05:12.041Z".parse().expect("a literal time"),
    }
}

/// SNS: an incident's beginning, its repeat and its end come under one alarm name, with attributes to filter by; what no protocol takes in a
/// name keeps no page from being sent.
///
/// # Panics
/// With what was broken.
pub async fn pager_contract(pager: &dyn Pager, inbox: Inbox<'_>) {
    let open = example("contract/1");
    let resolved = Page { resolved: true, what: "web1 is online".to_owned(), ..open.clone() };
    for page in [&open, &open, &resolved] {
        pager.publish(page).await.expect("a page is accepted");
    }
    let got = inbox().await;
    let told: Vec<(Value, Value)> =
        got.iter().map(|d| (d.alarm()["AlarmName"].clone(), d.alarm()["NewStateValue"].clone())).collect();
    let name = told.first().map(|(name, _)| name.clone()).expect("a page is delivered");
    assert!(name.as_str().is_some_and(|name| name.contains("contract/1")), "{name}");
    let expected = ["ALARM", "ALARM", "OK"].map(|state| (name.clone(), Value::from(state)));
    assert_eq!(told, expected, "one incident has one name, a repeat included, and its end closes it");
    assert_eq!(got[0].subject, "warning: contract/ecs-cluster/web1: web1 has failed and is being healed");
    let seen: Vec<(&str, &str)> = got[2].attributes.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let wanted = [
        ("host", "web1"),
        ("installation", "strata"),
        ("kind", "auto-healing"),
        ("layer", "ecs-cluster"),
        ("severity", "warning"),
        ("stack", "contract"),
        ("status", "resolved"),
    ];
    assert_eq!(seen, wanted);
    odd_names(pager, inbox).await;
}

async fn odd_names(pager: &dyn Pager, inbox: Inbox<'_>) {
    for (number, unit) in ["\"\\", "🙂", "a\r\nb\u{7}"].into_iter().enumerate() {
        let odd = unit.repeat(20_000);
        let page = Page {
            stack: odd.clone(),
            layer: None,
            host: Some(String::new()),
            what: odd.clone(),
            why: odd.clone(),
            did: odd.clone(),
            next: odd,
            ..example(&format!("contract/odd/{number}"))
        };
        pager.publish(&page).await.expect("a page with odd names is accepted");
        let got = inbox().await;
        assert_eq!(got.len(), 1, "{unit:?}");
        assert!(got[0].subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control()), "{}", got[0].subject);
        assert_eq!(got[0].alarm()["Strata"]["Incident"], page.incident.as_str());
        assert!(!got[0].attributes.contains_key("layer") && !got[0].attributes.contains_key("host"), "no attribute is empty");
    }
}
