//! Time-based scaling: when a time-based instance starts and stops.
//!
//! A check compares the schedule with the instance as it is now, every 60 seconds [TIME-6]. It is level-triggered: a missed
//! check is made good by the next, and a changed schedule counts from the next check on [TIME-8]. Hours are UTC's, and there is no lead
//! time: an instance begins to start when its hour begins [TIME-10]. A layer's [`Plan`] may say otherwise.

pub mod calendar;
pub mod lead;
mod plan;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use jiff::Timestamp;

pub use plan::{Moment, Plan};
pub(crate) use schedule::parse_hour;
pub use schedule::{DAYS, ScheduleError, WeeklySchedule, best_practices_day};

use lead::MOST_LEAD;
use plan::Want;

use crate::start_retries::retry_at;
use crate::{InstanceId, InstanceStatus};

/// What SetTimeBasedAutoScaling stores, at `keys::time_based`: the API writes it, time-scaling reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StoredSchedule {
    /// The hours.
    pub schedule: WeeklySchedule,
    /// When the call was made; it ends the hold of an earlier manual stop [TIME-9].
    pub changed_at: Timestamp,
}

/// A time-based instance as a check sees it.
#[derive(Clone, Copy, Debug)]
pub struct TimerView<'a> {
    /// The record.
    pub id: &'a InstanceId,
    /// Its name, for reasons.
    pub hostname: &'a str,
    /// Where it stands.
    pub status: InstanceStatus,
    /// Its schedule; one that was never set is all off.
    pub schedule: &'a WeeklySchedule,
    /// Since when the hold of a manual stop stands; StartInstance removes it [TIME-9].
    pub manual_stop_since: Option<Timestamp>,
    /// A person's hold, somebody else's DRAINING or a claim is in force: hands off, both ways.
    pub is_held: bool,
    /// When a start was last attempted; needed of one whose start has failed, and where there is a lead.
    pub last_start_attempt: Option<Timestamp>,
    /// How many starts right before that one had failed.
    pub failed_starts: u32,
    /// When SetTimeBasedAutoScaling was last called; a later call ends the hold of a manual stop.
    pub schedule_changed_at: Option<Timestamp>,
}

/// What a check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerDecision {
    /// StartInstance.
    Start {
        /// Why.
        reason: StartReason,
    },
    /// StopInstance.
    Stop {
        /// Why.
        reason: StopReason,
    },
    /// Nothing, and why.
    Nothing(NothingReason),
}

/// Why an instance is started. `Display` is for on-call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartReason {
    /// It is stopped in an on-hour.
    OnHour,
    /// It is stopped, and its on-hour begins within the layer's lead.
    Ahead,
    /// Its last start failed, and the wait after it is over [TIME-11].
    RetryAfterFailure,
}

/// Why an instance is stopped. `Display` is for on-call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopReason {
    /// It is up in an off-hour.
    OffHour,
}

/// Why nothing is done. `Display` is for on-call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NothingReason {
    /// An on-hour, and it is online or on its way.
    UpAsScheduled,
    /// An off-hour, but it was started ahead of an on-hour that begins soon.
    UpAhead,
    /// An off-hour, and it is stopped or on its way.
    DownAsScheduled,
    /// An on-hour, but it is still going down; the next check after that starts it.
    StillGoingDown,
    /// It reboots in an off-hour; it is stopped when it is back.
    Rebooting,
    /// A hold, a claim or somebody else's intervention.
    Held,
    /// A person stopped it in this on-hour, or ahead of one [TIME-9].
    StoppedByHand {
        /// When the schedule takes over again; `None` if the schedule has no off-hour, so that only a person ends it.
        until: Option<Timestamp>,
    },
    /// The last start failed, and the next attempt has to wait [TIME-11].
    StartFailed {
        /// When it is tried again.
        retry_at: Timestamp,
    },
    /// Setup failed: left to the user [TIME-12].
    SetupFailed,
    /// The host is silent: left to healing [TIME-12].
    ConnectionLost,
    /// EC2 would not stop it: left to the user.
    StopFailed,
    /// It is being registered, assigned or taken out: not the schedule's.
    NotScheduled,
}

impl std::fmt::Display for StartReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OnHour => "the schedule says on for this hour, and the instance is stopped",
            Self::Ahead => "the schedule says on for an hour that begins soon, and a start takes its time",
            Self::RetryAfterFailure => "the schedule says on for this hour, and the last start failed: it is tried again",
        })
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::OffHour => "the schedule says off for this hour, and the instance is not stopped",
        })
    }
}

impl std::fmt::Display for NothingReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UpAsScheduled => "up, as scheduled",
            Self::UpAhead => "up ahead of an hour that begins soon",
            Self::DownAsScheduled => "down, as scheduled",
            Self::StillGoingDown => "the schedule says on, but the instance is still going down",
            Self::Rebooting => "the schedule says off, but the instance reboots",
            Self::Held => "a hold or a claim is in force",
            Self::StoppedByHand { until: Some(until) } => {
                return write!(f, "stopped by hand, the schedule takes over at {until}");
            }
            Self::StoppedByHand { until: None } => "stopped by hand, until it is started by hand or its schedule is set",
            Self::StartFailed { retry_at } => return write!(f, "the last start failed, the next attempt is at {retry_at}"),
            Self::SetupFailed => "setup failed on the host, which is left to you",
            Self::ConnectionLost => "the host is silent, which is left to auto healing",
            Self::StopFailed => "the host would not stop, which is left to you",
            Self::NotScheduled => "the instance is being registered, assigned or taken out",
        })
    }
}

