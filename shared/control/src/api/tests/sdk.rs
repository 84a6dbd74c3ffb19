//! What the stock Rust SDK makes of the answers: every member that it knows arrives under its name and type.

use std::collections::HashMap;

use aws_sdk_opsworks::Client;
use aws_sdk_opsworks::types::{
    AutoScalingThresholds, AutoScalingType, DeploymentCommand, DeploymentCommandName, LayerAttributesKeys, LayerType,
    WeeklyAutoScalingSchedule,
};
use strata_domain::InstanceStatus;

use super::TestApi;
use super::support::{ACCOUNT, CLUSTER, REGION, USER};

type Failure = Box<dyn std::error::Error>;

async fn shop(client: &Client) -> Result<(String, String), Failure> {
    let stack = client
        .create_stack()
        .name("shop")
        .region(REGION)
        .service_role_arn(format!("arn:aws:iam::{ACCOUNT}:role/service"))
        .default_instance_profile_arn(format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"))
        .send()
        .await?
        .stack_id
        .ok_or("no stack id")?;
    client.register_ecs_cluster().ecs_cluster_arn(CLUSTER).stack_id(&stack).send().await?;
    let layer = client
        .create_layer()
        .stack_id(&stack)
        .r#type(LayerType::EcsCluster)
        .name("web")
        .shortname("web")
        .attributes(LayerAttributesKeys::EcsClusterArn, CLUSTER)
        .send()
        .await?
        .layer_id
        .ok_or("no layer id")?;
    Ok((stack, layer))
}

/// [WIRE-1] [WIRE-2] [WIRE-5] [WIRE-8] [INST-4]
#[tokio::test]
async fn wire_2_the_rust_sdk_understands_the_answers() -> Result<(), Failure> {
    let app = TestApi::new();
    let client = strata_local::opsworks_client(app.api.clone(), USER, app.cloud.clone(), 1);
    let (stack, layer) = shop(&client).await?;
    let create = || client.create_instance().stack_id(&stack).layer_ids(&layer).instance_type("m5.large");
    let id = create().auto_scaling_type(AutoScalingType::Timer).send().await?.instance_id.ok_or("no instance id")?;

    let on = HashMap::from([("1".to_owned(), "on".to_owned())]);
    let schedule = WeeklyAutoScalingSchedule::builder().set_monday(Some(on.clone())).build();
    client.set_time_based_auto_scaling().instance_id(&id).auto_scaling_schedule(schedule).send().await?;
    let timers = client.describe_time_based_auto_scaling().instance_ids(&id).send().await?;
    let schedule = timers.time_based_auto_scaling_configurations()[0].auto_scaling_schedule().ok_or("no schedule")?;
    assert_eq!(schedule.monday(), Some(&on));

    let up = AutoScalingThresholds::builder().cpu_threshold(70.0).thresholds_wait_time(3).build();
    client.set_load_based_auto_scaling().layer_id(&layer).enable(true).up_scaling(up).send().await?;
    let loads = client.describe_load_based_auto_scaling().layer_ids(&layer).send().await?;
    let load = &loads.load_based_auto_scaling_configurations()[0];
    let up = load.up_scaling().ok_or("no up")?;
    assert_eq!((load.enable(), up.cpu_threshold(), up.thresholds_wait_time()), (Some(true), Some(70.0), Some(3)));

    client.start_instance().instance_id(&id).send().await?;
    let described = client.describe_instances().stack_id(&stack).send().await?;
    let instance = &described.instances()[0];
    assert_eq!((instance.status(), instance.auto_scaling_type()), (Some("requested"), Some(&AutoScalingType::Timer)));
    assert!(instance.reported_os().is_some() && instance.ebs_optimized() == Some(false));
    let layers = client.describe_layers().layer_ids(&layer).send().await?;
    assert_eq!(
        layers.layers()[0].attributes().and_then(|a| a.get(&LayerAttributesKeys::EcsClusterArn)),
        Some(&CLUSTER.to_owned())
    );
    let summary = client.describe_stack_summary().stack_id(&stack).send().await?;
    let counts = summary.stack_summary().and_then(|s| s.instances_count()).ok_or("no counts")?;
    assert_eq!((counts.requested(), counts.online()), (Some(1), None));

    app.settle(&id, InstanceStatus::Online).await;
    let command = DeploymentCommand::builder().name(DeploymentCommandName::UpdateDependencies).build()?;
    let deployment = client.create_deployment().stack_id(&stack).command(command).send().await?.deployment_id.ok_or("no id")?;
    let deployments = client.describe_deployments().deployment_ids(&deployment).send().await?;
    assert_eq!(deployments.deployments()[0].command().map(|c| c.name()), Some(&DeploymentCommandName::UpdateDependencies));
    let commands = client.describe_commands().deployment_id(&deployment).send().await?;
    assert_eq!((commands.commands()[0].status(), commands.commands()[0].exit_code()), (Some("pending"), None));

    let refused = client.delete_instance().instance_id(&id).send().await.err().ok_or("deleted")?.into_service_error();
    assert!(refused.is_validation_exception(), "{refused:?}");
    let unknown = client.describe_instances().instance_ids("x").send().await.err().ok_or("found")?.into_service_error();
    assert!(unknown.is_resource_not_found_exception(), "{unknown:?}");
    Ok(())
}

/// [CLT-7] The SDK sends a call that lacks required members, so that the service must refuse it; an answer without members gives no list at all,
/// so lists are always there [WIRE-6].
#[tokio::test]
async fn clt_7_the_service_refuses_what_the_sdk_lets_through_and_lists_are_there_when_empty() -> Result<(), Failure> {
    let app = TestApi::new();
    let client = strata_local::opsworks_client(app.api.clone(), USER, app.cloud.clone(), 1);
    let refused = client.create_stack().send().await.err().ok_or("made")?.into_service_error();
    assert!(refused.is_validation_exception(), "{refused:?}");
    assert_eq!(client.describe_stacks().send().await?.stacks, Some(Vec::new()));
    let (stack, _) = shop(&client).await?;
    assert_eq!(client.describe_instances().stack_id(&stack).send().await?.instances, Some(Vec::new()));
    Ok(())
}
