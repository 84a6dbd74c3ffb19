//! Deployment, Command, ServiceError.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Time, shape};
use crate::records::{Command, Deployment, ServiceError};

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeploymentCommand<'a> {
    name: &'a str,
    args: &'a BTreeMap<String, Vec<String>>,
}

shape! {
    /// An element of DescribeDeployments. `duration` is in whole seconds.
    DeploymentShape<'a> {
        deployment_id: &'a str, stack_id: &'a str, created_at: Time, command: DeploymentCommand<'a>, status: &'static str,
        instance_ids: Vec<&'a str>,
    } unless_absent { completed_at: Time, duration: i64, iam_user_arn: &'a str, comment: &'a str, custom_json: &'a str }
}

impl<'a> DeploymentShape<'a> {
    pub(crate) fn of(deployment: &'a Deployment) -> Self {
        let duration = deployment.completed_at.map(|end| end.as_second() - deployment.created_at.as_second());
        Self {
            deployment_id: deployment.id.as_str(),
            stack_id: deployment.stack_id.as_str(),
            created_at: Time(deployment.created_at),
            command: DeploymentCommand { name: &deployment.command, args: &deployment.args },
            status: deployment.status.as_str(),
            instance_ids: deployment.targets.iter().map(|t| t.instance_id.as_str()).collect(),
            completed_at: deployment.completed_at.map(Time),
            duration,
            iam_user_arn: deployment.iam_user_arn.as_deref(),
            comment: deployment.comment.as_deref(),
            custom_json: deployment.custom_json.as_deref(),
        }
    }
}

shape! {
    /// An element of DescribeCommands.
    CommandShape<'a> { command_id: &'a str, instance_id: &'a str, r#type: &'a str, created_at: Time, status: &'static str } unless_absent {
        deployment_id: &'a str, acknowledged_at: Time, completed_at: Time, exit_code: i32,
    }
}

impl<'a> CommandShape<'a> {
    pub(crate) fn of(command: &'a Command) -> Self {
        Self {
            command_id: command.id.as_str(),
            instance_id: command.instance_id.as_str(),
            r#type: &command.command_type,
            created_at: Time(command.created_at),
            status: command.status.as_str(),
            deployment_id: command.deployment_id.as_ref().map(|id| id.as_str()),
            acknowledged_at: command.acknowledged_at.map(Time),
            completed_at: command.completed_at.map(Time),
            exit_code: command.exit_code,
        }
    }
}

shape! {
    /// An element of DescribeServiceErrors [SVE-1].
    ServiceErrorShape<'a> { service_error_id: &'a str, stack_id: &'a str, r#type: &'a str, message: &'a str, created_at: Time } unless_absent {
        instance_id: &'a str,
    }
}

impl<'a> ServiceErrorShape<'a> {
    pub(crate) fn of(error: &'a ServiceError) -> Self {
        Self {
            service_error_id: error.id.as_str(),
            stack_id: error.stack_id.as_str(),
            r#type: &error.error_type,
            message: &error.message,
            created_at: Time(error.created_at),
            instance_id: error.instance_id.as_ref().map(|id| id.as_str()),
        }
    }
}
