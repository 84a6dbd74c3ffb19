//! Time and fresh ids: the two things that the domain is never given a source of.

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// Makes ids.
pub trait Ids: Send + Sync {
    /// A fresh lower-case uuid v4 with hyphens [IDN-1].
    fn uuid(&self) -> String;
}
