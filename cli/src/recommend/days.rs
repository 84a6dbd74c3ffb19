//! The history in UTC days, minute by minute, and which of them are fitted on.

use jiff::{SignedDuration, Timestamp};

use crate::CliError;
use crate::backtest::History;

pub(super) const MINUTES_A_DAY: usize = 1440;
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// A fitted day with less than half of its minutes is used, but nothing is judged on it.
const ENOUGH: usize = MINUTES_A_DAY / 2;
/// What is older says little about next week, and months of it would take minutes.
const MOST_FITTED: usize = 28;
/// The least that can be parted into days to fit on, to judge each other by, and one to judge all by.
const LEAST_DAYS: i64 = 3;
/// So many days of history were asked for.
const WISHED_DAYS: i64 = 14;

/// One UTC day of demand.
#[derive(Clone, Debug)]
pub(super) struct Day {
    pub(super) begin: Timestamp,
    /// 0 is Monday.
    pub(super) weekday: usize,
    /// Demand in hosts by minute; `None` where there is no data.
    pub(super) minutes: Vec<Option<f64>>,
}

impl Day {
    pub(super) fn end(&self) -> Timestamp {
        later(self.begin, DAY)
    }

    pub(super) fn is_weekend(&self) -> bool {
        self.weekday >= 5
    }

    fn measured(&self) -> usize {
        self.minutes.iter().flatten().count()
    }

    /// Whether there is enough of it to judge by.
    pub(super) fn is_judge(&self) -> bool {
        self.measured() >= ENOUGH
    }
}

/// A history, parted.
pub(super) struct Parted {
    /// What is fitted on, in order.
    pub(super) fitted: Vec<Day>,
    /// From here to `to` is only judged on.
    pub(super) held_out_from: Timestamp,
    pub(super) to: Timestamp,
    /// What a reader should know of the data, a sentence each.
    pub(super) warnings: Vec<String>,
}

impl Parted {
    /// Parts `history`; `held_out` days are kept for judging, or two of each seven.
    ///
    /// # Errors
    /// Bad input: less than three days, no room for the days to hold out, more gaps than data, or no data to judge on.
    pub(super) fn of(history: &History, held_out: Option<u32>) -> Result<Self, CliError> {
        let length = history.to.duration_since(history.from);
        let days = length.as_hours().saturating_add(12) / 24;
        if days < LEAST_DAYS {
            let what = format!("{} hours from {} to {} are too few", length.as_hours(), history.from, history.to);
            return Err(CliError::BadInput(format!(
                "--metrics: {what}, expected at least {LEAST_DAYS} days, better {WISHED_DAYS}"
            )));
        }
        let held_out = held_out.map_or((days * 2 / 7).max(1), i64::from);
        if held_out > days - 2 {
            let most = days - 2;
            return Err(CliError::BadInput(format!(
                "--held-out-days {held_out}: two of {days} days must be left to fit on, expected at most {most}"
            )));
        }
        let last_midnight = later(midnight(later(history.to, SignedDuration::from_secs(-1))), DAY);
        let held_out_from = later(last_midnight, SignedDuration::from_hours(-24 * held_out));
        let mut fitted = days_between(history, history.from, held_out_from);
        fitted.drain(..fitted.len().saturating_sub(MOST_FITTED));
        let parted = Self { fitted, held_out_from, to: history.to, warnings: Vec::new() };
        parted.checked(history, days)
    }

    fn checked(mut self, history: &History, days: i64) -> Result<Self, CliError> {
        let measured: usize = self.fitted.iter().map(Day::measured).sum();
        let begin = self.fitted.first().map_or(history.from, |day| day.begin.max(history.from));
        let minutes = usize::try_from(self.held_out_from.duration_since(begin).as_mins()).unwrap_or(0).max(1);
        let judges = self.fitted.iter().filter(|day| day.is_judge()).count();
        if judges < 2 {
            let what = format!("{judges} of the days before {} have values in half of their minutes", self.held_out_from);
            return Err(CliError::BadInput(format!("--metrics: {what}, expected at least two days with fewer gaps")));
        }
        if !days_between(history, self.held_out_from, self.to).iter().any(Day::is_judge) {
            let what = format!("no day from {} on has values in half of its minutes", self.held_out_from);
            return Err(CliError::BadInput(format!("--metrics: {what}, expected days to judge on, or other --held-out-days")));
        }
        if days < WISHED_DAYS {
            self.warnings.push(format!("{days} days are less than two weeks: what differs between weekdays is hardly seen"));
        }
        if measured * 20 < minutes * 19 {
            let percent = 100 - measured * 100 / minutes;
            self.warnings.push(format!("{percent} % of the fitted minutes have no value: gaps are neither demand nor idleness"));
        }
        // At 100 percent the hosts had all that they could do, perhaps not all that was asked.
        let full = history.hosts_at_full_cpu.map_or(f64::MAX, |hosts| hosts * 0.99);
        let cut = self.fitted.iter().flat_map(|day| day.minutes.iter().flatten()).filter(|demand| **demand >= full).count();
        if cut > 0 {
            self.warnings.push(format!("CPU stood at 100 % in {cut} minutes: more may have been asked for than was measured"));
        }
        Ok(self)
    }

