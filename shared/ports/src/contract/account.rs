//! What the account has beside machines: an inventory and load balancers are judged by things that are known to be there.

use std::collections::BTreeSet;

use strata_domain::Ec2InstanceId;
use strata_domain::tags::Tags;

use crate::{AddressView, CloudError, Ec2State, Inventory, LoadBalancers, SecurityGroupView, StackScope};

/// Things that an account has, by which an inventory is judged.
#[derive(Clone, Debug)]
pub struct Account {
    /// The default VPC and another one.
    pub vpcs: [String; 2],
    /// A group of the default VPC.
    pub group: String,
    /// A key pair.
    pub key_pair: String,
    /// An image, and its name.
    pub image: (String, String),
    /// A free volume of 10 GiB and type gp2.
    pub volume: String,
    /// An address that nothing has.
    pub ip: String,
    /// A running host of the default VPC.
    pub host: Ec2InstanceId,
    /// An address that the host has.
    pub ip_of_host: String,
}

/// Where a server that stands in for the account differs from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct InventoryDifferences {
    /// It knows nothing of SSM agents (no DescribeInstanceInformation), so hosts are not asked for.
    pub without_ssm_agents: bool,
}

/// What the account has is found as it is; what it does not have is left out.
///
/// # Panics
/// With what was broken.
pub async fn inventory_contract(
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Account,
    differences: &InventoryDifferences,
) {
    let with = |known: &str, unknown: &str| vec![unknown.to_owned(), known.to_owned()];
    let [default, other] = &account.vpcs;
    let found = inventory.vpc(scope, None).await.expect("the default VPC is answered").expect("there is one");
    assert!(found.id == *default && found.is_default && !found.subnets.is_empty(), "{found:?}");
    assert!(found.subnets.is_sorted_by(|a, b| a.zone <= b.zone), "the first zone's subnet first");
    assert_eq!(inventory.vpc(scope, Some(default)).await.expect("by its id too"), Some(found));
    let found = inventory.vpc(scope, Some(other)).await.expect("another VPC is answered").expect("it is there");
    assert!(found.id == *other && !found.is_default);
    assert_eq!(inventory.vpc(scope, Some("vpc-0123456789abcdef0")).await.expect("an unknown one is no error"), None);

    let groups = inventory.security_groups(scope, &with(&account.group, "sg-0123456789abcdef0")).await.expect("groups");
    assert_eq!(groups, [SecurityGroupView { id: account.group.clone(), vpc_id: default.clone() }]);
    let keys = inventory.key_pairs(scope, &with(&account.key_pair, "no such key")).await.expect("key pairs");
    assert_eq!(keys, [account.key_pair.as_str()]);
    let images = inventory.images(scope, &with(&account.image.0, "ami-0123456789abcdef0")).await.expect("images");
    assert_eq!(images.iter().map(|i| (&i.id, &i.name)).collect::<Vec<_>>(), [(&account.image.0, &account.image.1)]);
    let volumes = inventory.volumes(scope, &with(&account.volume, "vol-0123456789abcdef0")).await.expect("volumes");
    let [volume] = &volumes[..] else { panic!("one volume is known, not {volumes:?}") };
    assert_eq!(
        (&volume.id, volume.state.as_str(), volume.size, volume.volume_type.as_str()),
        (&account.volume, "available", 10, "gp2")
    );
    assert!(volume.host.is_none() && volume.device.is_none() && !volume.is_root);
    let addresses = inventory.addresses(scope, &with(&account.ip, "198.51.100.7")).await.expect("addresses");
    assert_eq!(addresses, [AddressView { ip: account.ip.clone(), domain: "vpc".to_owned(), host: None }]);
    let addresses = inventory.addresses_of(scope, &account.host).await.expect("a host's addresses");
    let theirs = AddressView { ip: account.ip_of_host.clone(), domain: "vpc".to_owned(), host: Some(account.host.clone()) };
    assert_eq!(addresses, [theirs]);
    for volume in inventory.volumes_of(scope, &account.host).await.expect("a host's volumes") {
        assert!(volume.host.as_ref() == Some(&account.host) && volume.state == "in-use", "{volume:?}");
    }
    if !differences.without_ssm_agents {
        let unknown = Ec2InstanceId::from("i-0123456789abcdef0");
        let hosts = inventory.hosts(scope, &[unknown, account.host.clone()]).await.expect("hosts");
        let [host] = &hosts[..] else { panic!("one host is known, not {hosts:?}") };
        assert_eq!((&host.id, host.state, &host.vpc_id), (&account.host, Ec2State::Running, default));
        assert!(host.platform.is_some(), "its SSM agent has called");
    }
    assert!(inventory.security_groups(scope, &[]).await.expect("nothing is asked for").is_empty());
}

/// ELB: what is missing is left out, the rest is as it stands.
///
/// # Panics
/// With what was broken.
pub async fn load_balancers_contract(load_balancers: &dyn LoadBalancers, scope: &StackScope, name: &str) {
    let names = ["no-such-balancer".to_owned(), name.to_owned()];
    for asked in [&names[..], &names[1..]] {
        let found = load_balancers.describe(scope, asked).await.expect("describe answers");
        let [found] = &found[..] else { panic!("one is known, not {found:?}") };
        assert_eq!(found.name, name);
        assert!(!found.dns_name.is_empty() && !found.zones.is_empty(), "{found:?}");
    }
    assert!(load_balancers.describe(scope, &names[..1]).await.expect("describe answers").is_empty());
    assert!(load_balancers.describe(scope, &[]).await.expect("nothing is asked for").is_empty());
    tags_of_balancers(load_balancers, scope, &names).await;
}

/// Tags are set, overwritten and taken away, each key by itself; repeats are successes. The second of `names` is there and has none.
async fn tags_of_balancers(load_balancers: &dyn LoadBalancers, scope: &StackScope, names: &[String; 2]) {
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Tags>();
    let keys = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<BTreeSet<String>>();
    let seen = async || {
        let mut found = load_balancers.tags(scope, names).await.expect("tags are described");
        assert!(!found.contains_key(&names[0]), "what is not there has none");
        found.remove(&names[1]).unwrap_or_default()
    };
    assert!(seen().await.is_empty());
    for _ in 0..2 {
        let set = tags(&[("stage", "test"), ("team", "a")]);
        load_balancers.change_tags(scope, &names[1], &set, &keys(&["never there"])).await.expect("set, and set again");
        assert_eq!(seen().await, set);
    }
    load_balancers.change_tags(scope, &names[1], &tags(&[("stage", "prod")]), &keys(&["team"])).await.expect("changed");
    assert_eq!(seen().await, tags(&[("stage", "prod")]));
    load_balancers.change_tags(scope, &names[1], &tags(&[]), &keys(&[])).await.expect("nothing to do");
    let gone = load_balancers.change_tags(scope, &names[0], &tags(&[("a", "b")]), &keys(&[])).await;
    assert!(matches!(gone, Err(CloudError::Wrong { .. })), "{gone:?}");
    assert!(load_balancers.tags(scope, &[]).await.expect("nothing is asked for").is_empty());
}
