//! What the account has, against a server that speaks EC2's protocol and against recorded answers.

mod support;

use aws_sdk_ec2::types::{BlockDeviceMapping, DomainType, EbsBlockDevice, Filter, VolumeType};
use strata_aws::Base;
use strata_aws::inventory::{Ec2Inventory, USES};
use strata_ports::contract::account::{Account, InventoryDifferences, inventory_contract};
use strata_ports::inventory::Platform;
use strata_ports::{Ec2State, Inventory};
use support::canned::{Answer, Canned, assumed, ec2};

/// moto knows no SSM agents; what their answers come to is shown by recorded ones below.
const MOTO: InventoryDifferences = InventoryDifferences { without_ssm_agents: true };
/// An image that the server has from the beginning.
const IMAGE: (&str, &str) = ("ami-04681a1dbd79675a5", "amzn2-ami-hvm-2.0.20180810-x86_64-gp2");

/// Some of everything that stacks refer to, under names that end with `suffix`.
async fn account(base: &Base, suffix: &str) -> Account {
    let raw = aws_sdk_ec2::Client::new(&base.own("EC2"));
    let default = Filter::builder().name("is-default").values("true").build();
    let default = raw.describe_vpcs().filters(default).send().await.expect("the server answers").vpcs()[0]
        .vpc_id()
        .expect("the server answers")
        .to_owned();
    let other = raw.create_vpc().cidr_block("10.9.0.0/16").send().await.expect("the server answers");
    let group = raw
        .create_security_group()
        .group_name(format!("g{suffix}"))
        .description("d")
        .vpc_id(&default)
        .send()
        .await
        .expect("the server answers");
    let key_pair = format!("key{suffix}");
    raw.create_key_pair().key_name(&key_pair).send().await.expect("the server answers");
    let volume = raw
        .create_volume()
        .availability_zone("us-east-1a")
        .size(10)
        .volume_type(VolumeType::Gp2)
        .send()
        .await
        .expect("the server answers");
    let address = async || raw.allocate_address().domain(DomainType::Vpc).send().await.expect("the server answers");
    // Left to itself the server calls the root volume's device otherwise than the image's root device.
    let root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(EbsBlockDevice::builder().volume_size(8).build());
    let launch = raw.run_instances().image_id(IMAGE.0).min_count(1).max_count(1).block_device_mappings(root.build());
    let host = launch.send().await.expect("the server answers");
    let host = host.instances()[0].instance_id().expect("the server answers").to_owned();
    let (free, taken) = (address().await, address().await);
    raw.associate_address()
        .allocation_id(taken.allocation_id().expect("the server answers"))
        .instance_id(&host)
        .send()
        .await
        .expect("the server answers");
    Account {
        vpcs: [default, other.vpc().expect("the server answers").vpc_id().expect("the server answers").to_owned()],
        group: group.group_id().expect("the server answers").to_owned(),
        key_pair,
        image: (IMAGE.0.to_owned(), IMAGE.1.to_owned()),
        volume: volume.volume_id().expect("the server answers").to_owned(),
        ip: free.public_ip().expect("the server answers").to_owned(),
        host: host.into(),
        ip_of_host: taken.public_ip().expect("the server answers").to_owned(),
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    let account = account(&base, "-contract").await;
    inventory_contract(&Ec2Inventory::new(&base), &support::scope(), &account, &MOTO).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    let account = account(&base, "-uses").await;
    let (inventory, scope) = (Ec2Inventory::new(&base), support::scope());
    base.log().take();
    inventory.vpc(&scope, None).await.unwrap();
    support::check_uses(&base, USES, "vpc");
    inventory.security_groups(&scope, &[account.group]).await.unwrap();
    support::check_uses(&base, USES, "security_groups");
    inventory.key_pairs(&scope, &[account.key_pair]).await.unwrap();
    support::check_uses(&base, USES, "key_pairs");
    inventory.images(&scope, &[account.image.0]).await.unwrap();
    support::check_uses(&base, USES, "images");
    let volumes = inventory.volumes_of(&scope, &account.host).await.unwrap();
    support::check_uses(&base, USES, "volumes_of");
    assert!(volumes[0].is_root && volumes[0].host.as_ref() == Some(&account.host), "{volumes:?}");
    inventory.volumes(&scope, &[volumes[0].id.clone()]).await.unwrap();
    support::check_uses(&base, USES, "volumes");
    inventory.addresses(&scope, &[account.ip]).await.unwrap();
    support::check_uses(&base, USES, "addresses");
    inventory.addresses_of(&scope, &account.host).await.unwrap();
    support::check_uses(&base, USES, "addresses_of");
}

/// [REG-6]: what registration asks of a machine, EC2 and SSM together.
#[tokio::test]
async fn reg_6_a_host_is_told_with_what_its_ssm_agent_says() {
    let host = |id: &str, more: &str| {
        format!(
            "<item><instanceId>{id}</instanceId><instanceState><code>16</code><name>running</name></instanceState>\
             <vpcId>vpc-1</vpcId><subnetId>subnet-1</subnetId><placement><availabilityZone>us-east-1b</availabilityZone></placement>\
             <instanceType>m5.large</instanceType><architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType>\
             <imageId>ami-1</imageId>{more}</item>"
        )
    };
    let spot = "<instanceLifecycle>spot</instanceLifecycle><keyName>ops</keyName><tagSet><item><key>aws:autoscaling:groupName</key>\
                <value>fleet</value></item><item><key>strata:installation</key><value>prod</value></item></tagSet>";
    let hosts = host("i-agent", "<privateIpAddress>10.0.0.1</privateIpAddress>") + &host("i-silent", spot);
    let canned = Canned::new(move |call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeInstances" => {
            assert_eq!(call.filter("instance-id"), ["i-agent", "i-gone", "i-silent"]);
            let set = format!("<reservationSet><item><instancesSet>{hosts}</instancesSet></item></reservationSet>");
            ec2("DescribeInstances", &set)
        }
        "DescribeInstanceInformation" => {
            let asked: serde_json::Value = serde_json::from_str(call.get("json").unwrap()).unwrap();
            assert_eq!(asked["Filters"][0]["Values"], serde_json::json!(["i-agent", "i-silent"]), "only those that are there");
            let agent = serde_json::json!({
                "InstanceId": "i-agent", "PlatformName": "Amazon Linux", "PlatformVersion": "2023", "PingStatus": "Online"
            });
            Answer::Http(200, serde_json::json!({ "InstanceInformationList": [agent] }).to_string())
        }
        other => panic!("{other}"),
    });
    let base = canned.base();
    let asked = ["i-agent", "i-silent", "i-gone"].map(Into::into);
    let found = Ec2Inventory::new(&base).hosts(&support::scope(), &asked).await.unwrap();
    support::check_uses(&base, USES, "hosts");
    let [agent, silent] = &found[..] else { panic!("{found:?}") };
    assert_eq!(agent.platform, Some(Platform { name: "Amazon Linux".to_owned(), version: "2023".to_owned() }));
    assert_eq!((agent.state, agent.zone.as_str(), agent.is_spot), (Ec2State::Running, "us-east-1b", false));
    assert_eq!((agent.private_ip.as_deref(), &agent.auto_scaling_group), (Some("10.0.0.1"), &None));
    assert_eq!((&silent.platform, silent.is_spot, silent.key_name.as_deref()), (&None, true, Some("ops")));
    assert_eq!((silent.auto_scaling_group.as_deref(), silent.installation.as_deref()), (Some("fleet"), Some("prod")));
    assert_eq!(agent.installation, None);
}
