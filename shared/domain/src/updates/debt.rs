//! What the hosts of a layer still have to install, by their own account.
//!
//! A host says how it stands in the last line of each Update run: of a campaign, of `update_dependencies`, and of the daily scan, which
//! changes nothing. [`PatchReport::of`] reads that line, [`PatchState`] is what is kept of it, [`debt`] is the view for people.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::settings::UpdateKind;
use crate::{InstanceId, InstanceStatus};

/// How old a host's word may be until it counts as unknown: scans come once a day, and one may be missed.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// How a host stands, in its own words.
///
/// Shape of the line: `<words>; patches: missing=3 security=1 reboot=yes updated=1764212345 release=2023.9.20251117 newest=2023.9.20251201`.
/// `missing` and `security` are counts or `?`; `updated` is seconds since 1970, of the last update by boot, campaign or command; `newest`
/// is there only while a newer release of the system exists than the one that is installed [SEC-11].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchReport {
    /// Updates that are not installed; `None`: its package manager did not say.
    pub missing: Option<u32>,
    /// Those of them that are security updates; `None` also where the distribution does not tell.
    pub security: Option<u32>,
    /// It runs an older kernel than is installed, or its system says that a reboot is needed.
    pub needs_reboot: bool,
    /// When it was last updated by Strata.
    pub updated_at: Option<Timestamp>,
    /// The system's release.
    pub release: Option<String>,
    /// A newer release of the system that exists.
    pub newest_release: Option<String>,
}

impl PatchReport {
    /// Reads it out of a run's last line; `None` when that says nothing of it. A word that is unreadable counts as not said.
    pub fn of(last_line: &str) -> Option<Self> {
        let (_, words) = last_line.rsplit_once("patches: ")?;
        let mut report = Self::default();
        for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
            match name {
                "missing" => report.missing = value.parse().ok(),
                "security" => report.security = value.parse().ok(),
                "reboot" => report.needs_reboot = value == "yes",
                "updated" => report.updated_at = value.parse().ok().and_then(|s| Timestamp::from_second(s).ok()),
                "release" => report.release = release(value),
                "newest" => report.newest_release = release(value),
                _ => {}
            }
        }
        Some(report)
    }

    /// How many updates of a kind are not installed.
    pub fn missing_of(&self, kind: UpdateKind) -> Option<u32> {
        match kind {
            UpdateKind::All => self.missing,
            UpdateKind::Security => self.security,
        }
    }

    fn is_behind(&self) -> bool {
        self.missing.unwrap_or(0) > 0 || self.security.unwrap_or(0) > 0 || self.needs_reboot || self.newest_release.is_some()
    }
}

/// It goes into records and onto terminals.
fn release(said: &str) -> Option<String> {
    let is_one = !said.is_empty() && said.len() <= 40 && said.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    is_one.then(|| said.to_owned())
}

/// What is kept of a host's last report: `keys::patch_state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchState {
    /// When it was told.
    pub at: Timestamp,
    /// What was told.
    pub report: PatchReport,
    /// Since when every report has shown that something is missing.
    pub behind_since: Option<Timestamp>,
}

impl PatchState {
    /// What is kept after `report` came at `now`.
    pub fn after(before: Option<&Self>, report: PatchReport, now: Timestamp) -> Self {
        let behind_since = report.is_behind().then(|| before.and_then(|b| b.behind_since).unwrap_or(now));
        Self { at: now, report, behind_since }
    }
}

/// A host of the layer, as far as the view needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebtHost {
    /// The record.
    pub id: InstanceId,
    /// Host name.
    pub hostname: String,
    /// Status.
    pub status: InstanceStatus,
    /// What it last told.
    pub state: Option<PatchState>,
}

/// How a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Something is missing: updates, a newer release, or a reboot.
    Behind,
    /// It never told, or too long ago, or its package manager did not answer.
    Unknown,
    /// Nothing is missing.
    Current,
}

/// One line of the view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDebt {
    /// The record.
    pub instance_id: InstanceId,
    /// Host name.
    pub hostname: String,
    /// Status. What is not online installs updates at its next boot, unless `InstallUpdatesOnBoot` is off.
    pub status: InstanceStatus,
    /// How it stands.
    pub standing: Standing,
    /// What it last told, however old; `None` if it never did.
    pub report: Option<PatchReport>,
    /// When it told that.
    pub told_at: Option<Timestamp>,
    /// Since when something is missing.
    pub behind_since: Option<Timestamp>,
}

/// What a layer's hosts still have to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// The hosts: those that are behind first, longest first, then unknown ones, then the rest; by host name within each.
    pub hosts: Vec<HostDebt>,
    /// How many are behind.
    pub behind: usize,
    /// Of how many it is not known.
    pub unknown: usize,
    /// How many need a reboot.
    pub need_reboot: usize,
    /// How many miss a security update.
    pub miss_security: usize,
    /// When a campaign may next begin by itself; `None` without a window.
    pub next_window: Option<Timestamp>,
}

/// The debt of a layer's hosts at `now`.
pub fn debt(hosts: Vec<DebtHost>, next_window: Option<Timestamp>, now: Timestamp) -> Debt {
    let mut lines: Vec<HostDebt> = hosts.into_iter().map(|host| line(host, now)).collect();
    lines.sort_by(|a, b| {
        let rank = |h: &HostDebt| (h.standing, h.behind_since.unwrap_or(Timestamp::MAX));
        rank(a).cmp(&rank(b)).then_with(|| a.hostname.cmp(&b.hostname))
    });
    let count = |is: &dyn Fn(&HostDebt) -> bool| lines.iter().filter(|h| is(h)).count();
    let told = |is: fn(&PatchReport) -> bool| count(&|h| h.standing == Standing::Behind && h.report.as_ref().is_some_and(is));
    Debt {
        behind: count(&|h| h.standing == Standing::Behind),
        unknown: count(&|h| h.standing == Standing::Unknown),
        need_reboot: told(|r| r.needs_reboot),
        miss_security: told(|r| r.security.unwrap_or(0) > 0),
        next_window,
        hosts: lines,
    }
}

