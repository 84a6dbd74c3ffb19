//! The walk: each step asks the API for something and waits until it is so.

use std::time::Duration;

use aws_sdk_opsworks::types::{Instance, LayerAttributesKeys, LayerType};

use super::assumptions::Step;
use super::backstage::Backstage;
use crate::client::Api;

/// What is built.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Unlike any other stack's.
    pub(super) stack_name: String,
    pub(super) cluster_arn: String,
    pub(super) region: String,
    pub(super) service_role_arn: String,
    pub(super) instance_profile_arn: String,
    pub(super) instance_type: String,
    pub(super) vpc: Option<String>,
    pub(super) subnet: Option<String>,
    /// Between two looks.
    pub(super) pause: Duration,
    /// So often it is looked before something is taken not to happen.
    pub(super) looks: u32,
}

/// A walk as far as it has come.
pub(super) struct Walk<'a> {
    pub(super) api: &'a Api,
    pub(super) plan: &'a Plan,
    pub(super) backstage: Backstage,
    stack_id: String,
    instance_id: String,
    machine: Option<String>,
}

/// How a step ended.
pub(super) enum Ended {
    /// What was seen.
    Well(String),
    /// Why it was not walked.
    Skipped(String),
}

impl<'a> Walk<'a> {
    pub(super) fn new(api: &'a Api, plan: &'a Plan, backstage: Backstage) -> Self {
        Self { api, plan, backstage, stack_id: String::new(), instance_id: String::new(), machine: None }
    }

    /// Walks one step.
    ///
    /// # Errors
    /// What was not so.
    pub(super) async fn step(&mut self, step: Step) -> Result<Ended, String> {
        match step {
            Step::Build => self.build().await,
            Step::Start | Step::Restart => self.start(step).await,
            Step::Drain => self.drain().await,
            Step::Patch => self.patch().await,
            Step::Heal => self.heal().await,
            // What the walk has built is removed in any case, by the same way.
            Step::Delete => super::removal::remove(self.api, self.plan).await.map(|()| Ended::Well("nothing is left".to_owned())),
        }
    }

    async fn build(&mut self) -> Result<Ended, String> {
        let (client, plan) = (self.api.client(), self.plan);
        let stack = client.create_stack().name(&plan.stack_name).region(&plan.region).service_role_arn(&plan.service_role_arn);
        let stack = stack.default_instance_profile_arn(&plan.instance_profile_arn).default_os("Amazon Linux 2023");
        let stack = stack.set_vpc_id(plan.vpc.clone()).set_default_subnet_id(plan.subnet.clone()).send().await;
        self.stack_id = stack.map_err(|e| self.api.explain(e).to_string())?.stack_id.unwrap_or_default();
        let registers = client.register_ecs_cluster().ecs_cluster_arn(&plan.cluster_arn).stack_id(&self.stack_id);
        registers.send().await.map_err(|e| self.api.explain(e).to_string())?;
        let layer = client.create_layer().stack_id(&self.stack_id).r#type(LayerType::EcsCluster).name("Smoke");
        let layer = layer.shortname("ecs-cluster").attributes(LayerAttributesKeys::EcsClusterArn, &plan.cluster_arn);
        let layer = layer.send().await.map_err(|e| self.api.explain(e).to_string())?.layer_id.unwrap_or_default();
        let instance = client.create_instance().stack_id(&self.stack_id).layer_ids(&layer).instance_type(&plan.instance_type);
        let instance = instance.set_subnet_id(plan.subnet.clone()).send().await;
        self.instance_id = instance.map_err(|e| self.api.explain(e).to_string())?.instance_id.unwrap_or_default();
        Ok(Ended::Well(format!("stack {}, instance {}", self.stack_id, self.instance_id)))
    }

    async fn start(&mut self, step: Step) -> Result<Ended, String> {
        let started = self.api.client().start_instance().instance_id(&self.instance_id).send().await;
        started.map_err(|e| self.api.explain(e).to_string())?;
        let online = self.until("online", |i| i.status() == Some("online")).await?;
        let machine = online.ec2_instance_id().map(str::to_owned);
        match (&machine, &self.machine) {
            (None, _) => return Err("it is online without an EC2 instance".to_owned()),
            (Some(now), Some(before)) if step == Step::Restart && now != before => {
                return Err(format!("{before} was stopped and {now} came up: it should have been the same machine"));
            }
            (Some(_), _) => {}
        }
        self.machine.clone_from(&machine);
        Ok(Ended::Well(format!("{} is online", machine.unwrap_or_default())))
    }

