//! When something recurs, in crontab's five fields.

use jiff::civil::{Date, Time};

/// Minute, hour, day of month, month, day of week.
///
/// As crontab has it: `*`, lists, ranges, steps, and English names of months and days; 0 and 7 are both Sunday; where day of month and day
/// of week are both given, either counts. `?` is `*`. Besides, `TUE#2` is the month's second Tuesday.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Weekday from Sunday, 0 to 6, and which one of the month, 1 to 5.
    nth_weekdays: Vec<(u32, u32)>,
    every_day_of_month: bool,
    every_day_of_week: bool,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One of the five.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field { name: "month", least: 1, most: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of week", least: 0, most: 7, names: &WEEKDAYS };

impl Cron {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!(
                "{text:?} is not five fields such as \"0 2 * * SUN\": minute, hour, day of month, month, day of week"
            ));
        };
        let (plain, nth_weekdays) = split_nth(weekday)?;
        let weekdays = if plain.is_empty() { 0 } else { WEEKDAY.mask(&plain.join(","))? };
        let cron = Self {
            minutes: MINUTE.mask(minute)?,
            hours: HOUR.mask(hour)?,
            days: DAY.mask(day)?,
            months: MONTH.mask(month)?,
            weekdays: weekdays | weekdays >> 7 & 1,
            nth_weekdays,
            every_day_of_month: is_any(day),
            every_day_of_week: is_any(weekday),
        };
        if cron.ever() { Ok(cron) } else { Err(format!("{text:?} never comes")) }
    }

    /// Whether it falls on that date at all.
    pub fn is_on(&self, date: Date) -> bool {
        let number = |n: i8| u32::try_from(n).unwrap_or_default();
        let (day, weekday) = (number(date.day()), number(date.weekday().to_sunday_zero_offset()));
        let by_day = has(self.days, day);
        let nth = (day - 1) / 7 + 1;
        let by_weekday = has(self.weekdays, weekday) || self.nth_weekdays.contains(&(weekday, nth));
        has(self.months, number(date.month()))
            && match (self.every_day_of_month, self.every_day_of_week) {
                (false, false) => by_day || by_weekday,
                _ => by_day && by_weekday,
            }
    }

    /// The times of day at which it falls on a date that it is on, earliest first.
    pub fn times(&self) -> impl Iterator<Item = Time> + '_ {
        let all = |mask: u64, end: i8| (0..end).filter(move |n| u32::try_from(*n).is_ok_and(|n| has(mask, n)));
        all(self.hours, 24)
            .flat_map(move |hour| all(self.minutes, 60).filter_map(move |minute| Time::new(hour, minute, 0, 0).ok()))
    }

    /// Whether any date has it. 28 years have every weekday on every date, leap days too.
    fn ever(&self) -> bool {
        let mut date = Date::constant(2000, 1, 1);
        while date.year() < 2028 {
            if self.is_on(date) {
                return true;
            }
            let Ok(next) = date.tomorrow() else { return false };
            date = next;
        }
        false
    }
}

fn has(mask: u64, n: u32) -> bool {
    mask.checked_shr(n).is_some_and(|shifted| shifted & 1 == 1)
}

fn is_any(field: &str) -> bool {
    field.starts_with(['*', '?'])
}

/// A day of the week, and the how manyeth of its month.
type NthWeekday = (u32, u32);

/// The elements of a day of week, those with a `#` apart.
fn split_nth(field: &str) -> Result<(Vec<&str>, Vec<NthWeekday>), String> {
    let (mut plain, mut nth) = (Vec::new(), Vec::new());
    for element in field.split(',') {
        match element.split_once('#') {
            None => plain.push(element),
            Some((day, which)) => {
                let which = which.parse().ok().filter(|which| (1..=5).contains(which));
                let which = which.ok_or_else(|| WEEKDAY.wrong(element, "after # stands which one of the month, 1 to 5"))?;
                nth.push((WEEKDAY.value(day)? % 7, which));
            }
        }
    }
    Ok((plain, nth))
}

impl Field {
    fn wrong(&self, element: &str, why: &str) -> String {
        format!("{element:?} is no {}: {why}", self.name)
    }

    /// The values that a field names, a bit each.
    fn mask(&self, field: &str) -> Result<u64, String> {
        field.split(',').try_fold(0, |mask, element| Ok(mask | self.element(element)?))
    }

    fn element(&self, element: &str) -> Result<u64, String> {
        let (range, step) = match element.split_once('/') {
            None => (element, None),
            Some((range, step)) => {
                let step = step.parse().ok().filter(|step| (1..=self.most).contains(step));
                (range, Some(step.ok_or_else(|| self.wrong(element, &format!("a step is within 1 to {}", self.most)))?))
            }
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (self.least, self.most),
            Some((first, last)) => (self.value(first)?, self.end(last)?),
            None => {
                let first = self.value(range)?;
                (first, if step.is_some() { self.most } else { first })
            }
        };
        if first > last {
            return Err(self.wrong(element, "a range goes from the lower to the higher"));
        }
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
        Ok((first..=last).step_by(step).fold(0, |mask, n| mask | 1 << n))
    }

