//! DeleteUserProfile [ACT-16] [USR-4]: the user's permissions on all stacks go with it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::user_profiles;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;

/// Deletes a user's profile together with the user's permissions on all stacks.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The user's IAM ARN.
    #[schemars(required)]
    iam_user_arn: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stored = user_profiles::profile(call, &required(m.iam_user_arn, "IamUserArn")?).await?;
    call.permit(None).await?;
    let mut answer = Answer::default();
    user_profiles::remove(call, &stored, &mut answer).await?;
    Ok(answer)
}
