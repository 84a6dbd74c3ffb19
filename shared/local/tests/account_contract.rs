//! The simulated account keeps the contracts of Inventory and LoadBalancers.

use std::pin::Pin;
use std::sync::Arc;

use jiff::SignedDuration;
use strata_domain::StackId;
use strata_local::cloud::{CloudConfig, OwnHost, SimCloud, TargetGroup, Vpc};
use strata_local::{VirtualClock, virtual_runtime};
use strata_ports::contract::account::{Account, InventoryDifferences};
use strata_ports::contract::attachments::{Attachable, BalancersDiffer};
use strata_ports::contract::{attachments_contract, balanced_hosts_contract, inventory_contract, load_balancers_contract};
use strata_ports::{StackScope, SubnetView};

#[test]
fn the_simulated_account_keeps_the_contracts_of_its_ports() {
    virtual_runtime().expect("a runtime").block_on(async {
        let clock = Arc::new(VirtualClock::new("2026-03-01T00:00:00Z".parse().expect("a literal time")));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        let scope = StackScope {
            stack_id: StackId::from("stack"),
            region: "us-east-1".to_owned(),
            service_role_arn: "arn:aws:iam::123456789012:role/aws-opsworks-service-role".to_owned(),
        };
        inventory_contract(&*cloud, &scope, &account(&cloud), &InventoryDifferences::default()).await;
        cloud.add_load_balancer("shop");
        load_balancers_contract(&*cloud, &scope, "shop").await;
        let hosts = [(); 2].map(|()| cloud.add_host(OwnHost::default()));
        balanced_hosts_contract(&*cloud, &scope, "shop", &hosts, BalancersDiffer::default()).await;
        let group = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef";
        cloud.put_target_group(group, TargetGroup::default());
        balanced_hosts_contract(&*cloud, &scope, group, &hosts, BalancersDiffer::default()).await;
        let attachable = Attachable {
            hosts,
            volume: cloud.add_volume("us-east-1a", 10, "gp2"),
            ip: cloud.add_address(),
            token: "record-1/0".to_owned(),
        };
        let settle = || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let clock = clock.clone();
            Box::pin(async move { clock.sleep(SignedDuration::from_secs(30)).await })
        };
        attachments_contract(&*cloud, &*cloud, &scope, &attachable, &settle).await;
    });
}

/// Some of everything that stacks refer to.
fn account(cloud: &SimCloud) -> Account {
    let default = cloud.default_vpc().expect("there is a default VPC");
    let subnets = |of: &[SubnetView]| of.iter().map(|s| (s.id.clone(), s.zone.clone())).collect();
    cloud.add_vpc(Vpc { id: default.id.clone(), is_default: true, subnets: subnets(&default.subnets) });
    cloud.add_vpc(Vpc { id: "vpc-other".to_owned(), is_default: false, subnets: Vec::new() });
    cloud.add_security_group("sg-1", &default.id);
    cloud.add_key_pair("ops");
    cloud.add_image("ami-1", "our image", None);
    let host = cloud.add_host(OwnHost::default());
    let ip_of_host = cloud.add_address();
    cloud.associate_address(&ip_of_host, Some(&host));
    Account {
        vpcs: [default.id, "vpc-other".to_owned()],
        group: "sg-1".to_owned(),
        key_pair: "ops".to_owned(),
        image: ("ami-1".to_owned(), "our image".to_owned()),
        volume: cloud.add_volume("us-east-1a", 10, "gp2"),
        ip: cloud.add_address(),
        host,
        ip_of_host,
    }
}
