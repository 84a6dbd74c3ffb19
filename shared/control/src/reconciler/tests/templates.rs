//! Launch templates for break-glass, and the machines that people launch from them.

use strata_domain::break_glass::cluster_of;
use strata_domain::model::{Layer, Stack};
use strata_local::cloud::LaunchTemplate as Template;
use strata_ports::{StoreError, TemplateSpec};

use super::*;
use crate::records::LaunchTemplate;

const NAME: &str = "strata-shop-ecs-cluster-00000000";

async fn change_layer(world: &World, change: impl Fn(&mut Layer)) {
    let layer = samples::layer();
    let key = keys::layer(&layer.stack_id, &layer.id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut layer: Layer = standing.decode().unwrap();
    change(&mut layer);
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
}

async fn change_stack(world: &World, change: impl Fn(&mut Stack)) {
    let key = keys::stack(&samples::stack().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut stack: Stack = standing.decode().unwrap();
    change(&mut stack);
    world.commit(vec![Change::put(key, &stack, standing.unchanged())]).await;
}

async fn known(world: &World) -> Option<LaunchTemplate> {
    let item = world.store.get(&keys::launch_template(&samples::layer().id)).await.unwrap();
    item.map(|item| item.decode().unwrap())
}

fn made(world: &World) -> (TemplateSpec, u32) {
    let Template { spec, versions, .. } = world.account.launch_templates().remove(NAME).expect("the template is there");
    (spec.expect("it is ours"), versions)
}

#[tokio::test]
async fn the_first_tick_makes_the_layers_template_and_later_ones_make_nothing_anew() {
    let world = World::new(1).await;
    world.run(1).await;
    let (spec, versions) = made(&world);
    assert_eq!((versions, cluster_of(&spec.user_data)), (1, samples::layer().cluster));
    let machine = &spec.machine;
    assert_eq!(machine.instance_type, samples::instance().instance_type);
    assert_eq!(machine.instance_profile_arn, samples::stack().default_instance_profile_arn);
    assert_eq!(machine.security_group_ids, ["sg-AWS-OpsWorks-Default-Server", "sg-AWS-OpsWorks-ECS-Cluster"]);
    assert!(!machine.imdsv1 && !machine.plain_root && machine.subnet_id.is_empty() && machine.volumes.is_empty());
    world.run(40).await;
    assert_eq!(made(&world).1, 1);
}

#[tokio::test]
async fn a_change_of_settings_is_a_new_version_by_the_next_tick_and_of_the_instances_by_the_next_sweep() {
    let world = World::new(1).await;
    world.run(1).await;
    change_layer(&world, |layer| layer.custom_instance_profile_arn = Some("arn:profile/ecs".to_owned())).await;
    world.run(1).await;
    assert_eq!((made(&world).0.machine.instance_profile_arn.as_str(), made(&world).1), ("arn:profile/ecs", 2));
    change_stack(&world, |stack| stack.use_opsworks_security_groups = false).await;
    world.run(1).await;
    assert!(made(&world).0.machine.security_group_ids.is_empty());
    // Nothing that the template says, so no new version.
    change_layer(&world, |layer| layer.enable_auto_healing = false).await;
    world.run(1).await;
    assert_eq!(made(&world).1, 3);
    world.ask(0, InstanceStatus::Requested, |record| record.instance_type = "r6i.large".to_owned()).await;
    world.run(16).await;
    assert_eq!((made(&world).0.machine.instance_type.as_str(), made(&world).1), ("r6i.large", 4));
    assert_eq!(made(&world).0.name, NAME, "it keeps its name");
}

#[tokio::test]
async fn the_template_goes_with_its_layer_and_with_its_stack() {
    for is_stack_gone in [false, true] {
        let world = World::new(0).await;
        world.run(1).await;
        let (stack, layer) = (samples::stack(), samples::layer());
        let mut gone = vec![keys::layer(&stack.id, &layer.id)];
        if is_stack_gone {
            gone.extend([keys::stack(&stack.id), keys::stack_entry(&stack.id), keys::cluster(layer.cluster.as_ref().unwrap())]);
        }
        for key in gone {
            let item = world.store.get(&key).await.unwrap().unwrap();
            world.commit(vec![Change::Delete { expect: item.unchanged(), key }]).await;
        }
        world.run(16).await;
        assert!(world.account.launch_templates().is_empty() && known(&world).await.is_none(), "{is_stack_gone}");
    }
}

#[tokio::test]
async fn somebody_elses_template_of_the_name_is_left_alone_and_told_once() {
    let world = World::new(0).await;
    world.account.add_launch_template(NAME);
    world.run(40).await;
    assert_eq!(world.account.launch_templates()[NAME].spec, None);
    let errors = service_errors(&world).await.unwrap();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains(NAME) && errors[0].message.contains("somebody else's"), "{}", errors[0].message);
    world.account.drop_launch_template(NAME);
    world.run(16).await;
    assert_eq!(made(&world).1, 1);
    assert_eq!(known(&world).await.unwrap().refused, None);
}

async fn service_errors(world: &World) -> Result<Vec<ServiceError>, StoreError> {
    let items = world.store.list(&Listing::of(keys::stack_pk(&samples::stack().id), keys::SERVICE_ERROR)).await?;
    items.iter().map(|item| item.decode()).collect()
}

#[tokio::test]
async fn nothing_is_made_while_the_mode_forbids_it() {
    for mode in [Mode::Frozen, Mode::Observe] {
        let world = World::new(0).await;
        world.cloud.state().mode = Some(mode);
        world.run(2).await;
        assert!(world.account.launch_templates().is_empty(), "{mode:?}");
        world.cloud.state().mode = Some(Mode::Active);
        world.run(1).await;
        assert_eq!(made(&world).1, 1);
    }
}
