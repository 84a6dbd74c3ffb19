//! From demand to a week: what share of an hour's minutes is to be covered.

use super::days::{Day, MINUTES_A_DAY};
use super::week::{HOURS, Week};

/// With fewer minutes of an hour a quantile says nothing; then the hour is planned by all days, or by all hours.
const LEAST_MINUTES: usize = 30;
/// A kind of day is planned for itself from so many days on.
const LEAST_DAYS: usize = 2;

/// Which days are planned alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alike {
    /// All seven.
    AllDays,
    /// Monday to Friday, and Saturday with Sunday.
    WorkDays,
}

/// How the hosts that are up by plan follow from the demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// So many hosts and no schedule.
    Exactly(u32),
    /// 24/7 instances alone, enough for `percent` of all minutes.
    Flat {
        /// 0 to 100; 0 is the least demand.
        percent: u32,
    },
    /// 24/7 and time-based ones, enough for `percent` of each hour's minutes.
    Weekly {
        /// Which days are planned alike.
        alike: Alike,
        /// 1 to 100.
        percent: u32,
        /// So many percent more than that.
        margin: u32,
    },
}

/// The days that a week is fitted on.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) days: &'a [Day],
    /// A day that is left out, to judge by it.
    pub(super) without: Option<usize>,
    /// An hour's minutes reach so far into the next: what is started at the hour is there only then ([TIME-10]).
    pub(super) lead: usize,
}

