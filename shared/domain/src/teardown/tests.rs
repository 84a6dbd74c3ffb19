use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::claims::{Claim, DrainPolicy};
use crate::instance_actions::Origin;
use crate::{ClusterArn, InstanceId, InstanceStatus, TeardownId};

fn at(minute: i64) -> Timestamp {
    "2026-03-01T02:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn teardown(options: Options) -> Teardown {
    let new = NewTeardown {
        id: TeardownId::from("t"),
        stack_id: "s".into(),
        stack_name: "shop".into(),
        layer_id: "l".into(),
        layer_name: "Web hosts".into(),
        layer_shortname: "web".into(),
        cluster: Some(ClusterArn::from("arn:aws:ecs:eu-central-1:123456789012:cluster/blue")),
        options,
        requested_by: "ada".into(),
        asked_at: at(0),
    };
    Teardown::begin(new, at(0))
}

fn everything() -> Options {
    Options { delete_services: true, delete_volumes: true, delete_addresses: true, delete_stack: true }
}

fn service(name: &str, desired: u32, tasks: u32) -> ServiceView {
    ServiceView { arn: name.into(), name: name.into(), desired, tasks, daemon: false }
}

fn member(n: usize, status: InstanceStatus) -> MemberView {
    MemberView {
        id: InstanceId::new(format!("i{n}")),
        hostname: format!("web{n}"),
        status,
        origin: Origin::Created,
        is_shared: false,
        claim: None,
        held: None,
        kept_by: Vec::new(),
    }
}

fn registered(n: usize, status: InstanceStatus) -> MemberView {
    MemberView { origin: Origin::RegisteredEc2, ..member(n, status) }
}

fn view(services: Vec<ServiceView>, members: Vec<MemberView>) -> TeardownView {
    TeardownView {
        services,
        members,
        is_cluster_registered: true,
        layer_exists: true,
        stack_exists: true,
        rest_of_stack: None,
        is_protected: false,
    }
}

/// The steps that change the world, in short.
fn does(teardown: &Teardown, view: &TeardownView, minute: i64) -> Vec<String> {
    next(teardown, view, at(minute)).iter().filter_map(short).collect()
}

fn short(step: &TeardownStep) -> Option<String> {
    Some(match step {
        TeardownStep::ScaleService { name, from, .. } => format!("scale {name} from {from}"),
        TeardownStep::DeleteService { name, .. } => format!("delete service {name}"),
        TeardownStep::Stop { hostname, .. } => format!("stop {hostname}"),
        TeardownStep::Delete { hostname, volumes, address, .. } => {
            let with = |is: &bool, what: &'static str| if *is { what } else { "" };
            format!("delete {hostname}{}{}", with(volumes, " and volumes"), with(address, " and address"))
        }
        TeardownStep::Unassign { hostname, .. } => format!("unassign {hostname}"),
        TeardownStep::Deregister { hostname, .. } => format!("deregister {hostname}"),
        TeardownStep::DeregisterCluster { .. } => "deregister cluster".into(),
        TeardownStep::DeleteLayer => "delete layer".into(),
        TeardownStep::DeleteStack => "delete stack".into(),
        TeardownStep::Enter { .. } | TeardownStep::Block { .. } | TeardownStep::Unblock { .. } | TeardownStep::End { .. } => {
            return None;
        }
    })
}

fn ends(teardown: &Teardown, view: &TeardownView) -> Option<(TeardownOutcome, String)> {
    next(teardown, view, at(0)).into_iter().find_map(|s| match s {
        TeardownStep::End { outcome, why } => Some((outcome, why)),
        _ => None,
    })
}

/// Enters the stage that the view is in.
fn entered(mut teardown: Teardown, view: &TeardownView) -> Teardown {
    next(&teardown, view, at(0))
        .iter()
        .filter(|s| matches!(s, TeardownStep::Enter { .. }))
        .for_each(|s| teardown.apply(s, at(0)));
    teardown
}

