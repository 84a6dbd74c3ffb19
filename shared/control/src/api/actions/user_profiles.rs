//! What the actions on user profiles share: making, changing and removing one together with its SSH user name and UID (updates-and-access.md,
//! section 4).
//!
//! Three records make a profile: itself, the SSH user name that it has, and its UID. They change in one commit, so no two profiles become
//! one Unix user whoever is quicker.

use std::collections::BTreeSet;

use strata_domain::StackId;
use strata_domain::model::UserProfile;
use strata_domain::permissions::Permission;
use strata_domain::users::{self, Named, NamedKind};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::permission;
use crate::api::transaction::{After, Answer};
use crate::records::Stored;

/// So many stacks are named in one commit.
const MAX_DUE: usize = 50;

/// What a profile is made of, or changed to; an absent member takes its default, or stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) ssh_username: Option<String>,
    pub(super) ssh_public_key: Option<String>,
    pub(super) allow_self_management: Option<bool>,
}

impl Wanted {
    /// Reads the members as sent.
    ///
    /// # Errors
    /// ValidationException: no Unix user's name, or no public key [USR-7].
    pub(super) fn read(
        ssh_username: Option<&str>,
        ssh_public_key: Option<String>,
        allow_self_management: Option<bool>,
    ) -> Result<Self, ApiError> {
        let ssh_username =
            ssh_username.map(users::given_ssh_username).transpose().map_err(|e| ApiError::field("SshUsername", e))?;
        if let Some(key) = &ssh_public_key {
            users::check_public_key(key).map_err(|e| ApiError::field("SshPublicKey", e))?;
        }
        Ok(Self { ssh_username, ssh_public_key, allow_self_management })
    }
}

/// `Unable to find user with ARN <arn>` [TXT-6].
pub(super) fn unknown_user(arn: &str) -> ApiError {
    ApiError::NotFound(format!("Unable to find user with ARN {arn}"))
}

/// A user's profile, or R.
pub(super) async fn profile(call: &Call<'_>, arn: &str) -> Result<Stored<UserProfile>, ApiError> {
    permission::profile(call, arn).await?.ok_or_else(|| unknown_user(arn))
}

/// All profiles, oldest first [DSC-6].
pub(super) async fn all_profiles(call: &Call<'_>) -> Result<Vec<Stored<UserProfile>>, ApiError> {
    let items = call.store().list(&Listing::of(keys::USERS_PK, "")).await?;
    let mut profiles: Vec<Stored<UserProfile>> = items.into_iter().map(Stored::of).collect::<Result<_, _>>()?;
    sort(&mut profiles);
    Ok(profiles)
}

/// Oldest first; of the same second in the order of their UIDs.
pub(super) fn sort(profiles: &mut [Stored<UserProfile>]) {
    profiles.sort_by_key(|p| (p.record.created_at, p.record.uid));
}

