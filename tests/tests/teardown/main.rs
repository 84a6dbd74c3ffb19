//! Taking an ECS Cluster layer down, end to end: the source page's section "Deleting an ECS Cluster Layer", what blocks, who keeps off, and
//! what is left when it is aborted.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod planned;
mod world;

use serde_json::json;
use strata_domain::InstanceStatus as S;
use strata_domain::pages::PageKind;
use strata_local::cloud::{Mishap, OwnHost, ServiceSpec, Victim};
use strata_local::{SimCloud, virtual_runtime};
use strata_ports::{AlarmState, Change, Clock, Ec2State, Expect, Store, keys};
use strata_triggers::RequestVerb::{Abort, Start};
use world::{Place, World};

/// Runs a test on virtual time.
pub(crate) fn on_virtual_time(test: impl Future<Output = ()>) {
    virtual_runtime().unwrap().block_on(test);
}

const NOTHING_MORE: (bool, bool, bool, bool) = (false, false, false, false);

fn service(world: &World, place: &Place, name: &str, desired: u32) {
    let spec = ServiceSpec { name: name.to_owned(), desired, ..ServiceSpec::default() };
    world.cloud.create_service(&place.cluster, spec).unwrap();
}

/// A machine that somebody else launched, with its ECS agent in the cluster, in service in the layer.
async fn registered(world: &World, place: &Place) -> (strata_domain::InstanceId, strata_domain::Ec2InstanceId) {
    let machine = world.cloud.add_host(OwnHost { cluster: Some(place.cluster.clone()), ..OwnHost::default() });
    let document = world.cloud.identity_document(&machine);
    let identity = json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
    let answer = world.good("RegisterInstance", json!({ "StackId": place.stack, "InstanceIdentity": identity })).await;
    let id: strata_domain::InstanceId = answer["InstanceId"].as_str().unwrap().into();
    world.until("it is registered", async |w| w.status(place, &id).await == Some(S::Registered)).await;
    world.good("AssignInstance", json!({ "InstanceId": id, "LayerIds": [place.layer] })).await;
    world.until("it is assigned", async |w| w.status(place, &id).await == Some(S::Online)).await;
    (id, machine)
}

/// [ECS-90] [ECS-91] [ECS-92] [ECS-96] The whole procedure with all that a host can have, beside another stack with a cluster of its own.
#[test]
fn ecs_92_a_layer_goes_in_order_its_cluster_stays_and_nobody_elses_things_are_touched() {
    on_virtual_time(async {
        let world = World::new();
        let more = json!({
            "AutoAssignElasticIps": true, "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }],
        });
        let (shop, lab) = (world.place("shop", more.clone()).await, world.place("lab", more).await);
        world.cloud.add_load_balancer("front");
        world.good("AttachElasticLoadBalancer", json!({ "ElasticLoadBalancerName": "front", "LayerId": shop.layer })).await;
        world.online(&shop, "web1").await;
        world.instance(&shop, "web2", json!({ "AutoScalingType": "load" })).await;
        let (_, machine) = registered(&world, &shop).await;
        let neighbour = world.online(&lab, "lab1").await;
        service(&world, &shop, "api", 2);
        service(&world, &lab, "jobs", 1);
        world.minutes(5).await;
        assert_eq!((world.containers(&shop), world.containers(&lab)), ((2, 0), (1, 0)));
        assert_eq!(world.cloud.balanced_hosts()["front"].len(), 2);
        let lab_before = (world.cloud.world_view().services.len(), world.cloud.allocated_addresses().len());
        assert_eq!(lab_before, (2, 2), "a service each, and an address each");

        world.ask(Start, &shop, (true, true, true, false)).await;
        world.until_layer_gone(&shop).await;
        world.minutes(5).await;

        let view = world.cloud.world_view();
        // The machine that was registered runs on, under ECS's control; that which was created is gone, and so is what was asked to go.
        assert_eq!(view.hosts.iter().map(|h| h.record.clone()).collect::<Vec<_>>(), std::slice::from_ref(&neighbour));
        assert!(world.cloud.has_host(&machine));
        assert_eq!((world.containers(&shop), world.containers(&lab)), ((1, 0), (1, 0)));
        assert_eq!(world.cloud.balanced_hosts()["front"].len(), 0, "the load balancer stays, without targets");
        assert_eq!(view.services.iter().map(|s| (s.name.as_str(), s.desired)).collect::<Vec<_>>(), [("jobs", 1)]);
        assert_eq!(world.status(&lab, &neighbour).await, Some(S::Online));
        assert_eq!(view.volumes.values().flatten().count(), 1, "the neighbour's volume: {:?}", view.volumes);
        // The cluster stays in ECS, and any stack may register it again.
        assert!(world.cloud.cluster_arns().contains(&shop.cluster));
        world.good("RegisterEcsCluster", json!({ "StackId": shop.stack, "EcsClusterArn": shop.cluster })).await;
        assert!(world.pages(PageKind::TeardownBlocked).is_empty());
    });
}

