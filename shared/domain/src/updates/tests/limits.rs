//! Who goes next, and what keeps everybody from going.

use super::*;
use crate::settings::{MaxUnavailable, Share};
use crate::workload::{Resources, TaskLoad, TaskOwner, Workload};

fn half() -> UpdateSettings {
    UpdateSettings { max_unavailable: Some(MaxUnavailable::Share(Share(50))), ..settings() }
}

fn with_floor(campaign: &Campaign, hosts: &[HostView], min_online: u32, minute: i64) -> Vec<CampaignStep> {
    next(campaign, &CampaignView { hosts, min_online, ..CampaignView::default() }, at(minute))
}

#[test]
fn a_count_goes_before_the_percentage() {
    let three = UpdateSettings { max_unavailable: Some(MaxUnavailable::Count(3)), ..settings() };
    assert_eq!(claimed(&look(&campaign(9, three.clone()), &hosts(9), 0)).len(), 3);
    assert_eq!(claimed(&look(&campaign(2, three), &hosts(2), 0)).len(), 2);
    assert_eq!(claimed(&look(&campaign(9, half()), &hosts(9), 0)).len(), 4);
}

#[test]
fn never_fewer_than_the_layers_floor_stay_in_service() {
    let all = hosts(8);
    for (floor, begun) in [(0, 4), (4, 4), (5, 3), (7, 1)] {
        assert_eq!(claimed(&with_floor(&campaign(8, half()), &all, floor, 0)).len(), begun, "floor {floor}");
    }
    for floor in [8, 9] {
        let steps = with_floor(&campaign(8, half()), &all, floor, 0);
        let expected = format!("8 are in service, and load_scaling.min_online is {floor}");
        assert!(matches!(&steps[..], [CampaignStep::HoldBack { by: HeldBackBy::Floor, why }] if *why == expected), "{steps:?}");
    }
    // One that is out for another reason serves nobody.
    let mut one_lost = hosts(8);
    one_lost[7].claim = Some(Claim { holder: "other".into(), ..claim(60).unwrap() });
    assert_eq!(claimed(&with_floor(&campaign(8, half()), &one_lost, 5, 0)).len(), 2);
}

