//! Mishaps, and how hosts come through them.

use jiff::SignedDuration;
use strata_domain::InstanceStatus::{ConnectionLost, Online};
use strata_domain::announced::Announced;
use strata_local::cloud::{Mishap, Victim};
use strata_ports::{Clock, Store, keys};

use super::super::World;
use super::start;

pub(super) async fn heal(world: &World, host: usize, mishap: Mishap) -> Result<(), String> {
    world.cloud.inject(Victim::Record(world.host(host).clone()), mishap, world.clock.now());
    let healed = async |w: &World| w.record(host).await.is_some_and(|r| !r.heals.is_empty() && r.status == Online);
    world.until("the host is healed", healed).await?;
    let told = world.cloud.events_out(0).iter().any(|(_, event)| event.detail.to_string().contains(ConnectionLost.as_str()));
    if told { Ok(()) } else { Err("nobody was told that the connection was lost".to_owned()) }
}

/// Somebody deletes the host's volume; gives its id.
async fn lose_volume(world: &World, host: usize) -> Result<String, String> {
    let volume = world.record(host).await.and_then(|record| record.volumes.first().cloned()).ok_or("it has no volume")?;
    world.cloud.delete_volume_by_hand(&volume.ec2_volume_id);
    Ok(volume.ec2_volume_id)
}

/// Its machine has a volume at the layer's mount point, which is not the lost one.
async fn has_another(world: &World, host: usize, lost: &str) -> Result<(), String> {
    let record = world.record(host).await.ok_or("the record is gone")?;
    let view = world.cloud.world_view();
    match record.volumes.as_slice() {
        [one] if one.ec2_volume_id != lost && one.mount_point == "/data" => {
            let at = view.volumes.get(&one.ec2_volume_id).cloned().flatten();
            if at == record.ec2_instance_id { Ok(()) } else { Err(format!("its volume is at {at:?}")) }
        }
        other => Err(format!("its volumes are {other:?}")),
    }
}

pub(super) async fn heal_without_volume(world: &World, host: usize, mishap: Mishap) -> Result<(), String> {
    let lost = lose_volume(world, host).await?;
    heal(world, host, mishap).await?;
    has_another(world, host, &lost).await
}

pub(super) async fn start_without_volume(world: &World, host: usize) -> Result<(), String> {
    let lost = lose_volume(world, host).await?;
    start(world, host).await?;
    has_another(world, host, &lost).await
}

/// The agent hangs; the host stays, and only its agent is restarted.
pub(super) async fn reconnect(world: &World) -> Result<(), String> {
    world.cloud.inject(Victim::Record(world.host(1).clone()), Mishap::AgentStuck, world.clock.now());
    // Of the command itself the record may know nothing: a crash took that away, and then the agent was back.
    let machine = world.record(1).await.and_then(|r| r.ec2_instance_id);
    let is_connected =
        async |w: &World| w.cloud.world_view().containers.iter().any(|c| Some(&c.ec2_id) == machine.as_ref() && c.connected);
    if is_connected(world).await {
        return Err("the agent does not hang".to_owned());
    }
    world.until("the agent is connected again", is_connected).await?;
    let is_well = async |w: &World| w.record(1).await.is_some_and(|r| r.agent_silent_since.is_none());
    world.until("the agent is back", is_well).await?;
    match world.record(1).await.is_some_and(|r| r.heals.is_empty() && r.status == Online) {
        true => Ok(()),
        false => Err("the host itself was healed".to_owned()),
    }
}

/// EC2 schedules something; the host is drained ahead of it, and nothing of it is left afterwards.
pub(super) async fn scheduled(world: &World, what: Announced) -> Result<(), String> {
    let mishap = Mishap::Scheduled(what, SignedDuration::from_mins(20));
    world.cloud.inject(Victim::Record(world.host(1).clone()), mishap, world.clock.now());
    let key = keys::claim(world.stack(), world.host(1));
    let is_claimed = async |w: &World| w.store.get(&key).await.is_ok_and(|item| item.is_some());
    world.until("the host is claimed", is_claimed).await?;
    let is_free = async |w: &World| w.store.get(&key).await.is_ok_and(|item| item.is_none());
    world.until("the claim is over", is_free).await?;
    world.until_status(1, Online).await
}
