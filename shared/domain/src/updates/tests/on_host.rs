//! What must be true of a host before it is given back, and before it counts as done.

use super::*;
use crate::settings::{RebootPolicy, UpdateKind};

fn told(missing: Option<u32>, security: Option<u32>, needs_reboot: bool) -> Option<PatchReport> {
    Some(PatchReport { missing, security, needs_reboot, ..PatchReport::default() })
}

/// A host whose command has succeeded and told this.
fn patched(patches: Option<PatchReport>) -> HostView {
    HostView { claim: claim(65), report: out(Some(1)), command: CommandSeen::Success, patches, ..host(0) }
}

#[test]
fn a_host_that_still_misses_what_the_campaign_is_for_has_failed() {
    use RebootPolicy::{Always, IfNeeded, Never};
    use UpdateKind::{All, Security};
    for (kind, reboot, patches, fails) in [
        (All, IfNeeded, None, None),
        (All, IfNeeded, told(Some(0), Some(0), false), None),
        (All, IfNeeded, told(None, None, false), None),
        (All, IfNeeded, told(Some(1), Some(0), false), Some("the host still misses 1 updates")),
        (Security, IfNeeded, told(Some(1), Some(0), false), None),
        (Security, IfNeeded, told(Some(9), Some(2), false), Some("the host still misses 2 security updates")),
        (All, IfNeeded, told(Some(0), Some(0), true), Some("the host still needs a reboot")),
        (All, Always, told(Some(0), Some(0), true), Some("the host still needs a reboot")),
        (All, Never, told(Some(0), Some(0), true), None),
    ] {
        let mut c = campaign(1, UpdateSettings { kind, reboot, ..settings() });
        c.progress.get_mut(&id(0)).unwrap().phase = Phase::Patching { since: at(2), command: Some(SsmCommandId::from("x")) };
        let steps = look(&c, &[patched(patches.clone())], 10);
        match (fails, released(&steps)) {
            (None, Some(Verdict::Done)) => {}
            (Some(why), Some(Verdict::Failed { why: found })) => assert!(found.ends_with(why), "{found}"),
            other => panic!("{kind:?} {reboot:?} {patches:?}: {other:?}"),
        }
    }
}

#[test]
fn an_agent_that_has_not_told_its_version_is_not_up() {
    let verifying = one(Phase::Verifying { since: at(2) });
    let it = |agent, version: Option<&str>| HostView { agent, agent_version: version.map(str::to_owned), ..patched(None) };
    let connected = AgentSeen::Seen { active: false, connected: true };
    let steps = look(&verifying, &[it(connected, Some("1.99.1"))], 3);
    assert!(
        matches!(&steps[..], [CampaignStep::Release { then: Verdict::Done, why, .. }] if why.contains("ECS agent 1.99.1 is connected"))
    );
    assert_eq!(look(&verifying, &[it(connected, None)], 31), []);
    assert!(matches!(released(&look(&verifying, &[it(connected, None)], 32)), Some(Verdict::Failed { .. })));
    assert_eq!(released(&look(&verifying, &[it(AgentSeen::NotExpected, None)], 3)), Some(&Verdict::Done));
}

#[test]
fn an_updated_host_is_done_once_the_services_are_steady_or_the_patience_is_over() {
    let unsteady = HostView { unsteady: Some("services run fewer tasks than they should: web 3 of 4".into()), ..host(0) };
    let end = |campaign: &Campaign, minute| match look(campaign, std::slice::from_ref(&unsteady), minute).first() {
        Some(CampaignStep::Mark { phase, why, .. }) => Some((phase.clone(), why.clone())),
        _ => None,
    };
    let updated = one(Phase::Restoring { since: at(10), then: Verdict::Done });
    assert_eq!(end(&updated, 24), None);
    let (phase, why) = end(&updated, 25).unwrap();
    assert_eq!(phase, Phase::Done { at: at(25) });
    assert_eq!(why, "it is back in service, although 15 minutes later services run fewer tasks than they should: web 3 of 4");
    let mut over = updated;
    over.state = CampaignState::Finishing;
    assert_eq!(end(&over, 11).unwrap().0, Phase::Done { at: at(11) }, "nobody goes after it");
    let skipped = one(Phase::Restoring { since: at(10), then: Verdict::Skipped { why: "held".into() } });
    assert!(matches!(end(&skipped, 11), Some((Phase::Skipped { .. }, _))), "it took no task away for good");
}

#[test]
fn services_below_their_count_are_named_and_the_rest_counted() {
    let counts = |services: &[(&'static str, u32, u32)]| unsteady_services(services.iter().copied());
    assert_eq!(counts(&[("web", 4, 4), ("api", 0, 0), ("more", 1, 2)]), None);
    let short = counts(&[("web", 4, 3), ("api", 2, 0)]).unwrap();
    assert_eq!(short, "services run fewer tasks than they should: api 0 of 2, web 3 of 4");
    let many = counts(&[("e", 1, 0), ("d", 1, 0), ("c", 1, 0), ("b", 1, 0), ("a", 1, 0)]).unwrap();
    assert!(many.ends_with("a 0 of 1, b 0 of 1, c 0 of 1 and 2 more"), "{many}");
}

/// [SEC-11] Amazon Linux 2023 goes against an explicit release, and all hosts of a campaign to the same one.
#[test]
fn sec_11_the_release_of_the_first_updated_host_is_everybodys_unless_one_is_pinned() {
    let mut free = campaign(1, settings());
    free.note_release("24.04");
    assert_eq!(free.release(), None, "no release of Amazon Linux 2023");
    free.note_release("2023.9.20251117");
    free.note_release("2023.9.20251201");
    assert_eq!(free.release(), Some("2023.9.20251117"));
    let mut pinned = campaign(1, UpdateSettings { release: Some("2023.8.20250707".into()), ..settings() });
    pinned.note_release("2023.9.20251117");
    assert_eq!(pinned.release(), Some("2023.8.20250707"));
}