    async fn drain(&mut self) -> Result<Ended, String> {
        let stopped = self.api.client().stop_instance().instance_id(&self.instance_id).send().await;
        stopped.map_err(|e| self.api.explain(e).to_string())?;
        let seen = self.until("stopped", |i| i.status() == Some("stopped")).await?;
        match seen.ec2_instance_id() == self.machine.as_deref() {
            true => Ok(Ended::Well(format!("{} is stopped", self.machine.clone().unwrap_or_default()))),
            false => Err(format!("the record's machine is {:?}, and was {:?}", seen.ec2_instance_id(), self.machine)),
        }
    }

    async fn patch(&mut self) -> Result<Ended, String> {
        if let Some(why) = self.backstage.update(&self.plan.stack_name)? {
            return Ok(Ended::Skipped(why));
        }
        self.campaign("under way", true).await?;
        self.campaign("at its end", false).await?;
        self.until("online after the update", |i| i.status() == Some("online")).await?;
        Ok(Ended::Well("the campaign has ended, and the host is online".to_owned()))
    }

    /// Waits until a campaign is under way, or is not any more; one that pauses has failed.
    async fn campaign(&self, what: &str, wanted: bool) -> Result<(), String> {
        for _ in 0..self.plan.looks {
            let status = super::status(self.api, &self.stack_id).await?;
            let layers = status.stacks.iter().flat_map(|stack| &stack.layers);
            let campaign = layers.filter_map(|layer| layer.campaign.as_ref()).next();
            if let Some(campaign) = campaign.filter(|campaign| matches!(campaign.state.as_str(), "paused" | "aborted")) {
                return Err(format!("the campaign is {}: {}", campaign.state, campaign.progress));
            }
            if campaign.is_some() == wanted {
                return Ok(());
            }
            tokio::time::sleep(self.plan.pause).await;
        }
        Err(format!("no campaign was {what} in time"))
    }

    async fn heal(&mut self) -> Result<Ended, String> {
        let before = self.machine.clone().unwrap_or_default();
        if let Some(why) = self.backstage.terminate(&self.instance_id, &before, &self.plan.region)? {
            return Ok(Ended::Skipped(why));
        }
        let is_new = |i: &Instance| i.status() == Some("online") && i.ec2_instance_id().is_some_and(|id| id != before);
        let healed = self.until("online on another machine", is_new).await?;
        self.machine = healed.ec2_instance_id().map(str::to_owned);
        Ok(Ended::Well(format!("{before} was terminated, and {} is online", self.machine.clone().unwrap_or_default())))
    }

    /// Looks again and again until `is_so` holds of the instance.
    async fn until(&self, what: &str, is_so: impl Fn(&Instance) -> bool) -> Result<Instance, String> {
        let mut last = String::new();
        for _ in 0..self.plan.looks {
            let seen = self.api.client().describe_instances().instance_ids(&self.instance_id).send().await;
            let seen = seen.map_err(|e| self.api.explain(e).to_string())?;
            let instance = seen.instances().first().ok_or("the instance is gone")?;
            if is_so(instance) {
                return Ok(instance.clone());
            }
            instance.status().unwrap_or_default().clone_into(&mut last);
            if last.ends_with("_failed") {
                return Err(format!("the instance is {last}: {}", self.service_error().await));
            }
            tokio::time::sleep(self.plan.pause).await;
        }
        Err(format!("the instance was not {what} in time, it is {last}"))
    }

    async fn service_error(&self) -> String {
        let errors = self.api.client().describe_service_errors().instance_id(&self.instance_id).send().await;
        let told = errors.ok().and_then(|answer| answer.service_errors().last().and_then(|e| e.message().map(str::to_owned)));
        told.unwrap_or_else(|| "no service error is told".to_owned())
    }
}
