//! Tags of machines, volumes and load balancers in step with stacks, layers and instances [TAG-3] [TAG-9] [TAG-10].
//!
//! The tick compares what stack and layers say with what was last put on their resources, which costs one read of the store for each cluster;
//! a full sweep compares what each resource is to have, which also sees what has joined since. EC2 is asked only where the two differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use strata_domain::instance_actions::Origin;
use strata_domain::machine_tags::{self, Named, Wanted};
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::Instance;
use strata_domain::tags::{Tags, effective};
use strata_domain::{ServiceErrorId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, CloudError, Expect, HandlerError, Item, StoreError, Told, keys};

use super::Reconciler;
use super::attach::for_good;
use super::balancers::alert;
use super::round::committed;
use super::templates::fingerprint;
use super::view::StackView;
use crate::records::{ServiceError, Stored, service_error_changes};

/// How far a stack's tags have come, at `keys::tagging`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Tagging {
    /// Of the names and tags of stack and layers that were dealt with.
    settings: Option<String>,
    /// Of what each resource is to have.
    resources: Option<String>,
    /// The user's keys that stack or layers have ever had, written before one is set: what is not wanted any more is known by them.
    ever: BTreeSet<String>,
    /// What EC2 refused, as it was told.
    refused: Option<String>,
}

/// So many different changes are made in one look: a stack that is renamed has one for each host, and a look may not outlast its invocation.
const MOST_CHANGES: usize = 100;

/// What each resource of the stack is to have, by EC2's id.
type Resources = BTreeMap<String, Wanted>;

fn settings_of(view: &StackView) -> String {
    let layers: Vec<_> = view.layers().map(|layer| (&layer.id, &layer.shortname, &layer.name, &layer.tags)).collect();
    let balancers: Vec<_> = view.classic_balancers().collect();
    fingerprint(&(&view.stack.name, &view.stack.tags, layers, balancers))
}

/// The classic load balancers of the stack's layers get the layer's tags, inherited ones included [TAG-3].
///
/// Our choice: one that is detached keeps its tags, as a volume does; a target group is none of the layer's load balancers.
fn balancers(view: &StackView) -> Resources {
    let of_layer = |id: &str| view.layers().find(|layer| layer.id.as_str() == id);
    let wanted = view.classic_balancers().filter_map(|(layer, name)| {
        let users = machine_tags::users(&effective(&view.stack.tags, &of_layer(layer)?.tags));
        Some((name.to_owned(), Wanted { names: Tags::new(), users }))
    });
    wanted.collect()
}

/// Machines get names and tags, their volumes the tags [TAG-3]. On-premises machines are no resource of AWS's.
fn resources(view: &StackView, records: &[Instance]) -> Resources {
    let mut found = Resources::new();
    for record in records.iter().filter(|record| record.origin != Origin::OnPremises) {
        let Some(machine) = &record.ec2_instance_id else { continue };
        let mut users = Tags::new();
        view.layers_of(record).for_each(|layer| users.extend(effective(&view.stack.tags, &layer.tags)));
        let users = machine_tags::users(&users);
        let layers: Vec<_> = view.layers_of(record).map(|layer| (layer.shortname.clone(), layer.name.clone())).collect();
        let keeps_name = record.origin != Origin::Created;
        let named = Named { stack: &view.stack.name, hostname: &record.hostname, layers: &layers, keeps_name };
        for volume in &record.volumes {
            found.insert(volume.ec2_volume_id.clone(), Wanted { names: Tags::new(), users: users.clone() });
        }
        found.insert(machine.to_string(), Wanted { names: machine_tags::names(&named), users });
    }
    found
}

/// The user's keys of these.
fn keys_of(resources: &Resources) -> impl Iterator<Item = &String> {
    resources.values().flat_map(|wanted| wanted.users.keys())
}

impl Reconciler {
    /// Brings the tags of a stack's machines, volumes and load balancers in step, if names or tags have changed since the last look; if `is_full`, also when only
    /// its resources have.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer; what EC2 does not do now is done by a later look.
    pub(super) async fn keep_tags(&self, view: &mut StackView, is_full: bool) -> Result<(), HandlerError> {
        let key = keys::tagging(&view.stack.id);
        let item = self.ports.store.get(&key).await?;
        let known: Option<Stored<Tagging>> = item.map(Stored::of).transpose()?;
        let settings = settings_of(view);
        if !is_full && known.as_ref().is_some_and(|known| known.record.settings.as_ref() == Some(&settings)) {
            return Ok(());
        }
        let items = self.ports.store.list(&Listing::of(keys::stack_pk(&view.stack.id), keys::INSTANCE)).await?;
        let records: Vec<Instance> = items.iter().map(Item::decode).collect::<Result<_, _>>()?;
        let (wanted, balancers) = (resources(view, &records), balancers(view));
        let before = known.as_ref().map(|known| known.record.clone()).unwrap_or_default();
        let after = Tagging {
            settings: Some(settings),
            resources: Some(fingerprint(&(&wanted, &balancers))),
            ever: before.ever.iter().chain(keys_of(&wanted)).chain(keys_of(&balancers)).cloned().collect(),
            refused: before.refused.clone(),
        };
        if after == before || !permits(view.mode_of(&*self.ports.modes, &[]).await, ActionKind::Start) {
            return Ok(());
        }
        let expect = known.map_or(Expect::Absent, |known| known.unchanged());
        let intent = Tagging { settings: None, resources: None, ..after.clone() };
        if !committed(self.ports.store.commit(vec![Change::put(key, &intent, expect)]).await)? {
            // Somebody else is at it.
            return Ok(());
        }
        match self.put_all_tags(view, (&wanted, &balancers), &after.ever).await {
            Ok(refused) => self.note_tags(&view.stack.id, Tagging { refused, ..after }, before.refused).await,
            Err(error) => {
                tracing::warn!(stack.id = %view.stack.id, error = %error, "tags are put on machines, volumes and load balancers later");
                Ok(())
            }
        }
    }

