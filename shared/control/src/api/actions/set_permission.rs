//! SetPermission [ACT-56] [PERM-14..16] [SSH-8].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::permissions::PermissionLevel;
use strata_domain::users::on_hosts;
use strata_ports::{Change, keys};

use super::user_profiles;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::permission;
use crate::api::transaction::Answer;

/// Sets a user's permissions on a stack; members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack.
    #[schemars(required)]
    stack_id: Option<String>,
    /// The user's IAM ARN.
    #[schemars(required)]
    iam_user_arn: Option<String>,
    /// Whether the user has SSH access to the stack's instances.
    allow_ssh: Option<bool>,
    /// Whether the user may use sudo there; it has no effect without SSH access.
    allow_sudo: Option<bool>,
    /// The level: `deny`, `show`, `deploy`, `manage` or `iam_only`. Nobody may set the own one.
    level: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack_id = required(m.stack_id, "StackId")?;
    let arn = required(m.iam_user_arn, "IamUserArn")?;
    let level = m.level.as_deref().map(read_level).transpose()?;
    let stack = call.stack(&stack_id).await?;
    let user = user_profiles::profile(call, &arn).await?;
    call.permit(Some(&stack.record.id)).await?;
    if level.is_some() && arn == call.principal.arn {
        return Err(ApiError::field("Level", "nobody may set the own permission level; ask another user with level manage"));
    }
    let (mut next, expect) = permission::permission_of(call, &stack.record.id, &user.record).await?;
    let on_hosts_before = on_hosts(&user.record, &next);
    next.level = level.unwrap_or(next.level);
    next.allow_ssh = m.allow_ssh.unwrap_or(next.allow_ssh);
    next.allow_sudo = m.allow_sudo.unwrap_or(next.allow_sudo);
    // The checks let no permission outlive its stack or its user.
    let mut changes = vec![Change::put(keys::permission(&stack.record.id, &arn), &next, expect), stack.check(), user.check()];
    if on_hosts(&user.record, &next) != on_hosts_before {
        changes.push(call.users_due(Some(&stack.record.id)).await?);
    }
    Ok(Answer::done(changes))
}

fn read_level(text: &str) -> Result<PermissionLevel, ApiError> {
    PermissionLevel::parse(text).ok_or_else(|| {
        let words = PermissionLevel::ALL.map(PermissionLevel::as_str).join(", ");
        ApiError::field("Level", format!("\"{text}\" is not one of {words}"))
    })
}
