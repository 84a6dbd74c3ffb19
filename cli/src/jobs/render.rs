//! Jobs and plans in words, for a terminal.

use jiff::{SignedDuration, Timestamp};
use strata_control::api::extension::{CampaignPlanned, TeardownPlanned, Waiting};
use strata_domain::teardown::TeardownTold;
use strata_domain::updates::{Basis, CampaignTold, HostTold, PlannedHost};
use strata_ports::asked::JobAnswer;

/// So many hosts of one phase are named.
const NAMED: usize = 10;
/// So many hosts are told in a line of their own.
const LINES: usize = 40;

/// The day is told once, at the head; here the minute does.
fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M").to_string()
}

fn whole(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn names(hosts: &[String]) -> String {
    let shown = hosts.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What holds a job up beside itself, what waits, and what became of the last request if it was refused.
pub(super) fn around(held_up: Option<&str>, waiting: &[Waiting], answer: Option<&JobAnswer>) -> String {
    let mut text = String::new();
    if let Some(why) = held_up {
        text.push_str(&format!("  nothing is done: {why}\n"));
    }
    for w in waiting {
        text.push_str(&format!("  waits to be heeded: {} of {}, by {}\n", w.verb.as_str(), whole(w.asked_at), w.requested_by));
    }
    if let Some((answer, why)) = answer.and_then(|answer| Some((answer, answer.refused.as_ref()?))) {
        let (verb, at) = (answer.verb.as_str(), whole(answer.asked_at));
        text.push_str(&format!("  the last request, {verb} of {at} by {}, was refused: {why}\n", answer.requested_by));
    }
    text
}

/// A campaign: its state, then the hosts that are not simply done or waiting.
pub(super) fn campaign(told: &CampaignTold) -> String {
    let outcome = told.outcome.as_deref().map(|o| format!(", {o}")).unwrap_or_default();
    let mut text = format!("{}  {}{outcome}  wave {}  {}\n", told.subject, told.state, told.wave, told.tally);
    let reason = told.reason.as_deref().map(|r| format!(": {r}")).unwrap_or_default();
    let mut line = |name: &str, says: &str| text.push_str(&format!("  {name:<10} {says}\n"));
    line("id", told.id.as_str());
    line("begun", &format!("{} by {}{reason}", whole(told.started_at), told.requested_by));
    if let (Some(since), true) = (told.since, told.is_ended()) {
        line("ended", &whole(since));
    } else {
        line("window", &format!("until {}: no host is begun after it", whole(told.window_end)));
    }
    line("failures", &format!("{} of {} until it pauses itself", told.failures, told.failure_budget));
    if let Some(blocked) = &told.blocked {
        line("BLOCKED", blocked);
    }
    line("next", &told.next);
    for phase in ["done", "waiting"] {
        let hosts: Vec<String> = told.hosts.iter().filter(|h| h.phase == phase).map(|h| h.host.clone()).collect();
        if !hosts.is_empty() {
            line(phase, &names(&hosts));
        }
    }
    let unusual: Vec<&HostTold> = told.hosts.iter().filter(|h| !matches!(h.phase.as_str(), "done" | "waiting")).collect();
    unusual.iter().take(LINES).for_each(|h| text.push_str(&host(h)));
    if unusual.len() > LINES {
        text.push_str(&format!("  and {} more; --json has all\n", unusual.len() - LINES));
    }
    text
}

fn host(h: &HostTold) -> String {
    let since = h.since.map(|since| format!(" since {}", clock(since))).unwrap_or_default();
    let until = h.until.map(|until| format!(", given up at {}", clock(until))).unwrap_or_default();
    let why = h.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let canary = if h.canary { " (canary)" } else { "" };
    format!("  {:<10} {}{canary}{since}{until}{why}\n", h.phase, h.host)
}

/// A teardown.
pub(super) fn teardown(told: &TeardownTold) -> String {
    let outcome = told.outcome.as_deref().map(|o| format!(", {o}")).unwrap_or_default();
    let mut text = format!("{}  {}{outcome}  {}\n", told.subject, told.state, told.stage_name);
    let mut line = |name: &str, says: &str| text.push_str(&format!("  {name:<10} {says}\n"));
    line("id", told.id.as_str());
    line("begun", &format!("{} by {}", whole(told.started_at), told.requested_by));
    if let (Some(since), true) = (told.since, told.is_ended()) {
        line("ended", &whole(since));
    } else {
        line("stage", &format!("since {}; on-call is paged at {}", whole(told.stage_since), whole(told.stage_until)));
    }
    if let Some(blocked) = &told.blocked {
        line("BLOCKED", blocked);
    }
    if let (Some(refusal), false) = (&told.last_refusal, told.is_ended()) {
        line("answered", refusal);
    }
    line("next", &told.next);
    if !told.scaled_down.is_empty() {
        let counts: Vec<String> = told.scaled_down.iter().map(|(name, count)| format!("{name} had {count}")).collect();
        line("services", &format!("were scaled to zero: {}", counts.join(", ")));
    }
    text
}

fn mode_line(blocked: &[String]) -> String {
    blocked.iter().map(|why| format!("  BLOCKED    {why}\n")).collect()
}

/// What a campaign would do.
pub(super) fn campaign_plan(planned: &CampaignPlanned) -> String {
    let plan = &planned.plan;
    let took = plan.ends.duration_since(planned.at);
    let how = plan.outcome.map_or("it would not end", |outcome| match outcome {
        strata_domain::updates::CampaignOutcome::Completed => "completed",
        strata_domain::updates::CampaignOutcome::WindowOver => "its window over",
        strata_domain::updates::CampaignOutcome::Aborted => "aborted",
    });
    let mut text = format!(
        "{}: {} waves, until {} ({}), {how}; the window ends {}\n",
        planned.subject,
        plan.waves.len(),
        whole(plan.ends),
        length(took),
        whole(plan.window_end)
    );
    text.push_str(&mode_line(&planned.blocked));
    text.push_str(&format!(
        "  budget     at most {} of {} online are out at once; it pauses at {} failures, or one of a canary\n",
        plan.may_be_out, plan.online, planned.failure_budget
    ));
    let wave = length(SignedDuration::from_secs(plan.wave_seconds));
    text.push_str(&match plan.basis {
        Basis::Measured => format!("  times      expected: a wave took {wave} last time\n"),
        Basis::Limits => {
            let (drain, patch) = (planned.drain_minutes, planned.patch_minutes);
            format!("  times      at the latest: a wave may take {wave}, {drain} min of draining and {patch} min of patching\n")
        }
    });
    for wave in &plan.waves {
        let canary = if wave.canary { " canary" } else { "" };
        let (from, to) = (clock(wave.begins), clock(wave.ends));
        text.push_str(&format!("  wave {:<5} {from}-{to}{canary}: {} ({})\n", wave.number, names(&wave.hosts), wave.why));
    }
    text.push_str(&hosts("skipped", &plan.skipped));
    text.push_str(&hosts("left", &plan.left));
    text
}

fn hosts(title: &str, hosts: &[PlannedHost]) -> String {
    let mut text: String = hosts.iter().take(LINES).map(|h| format!("  {title:<10} {}: {}\n", h.host, h.why)).collect();
    if hosts.len() > LINES {
        text.push_str(&format!("  {title:<10} and {} more; --json has all\n", hosts.len() - LINES));
    }
    text
}

/// `45 min`, `3 h 10 min`.
fn length(time: SignedDuration) -> String {
    let minutes = (time.as_secs() + 59) / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// What a teardown would do.
pub(super) fn teardown_plan(planned: &TeardownPlanned) -> String {
    let mut text = format!("{}: a teardown would do this, in this order\n", planned.subject);
    text.push_str(&mode_line(&planned.blocked));
    for (n, stage) in planned.plan.stages.iter().filter(|s| !s.does.is_empty() || s.blocked.is_some()).enumerate() {
        let patience = match stage.patience_minutes {
            0 => String::new(),
            minutes => format!(" (on-call is paged if it takes longer than {minutes} min)"),
        };
        text.push_str(&format!("  {}. {}{patience}\n", n + 1, stage.name));
        stage.does.iter().take(LINES).for_each(|does| text.push_str(&format!("     {does}\n")));
        if stage.does.len() > LINES {
            text.push_str(&format!("     and {} more; --json has all\n", stage.does.len() - LINES));
        }
        if let Some(blocked) = &stage.blocked {
            text.push_str(&format!("     BLOCKED: {blocked}\n"));
        }
    }
    match &planned.plan.left {
        Some(left) => text.push_str(&format!("  then {left}\n")),
        None => text.push_str("  it would not come to its end before that is out of the way\n"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_hours_and_begun_minutes() {
        for (seconds, expected) in
            [(0, "0 min"), (1, "1 min"), (60, "1 min"), (61, "2 min"), (3_600, "1 h"), (11_400, "3 h 10 min")]
        {
            assert_eq!(length(SignedDuration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn ten_names_are_told_and_the_rest_is_counted() {
        let hosts: Vec<String> = (1..=12).map(|n| format!("w{n}")).collect();
        assert_eq!(names(&hosts[..2]), "w1, w2");
        assert_eq!(names(&hosts), "w1, w2, w3, w4, w5, w6, w7, w8, w9, w10 and 2 more");
    }
}
