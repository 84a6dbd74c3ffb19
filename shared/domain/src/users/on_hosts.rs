//! Which Unix users a stack's hosts have, and the list of them that goes to the hosts [SSH-3..8].

use crate::model::UserProfile;
use crate::permissions::Permission;

/// A user as a stack's hosts are to have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostUser {
    /// The Unix UID [USR-5].
    pub uid: u32,
    /// The Unix user's name.
    pub name: String,
    /// Whether sudo is allowed.
    pub sudo: bool,
    /// The public key's line, if the profile has one.
    pub key: Option<String>,
}

/// The user that a profile is on a stack's hosts under `permission`; `None` without SSH access, whatever it says of sudo [SSH-8], and for
/// a permission that was given to an earlier profile.
pub fn on_hosts(profile: &UserProfile, permission: &Permission) -> Option<HostUser> {
    (permission.allow_ssh && permission.counts_for(profile)).then(|| HostUser {
        uid: profile.uid,
        name: profile.ssh_username.clone(),
        sudo: permission.allow_sudo,
        key: profile.ssh_public_key.as_deref().map(|key| key.trim().to_owned()),
    })
}

/// The list as the documents read it: the line `strata-users 1`, then `uid:name:sudo:key` for each user, by UID. A key that is more than
/// one line is left out: profiles have none such [USR-7].
pub fn list_of(users: &[HostUser]) -> String {
    let mut users: Vec<&HostUser> = users.iter().collect();
    users.sort();
    let mut list = "strata-users 1\n".to_owned();
    for user in users {
        let key = user.key.as_deref().filter(|key| !key.contains(['\n', '\r', '\0'])).unwrap_or_default();
        list.push_str(&format!("{}:{}:{}:{key}\n", user.uid, user.name, u8::from(user.sudo)));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::PermissionLevel;

    fn profile() -> UserProfile {
        UserProfile {
            id: "p-1".to_owned(),
            iam_user_arn: "arn:aws:iam::123456789012:user/ada".to_owned(),
            name: "ada".to_owned(),
            ssh_username: "ada".to_owned(),
            ssh_public_key: Some("ssh-ed25519 AAAA ada@home\n".to_owned()),
            allow_self_management: false,
            uid: 2000,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn permission(allow_ssh: bool, allow_sudo: bool) -> Permission {
        let mut permission = Permission::default_of("s".into(), &profile());
        permission.level = PermissionLevel::Deny;
        (permission.allow_ssh, permission.allow_sudo) = (allow_ssh, allow_sudo);
        permission
    }

    /// [SSH-3] [SSH-8]
    #[test]
    fn ssh_8_only_ssh_access_makes_a_user_and_sudo_alone_makes_none() {
        for (ssh, sudo, user) in [(false, false, None), (false, true, None), (true, false, Some(false)), (true, true, Some(true))]
        {
            assert_eq!(on_hosts(&profile(), &permission(ssh, sudo)).map(|user| user.sudo), user, "{ssh} {sudo}");
        }
        let later = UserProfile { id: "p-2".to_owned(), ..profile() };
        assert_eq!(on_hosts(&later, &permission(true, true)), None, "it was another profile's");
    }

    #[test]
    fn the_list_is_by_uid_with_one_line_for_each_user() {
        let ada = on_hosts(&profile(), &permission(true, true)).unwrap();
        let bob = HostUser { uid: 1999, name: "bob".to_owned(), sudo: false, key: None };
        let odd = HostUser { uid: 2001, name: "odd".to_owned(), sudo: false, key: Some("a\n2002:root:1:".to_owned()) };
        let expected = "strata-users 1\n1999:bob:0:\n2000:ada:1:ssh-ed25519 AAAA ada@home\n2001:odd:0:\n";
        assert_eq!(list_of(&[ada, odd, bob]), expected);
        assert_eq!(list_of(&[]), "strata-users 1\n");
    }
}
