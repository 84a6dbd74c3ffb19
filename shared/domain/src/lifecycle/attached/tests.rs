//! Tables: load balancers, addresses and volumes, on both sides of each boundary.

use super::super::tests::{at, changed, check_with, ec2_host, ec2_only, online_record, record, well};
use super::super::*;
use super::*;
use crate::model::{DeleteRequest, Volume};

const BALANCED: fn() -> Rules = || Rules { has_balancers: true, ..Rules::default() };

fn balancers(missing: bool, registered: bool, draining: bool) -> BalancersSeen {
    BalancersSeen::Seen { missing, registered, draining }
}

/// A healthy host, and what ELB says.
fn well_with(now: i64, balancers: BalancersSeen) -> Observed {
    Observed { attached: AttachedSeen { balancers, ..AttachedSeen::default() }, ..well(now) }
}

fn with_address(seen: &Observed, address: AddressSeen) -> Observed {
    Observed { attached: AttachedSeen { address, ..seen.attached.clone() }, ..seen.clone() }
}

fn due(record: Instance) -> Instance {
    Instance { attached: Attached { due: true, ..record.attached.clone() }, ..record }
}

mod load_balancers {
    use super::*;

    /// [ELB-4] [ELB-5]: first `online`, then the load balancer.
    #[test]
    fn elb_5_an_instance_is_online_before_it_is_registered() {
        let setup = Instance { setup_command: Some("setup".into()), ..record(InstanceStatus::RunningSetup) };
        let done = Observed { setup: Some(RunSeen::Success), ..well_with(100, balancers(true, false, false)) };
        let online = changed(check_with(&setup, &done, &BALANCED(), 101, "move online"), 101);
        assert!(online.attached.due && is_busy(&online, false));
        check_with(&online, &well_with(110, BalancersSeen::Unknown), &BALANCED(), 111, "wait");
        check_with(&online, &well_with(110, balancers(true, false, false)), &BALANCED(), 111, "act JoinBalancers");
        let joined = changed(check_with(&online, &well_with(110, balancers(false, true, false)), &BALANCED(), 111, "note"), 111);
        assert!(!joined.attached.due && !is_busy(&joined, false));
        check_with(&joined, &well_with(120, balancers(false, true, false)), &BALANCED(), 121, "settled");
    }

    /// [INST-42]
    #[test]
    fn inst_42_a_setup_that_was_asked_for_leaves_the_load_balancers_and_comes_back() {
        let setup = Instance { status: InstanceStatus::RunningSetup, setup_command: Some("setup".into()), ..online_record() };
        let seen = |b, run| Observed { setup: Some(run), ..well_with(0, b) };
        let registered = balancers(false, true, false);
        check_with(&setup, &seen(registered, RunSeen::Running), &BALANCED(), 1, "act LeaveBalancers");
        check_with(&setup, &seen(registered, RunSeen::Running), &Rules::default(), 1, "wait");
        check_with(&setup, &seen(balancers(true, false, true), RunSeen::Running), &BALANCED(), 2, "wait");
        check_with(&setup, &seen(balancers(true, false, false), RunSeen::Success), &BALANCED(), 3, "move online");
        // One that ELB does not let go is no failure of its Setup.
        check_with(&setup, &seen(registered, RunSeen::Success), &BALANCED(), 1199, "act LeaveBalancers");
        check_with(&setup, &seen(registered, RunSeen::Success), &BALANCED(), 1200, "move online");
        check_with(&setup, &seen(BalancersSeen::Unknown, RunSeen::Success), &BALANCED(), 3, "move online");
    }

    /// [ELB-9]
    #[test]
    fn elb_9_a_host_that_somebody_took_out_stays_out_until_it_is_due_again() {
        let out = well_with(10, balancers(true, false, false));
        check_with(&online_record(), &out, &BALANCED(), 11, "settled");
        check_with(&due(online_record()), &out, &BALANCED(), 11, "act JoinBalancers");
        check_with(&due(online_record()), &out, &Rules::default(), 11, "note");
    }

    #[test]
    fn a_load_balancer_that_refuses_is_told_once_and_keeps_nobody_busy() {
        let refused = changed(on_balancers_refused(&due(online_record()), "there is no load balancer front"), 5);
        let out = well_with(10, balancers(true, false, false));
        let settled = changed(check_with(&refused, &out, &BALANCED(), 11, "note"), 11);
        assert!(!is_busy(&settled, false));
        check_with(&settled, &out, &BALANCED(), 12, "settled, balancer-refused");
    }

