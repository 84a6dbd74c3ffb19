//! One file per action. Each reads its members, then looks its ids up, then asks for permission, then applies the state rules, in
//! this order [WIRE-13], and answers with what to commit.

mod create_deployment;
mod create_instance;
mod create_layer;
mod create_stack;
mod delete_instance;
mod delete_layer;
mod delete_stack;
mod deregister_ecs_cluster;
mod describe_apps;
mod describe_commands;
mod describe_deployments;
mod describe_ecs_clusters;
mod describe_instances;
mod describe_layers;
mod describe_load_based_auto_scaling;
mod describe_rds_db_instances;
mod describe_service_errors;
mod describe_stack_summary;
mod describe_stacks;
mod describe_time_based_auto_scaling;
mod get_hostname_suggestion;
mod layer_members;
mod load_based_index;
mod placement;
mod reboot_instance;
mod register_ecs_cluster;
mod set_load_based_auto_scaling;
mod set_time_based_auto_scaling;
mod start_instance;
mod start_stack;
mod stop_instance;
mod stop_stack;
mod uniqueness;
mod update_instance;
mod update_layer;
mod update_stack;

use super::call::Call;
use super::error::ApiError;
use super::input::Input;
use super::transaction::Answer;

/// Runs the action that the call names. What the catalogue has and this list has not is in scope, but not built yet.
pub(crate) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    match call.action.name {
        "CreateDeployment" => create_deployment::run(call, input).await,
        "CreateInstance" => create_instance::run(call, input).await,
        "CreateLayer" => create_layer::run(call, input).await,
        "CreateStack" => create_stack::run(call, input).await,
        "DeleteInstance" => delete_instance::run(call, input).await,
        "DeleteLayer" => delete_layer::run(call, input).await,
        "DeleteStack" => delete_stack::run(call, input).await,
        "DeregisterEcsCluster" => deregister_ecs_cluster::run(call, input).await,
        "DescribeApps" => describe_apps::run(call, input).await,
        "DescribeCommands" => describe_commands::run(call, input).await,
        "DescribeDeployments" => describe_deployments::run(call, input).await,
        "DescribeEcsClusters" => describe_ecs_clusters::run(call, input).await,
        "DescribeInstances" => describe_instances::run(call, input).await,
        "DescribeLayers" => describe_layers::run(call, input).await,
        "DescribeLoadBasedAutoScaling" => describe_load_based_auto_scaling::run(call, input).await,
        "DescribeRdsDbInstances" => describe_rds_db_instances::run(call, input).await,
        "DescribeServiceErrors" => describe_service_errors::run(call, input).await,
        "DescribeStackSummary" => describe_stack_summary::run(call, input).await,
        "DescribeStacks" => describe_stacks::run(call, input).await,
        "DescribeTimeBasedAutoScaling" => describe_time_based_auto_scaling::run(call, input).await,
        "GetHostnameSuggestion" => get_hostname_suggestion::run(call, input).await,
        "RebootInstance" => reboot_instance::run(call, input).await,
        "RegisterEcsCluster" => register_ecs_cluster::run(call, input).await,
        "SetLoadBasedAutoScaling" => set_load_based_auto_scaling::run(call, input).await,
        "SetTimeBasedAutoScaling" => set_time_based_auto_scaling::run(call, input).await,
        "StartInstance" => start_instance::run(call, input).await,
        "StartStack" => start_stack::run(call, input).await,
        "StopInstance" => stop_instance::run(call, input).await,
        "StopStack" => stop_stack::run(call, input).await,
        "UpdateInstance" => update_instance::run(call, input).await,
        "UpdateLayer" => update_layer::run(call, input).await,
        "UpdateStack" => update_stack::run(call, input).await,
        name => Err(ApiError::not_yet(name)),
    }
}
