//! The operations that the sweep goes over.

mod healing;
mod jobs;

use std::pin::Pin;

use jiff::SignedDuration;
use serde_json::json;
use strata_domain::InstanceStatus::{Online, Registered, Stopped};
use strata_domain::announced::Announced;
use strata_domain::claims::{Claim, DrainPolicy};
use strata_domain::security_groups::{DEFAULT_SERVER, GroupRule};
use strata_local::SimCloud;
use strata_local::cloud::{Mishap, OwnHost};
use strata_ports::{Clock, Store, keys};

use healing::{heal, heal_without_volume, reconnect, scheduled, start_without_volume};

use super::World;

/// Work on a world.
pub type Work<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// An operation: how the world comes to where it begins, which nothing disturbs, and what is done then.
#[derive(Clone, Copy)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// Brings the world to its beginning.
    pub prepare: for<'a> fn(&'a World) -> Work<'a>,
    /// Asks for it, and waits until it is done as far as the next thing that is asked for depends on it.
    pub run: for<'a> fn(&'a World) -> Work<'a>,
}

/// Every operation.
pub const ALL: &[Operation] = &[
    Operation { name: "start, first launch", prepare: |w| Box::pin(online(w, &[2])), run: |w| Box::pin(start(w, 1)) },
    Operation {
        name: "start, first launch, instance store",
        prepare: |w| Box::pin(online(w, &[2])),
        run: |w| Box::pin(start(w, 3)),
    },
    Operation { name: "start, restart", prepare: |w| Box::pin(stopped_again(w, 1)), run: |w| Box::pin(start(w, 1)) },
    Operation { name: "start, instance store again", prepare: |w| Box::pin(stopped_again(w, 3)), run: |w| Box::pin(start(w, 3)) },
    Operation { name: "stop", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(stop(w, 1)) },
    Operation { name: "stop, instance store", prepare: |w| Box::pin(online(w, &[2, 3])), run: |w| Box::pin(stop(w, 3)) },
    Operation { name: "delete", prepare: |w| Box::pin(stopped_again(w, 1)), run: |w| Box::pin(delete(w, 1)) },
    Operation {
        name: "stop with a task of no service",
        prepare: |w| Box::pin(online_with_task(w)),
        run: |w| Box::pin(stop(w, 1)),
    },
    Operation { name: "delete, instance store", prepare: |w| Box::pin(stopped_again(w, 3)), run: |w| Box::pin(delete(w, 3)) },
    Operation { name: "stop the stack", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(of_stack(w, "StopStack")) },
    Operation {
        name: "start the stack",
        prepare: |w| Box::pin(stopped_again(w, 1)),
        run: |w| Box::pin(of_stack(w, "StartStack")),
    },
    Operation { name: "reboot", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(reboot(w)) },
    Operation { name: "heal, hung", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(heal(w, 1, Mishap::Hang)) },
    Operation {
        name: "heal, stopped in EC2",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(heal(w, 1, Mishap::Ec2Stop)),
    },
    Operation {
        name: "heal, terminated in EC2",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(heal(w, 1, Mishap::Ec2Terminate)),
    },
    Operation {
        name: "heal, instance store",
        prepare: |w| Box::pin(online(w, &[2, 3])),
        run: |w| Box::pin(heal(w, 3, Mishap::Hang)),
    },
    Operation {
        name: "heal, volume lost",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(heal_without_volume(w, 1, Mishap::Ec2Stop)),
    },
    Operation {
        name: "heal, instance store, volume lost",
        prepare: |w| Box::pin(online(w, &[2, 3])),
        run: |w| Box::pin(heal_without_volume(w, 3, Mishap::Hang)),
    },
    Operation {
        name: "restart, volume lost",
        prepare: |w| Box::pin(stopped_again(w, 1)),
        run: |w| Box::pin(start_without_volume(w, 1)),
    },
    Operation { name: "heal, agent restarted", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(reconnect(w)) },
    Operation {
        name: "heal, agent silent for good",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(heal(w, 1, Mishap::AgentDisconnect(SignedDuration::from_hours(9)))),
    },
    Operation {
        name: "spot interruption",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(heal(w, 1, Mishap::SpotInterruption)),
    },
    Operation {
        name: "retirement",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(scheduled(w, Announced::InstanceRetirement)),
    },
    Operation {
        name: "reboot by EC2",
        prepare: |w| Box::pin(online(w, &[1, 2])),
        run: |w| Box::pin(scheduled(w, Announced::SystemReboot)),
    },
    Operation { name: "claim, drain and restore", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(claim(w, false)) },
    Operation { name: "claim, drain and lapse", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(claim(w, true)) },
    Operation { name: "register and assign", prepare: |w| Box::pin(online(w, &[2])), run: |w| Box::pin(register(w)) },
    Operation { name: "unassign", prepare: |w| Box::pin(assigned(w)), run: |w| Box::pin(of_registered(w, "UnassignInstance")) },
    Operation {
        name: "deregister",
        prepare: |w| Box::pin(assigned(w)),
        run: |w| Box::pin(of_registered(w, "DeregisterInstance")),
    },
    Operation { name: "security groups overwritten", prepare: |w| Box::pin(edited_group(w)), run: |w| Box::pin(new_stack(w)) },
    Operation { name: "tags changed", prepare: |w| Box::pin(tagged(w)), run: |w| Box::pin(retag(w)) },
    Operation {
        name: "break-glass template renewed",
        prepare: |w| Box::pin(online(w, &[2])),
        run: |w| Box::pin(renew_template(w)),
    },
    Operation {
        name: "break-glass template removed",
        prepare: |w| Box::pin(without_instances(w)),
        run: |w| Box::pin(remove_template(w)),
    },
    Operation { name: "break-glass host adopted", prepare: |w| Box::pin(with_break_glass(w)), run: |w| Box::pin(adopted(w)) },
    Operation { name: "deregister, created", prepare: |w| Box::pin(online(w, &[1, 2])), run: |w| Box::pin(deregister(w)) },
    Operation {
        name: "campaign, a canary and a wave",
        prepare: |w| Box::pin(jobs::three_online(w, 67)),
        run: |w| Box::pin(jobs::campaign(w)),
    },
    Operation {
        name: "campaign, aborted while a host drains",
        prepare: |w| Box::pin(jobs::three_online(w, 34)),
        run: |w| Box::pin(jobs::aborted(w, jobs::Middle::Draining)),
    },
    Operation {
        name: "campaign, aborted while a host is patched",
        prepare: |w| Box::pin(jobs::three_online(w, 34)),
        run: |w| Box::pin(jobs::aborted(w, jobs::Middle::Patching)),
    },
    Operation {
        name: "campaign, paused and resumed",
        prepare: |w| Box::pin(jobs::three_online(w, 34)),
        run: |w| Box::pin(jobs::paused(w)),
    },
    Operation {
        name: "teardown, created and registered",
        prepare: |w| Box::pin(jobs::created_and_registered(w)),
        run: |w| Box::pin(jobs::teardown(w, false)),
    },
    Operation {
        name: "teardown with its stack",
        prepare: |w| Box::pin(jobs::three_online(w, 34)),
        run: |w| Box::pin(jobs::teardown(w, true)),
    },
    Operation {
        name: "teardown of a layer under a campaign",
        prepare: |w| Box::pin(jobs::three_online(w, 34)),
        run: |w| Box::pin(jobs::teardown_under_a_campaign(w)),
    },
];

