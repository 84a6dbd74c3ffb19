//! Moments of a scenario: `09:20` is every day, `day 2 09:20` only the second day.

use jiff::{SignedDuration, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A moment, or one a day. UTC, to the minute, relative to the world's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The day, from 1; `None` is every day.
    pub day: Option<u32>,
    /// Minutes since the day began, 0 to 1439.
    pub minute: u32,
}

const MINUTES_PER_DAY: i64 = 24 * 60;

impl At {
    /// Reads `HH:MM` or `day N HH:MM`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, clock) = match text.strip_prefix("day ") {
            Some(rest) => {
                let (day, clock) = rest.split_once(' ')?;
                (Some(digits(day, 1..=366)?), clock)
            }
            None => (None, text),
        };
        let (hour, minute) = clock.split_once(':')?;
        if hour.len() != 2 || minute.len() != 2 {
            return None;
        }
        Some(Self { day, minute: digits(hour, 0..=23)? * 60 + digits(minute, 0..=59)? })
    }

    /// The moments of a world that begins at `start` and lasts `days`, in order.
    pub fn occurrences(&self, start: Timestamp, days: u32) -> Vec<Timestamp> {
        (1..=days).filter(|day| self.day.is_none_or(|only| only == *day)).map(|day| self.on_day(start, day)).collect()
    }

    /// Whether `t` lies within `minutes` after one of the moments; those of the day before the world began count too.
    pub fn covers(&self, start: Timestamp, t: Timestamp, minutes: u32) -> bool {
        let since = t.duration_since(start);
        let length = SignedDuration::from_mins(i64::from(minutes));
        let within = |day: i64| {
            let into = since - SignedDuration::from_mins((day - 1) * MINUTES_PER_DAY + i64::from(self.minute));
            !into.is_negative() && into < length
        };
        match self.day {
            Some(day) => within(i64::from(day)),
            None => {
                let today = since.as_secs().div_euclid(86_400) + 1;
                let back = i64::from(minutes) / MINUTES_PER_DAY + 1;
                (today - back..=today).any(within)
            }
        }
    }

    fn on_day(&self, start: Timestamp, day: u32) -> Timestamp {
        start + SignedDuration::from_mins((i64::from(day) - 1) * MINUTES_PER_DAY + i64::from(self.minute))
    }
}

fn digits(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|n| range.contains(n))
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("\"{text}\" is not a moment, expected \"HH:MM\" (every day) or \"day N HH:MM\""))
        })
    }
}

/// Reads a time, with or without quotes.
pub(super) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let value = toml::Value::deserialize(deserializer)?;
    let text = match &value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.parse().map_err(|_| D::Error::custom(format!("{text} is not a time, expected one such as \"2026-03-02T00:00:00Z\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_digit_clocks_and_days_from_one_are_read() {
        for (text, expected) in [
            ("00:00", Some((None, 0))),
            ("23:59", Some((None, 1439))),
            ("day 1 09:20", Some((Some(1), 560))),
            ("day 366 00:01", Some((Some(366), 1))),
            ("24:00", None),
            ("09:60", None),
            ("9:20", None),
            ("+9:20", None),
            ("day 0 09:20", None),
            ("day 09:20", None),
            ("noon", None),
            ("", None),
        ] {
            assert_eq!(At::parse(text).map(|at| (at.day, at.minute)), expected, "{text}");
        }
    }

    #[test]
    fn a_moment_without_a_day_comes_every_day() {
        let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let on = |text: &str, days| {
            At::parse(text).unwrap().occurrences(start, days).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(on("09:20", 2), ["2026-03-02T09:20:00Z", "2026-03-03T09:20:00Z"]);
        assert_eq!(on("day 2 09:20", 2), ["2026-03-03T09:20:00Z"]);
        assert_eq!(on("day 3 09:20", 2), Vec::<String>::new());
    }

    #[test]
    fn a_stretch_covers_its_first_minute_and_not_its_last_and_runs_over_midnight() {
        let start: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let covers = |at: &str, minutes, t: &str| At::parse(at).unwrap().covers(start, t.parse().unwrap(), minutes);
        assert!(!covers("09:20", 40, "2026-03-02T09:19:59Z"));
        assert!(covers("09:20", 40, "2026-03-02T09:20:00Z"));
        assert!(covers("09:20", 40, "2026-03-02T09:59:59Z"));
        assert!(!covers("09:20", 40, "2026-03-02T10:00:00Z"));
        assert!(covers("23:50", 20, "2026-03-03T00:05:00Z"), "over midnight");
        assert!(covers("23:50", 20, "2026-03-02T00:05:00Z"), "the day before the world began counts");
        assert!(covers("day 1 23:50", 20, "2026-03-03T00:05:00Z"));
        assert!(!covers("day 2 23:50", 20, "2026-03-03T00:05:00Z"));
    }
}
