//! Load-based scaling: when load-based instances of a layer start and stop, and which.
//!
//! CloudWatch alarms watch the layer's averages ([`managed_alarms`]); the user may add alarms of his own. [`decide`] looks at
//! the state of all of them, at the layer's members and at the last event, and says what to do now. It keeps no memory: the wait
//! clocks are read from the alarms' transition times, so a lost or doubled wake-up changes nothing.

mod blocked;
mod configuration;
mod selection;
mod steps;
#[cfg(test)]
mod tests;
mod unmet;

use jiff::{SignedDuration, Timestamp};
use selection::Taken;
use serde::{Deserialize, Serialize};

pub use blocked::{Blocked, TOLD_AFTER, Watch, watch};
pub use configuration::{
    AlarmSpec, Comparison, Configuration, Direction, MAX_ALARMS, Metric, ScalingConfigError, Thresholds, ThresholdsPatch,
    managed_alarm_name, managed_alarms,
};
pub use selection::instances_to_look_at;
pub use unmet::{FollowUp, Start, Unmet};

use crate::settings::LoadScalingSettings;
use crate::workload::{Resources, Workload};
use crate::{InstanceId, InstanceStatus, ScalingType};

/// An alarm's state, as read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    /// Not crossed.
    Ok,
    /// Crossed.
    Alarm,
    /// CloudWatch does not know.
    InsufficientData,
    /// There is no such alarm.
    Missing,
}

/// Whose alarm it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// Ours, for a threshold: it has already waited when it turns ALARM [LOAD-24].
    Managed(Metric),
    /// One of the user's list: it waits from its transition [LOAD-20].
    Custom,
}

/// A value that an alarm's metric had.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Datapoint {
    /// Percent, or load.
    pub value: f64,
    /// When CloudWatch looked at it.
    pub at: Timestamp,
}

/// One alarm as the decision sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmView {
    /// Name.
    pub name: String,
    /// Which way a managed alarm scales. Of a custom one the configuration's lists decide, so a name that stands in both
    /// lists needs only one view.
    pub direction: Direction,
    /// Whose.
    pub kind: AlarmKind,
    /// State.
    pub state: AlarmState,
    /// Its last transition.
    pub since: Timestamp,
    /// The newest value behind that transition, where CloudWatch tells it; proportional steps want it of managed alarms.
    #[serde(default)]
    pub last: Option<Datapoint>,
}

/// One instance of the layer, of any scaling type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The record.
    pub id: InstanceId,
    /// Its name, for reasons.
    pub hostname: String,
    /// Its type.
    pub scaling: ScalingType,
    /// Where it stands.
    pub status: InstanceStatus,
    /// The zone of its subnet.
    pub availability_zone: String,
    /// When the record was created.
    pub created_at: Timestamp,
    /// When its current or last start was accepted.
    pub started_at: Option<Timestamp>,
    /// How many starts right before that one had failed.
    pub failed_starts: u32,
    /// Its zone has refused a start a moment ago: it is chosen last.
    pub is_refused: bool,
    /// A hold (a manual stop's included [LOAD-15]) or a claim is in force, or the host is excluded.
    pub is_held: bool,
    /// What runs on it; `None` where nobody has asked. If anybody has, hosts whose tasks were not looked at are not stopped.
    pub workload: Option<Workload>,
}

/// A scaling event, as stored: the last one silences both directions until `ignore_until` [LOAD-13].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingEvent {
    /// Up or down.
    pub direction: Direction,
    /// When.
    pub at: Timestamp,
    /// Until when nothing is looked at; at this moment itself all wait clocks start from zero.
    pub ignore_until: Timestamp,
    /// What it started or stopped.
    pub instances: Vec<InstanceId>,
    /// The alarm that fired.
    pub fired_by: String,
}

/// An event that was not carried out by then is not carried out any more, unless its ignore time lasts longer.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(15);

impl ScalingEvent {
    /// Whether it is too late to carry the rest of it out: after a freeze or a long outage the alarms as they are then decide anew,
    /// so coming back storms nothing.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now > self.at.checked_add(STALE_AFTER).unwrap_or(Timestamp::MAX).max(self.ignore_until)
    }
}

