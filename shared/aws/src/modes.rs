//! Modes, as SSM parameters: plain `aws ssm put-parameter` sets one.

use async_trait::async_trait;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use strata_domain::mode::Mode;
use strata_ports::{CloudError, ModeScope, Modes};

use crate::error::{Effect, sort};
use crate::{Base, Role, Uses};

const ACTION: &str = "ssm:GetParameters";
/// Names in one GetParameters call.
const PER_CALL: usize = 10;

/// What the methods need.
pub const USES: &[Uses] = &[Uses { method: "read", role: Role::Function, actions: &[ACTION] }];

/// SSM's parameters in the installation's region, under the function's own role.
pub struct SsmModes {
    client: Client,
    installation: String,
}

impl SsmModes {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        let config = Builder::from(&base.own("SSM")).interceptor(base.log().clone()).build();
        Self { client: Client::from_conf(config), installation: base.settings().installation.clone() }
    }
}

#[async_trait]
impl Modes for SsmModes {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        let names: Vec<String> = scopes.iter().map(|scope| scope.parameter(&self.installation)).collect();
        let mut modes = Vec::with_capacity(names.len());
        for chunk in names.chunks(PER_CALL) {
            let request = self.client.get_parameters().set_names(Some(chunk.to_vec()));
            let answer = request.send().await.map_err(|error| sort(ACTION, Effect::Read, error))?;
            let value = |name: &str| answer.parameters().iter().find(|p| p.name() == Some(name)).and_then(|p| p.value());
            for name in chunk {
                modes.push(mode(name, value(name), answer.invalid_parameters())?);
            }
        }
        Ok(modes)
    }
}

/// A parameter that SSM says nothing of has not been read.
fn mode(name: &str, value: Option<&str>, invalid: &[String]) -> Result<Option<Mode>, CloudError> {
    match value {
        None if invalid.iter().any(|i| i == name) => Ok(None),
        None => Err(CloudError::RetryLater { action: ACTION, why: format!("the parameter {name} is missing from the answer") }),
        Some(value) => Mode::parse(value).map(Some).ok_or_else(|| {
            let why = format!("the parameter {name} is {value:?}; expected active, observe or frozen");
            // The port's callers only learn that the mode is unreadable; whoever set this wants to know why.
            tracing::warn!(mode.parameter = name, mode.value = value, "{why}");
            CloudError::Wrong { action: ACTION, code: "ValidationException".to_owned(), why }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_has_its_parameter() {
        for (scope, name) in [
            (ModeScope::Installation, "/shop/mode"),
            (ModeScope::Stack("s".into()), "/shop/mode/stack/s"),
            (ModeScope::Layer("l".into()), "/shop/mode/layer/l"),
        ] {
            assert_eq!(scope.parameter("shop"), name);
        }
    }

    #[test]
    fn what_is_not_there_is_none_and_what_is_no_mode_is_unreadable() {
        let none = ["/s/mode".to_owned()];
        assert_eq!(mode("/s/mode", None, &none), Ok(None));
        assert_eq!(mode("/s/mode", Some("frozen"), &[]), Ok(Some(Mode::Frozen)));
        assert!(mode("/s/mode", None, &[]).unwrap_err().is_retryable());
        let error = mode("/s/mode", Some("froozen"), &[]).unwrap_err();
        assert!(
            error.to_string().contains("the parameter /s/mode is \"froozen\"; expected active, observe or frozen"),
            "{error}"
        );
    }
}
