//! User profiles: the name of an ARN, the Unix user that a profile becomes on hosts, and what counts as a public key [USR].

mod on_hosts;
mod public_key;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

pub use on_hosts::{HostUser, list_of, on_hosts};
pub use public_key::{PublicKeyError, check_public_key};

/// The UIDs that the service gives; users made by others should be above them [USR-5].
pub const UIDS: RangeInclusive<u32> = 2000..=4000;

/// Linux takes no longer names.
const MAX_SSH_USERNAME: usize = 32;
/// Unix users that hosts have anyway [SSH-1]; a profile of such a name could never be set up there [SSH-5].
const RESERVED: [&str; 3] = ["root", "ec2-user", "ubuntu"];

/// Why a text is no SSH user name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshUsernameError {
    /// Nothing is left of it.
    #[error("\"{0}\" has none of the characters a-z, A-Z, 0-9, '_' and '-'")]
    Empty(String),
    /// Linux would refuse it.
    #[error("\"{0}\" has {length} characters; Linux takes at most {MAX_SSH_USERNAME}", length = .0.len())]
    TooLong(String),
    /// Linux would take it for an option or for a UID.
    #[error("\"{0}\" must not begin with '-' nor consist of digits only")]
    Misleading(String),
    /// It belongs to the hosts.
    #[error("\"{0}\" is a user that hosts have anyway; choose another name")]
    Reserved(String),
}

/// Who the ARN of a caller or of an IAM user names [USR-2]: account and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// 12 digits.
    pub account: &'a str,
    /// The IAM user's name without its path, the name of a role's or federated user's session, or `root`.
    pub name: &'a str,
    /// What kind of identity it is.
    pub kind: NamedKind,
}

/// The identities that can have a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedKind {
    /// `arn:<p>:iam::<account>:user/<path>/<name>`; names are unique in the account, whatever the path.
    User,
    /// `arn:<p>:sts::<account>:assumed-role/<role>/<session>` or `...:federated-user/<name>`.
    Session,
    /// The account itself, `arn:<p>:iam::<account>:root`.
    Root,
}

/// IAM's longest: a user in the longest path.
const MAX_ARN: usize = 640;

/// Reads an ARN; `None` if it names neither user, session nor account.
pub fn named(arn: &str) -> Option<Named<'_>> {
    if arn.len() > MAX_ARN || !arn.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, service, "", account, resource] = parts.as_slice() else { return None };
    let (kind, name) = match (*service, resource.split_once('/')) {
        ("iam", None) if *resource == "root" => (NamedKind::Root, *resource),
        ("iam", Some(("user", path))) => (NamedKind::User, path.rsplit('/').next()?),
        ("sts", Some(("federated-user", name))) => (NamedKind::Session, name),
        ("sts", Some(("assumed-role", rest))) => (NamedKind::Session, rest.split_once('/')?.1),
        _ => return None,
    };
    (!name.is_empty() && !account.is_empty()).then_some(Named { account, name, kind })
}

/// The SSH user name that somebody gave: characters other than `[a-zA-Z0-9_-]` are silently removed (`my.name` becomes `myname`).
///
/// # Errors
/// What is left could not be a Unix user's name.
pub fn given_ssh_username(text: &str) -> Result<String, SshUsernameError> {
    let name = cleaned(text);
    if name.is_empty() {
        return Err(SshUsernameError::Empty(text.to_owned()));
    }
    if name.len() > MAX_SSH_USERNAME {
        return Err(SshUsernameError::TooLong(name));
    }
    if is_misleading(&name) {
        return Err(SshUsernameError::Misleading(name));
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(SshUsernameError::Reserved(name));
    }
    Ok(name)
}

/// The SSH user name of a user who was given none: made of the IAM name by the same rule.
///
/// Our choice: what could not be a Unix user's name gets `user` in front and is cut, and where another profile has the name already, the
/// lowest free number from 2 is put behind it. So a default always exists, and two profiles never become one Unix user.
pub fn default_ssh_username(iam_name: &str, taken: &BTreeSet<String>) -> String {
    let mut name = cleaned(iam_name);
    if name.is_empty() || is_misleading(&name) || RESERVED.contains(&name.as_str()) {
        name = format!("user{}", name.trim_start_matches('-'));
    }
    let numbered = |n: u32| if n == 1 { cut(&name, "") } else { cut(&name, &n.to_string()) };
    (1..).map(numbered).find(|candidate| !taken.contains(candidate)).unwrap_or(name)
}

