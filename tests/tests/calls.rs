//! Whole fleets cost few calls. `cargo xtask bench calls` prints the table, with 1,000.

use strata_tests::calls::{Fleet, Phase};

fn life(n: usize) -> [Phase; 3] {
    Fleet::life(n).expect("all get where they should").try_into().expect("three phases")
}

fn check(n: usize) {
    let size = n as u64;
    let [launched, stopped, started] = life(n);
    // Each record has one machine, which `life` looks at. Where the tick takes over from a stream whose invocation lasts, both may ask for the
    // same launch once: a call more, and by its token no machine more.
    let asked = launched.count("ec2:RunInstances") - launched.throttled;
    assert!((size..=size + size / 100).contains(&asked), "{n} launches took {asked} calls");
    let allowed = launched.floor.as_secs_f64() * 1.3 + 5.0;
    assert!(launched.asked_for.as_secs_f64() <= allowed, "{n} launches: {:?} of {allowed} s", launched.asked_for);
    assert!(started.mutating() <= size.div_ceil(100) + 3, "{n} restarts: {:?}", started.calls);
    assert_eq!(started.throttled, 0, "{n} restarts");
    assert!(started.asked_for.as_secs_f64() < 10.0, "{n} restarts: {:?}", started.asked_for);
    // One for each second in which something happens, whatever the fleet's size, and a page more for each two hundred hosts on their way.
    assert!(started.describes() <= 150 + 50 * size.div_ceil(100), "{n} restarts: {:?}", started.calls);
    assert!(stopped.describes() <= 150 + 50 * size.div_ceil(100), "{n} stops: {:?}", stopped.calls);
    assert_eq!(stopped.count("ecs:UpdateContainerInstancesState"), size.div_ceil(10), "{n} drains: {:?}", stopped.calls);
    // While more than a hundred are on their way, the tick stops all that are ready in one call.
    assert_eq!(stopped.throttled, 0, "{n} stops: {:?}", stopped.calls);
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