    /// A range's end: a week may end with Sunday.
    fn end(&self, text: &str) -> Result<u32, String> {
        let value = self.value(text)?;
        Ok(if self.most == 7 && value == 0 { 7 } else { value })
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + self.least);
        let number = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        named.or_else(number).filter(|n| (self.least..=self.most).contains(n)).ok_or_else(|| {
            let named = self.names.first().map_or(String::new(), |first| format!(", or a name such as {first}"));
            self.wrong(text, &format!("expected {} to {}{named}", self.least, self.most))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(cron: &str, month: &str) -> Vec<i8> {
        let cron = Cron::parse(cron).unwrap();
        let first: Date = format!("{month}-01").parse().unwrap();
        let days = (0..i64::from(first.days_in_month())).map(|n| first.checked_add(jiff::SignedDuration::from_hours(24 * n)));
        days.map(Result::unwrap).filter(|date| cron.is_on(*date)).map(Date::day).collect()
    }

    fn times(cron: &str) -> Vec<String> {
        Cron::parse(cron).unwrap().times().map(|t| t.strftime("%H:%M").to_string()).collect()
    }

    // March 2026 begins on a Sunday.
    #[test]
    fn days_are_those_of_the_month_the_week_and_the_nth_of_a_weekday() {
        for (cron, days) in [
            ("0 2 * * SUN", vec![1, 8, 15, 22, 29]),
            ("0 2 * * 0", vec![1, 8, 15, 22, 29]),
            ("0 2 * * 7", vec![1, 8, 15, 22, 29]),
            ("0 2 ? * sat-sun", vec![1, 7, 8, 14, 15, 21, 22, 28, 29]),
            ("0 2 * * TUE#2", vec![10]),
            ("0 2 * * 0#1,0#5", vec![1, 29]),
            ("0 2 * * MON#1,FRI", vec![2, 6, 13, 20, 27]),
            ("0 2 1,31 * *", vec![1, 31]),
            ("0 2 */10 * *", vec![1, 11, 21, 31]),
            ("0 2 29 * ?", vec![29]),
            ("0 2 2 mar-may *", vec![2]),
            ("0 2 2 JAN,12 *", vec![]),
            // Both are given: either counts, as in crontab.
            ("0 2 2 * SAT", vec![2, 7, 14, 21, 28]),
        ] {
            assert_eq!(dates(cron, "2026-03"), days, "{cron}");
        }
        assert_eq!(dates("0 2 * * MON#5", "2026-02"), Vec::<i8>::new());
    }

    #[test]
    fn times_are_lists_ranges_and_steps_to_the_last_minute_of_the_day() {
        assert_eq!(times("30 2 * * *"), ["02:30"]);
        assert_eq!(times("0,30 22-23 * * *"), ["22:00", "22:30", "23:00", "23:30"]);
        assert_eq!(times("*/20 1 * * *"), ["01:00", "01:20", "01:40"]);
        assert_eq!(times("50/5 23 * * *"), ["23:50", "23:55"]);
        assert_eq!(times("59 0-23/12 * * *"), ["00:59", "12:59"]);
        assert_eq!(times("* * * * *").len(), 1_440);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (cron, says) in [
            ("", "five fields"),
            ("0 2 * *", "five fields"),
            ("cron(0 2 ? * SUN *)", "five fields"),
            ("60 2 * * *", "\"60\" is no minute: expected 0 to 59"),
            ("0 24 * * *", "\"24\" is no hour"),
            ("0 2 0 * *", "day of month"),
            ("0 2 32 * *", "expected 1 to 31"),
            ("0 2 * 13 *", "or a name such as JAN"),
            ("0 2 * * 8", "or a name such as SUN"),
            ("0 2 * * SUNDAY", "day of week"),
            ("0 2 * * FRI-MON", "from the lower to the higher"),
            ("0 2 * * FRI#6", "1 to 5"),
            ("0 2 * * FRI#", "1 to 5"),
            ("0 2 * * #2", "day of week"),
            ("*/0 2 * * *", "a step is within 1 to 59"),
            ("*/x 2 * * *", "a step"),
            ("+5 2 * * *", "minute"),
            ("0 2,, * * *", "hour"),
            ("99999999999 2 * * *", "minute"),
            ("0 2 31 2,4,6 *", "never comes"),
        ] {
            let said = Cron::parse(cron).unwrap_err();
            assert!(said.contains(says), "{cron}: {said}");
        }
        assert!(Cron::parse("0 2 29 2 *").is_ok(), "every four years is not never");
    }
}
