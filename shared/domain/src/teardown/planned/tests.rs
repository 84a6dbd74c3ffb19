use super::*;
use crate::decision::Severity;
use crate::pages::PageKind;

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// So many minutes after the moment.
fn at(minutes: i64) -> Timestamp {
    "2026-03-06T18:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn settings(minutes: i64) -> TeardownSettings {
    TeardownSettings { at: at(minutes).to_string(), confirm: "Web hosts".into(), ..TeardownSettings::default() }
}

fn page() -> Page {
    Page {
        incident: "teardown-planned/l/1/day".into(),
        resolved: false,
        severity: Severity::Warning,
        kind: PageKind::TeardownPlanned,
        stack: "shop".into(),
        layer: Some("web".into()),
        host: None,
        what: String::new(),
        why: String::new(),
        did: String::new(),
        next: String::new(),
        decision: "d".into(),
        at: at(0),
    }
}

fn planned() -> Planned {
    Planned::new("s".into(), Some("l".into()), at(0))
}

/// With these pages sent, so many minutes after the moment.
fn warned(pages: &[(Ahead, i64)]) -> Planned {
    let mut planned = planned();
    pages.iter().for_each(|(ahead, minute)| planned.warn(at(0), *ahead, page(), at(*minute)));
    planned
}

fn short(steps: &[PlanStep]) -> String {
    let word = |step: &PlanStep| match step {
        PlanStep::Warn { ahead, begins_at } => {
            format!("warn {} {}", ahead.as_str(), begins_at.duration_since(at(0)).as_mins())
        }
        PlanStep::Resolve { .. } => "resolve".to_owned(),
        PlanStep::Begin => "begin".to_owned(),
        PlanStep::Hold { .. } => "hold".to_owned(),
        PlanStep::GiveUp { .. } => "give up".to_owned(),
        PlanStep::Forget => "forget".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn check(planned: &Planned, view: PlanView<'_>, minute: i64, expected: &str) {
    assert_eq!(short(&next(planned, view, at(minute))), expected, "at {minute} min");
}

#[test]
fn it_is_paged_a_day_and_an_hour_ahead_once_each_and_then_begins() {
    let own = settings(0);
    let view = PlanView { settings: Some(&own), is_permitted: true, ..PlanView::default() };
    check(&planned(), view, -DAY - 1, "");
    check(&planned(), view, -DAY, "warn day 0");
    let once = warned(&[(Ahead::Day, -DAY)]);
    check(&once, view, -DAY + 1, "");
    check(&once, view, -HOUR - 1, "");
    check(&once, view, -HOUR, "warn hour 0");
    let twice = warned(&[(Ahead::Day, -DAY), (Ahead::Hour, -HOUR)]);
    check(&twice, view, -1, "");
    check(&twice, view, 0, "begin");
    check(&twice, PlanView { has_begun: true, ..view }, 1, "resolve, forget");
}

#[test]
fn lost_ticks_leave_out_the_earlier_page_and_never_the_warning() {
    let own = settings(0);
    let view = PlanView { settings: Some(&own), is_permitted: true, ..PlanView::default() };
    check(&planned(), view, -30, "warn hour 0");
    check(&warned(&[(Ahead::Hour, -30)]), view, 0, "begin");
    // Its moment has passed unseen: whoever is paged now still has an hour.
    check(&planned(), view, 10, "warn hour 70");
    let late = warned(&[(Ahead::Day, -DAY), (Ahead::Hour, 10)]);
    check(&late, view, 69, "");
    check(&late, view, 70, "begin");
}

#[test]
fn a_moment_that_is_changed_renews_the_pages_and_one_that_is_removed_resolves_them() {
    let twice = warned(&[(Ahead::Day, -DAY), (Ahead::Hour, -HOUR)]);
    for (moved_to, expected) in [
        (Some(2 * DAY), "resolve"),
        (Some(5 * HOUR), "resolve, warn day 300"),
        (Some(20), "resolve, warn hour 20"),
        (None, "resolve, forget"),
    ] {
        let own = moved_to.map(settings);
        check(&twice, PlanView { settings: own.as_ref(), is_permitted: true, ..PlanView::default() }, -5, expected);
    }
    check(&planned(), PlanView::default(), -5, "forget");
}

#[test]
fn what_is_protected_or_held_up_for_a_day_is_given_up() {
    let own = settings(0);
    let view = PlanView { settings: Some(&own), is_permitted: true, ..PlanView::default() };
    let twice = warned(&[(Ahead::Day, -DAY), (Ahead::Hour, -HOUR)]);
    let protected = PlanView { refused: Some("Web hosts is protected"), ..view };
    check(&planned(), protected, -DAY, "warn day 0");
    check(&twice, protected, -1, "");
    check(&twice, protected, 0, "resolve, give up, forget");
    let frozen = PlanView { is_permitted: false, ..view };
    check(&twice, frozen, 0, "hold");
    check(&twice, frozen, DAY - 1, "hold");
    check(&twice, view, DAY - 1, "begin");
    check(&twice, view, DAY, "resolve, give up, forget");
    check(&planned(), view, DAY, "give up, forget");
    check(&twice, PlanView { is_under_way: true, ..view }, 0, "");
}

#[test]
fn nothing_is_read_of_stack_and_layer_before_its_time() {
    assert!(!planned().is_due(at(-DAY - 1)) && planned().is_due(at(-DAY)));
    let mut moved = warned(&[(Ahead::Day, -DAY)]);
    moved.at = Some(at(9 * DAY));
    assert!(moved.is_due(at(0)), "an open page has to be resolved");
    assert!(Planned { at: None, ..planned() }.is_due(at(-9 * DAY)), "a record without a moment is to be forgotten");
}
