use super::*;
use crate::InstanceStatus;
use crate::lifecycle::sample_record;
use crate::model::{CookbooksSource, LayerType, RootDeviceType, ShutdownConfiguration, VolumeConfiguration, VolumeFacts};

fn stack() -> Stack {
    Stack {
        id: "stack".into(),
        name: "shop".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        vpc_id: "vpc-1".to_owned(),
        default_subnet_id: None,
        default_availability_zone: None,
        default_os: "Amazon Linux 2023".to_owned(),
        hostname_theme: "Layer_Dependent".to_owned(),
        chef_version: "12".to_owned(),
        service_role_arn: "arn:aws:iam::123456789012:role/service".to_owned(),
        default_instance_profile_arn: "arn:aws:iam::123456789012:instance-profile/ec2".to_owned(),
        default_root_device_type: RootDeviceType::Ebs,
        agent_version: "LATEST".to_owned(),
        default_ssh_key_name: None,
        use_opsworks_security_groups: true,
        use_custom_cookbooks: true,
        custom_cookbooks_source: Some(CookbooksSource {
            source_type: "git".to_owned(),
            url: "https://example.com/cookbooks.git".to_owned(),
            username: Some("reader".to_owned()),
            password: Some(crate::Secret::new("hunter2")),
            ssh_key: None,
            revision: Some("main".to_owned()),
        }),
        chef_configuration: Default::default(),
        custom_json: None,
        attributes: Default::default(),
        tags: Default::default(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn layer(id: &str, cluster: Option<&str>) -> Layer {
    Layer {
        id: id.into(),
        stack_id: "stack".into(),
        layer_type: if cluster.is_some() { LayerType::EcsCluster } else { LayerType::Custom },
        name: id.to_owned(),
        shortname: id.to_owned(),
        cluster: cluster.map(Into::into),
        enable_auto_healing: true,
        auto_assign_elastic_ips: false,
        auto_assign_public_ips: true,
        custom_instance_profile_arn: None,
        custom_security_group_ids: Vec::new(),
        volume_configurations: Vec::new(),
        install_updates_on_boot: true,
        use_ebs_optimized_instances: false,
        shutdown: ShutdownConfiguration::default(),
        custom_recipes: Default::default(),
        packages: vec!["jq".to_owned()],
        custom_json: None,
        attributes: Default::default(),
        logs: None,
        tags: Default::default(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn instance(n: u32, status: InstanceStatus) -> Instance {
    Instance {
        id: format!("i-{n}").as_str().into(),
        hostname: format!("web{n}"),
        private_ip: Some(format!("10.0.{}.{}", n / 250, n % 250)),
        public_ip: Some(format!("54.0.{}.{}", n / 250, n % 250)),
        ..sample_record(status)
    }
}

fn facts<'a>(stack: &'a Stack, layers: &'a [Layer], instances: &'a [Instance], volumes: &'a [RegisteredVolume]) -> Facts<'a> {
    Facts {
        stack,
        layers: layers.iter().collect(),
        instances: instances.iter().collect(),
        volumes: volumes.iter().collect(),
        load_balancers: vec![("web", "shop-elb")],
        users: vec![HostUser { uid: 2000, name: "ada".to_owned(), sudo: true, key: Some("ssh-ed25519 AAAA".to_owned()) }],
    }
}

const CLUSTER: &str = "arn:aws:ecs:eu-west-1:123456789012:cluster/shop";

fn volume() -> RegisteredVolume {
    RegisteredVolume {
        id: "v-1".into(),
        stack_id: "stack".into(),
        ec2_volume_id: "vol-1".to_owned(),
        name: Some("data".to_owned()),
        mount_point: Some("/data".to_owned()),
        instance_id: Some("i-1".into()),
        device: Some("/dev/sdi".to_owned()),
        facts: VolumeFacts {
            state: "in-use".to_owned(),
            size: 20,
            volume_type: "gp2".to_owned(),
            iops: None,
            encrypted: true,
            zone: "eu-west-1a".to_owned(),
        },
        registered_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn names(of: &Value) -> Vec<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

/// [ECS-110] [ECS-111] [ECS-112] [LIFE-7]
#[test]
fn ecs_112_a_script_sees_the_whole_stack_with_its_clusters() {
    let (stack, instances, volumes) = (stack(), [instance(1, InstanceStatus::Online)], [volume()]);
    let mut layers = [layer("web", Some(CLUSTER)), layer("db", None)];
    layers[1].volume_configurations.push(VolumeConfiguration {
        mount_point: "/data".to_owned(),
        number_of_disks: 1,
        size: 20,
        volume_type: "gp2".to_owned(),
        iops: None,
        encrypted: false,
    });
    let seen = snapshot(&facts(&stack, &layers, &instances, &volumes), &Cause::default(), Map::new());
    let all = &seen["resources"];
    assert_eq!(
        names(all),
        [
            "apps",
            "ecs_clusters",
            "elastic_load_balancers",
            "instances",
            "layers",
            "rds_db_instances",
            "stack",
            "users",
            "volumes"
        ]
    );
    assert_eq!(all["ecs_clusters"], json!([{ "ecs_cluster_arn": CLUSTER, "ecs_cluster_name": "shop" }]));
    let own = ["layer_id", "name", "packages", "shortname", "type", "volume_configurations"];
    assert_eq!(names(&all["layers"][1]), own);
    assert_eq!(names(&all["layers"][0]), [&["ecs_cluster_arn"], &own[..]].concat());
    for layer in all["layers"].as_array().unwrap() {
        assert_eq!((&layer["type"], &layer["packages"]), (&json!("custom"), &json!(["jq"])), "on Chef 12 always");
    }
    assert_eq!(all["layers"][1]["volume_configurations"][0]["mount_point"], "/data");
    assert_eq!((&all["instances"][0]["hostname"], &all["instances"][0]["status"]), (&json!("web1"), &json!("online")));
    assert_eq!((&all["instances"][0]["private_ip"], &all["instances"][0]["layer_ids"]), (&json!("10.0.0.1"), &json!(["layer"])));
    assert_eq!((&all["volumes"][0]["ec2_volume_id"], &all["volumes"][0]["mount_point"]), (&json!("vol-1"), &json!("/data")));
    assert_eq!(all["elastic_load_balancers"], json!([{ "elastic_load_balancer_name": "shop-elb", "layer_id": "web" }]));
    assert_eq!((&all["users"][0]["username"], &all["users"][0]["administrator_privileges"]), (&json!("ada"), &json!(true)));
    assert_eq!(all["stack"]["name"], "shop");
    let text = seen.to_string();
    assert!(text.contains("https://example.com/cookbooks.git") && !text.contains("hunter2") && !text.contains("reader"));
}

/// [LIFE-6]
#[test]
fn life_6_a_script_can_tell_by_which_command_it_runs() {
    let (stack, deployment) = (stack(), "d-1".into());
    let cause = Cause {
        kind: "execute_recipes",
        args: [("recipes".to_owned(), vec!["shop::migrate".to_owned()])].into(),
        deployment_id: Some(&deployment),
        iam_user_arn: Some("arn:aws:iam::123456789012:user/ada"),
    };
    let of = |cause: &Cause<'_>| snapshot(&facts(&stack, &[], &[], &[]), cause, Map::new())["command"].clone();
    let expected = json!({
        "type": "execute_recipes", "args": { "recipes": ["shop::migrate"] }, "deployment_id": "d-1",
        "iam_user_arn": "arn:aws:iam::123456789012:user/ada",
    });
    assert_eq!(of(&cause), expected);
    for kind in ["setup", "configure", "shutdown", "sync_remote_users"] {
        let command = of(&Cause { kind, ..Cause::default() });
        assert_eq!((&command["type"], &command["deployment_id"]), (&json!(kind), &Value::Null), "the service's own");
    }
}

/// [CMD-24]
#[test]
fn cmd_24_deployment_json_wins_over_layer_json_and_that_over_stack_json() {
    let stack = r#"{"a":{"x":1,"y":1,"list":[1,2]},"only":"stack","strata":{"mode":"frozen"}}"#;
    let layer = r#"{"a":{"y":2,"z":2},"strata":{"protected":true}}"#;
    let deployment = r#"{"a":{"z":3,"list":[3]},"only":{"now":"an object"}}"#;
    for (texts, expected) in [
        (&[stack][..], json!({ "a": { "x": 1, "y": 1, "list": [1, 2] }, "only": "stack" })),
        (&[stack, layer], json!({ "a": { "x": 1, "y": 2, "z": 2, "list": [1, 2] }, "only": "stack" })),
        (&[stack, layer, deployment], json!({ "a": { "x": 1, "y": 2, "z": 3, "list": [3] }, "only": { "now": "an object" } })),
        (&["", "[1]", "7"], json!({})),
        (&[], json!({})),
    ] {
        assert_eq!(Value::Object(merged(texts.iter().copied())), expected, "{texts:?}");
    }
}

/// [INST-63]
#[test]
fn inst_63_hosts_are_the_online_instances_at_their_addresses() {
    let bare = Instance { private_ip: None, public_ip: None, ..instance(4, InstanceStatus::Online) };
    let fixed = Instance { elastic_ip: Some("52.0.0.9".to_owned()), ..instance(3, InstanceStatus::Online) };
    let instances = [instance(2, InstanceStatus::Online), instance(1, InstanceStatus::Stopped), fixed, bare];
    let seen = snapshot(&facts(&stack(), &[], &instances, &[]), &Cause::default(), Map::new());
    assert_eq!(seen["hosts"], json!(["10.0.0.2 web2", "10.0.0.3 web3", "52.0.0.9 web3-ext", "54.0.0.2 web2-ext"]));
}

#[test]
fn the_largest_stack_is_within_the_bound() {
    let instances: Vec<Instance> = (0..2_000).map(|n| instance(n, InstanceStatus::Online)).collect();
    let layers: Vec<Layer> = (0..40).map(|n| layer(&format!("layer-{n}"), None)).collect();
    let volumes = vec![volume(); 2_000];
    // Stack, four layers and a deployment, each with as much as it may have and nothing in common.
    let texts: Vec<String> = (0..6).map(|n| format!("{{\"k{n}\":\"{}\"}}", "x".repeat(120 * 1024))).collect();
    let (stack, custom_json) = (stack(), merged(texts.iter().map(String::as_str)));
    let seen = snapshot(&facts(&stack, &layers, &instances, &volumes), &Cause::default(), custom_json);
    let bytes = serde_json::to_string_pretty(&seen).unwrap().len();
    assert!((2_000_000..MAX_BYTES).contains(&bytes), "{bytes}");
}
