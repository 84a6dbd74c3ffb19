//! Widening the stack's service role, and the instance profile with ECS access: what OpsWorks' console offered on first use [ECS-31, 41].
//!
//! In a world of `strata sim serve` it is done here. On AWS it takes rights that the API's function does not have and should not have, so
//! the commands are named that somebody with these rights can run.

use std::io::{BufRead, IsTerminal, Write};

use serde_json::{Value, json};
use strata_control::api::extension::ServiceRole;

use crate::CliError;
use crate::client::Api;
use crate::sim::serve::account::Wish;
use crate::sim::world_command;

/// The profile that OpsWorks' console made [ECS-41].
pub(super) const PROFILE: &str = "aws-opsworks-ec2-role-with-ecs";

/// Whose account it is.
pub(super) enum Account {
    /// A world on this machine, by its authority.
    World(String),
    /// A real one.
    Aws,
}

impl Account {
    /// A loopback endpoint behind which a world answers is a world.
    pub(super) fn behind(api: &Api) -> Self {
        world_command::world_behind(api.endpoint()).map_or(Self::Aws, Self::World)
    }

    /// Makes sure that the service role allows what an ECS Cluster layer calls; asks before it widens the role, unless `yes`.
    pub(super) async fn widen_role(&self, api: &Api, stack_id: &str, cluster: &str, yes: bool) -> Result<(), CliError> {
        let question = json!({ "StackId": stack_id, "EcsClusterArn": cluster });
        let role: ServiceRole = api.ask_own("CheckServiceRole", &question).await?;
        let Some(policy) = &role.policy else { return Ok(()) };
        let missing = role.missing.join(", ");
        match self {
            Self::World(authority) => {
                super::say(&format!("The service role {} does not allow {missing}.", role.role_arn))?;
                if !(yes || agrees("Add them to the role?")?) {
                    return Err(CliError::BadInput("the service role was left as it is; --yes adds what is missing".to_owned()));
                }
                let wish = Wish::Allow { role: role.role_arn.clone(), actions: role.missing.clone() };
                world_command::make(authority, &wish)?;
                super::say(&format!("Added to {}.", role.role_arn))
            }
            Self::Aws => Err(CliError::BadInput(format!(
                "the service role {} does not allow {missing}; whoever may change it runs\n  {}\nand then this command again",
                role.role_arn,
                put_role_policy(&role.role_arn, policy)
            ))),
        }
    }

    /// The instance profile of a new layer: the one named, or the standard one, made if it can be.
    pub(super) fn instance_profile(&self, named: Option<&str>, account: &str) -> Result<String, CliError> {
        match (named, self) {
            (Some(arn), _) => Ok(arn.to_owned()),
            (None, Self::World(authority)) => world_command::make(authority, &Wish::InstanceProfile { name: PROFILE.to_owned() }),
            (None, Self::Aws) => Ok(format!("arn:aws:iam::{account}:instance-profile/{PROFILE}")),
        }
    }
}

/// The command that adds `policy` to a role.
fn put_role_policy(role_arn: &str, policy: &Value) -> String {
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    format!("aws iam put-role-policy --role-name {name} --policy-name strata-ecs --policy-document '{policy}'")
}

/// Asks on a terminal; elsewhere nobody is there to agree.
fn agrees(question: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let failed = |e: std::io::Error| CliError::Failed(e.into());
    eprint!("{question} [y/N] ");
    std::io::stderr().flush().map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [ECS-31]: what is to be run on AWS is one line that can be pasted as it stands.
    #[test]
    fn ecs_31_the_command_for_aws_names_role_and_policy() {
        let policy = strata_domain::service_role::addition(&["ecs:StopTask".to_owned()]);
        let line = put_role_policy("arn:aws:iam::123456789012:role/service-role/aws-opsworks-service-role", &policy);
        assert!(line.starts_with("aws iam put-role-policy --role-name aws-opsworks-service-role --policy-name strata-ecs "));
        let document = line.split('\'').nth(1).unwrap();
        assert_eq!(serde_json::from_str::<Value>(document).unwrap(), policy);
    }
}
