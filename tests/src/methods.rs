//! Which methods of which ports each function uses: seen in days of the simulated world with faults, and in a walk through the API, whose
//! actions nobody calls in the simulation. The template's roles are held against it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};
use strata_cli::args::Faults;
use strata_cli::sim::RunPlan;
use strata_control::{Api, ApiConfig};
use strata_domain::decision::Function;
use strata_fleet::Fleet;
use strata_instance_lifecycle::Deps;
use strata_local::cloud::{CloudConfig, OwnHost};
use strata_local::faults::Rates;
use strata_local::{MemoryStore, Methods, Recorder, SeededIds, SimCloud, VirtualClock, opsworks_client, virtual_runtime};
use strata_ports::http_service::Caller;
use strata_ports::{AlarmState, Alarms, Clock, HttpService, Ports, StackScope};
use strata_triggers::emit::{self, Envelope};
use strata_triggers::{RequestVerb, TeardownRequest};

/// Methods by function and port.
pub type Seen = BTreeMap<&'static str, Methods>;

/// All that the days and the walk have shown.
///
/// # Panics
/// When the world itself fails, or the walk meets an answer that it cannot go on with.
pub fn seen() -> Seen {
    let mut seen = Seen::new();
    for seed in 1..=3 {
        let mut plan = RunPlan::built_in();
        (plan.scenario.world.seed, plan.scenario.world.faults) = (seed, Faults::Heavy);
        // What could not be sent is sent by whoever decides next, which may be any function.
        let rates = Rates { before_per_mille: 1_000, ..Rates::default() };
        plan.rates = ["sns:Publish", "events:PutEvents"].map(|action| (action.to_owned(), rates)).into();
        add(&mut seen, crate::run(&plan).0.methods);
    }
    let walk = virtual_runtime().expect("a runtime can be made").block_on(async { Walk::new().go().await });
    add(&mut seen, walk);
    seen
}

fn add(seen: &mut Seen, more: Seen) {
    for (function, methods) in more {
        for (port, names) in methods {
            seen.entry(function).or_default().entry(port).or_default().extend(names);
        }
    }
}

const REGION: &str = "us-east-1";

fn teardown(fleet: Fleet, ports: Ports) -> strata_teardown::Deps {
    strata_teardown::Deps {
        fleet,
        store: ports.store,
        containers: ports.containers,
        modes: ports.modes,
        pager: ports.pager,
        events: ports.events,
        clock: ports.clock,
        ids: ports.ids,
    }
}

/// A person at the API, with instance-lifecycle and load-scaling at work behind it.
struct Walk {
    clock: Arc<VirtualClock>,
    cloud: Arc<SimCloud>,
    api: Arc<Api>,
    lifecycle: Deps,
    load: strata_load_scaling::Deps,
    teardown: strata_teardown::Deps,
    recorders: [(&'static str, Recorder); 4],
}

impl Walk {
    fn new() -> Self {
        let clock = Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().expect("a time")));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        cloud.serve_objects_at("https://files.example.com/");
        let ports = cloud.ports(Arc::new(MemoryStore::new()), Arc::new(SeededIds::new(1, "walk")));
        let recorders = [Function::Api, Function::InstanceLifecycle, Function::LoadScaling, Function::Teardown]
            .map(|f| (f.as_str(), Recorder::default()));
        let recorded = |at: usize| recorders[at].1.wrap(ports.clone());
        let config =
            ApiConfig { public_url: Some("https://abc.lambda-url.us-east-1.on.aws/".to_owned()), ..ApiConfig::default() };
        let controller = strata_control::LOCAL_CONTROLLER;
        let api = Arc::new(Api::new(recorded(0), config));
        let fleet = Fleet::new(opsworks_client(api.clone(), controller, clock.clone(), 1));
        Self {
            lifecycle: Deps::new(recorded(1)),
            load: strata_load_scaling::Deps::new(fleet.clone(), recorded(2)),
            teardown: teardown(fleet, recorded(3)),
            api,
            recorders,
            clock,
            cloud,
        }
    }

