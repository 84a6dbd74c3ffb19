//! The machines' power, told by whoever watches EC2.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use strata_domain::Ec2InstanceId;
use strata_local::cloud::OwnHost;
use strata_ports::Compute;

use super::Served;

/// A machine as EC2 describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    /// EC2's word.
    state: String,
    zone: String,
    instance_type: String,
}

/// Takes in machines that are new, and has the known ones follow.
pub(super) async fn follow(State(served): State<Arc<Served>>, body: Bytes) -> (StatusCode, String) {
    let machines: BTreeMap<String, Machine> = match serde_json::from_slice(&body) {
        Ok(machines) => machines,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("expected machines by id: {error}")),
    };
    for (id, machine) in machines {
        let id = Ec2InstanceId::from(id.as_str());
        if let Err(why) = follow_one(&served, &id, &machine).await {
            return (StatusCode::BAD_REQUEST, format!("{id}: {why}"));
        }
    }
    (StatusCode::OK, String::new())
}

async fn follow_one(served: &Served, id: &Ec2InstanceId, machine: &Machine) -> Result<(), String> {
    let (cloud, scope, ids) = (&served.cloud, &served.scope, std::slice::from_ref(id));
    let results = match machine.state.as_str() {
        "running" => {
            let own = OwnHost { zone: machine.zone.clone(), instance_type: machine.instance_type.clone(), ..OwnHost::default() };
            cloud.adopt(id, own);
            cloud.start_instances(scope, ids).await
        }
        "stopped" => cloud.stop_instances(scope, ids, false).await,
        "terminated" => cloud.terminate_instances(scope, ids).await,
        // On its way: the next look finds it there.
        "pending" | "stopping" | "shutting-down" => return Ok(()),
        other => return Err(format!("{other} is no state of EC2's")),
    };
    // What was never seen running has no agents to end.
    let failed = results.map_err(|error| error.to_string())?.into_iter().find_map(|item| item.result.err());
    failed.filter(|error| error.code() != Some("InvalidInstanceID.NotFound")).map_or(Ok(()), |error| Err(error.to_string()))
}
