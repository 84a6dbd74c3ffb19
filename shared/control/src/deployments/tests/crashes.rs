//! The world stops at every call, before and after it takes effect, and goes on from the store.

use serde_json::json;
use strata_ports::keys;

use super::world::{World, on_virtual_time};

/// Crashes an invocation at each of its calls in turn, after so many healthy minutes; answers how many points there were.
fn crash_at_each_call(command: &'static str, healthy_minutes: u32, after: bool) -> usize {
    for calls in 1.. {
        let is_through = on_virtual_time(async || {
            let world = World::new(2, |_| {}).await;
            world.sent.forget();
            let args = if command == "execute_recipes" { json!({ "recipes": ["shop"] }) } else { json!({}) };
            let id = world.deploy(command, args).await;
            world.minutes(healthy_minutes).await;
            let (runner, life) = world.doomed(calls, after);
            // Its end is what is tested: what it still says is nobody's.
            drop(runner.tick("doomed").await);
            let place = format!("{command}, {healthy_minutes} minutes in, call {calls}, after: {after}");
            let done = world.finished(&id).await;
            assert_eq!(done["Status"], "successful", "{place}");
            let commands = world.commands(json!({ "DeploymentId": id })).await;
            assert!(commands.iter().all(|c| c["Status"] == "successful"), "{place}: {commands:?}");
            let sent: Vec<String> = world.sent.nonces().into_iter().filter(|nonce| nonce.starts_with("command-")).collect();
            let mut own: Vec<String> = commands.iter().map(|c| format!("command-{}", c["CommandId"].as_str().unwrap())).collect();
            own.sort();
            assert_eq!(sent, own, "{place}: each was sent under its own nonce and no other");
            for host in &world.hosts {
                world.until(host, "online").await;
            }
            assert!(world.list(keys::PENDING_COMMANDS_PK).await.is_empty(), "{place}");
            !life.is_over()
        });
        if is_through {
            return calls - 1;
        }
    }
    0
}

#[test]
fn a_command_is_neither_lost_nor_run_twice_wherever_the_world_stops() {
    let mut points = 0;
    for healthy_minutes in 0..=1 {
        for after in [false, true] {
            points += crash_at_each_call("execute_recipes", healthy_minutes, after);
        }
    }
    println!("{points} points");
    assert!(points > 60, "{points}");
}

#[test]
fn a_setup_is_neither_lost_nor_run_twice_wherever_the_world_stops() {
    let mut points = 0;
    for after in [false, true] {
        points += crash_at_each_call("setup", 0, after);
    }
    println!("{points} points");
    assert!(points > 40, "{points}");
}