#[test]
fn only_a_confirmed_and_unprotected_layer_of_its_own_hosts_is_taken_down() {
    let own = [member(1, InstanceStatus::Online)];
    assert_eq!(check_start("Web hosts", Some("Web hosts"), false, &own), Ok(()));
    for wrong in [None, Some("web hosts"), Some("web"), Some("")] {
        let refused = check_start("Web hosts", wrong, false, &own);
        assert_eq!(refused, Err(TeardownRefused::NotConfirmed { expected: "Web hosts".into() }), "{wrong:?}");
    }
    assert_eq!(check_start("Web hosts", Some("Web hosts"), true, &own), Err(TeardownRefused::Protected("Web hosts".into())));
    let shared = [MemberView { is_shared: true, ..member(1, InstanceStatus::Online) }];
    assert_eq!(check_start("Web hosts", Some("Web hosts"), false, &shared), Err(TeardownRefused::Shared("web1 is".into())));
}

/// [ECS-90]
#[test]
fn ecs_90_services_go_first_but_only_if_asked() {
    let services = vec![
        service("api", 6, 6),
        service("old", 0, 2),
        service("idle", 0, 0),
        ServiceView { daemon: true, ..service("agent", 3, 3) },
    ];
    let world = view(services, vec![member(1, InstanceStatus::Online)]);
    assert_eq!(does(&teardown(everything()), &world, 0), ["scale api from 6", "delete service idle", "delete service agent"]);
    let keeps = teardown(Options { delete_services: false, ..everything() });
    assert_eq!(does(&keeps, &world, 0), ["stop web1"]);
}

#[test]
fn the_first_desired_count_is_remembered() {
    let mut t = teardown(everything());
    for count in [6, 3] {
        let step = next(&t, &view(vec![service("api", count, 6)], vec![]), at(0)).pop().unwrap();
        t.apply(&step, at(0));
    }
    assert_eq!(t.scaled_down["api"], 6);
}

#[test]
fn once_the_instances_are_gone_services_of_the_cluster_are_their_owners_business() {
    let t = entered(teardown(everything()), &view(vec![], vec![member(1, InstanceStatus::Online)]));
    assert_eq!(t.stage, Stage::Instances);
    assert_eq!(does(&t, &view(vec![service("new", 2, 2)], vec![]), 0), ["deregister cluster"]);
    assert_eq!(does(&t, &view(vec![service("new", 2, 2)], vec![member(1, InstanceStatus::Stopping)]), 0), ["scale new from 2"]);
}

/// [ECS-91] Created instances are stopped, then deleted; registered ones are handed back, running.
#[test]
fn ecs_91_created_instances_are_stopped_then_deleted_and_registered_ones_handed_back() {
    use InstanceStatus::*;
    let t = teardown(Options::default());
    for status in InstanceStatus::ALL {
        let expected: &[&str] = match status {
            Stopped => &["delete web1"],
            Requested | Pending | Booting | RunningSetup | Online | SetupFailed | StartFailed | Rebooting | ConnectionLost
            | StopFailed | Registered => &["stop web1"],
            Stopping | ShuttingDown | Terminating | Terminated | Registering | Assigning | Unassigning | Deregistering => &[],
        };
        assert_eq!(does(&t, &view(vec![], vec![member(1, status)]), 0), expected, "{status}");
        let expected: &[&str] = match status {
            RunningSetup | Online | SetupFailed | ConnectionLost | Assigning => &["unassign web1"],
            // One that is off goes back as it is.
            Registered | Stopped | StartFailed | StopFailed => &["deregister web1"],
            Requested | Pending | Booting | Rebooting | Stopping | ShuttingDown | Terminating | Terminated | Registering
            | Unassigning | Deregistering => &[],
        };
        assert_eq!(does(&t, &view(vec![], vec![registered(1, status)]), 0), expected, "registered, {status}");
    }
    for (volumes, addresses, expected) in [
        (false, false, "delete web1"),
        (true, false, "delete web1 and volumes"),
        (false, true, "delete web1 and address"),
        (true, true, "delete web1 and volumes and address"),
    ] {
        let options = Options { delete_volumes: volumes, delete_addresses: addresses, ..Options::default() };
        assert_eq!(does(&teardown(options), &view(vec![], vec![member(1, Stopped)]), 0), [expected]);
    }
}

