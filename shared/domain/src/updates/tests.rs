use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::claims::{Claim, ClaimReport, DrainPolicy};
use crate::settings::UpdateSettings;
use crate::{CampaignId, InstanceId, InstanceStatus, ScalingType, SsmCommandId};

mod limits;
mod on_host;
mod surge;
mod world;

fn at(minute: i64) -> Timestamp {
    "2026-03-01T02:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
}

fn id(n: usize) -> InstanceId {
    InstanceId::new(format!("i{n:03}"))
}

fn settings() -> UpdateSettings {
    UpdateSettings { canary: 0, ..UpdateSettings::default() }
}

fn campaign(hosts: usize, settings: UpdateSettings) -> Campaign {
    let new = NewCampaign {
        id: CampaignId::from("c"),
        stack_id: "s".into(),
        stack_name: "shop".into(),
        layer_id: "l".into(),
        layer_name: "web".into(),
        requested_by: "ada".into(),
        reason: None,
        asked_at: at(0),
        settings,
        drain: DrainPolicy::Wait,
        hosts: (0..hosts).map(|n| (id(n), format!("web{n}"))).collect(),
    };
    Campaign::begin(new, at(0))
}

fn host(n: usize) -> HostView {
    HostView {
        id: id(n),
        hostname: format!("web{n}"),
        zone: ["a", "b", "c"][n % 3].into(),
        scaling: ScalingType::AlwaysOn,
        status: InstanceStatus::Online,
        held: None,
        claim: None,
        report: None,
        command: CommandSeen::Unknown,
        patches: None,
        agent: AgentSeen::Seen { active: true, connected: true },
        agent_version: Some("1.98.0".into()),
        unsteady: None,
        workload: None,
    }
}

fn hosts(n: usize) -> Vec<HostView> {
    (0..n).map(host).collect()
}

fn look(campaign: &Campaign, hosts: &[HostView], minute: i64) -> Vec<CampaignStep> {
    next(campaign, &CampaignView { hosts, ..CampaignView::default() }, at(minute))
}

/// Takes the steps into the record.
fn go(campaign: &mut Campaign, hosts: &[HostView], minute: i64) -> Vec<CampaignStep> {
    let steps = look(campaign, hosts, minute);
    steps.iter().for_each(|s| campaign.apply(s, at(minute)));
    steps
}

fn claim(until: i64) -> Option<Claim> {
    Some(Claim {
        instance_id: id(0),
        holder: holder(&"c".into()),
        reason: String::new(),
        until: at(until),
        drain: DrainPolicy::Wait,
    })
}

fn out(since: Option<i64>) -> Option<ClaimReport> {
    Some(ClaimReport { holder: holder(&"c".into()), out_of_service_since: since.map(at) })
}

fn claimed(steps: &[CampaignStep]) -> Vec<InstanceId> {
    steps
        .iter()
        .filter_map(|s| if let CampaignStep::Claim { instance, .. } = s { Some(instance.clone()) } else { None })
        .collect()
}

fn released(steps: &[CampaignStep]) -> Option<&Verdict> {
    steps.iter().find_map(|s| if let CampaignStep::Release { then, .. } = s { Some(then) } else { None })
}

/// A campaign of one host that is in `phase`.
fn one(phase: Phase) -> Campaign {
    let mut c = campaign(1, settings());
    c.progress.get_mut(&id(0)).unwrap().phase = phase;
    c
}

#[test]
fn a_wave_goes_over_the_zones_oldest_first_and_the_next_waits_for_its_end() {
    let mut c = campaign(40, settings());
    let all = hosts(40);
    let steps = go(&mut c, &all, 0);
    assert_eq!(claimed(&steps), [0, 1, 2, 3].map(id));
    assert!(
        matches!(&steps[0], CampaignStep::Claim { wave: 1, canary: false, why, .. } if why == "4 of 40 out"),
        "{:?}",
        steps[0]
    );
    let mut drained = all.clone();
    for host in &mut drained[..4] {
        (host.claim, host.report) = (claim(65), out(None));
    }
    assert_eq!(look(&c, &drained, 1), []);
}