    /// [ELB-6] [INST-20]: deregister, wait for connections, and only then drain; `false` of the flag waits for none.
    #[test]
    fn elb_6_a_stop_leaves_the_load_balancers_first_and_waits_until_connections_have_drained() {
        let stopping = Instance { status: InstanceStatus::Stopping, ..online_record() };
        let seen = |b| well_with(0, b);
        check_with(&stopping, &seen(BalancersSeen::Unknown), &BALANCED(), 0, "wait");
        check_with(&stopping, &seen(balancers(false, true, false)), &BALANCED(), 0, "act LeaveBalancers");
        let left = on_balancers_left(&stopping, SignedDuration::from_secs(300), at(0));
        let draining = seen(balancers(true, false, true));
        check_with(&left, &draining, &BALANCED(), 299, "wait");
        check_with(&left, &draining, &BALANCED(), 300, "move shutting_down");
        check_with(&left, &seen(balancers(true, false, false)), &BALANCED(), 10, "move shutting_down");
        let at_once = Rules { drains_connections: false, ..BALANCED() };
        check_with(&left, &draining, &at_once, 1, "move shutting_down");
        check_with(&stopping, &seen(balancers(false, true, false)), &at_once, 0, "act LeaveBalancers");
        assert_eq!(on_balancers_left(&left, SignedDuration::from_secs(300), at(200)), left, "a repeat extends nothing");
    }

    #[test]
    fn an_elb_that_does_not_answer_or_obey_holds_a_stop_up_for_ten_minutes_at_most() {
        let stopping = Instance { status: InstanceStatus::Stopping, ..online_record() };
        for (seen, in_time) in [(BalancersSeen::Unknown, "wait"), (balancers(false, true, false), "act LeaveBalancers")] {
            check_with(&stopping, &well_with(0, seen), &BALANCED(), 599, in_time);
            check_with(&stopping, &well_with(0, seen), &BALANCED(), 600, "move shutting_down");
        }
        let slow = on_balancers_left(&stopping, SignedDuration::from_hours(1), at(0));
        check_with(&slow, &well_with(0, balancers(true, false, true)), &BALANCED(), 3599, "wait");
        check_with(&slow, &well_with(0, balancers(true, false, true)), &BALANCED(), 3600, "move shutting_down");
    }

    /// [ELB-6]: a claim takes a host out as gently as a stop, and gives it back.
    #[test]
    fn elb_6_a_claim_leaves_the_load_balancers_before_it_drains_and_joins_them_again_afterwards() {
        let claim = Claim {
            instance_id: "inst".into(),
            holder: "updates/1".to_owned(),
            reason: "patch".to_owned(),
            until: at(5000),
            drain: crate::claims::DrainPolicy::Wait,
        };
        let claimed = Instance { drained_for: Some("updates/1".to_owned()), ..online_record() };
        let seen = |b| Observed { claim: Some(claim.clone()), ..well_with(10, b) };
        for rules in [BALANCED(), Rules { has_cluster: false, ..BALANCED() }] {
            check_with(&claimed, &seen(balancers(false, true, false)), &rules, 11, "act LeaveBalancers");
            let left = on_balancers_left(&claimed, SignedDuration::from_secs(300), at(11));
            check_with(&left, &seen(balancers(true, false, true)), &rules, 310, "wait");
            let over = if rules.has_cluster { "act Drain" } else { "note" };
            check_with(&left, &seen(balancers(true, false, true)), &rules, 311, over);
            let released = well_with(400, balancers(true, false, false));
            let back = changed(check_with(&left, &released, &rules, 401, "note"), 401);
            assert!(back.attached.due && back.attached.balancers_drained_by.is_none() && back.drained_for.is_none());
            check_with(&back, &released, &rules, 402, "act JoinBalancers");
        }
    }

    #[test]
    fn a_heal_deregisters_within_its_first_minute_and_waits_for_no_connection() {
        let healing = Instance {
            status: InstanceStatus::Stopping,
            healing: true,
            initiated_by: Some(InitiatedBy::AutoHealing),
            ..online_record()
        };
        check_with(&healing, &well_with(0, balancers(false, true, false)), &BALANCED(), 59, "act LeaveBalancers");
        check_with(&healing, &well_with(0, balancers(false, true, false)), &BALANCED(), 60, "act PowerOff { force: false }");
        check_with(&healing, &well_with(0, balancers(true, false, true)), &BALANCED(), 59, "act Drain");
        check_with(&healing, &well_with(0, BalancersSeen::Unknown), &BALANCED(), 1, "act Drain");
    }

