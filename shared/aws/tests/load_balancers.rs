//! Classic load balancers against a server that speaks ELB's protocol and against recorded answers.

mod support;

use aws_sdk_elasticloadbalancing::types::Listener;
use strata_aws::load_balancers::{ElbLoadBalancers, USES};
use strata_ports::LoadBalancers;
use strata_ports::contract::load_balancers_contract;
use support::canned::{Canned, assumed, query_error};

async fn balancer(base: &strata_aws::Base, name: &str) {
    let raw = aws_sdk_elasticloadbalancing::Client::new(&base.own("ELB"));
    let listener =
        Listener::builder().protocol("HTTP").load_balancer_port(80).instance_port(80).build().expect("the server answers");
    let request = raw.create_load_balancer().load_balancer_name(name).listeners(listener).availability_zones("us-east-1a");
    request.send().await.expect("the server answers");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    balancer(&base, "contract").await;
    load_balancers_contract(&ElbLoadBalancers::new(&base), &support::scope(), "contract").await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    balancer(&base, "uses").await;
    base.log().take();
    ElbLoadBalancers::new(&base).describe(&support::scope(), &["uses".to_owned()]).await.unwrap();
    support::check_uses(&base, USES, "describe");
}

#[tokio::test]
async fn an_elb_that_is_busy_is_no_missing_balancer() {
    for (code, message) in [("Throttling", "Rate exceeded"), ("DependencyThrottle", "EC2 is throttling ELB")] {
        let canned = Canned::new(move |call| match call.operation.as_str() {
            "AssumeRole" => assumed(),
            _ => query_error(400, code, message),
        });
        let balancers = ElbLoadBalancers::new(&canned.base());
        let error = balancers.describe(&support::scope(), &["a".to_owned(), "b".to_owned()]).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn names_are_asked_for_one_by_one_only_when_one_of_them_is_missing() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        _ => query_error(400, "LoadBalancerNotFound", "There is no ACTIVE Load Balancer named 'n0'"),
    });
    let names: Vec<String> = (0..21).map(|n| format!("n{n}")).collect();
    let found = ElbLoadBalancers::new(&canned.base()).describe(&support::scope(), &names).await.unwrap();
    assert!(found.is_empty());
    assert_eq!(canned.calls().len(), 1 + 20 + 1, "twenty at once, then each, and the last one alone");
}
