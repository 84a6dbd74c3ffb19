//! [`decide`] at single moments, and the spec's vectors minute by minute on an instance that takes four minutes to start.

mod zones;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::SignedDuration;

use super::*;
use crate::InstanceStatus as S;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn patch(json: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    serde_json::from_str(json).unwrap()
}

fn schedule(json: &str) -> WeeklySchedule {
    WeeklySchedule::default().merge(&patch(json)).unwrap()
}

/// Monday 10:00 to 12:00 and 13:00 to 14:00.
fn monday() -> WeeklySchedule {
    schedule(r#"{"Monday":{"10":"on","11":"on","13":"on"}}"#)
}

static ID: LazyLock<InstanceId> = LazyLock::new(|| InstanceId::from("t"));

fn view(schedule: &WeeklySchedule, status: InstanceStatus) -> TimerView<'_> {
    TimerView {
        id: &ID,
        hostname: "t",
        status,
        schedule,
        manual_stop_since: None,
        is_held: false,
        last_start_attempt: None,
        failed_starts: 0,
        schedule_changed_at: None,
    }
}

const START: TimerDecision = TimerDecision::Start { reason: StartReason::OnHour };
const STOP: TimerDecision = TimerDecision::Stop { reason: StopReason::OffHour };

/// [TIME-7] [TIME-12]
#[test]
fn time_7_what_each_status_gets_in_an_on_hour_and_in_an_off_hour() {
    use NothingReason as N;
    use TimerDecision::Nothing;
    let retry = TimerDecision::Start { reason: StartReason::RetryAfterFailure };
    let table = [
        (S::Requested, Nothing(N::UpAsScheduled), STOP),
        (S::Pending, Nothing(N::UpAsScheduled), STOP),
        (S::Booting, Nothing(N::UpAsScheduled), STOP),
        (S::RunningSetup, Nothing(N::UpAsScheduled), STOP),
        (S::Online, Nothing(N::UpAsScheduled), STOP),
        (S::SetupFailed, Nothing(N::SetupFailed), STOP),
        (S::StartFailed, retry, STOP),
        (S::Rebooting, Nothing(N::UpAsScheduled), Nothing(N::Rebooting)),
        (S::ConnectionLost, Nothing(N::ConnectionLost), STOP),
        (S::Stopping, Nothing(N::StillGoingDown), Nothing(N::DownAsScheduled)),
        (S::ShuttingDown, Nothing(N::StillGoingDown), Nothing(N::DownAsScheduled)),
        (S::Terminating, Nothing(N::StillGoingDown), Nothing(N::DownAsScheduled)),
        (S::Terminated, Nothing(N::StillGoingDown), Nothing(N::DownAsScheduled)),
        (S::StopFailed, Nothing(N::StopFailed), Nothing(N::StopFailed)),
        (S::Stopped, START, Nothing(N::DownAsScheduled)),
        (S::Registering, Nothing(N::NotScheduled), Nothing(N::NotScheduled)),
        (S::Registered, Nothing(N::NotScheduled), Nothing(N::NotScheduled)),
        (S::Assigning, Nothing(N::NotScheduled), Nothing(N::NotScheduled)),
        (S::Unassigning, Nothing(N::NotScheduled), Nothing(N::NotScheduled)),
        (S::Deregistering, Nothing(N::NotScheduled), Nothing(N::NotScheduled)),
    ];
    assert_eq!(table.map(|(status, _, _)| status), S::ALL);
    let schedule = monday();
    for (status, on, off) in table {
        assert_eq!(decide(&view(&schedule, status), at("2026-01-05T10:30:00Z")), on, "{status} in an on-hour");
        assert_eq!(decide(&view(&schedule, status), at("2026-01-05T12:30:00Z")), off, "{status} in an off-hour");
    }
}

