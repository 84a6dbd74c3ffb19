//! Registered instances: machines that were there before.

use serde_json::{Value, json};
use strata_domain::instance_actions::Origin;
use strata_domain::{Ec2InstanceId, InstanceStatus};
use strata_local::SimCloud;
use strata_local::cloud::OwnHost;
use strata_ports::inventory::Platform;
use strata_ports::keys;

use super::TestApi;
use super::support::{CLUSTER, REGION, USER, text};

/// A machine that may be registered.
fn own() -> OwnHost {
    OwnHost { zone: format!("{REGION}a"), ..OwnHost::default() }
}

fn platform(name: &str, version: &str) -> Option<Platform> {
    Some(Platform { name: name.into(), version: version.into() })
}

fn identity(app: &TestApi, host: &Ec2InstanceId) -> Value {
    let document = app.account.identity_document(host);
    json!({ "Signature": SimCloud::sign_identity(&document), "Document": document })
}

async fn register(app: &TestApi, stack: &str, host: &Ec2InstanceId) -> super::support::Reply {
    app.call("RegisterInstance", json!({ "StackId": stack, "InstanceIdentity": identity(app, host) })).await
}

/// A registered EC2 instance, at rest.
async fn registered(app: &TestApi, stack: &str, own: OwnHost) -> String {
    let host = app.account.add_host(own);
    let id = text(&register(app, stack, &host).await.good()["InstanceId"]);
    app.settle(&id, InstanceStatus::Registered).await;
    id
}

async fn on_premises(app: &TestApi, stack: &str) -> String {
    let id = text(&app.call("RegisterInstance", json!({ "StackId": stack })).await.good()["InstanceId"]);
    app.settle(&id, InstanceStatus::Registered).await;
    id
}

fn assign(instance: &str, layers: &[&str]) -> Value {
    json!({ "InstanceId": instance, "LayerIds": layers })
}

/// [REG-7] [ACT-52]
#[tokio::test]
async fn reg_7_an_ec2_instance_is_registered_by_its_signed_identity() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let host = app.account.add_host(OwnHost { platform: platform("Ubuntu", "22.04"), key_name: Some("ops".into()), ..own() });
    let mut members = json!({ "StackId": stack, "Hostname": "db1", "PublicIp": "192.0.2.1", "RsaPublicKey": "ssh-rsa AAAA" });
    members["InstanceIdentity"] = identity(&app, &host);
    let id = text(&app.call("RegisterInstance", members).await.good()["InstanceId"]);
    let shown = app.described(&id).await;
    for (member, value) in [
        ("Status", json!("registering")),
        ("Hostname", json!("db1")),
        ("InfrastructureClass", json!("ec2")),
        ("RegisteredBy", json!(USER)),
        ("Os", json!("Custom")),
        ("ReportedOs", json!({ "Family": "debian", "Name": "ubuntu", "Version": "22.04" })),
        ("Ec2InstanceId", json!(host)),
        ("InstanceType", json!("m5.large")),
        ("SshKeyName", json!("ops")),
        ("LayerIds", json!([])),
        ("PublicIp", Value::Null),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    assert_eq!(app.store.partition(keys::BUSY_PK).len(), 1, "lifecycle sets it up");
    assert_eq!(app.record(&id).await.record.registration.unwrap().rsa_public_key.as_deref(), Some("ssh-rsa AAAA"));
    let again = register(&app, &stack, &host).await.invalid();
    assert!(again.contains(&id) && again.contains(host.as_str()), "{again}");
    let other = app.stack("other").await;
    register(&app, &other, &host).await.invalid();
}

/// [REG-7]: without an identity it is an on-premises machine, and nothing is believed that EC2 would have to say.
#[tokio::test]
async fn reg_7_without_an_identity_it_is_an_on_premises_machine() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let members = json!({ "StackId": stack, "PrivateIp": "10.1.2.3", "PublicIp": "192.0.2.1" });
    let id = text(&app.call("RegisterInstance", members).await.good()["InstanceId"]);
    let shown = app.described(&id).await;
    for (member, value) in [
        ("InfrastructureClass", json!("on-premises")),
        ("Hostname", json!("registered1")),
        ("PrivateIp", json!("10.1.2.3")),
        ("PublicIp", json!("192.0.2.1")),
        ("ReportedOs", json!({})),
        ("Ec2InstanceId", Value::Null),
        ("InstanceType", Value::Null),
    ] {
        assert_eq!(shown[member], value, "{member}");
    }
    let taken = app.call("RegisterInstance", json!({ "StackId": stack, "Hostname": "Registered1" })).await.invalid();
    assert!(taken.starts_with("Hostname:"), "{taken}");
    app.call("RegisterInstance", json!({ "StackId": "unknown" })).await.not_found();
    app.call("RegisterInstance", json!({})).await.invalid();
}

