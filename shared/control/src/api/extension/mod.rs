//! Actions of our own beside OpsWorks', for the tools of on-call: the same front door, the same callers and permissions, another target
//! prefix, so that the OpsWorks API stays what its clients know.

mod check_service_role;
mod describe_decisions;
mod describe_status;
mod holds;
mod jobs;
mod moment;
mod preview;
mod subject;

pub use check_service_role::ServiceRole;
pub use describe_decisions::Decisions;
pub use holds::{HoldShape, Holds};
pub use jobs::{CampaignPlanned, Debts, JobAsked, Jobs, LayerDebt, LayerJobs, TeardownPlanned, Waiting};
pub use preview::{LayerPreview, Move, Preview, TimerPreview};

use super::call::Call;
use super::catalogue::{self, Action};
use super::error::ApiError;
use super::input::Input;
use super::transaction::Answer;

/// `X-Amz-Target` of these actions: `Strata_20261126.<Action>`.
pub const TARGET_PREFIX: &str = "Strata_20261126.";

/// An action of our own. Permissions are those of an OpsWorks action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Whoever may describe a stack sees its status.
    DescribeStatus,
    /// Whoever may register a cluster with a stack may see what its service role lacks for that.
    CheckServiceRole,
    /// Whoever may describe a stack's instances sees what was decided about them.
    DescribeDecisions,
    /// Whoever may describe a stack's instances sees who holds which.
    DescribeHolds,
    /// Whoever may describe a stack's instances sees what scalers would do with them.
    PreviewScaling,
    /// Whoever may stop an instance may hold it.
    PutHold,
    /// Whoever may stop an instance may release it.
    ReleaseHold,
    /// Whoever may run commands such as update_dependencies on a stack may have it updated host by host.
    RequestCampaign,
    /// Whoever may describe a stack's instances sees what a campaign would do with them.
    PlanCampaign,
    /// Whoever may describe a stack's instances sees how far a campaign is.
    DescribeCampaigns,
    /// Whoever may describe a stack's instances sees what they still have to install.
    DescribeDebt,
    /// Whoever may delete a layer, and all that is in it, may have it taken down.
    RequestTeardown,
    /// Whoever may describe a stack's instances sees what a teardown would do with them.
    PlanTeardown,
    /// Whoever may describe a stack's instances sees how far a teardown is.
    DescribeTeardowns,
}

impl Extension {
    const ALL: [Self; 14] = [
        Self::DescribeStatus,
        Self::CheckServiceRole,
        Self::DescribeDecisions,
        Self::DescribeHolds,
        Self::PreviewScaling,
        Self::PutHold,
        Self::ReleaseHold,
        Self::RequestCampaign,
        Self::PlanCampaign,
        Self::DescribeCampaigns,
        Self::DescribeDebt,
        Self::RequestTeardown,
        Self::PlanTeardown,
        Self::DescribeTeardowns,
    ];

    /// As in the target header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DescribeStatus => "DescribeStatus",
            Self::CheckServiceRole => "CheckServiceRole",
            Self::DescribeDecisions => "DescribeDecisions",
            Self::DescribeHolds => "DescribeHolds",
            Self::PreviewScaling => "PreviewScaling",
            Self::PutHold => "PutHold",
            Self::ReleaseHold => "ReleaseHold",
            Self::RequestCampaign => "RequestCampaign",
            Self::PlanCampaign => "PlanCampaign",
            Self::DescribeCampaigns => "DescribeCampaigns",
            Self::DescribeDebt => "DescribeDebt",
            Self::RequestTeardown => "RequestTeardown",
            Self::PlanTeardown => "PlanTeardown",
            Self::DescribeTeardowns => "DescribeTeardowns",
        }
    }

    /// The action that a target header names, if it is one of ours.
    pub(super) fn of_target(target: Option<&str>) -> Option<Self> {
        let name = target?.strip_prefix(TARGET_PREFIX)?;
        Self::ALL.into_iter().find(|extension| extension.name() == name)
    }

    /// Whether it changes nothing.
    pub(super) fn is_read(self) -> bool {
        match self {
            Self::DescribeStatus
            | Self::CheckServiceRole
            | Self::DescribeDecisions
            | Self::DescribeHolds
            | Self::PreviewScaling
            | Self::PlanCampaign
            | Self::DescribeCampaigns
            | Self::DescribeDebt
            | Self::PlanTeardown
            | Self::DescribeTeardowns => true,
            Self::PutHold | Self::ReleaseHold | Self::RequestCampaign | Self::RequestTeardown => false,
        }
    }

    /// The OpsWorks action whose permission it needs.
    pub(super) fn permission(self) -> Result<&'static Action, ApiError> {
        catalogue::of_target(Some(match self {
            Self::DescribeStatus => "OpsWorks_20130218.DescribeStacks",
            Self::CheckServiceRole => "OpsWorks_20130218.RegisterEcsCluster",
            Self::DescribeDecisions
            | Self::DescribeHolds
            | Self::PreviewScaling
            | Self::PlanCampaign
            | Self::DescribeCampaigns
            | Self::DescribeDebt
            | Self::PlanTeardown
            | Self::DescribeTeardowns => "OpsWorks_20130218.DescribeInstances",
            Self::RequestCampaign => "OpsWorks_20130218.CreateDeployment",
            Self::RequestTeardown => "OpsWorks_20130218.DeleteLayer",
            Self::PutHold | Self::ReleaseHold => "OpsWorks_20130218.StopInstance",
        }))
    }

    pub(super) async fn run(self, call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
        match self {
            Self::DescribeStatus => describe_status::run(call, input).await,
            Self::CheckServiceRole => check_service_role::run(call, input).await,
            Self::DescribeDecisions => describe_decisions::run(call, input).await,
            Self::DescribeHolds => holds::describe(call, input).await,
            Self::PreviewScaling => preview::run(call, input).await,
            Self::PutHold => holds::put(call, input).await,
            Self::ReleaseHold => holds::release(call, input).await,
            Self::RequestCampaign => jobs::request_campaign(call, input).await,
            Self::PlanCampaign => jobs::plan_campaign(call, input).await,
            Self::DescribeCampaigns => jobs::describe_campaigns(call, input).await,
            Self::DescribeDebt => jobs::describe_debt(call, input).await,
            Self::RequestTeardown => jobs::request_teardown(call, input).await,
            Self::PlanTeardown => jobs::plan_teardown(call, input).await,
            Self::DescribeTeardowns => jobs::describe_teardowns(call, input).await,
        }
    }
}
