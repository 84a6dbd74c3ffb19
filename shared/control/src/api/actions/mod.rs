//! One file per action. Each reads its members, then looks its ids up, then asks for permission, then applies the state rules, in
//! this order [WIRE-13], and answers with what to commit.

mod assign_instance;
mod assign_volume;
mod associate_elastic_ip;
mod attach_elastic_load_balancer;
mod clone_stack;
mod create_deployment;
mod create_instance;
mod create_layer;
mod create_stack;
mod create_user_profile;
mod delete_instance;
mod delete_layer;
mod delete_stack;
mod delete_user_profile;
mod deregister_ecs_cluster;
mod deregister_elastic_ip;
mod deregister_instance;
mod deregister_volume;
mod describe_agent_versions;
mod describe_apps;
mod describe_commands;
mod describe_deployments;
mod describe_ecs_clusters;
mod describe_elastic_ips;
mod describe_elastic_load_balancers;
mod describe_instances;
mod describe_layers;
mod describe_load_based_auto_scaling;
mod describe_my_user_profile;
mod describe_operating_systems;
mod describe_permissions;
mod describe_raid_arrays;
mod describe_rds_db_instances;
mod describe_service_errors;
mod describe_stack_provisioning_parameters;
mod describe_stack_summary;
mod describe_stacks;
mod describe_time_based_auto_scaling;
mod describe_user_profiles;
mod describe_volumes;
mod detach_elastic_load_balancer;
mod disassociate_elastic_ip;
mod get_hostname_suggestion;
mod layer_members;
mod list_tags;
mod load_based_index;
mod log_members;
mod placement;
mod reboot_instance;
mod register_ecs_cluster;
mod register_elastic_ip;
mod register_instance;
mod register_volume;
mod set_load_based_auto_scaling;
mod set_permission;
mod set_time_based_auto_scaling;
mod stack_members;
mod start_instance;
mod start_stack;
mod stop_instance;
mod stop_stack;
mod tag_resource;
mod tagged;
mod teardown_plan;
mod timer_settings;
mod unassign_instance;
mod unassign_volume;
mod uniqueness;
mod untag_resource;
mod update_elastic_ip;
mod update_instance;
mod update_layer;
mod update_my_user_profile;
mod update_stack;
mod update_user_profile;
mod update_volume;
mod update_windows;
mod user_profiles;
mod volume_members;

pub(super) use describe_stacks::visible as visible_stacks;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::call::Call;
use super::error::ApiError;
use super::input::Input;
use super::transaction::Answer;

/// One action as the model shows it.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// The schema of what it reads; its description is the operation's.
    pub(crate) input: Schema,
    /// The schema of what it answers, if it answers anything [WIRE-5].
    pub(crate) output: Option<Schema>,
}

/// The table of actions, one line each: name, file, what it reads, what it answers (`()`: an empty body).
macro_rules! actions {
    ($($name:literal => $module:ident($input:ident) -> $output:tt,)*) => {
        /// Runs the action that the call names.
        pub(crate) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
            match call.action.name {
                $($name => $module::run(call, input).await,)*
                // A test holds the table against the catalogue.
                name => Err(ApiError::Internal(format!("{name} is in the catalogue and not in the table"))),
            }
        }

        /// The actions that are built, with the schemas of their wire types.
        pub(crate) fn operations() -> Vec<Operation> {
            vec![$(Operation {
                name: $name,
                input: read_schema::<$module::$input>(),
                output: actions!(@output $module $output),
            },)*]
        }
    };
    (@output $module:ident ()) => { None };
    (@output $module:ident $output:ident) => { Some(answer_schema::<$module::$output>()) };
}

