//! The settings of load-based scaling: defaults, merge, validation, warnings, and the alarms that they ask for.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ScalingType;

/// At most so many of the user's alarms per direction [LOAD-5].
pub const MAX_ALARMS: usize = 5;

/// The three layer averages [LOAD-6].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Percent of CPU in use.
    Cpu,
    /// Percent of memory in use, buffers and cache not counted.
    Memory,
    /// Load average over one minute.
    Load,
}

impl Metric {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Load];

    /// The word in alarm names and reasons: `cpu`, `memory`, `load`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Load => "load",
        }
    }

    /// What stands behind a threshold of this metric: `%` or nothing.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Cpu | Self::Memory => "%",
            Self::Load => "",
        }
    }
}

/// Which way a scaling event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Starts instances.
    Up,
    /// Stops instances.
    Down,
}

impl Direction {
    /// Both, the one that wins first [LOAD-12].
    pub const ALL: [Self; 2] = [Self::Up, Self::Down];

    /// The word in alarm names: `up`, `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// The word in reasons.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Up => "upscaling",
            Self::Down => "downscaling",
        }
    }

    /// The wire's member, for messages about it.
    fn wire(self) -> &'static str {
        match self {
            Self::Up => "UpScaling",
            Self::Down => "DownScaling",
        }
    }
}

/// `AutoScalingThresholds` of one direction, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Instances per event, at least 1.
    pub instance_count: u32,
    /// Minutes that a threshold must be crossed without a break, 1 to 100.
    pub thresholds_wait_time: u32,
    /// Minutes after an event of this direction in which nothing is looked at, 1 to 100.
    pub ignore_metrics_time: u32,
    /// Percent, 0 to 100; `None` is off (-1 on the wire).
    pub cpu_threshold: Option<f64>,
    /// Percent, 0 to 100; `None` is off.
    pub memory_threshold: Option<f64>,
    /// Load average, 0 or more; `None` is off.
    pub load_threshold: Option<f64>,
    /// The user's CloudWatch alarms by name, at most five, case sensitive.
    pub alarms: Vec<String>,
}

impl Thresholds {
    /// What a direction has before anybody configures it [LOAD-2].
    pub fn default_for(direction: Direction) -> Self {
        let (minutes, cpu) = match direction {
            Direction::Up => (5, 80.0),
            Direction::Down => (10, 30.0),
        };
        Self {
            instance_count: 1,
            thresholds_wait_time: minutes,
            ignore_metrics_time: minutes,
            cpu_threshold: Some(cpu),
            memory_threshold: None,
            load_threshold: None,
            alarms: Vec::new(),
        }
    }

    /// The threshold of a metric, `None` if it is off.
    pub fn threshold(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Cpu => self.cpu_threshold,
            Metric::Memory => self.memory_threshold,
            Metric::Load => self.load_threshold,
        }
    }

    /// `thresholds_wait_time` as a duration.
    pub fn wait_time(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.thresholds_wait_time))
    }

    /// `ignore_metrics_time` as a duration.
    pub fn ignore_time(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.ignore_metrics_time))
    }

    /// Whether nothing can ever cross: all metrics off and no alarms [LOAD-35].
    pub fn is_idle(&self) -> bool {
        self.alarms.is_empty() && Metric::ALL.iter().all(|m| self.threshold(*m).is_none())
    }

    /// The wire form, for Describe. A CPU threshold that is off is told as -1, since its absence would read as the default;
    /// memory and load, which are off by default, are left out.
    pub fn to_wire(&self) -> ThresholdsPatch {
        ThresholdsPatch {
            instance_count: Some(i64::from(self.instance_count)),
            thresholds_wait_time: Some(i64::from(self.thresholds_wait_time)),
            ignore_metrics_time: Some(i64::from(self.ignore_metrics_time)),
            cpu_threshold: Some(self.cpu_threshold.unwrap_or(-1.0)),
            memory_threshold: self.memory_threshold,
            load_threshold: self.load_threshold,
            alarms: (!self.alarms.is_empty()).then(|| self.alarms.clone()),
        }
    }

    fn merge(&self, patch: &ThresholdsPatch, direction: Direction) -> Result<Self, ScalingConfigError> {
        let whole = |field, value: Option<i64>, stored, allowed| within(direction, field, value, stored, allowed);
        Ok(Self {
            instance_count: whole("InstanceCount", patch.instance_count, self.instance_count, 1..=i64::from(i32::MAX))?,
            thresholds_wait_time: whole("ThresholdsWaitTime", patch.thresholds_wait_time, self.thresholds_wait_time, 1..=100)?,
            ignore_metrics_time: whole("IgnoreMetricsTime", patch.ignore_metrics_time, self.ignore_metrics_time, 1..=100)?,
            cpu_threshold: threshold(direction, "CpuThreshold", patch.cpu_threshold, self.cpu_threshold, 100.0)?,
            memory_threshold: threshold(direction, "MemoryThreshold", patch.memory_threshold, self.memory_threshold, 100.0)?,
            load_threshold: threshold(direction, "LoadThreshold", patch.load_threshold, self.load_threshold, f64::MAX)?,
            alarms: match &patch.alarms {
                Some(names) => alarm_names(direction, names)?,
                None => self.alarms.clone(),
            },
        })
    }
}

