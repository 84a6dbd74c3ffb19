//! Objects: files that Strata keeps, and lends by a link.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;

use crate::CloudError;

/// A key has 1 to so many bytes; S3's limit.
pub const MAX_KEY_BYTES: usize = 1_024;
/// A link is good for at most so long; S3's limit.
pub const LONGEST_LINK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// S3: one private bucket, under the function's own role.
///
/// A key that is empty or longer than [`MAX_KEY_BYTES`] is [`CloudError::Wrong`] everywhere.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Writes an object whole, in place of the one that was there.
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError>;
    /// An object's bytes; `None`: there is none.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CloudError>;
    /// Removes an object. One that is gone already is a success.
    async fn delete(&self, key: &str) -> Result<(), CloudError>;
    /// A URL from which whoever has it gets the object, with its content type and without credentials, for `valid_for`: a whole number of
    /// seconds, up to [`LONGEST_LINK`]. Whether the object is there is not asked.
    ///
    /// On S3 a link ends with the credentials that signed it, which for a function are good for some hours.
    async fn link(&self, key: &str, valid_for: SignedDuration) -> Result<String, CloudError>;
}

/// Refuses a key that no object can have. For adapters.
///
/// # Errors
/// [`CloudError::Wrong`] of `action`.
pub fn check_key(action: &'static str, key: &str) -> Result<(), CloudError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    let why = format!("a key of {} bytes, and 1 to {MAX_KEY_BYTES} are possible", key.len());
    Err(CloudError::Wrong { action, code: "InvalidKey".to_owned(), why })
}

/// Refuses a link that is never or for too long good. For adapters.
///
/// # Errors
/// [`CloudError::Wrong`] of `action`.
pub fn check_validity(action: &'static str, valid_for: SignedDuration) -> Result<(), CloudError> {
    if (SignedDuration::from_secs(1)..=LONGEST_LINK).contains(&valid_for) {
        return Ok(());
    }
    let why = format!("a link good for {valid_for}, and one second to {LONGEST_LINK} are possible");
    Err(CloudError::Wrong { action, code: "InvalidExpires".to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_links_have_limits() {
        for (bytes, possible) in [(0, false), (1, true), (MAX_KEY_BYTES, true), (MAX_KEY_BYTES + 1, false)] {
            assert_eq!(check_key("s3:GetObject", &"k".repeat(bytes)).is_ok(), possible, "{bytes}");
        }
        let week = 7 * 24 * 3_600;
        for (seconds, possible) in [(-1, false), (0, false), (1, true), (week, true), (week + 1, false)] {
            assert_eq!(check_validity("s3:GetObject", SignedDuration::from_secs(seconds)).is_ok(), possible, "{seconds}");
        }
    }
}
