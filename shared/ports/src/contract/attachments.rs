//! What every adapter of Attachments must do, and of LoadBalancers where hosts come and go.

use strata_domain::Ec2InstanceId;

use super::cloud::Settle;
use crate::{Attachments, CloudError, Inventory, LoadBalancers, NewVolume, StackScope, VolumeSpec};

/// Things that an account has, by which attachments are judged.
#[derive(Clone, Debug)]
pub struct Attachable {
    /// Two running hosts in one zone.
    pub hosts: [Ec2InstanceId; 2],
    /// A volume of that zone that nothing has.
    pub volume: String,
    /// An address that nothing has.
    pub ip: String,
    /// A token with which no address was allocated.
    pub token: String,
}

/// Volumes and addresses come, stay, move and go; repeats are successes.
///
/// # Panics
/// With what was broken.
pub async fn attachments_contract<C: Attachments + ?Sized>(
    attachments: &C,
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Attachable,
    settle: Settle<'_>,
) {
    volumes(attachments, inventory, scope, account, settle).await;
    made_volumes(attachments, inventory, scope, account, settle).await;
    addresses(attachments, inventory, scope, account).await;
    allocations(attachments, inventory, scope, account, settle).await;
}

async fn volumes<C: Attachments + ?Sized>(
    attachments: &C,
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Attachable,
    settle: Settle<'_>,
) {
    let ([host, other], volume) = (&account.hosts, &account.volume);
    for _ in 0..2 {
        attachments.attach_volume(scope, volume, host, "/dev/sdi").await.expect("a free volume is attached, and stays so");
    }
    let seen = inventory.volumes(scope, std::slice::from_ref(volume)).await.expect("volumes");
    assert_eq!((seen[0].host.as_ref(), seen[0].device.as_deref()), (Some(host), Some("/dev/sdi")));
    let taken = attachments.attach_volume(scope, volume, other, "/dev/sdi").await;
    assert!(matches!(&taken, Err(CloudError::Wrong { code, .. }) if code == "VolumeInUse"), "{taken:?}");
    let unknown = attachments.attach_volume(scope, "vol-0123456789abcdef0", host, "/dev/sdj").await;
    assert!(matches!(&unknown, Err(CloudError::Wrong { code, .. }) if code == "InvalidVolume.NotFound"), "{unknown:?}");
    attachments.detach_volume(scope, volume, other).await.expect("what a host does not have is not detached from it");
    for _ in 0..2 {
        attachments.detach_volume(scope, volume, host).await.expect("detached");
        settle().await;
    }
    attachments.detach_volume(scope, "vol-0123456789abcdef0", host).await.expect("what is gone is detached");
    let seen = inventory.volumes(scope, std::slice::from_ref(volume)).await.expect("volumes");
    assert_eq!((seen[0].host.as_ref(), seen[0].state.as_str()), (None, "available"));
    attachments.attach_volume(scope, volume, other, "/dev/sdi").await.expect("and free for another host");
}

/// One token is one volume, which is what was asked for and free to be attached.
async fn made_volumes<C: Attachments + ?Sized>(
    attachments: &C,
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Attachable,
    settle: Settle<'_>,
) {
    let of_host = inventory.volumes(scope, std::slice::from_ref(&account.volume)).await.expect("volumes");
    let spec = |size, volume_type: &str, iops, encrypted| VolumeSpec {
        mount_point: "/data".to_owned(),
        size,
        volume_type: volume_type.to_owned(),
        iops,
        encrypted,
        device: String::new(),
    };
    let new = |n: usize, volume| NewVolume {
        token: format!("{}/volume-{n}", account.token),
        instance_id: "record-1".into(),
        hostname: "web1".to_owned(),
        availability_zone: of_host[0].zone.clone(),
        volume,
    };
    for (n, volume) in [spec(20, "gp3", None, true), spec(30, "io1", Some(300), false)].into_iter().enumerate() {
        let new = new(n, volume);
        let id = attachments.make_volume(scope, &new).await.expect("a volume is made");
        assert_eq!(attachments.make_volume(scope, &new).await.expect("a repeat is accepted"), id, "one token is one volume");
        settle().await;
        assert_eq!(attachments.make_volume(scope, &new).await.expect("and a late one"), id);
        let other = NewVolume { volume: VolumeSpec { size: 40, ..new.volume.clone() }, ..new.clone() };
        assert_eq!(attachments.make_volume(scope, &other).await.expect("whatever it asks for"), id);
        let seen = inventory.volumes(scope, std::slice::from_ref(&id)).await.expect("volumes");
        let shown = (seen[0].size, seen[0].volume_type.as_str(), seen[0].encrypted, seen[0].zone.as_str());
        assert_eq!(shown, (new.volume.size, new.volume.volume_type.as_str(), new.volume.encrypted, of_host[0].zone.as_str()));
        assert!(new.volume.iops.is_none() || seen[0].iops == new.volume.iops, "{seen:?}");
        assert_eq!((seen[0].host.as_ref(), seen[0].name.as_deref()), (None, Some("Created for web1")));
        let device = format!("/dev/sd{}", ['x', 'y'][n]);
        attachments.attach_volume(scope, &id, &account.hosts[0], &device).await.expect("it is free");
    }
}

