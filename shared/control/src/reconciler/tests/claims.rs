//! Claims whose holder does not come back.

use super::*;

/// A claim on the first host that lapses in so many minutes.
async fn claim(world: &World, minutes: i64) {
    let (stack, id) = &world.ids[0];
    let claim = Claim {
        instance_id: id.clone(),
        holder: "updates/1".to_owned(),
        reason: "patch".to_owned(),
        until: world.cloud.now().checked_add(SignedDuration::from_mins(minutes)).unwrap(),
        drain: DrainPolicy::Wait,
    };
    world.commit(vec![Change::put(keys::claim(stack, id), &claim, Expect::Absent)]).await;
}

#[tokio::test]
async fn a_claim_that_lapses_gives_the_host_back_and_leaves_nothing_busy() {
    let world = World::online(1).await;
    claim(&world, 4).await;
    world.run(2).await;
    assert!(world.record(0).await.unwrap().out_of_service_since.is_some());
    world.run(4).await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.drained_for, record.out_of_service_since), (None, None));
    assert_eq!(world.calls(), ["Drain", "Activate"]);
    assert_eq!(world.list(keys::BUSY_PK).await, 0, "a settled record must not be read by every tick");
}

#[tokio::test]
async fn a_lapsed_claim_is_left_to_its_holder_for_ten_minutes_and_then_removed() {
    let world = World::online(1).await;
    let (stack, id) = world.ids[0].clone();
    claim(&world, 1).await;
    world.run(10).await;
    assert!(world.exists(keys::claim(&stack, &id)).await);
    world.run(3).await;
    assert!(!world.exists(keys::claim(&stack, &id)).await);
}
