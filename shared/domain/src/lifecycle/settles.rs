//! Property tests: the state machine answers everything, and in an obedient world it comes to rest.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::tests::{at, container_host, ec2_host, record};
use super::*;
use crate::claims::DrainPolicy;
use crate::instance_actions::Origin;
use crate::model::{Attached, Care, DeleteRequest, RootDeviceType, Shortage, Volume, VolumeMaking};

fn host_states() -> impl Strategy<Value = HostState> {
    use HostState::*;
    prop::sample::select(vec![Pending, Running, Stopping, Stopped, ShuttingDown, Terminated])
}

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (-4000i64..4000).prop_map(at),
        1 => Just(Timestamp::MIN),
        1 => Just(Timestamp::MAX),
    ]
}

prop_compose! {
    fn attached()(
        (due, refused, address, volume, lost) in any::<(bool, bool, bool, bool, bool)>(),
        making in prop::option::of(prop::option::of(Just("vol-1".to_owned()))),
        volume_made_at in prop::option::of(times()),
        address_offered in prop::option::of(0u32..3),
        (balancers_drained_by, address_settles_at) in (prop::option::of(times()), prop::option::of(times())),
    ) -> Attached {
        Attached {
            due, balancers_drained_by, address_offered, address_settles_at, address_token: None,
            balancers_refused: refused.then(|| "no such load balancer".to_owned()),
            address_refused: refused.then(|| "no such address".to_owned()),
            addresses_leaving: address.then(|| "203.0.113.9".to_owned()).into_iter().collect(),
            volumes_leaving: volume.then(|| "vol-9".to_owned()).into_iter().collect(),
            volume_making: making.map(|lost| VolumeMaking { token: "t".to_owned(), mount_point: "/v1".to_owned(), lost }),
            volume_made_at,
            volumes_lost: lost.then(|| "a volume was lost".to_owned()),
        }
    }
}

fn attached_seen() -> impl Strategy<Value = AttachedSeen> {
    let seen = any::<(bool, bool, bool)>().prop_map(|(missing, registered, draining)| balancers(missing, registered, draining));
    let one = prop::sample::select(vec![
        VolumeAt::Gone,
        VolumeAt::Free,
        VolumeAt::Here,
        VolumeAt::Elsewhere("i-2".into()),
        VolumeAt::OtherZone("z".to_owned()),
    ]);
    let volumes = prop::collection::vec(one, 0..3)
        .prop_map(|all| all.into_iter().enumerate().map(|(n, at)| (format!("vol-{n}"), at)).collect());
    use AddressSeen::*;
    (
        prop_oneof![Just(BalancersSeen::Unknown), seen],
        prop::sample::select(vec![Unknown, Gone, Free, Here, Elsewhere]),
        prop::option::of(volumes),
    )
        .prop_map(|(balancers, address, volumes)| AttachedSeen { balancers, address, volumes })
}

