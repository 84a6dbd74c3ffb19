//! Machines that somebody else launched in the account, as RegisterInstance meets them.

use serde::{Deserialize, Serialize};
use strata_domain::tags::Tags;
use strata_domain::{ClusterArn, Ec2InstanceId, LayerId};
use strata_ports::inventory::Platform;
use strata_ports::{Ec2State, LaunchSpec};

use super::SimCloud;
use super::account::DEFAULT_VPC;
use super::ec2::SsmAgent;
use super::state::State;

/// A machine of the account that the ports did not launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnHost {
    /// EC2 instance type.
    pub instance_type: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Its subnet.
    pub subnet_id: String,
    /// The subnet's zone.
    pub zone: String,
    /// The image that it was launched from.
    pub image_id: String,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// `x86_64`, `arm64`, ...
    pub architecture: String,
    /// EC2 key pair.
    pub key_name: Option<String>,
    /// A Spot instance.
    pub is_spot: bool,
    /// Its Auto Scaling group.
    pub auto_scaling_group: Option<String>,
    /// The value of its tag `strata:installation`.
    #[serde(default)]
    pub installation: Option<String>,
    /// What its SSM agent reports; `None`: it has no SSM agent.
    pub platform: Option<Platform>,
    /// The cluster that its ECS agent is in already.
    pub cluster: Option<ClusterArn>,
    /// The layer from whose launch template somebody has launched it; its first boot joins the cluster.
    #[serde(default)]
    pub break_glass: Option<LayerId>,
}

impl Default for OwnHost {
    /// An m5.large with Amazon Linux 2023, an SSM agent and no ECS agent.
    fn default() -> Self {
        Self {
            instance_type: "m5.large".to_owned(),
            vpc_id: DEFAULT_VPC.to_owned(),
            subnet_id: "subnet-a".to_owned(),
            zone: "us-east-1a".to_owned(),
            image_id: "ami-0123456789abcdef0".to_owned(),
            root_device_type: "ebs".to_owned(),
            architecture: "x86_64".to_owned(),
            key_name: None,
            is_spot: false,
            auto_scaling_group: None,
            installation: None,
            platform: Some(Platform { name: "Amazon Linux".to_owned(), version: "2023".to_owned() }),
            cluster: None,
            break_glass: None,
        }
    }
}

impl SimCloud {
    /// Adds a machine that has been running for a while, and gives its id.
    pub fn add_host(&self, own: OwnHost) -> Ec2InstanceId {
        self.with(|s| s.insert_own(own, None))
    }

    /// Takes in a machine that another cloud runs, under the id that it has there: from now on its agents are here. One that is known
    /// already stays as it is.
    pub fn adopt(&self, id: &Ec2InstanceId, own: OwnHost) {
        self.with(|s| {
            if !s.ec2.by_id.contains_key(id) {
                s.insert_own(own, Some(id));
            }
        });
    }

    /// Whether there is, or was, a machine of this id.
    pub fn has_host(&self, host: &Ec2InstanceId) -> bool {
        self.lock().ec2.by_id.contains_key(host)
    }

    /// The instance identity document that such a machine reads from its metadata service.
    pub fn identity_document(&self, host: &Ec2InstanceId) -> String {
        let config = &self.lock().config;
        serde_json::json!({ "instanceId": host, "region": config.region, "accountId": config.account }).to_string()
    }
}

impl State {
    /// A running machine that the ports did not launch; `id` if it has one already.
    fn insert_own(&mut self, own: OwnHost, id: Option<&Ec2InstanceId>) -> Ec2InstanceId {
        let spec = LaunchSpec {
            token: String::new(),
            instance_id: "".into(),
            hostname: String::new(),
            stack_name: String::new(),
            instance_type: own.instance_type.clone(),
            availability_zone: own.zone.clone(),
            subnet_id: own.subnet_id.clone(),
            os: "Custom".to_owned(),
            ami_id: Some(own.image_id.clone()),
            instance_profile_arn: String::new(),
            associate_public_ip: false,
            volumes: Vec::new(),
            security_group_ids: Vec::new(),
            key_name: None,
            ebs_optimized: false,
            tenancy: None,
            block_devices: Vec::new(),
            layers: Vec::new(),
            tags: Tags::new(),
            imdsv1: false,
            plain_root: false,
        };
        let no = self.insert_host(None, &spec);
        let now = self.now;
        let host = self.ec2.hosts.get_mut(&no).expect("it was inserted a moment ago");
        (host.up, host.epoch, host.visible_from) = (true, 1, now);
        if own.platform.is_some() {
            host.ssm = SsmAgent::Online { since: now };
        }
        if let Some(id) = id {
            let given = std::mem::replace(&mut host.id, id.clone());
            self.ec2.by_id.remove(&given);
            self.ec2.by_id.insert(id.clone(), no);
        }
        let cluster = own.cluster.clone();
        let id = host.id.clone();
        host.own = Some(own);
        self.set_ec2_state(no, Ec2State::Running);
        if let Some(cluster) = cluster.and_then(|arn| self.ecs.by_arn.get(&arn).copied()) {
            self.register(no, cluster);
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use strata_ports::{CommandKind, Commands, Compute};

    use super::*;
    use crate::cloud::testkit::{World, config};

    #[tokio::test(start_paused = true)]
    async fn an_adopted_machine_keeps_its_id_takes_commands_and_follows_its_power() {
        let mut w = World::new(config());
        let id = Ec2InstanceId::from("i-0123456789abcdef0");
        w.cloud.adopt(&id, OwnHost { platform: None, ..OwnHost::default() });
        assert!(w.cloud.pings(&w.scope, std::slice::from_ref(&id)).await.unwrap().is_empty(), "it has no SSM agent");

        let id = Ec2InstanceId::from("i-0123456789abcdef1");
        for _ in 0..2 {
            w.cloud.adopt(&id, OwnHost::default());
        }
        assert_eq!(w.cloud.pings(&w.scope, std::slice::from_ref(&id)).await.unwrap().len(), 1);
        let setup = w.command(CommandKind::Setup, &id, "n");
        w.send(&setup).await;
        w.pass(101).await;
        assert!(w.container(&id).await.is_some_and(|container| container.agent_connected));
        w.cloud.stop_instances(&w.scope, std::slice::from_ref(&id), false).await.unwrap();
        w.pass(20).await;
        assert!(w.container(&id).await.is_some_and(|container| !container.agent_connected));
    }
}
