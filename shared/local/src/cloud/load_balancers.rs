//! The LoadBalancers port: classic load balancers and target groups, their hosts, and connections that drain.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::Ec2InstanceId;
use strata_domain::machine_tags::MOST_TAGS;
use strata_domain::tags::Tags;
use strata_ports::{BalancerHosts, CloudError, Ec2State, ItemResult, LoadBalancerView, LoadBalancers, StackScope};

use super::state::{State, after, wrong};
use super::{Latency, SimCloud};

/// A classic load balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLoadBalancer {
    /// Name.
    pub name: String,
    /// VPC.
    pub vpc_id: String,
    /// Subnets.
    pub subnet_ids: Vec<String>,
    /// Zones.
    pub zones: Vec<String>,
    /// Registered machines.
    pub hosts: BTreeSet<Ec2InstanceId>,
    /// Deregistered ones, and until when their connections drain.
    #[serde(default)]
    pub draining: BTreeMap<Ec2InstanceId, Timestamp>,
    /// How long connections drain; `None`: they are cut.
    #[serde(default)]
    pub drain_seconds: Option<u32>,
}

/// A target group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroup {
    /// Targets as they were registered: `i-1`, `i-1:8080`, `10.0.0.1`.
    pub targets: BTreeSet<String>,
    /// Deregistered ones, and until when they drain.
    pub draining: BTreeMap<String, Timestamp>,
}

/// Load balancers in one DescribeTags call.
const NAMES_PER_LOOK: usize = 20;
/// A target group's deregistration delay.
const TARGETS_DRAIN_SECONDS: u32 = 300;

type Each = Result<Vec<ItemResult<Ec2InstanceId>>, CloudError>;

impl State {
    /// What ELB cannot take: a machine that it does not know, or whose end has come.
    fn check_host(&self, action: &'static str, host: &Ec2InstanceId) -> Result<(), CloudError> {
        let state = self.ec2.by_id.get(host).and_then(|no| self.ec2.hosts.get(no)).map(|h| h.state);
        match state {
            Some(Ec2State::Pending | Ec2State::Running | Ec2State::Stopping | Ec2State::Stopped) => Ok(()),
            Some(Ec2State::ShuttingDown | Ec2State::Terminated) | None => {
                Err(wrong(action, "InvalidInstance", format!("could not find EC2 instance {host}")))
            }
        }
    }

    fn balancer_hosts(&mut self, balancer: &str, asked: &[Ec2InstanceId]) -> Option<BalancerHosts> {
        let now = self.now;
        if let Some(group) = self.account.target_groups.get(balancer) {
            let is_host = |target: &&String| target.starts_with("i-") && !target.contains(':');
            let drains = |host: &&Ec2InstanceId| group.draining.get(host.as_str()).is_some_and(|until| *until > now);
            return Some(BalancerHosts {
                registered: group.targets.iter().filter(is_host).map(|t| t.as_str().into()).collect(),
                draining: asked.iter().filter(drains).cloned().collect(),
                zones: Vec::new(),
            });
        }
        let found = self.account.load_balancers.get(balancer)?;
        let drains = |host: &&Ec2InstanceId| found.draining.get(*host).is_some_and(|until| *until > now);
        Some(BalancerHosts {
            registered: found.hosts.iter().cloned().collect(),
            draining: asked.iter().filter(drains).cloned().collect(),
            zones: found.zones.clone(),
        })
    }

    fn register_hosts(&mut self, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        const ACTION: &str = "elasticloadbalancing:RegisterInstancesWithLoadBalancer";
        self.admit(ACTION, hosts.len().div_ceil(100))?;
        let checked: Vec<_> =
            hosts.iter().map(|host| ItemResult { id: host.clone(), result: self.check_host(ACTION, host) }).collect();
        let taken = checked.iter().filter(|item| item.result.is_ok()).map(|item| item.id.clone());
        if let Some(group) = self.account.target_groups.get_mut(balancer) {
            for host in taken {
                group.draining.remove(host.as_str());
                group.targets.insert(host.to_string());
            }
        } else if let Some(found) = self.account.load_balancers.get_mut(balancer) {
            for host in taken {
                found.draining.remove(&host);
                found.hosts.insert(host);
            }
        } else {
            return Err(wrong(ACTION, "LoadBalancerNotFound", format!("there is no ACTIVE load balancer named '{balancer}'")));
        }
        Ok(checked)
    }

