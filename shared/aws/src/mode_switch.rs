//! Turning modes, as on-call does it from the command line, under the caller's own rights. The functions only read them.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::types::ParameterType;
use strata_domain::mode::Mode;
use strata_ports::{CloudError, ModeScope};

use crate::Base;
use crate::error::{Effect, sort};

/// What the caller needs, on the parameters `/<installation>/mode*`.
pub const ACTIONS: [&str; 3] = ["ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter"];

/// The mode parameters of an installation.
pub struct ModeSwitch {
    client: Client,
    installation: String,
}

impl ModeSwitch {
    /// Of the installation that the settings name.
    pub fn new(base: &Base) -> Self {
        let config = Builder::from(&base.own("SSM")).interceptor(base.log().clone()).build();
        Self { client: Client::from_conf(config), installation: base.settings().installation.clone() }
    }

    /// The text of a scope's parameter; `None` if there is none. A text that is no mode counts as unreadable for the functions.
    ///
    /// # Errors
    /// [`CloudError`]: SSM does not answer, or not to this caller.
    pub async fn read(&self, scope: &ModeScope) -> Result<Option<String>, CloudError> {
        match self.client.get_parameter().name(scope.parameter(&self.installation)).send().await {
            Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
            Err(error) => unless_absent(sort("ssm:GetParameter", Effect::Read, error)).map(|()| None),
        }
    }

    /// Sets it; `why` becomes the parameter's description.
    ///
    /// # Errors
    /// [`CloudError`]: SSM does not take it, or not from this caller.
    pub async fn set(&self, scope: &ModeScope, mode: Mode, why: Option<&str>) -> Result<(), CloudError> {
        let request = self.client.put_parameter().name(scope.parameter(&self.installation)).value(mode.as_str());
        let request = request.r#type(ParameterType::String).overwrite(true).set_description(why.map(str::to_owned));
        request.send().await.map_err(|error| sort("ssm:PutParameter", Effect::Write, error))?;
        Ok(())
    }

    /// Removes it, so that the scope says nothing any more; one that is not there is gone already.
    ///
    /// # Errors
    /// [`CloudError`]: SSM does not do it, or not for this caller.
    pub async fn remove(&self, scope: &ModeScope) -> Result<(), CloudError> {
        match self.client.delete_parameter().name(scope.parameter(&self.installation)).send().await {
            Ok(_) => Ok(()),
            Err(error) => unless_absent(sort("ssm:DeleteParameter", Effect::Write, error)),
        }
    }
}

fn unless_absent(error: CloudError) -> Result<(), CloudError> {
    if error.code() == Some("ParameterNotFound") { Ok(()) } else { Err(error) }
}
