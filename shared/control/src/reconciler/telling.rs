//! What is told: grouped decisions about routine moves, and for each failure and heal a decision, a service error and a page.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use strata_domain::InstanceStatus;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict, Way};
use strata_domain::lifecycle::Notice;
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::{DecisionId, ServiceErrorId};
use strata_ports::{EventOut, Ids};

use super::view::StackView;
use crate::records::ServiceError;

/// How many hosts a decision names before it only counts them.
const NAMED_HOSTS: usize = 6;

/// A routine move that is told once for all instances of a layer that make it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Routine {
    /// EC2 had no capacity for it: lifecycle itself asks again.
    Again,
    /// EC2 has accepted the start.
    Up,
    /// In service.
    Online,
    /// On the way down.
    Down,
    /// The record is gone.
    Deleted,
}

/// A move that is told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// `start_failed`, `setup_failed`, `stop_failed`, or lost by a reboot, with the service error's type [SVE-4].
    Failure(&'static str, PageKind),
    /// Healing begins.
    Heal,
}

/// How a move is told, if at all.
pub(super) fn routine(before: &Instance, to: InstanceStatus) -> Option<Routine> {
    match to {
        InstanceStatus::Requested if before.status == InstanceStatus::StartFailed => Some(Routine::Again),
        InstanceStatus::Pending => Some(Routine::Up),
        InstanceStatus::Online => Some(Routine::Online),
        InstanceStatus::ShuttingDown => Some(Routine::Down),
        InstanceStatus::Terminated if before.status == InstanceStatus::Terminating => Some(Routine::Down),
        _ => None,
    }
}

/// See [`Special`].
pub(super) fn special(before: &Instance, to: InstanceStatus) -> Option<Special> {
    match to {
        InstanceStatus::StartFailed => Some(Special::Failure("InstanceStart", PageKind::StartFailed)),
        InstanceStatus::SetupFailed if before.status != InstanceStatus::Rebooting => {
            Some(Special::Failure("InstanceSetup", PageKind::SetupFailed))
        }
        InstanceStatus::StopFailed => Some(Special::Failure("InstanceStop", PageKind::StopFailed)),
        // A heal or a notice follows, but not where only one sign is there.
        InstanceStatus::ConnectionLost if before.status == InstanceStatus::Rebooting => {
            Some(Special::Failure("InstanceHealing", PageKind::AutoHealing))
        }
        InstanceStatus::Stopping if before.status == InstanceStatus::ConnectionLost => Some(Special::Heal),
        _ => None,
    }
}

/// Writes decisions for one invocation.
pub(crate) struct Teller<'a> {
    pub(crate) ids: &'a dyn Ids,
    pub(crate) now: Timestamp,
    pub(crate) trigger: &'a str,
}

/// The words of a decision.
pub(crate) struct Words {
    pub(crate) verdict: Verdict,
    pub(crate) saw: String,
    pub(crate) did: String,
    pub(crate) why: String,
}

impl Routine {
    /// Which way the hosts were seen to go.
    fn way(self) -> Option<Way> {
        match self {
            Self::Up | Self::Online => Some(Way::Up),
            Self::Down => Some(Way::Down),
            Self::Again | Self::Deleted => None,
        }
    }
}