    #[test]
    fn the_end_of_an_instance_leaves_nothing_in_a_load_balancer() {
        let delete = Some(DeleteRequest { volumes: false, elastic_ip: false });
        let ending = Instance { delete, ..record(InstanceStatus::Terminated) };
        let gone = |b| Observed {
            attached: AttachedSeen { balancers: b, ..AttachedSeen::default() },
            ..ec2_only(HostState::Terminated)
        };
        check_with(&ending, &gone(balancers(false, true, false)), &BALANCED(), 10, "act LeaveBalancers");
        check_with(&ending, &gone(BalancersSeen::Unknown), &BALANCED(), 599, "wait");
        check_with(&ending, &gone(BalancersSeen::Unknown), &BALANCED(), 600, "remove");
        check_with(&ending, &gone(balancers(true, false, true)), &BALANCED(), 10, "remove");
    }

    /// [REG-3] [ELB-4]
    #[test]
    fn elb_4_a_machine_that_is_unassigned_leaves_the_load_balancers_first() {
        for status in [InstanceStatus::Unassigning, InstanceStatus::Deregistering] {
            let leaving = Instance { status, origin: Origin::RegisteredEc2, ..online_record() };
            check_with(&leaving, &well_with(0, balancers(false, true, false)), &BALANCED(), 1, "act LeaveBalancers");
            let left = on_balancers_left(&leaving, SignedDuration::from_secs(300), at(1));
            check_with(&left, &well_with(0, balancers(true, false, true)), &BALANCED(), 300, "wait");
            check_with(&left, &well_with(0, balancers(true, false, true)), &BALANCED(), 301, "act SendShutdown");
        }
    }

    /// [REG-3]: whoever took it out of its load balancers died before he noted when its connections have drained; the crash sweep's finding.
    #[test]
    fn reg_3_a_machine_whose_leaving_was_not_noted_still_gets_its_shutdown_event() {
        for status in [InstanceStatus::Unassigning, InstanceStatus::Deregistering] {
            let leaving = Instance { status, origin: Origin::RegisteredEc2, ..online_record() };
            check_with(&leaving, &well_with(0, balancers(true, false, true)), &BALANCED(), 60, "wait");
            check_with(&leaving, &well_with(0, balancers(true, false, false)), &BALANCED(), 180, "act SendShutdown");
        }
    }
}

mod addresses {
    use super::*;

    const IP: &str = "203.0.113.1";

    fn with_ip(record: Instance) -> Instance {
        Instance { elastic_ip: Some(IP.to_owned()), ..record }
    }

    /// [EIP-10] [EIP-19]: before `online`; a Setup that can begin is not held up by it.
    #[test]
    fn eip_19_an_address_is_associated_while_the_machine_boots_and_before_it_is_online() {
        let booting = with_ip(record(InstanceStatus::Booting));
        let silent = ec2_only(HostState::Running);
        for (address, expected) in [
            (AddressSeen::Free, "act AssociateAddress"),
            (AddressSeen::Elsewhere, "act AssociateAddress"),
            (AddressSeen::Here, "wait"),
            (AddressSeen::Unknown, "wait"),
            (AddressSeen::Gone, "note"),
        ] {
            check_with(&booting, &with_address(&silent, address), &Rules::default(), 10, expected);
        }
        check_with(&booting, &with_address(&well(10), AddressSeen::Free), &Rules::default(), 11, "act SendSetup");
        let pending = with_ip(record(InstanceStatus::Pending));
        check_with(&pending, &with_address(&ec2_only(HostState::Pending), AddressSeen::Free), &Rules::default(), 10, "wait");
        let setup = with_ip(Instance { setup_command: Some("setup".into()), ..record(InstanceStatus::RunningSetup) });
        let done = Observed { setup: Some(RunSeen::Success), ..well(100) };
        check_with(&setup, &with_address(&done, AddressSeen::Free), &Rules::default(), 1199, "act AssociateAddress");
        check_with(&setup, &with_address(&done, AddressSeen::Free), &Rules::default(), 1200, "move online");
        check_with(&setup, &with_address(&done, AddressSeen::Here), &Rules::default(), 100, "move online");
    }

