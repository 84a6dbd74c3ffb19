//! The user's tags and the service's names on machines and volumes.

use strata_domain::model::{Layer, LayerLoadBalancer, Stack};
use strata_domain::tags::Tags;
use strata_local::cloud::OwnHost;
use strata_local::faults::{Fault, FaultPlan, Faulty, always};

use super::*;

async fn change_stack(world: &World, change: impl Fn(&mut Stack)) {
    let key = keys::stack(&samples::stack().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut stack: Stack = standing.decode().unwrap();
    change(&mut stack);
    world.commit(vec![Change::put(key, &stack, standing.unchanged())]).await;
}

async fn change_layer(world: &World, change: impl Fn(&mut Layer)) {
    let key = keys::layer(&samples::stack().id, &samples::layer().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut layer: Layer = standing.decode().unwrap();
    change(&mut layer);
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
}

fn set(tags: &mut Tags, pairs: &[(&str, &str)]) {
    *tags = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
}

/// One online instance, whose machine the account knows.
async fn one() -> (World, String) {
    let world = World::online(1).await;
    let machine = world.record(0).await.unwrap().ec2_instance_id.unwrap();
    world.account.adopt(&machine, OwnHost::default());
    (world, machine.to_string())
}

fn value(world: &World, id: &str, key: &str) -> Option<String> {
    world.account.tags_of(id).unwrap().get(key).cloned()
}

/// [TAG-3] [TAG-10] The next tick brings what stack and layer say; what others have tagged stays.
#[tokio::test]
async fn tag_10_a_change_of_tags_or_names_reaches_the_machine_with_the_next_tick() {
    let (world, machine) = one().await;
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "test"), ("team", "a")])).await;
    world.run(1).await;
    assert_eq!(value(&world, &machine, "stage").as_deref(), Some("test"));
    world.account.tag_by_hand(&machine, "cost", "7");
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "prod")])).await;
    change_layer(&world, |layer| {
        layer.name = "front".to_owned();
        set(&mut layer.tags, &[("stage", "canary")]);
    })
    .await;
    world.run(1).await;
    let seen = |key: &str| value(&world, &machine, key);
    assert_eq!((seen("stage").as_deref(), seen("team"), seen("cost").as_deref()), (Some("canary"), None, Some("7")));
    assert_eq!(seen("opsworks:layer:ecs-cluster").as_deref(), Some("front"));
    assert_eq!(seen("Name").as_deref(), Some("shop - web1"));
}

/// What only an instance changes is seen by the next full sweep; when nothing differs, EC2 is not asked.
#[tokio::test]
async fn tag_9_a_new_host_name_reaches_the_machine_with_the_next_full_sweep_and_calm_asks_nothing() {
    let (mut world, machine) = one().await;
    world.run(20).await;
    let plan = FaultPlan::quiet(1);
    let faulty = Faulty::new(plan, world.reconciler.ports.clock.clone());
    world.reconciler = Reconciler::new(faulty.wrap(world.reconciler.ports.clone()), Config::default());
    world.ask(0, InstanceStatus::Online, |record| record.hostname = "front1".to_owned()).await;
    world.run(16).await;
    assert_eq!(value(&world, &machine, "opsworks:instance").as_deref(), Some("front1"));
    assert_eq!(value(&world, &machine, "Name").as_deref(), Some("shop - front1"));
    faulty.crash_at(None);
    world.run(40).await;
    let asked: Vec<&str> = faulty.take_calls().iter().map(|call| call.action).filter(|action| action.ends_with("Tags")).collect();
    assert!(asked.is_empty(), "{asked:?}");
}