async fn start(world: &World, host: usize) -> Result<(), String> {
    world.ask("StartInstance", host).await?;
    world.until_status(host, Online).await
}

async fn stop(world: &World, host: usize) -> Result<(), String> {
    world.ask("StopInstance", host).await?;
    world.until_status(host, Stopped).await
}

async fn reboot(world: &World) -> Result<(), String> {
    world.ask("RebootInstance", 1).await?;
    world.until_status(1, Online).await
}

async fn deregister(world: &World) -> Result<(), String> {
    world.ask("DeregisterInstance", 1).await?;
    world.until("the record is gone", async |w: &World| w.record(1).await.is_none()).await
}

async fn online(world: &World, hosts: &[usize]) -> Result<(), String> {
    for host in hosts {
        world.ask("StartInstance", *host).await?;
    }
    for host in hosts {
        world.until_status(*host, Online).await?;
    }
    world.settle().await
}

async fn stopped_again(world: &World, host: usize) -> Result<(), String> {
    online(world, &[2, host]).await?;
    world.ask("StopInstance", host).await?;
    world.until_status(host, Stopped).await?;
    world.settle().await
}

/// A task that nobody moves: the stop waits for it as long as the layer's time allows, and then stops it.
async fn online_with_task(world: &World) -> Result<(), String> {
    online(world, &[1, 2]).await?;
    world.cloud.run_task(world.cluster(), 2).map_err(|error| error.to_string())?;
    world.settle().await
}