/// [ECS-92], [ECS-93], [ECS-95] Each only when what it needs gone is gone.
#[test]
fn ecs_92_the_cluster_is_deregistered_then_the_layer_deleted_and_nothing_touches_the_cluster_itself() {
    let t = teardown(Options::default());
    let mut world = view(vec![], vec![member(1, InstanceStatus::Terminating)]);
    assert_eq!(does(&t, &world, 0), [""; 0]);
    world.members.clear();
    assert_eq!(does(&t, &world, 0), ["deregister cluster"]);
    world.is_cluster_registered = false;
    assert_eq!(does(&t, &world, 0), ["delete layer"]);
    world.layer_exists = false;
    let (outcome, why) = ends(&t, &world).unwrap();
    assert_eq!((outcome, why.as_str()), (TeardownOutcome::Completed, "left standing: cluster blue in ECS"));
}

/// [ECS-94]
#[test]
fn ecs_94_a_layer_that_somebody_deleted_first_leaves_the_cluster_to_be_deregistered() {
    let world = TeardownView { layer_exists: false, ..view(vec![], vec![]) };
    assert_eq!(does(&teardown(Options::default()), &world, 0), ["deregister cluster"]);
}

/// [ECS-97]
#[test]
fn ecs_97_the_stack_goes_only_if_asked_and_only_when_empty() {
    let empty = TeardownView { layer_exists: false, is_cluster_registered: false, ..view(vec![], vec![]) };
    assert_eq!(does(&teardown(everything()), &empty, 0), ["delete stack"]);
    assert_eq!(ends(&teardown(Options::default()), &empty).unwrap().0, TeardownOutcome::Completed);
    let shared = TeardownView { rest_of_stack: Some("layer db".into()), ..empty };
    let (_, why) = ends(&teardown(everything()), &shared).unwrap();
    assert_eq!(why, "left standing: the stack, because layer db is in it, cluster blue in ECS");
}

#[test]
fn claimed_held_and_shared_members_are_left_alone() {
    let claim = Claim {
        instance_id: "i1".into(),
        holder: "security-updates/c".into(),
        reason: "patch".into(),
        until: at(30),
        drain: DrainPolicy::Wait,
    };
    let t = teardown(Options::default());
    let online = || member(1, InstanceStatus::Online);
    let stops = |m: MemberView, minute| !does(&t, &view(vec![], vec![m]), minute).is_empty();
    assert!(!stops(MemberView { claim: Some(claim.clone()), ..online() }, 29));
    assert!(stops(MemberView { claim: Some(claim), ..online() }, 30));
    assert!(!stops(MemberView { held: Some("ada: debugging".into()), ..online() }, 0));
    assert!(!stops(MemberView { is_shared: true, ..online() }, 0));
}

#[test]
fn a_stage_past_its_deadline_pages_once_names_what_blocks_and_resolves() {
    let world = view(vec![service("api", 0, 2)], vec![member(1, InstanceStatus::Online)]);
    let mut t = entered(teardown(everything()), &world);
    t.last_refusal = Some("service api is not empty".into());
    assert_eq!(next(&t, &world, at(29)), []);
    let steps = next(&t, &world, at(30));
    let [block @ TeardownStep::Block { what, .. }] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(what, "api (desired 0, 2 tasks); the last answer was: service api is not empty");
    t.apply(block, at(30));
    assert_eq!(next(&t, &world, at(300)), []);
    let steps = next(&t, &view(vec![], vec![member(1, InstanceStatus::Online)]), at(301));
    assert!(
        matches!(&steps[..2], [TeardownStep::Unblock { .. }, TeardownStep::Enter { stage: Stage::Instances, .. }]),
        "{steps:?}"
    );
    steps.iter().for_each(|s| t.apply(s, at(301)));
    assert_eq!((t.trouble, t.stage_since), (None, at(301)));
}

