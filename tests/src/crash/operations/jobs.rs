//! The two long jobs: rolling updates and teardowns.

use serde_json::json;
use strata_domain::teardown::{TeardownOutcome, TeardownState};
use strata_domain::updates::{Campaign, CampaignOutcome, CampaignState, Phase, Progress};
use strata_ports::{ContainerInstanceState, Ec2State};
use strata_triggers::RequestVerb::{Abort, Pause, Resume, Start};

use super::super::World;
use super::{assigned, online};

/// Where in a host's update something comes between.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Middle {
    /// It is claimed and drains.
    Draining,
    /// The update command is decided.
    Patching,
}

/// Three hosts in service; a canary is watched for two minutes, and so many percent may be out at once.
pub(super) async fn three_online(world: &World, percent: u8) -> Result<(), String> {
    online(world, &[1, 2, 3]).await?;
    let updates = json!({ "canary": 1, "soak_minutes": 2, "max_unavailable_percent": percent });
    let custom = json!({ "strata": { "updates": updates } }).to_string();
    world.call("UpdateLayer", json!({ "LayerId": world.layer(), "CustomJson": custom })).await?;
    world.settle().await
}

/// Two created hosts that run, one that never did, and a registered one.
pub(super) async fn created_and_registered(world: &World) -> Result<(), String> {
    assigned(world).await?;
    online(world, &[3]).await
}

/// Nobody is out of service, for whatever reason, and nobody says so.
async fn at_rest(world: &World) -> Result<(), String> {
    world.settle().await?;
    let claims = world.claims_left().await;
    if !claims.is_empty() {
        return Err(format!("left behind: {claims:?}"));
    }
    let containers = world.cloud.world_view().containers;
    match containers.iter().find(|c| c.state == ContainerInstanceState::Draining) {
        Some(container) => Err(format!("{} is left DRAINING", container.arn)),
        None => Ok(()),
    }
}

async fn ended(world: &World, expected: CampaignOutcome) -> Result<Campaign, String> {
    world.until("the campaign is over", async |w: &World| w.ended_campaign().await.is_some()).await?;
    let campaign = world.ended_campaign().await.ok_or("its record is gone")?;
    match &campaign.state {
        CampaignState::Ended { outcome, .. } if *outcome == expected => Ok(campaign),
        other => Err(format!("it ended as {other:?}: {}", campaign.tally())),
    }
}

fn all_done(campaign: &Campaign, waves: u32) -> Result<(), String> {
    let is_done = |p: &Progress| matches!(p.phase, Phase::Done { .. });
    match campaign.progress.values().all(is_done) && campaign.wave == waves {
        true => Ok(()),
        false => Err(format!("{} in {} waves", campaign.tally(), campaign.wave)),
    }
}

pub(super) async fn campaign(world: &World) -> Result<(), String> {
    world.ask_for_update(Start).await?;
    all_done(&ended(world, CampaignOutcome::Completed).await?, 2)?;
    at_rest(world).await
}

/// Lets minutes pass until a host of the wave is in the middle of its update.
async fn until_middle(world: &World, wave: u32, middle: Middle) -> Result<(), String> {
    let is_there = |p: &Progress| {
        p.wave == wave
            && match middle {
                Middle::Draining => matches!(p.phase, Phase::Draining { .. }),
                Middle::Patching => matches!(p.phase, Phase::Patching { .. }),
            }
    };
    let holds = async |w: &World| w.campaign().await.is_some_and(|c| c.progress.values().any(is_there));
    world.until("a host is in the middle of its update", holds).await
}

pub(super) async fn aborted(world: &World, middle: Middle) -> Result<(), String> {
    world.ask_for_update(Start).await?;
    until_middle(world, 2, middle).await?;
    world.ask_for_update(Abort).await?;
    let campaign = ended(world, CampaignOutcome::Aborted).await?;
    let interrupted = campaign.progress.values().find(|p| p.wave == 2).map(|p| &p.phase);
    match (middle, interrupted) {
        // A drain is given back; a patch under way is finished.
        (Middle::Draining, Some(Phase::Skipped { .. })) | (Middle::Patching, Some(Phase::Done { .. })) => at_rest(world).await,
        (_, other) => Err(format!("the host came to {other:?}")),
    }
}

pub(super) async fn paused(world: &World) -> Result<(), String> {
    world.ask_for_update(Start).await?;
    until_middle(world, 1, Middle::Patching).await?;
    world.ask_for_update(Pause).await?;
    let is_idle = async |w: &World| w.campaign().await.is_some_and(|c| c.in_flight().is_empty());
    world.until("what was in flight is finished", is_idle).await?;
    for _ in 0..5 {
        world.minute().await;
    }
    if world.campaign().await.is_none_or(|c| c.wave != 1) {
        return Err("a paused campaign has gone on".to_owned());
    }
    world.ask_for_update(Resume).await?;
    all_done(&ended(world, CampaignOutcome::Completed).await?, 3)?;
    at_rest(world).await
}

async fn torn_down(world: &World) -> Result<(), String> {
    world.until("the teardown is over", async |w: &World| w.ended_teardown().await.is_some()).await?;
    let teardown = world.ended_teardown().await.ok_or("its record is gone")?;
    if !matches!(teardown.state, TeardownState::Ended { outcome: TeardownOutcome::Completed, .. }) {
        return Err(format!("it ended as {:?}", teardown.state));
    }
    at_rest(world).await?;
    let view = world.cloud.world_view();
    let hosts: Vec<_> = view.hosts.iter().filter(|host| host.state != Ec2State::ShuttingDown).map(|host| &host.ec2_id).collect();
    if !hosts.is_empty() || !view.services.is_empty() || !view.volumes.is_empty() {
        return Err(format!("left: hosts {hosts:?}, services {:?}, volumes {:?}", view.services, view.volumes));
    }
    match world.cloud.cluster_arns().contains(world.cluster()) {
        true => Ok(()),
        false => Err("the cluster itself is gone".to_owned()),
    }
}

pub(super) async fn teardown(world: &World, with_stack: bool) -> Result<(), String> {
    world.ask_for_teardown(Start, with_stack).await?;
    torn_down(world).await
}

pub(super) async fn teardown_under_a_campaign(world: &World) -> Result<(), String> {
    world.ask_for_update(Start).await?;
    until_middle(world, 1, Middle::Patching).await?;
    world.ask_for_teardown(Start, false).await?;
    ended(world, CampaignOutcome::Aborted).await?;
    torn_down(world).await
}
