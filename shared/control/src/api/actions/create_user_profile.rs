//! CreateUserProfile [ACT-11] [USR-1, 5, 7]: imports an IAM user. One that is imported already is imported anew.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::UserProfile;
use strata_domain::users::{self, Named, NamedKind};

use super::user_profiles::{self, Wanted};
use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::permission;
use crate::api::transaction::Answer;
use crate::records::Stored;

/// Imports an IAM user: creates a profile of the user, or replaces the one that is there.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The user's IAM ARN.
    #[schemars(required)]
    iam_user_arn: Option<String>,
    /// The user's name on instances: letters, digits, `_` and `-`; other characters are removed. Made of the IAM name by default.
    ssh_username: Option<String>,
    /// The user's public key: one OpenSSH line.
    ssh_public_key: Option<String>,
    /// Whether the user may change the own public key; false by default.
    allow_self_management: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The user's IAM ARN.
    iam_user_arn: &'a str,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let arn = required(m.iam_user_arn, "IamUserArn")?;
    let of = importable(&arn, &call.config.account)?;
    let wanted = Wanted::read(m.ssh_username.as_deref(), m.ssh_public_key, m.allow_self_management)?;
    call.permit(None).await?;
    let mut answer = Answer::of(&Output { iam_user_arn: &arn });
    match permission::profile(call, &arn).await? {
        Some(stored) => replace(call, &stored, of, wanted, &mut answer).await?,
        None => drop(user_profiles::make(call, (&arn, of), wanted, &mut answer).await?),
    }
    Ok(answer)
}

/// An IAM user of the account, or the session of a federated user.
fn importable<'a>(arn: &'a str, account: &str) -> Result<Named<'a>, ApiError> {
    match users::named(arn) {
        Some(of) if of.kind == NamedKind::Root => Err(ApiError::field("IamUserArn", "the account itself is no user")),
        Some(of) if of.account != account => Err(ApiError::field("IamUserArn", format!("must belong to account {account}"))),
        Some(of) => Ok(of),
        None => Err(ApiError::field(
            "IamUserArn",
            "must have the form arn:<partition>:iam::<account>:user/<name>, or be a federated user's ARN, \
             arn:<partition>:sts::<account>:assumed-role/<role>/<session>",
        )),
    }
}

/// Our choice: a profile that is imported anew takes what is sent, or the defaults; its UID and its permissions stay, so that no import
/// lifts a `deny`.
async fn replace(
    call: &Call<'_>,
    stored: &Stored<UserProfile>,
    of: Named<'_>,
    wanted: Wanted,
    answer: &mut Answer,
) -> Result<(), ApiError> {
    let mut taken = user_profiles::taken_names(call).await?;
    taken.remove(&stored.record.ssh_username);
    let next = UserProfile {
        ssh_username: wanted.ssh_username.unwrap_or_else(|| users::default_ssh_username(of.name, &taken)),
        ssh_public_key: wanted.ssh_public_key,
        allow_self_management: wanted.allow_self_management.unwrap_or(false),
        ..stored.record.clone()
    };
    user_profiles::change(call, stored, &next, answer).await
}
