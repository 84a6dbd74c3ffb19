//! Registered Elastic IP addresses.

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_ports::keys;

use super::TestApi;
use super::integrity::assert_whole;
use super::support::{REGION, Reply};

impl TestApi {
    /// Registers a new address.
    pub(super) async fn address(&self, stack: &str) -> String {
        let ip = self.account.add_address();
        self.call("RegisterElasticIp", json!({ "StackId": stack, "ElasticIp": ip })).await.good();
        ip
    }

    async fn associate(&self, ip: &str, instance: &str) -> Reply {
        self.call("AssociateElasticIp", json!({ "ElasticIp": ip, "InstanceId": instance })).await
    }

    async fn described_address(&self, ip: &str) -> Value {
        self.call("DescribeElasticIps", json!({ "Ips": [ip] })).await.good()["ElasticIps"][0].clone()
    }

    /// Whether Configure is due on the stack, which is forgotten then.
    async fn take_configure_due(&self, stack: &str) -> bool {
        let key = keys::configure_due(&stack.into());
        let Some(item) = self.item(&key).await else { return false };
        self.commit(vec![strata_ports::Change::Delete { expect: item.unchanged(), key }]).await;
        true
    }
}

/// [ACT-51] [EIP-12] [IDN-2] [EIP-18]
#[tokio::test]
async fn eip_12_an_address_of_the_account_is_registered_under_itself() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let ip = app.account.add_address();
    let members = json!({ "StackId": stack, "ElasticIp": ip });
    assert_eq!(app.call("RegisterElasticIp", members.clone()).await.good(), json!({ "ElasticIp": ip }));
    let expected = json!({ "Ip": ip, "Domain": "vpc", "Region": REGION });
    assert_eq!(app.call("DescribeElasticIps", json!({ "StackId": stack })).await.good(), json!({ "ElasticIps": [expected] }));
    app.call("RegisterElasticIp", json!({ "StackId": stack, "ElasticIp": "192.0.2.1" })).await.not_found();
    app.call("RegisterElasticIp", json!({ "StackId": "x", "ElasticIp": ip })).await.not_found();
    assert_eq!(app.call("RegisterElasticIp", json!({ "StackId": stack })).await.invalid(), "Elastic Ip: is required");
    assert!(app.call("RegisterElasticIp", members).await.invalid().contains("already registered with this stack"));
    assert_whole(&app);
}

/// [RES-1], of addresses.
#[tokio::test]
async fn res_1_an_address_is_registered_with_one_stack_at_a_time() {
    for _ in 0..10 {
        let app = TestApi::new();
        let (a, b) = (app.stack("a").await, app.stack("b").await);
        let ip = app.account.add_address();
        let register = |stack: &str| json!({ "StackId": stack, "ElasticIp": ip });
        let (one, two) =
            futures::future::join(app.call("RegisterElasticIp", register(&a)), app.call("RegisterElasticIp", register(&b))).await;
        let (won, lost) = if one.response.status() == 200 { (one, two) } else { (two, one) };
        won.good();
        assert!(lost.invalid().contains("already registered with another stack"));
        assert_whole(&app);
    }
}

/// [ACT-3] [EIP-14] [EIP-19] [INST-43]: in any status; an offline instance keeps it as an intention.
#[tokio::test]
async fn inst_43_an_address_is_associated_in_any_status_and_taken_from_who_had_it() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (one, two) = (app.instance(&stack, &layer, json!({})).await, app.instance(&stack, &layer, json!({})).await);
    let ip = app.address(&stack).await;
    let nameless = app.call("AssociateElasticIp", json!({ "ElasticIp": ip })).await.invalid();
    assert_eq!(nameless, "Instance Id: is required");
    app.associate(&ip, "unknown").await.not_found();
    app.associate("192.0.2.1", &one).await.not_found();
    for status in InstanceStatus::ALL {
        app.settle(&one, status).await;
        app.settle(&two, status).await;
        for (to, from) in [(&one, &two), (&two, &one)] {
            app.associate(&ip, to).await.good();
            assert_eq!(app.described(to).await["ElasticIp"], json!(ip), "{status}");
            assert!(app.described(from).await.get("ElasticIp").is_none(), "{status}");
            assert_eq!(app.described_address(&ip).await["InstanceId"], json!(to));
        }
        assert_whole(&app);
        app.call("DisassociateElasticIp", json!({ "ElasticIp": ip })).await.good();
        assert!(app.described(&two).await.get("ElasticIp").is_none(), "{status}");
        assert_whole(&app);
    }
}

/// An instance has one address: the one before stays registered.
#[tokio::test]
async fn a_second_address_takes_the_place_of_the_first() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let (first, second) = (app.address(&stack).await, app.address(&stack).await);
    app.associate(&first, &instance).await.good();
    app.associate(&second, &instance).await.good();
    assert_eq!(app.described(&instance).await["ElasticIp"], json!(second));
    assert!(app.described_address(&first).await.get("InstanceId").is_none());
    let of_instance = app.call("DescribeElasticIps", json!({ "InstanceId": instance })).await.good();
    assert_eq!((of_instance["ElasticIps"].as_array().unwrap().len(), &of_instance["ElasticIps"][0]["Ip"]), (1, &json!(second)));
    assert_whole(&app);
}

