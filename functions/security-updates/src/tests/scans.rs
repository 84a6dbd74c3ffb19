//! The daily scan.

use super::*;

const LINE: &str = "nothing was changed; patches: missing=3 security=1 reboot=yes updated=1772475060 release=2023.8.20250707";

impl World {
    fn scanned(&self) -> Vec<String> {
        let mut hosts: Vec<String> = self.state().scans.iter().map(|(_, host)| host.clone()).collect();
        hosts.sort();
        hosts
    }

    fn later(&self, hours: i64) {
        let mut state = self.state();
        state.now = Some(state.now.unwrap() + SignedDuration::from_hours(hours));
    }
}

#[tokio::test(start_paused = true)]
async fn every_online_host_is_asked_once_a_day_what_it_misses() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    world.tick().await.unwrap();
    assert_eq!(world.scanned(), ["i-web1", "i-web2"]);
    assert!(world.kept("web1").await.is_none());
    world.state().scan_line = Some(LINE);
    world.tick().await.unwrap();
    let kept = world.kept("web1").await.unwrap();
    assert_eq!((kept.report.missing, kept.report.security, kept.report.needs_reboot), (Some(3), Some(1), true));
    world.later(23);
    world.tick().await.unwrap();
    assert_eq!(world.scanned().len(), 2);
    world.later(2);
    world.tick().await.unwrap();
    world.tick().await.unwrap();
    assert_eq!(world.scanned(), ["i-web1", "i-web1", "i-web2", "i-web2"]);
    let since = kept.behind_since;
    let kept = world.kept("web1").await.unwrap();
    assert!(kept.behind_since == since && Some(kept.at) > since, "{kept:?}");
    assert!(world.state().commands.is_empty() && world.claims().await.is_empty(), "[SEC-4]: nothing is updated");
    let left = world.store.list(&Listing::of(keys::SCANS_PK, "")).await.unwrap();
    assert_eq!(left.len(), 1, "no note is left of what was answered: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_scanned_in_a_layer_that_does_not_want_it_or_while_frozen() {
    let world = World::new(&["web1"], r#"{"scan":false}"#);
    world.tick().await.unwrap();
    assert!(world.scanned().is_empty());
    for (mode, is_unreadable) in [(Mode::Frozen, false), (Mode::Observe, false), (Mode::Active, true)] {
        let world = World::new(&["web1"], NO_CANARY);
        world.set_mode(mode, is_unreadable);
        world.tick().await.unwrap();
        assert!(world.scanned().is_empty(), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_refuses_or_never_answers_is_left_alone_for_the_day() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    world.state().refused_hosts.push("web1");
    for _ in 0..5 {
        world.tick().await.unwrap();
        world.later(4);
    }
    assert_eq!(world.scanned(), ["i-web2"], "asked once, and silent");
    world.state().refused_hosts.clear();
    world.later(5);
    world.tick().await.unwrap();
    world.later(1);
    world.tick().await.unwrap();
    assert_eq!(world.scanned(), ["i-web1", "i-web2", "i-web2"]);
}

/// Every commit and every send of two ticks fails once, before or after its effect: each host is still scanned once, and its word kept.
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_call_of_a_scan_changes_nothing_but_the_time() {
    for at in 1.. {
        for after in [false, true] {
            let world = World::new(&["web1", "web2"], NO_CANARY);
            world.state().faults.fail = Some((at, after));
            world.state().scan_line = Some(LINE);
            for _ in 0..70 {
                world.tick().await.unwrap();
            }
            assert_eq!(world.scanned(), ["i-web1", "i-web2"], "fault {at} {after}");
            assert!(world.kept("web1").await.is_some() && world.kept("web2").await.is_some(), "fault {at} {after}");
            if at > 12 && world.state().faults.calls < at {
                return;
            }
        }
    }
}