/// `AutoScalingThresholds` as the wire sends them: a member left out keeps its stored value [LOAD-3], -1 turns a metric off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ThresholdsPatch {
    /// At least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_count: Option<i64>,
    /// Minutes, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds_wait_time: Option<i64>,
    /// Minutes, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_metrics_time: Option<i64>,
    /// Percent, 0 to 100, or -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_threshold: Option<f64>,
    /// Percent, 0 to 100, or -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_threshold: Option<f64>,
    /// 0 or more, or -1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_threshold: Option<f64>,
    /// At most five names; an empty list clears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<String>>,
}

/// A value that SetLoadBasedAutoScaling refuses; nothing is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalingConfigError {
    /// A number outside its range [LOAD-1].
    #[error("{field}: {value} is not {allowed}")]
    OutOfRange {
        /// For example `UpScaling.ThresholdsWaitTime`.
        field: String,
        /// What was sent.
        value: String,
        /// What would do.
        allowed: String,
    },
    /// Too long a list [LOAD-5].
    #[error("{field}: {count} alarms are more than {MAX_ALARMS}")]
    TooManyAlarms {
        /// `UpScaling.Alarms` or `DownScaling.Alarms`.
        field: String,
        /// How many were sent.
        count: usize,
    },
    /// A name that no CloudWatch alarm can have.
    #[error("{field}: an alarm's name has 1 to 255 characters, {name:?} has not")]
    AlarmName {
        /// `UpScaling.Alarms` or `DownScaling.Alarms`.
        field: String,
        /// What was sent.
        name: String,
    },
}

fn within(
    direction: Direction,
    field: &str,
    value: Option<i64>,
    stored: u32,
    allowed: std::ops::RangeInclusive<i64>,
) -> Result<u32, ScalingConfigError> {
    let Some(value) = value else { return Ok(stored) };
    u32::try_from(value).ok().filter(|_| allowed.contains(&value)).ok_or_else(|| ScalingConfigError::OutOfRange {
        field: format!("{}.{field}", direction.wire()),
        value: value.to_string(),
        allowed: format!("within {} to {}", allowed.start(), allowed.end()),
    })
}

fn threshold(
    direction: Direction,
    field: &str,
    value: Option<f64>,
    stored: Option<f64>,
    most: f64,
) -> Result<Option<f64>, ScalingConfigError> {
    match value {
        None => Ok(stored),
        Some(-1.0) => Ok(None),
        Some(value) if (0.0..=most).contains(&value) => Ok(Some(value)),
        Some(value) => Err(ScalingConfigError::OutOfRange {
            field: format!("{}.{field}", direction.wire()),
            value: value.to_string(),
            allowed: if most == f64::MAX { "-1 (off), 0 or more".to_owned() } else { format!("-1 (off) or within 0 to {most}") },
        }),
    }
}

fn alarm_names(direction: Direction, names: &[String]) -> Result<Vec<String>, ScalingConfigError> {
    let field = || format!("{}.Alarms", direction.wire());
    if names.len() > MAX_ALARMS {
        return Err(ScalingConfigError::TooManyAlarms { field: field(), count: names.len() });
    }
    if let Some(name) = names.iter().find(|n| n.is_empty() || n.chars().count() > 255) {
        return Err(ScalingConfigError::AlarmName { field: field(), name: name.clone() });
    }
    Ok(names.to_vec())
}

/// `LoadBasedAutoScalingConfiguration` of a layer, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// Whether scaling events happen.
    pub enable: bool,
    /// Upscaling.
    pub up: Thresholds,
    /// Downscaling.
    pub down: Thresholds,
    /// When a value last changed: all wait clocks restart then (spec, question 7). `None`: never configured.
    pub changed_at: Option<Timestamp>,
}

