//! Classic load balancers and target groups against a server that speaks ELB's protocol and against recorded answers.

mod support;

use aws_sdk_elasticloadbalancing::types::Listener;
use strata_aws::load_balancers::{ElbLoadBalancers, USES};
use strata_ports::LoadBalancers;
use strata_ports::contract::attachments::BalancersDiffer;
use strata_ports::contract::{balanced_hosts_contract, load_balancers_contract};
use support::canned::{Canned, assumed, query, query_error};

async fn balancer(base: &strata_aws::Base, name: &str) {
    let raw = aws_sdk_elasticloadbalancing::Client::new(&base.own("ELB"));
    let listener =
        Listener::builder().protocol("HTTP").load_balancer_port(80).instance_port(80).build().expect("the server answers");
    let request = raw.create_load_balancer().load_balancer_name(name).listeners(listener).availability_zones("us-east-1a");
    request.send().await.expect("the server answers");
}

/// A group of the default VPC whose targets are instances at port 80.
async fn target_group(base: &strata_aws::Base, name: &str) -> String {
    let ec2 = aws_sdk_ec2::Client::new(&base.own("EC2"));
    let vpc = ec2.describe_vpcs().send().await.expect("the server answers").vpcs()[0].vpc_id.clone();
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&base.own("ELBV2"));
    let request = elb.create_target_group().name(name).protocol("HTTP".into()).port(80).target_type("instance".into());
    let made = request.set_vpc_id(vpc).send().await.expect("the server answers");
    made.target_groups()[0].target_group_arn().expect("an ARN").to_owned()
}

async fn hosts(base: &strata_aws::Base) -> [strata_domain::Ec2InstanceId; 2] {
    let raw = aws_sdk_ec2::Client::new(&base.own("EC2"));
    let launch = raw.run_instances().image_id("ami-04681a1dbd79675a5").min_count(2).max_count(2);
    let launched = launch.send().await.expect("the server answers");
    let ids: Vec<_> = launched.instances().iter().map(|i| i.instance_id().expect("an id").into()).collect();
    ids.try_into().expect("two")
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let base = support::base(&[]);
    balancer(&base, "contract").await;
    load_balancers_contract(&ElbLoadBalancers::new(&base), &support::scope(), "contract").await;
    let hosts = hosts(&base).await;
    let moto = BalancersDiffer { takes_any_host: true, fails_without_balancer: true };
    balanced_hosts_contract(&ElbLoadBalancers::new(&base), &support::scope(), "contract", &hosts, moto).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds_for_a_target_group() {
    let base = support::base(&[]);
    let (arn, hosts) = (target_group(&base, "contract").await, hosts(&base).await);
    let elb = ElbLoadBalancers::new(&base);
    let moto = BalancersDiffer { takes_any_host: true, ..BalancersDiffer::default() };
    balanced_hosts_contract(&elb, &support::scope(), &arn, &hosts, moto).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    balancer(&base, "uses").await;
    base.log().take();
    ElbLoadBalancers::new(&base).describe(&support::scope(), &["uses".to_owned()]).await.unwrap();
    support::check_uses(&base, USES, "describe");
    let arn = target_group(&base, "uses").await;
    let (elb, scope, hosts) = (ElbLoadBalancers::new(&base), support::scope(), hosts(&base).await);
    base.log().take();
    let (set, unset) = ([("stage".to_owned(), "prod".to_owned())].into(), ["team".to_owned()].into());
    elb.change_tags(&scope, "uses", &set, &unset).await.unwrap();
    support::check_uses(&base, USES, "change_tags");
    elb.tags(&scope, &["uses".to_owned()]).await.unwrap();
    support::check_uses(&base, USES, "tags");
    elb.hosts(&scope, "uses", &hosts).await.unwrap();
    elb.hosts(&scope, &arn, &hosts).await.unwrap();
    support::check_uses(&base, USES, "hosts");
    elb.register(&scope, "uses", &hosts).await.unwrap();
    elb.register(&scope, &arn, &hosts).await.unwrap();
    support::check_uses(&base, USES, "register");
    elb.deregister(&scope, "uses", &hosts).await.unwrap();
    elb.deregister(&scope, &arn, &hosts).await.unwrap();
    support::check_uses(&base, USES, "deregister");
    elb.drain_time(&scope, "uses").await.unwrap();
    elb.drain_time(&scope, &arn).await.unwrap();
    support::check_uses(&base, USES, "drain_time");
    let subnet = aws_sdk_ec2::Client::new(&base.own("EC2")).describe_subnets().send().await.unwrap().subnets()[1].clone();
    base.log().take();
    elb.add_subnets(&scope, "uses", &[subnet.subnet_id.unwrap()]).await.unwrap();
    support::check_uses(&base, USES, "add_subnets");
}

/// What the API's reference calls a host that was deregistered and whose connections still drain.
#[tokio::test]
async fn a_host_drains_as_long_as_elb_says_that_its_deregistration_is_in_progress() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        "DescribeLoadBalancers" => query(
            "DescribeLoadBalancers",
            "<LoadBalancerDescriptions><member><LoadBalancerName>front</LoadBalancerName><Instances><member><InstanceId>i-1</InstanceId>\
             </member></Instances></member></LoadBalancerDescriptions>",
        ),
        "DescribeInstanceHealth" => {
            assert_eq!(call.get("Instances.member.1.InstanceId"), Some("i-2"), "who is registered does not drain");
            query(
                "DescribeInstanceHealth",
                "<InstanceStates><member><InstanceId>i-2</InstanceId><State>InService</State>\
                 <Description>Instance deregistration currently in progress.</Description></member>\
                 <member><InstanceId>i-3</InstanceId><State>OutOfService</State>\
                 <Description>Instance is not currently registered with the LoadBalancer.</Description></member></InstanceStates>",
            )
        }
        other => panic!("{other}"),
    });
    let asked = ["i-1", "i-2", "i-3"].map(Into::into);
    let found = ElbLoadBalancers::new(&canned.base()).hosts(&support::scope(), "front", &asked).await.unwrap().unwrap();
    assert_eq!((found.registered, found.draining), (vec!["i-1".into()], vec!["i-2".into()]));
}

/// One machine that ELB does not know spoils no other.
#[tokio::test]
async fn one_bad_host_spoils_no_other_and_is_gone_when_it_is_deregistered() {
    let canned = Canned::new(|call| match call.operation.as_str() {
        "AssumeRole" => assumed(),
        _ if call.parameters.values().any(|value| value == "i-bad") => {
            query_error(400, "InvalidInstance", "Could not find i-bad")
        }
        operation => query(operation, ""),
    });
    let (base, asked) = (canned.base(), ["i-good", "i-bad"].map(Into::into));
    let elb = ElbLoadBalancers::new(&base);
    let registered = elb.register(&support::scope(), "front", &asked).await.unwrap();
    assert_eq!(registered.iter().map(|item| item.result.is_ok()).collect::<Vec<_>>(), [true, false]);
    let left = elb.deregister(&support::scope(), "front", &asked).await.unwrap();
    assert!(left.iter().all(|item| item.result.is_ok()), "{left:?}");
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
