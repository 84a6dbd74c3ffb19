//! The environment that Lambda starts a function in: its settings and its role's credentials. Read once, by `main`.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::{Base, Settings, SettingsError};

impl Base {
    /// From this process's environment. For a `main`.
    ///
    /// # Errors
    /// [`SettingsError`] names the first variable that is missing or cannot be right.
    #[expect(clippy::disallowed_methods, reason = "this is what a main calls to read its settings, once")]
    pub fn from_environment() -> Result<Self, SettingsError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// As [`from_environment`](Self::from_environment), from elsewhere.
    ///
    /// # Errors
    /// See there.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let settings = Settings::read(&variable)?;
        Ok(Self::new(settings, SharedCredentialsProvider::new(credentials(variable)?)))
    }
}

/// The role's credentials. Lambda sets them before it starts a function, and ends it before they expire.
fn credentials(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, SettingsError> {
    let get = |name| variable(name).filter(|value| !value.is_empty());
    let required = |name| {
        get(name).ok_or(SettingsError::Missing { name, expected: "the credentials of the function's role, which Lambda sets" })
    };
    let (id, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
    Ok(Credentials::new(id, secret, get("AWS_SESSION_TOKEN"), None, "environment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 4] = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret-of-the-role"),
        ("AWS_SESSION_TOKEN", "t0ken"),
    ];

    fn base(without: Option<&str>) -> Result<Base, SettingsError> {
        let there = |name: &str| ALL.iter().find(|(n, _)| *n == name && Some(*n) != without).map(|(_, v)| (*v).to_owned());
        Base::from_variables(there)
    }

    #[test]
    fn what_is_missing_is_named_in_one_line() {
        for (name, of) in [
            ("AWS_REGION", "the region"),
            ("AWS_ACCESS_KEY_ID", "the credentials of the function's role"),
            ("AWS_SECRET_ACCESS_KEY", "the credentials of the function's role"),
        ] {
            let error = base(Some(name)).unwrap_err().to_string();
            assert_eq!(error, format!("the environment variable {name} is not set; expected {of}, which Lambda sets"));
        }
    }

    #[test]
    fn a_user_s_keys_need_no_session_token_and_secrets_are_not_shown() {
        assert!(base(Some("AWS_SESSION_TOKEN")).is_ok());
        let shown = format!("{:?}", base(None).unwrap());
        assert!(!shown.contains("s3cret-of-the-role") && !shown.contains("t0ken"), "{shown}");
    }
}
