//! The API with a meter: how often each action was called.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use strata_ports::HttpService;

/// Counts calls by action on their way to the API.
pub(crate) struct Counted {
    inner: Arc<dyn HttpService>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Counted {
    pub(crate) fn over(inner: Arc<dyn HttpService>) -> Self {
        Self { inner, counts: Mutex::default() }
    }

    /// Calls so far, as `opsworks:Action`.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl HttpService for Counted {
    async fn call(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or("?");
        let action = format!("opsworks:{}", target.rsplit('.').next().unwrap_or(target));
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(action).or_default() += 1;
        self.inner.call(request).await
    }
}
