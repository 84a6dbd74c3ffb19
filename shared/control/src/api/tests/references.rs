//! What stacks, layers and instances refer to must be there.

use serde_json::{Value, json};
use strata_local::cloud::{Policy, Role, Vpc};

use super::TestApi;
use super::support::{ACCOUNT, CLUSTER, REGION, text, with};

const ROLE: &str = "arn:aws:iam::123456789012:role/service";

fn stack_members() -> Value {
    json!({
        "Name": "shop", "Region": REGION, "ServiceRoleArn": ROLE,
        "DefaultInstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/ec2"),
    })
}

fn own_vpc() -> Vpc {
    let subnets = [("subnet-1", "eu-west-1a"), ("subnet-2", "eu-west-1b")];
    Vpc { id: "vpc-own".into(), is_default: false, subnets: subnets.map(|(s, z)| (s.into(), z.into())).into() }
}

fn role(allow: &[&str]) -> Role {
    Role { trusts_us: true, policy: Policy { allow: allow.iter().map(ToString::to_string).collect(), ..Policy::default() } }
}

/// [STK-3] [STK-4] [ECS-125] [INST-56] [VAL-7] An account without a default VPC, and a VPC of its own.
#[tokio::test]
async fn stk_3_without_a_default_vpc_a_stack_names_one_and_its_subnet() {
    let app = TestApi::new();
    app.account.add_vpc(own_vpc());
    let create = async |more: Value| app.call("CreateStack", with(&stack_members(), more)).await;
    assert!(create(json!({})).await.invalid().starts_with("Vpc Id: is required, since eu-west-1 has no default VPC"));
    assert!(create(json!({ "VpcId": "vpc-x" })).await.invalid().starts_with("Vpc Id: there is no VPC \"vpc-x\""));
    for (more, begins) in [
        (json!({}), "Default Subnet Id: is required in the VPC vpc-own"),
        (json!({ "DefaultAvailabilityZone": "eu-west-1b" }), "Default Subnet Id: is required in the VPC vpc-own"),
        (json!({ "DefaultSubnetId": "subnet-a" }), "Default Subnet Id: \"subnet-a\" is not a subnet of the stack's VPC"),
        (
            json!({ "DefaultSubnetId": "subnet-2", "DefaultAvailabilityZone": "eu-west-1a" }),
            "Default Availability Zone: the subnet subnet-2 is in eu-west-1b",
        ),
    ] {
        let message = create(with(&json!({ "VpcId": "vpc-own" }), more.clone())).await.invalid();
        assert!(message.starts_with(begins), "{more}: {message}");
    }
    let stack = text(&create(json!({ "VpcId": "vpc-own", "DefaultSubnetId": "subnet-2" })).await.good()["StackId"]);
    let shown = app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good()["Stacks"][0].clone();
    assert_eq!((&shown["VpcId"], &shown["DefaultAvailabilityZone"]), (&json!("vpc-own"), &json!("eu-west-1b")));
    let layer = app.custom_layer(&stack, "web").await;
    let place = async |more: Value| {
        let i = app.described(&app.instance(&stack, &layer, more).await).await;
        (text(&i["SubnetId"]), text(&i["AvailabilityZone"]))
    };
    assert_eq!(place(json!({})).await, ("subnet-2".into(), "eu-west-1b".into()));
    assert_eq!(place(json!({ "SubnetId": "subnet-1" })).await, ("subnet-1".into(), "eu-west-1a".into()));
    app.call("UpdateStack", json!({ "StackId": stack, "DefaultSubnetId": "subnet-x" })).await.invalid();
    app.call("UpdateStack", json!({ "StackId": stack, "DefaultSubnetId": "subnet-1" })).await.good();
    assert_eq!(place(json!({})).await.0, "subnet-1");
}

