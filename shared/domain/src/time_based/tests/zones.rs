//! Schedules in a time zone, with exceptions and a lead: minute by minute over both changes of the clocks.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::settings::Settings;
use crate::settings::time_scaling::TimeScalingSettings;

fn settings(own: &str) -> TimeScalingSettings {
    let text = format!(r#"{{"strata":{{"time_scaling":{own}}}}}"#);
    Settings::from_custom_json(Some(&text)).unwrap().time_scaling
}

fn plan(own: &str) -> Plan {
    Plan::of(&settings(own), &TimeScalingSettings::default(), [])
}

fn plan_in(zone: &str) -> Plan {
    plan(&format!(r#"{{"time_zone":"{zone}"}}"#))
}

/// A weekday's hours.
fn on(day: &str, hours: &[u32]) -> WeeklySchedule {
    let hours: BTreeMap<String, String> = hours.iter().map(|hour| (hour.to_string(), "on".to_owned())).collect();
    WeeklySchedule::default().merge(&BTreeMap::from([(day.to_owned(), hours)])).unwrap()
}

/// An instance that is up and down at once: what a check at each of these moments does.
fn switches(
    plan: &Plan,
    schedule: &WeeklySchedule,
    checks: impl IntoIterator<Item = Timestamp>,
) -> Vec<(&'static str, Timestamp)> {
    let (mut status, mut started) = (S::Stopped, None);
    let mut told = Vec::new();
    for now in checks {
        let timer = TimerView { last_start_attempt: started, ..view(schedule, status) };
        match decide_at(&timer, &plan.at(now)) {
            TimerDecision::Start { .. } => {
                (status, started) = (S::Online, Some(now));
                told.push(("start", now));
            }
            TimerDecision::Stop { .. } => {
                status = S::Stopped;
                told.push(("stop", now));
            }
            TimerDecision::Nothing(_) => {}
        }
    }
    told
}

fn steps(from: Timestamp, until: Timestamp, minutes: i64) -> impl Iterator<Item = Timestamp> {
    std::iter::successors(Some(from), move |at| Some(*at + SignedDuration::from_mins(minutes))).take_while(move |at| *at < until)
}

/// Each change of the clocks of 2026, minute by minute: zone, its Sunday (Friday in Cairo), which hours are on, and the one start and stop.
#[test]
fn an_hour_that_does_not_exist_is_made_good_and_one_that_comes_twice_is_one_start() {
    for (zone, day, hours, start, stop) in [
        // Forward: 02:00 is 03:00 at 01:00 UTC.
        ("Europe/Berlin", "Sunday", &[2][..], "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[3], "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[2, 3], "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[1], "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "Sunday", &[1, 2], "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[1, 3], "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[4], "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"),
        // Back: 03:00 is 02:00 at 01:00 UTC.
        ("Europe/Berlin", "Sunday", &[2], "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"),
        ("Europe/Berlin", "Sunday", &[1], "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z"),
        ("Europe/Berlin", "Sunday", &[3], "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"),
        ("Europe/Berlin", "Sunday", &[1, 2, 3], "2026-10-24T23:00:00Z", "2026-10-25T03:00:00Z"),
        // The south: back in April, forward in October.
        ("Australia/Sydney", "Sunday", &[2], "2026-04-04T15:00:00Z", "2026-04-04T17:00:00Z"),
        ("Australia/Sydney", "Sunday", &[3], "2026-04-04T17:00:00Z", "2026-04-04T18:00:00Z"),
        ("Australia/Sydney", "Sunday", &[2], "2026-10-03T16:00:00Z", "2026-10-03T17:00:00Z"),
        ("Australia/Sydney", "Sunday", &[1, 2], "2026-10-03T15:00:00Z", "2026-10-03T17:00:00Z"),
        // Half an hour off, and both changes.
        ("Australia/Adelaide", "Sunday", &[2], "2026-04-04T15:30:00Z", "2026-04-04T17:30:00Z"),
        ("Australia/Adelaide", "Sunday", &[2], "2026-10-03T16:30:00Z", "2026-10-03T17:30:00Z"),
        ("Asia/Kolkata", "Sunday", &[2], "2026-03-28T20:30:00Z", "2026-03-28T21:30:00Z"),
        // Clocks that change by half an hour: half an hour is lost, and half an hour comes twice.
        ("Australia/Lord_Howe", "Sunday", &[1], "2026-04-04T14:00:00Z", "2026-04-04T15:30:00Z"),
        ("Australia/Lord_Howe", "Sunday", &[2], "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z"),
        ("Australia/Lord_Howe", "Sunday", &[2], "2026-10-03T15:30:00Z", "2026-10-03T16:00:00Z"),
        // Clocks that leap over midnight.
        ("Africa/Cairo", "Friday", &[0], "2026-04-23T22:00:00Z", "2026-04-23T23:00:00Z"),
        ("America/New_York", "Sunday", &[2], "2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z"),
        ("America/New_York", "Sunday", &[1], "2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z"),
    ] {
        let (begin, end) = (at(start), at(stop));
        let day_around = steps(begin - SignedDuration::from_hours(30), end + SignedDuration::from_hours(30), 1);
        let told = switches(&plan_in(zone), &on(day, hours), day_around);
        assert_eq!(told, [("start", begin), ("stop", end)], "{zone} {hours:?} {start}");
        assert_eq!(plan_in(zone).calendar.next_off_to_on(&on(day, hours), begin - SignedDuration::from_hours(30)), Some(begin));
    }
}

#[test]
fn over_a_year_a_daily_hour_is_one_start_and_one_stop_a_day_in_every_zone() {
    for zone in
        ["Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Adelaide", "Australia/Lord_Howe", "Africa/Cairo"]
    {
        for hour in [0, 2] {
            let plan = plan_in(zone);
            // From a noon to a noon, so that no change of the clocks and no hour is at the edge. All offsets are whole halves of an hour.
            let year = steps(at("2026-01-01T12:00:00Z"), at("2027-01-01T12:00:00Z"), 30);
            let told = switches(&plan, &WeeklySchedule::every_day([hour]), year);
            let starts: Vec<Timestamp> = told.iter().filter(|(what, _)| *what == "start").map(|(_, at)| *at).collect();
            assert!(
                (364..=366).contains(&starts.len()) && told.len().abs_diff(2 * starts.len()) <= 1,
                "{zone} {hour}: {}",
                starts.len()
            );
            for pair in starts.windows(2) {
                let apart = pair[1].duration_since(pair[0]).as_mins();
                assert!((22 * 60..=26 * 60).contains(&apart), "{zone} {hour} {} {}", pair[0], pair[1]);
            }
        }
    }
}

/// [TIME-3] [TIME-10] Without settings it is UTC, without exception or lead.
#[test]
fn time_3_without_settings_a_plan_is_the_weekly_schedule_in_utc() {
    assert_eq!(plan("{}"), Plan::default());
    let schedule = monday();
    for now in steps(at("2026-03-28T00:00:00Z"), at("2026-04-06T00:00:00Z"), 20) {
        assert_eq!(Plan::default().calendar.is_on(&schedule, now), schedule.is_on(now), "{now}");
        assert_eq!(Plan::default().calendar.next_off_to_on(&schedule, now), schedule.next_off_to_on(now), "{now}");
    }
}

#[test]
fn a_date_is_all_on_all_off_or_differs_in_single_hours_and_is_a_local_date() {
    let own =
        r#"{"time_zone":"America/New_York","dates":{"2026-12-25":"off","2026-12-31":"on","2026-12-24":{"8":"on","17":"off"}}}"#;
    let (plan, office) = (plan(own), WeeklySchedule::every_day(9..18));
    for (time, is_on) in [
        ("2026-12-23T13:30:00Z", false),
        ("2026-12-24T12:59:59Z", false),
        ("2026-12-24T13:00:00Z", true),
        ("2026-12-24T21:59:59Z", true),
        ("2026-12-24T22:00:00Z", false),
        ("2026-12-25T15:00:00Z", false),
        ("2026-12-26T15:00:00Z", true),
        ("2026-12-31T04:59:59Z", false),
        ("2026-12-31T05:00:00Z", true),
        ("2027-01-01T04:59:59Z", true),
        ("2027-01-01T05:00:00Z", false),
    ] {
        assert_eq!(plan.calendar.is_on(&office, at(time)), is_on, "{time}");
    }
    assert!(plan.calendar.is_on(&WeeklySchedule::default(), at("2026-12-31T12:00:00Z")), "a schedule that is all off too");
}

#[test]
fn the_layers_settings_stand_over_the_stacks_date_by_date() {
    let stack = settings(r#"{"time_zone":"Europe/Berlin","dates":{"2026-12-25":"off","2026-12-26":"off"},"lead_minutes":9}"#);
    let layer = settings(r#"{"dates":{"2026-12-26":"on"},"lead_minutes":0}"#);
    let both = Plan::of(&layer, &stack, []);
    let expected = plan(r#"{"time_zone":"Europe/Berlin","dates":{"2026-12-25":"off","2026-12-26":"on"}}"#);
    assert_eq!(both, expected);
    assert_eq!(Plan::of(&TimeScalingSettings::default(), &stack, []).lead, SignedDuration::from_mins(9));
    let measured = settings(r#"{"lead_minutes":"measured"}"#);
    assert_eq!(Plan::of(&measured, &stack, [SignedDuration::from_mins(4)]).lead, SignedDuration::from_mins(5));
    for (layer, stack, wants) in [("{}", "{}", false), (r#"{"lead_minutes":0}"#, r#"{"lead_minutes":5}"#, false)] {
        assert_eq!(Plan::wants_last_starts(&settings(layer), &settings(stack)), wants, "{layer} {stack}");
    }
    assert!(Plan::wants_last_starts(&measured, &TimeScalingSettings::default()));
}

#[test]
fn the_next_start_is_found_behind_holidays_and_far_ahead() {
    let closed = r#"{"dates":{"2026-01-05":"off","2026-01-12":"off","2026-01-19":"off","2026-06-01":"off"}}"#;
    let next = |own: &str, schedule: &WeeklySchedule, after: &str| plan(own).calendar.next_off_to_on(schedule, at(after));
    assert_eq!(next(closed, &on("Monday", &[10]), "2026-01-01T00:00:00Z"), Some(at("2026-01-26T10:00:00Z")));
    let always = WeeklySchedule::every_day(0..24);
    assert_eq!(next(closed, &always, "2026-01-20T00:00:00Z"), Some(at("2026-06-02T00:00:00Z")));
    assert_eq!(next(closed, &always, "2026-06-02T00:00:00Z"), None);
    let open = r#"{"dates":{"2027-05-01":"on"}}"#;
    assert_eq!(next(open, &WeeklySchedule::default(), "2026-01-01T00:00:00Z"), Some(at("2027-05-01T00:00:00Z")));
    assert_eq!(next(open, &WeeklySchedule::default(), "2027-05-01T00:00:00Z"), None);
    assert_eq!(next("{}", &always, "2026-01-01T00:00:00Z"), None);
}

#[test]
fn a_start_ahead_of_its_hour_is_one_start_and_nothing_stops_it_before() {
    let twelve = plan(r#"{"lead_minutes":12}"#);
    let day = || steps(at("2026-01-05T09:00:00Z"), at("2026-01-05T15:00:00Z"), 1);
    let told = switches(&twelve, &monday(), day());
    let expected = ["09:48", "12:00", "12:48", "14:00"].map(|time| at(&format!("2026-01-05T{time}:00Z")));
    assert_eq!(told.iter().map(|(_, at)| *at).collect::<Vec<_>>(), expected);
    // An off-time that is no longer than the lead is none.
    let told = switches(&plan(r#"{"lead_minutes":60}"#), &monday(), day());
    assert_eq!(told, [("start", at("2026-01-05T09:00:00Z")), ("stop", at("2026-01-05T14:00:00Z"))]);
}

#[test]
fn what_was_started_ahead_stays_up_when_a_measured_lead_becomes_shorter() {
    let schedule = monday();
    let up = |started: &str| TimerView { last_start_attempt: Some(at(started)), ..view(&schedule, S::Booting) };
    let ahead = TimerDecision::Nothing(NothingReason::UpAhead);
    for (minutes, started, now, expected) in [
        (5, "2026-01-05T09:48:00Z", "2026-01-05T09:49:00Z", ahead),
        (5, "2026-01-05T09:48:00Z", "2026-01-05T09:55:00Z", TimerDecision::Nothing(NothingReason::UpAsScheduled)),
        // Longer ago than any lead, or an hour too far ahead: nobody started it for that hour.
        (5, "2026-01-05T08:40:00Z", "2026-01-05T09:41:00Z", STOP),
        (5, "2026-01-05T08:40:00Z", "2026-01-05T08:59:59Z", STOP),
        // It was started for the hour that is over.
        (5, "2026-01-05T11:30:00Z", "2026-01-05T12:10:00Z", STOP),
        // Somebody has switched the lead off.
        (0, "2026-01-05T09:48:00Z", "2026-01-05T09:49:00Z", STOP),
    ] {
        let plan = plan(&format!(r#"{{"lead_minutes":{minutes}}}"#));
        assert_eq!(decide_at(&up(started), &plan.at(at(now))), expected, "{minutes} {started} {now}");
    }
}

/// [TIME-9]
#[test]
fn time_9_the_hold_of_a_manual_stop_ends_with_the_lead_unless_the_stop_was_in_it() {
    let schedule = monday();
    let plan = plan(r#"{"lead_minutes":12}"#);
    let start = TimerDecision::Start { reason: StartReason::Ahead };
    let held = |until: &str| TimerDecision::Nothing(NothingReason::StoppedByHand { until: Some(at(until)) });
    for (since, now, expected) in [
        // On Monday before, at noon's end; it comes back ahead of this Monday's hour.
        ("2025-12-29T13:50:00Z", "2026-01-05T09:47:59Z", TimerDecision::Nothing(NothingReason::DownAsScheduled)),
        ("2025-12-29T13:50:00Z", "2026-01-05T09:48:00Z", start),
        // Ahead of the hour: until the hour.
        ("2026-01-05T09:50:00Z", "2026-01-05T09:51:00Z", held("2026-01-05T10:00:00Z")),
        ("2026-01-05T09:50:00Z", "2026-01-05T10:00:00Z", START),
        // In the hour: until the next, with its lead.
        ("2026-01-05T10:20:00Z", "2026-01-05T11:59:59Z", held("2026-01-05T12:48:00Z")),
        ("2026-01-05T10:20:00Z", "2026-01-05T12:48:00Z", start),
    ] {
        let stopped = TimerView { manual_stop_since: Some(at(since)), ..view(&schedule, S::Stopped) };
        assert_eq!(decide_at(&stopped, &plan.at(at(now))), expected, "{since} {now}");
    }
}

fn schedules() -> impl Strategy<Value = WeeklySchedule> {
    proptest::array::uniform7(0..1_u32 << 24).prop_map(WeeklySchedule::from)
}

fn plans() -> impl Strategy<Value = Plan> {
    const ZONES: [&str; 6] =
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Australia/Adelaide", "Asia/Kolkata"];
    const DATES: [&str; 3] = ["{}", r#"{"2026-03-29":"off"}"#, r#"{"2026-10-25":"on","2026-10-04":{"2":"on","5":"off"}}"#];
    (proptest::sample::select(&ZONES), proptest::sample::select(&DATES), proptest::sample::select(&[0, 5, 12, 30, 60]))
        .prop_map(|(zone, dates, lead)| plan(&format!(r#"{{"time_zone":"{zone}","dates":{dates},"lead_minutes":{lead}}}"#)))
}

/// Days around which clocks change, somewhere, or nothing does.
fn days() -> impl Strategy<Value = Timestamp> {
    proptest::sample::select(&["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-03", "2026-03-07", "2026-06-10"])
        .prop_map(|day| at(&format!("{day}T00:00:00Z")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// [TIME-6] [TIME-7] Ticks that are lost, up to four in a row, and doubled: each time that a schedule wants its instance up, counted minute
    /// by minute, has one start in its first five minutes, and one stop in the five after it.
    #[test]
    fn time_7_no_start_is_missed_and_none_doubled_under_lost_and_doubled_ticks(
        schedule in schedules(), plan in plans(), begin in days(), luck in proptest::collection::vec(0..6_u8, 64),
    ) {
        let minutes: Vec<Timestamp> = steps(begin, begin + SignedDuration::from_hours(48), 1).collect();
        let is_on: Vec<bool> = steps(begin, begin + SignedDuration::from_hours(50), 1).map(|at| plan.calendar.is_on(&schedule, at)).collect();
        let lead = plan.lead.as_mins() as usize;
        let wanted: Vec<bool> = (0..minutes.len()).map(|m| is_on[m..=m + lead].contains(&true)).collect();
        let mut checks = vec![minutes[0]];
        let mut lost = 0;
        for (m, now) in minutes.iter().enumerate().skip(1) {
            match luck[(m * 7 + m / 64) % luck.len()] {
                0..=2 if lost < 4 => lost += 1,
                3 => { lost = 0; checks.extend([*now, *now]) }
                _ => { lost = 0; checks.push(*now) }
            }
        }
        let told = switches(&plan, &schedule, checks);
        let mut expected: Vec<(&str, usize)> = Vec::new();
        for m in 0..wanted.len() {
            let before = m > 0 && wanted[m - 1];
            if wanted[m] != before { expected.push((if wanted[m] { "start" } else { "stop" }, m)) }
        }
        // One in the last minutes may be left to a tick that is not simulated.
        let counted = |m: usize| m + 5 <= minutes.len();
        let due = expected.iter().filter(|(_, m)| counted(*m)).count();
        prop_assert!((due..=expected.len()).contains(&told.len()), "{told:?} {expected:?}");
        for ((what, at), (wants, m)) in told.iter().zip(&expected) {
            let late = at.duration_since(minutes[*m]).as_mins();
            prop_assert!(what == wants && (0..5).contains(&late), "{what} at {at}, {wants} wanted at {}", minutes[*m]);
        }
    }

    /// What makes a check needless until then: no schedule wants anything else before.
    #[test]
    fn until_the_next_change_no_schedule_wants_anything_else(schedule in schedules(), plan in plans(), begin in days(), offset in 0..2_880_i64) {
        let now = begin + SignedDuration::from_mins(offset);
        let until = plan.next_change(now).unwrap();
        prop_assert!(now < until && until.duration_since(now) <= SignedDuration::from_hours(1));
        let decided = |at: Timestamp| decide_at(&view(&schedule, S::Stopped), &plan.at(at));
        for at in steps(now, until, 1) {
            prop_assert_eq!(decided(at), decided(now), "{} {}", now, at);
        }
    }
}