/// [REG-7]: a signature that is not the document's, another region, an unknown machine, half an identity.
#[tokio::test]
async fn reg_7_an_identity_that_is_not_right_registers_nothing() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let host = app.account.add_host(own());
    let signed = |document: String| json!({ "Signature": SimCloud::sign_identity(&document), "Document": document });
    let right = app.account.identity_document(&host);
    for (identity, expected) in [
        (json!({ "Document": right, "Signature": "forged" }), "signature"),
        (json!({ "Document": format!("{right} "), "Signature": SimCloud::sign_identity(&right) }), "signature"),
        (signed(right.replace(REGION, "us-east-1")), "is in us-east-1"),
        (signed(right.replace("123456789012", "999999999999")), "account 999999999999"),
        (signed(right.replace(host.as_str(), "i-unknown")), "EC2 knows no instance i-unknown"),
        (signed("not json".to_owned()), "signature"),
        (json!({ "Document": right }), "Signature is required"),
        (json!({ "Signature": "s" }), "Document is required"),
    ] {
        let members = json!({ "StackId": stack, "InstanceIdentity": identity });
        let message = app.call("RegisterInstance", members).await.invalid();
        assert!(message.starts_with("Instance Identity:") && message.contains(expected), "{message}");
    }
    let none = app.call("DescribeInstances", json!({ "StackId": stack })).await.good();
    assert_eq!(none["Instances"], json!([]));
}

/// [REG-6]
#[tokio::test]
async fn reg_6_what_ec2_says_against_it() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    for (own, expected) in [
        (OwnHost { vpc_id: "vpc-other".into(), ..own() }, "vpc-other"),
        (OwnHost { is_spot: true, ..own() }, "Spot"),
        (OwnHost { auto_scaling_group: Some("asg-1".into()), ..own() }, "asg-1"),
        (OwnHost { architecture: "arm64".into(), ..own() }, "arm64"),
        (OwnHost { platform: None, ..own() }, "SSM agent"),
        (OwnHost { platform: platform("Windows", "2019"), ..own() }, "Windows 2019"),
    ] {
        let host = app.account.add_host(own);
        let message = register(&app, &stack, &host).await.invalid();
        assert!(message.contains(expected), "{message}");
    }
}

/// The service role's rights end at machines without the tag, so one without it could be neither set up nor stopped.
#[tokio::test]
async fn where_rights_depend_on_our_tag_its_owner_gives_it_first() {
    let config = crate::api::ApiConfig { installation: Some("strata".to_owned()), ..crate::api::ApiConfig::default() };
    let app = TestApi::with(|_| {}, config);
    let stack = app.stack("shop").await;
    for other in [None, Some("another".to_owned())] {
        let host = app.account.add_host(OwnHost { installation: other, ..own() });
        let message = register(&app, &stack, &host).await.invalid();
        assert!(message.contains(&format!("--resources {host} --tags Key=strata:installation,Value=strata")), "{message}");
    }
    let host = app.account.add_host(OwnHost { installation: Some("strata".to_owned()), ..own() });
    register(&app, &stack, &host).await.good();
}

/// [REG-7]: two registrations of one machine at once.
#[tokio::test]
async fn reg_7_of_two_registrations_at_once_one_gets_the_machine() {
    for _ in 0..10 {
        let app = TestApi::new();
        let stack = app.stack("shop").await;
        let host = app.account.add_host(own());
        let (a, b) = futures::future::join(register(&app, &stack, &host), register(&app, &stack, &host)).await;
        assert_ne!(a.response.status() == 200, b.response.status() == 200, "{a:?} {b:?}");
    }
}

