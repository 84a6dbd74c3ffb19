//! A stack as the reconciler reads it once per invocation: settings, layers, claims and holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use strata_domain::announced::of_holder;
use strata_domain::claims::Claim;
use strata_domain::ecs_cluster::check_start;
use strata_domain::holds::{Hold, HoldKind};
use strata_domain::lifecycle::Rules;
use strata_domain::mode::Mode;
use strata_domain::model::{Instance, Layer, LayerLoadBalancer, Stack};
use strata_domain::settings::{InstanceMetrics, Settings};
use strata_domain::{ClusterArn, InstanceId, LayerId, StackId};
use strata_ports::mode::effective;
use strata_ports::store::Listing;
use strata_ports::{Change, Modes, StackScope, Store, StoreError, keys};

use super::Config;
use crate::records::Stored;

/// A stack and what bears on the lifecycle of its instances.
pub(crate) struct StackView {
    pub(crate) stack: Stack,
    pub(crate) scope: StackScope,
    layers: BTreeMap<LayerId, (Layer, Settings)>,
    claims: BTreeMap<InstanceId, Stored<Claim>>,
    holds: Vec<Stored<Hold>>,
    balancers: BTreeMap<LayerId, String>,
    modes: BTreeMap<Vec<LayerId>, Option<Mode>>,
}

impl StackView {
    /// Reads it; `None` if there is no such stack.
    pub(crate) async fn read(store: &dyn Store, id: &StackId) -> Result<Option<Self>, StoreError> {
        let Some(item) = store.get(&keys::stack(id)).await? else { return Ok(None) };
        let stack: Stack = item.decode()?;
        let pk = keys::stack_pk(id);
        let mut layers = BTreeMap::new();
        for item in store.list(&Listing::of(&pk, keys::LAYER)).await? {
            let layer: Layer = item.decode()?;
            // Settings are validated when they are written; whatever is unreadable now counts as not given.
            let settings = Settings::from_custom_json(layer.custom_json.as_deref()).unwrap_or_default();
            layers.insert(layer.id.clone(), (layer, settings));
        }
        let mut claims = BTreeMap::new();
        for item in store.list(&Listing::of(&pk, keys::CLAIM)).await? {
            let claim = Stored::<Claim>::of(item)?;
            claims.insert(claim.record.instance_id.clone(), claim);
        }
        let holds = store.list(&Listing::of(&pk, keys::HOLD)).await?.into_iter().map(Stored::of).collect::<Result<_, _>>()?;
        let mut balancers = BTreeMap::new();
        for item in store.list(&Listing::of(&pk, keys::LOAD_BALANCER)).await? {
            let attached: LayerLoadBalancer = item.decode()?;
            balancers.insert(attached.layer_id, attached.name);
        }
        let scope = scope_of(&stack);
        Ok(Some(Self { stack, scope, layers, claims, holds, balancers, modes: BTreeMap::new() }))
    }

