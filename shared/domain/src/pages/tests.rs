use serde_json::Value;

use super::message::{LARGEST, LONGEST_SMS, LONGEST_SUBJECT, MOST_ATTRIBUTES};
use super::*;

const ORIGIN: Origin<'_> = Origin { installation: "strata", account: "123456789012", region: "eu-west-1" };

fn page() -> Page {
    Page {
        incident: "heal/2f18b4cb/7".to_owned(),
        resolved: false,
        severity: Severity::Warning,
        kind: PageKind::AutoHealing,
        stack: "shop".to_owned(),
        layer: Some("ecs-cluster".to_owned()),
        host: Some("web3".to_owned()),
        what: "web3 has failed and is being healed".to_owned(),
        why: "the ECS agent and the SSM agent are silent for 5 minutes".to_owned(),
        did: "heal web3".to_owned(),
        next: "aws opsworks describe-instances --instance-ids 2f18b4cb".to_owned(),
        decision: "d-1".into(),
        at: "2026-03-02T18:05:12.041Z".parse().unwrap(),
    }
}

/// Whatever a user may have named things, repeated to any length.
fn of_length(unit: &str, times: usize) -> Page {
    let long = || unit.repeat(times);
    Page {
        stack: long(),
        layer: Some(long()),
        host: Some(long()),
        what: long(),
        why: long(),
        did: long(),
        next: long(),
        ..page()
    }
}

#[test]
fn a_page_says_what_where_why_what_was_done_and_what_to_run_next() {
    let message = Message::of(&page(), &ORIGIN);
    assert_eq!(message.subject, "warning: shop/ecs-cluster/web3: web3 has failed and is being healed");
    assert_eq!(
        message.text,
        "\
WARNING: web3 has failed and is being healed

where     shop/ecs-cluster/web3 (strata in eu-west-1, account 123456789012)
why       the ECS agent and the SSM agent are silent for 5 minutes
did       heal web3
next      aws opsworks describe-instances --instance-ids 2f18b4cb
runbook   docs/pages.md#auto-healing
when      2026-03-02 18:05:12 UTC
incident  heal/2f18b4cb/7
decision  d-1
"
    );
    assert_eq!(
        message.sms,
        "Strata warning: shop/ecs-cluster/web3: web3 has failed and is being healed. aws opsworks describe-instances --instance-ids 2f18b4cb"
    );
    let attributes: Vec<(&str, &str)> = message.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        attributes,
        [
            ("host", "web3"),
            ("installation", "strata"),
            ("kind", "auto-healing"),
            ("layer", "ecs-cluster"),
            ("severity", "warning"),
            ("stack", "shop"),
            ("status", "open"),
        ]
    );
}

#[test]
fn an_incidents_pages_have_one_alarm_name_and_its_end_closes_what_its_beginning_opened() {
    let open = Message::of(&page(), &ORIGIN).alarm;
    let later = Page { at: "2026-03-02T18:15:12Z".parse().unwrap(), what: "web3 is online".to_owned(), ..page() };
    let resolved = Message::of(&Page { resolved: true, ..later.clone() }, &ORIGIN);
    let repeat = Message::of(&later, &ORIGIN).alarm;
    for (told, new, old) in [(&open, "ALARM", "OK"), (&repeat, "ALARM", "OK"), (&resolved.alarm, "OK", "ALARM")] {
        assert_eq!(told["AlarmName"], "strata: auto-healing shop/ecs-cluster/web3 (heal/2f18b4cb/7)");
        assert_eq!((&told["NewStateValue"], &told["OldStateValue"]), (&Value::from(new), &Value::from(old)));
    }
    assert_eq!(open["StateChangeTime"], "2026-03-02T18:05:12.041+0000");
    assert_eq!(resolved.subject, "resolved: shop/ecs-cluster/web3: web3 is online");
    assert!(resolved.attributes.contains(&("status", "resolved".to_owned())));
    // Whoever hears of critical incidents only must hear of their end.
    assert!(resolved.attributes.contains(&("severity", "warning".to_owned())));

    let other = Message::of(&Page { incident: "heal/2f18b4cb/8".to_owned(), ..page() }, &ORIGIN).alarm;
    assert_ne!(open["AlarmName"], other["AlarmName"], "another incident is another alarm");
}

