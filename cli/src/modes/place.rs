//! Where modes are kept: SSM parameters on AWS, the world's own in a world on this machine.

use strata_domain::mode::Mode;
use strata_ports::ModeScope;

use crate::CliError;
use crate::args::ModeArgs;
use crate::client::Api;
use crate::sim::serve::modes::Turn;
use crate::sim::world_command;

pub(super) enum Place {
    /// A world on this machine, by its authority.
    World(String),
    /// An installation on AWS.
    #[cfg(feature = "aws")]
    Aws(Box<strata_aws::mode_switch::ModeSwitch>, String),
}

impl Place {
    /// A loopback endpoint behind which a world answers is a world; everything else is AWS.
    pub(super) async fn find(api: Option<&Api>, args: &ModeArgs, installation: &str, command: &str) -> Result<Self, CliError> {
        if let Some(authority) = api.and_then(|api| world_command::world_behind(api.endpoint())) {
            return Ok(Self::World(authority));
        }
        aws(api, args, installation, command).await
    }

    pub(super) async fn read(&self, scope: &ModeScope) -> Result<Option<String>, CliError> {
        match self {
            Self::World(authority) => {
                let modes = world_command::modes(authority)?;
                let own = modes.into_iter().find(|turn| turn.scope == *scope).and_then(|turn| turn.mode);
                Ok(own.map(|mode| mode.as_str().to_owned()))
            }
            #[cfg(feature = "aws")]
            Self::Aws(switch, parameters) => switch.read(scope).await.map_err(|error| explain(&error, parameters)),
        }
    }

    pub(super) async fn turn(&self, scope: &ModeScope, wanted: Option<Mode>, reason: &str) -> Result<(), CliError> {
        match self {
            Self::World(authority) => {
                world_command::turn(authority, &Turn { scope: scope.clone(), mode: wanted, reason: Some(reason.to_owned()) })
            }
            #[cfg(feature = "aws")]
            Self::Aws(switch, parameters) => match wanted {
                Some(mode) => switch.set(scope, mode, Some(reason)).await,
                None => switch.remove(scope).await,
            }
            .map_err(|error| explain(&error, parameters)),
        }
    }
}

#[cfg(feature = "aws")]
async fn aws(api: Option<&Api>, args: &ModeArgs, installation: &str, command: &str) -> Result<Place, CliError> {
    let base = crate::aws::base(&args.api, api.map(Api::endpoint), installation).await;
    // Whoever cannot go this way may still go the other one.
    let base = base.map_err(|error| CliError::BadInput(format!("{error}\nThe same by hand:\n  {command}")))?;
    let parameters = format!("arn:aws:ssm:{}:*:parameter/{installation}/mode*", base.settings().region);
    Ok(Place::Aws(Box::new(strata_aws::mode_switch::ModeSwitch::new(&base)), parameters))
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "with the feature `aws` it asks for credentials")]
async fn aws(_: Option<&Api>, _: &ModeArgs, _: &str, command: &str) -> Result<Place, CliError> {
    Err(CliError::Failed(anyhow::anyhow!(
        "this build of strata does not call AWS; run\n  {command}\nwhich does the same, or get a build that does: \
         cargo install --path cli --features aws"
    )))
}

/// What SSM said; whoever may not do it gets the statement that he lacks.
#[cfg(feature = "aws")]
fn explain(error: &strata_ports::CloudError, parameters: &str) -> CliError {
    let denied = error.code().is_some_and(|code| code.starts_with("AccessDenied"));
    let lacks = denied.then(|| {
        let statement =
            serde_json::json!({ "Effect": "Allow", "Action": strata_aws::mode_switch::ACTIONS, "Resource": parameters });
        format!("\nThe statement that is missing:\n  {statement}")
    });
    CliError::Failed(anyhow::anyhow!("{error}{}", lacks.unwrap_or_default()))
}
