//! What goes with each call: the decision that it carries out, throttles counted, and a log of calls for tests that hold permissions
//! against them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef, Input,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use strata_telemetry::{Meter, Metric, carried_out};

/// A call as the SDK names it, or as IAM does where the two differ: a transaction counts as what it consists of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenCall {
    /// `EC2`, `DynamoDB`, ...
    pub service: String,
    /// `DescribeInstances`, ...
    pub operation: String,
}

impl SeenCall {
    /// The IAM action that the call is named after, for example `events:PutEvents`.
    pub fn action(&self) -> String {
        let prefix = match self.service.as_str() {
            "CloudWatch" => "cloudwatch",
            "DynamoDB" => "dynamodb",
            "EC2" => "ec2",
            "ECS" => "ecs",
            "Elastic Load Balancing" | "Elastic Load Balancing v2" => "elasticloadbalancing",
            "EventBridge" => "events",
            "IAM" => "iam",
            "S3" => "s3",
            "SNS" => "sns",
            "SSM" => "ssm",
            "STS" => "sts",
            other => other,
        };
        format!("{prefix}:{}", self.operation)
    }
}

/// An interceptor of every client: names the decision in the user agent, counts throttles, and keeps the calls that were begun, if it is
/// told to.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    kept: Arc<Mutex<Option<Vec<SeenCall>>>>,
    meter: Arc<OnceLock<Meter>>,
}

impl CallLog {
    /// From now on calls are kept.
    pub fn keep(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// The calls since the last look.
    pub fn take(&self) -> Vec<SeenCall> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Where throttles are counted. Only the first one given counts.
    pub(crate) fn count_in(&self, meter: Meter) {
        drop(self.meter.set(meter));
    }

    /// Where throttles are counted, if they are.
    pub(crate) fn meter(&self) -> Option<&Meter> {
        self.meter.get()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<SeenCall>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for CallLog {
    fn name(&self) -> &'static str {
        "CallLog"
    }

    /// The first moment at which an interceptor of the client, rather than of one call, is told which call it is.
    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(calls), Some(metadata)) = (self.lock().as_mut(), bag.load::<Metadata>()) {
            let seen = |operation: &str| SeenCall { service: metadata.service().to_owned(), operation: operation.to_owned() };
            match permissions_of(context.input()) {
                Some(operations) => calls.extend(operations.into_iter().map(seen)),
                None => calls.push(seen(metadata.name())),
            }
        }
        Ok(())
    }

    /// After signing: the user agent is no part of what is signed, and CloudTrail keeps it with the call.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(decision) = carried_out() else { return Ok(()) };
        let headers = context.request_mut().headers_mut();
        let agent = headers.get("user-agent").unwrap_or_default();
        let agent = format!("{agent} md/strata-decision#{decision}");
        headers.try_insert("user-agent", agent.trim_start().to_owned())?;
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(meter), Some(response)) = (self.meter.get(), context.response())
            && is_throttle(response)
        {
            meter.count(Metric::Throttles);
        }
        Ok(())
    }
}

/// How the services say that there were too many calls. EC2 says it with status 503, DynamoDB, ECS and SSM with 400.
const THROTTLES: [&str; 8] = [
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "TooManyRequests",
    "TooManyUpdates",
];

/// Whether an answer is a throttle. Its error's code stands near the beginning of the body, or in a header.
fn is_throttle(response: &HttpResponse) -> bool {
    let status = response.status().as_u16();
    if status < 400 {
        return false;
    }
    let head = response.body().bytes().map(|body| String::from_utf8_lossy(&body[..body.len().min(600)])).unwrap_or_default();
    let named = response.headers().get("x-amzn-errortype").unwrap_or_default();
    status == 429 || THROTTLES.iter().any(|code| head.contains(code) || named.contains(code))
}

/// What is kept of a transaction of DynamoDB's: no IAM action is named after the call, it takes the right to each kind of change in it.
///
/// Source: DynamoDB Developer Guide, "Using IAM with DynamoDB transactions".
#[cfg(feature = "dynamodb")]
fn permissions_of(input: &Input) -> Option<std::collections::BTreeSet<&'static str>> {
    let transaction = input.downcast_ref::<aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsInput>()?;
    let kinds = transaction.transact_items().iter().flat_map(|item| {
        let put = item.put().map(|_| "PutItem");
        let update = item.update().map(|_| "UpdateItem");
        let delete = item.delete().map(|_| "DeleteItem");
        let check = item.condition_check().map(|_| "ConditionCheckItem");
        [put, update, delete, check].into_iter().flatten()
    });
    Some(kinds.collect())
}

#[cfg(not(feature = "dynamodb"))]
fn permissions_of(_: &Input) -> Option<std::collections::BTreeSet<&'static str>> {
    None
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
    }

    #[test]
    fn throttles_are_known_by_status_or_code_in_every_protocol() {
        for (status, body, expected) in [
            (429, "", true),
            (400, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\",\"message\":\"Rate exceeded\"}", true),
            (503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>", true),
            (503, "<Response><Errors><Error><Code>Unavailable</Code></Error></Errors></Response>", false),
            (400, "{\"__type\":\"ValidationException\"}", false),
            (200, "{\"note\":\"Throttling\"}", false),
        ] {
            assert_eq!(is_throttle(&answer(status, body)), expected, "{status} {body}");
        }
        let mut named = answer(400, "{}");
        named.headers_mut().insert("x-amzn-errortype", "TooManyRequestsException");
        assert!(is_throttle(&named));
    }
}