async fn of_stack(world: &World, action: &str) -> Result<(), String> {
    world.call(action, json!({ "StackId": world.stack() })).await?;
    let wanted = if action == "StopStack" { Stopped } else { Online };
    world.until_status(1, wanted).await?;
    world.until_status(2, wanted).await
}

async fn delete(world: &World, host: usize) -> Result<(), String> {
    let members = json!({ "InstanceId": world.host(host), "DeleteVolumes": true, "DeleteElasticIp": true });
    world.call("DeleteInstance", members).await?;
    world.until("the record is gone", async |w: &World| w.record(host).await.is_none()).await
}

/// A controller takes the host out of service, and gives it back or forgets it.
async fn claim(world: &World, lapses: bool) -> Result<(), String> {
    let until = world.clock.now() + if lapses { SignedDuration::from_mins(12) } else { SignedDuration::from_hours(9) };
    let claim = Claim {
        instance_id: world.host(1).clone(),
        holder: "updates/1".to_owned(),
        reason: "patch".to_owned(),
        until,
        drain: DrainPolicy::Wait,
    };
    let key = keys::claim(world.stack(), world.host(1));
    world.put(key.clone(), &claim).await;
    let is_out = async |w: &World| w.record(1).await.is_some_and(|r| r.out_of_service_since.is_some());
    world.until("the host is out of service", is_out).await?;
    if !lapses {
        world.remove(key.clone()).await;
    }
    let is_back =
        async |w: &World| w.record(1).await.is_some_and(|r| r.drained_for.is_none() && r.out_of_service_since.is_none());
    world.until("the host is back in service", is_back).await?;
    // A claim that its holder has forgotten goes as well.
    let is_free = async |w: &World| w.store.get(&key).await.is_ok_and(|item| item.is_none());
    world.until("nobody's claim is left", is_free).await
}

async fn register(world: &World) -> Result<(), String> {
    let host = world.cloud.add_host(OwnHost::default());
    let document = world.cloud.identity_document(&host);
    let identity = json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
    let answer = world.call("RegisterInstance", json!({ "StackId": world.stack(), "InstanceIdentity": identity })).await?;
    let id = answer["InstanceId"].as_str().unwrap_or_default().to_owned();
    until_described(world, &id, Registered.as_str()).await?;
    world.call("AssignInstance", json!({ "InstanceId": id, "LayerIds": [world.layer()] })).await?;
    until_described(world, &id, Online.as_str()).await
}

async fn until_described(world: &World, id: &str, status: &str) -> Result<(), String> {
    let has_it = async |w: &World| match w.registered().await {
        Some(record) => record.id.as_str() == id && record.status.as_str() == status,
        None => false,
    };
    world.until(&format!("the registered instance is {status}"), has_it).await
}

fn arn(world: &World) -> String {
    format!("arn:aws:opsworks:us-east-1:123456789012:stack/{}/", world.stack())
}

/// Whether some machine has the tag, with this value.
fn has_tag(world: &World, key: &str, value: Option<&str>) -> bool {
    let machines = world.cloud.world_view().hosts;
    let tags = machines.iter().filter_map(|host| world.cloud.tags_of(host.ec2_id.as_str()));
    tags.into_iter().all(|tags| tags.get(key).map(String::as_str) == value) && !machines.is_empty()
}

async fn tagged(world: &World) -> Result<(), String> {
    online(world, &[1, 2]).await?;
    let tags = json!({ "stage": "test", "old": "1" });
    world.call("TagResource", json!({ "ResourceArn": arn(world), "Tags": tags })).await?;
    world.until("the machines have the tag", async |w: &World| has_tag(w, "old", Some("1"))).await?;
    world.settle().await
}

/// One value changes and one key goes.
async fn retag(world: &World) -> Result<(), String> {
    world.call("TagResource", json!({ "ResourceArn": arn(world), "Tags": { "stage": "prod" } })).await?;
    world.call("UntagResource", json!({ "ResourceArn": arn(world), "TagKeys": ["old"] })).await?;
    let is_done = async |w: &World| has_tag(w, "stage", Some("prod")) && has_tag(w, "old", None);
    world.until("the machines have the tags of the stack", is_done).await
}