/// [ECS-92] What is not asked for stays: services, volumes, addresses, the stack.
#[test]
fn ecs_92_services_volumes_and_addresses_stay_unless_asked_for() {
    on_virtual_time(async {
        let world = World::new();
        let more = json!({
            "AutoAssignElasticIps": true, "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }],
        });
        let shop = world.place("shop", more).await;
        world.online(&shop, "web1").await;
        service(&world, &shop, "api", 1);
        world.minutes(3).await;
        world.ask(Start, &shop, NOTHING_MORE).await;
        world.until_layer_gone(&shop).await;
        world.minutes(5).await;
        let view = world.cloud.world_view();
        assert!(view.hosts.is_empty() && view.services.len() == 1 && view.services[0].desired == 1);
        let volumes = world.good("DescribeVolumes", json!({ "StackId": shop.stack })).await;
        assert_eq!(volumes["Volumes"].as_array().map(Vec::len), Some(1), "{volumes}");
        let addresses = world.good("DescribeElasticIps", json!({ "StackId": shop.stack })).await;
        assert_eq!(addresses["ElasticIps"].as_array().map(Vec::len), Some(1), "{addresses}");
        assert_eq!(world.cloud.addresses_at().into_values().flatten().count(), 0, "it is at no machine any more");
    });
}

#[test]
fn termination_protection_is_paged_in_ec2s_words_with_the_command_that_helps_and_then_it_goes_on() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        let id = world.online(&shop, "web1").await;
        let machine = world.record(&shop, &id).await.unwrap().ec2_instance_id.unwrap();
        world.cloud.inject(Victim::Ec2(machine.clone()), Mishap::ProtectFromTermination(true), world.clock.now());
        world.ask(Start, &shop, NOTHING_MORE).await;
        world.until("on-call is paged", async |w| !w.pages(PageKind::TeardownBlocked).is_empty()).await;
        let page = &world.pages(PageKind::TeardownBlocked)[0];
        assert!(page.why.contains(&format!("The instance '{machine}' may not be terminated")), "{page:?}");
        let help = format!("aws ec2 modify-instance-attribute --instance-id {machine} --no-disable-api-termination");
        assert!(page.did.contains(&help), "{page:?}");
        // The host's own page says why, too; it comes at most once an hour.
        let failed = world.pages(PageKind::StopFailed);
        assert!(
            failed[0].why.contains("disableApiTermination") && failed.iter().filter(|p| !p.resolved).count() <= 2,
            "{failed:?}"
        );
        world.cloud.inject(Victim::Ec2(machine), Mishap::ProtectFromTermination(false), world.clock.now());
        world.until_layer_gone(&shop).await;
        let pages = world.pages(PageKind::TeardownBlocked);
        assert!(pages.len() == 2 && pages[1].resolved && pages[1].incident == page.incident, "{pages:?}");
        assert!(world.cloud.world_view().hosts.is_empty());
    });
}

#[test]
fn stop_protection_is_paged_in_ec2s_words_and_leaves_nothing_draining() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        let id = world.online(&shop, "web1").await;
        let machine = world.record(&shop, &id).await.unwrap().ec2_instance_id.unwrap();
        world.cloud.inject(Victim::Ec2(machine.clone()), Mishap::ProtectFromStop(true), world.clock.now());
        world.ask(Start, &shop, NOTHING_MORE).await;
        world.until("on-call is paged", async |w| !w.pages(PageKind::TeardownBlocked).is_empty()).await;
        let page = &world.pages(PageKind::TeardownBlocked)[0];
        assert!(page.why.contains("may not be stopped") && page.did.contains("--no-disable-api-stop"), "{page:?}");
        assert_eq!(world.containers(&shop), (0, 0), "it has left the cluster before it was to be powered off");
        world.cloud.inject(Victim::Ec2(machine), Mishap::ProtectFromStop(false), world.clock.now());
        world.until_layer_gone(&shop).await;
    });
}

