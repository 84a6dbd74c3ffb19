//! The whole story of break-glass: a template is there before it is needed, a machine of it is of use with Strata gone, and afterwards it is left
//! alone or adopted, as the layer's settings say.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use serde_json::json;
use strata_domain::instance_actions::Origin;
use strata_domain::{Ec2InstanceId, InstanceStatus};
use strata_local::virtual_runtime;
use strata_ports::{Compute, ContainerInstanceState};
use strata_tests::crash::World;

const ZONE: &str = "us-east-1a";

/// Somebody launches a machine from the layer's template while no function runs; it boots and joins the cluster.
async fn launched_by_hand(world: &World) -> Ec2InstanceId {
    let name = world.cloud.launch_templates().into_keys().next().expect("the first tick has made it");
    let host = world.cloud.launch_from_template(&name, "subnet-00000000", ZONE).unwrap();
    world.alone().await;
    host
}

fn is_in_service(world: &World, host: &Ec2InstanceId) -> bool {
    let view = world.cloud.world_view();
    let found = view.containers.iter().find(|container| container.ec2_id == *host);
    found.is_some_and(|c| c.cluster == *world.cluster() && c.connected && c.state == ContainerInstanceState::Active)
}

async fn adopt(world: &World, adopts: bool) {
    let json = json!({ "strata": { "launch": { "adopt_break_glass": adopts } } }).to_string();
    world.call("UpdateLayer", json!({ "LayerId": world.layer(), "CustomJson": json })).await.unwrap();
}

#[test]
fn a_machine_of_the_template_is_of_use_with_strata_gone_and_is_left_alone_afterwards() {
    virtual_runtime().unwrap().block_on(async {
        let world = World::new(None).await;
        world.minute().await;
        let host = launched_by_hand(&world).await;
        assert!(is_in_service(&world, &host));
        world.settle().await.unwrap();
        assert!(world.registered().await.is_none() && is_in_service(&world, &host));
        // Nor is it taken for a machine of ours that has lost its record.
        let found = world.cloud.find_by_record(&world.scope(), &["".into()]).await.unwrap();
        assert!(found.is_empty(), "{found:?}");
    });
}

#[test]
fn a_layer_that_adopts_makes_a_registered_instance_of_it_which_stays_the_same_container_instance() {
    virtual_runtime().unwrap().block_on(async {
        let world = World::new(None).await;
        world.minute().await;
        adopt(&world, true).await;
        let host = launched_by_hand(&world).await;
        let before: Vec<_> = world.cloud.world_view().containers.into_iter().map(|container| container.arn).collect();
        let is_online = async |w: &World| w.registered().await.is_some_and(|record| record.status == InstanceStatus::Online);
        world.until("it is online", is_online).await.unwrap();
        let record = world.registered().await.unwrap();
        assert_eq!((record.ec2_instance_id.as_ref(), record.origin), (Some(&host), Origin::RegisteredEc2));
        assert_eq!(record.layer_ids.iter().map(|id| id.as_str()).collect::<Vec<_>>(), [world.layer()]);
        assert_eq!(record.container_instance_arn.as_ref(), before.first());
        // Whoever takes it out again does not find it back.
        world.call("UnassignInstance", json!({ "InstanceId": record.id })).await.unwrap();
        world.settle().await.unwrap();
        world.call("DeregisterInstance", json!({ "InstanceId": record.id })).await.unwrap();
        world.settle().await.unwrap();
        assert!(world.registered().await.is_none() && is_in_service(&world, &host));
    });
}