/// [VAL-7] Security groups are of the stack's VPC.
#[tokio::test]
async fn val_7_security_groups_exist_in_the_stacks_vpc() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    app.account.add_security_group("sg-1", "vpc-default");
    app.account.add_security_group("sg-2", "vpc-other");
    let update =
        async |groups: Value| app.call("UpdateLayer", json!({ "LayerId": layer, "CustomSecurityGroupIds": groups })).await;
    let unknown = update(json!(["sg-1", "sg-x"])).await.invalid();
    assert_eq!(unknown, "Custom Security Group Ids: there is no security group \"sg-x\" in eu-west-1");
    assert!(update(json!(["sg-2"])).await.invalid().contains("of the VPC vpc-other, not of the stack's vpc-default"));
    update(json!(["sg-1"])).await.good();
}

/// [VAL-7] Key pairs of stacks and instances; an unknown one is looked for again at once.
#[tokio::test]
async fn val_7_key_pairs_exist_and_a_missing_one_may_be_made_up_for() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.account.add_key_pair("ops");
    let create = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t", "SshKeyName": "new" });
    let missing = app.call("CreateInstance", create.clone()).await.invalid();
    assert_eq!(missing, "Ssh Key Name: there is no EC2 key pair \"new\" in eu-west-1");
    assert!(
        app.call("UpdateStack", json!({ "StackId": stack, "DefaultSshKeyName": "new" }))
            .await
            .invalid()
            .starts_with("Default Ssh Key Name:")
    );
    app.account.add_key_pair("new");
    let id = text(&app.call("CreateInstance", create).await.good()["InstanceId"]);
    assert!(app.call("UpdateInstance", json!({ "InstanceId": id, "SshKeyName": "x" })).await.invalid().contains("\"x\""));
    app.call("UpdateInstance", json!({ "InstanceId": id, "SshKeyName": "ops" })).await.good();
    let members = with(&stack_members(), json!({ "DefaultSshKeyName": "x" }));
    assert!(app.call("CreateStack", members).await.invalid().starts_with("Default Ssh Key Name:"));
}

/// [ECS-62] [ECS-63] [INST-57] [VAL-7]
#[tokio::test]
async fn ecs_62_an_image_exists_and_is_not_an_ecs_optimized_one_of_amazons() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let custom = app.custom_layer(&stack, "extra").await;
    app.account.add_image("ami-own", "my-al2023", None);
    app.account.add_image("ami-ecs", "al2023-ami-ecs-hvm-2023.0.20260101", Some("amazon"));
    app.account.add_image("ami-copy", "al2023-ami-ecs-hvm-2023.0.20260101", None);
    let create = async |ami: &str, layer: &str| {
        let members = json!({ "StackId": stack, "LayerIds": [layer], "InstanceType": "t", "Os": "Custom", "AmiId": ami });
        app.call("CreateInstance", members).await
    };
    assert_eq!(create("ami-x", &layer).await.invalid(), "Ami Id: there is no image \"ami-x\" in eu-west-1");
    assert!(create("ami-ecs", &layer).await.invalid().contains("ECS-optimized"));
    for (ami, layer) in [("ami-own", &layer), ("ami-copy", &layer), ("ami-ecs", &custom)] {
        create(ami, layer).await.good();
    }
}

/// [IAM-9] [TXT-10] [STK-8] [CLT-2] The texts on which Terraform tries again.
#[tokio::test]
async fn iam_9_the_service_role_is_checked_when_the_stack_is_created() {
    let app = TestApi::new();
    let create = async || app.call("CreateStack", stack_members()).await;
    app.account.put_role(ROLE, Role::default());
    assert_eq!(create().await.invalid(), "Service Role Arn: Credential has not the necessary trust relationship");
    app.account.put_role(ROLE, role(&["ecs:*"]));
    let weak = create().await.invalid();
    assert!(weak.starts_with("Service Role Arn: could not validate IAM role permission:"), "{weak}");
    assert!(weak.contains("ec2:DescribeVpcs, ec2:DescribeSubnets"), "{weak}");
    app.account.put_role(ROLE, role(&["ec2:*"]));
    create().await.good();
}