    /// [EIP-13] [EIP-14]: what was taken away leaves, and what was given comes, online and at rest.
    #[test]
    fn eip_13_an_address_comes_to_and_leaves_an_online_instance_and_leaves_one_at_rest() {
        let given = due(with_ip(online_record()));
        check_with(&given, &with_address(&well(1), AddressSeen::Elsewhere), &Rules::default(), 2, "act AssociateAddress");
        check_with(&given, &with_address(&well(1), AddressSeen::Here), &Rules::default(), 2, "note");
        check_with(&with_ip(online_record()), &with_address(&well(1), AddressSeen::Free), &Rules::default(), 2, "settled");
        let leaving = Attached { addresses_leaving: vec![IP.to_owned()], ..Attached::default() };
        for status in [InstanceStatus::Online, InstanceStatus::Stopped, InstanceStatus::SetupFailed, InstanceStatus::StartFailed]
        {
            let taken = Instance { status, attached: leaving.clone(), ..online_record() };
            assert!(is_busy(&taken, false), "{status}");
            check_with(&taken, &well(1), &Rules::default(), 2, "act DisassociateAddresses");
            let clean = changed(on_loose_ends_tied(&taken, Action::DisassociateAddresses), 2);
            assert!(!is_busy(&clean, false));
        }
    }

    /// [EIP-5] [EIP-6] [EIP-9]: EBS-backed ones once, the others at each start without an address.
    #[test]
    fn eip_5_an_automatic_address_is_allocated_at_the_first_start_or_at_each_start_of_an_instance_store() {
        let auto = Rules { auto_elastic_ip: true, ..Rules::default() };
        let seen = ec2_only(HostState::Running);
        let start = |root, launch, offered: Option<u32>| Instance {
            root_device_type: root,
            launch_number: launch,
            attached: Attached { address_offered: offered, ..Attached::default() },
            ..record(InstanceStatus::Booting)
        };
        use RootDeviceType::{Ebs, InstanceStore};
        for (root, launch, offered, expected) in [
            (Ebs, 1, None, "act AllocateAddress"),
            (Ebs, 1, Some(1), "wait"),
            (Ebs, 2, Some(1), "wait"),
            (InstanceStore, 2, Some(1), "act AllocateAddress"),
            (InstanceStore, 2, Some(2), "wait"),
        ] {
            check_with(&start(root, launch, offered), &seen, &auto, 5, expected);
        }
        check_with(&start(Ebs, 1, None), &seen, &Rules::default(), 5, "wait");
        check_with(&with_ip(start(InstanceStore, 2, None)), &with_address(&seen, AddressSeen::Here), &auto, 5, "wait");
        let registered = Instance { origin: Origin::RegisteredEc2, ..start(Ebs, 1, None) };
        check_with(&registered, &seen, &auto, 5, "wait");
    }

    /// [EIP-2] [EIP-3]: the start goes on without; whether the machine has a public address was its launch's.
    #[test]
    fn eip_2_an_address_that_cannot_be_had_is_a_service_error_and_no_failed_start() {
        let auto = Rules { auto_elastic_ip: true, ..Rules::default() };
        let booting = changed(on_address_refused(&record(InstanceStatus::Booting), "AddressLimitExceeded: no more"), 5);
        check_with(&booting, &ec2_only(HostState::Running), &auto, 6, "wait");
        let online = Instance { attached: booting.attached, ..online_record() };
        let told = changed(check_with(&online, &well(7), &auto, 8, "note"), 8);
        check_with(&told, &well(7), &auto, 9, "settled, address-refused");
        assert_eq!(Notice::AddressRefused.service_error(), Some("ElasticIp"));
    }

    #[test]
    fn a_second_look_a_minute_later_finds_an_address_that_was_allocated_twice() {
        let online = changed(on_address_allocated(&online_record(), IP, at(0)), 0);
        let here = with_address(&well(1), AddressSeen::Here);
        check_with(&online, &here, &Rules::default(), 59, "wait");
        check_with(&online, &here, &Rules::default(), 60, "act AllocateAddress");
        let settled = changed(on_address_settled(&online), 61);
        check_with(&settled, &here, &Rules::default(), 62, "note");
    }

