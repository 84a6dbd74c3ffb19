//! Time-based instances of a scenario: windows of hours, turned into the hours of a week that SetTimeBasedAutoScaling takes.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The days, as the API names them, Monday first.
pub const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The name of the built-in windows.
pub const BEST_PRACTICES: &str = "best-practices-day";

/// `time_based`: the layer's time-based instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeBased {
    /// In the order of their host names.
    pub windows: Vec<Window>,
}

/// One of `time_based`: so many instances with the same schedule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// `FROM-TO`, UTC hours; `22-02` runs over midnight, `00-24` is all day.
    pub hours: Hours,
    /// How many. Default 1.
    #[serde(default = "one")]
    pub instances: u32,
    /// Days on which the window begins. Default: every day.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// Further windows of the same instances. Default: none.
    #[serde(default)]
    pub more: Vec<Span>,
}

/// One of `more`: hours, and the days on which they begin.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// As of a window.
    pub hours: Hours,
    /// As of a window.
    #[serde(default)]
    pub days: Vec<Weekday>,
}

fn one() -> u32 {
    1
}

/// `FROM-TO`, from inclusive, to exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// 0 to 23.
    pub from: u8,
    /// How many, 1 to 24.
    pub length: u8,
}

/// A day of the week, as the API spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the days need no words")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    /// Monday first.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];
}

/// The hours of a week in which a time-based instance is on, by weekday (Monday first) and UTC hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(pub [[bool; 24]; 7]);

impl Schedule {
    /// The hours of one weekday (0 is Monday) that are on.
    pub fn hours_on(&self, weekday: usize) -> impl Iterator<Item = usize> + '_ {
        self.0[weekday].iter().enumerate().filter(|(_, on)| **on).map(|(hour, _)| hour)
    }

    /// Switches on `hours` that begin on `days`; no days are all of them.
    fn switch_on(&mut self, hours: Hours, days: &[Weekday]) {
        for day in (0..7).filter(|day| days.is_empty() || days.iter().any(|d| *d as usize == *day)) {
            for hour in usize::from(hours.from)..usize::from(hours.from + hours.length) {
                self.0[(day + hour / 24) % 7][hour % 24] = true;
            }
        }
    }

    /// Hours of the week that are on, 0 to 168.
    pub fn hours_a_week(&self) -> u32 {
        self.0.iter().flatten().map(|on| u32::from(*on)).sum()
    }
}

impl Window {
    /// The same hours on every day.
    pub fn every_day(hours: Hours, instances: u32) -> Self {
        Self { hours, instances, days: Vec::new(), more: Vec::new() }
    }

    /// The week of one instance.
    pub fn schedule(&self) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.switch_on(self.hours, &self.days);
        for span in &self.more {
            schedule.switch_on(span.hours, &span.days);
        }
        schedule
    }
}

impl TimeBased {
    /// The twelve of the best-practices day: nested windows around a midnight peak (test vector TV-1).
    pub fn best_practices() -> Self {
        let windows = [("22-02", 1), ("20-04", 2), ("18-06", 2), ("16-08", 2), ("14-10", 2), ("00-24", 3)];
        let window = |(hours, instances)| Window::every_day(Hours::parse(hours).expect("a literal window"), instances);
        Self { windows: windows.map(window).to_vec() }
    }

    /// How many instances.
    pub fn instances(&self) -> u32 {
        self.windows.iter().map(|w| w.instances).sum()
    }

    /// How many are on in the mean over a week.
    pub fn mean_on(&self) -> f64 {
        self.windows.iter().map(|w| f64::from(w.instances) * f64::from(w.schedule().hours_a_week()) / 168.0).sum()
    }
}

impl Hours {
    /// Reads `FROM-TO` with two digits each; `None` for anything else and for an empty window.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let hour = |digits: &str| -> Option<u8> {
            (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
        };
        let (from, to) = (hour(from)?, hour(to)?);
        if from > 23 || to > 24 || from == to {
            return None;
        }
        Some(Self { from, length: if to > from { to - from } else { to + 24 - from } })
    }
}

