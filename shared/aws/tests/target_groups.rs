//! Target groups against answers as ELBv2 writes them.

mod support;

use jiff::SignedDuration;
use strata_aws::load_balancers::ElbLoadBalancers;
use strata_domain::Ec2InstanceId;
use strata_ports::LoadBalancers;
use support::canned::{Answer, Call, Canned, assumed, query, query_error};

const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/50dc6c495c0c9188";

fn described(target_type: &str) -> Answer {
    let group = format!("<TargetGroupArn>{GROUP}</TargetGroupArn><Port>80</Port><TargetType>{target_type}</TargetType>");
    query("DescribeTargetGroups", &format!("<TargetGroups><member>{group}</member></TargetGroups>"))
}

fn health(targets: &[(&str, u16, &str)]) -> Answer {
    let member = |(id, port, state): &(&str, u16, &str)| {
        let target = format!("<Target><Id>{id}</Id><Port>{port}</Port></Target>");
        format!("<member>{target}<TargetHealth><State>{state}</State></TargetHealth></member>")
    };
    let members: String = targets.iter().map(member).collect();
    query("DescribeTargetHealth", &format!("<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"))
}

fn elb(answers: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> (Canned, ElbLoadBalancers) {
    let canned = Canned::new(move |call| if call.operation == "AssumeRole" { assumed() } else { answers(call) });
    let elb = ElbLoadBalancers::new(&canned.base());
    (canned, elb)
}

fn ids<const N: usize>(ids: [&str; N]) -> Vec<Ec2InstanceId> {
    ids.into_iter().map(Ec2InstanceId::from).collect()
}

/// A dynamic host port is a task's of a service, which ECS registers and takes out itself.
#[tokio::test]
async fn hosts_are_what_is_registered_at_the_groups_own_port_and_drain_while_elb_says_so() {
    let (_, elb) = elb(|call| match call.operation.as_str() {
        "DescribeTargetGroups" => described("instance"),
        _ => health(&[
            ("i-1", 80, "healthy"),
            ("i-2", 80, "unhealthy"),
            ("i-3", 80, "draining"),
            ("i-4", 80, "unhealthy.draining"),
            ("i-5", 80, "draining"),
            ("i-6", 32768, "healthy"),
            ("i-3", 32769, "healthy"),
        ]),
    });
    let found = elb.hosts(&support::scope(), GROUP, &ids(["i-1", "i-3", "i-4"])).await.unwrap().unwrap();
    assert_eq!((found.registered, found.draining), (ids(["i-1", "i-2"]), ids(["i-3", "i-4"])));
    assert!(found.zones.is_empty(), "it serves all of its VPC");
}

#[tokio::test]
async fn a_group_of_addresses_has_no_hosts() {
    let (_, elb) = elb(|call| match call.operation.as_str() {
        "DescribeTargetGroups" => described("ip"),
        _ => health(&[("10.0.0.1", 80, "healthy")]),
    });
    let found = elb.hosts(&support::scope(), GROUP, &ids(["i-1"])).await.unwrap().unwrap();
    assert!(found.registered.is_empty() && found.draining.is_empty());
}

#[tokio::test]
async fn targets_go_without_a_port_so_that_those_at_other_ports_stay() {
    let (canned, elb) = elb(|call| query(&call.operation, ""));
    let hosts = ids(["i-1", "i-2"]);
    assert!(elb.register(&support::scope(), GROUP, &hosts).await.unwrap().iter().all(|item| item.result.is_ok()));
    assert!(elb.deregister(&support::scope(), GROUP, &hosts).await.unwrap().iter().all(|item| item.result.is_ok()));
    for (call, operation) in canned.calls().iter().zip(["RegisterTargets", "DeregisterTargets"]) {
        assert_eq!((call.operation.as_str(), call.get("TargetGroupArn")), (operation, Some(GROUP)));
        assert_eq!((call.get("Targets.member.1.Id"), call.get("Targets.member.2.Id")), (Some("i-1"), Some("i-2")));
        assert!(call.parameters.keys().all(|key| !key.ends_with(".Port")), "{call:?}");
    }
}

#[tokio::test]
async fn one_bad_target_spoils_no_other_and_is_gone_when_it_is_deregistered() {
    let (_, elb) = elb(|call| match call.parameters.values().any(|value| value == "i-bad") {
        true => query_error(400, "InvalidTarget", "The following targets are not in a running state: 'i-bad'"),
        false => query(&call.operation, ""),
    });
    let registered = elb.register(&support::scope(), GROUP, &ids(["i-good", "i-bad"])).await.unwrap();
    assert_eq!(registered.iter().map(|item| item.result.is_ok()).collect::<Vec<_>>(), [true, false]);
    assert!(registered[1].result.as_ref().unwrap_err().to_string().contains("not in a running state"));
    let left = elb.deregister(&support::scope(), GROUP, &ids(["i-good", "i-bad"])).await.unwrap();
    assert!(left.iter().all(|item| item.result.is_ok()), "{left:?}");
}

#[tokio::test]
async fn a_group_that_is_gone_has_no_hosts_takes_none_and_keeps_nobody_waiting() {
    let (_, elb) = elb(|_| query_error(400, "TargetGroupNotFound", "One or more target groups not found"));
    let (scope, host) = (support::scope(), ids(["i-1"]));
    assert_eq!(elb.hosts(&scope, GROUP, &host).await.unwrap(), None);
    assert_eq!(elb.register(&scope, GROUP, &host).await.unwrap_err().code(), Some("TargetGroupNotFound"));
    assert!(elb.deregister(&scope, GROUP, &host).await.unwrap()[0].result.is_ok());
    assert!(elb.drain_time(&scope, GROUP).await.unwrap().is_zero());
}

/// Deleted between the two questions.
#[tokio::test]
async fn a_group_that_goes_while_it_is_looked_at_has_no_hosts() {
    let (_, elb) = elb(|call| match call.operation.as_str() {
        "DescribeTargetGroups" => described("instance"),
        _ => query_error(400, "TargetGroupNotFound", "One or more target groups not found"),
    });
    assert_eq!(elb.hosts(&support::scope(), GROUP, &ids(["i-1"])).await.unwrap(), None);
}

#[tokio::test]
async fn the_deregistration_delay_bounds_the_wait() {
    for (attributes, seconds) in [
        ("<member><Key>deregistration_delay.timeout_seconds</Key><Value>30</Value></member>", 30),
        ("<member><Key>deregistration_delay.timeout_seconds</Key><Value>0</Value></member>", 0),
        ("<member><Key>slow_start.duration_seconds</Key><Value>30</Value></member>", 300),
    ] {
        let (_, elb) = elb(move |call| query(&call.operation, &format!("<Attributes>{attributes}</Attributes>")));
        assert_eq!(elb.drain_time(&support::scope(), GROUP).await.unwrap(), SignedDuration::from_secs(seconds), "{attributes}");
    }
}

#[tokio::test]
async fn a_busy_elb_is_asked_again_and_changed_nothing() {
    let (_, elb) = elb(|_| query_error(400, "Throttling", "Rate exceeded"));
    let (scope, host) = (support::scope(), ids(["i-1"]));
    let errors = [
        elb.hosts(&scope, GROUP, &host).await.unwrap_err(),
        elb.register(&scope, GROUP, &host).await.unwrap_err(),
        elb.deregister(&scope, GROUP, &host).await.unwrap_err(),
        elb.drain_time(&scope, GROUP).await.unwrap_err(),
    ];
    assert!(errors.iter().all(strata_ports::CloudError::is_retryable), "{errors:?}");
}