/// [TIME-6] [TIME-7] Each check looks at the hour it is in; a missed one is made good by the next.
#[test]
fn time_6_a_check_at_any_moment_of_the_hour_decides_the_same() {
    let schedule = monday();
    for (time, stopped, online) in [
        ("2026-01-05T09:59:59.999Z", false, true),
        ("2026-01-05T10:00:00Z", true, false),
        ("2026-01-05T10:07:31Z", true, false),
        ("2026-01-05T11:59:59.999Z", true, false),
        ("2026-01-05T12:00:00Z", false, true),
        ("2026-01-05T12:59:00Z", false, true),
    ] {
        assert_eq!(decide(&view(&schedule, S::Stopped), at(time)) == START, stopped, "{time}");
        assert_eq!(decide(&view(&schedule, S::Online), at(time)) == STOP, online, "{time}");
    }
}

/// [TIME-9]
#[test]
fn time_9_a_manual_stop_holds_until_the_next_off_to_on_boundary_or_a_later_schedule() {
    let schedule = monday();
    let stopped_at = at("2026-01-05T10:20:00Z");
    let held = TimerDecision::Nothing(NothingReason::StoppedByHand { until: Some(at("2026-01-05T13:00:00Z")) });
    let stopped = |changed: Option<&str>| TimerView {
        manual_stop_since: Some(stopped_at),
        schedule_changed_at: changed.map(at),
        ..view(&schedule, S::Stopped)
    };
    for (time, expected) in [
        ("2026-01-05T10:21:00Z", held),
        ("2026-01-05T11:59:59Z", held),
        ("2026-01-05T12:59:59Z", TimerDecision::Nothing(NothingReason::DownAsScheduled)),
        ("2026-01-05T13:00:00Z", START),
    ] {
        assert_eq!(decide(&stopped(None), at(time)), expected, "{time}");
    }
    for (changed, expected) in [("2026-01-05T10:19:59Z", held), ("2026-01-05T10:20:00Z", held), ("2026-01-05T10:20:01Z", START)] {
        assert_eq!(decide(&stopped(Some(changed)), at("2026-01-05T10:21:00Z")), expected, "schedule set {changed}");
    }
    // StartInstance removes the hold; nothing then keeps the schedule from starting it again after another stop.
    assert_eq!(decide(&view(&schedule, S::Stopped), at("2026-01-05T10:21:00Z")), START);
}

/// [TIME-9] A schedule without an off-hour has no boundary: only a person ends the hold.
#[test]
fn time_9_a_manual_stop_of_an_all_day_instance_holds_until_a_person_acts() {
    let always = WeeklySchedule::every_day(0..24);
    let stopped = TimerView { manual_stop_since: Some(at("2026-01-05T10:20:00Z")), ..view(&always, S::Stopped) };
    assert_eq!(
        decide(&stopped, at("2027-01-05T10:00:00Z")),
        TimerDecision::Nothing(NothingReason::StoppedByHand { until: None })
    );
}

/// [TIME-9] A manual stop in an off-hour holds no longer than that off-time; the hold never keeps an instance up.
#[test]
fn time_9_a_manual_start_in_an_off_hour_is_stopped_at_the_next_check() {
    let schedule = monday();
    let started = TimerView { manual_stop_since: Some(at("2026-01-05T09:00:00Z")), ..view(&schedule, S::Requested) };
    assert_eq!(decide(&started, at("2026-01-05T09:30:00Z")), STOP);
    let stopped = TimerView { status: S::Stopped, ..started };
    assert_eq!(decide(&stopped, at("2026-01-05T10:00:00Z")), START);
}

