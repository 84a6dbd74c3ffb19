//! Signing of requests that `strata` makes by itself, by Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderValue, Request};
use jiff::Timestamp;

/// What a signature is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `lambda`, `opsworks`, ...
    pub(crate) service: String,
    /// `eu-west-1`, ...
    pub(crate) region: String,
}

/// A request that cannot be signed: a key or a header with characters that HTTP does not allow.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub(crate) struct Unsignable(String);

impl Scope {
    /// Puts date, session token and signature into `request`, whose headers are all signed as far as servers on the way leave them alone.
    ///
    /// # Errors
    /// [`Unsignable`].
    pub(crate) fn sign(&self, request: &mut Request<Bytes>, credentials: &Credentials, now: Timestamp) -> Result<(), Unsignable> {
        for (name, value, is_secret) in self.signed_headers(request, credentials, now)? {
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| Unsignable(format!("the value of {name} has characters that HTTP does not allow")))?;
            value.set_sensitive(is_secret);
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    /// The headers to add: name, value, and whether the value must not be shown.
    fn signed_headers(
        &self,
        request: &Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Vec<(&'static str, String, bool)>, Unsignable> {
        let failed = |error: &dyn std::fmt::Display| Unsignable(error.to_string());
        let identity = Identity::from(credentials.clone());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(SystemTime::try_from(now).map_err(|e| failed(&e))?)
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| failed(&e))?
            .into();
        let headers = request.headers().iter().map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers: Vec<_> = headers.collect::<Option<_>>().ok_or_else(|| failed(&"a header is not plain text"))?;
        let body = SignableBody::Bytes(request.body());
        let signable = SignableRequest::new(request.method().as_str(), request.uri().to_string(), headers.into_iter(), body)
            .map_err(|e| failed(&e))?;
        let (instructions, _) = sign(signable, &params).map_err(|e| failed(&e))?.into_parts();
        let (headers, _) = instructions.into_parts();
        Ok(headers.into_iter().map(|h| (h.name(), h.value().to_owned(), h.name() == "authorization" || h.sensitive())).collect())
    }
}
