//! From the API to the machines: load balancers, addresses and volumes in the simulated cloud, whatever answer is lost.

mod lost;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::model::{ElasticIp, Instance};
use strata_local::cloud::{CloudConfig, Mishap, TargetGroup, Victim};
use strata_local::faults::{Fault, FaultPlan, Faulty, always, nth};
use strata_local::{MemoryStore, SeededIds, SimCloud, VirtualClock, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Clock, HttpService, Store, keys};

use crate::api::{Api, ApiConfig};
use crate::reconciler::{Config, Reconciler};
use crate::records::ServiceError;

const REGION: &str = "us-east-1";
const ZONE: &str = "us-east-1a";

/// A person at the API, lifecycle behind it, and a cloud whose calls may fail by plan.
struct House {
    clock: Arc<VirtualClock>,
    cloud: Arc<SimCloud>,
    store: Arc<MemoryStore>,
    api: Api,
    reconciler: Reconciler,
    stack: String,
    layer: String,
}

/// Runs `body` in a house whose layer has `settings` and whose cloud fails by `plan`.
fn in_house(plan: FaultPlan, settings: Value, body: impl AsyncFnOnce(House)) {
    virtual_runtime().unwrap().block_on(async {
        let house = House::new(plan, settings, |_| {}).await;
        body(house).await;
    });
}