/// [ECS-69] Standalone tasks by the layer's drain policy: a patient layer waits for them, and on-call is told which; another stops them at once.
#[test]
fn ecs_69_the_task_that_keeps_an_instance_draining_is_named_and_drain_stop_does_not_wait_for_it() {
    on_virtual_time(async {
        for (drain, is_patient) in [("wait", true), ("stop", false)] {
            let world = World::new();
            let more = json!({
                "CustomJson": json!({ "strata": { "drain": drain } }).to_string(),
                "LifecycleEventConfiguration": { "Shutdown": { "ExecutionTimeout": 7200 } },
            });
            let shop = world.place("shop", more).await;
            world.online(&shop, "web1").await;
            let task = world.cloud.run_task(&shop.cluster, 1).unwrap().remove(0);
            world.minutes(3).await;
            let began = world.clock.now();
            world.ask(Start, &shop, NOTHING_MORE).await;
            world.until_layer_gone(&shop).await;
            let took = world.clock.now().duration_since(began).as_mins();
            let pages = world.pages(PageKind::TeardownBlocked);
            if is_patient {
                assert!((120..150).contains(&took), "{took}");
                assert!(
                    pages[0].why.contains(&format!("web1 (shutting_down) is kept by task {task} of no service")),
                    "{pages:?}"
                );
                assert!(pages[0].did.contains(&format!("aws ecs stop-task --cluster shop --task {task}")), "{pages:?}");
                assert!(pages.len() == 2 && pages[1].resolved);
            } else {
                assert!(took < 30 && pages.is_empty(), "{took} {pages:?}");
            }
        }
    });
}

#[test]
fn a_service_whose_task_is_protected_is_paged_with_the_task() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        let id = world.online(&shop, "web1").await;
        service(&world, &shop, "api", 1);
        world.minutes(3).await;
        let container = world.record(&shop, &id).await.unwrap().container_instance_arn.unwrap();
        let scope = strata_ports::StackScope {
            stack_id: shop.stack.clone(),
            region: "us-east-1".into(),
            service_role_arn: "arn:aws:iam::123456789012:role/service".into(),
        };
        let task = world.ports.containers.tasks_on(&scope, &shop.cluster, &container).await.unwrap().remove(0).arn;
        let until = world.clock.now() + jiff::SignedDuration::from_mins(45);
        world.cloud.protect_task(&task, until).unwrap();
        world.ask(Start, &shop, (true, false, false, false)).await;
        world.until_layer_gone(&shop).await;
        let pages = world.pages(PageKind::TeardownBlocked);
        assert!(pages[0].why.contains(&format!("task {task} of service api, protected from scale-in on web1")), "{pages:?}");
        assert!(pages[0].did.contains(&format!("aws ecs update-task-protection --cluster shop --tasks {task}")), "{pages:?}");
        assert!(pages.len() == 2 && pages[1].resolved);
    });
}

#[test]
fn an_abort_leaves_nothing_draining_and_the_layer_free() {
    on_virtual_time(async {
        let world = World::new();
        let more = json!({ "LifecycleEventConfiguration": { "Shutdown": { "ExecutionTimeout": 1200 } } });
        let shop = world.place("shop", more).await;
        let (one, two) = (world.online(&shop, "web1").await, world.online(&shop, "web2").await);
        world.cloud.run_task(&shop.cluster, 8).unwrap();
        world.minutes(3).await;
        let hold = strata_domain::holds::Hold {
            target: strata_domain::holds::HoldTarget::Instance(two.clone()),
            kind: strata_domain::holds::HoldKind::Person,
            by: "ada".to_owned(),
            reason: "debugging".to_owned(),
            since: world.clock.now(),
            until: None,
        };
        let key = keys::instance_hold(&shop.stack, &two, "person");
        world.store.commit(vec![Change::put(key, &hold, Expect::Absent)]).await.unwrap();
        world.ask(Start, &shop, NOTHING_MORE).await;
        world.minutes(3).await;
        assert_eq!(world.containers(&shop), (1, 1), "web1 is being drained, web2 is held");
        world.ask(Abort, &shop, NOTHING_MORE).await;
        world.minutes(60).await;
        assert!(!world.is_marked(&shop).await);
        // What had been begun is finished, not left half way; nothing else is done.
        assert_eq!((world.status(&shop, &one).await, world.status(&shop, &two).await), (Some(S::Stopped), Some(S::Online)));
        assert_eq!(world.containers(&shop), (1, 0));
        world.good("StartInstance", json!({ "InstanceId": one })).await;
        world.until("it is back", async |w| w.status(&shop, &one).await == Some(S::Online)).await;
        assert_eq!(world.containers(&shop), (2, 0));
    });
}

