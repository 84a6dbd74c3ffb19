//! What the API itself tells.

use serde_json::json;
use strata_control::api::extension::{ServiceRole, TARGET_PREFIX};
use strata_control::api::status::Status;
use strata_local::clock::SystemClock;
use strata_ports::Clock;

use super::{Check, judge};
use crate::client::{Api, Probe};

/// The checks that need the API alone; what cannot be looked at after a failure is skipped.
pub(super) async fn checks(api: &Api, installation: &str) -> Vec<Check> {
    let probe = match api.probe(&format!("{TARGET_PREFIX}DescribeStatus"), &json!({})).await {
        Ok(probe) => probe,
        Err(why) => {
            let mend =
                "is the URL right, and is this machine online? On this machine: is `strata sim serve` or `strata proxy` running?";
            let first = Check::fail("endpoint", format!("{} cannot be reached: {why}", api.endpoint()), mend);
            let others = ["identity", "clock", "mode", "service roles"];
            return std::iter::once(first).chain(others.map(|name| Check::skip(name, "the API cannot be reached"))).collect();
        }
    };
    let mut checks = vec![judge::endpoint(&api.endpoint().to_string(), &probe)];
    checks.push(identity(api, &probe, installation).await);
    checks.push(judge::clock(SystemClock.now(), probe.date));
    match probe.json.and_then(|json| serde_json::from_value::<Status>(json).ok()) {
        Some(status) => {
            checks.push(judge::mode(&status));
            checks.extend(service_roles(api, &status).await);
        }
        None => checks.extend(["mode", "service roles"].map(|name| Check::skip(name, "the API does not tell its status"))),
    }
    checks
}

/// As whom the API knows the caller.
async fn identity(api: &Api, probe: &Probe, installation: &str) -> Check {
    let (service, region) = api.signs_for();
    if let Some(refused) = judge::identity(probe, (service, region), installation) {
        return refused;
    }
    match api.client().describe_my_user_profile().send().await {
        Ok(own) => {
            let arn = own.user_profile().and_then(|p| p.iam_user_arn()).unwrap_or("nobody").to_owned();
            Check::ok("identity", format!("{arn}, signed for {service} in {region}"))
        }
        Err(error) => Check::fail("identity", api.explain(error).to_string(), "aws sts get-caller-identity tells who calls"),
    }
}

/// Each stack's cluster is reached under its service role.
async fn service_roles(api: &Api, status: &Status) -> Vec<Check> {
    let mut checks = Vec::new();
    for stack in &status.stacks {
        let role = api.ask_own::<ServiceRole>("CheckServiceRole", &json!({ "StackId": stack.stack_id })).await;
        checks.push(match role {
            Ok(role) => judge::service_role(&stack.name, &role),
            Err(why) => {
                Check::fail(format!("role of {}", stack.name), why.to_string(), "see the log of the function that serves the API")
            }
        });
    }
    if checks.is_empty() {
        checks.push(Check::skip("service roles", "there is no stack that you may see"));
    }
    checks
}
