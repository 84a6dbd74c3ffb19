//! Volumes and addresses of machines, against a server that speaks EC2's protocol and against recorded answers.

mod support;

use std::future::ready;

use aws_sdk_ec2::types::{DomainType, VolumeType};
use strata_aws::Base;
use strata_aws::attachments::{Ec2Attachments, USES};
use strata_aws::inventory::Ec2Inventory;
use strata_ports::contract::attachments::Attachable;
use strata_ports::contract::attachments_contract;
use strata_ports::{Attachments, CloudError, NewVolume, VolumeSpec};
use support::canned::{Canned, assumed, ec2, ec2_error};

/// An image that the server has from the beginning.
const IMAGE: &str = "ami-04681a1dbd79675a5";

/// Two machines, a volume and an address.
async fn attachable(base: &Base, token: &str) -> Attachable {
    let raw = aws_sdk_ec2::Client::new(&base.own("EC2"));
    let launched = raw.run_instances().image_id(IMAGE).min_count(2).max_count(2).send().await.expect("the server answers");
    let hosts: Vec<_> = launched.instances().iter().map(|i| i.instance_id().expect("an id").into()).collect();
    let zone = launched.instances()[0].placement().and_then(|p| p.availability_zone()).expect("a zone");
    let volume = raw.create_volume().availability_zone(zone).size(10).volume_type(VolumeType::Gp2);
    let volume = volume.send().await.expect("the server answers");
    let address = raw.allocate_address().domain(DomainType::Vpc).send().await.expect("the server answers");
    Attachable {
        hosts: hosts.try_into().expect("two"),
        volume: volume.volume_id().expect("an id").to_owned(),
        ip: address.public_ip().expect("an address").to_owned(),
        token: token.to_owned(),
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    // Its states change at once.
    let settle = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(ready(())) };
    let account = attachable(&base, "record-contract/0").await;
    let inventory = Ec2Inventory::new(&base);
    attachments_contract(&Ec2Attachments::new(&base), &inventory, &support::scope(), &account, &settle).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    let Attachable { hosts: [host, _], volume, ip, token } = attachable(&base, "record-uses/0").await;
    let (attachments, scope) = (Ec2Attachments::new(&base), support::scope());
    base.log().take();
    attachments.attach_volume(&scope, &volume, &host, "/dev/sdi").await.unwrap();
    support::check_uses(&base, USES, "attach_volume");
    let spec = VolumeSpec {
        mount_point: "/data".to_owned(),
        size: 10,
        volume_type: "gp3".to_owned(),
        iops: None,
        encrypted: true,
        device: String::new(),
    };
    let (record, zone) = ("record-uses".into(), "us-east-1a".to_owned());
    let hostname = "web1".to_owned();
    let new =
        NewVolume { token: "record-uses/vol-1".to_owned(), instance_id: record, hostname, availability_zone: zone, volume: spec };
    attachments.make_volume(&scope, &new).await.unwrap();
    support::check_uses(&base, USES, "make_volume");
    attachments.detach_volume(&scope, &volume, &host).await.unwrap();
    support::check_uses(&base, USES, "detach_volume");
    attachments.associate_address(&scope, &ip, &host).await.unwrap();
    support::check_uses(&base, USES, "associate_address");
    attachments.disassociate_address(&scope, &ip, &host).await.unwrap();
    support::check_uses(&base, USES, "disassociate_address");
    attachments.allocated_for(&scope, &token).await.unwrap();
    support::check_uses(&base, USES, "allocated_for");
    attachments.allocate_address(&scope, &token).await.unwrap();
    support::check_uses(&base, USES, "allocate_address");
    attachments.release_address(&scope, &ip).await.unwrap();
    support::check_uses(&base, USES, "release_address");
}

fn one_volume(attachment: &str) -> String {
    format!(
        "<volumeSet><item><volumeId>vol-1</volumeId><status>in-use</status><attachmentSet><item>{attachment}</item></attachmentSet>\
         </item></volumeSet>"
    )
}

/// A volume that leaves another machine is for later; one that stays there is not to be had.
#[tokio::test]
async fn a_volume_elsewhere_is_for_later_only_while_it_leaves() {
    for (state, is_for_later) in [("detaching", true), ("attached", false), ("attaching", false), ("busy", false)] {
        let canned = Canned::new(move |call| match call.operation.as_str() {
            "AssumeRole" => assumed(),
            "DescribeVolumes" => {
                ec2("DescribeVolumes", &one_volume(&format!("<instanceId>i-other</instanceId><status>{state}</status>")))
            }
            other => panic!("{other}"),
        });
        let base = canned.base();
        let attached = Ec2Attachments::new(&base).attach_volume(&support::scope(), "vol-1", &"i-1".into(), "/dev/sdi").await;
        match attached {
            Err(CloudError::RetryLater { .. }) => assert!(is_for_later, "{state}"),
            Err(CloudError::Wrong { code, .. }) => assert!(!is_for_later && code == "VolumeInUse", "{state}"),
            other => panic!("{state}: {other:?}"),
        }
    }
}

/// Whatever happened between the look and the call, an association is ended only where it was seen.
#[tokio::test]
async fn an_association_that_was_replaced_meanwhile_is_left_alone() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeAddresses" => ec2(
            "DescribeAddresses",
            "<addressesSet><item><publicIp>203.0.113.1</publicIp><allocationId>eipalloc-1</allocationId>\
             <associationId>eipassoc-1</associationId><instanceId>i-1</instanceId></item></addressesSet>",
        ),
        "DisassociateAddress" => {
            assert_eq!(call.get("AssociationId"), Some("eipassoc-1"));
            ec2_error(400, "InvalidAssociationID.NotFound", "The association ID 'eipassoc-1' does not exist")
        }
        other => panic!("{other}"),
    });
    let base = canned.base();
    Ec2Attachments::new(&base).disassociate_address(&support::scope(), "203.0.113.1", &"i-1".into()).await.unwrap();
}
