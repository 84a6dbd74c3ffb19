//! The instance state machine: for every status, every observation and every moment there is exactly one next step.
//!
//! [`next`] is pure and total. Streams, events and the tick only name an instance; its step is always computed from the record and
//! a fresh look. What is unknown never leads to a destructive step. The way up stands in `up.rs`, the way down in `down.rs`, life
//! in service in `online.rs`, silence and healing in `lost.rs`,
//! machines that were registered in `registered.rs`, load balancers, addresses and volumes in `attached.rs`.

mod attached;
mod capacity;
mod clock;
mod down;
mod lost;
mod lost_volumes;
mod observed;
mod online;
mod registered;
#[cfg(test)]
mod settles;
mod step;
#[cfg(test)]
mod tests;
mod up;

use jiff::{SignedDuration, Timestamp};

use crate::claims::Claim;
use crate::model::{Care, Instance};
use crate::{InitiatedBy, InstanceStatus, SsmCommandId, auto_healing};

pub use attached::{
    VOLUME_FAULT, VOLUME_SETTLES, address_token, on_address_allocated, on_address_kept, on_address_refused, on_address_released,
    on_address_settled, on_balancers_left, on_balancers_refused, on_loose_ends_tied, on_volume_refused,
};
pub use capacity::{is_shortage, on_launch_refused, type_to_ask};
pub use lost_volumes::{on_volume_made, on_volume_not_made};
pub use observed::{
    AddressSeen, AttachedSeen, BalancersSeen, ContainerHost, ContainerSeen, Ec2Host, Ec2Seen, HostState, Observed, PingSeen,
    RunSeen, TaskCounts, VolumeAt,
};
pub use step::{Action, HEAL_CAP, HEAL_CAP_PERIOD, LAUNCH_SETTLES, Notice, REBOOT_SETTLES, Rules, Step, UNANSWERED};
#[cfg(test)]
pub(crate) use tests::record as sample_record;
pub use up::{on_launched, on_setup_sent};

/// How long after a record came to rest a launch whose answer was lost may still turn up, and is looked for.
const ORPHANS_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// Whether a record that came to rest at `since` is still looked at for a launch that turns up late.
pub fn may_have_orphan(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) < ORPHANS_WITHIN
}

/// The next step of `record` at `now`, given one look at the world.
///
/// Total: it answers for every record and observation, however odd, and never fails.
pub fn next(record: &Instance, seen: &Observed, rules: &Rules, now: Timestamp) -> Step {
    let look = Look { record, seen, rules, now };
    if let Some(step) = clock::stop_or_go(&look) {
        return step;
    }
    if let Some(step) = registered::on_premises(&look) {
        return step;
    }
    if let Some(step) = attached::at_rest(&look) {
        return step;
    }
    match record.status {
        InstanceStatus::Requested => up::requested(&look),
        InstanceStatus::Pending => up::pending(&look),
        InstanceStatus::Booting => up::booting(&look),
        InstanceStatus::RunningSetup => up::running_setup(&look),
        InstanceStatus::Online => online::online(&look),
        InstanceStatus::SetupFailed => Step::settled("setup failed; the machine stays up for debugging"),
        InstanceStatus::StartFailed => up::start_failed(&look),
        InstanceStatus::Rebooting => lost::rebooting(&look),
        InstanceStatus::ConnectionLost => lost::connection_lost(&look),
        InstanceStatus::Stopping | InstanceStatus::Terminating => down::leaving(&look),
        InstanceStatus::ShuttingDown => down::shutting_down(&look),
        InstanceStatus::Terminated => down::terminated(&look),
        InstanceStatus::StopFailed => Step::settled("EC2 would not stop the machine; stop it again"),
        InstanceStatus::Stopped => down::stopped(&look),
        InstanceStatus::Registered => registered::at_rest(&look),
        InstanceStatus::Registering | InstanceStatus::Assigning => registered::coming(&look),
        InstanceStatus::Unassigning => registered::unassigning(&look),
        InstanceStatus::Deregistering => registered::deregistering(&look),
    }
}

/// Whether lifecycle still has work for the record, so that the tick must look at it; `claimed`: a claim stands on it.
pub fn is_busy(record: &Instance, claimed: bool) -> bool {
    if record.status.has_deadlines() || record.status == InstanceStatus::ConnectionLost || record.attached.has_loose_ends() {
        return true;
    }
    let has_work_in_service = claimed
        || record.agent_silent_since.is_some()
        || record.drained_for.is_some()
        || record.out_of_service_since.is_some()
        || record.attached.due;
    (record.status == InstanceStatus::Online && has_work_in_service) || capacity::is_to_retry(record)
}