prop_compose! {
    fn records()(
        status in prop::sample::select(InstanceStatus::ALL.to_vec()),
        store in any::<bool>(),
        (status_since, started_at) in (times(), prop::option::of(times())),
        (has_ec2, has_container, was_online, healing) in any::<(bool, bool, bool, bool)>(),
        (setup, shutdown) in any::<(bool, bool)>(),
        silent in prop::option::of(times()),
        drained in prop::option::of(prop::sample::select(vec!["updates/1".to_owned(), "updates/2".to_owned()])),
        out in prop::option::of(times()),
        heals in prop::collection::vec(times(), 0..5),
        delete in prop::option::of(any::<(bool, bool)>()),
        by in prop::option::of(prop::sample::select(vec![InitiatedBy::User, InitiatedBy::AutoHealing])),
        launches in 0u32..3,
        refused in prop::sample::subsequence(vec!["m5.large", "m5a.large"], 0..=2),
        origin in prop::sample::select(vec![Origin::Created, Origin::RegisteredEc2]),
        has_layers in any::<bool>(),
        agent_restarted_at in prop::option::of(times()),
        frozen_since in prop::option::of(times()),
        frozen_seconds in 0i64..2_000,
        (volumes, elastic_ip, start_refused) in (0usize..3, any::<bool>(), any::<bool>()),
        attached in attached(),
    ) -> Instance {
        let volume = |n| Volume { ec2_volume_id: format!("vol-{n}"), mount_point: format!("/v{n}") };
        Instance {
            care: Care { agent_restarted_at, frozen_since, frozen_seconds, refusal: None },
            origin, attached,
            volumes: (0..volumes).map(volume).collect(),
            elastic_ip: elastic_ip.then(|| "203.0.113.1".to_owned()),
            layer_ids: if has_layers { vec!["layer".into()] } else { Vec::new() },
            root_device_type: if store { RootDeviceType::InstanceStore } else { RootDeviceType::Ebs },
            status_since, started_at,
            shortage: Shortage { refused_types: refused.into_iter().map(str::to_owned).collect(), start_refused, retries: 0 },
            launch_number: launches,
            ec2_instance_id: has_ec2.then(|| "i-1".into()),
            container_instance_arn: has_container.then(|| "c-1".into()),
            has_been_online: was_online,
            healing,
            initiated_by: by,
            setup_command: setup.then(|| "setup".into()),
            shutdown_command: shutdown.then(|| "shutdown".into()),
            agent_silent_since: silent,
            drained_for: drained,
            out_of_service_since: out,
            heals,
            delete: delete.map(|(volumes, elastic_ip)| DeleteRequest { volumes, elastic_ip }),
            ..record(status)
        }
    }
}

prop_compose! {
    fn claims()(until in times(), drain in prop::sample::select(vec![DrainPolicy::Wait, DrainPolicy::Stop, DrainPolicy::Refuse])) -> Claim {
        Claim { instance_id: "i".into(), holder: "updates/1".to_owned(), reason: "patch".to_owned(), until, drain }
    }
}

fn tasks() -> impl Strategy<Value = TaskCounts> {
    (0u32..3, 0u32..2, 0u32..2, 0u32..2).prop_map(|(service, protected, standalone, daemon)| TaskCounts {
        service,
        protected,
        standalone,
        daemon,
    })
}

prop_compose! {
    fn observations()(
        ec2 in prop_oneof![
            Just(Ec2Seen::Unknown), Just(Ec2Seen::Absent),
            (host_states(), any::<bool>(), times()).prop_map(|(state, impaired, launched_at)| {
                Ec2Seen::Seen(Ec2Host { impaired, launched_at, ..ec2_host(state) })
            }),
        ],
        container in prop_oneof![
            Just(ContainerSeen::Unknown), Just(ContainerSeen::Absent),
            (any::<bool>(), any::<bool>(), prop::option::of(tasks())).prop_map(|(active, agent_connected, tasks)| {
                ContainerSeen::Seen(ContainerHost { active, agent_connected, tasks, ..container_host() })
            }),
        ],
        last_ping in prop_oneof![Just(PingSeen::Unknown), Just(PingSeen::Never), times().prop_map(PingSeen::At)],
        setup in prop::option::of(prop::sample::select(vec![RunSeen::Running, RunSeen::Success, RunSeen::Failed { timed_out: true }])),
        shutdown in prop::option::of(prop::sample::select(vec![RunSeen::Running, RunSeen::Success])),
        claim in prop::option::of(claims()),
        stray in prop::option::of(Just("i-2".into())),
        foreign_hold in any::<bool>(),
        attached in attached_seen(),
    ) -> Observed {
        Observed { ec2, stray, container, last_ping, setup, shutdown, claim, foreign_hold, attached }
    }
}

