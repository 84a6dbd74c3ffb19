//! `"strata".updates`: what is done to one host.

use serde::{Deserialize, Serialize};

/// `"strata".updates.kind`: which updates are installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    /// All of them [SEC-11] [SEC-12] [SEC-13].
    #[default]
    All,
    /// Those that the distribution calls security updates; CentOS does not tell them from others, so there a host fails.
    Security,
}

impl UpdateKind {
    /// As it is written, and as the Update document is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Security => "security",
        }
    }
}

/// `"strata".updates.reboot`: whether a host is rebooted after its updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebootPolicy {
    /// When a newer kernel is installed than the running one [SEC-16], or Ubuntu says that it is needed.
    #[default]
    IfNeeded,
    /// Not at all; `strata campaign debt` then shows what still needs one.
    Never,
    /// In any case.
    Always,
}

impl RebootPolicy {
    /// As it is written, and as the Update document is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IfNeeded => "if_needed",
            Self::Never => "never",
            Self::Always => "always",
        }
    }
}

/// So long a command: it travels as a parameter of the document, as base64.
const LONGEST_COMMAND: usize = 1_000;

/// The command that an updated host must pass.
pub(super) fn check_health_command(command: Option<&str>) -> Result<(), String> {
    match command {
        Some(command) if command.trim().is_empty() => Err("it is empty; leave it out for no check".to_owned()),
        Some(command) if command.len() > LONGEST_COMMAND => {
            Err(format!("{} bytes are more than {LONGEST_COMMAND}; put a script on the hosts and name it here", command.len()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether it is the name of a release of Amazon Linux 2023, for example `2023.9.20251117`; only such a one is ever sent to a host.
pub fn is_amazon_release(release: &str) -> bool {
    let is_number =
        |part: &str, least: usize, most: usize| (least..=most).contains(&part.len()) && part.chars().all(|c| c.is_ascii_digit());
    match release.split('.').collect::<Vec<_>>()[..] {
        [year, minor, day] => year.starts_with("20") && is_number(year, 4, 4) && is_number(minor, 1, 3) && is_number(day, 8, 8),
        _ => false,
    }
}

pub(super) fn check_release(release: Option<&str>) -> Result<(), String> {
    match release {
        Some(release) if !is_amazon_release(release) => {
            Err(format!("{release:?} is not a release of Amazon Linux 2023 such as \"2023.9.20251117\""))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::settings::{Settings, SettingsError};

    fn read(updates: &str) -> Result<Settings, SettingsError> {
        Settings::from_custom_json(Some(&format!(r#"{{"strata":{{"updates":{updates}}}}}"#)))
    }

    #[test]
    fn what_is_done_to_a_host_has_defaults_and_bounds() {
        let plain = read("{}").unwrap().updates;
        assert_eq!((plain.kind.as_str(), plain.reboot.as_str(), plain.health_seconds), ("all", "if_needed", 60));
        assert_eq!((plain.health_command, plain.release, plain.scan), (None, None, true));
        for good in [
            r#"{"kind":"security","reboot":"never","health_command":"curl -fsS localhost","health_seconds":1}"#,
            r#"{"reboot":"always","health_seconds":600,"release":"2023.9.20251117","scan":false}"#,
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        let long = |n: usize| format!(r#"{{"health_command":"{}"}}"#, "x".repeat(n));
        assert!(read(&long(1_000)).is_ok());
        for (bad, path) in [
            (r#"{"kind":"none"}"#, "updates.kind"),
            (r#"{"reboot":"later"}"#, "updates.reboot"),
            (r#"{"health_command":" "}"#, "updates.health_command"),
            (&long(1_001), "updates.health_command"),
            (r#"{"health_seconds":0}"#, "updates.health_seconds"),
            (r#"{"health_seconds":601}"#, "updates.health_seconds"),
            (r#"{"release":"latest"}"#, "updates.release"),
            (r#"{"release":"2023.9.2025111"}"#, "updates.release"),
            (r#"{"release":"2023.9.20251117;x"}"#, "updates.release"),
        ] {
            match read(bad) {
                Err(SettingsError::Invalid { path: found, .. }) => assert_eq!(found, path, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }
}
