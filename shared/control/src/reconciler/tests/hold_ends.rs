//! Persons' holds whose time has come.

use strata_domain::holds::{Hold, HoldKind, HoldTarget};

use super::*;

/// A hold of Ada's on the first host for so many minutes, and the entry of its end.
async fn hold(world: &World, minutes: i64) -> (Key, Key) {
    let (stack, id) = &world.ids[0];
    let until = world.cloud.now().checked_add(SignedDuration::from_mins(minutes)).unwrap();
    let hold = Hold {
        target: HoldTarget::Instance(id.clone()),
        kind: HoldKind::Person,
        by: "ada".to_owned(),
        reason: "kernel dump".to_owned(),
        since: world.cloud.now(),
        until: Some(until),
    };
    let key = keys::instance_hold(stack, id, keys::PERSON_HOLD);
    let end = keys::HoldEnd { stack_id: stack.clone(), sk: key.sk.clone(), until };
    let entry = keys::hold_end(until, &key);
    world.commit(vec![Change::put(key.clone(), &hold, Expect::Absent), Change::put(entry.clone(), &end, Expect::Absent)]).await;
    (key, entry)
}

#[tokio::test]
async fn a_persons_hold_stands_until_its_time_and_its_end_is_told_once() {
    let world = World::online(1).await;
    let (key, entry) = hold(&world, 10).await;
    world.run(9).await;
    assert!(world.exists(key.clone()).await && world.exists(entry.clone()).await && world.pages().is_empty());
    world.run(3).await;
    assert!(!world.exists(key).await && !world.exists(entry).await);
    world.flush().await;
    assert_eq!(world.pages(), [("hold-ended".to_owned(), false)]);
}

#[tokio::test]
async fn the_end_of_a_hold_that_was_prolonged_or_has_gone_ends_nothing() {
    let world = World::online(1).await;
    let (key, early) = hold(&world, 10).await;
    let (stack, id) = &world.ids[0];
    let item = world.store.get(&key).await.unwrap().unwrap();
    let mut longer: Hold = item.decode().unwrap();
    longer.until = Some(world.cloud.now().checked_add(SignedDuration::from_mins(60)).unwrap());
    world.commit(vec![Change::put(key.clone(), &longer, item.unchanged())]).await;
    world.run(12).await;
    assert!(world.exists(key.clone()).await, "the longer one stands");
    assert!(!world.exists(early).await, "and its earlier end is gone");
    let item = world.store.get(&key).await.unwrap().unwrap();
    let gone = keys::hold_end(world.cloud.now(), &key);
    let end = keys::HoldEnd { stack_id: stack.clone(), sk: format!("hold#instance#{id}#nobody"), until: world.cloud.now() };
    world.commit(vec![Change::put(gone.clone(), &end, Expect::Absent)]).await;
    world.run(2).await;
    assert!(!world.exists(gone).await && world.exists(item.key).await && world.pages().is_empty());
}
