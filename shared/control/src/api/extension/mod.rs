//! Actions of our own beside OpsWorks', for the tools of on-call: the same front door, the same callers and permissions, another target
//! prefix, so that the OpsWorks API stays what its clients know.

mod check_service_role;
mod describe_status;

pub use check_service_role::ServiceRole;

use super::call::Call;
use super::catalogue::{self, Action};
use super::error::ApiError;
use super::input::Input;
use super::transaction::Answer;

/// `X-Amz-Target` of these actions: `Strata_20261126.<Action>`.
pub const TARGET_PREFIX: &str = "Strata_20261126.";

/// An action of our own. Each only reads; permissions are those of an OpsWorks action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    /// Whoever may describe a stack sees its status.
    DescribeStatus,
    /// Whoever may register a cluster with a stack may see what its service role lacks for that.
    CheckServiceRole,
}

impl Extension {
    /// The action that a target header names, if it is one of ours.
    pub(super) fn of_target(target: Option<&str>) -> Option<Self> {
        match target?.strip_prefix(TARGET_PREFIX)? {
            "DescribeStatus" => Some(Self::DescribeStatus),
            "CheckServiceRole" => Some(Self::CheckServiceRole),
            _ => None,
        }
    }

    /// The OpsWorks action whose permission it needs.
    pub(super) fn permission(self) -> Result<&'static Action, ApiError> {
        catalogue::of_target(Some(match self {
            Self::DescribeStatus => "OpsWorks_20130218.DescribeStacks",
            Self::CheckServiceRole => "OpsWorks_20130218.RegisterEcsCluster",
        }))
    }

    pub(super) async fn run(self, call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
        match self {
            Self::DescribeStatus => describe_status::run(call, input).await,
            Self::CheckServiceRole => check_service_role::run(call, input).await,
        }
    }
}