impl Sample<'_> {
    /// Whether there are days enough to plan work days and weekends apart.
    pub(super) fn has_both_kinds(&self) -> bool {
        let weekends = self.days.iter().filter(|day| day.is_judge() && day.is_weekend()).count();
        let work_days = self.days.iter().filter(|day| day.is_judge() && !day.is_weekend()).count();
        weekends >= LEAST_DAYS && work_days >= LEAST_DAYS
    }

    /// The week that `shape` asks for.
    pub(super) fn week(&self, shape: Shape) -> Week {
        match shape {
            Shape::Exactly(hosts) => Week([hosts; HOURS]),
            Shape::Flat { percent } => Week([hosts(self.over_all(percent), 0); HOURS]),
            Shape::Weekly { alike, percent, margin } => {
                let kinds = [false, true].map(|weekend| self.day(alike, weekend, percent));
                Week(std::array::from_fn(|hour| hosts(kinds[usize::from(hour / 24 >= 5)][hour % 24], margin)))
            }
        }
    }

    /// The demand that `percent` of all minutes do not pass.
    fn over_all(&self, percent: u32) -> f64 {
        quantile(self.within(|_| true, 0, MINUTES_A_DAY), percent).unwrap_or(0.0)
    }

    /// For each hour of such a day, the demand that `percent` of its minutes do not pass.
    fn day(&self, alike: Alike, weekend: bool, percent: u32) -> [f64; 24] {
        std::array::from_fn(|hour| self.hour(alike, weekend, hour, percent))
    }

    /// See [`Self::day`]. An hour without data is planned by all days, and one that no day has by all hours.
    pub(super) fn hour(&self, alike: Alike, weekend: bool, hour: usize, percent: u32) -> f64 {
        let (from, to) = (hour * 60, hour * 60 + 60 + self.lead);
        let of_kind = |day: &Day| alike == Alike::AllDays || day.is_weekend() == weekend;
        let enough = |minutes: &Vec<f64>| minutes.len() >= LEAST_MINUTES;
        let minutes = Some(self.within(of_kind, from, to)).filter(enough);
        let minutes = minutes.or_else(|| Some(self.within(|_| true, from, to)).filter(enough));
        minutes.and_then(|minutes| quantile(minutes, percent)).unwrap_or_else(|| self.over_all(percent))
    }

    /// The demand of all minutes between two of the day; those from 1,440 on are the next day's.
    fn within(&self, of_kind: impl Fn(&Day) -> bool, from: usize, to: usize) -> Vec<f64> {
        let mut found = Vec::new();
        for (index, day) in self.days.iter().enumerate().filter(|(index, day)| self.has(*index) && of_kind(day)) {
            found.extend(day.minutes[from..to.min(MINUTES_A_DAY)].iter().flatten());
            let next = self.days.get(index + 1).filter(|next| self.has(index + 1) && next.begin == day.end());
            if let Some(next) = next.filter(|_| to > MINUTES_A_DAY) {
                found.extend(next.minutes[..to - MINUTES_A_DAY].iter().flatten());
            }
        }
        found
    }

    fn has(&self, index: usize) -> bool {
        self.without != Some(index)
    }

    /// By how many hosts demand grows within `minutes`: what `per_mille` of the minutes do not pass.
    pub(super) fn rise(&self, minutes: usize, per_mille: usize) -> f64 {
        let mut rises: Vec<f64> = Vec::new();
        for day in self.days {
            let pairs = day.minutes.iter().zip(day.minutes.iter().skip(minutes));
            rises.extend(pairs.filter_map(|(now, then)| Some(((*then)? - (*now)?).max(0.0))));
        }
        rises.sort_by(f64::total_cmp);
        rises.get((rises.len() * per_mille).div_ceil(1000).saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

/// The value that `percent` of `values` do not pass; the least one for 0.
pub(super) fn quantile(mut values: Vec<f64>, percent: u32) -> Option<f64> {
    let rank = (values.len() * percent as usize).div_ceil(100).saturating_sub(1);
    if rank >= values.len() {
        return None;
    }
    let (_, value, _) = values.select_nth_unstable_by(rank, f64::total_cmp);
    Some(*value)
}

/// Whole hosts for a demand with a margin in percent; a rounding error is no host.
pub(super) fn hosts(demand: f64, margin: u32) -> u32 {
    (demand * f64::from(100 + margin) / 100.0 - 1e-9).max(0.0).ceil() as u32
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    /// Days from Monday 2026-03-02 on.
    pub(super) fn days(count: usize, demand: impl Fn(usize, usize) -> Option<f64>) -> Vec<Day> {
        let monday: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let day = |n: usize| Day {
            begin: monday + SignedDuration::from_hours(24 * n as i64),
            weekday: n % 7,
            minutes: (0..MINUTES_A_DAY).map(|minute| demand(n, minute)).collect(),
        };
        (0..count).map(day).collect()
    }

    fn sample(days: &[Day]) -> Sample<'_> {
        Sample { days, without: None, lead: 5 }
    }

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let values = || (1..=10).map(f64::from).collect::<Vec<_>>();
        for (percent, value) in [(0, 1.0), (10, 1.0), (11, 2.0), (50, 5.0), (90, 9.0), (91, 10.0), (100, 10.0)] {
            assert_eq!(quantile(values(), percent), Some(value), "{percent}");
        }
        assert_eq!(quantile(Vec::new(), 50), None);
    }

    #[test]
    fn hosts_are_rounded_up_and_a_rounding_error_is_none() {
        for (demand, margin, count) in
            [(0.0, 0, 0), (0.01, 0, 1), (3.0, 0, 3), (0.1 + 0.2 + 2.7, 0, 3), (3.001, 0, 4), (3.0, 10, 4)]
        {
            assert_eq!(hosts(demand, margin), count, "{demand} {margin}");
        }
    }

    /// [TIME-10]: what is started at 08:00 is there at 08:05, so the hour before is on if the first minutes want it.
    #[test]
    fn time_10_an_hour_is_planned_with_the_first_minutes_of_the_next() {
        let days = days(7, |_, minute| Some(if minute >= 8 * 60 { 6.0 } else { 2.0 }));
        let week = |percent| sample(&days).week(Shape::Weekly { alike: Alike::AllDays, percent, margin: 0 }).0;
        assert_eq!((week(100)[6], week(100)[7], week(100)[8]), (2, 6, 6));
        assert_eq!((week(90)[7], week(90)[8]), (2, 6), "five of 65 minutes are less than a tenth");
    }

    #[test]
    fn work_days_and_weekends_are_planned_apart_or_alike() {
        let days = days(9, |day, _| Some(if day % 7 >= 5 { 1.0 } else { 4.0 }));
        let apart = sample(&days).week(Shape::Weekly { alike: Alike::WorkDays, percent: 100, margin: 0 });
        let alike = sample(&days).week(Shape::Weekly { alike: Alike::AllDays, percent: 100, margin: 0 });
        assert_eq!((apart.0[0], apart.0[119], apart.0[120], apart.0[166]), (4, 4, 1, 1));
        assert_eq!((alike.0[0], alike.0[120]), (4, 4));
        assert!(sample(&days).has_both_kinds() && !sample(&days[..6]).has_both_kinds());
    }

    #[test]
    fn a_day_that_is_left_out_leaves_no_trace() {
        let days = days(5, |day, _| Some(if day == 3 { 50.0 } else { 2.0 }));
        let without = Sample { without: Some(3), ..sample(&days) };
        for shape in [Shape::Flat { percent: 100 }, Shape::Weekly { alike: Alike::AllDays, percent: 100, margin: 0 }] {
            assert_eq!((without.week(shape).0, sample(&days).week(shape).0[12]), ([2; HOURS], 50), "{shape:?}");
        }
    }

    #[test]
    fn hours_without_data_are_planned_by_other_days_or_else_by_all_hours() {
        let nightless =
            days(7, |day, minute| (minute >= 60 && (day != 5 || minute >= 120)).then_some(if day >= 5 { 1.0 } else { 3.0 }));
        let week = sample(&nightless).week(Shape::Weekly { alike: Alike::WorkDays, percent: 100, margin: 0 }).0;
        assert_eq!((week[0], week[1], week[121]), (3, 3, 1), "the first hour of no day has data, Sunday's second has");
    }

    #[test]
    fn a_rise_is_measured_between_minutes_that_both_have_data() {
        let days = days(2, |_, minute| (minute != 10).then_some(if minute < 700 { 1.0 } else { 4.0 }));
        let sample = sample(&days);
        assert_eq!((sample.rise(7, 1000), sample.rise(7, 990)), (3.0, 0.0), "7 of 1,430 minutes");
        assert_eq!(sample.rise(2000, 1000), 0.0);
    }
}