    /// The greatest demand of the fitted days.
    pub(super) fn peak(&self) -> f64 {
        self.fitted.iter().flat_map(|day| day.minutes.iter().flatten()).copied().fold(0.0, f64::max)
    }
}

fn days_between(history: &History, from: Timestamp, to: Timestamp) -> Vec<Day> {
    let mut days = Vec::new();
    let mut begin = midnight(from);
    while begin < to {
        let minutes = (0..MINUTES_A_DAY).map(|minute| {
            let at = later(begin, SignedDuration::from_mins(minute as i64));
            (from..to).contains(&at).then(|| history.demand.at(at)).flatten()
        });
        days.push(Day { begin, weekday: weekday(begin), minutes: minutes.collect() });
        begin = later(begin, DAY);
    }
    days
}

/// Moments near the ends of time stay there; no history reaches as far.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

fn midnight(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(86_400) * 86_400).unwrap_or(at)
}

/// 0 is Monday; 1 January 1970 was a Thursday.
fn weekday(midnight: Timestamp) -> usize {
    (midnight.as_second().div_euclid(86_400) + 3).rem_euclid(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Unit;
    use crate::sim::demand::Demand;
    use crate::sim::trace::{Trace, TraceSource};

    /// Half hours from Monday 2026-03-02 at `hour` on, one host's worth each; `None` is an empty cell.
    fn history(hour: i64, half_hours: i64, value: impl Fn(i64) -> Option<u32>) -> History {
        let begin: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let begin = begin + SignedDuration::from_hours(hour);
        let rows: String = (0..half_hours)
            .map(|n| {
                let value = value(n).map_or_else(String::new, |value| value.to_string());
                format!("{},{value}\n", begin + SignedDuration::from_mins(30 * n))
            })
            .collect();
        let (time_column, value_column) = ("t".to_owned(), "v".to_owned());
        let source = TraceSource { file: "t.csv".into(), time_column, value_column, unit: Unit::Requests };
        let trace = Trace::parse(format!("t,v\n{rows}").as_bytes(), &source).unwrap();
        let to = begin + SignedDuration::from_mins(30 * half_hours);
        let values = trace.len();
        History { demand: Demand::measured(trace, 1.0, 75.0), from: begin, to, values, hosts_at_full_cpu: None }
    }

    #[test]
    fn two_weeks_are_ten_days_to_fit_on_and_four_to_judge_on_at_midnights() {
        for (hour, half_hours, fitted, held_out_from) in [
            (0, 14 * 48, 10, "2026-03-12T00:00:00Z"),
            // From noon to noon: of the fifteen days that it touches the last four are held out.
            (12, 14 * 48, 11, "2026-03-13T00:00:00Z"),
            (0, 3 * 48, 2, "2026-03-04T00:00:00Z"),
            (0, 60 * 48, 28, "2026-04-14T00:00:00Z"),
        ] {
            let parted = Parted::of(&history(hour, half_hours, |_| Some(1)), None).unwrap();
            assert_eq!((parted.fitted.len(), parted.held_out_from), (fitted, held_out_from.parse().unwrap()), "{half_hours}");
        }
    }

    #[test]
    fn days_know_their_weekday_and_their_gaps() {
        let parted = Parted::of(&history(12, 14 * 48, |n| (n != 5).then_some(2)), None).unwrap();
        let first = &parted.fitted[0];
        assert_eq!((first.weekday, parted.fitted[5].is_weekend(), parted.fitted[7].weekday), (0, true, 0));
        assert_eq!((first.minutes[719], first.minutes[720], first.minutes[880]), (None, Some(2.0), None));
        assert_eq!(parted.warnings, Vec::<String>::new(), "what lies before the first value is no gap");
    }

    #[test]
    fn what_is_too_little_is_refused_and_what_is_little_is_told() {
        let refused = |history: &History, held_out| Parted::of(history, held_out).err().map(|error| error.to_string()).unwrap();
        assert!(refused(&history(0, 48 * 2, |_| Some(1)), None).contains("expected at least 3 days"));
        assert!(refused(&history(0, 48 * 14, |_| Some(1)), Some(13)).contains("expected at most 12"));
        assert!(refused(&history(0, 48 * 6, |n| (n % 48 < 20).then_some(1)), None).contains("fewer gaps"));
        assert!(refused(&history(0, 48 * 14, |n| (n < 48 * 10 || n == 48 * 14 - 1).then_some(1)), None).contains("to judge on"));
        let short = Parted::of(&history(0, 48 * 6, |n| (n % 48 != 0 || n < 48).then_some(1)), None).unwrap();
        assert!(short.warnings.iter().any(|line| line.contains("less than two weeks")), "{:?}", short.warnings);
        let gaps = Parted::of(&history(0, 48 * 14, |n| (n % 12 != 0).then_some(1)), None).unwrap();
        assert!(gaps.warnings.iter().any(|line| line.starts_with("9 % of the fitted minutes")), "{:?}", gaps.warnings);
    }
}
