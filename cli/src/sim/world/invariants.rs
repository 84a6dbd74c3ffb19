//! What must be true at every minute, whatever befalls the world. SEMANTICS.md lists them by id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use strata_domain::claims::Claim;
use strata_domain::model::Instance;
use strata_domain::settings::time_scaling::TimeScalingSettings;
use strata_domain::time_based::lead::MOST_LEAD;
use strata_domain::time_based::{Plan, StoredSchedule};
use strata_domain::{InstanceId, InstanceStatus, ScalingType};
use strata_local::cloud::WorldView;
use strata_ports::store::Listing;
use strata_ports::{ContainerInstanceState, Ec2State, Store, StoreError, keys};

use super::World;
use super::setup::Built;
use crate::sim::log::LogLine;

/// A record may be on its way for so long: boot timeout, setup timeout, drain, and some faults on the way.
const LONGEST_WAY: SignedDuration = SignedDuration::from_mins(75);
/// A container instance may be DRAINING without a reason in the store for so long: a call took effect, its commit is repeated. The same goes for
/// what is left behind.
const LONGEST_UNOWNED_DRAIN: SignedDuration = SignedDuration::from_mins(20);
/// The launch template of a layer that is gone is deleted by a full sweep, every 15 minutes, and some of them may fail.
const LONGEST_LEFT_TEMPLATE: SignedDuration = SignedDuration::from_mins(50);
/// The whole fleet is looked at this often; the cheap questions are asked every minute.
const FLEET_EVERY_MINUTES: i64 = 5;

/// Counts, and what has to be remembered from one check to the next.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    /// Questions asked.
    pub(super) checked: u64,
    /// Broken ones found.
    pub(super) broken: u64,
    draining_since: BTreeMap<String, Timestamp>,
    left_since: BTreeMap<String, Timestamp>,
    /// A broken invariant of one thing is told once.
    told: BTreeSet<(&'static str, String)>,
}

/// One look at everything.
struct Look<'a> {
    now: Timestamp,
    view: &'a WorldView,
    instances: &'a BTreeMap<InstanceId, Instance>,
    busy: BTreeSet<String>,
}

