//! `strata layer`: what OpsWorks' console did in one step and its API does in several [ECS-23].

mod add;
mod delete;
mod iam;

use aws_sdk_opsworks::types::{Layer, LayerType, Stack};

use crate::args::{LayerCommand, Output};
use crate::client::Api;
use crate::environment::Environment;
use crate::{CliError, Exit, write_stdout};

/// Adds or deletes an ECS Cluster layer.
///
/// # Errors
/// [`CliError`], one sentence; what was begun is undone as far as it says.
pub fn run(command: &LayerCommand, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let environment = Environment::read();
        match command {
            LayerCommand::Add(args) => {
                let api = Api::connect(&args.api, &environment).await?;
                add::run(&api, args, output).await
            }
            LayerCommand::Delete(args) => {
                let api = Api::connect(&args.api, &environment).await?;
                delete::run(&api, args, output).await
            }
        }
    })
}

/// The stack of this id, or the one stack of this name; the only stack where none is named.
pub(crate) async fn stack(api: &Api, named: Option<&str>) -> Result<Stack, CliError> {
    let all = api.client().describe_stacks().send().await.map_err(|e| api.explain(e))?;
    let is_meant = |s: &&Stack| named.is_none_or(|named| s.stack_id() == Some(named) || s.name() == Some(named));
    let found: Vec<&Stack> = all.stacks().iter().filter(is_meant).collect();
    match (found.as_slice(), named) {
        ([one], _) => Ok((*one).clone()),
        ([], Some(named)) => Err(CliError::BadInput(format!("--stack {named}: no stack that you may see has this name or id"))),
        ([], None) => Err(CliError::BadInput("there is no stack; make one with `aws opsworks create-stack`".to_owned())),
        (many, _) => {
            let names: Vec<String> =
                many.iter().map(|s| format!("{} {}", s.stack_id().unwrap_or_default(), s.name().unwrap_or_default())).collect();
            Err(CliError::BadInput(format!("--stack: expected the id of one stack of {}", names.join(", "))))
        }
    }
}

/// The stack's ECS Cluster layer, if it has one.
async fn ecs_layer(api: &Api, stack_id: &str) -> Result<Option<Layer>, CliError> {
    let layers = api.client().describe_layers().stack_id(stack_id).send().await.map_err(|e| api.explain(e))?;
    Ok(layers.layers().iter().find(|l| l.r#type() == Some(&LayerType::EcsCluster)).cloned())
}

fn say(line: &str) -> Result<(), CliError> {
    write_stdout(format!("{line}\n").as_bytes())
}

/// The cluster's page in the ECS console [ECS-78].
fn console_link(region: &str, cluster_arn: &str) -> String {
    let name = cluster_arn.rsplit('/').next().unwrap_or_default();
    format!("https://{region}.console.aws.amazon.com/ecs/v2/clusters/{name}/infrastructure?region={region}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [ECS-78]
    #[test]
    fn ecs_78_the_link_leads_to_the_clusters_page_of_its_region() {
        assert_eq!(
            console_link("eu-west-1", "arn:aws:ecs:eu-west-1:123456789012:cluster/shop"),
            "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/shop/infrastructure?region=eu-west-1"
        );
    }
}