async fn renew_template(world: &World) -> Result<(), String> {
    let profile = "arn:aws:iam::123456789012:instance-profile/other";
    world.call("UpdateLayer", json!({ "LayerId": world.layer(), "CustomInstanceProfileArn": profile })).await?;
    let names_it = async |w: &World| {
        let template = w.cloud.launch_templates().into_values().find_map(|template| template.spec);
        template.is_some_and(|spec| spec.machine.instance_profile_arn == profile)
    };
    world.until("the template names the new profile", names_it).await
}

async fn without_instances(world: &World) -> Result<(), String> {
    world.minute().await;
    for host in 1..=3 {
        world.ask("DeleteInstance", host).await?;
        world.until("the record is gone", async |w: &World| w.record(host).await.is_none()).await?;
    }
    world.settle().await
}

async fn remove_template(world: &World) -> Result<(), String> {
    world.call("DeleteLayer", json!({ "LayerId": world.layer() })).await?;
    world.until("its template is gone", async |w: &World| w.cloud.launch_templates().is_empty()).await
}

/// Somebody has launched a machine from the layer's template, which has joined the cluster by itself.
async fn with_break_glass(world: &World) -> Result<(), String> {
    online(world, &[2]).await?;
    let name = world.cloud.launch_templates().into_keys().next().ok_or("there is no template")?;
    world.cloud.launch_from_template(&name, "subnet-00000000", "us-east-1a").ok_or("nothing was launched")?;
    world.settle().await
}

async fn adopted(world: &World) -> Result<(), String> {
    let json = r#"{"strata":{"launch":{"adopt_break_glass":true}}}"#;
    world.call("UpdateLayer", json!({ "LayerId": world.layer(), "CustomJson": json })).await?;
    let is_online = async |w: &World| w.registered().await.is_some_and(|record| record.status == Online);
    world.until("the machine is an instance of the layer", is_online).await
}

async fn assigned(world: &World) -> Result<(), String> {
    online(world, &[2]).await?;
    register(world).await?;
    world.settle().await
}

async fn of_registered(world: &World, action: &str) -> Result<(), String> {
    let record = world.registered().await.ok_or("nothing is registered")?;
    world.call(action, json!({ "InstanceId": record.id })).await?;
    let has_left = async |w: &World| w.registered().await.is_none_or(|r| action == "UnassignInstance" && r.status == Registered);
    world.until("the registered instance has left", has_left).await
}

fn vpc(world: &World) -> String {
    world.cloud.built_in_groups().into_keys().next().unwrap_or_default()
}

fn world_may_enter(world: &World) -> bool {
    world.cloud.rules_of_group(&vpc(world), DEFAULT_SERVER).iter().any(|rule| rule.peer == "0.0.0.0/0" && !rule.egress)
}

/// Somebody has opened port 22 to the world in a built-in group.
async fn edited_group(world: &World) -> Result<(), String> {
    online(world, &[2]).await?;
    let ssh = GroupRule { egress: false, protocol: "tcp".to_owned(), ports: (22, 22), peer: "0.0.0.0/0".to_owned() };
    world.cloud.edit_group(&vpc(world), DEFAULT_SERVER, |rules| {
        rules.insert(ssh);
    });
    if world_may_enter(world) { Ok(()) } else { Err("the group was not edited".to_owned()) }
}

async fn new_stack(world: &World) -> Result<(), String> {
    let members = json!({
        "Name": "second", "Region": "us-east-1", "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
        "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
    });
    let made = world.call("CreateStack", members).await?;
    world.until("the group is as it was made", async |w: &World| !world_may_enter(w)).await?;
    // A stack without a cluster is looked at by the full sweep, which comes a quarter of an hour later: its first look is part of the operation.
    let key = keys::tagging(&made["StackId"].as_str().unwrap_or_default().into());
    let is_looked_at = async |w: &World| {
        let item = w.store.get(&key).await.ok().flatten();
        item.and_then(|item| item.decode::<serde_json::Value>().ok()).is_some_and(|tagging| !tagging["settings"].is_null())
    };
    world.until("the full sweep has looked at the new stack's tags", is_looked_at).await
}