actions! {
    "AssignInstance" => assign_instance(Members) -> (),
    "AssignVolume" => assign_volume(Members) -> (),
    "AssociateElasticIp" => associate_elastic_ip(Members) -> (),
    "AttachElasticLoadBalancer" => attach_elastic_load_balancer(Members) -> (),
    "CloneStack" => clone_stack(Members) -> Output,
    "CreateDeployment" => create_deployment(Members) -> Output,
    "CreateInstance" => create_instance(Members) -> Output,
    "CreateLayer" => create_layer(Members) -> Output,
    "CreateStack" => create_stack(Members) -> Output,
    "CreateUserProfile" => create_user_profile(Members) -> Output,
    "DeleteInstance" => delete_instance(Members) -> (),
    "DeleteLayer" => delete_layer(Members) -> (),
    "DeleteStack" => delete_stack(Members) -> (),
    "DeleteUserProfile" => delete_user_profile(Members) -> (),
    "DeregisterEcsCluster" => deregister_ecs_cluster(Members) -> (),
    "DeregisterElasticIp" => deregister_elastic_ip(Members) -> (),
    "DeregisterInstance" => deregister_instance(Members) -> (),
    "DeregisterVolume" => deregister_volume(Members) -> (),
    "DescribeAgentVersions" => describe_agent_versions(Members) -> Output,
    "DescribeApps" => describe_apps(Members) -> Output,
    "DescribeCommands" => describe_commands(Members) -> Output,
    "DescribeDeployments" => describe_deployments(Members) -> Output,
    "DescribeEcsClusters" => describe_ecs_clusters(Members) -> Output,
    "DescribeElasticIps" => describe_elastic_ips(Members) -> Output,
    "DescribeElasticLoadBalancers" => describe_elastic_load_balancers(Members) -> Output,
    "DescribeInstances" => describe_instances(Members) -> Output,
    "DescribeLayers" => describe_layers(Members) -> Output,
    "DescribeLoadBasedAutoScaling" => describe_load_based_auto_scaling(Members) -> Output,
    "DescribeMyUserProfile" => describe_my_user_profile(Members) -> Output,
    "DescribeOperatingSystems" => describe_operating_systems(Members) -> Output,
    "DescribePermissions" => describe_permissions(Members) -> Output,
    "DescribeRaidArrays" => describe_raid_arrays(Members) -> Output,
    "DescribeRdsDbInstances" => describe_rds_db_instances(Members) -> Output,
    "DescribeServiceErrors" => describe_service_errors(Members) -> Output,
    "DescribeStackProvisioningParameters" => describe_stack_provisioning_parameters(Members) -> Output,
    "DescribeStackSummary" => describe_stack_summary(Members) -> Output,
    "DescribeStacks" => describe_stacks(Members) -> Output,
    "DescribeTimeBasedAutoScaling" => describe_time_based_auto_scaling(Members) -> Output,
    "DescribeUserProfiles" => describe_user_profiles(Members) -> Output,
    "DescribeVolumes" => describe_volumes(Members) -> Output,
    "DetachElasticLoadBalancer" => detach_elastic_load_balancer(Members) -> (),
    "DisassociateElasticIp" => disassociate_elastic_ip(Members) -> (),
    "GetHostnameSuggestion" => get_hostname_suggestion(Members) -> Output,
    "ListTags" => list_tags(Members) -> Output,
    "RebootInstance" => reboot_instance(Members) -> (),
    "RegisterEcsCluster" => register_ecs_cluster(Members) -> Output,
    "RegisterElasticIp" => register_elastic_ip(Members) -> Output,
    "RegisterInstance" => register_instance(Members) -> Output,
    "RegisterVolume" => register_volume(Members) -> Output,
    "SetLoadBasedAutoScaling" => set_load_based_auto_scaling(Members) -> (),
    "SetPermission" => set_permission(Members) -> (),
    "SetTimeBasedAutoScaling" => set_time_based_auto_scaling(Members) -> (),
    "StartInstance" => start_instance(Members) -> (),
    "StartStack" => start_stack(Members) -> (),
    "StopInstance" => stop_instance(Members) -> (),
    "StopStack" => stop_stack(Members) -> (),
    "TagResource" => tag_resource(Members) -> (),
    "UnassignInstance" => unassign_instance(Members) -> (),
    "UnassignVolume" => unassign_volume(Members) -> (),
    "UntagResource" => untag_resource(Members) -> (),
    "UpdateElasticIp" => update_elastic_ip(Members) -> (),
    "UpdateInstance" => update_instance(Members) -> (),
    "UpdateLayer" => update_layer(Members) -> (),
    "UpdateMyUserProfile" => update_my_user_profile(Members) -> (),
    "UpdateStack" => update_stack(Members) -> (),
    "UpdateUserProfile" => update_user_profile(Members) -> (),
    "UpdateVolume" => update_volume(Members) -> (),
}

fn read_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

fn answer_schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::catalogue::{ACTIONS, Scope};

    #[test]
    fn scp_1_the_table_has_every_action_in_scope_in_the_catalogues_order() {
        let built: Vec<&str> = operations().iter().map(|o| o.name).collect();
        let served = ACTIONS.iter().filter(|a| !matches!(a.scope, Scope::OutWriter(_))).map(|a| a.name);
        assert_eq!(built, served.collect::<Vec<_>>());
    }

    #[test]
    fn whatever_is_read_or_answered_is_an_object() {
        for Operation { name, input, output } in operations() {
            for schema in output.into_iter().chain([input]) {
                assert_eq!(schema.get("type").and_then(|t| t.as_str()), Some("object"), "{name}");
            }
        }
    }
}