    async fn go(self) -> Seen {
        self.teardown_that_is_late().await;
        let stack = self.stack().await;
        let layer = self.layer(&stack).await;
        let volume = self.resources(&stack, &layer).await;
        self.life_of_an_instance(&stack, &layer, &volume).await;
        self.downscaling(&stack, &layer).await;
        self.start_that_fails(&stack, &layer).await;
        self.scaling(&stack, &layer).await;
        self.machine_of_ones_own(&stack).await;
        self.machine_of_the_template(&layer).await;
        self.call("DescribeStackProvisioningParameters", json!({ "StackId": stack })).await;
        self.ask("Strata_20261126.DescribeStatus", json!({})).await;
        self.ask("Strata_20261126.PlanTeardown", json!({ "LayerId": layer, "DeleteServices": true })).await;
        self.recorders.iter().map(|(function, recorder)| (*function, recorder.methods())).collect()
    }

    async fn stack(&self) -> String {
        let members = json!({
            "Name": "shop", "Region": REGION, "ServiceRoleArn": "arn:aws:iam::123456789012:role/service", "DefaultSshKeyName": "ops",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        self.made("CreateStack", members, "StackId").await
    }

    async fn layer(&self, stack: &str) -> String {
        let cluster = self.cloud.create_cluster("shop");
        self.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await;
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": cluster },
            "CustomSecurityGroupIds": ["sg-1"], "AutoAssignElasticIps": true,
            "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 10 }],
        });
        self.made("CreateLayer", members, "LayerId").await
    }

