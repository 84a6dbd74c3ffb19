//! What befalls hosts and zones from outside: hangs, people, Spot, outages.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::announced::Announced;
use strata_domain::{Ec2InstanceId, InstanceId};
use strata_ports::{ContainerInstanceState, Ec2State};
use strata_triggers::emit;

use super::SimCloud;
use super::config::Capacity;
use super::ec2::{Host, HostNo};
use super::state::{Due, Source, State};

/// Whom it befalls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Victim {
    /// This EC2 instance.
    Ec2(Ec2InstanceId),
    /// The EC2 instance that this record has when it happens; the youngest, if it has several.
    Record(InstanceId),
}

/// What befalls a host. A host that is not in the state for it is spared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mishap {
    /// The OS hangs: agents fall silent, after two minutes the status check is impaired.
    Hang,
    /// The ECS agent loses its connection for so long; host and tasks are well.
    AgentDisconnect(SignedDuration),
    /// The ECS agent hangs until it is restarted, or the host is; host and tasks are well.
    AgentStuck,
    /// Somebody stops the instance in EC2.
    Ec2Stop,
    /// Somebody terminates the instance in EC2.
    Ec2Terminate,
    /// Somebody reboots it.
    Reboot,
    /// EC2 warns, and takes the Spot instance back two minutes later.
    SpotInterruption,
    /// EC2 schedules this, so long from now.
    Scheduled(Announced, SignedDuration),
    /// EC2 recommends to rebalance; nothing else happens.
    Rebalance,
    /// Somebody sets its container instance DRAINING, or ACTIVE again.
    SetDraining(bool),
    /// Somebody sets EC2's `DisableApiStop`, or takes it away.
    ProtectFromStop(bool),
    /// Somebody sets EC2's `DisableApiTermination`, or takes it away.
    ProtectFromTermination(bool),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Injection {
    Host { victim: Victim, mishap: Mishap },
    ZoneOutage { zone: String, until: Timestamp },
}

impl SimCloud {
    /// Whether hosts have a hook for the Configure event from now on; Strata learns it from the end of their next run.
    pub fn let_hosts_have_configure_hooks(&self, have: bool) {
        self.with(|s| s.config.ssm.configure_hooks = have);
    }

    /// From now on so many of 1,000 Setup runs, and of scripts (recipes, Configure, users), fail.
    pub fn let_commands_fail(&self, setup_per_mille: u32, script_per_mille: u32) {
        self.with(|s| {
            s.config.ssm.setup_fail_per_mille = setup_per_mille;
            s.config.ssm.script_fail_per_mille = script_per_mille;
        });
    }

    /// Lets `mishap` befall `victim` at `at`, or now if that is past.
    pub fn inject(&self, victim: Victim, mishap: Mishap, at: Timestamp) {
        self.with(|s| s.plan_at(at, Due::Inject(Box::new(Injection::Host { victim, mishap }))));
    }

    /// From `at` on, for `lasts`: every host of the zone hangs, and nothing starts there; afterwards they come back by themselves.
    pub fn inject_zone_outage(&self, zone: &str, at: Timestamp, lasts: SignedDuration) {
        self.inject_no_capacity(zone, None, at, lasts);
        let until = at.checked_add(lasts).unwrap_or(Timestamp::MAX);
        self.with(|s| s.plan_at(at, Due::Inject(Box::new(Injection::ZoneOutage { zone: zone.to_owned(), until }))));
    }

    /// From `at` on, for `lasts`: no capacity in the zone for that type, or for any.
    pub fn inject_no_capacity(&self, zone: &str, instance_type: Option<&str>, at: Timestamp, lasts: SignedDuration) {
        let shortage = Capacity {
            zone: zone.to_owned(),
            instance_type: instance_type.map(str::to_owned),
            instances: 0,
            from: Some(at),
            until: at.checked_add(lasts).ok(),
        };
        self.with(|s| {
            let now = s.now;
            s.ec2.shortages.retain(|c| c.until.is_none_or(|until| now < until));
            s.ec2.shortages.push(shortage);
        });
    }
}

/// AWS Health's word for what EC2 schedules.
fn health_code(what: Announced) -> &'static str {
    match what {
        Announced::InstanceStop => "AWS_EC2_INSTANCE_STOP_SCHEDULED",
        Announced::InstanceRetirement => "AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED",
        Announced::InstanceReboot => "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED",
        Announced::SystemReboot => "AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED",
        Announced::SystemMaintenance | Announced::SpotInterruption | Announced::Rebalance => {
            "AWS_EC2_SYSTEM_MAINTENANCE_EVENT_SCHEDULED"
        }
    }
}

