//! Machines against a server that speaks EC2's protocol.

mod support;

use std::future::ready;

use aws_sdk_ec2::types::Filter;
use strata_aws::Base;
use strata_aws::compute::{Ec2Compute, USES};
use strata_domain::model::{BlockDeviceMapping, EbsBlockDevice};
use strata_ports::contract::cloud::{compute_contract_of, launch};
use strata_ports::{Compute, LaunchSpec, StatusChecks, VolumeSpec};

const ZONE: &str = "us-east-1a";

fn ec2(base: &Base) -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(&base.own("EC2"))
}

/// A launch into the server's default VPC, with a profile that it knows.
async fn spec(base: &Base, record: &str) -> LaunchSpec {
    let in_zone = Filter::builder().name("availability-zone").values(ZONE).build();
    let default = Filter::builder().name("default-for-az").values("true").build();
    let subnets = ec2(base).describe_subnets().filters(in_zone).filters(default).send().await.expect("subnets");
    let name = format!("profile-{record}");
    let profile = aws_sdk_iam::Client::new(&base.own("IAM")).create_instance_profile().instance_profile_name(&name).send().await;
    let profile = profile.expect("a profile").instance_profile.expect("a profile");
    LaunchSpec {
        subnet_id: subnets.subnets()[0].subnet_id().expect("an id").to_owned(),
        instance_profile_arn: profile.arn().to_owned(),
        ..launch(record, ZONE)
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    // Its states change at once.
    let settle = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(ready(())) };
    let spec = spec(&base, "record-contract").await;
    compute_contract_of(&Ec2Compute::new(&base), &support::scope(), &spec, &settle).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    let (compute, scope) = (Ec2Compute::new(&base), support::scope());
    let spec = spec(&base, "record-uses").await;
    base.log().take();
    let host = compute.run_instance(&scope, &spec).await.unwrap();
    support::check_uses(&base, USES, "run_instance");
    let ids = [host.id];
    compute.describe_instances(&scope, &ids, StatusChecks::Asked).await.unwrap();
    support::check_uses(&base, USES, "describe_instances");
    compute.find_by_record(&scope, &[spec.instance_id]).await.unwrap();
    support::check_uses(&base, USES, "find_by_record");
    compute.reboot_instances(&scope, &ids).await.unwrap();
    support::check_uses(&base, USES, "reboot_instances");
    compute.stop_instances(&scope, &ids, false).await.unwrap();
    support::check_uses(&base, USES, "stop_instances");
    compute.set_instance_type(&scope, &ids[0], "c6i.large").await.unwrap();
    support::check_uses(&base, USES, "set_instance_type");
    compute.start_instances(&scope, &ids).await.unwrap();
    support::check_uses(&base, USES, "start_instances");
    compute.find_unnoted(&scope).await.unwrap();
    support::check_uses(&base, USES, "find_unnoted");
    compute.note_running(&scope, &ids).await.unwrap();
    support::check_uses(&base, USES, "note_running");
    compute.terminate_instances(&scope, &ids).await.unwrap();
    support::check_uses(&base, USES, "terminate_instances");
    compute.delete_volumes(&scope, &["vol-0123456789abcdef0".to_owned()]).await.unwrap();
    support::check_uses(&base, USES, "delete_volumes");
}

