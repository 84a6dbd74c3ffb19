//! Into service, out of it for a Setup that was asked for, and back; and how hosts are updated meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use strata_domain::updates::PatchState;
use strata_ports::{CommandKind, CommandRequest, keys};

use super::world::{World, on_virtual_time, text};

const BALANCER: &str = "front";

fn sent(world: &World, kind: CommandKind) -> Vec<CommandRequest> {
    world.sent.requests().into_iter().filter(|r| r.kind == kind).collect()
}

fn parameter(request: &CommandRequest, name: &str) -> String {
    request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

async fn described(world: &World, instance: &str) -> Value {
    world.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await["Instances"][0].clone()
}

async fn machine(world: &World, instance: &str) -> String {
    text(&described(world, instance).await["Ec2InstanceId"])
}

async fn is_balanced(world: &World, instance: &str) -> bool {
    let own = described(world, instance).await["Ec2InstanceId"].clone();
    world.cloud.balanced_hosts()[BALANCER].iter().any(|host| own == host.as_str())
}

/// So many online hosts with Configure hooks behind a load balancer.
async fn behind_a_load_balancer(hosts: usize) -> World {
    let world = World::new(hosts, |config| config.ssm.configure_hooks = true).await;
    world.cloud.add_load_balancer(BALANCER);
    let members = json!({ "ElasticLoadBalancerName": BALANCER, "LayerId": world.layer });
    world.call("AttachElasticLoadBalancer", members).await;
    world.minutes(4).await;
    world.sent.forget();
    world
}

async fn stop(world: &World, instance: &str) {
    world.call("StopInstance", json!({ "InstanceId": instance })).await;
    world.until(instance, "stopped").await;
}

/// The statuses of a start, as they are seen each minute.
async fn start(world: &World, instance: &str) -> Vec<String> {
    world.call("StartInstance", json!({ "InstanceId": instance })).await;
    let mut seen = Vec::new();
    for _ in 0..60 {
        let status = world.status(instance).await;
        if seen.last() != Some(&status) {
            seen.push(status.clone());
        }
        if status == "online" {
            break;
        }
        world.minutes(1).await;
    }
    seen
}

/// [INST-12] [LIFE-2]
#[test]
fn inst_12_a_host_that_comes_online_joins_the_load_balancer_and_every_online_host_is_configured_itself_included() {
    on_virtual_time(async || {
        let world = behind_a_load_balancer(1).await;
        let second = world.instance().await;
        for _ in 0..60 {
            if world.status(&second).await == "online" {
                break;
            }
            assert!(!is_balanced(&world, &second).await, "Setup precedes traffic");
            world.minutes(1).await;
        }
        world.minutes(4).await;
        assert!(is_balanced(&world, &world.hosts[0]).await && is_balanced(&world, &second).await);
        let configured: BTreeSet<String> = sent(&world, CommandKind::Configure).iter().map(|r| r.host.to_string()).collect();
        assert_eq!(configured, [machine(&world, &world.hosts[0]).await, machine(&world, &second).await].into());
    });
}

/// [INST-42] [CMD-23]
#[test]
fn inst_42_a_setup_that_was_asked_for_takes_the_host_off_the_load_balancer_and_then_it_is_back_with_configure() {
    on_virtual_time(async || {
        let world = behind_a_load_balancer(2).await;
        let host = world.hosts[0].clone();
        assert!(is_balanced(&world, &host).await && is_balanced(&world, &world.hosts[1]).await);
        let members = json!({ "StackId": world.stack, "Command": { "Name": "setup" }, "InstanceIds": [host] });
        world.call("CreateDeployment", members).await;
        let mut was_out = false;
        for _ in 0..10 {
            world.minutes(1).await;
            was_out |= world.status(&host).await == "running_setup" && !is_balanced(&world, &host).await;
            assert!(is_balanced(&world, &world.hosts[1]).await, "the other one serves on");
        }
        assert!(was_out);
        world.until(&host, "online").await;
        world.minutes(4).await;
        assert!(is_balanced(&world, &host).await);
        let configured: BTreeSet<String> = sent(&world, CommandKind::Configure).iter().map(|r| r.host.to_string()).collect();
        assert_eq!(configured.len(), 2, "{configured:?}");
    });
}

/// [INST-13] [EBS-20] [EIP-10]
#[test]
fn inst_13_a_restart_takes_the_same_way_and_brings_address_and_volumes_back() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        stop(&world, &host).await;
        let zone = text(&described(&world, &host).await["AvailabilityZone"]);
        let (ip, ec2) = (world.cloud.add_address(), world.cloud.add_volume(&zone, 10, "gp2"));
        world.call("RegisterElasticIp", json!({ "StackId": world.stack, "ElasticIp": ip })).await;
        world.call("AssociateElasticIp", json!({ "ElasticIp": ip, "InstanceId": host })).await;
        let volume = world.call("RegisterVolume", json!({ "StackId": world.stack, "Ec2VolumeId": ec2 })).await;
        world.call("UpdateVolume", json!({ "VolumeId": volume["VolumeId"], "MountPoint": "/data" })).await;
        world.call("AssignVolume", json!({ "VolumeId": volume["VolumeId"], "InstanceId": host })).await;
        let mut ways = Vec::new();
        for _ in 0..2 {
            world.sent.forget();
            ways.push(start(&world, &host).await);
            let own = machine(&world, &host).await;
            assert_eq!(world.cloud.addresses_at()[&ip].as_ref().map(ToString::to_string), Some(own.clone()));
            assert_eq!(world.cloud.world_view().volumes[&ec2].as_ref().map(ToString::to_string), Some(own));
            let setup = sent(&world, CommandKind::Setup);
            assert_eq!((setup.len(), parameter(&setup[0], "install_updates").as_str()), (1, "true"), "the whole Setup");
            assert_ne!(parameter(&setup[0], "volumes"), "none");
            stop(&world, &host).await;
        }
        for way in &ways {
            assert!(["booting", "running_setup"].iter().all(|status| way.contains(&(*status).to_owned())), "{ways:?}");
            assert_eq!((way[0].as_str(), way.last().map(String::as_str)), ("requested", Some("online")));
        }
    });
}

