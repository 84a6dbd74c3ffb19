//! How many instances one scaling event takes.
//!
//! `InstanceCount` [LOAD-14], or with `proportional_steps` as many as bring the average to the middle between the metric's two thresholds; then
//! the layer's `max_share_percent` and `min_online`.

use jiff::{SignedDuration, Timestamp};

use super::{AlarmKind, Crossing, Datapoint, Direction, HoldReason, Input, Metric};
use crate::InstanceStatus;

/// A value counts for so long. CloudWatch tells values of a transition only, so what it has told grows old while the alarm stays as it is.
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(5);
/// What a quotient may be beside a whole number for want of digits.
const ROUNDING: f64 = 1e-9;

/// How many, and why so many, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// At least one.
    pub(super) count: u32,
    /// For example `batches of 2`.
    pub(super) why: String,
}

/// What the alarms that are `due` ask for, within the layer's limits; the one that asks for the most counts, for each alone would do it.
pub(super) fn of(input: &Input<'_>, direction: Direction, due: &[&Crossing<'_>], now: Timestamp) -> Result<Step, HoldReason> {
    let layer = Layer::of(input);
    let batch = input.config.thresholds(direction).instance_count;
    let mut step = Step { count: batch, why: format!("batches of {batch}") };
    if input.settings.proportional_steps {
        let asked = due.iter().map(|crossing| layer.proportional(crossing, now).unwrap_or_else(|| step.again()));
        // The first of equals: the order of `due`.
        let most = asked.reduce(|most, other| if other.count > most.count { other } else { most });
        step = most.unwrap_or(step);
    }
    let fired_by = || due.first().map(|c| c.alarm.name.clone()).unwrap_or_default();
    if input.settings.proportional_steps && direction == Direction::Down {
        for metric in Metric::ALL {
            let Some(most) = layer.bearable(metric, now) else { continue };
            if most == 0 {
                return Err(HoldReason::WouldCross { fired_by: fired_by(), metric });
            }
            step.at_most(most, || format!("or the average {} crosses the other threshold", metric.as_str()));
        }
    }
    if direction == Direction::Down {
        let (room, min_online) = (input.settings.room_above_floor(layer.online), input.settings.min_online);
        if room == 0 {
            return Err(HoldReason::AtFloor { fired_by: fired_by(), min_online });
        }
        step.at_most(room, || format!("{min_online} stay online"));
    }
    let share = input.settings.max_share_percent;
    step.at_most(input.settings.most_of(layer.size), || format!("{share} % of the layer"));
    Ok(step)
}

impl Step {
    fn again(&self) -> Self {
        Self { count: self.count, why: self.why.clone() }
    }

    fn at_most(&mut self, most: u32, why: impl FnOnce() -> String) {
        if self.count > most {
            self.count = most;
            self.why = format!("{}, at most {most}: {}", self.why, why());
        }
    }
}

/// The layer by numbers.
struct Layer<'a> {
    input: &'a Input<'a>,
    /// In service, of every scaling type: those that the averages are over [LOAD-6].
    online: u32,
    /// On their way up.
    coming: u32,
    /// All there are.
    size: u32,
}

impl<'a> Layer<'a> {
    fn of(input: &'a Input<'a>) -> Self {
        let count = |is: &dyn Fn(InstanceStatus) -> bool| {
            u32::try_from(input.members.iter().filter(|m| is(m.status)).count()).unwrap_or(u32::MAX)
        };
        Self {
            input,
            online: count(&|status| status == InstanceStatus::Online),
            coming: count(&InstanceStatus::is_starting),
            size: count(&|_| true),
        }
    }