/// What is known of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its thresholds.
    pub config: &'a Configuration,
    /// Its switches: `"strata".load_scaling`.
    pub settings: &'a LoadScalingSettings,
    /// Its managed alarms and the user's. A custom alarm without a view counts as missing.
    pub alarms: &'a [AlarmView],
    /// All of its instances, of every scaling type.
    pub members: &'a [Candidate],
    /// The last event, if there was one.
    pub last_event: Option<&'a ScalingEvent>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start (up) or stop (down) these instances.
    Scale {
        /// Up or down.
        direction: Direction,
        /// At least one, in the order in which they were chosen; at most `instance_count`, unless steps are proportional.
        instances: Vec<InstanceId>,
        /// Until when the layer's alarms are to be ignored.
        ignore_until: Timestamp,
        /// The alarm that fired.
        fired_by: String,
        /// Why, in words for on-call.
        reason: String,
    },
    /// Nothing, and why.
    Hold(HoldReason),
}

impl Decision {
    /// The event to store when a `Scale` is carried out at `at`; `None` for a hold.
    pub fn event(&self, at: Timestamp) -> Option<ScalingEvent> {
        match self {
            Self::Scale { direction, instances, ignore_until, fired_by, reason: _ } => Some(ScalingEvent {
                direction: *direction,
                at,
                ignore_until: *ignore_until,
                instances: instances.clone(),
                fired_by: fired_by.clone(),
            }),
            Self::Hold(_) => None,
        }
    }
}

/// Why nothing is done. `Display` is for on-call; it does not change while the reason stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Switched off [LOAD-4].
    Disabled,
    /// One of the user's alarms has no data or does not exist: the whole layer is blocked [LOAD-21].
    InsufficientData {
        /// Its name.
        alarm: String,
        /// Whether it does not exist at all.
        is_missing: bool,
    },
    /// An event was not long ago [LOAD-13].
    Ignoring {
        /// Which way the event went.
        direction: Direction,
        /// When alarms count again.
        until: Timestamp,
    },
    /// Everything is within its bounds.
    NothingCrossed,
    /// Something is crossed, but not long enough [LOAD-10].
    Waiting {
        /// Which way it would scale.
        direction: Direction,
        /// The alarm.
        fired_by: String,
        /// When its wait clock started.
        since: Timestamp,
        /// How long it has to wait.
        of: SignedDuration,
    },
    /// It is time, but there is nothing to start or stop [LOAD-14].
    NoCandidates {
        /// Which way it would scale.
        direction: Direction,
        /// The alarm.
        fired_by: String,
        /// So many would do, but a hold, a claim or an exclusion keeps them.
        held: usize,
    },
    /// It is time to stop one, but the others could not hold the tasks of any.
    WouldNotFit {
        /// The alarm.
        fired_by: String,
        /// The one that would have been stopped first.
        hostname: String,
        /// What its services' tasks reserve.
        reserves: Resources,
        /// So many hosts were tried.
        tried: usize,
    },
    /// Something asks for downscaling, but the layer wants all to ask (`down_needs_all`).
    NotAll {
        /// The first that does not ask.
        calm: String,
    },
    /// It is time to stop some, but no more than `min_online` are online.
    AtFloor {
        /// The alarm.
        fired_by: String,
        /// So many are to stay online.
        min_online: u32,
    },
    /// It is time to stop some, but with one less the others would be above the threshold for upscaling (`proportional_steps`).
    WouldCross {
        /// The alarm.
        fired_by: String,
        /// Whose threshold that is.
        metric: Metric,
    },
}