/// [EIP-13]: away from an instance of another stack, without deregistering first; the registration moves along.
#[tokio::test]
async fn eip_13_an_address_moves_to_an_instance_of_another_stack() {
    let app = TestApi::new();
    let (shop, layer) = app.shop().await;
    let other = app.stack("other").await;
    let other_layer = app.custom_layer(&other, "x").await;
    let (one, two) = (app.instance(&shop, &layer, json!({})).await, app.instance(&other, &other_layer, json!({})).await);
    let ip = app.address(&shop).await;
    app.associate(&ip, &one).await.good();
    app.associate(&ip, &two).await.good();
    assert_whole(&app);
    assert!(app.described(&one).await.get("ElasticIp").is_none());
    assert_eq!(app.described(&two).await["ElasticIp"], json!(ip));
    let of = async |stack: &str| app.call("DescribeElasticIps", json!({ "StackId": stack })).await.good()["ElasticIps"].clone();
    assert_eq!(of(&shop).await, json!([]));
    assert_eq!(of(&other).await[0]["InstanceId"], json!(two));
    app.call("DisassociateElasticIp", json!({ "ElasticIp": ip })).await.good();
    app.call("DeregisterElasticIp", json!({ "ElasticIp": ip })).await.good();
    assert_whole(&app);
}

/// [EIP-15], the record: Configure is due on all instances of the stacks concerned, and on no other.
#[tokio::test]
async fn eip_15_associate_move_and_disassociate_make_configure_due_on_the_stacks_concerned() {
    let app = TestApi::new();
    let (shop, layer) = app.shop().await;
    let other = app.stack("other").await;
    let other_layer = app.custom_layer(&other, "x").await;
    let (one, two) = (app.instance(&shop, &layer, json!({})).await, app.instance(&other, &other_layer, json!({})).await);
    let ip = app.address(&shop).await;
    let due = async || (app.take_configure_due(&shop).await, app.take_configure_due(&other).await);
    assert_eq!(due().await, (false, false), "registering changes no instance");
    app.associate(&ip, &one).await.good();
    assert_eq!(due().await, (true, false));
    app.associate(&ip, &one).await.good();
    assert_eq!(due().await, (false, false), "the same again changes nothing");
    app.associate(&ip, &two).await.good();
    assert_eq!(due().await, (true, true));
    app.call("DisassociateElasticIp", json!({ "ElasticIp": ip })).await.good();
    assert_eq!(due().await, (false, true));
    app.call("DisassociateElasticIp", json!({ "ElasticIp": ip })).await.good();
    assert_eq!(due().await, (false, false));
}

/// [ACT-18] [ACT-45] [EIP-16]
#[tokio::test]
async fn eip_16_an_associated_address_is_not_deregistered_and_none_is_released() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let ip = app.address(&stack).await;
    app.associate(&ip, &instance).await.good();
    let refused = app.call("DeregisterElasticIp", json!({ "ElasticIp": ip })).await.invalid();
    assert!(refused.contains("DisassociateElasticIp") && refused.contains(&instance), "{refused}");
    app.call("DisassociateElasticIp", json!({ "ElasticIp": ip })).await.good();
    app.call("DeregisterElasticIp", json!({ "ElasticIp": ip })).await.good();
    for action in ["DeregisterElasticIp", "DisassociateElasticIp", "UpdateElasticIp"] {
        app.call(action, json!({ "ElasticIp": ip })).await.not_found();
    }
    assert_eq!(app.account.address_ips(), [ip], "the account keeps it");
    assert_whole(&app);
}

/// [ACT-67] [EIP-18] [VAL-1]: names of 1 to 32 characters.
#[tokio::test]
async fn eip_18_update_sets_a_name_of_at_most_32_characters() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let ip = app.address(&stack).await;
    let update = async |name: &str| app.call("UpdateElasticIp", json!({ "ElasticIp": ip, "Name": name })).await;
    update(&"é".repeat(32)).await.good();
    assert_eq!(app.described_address(&ip).await["Name"], json!("é".repeat(32)));
    assert!(update(&"é".repeat(33)).await.invalid().starts_with("Name: must have 1 to 32 characters"));
    app.call("UpdateElasticIp", json!({ "ElasticIp": ip })).await.good();
    assert_eq!(app.described_address(&ip).await["Name"], json!("é".repeat(32)), "what is absent stays");
    update("").await.good();
    assert!(app.described_address(&ip).await.get("Name").is_none());
}

/// [ACT-27] [DSC-1] [DSC-4]
#[tokio::test]
async fn act_27_exactly_one_identifying_parameter_and_unknown_ones_spoil_the_call() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let (first, second) = (app.address(&stack).await, app.address(&stack).await);
    for members in [json!({}), json!({ "Ips": [] }), json!({ "StackId": stack, "Ips": [first] })] {
        assert!(app.call("DescribeElasticIps", members).await.invalid().starts_with("Please provide"));
    }
    for members in [json!({ "Ips": [first, "192.0.2.1"] }), json!({ "StackId": "x" }), json!({ "InstanceId": "x" })] {
        app.call("DescribeElasticIps", members).await.not_found();
    }
    let both = app.call("DescribeElasticIps", json!({ "Ips": [second, first, second] })).await.good();
    assert_eq!(both["ElasticIps"].as_array().unwrap().len(), 2, "each once");
}

/// [EIP-8]
#[tokio::test]
async fn eip_8_a_layer_assigns_public_addresses_and_no_elastic_ones_unless_told_otherwise() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let layer = app.custom_layer(&stack, "x").await;
    let shown = app.call("DescribeLayers", json!({ "LayerIds": [layer] })).await.good()["Layers"][0].clone();
    assert_eq!((&shown["AutoAssignElasticIps"], &shown["AutoAssignPublicIps"]), (&json!(false), &json!(true)));
}
