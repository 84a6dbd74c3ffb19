//! UpdateUserProfile [ACT-73] [USR-6, 7].

use schemars::JsonSchema;
use serde::Deserialize;

use super::update_stack::unless_emptied;
use super::user_profiles::{self, Wanted};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Updates a user's profile; members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The user's IAM ARN.
    #[schemars(required)]
    iam_user_arn: Option<String>,
    /// The user's name on instances: letters, digits, `_` and `-`; other characters are removed.
    ssh_username: Option<String>,
    /// The user's public key: one OpenSSH line.
    ssh_public_key: Option<String>,
    /// Whether the user may change the own public key.
    allow_self_management: Option<bool>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arn = required(m.iam_user_arn, "IamUserArn")?;
    let wanted = Wanted::read(m.ssh_username.as_deref(), m.ssh_public_key, m.allow_self_management)?;
    let stored = user_profiles::profile(call, &arn).await?;
    call.permit(None).await?;
    let mut next = stored.record.clone();
    next.ssh_username = wanted.ssh_username.unwrap_or(next.ssh_username);
    next.ssh_public_key = unless_emptied(input, "SshPublicKey", wanted.ssh_public_key, next.ssh_public_key);
    next.allow_self_management = wanted.allow_self_management.unwrap_or(next.allow_self_management);
    let mut answer = Answer::default();
    user_profiles::change(call, &stored, &next, &mut answer).await?;
    Ok(answer)
}