/// [TIME-11]
#[test]
fn time_11_a_failed_start_is_retried_after_a_wait_that_grows() {
    let schedule = monday();
    let failed = |attempt: Option<&str>| TimerView { last_start_attempt: attempt.map(at), ..view(&schedule, S::StartFailed) };
    let again = |attempt: &str, failed_starts: u32| TimerView { failed_starts, ..failed(Some(attempt)) };
    let wait = |until: &str| TimerDecision::Nothing(NothingReason::StartFailed { retry_at: at(until) });
    let retry = TimerDecision::Start { reason: StartReason::RetryAfterFailure };
    for (failed_starts, now, expected) in [
        (0, "2026-01-05T10:00:59Z", wait("2026-01-05T10:01:00Z")),
        (0, "2026-01-05T10:01:00Z", retry),
        (3, "2026-01-05T10:07:59Z", wait("2026-01-05T10:08:00Z")),
        (3, "2026-01-05T10:08:00Z", retry),
        (99, "2026-01-05T10:09:59Z", wait("2026-01-05T10:10:00Z")),
        (99, "2026-01-05T10:10:00Z", retry),
    ] {
        assert_eq!(decide(&again("2026-01-05T10:00:00Z", failed_starts), at(now)), expected, "{failed_starts} at {now}");
    }
    let off_hour = "2026-01-05T15:30:00Z";
    let given_up = TimerDecision::Stop { reason: StopReason::OffHour };
    assert_eq!(decide(&again("2026-01-05T10:00:00Z", 1), at(off_hour)), given_up, "nobody wants it any more");
    assert_eq!(decide(&failed(None), at("2026-01-05T10:05:00Z")), retry);
    // An attempt long ago does not delay the start of a stopped instance.
    let stopped = TimerView { status: S::Stopped, ..failed(Some("2026-01-05T10:00:00Z")) };
    assert_eq!(decide(&stopped, at("2026-01-05T10:05:00Z")), START);
}

#[test]
fn a_hold_or_a_claim_keeps_the_schedules_hands_off_both_ways() {
    let schedule = monday();
    for (status, time) in
        [(S::Stopped, "2026-01-05T10:30:00Z"), (S::StartFailed, "2026-01-05T10:30:00Z"), (S::Online, "2026-01-05T12:30:00Z")]
    {
        let held = TimerView { is_held: true, ..view(&schedule, status) };
        assert_eq!(decide(&held, at(time)), TimerDecision::Nothing(NothingReason::Held), "{status}");
    }
}

/// One instance that takes four minutes to start and two to stop.
struct Sim {
    schedule: WeeklySchedule,
    status: InstanceStatus,
    /// When the current way up or down began.
    since: Timestamp,
    /// `start` or `stop`, and when.
    log: Vec<(&'static str, Timestamp)>,
}

impl Sim {
    fn new(schedule: WeeklySchedule, status: InstanceStatus) -> Self {
        Self { schedule, status, since: Timestamp::UNIX_EPOCH, log: vec![] }
    }

    fn check(&mut self, now: Timestamp) {
        let minutes = now.duration_since(self.since).as_mins();
        self.status = match self.status {
            S::Requested | S::Pending | S::Booting | S::RunningSetup => match minutes {
                0 => S::Requested,
                1 => S::Pending,
                2 => S::Booting,
                3 => S::RunningSetup,
                _ => S::Online,
            },
            S::Stopping | S::ShuttingDown => {
                if minutes < 2 {
                    S::ShuttingDown
                } else {
                    S::Stopped
                }
            }
            status => status,
        };
        let (what, status) = match decide(&view(&self.schedule, self.status), now) {
            TimerDecision::Start { .. } => ("start", S::Requested),
            TimerDecision::Stop { .. } => ("stop", S::Stopping),
            TimerDecision::Nothing(_) => return,
        };
        self.log.push((what, now));
        (self.status, self.since) = (status, now);
    }

    /// A check every 60 seconds, `offset` seconds after the minute.
    fn run(&mut self, from: &str, until: &str, offset: i64) -> &mut Self {
        let mut now = at(from) + SignedDuration::from_secs(offset);
        while now < at(until) {
            self.check(now);
            now += SignedDuration::from_mins(1);
        }
        self
    }

