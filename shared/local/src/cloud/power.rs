//! EC2's transitions: start, stop, terminate, and the end of a terminated instance.

use strata_domain::Ec2InstanceId;
use strata_ports::{CloudError, Ec2State};

use super::ec2::HostNo;
use super::state::{Due, State, wrong};

impl State {
    /// From stopped to pending.
    pub(super) fn power_on(&mut self, no: HostNo) {
        let ms = self.config.ec2.pending.draw(&mut self.streams.ec2);
        let now = self.now;
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        host.epoch += 1;
        host.launched_at = now;
        host.needs_reboot = false;
        (host.hung, host.hung_by_zone, host.impaired) = (false, false, false);
        host.public_ip =
            host.spec.associate_public_ip.then(|| format!("54.{}.{}.{}", host.epoch & 0xff, no.0 >> 8 & 0xff, no.0 & 0xff));
        let due = Due::Running(no, host.epoch);
        let id = host.id.clone();
        if let (Some(ip), Some(host)) = (self.elastic_ip_of(&id), self.ec2.hosts.get_mut(&no)) {
            host.public_ip = Some(ip);
        }
        self.set_ec2_state(no, Ec2State::Pending);
        self.plan(ms, due);
    }

    /// StartInstances, one of them.
    pub(super) fn start_instance(&mut self, id: &Ec2InstanceId) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:StartInstances";
        let no = self.known(ACTION, id)?;
        let Some(host) = self.ec2.hosts.get(&no) else { return Ok(()) };
        match host.state {
            Ec2State::Pending | Ec2State::Running => return Ok(()),
            Ec2State::Stopping => {
                return Err(CloudError::RetryLater {
                    action: ACTION,
                    why: format!("IncorrectInstanceState: {id} is still stopping"),
                });
            }
            Ec2State::ShuttingDown | Ec2State::Terminated => {
                return Err(wrong(ACTION, "IncorrectInstanceState", format!("{id} is terminated")));
            }
            Ec2State::Stopped => {}
        }
        self.check_capacity(ACTION, &host.spec.availability_zone, &host.spec.instance_type)?;
        self.power_on(no);
        Ok(())
    }

    /// ModifyInstanceAttribute: another type for a stopped instance.
    pub(super) fn set_instance_type(&mut self, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:ModifyInstanceAttribute";
        self.admit(ACTION, 1)?;
        let no = self.known(ACTION, id)?;
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return Ok(()) };
        match host.state {
            _ if instance_type.is_empty() => Err(wrong(ACTION, "InvalidInstanceAttributeValue", "the instance type is empty")),
            Ec2State::Stopped => {
                host.spec.instance_type = instance_type.to_owned();
                Ok(())
            }
            _ if host.spec.instance_type == instance_type => Ok(()),
            Ec2State::Pending | Ec2State::Running | Ec2State::Stopping => {
                Err(CloudError::RetryLater { action: ACTION, why: format!("IncorrectInstanceState: {id} is not stopped") })
            }
            Ec2State::ShuttingDown | Ec2State::Terminated => {
                Err(wrong(ACTION, "IncorrectInstanceState", format!("{id} is terminated")))
            }
        }
    }

    /// StopInstances, one of them; `ours`: by the ports, not by somebody else.
    pub(super) fn stop_instance(&mut self, id: &Ec2InstanceId, force: bool, ours: bool) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:StopInstances";
        let no = self.known(ACTION, id)?;
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return Ok(()) };
        match host.state {
            Ec2State::Running if host.stop_protected => return Err(protected(ACTION, id, "stopped", "disableApiStop")),
            Ec2State::Running => {}
            Ec2State::Stopping | Ec2State::Stopped => {
                host.ours_down |= ours;
                self.ec2.reindex(no);
                if force {
                    self.hurry_stop(no);
                }
                return Ok(());
            }
            Ec2State::Pending => {
                return Err(CloudError::RetryLater { action: ACTION, why: format!("IncorrectInstanceState: {id} is pending") });
            }
            Ec2State::ShuttingDown | Ec2State::Terminated => {
                return Err(wrong(ACTION, "IncorrectInstanceState", format!("{id} is terminated")));
            }
        }
        host.ours_down = ours;
        host.public_ip = None;
        // On its next start it is on other hardware.
        host.scheduled = None;
        let is_hung = host.hung;
        self.os_ends(no, !force);
        let spread = if is_hung && !force { self.config.ec2.stop_hung } else { self.config.ec2.stop };
        let ms = spread.draw(&mut self.streams.ec2);
        let Some(host) = self.ec2.hosts.get(&no) else { return Ok(()) };
        let due = Due::Stopped(no, host.epoch);
        self.set_ec2_state(no, Ec2State::Stopping);
        self.plan(ms, due);
        Ok(())
    }

    /// The note that it is wanted to run.
    pub(super) fn note_running(&mut self, no: HostNo) {
        if let Some(host) = self.ec2.hosts.get_mut(&no) {
            host.ours_down = false;
        }
        self.ec2.reindex(no);
    }

    /// A forced stop of an instance that takes its time.
    fn hurry_stop(&mut self, no: HostNo) {
        let ms = self.config.ec2.stop.draw(&mut self.streams.ec2);
        let Some(host) = self.ec2.hosts.get_mut(&no).filter(|h| h.state == Ec2State::Stopping) else { return };
        // The slower stop that was planned comes later and finds it stopped already.
        let due = Due::Stopped(no, host.epoch);
        self.plan(ms, due);
    }

    /// TerminateInstances, one of them.
    pub(super) fn terminate_instance(&mut self, id: &Ec2InstanceId, ours: bool) -> Result<(), CloudError> {
        let no = self.known("ec2:TerminateInstances", id)?;
        let connected = self.container_of(no).and_then(|c| self.ecs.containers.get(&c)).is_some_and(|c| c.connected);
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return Ok(()) };
        match host.state {
            Ec2State::ShuttingDown | Ec2State::Terminated => {
                host.ours_down |= ours;
                self.ec2.reindex(no);
                return Ok(());
            }
            Ec2State::Pending | Ec2State::Running | Ec2State::Stopping | Ec2State::Stopped => {}
        }
        if host.termination_protected {
            return Err(protected("ec2:TerminateInstances", id, "terminated", "disableApiTermination"));
        }
        host.ours_down = ours;
        host.public_ip = None;
        host.auto_deregister = connected;
        self.os_ends(no, true);
        let ms = self.config.ec2.terminate.draw(&mut self.streams.ec2);
        let Some(host) = self.ec2.hosts.get(&no) else { return Ok(()) };
        let due = Due::Terminated(no, host.epoch);
        self.set_ec2_state(no, Ec2State::ShuttingDown);
        self.plan(ms, due);
        Ok(())
    }

    pub(super) fn known(&self, action: &'static str, id: &Ec2InstanceId) -> Result<HostNo, CloudError> {
        let no = self.ec2.by_id.get(id).copied();
        no.ok_or_else(|| wrong(action, "InvalidInstanceID.NotFound", format!("the instance ID '{id}' does not exist")))
    }

    pub(super) fn on_stopped(&mut self, no: HostNo, epoch: u32) {
        if self.host_in(no, epoch).is_some_and(|h| h.state == Ec2State::Stopping) {
            self.set_ec2_state(no, Ec2State::Stopped);
        }
    }

    pub(super) fn on_terminated(&mut self, no: HostNo, epoch: u32) {
        let Some(host) = self.host_in(no, epoch) else { return };
        let (auto, container) = (host.auto_deregister, host.container);
        let id = host.id.clone();
        self.free_attachments(&id);
        self.set_ec2_state(no, Ec2State::Terminated);
        if let Some(container) = container.filter(|_| auto) {
            self.forget_container(container);
        }
        self.plan(self.config.ec2.vanish_after_ms, Due::Vanished(no));
    }

    /// Descriptions no longer show it; its token still answers with what they last said.
    pub(super) fn on_vanished(&mut self, no: HostNo) {
        let Some(host) = self.ec2.hosts.remove(&no) else { return };
        self.ec2.by_id.remove(&host.id);
        if let Some(exceptions) = host.stack_id.as_ref().and_then(|stack| self.ec2.exceptions.get_mut(stack)) {
            exceptions.remove(&no);
        }
        if let Some(launch) = self.ec2.by_token.get_mut(&host.spec.token) {
            launch.gone = Some(host.describe());
        }
    }
}

/// In EC2's words.
fn protected(action: &'static str, id: &Ec2InstanceId, done: &str, attribute: &str) -> CloudError {
    let why = format!("The instance '{id}' may not be {done}. Modify its '{attribute}' instance attribute and try again.");
    wrong(action, "OperationNotPermitted", why)
}
