//! Actions of our own beside OpsWorks', for the tools of on-call: the same front door, the same callers and permissions, another target
//! prefix, so that the OpsWorks API stays what its clients know.

mod describe_status;

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
}

impl Extension {
    /// The action that a target header names, if it is one of ours.
    pub(super) fn of_target(target: Option<&str>) -> Option<Self> {
        match target?.strip_prefix(TARGET_PREFIX)? {
            "DescribeStatus" => Some(Self::DescribeStatus),
            _ => None,
        }
    }

    /// The OpsWorks action whose permission it needs.
    pub(super) fn permission(self) -> Result<&'static Action, ApiError> {
        match self {
            Self::DescribeStatus => catalogue::of_target(Some("OpsWorks_20130218.DescribeStacks")),
        }
    }

    pub(super) async fn run(self, call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
        match self {
            Self::DescribeStatus => describe_status::run(call, input).await,
        }
    }
}
