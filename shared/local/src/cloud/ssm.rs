//! SSM: commands on hosts, how long they take and what they come to.
//!
//! Parameters that mean something here: Setup's `cluster` (an ARN; without one the host joins none) and `install_updates` (`true`:
//! updates first) and `volumes` (a list as the document reads it: each must be attached), and Update's, in [`super::patching`]. Others are accepted and ignored.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::{ClusterArn, Ec2InstanceId, SsmCommandId};
use strata_ports::commands::log_folder;
use strata_ports::{CloudError, CommandKind, CommandRequest, CommandResult, CommandStatus, Ec2State};
use strata_triggers::emit;

use super::ec2::{HostNo, SsmAgent};
use super::patching::{self, SCAN_MS};
use super::state::{Due, Source, State, wrong};
use crate::rng;

/// A command's number in this world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct CommandNo(u32);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Command {
    id: SsmCommandId,
    pub(super) request: CommandRequest,
    host: HostNo,
    /// The host's life in which it began.
    epoch: u32,
    status: CommandStatus,
    exit_code: Option<i32>,
    last_line: String,
    requested_at: Timestamp,
    /// The update is done and waits for the host to be back.
    pub(super) is_rebooting: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ssm {
    pub(super) commands: BTreeMap<CommandNo, Command>,
    by_id: BTreeMap<SsmCommandId, CommandNo>,
    by_nonce: BTreeMap<String, CommandNo>,
    next: u32,
}

/// SSM's spelling.
fn spelled(status: CommandStatus) -> &'static str {
    match status {
        CommandStatus::Pending => "Pending",
        CommandStatus::InProgress => "InProgress",
        CommandStatus::Success => "Success",
        CommandStatus::Failed => "Failed",
        CommandStatus::TimedOut => "TimedOut",
    }
}

impl Command {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).filter(|v| !v.is_empty())
    }

    fn result(&self) -> CommandResult {
        CommandResult {
            id: self.id.clone(),
            status: self.status,
            exit_code: self.exit_code,
            last_line: self.last_line.clone(),
            log: self.exit_code.map(|_| self.log()),
        }
    }

    /// Where the host writes its output, as the SSM agent does.
    fn log(&self) -> String {
        let CommandRequest { nonce, host, kind, .. } = &self.request;
        format!("{}/{}/{host}/awsrunShellScript/{}/stdout", log_folder(nonce), self.id, kind.name())
    }
}

impl State {
    /// SendCommand; the same nonce again is the same command.
    pub(super) fn send_command(&mut self, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        const ACTION: &str = "ssm:SendCommand";
        self.admit(ACTION, 1)?;
        if let Some(command) = self.ssm.by_nonce.get(&request.nonce).and_then(|no| self.ssm.commands.get(no)) {
            return Ok(command.id.clone());
        }
        let invalid = || wrong(ACTION, "InvalidInstanceId", format!("{} is not in a valid state for the account", request.host));
        let host_no = *self.ec2.by_id.get(&request.host).ok_or_else(invalid)?;
        let host = self.ec2.hosts.get(&host_no).ok_or_else(invalid)?;
        let is_gone = matches!(host.state, Ec2State::ShuttingDown | Ec2State::Terminated);
        if is_gone || host.ssm == SsmAgent::Never {
            return Err(invalid());
        }
        let (epoch, is_up) = (host.epoch, host.up);
        self.ssm.next += 1;
        let no = CommandNo(self.ssm.next);
        // Whether a world's hosts are scanned must not change what else befalls it.
        let is_scan = patching::is_scan(request);
        let id = if is_scan { patching::scan_id(self.ssm.next) } else { SsmCommandId::new(self.uuid()) };
        let command = Command {
            id: id.clone(),
            request: request.clone(),
            host: host_no,
            epoch,
            status: CommandStatus::Pending,
            exit_code: None,
            last_line: String::new(),
            requested_at: self.now,
            is_rebooting: false,
        };
        self.ssm.commands.insert(no, command);
        self.ssm.by_id.insert(id.clone(), no);
        self.ssm.by_nonce.insert(request.nonce.clone(), no);
        self.plan(i64::from(request.timeout_seconds).saturating_mul(1_000), Due::CommandExpires(no));
        if is_up {
            self.plan_delivery(no);
        } else if let Some(host) = self.ec2.hosts.get_mut(&host_no) {
            host.undelivered.push(no);
        }
        Ok(id)
    }

