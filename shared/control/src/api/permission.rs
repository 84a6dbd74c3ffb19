//! Who may: the one place in front of all operations [PERM].
//!
//! Today every authenticated caller is let through. The permission records and the IAM look-up belong into [`check`], which every
//! action passes with its stack after the ids are known to exist and before any state rule [WIRE-13]; what the caller needs stands in
//! the catalogue. The controllers' role stays let through without either: its calls need no record and no look-up.

use strata_domain::StackId;

use super::catalogue::Action;
use super::error::ApiError;

/// The caller, as far as the rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The ARN from the request context.
    pub(crate) arn: String,
    /// One of our own controllers.
    pub(crate) is_controller: bool,
}

impl Principal {
    /// Recognises the controllers' role, by its own ARN or as an assumed session of it.
    pub(crate) fn of(arn: &str, controllers_role_arn: &str) -> Self {
        Self { arn: arn.to_owned(), is_controller: arn == controllers_role_arn || is_session_of(arn, controllers_role_arn) }
    }
}

/// `arn:<p>:sts::<account>:assumed-role/<role>/<session>` against `arn:<p>:iam::<account>:role/<path>/<role>`.
fn is_session_of(arn: &str, role_arn: &str) -> bool {
    let session: Vec<&str> = arn.splitn(6, ':').collect();
    let role: Vec<&str> = role_arn.splitn(6, ':').collect();
    let (["arn", sp, "sts", "", sa, session], ["arn", rp, "iam", "", ra, role]) = (session.as_slice(), role.as_slice()) else {
        return false;
    };
    let name = role.strip_prefix("role/").and_then(|path| path.rsplit('/').next());
    let of = session.strip_prefix("assumed-role/").and_then(|rest| rest.split_once('/')).map(|(role, _)| role);
    sp == rp && sa == ra && name.is_some() && name == of
}

/// Whether `principal` may do `action` on `stack`.
///
/// # Errors
/// AccessDeniedException with the text of [WIRE-14], once permissions are kept.
pub(crate) fn check(principal: &Principal, action: &Action, stack: Option<&StackId>) -> Result<(), ApiError> {
    if principal.is_controller {
        return Ok(());
    }
    // PERM: read the caller's level on `stack` here, combine it with the IAM policies, and compare it with `action.level`.
    let _ = (action.level, stack);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_role_is_known_by_its_arn_and_by_its_sessions() {
        let role = "arn:aws:iam::123456789012:role/service/strata-controllers";
        for (arn, is_controller) in [
            (role, true),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers/load-scaling", true),
            ("arn:aws:sts::999999999999:assumed-role/strata-controllers/load-scaling", false),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers-2/x", false),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers", false),
            ("arn:aws:iam::123456789012:user/strata-controllers", false),
        ] {
            assert_eq!(Principal::of(arn, role).is_controller, is_controller, "{arn}");
        }
    }
}
