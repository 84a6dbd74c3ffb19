//! The OpsWorks API as something that answers HTTP, so that SDK clients can reach it in process.

use async_trait::async_trait;
use bytes::Bytes;

/// Answers one HTTP request. The caller's ARN rides in the request's extensions as [`Caller`].
#[async_trait]
pub trait HttpService: Send + Sync {
    /// Never fails: every failure is an HTTP answer.
    async fn call(&self, request: http::Request<Bytes>) -> http::Response<Bytes>;
}

/// Who calls, as the front door has established it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// IAM ARN.
    pub arn: String,
}
