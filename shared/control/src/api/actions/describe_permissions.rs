//! DescribePermissions [ACT-34] [PERM-17] [DSC-2]: a record for every imported user and stack, given or not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::StackId;
use strata_domain::permissions::Permission;
use strata_ports::keys;

use super::describe_stacks::all_stacks;
use super::user_profiles;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::permission;
use crate::api::transaction::Answer;
use crate::api::wire::PermissionShape;
use crate::records::Stored;

/// Describes the permissions of a stack's users, or a user's permissions on stacks.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The user's IAM ARN; all users of the stack by default.
    iam_user_arn: Option<String>,
    /// The stack; all stacks of the user by default.
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The permissions: one for each user of the stack, or one for each stack of the user, or one.
    permissions: Vec<PermissionShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let permissions = match (m.stack_id, m.iam_user_arn) {
        (None, None) => {
            return Err(ApiError::Validation("Please provide a stack ID or an IAM user ARN or both".to_owned()));
        }
        (Some(stack), None) => {
            let stack = call.stack(&stack).await?.record.id;
            call.permit(Some(&stack)).await?;
            of_stack(call, &stack).await?
        }
        (None, Some(arn)) => of_user(call, &arn).await?,
        (Some(stack), Some(arn)) => {
            let stack = call.stack(&stack).await?.record.id;
            let user = user_profiles::profile(call, &arn).await?.record;
            call.permit(Some(&stack)).await?;
            vec![permission::permission_of(call, &stack, &user).await?.0]
        }
    };
    Ok(Answer::of(&Output { permissions: permissions.iter().map(PermissionShape::of).collect() }))
}

/// One for each user, oldest profile first.
async fn of_stack(call: &Call<'_>, stack: &StackId) -> Result<Vec<Permission>, ApiError> {
    let given: Vec<Stored<Permission>> = call.list(stack, keys::PERMISSION).await?;
    let mut given: BTreeMap<String, Permission> = given.into_iter().map(|p| (p.record.profile_id.clone(), p.record)).collect();
    let users = user_profiles::all_profiles(call).await?.into_iter().map(|user| user.record);
    Ok(users.map(|user| given.remove(&user.id).unwrap_or_else(|| Permission::default_of(stack.clone(), &user))).collect())
}

/// One for each stack whose permissions the caller may see, oldest stack first.
async fn of_user(call: &Call<'_>, arn: &str) -> Result<Vec<Permission>, ApiError> {
    let user = user_profiles::profile(call, arn).await?.record;
    let mut stacks = permission::visible(call, all_stacks(call).await?).await?;
    stacks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    let mut permissions = Vec::with_capacity(stacks.len());
    for stack in stacks {
        permissions.push(permission::permission_of(call, &stack.id, &user).await?.0);
    }
    Ok(permissions)
}