#[test]
fn blocked_instances_are_named_and_the_advice_fits() {
    let named = |members: Vec<MemberView>| {
        let world = view(vec![], members);
        let t = entered(teardown(Options::default()), &world);
        assert!(!next(&t, &world, at(59)).iter().any(|s| matches!(s, TeardownStep::Block { .. })));
        match next(&t, &world, at(60)).pop() {
            Some(TeardownStep::Block { what, advice }) => (what, advice),
            other => panic!("{other:?}"),
        }
    };
    let (what, advice) = named(vec![
        member(1, InstanceStatus::StopFailed),
        MemberView { held: Some("ada".into()), ..member(2, InstanceStatus::Online) },
    ]);
    assert_eq!((what.as_str(), advice.as_str()), ("web2 is held: ada", "release the hold on web2"));
    let (what, _) = named((0..7).map(|n| member(n, InstanceStatus::ShuttingDown)).collect());
    assert_eq!(what.matches("shutting_down").count(), 5);
    assert!(what.ends_with("and 2 more"), "{what}");
}

#[test]
fn a_stop_that_has_failed_is_tried_again_at_once_and_then_each_hour() {
    let world = view(vec![], vec![member(1, InstanceStatus::StopFailed), member(2, InstanceStatus::StopFailed)]);
    let mut t = teardown(Options::default());
    let mut tried = Vec::new();
    for minute in 0..130 {
        let steps = next(&t, &world, at(minute));
        let stops = steps.iter().filter(|s| matches!(s, TeardownStep::Stop { again: true, .. })).count();
        assert!(stops == 0 || stops == 2, "{steps:?}");
        tried.extend((stops > 0).then_some(minute));
        steps.iter().for_each(|s| t.apply(s, at(minute)));
    }
    assert_eq!(tried, [0, 60, 120]);
}

fn task(n: u32, service: Option<&str>, is_protected: bool) -> Keeper {
    Keeper::Task { arn: format!("arn:aws:ecs:r:1:task/blue/{n}").as_str().into(), service: service.map(Into::into), is_protected }
}

