//! What the account has beside machines and clusters: VPCs, groups, keys, images, volumes, addresses, load balancers, users and roles.
//!
//! As long as nothing of a kind was added, every id of that kind is known (the default VPC apart, which follows from the zones): a
//! scenario need not list what it does not care about. Once something was added, only that is there.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strata_domain::security_groups::GroupRule;
use strata_domain::service_role::resource_of;
use strata_domain::tags::Tags;
use strata_domain::{ClusterArn, Ec2InstanceId};
use strata_ports::{AddressView, IamDecision, ImageView, RoleCheck, SecurityGroupView, SubnetView, VolumeView, VpcView};

use super::SimCloud;
use super::attachments::{Allocation, MadeVolume};
use super::ec2::{Host, HostNo};
use super::load_balancers::{AccountLoadBalancer, TargetGroup};
use super::state::State;
use super::upkeep::LaunchTemplate;

/// The default VPC's id.
pub const DEFAULT_VPC: &str = "vpc-default";

/// A VPC of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// `vpc-...`.
    pub id: String,
    /// The region's default VPC.
    pub is_default: bool,
    /// Subnet ids and their zones.
    pub subnets: Vec<(String, String)>,
}

/// A volume of the account, apart from those that launches make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountVolume {
    /// `vol-...`.
    pub id: String,
    /// GiB.
    pub size: u32,
    /// `gp2`, ...
    pub volume_type: String,
    /// IO operations per second.
    pub iops: Option<u32>,
    /// Zone.
    pub zone: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The machine that it is attached to and the device name.
    pub attached: Option<(Ec2InstanceId, String)>,
    /// Whether it is that machine's root volume.
    pub is_root: bool,
    /// `Name` tag.
    pub name: Option<String>,
}

/// What IAM allows somebody. A pattern may end with `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Actions that are allowed, such as `opsworks:Describe*`.
    pub allow: Vec<String>,
    /// Actions that are denied, whatever is allowed.
    pub deny: Vec<String>,
    /// Resources that the allowed actions are limited to; empty: every resource.
    pub resources: Vec<String>,
}

impl Policy {
    /// Everything is allowed.
    pub fn administrator() -> Self {
        Self { allow: vec!["*".to_owned()], ..Self::default() }
    }

    /// What it says of an action on a resource.
    pub fn decide(&self, action: &str, resource: &str) -> IamDecision {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|p| matches(p, text));
        if any(&self.deny, action) {
            IamDecision::ExplicitlyDenied
        } else if any(&self.allow, action) && (self.resources.is_empty() || any(&self.resources, resource)) {
            IamDecision::Allowed
        } else {
            IamDecision::Silent
        }
    }
}

/// A pattern with at most one `*`, at its end.
fn matches(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |prefix| text.starts_with(prefix))
}

/// A role of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// It can be assumed for stacks.
    pub trusts_us: bool,
    /// What it allows.
    pub policy: Policy,
}

/// The account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) vpcs: Vec<Vpc>,
    pub(super) security_groups: BTreeMap<String, String>,
    /// Strata's built-in groups: ids by VPC and name.
    #[serde(default)]
    pub(super) built_in_groups: BTreeMap<String, BTreeMap<String, String>>,
    /// Their rules, by the group's id.
    #[serde(default)]
    pub(super) group_rules: BTreeMap<String, BTreeSet<GroupRule>>,
    /// Those of them, by id, that Strata has not made.
    #[serde(default)]
    pub(super) foreign_groups: BTreeSet<String>,
    pub(super) key_pairs: BTreeSet<String>,
    /// Name and owner alias by id.
    pub(super) images: BTreeMap<String, (String, Option<String>)>,
    pub(super) volumes: BTreeMap<String, AccountVolume>,
    /// Those of them that CreateVolume made with a token of ours, by the token.
    #[serde(default)]
    pub(super) made_volumes: BTreeMap<String, MadeVolume>,
    /// By address: the machine that it is associated with.
    pub(super) addresses: BTreeMap<String, Option<Ec2InstanceId>>,
    /// Those of them that we allocated.
    #[serde(default)]
    pub(super) allocated: BTreeMap<String, Allocation>,
    pub(super) load_balancers: BTreeMap<String, AccountLoadBalancer>,
    /// Their tags, by name.
    #[serde(default)]
    pub(super) balancer_tags: BTreeMap<String, Tags>,
    /// By ARN.
    #[serde(default)]
    pub(super) target_groups: BTreeMap<String, TargetGroup>,
    /// Of machines and volumes whose tags have changed since they were launched, by id.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, Tags>,
    /// By name.
    #[serde(default)]
    pub(super) launch_templates: BTreeMap<String, LaunchTemplate>,
    /// By ARN. Whoever has no policy here is allowed everything, unless `closed`.
    pub(super) policies: BTreeMap<String, Policy>,
    /// Whoever has no policy is allowed nothing.
    pub(super) closed: bool,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) instance_profiles: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
}

