//! A launch template for each layer with a cluster, so that a container instance can be launched with Strata gone.
//!
//! The tick compares the settings of stack and layer with those last dealt with, which costs one read of the store for each cluster. Every full
//! sweep also looks at what most instances are like and at the security groups, and deletes the templates of layers that are gone.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use strata_domain::break_glass::{StackDefaults, Typical, template_name, typical, user_data};
use strata_domain::decision::DecisionRecord;
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::{Instance, Layer};
use strata_domain::settings::Settings;
use strata_domain::{ClusterArn, LayerId, ServiceErrorId, StackId};
use strata_ports::mode::effective;
use strata_ports::store::Listing;
use strata_ports::{Change, CloudError, Expect, HandlerError, Item, Key, StoreError, TemplateSpec, Told, keys};

use super::Reconciler;
use super::attach::for_good;
use super::balancers::alert;
use super::launch::machine_of_layer;
use super::round::committed;
use super::view::StackView;
use crate::records::{LaunchTemplate, ServiceError, Stored, service_error_changes};

/// The action that a look of ours is called after when it has nothing to ask EC2 for.
const ACTION: &str = "ec2:CreateLaunchTemplate";

/// Words for a value, by which a change of it is seen.
pub(super) fn fingerprint(value: &impl Serialize) -> String {
    // Maps are ordered, so one value has one text.
    let text = serde_json::to_vec(value).expect("settings are plain values");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The settings of stack and layer that the template depends on, put together for one and the same machine.
fn settings_of(view: &StackView, layer: &Layer, settings: &Settings) -> String {
    let none = typical(&defaults(view), &settings.launch.fallback_instance_types, std::iter::empty());
    let machine = machine_of_layer(view, &layer.id, &none, &BTreeMap::new());
    fingerprint(&(machine, &layer.cluster, &view.stack.vpc_id, view.stack.use_opsworks_security_groups))
}

fn defaults(view: &StackView) -> StackDefaults<'_> {
    StackDefaults { os: &view.stack.default_os, key_name: view.stack.default_ssh_key_name.as_deref() }
}

impl Reconciler {
    /// Looks after the template of the cluster's layer, if its settings have changed since the last look, or in any case if `is_full`.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer; what EC2 does not do now is done by a later look.
    pub(super) async fn keep_template(
        &self,
        view: &mut StackView,
        cluster: &ClusterArn,
        is_full: bool,
    ) -> Result<(), HandlerError> {
        let Some((layer, settings)) = view.layer_with_cluster(cluster) else { return Ok(()) };
        let (layer, wanted) = (layer.clone(), settings_of(view, layer, settings));
        let known = self.template_of(&layer.id).await?;
        if !is_full && known.as_ref().is_some_and(|known| known.record.has_dealt_with(&wanted)) {
            return Ok(());
        }
        if !permits(view.mode_of(&*self.ports.modes, std::slice::from_ref(&layer.id)).await, ActionKind::Start) {
            return Ok(());
        }
        let name = known.as_ref().map(|known| known.record.name.clone());
        let name = name.unwrap_or_else(|| template_name(&view.stack.name, &layer.shortname, &layer.id));
        match self.template_spec(view, &layer, name).await? {
            Ok(spec) => self.bring_up_to(view, known, spec, wanted).await,
            Err(error) => {
                tracing::warn!(layer.id = %layer.id, error = %error, "the launch template stays as it is until a later look");
                Ok(())
            }
        }
    }

    async fn template_of(&self, layer: &LayerId) -> Result<Option<Stored<LaunchTemplate>>, StoreError> {
        self.ports.store.get(&keys::launch_template(layer)).await?.map(Stored::of).transpose()
    }