impl Default for Configuration {
    /// A layer that was never configured [LOAD-2].
    fn default() -> Self {
        Self {
            enable: false,
            up: Thresholds::default_for(Direction::Up),
            down: Thresholds::default_for(Direction::Down),
            changed_at: None,
        }
    }
}

impl Configuration {
    /// One direction's thresholds.
    pub fn thresholds(&self, direction: Direction) -> &Thresholds {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// What SetLoadBasedAutoScaling stores: members left out keep their value [LOAD-3].
    ///
    /// Our choice: a call that changes no value does not restart the wait clocks, or a tool that repeats its settings every
    /// few minutes would keep the layer from ever scaling.
    ///
    /// # Errors
    /// [`ScalingConfigError`] for the first value out of range; then nothing is to be stored.
    pub fn merge(
        &self,
        enable: Option<bool>,
        up: Option<&ThresholdsPatch>,
        down: Option<&ThresholdsPatch>,
        now: Timestamp,
    ) -> Result<Self, ScalingConfigError> {
        let one = |direction, patch: Option<&ThresholdsPatch>| {
            let stored = self.thresholds(direction);
            patch.map_or_else(|| Ok(stored.clone()), |patch| stored.merge(patch, direction))
        };
        let mut merged = Self {
            enable: enable.unwrap_or(self.enable),
            up: one(Direction::Up, up)?,
            down: one(Direction::Down, down)?,
            changed_at: self.changed_at,
        };
        if merged != *self {
            merged.changed_at = Some(now);
        }
        Ok(merged)
    }

    /// What a person who switches this on should know, in whole sentences; none of it is refused.
    ///
    /// `members` are the scaling types of the layer's instances.
    pub fn warnings(&self, members: &[ScalingType]) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.enable {
            return warnings;
        }
        let has_load_based = members.contains(&ScalingType::Load);
        if !has_load_based {
            warnings.push("The layer has no load-based instance, so there is nothing to start or stop.".to_owned());
        } else if members.iter().all(|m| *m == ScalingType::Load) && self.up.alarms.is_empty() {
            warnings.push(
                "The layer has load-based instances only: while none is online there are no averages, and nothing starts the \
                 first. Add a 24/7 instance or an upscaling alarm."
                    .to_owned(),
            );
        }
        for metric in Metric::ALL {
            if let (Some(up), Some(down)) = (self.up.threshold(metric), self.down.threshold(metric))
                && up <= down
            {
                warnings.push(format!(
                    "The {} threshold for upscaling ({up}) is not above the one for downscaling ({down}): between them both \
                     fire, and upscaling wins.",
                    metric.as_str()
                ));
            }
        }
        if self.up.is_idle() {
            warnings.push("Upscaling has neither a threshold nor an alarm, so nothing will ever be started.".to_owned());
        }
        if self.up.cpu_threshold.is_some() && self.up.thresholds_wait_time < 5 {
            warnings.push(format!(
                "Configure events can raise CPU for a minute or longer: a wait of {} min before upscaling may start instances \
                 needlessly, 5 min is safer.",
                self.up.thresholds_wait_time
            ));
        }
        warnings
    }
}

/// How an alarm compares; both are strict, equality is no crossing [LOAD-10].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// Strictly above.
    GreaterThanThreshold,
    /// Strictly below.
    LessThanThreshold,
}

impl Comparison {
    /// Whether `value` breaches.
    pub fn is_breached(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::GreaterThanThreshold => value > threshold,
            Self::LessThanThreshold => value < threshold,
        }
    }
}

/// A CloudWatch alarm that should exist for a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmSpec {
    /// [`managed_alarm_name`].
    pub name: String,
    /// The layer average that it watches.
    pub metric: Metric,
    /// Which way it scales.
    pub direction: Direction,
    /// Strictly above for up, strictly below for down.
    pub comparison: Comparison,
    /// Percent, or load.
    pub threshold: f64,
    /// So many periods in a row must breach: `ThresholdsWaitTime`.
    pub evaluation_periods: u32,
    /// Length of a period: 60.
    pub period_seconds: u32,
}

/// The name of a managed alarm, for example `strata/shop/ecs-cluster/up-cpu`.
pub fn managed_alarm_name(stack_name: &str, layer_shortname: &str, direction: Direction, metric: Metric) -> String {
    format!("strata/{stack_name}/{layer_shortname}/{}-{}", direction.as_str(), metric.as_str())
}

