//! Registered instances in no layer, whose health is looked after all the same.

use super::*;

fn unassigned(status: InstanceStatus) -> Instance {
    Instance {
        origin: Origin::RegisteredEc2,
        layer_ids: Vec::new(),
        started_at: None,
        launch_number: 0,
        setup_command: Some("setup".into()),
        ..record(status)
    }
}

fn no_layers() -> Rules {
    Rules { has_cluster: false, ..Rules::default() }
}

fn pinged(ping: i64) -> Observed {
    Observed { last_ping: PingSeen::At(at(ping)), ..ec2_only(HostState::Running) }
}

/// [HEAL-8] [HEAL-10]: by SSM alone it is judged at twice the time, since it is in no cluster.
#[test]
fn heal_8_a_registered_ec2_instance_without_layers_is_healed_and_is_registered_again_afterwards() {
    let rules = no_layers();
    let quiet = unassigned(InstanceStatus::Registered);
    check_with(&quiet, &pinged(0), &rules, 600, "settled");
    let lost = changed(check_with(&quiet, &pinged(0), &rules, 601, "move connection_lost"), 601);
    let healing = changed(check_with(&lost, &pinged(0), &rules, 602, "move stopping"), 602);
    assert_eq!((healing.healing, healing.heals.len()), (true, 1));
    check_with(&healing, &pinged(0), &rules, 603, "act PowerOff { force: false }");
    let again = changed(check_with(&healing, &ec2_only(HostState::Stopped), &rules, 700, "move requested"), 700);
    check_with(&again, &ec2_only(HostState::Stopped), &rules, 701, "act PowerOn");
    let setup = Instance { setup_command: Some("setup-2".into()), status: InstanceStatus::RunningSetup, ..again };
    let done = Observed { setup: Some(RunSeen::Success), ..pinged(800) };
    let back = changed(check_with(&setup, &done, &rules, 801, "move registered"), 801);
    assert_eq!((back.healing, back.layer_ids.len()), (false, 0));
}

/// [HEAL-8]: one in layers is healed as any other; an on-premises one is never acted on, and stays `connection_lost`.
#[test]
fn heal_8_an_assigned_one_is_healed_and_an_on_premises_one_only_loses_its_connection() {
    let assigned = Instance { origin: Origin::RegisteredEc2, ..online_record() };
    let lost = changed(check(&assigned, &ec2_only(HostState::Stopped), 1, "move connection_lost"), 1);
    check(&lost, &ec2_only(HostState::Stopped), 2, "move stopping");
    let on_premises = Instance { origin: Origin::OnPremises, ec2_instance_id: None, ..lost_record() };
    for seen in [Observed::nothing(), ec2_only(HostState::Stopped), pinged(-9_000)] {
        check(&on_premises, &seen, 9_000, "settled");
    }
}

/// [HEAL-11] [HEAL-2]
#[test]
fn contact_that_returns_before_healing_makes_it_registered_again_and_holds_are_honoured() {
    let lost = unassigned(InstanceStatus::ConnectionLost);
    check_with(&lost, &pinged(100), &no_layers(), 101, "move registered");
    let held = Rules { held_by: Some("ada".into()), ..no_layers() };
    check_with(&lost, &ec2_only(HostState::Stopped), &held, 101, "settled, held-by-person");
    check_with(&lost, &ec2_only(HostState::Stopped), &Rules { outage: true, ..no_layers() }, 101, "settled, outage");
}

/// [REG-1]: registered and well, it may stay so for ever; what EC2 does not answer changes nothing.
#[test]
fn reg_1_registered_may_last_for_ever() {
    let quiet = unassigned(InstanceStatus::Registered);
    for now in [1, 86_400, 86_400 * 365] {
        check_with(&quiet, &pinged(now), &no_layers(), now, "settled");
        check_with(&quiet, &Observed::nothing(), &no_layers(), now, "settled");
        check(&Instance { started_at: None, ..online_record() }, &well(now), now, "settled");
    }
}