/// [ECS-30] [ECS-35] [IAM-3] The role is widened for ECS before the first layer; until then the call names what is missing.
#[tokio::test]
async fn ecs_35_a_service_role_without_ecs_is_named_at_register_and_at_create_layer() {
    let app = TestApi::new();
    app.account.put_role(ROLE, role(&["ec2:*"]));
    let stack = app.stack("shop").await;
    let register = async || app.call("RegisterEcsCluster", json!({ "EcsClusterArn": CLUSTER, "StackId": stack })).await;
    let refused = register().await.invalid();
    assert!(refused.starts_with("Service Role Arn:") && refused.contains("ecs:DescribeClusters"), "{refused}");
    app.account.put_role(ROLE, role(&["ec2:*", "ecs:*"]));
    register().await.good();
    app.cloud.advance(60);
    app.account.put_role(ROLE, role(&["ec2:*"]));
    let layer = json!({
        "StackId": stack, "Type": "ecs-cluster", "Name": "web", "Shortname": "web", "Attributes": { "EcsClusterArn": CLUSTER },
    });
    assert!(app.call("CreateLayer", layer.clone()).await.invalid().contains("ecs:DescribeClusters"));
    app.account.put_role(ROLE, role(&["ec2:*", "ecs:*"]));
    app.call("CreateLayer", layer).await.good();
}

/// [ECS-35]: a role may be narrowed to some clusters; it is asked about the one that is meant.
#[tokio::test]
async fn ecs_35_a_service_role_that_is_narrowed_to_one_cluster_registers_that_one_only() {
    let app = TestApi::new();
    app.account.put_role(ROLE, role(&["ec2:*"]));
    let stack = app.stack("shop").await;
    let mut narrowed = role(&["ec2:*", "ecs:*"]);
    narrowed.policy.resources = vec![format!("{CLUSTER}-other")];
    app.account.put_role(ROLE, narrowed.clone());
    let register = async || app.call("RegisterEcsCluster", json!({ "EcsClusterArn": CLUSTER, "StackId": stack })).await;
    let refused = register().await.invalid();
    assert!(
        refused.contains(&format!("does not allow ecs:DescribeClusters on {CLUSTER}, which ECS Cluster layers need")),
        "{refused}"
    );
    narrowed.policy.resources = vec![CLUSTER.to_owned()];
    app.account.put_role(ROLE, narrowed);
    register().await.good();
}

/// [LOAD-5] [IAM-3]
#[tokio::test]
async fn load_5_custom_alarms_need_describe_alarms_in_the_service_role() {
    let app = TestApi::new();
    app.account.put_role(ROLE, role(&["ec2:*", "ecs:*"]));
    let (_, layer) = app.shop().await;
    let set = async |alarms: Value| {
        app.call("SetLoadBasedAutoScaling", json!({ "LayerId": layer, "UpScaling": { "Alarms": alarms } })).await
    };
    assert!(set(json!(["queue"])).await.invalid().contains("does not allow cloudwatch:DescribeAlarms"));
    set(json!([])).await.good();
    app.account.put_role(ROLE, role(&["ec2:*", "ecs:*", "cloudwatch:DescribeAlarms"]));
    set(json!(["queue"])).await.good();
}

/// Three hundred instances ask EC2 once a minute for each thing that they refer to.
#[tokio::test]
async fn three_hundred_instances_do_not_empty_ec2s_bucket() {
    let app = TestApi::new();
    app.account.add_key_pair("ops");
    let (stack, layer) = app.shop().await;
    for n in 0..300 {
        app.instance(&stack, &layer, json!({ "SshKeyName": "ops", "Hostname": format!("h{n}") })).await;
    }
    let calls = |action: &str| app.account.calls().get(action).copied();
    assert_eq!(
        (calls("ec2:DescribeVpcs"), calls("ec2:DescribeKeyPairs")),
        (Some(2), Some(1)),
        "the stack asked for its VPC, too"
    );
    app.cloud.advance(60);
    app.instance(&stack, &layer, json!({ "SshKeyName": "ops" })).await;
    assert_eq!(calls("ec2:DescribeKeyPairs"), Some(2));
}