#[test]
fn hosts_that_are_out_for_another_reason_take_room_from_the_wave() {
    let mut all = hosts(30);
    all[0].status = InstanceStatus::ConnectionLost;
    all[1].status = InstanceStatus::Rebooting;
    // 10 % of 28 online are two, and two are out.
    let steps = look(&campaign(30, settings()), &all, 0);
    assert!(matches!(&steps[..], [CampaignStep::HoldBack { by: HeldBackBy::OthersOut, .. }]), "{steps:?}");
    all[1].status = InstanceStatus::Online;
    assert_eq!(claimed(&look(&campaign(30, settings()), &all, 0)), [id(1)]);
}

#[test]
fn held_and_claimed_hosts_are_passed_over() {
    let mut all = hosts(3);
    all[0].held = Some("ada: debugging".into());
    all[1].claim = Some(Claim { holder: "other".into(), ..claim(60).unwrap() });
    let half = UpdateSettings { max_unavailable_percent: 67, ..settings() };
    assert_eq!(claimed(&look(&campaign(3, half.clone()), &all, 0)), [id(2)]);
    // A lapsed claim binds nobody.
    assert_eq!(claimed(&look(&campaign(3, half), &all, 60)), [id(1), id(2)]);
}

#[test]
fn canaries_go_first_alone_and_are_watched_for_the_soak_time() {
    let mut c = campaign(20, UpdateSettings { max_unavailable_percent: 50, canary: 1, soak_minutes: 10, ..settings() });
    let all = hosts(20);
    let steps = go(&mut c, &all, 0);
    assert!(matches!(&steps[..], [CampaignStep::Claim { instance, canary: true, .. }] if *instance == id(0)), "{steps:?}");
    c.progress.get_mut(&id(0)).unwrap().phase = Phase::Done { at: at(5) };
    assert_eq!(canary_stage(&c), CanaryStage::Watched { until: at(15) });
    assert_eq!(look(&c, &all, 14), []);
    assert_eq!(claimed(&look(&c, &all, 15)).len(), 10);
}

#[test]
fn a_canary_that_falls_while_it_is_watched_pauses_the_campaign() {
    let mut c = campaign(20, UpdateSettings { canary: 1, soak_minutes: 10, ..settings() });
    let mut all = hosts(20);
    go(&mut c, &all, 0);
    c.progress.get_mut(&id(0)).unwrap().phase = Phase::Done { at: at(5) };
    all[0].status = InstanceStatus::ConnectionLost;
    let steps = look(&c, &all, 14);
    assert!(
        matches!(&steps[..], [CampaignStep::Mark { phase: Phase::Failed { .. }, .. }, CampaignStep::Pause { .. }]),
        "{steps:?}"
    );
    // After the soak time it is the healer's business alone.
    assert_eq!(claimed(&look(&c, &all, 15)).len(), 0, "10 % of 19 is one, and it is out");
    assert!(!look(&c, &all, 15).iter().any(|s| matches!(s, CampaignStep::Pause { .. })));
}

/// [SEC-4] An Update command goes only to a host that the campaign has taken out of service.
#[test]
fn sec_4_nothing_is_patched_while_it_is_in_service() {
    let draining = one(Phase::Draining { since: at(0) });
    let mut it = HostView { claim: claim(65), ..host(0) };
    for report in [None, out(None), Some(ClaimReport { holder: "other".into(), out_of_service_since: Some(at(1)) })] {
        it.report = report;
        assert_eq!(look(&draining, &[it.clone()], 5), [], "{:?}", it.report);
    }
    it.report = out(Some(4));
    let steps = look(&draining, &[it], 5);
    assert!(matches!(&steps[..], [CampaignStep::SendUpdate { nonce, .. }] if nonce == "c/i000/1"), "{steps:?}");
}