impl std::fmt::Display for Hours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = self.from + self.length;
        write!(f, "{:02}-{:02}", self.from, if to > 24 { to - 24 } else { to })
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("\"{text}\" is not a window, expected UTC hours such as \"22-02\"")))
    }
}

impl<'de> Deserialize<'de> for TimeBased {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Windows;
        impl<'de> Visitor<'de> for Windows {
            type Value = TimeBased;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "\"{BEST_PRACTICES}\" or an array of windows such as [{{ hours = \"22-02\", instances = 1 }}]")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<TimeBased, E> {
                if name == BEST_PRACTICES {
                    Ok(TimeBased::best_practices())
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(name), &self))
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<TimeBased, A::Error> {
                let mut windows = Vec::new();
                while let Some(window) = seq.next_element()? {
                    windows.push(window);
                }
                Ok(TimeBased { windows })
            }
        }
        deserializer.deserialize_any(Windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [TIME-20] The counts of TV-1, hour by hour.
    #[test]
    fn time_20_the_best_practices_windows_give_the_counts_of_tv_1_on_every_day() {
        let expected = [12, 12, 11, 11, 9, 9, 7, 7, 5, 5, 3, 3, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12];
        let twelve = TimeBased::best_practices();
        assert_eq!(twelve.instances(), 12);
        for day in 0..7 {
            for (hour, count) in expected.iter().enumerate() {
                let on: u32 = twelve.windows.iter().filter(|w| w.schedule().0[day][hour]).map(|w| w.instances).sum();
                assert_eq!(on, *count, "day {day} hour {hour}");
            }
        }
        assert!((twelve.mean_on() - 188.0 / 24.0).abs() < 1e-9);
    }

    #[test]
    fn a_window_over_midnight_ends_on_the_next_day_and_on_sunday_in_the_next_week() {
        let window = |days: Vec<Weekday>| Window { days, ..Window::every_day(Hours::parse("22-02").unwrap(), 1) }.schedule();
        let monday = window(vec![Weekday::Monday]);
        assert_eq!(monday.hours_on(0).collect::<Vec<_>>(), [22, 23]);
        assert_eq!(monday.hours_on(1).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(window(vec![Weekday::Sunday]).hours_on(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(window(Vec::new()).hours_a_week(), 28);
    }

    #[test]
    fn more_windows_belong_to_the_same_instances() {
        let text = "hours = \"08-18\"\ninstances = 2\ndays = [\"Monday\"]\n\
                    more = [{ hours = \"22-02\", days = [\"Saturday\"] }, { hours = \"10-11\", days = [\"Monday\"] }]";
        let window: Window = toml::from_str(text).unwrap();
        let week = window.schedule();
        assert_eq!((week.hours_a_week(), window.instances), (14, 2), "an hour that stands twice counts once");
        assert_eq!((week.hours_on(5).collect::<Vec<_>>(), week.hours_on(6).collect::<Vec<_>>()), (vec![22, 23], vec![0, 1]));
        let bad = toml::from_str::<Window>("hours = \"08-18\"\nmore = [{ hours = \"8-18\" }]").unwrap_err();
        assert!(bad.to_string().contains("is not a window"), "{bad}");
    }

    #[test]
    fn only_two_digit_hours_that_hold_something_are_a_window() {
        for (text, expected) in [
            ("00-24", Some((0, 24))),
            ("22-02", Some((22, 4))),
            ("09-10", Some((9, 1))),
            ("23-00", Some((23, 1))),
            ("09-09", None),
            ("24-01", None),
            ("9-10", None),
            ("22-25", None),
            ("22", None),
        ] {
            assert_eq!(Hours::parse(text).map(|h| (h.from, h.length)), expected, "{text}");
        }
    }
}
