//! Layers' load balancers.

use serde_json::{Value, json};
use strata_ports::keys;

use super::TestApi;
use super::integrity::assert_whole;
use super::support::{REGION, Reply};

impl TestApi {
    pub(super) async fn attach(&self, name: &str, layer: &str) -> Reply {
        self.call("AttachElasticLoadBalancer", json!({ "ElasticLoadBalancerName": name, "LayerId": layer })).await
    }

    async fn detach(&self, name: &str, layer: &str) -> Reply {
        self.call("DetachElasticLoadBalancer", json!({ "ElasticLoadBalancerName": name, "LayerId": layer })).await
    }

    async fn balancers(&self, members: Value) -> Value {
        self.call("DescribeElasticLoadBalancers", members).await.good()["ElasticLoadBalancers"].clone()
    }
}

/// [ACT-4] [ACT-28] [ELB-11] [IDN-2]: what ELB says now.
#[tokio::test]
async fn elb_11_load_balancers_are_described_as_they_are_now() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.account.add_load_balancer("front");
    app.attach("front", &layer).await.good();
    let subnets = json!(["subnet-a", "subnet-b", "subnet-c"]);
    let zones = json!(["eu-west-1a", "eu-west-1b", "eu-west-1c"]);
    let expected = json!([{
        "ElasticLoadBalancerName": "front", "Region": REGION, "StackId": stack, "LayerId": layer, "AvailabilityZones": zones,
        "SubnetIds": subnets, "Ec2InstanceIds": [], "VpcId": "vpc-default",
        "DnsName": format!("front-0123456789.{REGION}.elb.amazonaws.com"),
    }]);
    assert_eq!(app.balancers(json!({ "StackId": stack })).await, expected);
    assert_eq!(app.balancers(json!({ "LayerIds": [layer, layer] })).await, expected);
    for members in [json!({}), json!({ "LayerIds": [] }), json!({ "StackId": stack, "LayerIds": [layer] })] {
        app.call("DescribeElasticLoadBalancers", members).await.invalid();
    }
    for members in [json!({ "StackId": "x" }), json!({ "LayerIds": [layer, "x"] })] {
        app.call("DescribeElasticLoadBalancers", members).await.not_found();
    }
    assert_whole(&app);
}

/// [ELB-1] [ECS-51]: what is no classic load balancer of the region is not found.
#[tokio::test]
async fn elb_1_only_a_classic_load_balancer_is_found() {
    let app = TestApi::new();
    let (_, layer) = app.shop().await;
    let message = app.attach("an-alb", &layer).await.not_found();
    assert!(message.contains("classic load balancer with name an-alb"), "{message}");
    app.account.add_load_balancer("front");
    app.attach("front", "unknown").await.not_found();
    let nameless = app.call("AttachElasticLoadBalancer", json!({ "LayerId": layer })).await.invalid();
    assert_eq!(nameless, "Elastic Load Balancer Name: is required");
}

/// [ELB-2] [ECS-51] [QTA-7], also when two layers ask at once.
#[tokio::test]
async fn qta_7_one_load_balancer_per_layer_and_one_layer_per_load_balancer() {
    for _ in 0..10 {
        let app = TestApi::new();
        let (stack, web) = app.shop().await;
        let extra = app.custom_layer(&stack, "extra").await;
        app.account.add_load_balancer("front");
        app.account.add_load_balancer("back");
        let (one, two) = futures::future::join(app.attach("front", &web), app.attach("front", &extra)).await;
        let (won, lost, winner, loser) =
            if one.response.status() == 200 { (one, two, &web, &extra) } else { (two, one, &extra, &web) };
        won.good();
        assert!(lost.invalid().contains("attached to another layer"));
        app.attach("front", winner).await.good();
        assert!(app.attach("back", winner).await.invalid().contains("already has the load balancer front"));
        app.attach("back", loser).await.good();
        assert_whole(&app);
    }
}

/// [ACT-44] [ELB-10]: the only error is that something is not found.
#[tokio::test]
async fn elb_10_detach_knows_only_not_found() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let extra = app.custom_layer(&stack, "extra").await;
    app.account.add_load_balancer("front");
    app.attach("front", &layer).await.good();
    app.detach("front", "unknown").await.not_found();
    app.detach("front", &extra).await.not_found();
    app.detach("back", &layer).await.not_found();
    app.call("DetachElasticLoadBalancer", json!({ "LayerId": layer })).await.not_found();
    app.call("DetachElasticLoadBalancer", json!({})).await.not_found();
    app.detach("front", &layer).await.good();
    app.detach("front", &layer).await.not_found();
    assert_eq!(app.balancers(json!({ "StackId": stack })).await, json!([]));
    app.attach("front", &extra).await.good();
    assert_whole(&app);
}

/// [ELB-7] [ECS-51], the record: each of the two makes Configure due.
#[tokio::test]
async fn elb_7_attach_and_detach_make_configure_due_on_the_stack() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    app.account.add_load_balancer("front");
    let key = keys::configure_due(&stack.as_str().into());
    assert!(app.item(&key).await.is_none());
    app.attach("front", &layer).await.good();
    let first = app.item(&key).await.unwrap().version;
    app.attach("front", &layer).await.good();
    assert_eq!(app.item(&key).await.unwrap().version, first, "the same again changes nothing");
    app.detach("front", &layer).await.good();
    assert_eq!(app.item(&key).await.unwrap().version, first + 1);
}

/// [ELB-13], also when the attachment comes at the same time.
#[tokio::test]
async fn elb_13_deleting_a_layer_detaches_its_load_balancer() {
    for at_once in [false, true] {
        for _ in 0..10 {
            let app = TestApi::new();
            let stack = app.stack("shop").await;
            let (layer, next) = (app.custom_layer(&stack, "x").await, app.custom_layer(&stack, "y").await);
            app.account.add_load_balancer("front");
            let delete = app.call("DeleteLayer", json!({ "LayerId": layer }));
            if at_once {
                let (_, deleted) = futures::future::join(app.attach("front", &layer), delete).await;
                deleted.good();
            } else {
                app.attach("front", &layer).await.good();
                delete.await.good();
            }
            assert_whole(&app);
            app.attach("front", &next).await.good();
            app.call("DeleteLayer", json!({ "LayerId": next })).await.good();
            app.call("DeleteStack", json!({ "StackId": stack })).await.good();
            assert_whole(&app);
        }
    }
}