#[test]
fn a_drain_that_does_not_end_is_given_back_and_skipped() {
    let draining = one(Phase::Draining { since: at(0) });
    let it = [HostView { claim: claim(65), report: out(None), ..host(0) }];
    assert_eq!(look(&draining, &it, 29), []);
    assert_eq!(
        released(&look(&draining, &it, 30)),
        Some(&Verdict::Skipped { why: "its drain did not end within 30 minutes".into() })
    );
}

#[test]
fn a_patch_never_outlasts_its_claim() {
    let draining = one(Phase::Draining { since: at(0) });
    let mut it = HostView { claim: claim(50), report: out(Some(19)), ..host(0) };
    assert!(matches!(&look(&draining, &[it.clone()], 20)[..], [CampaignStep::SendUpdate { .. }]));
    assert_eq!(look(&draining, &[it.clone()], 21), []);
    it.claim = claim(25);
    assert!(released(&look(&draining, &[it.clone()], 24)).is_none());
    assert!(matches!(released(&look(&draining, &[it], 25)), Some(Verdict::Skipped { why }) if why.contains("lapsed")));
}

#[test]
fn a_host_whose_claim_or_status_is_lost_is_skipped() {
    let draining = one(Phase::Draining { since: at(0) });
    let other = Some(Claim { holder: "other".into(), ..claim(60).unwrap() });
    for it in [
        HostView { claim: None, ..host(0) },
        HostView { claim: other, ..host(0) },
        HostView { claim: claim(65), status: InstanceStatus::Stopping, ..host(0) },
        HostView { claim: claim(65), status: InstanceStatus::ConnectionLost, ..host(0) },
    ] {
        assert!(matches!(released(&look(&draining, std::slice::from_ref(&it), 5)), Some(Verdict::Skipped { .. })), "{it:?}");
    }
    assert!(matches!(released(&look(&draining, &[], 5)), Some(Verdict::Skipped { .. })));
}

#[test]
fn a_command_whose_id_is_unknown_is_sent_again_with_the_same_nonce() {
    let it = [HostView { claim: claim(65), report: out(Some(1)), ..host(0) }];
    let steps = look(&one(Phase::Patching { since: at(2), command: None }), &it, 3);
    assert!(matches!(&steps[..], [CampaignStep::SendUpdate { nonce, .. }] if nonce == "c/i000/1"), "{steps:?}");
    assert_eq!(look(&one(Phase::Patching { since: at(2), command: Some(SsmCommandId::from("x")) }), &it, 3), []);
}

#[test]
fn a_patch_ends_well_badly_or_too_late() {
    let patching = one(Phase::Patching { since: at(2), command: Some(SsmCommandId::from("x")) });
    let it = |command, status| HostView { claim: claim(65), report: out(Some(1)), command, status, ..host(0) };
    use InstanceStatus::*;
    let steps = look(&patching, &[it(CommandSeen::Success, Online)], 10);
    assert!(matches!(
        &steps[..],
        [CampaignStep::Mark { phase: Phase::Verifying { .. }, .. }, CampaignStep::Release { then: Verdict::Done, .. }]
    ));
    // A result that is seen after the deadline still counts: what happened, happened.
    assert_eq!(released(&look(&patching, &[it(CommandSeen::Success, Online)], 32)), Some(&Verdict::Done));
    for (command, status, minute, fails) in [
        (CommandSeen::Failed { why: "exit code 1".into() }, Online, 3, true),
        (CommandSeen::Running, Online, 31, false),
        (CommandSeen::Running, Online, 32, true),
        (CommandSeen::Unknown, Rebooting, 31, false),
        (CommandSeen::Running, ConnectionLost, 31, false),
        (CommandSeen::Running, Stopping, 3, true),
    ] {
        let found = look(&patching, &[it(command.clone(), status)], minute);
        assert_eq!(matches!(released(&found), Some(Verdict::Failed { .. })), fails, "{command:?} {status} {minute}: {found:?}");
        assert!(fails || found.is_empty());
    }
}

