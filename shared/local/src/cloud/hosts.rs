//! What runs on hosts: the OS, which boots, hangs and reboots, and the agents, which come and go with it.

use jiff::Timestamp;
use strata_domain::ClusterArn;
use strata_ports::Ec2State;

use super::ec2::{Host, HostNo, SsmAgent};
use super::state::{Due, State, after};
use crate::rng;

impl Host {
    /// SSM's last ping, computed: nobody has to ping for it.
    pub(super) fn last_ping(&self, now: Timestamp, ping_ms: i64) -> Option<Timestamp> {
        match self.ssm {
            SsmAgent::Never => None,
            SsmAgent::Silent { last } => Some(last),
            SsmAgent::Online { since } => {
                let passed = i64::try_from(now.duration_since(since).as_millis()).unwrap_or(0).max(0);
                Some(after(since, passed - passed.rem_euclid(ping_ms.max(1))))
            }
        }
    }
}

impl Host {
    /// The cluster that the user data of a layer's template joins; it is run once.
    fn first_boot_joins(&self) -> Option<ClusterArn> {
        let own = self.own.as_ref().filter(|own| own.break_glass.is_some())?;
        own.cluster.clone().filter(|_| self.container.is_none() && self.epoch == 1)
    }
}

impl State {
    /// EC2 has the machine running; its OS begins to boot.
    pub(super) fn on_running(&mut self, no: HostNo, epoch: u32) {
        let Some(host) = self.host_in(no, epoch) else { return };
        let is_doomed = host.hung;
        self.set_ec2_state(no, Ec2State::Running);
        if is_doomed || rng::chance(&mut self.streams.ec2, self.config.ec2.boot_hang_per_mille) {
            self.hang(no);
            return;
        }
        let ms = self.config.ec2.boot.draw(&mut self.streams.ec2);
        self.plan(ms, Due::Booted(no, epoch));
    }

    /// The OS is up: the SSM agent calls, and the ECS agent looks for its old container instance.
    pub(super) fn on_booted(&mut self, no: HostNo, epoch: u32) {
        let now = self.now;
        let Some(host) = self.host_in(no, epoch) else { return };
        host.up = true;
        (host.hung, host.hung_by_zone, host.impaired) = (false, false, false);
        host.ssm = SsmAgent::Online { since: now };
        let rebooted = std::mem::take(&mut host.awaiting_reboot);
        let waiting = std::mem::take(&mut host.undelivered);
        let has_container = host.container.is_some();
        let joins = host.first_boot_joins();
        self.ec2.reindex(no);
        for command in rebooted {
            self.plan(0, Due::CommandDone(command));
        }
        for command in waiting {
            self.plan_delivery(command);
        }
        if has_container {
            let ms = self.config.ecs.agent_connect.draw(&mut self.streams.ecs);
            self.plan(ms, Due::AgentBack(no, epoch));
        }
        if let Some(cluster) = joins.and_then(|arn| self.ecs.by_arn.get(&arn).copied()) {
            self.register(no, cluster);
        }
    }

    pub(super) fn on_agent_back(&mut self, no: HostNo, epoch: u32) {
        let Some(host) = self.host_in(no, epoch).filter(|h| h.up) else { return };
        host.agent_stuck = false;
        if let Some(container) = host.container {
            self.connect(container);
        }
    }

    pub(super) fn on_impaired(&mut self, no: HostNo, epoch: u32) {
        if let Some(host) = self.host_in(no, epoch).filter(|h| h.hung && h.state == Ec2State::Running) {
            host.impaired = true;
            self.ec2.reindex(no);
        }
    }

    /// The OS hangs: agents fall silent at once, the status check two minutes later.
    pub(super) fn hang(&mut self, no: HostNo) {
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        match host.state {
            Ec2State::Pending => host.hung = true,
            Ec2State::Running => {
                host.hung = true;
                self.os_ends(no, false);
                let epoch = self.ec2.hosts.get(&no).map_or(0, |h| h.epoch);
                self.plan(self.config.ec2.impaired_after_ms, Due::Impaired(no, epoch));
            }
            Ec2State::Stopping | Ec2State::Stopped | Ec2State::ShuttingDown | Ec2State::Terminated => {}
        }
    }

    /// A soft reboot; EC2 makes it a hard one when the OS does not answer.
    pub(super) fn reboot(&mut self, no: HostNo) {
        let Some(host) = self.ec2.hosts.get(&no).filter(|h| h.state == Ec2State::Running) else { return };
        let is_hung = host.hung;
        self.os_ends(no, true);
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        let epoch = host.epoch;
        host.needs_reboot = false;
        if is_hung {
            // The status check stays impaired until the hard reboot has brought it back.
            host.hung = true;
        }
        let extra = if is_hung { self.config.ec2.reboot_hung_ms } else { 0 };
        let ms = self.config.ec2.reboot.draw(&mut self.streams.ec2);
        self.plan(ms.saturating_add(extra), Due::Booted(no, epoch));
    }

    /// The OS ends or stops answering: the SSM agent and the ECS agent with it. After a graceful end ECS knows that the tasks are
    /// over; otherwise it believes that they still run.
    pub(super) fn os_ends(&mut self, no: HostNo, graceful: bool) {
        let (now, ping_ms) = (self.now, self.config.ssm.ping_ms);
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        let is_told = graceful && host.up;
        if let Some(last) = host.last_ping(now, ping_ms) {
            host.ssm = SsmAgent::Silent { last };
        }
        host.up = false;
        host.epoch += 1;
        // What ran here ends without a word; SSM gives it up when its time is over.
        host.awaiting_reboot.clear();
        if let Some(container) = host.container {
            self.end_tasks(container, is_told);
            self.disconnect(container);
        }
    }

    /// The zone is back: its hosts reboot.
    pub(super) fn on_zone_back(&mut self, zone: &str) {
        let hosts: Vec<HostNo> = self.ec2.by_zone.get(zone).into_iter().flatten().copied().collect();
        for no in hosts {
            let Some(host) = self.ec2.hosts.get_mut(&no).filter(|h| h.hung && h.hung_by_zone) else { continue };
            host.hung = false;
            if host.state == Ec2State::Running {
                self.reboot(no);
            }
        }
    }
}
