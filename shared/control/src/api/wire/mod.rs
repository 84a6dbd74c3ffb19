//! The shapes of answers, and nothing else: what the API's records look like on the wire [WIRE-5, 6, 8].
//!
//! They borrow from the records and serialize straight to bytes.

mod deployment;
mod instance;
mod layer;
mod resource;
mod scaling;
mod stack;
mod user;

pub(crate) use deployment::{CommandShape, DeploymentShape, ServiceErrorShape};
pub(crate) use instance::{InstanceRow, InstanceShape, REPORTED_AGENT_VERSION, Surroundings};
pub(crate) use layer::{LayerShape, Recipes};
pub(crate) use resource::{ElasticIpShape, ElasticLoadBalancerShape, VolumeShape};
pub(crate) use scaling::{AutoScalingThresholds, WeeklyAutoScalingSchedule};
pub(crate) use stack::{ConfigurationManager, EcsClusterShape, StackShape, StackSummaryShape};
pub(crate) use user::{PermissionShape, SelfUserProfileShape, UserProfileShape};

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Declares a shape: members that are always there, then members that are left out when absent [WIRE-6].
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident<$a:lifetime> { $($(#[$always_doc:meta])* $always:ident: $at:ty),* $(,)? } unless_absent { $($(#[$opt_doc:meta])* $opt:ident: $ot:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, schemars::JsonSchema)]
        #[serde(rename_all = "PascalCase")]
        pub(crate) struct $name<$a> {
            $($(#[$always_doc])* pub(crate) $always: $at,)*
            $($(#[$opt_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub(crate) $opt: Option<$ot>,)*
        }
    };
}
pub(crate) use shape;

/// Serializes an answer.
pub(crate) fn body<T: Serialize>(answer: &T) -> Bytes {
    serde_json::to_vec(answer).expect("shapes are plain data with string keys, which always serialize").into()
}

/// A time as the API writes it: `2013-07-25T18:57:47+00:00` [IDN-5].
#[derive(Clone, Copy, Debug, JsonSchema)]
#[schemars(transparent, inline)]
pub(crate) struct Time(#[schemars(with = "String")] pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let t = jiff::tz::Offset::UTC.to_datetime(self.0);
        let (date, time) = ((t.year(), t.month(), t.day()), (t.hour(), t.minute(), t.second()));
        serializer.collect_str(&format_args!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
            date.0, date.1, date.2, time.0, time.1, time.2
        ))
    }
}

/// `{}`
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EmptyObject {}

#[cfg(test)]
mod tests {
    use super::*;

    /// [IDN-5]
    #[test]
    fn idn_5_times_are_utc_texts_in_whole_seconds() {
        let time = |text: &str| serde_json::to_value(Time(text.parse().unwrap())).unwrap();
        assert_eq!(time("2013-07-25T18:57:47Z"), "2013-07-25T18:57:47+00:00");
        assert_eq!(time("2013-07-25T18:57:47.999Z"), "2013-07-25T18:57:47+00:00");
        assert_eq!(time("2013-07-25T20:57:47+02:00"), "2013-07-25T18:57:47+00:00");
    }
}