/// [SEC-20] [ECS-72]: afterwards somebody may run Setup; it is not done by itself, and nor is any update.
#[test]
fn sec_20_an_upgrade_is_what_was_asked_for_and_nothing_follows_it() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let chef = world.call("DescribeStacks", json!({ "StackIds": [world.stack] })).await;
        assert_eq!(chef["Stacks"][0]["ConfigurationManager"]["Version"], "12", "where OpsWorks had no such command");
        world.sent.forget();
        let args = json!({ "upgrade_os_to": ["Amazon Linux 2023"], "allow_reboot": ["true"] });
        let id = world.deploy("update_dependencies", args).await;
        assert_eq!(world.finished(&id).await["Status"], "successful");
        world.minutes(90).await;
        let requests = world.sent.requests();
        assert_eq!(requests.iter().map(|r| r.kind).collect::<Vec<_>>(), [CommandKind::Update]);
        assert_eq!(parameter(&requests[0], "upgrade_os_to"), "Amazon Linux 2023");
        assert_eq!(parameter(&requests[0], "allow_reboot"), "true");
        let key = keys::patch_state(&world.stack_id(), &world.instance_id(0));
        let kept: PatchState = world.item(&key).await.unwrap().decode().unwrap();
        assert_eq!((kept.report.missing, kept.report.updated_at.is_some()), (Some(0), true), "what the host said of it is kept");
        world.until(&world.hosts[0], "online").await;
    });
}

/// [SEC-21]
#[test]
fn sec_21_an_upgrade_runs_on_what_is_online_after_a_start_or_with_the_next_launch() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        let upgrade = async || {
            let args = json!({ "upgrade_os_to": ["Amazon Linux 2023"], "allow_reboot": ["true"] });
            let command = json!({ "Name": "update_dependencies", "Args": args });
            let members = json!({ "StackId": world.stack, "Command": command, "InstanceIds": [host] });
            let id = text(&world.call("CreateDeployment", members).await["DeploymentId"]);
            world.finished(&id).await;
            text(&world.commands(json!({ "DeploymentId": id })).await[0]["Status"])
        };
        assert_eq!(upgrade().await, "successful", "online");
        stop(&world, &host).await;
        assert_eq!(upgrade().await, "skipped", "offline");
        start(&world, &host).await;
        assert_eq!(upgrade().await, "successful", "offline, then started");

        let members = json!({
            "StackId": world.stack, "LayerIds": [world.layer], "InstanceType": "m5.large", "RootDeviceType": "instance-store",
            "Os": "Ubuntu 22.04 LTS",
        });
        let other = text(&world.call("CreateInstance", members).await["InstanceId"]);
        start(&world, &other).await;
        let before = machine(&world, &other).await;
        stop(&world, &other).await;
        world.call("UpdateInstance", json!({ "InstanceId": other, "Os": "Ubuntu 24.04 LTS" })).await;
        start(&world, &other).await;
        assert_ne!(machine(&world, &other).await, before, "a new machine");
        assert_eq!(described(&world, &other).await["Os"], "Ubuntu 24.04 LTS");
    });
}

/// [SEC-22]
#[test]
fn sec_22_old_hosts_can_be_replaced_by_new_ones_that_are_updated_at_boot() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let old = world.hosts[0].clone();
        world.sent.forget();
        let new = world.instance().await;
        world.until(&new, "online").await;
        let setups = sent(&world, CommandKind::Setup);
        assert_eq!(setups.iter().map(|r| parameter(r, "install_updates")).collect::<Vec<_>>(), ["true"]);
        stop(&world, &old).await;
        world.call("DeleteInstance", json!({ "InstanceId": old })).await;
        world.minutes(10).await;
        let left = world.call("DescribeInstances", json!({ "StackId": world.stack })).await;
        let left: Vec<_> = left["Instances"].as_array().unwrap().iter().map(|i| text(&i["InstanceId"])).collect();
        assert_eq!(left, [new]);
    });
}

