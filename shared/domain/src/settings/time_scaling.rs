//! `"strata".time_scaling`: what users of schedulers ask for and OpsWorks lacked. All of it is off by default, so that a schedule without it means
//! what OpsWorks meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time_based::calendar::{DayChange, parse_date, zone};
use crate::time_based::lead::MOST_LEAD;
use crate::time_based::parse_hour;

/// So many dates: a year of them, since the layer's and the stack's are read at each check.
const MOST_DATES: usize = 400;

/// `"strata".time_scaling` of a layer or a stack. What a layer does not name is its stack's; dates go together, the layer's first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeScalingSettings {
    /// IANA name, for example `Europe/Berlin`: days and hours of schedules, and dates, are local ones. Default UTC [TIME-3].
    pub time_zone: Option<String>,
    /// Exceptions by local date, `YYYY-MM-DD`: `"on"` or `"off"` for all its hours, or single hours; what is not named stays as the weekly
    /// schedule has it. At most 400; dates that are over do nothing. Default none.
    pub dates: BTreeMap<String, DateHours>,
    /// So many minutes before its hour an instance is started: 0 to 60, or `"measured"`. Default 0 [TIME-10].
    pub lead_minutes: Option<LeadMinutes>,
}

/// What is different on a date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"on\", \"off\" or hours such as {\"8\": \"on\"}")]
pub enum DateHours {
    /// All its hours.
    WholeDay(Switch),
    /// These hours, as in a weekly schedule.
    Hours(BTreeMap<String, Switch>),
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// The instance is to be up.
    On,
    /// It is to be down.
    Off,
}

/// How early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of minutes from 0 to 60, or \"measured\"")]
pub enum LeadMinutes {
    /// So many minutes.
    Fixed(u8),
    /// As the layer's last starts took.
    Word(Measured),
}

/// The word `measured`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// `measured`.
    Measured,
}

