//! One host more while a campaign runs.

use super::*;

fn with_surge(hosts: usize) -> Campaign {
    campaign(hosts, UpdateSettings { surge: true, ..settings() })
}

/// Three hosts that serve, and a stopped load-based one.
fn fleet(spare: InstanceStatus) -> Vec<HostView> {
    let mut all = hosts(4);
    (all[3].status, all[3].scaling) = (spare, ScalingType::Load);
    all
}

fn done(campaign: &mut Campaign) {
    for p in campaign.progress.values_mut().filter(|p| p.phase == Phase::Waiting || p.is_in_flight()) {
        p.phase = Phase::Done { at: at(30) };
    }
}

fn phase(campaign: &Campaign) -> Option<SurgePhase> {
    campaign.surge.as_ref().map(|s| s.phase)
}

#[test]
fn the_surge_instance_is_up_before_the_first_wave_and_is_not_updated_itself() {
    let mut c = with_surge(4);
    let steps = go(&mut c, &fleet(InstanceStatus::Stopped), 0);
    assert!(matches!(&steps[..], [CampaignStep::StartSurge { instance, .. }] if *instance == id(3)), "{steps:?}");
    assert!(matches!(c.progress[&id(3)].phase, Phase::Skipped { .. }));
    assert_eq!(go(&mut c, &fleet(InstanceStatus::Booting), 1), []);
    let steps = go(&mut c, &fleet(InstanceStatus::Online), 5);
    assert!(matches!(&steps[..], [CampaignStep::SurgeIs { phase: SurgePhase::Serving, .. }]), "{steps:?}");
    assert_eq!(claimed(&go(&mut c, &fleet(InstanceStatus::Online), 5)), [id(0)]);
}

#[test]
fn a_start_that_nobody_knows_of_is_asked_for_again() {
    let mut c = with_surge(4);
    go(&mut c, &fleet(InstanceStatus::Stopped), 0);
    let before = c.clone();
    let steps = go(&mut c, &fleet(InstanceStatus::Stopped), 1);
    assert!(matches!(&steps[..], [CampaignStep::StartSurge { .. }]), "{steps:?}");
    assert_eq!(c, before, "the record says so already");
}

#[test]
fn the_campaign_goes_on_without_one_that_does_not_come_up_or_where_there_is_none() {
    for (status, minute, goes_on) in [
        (InstanceStatus::Booting, 19, false),
        (InstanceStatus::Booting, 20, true),
        (InstanceStatus::SetupFailed, 1, true),
        (InstanceStatus::StartFailed, 1, true),
    ] {
        let mut c = with_surge(4);
        go(&mut c, &fleet(InstanceStatus::Stopped), 0);
        go(&mut c, &fleet(status), minute);
        assert_eq!(phase(&c) == Some(SurgePhase::Serving), goes_on, "{status} after {minute} minutes");
    }
    let all = hosts(4);
    assert_eq!(claimed(&look(&with_surge(4), &all, 0)).len(), 1, "all are online");
    for taken in [
        HostView { scaling: ScalingType::AlwaysOn, ..fleet(InstanceStatus::Stopped).remove(3) },
        HostView { held: Some("ada".into()), ..fleet(InstanceStatus::Stopped).remove(3) },
        HostView { claim: claim(60), ..fleet(InstanceStatus::Stopped).remove(3) },
    ] {
        let all: Vec<HostView> = hosts(3).into_iter().chain([taken]).collect();
        assert_eq!(claimed(&look(&with_surge(4), &all, 0)).len(), 1, "{:?}", all[3]);
    }
    let off = campaign(4, settings());
    assert_eq!(claimed(&look(&off, &fleet(InstanceStatus::Stopped), 0)).len(), 1, "nobody has asked for surge");
}