/// The alarms that should exist for a layer: one per threshold, none while scaling is switched off.
pub fn managed_alarms(configuration: &Configuration, stack_name: &str, layer_shortname: &str) -> Vec<AlarmSpec> {
    let mut specs = Vec::new();
    for direction in Direction::ALL.into_iter().filter(|_| configuration.enable) {
        let thresholds = configuration.thresholds(direction);
        for metric in Metric::ALL {
            let Some(threshold) = thresholds.threshold(metric) else { continue };
            specs.push(AlarmSpec {
                name: managed_alarm_name(stack_name, layer_shortname, direction, metric),
                metric,
                direction,
                comparison: match direction {
                    Direction::Up => Comparison::GreaterThanThreshold,
                    Direction::Down => Comparison::LessThanThreshold,
                },
                threshold,
                evaluation_periods: thresholds.thresholds_wait_time,
                period_seconds: 60,
            });
        }
    }
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn up(patch: ThresholdsPatch) -> Result<Thresholds, ScalingConfigError> {
        Configuration::default().merge(None, Some(&patch), None, NOW).map(|c| c.up)
    }

    fn patch() -> ThresholdsPatch {
        ThresholdsPatch::default()
    }

    /// [LOAD-2]
    #[test]
    fn load_2_a_layer_never_configured_is_off_with_the_known_defaults() {
        let wire = |t: &Thresholds| serde_json::to_value(t.to_wire()).unwrap();
        let fresh = Configuration::default();
        assert!(!fresh.enable);
        let expected = |cpu: f64, minutes: u32| serde_json::json!({"InstanceCount": 1, "ThresholdsWaitTime": minutes, "IgnoreMetricsTime": minutes, "CpuThreshold": cpu});
        assert_eq!(wire(&fresh.up), expected(80.0, 5));
        assert_eq!(wire(&fresh.down), expected(30.0, 10));
    }

    /// [LOAD-1] [VAL-6]
    #[test]
    fn load_1_val_6_times_are_1_to_100_and_minus_1_is_for_thresholds_only() {
        for (minutes, is_allowed) in [(-1, false), (0, false), (1, true), (100, true), (101, false), (i64::MAX, false)] {
            let wait = up(ThresholdsPatch { thresholds_wait_time: Some(minutes), ..patch() });
            assert_eq!(wait.is_ok(), is_allowed, "wait {minutes}");
            let ignore = up(ThresholdsPatch { ignore_metrics_time: Some(minutes), ..patch() });
            assert_eq!(ignore.is_ok(), is_allowed, "ignore {minutes}");
        }
        for (count, is_allowed) in [(-1, false), (0, false), (1, true), (101, true), (1 << 31, false)] {
            assert_eq!(up(ThresholdsPatch { instance_count: Some(count), ..patch() }).is_ok(), is_allowed, "count {count}");
        }
    }

    /// [LOAD-1]
    #[test]
    fn load_1_thresholds_are_off_or_within_their_range() {
        let bad = Err(());
        for (value, percent, load) in [
            (-1.0, Ok(None), Ok(None)),
            (-0.5, bad, bad),
            (-2.0, bad, bad),
            (0.0, Ok(Some(0.0)), Ok(Some(0.0))),
            (100.0, Ok(Some(100.0)), Ok(Some(100.0))),
            (100.1, bad, Ok(Some(100.1))),
            (f64::NAN, bad, bad),
            (f64::INFINITY, bad, bad),
        ] {
            let cpu = up(ThresholdsPatch { cpu_threshold: Some(value), ..patch() }).map(|t| t.cpu_threshold);
            let memory = up(ThresholdsPatch { memory_threshold: Some(value), ..patch() }).map(|t| t.memory_threshold);
            let load_average = up(ThresholdsPatch { load_threshold: Some(value), ..patch() }).map(|t| t.load_threshold);
            assert_eq!(cpu.map_err(drop), percent, "cpu {value}");
            assert_eq!(memory.map_err(drop), percent, "memory {value}");
            assert_eq!(load_average.map_err(drop), load, "load {value}");
        }
    }

    /// [LOAD-1]
    #[test]
    fn load_1_an_error_names_direction_field_value_and_range() {
        let down = ThresholdsPatch { ignore_metrics_time: Some(101), ..patch() };
        let error = Configuration::default().merge(None, None, Some(&down), NOW).unwrap_err();
        assert_eq!(error.to_string(), "DownScaling.IgnoreMetricsTime: 101 is not within 1 to 100");
        let error = up(ThresholdsPatch { cpu_threshold: Some(101.0), ..patch() }).unwrap_err();
        assert_eq!(error.to_string(), "UpScaling.CpuThreshold: 101 is not -1 (off) or within 0 to 100");
        let error = up(ThresholdsPatch { load_threshold: Some(-3.0), ..patch() }).unwrap_err();
        assert_eq!(error.to_string(), "UpScaling.LoadThreshold: -3 is not -1 (off), 0 or more");
    }

    /// [LOAD-5] [QTA-5]
    #[test]
    fn load_5_five_alarms_per_direction_and_not_six() {
        let names = |n: usize| ThresholdsPatch { alarms: Some((0..n).map(|i| format!("a{i}")).collect()), ..patch() };
        let five_each = Configuration::default().merge(None, Some(&names(5)), Some(&names(5)), NOW).unwrap();
        assert_eq!((five_each.up.alarms.len(), five_each.down.alarms.len()), (5, 5));
        assert!(matches!(up(names(6)), Err(ScalingConfigError::TooManyAlarms { count: 6, .. })));
        for (name, is_allowed) in [(String::new(), false), ("x".repeat(255), true), ("x".repeat(256), false)] {
            assert_eq!(up(ThresholdsPatch { alarms: Some(vec![name]), ..patch() }).is_ok(), is_allowed);
        }
    }

    /// [LOAD-3] [LOAD-4]
    #[test]
    fn load_3_members_left_out_keep_their_stored_value() {
        let alarms = || Some(vec!["Busy".to_owned(), "busy".to_owned()]);
        let first = ThresholdsPatch { instance_count: Some(3), cpu_threshold: Some(-1.0), alarms: alarms(), ..patch() };
        let stored = Configuration::default().merge(Some(true), Some(&first), None, NOW).unwrap();
        assert_eq!((stored.up.instance_count, stored.up.cpu_threshold), (3, None));
        assert_eq!(stored.down, Thresholds::default_for(Direction::Down));
        assert_eq!(stored.up.alarms, ["Busy", "busy"]);

        let second = ThresholdsPatch { thresholds_wait_time: Some(7), ..patch() };
        let later = stored.merge(None, Some(&second), Some(&patch()), NOW).unwrap();
        assert_eq!(later.up, Thresholds { thresholds_wait_time: 7, ..stored.up.clone() });
        assert!(later.enable);

        let cleared = later.merge(None, Some(&ThresholdsPatch { alarms: Some(vec![]), ..patch() }), None, NOW).unwrap();
        assert!(cleared.up.alarms.is_empty());
        let off = cleared.merge(Some(false), None, None, NOW).unwrap();
        assert_eq!((off.enable, &off.up, &off.down), (false, &cleared.up, &cleared.down), "[LOAD-4] settings are kept");
    }

    #[test]
    fn only_a_changed_value_counts_as_a_change() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let enabled = Configuration::default().merge(Some(true), None, None, at(1)).unwrap();
        assert_eq!(enabled.changed_at, Some(at(1)));
        let same = ThresholdsPatch { cpu_threshold: Some(80.0), ..patch() };
        assert_eq!(enabled.merge(Some(true), Some(&same), None, at(2)).unwrap(), enabled);
        let other = ThresholdsPatch { cpu_threshold: Some(79.0), ..patch() };
        assert_eq!(enabled.merge(None, Some(&other), None, at(2)).unwrap().changed_at, Some(at(2)));
    }

    #[test]
    fn settings_survive_storage_and_a_patch_is_read_as_the_wire_spells_it() {
        let sent = r#"{"InstanceCount":2,"ThresholdsWaitTime":3,"CpuThreshold":-1,"MemoryThreshold":60.5,"Alarms":["A"]}"#;
        let patch: ThresholdsPatch = serde_json::from_str(sent).unwrap();
        let stored = Configuration::default().merge(Some(true), Some(&patch), None, NOW).unwrap();
        assert_eq!((stored.up.instance_count, stored.up.cpu_threshold, stored.up.memory_threshold), (2, None, Some(60.5)));
        let text = serde_json::to_string(&stored).unwrap();
        assert_eq!(serde_json::from_str::<Configuration>(&text).unwrap(), stored);
        assert_eq!(stored.up.to_wire().cpu_threshold, Some(-1.0));
    }

    fn warns(configuration: &Configuration, members: &[ScalingType], word: &str) -> bool {
        configuration.warnings(members).iter().any(|w| w.contains(word))
    }

    /// [LOAD-17]
    #[test]
    fn load_17_a_layer_of_load_based_instances_only_is_warned_about_unless_an_alarm_can_start_it() {
        use ScalingType::{AlwaysOn, Load, Timer};
        let mut on = Configuration { enable: true, ..Configuration::default() };
        for (members, warned) in [(&[Load, Load][..], true), (&[Load, AlwaysOn], false), (&[Load, Timer], false)] {
            assert_eq!(warns(&on, members, "load-based instances only"), warned, "{members:?}");
        }
        assert!(warns(&on, &[AlwaysOn], "no load-based instance") && warns(&on, &[], "no load-based instance"));
        assert!(!warns(&Configuration::default(), &[Load], ""), "nothing to warn about while it is off");
        on.up.alarms = vec!["queue".to_owned()];
        assert!(!warns(&on, &[Load], "load-based instances only"));
    }

    /// Spec, question 6: accepted, with a warning.
    #[test]
    fn an_up_threshold_not_above_the_down_threshold_is_warned_about() {
        let mut on = Configuration { enable: true, ..Configuration::default() };
        for (cpu, warned) in [(30.1, false), (30.0, true), (20.0, true)] {
            on.up.cpu_threshold = Some(cpu);
            assert_eq!(warns(&on, &[], "is not above"), warned, "{cpu}");
        }
        on.up.cpu_threshold = None;
        assert!(!warns(&on, &[], "is not above"));
        assert!(warns(&on, &[], "neither a threshold nor an alarm"));
    }

    /// [LOAD-23]
    #[test]
    fn load_23_a_wait_below_five_minutes_is_advised_against() {
        let mut on = Configuration { enable: true, ..Configuration::default() };
        for (minutes, warned) in [(4, true), (5, false)] {
            on.up.thresholds_wait_time = minutes;
            assert_eq!(warns(&on, &[], "Configure events"), warned, "{minutes}");
        }
    }

    /// [LOAD-6] [LOAD-9] Three averages, each with an alarm of its own in each direction, judged every 60 s.
    #[test]
    fn load_6_cpu_memory_and_load_have_an_alarm_each_and_periods_of_a_minute() {
        let mut on = Configuration { enable: true, ..Configuration::default() };
        for thresholds in [&mut on.up, &mut on.down] {
            (thresholds.cpu_threshold, thresholds.memory_threshold, thresholds.load_threshold) =
                (Some(1.0), Some(2.0), Some(3.0));
        }
        let seen: Vec<_> = managed_alarms(&on, "shop", "ecs-cluster")
            .into_iter()
            .map(|s| (s.direction.as_str(), s.metric.as_str(), s.threshold, s.period_seconds))
            .collect();
        let expected = [("cpu", 1.0), ("memory", 2.0), ("load", 3.0)];
        let expected: Vec<_> = ["up", "down"].iter().flat_map(|d| expected.map(|(m, t)| (*d, m, t, 60))).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn one_alarm_per_threshold_is_strict_and_none_stands_while_scaling_is_off() {
        let mut on = Configuration { enable: true, ..Configuration::default() };
        on.up.memory_threshold = Some(60.0);
        on.down.cpu_threshold = None;
        on.down.load_threshold = Some(0.5);
        let seen: Vec<_> = managed_alarms(&on, "shop", "ecs-cluster")
            .into_iter()
            .map(|s| (s.name, s.comparison, s.threshold, s.evaluation_periods, s.period_seconds))
            .collect();
        let (above, below) = (Comparison::GreaterThanThreshold, Comparison::LessThanThreshold);
        let expected = [
            ("strata/shop/ecs-cluster/up-cpu".to_owned(), above, 80.0, 5, 60),
            ("strata/shop/ecs-cluster/up-memory".to_owned(), above, 60.0, 5, 60),
            ("strata/shop/ecs-cluster/down-load".to_owned(), below, 0.5, 10, 60),
        ];
        assert_eq!(seen, expected);
        assert!(above.is_breached(80.1, 80.0) && !above.is_breached(80.0, 80.0) && !above.is_breached(79.9, 80.0));
        assert!(below.is_breached(29.9, 30.0) && !below.is_breached(30.0, 30.0) && !below.is_breached(30.1, 30.0));
        on.enable = false;
        assert_eq!(managed_alarms(&on, "shop", "ecs-cluster"), []);
    }
}
