//! Random sequences of calls on resources over two stacks never leave a dangling id.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use serde_json::{Value, json};
use strata_domain::InstanceStatus;

use super::TestApi;
use super::integrity::problems;
use super::support::text;

/// How many of each kind there are to choose from.
const OF_EACH: usize = 3;

/// One call; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Register { volume: usize, stack: usize },
    Mount { volume: usize, path: usize },
    Assign { volume: usize, instance: usize },
    Unassign { volume: usize },
    Deregister { volume: usize },
    RegisterIp { ip: usize, stack: usize },
    Associate { ip: usize, instance: usize },
    Disassociate { ip: usize },
    DeregisterIp { ip: usize },
    Attach { balancer: usize, layer: usize },
    Detach { balancer: usize, layer: usize },
    Create { stack: usize },
    Settle { instance: usize, online: bool },
    ForceStop { instance: usize },
    Delete { instance: usize, volumes: bool, address: bool },
    FinishDeletion { instance: usize },
    DeleteLayer { layer: usize },
    DeleteStack { stack: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let one = 0..OF_EACH;
    let (stack, instance, layer) = (0..2_usize, 0..6_usize, 0..4_usize);
    prop_oneof![
        4 => (one.clone(), stack.clone()).prop_map(|(volume, stack)| Step::Register { volume, stack }),
        3 => (one.clone(), 0..2_usize).prop_map(|(volume, path)| Step::Mount { volume, path }),
        6 => (one.clone(), instance.clone()).prop_map(|(volume, instance)| Step::Assign { volume, instance }),
        1 => one.clone().prop_map(|volume| Step::Unassign { volume }),
        1 => one.clone().prop_map(|volume| Step::Deregister { volume }),
        4 => (one.clone(), stack.clone()).prop_map(|(ip, stack)| Step::RegisterIp { ip, stack }),
        6 => (one.clone(), instance.clone()).prop_map(|(ip, instance)| Step::Associate { ip, instance }),
        1 => one.clone().prop_map(|ip| Step::Disassociate { ip }),
        1 => one.clone().prop_map(|ip| Step::DeregisterIp { ip }),
        3 => (one.clone(), layer.clone()).prop_map(|(balancer, layer)| Step::Attach { balancer, layer }),
        1 => (one, layer.clone()).prop_map(|(balancer, layer)| Step::Detach { balancer, layer }),
        6 => stack.clone().prop_map(|stack| Step::Create { stack }),
        2 => (instance.clone(), any::<bool>()).prop_map(|(instance, online)| Step::Settle { instance, online }),
        1 => instance.clone().prop_map(|instance| Step::ForceStop { instance }),
        2 => (instance.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(instance, volumes, address)| Step::Delete { instance, volumes, address }),
        2 => instance.prop_map(|instance| Step::FinishDeletion { instance }),
        1 => layer.prop_map(|layer| Step::DeleteLayer { layer }),
        1 => stack.prop_map(|stack| Step::DeleteStack { stack }),
    ]
}

/// Two stacks of two layers each, and what the account has.
struct World {
    app: TestApi,
    stacks: Vec<String>,
    layers: Vec<String>,
    instances: Vec<String>,
    ec2_volumes: Vec<String>,
    /// The uuids of the newest registrations.
    volumes: Vec<String>,
    ips: Vec<String>,
    /// How many calls were answered with 200.
    good: usize,
}

impl World {
    async fn new() -> Self {
        let app = TestApi::new();
        let (mut stacks, mut layers) = (Vec::new(), Vec::new());
        for stack in ["a", "b"] {
            let id = app.stack(stack).await;
            for layer in ["x", "y"] {
                layers.push(app.custom_layer(&id, layer).await);
            }
            stacks.push(id);
        }
        let ec2_volumes = (0..OF_EACH).map(|_| app.account.add_volume("eu-west-1a", 8, "gp2")).collect();
        let ips = (0..OF_EACH).map(|_| app.account.add_address()).collect();
        (0..OF_EACH).for_each(|n| app.account.add_load_balancer(&format!("balancer-{n}")));
        let volumes = vec!["none".to_owned(); OF_EACH];
        Self { app, stacks, layers, instances: Vec::new(), ec2_volumes, volumes, ips, good: 0 }
    }

    fn nth_instance(&self, n: usize) -> String {
        // The newest ones, so that long sequences still meet them.
        self.instances.iter().rev().nth(n).cloned().unwrap_or_else(|| "none".to_owned())
    }

    async fn call(&mut self, action: &str, members: Value) -> Option<Value> {
        let reply = self.app.call(action, members).await;
        let status = reply.response.status().as_u16();
        assert!(matches!(status, 200 | 400), "{action}: {}", reply.body);
        self.good += usize::from(status == 200);
        (status == 200).then_some(reply.body)
    }

    async fn is_there(&self, instance: &str) -> Option<InstanceStatus> {
        let reply = self.app.call("DescribeInstances", json!({ "InstanceIds": [instance] })).await;
        (reply.response.status() == 200).then(|| InstanceStatus::parse(reply.body["Instances"][0]["Status"].as_str()?)).flatten()
    }

