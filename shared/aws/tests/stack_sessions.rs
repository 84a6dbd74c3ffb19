//! Sessions of stacks' service roles.

mod support;

use std::sync::{Arc, Mutex};

use strata_aws::load_balancers::ElbLoadBalancers;
use strata_ports::{LoadBalancers, StackScope};
use support::canned::{Canned, assumed, query};

/// [IAM-6]: each stack's session carries its id, and is kept for its further calls; another stack of the same role has one of its own.
#[tokio::test]
async fn iam_6_each_stack_has_a_session_of_its_own_that_is_named_after_it() {
    let sessions = Arc::new(Mutex::new(Vec::new()));
    let kept = sessions.clone();
    let canned = Canned::new(move |call| {
        if call.operation == "AssumeRole" {
            let of = |name| call.get(name).unwrap_or_default().to_owned();
            kept.lock().unwrap().push((of("RoleArn"), of("RoleSessionName")));
            return assumed();
        }
        query(&call.operation, "")
    });
    let elb = ElbLoadBalancers::new(&canned.base());
    let (one, other) = (support::scope(), StackScope { stack_id: "another".into(), ..support::scope() });
    for scope in [&one, &other, &one, &other] {
        elb.describe(scope, &["front".to_owned()]).await.unwrap();
    }
    let session = |scope: &StackScope| (scope.service_role_arn.clone(), format!("strata-{}", scope.stack_id));
    assert_eq!(*sessions.lock().unwrap(), [session(&one), session(&other)]);
    assert!(session(&one).1.len() <= 64, "IAM's own bound");
}
