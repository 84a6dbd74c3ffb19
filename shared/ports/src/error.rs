//! Errors that tell the caller what to do.

/// Why a call to the cloud did not do what was asked, by what the caller should do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudError {
    /// Throttled or unavailable, nothing happened: try again later, at the latest on the next tick.
    #[error("{action}: not now: {why}")]
    RetryLater {
        /// The action, for example `ec2:StartInstances`.
        action: &'static str,
        /// What the service said.
        why: String,
    },
    /// Refused for want of capacity or quota, nothing happened: another type or zone may do, repeating soon will not.
    #[error("{action}: refused: {code}: {why}")]
    Refused {
        /// The action.
        action: &'static str,
        /// AWS's error code, for example `InsufficientInstanceCapacity`.
        code: String,
        /// What the service said.
        why: String,
    },
    /// Bad input, or the thing is not there: give up, repeating never helps.
    #[error("{action}: {code}: {why}")]
    Wrong {
        /// The action.
        action: &'static str,
        /// AWS's error code, for example `InvalidInstanceID.NotFound`.
        code: String,
        /// What the service said.
        why: String,
    },
    /// The answer was lost: look before acting again.
    #[error("{action}: outcome unknown: {why}")]
    OutcomeUnknown {
        /// The action.
        action: &'static str,
        /// What happened on the way.
        why: String,
    },
}

impl CloudError {
    /// AWS's error code, where there is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } | Self::Wrong { code, .. } => Some(code),
            Self::RetryLater { .. } | Self::OutcomeUnknown { .. } => None,
        }
    }

    /// The IAM action of the call.
    pub fn action(&self) -> &'static str {
        match self {
            Self::RetryLater { action, .. }
            | Self::Refused { action, .. }
            | Self::Wrong { action, .. }
            | Self::OutcomeUnknown { action, .. } => action,
        }
    }

    /// Whether the same call may be repeated later without looking first.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::RetryLater { .. })
    }
}

/// One item of a batch: the id it is about and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemResult<Id> {
    /// Which one.
    pub id: Id,
    /// Done, or why not.
    pub result: Result<(), CloudError>,
}