#[test]
fn verified_is_online_with_a_connected_agent() {
    let verifying = one(Phase::Verifying { since: at(2) });
    let it = |status, agent| HostView { claim: claim(65), report: out(Some(1)), status, agent, ..host(0) };
    let connected = |connected| AgentSeen::Seen { active: false, connected };
    use InstanceStatus::*;
    for (status, agent, is_verified) in [
        (Online, connected(true), true),
        (Online, AgentSeen::NotExpected, true),
        (Online, connected(false), false),
        (Online, AgentSeen::Unknown, false),
        (Rebooting, connected(true), false),
    ] {
        let steps = look(&verifying, &[it(status, agent)], 31);
        assert_eq!(released(&steps) == Some(&Verdict::Done), is_verified, "{status} {agent:?}");
    }
    assert!(matches!(released(&look(&verifying, &[it(Online, connected(false))], 32)), Some(Verdict::Failed { .. })));
}

#[test]
fn a_host_is_done_only_when_it_is_back_in_service() {
    let restoring = one(Phase::Restoring { since: at(10), then: Verdict::Done });
    let ends = |host: HostView, minute| match look(&restoring, &[host], minute).first() {
        Some(CampaignStep::Mark { phase, .. }) => Some(phase.clone()),
        _ => None,
    };
    assert_eq!(ends(HostView { report: out(Some(1)), ..host(0) }, 11), None);
    assert_eq!(ends(HostView { agent: AgentSeen::Seen { active: false, connected: true }, ..host(0) }, 11), None);
    assert_eq!(ends(host(0), 11), Some(Phase::Done { at: at(11) }));
    assert_eq!(ends(HostView { report: out(Some(1)), ..host(0) }, 24), None);
    assert!(matches!(ends(HostView { report: out(Some(1)), ..host(0) }, 25), Some(Phase::Failed { .. })));
}

#[test]
fn the_window_begins_none_after_its_end_and_finishes_those_in_flight() {
    let window = UpdateSettings { window_minutes: 60, max_unavailable_percent: 50, ..settings() };
    let all = hosts(4);
    assert_eq!(claimed(&look(&campaign(4, window.clone()), &all, 59)).len(), 2);
    assert_eq!(claimed(&look(&campaign(4, window.clone()), &all, 60)), []);

    let mut c = campaign(4, window);
    go(&mut c, &all, 59);
    let mut drained = all.clone();
    for host in &mut drained[..2] {
        (host.claim, host.report) = (claim(130), out(Some(61)));
    }
    let steps = go(&mut c, &drained, 62);
    assert!(
        matches!(&steps[..], [CampaignStep::Finish { .. }, CampaignStep::SendUpdate { .. }, CampaignStep::SendUpdate { .. }]),
        "{steps:?}"
    );
    assert!(!c.is_ended());
}

#[test]
fn as_many_failures_as_the_budget_pause_and_any_failed_canary() {
    let failed = |count: usize, canary: bool, budget: u32| {
        let mut c = campaign(20, UpdateSettings { failure_budget: budget, ..settings() });
        for n in 0..count {
            let p = c.progress.get_mut(&id(n)).unwrap();
            (p.canary, p.phase) = (canary, Phase::Failed { at: at(1), why: "broken".into() });
        }
        look(&c, &hosts(20), 2)
    };
    let pauses = |steps: &[CampaignStep]| matches!(steps, [CampaignStep::Pause { .. }]);
    for (count, canary, budget, paused) in [
        (0, false, 2, false),
        (1, false, 2, false),
        (2, false, 2, true),
        (1, true, 2, true),
        (0, false, 0, false),
        (1, false, 0, true),
    ] {
        let steps = failed(count, canary, budget);
        assert_eq!(pauses(&steps), paused, "{count} of {budget}, canary {canary}: {steps:?}");
        assert_eq!(claimed(&steps).is_empty(), paused);
    }
}

