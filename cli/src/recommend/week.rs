//! How many hosts each hour of the week wants, and the instances with weekly schedules that make it up.

use std::collections::BTreeMap;

use crate::sim::scenario::schedule::{Hours, Span, Weekday, Window};

/// Hours of a week; the first is Monday 00:00 UTC.
pub(super) const HOURS: usize = 168;
/// An instance that is on in so many of them, nine in ten, is made a 24/7 one: the rest is not worth its starts and stops.
const NEARLY_ALWAYS: usize = 151;

/// Hosts by hour of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Week(pub(super) [u32; HOURS]);

impl Week {
    /// The 24/7 instances: those that every hour wants, or nearly every one; at least one, so that there always are metrics ([LOAD-17]).
    pub(super) fn always_on(&self) -> u32 {
        let nearly = |count: &u32| self.instance(*count).iter().filter(|on| **on).count() >= NEARLY_ALWAYS;
        (1..=self.most()).take_while(nearly).last().unwrap_or(0).max(1)
    }

    /// The time-based instances beyond `always_on`, those with the same week together.
    pub(super) fn windows(&self, always_on: u32) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        let mut before = None;
        for count in always_on + 1..=self.most() {
            let on = self.instance(count);
            match windows.last_mut() {
                Some(window) if before == Some(on) => window.instances += 1,
                _ => windows.push(window(&on)),
            }
            before = Some(on);
        }
        windows
    }

    /// Host-minutes that are up by plan on a weekday, 0 for Monday; a bridged hour is not counted.
    pub(super) fn planned_minutes(&self, weekday: usize) -> u64 {
        self.0[weekday * 24..weekday * 24 + 24].iter().map(|count| u64::from((*count).max(1)) * 60).sum()
    }

    /// What the quietest hour wants.
    pub(super) fn least(&self) -> u32 {
        self.0.iter().copied().min().unwrap_or(0)
    }

    fn most(&self) -> u32 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    /// The week of the instance that is wanted where at least `count` are: the windows nest, as in the guide's example.
    ///
    /// Our choice: an hour off between two hours on is bridged, since a stop and a start take most of what it would save.
    fn instance(&self, count: u32) -> [bool; HOURS] {
        let wanted = |hour: usize| self.0[hour % HOURS] >= count;
        std::array::from_fn(|hour| wanted(hour) || (wanted(hour + HOURS - 1) && wanted(hour + 1)))
    }
}

/// One instance with the week `on`, which is neither empty nor whole.
fn window(on: &[bool; HOURS]) -> Window {
    let mut spans = spans(on).into_iter();
    let first = spans.next().unwrap_or(Span { hours: Hours { from: 0, length: 24 }, days: Vec::new() });
    Window { hours: first.hours, instances: 1, days: first.days, more: spans.collect() }
}

