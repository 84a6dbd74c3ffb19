//! The weekly schedule of a time-based instance: merge, wire form, and what is on when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The days as the wire spells them; a day's place here is its index in the schedule.
pub const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const HOURS_A_DAY: i64 = 24;
const HOURS_A_WEEK: i64 = 7 * HOURS_A_DAY;
const ALL_HOURS: u32 = (1 << HOURS_A_DAY) - 1;
/// 1 January 1970 was a Thursday.
const EPOCH_HOUR_OF_WEEK: i64 = 3 * HOURS_A_DAY;

/// `WeeklyAutoScalingSchedule`: for each UTC hour of the week, on or off [TIME-1, 3].
///
/// Shape: one bitmask per day, Monday first; bit `h` is the hour from h:00:00 to h:59:59. Everything is off by default [TIME-2].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u32; 7]", into = "[u32; 7]")]
pub struct WeeklySchedule([u32; 7]);

impl From<[u32; 7]> for WeeklySchedule {
    fn from(days: [u32; 7]) -> Self {
        Self(days.map(|day| day & ALL_HOURS))
    }
}

impl From<WeeklySchedule> for [u32; 7] {
    fn from(schedule: WeeklySchedule) -> Self {
        schedule.0
    }
}

/// A schedule that SetTimeBasedAutoScaling refuses; nothing is stored [TIME-4].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// No such day.
    #[error("AutoScalingSchedule: {0:?} is not a day, expected Monday to Sunday")]
    Day(String),
    /// No such hour.
    #[error("AutoScalingSchedule.{day}: {hour:?} is not an hour, expected \"0\" to \"23\" without leading zeros")]
    Hour {
        /// The day.
        day: String,
        /// What was sent.
        hour: String,
    },
    /// Neither on nor off.
    #[error("AutoScalingSchedule.{day}.{hour}: {value:?} is neither \"on\" nor \"off\"")]
    Value {
        /// The day.
        day: String,
        /// The hour.
        hour: String,
        /// What was sent.
        value: String,
    },
}

impl WeeklySchedule {
    /// A schedule with the same hours on every day; hours above 23 are left out.
    pub fn every_day(hours: impl IntoIterator<Item = u32>) -> Self {
        let day = hours.into_iter().filter(|h| *h < 24).fold(0, |day, hour| day | 1 << hour);
        Self([day; 7])
    }

    /// What SetTimeBasedAutoScaling stores: hours and days not mentioned keep their value [TIME-2].
    ///
    /// # Errors
    /// [`ScheduleError`] for the first bad day, hour or value; then nothing is to be stored [TIME-4].
    pub fn merge(&self, patch: &BTreeMap<String, BTreeMap<String, String>>) -> Result<Self, ScheduleError> {
        let mut merged = *self;
        for (day, hours) in patch {
            let index = DAYS.iter().position(|d| d == day).ok_or_else(|| ScheduleError::Day(day.clone()))?;
            for (hour, value) in hours {
                let bit = 1 << parse_hour(hour).ok_or_else(|| ScheduleError::Hour { day: day.clone(), hour: hour.clone() })?;
                match value.as_str() {
                    "on" => merged.0[index] |= bit,
                    "off" => merged.0[index] &= !bit,
                    _ => return Err(ScheduleError::Value { day: day.clone(), hour: hour.clone(), value: value.clone() }),
                }
            }
        }
        Ok(merged)
    }

    /// What Describe returns: only hours that are on, days without any left out [TIME-5].
    pub fn to_wire(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let hours = |day: u32| (0..24).filter(|h| day >> h & 1 == 1).map(|h: u32| (h.to_string(), "on".to_owned())).collect();
        DAYS.iter().zip(self.0).filter(|(_, day)| *day != 0).map(|(name, day)| ((*name).to_owned(), hours(day))).collect()
    }

