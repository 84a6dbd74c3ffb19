//! `strata layer delete`: deletes the ECS Cluster layer and deregisters its cluster, which stays in ECS (ecs-cluster-layer.md, section 11).

use super::{ecs_layer, say, stack};
use crate::args::{LayerDeleteArgs, Output};
use crate::client::Api;
use crate::{CliError, Exit};

pub(super) async fn run(api: &Api, args: &LayerDeleteArgs, output: Output) -> Result<Exit, CliError> {
    let stack = stack(api, args.stack.as_deref()).await?;
    let stack_id = stack.stack_id().unwrap_or_default();
    let layer = ecs_layer(api, stack_id).await?;
    let deleted = match &layer {
        Some(layer) => {
            let id = layer.layer_id().unwrap_or_default();
            check_empty(api, id).await?;
            // First the layer: it refuses while it has instances, so the cluster is never deregistered under their feet.
            api.client().delete_layer().layer_id(id).send().await.map_err(|e| api.explain(e))?;
            Some(id)
        }
        None => None,
    };
    // Also for a layer that an earlier, interrupted run has deleted already.
    let clusters = api.client().describe_ecs_clusters().stack_id(stack_id).send().await.map_err(|e| api.explain(e))?;
    let mut deregistered = Vec::new();
    for arn in clusters.ecs_clusters().iter().filter_map(|c| c.ecs_cluster_arn()) {
        api.client().deregister_ecs_cluster().ecs_cluster_arn(arn).send().await.map_err(|e| api.explain(e))?;
        deregistered.push(arn);
    }
    if deleted.is_none() && deregistered.is_empty() {
        return Err(CliError::BadInput(format!("the stack {stack_id} has no ECS Cluster layer and no cluster")));
    }
    report(output, deleted, &deregistered)?;
    Ok(Exit::Done)
}

/// A layer with instances is not deleted; the text names what to do with each [ECS-93].
async fn check_empty(api: &Api, layer_id: &str) -> Result<(), CliError> {
    let members = api.client().describe_instances().layer_id(layer_id).send().await.map_err(|e| api.explain(e))?;
    let lines: Vec<String> = members
        .instances()
        .iter()
        .map(|i| {
            let (id, host) = (i.instance_id().unwrap_or_default(), i.hostname().unwrap_or_default());
            let next = match (i.registered_by(), i.status()) {
                (Some(_), _) => format!("aws opsworks unassign-instance --instance-id {id}"),
                (None, Some("stopped")) => format!("aws opsworks delete-instance --instance-id {id}"),
                (None, _) => format!("aws opsworks stop-instance --instance-id {id}, then delete it"),
            };
            format!("  {host} ({}): {next}", i.status().unwrap_or_default())
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(CliError::BadInput(format!("the layer still has {} instances:\n{}", lines.len(), lines.join("\n"))))
}

fn report(output: Output, layer_id: Option<&str>, clusters: &[&str]) -> Result<(), CliError> {
    match output {
        Output::Json => say(&serde_json::json!({ "deleted_layer_id": layer_id, "deregistered": clusters }).to_string()),
        Output::Table => {
            if let Some(id) = layer_id {
                say(&format!("layer {id} is deleted"))?;
            }
            clusters.iter().try_for_each(|arn| say(&format!("cluster {arn} is deregistered; it stays in ECS")))
        }
    }
}