/// The stretches of hours that are on, the same ones of several days together.
fn spans(on: &[bool; HOURS]) -> Vec<Span> {
    let mut days: BTreeMap<(u8, u8), Vec<Weekday>> = BTreeMap::new();
    let mut take = |begin: usize, length: usize| {
        let hours = ((begin % 24) as u8, length as u8);
        days.entry(hours).or_default().push(Weekday::ALL[begin / 24 % 7]);
    };
    let begins = (0..HOURS).filter(|hour| on[*hour] && !on[(hour + HOURS - 1) % HOURS]);
    for begin in begins {
        let length = (0..HOURS).take_while(|n| on[(begin + n) % HOURS]).count();
        if length < 24 || (length == 24 && begin % 24 == 0) {
            take(begin, length);
            continue;
        }
        // What lasts for more than a day is cut at its midnights, as the file's windows last for a day at most.
        let mut done = 0;
        while done < length {
            let piece = (24 - (begin + done) % 24).min(length - done);
            take(begin + done, piece);
            done += piece;
        }
    }
    let whole = |mut of: Vec<Weekday>| {
        of.sort_by_key(|day| *day as usize);
        if of.len() == 7 { Vec::new() } else { of }
    };
    let span = |((from, length), of)| Span { hours: Hours { from, length }, days: whole(of) };
    let mut spans: Vec<Span> = days.into_iter().map(span).collect();
    // Monday first, as people read a week.
    spans.sort_by_key(|span| span.days.first().map_or(0, |day| *day as usize));
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::scenario::{LayerSpec, Scenario};

    fn week(of: impl Fn(usize, usize) -> u32) -> Week {
        Week(std::array::from_fn(|hour| of(hour / 24, hour % 24)))
    }

    fn on(windows: &[Window], day: usize, hour: usize) -> u32 {
        windows.iter().filter(|w| w.schedule().0[day][hour]).map(|w| w.instances).sum()
    }

    /// [SCALE-6] [TIME-20]: the guide's own example comes out of its own counts.
    #[test]
    fn scale_6_the_guides_example_week_becomes_its_nested_windows() {
        let counts = [12, 12, 11, 11, 9, 9, 7, 7, 5, 5, 3, 3, 3, 3, 5, 5, 7, 7, 9, 9, 11, 11, 12, 12];
        let week = week(|_, hour| 3 + counts[hour]);
        assert_eq!(week.always_on(), 6, "its three time-based ones that are on all day are 24/7 ones");
        let windows = week.windows(6);
        let words: Vec<String> = windows.iter().map(|w| format!("{} x {}", w.instances, w.hours)).collect();
        assert_eq!(words, ["2 x 14-10", "2 x 16-08", "2 x 18-06", "2 x 20-04", "1 x 22-02"]);
        assert!(windows.iter().all(|w| w.days.is_empty() && w.more.is_empty()));
    }

    #[test]
    fn work_days_and_weekends_of_one_instance_stay_one_instance() {
        let week = week(|day, hour| match (day < 5, hour) {
            (true, 8..18) => 5,
            (false, 10..14) => 3,
            _ => 2,
        });
        let windows = week.windows(week.always_on());
        assert_eq!((week.always_on(), windows.iter().map(|w| w.instances).sum::<u32>()), (2, 3));
        assert_eq!((windows[0].instances, windows[0].more.len()), (1, 1), "{windows:?}");
        for (day, hour, count) in [(0, 7, 0), (0, 8, 3), (4, 17, 3), (4, 18, 0), (5, 9, 0), (5, 10, 1), (6, 13, 1), (6, 14, 0)] {
            assert_eq!(on(&windows, day, hour), count, "day {day} hour {hour}");
        }
    }

    #[test]
    fn whatever_the_week_its_windows_hold_its_hours_and_no_more_than_a_bridged_hour() {
        // A small generator of its own: the same weeks on every run.
        let mut seed = 1_u32;
        for _ in 0..200 {
            let counts: [u32; HOURS] = std::array::from_fn(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 28) / 4
            });
            let week = Week(counts);
            let always_on = week.always_on();
            let windows = week.windows(always_on);
            for (hour, wanted) in counts.iter().enumerate() {
                let there = always_on + on(&windows, hour / 24, hour % 24);
                let beside = counts[(hour + 1) % HOURS].min(counts[(hour + HOURS - 1) % HOURS]);
                assert!(there >= *wanted, "hour {hour}");
                assert!(there <= (*wanted).max(beside).max(always_on), "hour {hour}");
            }
        }
    }

    #[test]
    fn one_hour_off_is_bridged_and_two_are_not_also_over_the_weeks_end() {
        let gap = |length: usize| week(move |day, hour| if day == 6 && hour >= 24 - length { 1 } else { 2 });
        for (length, spare) in [(1, 2), (2, 2), (17, 2), (18, 1)] {
            assert_eq!(gap(length).always_on(), spare, "on in {} of 168 hours", HOURS - length);
        }
        let twice = week(|_, hour| if [3, 8, 9].contains(&hour) || hour > 11 { 1 } else { 2 });
        let windows = twice.windows(1);
        assert_eq!((on(&windows, 0, 3), on(&windows, 0, 8), on(&windows, 0, 9)), (1, 0, 0));
    }

    #[test]
    fn a_week_without_demand_keeps_one_host_and_stretches_of_days_are_cut_at_midnight() {
        assert_eq!((week(|_, _| 0).always_on(), week(|_, _| 0).windows(1)), (1, Vec::new()));
        let long = week(|day, hour| if day < 2 || (day == 2 && hour < 6) || (day == 6 && hour >= 20) { 2 } else { 1 });
        let windows = long.windows(1);
        assert_eq!(windows.len(), 1);
        assert_eq!(windows[0].schedule().hours_a_week(), 2 * 24 + 6 + 4);
        let layer: LayerSpec =
            Scenario::parse("t", &super::super::layer_file::tests::with(windows.clone())).unwrap().layers[0].clone();
        assert_eq!(layer.time_based.windows, windows, "as the file spells them");
    }
}