impl Teller<'_> {
    /// A decision about a subject of the stack, which is the record's instance, or else says in `touched` which it is about.
    pub(crate) fn decision(&self, view: &StackView, record: &Instance, subject: String, words: Words) -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::new(self.ids.uuid()),
            at: self.now,
            function: Function::InstanceLifecycle,
            trigger: self.trigger.to_owned(),
            subject,
            stack_id: Some(view.stack.id.clone()),
            layer_id: record.layer_ids.first().cloned(),
            verdict: words.verdict,
            saw: words.saw,
            did: words.did,
            why: words.why,
            touched: Touched::new(None, [record.id.clone()]),
        }
    }

    /// One decision for all instances of a layer that make a routine move together.
    pub(super) fn routine(&self, view: &StackView, kind: Routine, members: &[(&Instance, &str)]) -> Option<DecisionRecord> {
        let (first, why) = members.first()?;
        let hosts = listed(members.iter().map(|(record, _)| record.hostname.as_str()));
        let asked = first.initiated_by.map_or_else(|| "asked for".to_owned(), |by| format!("asked for by {}", by.as_str()));
        let (saw, did) = match kind {
            Routine::Again => ("a start that EC2 had no capacity for".to_owned(), format!("try to start {hosts} again")),
            Routine::Up => (format!("a start {asked}"), format!("bring {hosts} up")),
            Routine::Online => ("the machine is up and its run is over".to_owned(), format!("put {hosts} in service")),
            Routine::Down if first.delete.is_some() => (format!("a deletion {asked}"), format!("delete {hosts}")),
            Routine::Down => (format!("a stop {asked}"), format!("take {hosts} down")),
            Routine::Deleted => ("the way down is over".to_owned(), format!("remove the record of {hosts}")),
        };
        let words = Words { verdict: Verdict::Act, saw, did, why: (*why).to_owned() };
        let touched = Touched::new(kind.way(), members.iter().map(|(record, _)| record.id.clone()));
        Some(DecisionRecord { touched, ..self.decision(view, first, view.layer_path(first), words) })
    }

    /// A service error and its alert [SVE-1, EVT-7]; sets the record's `last_service_error_id`.
    pub(crate) fn service_error(&self, record: &mut Instance, error_type: &str, message: &str) -> (ServiceError, EventOut) {
        let error = ServiceError {
            id: ServiceErrorId::new(self.ids.uuid()),
            stack_id: record.stack_id.clone(),
            instance_id: Some(record.id.clone()),
            error_type: error_type.to_owned(),
            message: message.to_owned(),
            created_at: self.now,
        };
        record.last_service_error_id = Some(error.id.clone());
        let alert = EventOut {
            id: error.id.to_string(),
            detail_type: "OpsWorks Alert".to_owned(),
            resources: Vec::new(),
            detail: json!({
                "stack-id": error.stack_id,
                "instance-id": record.id,
                "type": error.error_type,
                "message": error.message,
            }),
            time: self.now,
        };
        (error, alert)
    }

    /// A page about a host.
    pub(crate) fn page(
        &self,
        view: &StackView,
        record: &Instance,
        incident: String,
        decision: &DecisionRecord,
        head: Head,
    ) -> Page {
        Page {
            incident,
            resolved: false,
            severity: head.severity,
            kind: head.kind,
            stack: view.stack.name.clone(),
            layer: view.layers_of(record).next().map(|layer| layer.shortname.clone()),
            host: Some(record.hostname.clone()),
            what: head.what,
            why: decision.why.clone(),
            did: decision.did.clone(),
            next: format!("aws opsworks describe-instances --instance-ids {}", record.id),
            decision: decision.id.clone(),
            at: self.now,
        }
    }
}

/// The head of a page.
pub(crate) struct Head {
    pub(crate) severity: Severity,
    pub(crate) kind: PageKind,
    pub(crate) what: String,
}

/// `web1, web2`, or `12 instances (web1, ...)`.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.len() {
        0..=NAMED_HOSTS => names.join(", "),
        many => format!("{many} instances ({}, ...)", names[..NAMED_HOSTS].join(", ")),
    }
}

/// An open page: what is needed to resolve it. One per instance or layer, at `keys::incident`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) page: Page,
}

impl Incident {
    /// The message that closes it.
    pub(super) fn resolved(&self, now: Timestamp, what: impl Into<String>) -> Page {
        Page { resolved: true, what: what.into(), at: now, ..self.page.clone() }
    }
}

/// What the notices say: what was seen, what is done about it, and whether on-call is woken.
pub(super) fn notice_words(notice: Notice) -> (&'static str, &'static str, bool) {
    match notice {
        Notice::AgentSilent => ("the ECS agent is disconnected", "leave the host alone and record a service error", false),
        Notice::ForeignDraining => ("the host is DRAINING", "leave it alone", false),
        Notice::HealingOff => ("a failed host", "leave it connection_lost", true),
        Notice::HealCap => ("a host that fails again and again", "stop healing it for now", true),
        Notice::Outage => ("many failed hosts", "heal none of them", false),
        Notice::HeldByPerson => ("a failed host", "leave it alone", true),
        Notice::ModeForbids => ("a failed host", "heal it", true),
        Notice::AddressRefused => ("its Elastic IP address", "go on without it and record a service error", false),
        Notice::BalancerRefused => ("its load balancer", "go on without it and record a service error", false),
        Notice::VolumesLost => ("volumes of it were lost with their data", "go on and record a service error", false),
        Notice::ClaimRefused => ("a claimed host with tasks that do not move", "do not drain it", false),
    }
}

/// Whether the notice is that a host is down: it has failed, and nothing is done.
pub(super) fn notice_way(notice: Notice) -> Option<Way> {
    match notice {
        Notice::HealingOff | Notice::HealCap | Notice::HeldByPerson | Notice::ModeForbids => Some(Way::Down),
        Notice::AgentSilent
        | Notice::ForeignDraining
        | Notice::Outage
        | Notice::AddressRefused
        | Notice::BalancerRefused
        | Notice::VolumesLost
        | Notice::ClaimRefused => None,
    }
}
