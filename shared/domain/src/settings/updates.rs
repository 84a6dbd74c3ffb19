//! `"strata".updates`: how a layer is updated.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::patching::{RebootPolicy, UpdateKind, check_health_command, check_release};
use crate::updates::windows::Windows;

/// `"strata".updates` of a layer; a stack's counts for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateSettings {
    /// At most so many instances are out at once: a count such as 3, or a share such as `"25%"` of those online, rounded down, at least one.
    /// It goes before `max_unavailable_percent`. Default none.
    pub max_unavailable: Option<MaxUnavailable>,
    /// At most so many percent of the layer's online instances are out at once, at least one. 1 to 100, default 10.
    pub max_unavailable_percent: u8,
    /// Whether one zone is finished before the next begins. Default false: a wave goes over all zones.
    pub zone_by_zone: bool,
    /// Whether a stopped load-based instance is started before the first wave, if there is one, and stopped after the end. Default false.
    pub surge: bool,
    /// Whether a wave takes only hosts whose services' tasks the others have room for. Default true.
    pub needs_room: bool,
    /// So many instances go first, alone. Default 1.
    pub canary: u32,
    /// Minutes to watch the canary before the rest goes. Default 10.
    pub soak_minutes: u32,
    /// Stop starting new ones after so many failures; default 2. A failed canary always stops.
    pub failure_budget: u32,
    /// Minutes that one host's drain may take before it is given back and skipped. Default 30.
    pub drain_minutes: u32,
    /// Minutes that patch and reboot of one host may take. Default 30.
    pub patch_minutes: u32,
    /// Length of a window in minutes: no new host is begun after it. Default 240.
    pub window_minutes: u32,
    /// When updates begin by themselves. Default none: only when somebody asks.
    pub window: Option<WindowSettings>,
    /// Which updates are installed. Default `all`.
    pub kind: UpdateKind,
    /// Whether a host is rebooted after them. Default `if_needed`.
    pub reboot: RebootPolicy,
    /// A command that must succeed on an updated host, as root, before it is given back; three tries, 5 s apart. Default none.
    pub health_command: Option<String>,
    /// Seconds that one try of it may take. 1 to 600, default 60; they count within `patch_minutes`.
    pub health_seconds: u32,
    /// The release that Amazon Linux 2023 goes to, by campaigns and at boot. Default: the newest when a campaign's first host is updated.
    pub release: Option<String>,
    /// Whether its online hosts are asked once a day what they miss, without changing anything. Default true.
    pub scan: bool,
}

impl Default for UpdateSettings {
    fn default() -> Self {
        Self {
            max_unavailable: None,
            max_unavailable_percent: 10,
            zone_by_zone: false,
            surge: false,
            needs_room: true,
            canary: 1,
            soak_minutes: 10,
            failure_budget: 2,
            drain_minutes: 30,
            patch_minutes: 30,
            window_minutes: 240,
            window: None,
            kind: UpdateKind::default(),
            reboot: RebootPolicy::default(),
            health_command: None,
            health_seconds: 60,
            release: None,
            scan: true,
        }
    }
}

/// `"strata".updates.window`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowSettings {
    /// When a window opens: five fields as in crontab, minute, hour, day of month, month, day of week; `TUE#2` is the month's second Tuesday.
    pub cron: String,
    /// IANA name, for example `Europe/Berlin`: the cron's times and the holidays are local ones. Default UTC.
    pub time_zone: Option<String>,
    /// Minutes that it stays open: 10 to 10080. Default `window_minutes`.
    pub duration_minutes: Option<u32>,
    /// Local dates, `YYYY-MM-DD`, on which none opens. At most 400; default none.
    pub holidays: BTreeSet<String>,
}

/// How many may be out at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a count such as 3, or a share such as \"25%\"")]
pub enum MaxUnavailable {
    /// So many.
    Count(u32),
    /// So many percent of those online.
    Share(Share),
}

/// A share as text: `"25%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share(pub u8);

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let percent = digits.and_then(|digits| digits.parse().ok());
        percent.map(Self).ok_or_else(|| format!("{text:?} is not a share such as \"25%\""))
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        format!("{}%", share.0)
    }
}