    async fn template_spec(
        &self,
        view: &StackView,
        layer: &Layer,
        name: String,
    ) -> Result<Result<TemplateSpec, CloudError>, StoreError> {
        let Some(user_data) = layer.cluster.as_ref().and_then(user_data) else {
            let why = format!("{:?} is no cluster's ARN", layer.cluster);
            return Ok(Err(CloudError::Wrong { action: ACTION, code: "InvalidClusterArn".to_owned(), why }));
        };
        let like = self.typical_of(view, layer).await?;
        let built_in = match self.groups_of_template(view).await {
            Ok(groups) => groups,
            Err(error) => return Ok(Err(error)),
        };
        let machine = machine_of_layer(view, &layer.id, &like, &built_in);
        let fingerprint = fingerprint(&(&machine, &user_data));
        Ok(Ok(TemplateSpec { name, layer_id: layer.id.clone(), machine, user_data, fingerprint }))
    }

    async fn typical_of(&self, view: &StackView, layer: &Layer) -> Result<Typical, StoreError> {
        let items = self.ports.store.list(&Listing::of(keys::stack_pk(&view.stack.id), keys::INSTANCE)).await?;
        let records: Vec<Instance> = items.iter().map(Item::decode).collect::<Result<_, _>>()?;
        let members = records.iter().filter(|record| record.layer_ids.contains(&layer.id));
        let of_layer = view.layers_named(std::slice::from_ref(&layer.id)).next();
        let fallbacks = of_layer.map_or(&[][..], |(_, settings)| &settings.launch.fallback_instance_types);
        Ok(typical(&defaults(view), fallbacks, members))
    }

    /// As for a launch: groups that cannot be made for good are left out.
    async fn groups_of_template(&self, view: &StackView) -> Result<BTreeMap<String, String>, CloudError> {
        if !view.stack.use_opsworks_security_groups {
            return Ok(BTreeMap::new());
        }
        match self.ports.compute.ensure_groups(&view.scope, &view.stack.vpc_id).await {
            Err(error) if for_good(&error).is_some() => {
                tracing::warn!(stack.id = %view.stack.id, error = %error, "the built-in security groups are missing");
                Ok(BTreeMap::new())
            }
            answer => answer,
        }
    }

    /// Writes that the template may be anything, makes it what it is to be, and writes that it is.
    async fn bring_up_to(
        &self,
        view: &StackView,
        known: Option<Stored<LaunchTemplate>>,
        spec: TemplateSpec,
        settings: String,
    ) -> Result<(), HandlerError> {
        let key = keys::launch_template(&spec.layer_id);
        let wanted = LaunchTemplate {
            layer_id: spec.layer_id.clone(),
            stack_id: view.stack.id.clone(),
            region: view.scope.region.clone(),
            service_role_arn: view.scope.service_role_arn.clone(),
            name: spec.name.clone(),
            fingerprint: Some(spec.fingerprint.clone()),
            settings: Some(settings),
            refused: None,
            adopted: known.as_ref().map(|known| known.record.adopted.clone()).unwrap_or_default(),
        };
        if known.as_ref().is_some_and(|known| known.record == wanted) {
            return Ok(());
        }
        let before = known.as_ref().map(|known| &known.record);
        let is_made = before.is_some_and(|known| known.fingerprint == wanted.fingerprint);
        if is_made {
            return self.note_template(&key, &wanted).await;
        }
        let told = before.and_then(|known| known.refused.clone());
        let expect = known.map_or(Expect::Absent, |known| known.unchanged());
        let intent = LaunchTemplate { fingerprint: None, settings: None, refused: told.clone(), ..wanted.clone() };
        if !committed(self.ports.store.commit(vec![Change::put(key.clone(), &intent, expect)]).await)? {
            // Somebody else is at it.
            return Ok(());
        }
        match self.ports.upkeep.put_template(&view.scope, &spec).await {
            Ok(()) => {
                tracing::info!(layer.id = %spec.layer_id, template = spec.name, "the launch template is up to date");
                self.note_template(&key, &wanted).await
            }
            Err(error) => match for_good(&error) {
                Some(why) => self.template_refused(&key, LaunchTemplate { refused: Some(why), ..wanted }, told).await,
                None => {
                    tracing::warn!(layer.id = %spec.layer_id, error = %error, "the launch template is looked after later");
                    Ok(())
                }
            },
        }
    }