prop_compose! {
    fn all_rules()(
        (has_cluster, auto_healing, held, outage, mode_permits_healing) in any::<(bool, bool, bool, bool, bool)>(),
        (has_balancers, drains_connections, auto_elastic_ip) in any::<(bool, bool, bool)>(),
        drain in prop::sample::select(vec![DrainPolicy::Wait, DrainPolicy::Stop, DrainPolicy::Refuse]),
        (mode_permits, is_torn_down) in any::<(bool, bool)>(),
        limit in prop::option::of(Just(SignedDuration::from_mins(10))),
        mounts in prop::sample::subsequence(vec!["/v0", "/v1", "/v5"], 0..=3),
        fallbacks in prop::sample::subsequence(vec!["m5a.large", "m6i.large"], 0..=2),
    ) -> Rules {
        let fallback_types = fallbacks.into_iter().map(str::to_owned).collect();
        Rules {
            volume_mounts: mounts.into_iter().map(str::to_owned).collect(),
            fallback_types, mode_permits, silent_agent_limit: limit,
            has_cluster, auto_healing, held_by: held.then(|| "ada".to_owned()), outage, mode_permits_healing, drain,
            has_balancers, drains_connections, auto_elastic_ip, is_torn_down,
            ..Rules::default()
        }
    }
}

/// Whether carrying the action out takes something away.
fn is_destructive(action: Action) -> bool {
    match action {
        Action::PowerOff { .. }
        | Action::Terminate
        | Action::TerminateStray
        | Action::StopTasks { .. }
        | Action::Deregister
        | Action::DeleteVolumes
        | Action::ReleaseAddress => true,
        Action::Launch
        | Action::SetType
        | Action::PowerOn
        | Action::Reboot
        | Action::SendSetup
        | Action::SendShutdown
        | Action::RestartAgent
        | Action::Drain
        | Action::Activate
        | Action::HoldForeign
        | Action::ReleaseForeign
        // Each of these can be undone, and none is done to a machine that the record does not name.
        | Action::JoinBalancers
        | Action::LeaveBalancers
        | Action::MakeVolume
        | Action::AttachVolumes
        | Action::DetachVolumes
        | Action::AllocateAddress
        | Action::AssociateAddress
        | Action::DisassociateAddresses => false,
    }
}

fn balancers(missing: bool, registered: bool, draining: bool) -> BalancersSeen {
    BalancersSeen::Seen { missing, registered, draining }
}

/// The obedient world: everything that is asked for happens, and every minute everything gets on.
struct World {
    record: Instance,
    seen: Observed,
    rules: Rules,
    now: Timestamp,
    removed: bool,
}

impl World {
    fn host(&mut self) -> Option<&mut Ec2Host> {
        match &mut self.seen.ec2 {
            Ec2Seen::Seen(host) => Some(host),
            Ec2Seen::Unknown | Ec2Seen::Absent => None,
        }
    }

    fn container(&mut self) -> Option<&mut ContainerHost> {
        match &mut self.seen.container {
            ContainerSeen::Seen(container) => Some(container),
            ContainerSeen::Unknown | ContainerSeen::Absent => None,
        }
    }

    fn set_state(&mut self, state: HostState) {
        let now = self.now;
        if let Some(host) = self.host() {
            host.state = state;
            if state == HostState::Pending {
                (host.launched_at, host.impaired) = (now, false);
            }
        }
    }

