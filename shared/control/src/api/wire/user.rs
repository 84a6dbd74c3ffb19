//! UserProfile, SelfUserProfile, Permission.

use strata_domain::model::UserProfile;
use strata_domain::permissions::Permission;

use super::shape;

shape! {
    /// An element of DescribeUserProfiles.
    UserProfileShape<'a> {
        /// The user's ARN, which identifies the profile.
        iam_user_arn: &'a str,
        /// The user's name in IAM.
        name: &'a str,
        /// The user's name on the instances of stacks that allow the user SSH.
        ssh_username: &'a str,
        /// Whether the user may change the own public key.
        allow_self_management: bool,
    } unless_absent {
        /// The user's public key.
        ssh_public_key: &'a str,
    }
}

impl<'a> UserProfileShape<'a> {
    pub(crate) fn of(profile: &'a UserProfile) -> Self {
        Self {
            iam_user_arn: &profile.iam_user_arn,
            name: &profile.name,
            ssh_username: &profile.ssh_username,
            allow_self_management: profile.allow_self_management,
            ssh_public_key: profile.ssh_public_key.as_deref(),
        }
    }
}

shape! {
    /// What DescribeMyUserProfile tells callers of themselves [USR-3].
    SelfUserProfileShape<'a> {
        /// The caller's ARN.
        iam_user_arn: &'a str,
        /// The caller's name in IAM.
        name: &'a str,
        /// The caller's name on the instances of stacks that allow the caller SSH.
        ssh_username: &'a str,
    } unless_absent {
        /// The caller's public key.
        ssh_public_key: &'a str,
    }
}

impl<'a> SelfUserProfileShape<'a> {
    pub(crate) fn of(profile: &'a UserProfile) -> Self {
        Self {
            iam_user_arn: &profile.iam_user_arn,
            name: &profile.name,
            ssh_username: &profile.ssh_username,
            ssh_public_key: profile.ssh_public_key.as_deref(),
        }
    }
}

shape! {
    /// An element of DescribePermissions.
    PermissionShape<'a> {
        /// The stack.
        stack_id: &'a str,
        /// The user's ARN.
        iam_user_arn: &'a str,
        /// Whether the user has SSH access to the stack's instances.
        allow_ssh: bool,
        /// Whether the user may use sudo there.
        allow_sudo: bool,
        /// The level: `deny`, `show`, `deploy`, `manage` or `iam_only`.
        level: &'static str,
    } unless_absent {}
}

impl<'a> PermissionShape<'a> {
    pub(crate) fn of(permission: &'a Permission) -> Self {
        Self {
            stack_id: permission.stack_id.as_str(),
            iam_user_arn: &permission.iam_user_arn,
            allow_ssh: permission.allow_ssh,
            allow_sudo: permission.allow_sudo,
            level: permission.level.as_str(),
        }
    }
}