/// [SG-1] [SG-3] [ECS-58] The built-in groups are made once, each open to all three, and one that somebody deleted is made again.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn sg_1_built_in_groups_are_made_once_for_a_vpc_and_again_when_one_is_missing() {
    let base = support::base(&[]);
    let (compute, raw, scope) = (Ec2Compute::new(&base), ec2(&base), support::scope());
    let vpc = raw.create_vpc().cidr_block("10.99.0.0/16").send().await.unwrap().vpc.unwrap();
    let vpc = vpc.vpc_id().unwrap();
    base.log().take();
    let made = compute.ensure_groups(&scope, vpc).await.unwrap();
    support::check_uses(&base, USES, "ensure_groups");
    assert_eq!(made.keys().map(String::as_str).collect::<Vec<_>>(), strata_domain::security_groups::ALL);
    assert_eq!(compute.ensure_groups(&scope, vpc).await.unwrap(), made, "they are there");
    let rules = async |id: &str| {
        let seen = raw.describe_security_groups().group_ids(id).send().await.unwrap();
        let group = &seen.security_groups()[0];
        assert!(group.tags().iter().any(|t| t.key() == Some("strata:installation")));
        let mut rules: Vec<(String, String)> = Vec::new();
        for open in group.ip_permissions() {
            assert!(open.ip_ranges().is_empty(), "nothing is open to the world");
            let from = open.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
            rules.extend(from.map(|from| (open.ip_protocol().unwrap().to_owned(), from.to_owned())));
        }
        rules.sort_unstable();
        rules
    };
    let mut expected: Vec<(String, String)> =
        ["icmp", "tcp", "udp"].iter().flat_map(|p| made.values().map(|id| ((*p).to_owned(), id.clone()))).collect();
    expected.sort_unstable();
    for id in made.values() {
        assert_eq!(rules(id).await, expected);
    }
    let ecs = &made["AWS-OpsWorks-ECS-Cluster"];
    for id in made.values() {
        let mine = raw.describe_security_groups().group_ids(id).send().await.unwrap();
        let open = mine.security_groups()[0].ip_permissions().to_vec();
        raw.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(open)).send().await.unwrap();
    }
    raw.delete_security_group().group_id(ecs).send().await.unwrap();
    let again = compute.ensure_groups(&scope, vpc).await.unwrap();
    assert_ne!(&again["AWS-OpsWorks-ECS-Cluster"], ecs);
    assert_eq!(rules(&again["AWS-OpsWorks-Default-Server"]).await.len(), 9, "the others trust the new one");
}

/// What a machine is launched with arrives: groups, key, devices, encryption, metadata settings, tags [TAG-9] [EBS-14] [EBS-28].
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn ebs_28_a_launch_is_what_its_spec_says() {
    let base = support::base(&[]);
    let (compute, raw) = (Ec2Compute::new(&base), ec2(&base));
    let mut spec = spec(&base, "record-spec").await;
    let subnet = raw.describe_subnets().subnet_ids(&spec.subnet_id).send().await.unwrap();
    let vpc = subnet.subnets()[0].vpc_id().unwrap();
    let group = raw.create_security_group().group_name("spec").description("spec").vpc_id(vpc).send().await.unwrap();
    spec.security_group_ids = vec![group.group_id().unwrap().to_owned()];
    raw.create_key_pair().key_name("spec-key").send().await.unwrap();
    spec.key_name = Some("spec-key".to_owned());
    let root = EbsBlockDevice { volume_size: Some(33), ..EbsBlockDevice::default() };
    spec.block_devices =
        vec![BlockDeviceMapping { device_name: "ROOT_DEVICE".to_owned(), ebs: Some(root), virtual_name: None, no_device: None }];
    spec.volumes = vec![VolumeSpec {
        mount_point: "/data".to_owned(),
        size: 12,
        volume_type: "gp3".to_owned(),
        iops: None,
        encrypted: true,
        device: "/dev/sdi".to_owned(),
    }];
    spec.layers = vec![("ecs-cluster".to_owned(), "Web".to_owned())];
    let host = compute.run_instance(&support::scope(), &spec).await.unwrap();

    let seen = raw.describe_instances().instance_ids(host.id.as_str()).send().await.unwrap();
    let seen = &seen.reservations()[0].instances()[0];
    assert_eq!(seen.network_interfaces()[0].groups()[0].group_id(), group.group_id());
    assert_eq!((seen.key_name(), seen.subnet_id()), (Some("spec-key"), Some(spec.subnet_id.as_str())));
    assert_eq!(seen.metadata_options().unwrap().http_tokens().unwrap().as_str(), "required");
    let tag = |key: &str| seen.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    assert_eq!(tag("Name"), Some("contract - record-spec"));
    assert_eq!((tag("opsworks:layer:ecs-cluster"), tag("strata:installation")), (Some("Web"), Some("strata")));
    let of_host = Filter::builder().name("attachment.instance-id").values(host.id.as_str()).build();
    let volumes = raw.describe_volumes().filters(of_host).send().await.unwrap();
    let mut shown: Vec<_> = volumes
        .volumes()
        .iter()
        .map(|v| {
            let device = v.attachments()[0].device().unwrap();
            let mapping = seen.block_device_mappings().iter().find(|m| m.device_name() == Some(device)).unwrap();
            let goes = mapping.ebs().unwrap().delete_on_termination().unwrap();
            (device, v.size().unwrap(), v.encrypted().unwrap(), goes)
        })
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [("/dev/sdi", 12, true, false), ("/dev/xvda", 33, true, true)]);
    assert!(volumes.volumes().iter().all(|v| v.tags().iter().any(|t| t.key() == Some("strata:instance"))));
}