/// What on-call is told of a stage that is late.
fn told(world: &TeardownView, options: Options) -> (String, String) {
    let t = entered(teardown(options), world);
    let late = t.stage.patience().as_mins();
    assert!(!wants_closer_look(&t, world, at(late - 1)) && wants_closer_look(&t, world, at(late)));
    match next(&t, world, at(late)).pop() {
        Some(TeardownStep::Block { what, advice }) => (what, advice),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_keeps_an_instance_is_named_by_arn_with_the_command_that_helps() {
    let refusal = |what: &str, attribute: &str| {
        let text =
            format!("OperationNotPermitted: The instance 'i-0ab' may not be {what}. Modify its '{attribute}' instance attribute");
        Keeper::Refusal(text)
    };
    let draining = |kept_by: Vec<Keeper>| MemberView { kept_by, ..member(1, InstanceStatus::ShuttingDown) };
    for (kept_by, named, advice) in [
        (
            vec![refusal("terminated", "disableApiTermination")],
            "web1 (shutting_down) is kept by OperationNotPermitted: The instance 'i-0ab' may not be terminated",
            "aws ec2 modify-instance-attribute --instance-id i-0ab --no-disable-api-termination",
        ),
        (
            vec![task(1, Some("api"), false), refusal("stopped", "disableApiStop")],
            "web1 (shutting_down) is kept by task arn:aws:ecs:r:1:task/blue/1 of service api, OperationNotPermitted",
            "aws ec2 modify-instance-attribute --instance-id i-0ab --no-disable-api-stop",
        ),
        (
            vec![task(1, Some("api"), false), task(2, Some("arn:aws:ecs:r:1:service/blue/jobs"), true)],
            "task arn:aws:ecs:r:1:task/blue/2 of service jobs, protected from scale-in",
            "aws ecs update-task-protection --cluster blue --tasks arn:aws:ecs:r:1:task/blue/2 --no-protection-enabled",
        ),
        (
            vec![task(3, None, false)],
            "web1 (shutting_down) is kept by task arn:aws:ecs:r:1:task/blue/3 of no service",
            "aws ecs stop-task --cluster blue --task arn:aws:ecs:r:1:task/blue/3",
        ),
        (
            vec![Keeper::Refusal("ec2:DeleteVolume: VolumeInUse: vol-1 is attached to i-9".into())],
            "vol-1 is attached to i-9",
            "do what",
        ),
        (vec![], "web1 (shutting_down)", "describe-service-errors"),
    ] {
        // One that is only slow does not hide it.
        let world = view(vec![], vec![member(2, InstanceStatus::Stopping), draining(kept_by)]);
        let (what, help) = told(&world, Options::default());
        assert!(what.contains(named) && help.contains(advice), "{what}\n{help}");
    }
}

#[test]
fn a_service_that_does_not_go_is_named_with_its_tasks() {
    let kept_by = vec![task(1, Some("api"), true), task(2, Some("other"), false), task(3, None, false)];
    let member = MemberView { kept_by, ..member(1, InstanceStatus::Online) };
    let (what, advice) = told(&view(vec![service("api", 0, 1)], vec![member]), everything());
    let named = "api (desired 0, 1 tasks): task arn:aws:ecs:r:1:task/blue/1 of service api, protected from scale-in on web1";
    assert_eq!(what, named);
    assert!(advice.starts_with("aws ecs update-task-protection"), "{advice}");
}

#[test]
fn a_layer_that_becomes_protected_is_not_touched_any_more() {
    let world = TeardownView { is_protected: true, ..view(vec![], vec![member(1, InstanceStatus::Online)]) };
    let mut t = teardown(Options::default());
    let steps = next(&t, &world, at(0));
    assert!(matches!(&steps[..], [TeardownStep::Enter { .. }, TeardownStep::Block { .. }]), "{steps:?}");
    steps.iter().for_each(|s| t.apply(s, at(0)));
    assert_eq!(next(&t, &world, at(1)), []);
}

#[test]
fn paused_does_nothing_resumed_has_its_time_again_and_aborted_ends_at_once() {
    let world = view(vec![], vec![member(1, InstanceStatus::Online)]);
    let mut t = entered(teardown(everything()), &world);
    t.scaled_down.insert("api".into(), 6);
    t.pause(at(10));
    assert_eq!(next(&t, &world, at(500)), []);
    t.resume(at(500));
    assert!(!next(&t, &world, at(559)).iter().any(|s| matches!(s, TeardownStep::Block { .. })));
    t.abort();
    let (outcome, why) = ends(&t, &world).unwrap();
    assert_eq!(outcome, TeardownOutcome::Aborted);
    assert_eq!(why, "left standing: layer Web hosts, 1 instances, cluster blue in ECS; services were scaled to zero: api had 6");
    assert_eq!(does(&t, &world, 500), [""; 0]);
}

#[test]
fn a_teardown_survives_being_written_and_read() {
    let t = entered(teardown(everything()), &view(vec![service("api", 2, 2)], vec![]));
    let text = serde_json::to_string(&t).unwrap();
    assert_eq!(serde_json::from_str::<Teardown>(&text).unwrap(), t);
}

/// What the world does to a view when it is asked, and by itself.
fn obey(view: &mut TeardownView, steps: &[TeardownStep]) {
    use InstanceStatus::*;
    for service in &mut view.services {
        service.tasks = service.tasks.min(service.desired + service.tasks / 2);
    }
    for m in &mut view.members {
        m.status = match m.status {
            Requested | Pending | Booting | RunningSetup => Online,
            Stopping => ShuttingDown,
            ShuttingDown | Terminating => Stopped,
            Registering | Unassigning => Registered,
            Assigning | Rebooting => Online,
            other => other,
        };
    }
    view.members.retain(|m| !matches!(m.status, Terminated | Deregistering));
    for step in steps {
        match step {
            TeardownStep::ScaleService { service, .. } => {
                view.services.iter_mut().filter(|s| s.arn == *service).for_each(|s| s.desired = 0)
            }
            TeardownStep::DeleteService { service, .. } => view.services.retain(|s| s.arn != *service),
            TeardownStep::Stop { instance, .. } => set(view, instance, Stopping),
            TeardownStep::Delete { instance, .. } => set(view, instance, Terminated),
            TeardownStep::Unassign { instance, .. } => set(view, instance, Unassigning),
            TeardownStep::Deregister { instance, .. } => set(view, instance, Deregistering),
            TeardownStep::DeregisterCluster { .. } => view.is_cluster_registered = false,
            TeardownStep::DeleteLayer => view.layer_exists = false,
            TeardownStep::DeleteStack => view.stack_exists = false,
            TeardownStep::Enter { .. } | TeardownStep::Block { .. } | TeardownStep::Unblock { .. } | TeardownStep::End { .. } => {
            }
        }
    }
}

fn set(view: &mut TeardownView, id: &InstanceId, status: InstanceStatus) {
    view.members.iter_mut().filter(|m| m.id == *id).for_each(|m| m.status = status);
}

fn any_member() -> impl Strategy<Value = (InstanceStatus, bool)> {
    (prop::sample::select(InstanceStatus::ALL.to_vec()), any::<bool>())
}

proptest! {
    /// In a world that obeys, a teardown ends with all gone that was asked for, and never acts out of order.
    #[test]
    fn a_teardown_ends_and_keeps_the_order(
        counts in prop::collection::vec((0u32..9, 0u32..9, any::<bool>()), 0..4),
        members in prop::collection::vec(any_member(), 0..8),
        (delete_services, delete_volumes, delete_stack) in any::<(bool, bool, bool)>(),
    ) {
        use InstanceStatus::*;
        let options = Options { delete_services, delete_volumes, delete_addresses: delete_volumes, delete_stack };
        let services = counts.iter().enumerate().map(|(n, (desired, tasks, daemon))| ServiceView { daemon: *daemon, ..service(&format!("s{n}"), *desired, *tasks) });
        let members = members.iter().enumerate().map(|(n, (status, is_registered))| {
            let of_created = |s| matches!(s, Registering | Registered | Assigning | Unassigning | Deregistering);
            if *is_registered { registered(n, *status) } else if of_created(*status) { member(n, Online) } else { member(n, *status) }
        });
        let mut world = view(if delete_services { services.collect() } else { vec![] }, members.collect());
        let mut t = teardown(options);
        let mut ticks = 0;
        while !t.is_ended() {
            prop_assert!(ticks < 60, "no end: {t:?} {world:?}");
            let steps = next(&t, &world, at(ticks));
            for step in &steps {
                match step {
                    TeardownStep::Stop { .. } | TeardownStep::Delete { .. } | TeardownStep::Unassign { .. } | TeardownStep::Deregister { .. } =>
                        prop_assert!(world.services.is_empty(), "an instance before the services"),
                    TeardownStep::DeregisterCluster { .. } => prop_assert!(world.members.is_empty()),
                    TeardownStep::DeleteLayer => prop_assert!(world.members.is_empty() && !world.is_cluster_registered),
                    TeardownStep::DeleteStack => prop_assert!(delete_stack && !world.layer_exists),
                    TeardownStep::ScaleService { .. } | TeardownStep::DeleteService { .. } => prop_assert!(delete_services),
                    TeardownStep::Block { .. } => prop_assert!(false, "blocked in a world that obeys: {step:?}"),
                    TeardownStep::Enter { .. } | TeardownStep::Unblock { .. } | TeardownStep::End { .. } => {}
                }
                t.apply(step, at(ticks));
            }
            obey(&mut world, &steps);
            ticks += 1;
        }
        prop_assert!(world.members.is_empty() && !world.layer_exists && world.stack_exists != delete_stack);
    }
}
