//! What goes out with each call, and a log of calls for tests that hold permissions against them.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeSerializationInterceptorContextRef, Input};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

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
            "Elastic Load Balancing" => "elasticloadbalancing",
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

/// Keeps the calls that were begun, if it is told to. An interceptor of every client.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Arc<Mutex<Option<Vec<SeenCall>>>>);

impl CallLog {
    /// From now on calls are kept.
    pub fn keep(&self) {
        *self.lock() = Some(Vec::new());
    }

    /// The calls since the last look.
    pub fn take(&self) -> Vec<SeenCall> {
        self.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<SeenCall>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