    async fn go(&mut self, step: Step) {
        match step {
            Step::Register { volume, stack } => {
                let members = json!({ "Ec2VolumeId": self.ec2_volumes[volume], "StackId": self.stacks[stack] });
                if let Some(answer) = self.call("RegisterVolume", members).await {
                    self.volumes[volume] = text(&answer["VolumeId"]);
                }
            }
            Step::Mount { volume, path } => {
                let members = json!({ "VolumeId": self.volumes[volume], "MountPoint": format!("/data/{path}") });
                self.call("UpdateVolume", members).await;
            }
            Step::Assign { volume, instance } => {
                let members = json!({ "VolumeId": self.volumes[volume], "InstanceId": self.nth_instance(instance) });
                self.call("AssignVolume", members).await;
            }
            Step::Unassign { volume } => drop(self.call("UnassignVolume", json!({ "VolumeId": self.volumes[volume] })).await),
            Step::Deregister { volume } => drop(self.call("DeregisterVolume", json!({ "VolumeId": self.volumes[volume] })).await),
            Step::RegisterIp { ip, stack } => {
                let members = json!({ "ElasticIp": self.ips[ip], "StackId": self.stacks[stack] });
                self.call("RegisterElasticIp", members).await;
            }
            Step::Associate { ip, instance } => {
                let members = json!({ "ElasticIp": self.ips[ip], "InstanceId": self.nth_instance(instance) });
                self.call("AssociateElasticIp", members).await;
            }
            Step::Disassociate { ip } => drop(self.call("DisassociateElasticIp", json!({ "ElasticIp": self.ips[ip] })).await),
            Step::DeregisterIp { ip } => drop(self.call("DeregisterElasticIp", json!({ "ElasticIp": self.ips[ip] })).await),
            Step::Attach { balancer, layer } => self.balance("AttachElasticLoadBalancer", balancer, layer).await,
            Step::Detach { balancer, layer } => self.balance("DetachElasticLoadBalancer", balancer, layer).await,
            other => self.live(other).await,
        }
    }

    async fn balance(&mut self, action: &str, balancer: usize, layer: usize) {
        let name = format!("balancer-{balancer}");
        self.call(action, json!({ "ElasticLoadBalancerName": name, "LayerId": self.layers[layer] })).await;
    }

    /// What befalls instances, layers and stacks.
    async fn live(&mut self, step: Step) {
        match step {
            Step::Create { stack } => {
                let layer = &self.layers[2 * stack];
                let members = json!({ "StackId": self.stacks[stack], "LayerIds": [layer], "InstanceType": "t" });
                if let Some(answer) = self.call("CreateInstance", members).await {
                    self.instances.push(text(&answer["InstanceId"]));
                }
            }
            Step::Settle { instance, online } => {
                let id = self.nth_instance(instance);
                if self.is_there(&id).await.is_some_and(|s| matches!(s, InstanceStatus::Stopped | InstanceStatus::Online)) {
                    self.app.settle(&id, if online { InstanceStatus::Online } else { InstanceStatus::Stopped }).await;
                }
            }
            Step::ForceStop { instance } => {
                let members = json!({ "InstanceId": self.nth_instance(instance), "Force": true });
                self.call("StopInstance", members).await;
            }
            Step::Delete { instance, volumes, address } => {
                let id = self.nth_instance(instance);
                let members = json!({ "InstanceId": id, "DeleteVolumes": volumes, "DeleteElasticIp": address });
                self.call("DeleteInstance", members).await;
            }
            Step::FinishDeletion { instance } => {
                let id = self.nth_instance(instance);
                if self.is_there(&id).await == Some(InstanceStatus::Terminating) {
                    self.app.finish_deletion(&id).await;
                }
            }
            Step::DeleteLayer { layer } => drop(self.call("DeleteLayer", json!({ "LayerId": self.layers[layer] })).await),
            Step::DeleteStack { stack } => drop(self.call("DeleteStack", json!({ "StackId": self.stacks[stack] })).await),
            other => unreachable!("{other:?} is no step of an instance's life"),
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, rng_seed: RngSeed::Fixed(20_130_218), failure_persistence: None, ..Config::default() })]

    /// [RES-1] [RES-8] [EIP-13] [EIP-16] [ELB-2] [EBS-24] [EBS-26]
    #[test]
    fn res_1_no_sequence_of_calls_leaves_a_dangling_id(steps in prop::collection::vec(step(), 40..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for (n, step) in steps.iter().enumerate() {
                world.go(step.clone()).await;
                let problems = problems(world.app.store.all());
                prop_assert!(problems.is_empty(), "after step {n}, {step:?}:\n{}", problems.join("\n"));
            }
            prop_assert!(world.good > steps.len() / 10, "hardly any call was accepted: {} of {}", world.good, steps.len());
            Ok(())
        })?;
    }
}