/// Adds the changes that make a profile for `arn`.
///
/// Our choice: an IAM user's name is unique in the account, so a profile of the same name under another path is that of a user who is gone;
/// the new one replaces it [USR-1], with permissions and UID of its own.
pub(super) async fn make(
    call: &Call<'_>,
    (arn, of): (&str, Named<'_>),
    wanted: Wanted,
    answer: &mut Answer,
) -> Result<UserProfile, ApiError> {
    let replaced = replaced_by(call, of).await?;
    let mut names = taken_names(call).await?;
    for old in &replaced {
        names.remove(&old.record.ssh_username);
        remove(call, old, answer).await?;
    }
    let ssh_username = wanted.ssh_username.unwrap_or_else(|| users::default_ssh_username(of.name, &names));
    let profile = UserProfile {
        id: call.ports.ids.uuid(),
        iam_user_arn: arn.to_owned(),
        name: of.name.to_owned(),
        ssh_username,
        ssh_public_key: wanted.ssh_public_key,
        allow_self_management: wanted.allow_self_management.unwrap_or(false),
        uid: take_uid(call, arn, answer).await?,
        created_at: call.now,
    };
    take_name(call, &profile, answer).await?;
    answer.changes.push(Change::put(keys::user(arn), &profile, Expect::Absent));
    Ok(profile)
}

/// Adds the changes that make the caller's own profile, on the first use of the calls that are about it [USR-2].
pub(super) async fn make_own(call: &Call<'_>, wanted: Wanted, answer: &mut Answer) -> Result<UserProfile, ApiError> {
    let arn = call.principal.arn.as_str();
    let nameless =
        || ApiError::Validation(format!("The caller {arn} is neither an IAM user nor a role's session, so it has no profile"));
    let of = users::named(arn).ok_or_else(nameless)?;
    make(call, (arn, of), wanted, answer).await
}

/// Adds the changes that put `next` in a profile's place.
pub(super) async fn change(
    call: &Call<'_>,
    stored: &Stored<UserProfile>,
    next: &UserProfile,
    answer: &mut Answer,
) -> Result<(), ApiError> {
    if next.ssh_username != stored.record.ssh_username {
        give_name_back(call, &stored.record, answer).await?;
        take_name(call, next, answer).await?;
    }
    let of = |p: &UserProfile| (p.ssh_username.clone(), p.ssh_public_key.clone());
    if of(next) != of(&stored.record) {
        users_due(call, &stored.record, answer).await?;
    }
    answer.changes.push(stored.put(next));
    Ok(())
}

/// Adds the changes that make users due on the stacks on whose hosts the profile's user is [SSH-9]; where they are many, on all stacks.
async fn users_due(call: &Call<'_>, profile: &UserProfile, answer: &mut Answer) -> Result<(), ApiError> {
    let mut stacks = Vec::new();
    for item in call.store().list(&Listing::of(keys::STACKS_PK, "")).await? {
        let stack = StackId::from(item.key.sk);
        let permission = call.find::<Permission>(&keys::permission(&stack, &profile.iam_user_arn)).await?;
        if permission.is_some_and(|permission| users::on_hosts(profile, &permission.record).is_some()) {
            stacks.push(stack);
        }
    }
    if stacks.len() > MAX_DUE {
        answer.changes.push(call.users_due(None).await?);
        return Ok(());
    }
    for stack in &stacks {
        // Two profiles may be removed in one commit.
        let due = call.users_due(Some(stack)).await?;
        if answer.changes.iter().all(|change| change.key() != due.key()) {
            answer.changes.push(due);
        }
    }
    Ok(())
}

/// Adds the changes that remove a profile. Its permissions count no longer from the commit on, since they name the profile; their
/// records are swept after it [USR-4].
pub(super) async fn remove(call: &Call<'_>, stored: &Stored<UserProfile>, answer: &mut Answer) -> Result<(), ApiError> {
    users_due(call, &stored.record, answer).await?;
    let UserProfile { id, iam_user_arn, uid, .. } = &stored.record;
    answer.changes.push(stored.delete());
    give_name_back(call, &stored.record, answer).await?;
    if let Some(item) = call.store().get(&keys::uid(*uid)).await? {
        answer.changes.push(Change::put(keys::uid(*uid), &None::<String>, item.unchanged()));
    }
    answer.after.push(After::Permissions { iam_user_arn: iam_user_arn.clone(), profile_id: id.clone() });
    Ok(())
}

async fn replaced_by(call: &Call<'_>, new: Named<'_>) -> Result<Vec<Stored<UserProfile>>, ApiError> {
    if new.kind != NamedKind::User {
        return Ok(Vec::new());
    }
    // IAM compares names whatever their case.
    let is_same = |p: &UserProfile| {
        users::named(&p.iam_user_arn)
            .is_some_and(|of| of.kind == new.kind && of.account == new.account && of.name.eq_ignore_ascii_case(new.name))
    };
    Ok(all_profiles(call).await?.into_iter().filter(|p| is_same(&p.record)).collect())
}

/// The SSH user names of all profiles.
pub(super) async fn taken_names(call: &Call<'_>) -> Result<BTreeSet<String>, ApiError> {
    let items = call.store().list(&Listing::of(keys::SSH_NAMES_PK, "")).await?;
    Ok(items.into_iter().map(|item| item.key.sk).collect())
}

/// Takes the profile's SSH user name. Where this very commit gives it back, the record changes hands instead.
async fn take_name(call: &Call<'_>, profile: &UserProfile, answer: &mut Answer) -> Result<(), ApiError> {
    let key = keys::ssh_name(&profile.ssh_username);
    let owner = &profile.iam_user_arn;
    if let Some(given_back) = answer.changes.iter_mut().find(|change| change.key() == &key) {
        if let Change::Delete { expect, .. } = *given_back {
            *given_back = Change::put(key, owner, expect);
        }
        return Ok(());
    }
    if let Some(holder) = call.find::<String>(&key).await? {
        let text = format!("\"{}\" is the SSH user name of {} already; choose another", profile.ssh_username, holder.record);
        return Err(ApiError::field("SshUsername", text));
    }
    answer.changes.push(Change::put(key, owner, Expect::Absent));
    Ok(())
}

async fn give_name_back(call: &Call<'_>, profile: &UserProfile, answer: &mut Answer) -> Result<(), ApiError> {
    let name = call.find::<String>(&keys::ssh_name(&profile.ssh_username)).await?;
    answer.changes.extend(name.filter(|name| name.record == profile.iam_user_arn).map(|name| name.delete()));
    Ok(())
}

/// Takes a UID for a new profile [USR-5]; of two that take the same one at once the loser looks again.
async fn take_uid(call: &Call<'_>, arn: &str, answer: &mut Answer) -> Result<u32, ApiError> {
    let items = call.store().list(&Listing::of(keys::UIDS_PK, "")).await?;
    let records: Vec<Stored<Option<String>>> = items.into_iter().map(Stored::of).collect::<Result<_, _>>()?;
    let uid_of = |r: &Stored<Option<String>>| r.key.sk.parse::<u32>().ok();
    let used = records.iter().filter_map(uid_of).collect();
    let in_use = records.iter().filter(|r| r.record.is_some()).filter_map(uid_of).collect();
    let none_left =
        || ApiError::Validation(format!("All {} Unix UIDs are in use; delete a user profile first", users::UIDS.count()));
    let uid = users::next_uid(&used, &in_use).ok_or_else(none_left)?;
    let expect = records.iter().find(|r| uid_of(r) == Some(uid)).map_or(Expect::Absent, Stored::unchanged);
    answer.changes.push(Change::put(keys::uid(uid), &Some(arn), expect));
    Ok(uid)
}
