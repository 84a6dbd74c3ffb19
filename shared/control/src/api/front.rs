//! What a front door answers that does not let a request through: in the API's own form, so that clients read it as they read the rest.

use bytes::Bytes;
use http::Response;

use super::Api;
use super::error::ApiError;

/// At most so many bytes in a request; Lambda's own limit is 6 MB. What reads a body before the API need not keep more.
pub const MAX_BODY_BYTES: usize = 6_000_000;

/// Why a request is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not signed.
    MissingAuthentication,
    /// Its `Authorization` header has no credential that could be read.
    IncompleteSignature,
    /// Nobody has this access key.
    UnknownKey,
    /// It is signed for this region, which is not the one served [TXT-11].
    WrongRegion(String),
    /// Its body has so many bytes.
    TooLarge(u64),
}

impl From<&Refusal> for ApiError {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::MissingAuthentication => Self::MissingAuthentication,
            Refusal::IncompleteSignature => Self::IncompleteSignature,
            Refusal::UnknownKey => Self::UnrecognizedClient,
            Refusal::WrongRegion(region) => {
                Self::InvalidSignature(format!("Credential should be scoped to a valid region, not '{region}'."))
            }
            Refusal::TooLarge(bytes) => too_large(*bytes),
        }
    }
}

pub(super) fn too_large(bytes: u64) -> ApiError {
    ApiError::Serialization(format!("the body has {bytes} bytes; at most {MAX_BODY_BYTES} are read"))
}

impl Api {
    /// The answer to a request that is not let through.
    pub fn refuse(&self, refusal: &Refusal) -> Response<Bytes> {
        self.complete(ApiError::from(refusal).response())
    }
}