impl UpdateSettings {
    /// The first mistake: its path below `updates`, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let percent = |member: &str, percent: u8| {
            let wrong = || (member.to_owned(), format!("{percent} is not within 1 to 100"));
            (1..=100).contains(&percent).then_some(()).ok_or_else(wrong)
        };
        percent("max_unavailable_percent", self.max_unavailable_percent)?;
        match self.max_unavailable {
            Some(MaxUnavailable::Count(0)) => {
                return Err(("max_unavailable".to_owned(), "with 0 no instance could ever be updated".to_owned()));
            }
            Some(MaxUnavailable::Share(share)) => percent("max_unavailable", share.0)?,
            Some(MaxUnavailable::Count(_)) | None => {}
        }
        self.check_host()?;
        let in_window = |(member, problem): (String, String)| (format!("window.{member}"), problem);
        self.windows().map(drop).map_err(in_window)
    }

    /// What is done to one host.
    fn check_host(&self) -> Result<(), (String, String)> {
        check_health_command(self.health_command.as_deref()).map_err(|problem| ("health_command".to_owned(), problem))?;
        if !(1..=600).contains(&self.health_seconds) {
            return Err(("health_seconds".to_owned(), format!("{} is not within 1 to 600", self.health_seconds)));
        }
        check_release(self.release.as_deref()).map_err(|problem| ("release".to_owned(), problem))
    }

    /// At most so many of `online` hosts are out at once: a share is rounded down, but at least one.
    pub fn allowed_out(&self, online: usize) -> usize {
        let share = |percent: u8| (online.saturating_mul(usize::from(percent)) / 100).max(1);
        match self.max_unavailable {
            Some(MaxUnavailable::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX).max(1),
            Some(MaxUnavailable::Share(Share(percent))) => share(percent),
            None => share(self.max_unavailable_percent),
        }
    }

    /// When updates begin by themselves; `None`: never.
    ///
    /// # Errors
    /// The first mistake: the member of `window`, and what is wrong. Settings that the API has taken have none.
    pub fn windows(&self) -> Result<Option<Windows>, (String, String)> {
        self.window.as_ref().map(|window| Windows::of(window, self.window_minutes)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SettingsError};
    use super::*;

    fn read(object: &str) -> Result<UpdateSettings, SettingsError> {
        let text = format!(r#"{{"strata":{{"updates":{object}}}}}"#);
        Settings::from_custom_json(Some(&text)).map(|settings| settings.updates)
    }

    #[test]
    fn what_is_not_set_is_as_it_was_before_there_were_windows() {
        let off = read("{}").unwrap();
        assert_eq!(off, UpdateSettings::default());
        assert_eq!((off.windows(), off.surge, off.zone_by_zone, off.needs_room), (Ok(None), false, false, true));
        // A campaign's record that an earlier version has written.
        let before = r#"{"max_unavailable_percent":25,"canary":0,"soak_minutes":1,"failure_budget":1,"drain_minutes":1,"patch_minutes":1,"window_minutes":60}"#;
        let before: UpdateSettings = serde_json::from_str(before).unwrap();
        assert_eq!((before.allowed_out(8), before.window_minutes), (2, 60));
    }

    #[test]
    fn a_count_is_itself_and_a_share_is_rounded_down_but_never_to_nothing() {
        for (given, online, allowed) in [
            (r#"{"max_unavailable":3}"#, 100, 3),
            (r#"{"max_unavailable":3}"#, 1, 3),
            (r#"{"max_unavailable":"25%"}"#, 8, 2),
            (r#"{"max_unavailable":"25%"}"#, 7, 1),
            (r#"{"max_unavailable":"1%"}"#, 0, 1),
            (r#"{"max_unavailable":"100%"}"#, 7, 7),
            (r#"{"max_unavailable_percent":50}"#, 9, 4),
            (r#"{"max_unavailable":2,"max_unavailable_percent":50}"#, 9, 2),
            ("{}", 0, 1),
            ("{}", 19, 1),
            ("{}", 20, 2),
            ("{}", 29, 2),
            ("{}", 30, 3),
        ] {
            let settings = read(given).unwrap();
            assert_eq!(settings.allowed_out(online), allowed, "{given} of {online}");
            assert_eq!(read(&serde_json::to_string(&settings).unwrap()).unwrap(), settings, "as it is written");
        }
    }

    #[test]
    fn a_mistake_names_its_path_and_what_was_expected() {
        for (object, path, says) in [
            (r#"{"max_unavailable":0}"#, "updates.max_unavailable", "no instance could ever"),
            (r#"{"max_unavailable":-1}"#, "updates.max_unavailable", "\"25%\""),
            (r#"{"max_unavailable":"3"}"#, "updates.max_unavailable", "\"25%\""),
            (r#"{"max_unavailable":"0%"}"#, "updates.max_unavailable", "1 to 100"),
            (r#"{"max_unavailable":"101%"}"#, "updates.max_unavailable", "1 to 100"),
            (r#"{"max_unavailable":"+5%"}"#, "updates.max_unavailable", "\"25%\""),
            (r#"{"zone_by_zone":"yes"}"#, "updates.zone_by_zone", "boolean"),
            (r#"{"surge":1}"#, "updates.surge", "boolean"),
            (r#"{"window":"0 2 * * SUN"}"#, "updates.window", "struct"),
            (r#"{"window":{}}"#, "updates.window.cron", "five fields"),
            (r#"{"window":{"cron":"0 25 * * *"}}"#, "updates.window.cron", "hour"),
            (r#"{"window":{"cron":"0 2 30 2 *"}}"#, "updates.window.cron", "never comes"),
            (r#"{"window":{"cron":5}}"#, "updates.window.cron", "string"),
            (r#"{"window":{"cron":"0 2 * * *","zone":"UTC"}}"#, "updates.window.zone", "time_zone"),
            (r#"{"window":{"cron":"0 2 * * *","time_zone":"Berlin"}}"#, "updates.window.time_zone", "Europe/Berlin"),
            (r#"{"window":{"cron":"0 2 * * *","duration_minutes":9}}"#, "updates.window.duration_minutes", "10 to 10080"),
            (r#"{"window":{"cron":"0 2 * * *","duration_minutes":10081}}"#, "updates.window.duration_minutes", "10 to 10080"),
            (r#"{"window_minutes":5,"window":{"cron":"0 2 * * *"}}"#, "updates.window.duration_minutes", "10 to 10080"),
            (r#"{"window":{"cron":"0 2 * * *","holidays":["25.12."]}}"#, "updates.window.holidays", "2026-12-25"),
            (r#"{"window":{"cron":"0 2 * * *","holidays":["2026-02-29"]}}"#, "updates.window.holidays", "2026-12-25"),
        ] {
            match read(object) {
                Err(SettingsError::Invalid { path: found, problem }) => {
                    assert_eq!(found, path, "{object}");
                    assert!(problem.contains(says), "{object}: {problem}");
                }
                other => panic!("{object}: {other:?}"),
            }
        }
        for minutes in [10, 10_080] {
            assert!(read(&format!(r#"{{"window":{{"cron":"0 2 * * *","duration_minutes":{minutes}}}}}"#)).is_ok(), "{minutes}");
        }
        let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
        let holidays = |n: i64| {
            let date = |day| format!("\"{}\"", first.checked_add(jiff::SignedDuration::from_hours(24 * day)).unwrap());
            let dates: Vec<String> = (0..n).map(date).collect();
            read(&format!(r#"{{"window":{{"cron":"0 2 * * *","holidays":[{}]}}}}"#, dates.join(",")))
        };
        assert!(holidays(400).is_ok() && holidays(401).is_err());
    }

    #[test]
    fn the_documents_example_is_read() {
        let document = include_str!("../../../../docs/updates.md");
        let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let read = Settings::from_custom_json(example).unwrap().updates;
        assert_eq!(read.max_unavailable, Some(MaxUnavailable::Share(Share(20))));
        assert!(read.surge && read.zone_by_zone && read.window.is_some(), "{read:?}");
    }
}
