//! Errors of the API, and the one place where they get a status and a `__type` [WIRE-10..14].

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use strata_domain::ecs_cluster::EcsClusterError;
use strata_domain::registration::RegistrationError;
use strata_domain::settings::SettingsError;
use strata_domain::tags::TagError;
use strata_ports::{CloudError, StoreError};

use super::wire;

/// Why a call is not answered with 200. The text goes to the client as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// Bad input, or a state that does not allow it.
    #[error("{0}")]
    Validation(String),
    /// An id that names nothing.
    #[error("{0}")]
    NotFound(String),
    /// Not JSON, or a member of the wrong JSON type.
    #[error("{0}")]
    Serialization(String),
    /// No action of that name.
    #[error("{0}")]
    UnknownOperation(String),
    /// The front door named no caller.
    #[error("Missing Authentication Token")]
    MissingAuthentication,
    /// The front door could not read who signed.
    #[error("Authorization header requires a 'Credential' parameter.")]
    IncompleteSignature,
    /// The front door does not know the access key.
    #[error("The security token included in the request is invalid.")]
    UnrecognizedClient,
    /// Signed for something else than this.
    #[error("{0}")]
    InvalidSignature(String),
    /// Known caller, no permission [WIRE-14].
    #[error("{0}")]
    AccessDenied(String),
    /// Nothing was done; SDKs send it again.
    #[error("{0}")]
    Unavailable(String),
    /// As [`Unavailable`](Self::Unavailable), for want of the store; why stands in the log alone.
    #[error("{0}")]
    Store(String),
    /// A mistake of ours.
    #[error("{0}")]
    Internal(String),
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "__type")]
    kind: &'static str,
    message: &'a str,
}

impl ApiError {
    /// Status and `__type`.
    fn shape(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Validation(_) => (StatusCode::BAD_REQUEST, "ValidationException"),
            Self::NotFound(_) => (StatusCode::BAD_REQUEST, "ResourceNotFoundException"),
            Self::Serialization(_) => (StatusCode::BAD_REQUEST, "SerializationException"),
            Self::UnknownOperation(_) => (StatusCode::BAD_REQUEST, "UnknownOperationException"),
            Self::MissingAuthentication => (StatusCode::BAD_REQUEST, "MissingAuthenticationTokenException"),
            Self::IncompleteSignature => (StatusCode::BAD_REQUEST, "IncompleteSignatureException"),
            Self::UnrecognizedClient => (StatusCode::BAD_REQUEST, "UnrecognizedClientException"),
            Self::InvalidSignature(_) => (StatusCode::BAD_REQUEST, "InvalidSignatureException"),
            Self::AccessDenied(_) => (StatusCode::BAD_REQUEST, "AccessDeniedException"),
            Self::Unavailable(_) | Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        }
    }

    /// The HTTP answer, without the request id.
    pub(crate) fn response(&self) -> Response<Bytes> {
        let (status, kind) = self.shape();
        if status.is_server_error() {
            tracing::error!(error.kind = kind, error.message = %self, "the API could not answer");
        }
        // What it says about our insides stays in the log.
        let message = match self {
            Self::Store(_) => "The service is temporarily unavailable".to_owned(),
            Self::Internal(_) => "The service could not process the request".to_owned(),
            other => other.to_string(),
        };
        let mut response = Response::new(wire::body(&Body { kind, message: &message }));
        *response.status_mut() = status;
        response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(kind));
        response
    }

    /// `<Field Name in words>: <text>`, the form for texts that nobody has recorded.
    pub(crate) fn field(member: &str, text: impl std::fmt::Display) -> Self {
        Self::Validation(format!("{}: {text}", words(member)))
    }

    /// The OUT error [WIRE-20]. `what` is an action's name or `Member=value`.
    pub(crate) fn unsupported(what: &str, instead: &str) -> Self {
        Self::Validation(format!(
            "UnsupportedOperation: {what} is not supported by this OpsWorks implementation (scope: ECS Cluster layers). {instead}"
        ))
    }

    /// The same form for what is in scope but not built.
    pub(crate) fn not_yet(what: &str) -> Self {
        Self::Validation(format!("UnsupportedOperation: {what} is not implemented yet by this OpsWorks implementation."))
    }

    /// `Unable to find <kind> with ID <id>` [TXT-5].
    pub(crate) fn unknown_id(kind: &str, id: &str) -> Self {
        Self::NotFound(format!("Unable to find {kind} with ID {id}"))
    }
}

impl From<StoreError> for ApiError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Unavailable { .. } => Self::Store(e.to_string()),
            StoreError::Unreadable { .. } => Self::Internal(e.to_string()),
        }
    }
}

impl From<CloudError> for ApiError {
    fn from(e: CloudError) -> Self {
        match e {
            // A missing permission of the service role must surface at the call, naming the action [ECS-35].
            CloudError::Wrong { action, code, why } | CloudError::Refused { action, code, why } => {
                Self::Validation(format!("Service Role Arn: {action} failed with {code}: {why}"))
            }
            CloudError::RetryLater { action, .. } | CloudError::OutcomeUnknown { action, .. } => {
                Self::Unavailable(format!("{action} did not answer; try again"))
            }
        }
    }
}

impl From<EcsClusterError> for ApiError {
    fn from(e: EcsClusterError) -> Self {
        Self::Validation(e.to_string())
    }
}

impl From<RegistrationError> for ApiError {
    fn from(e: RegistrationError) -> Self {
        Self::Validation(e.to_string())
    }
}

impl From<TagError> for ApiError {
    fn from(e: TagError) -> Self {
        Self::Validation(e.to_string())
    }
}

impl From<SettingsError> for ApiError {
    fn from(e: SettingsError) -> Self {
        Self::Validation(e.to_string())
    }
}

/// `StackId` as `Stack Id`.
fn words(member: &str) -> String {
    let mut text = String::with_capacity(member.len() + 4);
    for (n, c) in member.chars().enumerate() {
        if n > 0 && c.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [WIRE-10] [WIRE-11] [WIRE-12]
    #[test]
    fn wire_10_every_error_has_its_status_type_header_and_text() {
        let text = || "text".to_owned();
        for (error, status, kind, message) in [
            (ApiError::Validation(text()), 400, "ValidationException", "text"),
            (ApiError::NotFound(text()), 400, "ResourceNotFoundException", "text"),
            (ApiError::Serialization(text()), 400, "SerializationException", "text"),
            (ApiError::UnknownOperation(text()), 400, "UnknownOperationException", "text"),
            (ApiError::AccessDenied(text()), 400, "AccessDeniedException", "text"),
            (ApiError::InvalidSignature(text()), 400, "InvalidSignatureException", "text"),
            (
                ApiError::UnrecognizedClient,
                400,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            (
                ApiError::IncompleteSignature,
                400,
                "IncompleteSignatureException",
                "Authorization header requires a 'Credential' parameter.",
            ),
            (ApiError::MissingAuthentication, 400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
            (ApiError::Unavailable(text()), 503, "ServiceUnavailable", "text"),
            (ApiError::Store(text()), 503, "ServiceUnavailable", "The service is temporarily unavailable"),
            (ApiError::Internal(text()), 500, "InternalFailure", "The service could not process the request"),
        ] {
            let response = error.response();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["x-amzn-errortype"], kind);
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body, serde_json::json!({ "__type": kind, "message": message }));
        }
    }

    #[test]
    fn a_member_is_named_in_words() {
        assert_eq!(ApiError::field("ServiceRoleArn", "no"), ApiError::Validation("Service Role Arn: no".into()));
    }
}