impl State {
    pub(super) fn on_inject(&mut self, injection: Injection) {
        match injection {
            Injection::Host { victim, mishap } => {
                if let Some(no) = self.find_victim(&victim) {
                    self.befall(no, &mishap);
                }
            }
            Injection::ZoneOutage { zone, until } => {
                let hosts: Vec<HostNo> = self.ec2.by_zone.get(&zone).into_iter().flatten().copied().collect();
                for no in hosts {
                    let Some(host) = self.ec2.hosts.get_mut(&no).filter(|h| !h.hung) else { continue };
                    host.hung_by_zone = true;
                    self.hang(no);
                }
                self.plan_at(until, Due::ZoneBack(zone));
            }
        }
    }

    fn find_victim(&self, victim: &Victim) -> Option<HostNo> {
        match victim {
            Victim::Ec2(id) => self.ec2.by_id.get(id).copied(),
            Victim::Record(record) => self.ec2.by_record.get(record)?.last().copied(),
        }
    }

    fn befall(&mut self, no: HostNo, mishap: &Mishap) {
        let Some(host) = self.ec2.hosts.get(&no) else { return };
        let (id, zone, epoch) = (host.id.clone(), host.spec.availability_zone.clone(), host.epoch);
        let (container, launched_at, is_running) = (host.container, host.launched_at, host.state == Ec2State::Running);
        match mishap {
            Mishap::Hang => self.hang(no),
            Mishap::AgentDisconnect(lasts) => {
                if let Some(container) = container.filter(|_| host.up) {
                    self.disconnect(container);
                    let ms = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
                    self.plan(ms, Due::AgentBack(no, epoch));
                }
            }
            Mishap::AgentStuck => {
                if let Some(container) = container.filter(|_| host.up) {
                    self.disconnect(container);
                    if let Some(host) = self.ec2.hosts.get_mut(&no) {
                        host.agent_stuck = true;
                    }
                }
            }
            // An instance that is in no state for it stays as it is, as it would for a person.
            Mishap::Ec2Stop => drop(self.stop_instance(&id, false, false)),
            Mishap::Ec2Terminate => drop(self.terminate_instance(&id, false)),
            Mishap::Reboot => self.reboot(no),
            Mishap::SpotInterruption if is_running => {
                self.tell(Source::Spot, |e| emit::spot_interruption(e, &zone, id.as_str(), "terminate"));
                self.plan(self.config.ec2.spot_warning_ms, Due::SpotReclaim(no, launched_at));
            }
            Mishap::Rebalance if is_running => self.tell(Source::Spot, |e| emit::rebalance_recommendation(e, id.as_str())),
            Mishap::Scheduled(what, ahead) if is_running => {
                let at = self.now.checked_add(*ahead).unwrap_or(Timestamp::MAX);
                if let Some(host) = self.ec2.hosts.get_mut(&no) {
                    host.scheduled = Some((*what, at));
                }
                self.tell(Source::Health, |e| emit::scheduled_by_ec2(e, health_code(*what), id.as_str(), at));
                self.plan_at(at, Due::Scheduled(no));
            }
            Mishap::SpotInterruption | Mishap::Rebalance | Mishap::Scheduled(..) => {}
            Mishap::ProtectFromStop(on) => {
                if let Some(host) = self.ec2.hosts.get_mut(&no) {
                    host.stop_protected = *on;
                }
            }
            Mishap::ProtectFromTermination(on) => {
                if let Some(host) = self.ec2.hosts.get_mut(&no) {
                    host.termination_protected = *on;
                }
            }
            Mishap::SetDraining(draining) => {
                let Some(container) = container.and_then(|c| self.ecs.containers.get(&c)) else { return };
                let (cluster, arn) = (container.cluster, container.arn.clone());
                let state = if *draining { ContainerInstanceState::Draining } else { ContainerInstanceState::Active };
                drop(self.set_container_state(cluster, &arn, state));
            }
        }
    }

    /// EC2 does what it has scheduled, unless the machine was stopped since, which has moved it.
    pub(super) fn on_scheduled(&mut self, no: HostNo) {
        let now = self.now;
        let Some(host) = self.ec2.hosts.get_mut(&no) else { return };
        let Some((what, _)) = host.scheduled.take_if(|(_, at)| *at <= now) else { return };
        let id = host.id.clone();
        match what {
            Announced::InstanceStop | Announced::InstanceRetirement => drop(self.stop_instance(&id, false, false)),
            Announced::InstanceReboot | Announced::SystemReboot | Announced::SystemMaintenance => self.reboot(no),
            Announced::SpotInterruption | Announced::Rebalance => {}
        }
    }

    /// EC2 takes the Spot instance back; a hang or a reboot since the warning doesn't save it, another launch does.
    pub(super) fn on_spot_reclaim(&mut self, no: HostNo, launched_at: Timestamp) {
        let is_meant = |h: &&Host| h.launched_at == launched_at && h.state == Ec2State::Running;
        let Some(id) = self.ec2.hosts.get(&no).filter(is_meant).map(|h| h.id.clone()) else { return };
        drop(self.terminate_instance(&id, false));
    }
}
