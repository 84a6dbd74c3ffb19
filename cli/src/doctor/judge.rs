//! What counts as well: on what was seen and nothing else.

use jiff::{SignedDuration, Timestamp};
use strata_control::api::extension::ServiceRole;
use strata_control::api::status::Status;
use strata_domain::mode::Mode;

use super::{Check, iam};
use crate::client::Probe;

/// AWS refuses signatures whose time is further off than this.
const AWS_LIMIT: SignedDuration = SignedDuration::from_mins(5);
/// A clock that is so far off is on its way there.
const CLOCK_LIMIT: SignedDuration = SignedDuration::from_secs(60);

/// Whether what answers is the API.
pub(super) fn endpoint(endpoint: &str, probe: &Probe) -> Check {
    const NAME: &str = "endpoint";
    if probe.status == 200 && probe.json.as_ref().is_some_and(|json| json.get("stacks").is_some()) {
        return Check::ok(NAME, format!("{endpoint} speaks the OpsWorks API"));
    }
    match (&probe.code, probe.status) {
        (Some(code), _) => Check::ok(NAME, format!("{endpoint} answers ({code})")),
        (None, 403) => Check::ok(NAME, format!("{endpoint} answers (403)")),
        (None, status) => Check::fail(
            NAME,
            format!("{endpoint} answers with status {status}, and not as the OpsWorks API does"),
            "give the URL that the CloudFormation output ApiUrl names, or that `strata sim serve` prints",
        ),
    }
}

/// Whether the API takes the caller; `signs_for`: service and region.
pub(super) fn identity(probe: &Probe, signs_for: (&str, &str), installation: &str) -> Option<Check> {
    const NAME: &str = "identity";
    let (service, region) = signs_for;
    let told = probe.message.clone().unwrap_or_else(|| format!("status {}", probe.status));
    match (probe.code.as_deref().unwrap_or_default(), probe.status) {
        (_, 200) => None,
        ("AccessDeniedException" | "AccessDenied" | "", 403) => {
            let statements = iam::lacking(&told).unwrap_or_else(|| iam::to_call_the_url(region, installation));
            let mend = format!("whoever may change the caller's policies adds:\n  {statements}");
            Some(Check::fail(NAME, format!("access denied: {told}"), mend))
        }
        ("AccessDeniedException", _) => {
            let mend = "an administrator gives the caller a permission level on the stack, or attaches AWSOpsWorks_FullAccess";
            Some(Check::fail(NAME, format!("access denied: {told}"), mend))
        }
        (code, _) => Some(Check::fail(
            NAME,
            format!("{code} {told}: the signature for {service} in {region} is not taken"),
            "compare --region and --signing-name with the endpoint (a function URL takes lambda), the clock below, and \
             `aws sts get-caller-identity`",
        )),
    }
}

/// How far the clock of this machine is from the server's.
pub(super) fn clock(here: Timestamp, there: Option<Timestamp>) -> Check {
    const NAME: &str = "clock";
    let Some(there) = there else { return Check::skip(NAME, "the answer has no date") };
    let off = here.duration_since(there);
    let seconds = off.as_secs();
    if off.abs() <= CLOCK_LIMIT {
        return Check::ok(NAME, format!("within {} s of the server's", CLOCK_LIMIT.as_secs()));
    }
    let way = if off.is_negative() { "behind" } else { "ahead of" };
    let limit = AWS_LIMIT.as_mins();
    let found =
        format!("this machine's clock is {} s {way} the server's; AWS refuses signatures beyond {limit} minutes", seconds.abs());
    Check::fail(NAME, found, "set the clock, for example: sudo chronyc makestep")
}

/// Which modes there are. A mode that somebody has set is no fault, one that cannot be read is.
pub(super) fn mode(status: &Status) -> Check {
    const NAME: &str = "mode";
    let layers = status.stacks.iter().flat_map(|stack| stack.layers.iter().map(move |layer| (stack, layer)));
    let others: Vec<String> = layers
        .filter(|(_, layer)| layer.mode != status.mode)
        .map(|(stack, layer)| format!("{}/{} is {}", stack.name, layer.shortname, layer.mode.map_or("unreadable", Mode::as_str)))
        .collect();
    let others = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    match status.mode {
        Some(Mode::Active) => Check::ok(NAME, format!("active{others}")),
        Some(Mode::Observe) => {
            Check::ok(NAME, format!("observe: Strata tells what it would do and does nothing, until `strata thaw`{others}"))
        }
        Some(Mode::Frozen) => Check::ok(NAME, format!("frozen: Strata does nothing, until `strata thaw`{others}")),
        None => Check::fail(
            NAME,
            "it cannot be read, so nothing is stopped, terminated or patched",
            "it has to be active, observe or frozen, for example:\n  aws ssm put-parameter --name /strata/mode --type String --overwrite \
             --value active",
        ),
    }
}

