//! The simulated account: what it starts with, what it has, and what a person adds in "another console".

use serde::{Deserialize, Serialize};
use strata_domain::{ClusterArn, InstanceId, LayerId};
use strata_local::SimCloud;
use strata_local::cloud::{Mishap, OwnHost, Policy, Role, ServiceSpec, Victim};

use crate::sim::world::setup::{ACCOUNT, cluster_arn};

/// Region of the world.
pub(super) const REGION: &str = "us-east-1";
/// Services and volumes are limited to what a laptop's world can hold.
const MOST_TASKS: u32 = 10_000;

/// Who everybody is without a keys file.
pub(super) fn root_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:root")
}

fn service_role_arn() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/aws-opsworks-service-role")
}

/// What a fresh world has; the default VPC with its three subnets follows from the zones.
pub(super) fn furnish(cloud: &SimCloud) {
    for name in ["shop", "jobs", "search", "lab"] {
        cloud.create_cluster(name);
    }
    for zone in ["us-east-1a", "us-east-1b"] {
        cloud.add_volume(zone, 20, "gp3");
        cloud.add_address();
    }
    for name in ["shop-front", "search-front"] {
        cloud.add_load_balancer(name);
    }
    for name in ["ada", "bob"] {
        cloud.add_user(name);
    }
    cloud.put_role(&service_role_arn(), Role { trusts_us: true, policy: Policy::administrator() });
    cloud.add_instance_profile("aws-opsworks-ec2-role-with-ecs");
}

/// What `strata sim world` lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listing {
    pub(crate) account_id: String,
    pub(crate) vpc_id: String,
    pub(crate) subnet_ids: Vec<String>,
    pub(crate) cluster_arns: Vec<String>,
    pub(crate) volume_ids: Vec<String>,
    pub(crate) elastic_ips: Vec<String>,
    pub(crate) load_balancers: Vec<String>,
    pub(crate) user_arns: Vec<String>,
    pub(crate) service_role_arn: String,
    pub(crate) instance_profile_arn: String,
}

/// The account as it is.
pub(super) fn list(cloud: &SimCloud) -> Listing {
    let vpc = cloud.default_vpc();
    Listing {
        account_id: ACCOUNT.to_owned(),
        vpc_id: vpc.as_ref().map(|v| v.id.clone()).unwrap_or_default(),
        subnet_ids: vpc.into_iter().flat_map(|v| v.subnets).map(|subnet| subnet.id).collect(),
        cluster_arns: cloud.cluster_arns().iter().map(ToString::to_string).collect(),
        volume_ids: cloud.volume_ids(),
        elastic_ips: cloud.address_ips(),
        load_balancers: cloud.load_balancer_names(),
        user_arns: cloud.users(),
        service_role_arn: service_role_arn(),
        instance_profile_arn: cloud.instance_profiles().into_iter().next().unwrap_or_default(),
    }
}

/// What a person wants of the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Wish {
    Cluster { name: String },
    Volume { zone: String, size: u32 },
    ElasticIp {},
    LoadBalancer { name: String },
    Machine {},
    User { name: String },
    Role { name: String, allow: Vec<String> },
    Allow { role: String, actions: Vec<String> },
    InstanceProfile { name: String },
    Service { cluster: String, name: String, count: u32 },
    Task { cluster: String, count: u32 },
    Cpu { layer: LayerId, percent: f64 },
    Hang { instance: InstanceId },
    Terminate { instance: InstanceId },
    Update { stack: String, layer: String },
}