impl std::fmt::Display for HoldReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disabled => f.write_str("load-based scaling is switched off for this layer"),
            Self::InsufficientData { alarm, is_missing: true } => {
                write!(f, "scaling is blocked: alarm {alarm} does not exist")
            }
            Self::InsufficientData { alarm, is_missing: false } => {
                write!(f, "scaling is blocked: alarm {alarm} has insufficient data")
            }
            Self::Ignoring { direction, until } => {
                write!(f, "metrics are ignored until {until} after the last {}", direction.noun())
            }
            Self::NothingCrossed => f.write_str("no threshold is crossed"),
            Self::Waiting { direction, fired_by, since, of } => {
                write!(f, "{} waits: {fired_by} counts from {since} and must last {} min", direction.noun(), of.as_mins())
            }
            Self::NoCandidates { direction, fired_by, held } => {
                let left = match direction {
                    Direction::Up => "start",
                    Direction::Down => "stop",
                };
                write!(f, "{fired_by} asks for {}, but no load-based instance is left to {left}", direction.noun())?;
                if *held > 0 { write!(f, " ({held} held)") } else { Ok(()) }
            }
            Self::WouldNotFit { fired_by, hostname, reserves, tried } => write!(
                f,
                "{fired_by} asks for downscaling, but the others could not hold the tasks of any of {tried} (those of {hostname} \
                 reserve {reserves})"
            ),
            Self::NotAll { calm } => {
                write!(f, "downscaling waits for all of its thresholds and alarms (down_needs_all): not for {calm} yet")
            }
            Self::AtFloor { fired_by, min_online } => {
                write!(f, "{fired_by} asks for downscaling, but {min_online} are to stay online (min_online)")
            }
            Self::WouldCross { fired_by, metric } => write!(
                f,
                "{fired_by} asks for downscaling, but with one less the average {} would be above the threshold for upscaling \
                 (proportional_steps)",
                metric.as_str()
            ),
        }
    }
}

/// Decides whether the layer's load-based instances start, stop or stay at `now`.
///
/// Any single crossed threshold or alarm fires [LOAD-11]; if both directions are due, up wins, even with nothing left to start
/// [LOAD-12]: an overloaded layer is not made smaller. One of the user's alarms without data blocks the layer [LOAD-21]. The
/// layer's switches change that where they say so. The order of alarms and members in the input does not matter. Never fails.
pub fn decide(input: &Input<'_>, now: Timestamp) -> Decision {
    if !input.config.enable {
        return Decision::Hold(HoldReason::Disabled);
    }
    if let Some(reason) = blocked(input) {
        return Decision::Hold(reason);
    }
    if let Some(event) = input.last_event.filter(|e| now < e.ignore_until) {
        return Decision::Hold(HoldReason::Ignoring { direction: event.direction, until: event.ignore_until });
    }
    let crossings = crossings(input);
    for direction in Direction::ALL {
        let mut due: Vec<&Crossing<'_>> = crossings.iter().filter(|c| c.direction == direction && c.is_due(now)).collect();
        due.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
        if due.is_empty() {
            continue;
        }
        return match not_all(input, direction, &due) {
            Some(calm) => Decision::Hold(HoldReason::NotAll { calm }),
            None => scale(input, direction, &due, now),
        };
    }
    let next =
        crossings.iter().min_by(|a, b| (a.due(), a.direction, a.precedence()).cmp(&(b.due(), b.direction, b.precedence())));
    Decision::Hold(next.map_or(HoldReason::NothingCrossed, |c| HoldReason::Waiting {
        direction: c.direction,
        fired_by: c.alarm.name.clone(),
        since: c.start,
        of: c.wait,
    }))
}

/// What asks for more instances now, whether it has waited its time or not: thresholds by their metric's name, alarms by their own.
pub fn asking_for_more(input: &Input<'_>) -> Vec<String> {
    let asked = asked(input, Direction::Up).into_iter();
    asked.filter(|(_, _, state)| *state == AlarmState::Alarm).map(|(_, name, _)| name.to_owned()).collect()
}

/// The first of the user's alarms, in the order of the lists, that blocks the layer. Managed alarms never do [LOAD-24].
///
/// With `ignore_insufficient_data` alarms without data block only when upscaling has none with data: what cannot see that more is needed
/// takes nothing away either.
fn blocked(input: &Input<'_>) -> Option<HoldReason> {
    let first = silent(input).next()?;
    if input.settings.ignore_insufficient_data {
        let up = asked(input, Direction::Up);
        if input.config.up.alarms.is_empty() || up.iter().any(|(_, _, state)| has_data(*state)) {
            return None;
        }
    }
    let (alarm, state) = first;
    Some(HoldReason::InsufficientData { alarm: alarm.clone(), is_missing: state == AlarmState::Missing })
}