    /// Whether the instance should be online at this moment.
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.is_on_in(hour_since_epoch(at))
    }

    /// The first start of an on-hour after an off-hour that is later than `after`; `None` if the schedule never changes, or
    /// time ends before.
    pub fn next_off_to_on(&self, after: Timestamp) -> Option<Timestamp> {
        let from = hour_since_epoch(after);
        let mut was_on = self.is_on_in(from);
        for hour in from + 1..=from + HOURS_A_WEEK {
            let is_on = self.is_on_in(hour);
            if is_on && !was_on {
                return Timestamp::from_second(hour * 3600).ok();
            }
            was_on = is_on;
        }
        None
    }

    /// Whether an hour of a weekday is on; Monday is 0.
    pub(super) fn has(&self, weekday: usize, hour: u32) -> bool {
        self.0.get(weekday).is_some_and(|day| day >> hour & 1 == 1)
    }

    fn is_on_in(&self, hour_since_epoch: i64) -> bool {
        let hour = (hour_since_epoch + EPOCH_HOUR_OF_WEEK).rem_euclid(HOURS_A_WEEK);
        self.has((hour / HOURS_A_DAY) as usize, (hour % HOURS_A_DAY) as u32)
    }
}

/// Whole hours, rounded down: a moment with a fraction of a second before 1970 lies in the hour before.
fn hour_since_epoch(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(3_600_000_000_000)).expect("a Timestamp spans 20,000 years, whose hours fit")
}

/// Only the canonical spelling: with "07" beside "7" two entries of one hour could disagree.
pub(crate) fn parse_hour(text: &str) -> Option<u32> {
    text.parse().ok().filter(|hour: &u32| *hour < 24 && hour.to_string() == text)
}