    /// [EIP-17] [INST-32]
    #[test]
    fn eip_17_only_a_deletion_that_asks_for_it_releases_the_address_and_only_after_the_machine() {
        for (elastic_ip, expected) in [(true, "act ReleaseAddress"), (false, "remove")] {
            let delete = Some(DeleteRequest { volumes: false, elastic_ip });
            let ending = with_ip(Instance { delete, ..record(InstanceStatus::Terminated) });
            check_with(&ending, &ec2_only(HostState::ShuttingDown), &Rules::default(), 5, "wait");
            check_with(&ending, &ec2_only(HostState::Terminated), &Rules::default(), 5, expected);
        }
        let delete = Some(DeleteRequest { volumes: true, elastic_ip: true });
        let ending = with_ip(Instance { delete, ..record(InstanceStatus::Terminated) });
        check_with(&changed(on_address_released(&ending), 6), &ec2_only(HostState::Terminated), &Rules::default(), 7, "remove");
        let kept = changed(on_address_kept(&ending, "UnauthorizedOperation"), 6);
        assert_eq!((kept.elastic_ip.as_deref(), kept.delete.unwrap().elastic_ip), (Some(IP), false));
        check_with(&kept, &ec2_only(HostState::Terminated), &Rules::default(), 7, "remove");
    }
}

mod volumes {
    use super::*;

    fn booting() -> Instance {
        let volumes = vec![Volume { ec2_volume_id: "vol-1".to_owned(), mount_point: "/data".to_owned() }];
        Instance { volumes, ..record(InstanceStatus::Booting) }
    }

    /// In contact, so that Setup would be due.
    fn seen(at: Option<VolumeAt>) -> Observed {
        let volumes = at.map(|at| vec![("vol-1".to_owned(), at)]);
        Observed { attached: AttachedSeen { volumes, ..AttachedSeen::default() }, ..well(10) }
    }

    /// [EBS-20] [EBS-21]
    #[test]
    fn ebs_20_known_volumes_are_attached_before_setup() {
        for (at, expected) in [
            (None, "wait"),
            (Some(VolumeAt::Free), "act AttachVolumes"),
            (Some(VolumeAt::Here), "act SendSetup"),
            (Some(VolumeAt::Elsewhere("i-2".into())), "wait"),
        ] {
            check_with(&booting(), &seen(at), &Rules::default(), 11, expected);
        }
        let leaving = Attached { volumes_leaving: vec!["vol-2".to_owned()], ..Attached::default() };
        let first = Instance { attached: leaving, ..booting() };
        check_with(&first, &seen(Some(VolumeAt::Here)), &Rules::default(), 11, "act DetachVolumes");
    }

    /// [EBS-31] [RES-6]: a volume on its way from elsewhere has two minutes.
    #[test]
    fn ebs_31_a_volume_that_cannot_be_had_fails_the_start_and_names_it() {
        for at in [VolumeAt::Gone, VolumeAt::Elsewhere("i-2".into()), VolumeAt::OtherZone("eu-west-1b".to_owned())] {
            check_with(&booting(), &seen(Some(at.clone())), &Rules::default(), 119, "wait");
            let step = check_with(&booting(), &seen(Some(at)), &Rules::default(), 120, "move start_failed");
            assert!(
                matches!(&step, Step::Move { why, .. } if why.starts_with(VOLUME_FAULT) && why.contains("vol-1")),
                "{step:?}"
            );
        }
        let step = on_volume_refused(&booting(), "vol-1", "InvalidVolume.ZoneMismatch", "not in one zone");
        assert!(matches!(step, Step::Move { to: InstanceStatus::StartFailed, .. }));
    }

    /// [RES-8]
    #[test]
    fn res_8_an_unassigned_volume_leaves_a_stopped_machine() {
        let leaving = Attached { volumes_leaving: vec!["vol-1".to_owned()], ..Attached::default() };
        let stopped = Instance { attached: leaving, ..record(InstanceStatus::Stopped) };
        assert!(is_busy(&stopped, false));
        check_with(&stopped, &Observed::nothing(), &Rules::default(), 5, "act DetachVolumes");
        let clean = changed(on_loose_ends_tied(&stopped, Action::DetachVolumes), 6);
        check_with(
            &clean,
            &Observed { ec2: Ec2Seen::Seen(ec2_host(HostState::Stopped)), ..Observed::nothing() },
            &Rules::default(),
            7,
            "settled",
        );
    }
}
