//! `cargo xtask bench scaling`: what the deciders cost without the world around them, at three sizes each.
//!
//! One pass of time-scaling over all time-based instances of an installation, a hundred to a stack, and one decision of load-scaling about a layer
//! with ten alarms, up and down. Beside the pass stands a naive one that works out for each instance anew what the hour means in its layer's time zone. All are
//! measured in turn in the same run, so what counts are the ratios; absolute figures belong to the machine of the day.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::disallowed_methods, reason = "a bench measures wall time")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use strata_domain::load_based::{
    self, AlarmKind, AlarmState, AlarmView, Candidate, Configuration, Decision, Direction, ThresholdsPatch,
};
use strata_domain::settings::{LoadScalingSettings, Settings};
use strata_domain::time_based::{DAYS, Moment, Plan, TimerDecision, TimerView, WeeklySchedule, decide_at};
use strata_domain::workload::{Resources, TaskLoad, TaskOwner, Workload};
use strata_domain::{InstanceId, InstanceStatus, ScalingType};

/// So many instances has each stack of the pass.
const A_STACK: usize = 100;

#[derive(Debug, Parser)]
#[command(about = "Measures the decisions of both scalers")]
struct Args {
    /// Stacks of a pass of time-scaling, each with a hundred instances
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1_000])]
    stacks: Vec<usize>,
    /// Instances of the layer that load-scaling decides about
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000])]
    members: Vec<usize>,
    /// Runs of each
    #[arg(long, default_value_t = 21)]
    runs: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!("{} runs of each, in turn; what a run costs on a machine that does nothing else is nearest to the least", args.runs);
    println!("{:<36} {:>9} {:>10} {:>10} {:>12}", "", "instances", "median ms", "least ms", "ns/instance");
    for stacks in &args.stacks {
        time_based(*stacks, args.runs)?;
    }
    for members in &args.members {
        for direction in Direction::ALL {
            load_based(*members, direction, args.runs)?;
        }
    }
    Ok(())
}

/// One stack: its layer's plan and its instances.
struct Stack {
    plan: Plan,
    timers: Vec<(InstanceId, WeeklySchedule, InstanceStatus)>,
}