/// While a layer is being taken down nobody else starts instances in it: not the scalers, not the healer, not a person, and nothing new joins it.
#[test]
fn nothing_starts_in_a_layer_that_is_being_taken_down() {
    on_virtual_time(async {
        for is_taken_down in [false, true] {
            let world = World::new();
            let shop = world.place("shop", json!({})).await;
            let healed = world.online(&shop, "web1").await;
            let timer = world.instance(&shop, "web2", json!({ "AutoScalingType": "timer" })).await;
            let load = world.instance(&shop, "web3", json!({ "AutoScalingType": "load" })).await;
            let always = world.instance(&shop, "web4", json!({})).await;
            let hours = json!({ "Monday": { "11": "on", "12": "on", "13": "on" } });
            world.good("SetTimeBasedAutoScaling", json!({ "InstanceId": timer, "AutoScalingSchedule": hours })).await;
            let up = json!({ "InstanceCount": 1 });
            world.good("SetLoadBasedAutoScaling", json!({ "LayerId": shop.layer, "Enable": true, "UpScaling": up })).await;
            world.minute().await;
            if is_taken_down {
                // The mark alone, so that nothing else is done to the layer.
                let mark = keys::teardown_mark(&shop.stack, &shop.layer);
                world.store.commit(vec![Change::put(mark, &"teardown-1", Expect::Absent)]).await.unwrap();
            }
            world.cloud.set_alarm_state("strata/shop/ecs-cluster/up-cpu", AlarmState::Alarm);
            world.cloud.inject(Victim::Record(healed.clone()), Mishap::Hang, world.clock.now());
            let start = world.call("StartInstance", json!({ "InstanceId": always })).await;
            world.minutes(10).await;
            world.pass_until("2026-03-02T11:01:00Z").await;
            world.minutes(30).await;
            let statuses =
                [&timer, &load, &always].map(async |id: &strata_domain::InstanceId| world.status(&shop, id).await.unwrap());
            let mut seen = Vec::new();
            for status in statuses {
                seen.push(status.await);
            }
            let heals = world.record(&shop, &healed).await.unwrap().heals.len();
            let members = json!({ "StackId": shop.stack, "LayerIds": [shop.layer], "InstanceType": "m5.large" });
            let joins = world.call("CreateInstance", members).await;
            if is_taken_down {
                assert_eq!((seen, heals), (vec![S::Stopped; 3], 0));
                assert_eq!(
                    start,
                    Err("The layer \"shop hosts\" is being taken down, so its instances cannot be started".to_owned())
                );
                assert_eq!(joins, Err("The layer \"shop hosts\" is being taken down, so no instance can join it".to_owned()));
                assert_eq!(world.cloud.world_view().hosts.len(), 1);
            } else {
                assert_eq!((seen, heals), (vec![S::Online; 3], 1), "in a layer that stands all of them do");
                assert!(start.is_ok() && joins.is_ok());
            }
        }
    });
}

/// A heal that is under way when the teardown begins ends with the machine down.
#[test]
fn a_heal_under_way_starts_nothing_any_more_when_its_layer_is_taken_down() {
    on_virtual_time(async {
        let world = World::new();
        let shop = world.place("shop", json!({})).await;
        let id = world.online(&shop, "web1").await;
        world.cloud.inject(Victim::Record(id.clone()), Mishap::Hang, world.clock.now());
        world.until("it is being healed", async |w| w.record(&shop, &id).await.is_some_and(|r| r.healing)).await;
        let launches = world.record(&shop, &id).await.unwrap().launch_number;
        world.ask(Start, &shop, NOTHING_MORE).await;
        world
            .until("the heal is over", async |w| {
                let record = w.record(&shop, &id).await;
                assert!(record.as_ref().is_none_or(|r| r.launch_number == launches), "{record:?}");
                record.is_none()
            })
            .await;
        world.until_layer_gone(&shop).await;
        assert!(world.cloud.world_view().hosts.iter().all(|h| h.state == Ec2State::Terminated));
    });
}