    pub(super) fn plan_delivery(&mut self, no: CommandNo) {
        let is_scan = self.ssm.commands.get(&no).is_some_and(Command::is_scan);
        let ms = if is_scan { SCAN_MS } else { self.config.ssm.delivery.draw(&mut self.streams.ssm) };
        self.plan(ms, Due::CommandDelivered(no));
    }

    pub(super) fn command_results(&self, ids: &[SsmCommandId]) -> Vec<CommandResult> {
        ids.iter()
            .filter_map(|id| self.ssm.by_id.get(id))
            .filter_map(|no| self.ssm.commands.get(no))
            .map(Command::result)
            .collect()
    }

    /// The command begins on its host, if the host is in contact.
    pub(super) fn on_command_delivered(&mut self, no: CommandNo) {
        let Some(command) = self.ssm.commands.get_mut(&no).filter(|c| c.status == CommandStatus::Pending) else { return };
        let Some(host) = self.ec2.hosts.get_mut(&command.host) else { return };
        if !host.up {
            host.undelivered.push(no);
            return;
        }
        command.epoch = host.epoch;
        let s = &self.config.ssm;
        let rng = &mut self.streams.ssm;
        let ms = match command.request.kind {
            CommandKind::Setup => {
                let updates = command.parameter("install_updates") == Some("true");
                s.setup.draw(rng).saturating_add(if updates { s.setup_updates.draw(rng) } else { 0 })
            }
            CommandKind::Shutdown => s.shutdown.draw(rng),
            CommandKind::Configure | CommandKind::Recipes | CommandKind::Users => s.configure.draw(rng),
            CommandKind::Reconnect => s.reconnect.draw(rng),
            CommandKind::Update if command.is_scan() => SCAN_MS,
            CommandKind::Update => s.update.draw(rng),
        };
        self.plan(ms, Due::CommandDone(no));
        self.set_command(no, CommandStatus::InProgress, None, "");
    }

    /// The command has run through, unless its host has gone down meanwhile: then SSM hears nothing until its time is over.
    pub(super) fn on_command_done(&mut self, no: CommandNo) {
        let Some(command) = self.ssm.commands.get(&no).filter(|c| c.status == CommandStatus::InProgress) else { return };
        let (host, kind, is_rebooting) = (command.host, command.request.kind, command.is_rebooting);
        let is_scan = command.is_scan();
        let lives_on = self.ec2.hosts.get(&host).is_some_and(|h| h.up && (h.epoch == command.epoch || is_rebooting));
        if !lives_on {
            return;
        }
        match kind {
            CommandKind::Setup => self.finish_setup(no, host),
            CommandKind::Shutdown => self.set_command(no, CommandStatus::Success, Some(0), "done"),
            CommandKind::Configure | CommandKind::Recipes | CommandKind::Users => self.finish_script(no),
            CommandKind::Update if is_scan => self.finish_scan(no, host),
            CommandKind::Update => self.finish_update(no, host, is_rebooting),
            CommandKind::Reconnect => self.finish_reconnect(no, host),
        }
    }

    pub(super) fn on_command_expires(&mut self, no: CommandNo) {
        if self.ssm.commands.get(&no).is_some_and(|c| !c.status.is_final()) {
            self.set_command(no, CommandStatus::TimedOut, None, "not finished in time");
        }
    }

    /// Somebody's scripts, or the host's users.
    fn finish_script(&mut self, no: CommandNo) {
        if rng::chance(&mut self.streams.ssm, self.config.ssm.script_fail_per_mille) {
            return self.set_command(no, CommandStatus::Failed, Some(1), "the script ended with exit code 3");
        }
        let line = format!("done{}", self.hooks());
        self.set_command(no, CommandStatus::Success, Some(0), &line);
    }

    /// What the documents say at their end of a host's hooks, and of logs that its role may not write.
    fn hooks(&self) -> String {
        let settings = &self.config.ssm;
        let logs =
            if settings.no_log_rights { "; logs: the instance profile may not call logs:CreateLogStream for shop" } else { "" };
        format!("{logs}; hooks:{}", if settings.configure_hooks { " configure" } else { "" })
    }