/// The user's alarms without data, in the order of the lists.
fn silent<'a>(input: &Input<'a>) -> impl Iterator<Item = (&'a String, AlarmState)> {
    let lists = input.config.up.alarms.iter().chain(&input.config.down.alarms);
    lists.map(|name| (name, custom_state(input, name))).filter(|(_, state)| !has_data(*state))
}

fn has_data(state: AlarmState) -> bool {
    matches!(state, AlarmState::Ok | AlarmState::Alarm)
}

/// A view that is absent is a missing alarm. Should there be two views of one name, the worse state counts.
fn custom_state(input: &Input<'_>, name: &str) -> AlarmState {
    let views = input.alarms.iter().filter(|v| v.kind == AlarmKind::Custom && v.name == name);
    views.map(|v| v.state).max().unwrap_or(AlarmState::Missing)
}

/// All that a direction goes by: kind, name for people, state. Thresholds first, then the user's alarms.
fn asked<'a>(input: &Input<'a>, direction: Direction) -> Vec<(AlarmKind, &'a str, AlarmState)> {
    let thresholds = input.config.thresholds(direction);
    let metrics = Metric::ALL.into_iter().filter(|metric| thresholds.threshold(*metric).is_some()).map(|metric| {
        let kind = AlarmKind::Managed(metric);
        let views = input.alarms.iter().filter(|v| v.kind == kind && v.direction == direction);
        (kind, metric.as_str(), views.map(|v| v.state).max().unwrap_or(AlarmState::Missing))
    });
    let alarms = thresholds.alarms.iter().map(|name| (AlarmKind::Custom, name.as_str(), custom_state(input, name)));
    metrics.chain(alarms).collect()
}

/// With `down_needs_all`: the first threshold or alarm of downscaling that is not among those that are due. One without data is left out
/// where the layer ignores such.
fn not_all(input: &Input<'_>, direction: Direction, due: &[&Crossing<'_>]) -> Option<String> {
    if direction == Direction::Up || !input.settings.down_needs_all {
        return None;
    }
    let is_due = |kind: AlarmKind, name: &str| {
        due.iter().any(|c| c.alarm.kind == kind && (kind != AlarmKind::Custom || c.alarm.name == name))
    };
    let counts = |state: AlarmState| has_data(state) || !input.settings.ignore_insufficient_data;
    let asked = asked(input, direction).into_iter();
    asked.filter(|(kind, name, state)| counts(*state) && !is_due(*kind, name)).map(|(_, name, _)| name.to_owned()).next()
}

/// A threshold that is crossed now, and since when that counts.
struct Crossing<'a> {
    direction: Direction,
    alarm: &'a AlarmView,
    start: Timestamp,
    wait: SignedDuration,
}

impl<'a> Crossing<'a> {
    /// The clock starts at the crossing, but never before the end of the ignore time [LOAD-13] or the last change of the settings.
    fn new(input: &Input<'_>, direction: Direction, alarm: &'a AlarmView) -> Self {
        let wait = input.config.thresholds(direction).wait_time();
        let began = match alarm.kind {
            AlarmKind::Managed(_) => alarm.since.checked_sub(wait).unwrap_or(Timestamp::MIN),
            AlarmKind::Custom => alarm.since,
        };
        let floor = input.last_event.map(|e| e.ignore_until).max(input.config.changed_at);
        Self { direction, alarm, start: floor.map_or(began, |floor| floor.max(began)), wait }
    }

    fn due(&self) -> Timestamp {
        self.start.checked_add(self.wait).unwrap_or(Timestamp::MAX)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due()
    }

    /// Which of several names the event: the longest crossed, then thresholds before the user's alarms, then by name.
    fn precedence(&self) -> (Timestamp, AlarmKind, &str) {
        (self.start, self.alarm.kind, &self.alarm.name)
    }
}

/// All alarms in ALARM that the settings still know. A managed alarm whose threshold is off is a leftover and does not count.
fn crossings<'a>(input: &Input<'a>) -> Vec<Crossing<'a>> {
    let mut crossings = Vec::new();
    for alarm in input.alarms.iter().filter(|a| a.state == AlarmState::Alarm) {
        for direction in Direction::ALL {
            let thresholds = input.config.thresholds(direction);
            let counts = match alarm.kind {
                AlarmKind::Managed(metric) => alarm.direction == direction && thresholds.threshold(metric).is_some(),
                AlarmKind::Custom => thresholds.alarms.contains(&alarm.name),
            };
            if counts {
                crossings.push(Crossing::new(input, direction, alarm));
            }
        }
    }
    crossings
}

