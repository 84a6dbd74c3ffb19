//! Windows: when updates of a layer begin by themselves.
//!
//! Our choice: a time that clocks leap over comes as much later as they leap; one that comes twice counts the first time only. Both as systemd
//! and most schedulers have it, and so a window opens once for each date and time that its cron names.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;
use super::minutes_after;
use crate::settings::{UpdateSettings, WindowSettings};
use crate::time_based::calendar::{parse_date, zone};

/// So many minutes a window may be open: shorter than that the tick could miss it, longer than a week it is none.
const MINUTES: std::ops::RangeInclusive<u32> = 10..=10_080;
/// So many holidays: a year of them.
const MOST_HOLIDAYS: usize = 400;
/// So far ahead the next window is looked for; eight years have a leap day even where a century has none.
const HORIZON_DAYS: usize = 8 * 366;

/// One window: updates may begin from `start` on, and none from `end` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Window {
    /// When it opens.
    pub start: Timestamp,
    /// When it closes.
    pub end: Timestamp,
}

/// All windows of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    cron: Cron,
    zone: TimeZone,
    minutes: u32,
    holidays: BTreeSet<Date>,
}

impl Windows {
    /// What the settings mean; `default_minutes` is how long a window is open that says nothing of it.
    ///
    /// # Errors
    /// The first mistake: the member, and what is wrong.
    pub fn of(settings: &WindowSettings, default_minutes: u32) -> Result<Self, (String, String)> {
        let wrong = |member: &str| {
            let member = member.to_owned();
            move |problem: String| (member, problem)
        };
        let cron = Cron::parse(&settings.cron).map_err(wrong("cron"))?;
        let zone = settings.time_zone.as_deref().map_or(Ok(TimeZone::UTC), zone).map_err(wrong("time_zone"))?;
        let minutes = settings.duration_minutes.unwrap_or(default_minutes);
        if !MINUTES.contains(&minutes) {
            let problem = format!("{minutes} is not within {} to {}", MINUTES.start(), MINUTES.end());
            return Err(wrong("duration_minutes")(problem));
        }
        if settings.holidays.len() > MOST_HOLIDAYS {
            let problem = format!("{} dates are more than {MOST_HOLIDAYS}", settings.holidays.len());
            return Err(wrong("holidays")(problem));
        }
        let date = |text: &String| parse_date(text).ok_or_else(|| format!("{text:?} is not a date such as \"2026-12-25\""));
        let holidays = settings.holidays.iter().map(date).collect::<Result<_, _>>().map_err(wrong("holidays"))?;
        Ok(Self { cron, zone, minutes, holidays })
    }