    /// All layers.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.values().map(|(layer, _)| layer)
    }

    /// Layers and the names of their classic load balancers.
    pub(crate) fn classic_balancers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.balancers.iter().map(|(layer, name)| (layer.as_str(), name.as_str()))
    }

    pub(crate) fn layers_of<'a>(&'a self, record: &'a Instance) -> impl Iterator<Item = &'a Layer> {
        record.layer_ids.iter().filter_map(|id| self.layers.get(id)).map(|(layer, _)| layer)
    }

    /// Those of these layers that are there, with their `"strata"` settings.
    pub(super) fn layers_named<'a>(&'a self, ids: &'a [LayerId]) -> impl Iterator<Item = (&'a Layer, &'a Settings)> {
        ids.iter().filter_map(|id| self.layers.get(id)).map(|(layer, settings)| (layer, settings))
    }

    /// The layer that stands for a cluster.
    pub(super) fn layer_with_cluster(&self, cluster: &ClusterArn) -> Option<(&Layer, &Settings)> {
        let found = self.layers.values().find(|(layer, _)| layer.cluster.as_ref() == Some(cluster))?;
        Some((&found.0, &found.1))
    }

    /// The `"strata"` settings of its layers.
    pub(super) fn settings_of<'a>(&'a self, record: &'a Instance) -> impl Iterator<Item = &'a Settings> {
        record.layer_ids.iter().filter_map(|id| self.layers.get(id)).map(|(_, settings)| settings)
    }

    /// Instance types that its layers name as fallbacks, in the order of the layers, each once and not its own.
    pub(super) fn fallback_types(&self, record: &Instance) -> Vec<String> {
        let mut types: Vec<String> = Vec::new();
        for name in self.settings_of(record).flat_map(|s| &s.launch.fallback_instance_types) {
            if *name != record.instance_type && !types.contains(name) {
                types.push(name.clone());
            }
        }
        types
    }

    /// Which metrics it publishes of itself: of several layers, the most that one asks for [MET-18].
    pub(crate) fn instance_metrics(&self, record: &Instance) -> InstanceMetrics {
        let of_layers = record.layer_ids.iter().filter_map(|id| self.layers.get(id));
        of_layers.map(|(_, settings)| settings.instance_metrics).max().unwrap_or_default()
    }

    /// The release of Amazon Linux 2023 that one of its layers is pinned to; empty for the newest.
    pub(crate) fn release(&self, record: &Instance) -> String {
        self.settings_of(record).find_map(|settings| settings.updates.release.clone()).unwrap_or_default()
    }

    /// Whether one of its layers asks for a hosts file [INST-63].
    pub(crate) fn has_hosts_file(&self, record: &Instance) -> bool {
        self.settings_of(record).any(|settings| settings.hosts_file)
    }

    /// The cluster whose container instance it is: that of its ECS layer.
    pub(super) fn cluster_of(&self, record: &Instance) -> Option<ClusterArn> {
        self.layers_of(record).find_map(|layer| layer.cluster.clone())
    }

    /// The classic load balancers of its layers [ELB-8], and the target groups that their settings name.
    pub(super) fn balancers_of(&self, record: &Instance) -> BTreeSet<String> {
        record.layer_ids.iter().flat_map(|layer| self.balancers_of_layer(layer)).map(str::to_owned).collect()
    }

    fn balancers_of_layer(&self, layer: &LayerId) -> impl Iterator<Item = &str> {
        let groups = self.layers.get(layer).into_iter().flat_map(|(_, settings)| &settings.target_groups);
        self.balancers.get(layer).into_iter().chain(groups).map(String::as_str)
    }

    /// The layers that have a load balancer or target group.
    pub(super) fn layers_with(&self, balancer: &str) -> BTreeSet<LayerId> {
        self.layers.keys().filter(|layer| self.balancers_of_layer(layer).any(|b| b == balancer)).cloned().collect()
    }

    /// Whether a stop of an instance in these layers waits for connections to drain [ELB-6].
    fn drains_connections(&self, record: &Instance) -> bool {
        self.layers_of(record)
            .filter(|layer| self.balancers_of_layer(&layer.id).next().is_some())
            .any(|layer| layer.shutdown.delay_until_elb_connections_drained)
    }

    pub(super) fn claim_on(&self, id: &InstanceId) -> Option<&Claim> {
        self.claims.get(id).map(|claim| &claim.record)
    }

    /// The changes that remove claims which lapsed so long ago that their holders have forgotten them.
    pub(super) fn forgotten_claims(&self, now: Timestamp) -> Vec<Change> {
        self.claims.values().filter(|claim| claim.record.is_forgotten(now)).map(Stored::delete).collect()
    }

    /// All claims, in force or not.
    pub(super) fn claims(&self) -> impl Iterator<Item = &Stored<Claim>> {
        self.claims.values()
    }

    /// Whether a start of it would be refused, as StartInstance refuses it: its cluster is deregistered [ECS-94], or one of its layers is
    /// being taken down. A store that does not say so now is asked again at the next look.
    pub(super) async fn refuses_starts(&self, store: &dyn Store, record: &Instance) -> bool {
        for layer in self.layers_of(record) {
            let is_taken_down = !matches!(store.get(&keys::teardown_mark(&self.stack.id, &layer.id)).await, Ok(None));
            if is_taken_down || check_start(layer.layer_type, layer.cluster.as_ref()).is_err() {
                return true;
            }
        }
        false
    }

    /// Whether one of its layers is being taken down. Where the store does not say so it is not: a heal that goes on costs only time.
    pub(super) async fn is_torn_down(&self, store: &dyn Store, record: &Instance) -> bool {
        for layer in self.layers_of(record) {
            if let Ok(Some(_)) = store.get(&keys::teardown_mark(&self.stack.id, &layer.id)).await {
                return true;
            }
        }
        false
    }

    /// How many other hosts of one of its layers are out for what EC2 has scheduled; all of the stack's count, which is the careful side.
    pub(super) fn out_for_announcements(&self, host: &Instance, now: Timestamp) -> usize {
        let is_one = |claim: &Claim| {
            claim.instance_id != host.id
                && claim.is_in_force(now)
                && of_holder(&claim.holder).is_some_and(|(what, _)| what.is_scheduled())
        };
        self.claims.values().filter(|claim| is_one(&claim.record)).count()
    }

    /// Whether a person's hold or a manual stop is on it.
    pub(super) fn is_held(&self, instance: &Instance, now: Timestamp) -> bool {
        self.holds.iter().any(|h| h.record.is_in_force(now) && h.record.covers(&instance.id, &instance.layer_ids))
    }

    /// Instances with a claim, in force or not.
    pub(super) fn claimed(&self) -> impl Iterator<Item = &InstanceId> {
        self.claims.keys()
    }

    /// The standing note that somebody else has set it DRAINING.
    pub(super) fn foreign_hold_on(&self, id: &InstanceId) -> Option<&Stored<Hold>> {
        self.holds.iter().find(|h| h.record.kind == HoldKind::Foreign && h.record.covers(id, &[]))
    }

    /// Where its layers prescribe volumes, in the order of the layers.
    fn volume_mounts(&self, record: &Instance) -> Vec<String> {
        self.layers_of(record).flat_map(|layer| &layer.volume_configurations).map(|volume| volume.mount_point.clone()).collect()
    }

    /// The rules as this instance meets them: several layers add up to the longest time and the most careful setting
    /// (`instances.md`, question 4; [HEAL-2]).
    pub(super) fn rules(&self, record: &Instance, config: &Config, now: Timestamp) -> Rules {
        let held_by = self
            .holds
            .iter()
            .map(|h| &h.record)
            .find(|h| h.kind == HoldKind::Person && h.is_in_force(now) && h.covers(&record.id, &record.layer_ids))
            .map(|h| h.by.clone());
        let drain = record
            .layer_ids
            .iter()
            .filter_map(|id| self.layers.get(id))
            .max_by_key(|(layer, _)| layer.cluster.is_some())
            .map(|(_, settings)| settings.drain);
        let settings = || record.layer_ids.iter().filter_map(|id| self.layers.get(id)).map(|(_, settings)| settings);
        // Healing is asked for by all its layers or not done; the most patient of them counts.
        let limits: Option<Vec<SignedDuration>> = settings().map(|s| s.healing.silent_agent_limit()).collect();
        let defaults = Rules::default();
        Rules {
            has_cluster: self.cluster_of(record).is_some(),
            auto_healing: self.layers_of(record).all(|layer| layer.enable_auto_healing),
            held_by,
            shutdown_timeout: self
                .layers_of(record)
                .map(|layer| layer.shutdown.execution_timeout())
                .max()
                .unwrap_or(defaults.shutdown_timeout),
            fallback_types: self.fallback_types(record),
            drain: drain.unwrap_or(defaults.drain),
            silent_agent_limit: limits.and_then(|limits| limits.into_iter().max()),
            boot_timeout: config.boot_timeout,
            setup_timeout: config.setup_timeout,
            has_balancers: !self.balancers_of(record).is_empty(),
            drains_connections: self.drains_connections(record),
            volume_mounts: self.volume_mounts(record),
            auto_elastic_ip: self.layers_of(record).any(|layer| layer.auto_assign_elastic_ips),
            ..defaults
        }
    }

    /// The mode that counts for an instance: the strictest of installation, stack, its layers and their settings; `None` when
    /// one of them cannot be read. Read once per round.
    pub(crate) async fn mode(&mut self, modes: &dyn Modes, record: &Instance) -> Option<Mode> {
        self.mode_of(modes, &record.layer_ids).await
    }

    /// The same for what is done to these layers.
    pub(super) async fn mode_of(&mut self, modes: &dyn Modes, layer_ids: &[LayerId]) -> Option<Mode> {
        if let Some(known) = self.modes.get(layer_ids) {
            return *known;
        }
        let stack_settings = Settings::from_custom_json(self.stack.custom_json.as_deref()).unwrap_or_default();
        let mut found: Vec<Mode> = stack_settings.mode.into_iter().collect();
        found.extend(layer_ids.iter().filter_map(|id| self.layers.get(id)).filter_map(|(_, settings)| settings.mode));
        let read = effective(modes, Some(&self.stack.id), layer_ids).await;
        let mode = read.map(|mode| Mode::strictest(found.into_iter().chain([mode])));
        self.modes.insert(layer_ids.to_vec(), mode);
        mode
    }

    /// The mode is read again before the next batch of actions.
    pub(crate) fn forget_modes(&mut self) {
        self.modes.clear();
    }

    /// A layer's short name.
    pub(super) fn layer_name(&self, layer: &LayerId) -> Option<&str> {
        self.layers.get(layer).map(|(layer, _)| layer.shortname.as_str())
    }

    /// `stack/layer`, by name and short name.
    pub(crate) fn layer_path(&self, record: &Instance) -> String {
        let layer = self.layers_of(record).next().map_or("-", |layer| layer.shortname.as_str());
        format!("{}/{layer}", self.stack.name)
    }

    /// `stack/layer/host`, by names.
    pub(crate) fn host_path(&self, record: &Instance) -> String {
        format!("{}/{}", self.layer_path(record), record.hostname)
    }
}

/// Under which role and where the calls for a stack are made.
pub(super) fn scope_of(stack: &Stack) -> StackScope {
    StackScope { stack_id: stack.id.clone(), region: stack.region.clone(), service_role_arn: stack.service_role_arn.clone() }
}