#[test]
fn a_paused_campaign_goes_on_when_it_is_resumed_and_ends_with_its_window() {
    let mut c = campaign(20, settings());
    c.progress.get_mut(&id(0)).unwrap().phase = Phase::Failed { at: at(1), why: "broken".into() };
    c.progress.get_mut(&id(1)).unwrap().phase = Phase::Failed { at: at(1), why: "broken".into() };
    go(&mut c, &hosts(20), 2);
    assert!(matches!(c.state, CampaignState::Paused { by: PausedBy::Budget, .. }));
    assert_eq!(look(&c, &hosts(20), 239), []);
    assert!(matches!(&look(&c, &hosts(20), 240)[..], [CampaignStep::End { outcome: CampaignOutcome::WindowOver, .. }]));
    c.resume();
    assert_eq!(claimed(&look(&c, &hosts(20), 3)).len(), 2);
}

#[test]
fn an_abort_gives_drains_back_and_finishes_a_patch() {
    let mut c = campaign(3, settings());
    c.progress.get_mut(&id(0)).unwrap().phase = Phase::Draining { since: at(0) };
    c.progress.get_mut(&id(1)).unwrap().phase = Phase::Patching { since: at(1), command: Some(SsmCommandId::from("x")) };
    let mut all = hosts(3);
    all[0].claim = claim(65);
    (all[1].claim, all[1].report, all[1].command) = (claim(65), out(Some(1)), CommandSeen::Running);
    let steps = next(&c, &CampaignView { hosts: &all, is_torn_down: true, ..CampaignView::default() }, at(2));
    assert!(
        matches!(&steps[..], [CampaignStep::Abort { .. }, CampaignStep::Release { instance, then: Verdict::Skipped { .. }, .. }] if *instance == id(0)),
        "{steps:?}"
    );
}

#[test]
fn at_the_end_what_passes_is_waited_for_and_the_rest_is_skipped() {
    use InstanceStatus::*;
    for status in InstanceStatus::ALL {
        let it = [HostView { status, ..host(0) }];
        let steps = look(&campaign(1, settings()), &it, 0);
        match status {
            Online => assert_eq!(claimed(&steps), [id(0)]),
            Requested | Pending | Booting | RunningSetup | Rebooting | ConnectionLost | Registering | Assigning => {
                assert_eq!(steps, [], "{status}");
            }
            SetupFailed | StartFailed | StopFailed | Stopped | Stopping | ShuttingDown | Terminating | Terminated
            | Registered | Unassigning | Deregistering => assert!(
                matches!(
                    &steps[..],
                    [
                        CampaignStep::Mark { phase: Phase::Skipped { .. }, .. },
                        CampaignStep::End { outcome: CampaignOutcome::Completed, .. }
                    ]
                ),
                "{status}: {steps:?}"
            ),
        }
    }
    let held = [HostView { held: Some("ada: debugging".into()), ..host(0) }];
    assert!(matches!(&look(&campaign(1, settings()), &held, 0)[..], [_, CampaignStep::End { .. }]));
}

#[test]
fn a_campaign_survives_being_written_and_read() {
    let mut c = campaign(3, settings());
    go(&mut c, &hosts(3), 0);
    c.pause(PausedBy::Person, "lunch", at(1));
    let text = serde_json::to_string(&c).unwrap();
    assert_eq!(serde_json::from_str::<Campaign>(&text).unwrap(), c);
}

#[test]
fn settings_beyond_the_calendar_do_no_harm() {
    let huge = UpdateSettings {
        soak_minutes: u32::MAX,
        drain_minutes: u32::MAX,
        patch_minutes: u32::MAX,
        window_minutes: u32::MAX,
        failure_budget: u32::MAX,
        canary: u32::MAX,
        max_unavailable_percent: 255,
        ..UpdateSettings::default()
    };
    let mut c = campaign(2, huge);
    assert_eq!(claimed(&go(&mut c, &hosts(2), 0)).len(), 2);
}
