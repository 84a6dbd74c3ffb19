//! `"strata".teardown`: a layer that is to be taken down by itself, for environments that are made for a while.

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::teardown::Options;
use crate::time_based::calendar::zone;

/// `"strata".teardown` of a layer, or of a stack for the layer that `confirm` names. All that is not asked for stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TeardownSettings {
    /// When it begins: RFC 3339 (`2026-12-01T18:00:00Z`), or local time with an IANA zone (`2026-12-01T18:00[Europe/Berlin]`). Required.
    pub at: String,
    /// The layer's name once more: it is the confirmation. Required.
    pub confirm: String,
    /// The cluster's services are scaled down and deleted first [ECS-90]. Default false.
    pub delete_services: bool,
    /// The instances' EBS volumes go too. Default false.
    pub delete_volumes: bool,
    /// The instances' Elastic IP addresses are released. Default false.
    pub delete_addresses: bool,
    /// The stack goes too, if nothing else is in it [ECS-97]. Default false.
    pub delete_stack: bool,
}

impl TeardownSettings {
    /// The moment; `None` only for settings that no check has let through.
    pub fn moment(&self) -> Option<Timestamp> {
        parse(&self.at).ok()
    }

    /// What goes too.
    pub fn options(&self) -> Options {
        Options {
            delete_services: self.delete_services,
            delete_volumes: self.delete_volumes,
            delete_addresses: self.delete_addresses,
            delete_stack: self.delete_stack,
        }
    }

    /// The first mistake: its path below `teardown`, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        parse(&self.at).map_err(|problem| ("at".to_owned(), problem))?;
        if self.confirm.is_empty() {
            return Err(("confirm".to_owned(), "is missing, expected the name of the layer that is to be taken down".to_owned()));
        }
        Ok(())
    }
}

/// Why a moment cannot be set at `now`, if so: it is past.
pub fn check_ahead(moment: Timestamp, now: Timestamp) -> Result<(), String> {
    if moment <= now { Err(format!("{moment} is past, it is {now} now; give a moment ahead")) } else { Ok(()) }
}

/// Our choice: where clocks go forward, a local time that does not exist is the one an hour later; where they go back, the first of the two.
fn parse(text: &str) -> Result<Timestamp, String> {
    let wrong = |why: String| {
        format!("{text:?} is not a moment such as \"2026-12-01T18:00:00Z\" or \"2026-12-01T18:00[Europe/Berlin]\"{why}")
    };
    let Some((local, name)) = text.split_once('[') else {
        return text.parse().map_err(|_| wrong(String::new()));
    };
    let name = name.strip_suffix(']').ok_or_else(|| wrong(": the zone has no end".to_owned()))?;
    let zone = zone(name).map_err(|problem| wrong(format!(": {problem}")))?;
    if local.parse::<Timestamp>().is_ok() {
        return Err(wrong(": give an offset or a zone, not both".to_owned()));
    }
    let local: DateTime = local.parse().map_err(|_| wrong(String::new()))?;
    zone.to_timestamp(local).map_err(|e| wrong(format!(": {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Settings, SettingsError};

    fn read(own: &str) -> Result<TeardownSettings, SettingsError> {
        let text = format!(r#"{{"strata":{{"teardown":{own}}}}}"#);
        Settings::from_custom_json(Some(&text)).map(|settings| settings.teardown.unwrap())
    }

    #[test]
    fn a_moment_has_an_offset_or_a_zone() {
        for (text, utc) in [
            ("2026-12-01T18:00:00Z", "2026-12-01T18:00:00Z"),
            ("2026-12-01T18:00:00+01:00", "2026-12-01T17:00:00Z"),
            ("2026-12-01T18:00[Europe/Berlin]", "2026-12-01T17:00:00Z"),
            ("2026-07-01T18:00[Europe/Berlin]", "2026-07-01T16:00:00Z"),
            // 02:30 does not exist on this day, and comes twice on that.
            ("2026-03-29T02:30[Europe/Berlin]", "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30[Europe/Berlin]", "2026-10-25T00:30:00Z"),
        ] {
            let settings = read(&format!(r#"{{"at":"{text}","confirm":"web"}}"#)).unwrap();
            assert_eq!(settings.moment().unwrap().to_string(), utc, "{text}");
        }
    }

    #[test]
    fn mistakes_name_their_path() {
        for (own, path) in [
            (r#"{"confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"tomorrow","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00:00","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00[Europe/Berlin","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00[Mars/Base]","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00:00Z[Europe/Berlin]","confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00:00Z"}"#, "teardown.confirm"),
            (r#"{"at":5,"confirm":"web"}"#, "teardown.at"),
            (r#"{"at":"2026-12-01T18:00:00Z","confirm":"web","delete_stack":"yes"}"#, "teardown.delete_stack"),
            (r#"{"at":"2026-12-01T18:00:00Z","confirm":"web","force":true}"#, "teardown.force"),
            (r#""2026-12-01T18:00:00Z""#, "teardown"),
        ] {
            match read(own) {
                Err(SettingsError::Invalid { path: found, .. }) => assert_eq!(found, path, "{own}"),
                other => panic!("{own}: {other:?}"),
            }
        }
        assert_eq!(Settings::from_custom_json(Some(r#"{"strata":{}}"#)).unwrap().teardown, None);
    }

    #[test]
    fn only_a_moment_ahead_can_be_set() {
        let now: Timestamp = "2026-12-01T18:00:00Z".parse().unwrap();
        for (moment, is_ahead) in
            [("2026-12-01T17:59:59Z", false), ("2026-12-01T18:00:00Z", false), ("2026-12-01T18:00:01Z", true)]
        {
            assert_eq!(check_ahead(moment.parse().unwrap(), now).is_ok(), is_ahead, "{moment}");
        }
    }
}