    fn finish_setup(&mut self, no: CommandNo, host: HostNo) {
        let fails = rng::chance(&mut self.streams.ssm, self.config.ssm.setup_fail_per_mille);
        let Some(command) = self.ssm.commands.get(&no) else { return };
        let installs_updates = command.parameter("install_updates") == Some("true");
        let cluster = command.parameter("cluster").map(ClusterArn::from);
        let missing = command.parameter("volumes").and_then(|list| self.not_attached(&command.request.host, list));
        let done = match cluster {
            _ if fails => Err("E: the package manager could not reach its repository".to_owned()),
            _ if missing.is_some() => Err(missing.unwrap_or_default()),
            None => Ok("set up, no cluster".to_owned()),
            Some(cluster) => self.join_cluster(host, &cluster),
        };
        if done.is_ok() && installs_updates {
            self.note_updated(host);
        }
        match done {
            Ok(line) => self.set_command(no, CommandStatus::Success, Some(0), &format!("{line}{}", self.hooks())),
            Err(line) => self.set_command(no, CommandStatus::Failed, Some(1), &line),
        }
    }

    /// What Setup says of the first volume that it is told to mount and that is not attached to its host [EBS-29].
    fn not_attached(&self, host: &Ec2InstanceId, list: &str) -> Option<String> {
        if list == "none" {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(list).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(lines) = decoded.as_deref().and_then(|text| text.strip_prefix("strata-volumes 1\n")) else {
            return Some("the list of volumes is in no known form; nothing was mounted".to_owned());
        };
        let here = self.volumes_of(host);
        let mut wanted = lines.lines().filter_map(|line| line.split(' ').next());
        let missing = wanted.find(|id| !here.iter().any(|volume| volume.id == *id))?;
        Some(format!("the volume {missing} did not appear within 300 s"))
    }

    /// The ECS agent is restarted: one that was stuck is connected again, one whose network is gone is not. Without its container instance it
    /// registers afresh, if it was told to forget that [ECS-124].
    fn finish_reconnect(&mut self, no: CommandNo, host: HostNo) {
        let Some(command) = self.ssm.commands.get(&no) else { return };
        let cluster = command.parameter("cluster").map(ClusterArn::from);
        let clears = command.parameter("clear_agent_state") == Some("true");
        let (is_stuck, epoch) = self.ec2.hosts.get(&host).map_or((false, 0), |h| (h.agent_stuck, h.epoch));
        let restarted = match (self.container_of(host), cluster) {
            (Some(_), _) if is_stuck => {
                self.on_agent_back(host, epoch);
                Ok(())
            }
            (None, Some(cluster)) if clears => self.join_cluster(host, &cluster).map(drop),
            (Some(_) | None, _) => Err("the ECS agent is not connected".to_owned()),
        };
        match restarted {
            Ok(()) => self.set_command(no, CommandStatus::Success, Some(0), "the ECS agent is connected"),
            Err(line) => self.set_command(no, CommandStatus::Failed, Some(1), &line),
        }
    }

    /// The ECS agent's part of Setup [ECS-64]: an agent in the right cluster is left alone, one in another is a failure, and the
    /// state of a deregistered container instance is cleared before the agent registers afresh [ECS-124].
    fn join_cluster(&mut self, host: HostNo, arn: &ClusterArn) -> Result<String, String> {
        let Some(cluster) = self.ecs.by_arn.get(arn).copied().filter(|no| self.ecs.clusters.get(no).is_some_and(|c| c.active))
        else {
            return Err(format!("the ECS agent did not answer: no active cluster {arn}"));
        };
        if let Some(container) = self.container_of(host) {
            if self.ecs.containers.get(&container).is_some_and(|c| c.cluster == cluster) {
                self.connect(container);
                return Ok("the agent was already in the cluster".to_owned());
            }
            return Err("registered to a different cluster".to_owned());
        }
        self.register(host, cluster);
        Ok("agent installed; registered".to_owned())
    }

    pub(super) fn set_command(&mut self, no: CommandNo, status: CommandStatus, exit_code: Option<i32>, last_line: &str) {
        let Some(command) = self.ssm.commands.get_mut(&no) else { return };
        command.status = status;
        command.exit_code = exit_code;
        command.last_line = last_line.to_owned();
        if command.is_scan() {
            // Security-updates reads scans by its tick and waits for no event.
            return;
        }
        let (id, host, kind) = (command.id.clone(), command.request.host.clone(), command.request.kind);
        let log = command.exit_code.map(|_| command.log());
        let document = format!("Strata-{}", kind.name());
        let requested_at = command.requested_at;
        let source = if kind == CommandKind::Update { Source::SsmUpdate } else { Source::Ssm };
        self.tell(source, |e| {
            emit::command_invocation_status(e, id.as_str(), &document, host.as_str(), spelled(status), requested_at)
        });
        if let Some(key) = log {
            self.keep_output(key, format!("{last_line}\n"));
        }
    }
}
