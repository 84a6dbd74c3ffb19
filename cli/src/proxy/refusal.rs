//! Answers of the proxy's own: AWS JSON errors, as the API's, so that stock clients show their text.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode};

/// A request that is not forwarded, or that got no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: Kind,
    /// For the client's user; never has a key, a token or a signature in it.
    pub(crate) message: String,
}

/// What clients make their decisions by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    AccessDenied,
    ExpiredToken,
    InvalidSignature,
    MissingAuthenticationToken,
    Serialization,
    ServiceUnavailable,
    UnknownOperation,
    UnrecognizedClient,
}

impl Kind {
    /// Status and `__type`.
    fn shape(self) -> (StatusCode, &'static str) {
        match self {
            Self::AccessDenied => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Self::ExpiredToken => (StatusCode::BAD_REQUEST, "ExpiredTokenException"),
            Self::InvalidSignature => (StatusCode::BAD_REQUEST, "InvalidSignatureException"),
            Self::MissingAuthenticationToken => (StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException"),
            Self::Serialization => (StatusCode::BAD_REQUEST, "SerializationException"),
            Self::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::UnknownOperation => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
            Self::UnrecognizedClient => (StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
        }
    }

    pub(crate) fn because(self, message: impl Into<String>) -> Refusal {
        Refusal { kind: self, message: message.into() }
    }
}

impl Refusal {
    /// The HTTP answer.
    pub(crate) fn response(&self) -> Response {
        let (status, name) = self.kind.shape();
        let body = serde_json::json!({ "__type": name, "message": self.message }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
        response
    }
}