    fn do_it(&mut self, action: Action) {
        match action {
            Action::Launch => {
                let instance_type = type_to_ask(&self.record, &self.rules.fallback_types).unwrap().to_owned();
                let host = Ec2Host { launched_at: self.now, instance_type, ..ec2_host(HostState::Pending) };
                self.seen.ec2 = Ec2Seen::Seen(host.clone());
                let step = on_launched(&self.record, &host);
                self.apply(step);
            }
            Action::SetType => {
                let wanted = type_to_ask(&self.record, &self.rules.fallback_types).unwrap().to_owned();
                self.host().unwrap().instance_type = wanted;
            }
            Action::TerminateStray => self.seen.stray = None,
            Action::PowerOn => self.set_state(HostState::Pending),
            Action::PowerOff { .. } => self.set_state(HostState::Stopping),
            Action::Terminate => self.set_state(HostState::ShuttingDown),
            Action::Reboot => self.record = on_reboot_sent(&self.record, self.now),
            Action::SendSetup => {
                self.seen.setup = Some(RunSeen::Running);
                let step = on_setup_sent(&self.record, "setup".into());
                self.apply(step);
            }
            Action::SendShutdown => {
                self.seen.shutdown = Some(RunSeen::Running);
                self.record = on_shutdown_sent(&self.record, "shutdown".into());
            }
            Action::RestartAgent => self.record = on_agent_restarted(&self.record, self.now),
            Action::Drain => self.container().unwrap().active = false,
            Action::Activate => self.container().unwrap().active = true,
            Action::StopTasks { .. } => self.container().unwrap().tasks = Some(TaskCounts::default()),
            Action::Deregister => self.seen.container = ContainerSeen::Absent,
            Action::DeleteVolumes => self.record = on_volumes_deleted(&self.record),
            Action::JoinBalancers => self.seen.attached.balancers = balancers(false, true, false),
            Action::LeaveBalancers => {
                self.seen.attached.balancers = balancers(true, false, true);
                self.record = on_balancers_left(&self.record, SignedDuration::from_secs(300), self.now);
            }
            Action::MakeVolume => {
                let making = self.record.attached.volume_making.clone().unwrap();
                let id = format!("vol-made{}", making.mount_point);
                let seen = self.seen.attached.volumes.get_or_insert_default();
                seen.retain(|(id, _)| making.lost.as_ref() != Some(id));
                seen.push((id.clone(), VolumeAt::Free));
                let step = on_volume_made(&self.record, &id, self.now);
                self.apply(step);
            }
            Action::AttachVolumes => {
                for (_, at) in self.seen.attached.volumes.iter_mut().flatten().filter(|(_, at)| *at == VolumeAt::Free) {
                    *at = VolumeAt::Here;
                }
            }
            Action::DetachVolumes | Action::DisassociateAddresses => {
                let step = on_loose_ends_tied(&self.record, action);
                self.apply(step);
            }
            Action::AllocateAddress => {
                let step = match self.record.elastic_ip {
                    Some(_) => on_address_settled(&self.record),
                    None => on_address_allocated(&self.record, "203.0.113.1", self.now),
                };
                self.seen.attached.address = AddressSeen::Free;
                self.apply(step);
            }
            Action::AssociateAddress => self.seen.attached.address = AddressSeen::Here,
            Action::ReleaseAddress => {
                let step = on_address_released(&self.record);
                self.apply(step);
            }
            Action::HoldForeign => self.seen.foreign_hold = true,
            Action::ReleaseForeign => self.seen.foreign_hold = false,
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Move { to, record, .. } => {
                assert_ne!(to, self.record.status, "a move to where it is");
                let care = Care { frozen_since: None, frozen_seconds: 0, ..record.care.clone() };
                self.record = Instance { status: to, status_since: self.now, care, ..*record };
            }
            Step::Note { record, .. } => {
                assert_ne!(*record, self.record, "a note that changes nothing");
                self.record = *record;
            }
            Step::Act { action, .. } => self.do_it(action),
            Step::Remove { .. } => self.removed = true,
            Step::Wait { .. } | Step::Settled { .. } => {}
        }
    }

