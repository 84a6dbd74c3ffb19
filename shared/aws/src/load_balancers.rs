//! Classic load balancers.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancing::Client;
use aws_sdk_elasticloadbalancing::config::Builder;
use aws_sdk_elasticloadbalancing::types::LoadBalancerDescription;
use strata_domain::Ec2InstanceId;
use strata_ports::{CloudError, LoadBalancerView, LoadBalancers, StackScope};

use crate::error::{Effect, sort};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

const ACTION: &str = "elasticloadbalancing:DescribeLoadBalancers";
/// Names in one call: a stack has few, and all are asked for again, one by one, when one of them is missing.
const PER_CALL: usize = 20;

/// What the methods need.
pub const USES: &[Uses] = &[Uses { method: "describe", role: Role::Stack, actions: &[ACTION] }];

/// Elastic Load Balancing, under the stack's service role.
pub struct ElbLoadBalancers {
    clients: PerStack<Client>,
}

impl ElbLoadBalancers {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        let make = |config: &_, base: &Base| Client::from_conf(Builder::from(config).interceptor(base.log().clone()).build());
        Self { clients: PerStack::new(base, "ELB", make) }
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
}
