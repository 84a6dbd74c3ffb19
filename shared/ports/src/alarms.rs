//! Alarms: CloudWatch alarms, the managed ones of load-based scaling and the user's own.

use async_trait::async_trait;
use jiff::Timestamp;
use strata_domain::LayerId;
pub use strata_domain::load_based::Datapoint;
pub use strata_triggers::AlarmState;

use crate::{CloudError, StackScope};

/// An alarm that should exist: a layer average against a threshold, one-minute periods.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmSpec {
    /// Name.
    pub name: String,
    /// The layer whose average it watches.
    pub layer_id: LayerId,
    /// Metric: `cpu`, `memory` (percent) or `load_1`.
    pub metric: String,
    /// Strictly above when `true`, strictly below when `false`.
    pub above: bool,
    /// Threshold.
    pub threshold: f64,
    /// Number of one-minute periods that must all breach.
    pub evaluation_periods: u32,
}

/// An alarm as described.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmObservation {
    /// Name.
    pub name: String,
    /// State.
    pub state: AlarmState,
    /// Last transition.
    pub since: Timestamp,
    /// The newest data point behind that transition; `None` where CloudWatch tells none, as for a composite or a new alarm.
    pub last: Option<Datapoint>,
}

/// CloudWatch alarms.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// Creates or overwrites alarms.
    async fn put(&self, scope: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError>;
    /// Deletes alarms by name; those that are gone are a success.
    async fn delete(&self, scope: &StackScope, names: &[String]) -> Result<(), CloudError>;
    /// Describes alarms by name, a hundred a call; missing ones are missing from the answer.
    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<AlarmObservation>, CloudError>;
}
