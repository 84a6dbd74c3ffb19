//! Users with SSH access on the hosts of the simulated cloud.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use strata_ports::{CommandKind, CommandRequest, keys};

use super::world::{ADA, World, on_virtual_time, text};

const BOB: &str = "arn:aws:iam::123456789012:user/bob";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2bAZzxXeWFWfZ8pEmpTCHLc3zKJXBY5ScAY7L2k2Ta";

/// The users' lines that a request carries, and its list's revision.
fn list_in(request: &CommandRequest) -> Option<(Vec<String>, i64)> {
    let parameter = |name: &str| request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    let list = String::from_utf8(BASE64_STANDARD.decode(parameter("users")?).unwrap()).unwrap();
    let mut lines = list.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("strata-users 1"));
    Some((lines.collect(), parameter("users_revision").unwrap().parse().unwrap()))
}

fn syncs(world: &World) -> Vec<CommandRequest> {
    world.sent.requests().into_iter().filter(|r| r.kind == CommandKind::Users).collect()
}

async fn permit(world: &World, ssh: bool, sudo: bool) {
    let members = json!({ "StackId": world.stack, "IamUserArn": BOB, "AllowSsh": ssh, "AllowSudo": sudo });
    world.call("SetPermission", members).await;
}

async fn with_bob(hosts: usize) -> World {
    let world = World::new(hosts, |_| {}).await;
    world.call("CreateUserProfile", json!({ "IamUserArn": ADA })).await;
    world.call("CreateUserProfile", json!({ "IamUserArn": BOB, "SshPublicKey": KEY })).await;
    world.sent.forget();
    world
}

async fn types(world: &World, host: &str) -> Vec<(String, String)> {
    let commands = world.commands(json!({ "InstanceId": host })).await;
    commands.iter().map(|c| (text(&c["Type"]), text(&c["Status"]))).collect()
}

/// [SSH-3] [SSH-9] [CMD-28]
#[test]
fn ssh_9_a_change_of_access_reaches_every_online_host_at_once_and_other_changes_reach_none() {
    on_virtual_time(async || {
        let world = with_bob(2).await;
        permit(&world, true, true).await;
        world.runner().tick("test").await.unwrap();
        let sent = syncs(&world);
        assert_eq!(sent.len(), 2, "one to each host");
        for request in &sent {
            assert_eq!(list_in(request).unwrap().0, [format!("2001:bob:1:{KEY}")]);
        }
        world.minutes(2).await;
        let seen = types(&world, &world.hosts[0]).await;
        assert_eq!(seen[0], ("sync_remote_users".to_owned(), "successful".to_owned()), "it is shown: {seen:?}");
        world.sent.forget();
        world.call("SetPermission", json!({ "StackId": world.stack, "IamUserArn": BOB, "Level": "manage" })).await;
        permit(&world, true, true).await;
        world.call("UpdateUserProfile", json!({ "IamUserArn": BOB, "AllowSelfManagement": true })).await;
        world.minutes(2).await;
        assert!(syncs(&world).is_empty(), "nothing that hosts would see has changed");
        permit(&world, false, true).await;
        world.minutes(2).await;
        let lists: Vec<_> = syncs(&world).iter().map(|r| list_in(r).unwrap().0).collect();
        assert_eq!(lists, [Vec::<String>::new(), Vec::new()], "sudo without SSH is nothing");
    });
}

/// [USR-6] [USR-4] [SSH-9]
#[test]
fn ssh_9_keys_and_names_follow_the_profile_and_a_deleted_one_is_taken_away() {
    on_virtual_time(async || {
        let world = with_bob(1).await;
        permit(&world, true, false).await;
        world.minutes(2).await;
        world.sent.forget();
        world.call("UpdateUserProfile", json!({ "IamUserArn": BOB, "SshUsername": "robert" })).await;
        world.minutes(2).await;
        world.call("UpdateUserProfile", json!({ "IamUserArn": BOB, "SshPublicKey": "" })).await;
        world.minutes(2).await;
        world.call("DeleteUserProfile", json!({ "IamUserArn": BOB })).await;
        world.minutes(2).await;
        let found: Vec<_> = syncs(&world).iter().map(|r| list_in(r).unwrap()).collect();
        let lists: Vec<_> = found.iter().map(|(lines, _)| lines.join("\n")).collect();
        assert_eq!(lists, [format!("2001:robert:0:{KEY}"), "2001:robert:0:".to_owned(), String::new()]);
        assert!(found.is_sorted_by(|(_, a), (_, b)| a < b), "a later list has a later revision");
        world.call("UpdateUserProfile", json!({ "IamUserArn": ADA, "SshPublicKey": KEY })).await;
        assert!(world.list(keys::USERS_DUE_PK).await.is_empty(), "Ada has no SSH access anywhere");
    });
}