    /// What the account has beside machines: a load balancer that serves no zone yet, an address, and a volume whose id it gives.
    async fn resources(&self, stack: &str, layer: &str) -> String {
        self.cloud.add_load_balancer("lb");
        self.cloud.change_load_balancer("lb", |balancer| balancer.zones.clear());
        self.call("AttachElasticLoadBalancer", json!({ "ElasticLoadBalancerName": "lb", "LayerId": layer })).await;
        self.call("DescribeElasticLoadBalancers", json!({ "StackId": stack })).await;
        let arn = format!("arn:aws:opsworks:{REGION}:123456789012:stack/{stack}/");
        self.call("TagResource", json!({ "ResourceArn": arn, "Tags": { "stage": "prod" } })).await;
        let volume = self.cloud.add_volume("us-east-1a", 10, "gp3");
        let volume = self.made("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": volume }), "VolumeId").await;
        self.call("UpdateVolume", json!({ "VolumeId": volume, "MountPoint": "/more" })).await;
        self.call("DescribeVolumes", json!({ "StackId": stack })).await;
        let address = self.cloud.add_address();
        self.call("RegisterElasticIp", json!({ "StackId": stack, "ElasticIp": address })).await;
        volume
    }

    async fn life_of_an_instance(&self, stack: &str, layer: &str, volume: &str) {
        let members = json!({
            "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large", "Os": "Custom", "AmiId": "ami-0123456789abcdef0",
        });
        let instance = self.made("CreateInstance", members, "InstanceId").await;
        self.call("AssignVolume", json!({ "InstanceId": instance, "VolumeId": volume })).await;
        for (action, status) in [
            ("StartInstance", "online"),
            ("RebootInstance", "online"),
            ("StopInstance", "stopped"),
            ("UpdateInstance", "stopped"),
            ("StartInstance", "online"),
        ] {
            let mut members = json!({ "InstanceId": instance });
            if action == "UpdateInstance" {
                members["InstanceType"] = json!("m6i.large");
                self.lose_volume(&instance).await;
            }
            self.call(action, members).await;
            self.until(&instance, status).await;
        }
        self.minutes(4).await;
        let own = self.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await["Instances"][0]["ElasticIp"].clone();
        for action in ["DisassociateElasticIp", "AssociateElasticIp"] {
            let mut members = json!({ "ElasticIp": own });
            if action == "AssociateElasticIp" {
                members["InstanceId"] = json!(instance);
            }
            self.call(action, members).await;
            self.minutes(2).await;
        }
        self.call("StopInstance", json!({ "InstanceId": instance })).await;
        self.until(&instance, "stopped").await;
        self.call("UnassignVolume", json!({ "VolumeId": volume })).await;
        self.minutes(2).await;
        let flags = json!({ "InstanceId": instance, "DeleteVolumes": true, "DeleteElasticIp": true });
        self.call("DeleteInstance", flags).await;
        self.minutes(10).await;
    }

    /// Somebody deletes the volume that the layer prescribes.
    async fn lose_volume(&self, instance: &str) {
        let described = self.call("DescribeVolumes", json!({ "InstanceId": instance })).await["Volumes"].clone();
        let made = described.as_array().and_then(|all| all.iter().find(|volume| volume["MountPoint"] == "/data"));
        let id = made.and_then(|volume| volume["Ec2VolumeId"].as_str()).expect("the layer's volume was made");
        self.cloud.delete_volume_by_hand(id);
    }

    /// Nowhere is there room, for longer than a start waits.
    async fn start_that_fails(&self, stack: &str, layer: &str) {
        for zone in ["a", "b", "c"] {
            self.cloud.inject_no_capacity(&format!("{REGION}{zone}"), None, self.clock.now(), SignedDuration::from_hours(3));
        }
        let members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large" });
        let instance = self.made("CreateInstance", members, "InstanceId").await;
        self.call("StartInstance", json!({ "InstanceId": instance })).await;
        self.until(&instance, "start_failed").await;
        self.call("StopInstance", json!({ "InstanceId": instance })).await;
        self.minutes(20).await;
    }

    /// Thresholds and an alarm of one's own, an alarm that somebody deletes, and back.
    async fn scaling(&self, stack: &str, layer: &str) {
        let up = json!({ "InstanceCount": 1, "CpuThreshold": 80.0, "Alarms": ["busy"] });
        self.ask("OpsWorks_20130218.SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true, "UpScaling": up })).await;
        let up = json!({ "InstanceCount": 1, "CpuThreshold": 80.0 });
        self.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true, "UpScaling": up })).await;
        let service_role_arn = "arn:aws:iam::123456789012:role/service".to_owned();
        let scope = StackScope { stack_id: stack.into(), region: REGION.to_owned(), service_role_arn };
        self.cloud.delete(&scope, &["strata/shop/ecs-cluster/up-cpu".to_owned()]).await.expect("the cloud answers");
        let looked = strata_load_scaling::handle(self.tick().as_bytes(), &self.load).await;
        looked.expect("the store answers");
        self.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": false })).await;
    }

    /// One too many is online: which, is told beforehand, and then it is stopped.
    async fn downscaling(&self, stack: &str, layer: &str) {
        let members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large", "AutoScalingType": "load" });
        let instance = self.made("CreateInstance", members, "InstanceId").await;
        self.call("StartInstance", json!({ "InstanceId": instance })).await;
        self.until(&instance, "online").await;
        self.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": true })).await;
        self.minutes(20).await;
        self.cloud.set_alarm_state("strata/shop/ecs-cluster/down-cpu", AlarmState::Alarm);
        self.ask("Strata_20261126.PreviewScaling", json!({ "LayerId": layer })).await;
        let looked = strata_load_scaling::handle(self.tick().as_bytes(), &self.load).await;
        looked.expect("ECS answers");
        self.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "Enable": false })).await;
        self.until(&instance, "stopped").await;
    }

    /// A machine that was there before, registered and assigned.
    async fn machine_of_ones_own(&self, stack: &str) {
        let custom = json!({ "StackId": stack, "Type": "custom", "Name": "db", "Shortname": "db" });
        let layer = self.made("CreateLayer", custom, "LayerId").await;
        let host = self.cloud.add_host(OwnHost::default());
        let document = self.cloud.identity_document(&host);
        let identity = json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
        let instance =
            self.made("RegisterInstance", json!({ "StackId": stack, "InstanceIdentity": identity }), "InstanceId").await;
        self.until(&instance, "registered").await;
        self.call("AssignInstance", json!({ "InstanceId": instance, "LayerIds": [layer] })).await;
        self.until(&instance, "online").await;
    }

    /// A machine that somebody launches with Strata's template and without Strata, adopted.
    async fn machine_of_the_template(&self, layer: &str) {
        let json = json!({ "strata": { "launch": { "adopt_break_glass": true } } }).to_string();
        self.call("UpdateLayer", json!({ "LayerId": layer, "CustomJson": json })).await;
        let template = self.cloud.launch_templates().into_keys().next().expect("the layer has one");
        self.cloud.launch_from_template(&template, "subnet-00000000", "us-east-1a").expect("the template is there");
        self.minutes(25).await;
    }

    /// A task that nobody moves holds up a teardown until on-call is told which it is.
    async fn teardown_that_is_late(&self) {
        let members = json!({
            "Name": "lab", "Region": REGION, "ServiceRoleArn": "arn:aws:iam::123456789012:role/service",
            "DefaultInstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2",
        });
        let stack = self.made("CreateStack", members, "StackId").await;
        let cluster = self.cloud.create_cluster("lab");
        self.call("RegisterEcsCluster", json!({ "StackId": stack, "EcsClusterArn": cluster })).await;
        let members = json!({
            "StackId": stack, "Type": "ecs-cluster", "Name": "lab", "Shortname": "lab", "Attributes": { "EcsClusterArn": cluster },
            "LifecycleEventConfiguration": { "Shutdown": { "ExecutionTimeout": 4_200 } },
        });
        let layer = self.made("CreateLayer", members, "LayerId").await;
        let members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "m5.large" });
        let instance = self.made("CreateInstance", members, "InstanceId").await;
        self.call("StartInstance", json!({ "InstanceId": instance })).await;
        self.until(&instance, "online").await;
        self.cloud.run_task(&cluster, 1).expect("the cluster is there");
        self.minutes(2).await;
        let request = TeardownRequest {
            verb: RequestVerb::Start,
            stack: "lab".to_owned(),
            layer: "lab".to_owned(),
            requested_by: "ada".to_owned(),
            delete_services: false,
            delete_volumes: false,
            delete_addresses: false,
            delete_stack: true,
            confirm: Some("lab".to_owned()),
            at: self.clock.now(),
        };
        let envelope = Envelope { account: "123456789012", region: REGION, at: self.clock.now(), id: "r" };
        let mut event = emit::teardown_request(&envelope, &request);
        for _ in 0..100 {
            let moved = strata_teardown::handle(event.as_bytes(), &self.teardown).await;
            moved.expect("the store answers");
            self.minutes(1).await;
            event = self.tick();
        }
    }

    /// Ticks until the instance has a status, for at most two hours.
    async fn until(&self, instance: &str, status: &str) {
        let mut last = Value::Null;
        for _ in 0..120 {
            self.minutes(1).await;
            let described = self.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await;
            last = described["Instances"][0]["Status"].clone();
            if last == status {
                return;
            }
        }
        panic!("{instance} is {last}, expected {status}");
    }

    async fn minutes(&self, count: u32) {
        for _ in 0..count {
            let outcome = strata_instance_lifecycle::handle(self.tick().as_bytes(), &self.lifecycle).await;
            outcome.expect("the store answers");
            self.clock.sleep(SignedDuration::from_mins(1)).await;
            self.cloud.advance(self.clock.now());
        }
    }

    fn tick(&self) -> String {
        let tick = json!({
            "version": "0", "id": "t", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "123456789012",
            "time": self.clock.now().to_string(), "region": REGION, "resources": [], "detail": {},
        });
        tick.to_string()
    }

    async fn made(&self, action: &str, members: Value, id: &str) -> String {
        let answer = self.call(action, members).await;
        answer[id].as_str().unwrap_or_else(|| panic!("{action} was answered {answer}")).to_owned()
    }

    /// A call that succeeds.
    async fn call(&self, action: &str, members: Value) -> Value {
        let (status, answer) = self.ask(&format!("OpsWorks_20130218.{action}"), members).await;
        assert_eq!(status, 200, "{action} was answered {answer}");
        answer
    }

    /// A call whose answer may be a refusal.
    async fn ask(&self, target: &str, members: Value) -> (u16, Value) {
        let mut request = Request::new(Bytes::from(members.to_string()));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("x-amz-target", target.try_into().expect("action names are plain ASCII"));
        request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
        let response = self.api.call(request).await;
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
    }
}
