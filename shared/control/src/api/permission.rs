//! Who may: the one place in front of all operations [PERM].
//!
//! Every action passes [`check`] with its stack after the ids are known to exist and before any state rule [WIRE-13]; what the caller needs
//! stands in the catalogue, the rule itself in the domain. The controllers' roles are let through: their calls need neither record nor look-up.

use strata_domain::StackId;
use strata_domain::model::{Stack, UserProfile};
use strata_domain::permissions::{IamDecision, Needed, Permission, PermissionLevel, iam_principal, is_allowed};
use strata_ports::{Expect, keys};

use super::call::Call;
use super::error::ApiError;
use super::remembered::Remembered;
use crate::records::Stored;

/// The caller, as far as the rules ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The ARN from the request context.
    pub(crate) arn: String,
    /// One of our own controllers.
    pub(crate) is_controller: bool,
}

impl Principal {
    /// Recognises the controllers' roles, by their own ARNs or as assumed sessions of them.
    pub(crate) fn of(arn: &str, controller_role_arns: &[String]) -> Self {
        let is_controller = controller_role_arns.iter().any(|role| arn == role || is_session_of(arn, role));
        Self { arn: arn.to_owned(), is_controller }
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

/// Caller, action and resource.
type Question = (String, String, String);

/// What IAM said lately.
pub(crate) type IamMemory = Remembered<Question, IamDecision>;

/// Whether the caller may do the action on `stack`, or on no stack in particular [PERM-3].
///
/// # Errors
/// AccessDeniedException with the text of [WIRE-14]. An IAM that does not answer denies (updates-and-access.md, Q3).
pub(crate) async fn check(call: &Call<'_>, stack: Option<&Stack>) -> Result<(), ApiError> {
    let needed = call.action.level;
    if call.principal.is_controller || needed == Needed::Any {
        return Ok(());
    }
    let level = match stack {
        Some(stack) => level_of(call, stack).await?,
        None => PermissionLevel::default(),
    };
    let resource = stack.map_or_else(|| "*".to_owned(), Stack::arn);
    let manages_itself = needed == Needed::OwnProfile && manages_itself(call).await?;
    // IAM need not be asked when it can change nothing.
    let is_possible = is_allowed(needed, level, manages_itself, IamDecision::Allowed);
    if is_possible && is_allowed(needed, level, manages_itself, ask_iam(call, &resource).await) {
        return Ok(());
    }
    Err(denied(call, &resource))
}

/// `User: <arn> is not authorized to perform: opsworks:<Action> on resource: <stack arn>` [WIRE-14].
fn denied(call: &Call<'_>, resource: &str) -> ApiError {
    let (arn, action) = (&call.principal.arn, call.action.name);
    ApiError::AccessDenied(format!("User: {arn} is not authorized to perform: opsworks:{action} on resource: {resource}"))
}

/// Whether the caller may pass a role to the service [IAM-8]; `member` names it in the error.
///
/// # Errors
/// ValidationException with the text that OpsWorks had for it [TXT-10].
pub(crate) async fn check_pass_role(call: &Call<'_>, member: &str, role_arn: &str) -> Result<(), ApiError> {
    if call.principal.is_controller || ask(call, "iam:PassRole", role_arn).await == IamDecision::Allowed {
        return Ok(());
    }
    let arn = &call.principal.arn;
    Err(ApiError::field(member, format!("User: {arn} is not authorized to perform: iam:PassRole on resource: {role_arn}")))
}

/// Of all stacks those that a call which names none is about [DSC-3]: where IAM allows the action on every stack, all but those whose
/// level is `deny` (updates-and-access.md, Q8); where IAM is silent, those whose level allows it.
///
/// # Errors
/// AccessDeniedException when that comes to none: what IAM limits to named stacks is not to be had unnamed [PERM-19].
pub(crate) async fn visible(call: &Call<'_>, stacks: Vec<Stack>) -> Result<Vec<Stack>, ApiError> {
    if call.principal.is_controller {
        return Ok(stacks);
    }
    let iam = ask_iam(call, "*").await;
    let user = profile(call, &call.principal.arn).await?;
    let mut seen = Vec::with_capacity(stacks.len());
    for stack in stacks {
        let level = match &user {
            Some(user) => permission_of(call, &stack.id, &user.record).await?.0.level,
            None => PermissionLevel::default(),
        };
        if is_allowed(call.action.level, level, false, iam) {
            seen.push(stack);
        }
    }
    if seen.is_empty() && iam != IamDecision::Allowed { Err(denied(call, "*")) } else { Ok(seen) }
}

/// The caller's level on a stack; who was given none has `iam_only` [PERM-2].
async fn level_of(call: &Call<'_>, stack: &Stack) -> Result<PermissionLevel, ApiError> {
    let Some(given) = call.find::<Permission>(&keys::permission(&stack.id, &call.principal.arn)).await? else {
        return Ok(PermissionLevel::default());
    };
    let user = profile(call, &call.principal.arn).await?;
    let counts = user.is_some_and(|user| given.record.counts_for(&user.record));
    Ok(if counts { given.record.level } else { PermissionLevel::default() })
}

/// A user's profile, if the user was imported.
pub(crate) async fn profile(call: &Call<'_>, arn: &str) -> Result<Option<Stored<UserProfile>>, ApiError> {
    call.find(&keys::user(arn)).await
}

/// A user's permission on a stack, by default the one of [PERM-2], and what a write of it is conditional on.
pub(crate) async fn permission_of(
    call: &Call<'_>,
    stack: &StackId,
    user: &UserProfile,
) -> Result<(Permission, Expect), ApiError> {
    let stored = call.find::<Permission>(&keys::permission(stack, &user.iam_user_arn)).await?;
    let expect = stored.as_ref().map_or(Expect::Absent, Stored::unchanged);
    let given = stored.map(|s| s.record).filter(|given| given.counts_for(user));
    Ok((given.unwrap_or_else(|| Permission::default_of(stack.clone(), user)), expect))
}

async fn manages_itself(call: &Call<'_>) -> Result<bool, ApiError> {
    Ok(profile(call, &call.principal.arn).await?.is_some_and(|p| p.record.allow_self_management))
}

/// What IAM says of this call on `resource`.
async fn ask_iam(call: &Call<'_>, resource: &str) -> IamDecision {
    ask(call, &format!("opsworks:{}", call.action.name), resource).await
}

/// What IAM says of the caller doing `action` on `resource`. An IAM that does not answer denies: behind its silence there may be an explicit
/// Deny, which no level outweighs. It is asked again at the next call.
async fn ask(call: &Call<'_>, action: &str, resource: &str) -> IamDecision {
    let question = (iam_principal(&call.principal.arn), action.to_owned(), resource.to_owned());
    if let Some(known) = call.iam.recall(&question, call.now) {
        return known;
    }
    match call.ports.identity.decide(&question.0, action, resource).await {
        Ok(decision) => {
            call.iam.remember(question, call.now, decision);
            decision
        }
        Err(error) => {
            tracing::warn!(error.message = %error, "IAM did not answer, so the call is denied");
            IamDecision::ExplicitlyDenied
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controllers_roles_are_known_by_their_arns_and_by_their_sessions() {
        let role = "arn:aws:iam::123456789012:role/service/strata-controllers";
        let other = "arn:aws:iam::123456789012:role/strata-teardown";
        for (arn, is_controller) in [
            (role, true),
            (other, true),
            ("arn:aws:sts::123456789012:assumed-role/strata-teardown/x", true),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers/load-scaling", true),
            ("arn:aws:sts::999999999999:assumed-role/strata-controllers/load-scaling", false),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers-2/x", false),
            ("arn:aws:sts::123456789012:assumed-role/strata-controllers", false),
            ("arn:aws:iam::123456789012:user/strata-controllers", false),
        ] {
            let known = [role.to_owned(), other.to_owned()];
            assert_eq!(Principal::of(arn, &known).is_controller, is_controller, "{arn}");
            assert!(!Principal::of(arn, &[]).is_controller, "{arn}");
        }
    }
}
