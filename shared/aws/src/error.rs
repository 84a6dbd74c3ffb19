//! What a failed call means: one table from AWS's error codes to what the caller should do.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use strata_ports::CloudError;

/// Whether a call changes anything: a lost answer to one that does must be looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// May have changed something.
    Write,
}

/// What an error code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing happened, try again later.
    RetryLater,
    /// Nothing happened, for want of capacity or quota.
    Refused,
    /// Nothing happened, and repeating never helps.
    Wrong,
    /// It may have happened.
    Unknown,
}

/// Nothing was done: throttled, busy with an earlier change, or credentials that expired on the way.
const RETRY_LATER: &[&str] = &[
    "BandwidthLimitExceeded",
    "ConcurrentModification",
    "ConcurrentModificationException",
    "ConcurrentTagAccess",
    "DependencyThrottle",
    "EC2ThrottledException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncorrectInstanceState",
    "IncorrectState",
    "LimitExceededException",
    "OperationAborted",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ServiceUnavailable",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "TransactionInProgressException",
    "Unavailable",
    "UpdateInProgressException",
    "VolumeInUse",
];

/// EC2 has no room, or the account may have no more.
const REFUSED: &[&str] = &[
    "AddressLimitExceeded",
    "HostLimitExceeded",
    "InstanceLimitExceeded",
    "InsufficientAddressCapacity",
    "InsufficientCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "InsufficientReservedInstanceCapacity",
    "InsufficientVolumeCapacity",
    "MaxIOPSLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "NetworkInterfaceLimitExceeded",
    "PendingVerification",
    "ReservationCapacityExceeded",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
    "UnsupportedOperation.InstanceTypeNotInZone",
    "VcpuLimitExceeded",
    "VolumeLimitExceeded",
    "VolumeTypeNotAvailableInZone",
];

/// The service does not say whether it did it.
const UNKNOWN: [&str; 6] =
    ["InternalError", "InternalFailure", "InternalServerError", "RequestTimeout", "RequestTimeoutException", "ServerException"];

/// What an error code with its HTTP status means.
///
/// Source: the services' lists of error codes; EC2's "Eventual consistency" and "Ensuring idempotency" for 5xx.
pub fn verdict(code: Option<&str>, status: u16) -> Verdict {
    let code = code.map(bare).unwrap_or_default();
    if RETRY_LATER.contains(&code) || status == 429 {
        Verdict::RetryLater
    } else if REFUSED.contains(&code) {
        Verdict::Refused
    } else if status >= 500 || status == 408 || UNKNOWN.contains(&code) || (code.is_empty() && status < 300) {
        Verdict::Unknown
    } else {
        Verdict::Wrong
    }
}

/// `Server.InsufficientInstanceCapacity` and `com.amazonaws.ecs#ClusterNotFoundException` are told without what stands in front.
fn bare(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    code.strip_prefix("Server.").or_else(|| code.strip_prefix("Client.")).unwrap_or(code)
}

/// What a failed call means for the caller. `action` is the IAM action, for example `ec2:StartInstances`.
pub fn sort<E>(action: &'static str, effect: Effect, error: SdkError<E, HttpResponse>) -> CloudError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let status = answer.raw().status().as_u16();
            let (code, message) = (answer.err().code(), answer.err().message());
            from_code(action, effect, code, message.unwrap_or_default(), status)
        }
        SdkError::ConstructionFailure(failure) => CloudError::Wrong {
            action,
            code: "ValidationError".to_owned(),
            why: chain(&SdkError::<E, HttpResponse>::ConstructionFailure(failure)),
        },
        SdkError::DispatchFailure(failure) if failure.is_other() || failure.is_user() => {
            not_sent(action, &SdkError::<E, HttpResponse>::DispatchFailure(failure))
        }
        other => lost(action, effect, chain(&other)),
    }
}

/// As [`sort`], for a code that came with one item of a batch.
pub fn from_code(action: &'static str, effect: Effect, code: Option<&str>, message: &str, status: u16) -> CloudError {
    let named = code.map_or_else(|| format!("HTTP{status}"), |code| bare(code).to_owned());
    let why = if message.is_empty() { format!("no text, status {status}") } else { readable(message) };
    match verdict(code, status) {
        Verdict::RetryLater => CloudError::RetryLater { action, why: format!("{named}: {why}") },
        Verdict::Refused => CloudError::Refused { action, code: named, why },
        Verdict::Wrong => CloudError::Wrong { action, code: named, why },
        Verdict::Unknown => lost(action, effect, format!("{named}: {why}")),
    }
}

