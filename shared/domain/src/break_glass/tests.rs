use super::*;
use crate::InstanceStatus;
use crate::lifecycle::sample_record as record;

const DEFAULTS: StackDefaults<'_> = StackDefaults { os: "Amazon Linux 2023", key_name: None };

fn like(instance_type: &str, os: &str) -> Instance {
    Instance { instance_type: instance_type.to_owned(), os: os.to_owned(), ..record(InstanceStatus::Online) }
}

fn of(members: &[Instance], fallbacks: &[&str]) -> (String, String) {
    let fallbacks: Vec<String> = fallbacks.iter().map(|t| (*t).to_owned()).collect();
    let found = typical(&DEFAULTS, &fallbacks, members.iter());
    (found.instance_type, found.os)
}

#[test]
fn a_template_is_like_most_of_the_layers_instances_and_then_like_the_first_in_order() {
    let (small, large) = (like("c5.large", "Amazon Linux 2"), like("m5.large", "Ubuntu 24.04 LTS"));
    let expected = |instance_type: &str, os: &str| (instance_type.to_owned(), os.to_owned());
    assert_eq!(of(&[small.clone(), large.clone(), large.clone()], &[]), expected("m5.large", "Ubuntu 24.04 LTS"));
    assert_eq!(of(&[large.clone(), small.clone()], &[]), expected("c5.large", "Amazon Linux 2"));
    let registered = Instance { origin: Origin::RegisteredEc2, ..large.clone() };
    assert_eq!(of(&[registered.clone(), registered, small], &[]), expected("c5.large", "Amazon Linux 2"));
    assert_eq!(of(&[], &[]), expected("m5.large", "Amazon Linux 2023"));
    assert_eq!(of(&[], &["r5.large", "c5.large"]), expected("r5.large", "Amazon Linux 2023"));
}

#[test]
fn an_os_that_the_script_does_not_know_gives_way_unless_it_is_an_image_of_ones_own() {
    for (os, expected) in [
        ("Amazon Linux 2", "Amazon Linux 2"),
        ("Ubuntu 22.04 LTS", "Ubuntu 22.04 LTS"),
        ("Amazon Linux 2018.03", "Amazon Linux 2023"),
        ("CentOS Linux 7", "Amazon Linux 2023"),
    ] {
        assert_eq!(of(&[like("m5.large", os)], &[]).1, expected);
    }
    let own = Instance { ami_id: Some("ami-1".to_owned()), ..like("m5.large", "Custom") };
    let found = typical(&DEFAULTS, &[], std::iter::once(&own));
    assert_eq!((found.os.as_str(), found.ami_id.as_deref()), ("Custom", Some("ami-1")));
}

#[test]
fn names_are_ec2s_however_stacks_are_called() {
    let layer = LayerId::from("1f0c2a9b-0000-4000-8000-000000000002");
    for (stack, shortname, expected) in [
        ("shop", "ecs-cluster", "strata-shop-ecs-cluster-1f0c2a9b"),
        ("My shop (EU)", "ecs-cluster", "strata-My-shop-EU-ecs-cluster-1f0c2a9b"),
        ("größe  漢字", "web_1.x", "strata-gr-e-web_1.x-1f0c2a9b"),
        ("漢字", "漢", "strata-1f0c2a9b"),
    ] {
        assert_eq!(template_name(stack, shortname, &layer), expected);
    }
    let longest = template_name(&"x".repeat(400), &"y".repeat(400), &layer);
    assert!((3..=128).contains(&longest.len()) && longest.ends_with("1f0c2a9b"), "{longest}");
}

#[test]
fn the_user_data_joins_one_cluster_and_fits_and_takes_nothing_but_an_arn() {
    let arn = ClusterArn::from("arn:aws:ecs:eu-west-1:123456789012:cluster/shop_1-a");
    let script = user_data(&arn).unwrap();
    assert_eq!((cluster_of(&script), cluster_of(BOOT)), (Some(arn), None));
    assert!(script.starts_with("#!/bin/bash\n") && script.len() <= LONGEST_USER_DATA, "{} bytes", script.len());
    let longest = format!("arn:aws-us-gov:ecs:us-gov-west-1:123456789012:cluster/{}", "x".repeat(255));
    assert!(user_data(&longest.as_str().into()).unwrap().len() <= LONGEST_USER_DATA);
    for bad in ["", "shop", "arn:aws:ecs:r:1:cluster/", "arn:aws:ecs:r:1:cluster/a'; reboot; '", "arn:aws:ecs:r:1:cluster/a\nb"] {
        assert_eq!(user_data(&bad.into()), None, "{bad:?}");
    }
}