/// Whether a stack's cluster can be reached under its service role.
pub(super) fn service_role(stack: &str, role: &ServiceRole) -> Check {
    let name = format!("role of {stack}");
    let short = role.role_arn.rsplit('/').next().unwrap_or_default();
    if !role.is_trusted {
        let mend = "its trust policy has to let the functions' roles assume it, under the external id that the CloudFormation output ExternalId names";
        return Check::fail(name, format!("{} cannot be assumed", role.role_arn), mend);
    }
    match &role.policy {
        None => Check::ok(name, format!("{short} can be assumed and allows what a layer calls")),
        Some(policy) => Check::fail(
            name,
            format!("{short} does not allow {}", role.missing.join(", ")),
            format!("aws iam put-role-policy --role-name {short} --policy-name strata-ecs --policy-document '{policy}'"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Outcome;

    fn probe(status: u16, code: Option<&str>, message: Option<&str>) -> Probe {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Probe { status, code: owned(code), message: owned(message), json: Some(json!({})), date: None }
    }

    #[test]
    fn what_is_not_the_api_is_told_from_what_refuses_the_caller() {
        for (status, code, expected) in [
            (404, None, Outcome::Fail),
            (200, None, Outcome::Fail),
            (502, None, Outcome::Fail),
            (403, None, Outcome::Ok),
            (400, Some("InvalidSignatureException"), Outcome::Ok),
        ] {
            assert_eq!(endpoint("http://x", &probe(status, code, None)).outcome, expected, "{status} {code:?}");
        }
        let whole = Probe { json: Some(json!({ "stacks": [] })), ..probe(200, None, None) };
        assert_eq!(endpoint("http://x", &whole).outcome, Outcome::Ok);
    }

    #[test]
    fn who_is_refused_learns_what_he_lacks() {
        let check = |probe: &Probe| identity(probe, ("lambda", "eu-west-1"), "strata");
        assert_eq!(check(&probe(200, None, None)), None);
        let refused = check(&probe(403, None, Some("Forbidden"))).unwrap();
        assert!(refused.mend.unwrap().contains("lambda:InvokedViaFunctionUrl"));
        let by_api = check(&probe(400, Some("AccessDeniedException"), Some("no"))).unwrap();
        assert!(by_api.mend.unwrap().contains("permission level"));
        let signature = check(&probe(403, Some("InvalidSignatureException"), Some("expired"))).unwrap();
        assert!(signature.found.contains("for lambda in eu-west-1") && signature.mend.unwrap().contains("--signing-name"));
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let here: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        for (off, expected) in
            [(0, Outcome::Ok), (60, Outcome::Ok), (-60, Outcome::Ok), (61, Outcome::Fail), (-61, Outcome::Fail)]
        {
            let check = clock(here, Some(here - SignedDuration::from_secs(off)));
            assert_eq!(check.outcome, expected, "{off}");
            assert_eq!(check.found.contains("behind"), off == -61, "{}", check.found);
        }
        assert_eq!(clock(here, None).outcome, Outcome::Skip);
    }

    #[test]
    fn only_a_mode_that_cannot_be_read_is_a_fault() {
        let of = |mode| Status {
            at: "2026-03-02T12:00:00Z".parse().unwrap(),
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            mode,
            stacks: Vec::new(),
        };
        for (read, expected, says) in [
            (Some(Mode::Active), Outcome::Ok, "active"),
            (Some(Mode::Observe), Outcome::Ok, "strata thaw"),
            (Some(Mode::Frozen), Outcome::Ok, "does nothing"),
            (None, Outcome::Fail, "cannot be read"),
        ] {
            let check = mode(&of(read));
            assert!(check.outcome == expected && check.found.contains(says), "{read:?}: {check:?}");
        }
    }

    #[test]
    fn a_role_that_cannot_be_assumed_or_allows_too_little_is_a_fault() {
        let role = |is_trusted, missing: &[&str]| ServiceRole {
            role_arn: "arn:aws:iam::123456789012:role/service-role/opsworks".to_owned(),
            is_trusted,
            missing: missing.iter().map(ToString::to_string).collect(),
            policy: (!missing.is_empty()).then(|| json!({ "Statement": [] })),
        };
        assert_eq!(service_role("shop", &role(true, &[])).outcome, Outcome::Ok);
        assert!(service_role("shop", &role(false, &[])).found.contains("cannot be assumed"));
        let lacks = service_role("shop", &role(true, &["ecs:StopTask"]));
        assert!(
            lacks.outcome == Outcome::Fail && lacks.mend.unwrap().starts_with("aws iam put-role-policy --role-name opsworks ")
        );
    }
}