/// The UID of a new profile: highest used + 1 [USR-5]. `used` are those ever given, `in_use` those of present profiles.
///
/// Our choice: a UID is not given a second time, since files on hosts may still belong to it, until all have been used; then the lowest
/// that no profile has. `None` if all are in use.
pub fn next_uid(used: &BTreeSet<u32>, in_use: &BTreeSet<u32>) -> Option<u32> {
    let next = used.last().map_or(*UIDS.start(), |highest| highest + 1);
    if UIDS.contains(&next) { Some(next) } else { UIDS.into_iter().find(|uid| !in_use.contains(uid)) }
}

fn cleaned(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
}

fn is_misleading(name: &str) -> bool {
    name.starts_with('-') || name.bytes().all(|b| b.is_ascii_digit())
}

/// `name` and `behind`, `name` cut so that both fit.
fn cut(name: &str, behind: &str) -> String {
    let kept = name.len().min(MAX_SSH_USERNAME - behind.len());
    format!("{}{behind}", &name[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [USR-2]
    #[test]
    fn usr_2_users_sessions_and_the_account_have_names() {
        for (arn, expected) in [
            ("arn:aws:iam::123456789012:user/ada", Some(("ada", NamedKind::User))),
            ("arn:aws-cn:iam::123456789012:user/ops/eu/my.name", Some(("my.name", NamedKind::User))),
            ("arn:aws:sts::123456789012:assumed-role/Admin/ada@example.org", Some(("ada@example.org", NamedKind::Session))),
            ("arn:aws:sts::123456789012:federated-user/ada", Some(("ada", NamedKind::Session))),
            ("arn:aws:iam::123456789012:root", Some(("root", NamedKind::Root))),
            ("arn:aws:sts::123456789012:assumed-role/Admin", None),
            ("arn:aws:iam::123456789012:role/Admin", None),
            ("arn:aws:iam::123456789012:user/", None),
            ("arn:aws:iam:::user/ada", None),
            ("arn:aws:iam::123456789012:group/ada", None),
            ("arn:aws:iam::123456789012:user/a da", None),
            ("user/ada", None),
            ("", None),
        ] {
            assert_eq!(named(arn).map(|n| (n.name, n.kind)), expected, "{arn}");
            assert!(named(arn).is_none_or(|n| n.account == "123456789012"), "{arn}");
        }
    }

    /// The table of updates-and-access.md, section 4.
    #[test]
    fn other_characters_are_silently_removed_from_an_ssh_user_name() {
        let longest = "a".repeat(32);
        for (text, name) in
            [("my.name", "myname"), ("ada", "ada"), ("A_d-a0", "A_d-a0"), ("äda b", "dab"), (longest.as_str(), &longest)]
        {
            assert_eq!(given_ssh_username(text).as_deref(), Ok(name), "{text}");
        }
        for (text, error) in [
            ("@.+", SshUsernameError::Empty("@.+".into())),
            (&"a".repeat(33), SshUsernameError::TooLong("a".repeat(33))),
            (".-a", SshUsernameError::Misleading("-a".into())),
            ("0.0", SshUsernameError::Misleading("00".into())),
            ("ro.ot", SshUsernameError::Reserved("root".into())),
            ("ec2-user", SshUsernameError::Reserved("ec2-user".into())),
        ] {
            assert_eq!(given_ssh_username(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_default_ssh_user_name_always_exists_and_is_nobody_elses() {
        let taken: BTreeSet<String> = ["myname", "ada", "ada2", "ada4"].map(str::to_owned).into();
        let long = "x".repeat(64);
        for (iam_name, expected) in [
            ("bob", "bob"),
            ("my.name", "myname2"),
            ("ada", "ada3"),
            ("007", "user007"),
            ("-bob", "userbob"),
            ("@", "user"),
            ("root", "userroot"),
            (long.as_str(), &long[..32]),
        ] {
            let name = default_ssh_username(iam_name, &taken);
            assert_eq!(name, expected, "{iam_name}");
            assert_eq!(given_ssh_username(&name), Ok(name), "{iam_name}");
        }
        let numbered = default_ssh_username(&long, &[long[..32].to_owned()].into());
        assert_eq!(numbered, format!("{}2", &long[..31]));
    }

    /// [USR-5]
    #[test]
    fn usr_5_the_next_uid_is_the_highest_used_plus_one_from_2000_to_4000() {
        let set = |uids: &[u32]| uids.iter().copied().collect::<BTreeSet<u32>>();
        for (used, in_use, expected) in [
            (&[][..], &[][..], Some(2000)),
            (&[2000], &[2000], Some(2001)),
            (&[2000, 2007], &[2000], Some(2008)),
            (&[3999], &[], Some(4000)),
            (&[2000, 2001, 4000], &[2000, 4000], Some(2001)),
        ] {
            assert_eq!(next_uid(&set(used), &set(in_use)), expected, "{used:?} {in_use:?}");
        }
        let all: BTreeSet<u32> = UIDS.collect();
        assert_eq!((all.len(), next_uid(&all, &all)), (2001, None));
    }
}
