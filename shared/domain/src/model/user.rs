//! A user profile.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A user whom the installation knows, by IAM ARN (updates-and-access.md, section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserProfile {
    /// Made anew with each profile. Permissions name it, so that those of a deleted profile never count for one that is made later for the
    /// same ARN.
    pub id: String,
    /// An IAM user's ARN, or a role session's; the key.
    pub iam_user_arn: String,
    /// The IAM user's name, or the session's.
    pub name: String,
    /// The Unix user on hosts: letters, digits, `_` and `-`.
    pub ssh_username: String,
    /// One OpenSSH public key line [USR-7], as it was given.
    pub ssh_public_key: Option<String>,
    /// Whether the user may change the own key [PERM-10].
    pub allow_self_management: bool,
    /// The Unix UID, unique in the account [USR-5].
    pub uid: u32,
    /// When the profile was made.
    pub created_at: Timestamp,
}