fn line(host: DebtHost, now: Timestamp) -> HostDebt {
    let standing = match &host.state {
        Some(state) if now.duration_since(state.at) < STALE_AFTER => match &state.report {
            report if report.is_behind() => Standing::Behind,
            PatchReport { missing: None, .. } => Standing::Unknown,
            _ => Standing::Current,
        },
        Some(_) | None => Standing::Unknown,
    };
    let (told_at, behind_since) = host.state.as_ref().map_or((None, None), |s| (Some(s.at), s.behind_since));
    HostDebt {
        instance_id: host.id,
        hostname: host.hostname,
        status: host.status,
        standing,
        report: host.state.map(|s| s.report),
        told_at,
        behind_since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3_600).unwrap()
    }

    #[test]
    fn a_last_line_tells_how_the_host_stands_or_says_nothing() {
        let line =
            "updated, rebooted; patches: missing=3 security=1 reboot=yes updated=1800000000 release=2023.9.1 newest=2023.9.2";
        let full = PatchReport {
            missing: Some(3),
            security: Some(1),
            needs_reboot: true,
            updated_at: Some(at(0)),
            release: Some("2023.9.1".into()),
            newest_release: Some("2023.9.2".into()),
        };
        assert_eq!(PatchReport::of(line), Some(full));
        let unsaid = PatchReport { missing: Some(0), release: Some("7".into()), ..PatchReport::default() };
        assert_eq!(PatchReport::of("nothing was changed; patches: missing=0 security=? reboot=no release=7"), Some(unsaid));
        for odd in ["patches: missing=-1 updated=99999999999999999 release=\u{1b}[31m newest=a;b odd", "patches: "] {
            assert_eq!(PatchReport::of(odd), Some(PatchReport::default()), "{odd}");
        }
        for silent in ["updated", "E: unmet dependencies", ""] {
            assert_eq!(PatchReport::of(silent), None, "{silent}");
        }
    }

    #[test]
    fn a_host_is_behind_since_the_first_of_its_reports_that_showed_it() {
        let missing = |n| PatchReport { missing: Some(n), ..PatchReport::default() };
        let first = PatchState::after(None, missing(2), at(1));
        let second = PatchState::after(Some(&first), missing(5), at(25));
        assert_eq!((first.behind_since, second.behind_since), (Some(at(1)), Some(at(1))));
        let paid = PatchState::after(Some(&second), missing(0), at(26));
        assert_eq!((paid.behind_since, paid.at), (None, at(26)));
        assert_eq!(PatchState::after(Some(&paid), missing(1), at(50)).behind_since, Some(at(50)));
    }

    /// [SEC-11] A newer release counts as a missing update.
    #[test]
    fn sec_11_a_host_is_behind_while_updates_a_newer_release_or_a_reboot_are_missing() {
        let nothing = PatchReport { missing: Some(0), security: Some(0), ..PatchReport::default() };
        for (report, standing) in [
            (nothing.clone(), Standing::Current),
            (PatchReport { missing: Some(1), ..nothing.clone() }, Standing::Behind),
            (PatchReport { needs_reboot: true, ..nothing.clone() }, Standing::Behind),
            (PatchReport { newest_release: Some("2023.9.2".into()), ..nothing.clone() }, Standing::Behind),
            (PatchReport { missing: None, ..nothing.clone() }, Standing::Unknown),
            (PatchReport { missing: None, security: Some(1), ..nothing }, Standing::Behind),
        ] {
            let state = Some(PatchState::after(None, report.clone(), at(0)));
            let host = DebtHost { id: "i".into(), hostname: "web1".into(), status: InstanceStatus::Online, state };
            assert_eq!(line(host.clone(), at(47)).standing, standing, "{report:?}");
            assert_eq!(line(host, at(48)).standing, Standing::Unknown, "what is two days old is not known any more");
        }
    }

    #[test]
    fn those_that_are_behind_longest_come_first_and_the_rest_by_name() {
        let host = |name: &str, told: Option<(i64, u32, bool)>| DebtHost {
            id: name.into(),
            hostname: name.into(),
            status: InstanceStatus::Online,
            state: told.map(|(since, missing, needs_reboot)| PatchState {
                at: at(9),
                report: PatchReport { missing: Some(missing), security: Some(missing), needs_reboot, ..PatchReport::default() },
                behind_since: (missing > 0 || needs_reboot).then(|| at(since)),
            }),
        };
        let hosts = vec![
            host("web5", Some((0, 0, false))),
            host("web4", None),
            host("web3", Some((5, 1, false))),
            host("web2", Some((1, 0, true))),
            host("web1", Some((5, 2, true))),
        ];
        let found = debt(hosts, Some(at(20)), at(10));
        let names: Vec<&str> = found.hosts.iter().map(|h| h.hostname.as_str()).collect();
        assert_eq!(names, ["web2", "web1", "web3", "web4", "web5"]);
        assert_eq!((found.behind, found.unknown, found.need_reboot, found.miss_security), (3, 1, 2, 2));
        assert_eq!((found.next_window, found.hosts[3].told_at), (Some(at(20)), None));
    }
}
