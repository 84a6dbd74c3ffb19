//! Classic load balancers, and target groups, which are named by their ARNs.

mod tags;
mod target_groups;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_elasticloadbalancing::Client;
use aws_sdk_elasticloadbalancing::config::Builder;
use aws_sdk_elasticloadbalancing::types::{Instance, LoadBalancerDescription};
use jiff::SignedDuration;
use strata_domain::Ec2InstanceId;
use strata_domain::tags::Tags;
use strata_ports::{BalancerHosts, CloudError, ItemResult, LoadBalancerView, LoadBalancers, StackScope};

use self::target_groups::is_target_group;
use crate::error::{Effect, sort};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

const ACTION: &str = "elasticloadbalancing:DescribeLoadBalancers";
const ATTACH: &str = "elasticloadbalancing:AttachLoadBalancerToSubnets";
const ATTRIBUTES: &str = "elasticloadbalancing:DescribeLoadBalancerAttributes";
const DEREGISTER: &str = "elasticloadbalancing:DeregisterInstancesFromLoadBalancer";
const HEALTH: &str = "elasticloadbalancing:DescribeInstanceHealth";
const REGISTER: &str = "elasticloadbalancing:RegisterInstancesWithLoadBalancer";
/// Hosts in one call.
const HOSTS_PER_CALL: usize = 100;
/// How ELB describes a host whose connections still drain (API, "InstanceState").
const DRAINS: &str = "Instance deregistration currently in progress.";
/// Names in one call: a stack has few, and all are asked for again, one by one, when one of them is missing.
const PER_CALL: usize = 20;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses { method: "describe", role: Role::Stack, actions: &[ACTION] },
    Uses { method: "hosts", role: Role::Stack, actions: &[HEALTH, ACTION, target_groups::GROUPS, target_groups::HEALTH] },
    Uses { method: "register", role: Role::Stack, actions: &[REGISTER, target_groups::REGISTER] },
    Uses { method: "deregister", role: Role::Stack, actions: &[DEREGISTER, target_groups::DEREGISTER] },
    Uses { method: "drain_time", role: Role::Stack, actions: &[ATTRIBUTES, target_groups::ATTRIBUTES] },
    Uses { method: "add_subnets", role: Role::Stack, actions: &[ATTACH] },
    Uses { method: "tags", role: Role::Stack, actions: &[tags::LOOK] },
    Uses { method: "change_tags", role: Role::Stack, actions: &[tags::SET, tags::UNSET] },
];

/// Elastic Load Balancing, under the stack's service role.
pub struct ElbLoadBalancers {
    clients: PerStack<Client>,
    groups: PerStack<aws_sdk_elasticloadbalancingv2::Client>,
}

impl ElbLoadBalancers {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        let make = |config: &_, base: &Base| Client::from_conf(Builder::from(config).interceptor(base.log().clone()).build());
        let make_v2 = |config: &_, base: &Base| {
            let builder = aws_sdk_elasticloadbalancingv2::config::Builder::from(config);
            aws_sdk_elasticloadbalancingv2::Client::from_conf(builder.interceptor(base.log().clone()).build())
        };
        Self { clients: PerStack::new(base, "ELB", make), groups: PerStack::new(base, "ELBV2", make_v2) }
    }
}

/// `None` if one of them is missing: then ELB says nothing of the others.
async fn ask(client: &Client, names: &[String]) -> Result<Option<Vec<LoadBalancerView>>, CloudError> {
    let answer = client.describe_load_balancers().set_load_balancer_names(Some(names.to_vec())).send().await;
    match answer.map_err(|error| sort(ACTION, Effect::Read, error)) {
        Ok(answer) => Ok(Some(answer.load_balancer_descriptions().iter().filter_map(view).collect())),
        Err(CloudError::Wrong { code, .. }) if code == "LoadBalancerNotFound" => Ok(None),
        Err(error) => Err(error),
    }
}

fn view(found: &LoadBalancerDescription) -> Option<LoadBalancerView> {
    let hosts = found.instances().iter().filter_map(|instance| instance.instance_id()).map(Ec2InstanceId::from);
    Some(LoadBalancerView {
        name: found.load_balancer_name()?.to_owned(),
        dns_name: found.dns_name().unwrap_or_default().to_owned(),
        vpc_id: found.vpc_id().map(str::to_owned),
        zones: found.availability_zones().to_vec(),
        subnet_ids: found.subnets().to_vec(),
        hosts: hosts.collect(),
    })
}

#[async_trait]
impl LoadBalancers for ElbLoadBalancers {
    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError> {
        let client = self.clients.client(scope);
        let mut found = Vec::new();
        for chunk in names.chunks(PER_CALL) {
            match ask(&client, chunk).await? {
                Some(all) => found.extend(all),
                None if chunk.len() == 1 => {}
                None => {
                    for name in chunk {
                        found.extend(ask(&client, std::slice::from_ref(name)).await?.into_iter().flatten());
                    }
                }
            }
        }
        Ok(found)
    }

    async fn hosts(
        &self,
        scope: &StackScope,
        balancer: &str,
        asked: &[Ec2InstanceId],
    ) -> Result<Option<BalancerHosts>, CloudError> {
        if is_target_group(balancer) {
            return target_groups::hosts(&self.groups.client(scope), balancer, asked).await;
        }
        let client = self.clients.client(scope);
        let found = ask(&client, &[balancer.to_owned()]).await?;
        let Some(found) = found.and_then(|all| all.into_iter().next()) else { return Ok(None) };
        // One that is registered does not drain, and a new one is asked for nothing.
        let left: Vec<Ec2InstanceId> = asked.iter().filter(|host| !found.hosts.contains(host)).cloned().collect();
        let draining = draining(&client, balancer, &left).await?;
        Ok(Some(BalancerHosts { registered: found.hosts, draining, zones: found.zones }))
    }