async fn addresses<C: Attachments + ?Sized>(
    attachments: &C,
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Attachable,
) {
    let ([host, other], ip) = (&account.hosts, &account.ip);
    let at = async || {
        let seen = inventory.addresses(scope, std::slice::from_ref(ip)).await.expect("addresses");
        seen[0].host.clone()
    };
    for _ in 0..2 {
        attachments.associate_address(scope, ip, host).await.expect("a free address is associated, and stays so");
    }
    assert_eq!(at().await.as_ref(), Some(host));
    attachments.associate_address(scope, ip, other).await.expect("it moves");
    assert_eq!(at().await.as_ref(), Some(other));
    attachments.disassociate_address(scope, ip, host).await.expect("a host loses nothing that it does not have");
    assert_eq!(at().await.as_ref(), Some(other), "nor does the one that has it");
    for _ in 0..2 {
        attachments.disassociate_address(scope, ip, other).await.expect("taken away");
    }
    assert_eq!(at().await, None);
    let unknown = attachments.associate_address(scope, "198.51.100.7", host).await;
    assert!(matches!(unknown, Err(CloudError::Wrong { .. })), "{unknown:?}");
    attachments.disassociate_address(scope, "198.51.100.7", host).await.expect("what is gone is not there");
}

async fn allocations<C: Attachments + ?Sized>(
    attachments: &C,
    inventory: &dyn Inventory,
    scope: &StackScope,
    account: &Attachable,
    settle: Settle<'_>,
) {
    let token = account.token.as_str();
    assert!(attachments.allocated_for(scope, token).await.expect("asked").is_empty());
    let ip = attachments.allocate_address(scope, token).await.expect("an address");
    settle().await;
    assert_eq!(attachments.allocated_for(scope, token).await.expect("asked"), [ip.as_str()]);
    assert!(attachments.allocated_for(scope, "another-token").await.expect("asked").is_empty());
    attachments.associate_address(scope, &ip, &account.hosts[0]).await.expect("associated");
    let in_use = attachments.release_address(scope, &ip).await;
    assert!(matches!(in_use, Err(CloudError::RetryLater { .. })), "{in_use:?}");
    attachments.disassociate_address(scope, &ip, &account.hosts[0]).await.expect("taken away");
    for _ in 0..2 {
        attachments.release_address(scope, &ip).await.expect("released, and gone");
    }
    assert!(inventory.addresses(scope, &[ip]).await.expect("addresses").is_empty());
}

/// Where a server that stands in for ELB differs from it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BalancersDiffer {
    /// It registers ids of hosts that are not there.
    pub takes_any_host: bool,
    /// It fails inside, with a 500, when the load balancer is not there, instead of saying so.
    pub fails_without_balancer: bool,
}

/// Hosts of a balancer come and go; repeats are successes, and one bad host spoils no other.
///
/// # Panics
/// With what was broken.
pub async fn balanced_hosts_contract(
    load_balancers: &dyn LoadBalancers,
    scope: &StackScope,
    balancer: &str,
    hosts: &[Ec2InstanceId; 2],
    differences: BalancersDiffer,
) {
    let unknown = Ec2InstanceId::from("i-0123456789abcdef0");
    let registered = async || {
        let mut found = load_balancers.hosts(scope, balancer, &[]).await.expect("asked").expect("it is there").registered;
        found.sort();
        // A stand-in for ELB may count a repeat.
        found.dedup();
        found
    };
    assert!(registered().await.is_empty());
    let asked = [unknown.clone(), hosts[0].clone(), hosts[1].clone()];
    for _ in 0..2 {
        let results = load_balancers.register(scope, balancer, &asked).await.expect("a batch reports per host");
        for item in &results {
            assert_eq!(item.result.is_ok(), item.id != unknown || differences.takes_any_host, "{item:?}");
        }
        assert_eq!(results.len(), 3);
    }
    let mut both = hosts.to_vec();
    both.extend(differences.takes_any_host.then_some(unknown.clone()));
    both.sort();
    assert_eq!(registered().await, both);
    for _ in 0..2 {
        let results = load_balancers.deregister(scope, balancer, &[unknown.clone(), hosts[0].clone()]).await.expect("a batch");
        assert!(results.iter().all(|item| item.result.is_ok()) && results.len() == 2, "{results:?}");
    }
    assert_eq!(registered().await, [hosts[1].clone()]);
    let seen = load_balancers.hosts(scope, balancer, hosts).await.expect("asked").expect("it is there");
    assert!(!seen.draining.contains(&hosts[1]), "what is registered does not drain");
    assert!(!load_balancers.drain_time(scope, balancer).await.expect("asked").is_negative());
    let gone = if balancer.starts_with("arn:") { format!("{balancer}0") } else { "no-such-balancer".to_owned() };
    absent_balancer(load_balancers, scope, &gone, &hosts[0], differences).await;
}

async fn absent_balancer(
    load_balancers: &dyn LoadBalancers,
    scope: &StackScope,
    gone: &str,
    host: &Ec2InstanceId,
    differences: BalancersDiffer,
) {
    let host = std::slice::from_ref(host);
    assert_eq!(load_balancers.hosts(scope, gone, host).await.expect("asked"), None);
    let registered = load_balancers.register(scope, gone, host).await;
    if differences.fails_without_balancer {
        assert!(registered.is_err(), "{registered:?}");
        return;
    }
    assert!(matches!(registered, Err(CloudError::Wrong { .. })), "{registered:?}");
    assert!(load_balancers.deregister(scope, gone, host).await.expect("nothing is left in it")[0].result.is_ok());
    assert!(load_balancers.drain_time(scope, gone).await.expect("asked").is_zero());
}
