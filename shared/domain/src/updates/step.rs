//! What a campaign sees, and what it may answer.

use jiff::Timestamp;

use super::campaign::{CampaignOutcome, Phase, Verdict};
use super::debt::PatchReport;
use super::held_back::HeldBackBy;
use super::surge::SurgePhase;
use crate::claims::{Claim, ClaimReport};
use crate::workload::Workload;
use crate::{InstanceId, InstanceStatus, ScalingType};

/// How far the Update command on a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandSeen {
    /// No command is known, or SSM did not answer.
    Unknown,
    /// Sent, not finished.
    Running,
    /// Finished well; a reboot that it needed is over.
    Success,
    /// Finished otherwise.
    Failed {
        /// What it said.
        why: String,
    },
}

/// What ECS says about a host's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentSeen {
    /// The host is no container instance, so there is no agent to wait for.
    NotExpected,
    /// It was not asked, did not answer, or does not know the container instance.
    Unknown,
    /// It is registered.
    Seen {
        /// ACTIVE; else DRAINING.
        active: bool,
        /// The agent is connected.
        connected: bool,
    },
}

/// A host of the layer, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView {
    /// The record.
    pub id: InstanceId,
    /// Host name.
    pub hostname: String,
    /// Zone.
    pub zone: String,
    /// 24/7, time-based or load-based.
    pub scaling: ScalingType,
    /// Status.
    pub status: InstanceStatus,
    /// A hold in force on it or its layer, in words.
    pub held: Option<String>,
    /// The claim that stands on it, in force or not.
    pub claim: Option<Claim>,
    /// What lifecycle reports about the claim.
    pub report: Option<ClaimReport>,
    /// Its Update command.
    pub command: CommandSeen,
    /// What its Update command said at its end of how the host stands.
    pub patches: Option<PatchReport>,
    /// Its ECS agent.
    pub agent: AgentSeen,
    /// The agent's version; `None` while it was not asked for or does not say.
    pub agent_version: Option<String>,
    /// Services of its cluster that run fewer tasks than they should, in words; `None` when there are none or it was not asked.
    pub unsteady: Option<String>,
    /// What runs on it; `None` where nobody has asked. If anybody has, a host whose tasks were not looked at is not begun.
    pub workload: Option<Workload>,
}

/// The world of a campaign at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct CampaignView<'a> {
    /// The layer's instances, oldest first.
    pub hosts: &'a [HostView],
    /// The layer is being taken down.
    pub is_torn_down: bool,
    /// So many stay in service whatever `max_unavailable` says: the layer's `load_scaling.min_online`.
    pub min_online: u32,
    /// When load-scaling has last started instances in the layer, if that was its last event.
    pub upscaled_at: Option<Timestamp>,
}

impl<'a> CampaignView<'a> {
    /// One host; `None` when it is gone.
    pub fn host(&self, id: &InstanceId) -> Option<&'a HostView> {
        self.hosts.iter().find(|h| h.id == *id)
    }
}

/// One step of a campaign. `why` is one plain sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CampaignStep {
    /// Take the host's claim: lifecycle then drains it.
    Claim {
        /// The host.
        instance: InstanceId,
        /// When the claim lapses by itself.
        until: Timestamp,
        /// Which wave.
        wave: u32,
        /// It is a canary.
        canary: bool,
        /// Why.
        why: String,
    },
    /// Send the Update command, or send it again with the same nonce because its id is not known.
    SendUpdate {
        /// The host.
        instance: InstanceId,
        /// Run-once nonce.
        nonce: String,
        /// Why.
        why: String,
    },
    /// Give the claim back: lifecycle then puts the host into service again.
    Release {
        /// The host.
        instance: InstanceId,
        /// What it is once it is back.
        then: Verdict,
        /// Why.
        why: String,
    },
    /// The host is in another phase; nothing is done.
    Mark {
        /// The host.
        instance: InstanceId,
        /// The phase.
        phase: Phase,
        /// Why.
        why: String,
    },
    /// Hosts wait for their turn, but no wave can begin.
    HoldBack {
        /// By what.
        by: HeldBackBy,
        /// Why.
        why: String,
    },
    /// It has been so for long: on-call is paged.
    TellHeldBack {
        /// Why.
        why: String,
    },
    /// Ask for the start of the surge instance, or ask again since it is still stopped.
    StartSurge {
        /// The instance.
        instance: InstanceId,
        /// Its host name.
        hostname: String,
        /// Why.
        why: String,
    },
    /// Ask for its stop, or ask again since it is still up.
    StopSurge {
        /// The instance.
        instance: InstanceId,
        /// Why.
        why: String,
    },
    /// The surge instance is in another phase; nothing is done.
    SurgeIs {
        /// The phase.
        phase: SurgePhase,
        /// Why.
        why: String,
    },
    /// The budget is spent: nothing new, and on-call is paged.
    Pause {
        /// Why.
        why: String,
    },
    /// The window is over: nothing new.
    Finish {
        /// Why.
        why: String,
    },
    /// Nothing new, drains are given back.
    Abort {
        /// Why.
        why: String,
    },
    /// Over.
    End {
        /// How.
        outcome: CampaignOutcome,
        /// What came of it.
        why: String,
    },
}

impl CampaignStep {
    /// Whether more may follow at once without the world having moved. A wave must be drained first, a release be carried out.
    pub fn leads_on(&self) -> bool {
        match self {
            Self::Mark { .. } | Self::SurgeIs { .. } | Self::Pause { .. } | Self::Finish { .. } | Self::Abort { .. } => true,
            Self::Claim { .. }
            | Self::SendUpdate { .. }
            | Self::Release { .. }
            | Self::HoldBack { .. }
            | Self::TellHeldBack { .. }
            | Self::StartSurge { .. }
            | Self::StopSurge { .. }
            | Self::End { .. } => false,
        }
    }
}
