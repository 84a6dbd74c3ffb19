//! UpdateMyUserProfile [ACT-70] [USR-2, 3]: the caller's own public key.

use schemars::JsonSchema;
use serde::Deserialize;

use super::update_stack::unless_emptied;
use super::user_profiles::{self, Wanted};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::permission;
use crate::api::transaction::Answer;

/// Updates the caller's own public key.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The caller's public key: one OpenSSH line.
    ssh_public_key: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let wanted = Wanted::read(None, m.ssh_public_key, None)?;
    call.permit(None).await?;
    let mut answer = Answer::default();
    match permission::profile(call, &call.principal.arn).await? {
        Some(stored) => {
            let mut next = stored.record.clone();
            next.ssh_public_key = unless_emptied(input, "SshPublicKey", wanted.ssh_public_key, next.ssh_public_key);
            user_profiles::change(call, &stored, &next, &mut answer).await?;
        }
        None => drop(user_profiles::make_own(call, wanted, &mut answer).await?),
    }
    Ok(answer)
}