/// [SEC-24]
#[test]
fn sec_24_with_updates_off_they_are_whatever_somebodys_own_recipe_does() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        stop(&world, &host).await;
        world.call("UpdateInstance", json!({ "InstanceId": host, "InstallUpdatesOnBoot": false })).await;
        world.sent.forget();
        start(&world, &host).await;
        assert_eq!(parameter(&sent(&world, CommandKind::Setup)[0], "install_updates"), "false");
        let id = world.deploy("execute_recipes", json!({ "recipes": ["patching::careful"] })).await;
        assert_eq!(world.finished(&id).await["Status"], "successful");
        assert_eq!(parameter(&sent(&world, CommandKind::Recipes)[0], "recipes"), "patching::careful");
        assert!(sent(&world, CommandKind::Update).is_empty());
    });
}

/// [CWL-19] [CMD-32]: every kind of run that there is here.
#[test]
fn cwl_19_every_kind_of_command_has_a_log_with_what_it_said() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        for (name, args) in [
            ("configure", json!({})),
            ("execute_recipes", json!({ "recipes": ["a"] })),
            ("update_custom_cookbooks", json!({})),
            ("update_dependencies", json!({})),
        ] {
            let id = world.deploy(name, args).await;
            world.finished(&id).await;
        }
        stop(&world, &host).await;
        world.minutes(5).await;
        let mut kinds = BTreeSet::new();
        for command in world.commands(json!({ "InstanceId": host })).await {
            let url = text(&command["LogUrl"]);
            let key = url.split_once("/_strata/objects/").unwrap().1.split_once('?').unwrap().0;
            let log = world.ports.objects.get(key).await.unwrap().unwrap();
            assert!(!log.is_empty(), "{command}");
            kinds.insert(text(&command["Type"]));
        }
        let all = ["configure", "execute_recipes", "setup", "shutdown", "update_custom_cookbooks", "update_dependencies"];
        assert_eq!(kinds, all.map(str::to_owned).into());
    });
}

/// [CMD-31] [QTA-6]
#[test]
fn cmd_31_beyond_the_thirty_newest_a_hosts_commands_have_no_log_and_the_services_own_are_gone() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let host = world.hosts[0].clone();
        let own = world.commands(json!({ "InstanceId": host })).await;
        assert_eq!(own.iter().map(|c| text(&c["Type"])).collect::<Vec<_>>(), ["setup"]);
        let mut made = Vec::new();
        for _ in 0..32 {
            let id = world.deploy("configure", json!({})).await;
            assert_eq!(world.finished(&id).await["Status"], "successful");
            made.push(id);
        }
        let commands = world.commands(json!({ "InstanceId": host })).await;
        assert!(commands.iter().all(|c| c["Type"] == "configure"), "the Setup of its start is gone");
        let has_log: Vec<bool> = commands.iter().map(|c| !c["LogUrl"].is_null()).collect();
        assert_eq!(has_log, [vec![true; 30], vec![false; 2]].concat(), "the newest first");
        let first = &world.commands(json!({ "DeploymentId": made[0] })).await[0];
        assert_eq!((text(&first["Status"]).as_str(), &first["LogUrl"]), ("successful", &Value::Null));
        let gone = strata_ports::keys::pointer(&text(&own[0]["CommandId"]));
        assert!(world.item(&gone).await.is_none(), "nothing points to it");
    });
}

/// [INST-63]
#[test]
fn inst_63_hosts_of_a_layer_that_asks_for_it_are_told_of_everyone_who_comes_and_goes() {
    on_virtual_time(async || {
        let world = World::new(1, |_| {}).await;
        let first = world.hosts[0].clone();
        let custom = json!({ "strata": { "hosts_file": true } }).to_string();
        let second = world.instance().await;
        world.until(&second, "online").await;
        world.minutes(4).await;
        assert!(sent(&world, CommandKind::Configure).is_empty(), "nobody asked for it");
        world.call("UpdateLayer", json!({ "LayerId": world.layer, "CustomJson": custom })).await;
        world.sent.forget();
        stop(&world, &second).await;
        world.minutes(4).await;
        let told = sent(&world, CommandKind::Configure);
        assert_eq!(told.iter().map(|r| r.host.to_string()).collect::<Vec<_>>(), [machine(&world, &first).await]);
        assert_eq!(parameter(&told[0], "hosts_file"), "true");
        world.sent.forget();
        start(&world, &second).await;
        world.minutes(4).await;
        let told: BTreeSet<String> = sent(&world, CommandKind::Configure).iter().map(|r| r.host.to_string()).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(parameter(&sent(&world, CommandKind::Setup)[0], "hosts_file"), "true");
    });
}