    fn told(&self) -> Vec<String> {
        self.log.iter().map(|(what, at)| format!("{what} {at}")).collect()
    }
}

fn cli_example() -> WeeklySchedule {
    let hours = r#"{"10":"on","11":"on","12":"on","13":"on"}"#;
    schedule(&format!(r#"{{"Monday":{hours},"Tuesday":{hours}}}"#))
}

/// [TIME-22]
#[test]
fn time_22_the_cli_example_is_on_from_10_to_14_on_monday_and_tuesday_only() {
    let mut sim = Sim::new(cli_example(), S::Stopped);
    sim.run("2026-01-05T00:00:00Z", "2026-01-05T10:00:00Z", 30);
    assert_eq!(sim.status, S::Stopped, "at 09:59:30");
    sim.run("2026-01-05T10:00:00Z", "2026-01-05T14:00:00Z", 30);
    assert_eq!(sim.status, S::Online, "at 13:59:30");
    sim.run("2026-01-05T14:00:00Z", "2026-01-12T00:00:00Z", 30);
    assert_eq!(
        sim.told(),
        ["start 2026-01-05T10:00:30Z", "stop 2026-01-05T14:00:30Z", "start 2026-01-06T10:00:30Z", "stop 2026-01-06T14:00:30Z"]
    );
}

/// [TIME-23]
#[test]
fn time_23_an_hour_merged_off_stops_at_12_and_starts_at_13() {
    let merged = cli_example().merge(&patch(r#"{"Monday":{"12":"off"}}"#)).unwrap();
    assert_eq!(merged.to_wire()["Monday"].keys().collect::<Vec<_>>(), ["10", "11", "13"]);
    assert_eq!(merged.to_wire()["Tuesday"], cli_example().to_wire()["Tuesday"]);
    let mut sim = Sim::new(merged, S::Stopped);
    sim.run("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z", 0);
    assert_eq!(
        sim.told(),
        ["start 2026-01-05T10:00:00Z", "stop 2026-01-05T12:00:00Z", "start 2026-01-05T13:00:00Z", "stop 2026-01-05T14:00:00Z"]
    );
}

/// [TIME-24] [TIME-8]
#[test]
fn time_24_sunday_23_and_monday_0_are_one_start_and_one_stop() {
    let mut sim = Sim::new(schedule(r#"{"Sunday":{"23":"on"},"Monday":{"0":"on"}}"#), S::Stopped);
    sim.run("2026-01-08T00:00:00Z", "2026-01-15T00:00:00Z", 0);
    assert_eq!(sim.told(), ["start 2026-01-11T23:00:00Z", "stop 2026-01-12T01:00:00Z"]);
}

/// [TIME-8]
#[test]
fn time_8_a_changed_schedule_counts_from_the_next_check_on() {
    let mut sim = Sim::new(monday(), S::Stopped);
    sim.run("2026-01-05T10:00:00Z", "2026-01-05T10:30:00Z", 0);
    sim.schedule = sim.schedule.merge(&patch(r#"{"Monday":{"10":"off"}}"#)).unwrap();
    sim.run("2026-01-05T10:30:00Z", "2026-01-05T10:40:00Z", 0);
    assert_eq!(sim.told(), ["start 2026-01-05T10:00:00Z", "stop 2026-01-05T10:30:00Z"]);
}

/// [TIME-10]
#[test]
fn time_10_there_is_no_lead_time_so_it_is_online_minutes_after_the_hour() {
    let mut sim = Sim::new(monday(), S::Stopped);
    for (until, status) in [("10:00", S::Stopped), ("10:01", S::Requested), ("10:04", S::RunningSetup), ("10:05", S::Online)] {
        let mut fresh = Sim::new(sim.schedule, S::Stopped);
        fresh.run("2026-01-05T09:00:00Z", &format!("2026-01-05T{until}:00Z"), 0);
        assert_eq!(fresh.status, status, "before {until}");
        sim = fresh;
    }
}

/// The hour-by-hour counts of the spec's table.
const TV_1_COUNTS: [usize; 24] = [12, 12, 11, 11, 9, 9, 7, 7, 5, 5, 3, 3, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12];

/// [TIME-20]
#[test]
fn time_20_the_best_practices_day_runs_as_the_table_says() {
    let day = best_practices_day();
    assert_eq!(day.iter().map(|(name, _)| *name).collect::<Vec<_>>(), (1..=12).map(|i| format!("T{i:02}")).collect::<Vec<_>>());
    assert_eq!(TV_1_COUNTS.iter().sum::<usize>(), 188);
    let mut sims: Vec<_> = day.into_iter().map(|(_, schedule)| Sim::new(schedule, S::Stopped)).collect();
    let mut now = at("2026-01-04T00:00:00Z");
    while now < at("2026-01-12T00:00:00Z") {
        sims.iter_mut().for_each(|sim| sim.check(now));
        let minute = now.as_second() / 60;
        if minute % 60 == 30 {
            let online = sims.iter().filter(|s| s.status == S::Online).count();
            assert_eq!(online, TV_1_COUNTS[(minute / 60 % 24) as usize], "{now}");
        }
        now += SignedDuration::from_mins(1);
    }
    // The first day begins with everything stopped; each of the seven that follow is the same.
    for day in 5..=11 {
        let of_day = |sim: &Sim, what| -> Vec<i64> {
            let begins = at(&format!("2026-01-{day:02}T00:00:00Z"));
            let hours = sim.log.iter().filter(|(w, _)| *w == what).map(|(_, at)| at.duration_since(begins));
            hours.filter(|h| (0..24).contains(&h.as_hours()) && !h.is_negative()).map(|h| h.as_hours()).collect()
        };
        let all = |what| -> Vec<i64> {
            let mut hours: Vec<_> = sims.iter().flat_map(|sim| of_day(sim, what)).collect();
            hours.sort_unstable();
            hours
        };
        assert_eq!(all("stop"), [2, 4, 4, 6, 6, 8, 8, 10, 10], "day {day}");
        assert_eq!(all("start"), [14, 14, 16, 16, 18, 18, 20, 20, 22], "day {day}");
    }
    assert!(sims[9..].iter().all(|s| s.log.iter().all(|(what, _)| *what == "start")), "T10 to T12 never stop");
}

/// The need for servers at an hour of the day, as the spec reads the guide's sine.
fn need(hour: f64) -> f64 {
    10.5 + 5.5 * (hour * 15.0_f64.to_radians()).cos()
}

/// The greatest need beyond three 24/7 and the scheduled instances, over all minutes.
fn greatest_shortfall(counts: [usize; 24]) -> f64 {
    (0..=24 * 60).map(|m| need(f64::from(m) / 60.0) - 3.0 - counts[(m as usize / 60) % 24] as f64).fold(f64::MIN, f64::max)
}

/// [TIME-21]
#[test]
fn time_21_the_reading_fits_three_load_based_instances_and_its_mirror_does_not() {
    let day = best_practices_day();
    let monday = |hour: usize| at("2026-01-05T00:30:00Z") + SignedDuration::from_hours(hour as i64);
    let counts: [usize; 24] = std::array::from_fn(|hour| day.iter().filter(|(_, s)| s.is_on(monday(hour))).count());
    assert_eq!(counts, TV_1_COUNTS);
    let spike = 2.0;
    let with_spike = greatest_shortfall(counts) + spike;
    assert!((3.255..3.265).contains(&with_spike), "{with_spike}");

    let blocks = [1, 3, 5, 7, 9, 12, 12, 9, 7, 5, 3, 1];
    let mirror: [usize; 24] = std::array::from_fn(|hour| blocks[hour / 2]);
    // The mirror's need has its trough at midnight: twelve hours later.
    let shortfall = (0..24 * 60_u32)
        .map(|m| need(f64::from(m) / 60.0 + 12.0) - 3.0 - mirror[m as usize / 60] as f64)
        .fold(f64::MIN, f64::max);
    let at_midnight = (3 + mirror[0], need(12.0));
    assert_eq!(at_midnight.0, 4);
    assert!((at_midnight.1 - 5.0).abs() < 1e-9);
    assert!((5.255..5.265).contains(&(shortfall + spike)), "{}", shortfall + spike);
}