impl Account {
    pub(super) fn decide(&self, principal: &str, action: &str, resource: &str) -> IamDecision {
        match self.policies.get(principal) {
            Some(policy) => policy.decide(action, resource),
            None if self.closed => IamDecision::Silent,
            None => IamDecision::Allowed,
        }
    }

    pub(super) fn check_role(&self, arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> RoleCheck {
        match self.roles.get(arn) {
            None if self.roles.is_empty() => RoleCheck::Usable { missing: Vec::new() },
            None => RoleCheck::NotTrusted,
            Some(role) if !role.trusts_us => RoleCheck::NotTrusted,
            Some(role) => {
                let resource = |action: &str| cluster.map_or_else(|| "*".to_owned(), |cluster| resource_of(action, cluster));
                let is_missing = |action: &&&str| role.policy.decide(action, &resource(action)) != IamDecision::Allowed;
                RoleCheck::Usable { missing: actions.iter().filter(is_missing).map(|a| (*a).to_owned()).collect() }
            }
        }
    }

    pub(super) fn security_group(&self, id: &str) -> Option<SecurityGroupView> {
        let known = self.security_groups.get(id).cloned();
        let vpc = if self.security_groups.is_empty() { Some(DEFAULT_VPC.to_owned()) } else { known };
        vpc.map(|vpc_id| SecurityGroupView { id: id.to_owned(), vpc_id })
    }

    pub(super) fn has_key_pair(&self, name: &str) -> bool {
        self.key_pairs.is_empty() || self.key_pairs.contains(name)
    }

    pub(super) fn image(&self, id: &str) -> Option<ImageView> {
        let known = self.images.get(id).cloned();
        let image = if self.images.is_empty() { Some((id.to_owned(), None)) } else { known };
        image.map(|(name, owner_alias)| ImageView { id: id.to_owned(), name, owner_alias })
    }

    /// A new address: the first one that is not there.
    pub(super) fn fresh_address(&mut self) -> String {
        let of = |n: u32| format!("203.{}.{}.{}", n / 35_000, 113 + n / 250 % 140, n % 250 + 1);
        let ip = (1..).map(of).find(|ip| !self.addresses.contains_key(ip)).unwrap_or_default();
        self.addresses.insert(ip.clone(), None);
        ip
    }

    pub(super) fn address(&self, ip: &str) -> Option<AddressView> {
        let host = self.addresses.get(ip)?;
        Some(AddressView { ip: ip.to_owned(), domain: "vpc".to_owned(), host: host.clone() })
    }
}

impl AccountVolume {
    fn view(&self) -> VolumeView {
        VolumeView {
            id: self.id.clone(),
            state: if self.attached.is_some() { "in-use" } else { "available" }.to_owned(),
            size: self.size,
            volume_type: self.volume_type.clone(),
            iops: self.iops,
            zone: self.zone.clone(),
            encrypted: self.encrypted,
            host: self.attached.as_ref().map(|(host, _)| host.clone()),
            device: self.attached.as_ref().map(|(_, device)| device.clone()),
            is_root: self.is_root,
            name: self.name.clone(),
        }
    }
}

impl State {
    /// The subnet that the default VPC has in a zone, by the zone's place among the zones.
    pub(super) fn default_vpc(&self) -> VpcView {
        let subnets = if self.config.ec2.subnets.is_empty() {
            let of = |(place, zone): (usize, &String)| SubnetView { id: format!("subnet-{place:08x}"), zone: zone.clone() };
            self.config.ec2.zones.iter().enumerate().map(of).collect()
        } else {
            self.config.ec2.subnets.iter().map(|(id, zone)| SubnetView { id: id.clone(), zone: zone.clone() }).collect()
        };
        VpcView { id: DEFAULT_VPC.to_owned(), is_default: true, subnets }
    }

    pub(super) fn vpc(&self, id: Option<&str>) -> Option<VpcView> {
        if self.account.vpcs.is_empty() {
            let default = self.default_vpc();
            return id.is_none_or(|id| id == default.id).then_some(default);
        }
        let found = self.account.vpcs.iter().find(|vpc| id.map_or(vpc.is_default, |id| vpc.id == id))?;
        let subnets = found.subnets.iter().map(|(id, zone)| SubnetView { id: id.clone(), zone: zone.clone() }).collect();
        Some(VpcView { id: found.id.clone(), is_default: found.is_default, subnets })
    }

