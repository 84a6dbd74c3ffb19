//! One screen: stacks, layers, instances by type and status, alarms, holds, jobs, and what is blocked and why.

use std::fmt::Write;

use jiff::Timestamp;
use strata_control::api::status::{Count, IncidentStatus, JobStatus, LayerStatus, ScalingStatus, StackStatus, Status};
use strata_domain::load_based::AlarmState;
use strata_domain::mode::Mode;

/// Width of the column of what a line is about.
const LABEL: usize = 11;

/// The screen, ending with a new line.
pub(crate) fn screen(status: &Status) -> String {
    let mut text = format!(
        "{} {}  mode {}  {}\n",
        status.account,
        status.region,
        mode(status.mode),
        status.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    if status.stacks.is_empty() {
        text.push_str("\nno stack that you may see\n");
    }
    for stack in &status.stacks {
        one_stack(&mut text, stack, status.at);
    }
    text
}

fn mode(mode: Option<Mode>) -> &'static str {
    mode.map_or("UNREADABLE (nothing is stopped, terminated or patched)", Mode::as_str)
}

fn one_stack(text: &mut String, stack: &StackStatus, now: Timestamp) {
    put(text, format_args!("\n{}  {}\n", stack.name, stack.stack_id));
    for incident in &stack.incidents {
        one_incident(text, incident, now);
    }
    if stack.layers.is_empty() {
        text.push_str("  no layer\n");
    }
    for layer in &stack.layers {
        one_layer(text, layer, now);
    }
    for (label, line) in by_type(&stack.unassigned) {
        put(text, format_args!("  in no layer: {label} {line}\n"));
    }
}

fn one_incident(text: &mut String, incident: &IncidentStatus, now: Timestamp) {
    let IncidentStatus { severity, subject, what, why, next, since } = incident;
    put(text, format_args!("  PAGE {severity} {subject}: {what}, {} ago: {why}\n    next: {next}\n", ago(*since, now)));
}

fn one_layer(text: &mut String, layer: &LayerStatus, now: Timestamp) {
    let cluster = layer.cluster.as_deref().and_then(|arn| arn.rsplit('/').next());
    let of = match (layer.layer_type.as_str(), cluster) {
        ("ecs-cluster", Some(cluster)) => format!("ECS cluster {cluster}"),
        ("ecs-cluster", None) => "ECS cluster deregistered".to_owned(),
        (other, _) => other.to_owned(),
    };
    put(text, format_args!("  {} ({of})  {}\n", layer.name, layer.layer_id));
    if layer.instances.is_empty() {
        row(text, "instances", "none");
    }
    for (label, line) in by_type(&layer.instances) {
        row(text, &label, &line);
    }
    if let Some(scaling) = &layer.scaling {
        one_scaling(text, scaling, now);
    }
    for hold in &layer.holds {
        let until = hold.until.map_or_else(|| "until it is ended".to_owned(), |until| format!("until {}", clock(until)));
        row(text, &hold.kind, &format!("{} by {} {until}: {}", hold.subject, hold.by, hold.reason));
    }
    for (label, job) in [("update", &layer.campaign), ("teardown", &layer.teardown)] {
        if let Some(job) = job {
            row(text, label, &one_job(job, now));
        }
    }
    for blocked in &layer.blocked {
        row(text, "BLOCKED", blocked);
    }
}

/// `3 online, 1 setup_failed (web4)` for each type.
fn by_type(counts: &[Count]) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for count in counts {
        let mut part = format!("{} {}", count.instances, count.status);
        if !count.hosts.is_empty() {
            let more = if count.instances > count.hosts.len() { ", ..." } else { "" };
            put(&mut part, format_args!(" ({}{more})", count.hosts.join(", ")));
        }
        let label = count.scaling.to_string();
        match lines.last_mut().filter(|(of, _)| *of == label) {
            Some((_, line)) => put(line, format_args!(", {part}")),
            None => lines.push((label, part)),
        }
    }
    lines
}

fn one_scaling(text: &mut String, scaling: &ScalingStatus, now: Timestamp) {
    row(text, "scaling", &scaling.says);
    let Some(alarms) = &scaling.alarms else { return };
    let fine = alarms.iter().filter(|alarm| alarm.state == AlarmState::Ok).count();
    let mut told: Vec<String> = (fine > 0).then(|| format!("{fine} OK")).into_iter().collect();
    for alarm in alarms.iter().filter(|alarm| alarm.state != AlarmState::Ok) {
        let state = match alarm.state {
            AlarmState::Ok => "OK",
            AlarmState::Alarm => "in ALARM",
            AlarmState::InsufficientData => "without data",
            AlarmState::Missing => "missing",
        };
        let since = alarm.since.map(|since| format!(" for {}", ago(since, now))).unwrap_or_default();
        told.push(format!("{} {state}{since}", alarm.name));
    }
    if !told.is_empty() {
        row(text, "alarms", &told.join(", "));
    }
}

