//! Removing what a walk has built, however far it came: found by the stack's name, so that also what a lost answer has made is found.

use aws_sdk_opsworks::types::Instance;

use super::walk::Plan;
use crate::client::Api;

/// Removes the stack of the plan's name with all that is in it; one that is not there is removed already.
///
/// # Errors
/// What is left, and why.
pub(super) async fn remove(api: &Api, plan: &Plan) -> Result<(), String> {
    let stacks = api.client().describe_stacks().send().await.map_err(|e| api.explain(e).to_string())?;
    let named = stacks.stacks().iter().filter(|stack| stack.name() == Some(&plan.stack_name));
    for id in named.filter_map(|stack| stack.stack_id()) {
        remove_stack(api, plan, id).await.map_err(|why| format!("stack {} ({id}) is left: {why}", plan.stack_name))?;
    }
    Ok(())
}

async fn remove_stack(api: &Api, plan: &Plan, id: &str) -> Result<(), String> {
    remove_instances(api, plan, id).await?;
    let layers = api.client().describe_layers().stack_id(id).send().await.map_err(|e| api.explain(e).to_string())?;
    for layer in layers.layers().iter().filter_map(|layer| layer.layer_id()) {
        api.client().delete_layer().layer_id(layer).send().await.map_err(|e| api.explain(e).to_string())?;
    }
    let clusters = api.client().describe_ecs_clusters().stack_id(id).send().await.map_err(|e| api.explain(e).to_string())?;
    for arn in clusters.ecs_clusters().iter().filter_map(|cluster| cluster.ecs_cluster_arn()) {
        api.client().deregister_ecs_cluster().ecs_cluster_arn(arn).send().await.map_err(|e| api.explain(e).to_string())?;
    }
    api.client().delete_stack().stack_id(id).send().await.map_err(|e| api.explain(e).to_string())?;
    Ok(())
}

/// Takes down and deletes instances in whatever status they are, until there is none.
async fn remove_instances(api: &Api, plan: &Plan, stack: &str) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..plan.looks {
        let seen = api.client().describe_instances().stack_id(stack).send().await.map_err(|e| api.explain(e).to_string())?;
        if seen.instances().is_empty() {
            return Ok(());
        }
        for instance in seen.instances() {
            // What is refused now may be taken at the next look, when the status is another one.
            if let Err(why) = take_down(api, instance).await {
                last = format!("{} is {}: {why}", instance.hostname().unwrap_or_default(), instance.status().unwrap_or_default());
            }
        }
        tokio::time::sleep(plan.pause).await;
    }
    Err(if last.is_empty() { "its instances did not go in time".to_owned() } else { last })
}

async fn take_down(api: &Api, instance: &Instance) -> Result<(), String> {
    let id = instance.instance_id().unwrap_or_default();
    match instance.status().unwrap_or_default() {
        "stopping" | "shutting_down" | "terminating" | "terminated" => Ok(()),
        "stopped" | "start_failed" => {
            let deleted = api.client().delete_instance().instance_id(id).send().await;
            deleted.map(drop).map_err(|e| api.explain(e).to_string())
        }
        _ => {
            let stopped = api.client().stop_instance().instance_id(id).force(true).send().await;
            stopped.map(drop).map_err(|e| api.explain(e).to_string())
        }
    }
}