/// Decides what a check at `now` does with one time-based instance, by OpsWorks' own plan [TIME-7, 9, 11, 12]. Never fails.
pub fn decide(timer: &TimerView<'_>, now: Timestamp) -> TimerDecision {
    static PLAN: LazyLock<Plan> = LazyLock::new(Plan::default);
    decide_at(timer, &PLAN.at(now))
}

/// Decides what a check does with one time-based instance at a moment of its layer's plan. Never fails.
pub fn decide_at(timer: &TimerView<'_>, moment: &Moment<'_>) -> TimerDecision {
    let now = moment.now;
    let decision = match moment.want(timer.schedule) {
        Want::On => in_on_hour(timer, StartReason::OnHour, now),
        Want::Soon => in_on_hour(timer, StartReason::Ahead, now),
        Want::Off => match in_off_hour(timer.status) {
            TimerDecision::Stop { .. } if was_started_ahead(timer, moment) => TimerDecision::Nothing(NothingReason::UpAhead),
            decision => decision,
        },
    };
    match decision {
        TimerDecision::Start { .. } | TimerDecision::Stop { .. } if timer.is_held => TimerDecision::Nothing(NothingReason::Held),
        TimerDecision::Start { .. } => hold_after_manual_stop(timer, moment).map_or(decision, TimerDecision::Nothing),
        TimerDecision::Stop { .. } | TimerDecision::Nothing(_) => decision,
    }
}

fn was_started_ahead(timer: &TimerView<'_>, moment: &Moment<'_>) -> bool {
    !moment.plan.lead.is_zero() && timer.last_start_attempt.is_some_and(|at| moment.is_ahead(timer.schedule, at))
}

/// Also ahead of an on-hour.
fn in_on_hour(timer: &TimerView<'_>, reason: StartReason, now: Timestamp) -> TimerDecision {
    use InstanceStatus as S;
    use TimerDecision::{Nothing, Start};
    match timer.status {
        S::Stopped => Start { reason },
        S::StartFailed => match timer.last_start_attempt.map(|at| retry_at(at, timer.failed_starts)) {
            Some(retry_at) if now < retry_at => Nothing(NothingReason::StartFailed { retry_at }),
            Some(_) | None => Start { reason: StartReason::RetryAfterFailure },
        },
        S::Requested | S::Pending | S::Booting | S::RunningSetup | S::Online | S::Rebooting => {
            Nothing(NothingReason::UpAsScheduled)
        }
        S::SetupFailed => Nothing(NothingReason::SetupFailed),
        S::ConnectionLost => Nothing(NothingReason::ConnectionLost),
        S::Stopping | S::ShuttingDown | S::Terminating | S::Terminated => Nothing(NothingReason::StillGoingDown),
        S::StopFailed => Nothing(NothingReason::StopFailed),
        S::Registering | S::Registered | S::Assigning | S::Unassigning | S::Deregistering => Nothing(NothingReason::NotScheduled),
    }
}

fn in_off_hour(status: InstanceStatus) -> TimerDecision {
    use InstanceStatus as S;
    use TimerDecision::{Nothing, Stop};
    match status {
        S::Requested
        | S::Pending
        | S::Booting
        | S::RunningSetup
        | S::Online
        | S::SetupFailed
        | S::StartFailed
        | S::ConnectionLost => Stop { reason: StopReason::OffHour },
        S::Rebooting => Nothing(NothingReason::Rebooting),
        S::Stopped | S::Stopping | S::ShuttingDown | S::Terminating | S::Terminated => Nothing(NothingReason::DownAsScheduled),
        S::StopFailed => Nothing(NothingReason::StopFailed),
        S::Registering | S::Registered | S::Assigning | S::Unassigning | S::Deregistering => Nothing(NothingReason::NotScheduled),
    }
}

/// The hold of a manual stop, unless it is over: at the first off-to-on boundary after it, or by a later change of the schedule.
///
/// Our choice: a lead counts for that boundary too, unless the stop came within the hour before it: then it holds until the hour itself, so that
/// who stops a host that was started ahead is not overruled at once.
fn hold_after_manual_stop(timer: &TimerView<'_>, moment: &Moment<'_>) -> Option<NothingReason> {
    let since = timer.manual_stop_since?;
    if timer.schedule_changed_at.is_some_and(|at| at > since) {
        return None;
    }
    let plan = moment.plan;
    let until = plan.calendar.next_off_to_on(timer.schedule, since).map(|hour| match hour.duration_since(since) > MOST_LEAD {
        true => hour.checked_sub(plan.lead).unwrap_or(hour),
        false => hour,
    });
    until.is_none_or(|until| moment.now < until).then_some(NothingReason::StoppedByHand { until })
}