fn one_job(job: &JobStatus, now: Timestamp) -> String {
    format!("{}: {}; begun {} ago by {}", job.state, job.progress, ago(job.since, now), job.by)
}

fn row(text: &mut String, label: &str, line: &str) {
    put(text, format_args!("    {label:LABEL$}  {line}\n"));
}

pub(crate) fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes every write");
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// How long ago, in the largest unit that fits.
fn ago(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use strata_control::api::status::{AlarmStatus, HoldStatus};
    use strata_domain::load_based::Direction;
    use strata_domain::{InstanceStatus, ScalingType};

    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-03-02T{time}Z").parse().unwrap()
    }

    fn count(scaling: ScalingType, status: InstanceStatus, instances: usize, hosts: &[&str]) -> Count {
        Count { scaling, status, instances, hosts: hosts.iter().map(ToString::to_string).collect() }
    }

    fn layer() -> LayerStatus {
        let alarm = |name: &str, state, since| AlarmStatus {
            name: name.to_owned(),
            direction: Direction::Up,
            is_custom: false,
            state,
            since,
        };
        LayerStatus {
            layer_id: "l".to_owned(),
            name: "web".to_owned(),
            shortname: "ecs-cluster".to_owned(),
            layer_type: "ecs-cluster".to_owned(),
            cluster: Some("arn:aws:ecs:us-east-1:123456789012:cluster/shop".to_owned()),
            mode: Some(Mode::Active),
            instances: vec![
                count(ScalingType::AlwaysOn, InstanceStatus::Online, 3, &[]),
                count(ScalingType::Load, InstanceStatus::Online, 1, &[]),
                count(ScalingType::Load, InstanceStatus::SetupFailed, 2, &["web7"]),
            ],
            scaling: Some(ScalingStatus {
                enabled: true,
                says: "upscaling waits".to_owned(),
                alarms: Some(vec![
                    alarm("up-cpu", AlarmState::Alarm, Some(at("07:40:00"))),
                    alarm("down-cpu", AlarmState::Ok, Some(at("01:00:00"))),
                    alarm("queue", AlarmState::Missing, None),
                ]),
            }),
            holds: vec![HoldStatus {
                subject: "web3".to_owned(),
                kind: "hold".to_owned(),
                by: "ada".to_owned(),
                reason: "kernel dump".to_owned(),
                until: Some(at("09:00:00")),
            }],
            campaign: None,
            teardown: None,
            blocked: vec!["scaling is blocked: alarm queue does not exist".to_owned()],
        }
    }

    #[test]
    fn the_screen_says_all_that_on_call_needs() {
        let incident = IncidentStatus {
            severity: "critical".to_owned(),
            subject: "web/web7".to_owned(),
            what: "web7 did not start".to_owned(),
            why: "no capacity".to_owned(),
            next: "strata why web7".to_owned(),
            since: at("07:30:00"),
        };
        let stack = StackStatus {
            stack_id: "s".to_owned(),
            name: "shop".to_owned(),
            layers: vec![layer()],
            unassigned: Vec::new(),
            incidents: vec![incident],
        };
        let status = Status {
            at: at("07:42:00"),
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            mode: None,
            stacks: vec![stack],
        };
        let expected = "\
123456789012 us-east-1  mode UNREADABLE (nothing is stopped, terminated or patched)  2026-03-02 07:42:00 UTC

shop  s
  PAGE critical web/web7: web7 did not start, 12 min ago: no capacity
    next: strata why web7
  web (ECS cluster shop)  l
    24/7         3 online
    load-based   1 online, 2 setup_failed (web7, ...)
    scaling      upscaling waits
    alarms       1 OK, up-cpu in ALARM for 2 min, queue missing
    hold         web3 by ada until 2026-03-02 09:00 UTC: kernel dump
    BLOCKED      scaling is blocked: alarm queue does not exist
";
        assert_eq!(screen(&status), expected);
    }

    #[test]
    fn times_are_told_in_the_largest_unit_that_fits() {
        let now = at("12:00:00");
        for (since, text) in
            [("12:00:05", "0 s"), ("11:58:01", "119 s"), ("11:58:00", "2 min"), ("10:00:01", "119 min"), ("10:00:00", "2 h")]
        {
            assert_eq!(ago(at(since), now), text, "{since}");
        }
        assert_eq!(ago("2026-02-20T12:00:00Z".parse().unwrap(), now), "10 days");
    }
}
