//! Launch templates against a server that speaks EC2's protocol.

mod support;

use aws_sdk_ec2::types::{LaunchTemplateSpecification, LaunchTemplateVersion, RequestLaunchTemplateData};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use strata_aws::Base;
use strata_aws::upkeep::{Ec2Upkeep, USES};
use strata_domain::break_glass::user_data;
use strata_ports::contract::cloud::launch;
use strata_ports::contract::{tags_contract, templates_contract};
use strata_ports::{LaunchSpec, TemplateSpec, Upkeep};

/// An image that the server has from the beginning.
const IMAGE: &str = "ami-04681a1dbd79675a5";

fn ec2(base: &Base) -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(&base.own("EC2"))
}

fn spec(name: &str) -> TemplateSpec {
    let cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/shop".into();
    TemplateSpec {
        name: name.to_owned(),
        layer_id: "00000000-0000-4000-8000-000000000002".into(),
        machine: launch("break-glass", ""),
        user_data: user_data(&cluster).expect("a cluster's ARN"),
        fingerprint: "a1b2".to_owned(),
    }
}

async fn default_version(base: &Base, name: &str) -> Option<LaunchTemplateVersion> {
    let seen = ec2(base).describe_launch_template_versions().launch_template_name(name).versions("$Default").send().await;
    seen.ok()?.launch_template_versions.unwrap_or_default().into_iter().next()
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    let data = RequestLaunchTemplateData::builder().image_id(IMAGE).build();
    ec2(&base).create_launch_template().launch_template_name("theirs").launch_template_data(data).send().await.unwrap();
    let shown = async |name: &str| {
        let found = default_version(&base, name).await?;
        let templates = ec2(&base).describe_launch_templates().launch_template_names(name).send().await.unwrap();
        let versions = templates.launch_templates()[0].latest_version_number().unwrap();
        Some((found.version_description().unwrap_or_default().to_owned(), versions.try_into().unwrap()))
    };
    templates_contract(&Ec2Upkeep::new(&base), &support::scope(), &spec("strata-contract"), "theirs", shown).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    let (upkeep, scope) = (Ec2Upkeep::new(&base), support::scope());
    base.log().take();
    let mut spec = spec("strata-uses");
    upkeep.put_template(&scope, &spec).await.unwrap();
    spec.fingerprint = "c3d4".to_owned();
    upkeep.put_template(&scope, &spec).await.unwrap();
    support::check_uses(&base, USES, "put_template");
    upkeep.delete_template(&scope, &spec.name).await.unwrap();
    support::check_uses(&base, USES, "delete_template");
    upkeep.break_glass_hosts(&scope).await.unwrap();
    support::check_uses(&base, USES, "break_glass_hosts");
    upkeep.tags(&scope, &["i-0123456789abcdef0".to_owned()]).await.unwrap();
    support::check_uses(&base, USES, "tags");
    let volume = ec2(&base).create_volume().availability_zone("us-east-1a").size(1).send().await.unwrap().volume_id.unwrap();
    let (set, unset) = ([("a".to_owned(), "1".to_owned())].into(), ["b".to_owned()].into());
    base.log().take();
    upkeep.change_tags(&scope, &[volume], &set, &unset).await.unwrap();
    support::check_uses(&base, USES, "change_tags");
}

