//! What is told of commits.

use serde_json::{Value, json};
use strata_domain::decision::{Function, Severity, Touched};
use strata_domain::pages::PageKind;
use strata_domain::{DecisionId, StackId};
use strata_local::MemoryStore;
use strata_ports::Told;

use super::*;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        at("12:00:00")
    }
}

fn at(time: &str) -> Timestamp {
    format!("2026-03-01T{time}Z").parse().unwrap()
}

fn telling() -> (TellingStore, Meter) {
    let meter = Meter::new("strata", Function::InstanceLifecycle);
    (TellingStore::new(Arc::new(MemoryStore::new()), meter.clone(), Arc::new(Noon)), meter)
}

/// The metrics since the last look, without the format's frame.
fn measured(meter: &Meter) -> Value {
    let mut seen = json!({});
    for line in meter.take(at("12:00:00")) {
        let Value::Object(line) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        for metric in Metric::ALL {
            if let Some(value) = line.get(metric.name()) {
                seen[metric.name()] = value.clone();
            }
        }
    }
    seen
}

fn key() -> Key {
    keys::instance(&"s".into(), &"i".into())
}

fn record(status: &str, since: &str, more: Value) -> Value {
    let mut record = json!({
        "status": status, "status_since": at(since), "started_at": at("11:50:00"), "has_been_online": false, "container_instance_arn": null,
        "and": "all that the metrics do not ask for",
    });
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// Writes one record, reads it and writes another over it; what was measured.
async fn change(before: Value, after: Value) -> Value {
    let (store, meter) = telling();
    store.commit(vec![Change::put(key(), &before, Expect::Absent)]).await.unwrap();
    let item = store.get(&key()).await.unwrap().unwrap();
    store.commit(vec![Change::put(key(), &after, item.unchanged())]).await.unwrap();
    measured(&meter)
}

#[tokio::test]
async fn changes_of_status_are_counted_as_what_they_mean() {
    let cases = [
        ("requested", "pending", json!({}), json!({ "Starts": 1 })),
        ("running_setup", "online", json!({}), json!({ "TimeToOnline": 600_000 })),
        ("connection_lost", "online", json!({ "has_been_online": true }), json!({})),
        ("stopping", "shutting_down", json!({}), json!({ "Stops": 1 })),
        ("terminating", "shutting_down", json!({}), json!({ "Stops": 1 })),
        ("connection_lost", "stopping", json!({}), json!({ "Heals": 1 })),
        ("online", "stopping", json!({}), json!({})),
        ("pending", "pending", json!({}), json!({})),
    ];
    for (before, after, more, expected) in cases {
        let seen = change(record(before, "11:59:00", more), record(after, "12:00:00", json!({ "has_been_online": true }))).await;
        assert_eq!(seen, expected, "{before} to {after}");
    }
}

#[tokio::test]
async fn a_drain_lasts_from_shutting_down_until_the_host_has_left_its_cluster() {
    let in_cluster = json!({ "container_instance_arn": "arn:aws:ecs:eu-west-1:123456789012:container-instance/shop/1" });
    let before = record("shutting_down", "11:58:30", in_cluster.clone());
    assert_eq!(change(before.clone(), record("shutting_down", "11:58:30", json!({}))).await, json!({ "DrainTime": 90_000 }));
    assert_eq!(change(before.clone(), before).await, json!({}));
    let online = record("online", "11:58:30", in_cluster);
    assert_eq!(change(online, record("online", "11:58:30", json!({}))).await, json!({}));
}

#[tokio::test]
async fn a_record_that_was_not_read_or_has_changed_since_is_not_measured() {
    let (store, meter) = telling();
    store.commit(vec![Change::put(key(), &record("requested", "11:59:00", json!({})), Expect::Absent)]).await.unwrap();
    let pending = Change::put(key(), &record("pending", "12:00:00", json!({})), Expect::Version(1));
    store.commit(vec![pending.clone()]).await.unwrap();
    assert_eq!(measured(&meter), json!({}));
    store.get(&key()).await.unwrap();
    assert!(store.commit(vec![pending]).await.is_err());
    assert_eq!(measured(&meter), json!({}), "a commit that did not happen");
}

fn told() -> Told {
    let decision = DecisionRecord {
        id: DecisionId::from("d-1"),
        at: at("12:00:00"),
        function: Function::LoadScaling,
        trigger: "tick".to_owned(),
        subject: "shop/web".to_owned(),
        stack_id: Some(StackId::from("s")),
        layer_id: None,
        verdict: Verdict::WouldAct,
        saw: "up-cpu in ALARM".to_owned(),
        did: "would start web3".to_owned(),
        why: "the mode is observe".to_owned(),
        touched: Touched::default(),
    };
    let page = Page {
        incident: "heal/i/1".to_owned(),
        resolved: false,
        severity: Severity::Warning,
        kind: PageKind::AutoHealing,
        stack: "shop".to_owned(),
        layer: None,
        host: None,
        what: "web1 is gone".to_owned(),
        why: "a test".to_owned(),
        did: "nothing".to_owned(),
        next: "strata why shop".to_owned(),
        decision: decision.id.clone(),
        at: decision.at,
    };
    Told { decisions: vec![decision], pages: vec![page], events: Vec::new() }
}

#[tokio::test]
async fn a_decision_and_a_page_are_one_line_each_however_often_their_commit_is_tried() {
    let lines = Arc::new(Mutex::new(Vec::<u8>::new()));
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || Lines(writer.clone())).finish();
    let guard = tracing::subscriber::set_default(log);
    let (store, meter) = telling();
    store.commit(told().changes()).await.unwrap();
    assert!(store.commit(told().changes()).await.is_err(), "they are there already");
    // The lease that is taken before a page is sent, and the removal after it.
    let page = store.list(&Listing::of(keys::OUTBOX_PK, "")).await.unwrap().remove(0);
    let leased = Change::Put { key: page.key.clone(), value: page.value.clone(), expect: page.unchanged() };
    store.commit(vec![leased]).await.unwrap();
    store.commit(vec![Change::Delete { key: page.key, expect: Expect::Version(2) }]).await.unwrap();
    drop(guard);
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (field, expected) in [
        ("message", "decision"),
        ("decision.id", "d-1"),
        ("decision.function", "load-scaling"),
        ("decision.subject", "shop/web"),
        ("decision.verdict", "would_act"),
        ("decision.did", "would start web3"),
        ("decision.why", "the mode is observe"),
        ("stack.id", "s"),
    ] {
        assert_eq!(lines[0][field], expected, "{field}");
    }
    assert!(lines[0].get("layer.id").is_none());
    assert_eq!((&lines[1]["message"], &lines[1]["page.incident"]), (&json!("page"), &json!("heal/i/1")));
    assert_eq!((&lines[1]["page.resolved"], &lines[1]["decision.id"]), (&json!(false), &json!("d-1")));
    assert_eq!(measured(&meter), json!({ "Decisions": 1, "Pages": 1 }));
}

struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