/// `due` is not empty, and has the one that names the event first.
fn scale(input: &Input<'_>, direction: Direction, due: &[&Crossing<'_>], now: Timestamp) -> Decision {
    let Some(crossing) = due.first() else { return Decision::Hold(HoldReason::NothingCrossed) };
    let thresholds = input.config.thresholds(direction);
    let fired_by = crossing.alarm.name.clone();
    let pool = selection::Pool::new(direction, input.members);
    let (available, held) = (pool.available, pool.held);
    if available == 0 {
        return Decision::Hold(HoldReason::NoCandidates { direction, fired_by, held });
    }
    let step = match steps::of(input, direction, due, now) {
        Ok(step) => step,
        Err(reason) => return Decision::Hold(reason),
    };
    let Taken { taken, would_not_fit } = pool.take(step.count);
    if taken.is_empty() {
        return Decision::Hold(nothing_to_take(direction, fired_by, held, &would_not_fit));
    }
    let names: Vec<&str> = taken.iter().map(|c| c.hostname.as_str()).collect();
    let verb = match direction {
        Direction::Up => "start",
        Direction::Down => "stop",
    };
    let left_out: Vec<String> = silent(input).map(|(name, _)| format!("; alarm {name} has no data and is left out")).collect();
    let reason = format!(
        "{} for {} min: {verb} {} ({} of {available} available, {}){}{}",
        crossed_in_words(crossing, thresholds),
        thresholds.thresholds_wait_time,
        names.join(", "),
        taken.len(),
        step.why,
        disturbance_in_words(&taken, &would_not_fit),
        left_out.concat()
    );
    Decision::Scale {
        direction,
        instances: taken.iter().map(|c| c.id.clone()).collect(),
        ignore_until: now.checked_add(thresholds.ignore_time()).unwrap_or(Timestamp::MAX),
        fired_by,
        reason,
    }
}

fn nothing_to_take(direction: Direction, fired_by: String, held: usize, would_not_fit: &[&Candidate]) -> HoldReason {
    match would_not_fit.first() {
        None => HoldReason::NoCandidates { direction, fired_by, held },
        Some(first) => HoldReason::WouldNotFit {
            fired_by,
            hostname: first.hostname.clone(),
            reserves: first.workload.as_ref().map(Workload::reserved_by_services).unwrap_or_default(),
            tried: would_not_fit.len(),
        },
    }
}

/// What stopping them means for tasks, where they were looked at.
fn disturbance_in_words(taken: &[&Candidate], would_not_fit: &[&Candidate]) -> String {
    let workloads: Vec<&Workload> = taken.iter().filter_map(|c| c.workload.as_ref().filter(|w| w.tasks.is_some())).collect();
    if workloads.is_empty() {
        return String::new();
    }
    let tasks: u32 = workloads.iter().map(|w| w.disturbs()).sum();
    let mut words = format!("; tasks that move or end: {tasks}");
    if workloads.iter().any(|w| w.is_protected()) {
        words.push_str(", protected ones among them, since every candidate has some");
    }
    if !would_not_fit.is_empty() {
        let names: Vec<&str> = would_not_fit.iter().take(6).map(|c| c.hostname.as_str()).collect();
        words.push_str(&format!("; the others could not hold the tasks of {}", names.join(", ")));
    }
    words
}

fn crossed_in_words(crossing: &Crossing<'_>, thresholds: &Thresholds) -> String {
    let side = match crossing.direction {
        Direction::Up => "above",
        Direction::Down => "below",
    };
    match crossing.alarm.kind {
        AlarmKind::Managed(metric) => {
            let threshold = thresholds.threshold(metric).map_or_else(String::new, |t| format!(" {t}{}", metric.unit()));
            format!("average {} {side}{threshold}", metric.as_str())
        }
        AlarmKind::Custom => format!("alarm {} in ALARM", crossing.alarm.name),
    }
}