    /// So many that the average comes to the target; `None` where it is not known, or the thresholds leave no middle.
    ///
    /// Our choice: the hosts that carry `online` times the average at the target each, rounded up. Up never starts so many that the average
    /// falls below the other threshold, but one at least, for an overload is answered.
    fn proportional(&self, crossing: &Crossing<'_>, now: Timestamp) -> Option<Step> {
        let AlarmKind::Managed(metric) = crossing.alarm.kind else { return None };
        let (known, target) = (self.average(crossing, metric, now)?, self.target(metric, crossing.direction)?);
        let value = known.value();
        let hosts = whole(f64::from(self.online) * value / target - ROUNDING, f64::ceil);
        let count = match crossing.direction {
            Direction::Up => {
                let there = self.online.saturating_add(self.coming);
                let other = self.input.config.down.threshold(metric);
                let most = other.map_or(u32::MAX, |other| whole(f64::from(self.online) * value / other + ROUNDING, f64::floor));
                hosts.min(most).saturating_sub(there)
            }
            Direction::Down => self.online.saturating_sub(hosts),
        };
        let unit = metric.unit();
        let coming = match crossing.direction {
            Direction::Up if self.coming > 0 => format!(", {} on their way", self.coming),
            _ => String::new(),
        };
        let why = format!("{} online {known}{unit} are {hosts} at {}{unit}{coming}", self.online, words(target));
        Some(Step { count: count.max(1), why })
    }

    /// The average that a crossing speaks of.
    ///
    /// Our choice: while the alarm stays in ALARM and its value grows old, the threshold stands for it, for the average is beyond that now; so
    /// such a step never goes too far. Where CloudWatch tells no value that can be read, there is none.
    fn average(&self, crossing: &Crossing<'_>, metric: Metric, now: Timestamp) -> Option<Average> {
        let told = crossing.alarm.last.filter(|point| is_sound(point.value))?;
        if self.is_fresh(&told, now) {
            return Some(Average::Told(told.value));
        }
        let threshold = self.input.config.thresholds(crossing.direction).threshold(metric)?;
        Some(match crossing.direction {
            Direction::Up => Average::Above(threshold),
            Direction::Down => Average::Below(threshold),
        })
    }

    /// The middle between both thresholds, or the one that there is. `None` when they are the wrong way round: no average is inside them.
    fn target(&self, metric: Metric, direction: Direction) -> Option<f64> {
        let (up, down) = (self.input.config.up.threshold(metric), self.input.config.down.threshold(metric));
        let target = match (up, down) {
            (Some(up), Some(down)) => (up > down).then_some((up + down) / 2.0),
            _ => self.input.config.thresholds(direction).threshold(metric),
        };
        target.filter(|target| *target > 0.0)
    }

    /// How many may stop before the average of the others crosses the threshold for upscaling; `None` where that is not known.
    fn bearable(&self, metric: Metric, now: Timestamp) -> Option<u32> {
        let (value, up) = (self.value(metric, now)?, self.input.config.up.threshold(metric)?);
        if up <= 0.0 {
            return None;
        }
        let needed = whole(f64::from(self.online) * value / up - ROUNDING, f64::ceil);
        Some(self.online.saturating_sub(needed))
    }

    /// The layer's average as CloudWatch has just told it, of either direction's alarm.
    fn value(&self, metric: Metric, now: Timestamp) -> Option<f64> {
        let known =
            self.input.alarms.iter().filter(|alarm| alarm.kind == AlarmKind::Managed(metric)).filter_map(|alarm| alarm.last);
        known
            .filter(|point| is_sound(point.value) && self.is_fresh(point, now))
            .max_by(|a, b| (a.at, a.value).partial_cmp(&(b.at, b.value)).unwrap_or(std::cmp::Ordering::Equal))
            .map(|point| point.value)
    }

    /// Whether it is of now, and of an average that the instances of the last event are already in.
    fn is_fresh(&self, point: &Datapoint, now: Timestamp) -> bool {
        let floor = self.input.last_event.map_or(Timestamp::MIN, |event| event.ignore_until);
        point.at >= floor && now.duration_since(point.at) <= FRESH_FOR
    }
}

/// What is known of an average.
enum Average {
    Told(f64),
    Above(f64),
    Below(f64),
}

impl Average {
    fn value(&self) -> f64 {
        match self {
            Self::Told(value) | Self::Above(value) | Self::Below(value) => *value,
        }
    }
}

impl std::fmt::Display for Average {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side = match self {
            Self::Told(_) => "at",
            Self::Above(_) => "above",
            Self::Below(_) => "below",
        };
        write!(f, "{side} {}", words(self.value()))
    }
}

fn is_sound(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// The whole number beside it; what is beyond the numbers there are is the last of them.
fn whole(hosts: f64, round: fn(f64) -> f64) -> u32 {
    round(hosts) as u32
}

/// With one digit behind the point, if it is not 0.
fn words(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
