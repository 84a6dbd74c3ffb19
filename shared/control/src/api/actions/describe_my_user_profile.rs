//! DescribeMyUserProfile [ACT-32] [USR-2, 3]: the caller's own; the first look makes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::user_profiles::{self, Wanted};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::Input;
use crate::api::permission;
use crate::api::transaction::Answer;
use crate::api::wire::{SelfUserProfileShape, body};

/// Describes the caller's own profile; the first call creates it.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Members {}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The caller's profile.
    user_profile: SelfUserProfileShape<'a>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let Members {} = input.read()?;
    call.permit(None).await?;
    let mut answer = Answer::default();
    let profile = match permission::profile(call, &call.principal.arn).await? {
        Some(stored) => stored.record,
        None => user_profiles::make_own(call, Wanted::default(), &mut answer).await?,
    };
    answer.body = body(&Output { user_profile: SelfUserProfileShape::of(&profile) });
    Ok(answer)
}
