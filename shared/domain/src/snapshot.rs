//! What the scripts of a host get to see: the whole stack as JSON, as it is when a command is sent [LIFE-3] [LIFE-7].
//!
//! The members of `resources` have the names that OpsWorks' agent gave them [ECS-112], and those of each resource the names of its data bag
//! [ECS-110] [ECS-111]. What an application or a database was is an empty list, so that a script that looks for one finds none.

mod custom_json;
mod resources;
#[cfg(test)]
mod tests;

pub use custom_json::merged;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::DeploymentId;
use crate::model::{Instance, Layer, RegisteredVolume, Stack};
use crate::users::HostUser;

/// Our choice: a snapshot of more bytes is not made, and its scripts run without one. The largest stack, of 2,000 instances in layers with the
/// largest custom JSON, has less; a test builds it.
pub const MAX_BYTES: usize = 8_000_000;

/// What is run, the same for all of its targets.
#[derive(Clone, Debug, Default)]
pub struct Cause<'a> {
    /// Its type: a name of the catalogue, `shutdown`, ... [LIFE-6].
    pub kind: &'a str,
    /// `Command.Args`.
    pub args: BTreeMap<String, Vec<String>>,
    /// The deployment that it is of.
    pub deployment_id: Option<&'a DeploymentId>,
    /// Who asked.
    pub iam_user_arn: Option<&'a str>,
}

/// A stack as far as scripts see it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// All its layers.
    pub layers: Vec<&'a Layer>,
    /// All its instances.
    pub instances: Vec<&'a Instance>,
    /// All volumes that are registered with it.
    pub volumes: Vec<&'a RegisteredVolume>,
    /// Its classic load balancers: the layer and the name.
    pub load_balancers: Vec<(&'a str, &'a str)>,
    /// Who has SSH access.
    pub users: Vec<HostUser>,
}

/// The snapshot for a host with this custom JSON, as [`merged`] gives it.
///
/// Our choice: what cookbooks are fetched with is not in it.
pub fn snapshot(facts: &Facts<'_>, cause: &Cause<'_>, custom_json: Map<String, Value>) -> Value {
    json!({
        "format": 1,
        "command": {
            "type": cause.kind,
            "args": cause.args,
            "deployment_id": cause.deployment_id,
            "iam_user_arn": cause.iam_user_arn,
        },
        "custom_json": custom_json,
        "hosts": hosts_lines(&facts.instances),
        "resources": {
            "apps": [],
            "ecs_clusters": resources::ecs_clusters(&facts.layers),
            "elastic_load_balancers": resources::load_balancers(&facts.load_balancers),
            "instances": facts.instances.iter().map(|one| resources::instance(one)).collect::<Vec<_>>(),
            "layers": facts.layers.iter().map(|one| resources::layer(one)).collect::<Vec<_>>(),
            "rds_db_instances": [],
            "stack": resources::stack(facts.stack),
            "users": facts.users.iter().map(resources::user).collect::<Vec<_>>(),
            "volumes": facts.volumes.iter().map(|one| resources::volume(one)).collect::<Vec<_>>(),
        },
    })
}

/// The lines of a hosts file: each online instance by its name at its private address, and as `<host>-ext` at its public one [INST-63].
fn hosts_lines(instances: &[&Instance]) -> Vec<String> {
    let online = instances.iter().filter(|one| one.status == crate::InstanceStatus::Online);
    let mut lines: Vec<String> = online
        .flat_map(|one| {
            let private = one.private_ip.as_ref().map(|ip| format!("{ip} {}", one.hostname));
            let public = one.elastic_ip.as_ref().or(one.public_ip.as_ref());
            private.into_iter().chain(public.map(|ip| format!("{ip} {}-ext", one.hostname)))
        })
        .collect();
    lines.sort();
    lines
}