/// [STK-13]: a machine that is registered at the same moment is never left without its stack.
#[tokio::test]
async fn stk_13_delete_stack_and_register_instance_never_both_win() {
    for _ in 0..10 {
        let app = TestApi::new();
        let stack = app.stack("shop").await;
        let host = app.account.add_host(own());
        let delete = app.call("DeleteStack", json!({ "StackId": stack }));
        let (a, b) = futures::future::join(register(&app, &stack, &host), delete).await;
        assert_ne!(a.response.status() == 200, b.response.status() == 200, "{a:?} {b:?}");
    }
}

/// [REG-2] [ACT-1] [ECS-67]
#[tokio::test]
async fn reg_2_a_registered_instance_is_assigned_to_layers_of_its_stack() {
    let app = TestApi::new();
    let (stack, web) = app.shop().await;
    let tools = app.custom_layer(&stack, "tools").await;
    let id = registered(&app, &stack, OwnHost { cluster: Some(CLUSTER.into()), ..own() }).await;
    let other = app.stack("other").await;
    let foreign = app.custom_layer(&other, "x").await;
    for (layers, expected) in [(vec![foreign.as_str()], "same stack"), (vec![&tools, &tools], "twice"), (vec![], "is required")] {
        let message = app.call("AssignInstance", assign(&id, &layers)).await.invalid();
        assert!(message.contains(expected), "{message}");
    }
    app.call("AssignInstance", assign(&id, &["unknown"])).await.not_found();
    app.call("AssignInstance", assign("unknown", &[&tools])).await.not_found();
    app.call("AssignInstance", assign(&id, &[&web, &tools])).await.good();
    let shown = app.described(&id).await;
    assert_eq!((&shown["Status"], &shown["LayerIds"]), (&json!("assigning"), &json!([web, tools])));
    assert!(app.call("DeleteLayer", json!({ "LayerId": tools })).await.invalid().contains("it has 1"));
    app.call("AssignInstance", assign(&id, &[&tools])).await.invalid();
    let created = app.instance(&stack, &web, json!({})).await;
    let refused = app.call("AssignInstance", assign(&created, &[&tools])).await.invalid();
    assert!(refused.contains("Only registered"), "{refused}");
}

/// [ECS-67]: the test asks what the machine reports, not the record's Os.
#[tokio::test]
async fn ecs_67_the_ecs_layer_takes_ec2_instances_that_report_a_supported_os() {
    let app = TestApi::new();
    let (stack, web) = app.shop().await;
    let tools = app.custom_layer(&stack, "tools").await;
    let old = registered(&app, &stack, OwnHost { platform: platform("CentOS Linux", "7"), ..own() }).await;
    assert!(app.call("AssignInstance", assign(&old, &[&web])).await.invalid().contains("centos 7"));
    app.call("AssignInstance", assign(&old, &[&tools])).await.good();
    let own_machine = on_premises(&app, &stack).await;
    assert!(app.call("AssignInstance", assign(&own_machine, &[&web])).await.invalid().contains("on-premises"));
    app.call("AssignInstance", assign(&own_machine, &[&tools])).await.good();
    let ubuntu = registered(&app, &stack, OwnHost { platform: platform("Ubuntu", "14.04"), ..own() }).await;
    app.call("DeregisterEcsCluster", json!({ "EcsClusterArn": CLUSTER })).await.good();
    assert!(app.call("AssignInstance", assign(&ubuntu, &[&web])).await.invalid().contains("deregistered"));
}

/// [REG-3] [ACT-63]
#[tokio::test]
async fn reg_3_unassigning_takes_a_registered_instance_out_of_all_layers_and_no_created_one() {
    let app = TestApi::new();
    let (stack, web) = app.shop().await;
    let tools = app.custom_layer(&stack, "tools").await;
    let id = registered(&app, &stack, own()).await;
    let unassign = |id: &str| json!({ "InstanceId": id, "LayerIds": [tools] });
    assert!(app.call("UnassignInstance", unassign(&id)).await.good().is_null(), "it is in none, so nothing happens");
    assert_eq!(app.described(&id).await["Status"], "registered");
    app.call("AssignInstance", assign(&id, &[&web, &tools])).await.good();
    app.settle(&id, InstanceStatus::Online).await;
    app.call("UnassignInstance", unassign(&id)).await.good();
    assert_eq!(app.described(&id).await["Status"], "unassigning");
    assert_eq!(app.store.partition(keys::BUSY_PK).len(), 1);
    let created = app.instance(&stack, &web, json!({})).await;
    app.settle(&created, InstanceStatus::Online).await;
    let refused = app.call("UnassignInstance", unassign(&created)).await.invalid();
    assert!(refused.contains("Only registered"), "{refused}");
}

