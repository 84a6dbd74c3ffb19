//! The API that requests are forwarded to.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Method, Request, header};
use jiff::Timestamp;

use super::refusal::{Kind, Refusal};
use crate::endpoint::Endpoint;
use crate::signing::Scope;
use crate::transport;

/// What the API reads of a request. Everything else is between client and proxy.
const FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("x-amz-target"),
    header::CONTENT_TYPE,
    HeaderName::from_static("amz-sdk-invocation-id"),
    HeaderName::from_static("amz-sdk-request"),
    header::USER_AGENT,
];

/// The stock clients' own patience, from the last byte of a request to the first of its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The API behind the proxy.
pub(super) struct Upstream {
    endpoint: Endpoint,
    scope: Scope,
    connector: SharedHttpConnector,
}

impl Upstream {
    pub(super) fn new(endpoint: Endpoint, scope: Scope) -> Self {
        let connector = transport::connector(&endpoint, PATIENCE);
        Self { endpoint, scope, connector }
    }

    /// Sends a request that was checked, once (the client repeats it, under the same invocation id), and hands back the answer.
    pub(super) async fn forward(
        &self,
        head: &Parts,
        body: Bytes,
        own: &Credentials,
        now: Timestamp,
    ) -> Result<Response, Refusal> {
        let request = self.request(head, body, own, now)?;
        let unreachable =
            |why: String| Kind::ServiceUnavailable.because(format!("strata proxy: {} cannot be reached: {why}", self.endpoint));
        let answer = transport::send(&self.connector, request).await.map_err(unreachable)?;
        let (mut head, body) = answer.into_parts();
        let names: Vec<HeaderName> = head.headers.keys().filter(|name| !is_answered(name)).cloned().collect();
        for name in names {
            head.headers.remove(name);
        }
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    fn request(&self, head: &Parts, body: Bytes, own: &Credentials, now: Timestamp) -> Result<Request<Bytes>, Refusal> {
        let failed = |why: String| Kind::ServiceUnavailable.because(format!("strata proxy: {why}"));
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(Method::POST).uri(self.endpoint.with(path));
        for name in FORWARDED {
            if let Some(value) = head.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let mut request = request.body(body).map_err(|e| failed(e.to_string()))?;
        self.scope.sign(&mut request, own, now).map_err(|e| failed(e.to_string()))?;
        Ok(request)
    }
}

fn is_answered(name: &HeaderName) -> bool {
    *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amzn-")
}