    /// A volume of the account's own, or one that a launch made.
    pub(super) fn volume(&self, id: &str) -> Option<VolumeView> {
        if let Some(own) = self.account.volumes.get(id) {
            return Some(own.view());
        }
        let host = *self.ec2.volumes.get(id)?;
        let host = host.and_then(|no: HostNo| self.ec2.hosts.get(&no));
        Some(launched_volume(id, host))
    }

    pub(super) fn volumes_of(&self, host: &Ec2InstanceId) -> Vec<VolumeView> {
        let own = self.account.volumes.values().map(AccountVolume::view).filter(|v| v.host.as_ref() == Some(host));
        let launched = self.ec2.by_id.get(host).and_then(|no| self.ec2.hosts.get(no));
        let launched = launched.into_iter().flat_map(|h| {
            h.volumes.iter().filter(|(id, _)| self.ec2.volumes.contains_key(id)).map(move |(id, _)| launched_volume(id, Some(h)))
        });
        own.chain(launched).collect()
    }
}

fn launched_volume(id: &str, host: Option<&Host>) -> VolumeView {
    let mount_point = host.and_then(|h| h.volumes.iter().find(|(volume, _)| volume == id)).map(|(_, mount)| mount);
    let spec = host.and_then(|h| h.spec.volumes.iter().find(|spec| Some(&spec.mount_point) == mount_point));
    VolumeView {
        id: id.to_owned(),
        state: if host.is_some() { "in-use" } else { "available" }.to_owned(),
        size: spec.map_or(1, |s| s.size),
        volume_type: spec.map_or_else(|| "standard".to_owned(), |s| s.volume_type.clone()),
        iops: spec.and_then(|s| s.iops),
        zone: host.map(|h| h.spec.availability_zone.clone()).unwrap_or_default(),
        encrypted: spec.is_some_and(|s| s.encrypted),
        host: host.map(|h| h.id.clone()),
        device: spec.map(|s| s.device.clone()),
        is_root: false,
        name: host.map(|h| format!("Created for {}", h.spec.hostname)),
    }
}

/// Adding to the account, as somebody does in another console.
impl SimCloud {
    /// Adds a VPC; from then on only added ones are there.
    pub fn add_vpc(&self, vpc: Vpc) {
        self.with(|s| s.account.vpcs.push(vpc));
    }
    /// Adds a security group of a VPC.
    pub fn add_security_group(&self, id: &str, vpc_id: &str) {
        self.with(|s| drop(s.account.security_groups.insert(id.to_owned(), vpc_id.to_owned())));
    }
    /// Adds an EC2 key pair.
    pub fn add_key_pair(&self, name: &str) {
        self.with(|s| s.account.key_pairs.insert(name.to_owned()));
    }
    /// Adds an image.
    pub fn add_image(&self, id: &str, name: &str, owner_alias: Option<&str>) {
        let image = (name.to_owned(), owner_alias.map(str::to_owned));
        self.with(|s| drop(s.account.images.insert(id.to_owned(), image)));
    }
    /// Adds a volume that nobody uses yet, and gives its id.
    pub fn add_volume(&self, zone: &str, size: u32, volume_type: &str) -> String {
        self.with(|s| {
            let id = format!("vol-{}", s.hex(17));
            let volume = AccountVolume {
                id: id.clone(),
                size,
                volume_type: volume_type.to_owned(),
                iops: None,
                zone: zone.to_owned(),
                encrypted: false,
                attached: None,
                is_root: false,
                name: None,
            };
            s.account.volumes.insert(id.clone(), volume);
            id
        })
    }
    /// Adds or replaces a volume as it stands.
    pub fn put_volume(&self, volume: AccountVolume) {
        self.with(|s| drop(s.account.volumes.insert(volume.id.clone(), volume)));
    }
    /// Allocates an Elastic IP address, and gives it.
    pub fn add_address(&self) -> String {
        self.with(|s| s.account.fresh_address())
    }
    /// Associates an address with a machine, or with none.
    pub fn associate_address(&self, ip: &str, host: Option<&Ec2InstanceId>) {
        self.with(|s| drop(s.account.addresses.insert(ip.to_owned(), host.cloned())));
    }
    /// Adds an IAM user, and gives its ARN.
    pub fn add_user(&self, name: &str) -> String {
        self.with(|s| {
            let arn = format!("arn:aws:iam::{}:user/{name}", s.config.account);
            s.account.users.insert(arn.clone());
            arn
        })
    }
    /// The ARNs of the IAM users.
    pub fn users(&self) -> Vec<String> {
        self.lock().account.users.iter().cloned().collect()
    }
    /// Sets what IAM allows somebody.
    pub fn set_policy(&self, principal: &str, policy: Policy) {
        self.with(|s| drop(s.account.policies.insert(principal.to_owned(), policy)));
    }
    /// Whether those without a policy are allowed nothing; by default they are allowed everything.
    pub fn set_closed(&self, closed: bool) {
        self.with(|s| s.account.closed = closed);
    }
    /// Adds or replaces a role.
    pub fn put_role(&self, arn: &str, role: Role) {
        self.with(|s| drop(s.account.roles.insert(arn.to_owned(), role)));
    }
    /// A role.
    pub fn role(&self, arn: &str) -> Option<Role> {
        self.lock().account.roles.get(arn).cloned()
    }
    /// Adds an instance profile, and gives its ARN; one that is there already stays.
    pub fn add_instance_profile(&self, name: &str) -> String {
        self.with(|s| {
            let arn = format!("arn:aws:iam::{}:instance-profile/{name}", s.config.account);
            s.account.instance_profiles.insert(arn.clone());
            arn
        })
    }
    /// The ARNs of the instance profiles.
    pub fn instance_profiles(&self) -> Vec<String> {
        self.lock().account.instance_profiles.iter().cloned().collect()
    }
    /// The ids of the account's own volumes.
    pub fn volume_ids(&self) -> Vec<String> {
        self.lock().account.volumes.keys().cloned().collect()
    }
    /// The account's Elastic IP addresses.
    pub fn address_ips(&self) -> Vec<String> {
        self.lock().account.addresses.keys().cloned().collect()
    }
    /// The names of the account's load balancers.
    pub fn load_balancer_names(&self) -> Vec<String> {
        self.lock().account.load_balancers.keys().cloned().collect()
    }
    /// The default VPC.
    pub fn default_vpc(&self) -> Option<VpcView> {
        self.lock().vpc(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_denies_before_it_allows_and_may_be_limited_to_resources() {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let policy = Policy {
            allow: words(&["opsworks:Describe*", "opsworks:StartInstance"]),
            deny: words(&["opsworks:DescribePermissions"]),
            resources: words(&["arn:s1/", "arn:t*"]),
        };
        for (action, resource, expected) in [
            ("opsworks:DescribeStacks", "arn:s1/", IamDecision::Allowed),
            ("opsworks:DescribeStacks", "arn:t9", IamDecision::Allowed),
            ("opsworks:DescribeStacks", "*", IamDecision::Silent),
            ("opsworks:StartInstance", "arn:s1/", IamDecision::Allowed),
            ("opsworks:StartInstances", "arn:s1/", IamDecision::Silent),
            ("opsworks:DescribePermissions", "arn:s2/", IamDecision::ExplicitlyDenied),
        ] {
            assert_eq!(policy.decide(action, resource), expected, "{action} on {resource}");
        }
        assert_eq!(Policy::administrator().decide("ecs:DescribeClusters", "*"), IamDecision::Allowed);
    }

    #[test]
    fn what_was_never_added_is_known_and_what_was_added_is_all_there_is() {
        let mut account = Account::default();
        assert!(account.has_key_pair("any") && account.image("ami-1").is_some() && account.security_group("sg-1").is_some());
        account.key_pairs.insert("ops".to_owned());
        account.images.insert("ami-2".to_owned(), ("al2023".to_owned(), None));
        account.security_groups.insert("sg-2".to_owned(), "vpc-1".to_owned());
        assert!(!account.has_key_pair("any") && account.image("ami-1").is_none() && account.security_group("sg-1").is_none());
        assert_eq!(account.check_role("arn", &["ecs:DescribeClusters"], None), RoleCheck::Usable { missing: Vec::new() });
        let limited = Policy { allow: vec!["ec2:*".to_owned()], ..Policy::default() };
        account.roles.insert("arn".to_owned(), Role { trusts_us: true, policy: limited });
        let missing = vec!["ecs:DescribeClusters".to_owned()];
        assert_eq!(account.check_role("arn", &["ecs:DescribeClusters", "ec2:RunInstances"], None), RoleCheck::Usable { missing });
        assert_eq!(account.check_role("other", &[], None), RoleCheck::NotTrusted);
    }
}
