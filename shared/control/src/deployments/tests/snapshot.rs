//! What scripts on the hosts get to see of their stack, from the API to the link in a command's parameters.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_ports::{CloudError, CommandKind, CommandRequest, Objects, Ports};

use super::world::{World, on_virtual_time, text};
use crate::deployments::CommandRunner;

fn link_of(request: &CommandRequest) -> Option<String> {
    let given = request.parameters.iter().find(|(name, _)| name == "snapshot")?;
    Some(String::from_utf8(BASE64_STANDARD.decode(&given.1).unwrap()).unwrap())
}

fn key_of(link: &str) -> &str {
    link.split_once("/_strata/objects/").unwrap().1.split_once('?').unwrap().0
}

/// What the script of a command finds.
async fn seen_by(world: &World, request: &CommandRequest) -> Value {
    let link = link_of(request).unwrap();
    let bytes = world.ports.objects.get(key_of(&link)).await.unwrap().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn sent(world: &World, kind: CommandKind) -> Vec<CommandRequest> {
    world.sent.requests().into_iter().filter(|r| r.kind == kind).collect()
}

/// [LIFE-3] [LIFE-7] [ECS-112]
#[test]
fn life_3_each_event_carries_the_stack_as_it_is_when_it_fires_and_hosts_of_one_look_share_a_file() {
    on_virtual_time(async || {
        let world = World::new(2, |config| config.ssm.configure_hooks = true).await;
        world.minutes(3).await;
        world.sent.forget();
        let third = world.instance().await;
        world.until(&third, "online").await;
        world.minutes(3).await;
        let setup = sent(&world, CommandKind::Setup).remove(0);
        let statuses = |seen: &Value| -> Vec<String> {
            let all = seen["resources"]["instances"].as_array().unwrap();
            let mut all: Vec<String> = all.iter().map(|one| text(&one["status"])).collect();
            all.sort();
            all
        };
        let at_setup = seen_by(&world, &setup).await;
        assert_eq!(
            (statuses(&at_setup), &at_setup["command"]["type"]),
            (vec!["booting".into(), "online".into(), "online".into()], &json!("setup"))
        );
        let configures = sent(&world, CommandKind::Configure);
        let links: Vec<_> = configures.iter().map(|r| link_of(r).unwrap()).collect();
        assert!(links.len() == 3 && links.iter().all(|link| *link == links[0]), "{links:?}");
        let at_configure = seen_by(&world, &configures[0]).await;
        assert_eq!(statuses(&at_configure), ["online", "online", "online"]);
        assert_eq!(at_configure["resources"]["ecs_clusters"][0]["ecs_cluster_name"], "shop");
        assert_eq!(at_configure["hosts"].as_array().unwrap().iter().filter(|line| text(line).ends_with("-ext")).count(), 3);
        let own = |r: &CommandRequest| r.parameters.iter().find(|(name, _)| name == "instance_id").unwrap().1.clone();
        assert!(configures.iter().any(|r| own(r) == third), "each is told which one it is");
        // The Shutdown event has its own.
        world.sent.forget();
        world.call("StopInstance", json!({ "InstanceId": third })).await;
        world.until(&third, "stopped").await;
        let at_shutdown = seen_by(&world, &sent(&world, CommandKind::Shutdown)[0]).await;
        assert_eq!((statuses(&at_shutdown)[2].as_str(), &at_shutdown["command"]["type"]), ("shutting_down", &json!("shutdown")));
    });
}

/// [CMD-24]
#[test]
fn cmd_24_custom_json_reaches_scripts_and_that_of_a_deployment_only_its_own() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let json = |value: Value| value.to_string();
        let of_stack = json(json!({ "a": 1, "b": 1, "c": 1 }));
        world.call("UpdateStack", json!({ "StackId": world.stack, "CustomJson": of_stack })).await;
        let of_layer = json(json!({ "b": 2, "c": 2, "strata": { "protected": true } }));
        world.call("UpdateLayer", json!({ "LayerId": world.layer, "CustomJson": of_layer })).await;
        world.sent.forget();
        let command = json!({ "Name": "execute_recipes", "Args": { "recipes": ["shop::migrate"] } });
        let members = json!({ "StackId": world.stack, "Command": command, "CustomJson": json(json!({ "c": 3 })) });
        let id = text(&world.call("CreateDeployment", members).await["DeploymentId"]);
        world.finished(&id).await;
        let seen = seen_by(&world, &sent(&world, CommandKind::Recipes)[0]).await;
        assert_eq!(seen["custom_json"], json!({ "a": 1, "b": 2, "c": 3 }));
        assert_eq!(
            (&seen["command"]["deployment_id"], &seen["command"]["args"]["recipes"]),
            (&json!(id), &json!(["shop::migrate"]))
        );
        world.sent.forget();
        let next = world.deploy("configure", json!({})).await;
        world.finished(&next).await;
        let seen = seen_by(&world, &sent(&world, CommandKind::Configure)[0]).await;
        assert_eq!(seen["custom_json"], json!({ "a": 1, "b": 2, "c": 2 }));
    });
}

#[test]
fn what_comes_to_no_script_has_no_snapshot() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        world.sent.forget();
        let id = world.deploy("update_dependencies", json!({})).await;
        world.finished(&id).await;
        let requests = world.sent.requests();
        assert!(requests.len() == 1 && link_of(&requests[0]).is_none(), "{requests:?}");
    });
}

/// A bucket that fails so many times, for good or not.
struct Broken {
    inner: Arc<dyn Objects>,
    left: AtomicUsize,
    for_good: bool,
}

#[async_trait]
impl Objects for Broken {
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError> {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let why = "the bucket is broken".to_owned();
            return Err(match self.for_good {
                true => CloudError::Wrong { action: "s3:PutObject", code: "AccessDenied".to_owned(), why },
                false => CloudError::RetryLater { action: "s3:PutObject", why },
            });
        }
        self.inner.put(key, bytes, content_type).await
    }
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CloudError> {
        self.inner.get(key).await
    }
    async fn delete(&self, key: &str) -> Result<(), CloudError> {
        self.inner.delete(key).await
    }
    async fn link(&self, key: &str, valid_for: SignedDuration) -> Result<String, CloudError> {
        self.inner.link(key, valid_for).await
    }
}

/// A bucket that is away for a moment holds the command up; one that will never be written to does not.
#[test]
fn a_command_waits_for_its_snapshot_unless_there_will_be_none() {
    for (for_good, looks) in [(false, 2), (true, 1)] {
        on_virtual_time(async || {
            let world = World::new(1, |_| {}).await;
            world.sent.forget();
            let id = world.deploy("execute_recipes", json!({ "recipes": ["shop"] })).await;
            let objects = Arc::new(Broken { inner: world.ports.objects.clone(), left: AtomicUsize::new(1), for_good });
            let runner = CommandRunner::new(Ports { objects, ..world.ports.clone() });
            for look in 1..=looks {
                assert!(sent(&world, CommandKind::Recipes).is_empty(), "{look}");
                runner.tick("tick").await.unwrap();
            }
            let request = sent(&world, CommandKind::Recipes).remove(0);
            assert_eq!(link_of(&request).is_some(), !for_good);
            assert_eq!(world.finished(&id).await["Status"], "successful");
        });
    }
}
