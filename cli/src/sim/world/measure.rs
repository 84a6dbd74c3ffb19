//! From demand and hosts in service to metrics, a value a minute, and what the summary wants to know of the end.

use std::sync::Arc;

use jiff::Timestamp;
use strata_domain::updates::{Campaign, Phase};
use strata_local::cloud::{LayerMetrics, ServiceSpec, SimCloud};
use strata_ports::store::Listing;
use strata_ports::{CloudError, Store, StoreError, keys};

use super::World;
use super::setup::Built;
use crate::sim::record::Minute;
use crate::sim::scenario::LayerSpec;

/// Creates a layer's cluster with its services. Their tasks wait for hosts.
///
/// # Errors
/// The cloud does not know the cluster that it has just made.
pub(super) fn create_cluster(cloud: &Arc<SimCloud>, spec: &LayerSpec) -> Result<(), CloudError> {
    let cluster = cloud.create_cluster(&spec.cluster);
    for service in &spec.services {
        let spec = ServiceSpec {
            name: service.name.clone(),
            desired: service.desired,
            min_healthy_percent: service.min_healthy_percent,
            max_percent: service.max_percent,
            daemon: service.daemon,
            protected_tasks: service.protected_tasks,
            ..ServiceSpec::default()
        };
        cloud.create_service(&cluster, spec)?;
    }
    Ok(())
}

/// Hosts of a layer that can carry load: container instances that are ACTIVE and connected.
pub(super) fn capacity(cloud: &SimCloud, built: &Built) -> u32 {
    cloud.online_capacity(&built.cluster).values().sum()
}

/// Publishes each layer's averages of this minute, and keeps the first layer's for the record.
pub(super) fn measure(world: &mut World, now: Timestamp) {
    let start = world.plan.scenario.world.start;
    for (place, built) in world.built.iter().enumerate() {
        let demand = world.plan.demand[place].at(now);
        let capacity = f64::from(capacity(&world.cloud, built));
        // Without a host in service nobody publishes [LOAD-8].
        let cpu = demand.filter(|_| capacity > 0.0).map(|d| world.plan.demand[place].cpu_percent(d, capacity));
        let metrics = LayerMetrics { cpu, memory: cpu.map(|c| 25.0 + c / 2.0), load_1: cpu.map(|c| c / 25.0) };
        world.cloud.publish_layer_metrics(&built.layer, metrics, now);
        if place == 0 && now >= start {
            world.series.push(Minute { at: now, demand, capacity, cpu });
        }
    }
}

/// How many hosts rolling updates brought through, those of ended and of running campaigns.
///
/// # Errors
/// [`StoreError`]: a campaign cannot be read.
pub(super) async fn updated(store: &dyn Store) -> Result<u64, StoreError> {
    let mut updated = 0;
    for pk in [keys::CAMPAIGNS_PK, keys::ENDED_CAMPAIGNS_PK] {
        for item in store.list(&Listing::of(pk, "")).await? {
            let campaign: Campaign = item.decode()?;
            updated += campaign.progress.values().filter(|p| matches!(p.phase, Phase::Done { .. })).count() as u64;
        }
    }
    Ok(updated)
}
