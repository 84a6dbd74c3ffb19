//! Waiters [CLT-1] [INST-2..5] and paginators [DSC-5].

use serde_json::{Value, json};

/// So often a waiter asks before it gives up.
const MAX_ATTEMPTS: u32 = 40;
/// Seconds between two questions about an instance or a deployment.
const DELAY: u32 = 15;

/// What ends a waiter on the status of a list's elements: all have the first, or any has one of the others.
struct Statuses {
    wanted: &'static str,
    failed: &'static [&'static str],
}

const ONLINE: Statuses = Statuses {
    wanted: "online",
    failed: &["setup_failed", "shutting_down", "start_failed", "stopped", "stopping", "terminating", "terminated", "stop_failed"],
};
const STOPPED: Statuses = Statuses {
    wanted: "stopped",
    failed: &["booting", "pending", "rebooting", "requested", "running_setup", "setup_failed", "start_failed", "stop_failed"],
};
const TERMINATED: Statuses = Statuses {
    wanted: "terminated",
    failed: &["booting", "online", "pending", "rebooting", "requested", "running_setup", "setup_failed", "start_failed"],
};
const REGISTERED: Statuses = Statuses {
    wanted: "registered",
    failed: &["setup_failed", "shutting_down", "stopped", "stopping", "terminating", "terminated", "stop_failed"],
};
const SUCCESSFUL: Statuses = Statuses { wanted: "successful", failed: &["failed"] };

/// The waiters (`waiters-2.json`).
pub fn waiters() -> Value {
    let instances = |statuses: &Statuses| on_status("DescribeInstances", "Instances[].Status", statuses);
    let gone = json!({ "matcher": "error", "expected": "ResourceNotFoundException", "state": "success" });
    let mut terminated = instances(&TERMINATED);
    terminated["acceptors"].as_array_mut().expect("it was made as a list").insert(1, gone);
    json!({
        "version": 2,
        "waiters": {
            "AppExists": {
                "operation": "DescribeApps",
                "delay": 1,
                "maxAttempts": MAX_ATTEMPTS,
                "acceptors": [
                    { "matcher": "status", "expected": 200, "state": "success" },
                    { "matcher": "status", "expected": 400, "state": "failure" },
                ],
            },
            "DeploymentSuccessful": on_status("DescribeDeployments", "Deployments[].Status", &SUCCESSFUL),
            "InstanceOnline": instances(&ONLINE),
            "InstanceRegistered": instances(&REGISTERED),
            "InstanceStopped": instances(&STOPPED),
            "InstanceTerminated": terminated,
        },
    })
}

fn on_status(operation: &str, argument: &str, statuses: &Statuses) -> Value {
    let acceptor = |matcher: &str, status: &str, state: &str| json!({ "matcher": matcher, "argument": argument, "expected": status, "state": state });
    let mut acceptors = vec![acceptor("pathAll", statuses.wanted, "success")];
    acceptors.extend(statuses.failed.iter().map(|status| acceptor("pathAny", status, "failure")));
    json!({ "operation": operation, "delay": DELAY, "maxAttempts": MAX_ATTEMPTS, "acceptors": acceptors })
}

/// The one list that comes in pages (`paginators-1.json`).
pub fn paginators() -> Value {
    json!({
        "pagination": {
            "DescribeEcsClusters": {
                "input_token": "NextToken",
                "output_token": "NextToken",
                "limit_key": "MaxResults",
                "result_key": "EcsClusters",
            },
        },
    })
}