/// [REG-4] [ACT-19]
#[tokio::test]
async fn reg_4_registered_and_created_instances_are_deregistered_and_their_machine_may_be_registered_again() {
    let app = TestApi::new();
    let (stack, web) = app.shop().await;
    let host = app.account.add_host(own());
    let id = text(&register(&app, &stack, &host).await.good()["InstanceId"]);
    let created = app.instance(&stack, &web, json!({})).await;
    for id in [&id, &created] {
        app.call("DeregisterInstance", json!({ "InstanceId": id })).await.good();
        assert_eq!(app.described(id).await["Status"], "deregistering");
        app.call("DeregisterInstance", json!({ "InstanceId": id })).await.good();
        app.finish_deletion(id).await;
        app.call("DescribeInstances", json!({ "InstanceIds": [id] })).await.not_found();
    }
    assert!(app.store.partition(keys::BUSY_PK).is_empty());
    register(&app, &stack, &host).await.good();
    let going = app.instance(&stack, &web, json!({})).await;
    app.settle(&going, InstanceStatus::Stopping).await;
    app.call("DeregisterInstance", json!({ "InstanceId": going })).await.invalid();
}

/// [REG-5]: it is stopped and started as any other, and stays what it is.
#[tokio::test]
async fn reg_5_a_registered_ec2_instance_is_stopped_and_stays_registered_and_assigned() {
    let app = TestApi::new();
    let (stack, web) = app.shop().await;
    for (root, first) in [("ebs", "stopping"), ("instance-store", "terminating")] {
        let own = OwnHost { root_device_type: root.into(), image_id: "ami-own".into(), ..own() };
        let id = registered(&app, &stack, own).await;
        app.call("AssignInstance", assign(&id, &[&web])).await.good();
        app.settle(&id, InstanceStatus::Online).await;
        app.call("StopInstance", json!({ "InstanceId": id })).await.good();
        let shown = app.described(&id).await;
        assert_eq!((&shown["Status"], &shown["LayerIds"], &shown["AmiId"]), (&json!(first), &json!([web]), &json!("ami-own")));
        app.settle(&id, InstanceStatus::Stopped).await;
        app.call("StartInstance", json!({ "InstanceId": id })).await.good();
        assert_eq!(app.record(&id).await.record.origin, Origin::RegisteredEc2);
    }
}

/// [INST-35]
#[tokio::test]
async fn inst_35_a_stopped_registered_ec2_instance_can_be_deleted_and_an_on_premises_one_cannot_be_stopped_started_or_deleted() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let id = registered(&app, &stack, own()).await;
    app.settle(&id, InstanceStatus::Stopped).await;
    app.call("DeleteInstance", json!({ "InstanceId": id })).await.good();
    let host = app.record(&id).await.record.ec2_instance_id.unwrap();
    app.finish_deletion(&id).await;
    assert!(app.item(&keys::ec2_index(&host)).await.is_none(), "deleted is deregistered");
    let own = on_premises(&app, &stack).await;
    for status in [InstanceStatus::Registered, InstanceStatus::Online, InstanceStatus::Stopped] {
        app.settle(&own, status).await;
        for action in ["StartInstance", "StopInstance", "DeleteInstance", "UpdateInstance"] {
            let refused = app.call(action, json!({ "InstanceId": own })).await.invalid();
            assert!(refused.contains("on-premises"), "{action}: {refused}");
        }
    }
    app.settle(&own, InstanceStatus::Online).await;
    app.call("StopStack", json!({ "StackId": stack })).await.good();
    assert_eq!(app.described(&own).await["Status"], "online");
    assert!(app.call("RebootInstance", json!({ "InstanceId": own })).await.invalid().contains("on-premises"));
}