    async fn register(&self, scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        if is_target_group(balancer) {
            return target_groups::register(&self.groups.client(scope), balancer, hosts).await;
        }
        let client = self.clients.client(scope);
        each(hosts, is_about_one, |batch| {
            let request = client.register_instances_with_load_balancer().load_balancer_name(balancer);
            let request = request.set_instances(Some(instances(batch)));
            async move {
                let answer = request.send().await;
                answer.map(drop).map_err(|error| sort(REGISTER, Effect::Write, error))
            }
        })
        .await
    }

    async fn deregister(&self, scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        if is_target_group(balancer) {
            return target_groups::deregister(&self.groups.client(scope), balancer, hosts).await;
        }
        let client = self.clients.client(scope);
        each(hosts, is_about_one, |batch| {
            let is_one = batch.len() == 1;
            let request = client.deregister_instances_from_load_balancer().load_balancer_name(balancer);
            let request = request.set_instances(Some(instances(batch)));
            async move {
                let answer = request.send().await;
                match answer.map(drop).map_err(|error| sort(DEREGISTER, Effect::Write, error)) {
                    Err(CloudError::Wrong { code, .. }) if code == "LoadBalancerNotFound" => Ok(()),
                    // A machine that is gone is in no load balancer; its neighbours are asked for without it.
                    Err(CloudError::Wrong { code, .. }) if code == "InvalidInstance" && is_one => Ok(()),
                    other => other,
                }
            }
        })
        .await
    }

    async fn drain_time(&self, scope: &StackScope, balancer: &str) -> Result<SignedDuration, CloudError> {
        if is_target_group(balancer) {
            return target_groups::drain_time(&self.groups.client(scope), balancer).await;
        }
        let client = self.clients.client(scope);
        let answer = client.describe_load_balancer_attributes().load_balancer_name(balancer).send().await;
        let answer = match answer.map_err(|error| sort(ATTRIBUTES, Effect::Read, error)) {
            Err(CloudError::Wrong { code, .. }) if code == "LoadBalancerNotFound" => return Ok(SignedDuration::ZERO),
            other => other?,
        };
        let draining = answer.load_balancer_attributes().and_then(|attributes| attributes.connection_draining());
        let seconds = draining.filter(|d| d.enabled()).map_or(0, |d| d.timeout().unwrap_or(DEFAULT_DRAIN_SECONDS));
        Ok(SignedDuration::from_secs(i64::from(seconds)))
    }

    async fn tags(&self, scope: &StackScope, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        tags::of(&self.clients.client(scope), names).await
    }

    async fn change_tags(&self, scope: &StackScope, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
        tags::change(&self.clients.client(scope), name, set, unset).await
    }

    async fn add_subnets(&self, scope: &StackScope, balancer: &str, subnet_ids: &[String]) -> Result<(), CloudError> {
        let client = self.clients.client(scope);
        let request = client.attach_load_balancer_to_subnets().load_balancer_name(balancer);
        let answer = request.set_subnets(Some(subnet_ids.to_vec())).send().await;
        answer.map(drop).map_err(|error| sort(ATTACH, Effect::Write, error))
    }
}

/// ELB's own default for connection draining.
const DEFAULT_DRAIN_SECONDS: i32 = 300;

type Each = Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;

fn instances(hosts: &[Ec2InstanceId]) -> Vec<Instance> {
    hosts.iter().map(|host| Instance::builder().instance_id(host.as_str()).build()).collect()
}

/// Those of `hosts` that were deregistered and whose connections still drain.
async fn draining(client: &Client, balancer: &str, hosts: &[Ec2InstanceId]) -> Result<Vec<Ec2InstanceId>, CloudError> {
    let mut found = Vec::new();
    for batch in hosts.chunks(HOSTS_PER_CALL) {
        let request = client.describe_instance_health().load_balancer_name(balancer);
        let answer = match request.set_instances(Some(instances(batch))).send().await {
            Ok(answer) => answer,
            Err(error) => match sort(HEALTH, Effect::Read, error) {
                // One of them is gone, and with it its connections; the others' drain time bounds their wait.
                CloudError::Wrong { code, .. } if code == "InvalidInstance" => continue,
                error => return Err(error),
            },
        };
        let drains = answer.instance_states().iter().filter(|state| state.description() == Some(DRAINS));
        found.extend(drains.filter_map(|state| state.instance_id()).map(Ec2InstanceId::from));
    }
    Ok(found)
}

/// Many hosts to a call; when one of them spoils it, which is what `is_about_one` says of the error, each gets a call of its own.
async fn each<F: Future<Output = Result<(), CloudError>>>(
    hosts: &[Ec2InstanceId],
    is_about_one: impl Fn(&CloudError) -> bool,
    call: impl Fn(&[Ec2InstanceId]) -> F,
) -> Each {
    let item = |host: &Ec2InstanceId, result| ItemResult { id: host.clone(), result };
    let mut results = Vec::with_capacity(hosts.len());
    for batch in hosts.chunks(HOSTS_PER_CALL) {
        match call(batch).await {
            Ok(()) => results.extend(batch.iter().map(|host| item(host, Ok(())))),
            Err(error @ CloudError::Wrong { .. }) if is_about_one(&error) => {
                for host in batch {
                    results.push(item(host, call(std::slice::from_ref(host)).await));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(results)
}

fn is_about_one(error: &CloudError) -> bool {
    error.code() == Some("InvalidInstance") || error.code() == Some("InvalidInstanceID.NotFound")
}
