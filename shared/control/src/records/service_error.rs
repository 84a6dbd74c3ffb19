//! Service errors: where asynchronous failures are reported [SVE-1, 2].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::{InstanceId, ServiceErrorId, StackId};
use strata_ports::{Change, Expect, keys};

/// A service error, at `keys::service_error`. Whoever records one also sets the instance's `last_service_error_id` [SVE-1].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceError {
    /// The uuid.
    pub id: ServiceErrorId,
    /// The stack.
    pub stack_id: StackId,
    /// The instance, unless it is stack-wide.
    pub instance_id: Option<InstanceId>,
    /// One of the catalogue's types, for example `InstanceStart`, `InstanceStop`, `InstanceSetup` [SVE-4].
    #[serde(rename = "type")]
    pub error_type: String,
    /// One plain sentence, with the AWS error code where there is one.
    pub message: String,
    /// When.
    pub created_at: Timestamp,
}

/// The two changes that write a new service error: the record and the pointer by which DescribeServiceErrors finds it.
pub fn service_error_changes(error: &ServiceError) -> [Change; 2] {
    let owner = keys::Owner { kind: "service-error".to_owned(), stack_id: error.stack_id.clone() };
    [
        Change::put(keys::service_error(&error.stack_id, &error.id), error, Expect::Absent),
        Change::put(keys::pointer(error.id.as_str()), &owner, Expect::Absent),
    ]
}