impl TimeScalingSettings {
    /// The first mistake: its path below `time_scaling`, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        if let Some(name) = &self.time_zone {
            zone(name).map_err(|problem| ("time_zone".to_owned(), problem))?;
        }
        if self.dates.len() > MOST_DATES {
            return Err(("dates".to_owned(), format!("{} dates are more than {MOST_DATES}", self.dates.len())));
        }
        for (text, hours) in &self.dates {
            let path = || format!("dates.{text}");
            if parse_date(text).is_none() {
                return Err((path(), format!("{text:?} is not a date such as \"2026-12-25\"")));
            }
            if let Some(hour) = hours.bad_hour() {
                let problem = format!("{hour:?} is not an hour, expected \"0\" to \"23\" without leading zeros");
                return Err((format!("{}.{hour}", path()), problem));
            }
        }
        match self.lead_minutes {
            Some(LeadMinutes::Fixed(minutes)) if i64::from(minutes) > MOST_LEAD.as_mins() => {
                Err(("lead_minutes".to_owned(), format!("{minutes} is not within 0 to {}", MOST_LEAD.as_mins())))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl DateHours {
    fn bad_hour(&self) -> Option<&str> {
        match self {
            Self::WholeDay(_) => None,
            Self::Hours(hours) => hours.keys().map(String::as_str).find(|hour| parse_hour(hour).is_none()),
        }
    }

    /// What it changes. An hour that is none, which no check has let through, changes nothing.
    pub fn change(&self) -> DayChange {
        match self {
            Self::WholeDay(switch) => DayChange::default().with(0..24, *switch == Switch::On),
            Self::Hours(hours) => hours
                .iter()
                .filter_map(|(hour, switch)| Some((parse_hour(hour)?, *switch)))
                .fold(DayChange::default(), |change, (hour, switch)| change.with(hour..hour + 1, switch == Switch::On)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn read(own: &str) -> Result<TimeScalingSettings, SettingsError> {
        let text = format!(r#"{{"strata":{{"time_scaling":{own}}}}}"#);
        Settings::from_custom_json(Some(&text)).map(|settings| settings.time_scaling)
    }

    #[test]
    fn a_zone_dates_and_a_lead_are_read_and_absent_ones_are_off() {
        assert_eq!(read("{}").unwrap(), TimeScalingSettings::default());
        let own =
            r#"{"time_zone":"Europe/Berlin","dates":{"2026-12-25":"off","2026-12-24":{"8":"on","17":"off"}},"lead_minutes":12}"#;
        let settings = read(own).unwrap();
        assert_eq!(settings.time_zone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(settings.dates["2026-12-25"].change(), DayChange::default().with(0..24, false));
        assert_eq!(settings.dates["2026-12-24"].change(), DayChange::default().with(8..9, true).with(17..18, false));
        assert_eq!(settings.lead_minutes, Some(LeadMinutes::Fixed(12)));
        assert_eq!(read(&serde_json::to_string(&settings).unwrap()).unwrap(), settings, "as it is written");
        let measured = read(r#"{"lead_minutes":"measured"}"#).unwrap();
        assert_eq!(measured.lead_minutes, Some(LeadMinutes::Word(Measured::Measured)));
        for lead in [0, 60] {
            assert!(read(&format!(r#"{{"lead_minutes":{lead}}}"#)).is_ok(), "{lead}");
        }
        for zone in ["UTC", "Etc/UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires", "europe/berlin"] {
            assert!(read(&format!(r#"{{"time_zone":"{zone}"}}"#)).is_ok(), "{zone}");
        }
    }

    #[test]
    fn a_mistake_names_its_path_and_what_was_expected() {
        for (own, path, says) in [
            (r#"{"time_zone":"Europe/Berln"}"#, "time_scaling.time_zone", "IANA"),
            (r#"{"time_zone":"Berlin"}"#, "time_scaling.time_zone", "Europe/Berlin"),
            (r#"{"time_zone":""}"#, "time_scaling.time_zone", "IANA"),
            (r#"{"time_zone":"+01:00"}"#, "time_scaling.time_zone", "IANA"),
            (r#"{"time_zone":1}"#, "time_scaling.time_zone", "string"),
            (r#"{"zone":"UTC"}"#, "time_scaling.zone", "time_zone"),
            (r#"{"dates":{"2026-02-29":"off"}}"#, "time_scaling.dates.2026-02-29", "2026-12-25"),
            (r#"{"dates":{"2026-2-1":"off"}}"#, "time_scaling.dates.2026-2-1", "2026-12-25"),
            (r#"{"dates":{"20261225":"off"}}"#, "time_scaling.dates.20261225", "2026-12-25"),
            (r#"{"dates":{"2026-12-25":"closed"}}"#, "time_scaling.dates.2026-12-25", r#""on", "off""#),
            (r#"{"dates":{"2026-12-25":{"24":"on"}}}"#, "time_scaling.dates.2026-12-25.24", "\"0\" to \"23\""),
            (r#"{"dates":{"2026-12-25":{"08":"on"}}}"#, "time_scaling.dates.2026-12-25.08", "\"0\" to \"23\""),
            (r#"{"dates":["2026-12-25"]}"#, "time_scaling.dates", "map"),
            (r#"{"lead_minutes":61}"#, "time_scaling.lead_minutes", "0 to 60"),
            (r#"{"lead_minutes":-1}"#, "time_scaling.lead_minutes", "measured"),
            (r#"{"lead_minutes":"soon"}"#, "time_scaling.lead_minutes", "measured"),
        ] {
            match read(own) {
                Err(SettingsError::Invalid { path: found, problem }) => {
                    assert_eq!(found, path, "{own}");
                    assert!(problem.contains(says), "{own}: {problem}");
                }
                other => panic!("{own}: {other:?}"),
            }
        }
        let dates = |n: i64| {
            let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
            let dates: Vec<String> = (0..n)
                .map(|day| format!(r#""{}":"off""#, first.checked_add(jiff::SignedDuration::from_hours(24 * day)).unwrap()))
                .collect();
            read(&format!(r#"{{"dates":{{{}}}}}"#, dates.join(",")))
        };
        assert!(dates(400).is_ok() && dates(401).is_err());
    }
}