/// One in four stacks each: UTC, a time zone, a time zone with a holiday, and that with a lead.
fn stack(n: usize) -> anyhow::Result<Stack> {
    let own = [
        "{}",
        r#"{"time_zone":"Europe/Berlin"}"#,
        r#"{"time_zone":"Australia/Adelaide","dates":{"2026-12-25":"off"}}"#,
        r#"{"time_zone":"America/New_York","dates":{"2026-12-25":"off","2026-12-31":{"8":"on"}},"lead_minutes":12}"#,
    ][n % 4];
    let settings = Settings::from_custom_json(Some(&format!(r#"{{"strata":{{"time_scaling":{own}}}}}"#)))?;
    let timers = (0..A_STACK).map(|i| {
        // Eight hours that begin anywhere, on weekdays or on all days.
        let hours: u32 = (0..8).fold(0, |mask, hour| mask | 1 << ((i + hour) % 24));
        let days = std::array::from_fn(|day| if day < 5 || i % 2 == 0 { hours } else { 0 });
        let status = if i % 3 == 0 { InstanceStatus::Online } else { InstanceStatus::Stopped };
        (InstanceId::new(format!("{n:04}-{i:03}")), WeeklySchedule::from(days), status)
    });
    Ok(Stack { plan: Plan::of(&settings.time_scaling, &Default::default(), []), timers: timers.collect() })
}

/// Starts and stops.
type Moves = (usize, usize);

fn count(moves: Moves, decision: TimerDecision) -> Moves {
    match decision {
        TimerDecision::Start { .. } => (moves.0 + 1, moves.1),
        TimerDecision::Stop { .. } => (moves.0, moves.1 + 1),
        TimerDecision::Nothing(_) => moves,
    }
}

fn decide(timer: &(InstanceId, WeeklySchedule, InstanceStatus), moment: &Moment<'_>) -> TimerDecision {
    let (id, schedule, status) = timer;
    let view = TimerView {
        id,
        hostname: id.as_str(),
        status: *status,
        schedule,
        manual_stop_since: None,
        is_held: false,
        last_start_attempt: None,
        failed_starts: 0,
        schedule_changed_at: None,
    };
    decide_at(&view, moment)
}

/// As the function does it: what the hour means is worked out once for a layer.
fn pass(stacks: &[Stack], now: Timestamp) -> Moves {
    stacks.iter().fold((0, 0), |moves, stack| {
        let moment = stack.plan.at(now);
        stack.timers.iter().fold(moves, |moves, timer| count(moves, decide(timer, &moment)))
    })
}

fn naive_pass(stacks: &[Stack], now: Timestamp) -> Moves {
    let timers = stacks.iter().flat_map(|stack| stack.timers.iter().map(move |timer| (stack, timer)));
    timers.fold((0, 0), |moves, (stack, timer)| count(moves, decide(timer, &stack.plan.at(now))))
}

fn time_based(stacks: usize, runs: usize) -> anyhow::Result<()> {
    let stacks: Vec<Stack> = (0..stacks).map(stack).collect::<anyhow::Result<_>>()?;
    // A Monday morning, half an hour after clocks went forward the day before in Berlin.
    let now: Timestamp = "2026-03-30T08:30:00Z".parse()?;
    let (decided, naive) = (pass(&stacks, now), naive_pass(&stacks, now));
    ensure!(decided == naive, "both passes decide the same: {decided:?}, {naive:?}");
    ensure!(decided.0 > 0 && decided.1 > 0, "a {} finds something to do: {decided:?}", DAYS[0]);
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        times[0].push(timed(|| pass(black_box(&stacks), black_box(now))));
        times[1].push(timed(|| naive_pass(black_box(&stacks), black_box(now))));
    }
    let instances = stacks.len() * A_STACK;
    let [pass, naive] = times;
    let pass = report("time-based pass", instances, pass);
    let naive = report("  the same, each instance by itself", instances, naive);
    println!("  {:.1} times as long", naive / pass);
    Ok(())
}

/// So many hosts does an event start or stop at most, and so many more are looked at before it stops any.
const BATCH: usize = 10;
const LOOKED_AT: usize = 30;

/// A layer of which half is online, and ten alarms of which one fires.
fn load_based(members: usize, direction: Direction, runs: usize) -> anyhow::Result<()> {
    let begun: Timestamp = "2026-03-30T00:00:00Z".parse()?;
    let now = begun + SignedDuration::from_hours(8);
    let names = |direction: &str| -> Vec<String> { (0..5).map(|n| format!("{direction}-{n}")).collect() };
    let patch = |direction: &str| ThresholdsPatch {
        instance_count: i64::try_from(BATCH).ok(),
        thresholds_wait_time: Some(5),
        ignore_metrics_time: Some(5),
        alarms: Some(names(direction)),
        ..ThresholdsPatch::default()
    };
    let config = Configuration::default().merge(Some(true), Some(&patch("up")), Some(&patch("down")), begun)?;
    let fires = format!("{}-3", direction.as_str());
    let alarm = |direction, name: String| AlarmView {
        state: if name == fires { AlarmState::Alarm } else { AlarmState::Ok },
        name,
        direction,
        kind: AlarmKind::Custom,
        since: now - SignedDuration::from_mins(30),
        last: None,
    };
    let alarms: Vec<AlarmView> = Direction::ALL
        .into_iter()
        .flat_map(|direction| names(direction.as_str()).into_iter().map(move |name| (direction, name)))
        .map(|(direction, name)| alarm(direction, name))
        .collect();
    let candidates: Vec<Candidate> = (0..members).map(|n| candidate(n, n < members / 2, begun)).collect();
    let settings = LoadScalingSettings::default();
    let input =
        load_based::Input { config: &config, settings: &settings, alarms: &alarms, members: &candidates, last_event: None };
    let due = BATCH.min(members / 2);
    match load_based::decide(&input, now) {
        Decision::Scale { direction: found, instances, .. } => {
            ensure!(found == direction && instances.len() == due, "{} of {due} hosts {}", instances.len(), found.as_str());
        }
        Decision::Hold(reason) => anyhow::bail!("{fires} has fired for half an hour, and nothing is done: {reason}"),
    }
    let times = (0..runs).map(|_| timed(|| load_based::decide(black_box(&input), black_box(now)))).collect();
    report(&format!("load decision {}, ten alarms", direction.as_str()), members, times);
    Ok(())
}

/// A host; of the first that are online the tasks were looked at.
fn candidate(n: usize, is_online: bool, begun: Timestamp) -> Candidate {
    let task = TaskLoad { owner: TaskOwner::Service, is_protected: false, reserves: Resources { cpu: 256, memory: 512 } };
    let workload =
        Workload { free: Resources { cpu: 512, memory: 1_024 }, running: 6, tasks: (n < LOOKED_AT).then(|| vec![task; 6]) };
    Candidate {
        id: InstanceId::new(format!("{n:05}")),
        hostname: format!("web{n}"),
        scaling: ScalingType::Load,
        status: if is_online { InstanceStatus::Online } else { InstanceStatus::Stopped },
        availability_zone: ["a", "b", "c"][n % 3].to_owned(),
        created_at: begun,
        started_at: is_online.then_some(begun),
        failed_starts: 0,
        is_refused: false,
        is_held: false,
        workload: is_online.then_some(workload),
    }
}

fn timed<T>(what: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(what());
    begun.elapsed()
}

/// Prints a line, and gives the least time in milliseconds.
fn report(what: &str, instances: usize, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let ms = |place: usize| times.get(place).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let (median, least) = (ms(times.len() / 2), ms(0));
    println!("{what:<36} {instances:>9} {median:>10.3} {least:>10.3} {:>12.1}", least * 1e6 / instances as f64);
    least
}