/// `aws ec2 run-instances --launch-template LaunchTemplateName=...` with a subnet, and what the machine is then.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_machine_is_launched_from_the_template_by_its_name_and_found_by_its_tag() {
    let base = support::base(&[("STRATA_INSTALLATION", "by-hand")]);
    let (upkeep, raw, scope) = (Ec2Upkeep::new(&base), ec2(&base), support::scope());
    let subnet = raw.describe_subnets().send().await.unwrap().subnets()[0].clone();
    let group = raw.create_security_group().group_name("by-hand").description("x").set_vpc_id(subnet.vpc_id.clone());
    let group = group.send().await.unwrap().group_id.unwrap();
    let machine = LaunchSpec {
        ami_id: Some(IMAGE.to_owned()),
        security_group_ids: vec![group.clone()],
        instance_profile_arn: String::new(),
        layers: vec![("ecs-cluster".to_owned(), "Web".to_owned())],
        ..launch("break-glass", "")
    };
    let spec = TemplateSpec { machine, ..spec("strata-by-hand") };
    upkeep.put_template(&scope, &spec).await.unwrap();

    let version = default_version(&base, &spec.name).await.unwrap();
    let data = version.launch_template_data().unwrap();
    let options = data.metadata_options().unwrap();
    assert_eq!(options.http_tokens().unwrap().as_str(), "required");
    let root = data.block_device_mappings()[0].ebs().unwrap();
    assert_eq!((root.encrypted(), root.delete_on_termination()), (Some(true), Some(true)));
    let kept = BASE64_STANDARD.decode(data.user_data().unwrap()).unwrap();
    assert_eq!(String::from_utf8(kept).unwrap(), spec.user_data);

    let template = LaunchTemplateSpecification::builder().launch_template_name(&spec.name).build();
    let request = raw.run_instances().launch_template(template).min_count(1).max_count(1);
    let launched = request.set_subnet_id(subnet.subnet_id.clone()).send().await.unwrap();
    let host = launched.instances()[0].instance_id().unwrap().to_owned();
    let seen = raw.describe_instances().instance_ids(&host).send().await.unwrap();
    let seen = &seen.reservations()[0].instances()[0];
    assert_eq!((seen.image_id(), seen.subnet_id()), (Some(IMAGE), subnet.subnet_id()));
    assert_eq!(seen.instance_type().unwrap().as_str(), spec.machine.instance_type);
    let tag = |key: &str| seen.tags().iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    assert_eq!(tag("strata:break-glass"), Some(spec.layer_id.as_str()));
    assert_eq!((tag("strata:installation"), tag("opsworks:layer:ecs-cluster")), (Some("by-hand"), Some("Web")));
    let found = upkeep.break_glass_hosts(&scope).await.unwrap();
    assert_eq!(found, [(host.as_str().into(), spec.layer_id.clone())]);
    raw.terminate_instances().instance_ids(&host).send().await.unwrap();
    assert!(upkeep.break_glass_hosts(&scope).await.unwrap().is_empty());
}

/// [TAG-3] [TAG-10]
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn tag_10_the_tags_contract_holds() {
    let base = support::base(&[]);
    let raw = ec2(&base);
    let volume = async || raw.create_volume().availability_zone("us-east-1a").size(1).send().await.unwrap().volume_id.unwrap();
    let resources = [volume().await, volume().await];
    tags_contract(&Ec2Upkeep::new(&base), &support::scope(), &resources).await;
}

/// An Os is named by its parameter, so that EC2 looks up the newest image at each launch.
#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_image_of_an_os_is_looked_up_by_ec2_at_each_launch() {
    let base = support::base(&[]);
    let spec = spec("strata-newest");
    let upkeep = Ec2Upkeep::new(&base);
    upkeep.put_template(&support::scope(), &spec).await.unwrap();
    let version = default_version(&base, &spec.name).await.unwrap();
    let image = version.launch_template_data().unwrap().image_id().unwrap().to_owned();
    assert_eq!(image, "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64");
    let tagged = ec2(&base).describe_launch_templates().launch_template_names(&spec.name).send().await.unwrap();
    let tags = tagged.launch_templates()[0].tags();
    let value = |key: &str| tags.iter().find(|t| t.key() == Some(key)).and_then(|t| t.value());
    let expected = (Some("strata"), Some(spec.layer_id.as_str()));
    assert_eq!((value("strata:installation"), value("strata:break-glass")), expected);
    upkeep.delete_template(&support::scope(), &spec.name).await.unwrap();
}