/// Whether a record that was just written gives lifecycle nothing to do until the world changes or time passes: it is in a status that only
/// lifecycle itself writes, after it has gone on as far as it went. `claimed`: a claim stands on it.
pub fn only_waits(record: &Instance, claimed: bool) -> bool {
    match record.status {
        InstanceStatus::Pending | InstanceStatus::Booting | InstanceStatus::ShuttingDown | InstanceStatus::Terminated => true,
        // A Setup that was asked for of a host in service is written by others, and takes it off its load balancers [INST-42].
        InstanceStatus::RunningSetup => !record.has_been_online,
        InstanceStatus::Online => !is_busy(record, claimed),
        InstanceStatus::Requested
        | InstanceStatus::SetupFailed
        | InstanceStatus::StartFailed
        | InstanceStatus::Rebooting
        | InstanceStatus::ConnectionLost
        | InstanceStatus::Stopping
        | InstanceStatus::Terminating
        | InstanceStatus::StopFailed
        | InstanceStatus::Stopped
        | InstanceStatus::Registering
        | InstanceStatus::Registered
        | InstanceStatus::Assigning
        | InstanceStatus::Unassigning
        | InstanceStatus::Deregistering => false,
    }
}

/// The record after the Shutdown event was sent.
pub fn on_shutdown_sent(record: &Instance, command: SsmCommandId) -> Instance {
    Instance { shutdown_command: Some(command), ..record.clone() }
}

/// The record after a reboot was sent: from now on the agent counts as silent, until it calls again.
pub fn on_reboot_sent(record: &Instance, now: Timestamp) -> Instance {
    Instance { agent_silent_since: Some(now.max(record.status_since)), ..record.clone() }
}

/// The record after its ECS agent was told to restart, or SSM has refused to tell it: in either case this was its time to come back.
pub fn on_agent_restarted(record: &Instance, now: Timestamp) -> Instance {
    let care = Care { agent_restarted_at: Some(now), ..record.care.clone() };
    Instance { care, ..record.clone() }
}

/// The record after its volumes were deleted.
pub fn on_volumes_deleted(record: &Instance) -> Instance {
    Instance { volumes: Vec::new(), ..record.clone() }
}

/// One question to the state machine.
struct Look<'a> {
    record: &'a Instance,
    seen: &'a Observed,
    rules: &'a Rules,
    now: Timestamp,
}

impl<'a> Look<'a> {
    /// The claim, while it is in force.
    fn claim(&self) -> Option<&'a Claim> {
        self.seen.claim.as_ref().filter(|c| c.is_in_force(self.now))
    }

    /// The signs of failure, if it has failed.
    fn signs(&self) -> Option<auto_healing::Signs> {
        let health = auto_healing::Health {
            ec2: &self.seen.ec2,
            container: &self.seen.container,
            has_cluster: self.rules.has_cluster,
            agent_silent_since: self.record.agent_silent_since,
            last_ping: self.seen.last_ping,
            silence: self.rules.heal_silence,
            silent_agent_limit: self.rules.silent_agent_limit,
            agent_restarted_at: self.record.care.agent_restarted_at,
        };
        auto_healing::is_failed(&health, self.now)
    }

    /// When the present status's clocks began to run: later than the status itself by as long as they have stood still.
    fn since(&self) -> Timestamp {
        after(self.record.status_since, self.frozen())
    }

    /// A step whose end is not heard, since `who` does not answer: `None` while it is waited for, and beyond [`UNANSWERED`] why it has failed.
    fn unanswered(&self, who: &str, deadline: Timestamp) -> Result<Step, String> {
        let unheard = after(deadline, UNANSWERED);
        match self.now < unheard {
            true => Ok(Step::wait(unheard, format!("{who} has not answered"))),
            false => Err(format!("{who} has not answered until {} after its time", spoken(UNANSWERED))),
        }
    }

    /// Lifecycle looks after its machine: it was in service since its last start, or it is a registered one in no layer [HEAL-7] [HEAL-8].
    fn is_watched(&self) -> bool {
        self.record.has_been_online || registered::is_unassigned(self.record)
    }

    /// The way down is the first half of a heal, unless somebody has asked for a stop since.
    fn is_heal(&self) -> bool {
        self.record.healing && self.record.initiated_by == Some(InitiatedBy::AutoHealing)
    }

    fn host(&self) -> Option<&'a Ec2Host> {
        match &self.seen.ec2 {
            Ec2Seen::Seen(host) => Some(host),
            Ec2Seen::Unknown | Ec2Seen::Absent => None,
        }
    }

    fn container(&self) -> Option<&'a ContainerHost> {
        match &self.seen.container {
            ContainerSeen::Seen(container) if self.rules.has_cluster => Some(container),
            ContainerSeen::Seen(_) | ContainerSeen::Unknown | ContainerSeen::Absent => None,
        }
    }

    /// ECS was to be asked and has not answered.
    fn is_container_unknown(&self) -> bool {
        self.rules.has_cluster && self.seen.container == ContainerSeen::Unknown
    }
}

/// `at` plus `time`, or the end of time.
fn after(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// A duration for people: `20 minutes`, `90 s`.
fn spoken(time: SignedDuration) -> String {
    match time.as_secs() {
        secs if secs >= 120 && secs % 60 == 0 => format!("{} minutes", secs / 60),
        secs => format!("{secs} s"),
    }
}