    fn deregister_hosts(&mut self, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        self.admit("elasticloadbalancing:DeregisterInstancesFromLoadBalancer", hosts.len().div_ceil(100))?;
        let until = |now, seconds: u32| after(now, i64::from(seconds) * 1_000);
        let now = self.now;
        for host in hosts {
            if let Some(group) = self.account.target_groups.get_mut(balancer)
                && group.targets.remove(host.as_str())
            {
                group.draining.insert(host.to_string(), until(now, TARGETS_DRAIN_SECONDS));
            }
            if let Some(found) = self.account.load_balancers.get_mut(balancer)
                && found.hosts.remove(host)
                && let Some(seconds) = found.drain_seconds
            {
                found.draining.insert(host.clone(), until(now, seconds));
            }
        }
        Ok(hosts.iter().map(|host| ItemResult { id: host.clone(), result: Ok(()) }).collect())
    }
}

#[async_trait]
impl LoadBalancers for SimCloud {
    async fn describe(&self, _: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("elasticloadbalancing:DescribeLoadBalancers", 1)?;
            let region = &s.config.region;
            let view = |name: &String| {
                let balancer = s.account.load_balancers.get(name)?;
                Some(LoadBalancerView {
                    name: balancer.name.clone(),
                    dns_name: format!("{name}-0123456789.{region}.elb.amazonaws.com"),
                    vpc_id: Some(balancer.vpc_id.clone()),
                    zones: balancer.zones.clone(),
                    subnet_ids: balancer.subnet_ids.clone(),
                    hosts: balancer.hosts.iter().cloned().collect(),
                })
            };
            Ok(names.iter().filter_map(view).collect())
        })
        .await
    }

    async fn hosts(&self, _: &StackScope, balancer: &str, asked: &[Ec2InstanceId]) -> Result<Option<BalancerHosts>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("elasticloadbalancing:DescribeLoadBalancers", 1)?;
            s.admit("elasticloadbalancing:DescribeInstanceHealth", usize::from(!asked.is_empty()))?;
            Ok(s.balancer_hosts(balancer, asked))
        })
        .await
    }

    async fn register(&self, _: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        self.call(Latency::Write, |s| s.register_hosts(balancer, hosts)).await
    }

    async fn deregister(&self, _: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each {
        self.call(Latency::Write, |s| s.deregister_hosts(balancer, hosts)).await
    }

    async fn drain_time(&self, _: &StackScope, balancer: &str) -> Result<SignedDuration, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("elasticloadbalancing:DescribeLoadBalancerAttributes", 1)?;
            let of_group = s.account.target_groups.get(balancer).map(|_| TARGETS_DRAIN_SECONDS);
            let seconds = of_group.or_else(|| s.account.load_balancers.get(balancer)?.drain_seconds);
            Ok(SignedDuration::from_secs(i64::from(seconds.unwrap_or(0))))
        })
        .await
    }

    async fn tags(&self, _: &StackScope, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("elasticloadbalancing:DescribeTags", names.len().div_ceil(NAMES_PER_LOOK))?;
            Ok(names.iter().filter_map(|name| Some((name.clone(), s.tags_of_balancer(name)?))).collect())
        })
        .await
    }

    async fn change_tags(&self, _: &StackScope, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.change_balancer_tags(name, set, unset)).await
    }

    async fn add_subnets(&self, _: &StackScope, balancer: &str, subnet_ids: &[String]) -> Result<(), CloudError> {
        const ACTION: &str = "elasticloadbalancing:AttachLoadBalancerToSubnets";
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            let subnets = s.vpc(None).map(|vpc| vpc.subnets).unwrap_or_default();
            let Some(found) = s.account.load_balancers.get_mut(balancer) else {
                return Err(wrong(
                    ACTION,
                    "LoadBalancerNotFound",
                    format!("there is no ACTIVE load balancer named '{balancer}'"),
                ));
            };
            for subnet in subnets.iter().filter(|subnet| subnet_ids.contains(&subnet.id)) {
                if found.zones.contains(&subnet.zone) {
                    return Err(wrong(ACTION, "InvalidConfigurationRequest", format!("{} is served already", subnet.zone)));
                }
                found.zones.push(subnet.zone.clone());
                found.subnet_ids.push(subnet.id.clone());
            }
            Ok(())
        })
        .await
    }
}

impl State {
    fn tags_of_balancer(&self, name: &str) -> Option<Tags> {
        self.account.load_balancers.contains_key(name).then(|| self.account.balancer_tags.get(name).cloned().unwrap_or_default())
    }

