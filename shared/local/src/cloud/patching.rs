//! What updates are to simulated hosts: a new one comes out each day, every third is a security one.
//!
//! Update's parameters that mean something here: `kind` (`scan` changes nothing) and `reboot`, or `allow_reboot` (`false`: none even if needed)
//! where that is missing. Scans draw nothing from the world's streams and tell no events.

use jiff::Timestamp;
use strata_domain::SsmCommandId;
use strata_ports::{CommandRequest, CommandStatus};

use super::ec2::HostNo;
use super::ssm::{Command, CommandNo};
use super::state::State;
use crate::rng;

/// How long a scan's way to its host takes, and the scan itself.
pub(super) const SCAN_MS: i64 = 10_000;

const DAY_SECONDS: i64 = 86_400;

pub(super) fn is_scan(request: &CommandRequest) -> bool {
    request.parameters.iter().any(|(name, value)| name == "kind" && value == "scan")
}

/// In the form of a uuid, and never one that the world's stream gives.
pub(super) fn scan_id(number: u32) -> SsmCommandId {
    SsmCommandId::new(format!("5ca00000-0000-0000-0000-{number:012x}"))
}

impl Command {
    pub(super) fn is_scan(&self) -> bool {
        is_scan(&self.request)
    }
}

impl State {
    /// The host has all updates that are out.
    pub(super) fn note_updated(&mut self, host: HostNo) {
        let now = self.now;
        if let Some(host) = self.ec2.hosts.get_mut(&host) {
            host.updated_at = Some(now);
        }
    }

    /// What the document says at its end of how the host stands.
    fn patches(&self, host: HostNo) -> String {
        let Some(host) = self.ec2.hosts.get(&host) else { return String::new() };
        let since: Timestamp = host.updated_at.unwrap_or(host.launched_at);
        let missing = self.now.duration_since(since).as_secs() / DAY_SECONDS;
        let reboot = if host.needs_reboot { "yes" } else { "no" };
        let updated = host.updated_at.map(|at| format!(" updated={}", at.as_second())).unwrap_or_default();
        format!("patches: missing={missing} security={} reboot={reboot}{updated}", missing / 3)
    }

    pub(super) fn finish_scan(&mut self, no: CommandNo, host: HostNo) {
        let line = format!("nothing was changed; {}", self.patches(host));
        self.set_command(no, CommandStatus::Success, Some(0), &line);
    }

    /// The packages are in; the host reboots if it needs to, and only then the command is done.
    pub(super) fn finish_update(&mut self, no: CommandNo, host: HostNo, is_rebooting: bool) {
        if is_rebooting {
            return self.updated(no, host, "updated, rebooted");
        }
        if rng::chance(&mut self.streams.ssm, self.config.ssm.update_fail_per_mille) {
            return self.set_command(no, CommandStatus::Failed, Some(100), "E: unmet dependencies");
        }
        self.note_updated(host);
        let needs_reboot = rng::chance(&mut self.streams.ssm, self.config.ssm.update_reboot_per_mille);
        let Some(command) = self.ssm.commands.get_mut(&no) else { return };
        let (reboot, may) = (command.parameter("reboot"), command.parameter("allow_reboot") != Some("false"));
        let (reboots, is_barred) = match reboot {
            Some("always") => (true, false),
            Some("never") => (false, needs_reboot),
            Some(_) | None => (needs_reboot && may, needs_reboot && !may),
        };
        command.is_rebooting = reboots;
        if let Some(host) = self.ec2.hosts.get_mut(&host) {
            host.needs_reboot = is_barred;
        }
        if is_barred {
            return self.updated(no, host, "reboot required but not allowed");
        }
        if !reboots {
            return self.updated(no, host, "updated");
        }
        self.reboot(host);
        let hangs = self.config.ssm.update_reboot_hang_per_mille;
        // Only those who want hangs draw for them, so that other worlds stay as they are.
        if hangs > 0 && rng::chance(&mut self.streams.ssm, hangs) {
            return self.hang(host);
        }
        if let Some(host) = self.ec2.hosts.get_mut(&host) {
            host.awaiting_reboot.push(no);
        }
    }

    fn updated(&mut self, no: CommandNo, host: HostNo, words: &str) {
        let line = format!("{words}; {}", self.patches(host));
        self.set_command(no, CommandStatus::Success, Some(0), &line);
    }
}