    /// The window that is open at `now`; of several the one that opened last.
    pub fn open_at(&self, now: Timestamp) -> Option<Window> {
        let earliest = self.date(now.checked_sub(SignedDuration::from_mins(i64::from(self.minutes))).ok()?);
        let mut date = self.date(now);
        while date >= earliest {
            // The newest that has opened: an earlier one closes earlier.
            if let Some(start) = self.starts_on(date).range(..=now).next_back() {
                return Some(self.window(*start)).filter(|window| now < window.end);
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    /// The first window that opens after `now`; `None` if none does within eight years.
    pub fn next_after(&self, now: Timestamp) -> Option<Window> {
        let mut date = self.date(now);
        for _ in 0..HORIZON_DAYS {
            if let Some(start) = self.starts_on(date).into_iter().find(|start| *start > now) {
                return Some(self.window(start));
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn date(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    fn window(&self, start: Timestamp) -> Window {
        Window { start, end: minutes_after(start, self.minutes) }
    }

    /// When windows open that local date.
    fn starts_on(&self, date: Date) -> BTreeSet<Timestamp> {
        if self.holidays.contains(&date) || !self.cron.is_on(date) {
            return BTreeSet::new();
        }
        self.cron.times().filter_map(|time| self.zone.to_timestamp(date.to_datetime(time)).ok()).collect()
    }
}

/// The layer's next window after `now`; `None` if it has none, or none that comes.
pub fn next_window(settings: &UpdateSettings, now: Timestamp) -> Option<Window> {
    settings.windows().ok().flatten()?.next_after(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(cron: &str, zone: &str, minutes: u32, holidays: &[&str]) -> Windows {
        let settings = WindowSettings {
            cron: cron.to_owned(),
            time_zone: Some(zone.to_owned()),
            duration_minutes: Some(minutes),
            holidays: holidays.iter().map(|date| (*date).to_owned()).collect(),
        };
        Windows::of(&settings, 240).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn open(windows: &Windows, now: &str) -> Option<String> {
        windows.open_at(at(now)).map(|w| w.start.to_string())
    }

    fn next(windows: &Windows, now: &str) -> Option<String> {
        windows.next_after(at(now)).map(|w| w.start.to_string())
    }

    #[test]
    fn a_window_is_open_from_its_start_until_its_end_however_late_the_tick() {
        let sundays = windows("0 2 * * SUN", "UTC", 120, &[]);
        for (now, is_open) in [
            ("2026-03-01T01:59:59Z", false),
            ("2026-03-01T02:00:00Z", true),
            ("2026-03-01T03:59:59Z", true),
            ("2026-03-01T04:00:00Z", false),
            ("2026-03-02T02:00:00Z", false),
        ] {
            assert_eq!(open(&sundays, now), is_open.then(|| "2026-03-01T02:00:00Z".to_owned()), "{now}");
        }
        assert_eq!(next(&sundays, "2026-03-01T01:59:59Z").unwrap(), "2026-03-01T02:00:00Z");
        assert_eq!(next(&sundays, "2026-03-01T02:00:00Z").unwrap(), "2026-03-08T02:00:00Z");
        assert_eq!(sundays.next_after(at("2026-03-01T00:00:00Z")).unwrap().end, at("2026-03-01T04:00:00Z"));
    }

    #[test]
    fn a_window_may_last_over_midnight_and_over_days_and_of_several_the_newest_counts() {
        let late = windows("30 23 * * *", "UTC", 90, &[]);
        assert_eq!(open(&late, "2026-03-02T00:59:59Z").unwrap(), "2026-03-01T23:30:00Z");
        assert_eq!(open(&late, "2026-03-02T01:00:00Z"), None);
        let weekends = windows("0 18 * * FRI", "UTC", 3 * 24 * 60, &[]);
        assert_eq!(open(&weekends, "2026-03-09T17:59:59Z").unwrap(), "2026-03-06T18:00:00Z");
        assert_eq!(open(&weekends, "2026-03-09T18:00:00Z"), None);
        let hourly = windows("0 * * * *", "UTC", 180, &[]);
        assert_eq!(open(&hourly, "2026-03-01T05:30:00Z").unwrap(), "2026-03-01T05:00:00Z");
    }

    #[test]
    fn none_opens_on_a_holiday_and_one_that_is_open_stays_open_into_it() {
        let nights = windows("0 23 * * *", "Europe/Berlin", 120, &["2026-12-25", "2026-12-26"]);
        // 23:00 in Berlin is 22:00 UTC; the 25th begins there at 23:00 UTC on the 24th.
        assert_eq!(open(&nights, "2026-12-24T23:30:00Z").unwrap(), "2026-12-24T22:00:00Z");
        assert_eq!(open(&nights, "2026-12-25T22:30:00Z"), None);
        assert_eq!(open(&nights, "2026-12-26T22:30:00Z"), None);
        assert_eq!(next(&nights, "2026-12-24T22:00:00Z").unwrap(), "2026-12-27T22:00:00Z");
        let all: Vec<String> = (0..400).map(|n| (date("2026-01-01") + SignedDuration::from_hours(24 * n)).to_string()).collect();
        let never = windows("0 2 * * *", "UTC", 60, &all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(next(&never, "2026-01-01T00:00:00Z").unwrap(), "2027-02-05T02:00:00Z", "after them all");
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_that_clocks_leap_over_comes_as_much_later_and_once() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        let gap = windows("30 2 * * *", "Europe/Berlin", 60, &[]);
        assert_eq!(open(&gap, "2026-03-29T01:29:59Z"), None);
        assert_eq!(open(&gap, "2026-03-29T01:30:00Z").unwrap(), "2026-03-29T01:30:00Z", "03:30 summer time");
        assert_eq!(next(&gap, "2026-03-29T01:30:00Z").unwrap(), "2026-03-30T00:30:00Z");
        // 02:00 and 03:00 are the same moment then: one window.
        let both = windows("0 2,3 * * *", "Europe/Berlin", 60, &[]);
        assert_eq!(next(&both, "2026-03-29T00:00:00Z").unwrap(), "2026-03-29T01:00:00Z");
        assert_eq!(next(&both, "2026-03-29T01:00:00Z").unwrap(), "2026-03-30T00:00:00Z");
    }

    #[test]
    fn a_time_that_comes_twice_opens_a_window_the_first_time_only() {
        // Berlin, 2026-10-25: 03:00 becomes 02:00; 02:30 is 00:30 and 01:30 UTC.
        let fold = windows("30 2 * * *", "Europe/Berlin", 30, &[]);
        assert_eq!(open(&fold, "2026-10-25T00:30:00Z").unwrap(), "2026-10-25T00:30:00Z");
        assert_eq!(open(&fold, "2026-10-25T00:59:59Z").unwrap(), "2026-10-25T00:30:00Z");
        assert_eq!(open(&fold, "2026-10-25T01:00:00Z"), None);
        assert_eq!(open(&fold, "2026-10-25T01:30:00Z"), None);
        assert_eq!(next(&fold, "2026-10-25T00:30:00Z").unwrap(), "2026-10-26T01:30:00Z");
        // Its length is in real minutes: through the hour that comes twice.
        let long = windows("30 1 * * *", "Europe/Berlin", 150, &[]);
        assert_eq!(open(&long, "2026-10-25T01:59:59Z").unwrap(), "2026-10-24T23:30:00Z");
        assert_eq!(open(&long, "2026-10-25T02:00:00Z"), None);
    }

    #[test]
    fn the_next_window_is_found_years_ahead_and_none_where_there_are_no_windows() {
        let settings = |cron: &str| UpdateSettings {
            window: Some(WindowSettings { cron: cron.to_owned(), ..WindowSettings::default() }),
            ..UpdateSettings::default()
        };
        let next = |cron: &str, now: &str| next_window(&settings(cron), at(now)).map(|w| w.start.to_string());
        assert_eq!(next("0 0 29 2 *", "2096-03-01T00:00:00Z").unwrap(), "2104-02-29T00:00:00Z");
        assert_eq!(next("0 2 * * TUE#2", "2026-03-10T02:00:00Z").unwrap(), "2026-04-14T02:00:00Z");
        assert_eq!(next_window(&UpdateSettings::default(), at("2026-03-01T00:00:00Z")), None);
        assert_eq!(next_window(&settings("nonsense"), at("2026-03-01T00:00:00Z")), None);
        let last = windows("0 2 * * *", "UTC", 60, &[]);
        assert_eq!((last.next_after(Timestamp::MAX), last.open_at(Timestamp::MIN)), (None, None));
    }
}