    fn change_balancer_tags(&mut self, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
        const ACTION: &str = "elasticloadbalancing:AddTags";
        self.admit(ACTION, usize::from(!set.is_empty()))?;
        self.admit("elasticloadbalancing:RemoveTags", usize::from(!unset.is_empty()))?;
        let none = || wrong(ACTION, "LoadBalancerNotFound", format!("there is no ACTIVE load balancer named '{name}'"));
        let mut tags = self.tags_of_balancer(name).ok_or_else(none)?;
        tags.extend(set.clone());
        tags.retain(|key, _| !unset.contains(key));
        if tags.len() > MOST_TAGS {
            return Err(wrong(ACTION, "TooManyTags", format!("{name} would have {} tags", tags.len())));
        }
        self.account.balancer_tags.insert(name.to_owned(), tags);
        Ok(())
    }
}

/// Load balancers as somebody makes them in another console.
impl SimCloud {
    /// Adds a classic load balancer in all subnets of the default VPC, with five minutes of connection draining.
    pub fn add_load_balancer(&self, name: &str) {
        self.with(|s| {
            let Some(vpc) = s.vpc(None) else { return };
            let balancer = AccountLoadBalancer {
                name: name.to_owned(),
                vpc_id: vpc.id,
                subnet_ids: vpc.subnets.iter().map(|subnet| subnet.id.clone()).collect(),
                zones: vpc.subnets.iter().map(|subnet| subnet.zone.clone()).collect(),
                hosts: BTreeSet::new(),
                draining: BTreeMap::new(),
                drain_seconds: Some(300),
            };
            s.account.load_balancers.insert(name.to_owned(), balancer);
        });
    }
    /// Changes a classic load balancer; one that is not there stays so.
    pub fn change_load_balancer(&self, name: &str, change: impl FnOnce(&mut AccountLoadBalancer)) {
        self.with(|s| {
            if let Some(found) = s.account.load_balancers.get_mut(name) {
                change(found);
            }
        });
    }
    /// Deletes a classic load balancer.
    pub fn delete_load_balancer(&self, name: &str) {
        self.with(|s| drop(s.account.load_balancers.remove(name)));
    }
    /// The tags of a classic load balancer; `None` for one that is gone.
    pub fn tags_of_load_balancer(&self, name: &str) -> Option<Tags> {
        self.lock().tags_of_balancer(name)
    }
    /// Tags a classic load balancer, as somebody does in another console; nothing for one that is gone.
    pub fn tag_load_balancer_by_hand(&self, name: &str, key: &str, value: &str) {
        let set = Tags::from([(key.to_owned(), value.to_owned())]);
        self.with(|s| drop(s.change_balancer_tags(name, &set, &BTreeSet::new())));
    }
    /// Adds or replaces a target group.
    pub fn put_target_group(&self, arn: &str, group: TargetGroup) {
        self.with(|s| drop(s.account.target_groups.insert(arn.to_owned(), group)));
    }
    /// The targets of a group.
    pub fn targets_of(&self, arn: &str) -> Vec<String> {
        self.lock().account.target_groups.get(arn).map(|group| group.targets.iter().cloned().collect()).unwrap_or_default()
    }
    /// The machines of every classic load balancer, by its name.
    pub fn balanced_hosts(&self) -> BTreeMap<String, Vec<Ec2InstanceId>> {
        let of = |(name, found): (&String, &AccountLoadBalancer)| (name.clone(), found.hosts.iter().cloned().collect());
        self.lock().account.load_balancers.iter().map(of).collect()
    }
    /// The targets of every target group, by its ARN.
    pub fn target_groups(&self) -> BTreeMap<String, Vec<String>> {
        let of = |(arn, group): (&String, &TargetGroup)| (arn.clone(), group.targets.iter().cloned().collect());
        self.lock().account.target_groups.iter().map(of).collect()
    }
    /// The machine of every Elastic IP address, by the address.
    pub fn addresses_at(&self) -> BTreeMap<String, Option<Ec2InstanceId>> {
        self.lock().account.addresses.clone()
    }
    /// The tokens with which addresses were allocated, by the address.
    pub fn allocated_addresses(&self) -> BTreeMap<String, String> {
        self.lock().account.allocated.iter().map(|(ip, a)| (ip.clone(), a.token.clone())).collect()
    }
}
