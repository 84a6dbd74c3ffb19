//! What is kept for its time only.

use strata_domain::{InstanceId, ServiceErrorId, StackId};

use super::*;
use crate::records::{release_stack, service_error_changes};

/// An error of the first instance, recorded so many days ago.
fn error(world: &World, id: &str, days: i64) -> ServiceError {
    ServiceError {
        id: ServiceErrorId::from(id),
        stack_id: world.ids[0].0.clone(),
        instance_id: Some(InstanceId::from("inst-01")),
        error_type: "InstanceStart".to_owned(),
        message: "EC2 refused it.".to_owned(),
        created_at: world.cloud.now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap(),
    }
}

async fn kept(world: &World) -> Vec<String> {
    let listing = Listing::of(keys::stack_pk(&world.ids[0].0), keys::SERVICE_ERROR);
    let items = world.store.list(&listing).await.unwrap();
    let errors: Vec<ServiceError> = items.iter().map(|item| item.decode().unwrap()).collect();
    for error in &errors {
        assert!(world.exists(keys::pointer(error.id.as_str())).await, "{} is found by its id", error.id);
    }
    errors.into_iter().map(|error| error.id.to_string()).collect()
}

/// [SVE-5]: ninety days, looked after once a day; what is gone is gone by its id too.
#[tokio::test]
async fn sve_5_service_errors_go_after_ninety_days_or_with_their_stack() {
    let world = World::new(1).await;
    for (id, days) in [("old", 90), ("recent", 89), ("new", 0)] {
        world.commit(service_error_changes(&error(&world, id, days)).into()).await;
    }
    world.run(1).await;
    assert_eq!(kept(&world).await, ["new", "recent"]);
    assert!(!world.exists(keys::pointer("old")).await);
    world.run(60).await;
    assert_eq!(kept(&world).await, ["new", "recent"]);
    {
        let mut state = world.cloud.state();
        state.now = state.now.checked_add(SignedDuration::from_hours(24)).unwrap();
    }
    world.run(1).await;
    assert_eq!(kept(&world).await, ["new"]);
    let stack: StackId = world.ids[0].0.clone();
    release_stack(&*world.store, &stack).await.unwrap();
    assert!(kept(&world).await.is_empty() && !world.exists(keys::pointer("new")).await);
}
