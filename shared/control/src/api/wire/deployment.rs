//! Deployment, Command, ServiceError.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Time, shape};
use crate::records::{Command, Deployment, ServiceError};

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DeploymentCommand<'a> {
    /// The command.
    name: &'a str,
    /// Arguments by name; each is a list of texts.
    args: &'a BTreeMap<String, Vec<String>>,
}

shape! {
    /// An element of DescribeDeployments. `duration` is in whole seconds.
    DeploymentShape<'a> {
        /// The deployment's id.
        deployment_id: &'a str,
        /// The stack's id.
        stack_id: &'a str,
        /// When it was made, in UTC.
        created_at: Time,
        /// What was run.
        command: DeploymentCommand<'a>,
        /// `running`, `successful` or `failed`.
        status: &'static str,
        /// Ids of the instances that it was for.
        instance_ids: Vec<&'a str>,
    } unless_absent {
        /// When it ended, in UTC.
        completed_at: Time,
        /// How long it took, in whole seconds.
        duration: i64,
        /// Who asked for it, an IAM ARN.
        iam_user_arn: &'a str,
        /// A remark, for people.
        comment: &'a str,
        /// The JSON that was given.
        custom_json: &'a str,
    }
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
    CommandShape<'a> {
        /// The command's id.
        command_id: &'a str,
        /// The instance's id, a UUID; not EC2's `i-...`.
        instance_id: &'a str,
        /// Which command it is.
        r#type: &'a str,
        /// When it was made, in UTC.
        created_at: Time,
        /// `pending`, `successful`, `failed`, `expired` or `skipped`.
        status: &'static str,
    } unless_absent {
        /// The deployment that it belongs to.
        deployment_id: &'a str,
        /// When the instance took it on, in UTC.
        acknowledged_at: Time,
        /// When it ended, in UTC.
        completed_at: Time,
        /// The exit code, once it has ended.
        exit_code: i32,
        /// Where its output can be read for an hour, if it was kept.
        log_url: String,
    }
}

impl<'a> CommandShape<'a> {
    /// With a link to its output, which is signed for the one who asks.
    pub(crate) fn of(command: &'a Command, log_url: Option<String>) -> Self {
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
            log_url,
        }
    }
}

shape! {
    /// An element of DescribeServiceErrors [SVE-1].
    ServiceErrorShape<'a> {
        /// The error's id.
        service_error_id: &'a str,
        /// The stack's id.
        stack_id: &'a str,
        /// Which kind of error.
        r#type: &'a str,
        /// What went wrong.
        message: &'a str,
        /// When it happened, in UTC.
        created_at: Time,
    } unless_absent {
        /// The instance that it is about, if it is about one.
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