#[test]
fn one_zone_is_finished_before_the_next_begins() {
    let zones = UpdateSettings { zone_by_zone: true, ..half() };
    let mut c = campaign(9, zones);
    let mut all = hosts(9);
    let mut order = Vec::new();
    while !c.is_ended() {
        let steps = go(&mut c, &all, 0);
        let begun = claimed(&steps);
        assert!(begun.len() <= 3, "{begun:?}");
        order.extend(begun.iter().map(|id| all.iter().find(|h| h.id == *id).unwrap().zone.clone()));
        for id in begun {
            c.progress.get_mut(&id).unwrap().phase = Phase::Done { at: at(0) };
        }
    }
    assert_eq!(order, ["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
    // A host of the first zone that will be back is waited for, one that will not is not.
    let zones = UpdateSettings { zone_by_zone: true, ..half() };
    all[0].status = InstanceStatus::Booting;
    let mut c = campaign(9, zones);
    for n in [3, 6] {
        c.progress.get_mut(&id(n)).unwrap().phase = Phase::Done { at: at(0) };
    }
    assert_eq!(look(&c, &all, 0), []);
    all[0].status = InstanceStatus::SetupFailed;
    assert_eq!(claimed(&look(&c, &all, 0)), [1, 4, 7].map(id));
}

/// Web hosts with `tasks` service tasks of one size each, and room for `free` more.
fn busy(n: usize, tasks: usize, free: u32) -> HostView {
    let reserves = Resources { cpu: 256, memory: 512 };
    let task = TaskLoad { owner: TaskOwner::Service, is_protected: false, reserves };
    let free = Resources { cpu: 256 * free, memory: 512 * free };
    HostView { workload: Some(Workload { free, running: 1, tasks: Some(vec![task; tasks]) }), ..host(n) }
}

#[test]
fn none_is_taken_whose_tasks_the_rest_could_not_hold_and_the_next_one_is_tried() {
    let all_out = UpdateSettings { max_unavailable: Some(MaxUnavailable::Count(9)), ..settings() };
    let begun = |hosts: &[HostView]| claimed(&look(&campaign(hosts.len(), all_out.clone()), hosts, 0));
    assert_eq!(begun(&[busy(0, 2, 0), busy(1, 0, 2)]), [id(0)], "the one that takes its tasks stays");
    assert_eq!(begun(&[busy(0, 2, 0), busy(1, 0, 1), busy(2, 0, 0)]), [id(1), id(2)], "and the empty ones may go");
    assert_eq!(begun(&[busy(0, 1, 0), busy(1, 1, 0), busy(2, 1, 1)]), [id(0)]);
    // One whose tasks nobody has looked at lends its room and is not taken.
    let unseen = HostView { workload: Some(Workload { tasks: None, ..busy(1, 0, 2).workload.unwrap() }), ..host(1) };
    assert_eq!(begun(&[busy(0, 2, 0), unseen]), [id(0)]);
    let full = [busy(0, 2, 1), busy(1, 2, 1)];
    let steps = look(&campaign(2, all_out.clone()), &full, 0);
    let CampaignStep::HoldBack { by: HeldBackBy::Room, why } = &steps[0] else { panic!("{steps:?}") };
    assert!(why.ends_with("for example 512 CPU units and 1024 MiB of web0"), "{why}");
    // Nobody has asked what runs on them, since nobody is to.
    let unasked = UpdateSettings { needs_room: false, ..all_out };
    assert_eq!(claimed(&look(&campaign(2, unasked), &hosts(2), 0)).len(), 2);
}

#[test]
fn those_in_question_are_the_first_whose_turn_it_is() {
    let all = hosts(9);
    let view = CampaignView { hosts: &all, ..CampaignView::default() };
    assert_eq!(in_question(&campaign(9, settings()), &view, at(0), 2), [id(0), id(1)]);
    let zones = UpdateSettings { zone_by_zone: true, ..settings() };
    assert_eq!(in_question(&campaign(9, zones), &view, at(0), 20), [0, 3, 6].map(id));
}

#[test]
fn what_keeps_a_wave_back_is_told_once_paged_after_half_an_hour_and_over_when_one_begins() {
    let all = hosts(4);
    let mut c = campaign(4, half());
    let mut look_at = |floor: u32, minute: i64| {
        let steps = with_floor(&c, &all, floor, minute);
        steps.iter().for_each(|s| c.apply(s, at(minute)));
        (steps, c.held_back.clone())
    };
    assert_eq!(look_at(4, 5).0.len(), 1);
    assert_eq!(look_at(4, 34).0, []);
    assert_eq!(look_at(5, 34).0, [], "another number is no news");
    let (steps, held) = look_at(4, 35);
    assert!(matches!(&steps[..], [CampaignStep::TellHeldBack { .. }]), "{steps:?}");
    assert!(held.is_some_and(|h| h.is_told && h.since == at(5)));
    assert_eq!(look_at(4, 100).0, [], "one page");
    let (steps, held) = look_at(3, 101);
    assert_eq!((claimed(&steps).len(), held), (1, None));
}

#[test]
fn a_pause_and_every_end_are_the_end_of_being_held_back() {
    let held = || {
        let mut c = campaign(4, half());
        with_floor(&c, &hosts(4), 4, 5).iter().for_each(|s| c.apply(s, at(5)));
        assert!(c.held_back.is_some());
        c
    };
    let why = || "enough".to_owned();
    let mut paused = held();
    paused.pause(PausedBy::Person, "lunch", at(6));
    assert_eq!(paused.held_back, None);
    for step in [
        CampaignStep::Abort { why: why() },
        CampaignStep::Finish { why: why() },
        CampaignStep::End { outcome: CampaignOutcome::WindowOver, why: why() },
    ] {
        let mut c = held();
        c.apply(&step, at(6));
        assert_eq!(c.held_back, None, "{step:?}");
    }
}