impl Invariants {
    /// Adds another stretch's counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.checked += other.checked;
        self.broken += other.broken;
    }

    /// Asks all questions that are due at `now`.
    ///
    /// # Errors
    /// [`StoreError`]: a record cannot be read.
    pub(super) async fn check(&mut self, world: &World, now: Timestamp) -> Result<Vec<LogLine>, StoreError> {
        let mut found: Vec<(&'static str, String, String)> = Vec::new();
        self.checked += 1;
        for record in world.cloud.records_with_several_hosts() {
            found.push(("W-1 one host for one record", record.to_string(), format!("{record} has several EC2 instances")));
        }
        let minute = now.as_second() / 60;
        if minute % FLEET_EVERY_MINUTES == 0 {
            let view = world.cloud.world_view();
            let mut instances = BTreeMap::new();
            for built in &world.built {
                instances.extend(records(&*world.store, built).await?);
            }
            let busy = world.store.list(&Listing::of(keys::BUSY_PK, "")).await?.into_iter().map(|i| i.key.sk).collect();
            let look = Look { now, view: &view, instances: &instances, busy };
            self.hosts(&look, &mut found);
            self.records(&look, &mut found);
            self.draining(&look, &mut found);
            self.attached(world, &look, &mut found).await?;
            for built in &world.built {
                self.scaling_event(world, built, &mut found).await?;
                self.claims(world, built, &look, &mut found).await?;
                // A frozen fleet stays as it is, whatever its schedules say.
                if minute % 60 == 30 && world.cloud.modes().is_empty() {
                    self.schedules(world, built, &look, &mut found).await?;
                }
            }
        }
        Ok(found.into_iter().filter_map(|(invariant, about, what)| self.tell(invariant, about, what, now)).collect())
    }

    fn tell(&mut self, invariant: &'static str, about: String, found: String, at: Timestamp) -> Option<LogLine> {
        if !self.told.insert((invariant, about)) {
            return None;
        }
        self.broken += 1;
        Some(LogLine::Broken { at, invariant: invariant.to_owned(), found })
    }

    /// W-2: a machine that runs belongs to a record that knows it, or is just being launched.
    fn hosts(&mut self, look: &Look<'_>, found: &mut Vec<(&'static str, String, String)>) {
        for host in &look.view.hosts {
            self.checked += 1;
            if host.state == Ec2State::ShuttingDown {
                continue;
            }
            let is_owned = match look.instances.get(&host.record) {
                Some(record) => {
                    record.ec2_instance_id.as_ref() == Some(&host.ec2_id)
                        || record.status == InstanceStatus::Requested
                        || look.now.duration_since(host.launched_at) < LONGEST_UNOWNED_DRAIN
                }
                None => false,
            };
            if !is_owned {
                let what = format!("{} ({}) of record {} is known to no record", host.ec2_id, host.state.as_str(), host.record);
                found.push(("W-2 no orphan machine", host.ec2_id.to_string(), what));
            }
        }
    }

    /// W-3, W-4, W-5: no record is on its way for ever; what is on its way is in the busy index; what is stopped has nothing left.
    fn records(&mut self, look: &Look<'_>, found: &mut Vec<(&'static str, String, String)>) {
        let running: BTreeSet<&str> = look
            .view
            .hosts
            .iter()
            .filter(|h| matches!(h.state, Ec2State::Pending | Ec2State::Running))
            .map(|h| h.record.as_str())
            .collect();
        let registered: BTreeSet<&str> = look.view.containers.iter().map(|c| c.ec2_id.as_str()).collect();
        for (id, record) in look.instances {
            self.checked += 3;
            let is_on_its_way = record.status.is_starting() || record.status.is_going_down();
            let since = look.now.duration_since(record.status_since);
            if is_on_its_way && since > LONGEST_WAY {
                let what = format!("{} is {} for {} min", record.hostname, record.status, since.as_mins());
                found.push(("W-3 nothing is on its way for ever", id.to_string(), what));
            }
            if is_on_its_way && !look.busy.contains(id.as_str()) {
                let what = format!("{} is {} and not in the busy index", record.hostname, record.status);
                found.push(("W-4 what is on its way is not forgotten", id.to_string(), what));
            }
            let left = record.ec2_instance_id.as_ref().is_some_and(|ec2| registered.contains(ec2.as_str()));
            if record.status == InstanceStatus::Stopped && (running.contains(id.as_str()) || left) {
                let what =
                    format!("{} is stopped, but its EC2 instance runs or is still registered with the cluster", record.hostname);
                found.push(("W-5 stopped is stopped", id.to_string(), what));
            }
        }
    }

    /// W-6: a host is DRAINING only on its way down or under a claim.
    fn draining(&mut self, look: &Look<'_>, found: &mut Vec<(&'static str, String, String)>) {
        let by_ec2: BTreeMap<&str, &Instance> =
            look.instances.values().filter_map(|i| Some((i.ec2_instance_id.as_ref()?.as_str(), i))).collect();
        let mut still = BTreeMap::new();
        for container in look.view.containers.iter().filter(|c| c.state == ContainerInstanceState::Draining) {
            self.checked += 1;
            let has_reason = by_ec2
                .get(container.ec2_id.as_str())
                .is_some_and(|i| i.drained_for.is_some() || i.healing || i.status.is_going_down());
            if has_reason {
                continue;
            }
            let since = self.draining_since.get(container.arn.as_str()).copied().unwrap_or(look.now);
            still.insert(container.arn.to_string(), since);
            if look.now.duration_since(since) > LONGEST_UNOWNED_DRAIN {
                let what = format!("{} on {} is DRAINING and nobody wants it", container.arn, container.ec2_id);
                found.push(("W-6 no host is left draining", container.arn.to_string(), what));
            }
        }
        self.draining_since = still;
    }

    /// W-10: nothing is left behind in a load balancer, among the addresses that were allocated, the volumes, or the launch templates.
    async fn attached(
        &mut self,
        world: &World,
        look: &Look<'_>,
        found: &mut Vec<(&'static str, String, String)>,
    ) -> Result<(), StoreError> {
        let mut left = BTreeMap::new();
        let in_use: BTreeSet<&str> = look
            .instances
            .values()
            .filter(|record| record.status != InstanceStatus::Stopped)
            .filter_map(|record| record.ec2_instance_id.as_ref().map(|host| host.as_str()))
            .collect();
        for (balancer, hosts) in world.cloud.balanced_hosts() {
            for host in hosts.iter().filter(|host| !in_use.contains(host.as_str())) {
                left.insert(
                    format!("{host} in {balancer}"),
                    ("a load balancer has it, and it is no instance's machine in use", LONGEST_UNOWNED_DRAIN),
                );
            }
        }
        for ip in world.cloud.allocated_addresses().into_keys() {
            if world.store.get(&keys::registered_address(&ip)).await?.is_none() {
                left.insert(ip, ("the address was allocated and is registered with no stack", LONGEST_UNOWNED_DRAIN));
            }
        }
        for volume in look.view.volumes.keys() {
            if world.store.get(&keys::registered_volume(volume)).await?.is_none() {
                left.insert(volume.clone(), ("the volume was made and is registered with no stack", LONGEST_UNOWNED_DRAIN));
            }
        }
        for (name, template) in world.cloud.launch_templates() {
            let Some((spec, stack)) = template.spec.zip(template.stack_id) else { continue };
            if world.store.get(&keys::layer(&stack, &spec.layer_id)).await?.is_none() {
                left.insert(name, ("the launch template's layer is gone", LONGEST_LEFT_TEMPLATE));
            }
        }
        self.checked += 1;
        let before = std::mem::take(&mut self.left_since);
        for (about, (what, longest)) in left {
            let since = before.get(&about).copied().unwrap_or(look.now);
            if look.now.duration_since(since) > longest {
                found.push(("W-10 nothing is left behind", about.clone(), format!("{about}: {what}")));
            }
            self.left_since.insert(about, since);
        }
        Ok(())
    }

    /// W-7: load scaling never touches anything but load-based instances of its layer.
    async fn scaling_event(
        &mut self,
        world: &World,
        built: &Built,
        found: &mut Vec<(&'static str, String, String)>,
    ) -> Result<(), StoreError> {
        let Some(item) = world.store.get(&keys::scaling(&built.layer, "last-event")).await? else { return Ok(()) };
        let stored: serde_json::Value = item.decode()?;
        for id in stored["event"]["instances"].as_array().into_iter().flatten().filter_map(|v| v.as_str()) {
            self.checked += 1;
            let is_load = built.members.iter().any(|(m, spec)| m.as_str() == id && spec.scaling == ScalingType::Load);
            if !is_load {
                let what = format!("a scaling event named {id}, which is no load-based instance of the layer");
                found.push(("W-7 load scaling keeps to its own", id.to_owned(), what));
            }
        }
        Ok(())
    }

    /// W-8: never more hosts under claim than the layer's updates may take out.
    async fn claims(
        &mut self,
        world: &World,
        built: &Built,
        look: &Look<'_>,
        found: &mut Vec<(&'static str, String, String)>,
    ) -> Result<(), StoreError> {
        self.checked += 1;
        let claims = world.store.list(&Listing::of(keys::stack_pk(&built.stack), keys::CLAIM)).await?;
        let mut held = 0;
        for item in &claims {
            held += usize::from(item.decode::<Claim>()?.is_in_force(look.now));
        }
        let place = world.built.iter().position(|b| b.layer == built.layer).unwrap_or(0);
        let json = world.plan.scenario.layers[place].custom_json();
        let settings = strata_domain::settings::Settings::from_custom_json(json.as_deref()).unwrap_or_default();
        let most = (built.members.len() * usize::from(settings.updates.max_unavailable_percent) / 100).max(1);
        if held > most {
            let what = format!("{held} hosts are under claim, {most} may be");
            found.push(("W-8 updates keep to their budget", built.layer.to_string(), what));
        }
        Ok(())
    }

    /// W-9: half an hour into an hour, every time-based instance is on the side that its schedule names, or on its way there.
    async fn schedules(
        &mut self,
        world: &World,
        built: &Built,
        look: &Look<'_>,
        found: &mut Vec<(&'static str, String, String)>,
    ) -> Result<(), StoreError> {
        let place = world.built.iter().position(|b| b.layer == built.layer).unwrap_or(0);
        let json = world.plan.scenario.layers[place].custom_json();
        let settings = strata_domain::settings::Settings::from_custom_json(json.as_deref()).unwrap_or_default();
        let mut plan = Plan::of(&settings.time_scaling, &TimeScalingSettings::default(), []);
        if !plan.lead.is_zero() {
            // As early as any start is asked for, since the world's own measures are not known here.
            plan.lead = MOST_LEAD;
        }
        let moment = plan.at(look.now);
        for item in world.store.list(&Listing::of(keys::stack_pk(&built.stack), keys::TIME_BASED)).await? {
            self.checked += 1;
            let id = InstanceId::from(&item.key.sk[keys::TIME_BASED.len()..]);
            let Some(record) = look.instances.get(&id) else { continue };
            let schedule = item.decode::<StoredSchedule>()?.schedule;
            let wants = plan.calendar.is_on(&schedule, look.now);
            let is_wrong = if wants {
                record.status == InstanceStatus::Stopped
            } else {
                record.status == InstanceStatus::Online && record.drained_for.is_none() && !moment.wants_up(&schedule)
            };
            if is_wrong {
                let what = format!(
                    "{} is {} at {}, its schedule says {}",
                    record.hostname,
                    record.status,
                    look.now,
                    if wants { "on" } else { "off" }
                );
                found.push(("W-9 schedules come true", format!("{id} {}", look.now), what));
            }
        }
        Ok(())
    }
}

/// A layer's instance records, by id.
async fn records(store: &dyn Store, built: &Built) -> Result<BTreeMap<InstanceId, Instance>, StoreError> {
    let items = store.list(&Listing::of(keys::stack_pk(&built.stack), keys::INSTANCE)).await?;
    items.iter().map(|item| item.decode::<Instance>().map(|i| (i.id.clone(), i))).collect()
}