#[test]
fn it_adds_to_those_that_serve_and_not_to_those_that_may_be_out() {
    let mut c = campaign(20, UpdateSettings { surge: true, ..settings() });
    let mut all = hosts(20);
    all[19].scaling = ScalingType::Load;
    c.start_surge(&id(19), "web19", at(0));
    c.move_surge(SurgePhase::Serving, at(0));
    let begun =
        |min_online| claimed(&next(&c, &CampaignView { hosts: &all, min_online, ..CampaignView::default() }, at(0))).len();
    assert_eq!(begun(0), 1, "10 % of 19");
    assert_eq!((begun(19), begun(20)), (1, 0), "20 serve, so one may go though 19 have to stay");
}

#[test]
fn it_is_stopped_before_the_end_however_the_campaign_ends() {
    let ends: [fn(&mut Campaign) -> i64; 3] = [
        |c| {
            done(c);
            40
        },
        |c| {
            c.apply(&CampaignStep::Abort { why: "enough".into() }, at(10));
            10
        },
        |_| 240,
    ];
    for end in ends {
        let mut c = with_surge(4);
        go(&mut c, &fleet(InstanceStatus::Stopped), 0);
        go(&mut c, &fleet(InstanceStatus::Online), 5);
        let minute = end(&mut c);
        let steps = go(&mut c, &fleet(InstanceStatus::Online), minute);
        assert!(matches!(steps.last(), Some(CampaignStep::StopSurge { instance, .. }) if *instance == id(3)), "{steps:?}");
        assert!(!c.is_ended());
        // Its stop was lost: it is asked for again.
        let steps = go(&mut c, &fleet(InstanceStatus::Online), minute + 1);
        assert!(matches!(steps.last(), Some(CampaignStep::StopSurge { .. })), "{steps:?}");
        go(&mut c, &fleet(InstanceStatus::ShuttingDown), minute + 2);
        assert!(c.is_ended());
    }
}

#[test]
fn it_is_left_to_load_scaling_when_that_has_scaled_up_since() {
    for (upscaled, left) in [(None, false), (Some(-1), false), (Some(0), true), (Some(20), true)] {
        let mut c = with_surge(4);
        go(&mut c, &fleet(InstanceStatus::Stopped), 0);
        go(&mut c, &fleet(InstanceStatus::Online), 5);
        done(&mut c);
        let all = fleet(InstanceStatus::Online);
        let view = CampaignView { hosts: &all, upscaled_at: upscaled.map(at), ..CampaignView::default() };
        let steps = next(&c, &view, at(40));
        let stops = steps.iter().any(|s| matches!(s, CampaignStep::StopSurge { .. }));
        let ends = steps.iter().any(|s| matches!(s, CampaignStep::End { .. }));
        assert_eq!((ends, stops), (left, !left), "{upscaled:?}: {steps:?}");
    }
}

#[test]
fn a_campaign_that_ends_while_its_start_is_on_its_way_waits_for_what_becomes_of_it() {
    let mut c = with_surge(4);
    go(&mut c, &fleet(InstanceStatus::Stopped), 0);
    c.apply(&CampaignStep::Abort { why: "enough".into() }, at(1));
    assert_eq!(look(&c, &fleet(InstanceStatus::Stopped), 1), []);
    assert!(matches!(&look(&c, &fleet(InstanceStatus::Requested), 1)[..], [CampaignStep::StopSurge { .. }]));
    assert!(matches!(
        &look(&c, &fleet(InstanceStatus::Stopped), 2)[..],
        [CampaignStep::SurgeIs { phase: SurgePhase::Over, .. }, CampaignStep::End { .. }]
    ));
}

#[test]
fn a_stop_that_is_never_taken_does_not_keep_the_layer_for_ever() {
    let mut c = with_surge(4);
    go(&mut c, &fleet(InstanceStatus::Stopped), 0);
    go(&mut c, &fleet(InstanceStatus::Online), 5);
    done(&mut c);
    go(&mut c, &fleet(InstanceStatus::Online), 40);
    assert!(matches!(&look(&c, &fleet(InstanceStatus::Online), 69)[..], [CampaignStep::StopSurge { .. }]));
    let steps = look(&c, &fleet(InstanceStatus::Online), 70);
    assert!(
        matches!(&steps[..], [CampaignStep::SurgeIs { why, .. }, CampaignStep::End { .. }] if why.ends_with("stop it by hand"))
    );
}
