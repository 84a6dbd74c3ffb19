//! Texts that nobody may read in a log.

use serde::{Deserialize, Serialize};

/// A password or a private key. It is stored as it is, and shown to nobody: neither by `Debug` nor by the API [WIRE-7].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What is shown in its place; an update that sends this keeps what is stored [WIRE-7].
    pub const FILTERED: &'static str = "*****FILTERED*****";

    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::FILTERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [WIRE-7], the part of logs.
    #[test]
    fn wire_7_a_secret_is_stored_and_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), Secret::FILTERED);
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"hunter2\"");
        assert_eq!(secret.reveal(), "hunter2");
    }
}
