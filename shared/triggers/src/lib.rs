//! What wakes a function, in the forms that AWS sends.

/// Placeholder until the parser stands in this file.
#[derive(Debug, thiserror::Error)]
#[error("event")]
pub struct EventError;