/// [TAG-10] A failure is one service error, whose words name the resource and EC2's reason; the next change tries again.
#[tokio::test]
async fn tag_10_what_ec2_refuses_is_one_service_error_and_the_next_change_tries_again() {
    let (mut world, machine) = one().await;
    let well = world.reconciler.ports.clone();
    let denied = Fault::Wrong("UnauthorizedOperation".to_owned());
    let ill = Faulty::over(well.clone(), FaultPlan::quiet(1).on("ec2:CreateTags", always(), denied));
    world.reconciler = Reconciler::new(ill, Config::default());
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "prod")])).await;
    world.run(40).await;
    let errors = world.store.list(&Listing::of(keys::stack_pk(&samples::stack().id), keys::SERVICE_ERROR)).await.unwrap();
    let errors: Vec<ServiceError> = errors.iter().map(|item| item.decode().unwrap()).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains(&machine) && errors[0].message.contains("UnauthorizedOperation"), "{}", errors[0].message);
    world.reconciler = Reconciler::new(well, Config::default());
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "canary")])).await;
    world.run(1).await;
    assert_eq!(value(&world, &machine, "stage").as_deref(), Some("canary"));
}

/// A stack that is renamed has a change for each host: a look makes a hundred, the next ones the rest.
#[tokio::test(start_paused = true)]
async fn a_look_makes_a_hundred_changes_and_the_next_goes_on() {
    let mut world = World::settled(101).await;
    let ports = Ports { upkeep: world.account.clone(), ..world.reconciler.ports.clone() };
    world.reconciler = Reconciler::new(ports, Config::default());
    let mut machines = Vec::new();
    for i in 0..101 {
        let machine = world.record(i).await.unwrap().ec2_instance_id.unwrap();
        world.account.adopt(&machine, OwnHost::default());
        machines.push(machine.to_string());
    }
    world.run(2).await;
    let named = |stack: &str| {
        let has_name = |id: &&String| value(&world, id, "opsworks:stack").as_deref() == Some(stack);
        machines.iter().filter(has_name).count()
    };
    change_stack(&world, |stack| stack.name = "store".to_owned()).await;
    world.run(1).await;
    assert_eq!(named("store"), 100);
    world.run(1).await;
    assert_eq!(named("store"), 101);
}

async fn attach_front(world: &World) {
    world.account.add_load_balancer("front");
    let (stack, layer) = (samples::stack().id, samples::layer().id);
    let attached = LayerLoadBalancer {
        name: "front".to_owned(),
        stack_id: stack.clone(),
        layer_id: layer.clone(),
        attached_at: world.cloud.now(),
    };
    world.commit(vec![Change::put(keys::load_balancer(&stack, &layer), &attached, Expect::Absent)]).await;
}

/// [TAG-3] [TAG-10] The layer's load balancer has the tags of stack and layer from the tick after it is attached; what others have tagged stays,
/// and what is tagged later follows.
#[tokio::test]
async fn tag_3_a_layers_load_balancer_has_the_tags_of_stack_and_layer() {
    let world = World::new(0).await;
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "test"), ("team", "a")])).await;
    change_layer(&world, |layer| set(&mut layer.tags, &[("stage", "canary"), ("Name", "theirs")])).await;
    world.run(1).await;
    attach_front(&world).await;
    world.account.tag_load_balancer_by_hand("front", "cost", "7");
    world.run(1).await;
    let seen = |world: &World| world.account.tags_of_load_balancer("front").unwrap();
    let tags = |pairs: &[(&str, &str)]| {
        let mut tags = Tags::new();
        set(&mut tags, pairs);
        tags
    };
    assert_eq!(seen(&world), tags(&[("stage", "canary"), ("team", "a"), ("cost", "7")]));
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "prod")])).await;
    world.run(1).await;
    assert_eq!(seen(&world), tags(&[("stage", "canary"), ("cost", "7")]), "a key that the stack has no longer goes");
    world.account.delete_load_balancer("front");
    change_stack(&world, |stack| set(&mut stack.tags, &[("stage", "last")])).await;
    world.run(2).await;
    let errors = world.store.list(&Listing::of(keys::stack_pk(&samples::stack().id), keys::SERVICE_ERROR)).await.unwrap();
    assert!(errors.is_empty(), "one that is gone needs no tags");
}