/// Names as AWS has them for clusters, services, users and classic load balancers alike.
fn check_name(name: &str) -> Result<(), String> {
    let is_fine = (1..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_fine { Ok(()) } else { Err(format!("name {name:?}: expected 1 to 32 letters, digits and hyphens")) }
}

fn check_count(count: u32) -> Result<(), String> {
    if count <= MOST_TASKS { Ok(()) } else { Err(format!("--count {count}: expected at most {MOST_TASKS}")) }
}

/// A cluster by name or ARN.
fn known_cluster(cloud: &SimCloud, cluster: &str) -> Result<ClusterArn, String> {
    let arn = if cluster.starts_with("arn:") { ClusterArn::from(cluster) } else { cluster_arn(REGION, cluster) };
    if cloud.cluster_arns().contains(&arn) { Ok(arn) } else { Err(format!("cluster {cluster}: there is none of that name")) }
}

/// Grants a wish, but for [`Wish::Cpu`] and [`Wish::Update`], and gives what was made.
///
/// # Errors
/// A sentence for the person; nothing is changed.
pub(super) fn grant(cloud: &SimCloud, wish: &Wish) -> Result<String, String> {
    match wish {
        Wish::Cluster { name } => check_name(name).map(|()| cloud.create_cluster(name).to_string()),
        Wish::Volume { zone, size } => add_volume(cloud, zone, *size),
        Wish::ElasticIp {} => Ok(cloud.add_address()),
        Wish::LoadBalancer { name } => {
            check_name(name)?;
            if cloud.load_balancer_names().contains(name) {
                return Err(format!("load balancer {name}: there is one of that name already"));
            }
            cloud.add_load_balancer(name);
            Ok(name.clone())
        }
        Wish::Machine {} => Ok(cloud.add_host(OwnHost::default()).to_string()),
        Wish::User { name } => check_name(name).map(|()| cloud.add_user(name)),
        Wish::Role { name, allow } => {
            check_name(name)?;
            let arn = format!("arn:aws:iam::{ACCOUNT}:role/{name}");
            let policy = Policy { allow: allow.clone(), ..Policy::default() };
            cloud.put_role(&arn, Role { trusts_us: true, policy });
            Ok(arn)
        }
        Wish::Allow { role, actions } => widen(cloud, role, actions),
        Wish::InstanceProfile { name } => check_name(name).map(|()| cloud.add_instance_profile(name)),
        Wish::Service { cluster, name, count } => {
            check_name(name).and_then(|()| check_count(*count))?;
            let cluster = known_cluster(cloud, cluster)?;
            let spec = ServiceSpec { name: name.clone(), desired: *count, ..ServiceSpec::default() };
            cloud.create_service(&cluster, spec).map(|arn| arn.to_string()).map_err(|e| e.to_string())
        }
        Wish::Task { cluster, count } => {
            check_count(*count)?;
            let started = cloud.run_task(&known_cluster(cloud, cluster)?, *count).map_err(|e| e.to_string())?.len();
            Ok(format!("{started} of {count} tasks found room"))
        }
        Wish::Hang { instance } => befall(cloud, instance, Mishap::Hang, "hangs"),
        Wish::Terminate { instance } => befall(cloud, instance, Mishap::Ec2Terminate, "is terminated"),
        Wish::Cpu { .. } | Wish::Update { .. } => Err("this is not the account's".to_owned()),
    }
}

fn befall(cloud: &SimCloud, instance: &InstanceId, mishap: Mishap, what: &str) -> Result<String, String> {
    let host = cloud.host_of(instance).filter(|host| host.up);
    let host = host.ok_or_else(|| format!("{instance}: there is no machine of that instance, or it is not up"))?;
    // What is past is done at once.
    cloud.inject(Victim::Record(instance.clone()), mishap, jiff::Timestamp::UNIX_EPOCH);
    Ok(format!("{} of instance {instance} {what}", host.ec2_id))
}

/// Adds to what a role allows; what it allows already stays.
fn widen(cloud: &SimCloud, arn: &str, actions: &[String]) -> Result<String, String> {
    let mut role = cloud.role(arn).ok_or_else(|| format!("role {arn}: there is none of that ARN"))?;
    role.policy.allow.extend(actions.iter().filter(|a| !role.policy.allow.contains(a)).cloned().collect::<Vec<_>>());
    cloud.put_role(arn, role);
    Ok(arn.to_owned())
}

fn add_volume(cloud: &SimCloud, zone: &str, size: u32) -> Result<String, String> {
    let zones: Vec<String> = cloud.default_vpc().into_iter().flat_map(|v| v.subnets).map(|subnet| subnet.zone).collect();
    if !zones.iter().any(|known| known == zone) {
        return Err(format!("--zone {zone}: expected one of {}", zones.join(", ")));
    }
    if !(1..=16_384).contains(&size) {
        return Err(format!("--size {size}: expected 1 to 16384 GiB"));
    }
    Ok(cloud.add_volume(zone, size, "gp3"))
}
