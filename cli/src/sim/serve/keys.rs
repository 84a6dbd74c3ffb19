//! The keys file: which access key is whose, and what IAM allows them.
//!
//! ```toml
//! [keys]
//! AKIAADA0000000000000 = "arn:aws:iam::123456789012:user/ada"
//!
//! [policies."arn:aws:iam::123456789012:user/ada"]   # may be left out
//! allow = ["opsworks:*"]
//! deny = ["opsworks:DeleteStack"]
//! ```
//!
//! With any policy in the file, IAM allows nothing to whom none is given (OpsWorks permissions still count); without, everything to all.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use strata_local::cloud::Policy;

use crate::CliError;

/// A keys file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// ARNs by access key id.
    pub(super) keys: BTreeMap<String, String>,
    /// IAM policies by ARN.
    #[serde(default)]
    pub(super) policies: BTreeMap<String, Policy>,
}

impl Keys {
    /// Reads a keys file.
    ///
    /// # Errors
    /// Bad input: names file, line and what was expected.
    pub(super) fn read(file: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(file).map_err(|e| CliError::unreadable(file, &e))?;
        Self::parse(&text).map_err(|what| CliError::BadInput(format!("{}: {what}", file.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let keys: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            format!(
                "line {line}: {}, expected `[keys]` with lines such as AKIA... = \"arn:aws:iam::123456789012:user/ada\"",
                e.message()
            )
        })?;
        let is_arn = |arn: &&String| !(arn.starts_with("arn:") && arn.splitn(6, ':').count() == 6);
        match keys.keys.values().chain(keys.policies.keys()).find(is_arn) {
            Some(arn) => Err(format!("{arn:?} is no ARN, expected one such as \"arn:aws:iam::123456789012:user/ada\"")),
            None => Ok(keys),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_arns_and_policies_may_be_given() {
        let text =
            "[keys]\nAKIA1 = \"arn:aws:iam::1:user/ada\"\n[policies.\"arn:aws:iam::1:user/ada\"]\nallow = [\"opsworks:*\"]\n";
        let keys = Keys::parse(text).unwrap();
        assert_eq!(keys.keys["AKIA1"], "arn:aws:iam::1:user/ada");
        assert_eq!(keys.policies["arn:aws:iam::1:user/ada"].allow, ["opsworks:*"]);
    }

    #[test]
    fn what_is_no_keys_file_is_refused_with_its_line_and_what_was_expected() {
        for (text, says) in [
            ("", "missing field `keys`"),
            ("[keys]\nA = 5\n", "line 2: invalid type: integer `5`"),
            ("[keys]\nA = \"ada\"\n", "\"ada\" is no ARN"),
            ("[keys]\n[policies.ada]\nallow = []\n", "\"ada\" is no ARN"),
            ("[keys]\n\n[other]\n", "unknown field `other`"),
            ("keys", "line 1"),
        ] {
            let error = Keys::parse(text).unwrap_err();
            assert!(error.contains(says) && error.contains("arn:aws:iam::123456789012:user/ada"), "{text:?}: {error}");
        }
    }
}