/// Test vector TV-1, the best-practices day: twelve time-based instances in nested windows around a midnight peak, by host name.
///
/// With three 24/7 instances they follow a need of 10.5 + 5.5 cos(15 degrees x hour), short of it by at most 1.26.
pub fn best_practices_day() -> Vec<(&'static str, WeeklySchedule)> {
    let window = |from: u32, until: u32| WeeklySchedule::every_day((from..24).chain(0..until));
    vec![
        ("T01", window(22, 2)),
        ("T02", window(20, 4)),
        ("T03", window(20, 4)),
        ("T04", window(18, 6)),
        ("T05", window(18, 6)),
        ("T06", window(16, 8)),
        ("T07", window(16, 8)),
        ("T08", window(14, 10)),
        ("T09", window(14, 10)),
        ("T10", window(0, 0)),
        ("T11", window(0, 0)),
        ("T12", window(0, 0)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, patch};
    use super::*;

    fn schedule(json: &str) -> WeeklySchedule {
        WeeklySchedule::default().merge(&patch(json)).unwrap()
    }

    /// [TIME-1] The SDK's example, on a Monday.
    #[test]
    fn time_1_an_hour_is_on_from_its_first_to_its_last_second() {
        let sdk = schedule(r#"{"Monday":{"12":"on","13":"on","14":"on","15":"on"}}"#);
        for (time, is_on) in [
            ("2026-01-05T11:59:59.999Z", false),
            ("2026-01-05T12:00:00Z", true),
            ("2026-01-05T15:59:59.999Z", true),
            ("2026-01-05T16:00:00Z", false),
            ("2026-01-06T12:00:00Z", false),
            ("2026-01-12T12:00:00Z", true),
        ] {
            assert_eq!(sdk.is_on(at(time)), is_on, "{time}");
        }
    }

    /// [TIME-3] Each weekday is its own, in UTC, also before 1970 and when clocks elsewhere change.
    #[test]
    fn time_3_days_are_utc_days() {
        for (index, day) in DAYS.iter().enumerate() {
            let only = schedule(&format!(r#"{{"{day}":{{"0":"on"}}}}"#));
            for other in 0..7 {
                let midnight = at(&format!("2026-01-{:02}T00:30:00Z", 5 + other));
                assert_eq!(only.is_on(midnight), other == index, "{day} {midnight}");
            }
        }
        let sunday_23 = schedule(r#"{"Sunday":{"23":"on"}}"#);
        assert!(sunday_23.is_on(at("1969-12-28T23:59:59.5Z")) && !sunday_23.is_on(at("1969-12-29T00:00:00Z")));
        let sunday_1 = schedule(r#"{"Sunday":{"1":"on"}}"#);
        assert!(sunday_1.is_on(at("2026-03-29T01:30:00Z")) && !sunday_1.is_on(at("2026-03-29T02:30:00Z")), "summer time begins");
    }

    /// [TIME-2] [TIME-23]
    #[test]
    fn time_2_hours_and_days_not_mentioned_keep_their_value() {
        let stored = schedule(r#"{"Monday":{"10":"on","11":"on","12":"on","13":"on"},"Tuesday":{"10":"on"}}"#);
        let merged = stored.merge(&patch(r#"{"Monday":{"12":"off","20":"on"},"Friday":{}}"#)).unwrap();
        assert_eq!(merged, schedule(r#"{"Monday":{"10":"on","11":"on","13":"on","20":"on"},"Tuesday":{"10":"on"}}"#));
        assert_eq!(stored.merge(&BTreeMap::new()), Ok(stored));
        assert_eq!(WeeklySchedule::default().merge(&patch(r#"{"Monday":{"1":"off"}}"#)), Ok(WeeklySchedule::default()));
    }

    /// [TIME-4]
    #[test]
    fn time_4_a_bad_key_or_value_is_refused_by_name() {
        for hour in ["24", "-1", "07", "x", "", "+7", "1.0", " 1", "4294967297"] {
            let sent = BTreeMap::from([("Monday".to_owned(), BTreeMap::from([(hour.to_owned(), "on".to_owned())]))]);
            let expected = ScheduleError::Hour { day: "Monday".to_owned(), hour: hour.to_owned() };
            assert_eq!(WeeklySchedule::default().merge(&sent), Err(expected));
        }
        for (sent, message) in [
            (r#"{"Monday":{"3":"On"}}"#, r#"AutoScalingSchedule.Monday.3: "On" is neither "on" nor "off""#),
            (r#"{"Monday":{"3":""}}"#, r#"AutoScalingSchedule.Monday.3: "" is neither "on" nor "off""#),
            (r#"{"monday":{"3":"on"}}"#, r#"AutoScalingSchedule: "monday" is not a day, expected Monday to Sunday"#),
        ] {
            assert_eq!(WeeklySchedule::default().merge(&patch(sent)).unwrap_err().to_string(), message);
        }
        for hour in 0..24 {
            let sent = format!(r#"{{"Sunday":{{"{hour}":"on"}}}}"#);
            assert_eq!(schedule(&sent).to_wire(), patch(&sent));
        }
    }

    /// [TIME-5]
    #[test]
    fn time_5_describe_tells_only_hours_that_are_on_and_days_that_have_any() {
        assert!(WeeklySchedule::default().to_wire().is_empty());
        let sent = schedule(r#"{"Monday":{"9":"on","10":"off","23":"on"},"Tuesday":{"5":"off"}}"#);
        assert_eq!(sent.to_wire(), patch(r#"{"Monday":{"9":"on","23":"on"}}"#));
        assert_eq!(WeeklySchedule::every_day(0..24).to_wire().values().map(BTreeMap::len).sum::<usize>(), 168);
    }

    #[test]
    fn it_is_stored_as_seven_masks_and_bits_beyond_a_day_are_dropped() {
        let stored = schedule(r#"{"Monday":{"0":"on","2":"on"},"Sunday":{"23":"on"}}"#);
        assert_eq!(serde_json::to_string(&stored).unwrap(), "[5,0,0,0,0,0,8388608]");
        assert_eq!(serde_json::from_str::<WeeklySchedule>("[5,0,0,0,0,0,8388608]").unwrap(), stored);
        assert_eq!(serde_json::from_str::<WeeklySchedule>("[16777216,0,0,0,0,0,0]").unwrap(), WeeklySchedule::default());
    }

    #[test]
    fn the_next_off_to_on_boundary_is_later_than_the_moment_and_wraps_over_the_week() {
        let two = schedule(r#"{"Monday":{"10":"on","11":"on","13":"on"}}"#);
        for (after, expected) in [
            ("2026-01-05T09:59:59Z", "2026-01-05T10:00:00Z"),
            ("2026-01-05T10:00:00Z", "2026-01-05T13:00:00Z"),
            ("2026-01-05T11:30:00Z", "2026-01-05T13:00:00Z"),
            ("2026-01-05T13:00:00Z", "2026-01-12T10:00:00Z"),
            ("2026-01-05T12:59:59.9Z", "2026-01-05T13:00:00Z"),
        ] {
            assert_eq!(two.next_off_to_on(at(after)), Some(at(expected)), "{after}");
        }
        let one = schedule(r#"{"Monday":{"10":"on"}}"#);
        assert_eq!(one.next_off_to_on(at("2026-01-05T10:00:00Z")), Some(at("2026-01-12T10:00:00Z")), "a whole week later");
        for never in [WeeklySchedule::default(), WeeklySchedule::every_day(0..24)] {
            assert_eq!(never.next_off_to_on(at("2026-01-05T10:00:00Z")), None);
        }
        assert_eq!(one.next_off_to_on(Timestamp::MAX), None);
    }
}
