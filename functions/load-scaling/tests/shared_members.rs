//! An instance of two layers, through the real handler and the real API.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use jiff::SignedDuration;
use strata_control::{Api, ApiConfig};
use strata_domain::InstanceStatus;
use strata_fleet::Fleet;
use strata_load_scaling::{Deps, handle};
use strata_local::cloud::{CloudConfig, SimCloud};
use strata_local::{MemoryStore, SeededIds, VirtualClock, opsworks_client, virtual_runtime};
use strata_ports::{AlarmState, HttpService};

const TICK: &[u8] = include_bytes!("../../../events/schedule-tick.json");

/// Which layer's alarm fires: its short name.
async fn started_by(firing: &str) -> (InstanceStatus, Vec<String>) {
    let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
    let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
    let cluster = cloud.create_cluster("shop");
    let ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(SeededIds::new(1, "test")));
    let config = ApiConfig::default();
    let role = strata_control::LOCAL_CONTROLLER;
    let api: Arc<dyn HttpService> = Arc::new(Api::new(ports.clone(), config));
    let user = opsworks_client(api.clone(), "arn:aws:iam::123456789012:user/ada", clock.clone(), 1);

    let role_of = |name: &str| format!("arn:aws:iam::123456789012:{name}");
    let stack = user.create_stack().name("shop").region("us-east-1").service_role_arn(role_of("role/service"));
    let stack = stack.default_instance_profile_arn(role_of("instance-profile/ec2")).send().await.unwrap();
    let stack = stack.stack_id().unwrap().to_owned();
    user.register_ecs_cluster().ecs_cluster_arn(cluster.as_str()).stack_id(&stack).send().await.unwrap();
    let ecs = user.create_layer().stack_id(&stack).r#type("ecs-cluster".into()).name("ECS").shortname("ecs-cluster");
    let ecs = ecs.attributes("EcsClusterArn".into(), cluster.as_str()).send().await.unwrap();
    let extra = user.create_layer().stack_id(&stack).r#type("custom".into()).name("extra").shortname("extra");
    let extra = extra.send().await.unwrap();
    let layers = [ecs.layer_id().unwrap(), extra.layer_id().unwrap()];
    let instance = user.create_instance().stack_id(&stack).instance_type("c7i.large").auto_scaling_type("load".into());
    let instance = instance.layer_ids(layers[0]).layer_ids(layers[1]).send().await.unwrap();
    let instance = instance.instance_id().unwrap().into();
    for layer in layers {
        user.set_load_based_auto_scaling().layer_id(layer).enable(true).send().await.unwrap();
    }
    // The wait time counts from the last change of the settings.
    clock.sleep(SignedDuration::from_mins(6)).await;
    cloud.set_alarm_state(&format!("strata/shop/{firing}/up-cpu"), AlarmState::Alarm);

    let fleet = Fleet::new(opsworks_client(api, role, clock.clone(), 2));
    let deps = Deps::new(fleet.clone(), ports);
    let outcome = handle(TICK, &deps).await.unwrap();
    let all = fleet.instances_of_stack(&stack.as_str().into()).await.unwrap();
    let status = all.iter().find(|i| i.id == instance).unwrap().status;
    (status, outcome.decisions.into_iter().map(|d| format!("{}: {}", d.subject, d.did)).collect())
}

/// [SCALE-8] [SCALE-4] A load-based instance of two layers is a candidate in both, and its start is an ordinary StartInstance.
#[test]
fn scale_8_a_load_based_instance_is_a_candidate_in_every_layer_it_belongs_to() {
    for firing in ["ecs-cluster", "extra"] {
        let (status, decided) = virtual_runtime().unwrap().block_on(started_by(firing));
        assert_eq!(status, InstanceStatus::Requested, "{firing}");
        assert_eq!(decided.len(), 1, "{decided:?}");
        assert!(decided[0].starts_with(&format!("shop/{firing}: start ")), "{decided:?}");
    }
}
