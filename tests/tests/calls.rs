//! Whole fleets cost few calls. `cargo xtask bench calls` prints the table, with 1,000.

use strata_tests::calls::{Fleet, Phase};

fn life(n: usize) -> [Phase; 3] {
    Fleet::life(n).expect("all get where they should").try_into().expect("three phases")
}

fn check(n: usize) {
    let size = n as u64;
    let [launched, stopped, started] = life(n);
    assert_eq!(launched.count("ec2:RunInstances") - launched.throttled, size, "one launch for each record");
    let allowed = launched.floor.as_secs_f64() * 1.3 + 5.0;
    assert!(launched.asked_for.as_secs_f64() <= allowed, "{n} launches: {:?} of {allowed} s", launched.asked_for);
    assert!(started.mutating() <= size.div_ceil(100) + 3, "{n} restarts: {:?}", started.calls);
    assert_eq!(started.throttled, 0, "{n} restarts");
    assert!(started.asked_for.as_secs_f64() < 10.0, "{n} restarts: {:?}", started.asked_for);
    // Two for each second in which something happens, whatever the fleet's size, and about one for each host on its way.
    assert!(started.describes() <= 600 + 100 * size.div_ceil(100), "{n} restarts: {:?}", started.calls);
    assert_eq!(stopped.count("ecs:UpdateContainerInstancesState"), size.div_ceil(10), "{n} drains: {:?}", stopped.calls);
    // A thousand stops at once, ten and fewer to a call as their drains end, are more than EC2's bucket holds; some wait a second.
    assert!(stopped.throttled == 0 || n > 100, "{n} stops: {} throttled", stopped.throttled);
}

#[test]
fn one_ten_and_a_hundred_instances_restart_and_drain_in_few_calls() {
    for n in [1, 10, 100] {
        check(n);
    }
}

#[test]
#[ignore = "a thousand hosts: run by cargo xtask sweep"]
fn a_thousand_instances_restart_and_drain_in_few_calls() {
    check(1_000);
}