    /// A minute goes by; what did not answer answers.
    fn pass(&mut self) {
        self.now = self.now.checked_add(SignedDuration::from_mins(1)).unwrap();
        if self.seen.ec2 == Ec2Seen::Unknown {
            self.seen.ec2 = Ec2Seen::Absent;
        }
        if self.seen.container == ContainerSeen::Unknown {
            self.seen.container = ContainerSeen::Absent;
        }
        self.seen.attached.balancers = match self.seen.attached.balancers {
            BalancersSeen::Unknown => balancers(true, false, false),
            BalancersSeen::Seen { missing, registered, .. } => balancers(missing, registered, false),
        };
        if self.seen.attached.address == AddressSeen::Unknown {
            self.seen.attached.address = AddressSeen::Free;
        }
        let volumes = &self.record.volumes;
        let free = || volumes.iter().map(|v| (v.ec2_volume_id.clone(), VolumeAt::Free)).collect();
        self.seen.attached.volumes.get_or_insert_with(free);
        let next_state = |state| match state {
            HostState::Pending => HostState::Running,
            HostState::Stopping => HostState::Stopped,
            HostState::ShuttingDown => HostState::Terminated,
            HostState::Running | HostState::Stopped | HostState::Terminated => state,
        };
        if let Some(host) = self.host() {
            host.state = next_state(host.state);
        }
        let is_running = self.host().is_some_and(|h| h.state == HostState::Running && !h.impaired);
        if is_running {
            self.seen.last_ping = PingSeen::At(self.now);
            self.seen.setup = self.record.setup_command.as_ref().map(|_| RunSeen::Success);
            let setup_ran = self.record.status == InstanceStatus::RunningSetup && self.seen.setup.is_some();
            if setup_ran && self.seen.container == ContainerSeen::Absent {
                self.seen.container = ContainerSeen::Seen(container_host());
            }
        }
        self.seen.shutdown = self.record.shutdown_command.as_ref().map(|_| RunSeen::Success);
        let moved = |tasks: Option<TaskCounts>| TaskCounts { service: 0, ..tasks.unwrap_or_default() };
        if let Some(container) = self.container() {
            container.agent_connected = is_running;
            container.tasks = Some(if container.active { container.tasks.unwrap_or_default() } else { moved(container.tasks) });
        }
    }

    /// Steps until it rests; a wait lets a minute pass.
    fn settle(&mut self) -> Result<(), String> {
        let mut trail = Vec::new();
        let mut last_action = None;
        for _ in 0..400 {
            let step = next(&self.record, &self.seen, &self.rules, self.now);
            trail.push(format!("{} {}: {step:.200?}", self.now, self.record.status));
            match &step {
                Step::Settled { .. } => return Ok(()),
                Step::Wait { .. } => self.pass(),
                // The same action again is done on the next look at the earliest.
                Step::Act { action, .. } if last_action == Some(*action) => {
                    self.pass();
                    last_action = None;
                }
                Step::Act { action, .. } => {
                    last_action = Some(*action);
                    self.apply(step);
                }
                Step::Move { .. } | Step::Note { .. } | Step::Remove { .. } => self.apply(step),
            }
            if self.removed {
                return Ok(());
            }
        }
        Err(trail.split_off(trail.len() - 12).join("\n"))
    }
}

/// Records of a real past: a minute that never comes would never be waited for.
fn of_a_real_past(record: Instance, now: Timestamp) -> Instance {
    let sane = |t: Timestamp| t.clamp(at(-4000), now);
    let soon = |t: Timestamp| t.clamp(at(-4000), after(now, SignedDuration::from_mins(15)));
    Instance {
        status_since: sane(record.status_since),
        started_at: record.started_at.map(sane),
        agent_silent_since: record.agent_silent_since.map(sane),
        heals: record.heals.iter().copied().map(sane).collect(),
        care: Care {
            agent_restarted_at: record.care.agent_restarted_at.map(sane),
            frozen_since: record.care.frozen_since.map(sane),
            ..record.care.clone()
        },
        attached: Attached {
            balancers_drained_by: record.attached.balancers_drained_by.map(soon),
            address_settles_at: record.attached.address_settles_at.map(soon),
            volume_made_at: record.attached.volume_made_at.map(sane),
            ..record.attached
        },
        ..record
    }
}