impl House {
    async fn new(plan: FaultPlan, settings: Value, adjust: impl FnOnce(&mut CloudConfig)) -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()));
        let mut config = CloudConfig::default();
        adjust(&mut config);
        let cloud = SimCloud::new(config, 1, clock.clone());
        let store = Arc::new(MemoryStore::new());
        let ports = cloud.ports(store.clone(), Arc::new(SeededIds::new(1, "house")));
        let faulty = Faulty::over(ports.clone(), plan);
        let mut house = Self {
            api: Api::new(ports, ApiConfig::default()),
            reconciler: Reconciler::new(faulty, Config::default()),
            clock,
            cloud,
            store,
            stack: String::new(),
            layer: String::new(),
        };
        house.build(settings).await;
        house
    }

    async fn build(&mut self, settings: Value) {
        let stack = json!({
            "Name": "shop", "Region": REGION, "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        self.stack = self.made("CreateStack", stack, "StackId").await;
        let cluster = self.cloud.create_cluster("shop");
        self.call("RegisterEcsCluster", json!({ "StackId": self.stack, "EcsClusterArn": cluster })).await;
        let mut layer = json!({
            "StackId": self.stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": cluster },
        });
        layer.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        self.layer = self.made("CreateLayer", layer, "LayerId").await;
    }

    async fn instance(&self, root: &str) -> String {
        let subnet = self.cloud.default_vpc().unwrap().subnets.into_iter().find(|s| s.zone == ZONE).unwrap().id;
        let members = json!({
            "StackId": self.stack, "LayerIds": [self.layer], "InstanceType": "m5.large", "SubnetId": subnet, "RootDeviceType": root,
        });
        self.made("CreateInstance", members, "InstanceId").await
    }

    async fn ask(&self, action: &str, members: Value) -> (u16, Value) {
        let mut request = Request::new(Bytes::from(members.to_string()));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("x-amz-target", format!("OpsWorks_20130218.{action}").try_into().unwrap());
        request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
        let response = self.api.call(request).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }

    async fn call(&self, action: &str, members: Value) -> Value {
        let (status, answer) = self.ask(action, members).await;
        assert_eq!(status, 200, "{action} was answered {answer}");
        answer
    }

    async fn made(&self, action: &str, members: Value, id: &str) -> String {
        self.call(action, members).await[id].as_str().unwrap().to_owned()
    }

    async fn on(&self, action: &str, instance: &str) {
        self.call(action, json!({ "InstanceId": instance })).await;
    }

    async fn associate(&self, ip: &str, instance: &str) {
        self.call("AssociateElasticIp", json!({ "ElasticIp": ip, "InstanceId": instance })).await;
    }

    /// Ticks; at each, nobody stands in a load balancer who was never online.
    async fn minutes(&self, count: u32) {
        for _ in 0..count {
            // A store that does not answer fails the tick, and the next one goes on.
            drop(self.reconciler.sweep("tick").await);
            self.check_balanced().await;
            self.clock.sleep(SignedDuration::from_mins(1)).await;
            self.cloud.advance(self.clock.now());
        }
    }

    async fn until(&self, instance: &str, status: InstanceStatus) {
        for _ in 0..120 {
            if self.record(instance).await.is_some_and(|r| r.status == status) {
                return;
            }
            self.minutes(1).await;
        }
        panic!("{instance} is {:?}, expected {status}", self.record(instance).await.map(|r| r.status));
    }

    async fn online(&self, root: &str) -> String {
        let instance = self.instance(root).await;
        self.on("StartInstance", &instance).await;
        self.until(&instance, InstanceStatus::Online).await;
        self.minutes(4).await;
        instance
    }

    async fn delete(&self, instance: &str, flags: Value) {
        let mut members = json!({ "InstanceId": instance });
        members.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
        self.call("DeleteInstance", members).await;
        for _ in 0..60 {
            if self.record(instance).await.is_none() {
                return;
            }
            self.minutes(1).await;
        }
        panic!("{instance} is never gone: {:?}", self.record(instance).await);
    }

    async fn record(&self, instance: &str) -> Option<Instance> {
        let item = self.store.get(&keys::instance(&self.stack.as_str().into(), &instance.into())).await.unwrap();
        item.map(|item| item.decode().unwrap())
    }

    async fn machine(&self, instance: &str) -> String {
        self.record(instance).await.unwrap().ec2_instance_id.unwrap().to_string()
    }

    fn balanced(&self, name: &str) -> Vec<String> {
        self.cloud.balanced_hosts()[name].iter().map(ToString::to_string).collect()
    }

    /// The machine that an address is at.
    fn at(&self, ip: &str) -> Option<String> {
        self.cloud.addresses_at()[ip].as_ref().map(ToString::to_string)
    }

    async fn check_balanced(&self) {
        let records = self.store.list(&Listing::of(keys::stack_pk(&self.stack.as_str().into()), keys::INSTANCE)).await.unwrap();
        let records: Vec<Instance> = records.iter().map(|item| item.decode().unwrap()).collect();
        for host in self.cloud.balanced_hosts().into_values().flatten() {
            if let Some(record) = records.iter().find(|r| r.ec2_instance_id.as_ref() == Some(&host)) {
                assert!(record.has_been_online, "{} is {} and in a load balancer", record.hostname, record.status);
            }
        }
    }

    async fn service_errors(&self) -> Vec<String> {
        let found =
            self.store.list(&Listing::of(keys::stack_pk(&self.stack.as_str().into()), keys::SERVICE_ERROR)).await.unwrap();
        found.iter().map(|item| item.decode::<ServiceError>().unwrap().error_type).collect()
    }

    async fn busy(&self) -> usize {
        let busy = self.store.list(&Listing::of(keys::BUSY_PK, "")).await.unwrap().len();
        busy + self.store.list(&Listing::of(keys::BALANCERS_DUE_PK, "")).await.unwrap().len()
    }

    async fn attach(&self, name: &str) {
        self.call("AttachElasticLoadBalancer", json!({ "ElasticLoadBalancerName": name, "LayerId": self.layer })).await;
    }

    /// A registered volume with a mount point.
    async fn volume(&self, zone: &str) -> (String, String) {
        let ec2 = self.cloud.add_volume(zone, 10, "gp2");
        let id = self.made("RegisterVolume", json!({ "StackId": self.stack, "Ec2VolumeId": ec2 }), "VolumeId").await;
        self.call("UpdateVolume", json!({ "VolumeId": id, "MountPoint": format!("/{ec2}") })).await;
        (id, ec2)
    }

    fn volume_at(&self, ec2: &str) -> Option<String> {
        self.cloud.world_view().volumes[ec2].as_ref().map(ToString::to_string)
    }
}

fn quiet() -> FaultPlan {
    FaultPlan::quiet(1)
}

/// [ELB-3] [ELB-4] [ELB-5] [ELB-6] [ECS-51] [ECS-52]: also what somebody registers later goes when the layer's next host comes online.
#[test]
fn elb_3_a_load_balancer_has_the_layers_online_hosts_and_nobody_else() {
    in_house(quiet(), json!({}), async |house| {
        let first = house.online("ebs").await;
        house.cloud.add_load_balancer("front");
        house.cloud.change_load_balancer("front", |b| {
            b.hosts.insert("i-stranger".into());
            b.zones.retain(|zone| zone != ZONE);
        });
        house.attach("front").await;
        house.minutes(2).await;
        assert_eq!(house.balanced("front"), [house.machine(&first).await]);
        assert_eq!(house.busy().await, 0);

        let second = house.instance("ebs").await;
        house.on("StartInstance", &second).await;
        house.until(&second, InstanceStatus::RunningSetup).await;
        assert_eq!(house.balanced("front"), [house.machine(&first).await]);
        house.cloud.change_load_balancer("front", |b| {
            b.hosts.insert("i-stranger".into());
        });
        house.until(&second, InstanceStatus::Online).await;
        house.minutes(2).await;
        let both = BTreeSet::from([house.machine(&first).await, house.machine(&second).await]);
        assert_eq!(house.balanced("front").into_iter().collect::<BTreeSet<_>>(), both);

        house.on("StopInstance", &second).await;
        house.minutes(1).await;
        assert_eq!(house.balanced("front"), [house.machine(&first).await]);
        for _ in 0..4 {
            house.minutes(1).await;
            assert_eq!(house.record(&second).await.unwrap().status, InstanceStatus::Stopping, "five minutes of draining");
        }
        house.until(&second, InstanceStatus::Stopped).await;

        let members = json!({ "ElasticLoadBalancerName": "front", "LayerId": house.layer });
        house.call("DetachElasticLoadBalancer", members).await;
        house.minutes(3).await;
        assert_eq!((house.balanced("front"), house.busy().await), (Vec::new(), 0));
    });
}

/// [ELB-8]
#[test]
fn elb_8_an_instance_of_two_layers_is_registered_with_the_load_balancers_of_both() {
    in_house(quiet(), json!({}), async |house| {
        let custom = json!({ "StackId": house.stack, "Type": "custom", "Name": "api", "Shortname": "api" });
        let second = house.made("CreateLayer", custom, "LayerId").await;
        for (name, layer) in [("front", &house.layer), ("back", &second)] {
            house.cloud.add_load_balancer(name);
            let members = json!({ "ElasticLoadBalancerName": name, "LayerId": layer });
            house.call("AttachElasticLoadBalancer", members).await;
        }
        let members = json!({ "StackId": house.stack, "LayerIds": [house.layer, second], "InstanceType": "m5.large" });
        let instance = house.made("CreateInstance", members, "InstanceId").await;
        house.on("StartInstance", &instance).await;
        house.until(&instance, InstanceStatus::Online).await;
        house.minutes(2).await;
        let machine = [house.machine(&instance).await];
        assert_eq!((&house.balanced("front")[..], &house.balanced("back")[..]), (&machine[..], &machine[..]));
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
        assert!(house.balanced("front").is_empty() && house.balanced("back").is_empty());
    });
}

/// [ELB-6]: `DelayUntilElbConnectionsDrained` false.
#[test]
fn elb_6_without_the_delay_a_stop_deregisters_and_goes_on() {
    let shutdown = json!({ "Shutdown": { "ExecutionTimeout": 60, "DelayUntilElbConnectionsDrained": false } });
    in_house(quiet(), json!({ "LifecycleEventConfiguration": shutdown }), async |house| {
        house.cloud.add_load_balancer("front");
        house.attach("front").await;
        let instance = house.online("ebs").await;
        assert_eq!(house.balanced("front"), [house.machine(&instance).await]);
        house.on("StopInstance", &instance).await;
        house.minutes(1).await;
        assert_eq!(house.balanced("front"), Vec::<String>::new());
        assert_ne!(house.record(&instance).await.unwrap().status, InstanceStatus::Stopping);
    });
}

/// A target group takes the layer's hosts by instance id, and loses none that is not the layer's.
#[test]
fn a_target_group_keeps_what_others_have_registered() {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef";
    let strata = json!({ "strata": { "target_groups": [arn] } }).to_string();
    in_house(quiet(), json!({ "CustomJson": strata }), async |house| {
        let theirs = ["10.0.0.7", "i-theirs", "i-theirs:32768"].map(str::to_owned);
        house.cloud.put_target_group(arn, TargetGroup { targets: theirs.clone().into(), ..TargetGroup::default() });
        let instance = house.online("ebs").await;
        let machine = house.machine(&instance).await;
        let targets: BTreeSet<String> = house.cloud.targets_of(arn).into_iter().collect();
        assert_eq!(targets, theirs.iter().cloned().chain([machine.clone()]).collect());
        house.on("StopInstance", &instance).await;
        house.minutes(1).await;
        assert_eq!(house.cloud.targets_of(arn), theirs);
        assert_eq!(house.record(&instance).await.unwrap().status, InstanceStatus::Stopping, "targets drain too");
        house.until(&instance, InstanceStatus::Stopped).await;
    });
}

/// A target group that the settings name from now on has the hosts that are online already, and loses them when it is named no more.
#[test]
fn hosts_that_are_online_join_and_leave_a_target_group_as_the_layers_settings_name_it() {
    in_house(quiet(), json!({}), async |house| {
        let arns =
            ["a", "b"].map(|n| format!("arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/{n}/0123456789abcdef"));
        for arn in &arns {
            let theirs = TargetGroup { targets: ["10.0.0.7".to_owned()].into(), ..TargetGroup::default() };
            house.cloud.put_target_group(arn, theirs);
        }
        let instance = house.online("ebs").await;
        let machine = house.machine(&instance).await;
        for named in [&arns[..1], &arns[1..], &arns[..], &[]] {
            let strata = json!({ "strata": { "target_groups": named } }).to_string();
            house.call("UpdateLayer", json!({ "LayerId": house.layer, "CustomJson": strata })).await;
            house.minutes(2).await;
            for arn in &arns {
                let has_host = house.cloud.targets_of(arn).contains(&machine);
                assert_eq!(has_host, named.contains(arn), "{arn} of {named:?}");
                assert!(house.cloud.targets_of(arn).contains(&"10.0.0.7".to_owned()), "what others have registered stays");
            }
        }
        house.minutes(2).await;
        assert!(house.store.list(&Listing::of(keys::BALANCERS_DUE_PK, "")).await.unwrap().is_empty(), "nothing is due any more");
        assert_eq!(house.record(&instance).await.unwrap().status, InstanceStatus::Online);
    });
}

#[test]
fn a_load_balancer_that_is_gone_is_a_service_error_and_keeps_no_host_from_service_or_busy() {
    in_house(quiet(), json!({}), async |house| {
        house.cloud.add_load_balancer("front");
        house.attach("front").await;
        house.minutes(2).await;
        house.cloud.delete_load_balancer("front");
        let instance = house.online("ebs").await;
        house.minutes(5).await;
        assert_eq!((house.service_errors().await, house.busy().await), (vec!["LoadBalancer".to_owned()], 0));
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
    });
}

/// [EIP-10] [EIP-13] [EIP-14] [EIP-16] [EIP-19]
#[test]
fn eip_13_an_address_comes_at_the_start_moves_and_leaves() {
    in_house(quiet(), json!({}), async |house| {
        let ip = house.cloud.add_address();
        house.call("RegisterElasticIp", json!({ "StackId": house.stack, "ElasticIp": ip })).await;
        let (first, second) = (house.instance("ebs").await, house.online("ebs").await);
        house.associate(&ip, &first).await;
        house.minutes(3).await;
        assert_eq!(house.at(&ip), None, "an offline instance has it as an intention");
        house.on("StartInstance", &first).await;
        house.until(&first, InstanceStatus::Online).await;
        assert_eq!(house.at(&ip), Some(house.machine(&first).await), "before it is online");
        house.minutes(2).await;
        assert_eq!(house.record(&first).await.unwrap().public_ip.as_deref(), Some(ip.as_str()));

        house.associate(&ip, &second).await;
        house.minutes(2).await;
        assert_eq!(house.at(&ip), Some(house.machine(&second).await));
        let other = house.cloud.add_address();
        house.call("RegisterElasticIp", json!({ "StackId": house.stack, "ElasticIp": other })).await;
        house.associate(&other, &second).await;
        house.minutes(2).await;
        assert_eq!((house.at(&ip), house.at(&other)), (None, Some(house.machine(&second).await)));

        house.on("StopInstance", &second).await;
        house.until(&second, InstanceStatus::Stopped).await;
        house.call("DisassociateElasticIp", json!({ "ElasticIp": other })).await;
        house.minutes(2).await;
        assert_eq!((house.at(&other), house.busy().await), (None, 0), "also from a stopped machine");
        assert_eq!(house.cloud.address_ips().len(), 2, "nothing is released");
    });
}

/// [EIP-17]
#[test]
fn eip_17_only_a_deletion_with_the_flag_releases_the_address() {
    for (flag, left) in [(true, 0), (false, 1)] {
        in_house(quiet(), json!({}), async |house| {
            let ip = house.cloud.add_address();
            house.call("RegisterElasticIp", json!({ "StackId": house.stack, "ElasticIp": ip })).await;
            let instance = house.online("instance-store").await;
            house.associate(&ip, &instance).await;
            house.minutes(2).await;
            house.on("StopInstance", &instance).await;
            house.until(&instance, InstanceStatus::Stopped).await;
            house.delete(&instance, json!({ "DeleteElasticIp": flag })).await;
            let registered = house.call("DescribeElasticIps", json!({ "StackId": house.stack })).await;
            assert_eq!((house.cloud.address_ips().len(), registered["ElasticIps"].as_array().unwrap().len()), (left, left));
        });
    }
}

/// [EIP-5] [EIP-9] [EIP-11]
#[test]
fn eip_9_an_automatic_address_is_allocated_once_registered_and_kept_over_stops() {
    for root in ["ebs", "instance-store"] {
        in_house(quiet(), json!({ "AutoAssignElasticIps": true }), async |house| {
            let instance = house.online(root).await;
            let ip = house.record(&instance).await.unwrap().elastic_ip.unwrap();
            assert_eq!(house.at(&ip), Some(house.machine(&instance).await));
            let registered = keys::elastic_ip(&house.stack.as_str().into(), &ip);
            let registered: ElasticIp = house.store.get(&registered).await.unwrap().unwrap().decode().unwrap();
            assert_eq!(registered.instance_id, Some(instance.as_str().into()));
            house.on("StopInstance", &instance).await;
            house.until(&instance, InstanceStatus::Stopped).await;
            house.on("StartInstance", &instance).await;
            house.until(&instance, InstanceStatus::Online).await;
            house.minutes(4).await;
            assert_eq!(house.at(&ip), Some(house.machine(&instance).await));
            assert_eq!((house.cloud.address_ips(), house.busy().await), (vec![ip], 0));
        });
    }
}

/// [EIP-2]
#[test]
fn eip_2_without_an_address_to_be_had_the_host_is_online_and_a_service_error_says_so() {
    virtual_runtime().unwrap().block_on(async {
        let auto = json!({ "AutoAssignElasticIps": true, "AutoAssignPublicIps": false });
        let house = House::new(quiet(), auto, |config| config.ec2.max_addresses = Some(0)).await;
        let instance = house.online("ebs").await;
        house.minutes(2).await;
        assert_eq!((house.service_errors().await, house.busy().await), (vec!["ElasticIp".to_owned()], 0));
        assert_eq!(house.record(&instance).await.unwrap().public_ip, None);
    });
}

/// [EBS-19] [EBS-20] [RES-8]
#[test]
fn ebs_20_an_assigned_volume_is_attached_before_setup_and_leaves_when_it_is_unassigned() {
    in_house(quiet(), json!({}), async |house| {
        let (id, ec2) = house.volume(ZONE).await;
        let instance = house.instance("ebs").await;
        house.call("AssignVolume", json!({ "VolumeId": id, "InstanceId": instance })).await;
        house.on("StartInstance", &instance).await;
        house.until(&instance, InstanceStatus::RunningSetup).await;
        assert_eq!(house.volume_at(&ec2), Some(house.machine(&instance).await));
        house.until(&instance, InstanceStatus::Online).await;
        house.minutes(2).await;
        let (status, _) = house.ask("UnassignVolume", json!({ "VolumeId": id })).await;
        assert_eq!(status, 400, "only while it is stopped");
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
        assert_eq!(house.volume_at(&ec2), Some(house.machine(&instance).await), "a stop keeps it");
        house.call("UnassignVolume", json!({ "VolumeId": id })).await;
        house.minutes(2).await;
        assert_eq!((house.volume_at(&ec2), house.busy().await), (None, 0));
    });
}

/// [EBS-21]
#[test]
fn ebs_21_a_new_machine_gets_the_same_volumes_back() {
    let volumes = json!([{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }]);
    in_house(quiet(), json!({ "VolumeConfigurations": volumes }), async |house| {
        let instance = house.online("instance-store").await;
        let made = house.record(&instance).await.unwrap().volumes;
        let before = house.machine(&instance).await;
        let victim = Victim::Ec2(before.as_str().into());
        house.cloud.inject(victim, Mishap::Ec2Terminate, house.clock.now());
        for _ in 0..40 {
            house.minutes(1).await;
            if house.record(&instance).await.unwrap().ec2_instance_id.is_some_and(|now| now.as_str() != before) {
                break;
            }
        }
        house.until(&instance, InstanceStatus::Online).await;
        let after = house.machine(&instance).await;
        assert_ne!(after, before);
        assert_eq!(
            (house.record(&instance).await.unwrap().volumes, house.volume_at(&made[0].ec2_volume_id)),
            (made, Some(after))
        );
        assert_eq!(house.cloud.world_view().volumes.len(), 1, "no second volume");
    });
}

/// [HEAL-3] [HEAL-5] [EBS-22] [EIP-13]: a new machine with everything but the root data: same name, layers and address, the volumes that it had with
/// their data, one that was attached later among them, and other addresses of its own.
#[test]
fn heal_3_an_instance_store_heal_is_a_new_machine_with_the_same_name_volumes_and_address() {
    let volumes = json!([{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }, { "MountPoint": "/logs", "NumberOfDisks": 1, "Size": 10 }]);
    in_house(quiet(), json!({ "VolumeConfigurations": volumes }), async |house| {
        let instance = house.online("instance-store").await;
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
        let ip = house.cloud.add_address();
        house.call("RegisterElasticIp", json!({ "StackId": house.stack, "ElasticIp": ip })).await;
        house.associate(&ip, &instance).await;
        let (later, ec2) = house.volume(ZONE).await;
        house.call("AssignVolume", json!({ "VolumeId": later, "InstanceId": instance })).await;
        // What is not its own any more when it fails is made anew, empty, as the layer prescribes; a start makes none.
        let described = house.call("DescribeVolumes", json!({ "InstanceId": instance })).await["Volumes"].clone();
        let logs = described.as_array().unwrap().iter().find(|v| v["MountPoint"] == "/logs").unwrap().clone();
        for action in ["UnassignVolume", "DeregisterVolume"] {
            house.call(action, json!({ "VolumeId": logs["VolumeId"] })).await;
        }
        house.on("StartInstance", &instance).await;
        house.until(&instance, InstanceStatus::Online).await;
        house.minutes(4).await;
        let before = house.record(&instance).await.unwrap();
        let machine = before.ec2_instance_id.clone().unwrap();
        let mounts: BTreeSet<&str> = before.volumes.iter().map(|v| v.mount_point.as_str()).collect();
        assert_eq!(mounts, BTreeSet::from(["/data", format!("/{ec2}").as_str()]));

        house.cloud.inject(Victim::Ec2(machine.clone()), Mishap::Hang, house.clock.now());
        for _ in 0..40 {
            house.minutes(1).await;
            if house.record(&instance).await.unwrap().ec2_instance_id.is_some_and(|now| now != machine) {
                break;
            }
        }
        house.until(&instance, InstanceStatus::Online).await;
        house.minutes(4).await;
        let after = house.record(&instance).await.unwrap();
        assert_ne!(after.ec2_instance_id, Some(machine));
        assert_eq!((&after.hostname, &after.layer_ids), (&before.hostname, &before.layer_ids));
        let (logs_now, others): (Vec<_>, Vec<_>) = after.volumes.iter().cloned().partition(|v| v.mount_point == "/logs");
        assert_eq!(others, before.volumes, "with their data");
        assert!(logs_now.len() == 1 && logs_now[0].ec2_volume_id != logs["Ec2VolumeId"], "a new one at /logs: {logs_now:?}");
        assert_ne!(after.private_ip, before.private_ip);
        assert_eq!((after.elastic_ip.as_ref(), house.at(&ip)), (Some(&ip), Some(house.machine(&instance).await)));
        for volume in &after.volumes {
            assert_eq!(house.volume_at(&volume.ec2_volume_id), Some(house.machine(&instance).await), "{volume:?}");
        }
    });
}

/// [EBS-31] [INST-72] [RES-6] [SVE-4]
#[test]
fn ebs_31_a_volume_that_is_attached_elsewhere_fails_the_start_once_and_says_so() {
    in_house(quiet(), json!({}), async |house| {
        let (id, ec2) = house.volume(ZONE).await;
        let (holder, instance) = (house.online("ebs").await, house.instance("ebs").await);
        house.call("AssignVolume", json!({ "VolumeId": id, "InstanceId": instance })).await;
        house.cloud.attach_by_hand(&ec2, &house.machine(&holder).await.as_str().into());
        house.on("StartInstance", &instance).await;
        house.until(&instance, InstanceStatus::StartFailed).await;
        house.minutes(5).await;
        assert_eq!((house.service_errors().await, house.busy().await), (vec!["VolumeAttach".to_owned()], 0));
        house.cloud.detach_by_hand(&ec2);
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
        house.on("StartInstance", &instance).await;
        house.until(&instance, InstanceStatus::Online).await;
    });
}

/// What one life leaves: nothing in ELB, no address, no volume that the deletion did not keep.
async fn one_life(house: House) {
    house.cloud.add_load_balancer("front");
    house.attach("front").await;
    let (id, ec2) = house.volume(ZONE).await;
    let instance = house.instance("ebs").await;
    house.call("AssignVolume", json!({ "VolumeId": id, "InstanceId": instance })).await;
    house.on("StartInstance", &instance).await;
    house.until(&instance, InstanceStatus::Online).await;
    house.minutes(8).await;
    let machine = house.machine(&instance).await;
    let ip = house.record(&instance).await.unwrap().elastic_ip.unwrap();
    assert_eq!(house.balanced("front"), [machine.as_str()]);
    assert_eq!((house.at(&ip), house.volume_at(&ec2)), (Some(machine.clone()), Some(machine)));
    assert_eq!((house.cloud.address_ips(), house.busy().await), (vec![ip], 0));
    house.on("StopInstance", &instance).await;
    house.until(&instance, InstanceStatus::Stopped).await;
    house.call("UnassignVolume", json!({ "VolumeId": id })).await;
    house.minutes(4).await;
    assert_eq!(house.volume_at(&ec2), None);
    house.delete(&instance, json!({ "DeleteElasticIp": true, "DeleteVolumes": true })).await;
    house.minutes(2).await;
    assert_eq!((house.balanced("front"), house.cloud.address_ips(), house.busy().await), (Vec::new(), Vec::new(), 0));
    assert_eq!(
        house.cloud.world_view().volumes.keys().collect::<Vec<_>>(),
        [&ec2],
        "the unassigned one stays, the made one goes"
    );
}

/// The first call of each kind is lost before or after it took effect, or throttled: the end is the same.
#[test]
fn whatever_answer_is_lost_a_life_ends_with_nothing_left() {
    let settings = json!({
        "AutoAssignElasticIps": true,
        "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }],
    });
    let actions = [
        "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
        "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
        "elasticloadbalancing:DescribeInstanceHealth",
        "elasticloadbalancing:DescribeLoadBalancerAttributes",
        "ec2:AttachVolume",
        "ec2:DetachVolume",
        "ec2:DescribeVolumes",
        "ec2:AllocateAddress",
        "ec2:AssociateAddress",
        "ec2:DescribeAddresses",
        "ec2:ReleaseAddress",
        "ec2:DeleteVolume",
    ];
    in_house(quiet(), settings.clone(), one_life);
    for action in actions {
        for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::Throttled] {
            in_house(quiet().on(action, nth(1), fault), settings.clone(), one_life);
        }
    }
    for seed in 1..=4 {
        let plan = FaultPlan::of(strata_local::faults::Profile::Heavy, seed);
        in_house(plan, settings.clone(), one_life);
    }
}

/// An ELB that is never reached keeps no host from being stopped.
#[test]
fn an_elb_that_never_answers_ends_no_stop_in_a_loop() {
    in_house(quiet().on("elasticloadbalancing:DescribeInstanceHealth", always(), Fault::Unavailable), json!({}), async |house| {
        house.cloud.add_load_balancer("front");
        house.attach("front").await;
        let instance = house.online("ebs").await;
        house.on("StopInstance", &instance).await;
        house.until(&instance, InstanceStatus::Stopped).await;
    });
}