    /// Writes what has become of the template, unless somebody else has written meanwhile.
    async fn note_template(&self, key: &Key, now: &LaunchTemplate) -> Result<(), HandlerError> {
        let Some(item) = self.ports.store.get(key).await? else { return Ok(()) };
        committed(self.ports.store.commit(vec![Change::put(key.clone(), now, item.unchanged())]).await)?;
        Ok(())
    }

    /// One service error for one reason; it is tried again by the next full sweep, and when settings change.
    async fn template_refused(&self, key: &Key, now: LaunchTemplate, told: Option<String>) -> Result<(), HandlerError> {
        let now = LaunchTemplate { fingerprint: None, ..now };
        let Some(item) = self.ports.store.get(key).await? else { return Ok(()) };
        let mut changes = vec![Change::put(key.clone(), &now, item.unchanged())];
        if now.refused != told {
            let why = now.refused.as_deref().unwrap_or_default();
            let error = ServiceError {
                id: ServiceErrorId::new(self.ports.ids.uuid()),
                stack_id: now.stack_id.clone(),
                instance_id: None,
                error_type: "LaunchTemplate".to_owned(),
                message: format!(
                    "The break-glass launch template {} of layer {} is not up to date: {why}.",
                    now.name, now.layer_id
                ),
                created_at: self.ports.clock.now(),
            };
            changes.extend(service_error_changes(&error));
            changes.extend(Told { events: vec![alert(&error)], ..Told::default() }.changes());
        }
        committed(self.ports.store.commit(changes).await)?;
        Ok(())
    }

    /// The part of a full sweep: every layer's template and the machines that were launched from it, and the templates of layers that are
    /// gone. Returns what was adopted.
    ///
    /// # Errors
    /// The first trouble with the store; the others were looked at all the same.
    pub(super) async fn keep_templates(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let (mut failed, mut decisions) = (Ok(()), Vec::new());
        for item in self.ports.store.list(&Listing::of(keys::CLUSTERS_PK, "")).await? {
            let owner: keys::Owner = item.decode()?;
            let cluster = ClusterArn::new(item.key.sk.clone());
            match self.keep_template_of(&owner.stack_id, &cluster, trigger).await {
                Ok(told) => decisions.extend(told),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        for item in self.ports.store.list(&Listing::of(keys::LAUNCH_TEMPLATES_PK, "")).await? {
            failed = failed.and(self.remove_if_left(Stored::of(item)?).await);
        }
        failed.map(|()| decisions)
    }

    async fn keep_template_of(
        &self,
        stack: &StackId,
        cluster: &ClusterArn,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let Some(mut view) = StackView::read(&*self.ports.store, stack).await? else { return Ok(Vec::new()) };
        self.keep_template(&mut view, cluster, true).await?;
        self.adopt(&mut view, cluster, trigger).await
    }

    /// Deletes the template of a layer that is gone or stands for no cluster any more, and then what is known of it.
    async fn remove_if_left(&self, known: Stored<LaunchTemplate>) -> Result<(), HandlerError> {
        let record = &known.record;
        let layer = self.ports.store.get(&keys::layer(&record.stack_id, &record.layer_id)).await?;
        let layer: Option<Layer> = layer.map(|item| item.decode()).transpose()?;
        if layer.is_some_and(|layer| layer.cluster.is_some()) {
            return Ok(());
        }
        let mode = effective(&*self.ports.modes, Some(&record.stack_id), &[]).await;
        if !permits(mode, ActionKind::Terminate) {
            return Ok(());
        }
        match self.ports.upkeep.delete_template(&record.scope(), &record.name).await {
            Ok(()) => {
                committed(self.ports.store.commit(vec![known.delete()]).await)?;
            }
            Err(error) => {
                tracing::warn!(layer.id = %record.layer_id, template = record.name, error = %error, "a launch template stays for now");
            }
        }
        Ok(())
    }
}