/// [SSH-10]
#[test]
fn ssh_10_a_host_that_was_down_learns_of_changes_in_its_setup() {
    on_virtual_time(async || {
        let world = with_bob(1).await;
        world.call("StopInstance", json!({ "InstanceId": world.hosts[0] })).await;
        world.until(&world.hosts[0], "stopped").await;
        permit(&world, true, false).await;
        world.minutes(2).await;
        assert!(syncs(&world).is_empty());
        world.call("StartInstance", json!({ "InstanceId": world.hosts[0] })).await;
        world.until(&world.hosts[0], "online").await;
        let setup = world.sent.requests().into_iter().find(|r| r.kind == CommandKind::Setup).unwrap();
        assert_eq!(list_in(&setup).unwrap().0, [format!("2001:bob:0:{KEY}")]);
    });
}

/// A change while Setup runs, whose list was read before: the sync waits for the host, and runs.
#[test]
fn ssh_10_a_change_during_setup_is_not_missed() {
    on_virtual_time(async || {
        let world = with_bob(0).await;
        let host = world.instance().await;
        world.until(&host, "running_setup").await;
        permit(&world, true, false).await;
        world.until(&host, "online").await;
        world.minutes(2).await;
        assert_eq!(syncs(&world).len(), 1);
        assert!(list_in(&syncs(&world)[0]).unwrap().0[0].starts_with("2001:bob"));
    });
}

/// [SVE-2]
#[test]
fn a_host_that_fails_is_tried_again_ever_later_and_paged_about_once_until_it_is_in_step() {
    on_virtual_time(async || {
        let world = with_bob(1).await;
        world.cloud.let_commands_fail(0, 1_000);
        permit(&world, true, false).await;
        let mut sent_at = Vec::new();
        for minute in 0..60 {
            world.minutes(1).await;
            sent_at.resize(syncs(&world).len(), minute);
        }
        let gaps: Vec<i32> = sent_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(sent_at.len() >= 5 && gaps.is_sorted() && gaps.last() > gaps.first(), "{sent_at:?}");
        let errors = world.call("DescribeServiceErrors", json!({ "InstanceId": world.hosts[0] })).await;
        let errors = errors["ServiceErrors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["Type"]), (1, &json!("InstanceSetup")));
        assert!(text(&errors[0]["Message"]).contains("users"), "{errors:?}");
        let pages = || -> Vec<(String, bool)> {
            world.cloud.pages(0).into_iter().map(|(_, p)| (p.kind.to_string(), p.resolved)).collect()
        };
        world.flush().await;
        assert_eq!(pages(), [("users-out-of-step".to_owned(), false)]);
        world.cloud.let_commands_fail(0, 0);
        world.minutes(70).await;
        world.flush().await;
        assert_eq!(pages()[1..], [("users-out-of-step".to_owned(), true)]);
        assert!(world.list(keys::USERS_BEHIND_PK).await.is_empty());
        world.sent.forget();
        world.minutes(10).await;
        assert!(syncs(&world).is_empty());
    });
}

/// [SSH-10]
#[test]
fn a_host_that_is_behind_and_goes_down_is_no_longer_tried() {
    on_virtual_time(async || {
        let world = with_bob(1).await;
        world.cloud.let_commands_fail(0, 1_000);
        permit(&world, true, false).await;
        world.minutes(20).await;
        world.call("StopInstance", json!({ "InstanceId": world.hosts[0] })).await;
        world.until(&world.hosts[0], "stopped").await;
        world.minutes(70).await;
        assert!(world.list(keys::USERS_BEHIND_PK).await.is_empty());
        world.flush().await;
        assert_eq!(
            world.cloud.pages(0).iter().filter(|(_, p)| p.kind.to_string() == "users-out-of-step" && p.resolved).count(),
            1
        );
    });
}

/// Wherever the world stops while the runs are made and sent, every host ends with the list as it is.
#[test]
fn a_change_of_access_reaches_all_hosts_wherever_the_world_stops() {
    let mut points = 0;
    for after in [false, true] {
        for calls in 1.. {
            let is_through = on_virtual_time(async || {
                let world = with_bob(2).await;
                permit(&world, true, false).await;
                let (runner, life) = world.doomed(calls, after);
                drop(runner.tick("doomed").await);
                world.minutes(4).await;
                for host in 0..2 {
                    let id = world.instance_id(host);
                    let record: Value = world.item(&keys::instance(&world.stack_id(), &id)).await.unwrap().decode().unwrap();
                    let machine = text(&record["ec2_instance_id"]);
                    let last = syncs(&world).into_iter().rfind(|r| r.host.as_str() == machine);
                    let last = last.unwrap_or_else(|| panic!("call {calls}, after: {after}: host {host} was told nothing"));
                    assert_eq!(list_in(&last).unwrap().0, [format!("2001:bob:0:{KEY}")]);
                    let ends = types(&world, &world.hosts[host]).await;
                    let is_well = |(_, status): &(String, String)| status == "successful" || status == "superseded";
                    assert!(ends.iter().all(is_well), "call {calls}, after: {after}: {ends:?}");
                }
                for pk in [keys::USERS_DUE_PK, keys::PENDING_COMMANDS_PK, keys::CONFIGURE_DUE_PK] {
                    assert!(world.list(pk).await.is_empty(), "call {calls}, after: {after}: {pk}");
                }
                !life.is_over()
            });
            if is_through {
                break;
            }
            points += 1;
        }
    }
    println!("{points} points");
    assert!(points > 40, "{points}");
}