    /// On machines and volumes first, then on load balancers; trouble with the ones keeps the others waiting for the next look only when it is
    /// not for good.
    async fn put_all_tags(
        &self,
        view: &StackView,
        (wanted, balancers): (&Resources, &Resources),
        ever: &BTreeSet<String>,
    ) -> Result<Option<String>, CloudError> {
        let refused = self.put_tags(view, wanted, ever).await?;
        Ok(refused.or(self.put_balancer_tags(view, balancers, ever).await?))
    }

    /// One call for each load balancer that differs: a stack has few.
    async fn put_balancer_tags(
        &self,
        view: &StackView,
        wanted: &Resources,
        ever: &BTreeSet<String>,
    ) -> Result<Option<String>, CloudError> {
        let names: Vec<String> = wanted.keys().cloned().collect();
        if names.is_empty() {
            return Ok(None);
        }
        let (elb, mut refused) = (&self.ports.load_balancers, None);
        // One that ELB does not know any more is missing here, and needs no tags.
        for (name, present) in elb.tags(&view.scope, &names).await? {
            let Some((set, unset)) = wanted.get(&name).map(|wanted| wanted.changes(&present, ever)) else { continue };
            if set.is_empty() && unset.is_empty() {
                continue;
            }
            match elb.change_tags(&view.scope, &name, &set, &unset).await {
                Ok(()) => {}
                Err(error) => match for_good(&error) {
                    Some(why) if why.contains("NotFound") => {}
                    Some(why) => drop(refused.get_or_insert(format!("{name}: {why}"))),
                    None => return Err(error),
                },
            }
        }
        Ok(refused)
    }

    /// Sets and takes away what is different, as many resources to a call as need the same. Gives what EC2 refused for good.
    async fn put_tags(
        &self,
        view: &StackView,
        wanted: &Resources,
        ever: &BTreeSet<String>,
    ) -> Result<Option<String>, CloudError> {
        let ids: Vec<String> = wanted.keys().cloned().collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let present = self.ports.upkeep.tags(&view.scope, &ids).await?;
        let mut same: BTreeMap<(Tags, BTreeSet<String>), Vec<String>> = BTreeMap::new();
        for (id, wanted) in wanted {
            let changes = wanted.changes(present.get(id).unwrap_or(&Tags::new()), ever);
            if !changes.0.is_empty() || !changes.1.is_empty() {
                same.entry(changes).or_default().push(id.clone());
            }
        }
        let mut refused = None;
        let left = same.len().saturating_sub(MOST_CHANGES);
        for ((set, unset), ids) in same.into_iter().take(MOST_CHANGES) {
            let changed = self.ports.upkeep.change_tags(&view.scope, &ids, &set, &unset).await;
            let failures: Vec<(String, CloudError)> = match changed {
                Ok(items) => items.into_iter().filter_map(|item| Some((item.id, item.result.err()?))).collect(),
                Err(error) => vec![(ids.join(", "), error)],
            };
            for (id, error) in failures {
                match for_good(&error) {
                    // A machine or volume that is gone needs no tags.
                    Some(why) if why.contains("NotFound") => {}
                    Some(why) => drop(refused.get_or_insert(format!("{id}: {why}"))),
                    None => return Err(error),
                }
            }
        }
        if left > 0 {
            let why = format!("{MOST_CHANGES} changes were made, {left} are left for the next look");
            return Err(CloudError::RetryLater { action: "ec2:CreateTags", why });
        }
        Ok(refused)
    }

    /// Writes how far it has come; what EC2 refuses is a service error once [TAG-10], and tried again when something changes.
    async fn note_tags(&self, stack: &StackId, now: Tagging, told: Option<String>) -> Result<(), HandlerError> {
        let key = keys::tagging(stack);
        let Some(item) = self.ports.store.get(&key).await? else { return Ok(()) };
        let mut changes = vec![Change::put(key, &now, item.unchanged())];
        if let Some(why) = now.refused.as_ref().filter(|_| now.refused != told) {
            let error = ServiceError {
                id: ServiceErrorId::new(self.ports.ids.uuid()),
                stack_id: stack.clone(),
                instance_id: None,
                error_type: "Tags".to_owned(),
                message: format!("Tags did not reach every machine, volume and load balancer: {why}."),
                created_at: self.ports.clock.now(),
            };
            changes.extend(service_error_changes(&error));
            changes.extend(Told { events: vec![alert(&error)], ..Told::default() }.changes());
        }
        committed(self.ports.store.commit(changes).await)?;
        Ok(())
    }

    /// The part of a full sweep: every stack's tags.
    ///
    /// # Errors
    /// The first trouble with the store; the other stacks were looked at all the same.
    pub(super) async fn keep_all_tags(&self) -> Result<(), HandlerError> {
        let mut failed = Ok(());
        for stack in self.ports.store.list(&Listing::of(keys::STACKS_PK, "")).await? {
            failed = failed.and(self.keep_tags_of(&StackId::new(stack.key.sk)).await);
        }
        failed
    }

    async fn keep_tags_of(&self, stack: &StackId) -> Result<(), HandlerError> {
        let view: Result<_, StoreError> = StackView::read(&*self.ports.store, stack).await;
        let Some(mut view) = view? else { return Ok(()) };
        self.keep_tags(&mut view, true).await
    }
}