/// EC2 ends a refusal with a kilobyte of cipher, which only CloudTrail's reader can make use of, and CloudTrail has it too.
fn readable(message: &str) -> String {
    match message.split_once("Encoded authorization failure message:") {
        Some((text, _)) => format!("{} (CloudTrail has the encoded reason)", text.trim_end()),
        None => message.to_owned(),
    }
}

/// The answer did not come, or cannot be read.
fn lost(action: &'static str, effect: Effect, why: String) -> CloudError {
    match effect {
        Effect::Read => CloudError::RetryLater { action, why },
        Effect::Write => CloudError::OutcomeUnknown { action, why },
    }
}

/// The call ended before it was sent, usually because there were no credentials for it.
fn not_sent(action: &'static str, error: &(dyn Error + 'static)) -> CloudError {
    match RoleRefused::in_chain(error) {
        Some(refused) => CloudError::Wrong { action, code: refused.code.clone(), why: refused.to_string() },
        None => CloudError::RetryLater { action, why: chain(error) },
    }
}

/// A stack's service role that cannot be assumed, carried through the SDK's errors.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the service role {role_arn} cannot be assumed: {code}: {why}")]
pub struct RoleRefused {
    /// The role.
    pub role_arn: String,
    /// STS's error code.
    pub code: String,
    /// What STS said.
    pub why: String,
}

impl RoleRefused {
    fn in_chain<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| cause.downcast_ref())
    }
}

/// An error, then what caused it, then what caused that.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

/// An error with all its causes, each told once.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let next = cause.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let cases = [
            ("RequestLimitExceeded", 503, Verdict::RetryLater),
            ("ThrottlingException", 400, Verdict::RetryLater),
            ("com.amazonaws.ecs#ThrottlingException", 400, Verdict::RetryLater),
            ("UpdateInProgressException", 400, Verdict::RetryLater),
            ("AnythingElse", 429, Verdict::RetryLater),
            ("InsufficientInstanceCapacity", 500, Verdict::Refused),
            ("Server.InsufficientInstanceCapacity", 500, Verdict::Refused),
            ("VcpuLimitExceeded", 400, Verdict::Refused),
            ("InternalError", 500, Verdict::Unknown),
            ("InternalFailure", 500, Verdict::Unknown),
            ("AnythingElse", 500, Verdict::Unknown),
            ("ServerException", 400, Verdict::Unknown),
            ("RequestTimeout", 400, Verdict::Unknown),
            ("AnythingElse", 408, Verdict::Unknown),
            ("ServiceUnavailable", 503, Verdict::RetryLater),
            ("InvalidInstanceID.NotFound", 400, Verdict::Wrong),
            ("UnauthorizedOperation", 403, Verdict::Wrong),
            ("ClusterNotFoundException", 400, Verdict::Wrong),
        ];
        for (code, status, expected) in cases {
            assert_eq!(verdict(Some(code), status), expected, "{code} {status}");
        }
        assert_eq!(verdict(None, 502), Verdict::Unknown);
        assert_eq!(verdict(None, 200), Verdict::Unknown, "an answer that nobody can read");
        assert_eq!(verdict(Some("INACTIVE"), 200), Verdict::Wrong, "one item of an answer");
        assert_eq!(verdict(None, 400), Verdict::Wrong);
    }

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        assert!(RETRY_LATER.is_sorted() && REFUSED.is_sorted());
        assert!(RETRY_LATER.iter().all(|code| !REFUSED.contains(code)));
    }

    #[test]
    fn an_unknown_outcome_is_one_only_for_a_call_that_may_have_changed_something() {
        let read = from_code("ec2:DescribeInstances", Effect::Read, Some("InternalError"), "oops", 500);
        assert!(matches!(read, CloudError::RetryLater { .. }), "{read}");
        let write = from_code("ec2:RunInstances", Effect::Write, Some("InternalError"), "oops", 500);
        assert_eq!(write.to_string(), "ec2:RunInstances: outcome unknown: InternalError: oops");
        let capacity =
            from_code("ec2:RunInstances", Effect::Write, Some("Server.InsufficientInstanceCapacity"), "none left", 500);
        assert_eq!(capacity.code(), Some("InsufficientInstanceCapacity"));
    }
}
