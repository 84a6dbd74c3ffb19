//! DescribeUserProfiles [ACT-42] [DSC-4] [DSC-6].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::UserProfile;

use super::user_profiles;
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty};
use crate::api::transaction::Answer;
use crate::api::wire::UserProfileShape;
use crate::records::Stored;

/// Describes the profiles of some or all users.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The users' IAM ARNs; all users by default.
    iam_user_arns: Option<Vec<String>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The profiles, oldest first.
    user_profiles: Vec<UserProfileShape<'a>>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arns = non_empty(m.iam_user_arns);
    let mut profiles: Vec<Stored<UserProfile>> = Vec::new();
    for arn in arns.iter().flatten() {
        profiles.push(user_profiles::profile(call, arn).await?);
    }
    call.permit(None).await?;
    if arns.is_none() {
        profiles = user_profiles::all_profiles(call).await?;
    }
    user_profiles::sort(&mut profiles);
    profiles.dedup_by(|a, b| a.record.id == b.record.id);
    Ok(Answer::of(&Output { user_profiles: profiles.iter().map(|p| UserProfileShape::of(&p.record)).collect() }))
}
