//! Days of layers whose hosts have load balancers, addresses and volumes, with faults: nothing of them is left behind.

use strata_cli::args::Faults;
use strata_cli::sim::RunPlan;
use strata_cli::sim::scenario::RootDevice;
use strata_tests::{broken, run};

fn plan(seed: u64, faults: Faults, root: RootDevice) -> RunPlan {
    let mut plan = RunPlan::built_in();
    (plan.scenario.world.seed, plan.scenario.world.faults) = (seed, faults);
    // The other layer's stack is deleted at the end, and with it no resource [EBS-26].
    let layer = &mut plan.scenario.layers[0];
    (layer.load_balancer, layer.elastic_ips, layer.volume_gib, layer.root_device) = (true, true, Some(10), root);
    plan
}

/// [ELB-4] [EIP-9] [EBS-16]: the default day (scaling, a heal, an update, a teardown) with all that can belong to a host.
#[test]
fn elb_4_a_day_of_hosts_with_everything_leaves_nothing_behind() {
    for (seed, faults, root) in
        [(1, Faults::None, RootDevice::Ebs), (2, Faults::Heavy, RootDevice::Ebs), (3, Faults::Heavy, RootDevice::InstanceStore)]
    {
        let (record, kept) = run(&plan(seed, faults, root));
        assert_eq!(broken(&kept), "", "seed {seed}");
        let calls = |action: &str| record.summary.api_calls.get(action).copied().unwrap_or(0);
        assert!(calls("elasticloadbalancing:RegisterInstancesWithLoadBalancer") > 0 && calls("ec2:AssociateAddress") > 0);
    }
}
