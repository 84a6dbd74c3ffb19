//! Machines against a server that speaks EC2's protocol.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use std::collections::BTreeSet;
use std::future::ready;

use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, SecurityGroupRule, UserIdGroupPair};
use strata_aws::Base;
use strata_aws::compute::{Ec2Compute, USES};
use strata_domain::model::{BlockDeviceMapping, EbsBlockDevice};
use strata_domain::security_groups::{CUSTOM_SERVER, DEFAULT_SERVER, ECS_CLUSTER, GroupRule, standard};
use strata_ports::contract::cloud::{compute_contract_of, launch};
use strata_ports::contract::security_groups_contract;
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
    compute.scheduled_events(&scope).await.unwrap();
    support::check_uses(&base, USES, "scheduled_events");
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

/// The rules of a group, as EC2 numbers them.
async fn shown(raw: &aws_sdk_ec2::Client, id: &str) -> BTreeSet<GroupRule> {
    let of_group = Filter::builder().name("group-id").values(id).build();
    let seen = raw.describe_security_group_rules().filters(of_group).send().await.unwrap();
    let rule = |rule: &SecurityGroupRule| GroupRule {
        egress: rule.is_egress().unwrap(),
        protocol: rule.ip_protocol().unwrap().to_owned(),
        ports: (rule.from_port().unwrap(), rule.to_port().unwrap()),
        peer: rule.cidr_ipv4().or_else(|| rule.referenced_group_info()?.group_id()).unwrap().to_owned(),
    };
    seen.security_group_rules().iter().map(rule).collect()
}

fn of_cidr(rule: &GroupRule) -> IpPermission {
    let ports = (rule.protocol != "-1").then_some(rule.ports);
    let permission = IpPermission::builder().ip_protocol(&rule.protocol);
    let permission = permission.set_from_port(ports.map(|p| p.0)).set_to_port(ports.map(|p| p.1));
    match rule.peer.starts_with("sg-") {
        true => permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(&rule.peer).build()).build(),
        false => permission.ip_ranges(IpRange::builder().cidr_ip(&rule.peer).build()).build(),
    }
}

/// Somebody with a console edits a group.
async fn edit(raw: &aws_sdk_ec2::Client, id: &str, added: &GroupRule, taken: &GroupRule) {
    let (added, taken, egress) = (of_cidr(added), of_cidr(taken), taken.egress);
    match egress {
        true => {
            raw.authorize_security_group_egress().group_id(id).ip_permissions(added).send().await.unwrap();
            raw.revoke_security_group_egress().group_id(id).ip_permissions(taken).send().await.unwrap();
        }
        false => {
            raw.authorize_security_group_ingress().group_id(id).ip_permissions(added).send().await.unwrap();
            raw.revoke_security_group_ingress().group_id(id).ip_permissions(taken).send().await.unwrap();
        }
    }
}

async fn new_vpc(raw: &aws_sdk_ec2::Client) -> String {
    let vpc = raw.create_vpc().cidr_block("10.99.0.0/16").send().await.unwrap().vpc.unwrap();
    vpc.vpc_id().unwrap().to_owned()
}

/// [SG-1] [SG-3] [SG-8] [ECS-58] The contract of the built-in groups: made once with the standard rules, and overwritten when that is asked for.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn sg_8_built_in_groups_are_made_once_and_edits_are_overwritten() {
    let base = support::base(&[]);
    let (compute, raw, scope) = (Ec2Compute::new(&base), ec2(&base), support::scope());
    let vpc = new_vpc(&raw).await;
    let shown = async |id: &str| shown(&raw, id).await;
    let edit = async |id: &str, added: &GroupRule, taken: &GroupRule| edit(&raw, id, added, taken).await;
    security_groups_contract(&compute, &scope, &vpc, shown, edit).await;
}

/// A group of a built-in one's name that somebody else has made is used and never changed.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn somebody_elses_group_is_left_as_it_is() {
    let base = support::base(&[]);
    let (compute, raw, scope) = (Ec2Compute::new(&base), ec2(&base), support::scope());
    let vpc = new_vpc(&raw).await;
    let theirs = raw.create_security_group().group_name(DEFAULT_SERVER).vpc_id(&vpc).description("theirs").send().await.unwrap();
    let theirs = theirs.group_id().unwrap();
    let before = shown(&raw, theirs).await;
    let groups = compute.ensure_groups(&scope, &vpc).await.unwrap();
    assert_eq!(groups[DEFAULT_SERVER], theirs);
    let reset = compute.reset_groups(&scope, &vpc).await.unwrap();
    assert_eq!((reset.foreign.as_slice(), reset.changed.len()), (&[DEFAULT_SERVER.to_owned()][..], 0));
    assert_eq!(shown(&raw, theirs).await, before);
    assert!(shown(&raw, &groups[CUSTOM_SERVER]).await.iter().any(|rule| rule.peer == theirs), "ours let it in all the same");
}

/// [SG-1] One that somebody deleted is made again, and the others trust the new one.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn sg_1_built_in_groups_are_made_again_when_one_is_missing() {
    let base = support::base(&[]);
    let (compute, raw, scope) = (Ec2Compute::new(&base), ec2(&base), support::scope());
    let vpc = new_vpc(&raw).await;
    base.log().take();
    let made = compute.ensure_groups(&scope, &vpc).await.unwrap();
    support::check_uses(&base, USES, "ensure_groups");
    let ecs = &made[ECS_CLUSTER];
    for id in made.values() {
        let mine = raw.describe_security_groups().group_ids(id).send().await.unwrap();
        assert!(mine.security_groups()[0].tags().iter().any(|t| t.key() == Some("strata:installation")));
        let open = mine.security_groups()[0].ip_permissions().to_vec();
        raw.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(open)).send().await.unwrap();
    }
    raw.delete_security_group().group_id(ecs).send().await.unwrap();
    let server = &made[DEFAULT_SERVER];
    raw.revoke_security_group_egress().group_id(server).ip_permissions(of_cidr(&out())).send().await.unwrap();
    let extra = GroupRule { ports: (22, 22), protocol: "tcp".to_owned(), peer: "192.0.2.0/24".to_owned(), ..out() };
    raw.authorize_security_group_egress().group_id(server).ip_permissions(of_cidr(&extra)).send().await.unwrap();
    let extra = of_cidr(&GroupRule { egress: false, ..extra });
    raw.authorize_security_group_ingress().group_id(server).ip_permissions(extra).send().await.unwrap();
    base.log().take();
    compute.reset_groups(&scope, &vpc).await.unwrap();
    support::check_uses(&base, USES, "reset_groups");
    let again = compute.ensure_groups(&scope, &vpc).await.unwrap();
    assert_ne!(&again[ECS_CLUSTER], ecs);
    assert_eq!(shown(&raw, server).await, standard(again.values()));
}

fn out() -> GroupRule {
    GroupRule { egress: true, protocol: "-1".to_owned(), ports: (-1, -1), peer: "0.0.0.0/0".to_owned() }
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