/// The disobedient world: nothing that is asked for happens, and nothing ever changes. Answers how the record ended: at rest, lost, or gone;
/// or what it still waits for after six hours, or for more than two in one status.
fn in_a_world_that_never_moves(record: Instance, seen: &Observed, rules: &Rules, now: Timestamp) -> Result<(), String> {
    let (began, mut now, mut record) = (now, now, record);
    while now.duration_since(began) < SignedDuration::from_hours(6) {
        let step = next(&record, seen, rules, now);
        match step {
            Step::Move { to, record: changed, .. } => {
                let care = Care { frozen_since: None, frozen_seconds: 0, ..changed.care.clone() };
                record = Instance { status: to, status_since: now, care, ..*changed };
            }
            Step::Note { record: changed, .. } => record = *changed,
            Step::Remove { .. } => return Ok(()),
            Step::Act { .. } | Step::Wait { .. } | Step::Settled { .. } => {
                let stay = now.duration_since(record.status_since.max(began));
                if record.status.has_deadlines() && stay > SignedDuration::from_hours(2) {
                    return Err(format!("{} for {stay}: {step:?}", record.status));
                }
                now = after(now, SignedDuration::from_mins(1));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn next_answers_everything_and_never_moves_in_place_or_notes_nothing(
        record in records(), seen in observations(), rules in all_rules(), now in times(),
    ) {
        match next(&record, &seen, &rules, now) {
            Step::Move { to, record: changed, .. } => {
                prop_assert_ne!(to, record.status);
                // The status itself is the writer's to change, with its event.
                prop_assert_eq!((changed.status, changed.status_sequence), (record.status, record.status_sequence));
            }
            Step::Note { record: changed, .. } => prop_assert_ne!(*changed, record),
            Step::Act { .. } | Step::Wait { .. } | Step::Settled { .. } | Step::Remove { .. } => {}
        }
    }

    #[test]
    fn what_is_unknown_never_leads_to_a_destructive_step(record in records(), seen in observations(), rules in all_rules(), now in times()) {
        let blind = Observed { ec2: Ec2Seen::Unknown, ..seen };
        match next(&record, &blind, &rules, now) {
            Step::Act { action, .. } => prop_assert!(!is_destructive(action), "{action:?}"),
            // The machine of one that is deregistered is left as it is, seen or not.
            Step::Remove { .. } => prop_assert_eq!(record.status, InstanceStatus::Deregistering, "removed blindly"),
            // A reboot whose end nobody hears is lost; what follows is only done to a host that is seen to have failed.
            Step::Move { to: InstanceStatus::ConnectionLost, .. } => prop_assert_eq!(record.status, InstanceStatus::Rebooting),
            Step::Move { to, .. } => prop_assert!(to != InstanceStatus::Stopped, "{to}"),
            Step::Settled { .. } | Step::Wait { .. } | Step::Note { .. } => {}
        }
    }

    #[test]
    fn what_has_work_left_at_rest_is_busy_so_that_the_tick_looks_at_it(
        record in records(), seen in observations(), rules in all_rules(), now in times(),
    ) {
        let seen = Observed { claim: None, ..seen };
        if let Step::Act { action, .. } = next(&record, &seen, &rules, now)
            && matches!(action, Action::JoinBalancers | Action::DetachVolumes | Action::DisassociateAddresses | Action::AssociateAddress)
        {
            prop_assert!(is_busy(&record, false), "{action:?} of {}", record.status);
        }
    }

    /// [REG-1]
    #[test]
    fn reg_1_in_a_world_that_never_moves_nothing_is_on_its_way_for_more_than_two_hours(
        record in records(), seen in observations(), rules in all_rules(), now in (-4000i64..4000).prop_map(at),
    ) {
        // A freeze stops the clocks, as it should.
        let rules = Rules { mode_permits: true, ..rules };
        let record = of_a_real_past(Instance { care: Care::default(), ..record }, now);
        let seen = Observed { claim: None, ..seen };
        if let Err(why) = in_a_world_that_never_moves(record, &seen, &rules, now) {
            prop_assert!(false, "{}", why);
        }
    }

    #[test]
    fn in_an_obedient_world_every_instance_comes_to_rest(
        record in records(), seen in observations(), rules in all_rules(), now in (-4000i64..4000).prop_map(at),
    ) {
        let record = of_a_real_past(record, now);
        let claim = seen.claim.clone().map(|c| Claim { until: c.until.clamp(at(-4000), at(8000)), ..c });
        // Nothing comes to rest in a freeze; it is thawed.
        let rules = Rules { mode_permits: true, ..rules };
        let mut world = World { record, seen: Observed { claim, ..seen }, rules, now, removed: false };
        if let Err(trail) = world.settle() {
            prop_assert!(false, "{}", trail);
        }
    }
}
