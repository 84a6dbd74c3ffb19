//! `strata layer add`: registers the cluster and creates its layer, or leaves everything as it was [ECS-23, 24].

use aws_sdk_opsworks::types::{LayerAttributesKeys, LayerType, Stack};

use super::iam::Account;
use super::{console_link, ecs_layer, say, stack};
use crate::args::{LayerAddArgs, Output};
use crate::client::Api;
use crate::{CliError, Exit};

pub(super) async fn run(api: &Api, args: &LayerAddArgs, output: Output) -> Result<Exit, CliError> {
    let stack = stack(api, args.stack.as_deref()).await?;
    let (stack_id, region) = (stack.stack_id().unwrap_or_default(), stack.region().unwrap_or_default());
    if let Some(layer) = ecs_layer(api, stack_id).await? {
        let (name, id) = (layer.name().unwrap_or_default(), layer.layer_id().unwrap_or_default());
        return Err(CliError::BadInput(format!("the stack has an ECS Cluster layer already: {name} {id}; a stack takes one")));
    }
    let cluster = cluster_arn(&args.cluster, &stack)?;
    let account = Account::behind(api);
    account.widen_role(api, stack_id, &cluster, args.yes).await?;
    let profile = account.instance_profile(args.instance_profile.as_deref(), account_of(&stack))?;

    let was_registered = is_registered(api, stack_id, &cluster).await?;
    let registers = api.client().register_ecs_cluster().ecs_cluster_arn(&cluster).stack_id(stack_id);
    registers.send().await.map_err(|e| api.explain(e))?;
    let created = create(api, args, stack_id, &cluster, &profile).await;
    let layer_id = match created {
        Ok(id) => id,
        Err(error) if was_registered => return Err(error),
        Err(error) => return Err(undo(api, &cluster, error).await),
    };
    report(output, &layer_id, &cluster, &profile, region)?;
    Ok(Exit::Done)
}

/// Whether the cluster was the stack's before: then it is not ours to deregister.
async fn is_registered(api: &Api, stack_id: &str, cluster: &str) -> Result<bool, CliError> {
    let clusters = api.client().describe_ecs_clusters().stack_id(stack_id).send().await.map_err(|e| api.explain(e))?;
    Ok(clusters.ecs_clusters().iter().any(|c| c.ecs_cluster_arn() == Some(cluster)))
}

async fn create(api: &Api, args: &LayerAddArgs, stack_id: &str, cluster: &str, profile: &str) -> Result<String, CliError> {
    let created = api
        .client()
        .create_layer()
        .stack_id(stack_id)
        .r#type(LayerType::EcsCluster)
        .name(&args.name)
        .shortname("ecs-cluster")
        .attributes(LayerAttributesKeys::EcsClusterArn, cluster)
        .custom_instance_profile_arn(profile)
        .send()
        .await
        .map_err(|e| api.explain(e))?;
    Ok(created.layer_id().unwrap_or_default().to_owned())
}

/// Takes the registration back after a layer that could not be created [ECS-23].
async fn undo(api: &Api, cluster: &str, error: CliError) -> CliError {
    match api.client().deregister_ecs_cluster().ecs_cluster_arn(cluster).send().await {
        Ok(_) => CliError::Failed(anyhow::anyhow!("{error}; the cluster is deregistered again, so nothing has changed")),
        Err(second) => {
            let second = api.explain(second);
            CliError::Failed(anyhow::anyhow!(
                "{error}; the cluster is still registered with the stack, since it could not be deregistered again: {second}; run\n  \
                 aws opsworks deregister-ecs-cluster --ecs-cluster-arn {cluster}"
            ))
        }
    }
}

/// What the guide advises [ECS-50] [ELB-12].
const BALANCING: &str =
    "To balance a service's tasks, give the ECS service a load balancer of its own; AttachElasticLoadBalancer balances hosts.";

fn report(output: Output, layer_id: &str, cluster: &str, profile: &str, region: &str) -> Result<(), CliError> {
    let link = console_link(region, cluster);
    match output {
        Output::Json => say(&serde_json::json!({
            "layer_id": layer_id, "ecs_cluster_arn": cluster, "instance_profile_arn": profile, "console": link,
            "hint": BALANCING,
        })
        .to_string()),
        Output::Table => say(&format!(
            "layer             {layer_id}\ncluster           {cluster}\ninstance profile  {profile}\nECS console       {link}\n\
             {BALANCING}\n\
             It has no instances yet: aws opsworks create-instance --layer-ids {layer_id} ..."
        )),
    }
}

/// A cluster's ARN, or its name in the stack's account and region.
fn cluster_arn(named: &str, stack: &Stack) -> Result<String, CliError> {
    if named.starts_with("arn:") {
        return Ok(named.to_owned());
    }
    let is_name = !named.is_empty() && named.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if !is_name {
        return Err(CliError::BadInput(format!("--cluster {named:?}: expected the ARN or the name of an ECS cluster")));
    }
    let region = stack.region().unwrap_or_default();
    Ok(format!("arn:aws:ecs:{region}:{}:cluster/{named}", account_of(stack)))
}

/// The account in the stack's ARN.
fn account_of(stack: &Stack) -> &str {
    stack.arn().and_then(|arn| arn.split(':').nth(4)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_may_be_named_by_its_arn_or_by_its_name() {
        let stack = Stack::builder().region("eu-west-1").arn("arn:aws:opsworks:eu-west-1:123456789012:stack/s/").build();
        let arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop";
        assert_eq!(cluster_arn("shop", &stack).unwrap(), arn);
        assert_eq!(cluster_arn(arn, &stack).unwrap(), arn);
        for bad in ["", "a b", "a/b"] {
            assert!(cluster_arn(bad, &stack).is_err(), "{bad}");
        }
    }
}