#[test]
fn long_names_never_make_two_incidents_one() {
    let named = |incident: &str| {
        let page = Page { incident: incident.to_owned(), ..of_length("long", 100) };
        Message::of(&page, &ORIGIN).alarm["AlarmName"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("heal/a/1").chars().count(), alarm::LONGEST_NAME);
    assert_ne!(named("heal/a/1"), named("heal/a/2"));
}

#[test]
fn a_notice_opens_no_incident_since_nobody_would_close_it() {
    let notice = Message::of(&Page { severity: Severity::Info, ..page() }, &ORIGIN);
    assert_eq!((&notice.alarm["NewStateValue"], &notice.alarm["OldStateValue"]), (&Value::from("OK"), &Value::from("OK")));
    assert!(notice.text.starts_with("FOR THE RECORD: ") && notice.subject.starts_with("info: "));
    assert!(notice.attributes.contains(&("status", "notice".to_owned())));
}

#[test]
fn each_protocol_gets_its_form_as_a_string() {
    let message = Message::of(&page(), &ORIGIN);
    let body: serde_json::Map<String, Value> = serde_json::from_str(&message.by_protocol()).unwrap();
    for (protocol, form) in &body {
        let form = form.as_str().unwrap();
        match protocol.as_str() {
            "default" | "email" => assert_eq!(form, message.text),
            "sms" => assert_eq!(form, message.sms),
            _ => assert_eq!(serde_json::from_str::<Value>(form).unwrap(), message.alarm, "{protocol}"),
        }
    }
    let protocols: Vec<&str> = body.keys().map(String::as_str).collect();
    assert_eq!(protocols, ["default", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs"]);
}

#[test]
fn whatever_things_are_named_sns_takes_the_message() {
    let limit = |unit: &str, times: usize| {
        let message = Message::of(&of_length(unit, times), &ORIGIN);
        let about = format!("{unit:?} x {times}");
        assert!(message.subject.chars().count() <= LONGEST_SUBJECT, "{about}");
        assert!(message.subject.chars().all(|c| c.is_ascii() && !c.is_ascii_control()), "{about}: {}", message.subject);
        assert!(message.subject.starts_with(|c: char| c.is_ascii_alphanumeric()), "{about}");
        assert!(message.sms.is_ascii() && message.sms.len() <= LONGEST_SMS, "{about}: {}", message.sms);
        assert!(message.bytes() <= LARGEST, "{about}: {}", message.bytes());
        assert!(message.attributes.len() <= MOST_ATTRIBUTES, "{about}");
        assert!(message.attributes.iter().all(|(_, v)| !v.is_empty() && !v.contains(char::is_control)), "{about}");
        assert!(!message.alarm["NewStateReason"].as_str().unwrap().contains('\n'), "{about}");
        assert!(message.text.lines().count() <= 10, "{about}: a name cannot add a line:\n{}", message.text);
    };
    // The last three are the longest that they can be in JSON within JSON.
    for unit in ["", "\n", "a\r\n", "ü", "\u{1b}[2J", "\"", "\\", "🙂"] {
        for times in [1, 30, 31, 99, 100, 127, 128, 129, 999, 1_000, 1_001, 100_000] {
            limit(unit, times);
        }
    }
}

#[test]
fn a_page_of_an_earlier_version_is_still_understood() {
    for (text, kind) in [("\"setup_failed\"", PageKind::SetupFailed), ("\"stop_failed\"", PageKind::StopFailed)] {
        assert_eq!(serde_json::from_str::<PageKind>(text).unwrap(), kind);
    }
    for kind in PageKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
