//! Who may do what on a stack: the permission levels, and how they go together with IAM [PERM].

use serde::{Deserialize, Serialize};

use crate::StackId;
use crate::model::UserProfile;

/// A user's permission level on one stack [PERM-1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionLevel {
    /// Nothing, whatever IAM says.
    Deny,
    /// Reads.
    Show,
    /// Reads and deployments.
    Deploy,
    /// Everything on the stack.
    Manage,
    /// Only what IAM allows; the level of whoever has none [PERM-2].
    #[default]
    IamOnly,
}

impl PermissionLevel {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Deny, Self::Show, Self::Deploy, Self::Manage, Self::IamOnly];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Show => "show",
            Self::Deploy => "deploy",
            Self::Manage => "manage",
            Self::IamOnly => "iam_only",
        }
    }

    /// Reads the wire form; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    /// Whether the level by itself allows what needs `needed`; they nest [PERM-5].
    fn contains(self, needed: Needed) -> bool {
        match needed {
            Needed::Show => matches!(self, Self::Show | Self::Deploy | Self::Manage),
            Needed::Deploy => matches!(self, Self::Deploy | Self::Manage),
            Needed::Manage => self == Self::Manage,
            Needed::Any | Needed::OwnProfile | Needed::Iam => false,
        }
    }
}

/// What an action needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    /// Every authenticated caller [PERM-12].
    Any,
    /// The caller's own profile, with self-management allowed [PERM-10].
    OwnProfile,
    /// Show on the stack [PERM-6].
    Show,
    /// Deploy on the stack [PERM-7].
    Deploy,
    /// Manage on the stack [PERM-8].
    Manage,
    /// An IAM allow only [PERM-9].
    Iam,
}

/// What IAM policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IamDecision {
    /// An Allow matches, and no Deny.
    Allowed,
    /// A Deny matches.
    ExplicitlyDenied,
    /// Nothing matches.
    Silent,
}

/// A user's permission on a stack [PERM-1].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The stack.
    pub stack_id: StackId,
    /// The user.
    pub iam_user_arn: String,
    /// The user's profile when it was given: it counts for no other [USR-4].
    pub profile_id: String,
    /// The level.
    pub level: PermissionLevel,
    /// Whether the user exists on the stack's hosts [SSH-3].
    pub allow_ssh: bool,
    /// Whether the user may use sudo there; without SSH it has no effect [SSH-8].
    pub allow_sudo: bool,
}

impl Permission {
    /// The permission of a user who was given none: IAM only, no SSH [PERM-2].
    pub fn default_of(stack_id: StackId, user: &UserProfile) -> Self {
        Self {
            stack_id,
            iam_user_arn: user.iam_user_arn.clone(),
            profile_id: user.id.clone(),
            level: PermissionLevel::IamOnly,
            allow_ssh: false,
            allow_sudo: false,
        }
    }

    /// Whether it was given to this profile, and not to an earlier one of the same ARN [USR-4].
    pub fn counts_for(&self, user: &UserProfile) -> bool {
        self.profile_id == user.id
    }
}

/// Whether a caller of `level` may do what needs `needed`, in this order [PERM-3]: level `deny` denies, an explicit IAM Deny denies, the
/// level or an IAM Allow allows, and else it is denied. `manages_itself` is the own profile's AllowSelfManagement.
pub fn is_allowed(needed: Needed, level: PermissionLevel, manages_itself: bool, iam: IamDecision) -> bool {
    let by_level = match needed {
        Needed::Any => return true,
        Needed::OwnProfile => manages_itself,
        Needed::Show | Needed::Deploy | Needed::Manage | Needed::Iam => level.contains(needed),
    };
    level != PermissionLevel::Deny && iam != IamDecision::ExplicitlyDenied && (by_level || iam == IamDecision::Allowed)
}

