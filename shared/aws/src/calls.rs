//! What goes out with each call, and a log of calls for tests that hold permissions against them.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::ConfigBag;

/// A call as the SDK names it.
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

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(calls), Some(metadata)) = (self.lock().as_mut(), bag.load::<Metadata>()) {
            calls.push(SeenCall { service: metadata.service().to_owned(), operation: metadata.name().to_owned() });
        }
        Ok(())
    }
}
