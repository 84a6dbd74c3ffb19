//! What a campaign does to a host, and what it keeps of what the host tells.

use strata_domain::claims::DrainPolicy;
use strata_domain::updates::PatchState;

use super::*;

const STEADY: &str = "updated; patches: missing=0 security=0 reboot=no updated=1772475060 release=2023.9.20251117";

impl World {
    /// The value of a parameter of each update command, in the order in which they were sent.
    fn told(&self, name: &str) -> Vec<Option<String>> {
        let of = |told: &Vec<(String, String)>| told.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        self.state().told.iter().map(of).collect()
    }

    pub(super) async fn kept(&self, host: &str) -> Option<PatchState> {
        let item = self.store.get(&keys::patch_state(&STACK.into(), &host.into())).await.unwrap();
        item.map(|item| item.decode().unwrap())
    }

    async fn until_ended(&self) -> Campaign {
        for _ in 0..60 {
            if let Some(ended) = self.ended().await.pop() {
                return ended;
            }
            self.tick().await.unwrap();
        }
        panic!("no end")
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_is_told_what_the_layer_wants_as_data() {
    let world = World::new(
        &["web1"],
        r#"{"canary":0,"kind":"security","reboot":"never","health_command":"test \"$(id -u)\" = 0; true","health_seconds":7,
           "release":"2023.8.20250707"}"#,
    );
    world.ask("start").await;
    world.until_ended().await;
    let mut told = world.state().told[0].clone();
    told.sort();
    let expected = [
        ("health_command", "dGVzdCAiJChpZCAtdSkiID0gMDsgdHJ1ZQ=="),
        ("health_seconds", "7"),
        ("kind", "security"),
        ("reboot", "never"),
        ("release", "2023.8.20250707"),
    ];
    assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

    let plain = World::new(&["web1"], NO_CANARY);
    plain.ask("start").await;
    plain.until_ended().await;
    assert_eq!((plain.told("kind"), plain.told("reboot")), (vec![Some("all".into())], vec![Some("if_needed".into())]));
    assert_eq!((plain.told("health_command"), plain.told("release")), (vec![None], vec![None]));
}

#[tokio::test(start_paused = true)]
async fn what_a_host_tells_is_kept_and_the_rest_goes_to_the_release_of_the_first() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    world.state().last_line = Some(STEADY);
    world.ask("start").await;
    let ended = world.until_ended().await;
    assert_eq!(ended.tally(), "2 updated, 0 failed, 0 skipped, 0 left");
    assert_eq!(world.told("release"), [None, Some("2023.9.20251117".into())]);
    for host in ["web1", "web2"] {
        let kept = world.kept(host).await.unwrap();
        assert_eq!((kept.report.missing, kept.report.release.as_deref()), (Some(0), Some("2023.9.20251117")), "{host}");
        assert_eq!(kept.behind_since, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_as_the_campaign_wants_it_fails_and_what_it_tells_is_kept() {
    let world = World::new(&["web1"], NO_CANARY);
    world.state().last_line = Some("updated; patches: missing=2 security=1 reboot=no");
    world.ask("start").await;
    let ended = world.until_ended().await;
    let phase = &ended.progress[&"web1".into()].phase;
    assert!(matches!(phase, Phase::Failed { why, .. } if why.ends_with("the host still misses 2 updates")), "{phase:?}");
    let kept = world.kept("web1").await.unwrap();
    assert!(kept.report.missing == Some(2) && kept.behind_since == Some(kept.at), "{kept:?}");
    assert!(world.claims().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_next_wave_waits_until_the_services_are_steady() {
    let world = World::new(&["web1", "web2"], NO_CANARY);
    let service = |running| EcsService {
        arn: "arn:service".into(),
        name: "web".into(),
        desired: 2,
        running,
        pending: 2 - running,
        daemon: false,
    };
    world.state().services = vec![service(1)];
    world.ask("start").await;
    for _ in 0..6 {
        world.tick().await.unwrap();
    }
    assert_eq!(world.state().commands.len(), 1, "the second host would take what the rest cannot hold");
    world.state().services = vec![service(2)];
    let ended = world.until_ended().await;
    assert_eq!(ended.tally(), "2 updated, 0 failed, 0 skipped, 0 left");
    assert!(world.journal().await.iter().any(|did| did == "web1 updated and in service"));
}

/// Protected and standalone tasks, by policy: lifecycle drains as the claim says.
#[tokio::test(start_paused = true)]
async fn a_claim_carries_the_layers_drain_policy() {
    for (setting, policy) in [
        ("", DrainPolicy::Wait),
        (r#","drain":"wait""#, DrainPolicy::Wait),
        (r#","drain":"stop""#, DrainPolicy::Stop),
        (r#","drain":"refuse""#, DrainPolicy::Refuse),
    ] {
        let world = World::new(&["web1"], NO_CANARY);
        world.state().settings = format!(r#"{{"strata":{{"updates":{NO_CANARY}{setting}}}}}"#);
        world.ask("start").await;
        let claims: Vec<Claim> = world.list(&keys::stack_pk(&STACK.into()), keys::CLAIM).await;
        assert_eq!(claims.iter().map(|c| c.drain).collect::<Vec<_>>(), [policy], "{setting}");
    }
}