/// Whom IAM is asked about: a role session's role, since policies belong to it; anybody else as they stand.
///
/// `arn:<p>:sts::<account>:assumed-role/<role>/<session>` becomes `arn:<p>:iam::<account>:role/<role>`; the role's path is not in the
/// session's ARN, so an adapter must find the role by its name.
pub fn iam_principal(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", partition, "sts", region, account, resource] = parts.as_slice()
        && let Some((role, _session)) = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split_once('/'))
    {
        return format!("arn:{partition}:iam:{region}:{account}:role/{role}");
    }
    arn.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [Needed; 6] = [Needed::Any, Needed::OwnProfile, Needed::Show, Needed::Deploy, Needed::Manage, Needed::Iam];

    /// [PERM-1]
    #[test]
    fn perm_1_five_levels_in_their_wire_form() {
        for (level, word) in PermissionLevel::ALL.into_iter().zip(["deny", "show", "deploy", "manage", "iam_only"]) {
            assert_eq!((level.as_str(), PermissionLevel::parse(word)), (word, Some(level)));
            assert_eq!(serde_json::to_value(level).unwrap(), word);
        }
        for other in ["", "Deny", "iam-only", "admin"] {
            assert_eq!(PermissionLevel::parse(other), None, "{other}");
        }
    }

    /// [PERM-2]
    #[test]
    fn perm_2_who_was_given_nothing_has_iam_only_and_no_ssh() {
        let permission = Permission::default_of("s".into(), &profile("1"));
        assert_eq!((permission.level, permission.allow_ssh, permission.allow_sudo), (PermissionLevel::IamOnly, false, false));
        assert_eq!(PermissionLevel::default(), PermissionLevel::IamOnly);
    }

    fn profile(id: &str) -> UserProfile {
        UserProfile {
            id: id.to_owned(),
            iam_user_arn: "arn".to_owned(),
            name: "ada".to_owned(),
            ssh_username: "ada".to_owned(),
            ssh_public_key: None,
            allow_self_management: false,
            uid: 2000,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// [USR-4]
    #[test]
    fn usr_4_what_was_given_to_a_deleted_profile_counts_for_no_later_one_of_the_same_arn() {
        let permission = Permission::default_of("s".into(), &profile("1"));
        assert!(permission.counts_for(&profile("1")));
        assert!(!permission.counts_for(&profile("2")));
    }

    /// [PERM-3] [PERM-4] [PERM-5] [PERM-9] [PERM-10]: what each level allows of each need, by what IAM says: `+` allowed, `-` denied.
    #[test]
    fn perm_3_deny_then_explicit_deny_then_level_or_allow() {
        // Columns as in `NEEDS`.
        for (level, iam, expected) in [
            (PermissionLevel::Deny, IamDecision::Allowed, "+-----"),
            (PermissionLevel::Deny, IamDecision::Silent, "+-----"),
            (PermissionLevel::Show, IamDecision::Silent, "+-+---"),
            (PermissionLevel::Show, IamDecision::Allowed, "++++++"),
            (PermissionLevel::Show, IamDecision::ExplicitlyDenied, "+-----"),
            (PermissionLevel::Deploy, IamDecision::Silent, "+-++--"),
            (PermissionLevel::Deploy, IamDecision::Allowed, "++++++"),
            (PermissionLevel::Deploy, IamDecision::ExplicitlyDenied, "+-----"),
            (PermissionLevel::Manage, IamDecision::Silent, "+-+++-"),
            (PermissionLevel::Manage, IamDecision::ExplicitlyDenied, "+-----"),
            (PermissionLevel::IamOnly, IamDecision::Silent, "+-----"),
            (PermissionLevel::IamOnly, IamDecision::Allowed, "++++++"),
            (PermissionLevel::IamOnly, IamDecision::ExplicitlyDenied, "+-----"),
        ] {
            let row: String =
                NEEDS.into_iter().map(|needed| if is_allowed(needed, level, false, iam) { '+' } else { '-' }).collect();
            assert_eq!(row, expected, "{level:?} {iam:?}");
        }
    }

    /// [PERM-10]
    #[test]
    fn perm_10_the_own_profile_needs_self_management_or_an_iam_allow() {
        let may = |manages, iam| is_allowed(Needed::OwnProfile, PermissionLevel::IamOnly, manages, iam);
        assert!(may(true, IamDecision::Silent) && may(false, IamDecision::Allowed));
        assert!(!may(false, IamDecision::Silent) && !may(true, IamDecision::ExplicitlyDenied));
    }

    #[test]
    fn iam_is_asked_about_a_sessions_role() {
        for (arn, principal) in [
            ("arn:aws:sts::123456789012:assumed-role/Admin/ada", "arn:aws:iam::123456789012:role/Admin"),
            ("arn:aws:iam::123456789012:user/ada", "arn:aws:iam::123456789012:user/ada"),
            ("arn:aws:sts::123456789012:assumed-role/Admin", "arn:aws:sts::123456789012:assumed-role/Admin"),
            ("arn:aws:sts::123456789012:federated-user/ada", "arn:aws:sts::123456789012:federated-user/ada"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(iam_principal(arn), principal);
        }
    }
}
