//! Machines that people have launched from a layer's template: the layer's setting `launch.adopt_break_glass` makes registered instances of
//! them; without it they are left alone.

use std::collections::BTreeSet;

use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::mode::{ActionKind, permits};
use strata_domain::model::{Instance, Layer, Registration};
use strata_domain::registration::{ReportedOs, check_candidate, check_ecs_os};
use strata_domain::{ClusterArn, DecisionId, Ec2InstanceId, InstanceId, InstanceStatus, hostnames};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, HostView, StoreError, Told, keys};

use super::Reconciler;
use super::round::committed;
use super::view::StackView;
use crate::records::{LaunchTemplate, Stored, busy_changes, candidate, registered};
use crate::status_change::move_status;

/// Who has registered them, as DescribeInstances shows it.
const BY: &str = "break-glass";

impl Reconciler {
    /// Adopts the running machines of the template of the cluster's layer, if the layer wants that: each once, so that one which is deregistered
    /// afterwards stays out. One that may not be registered, or whose SSM agent has not called yet, is looked at again by the next sweep.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub(super) async fn adopt(
        &self,
        view: &mut StackView,
        cluster: &ClusterArn,
        trigger: &str,
    ) -> Result<Vec<DecisionRecord>, HandlerError> {
        let Some((layer, settings)) = view.layer_with_cluster(cluster) else { return Ok(Vec::new()) };
        let layer_id = layer.id.clone();
        if !settings.launch.adopt_break_glass {
            return Ok(Vec::new());
        }
        if !permits(view.mode_of(&*self.ports.modes, std::slice::from_ref(&layer_id)).await, ActionKind::Start) {
            return Ok(Vec::new());
        }
        let Some(template) = self.ports.store.get(&keys::launch_template(&layer_id)).await? else { return Ok(Vec::new()) };
        let known: LaunchTemplate = template.decode()?;
        // A cloud that does not answer is asked by the next sweep.
        let found = self.ports.upkeep.break_glass_hosts(&view.scope).await.unwrap_or_default();
        let is_new = |(host, of): &(Ec2InstanceId, _)| *of == layer_id && !known.adopted.contains(host);
        let new: Vec<Ec2InstanceId> = found.into_iter().filter(is_new).map(|(host, _)| host).collect();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        // It would be handed back in a moment.
        if self.ports.store.get(&keys::teardown_mark(&view.stack.id, &layer_id)).await?.is_some() {
            return Ok(Vec::new());
        }
        let mut decisions = Vec::new();
        for host in self.ports.inventory.hosts(&view.scope, &new).await.unwrap_or_default() {
            match fit(&host, &view.stack.vpc_id) {
                Ok(reported) => decisions.extend(self.adopt_one(view, &layer_id, host, reported, trigger).await?),
                Err(why) => tracing::warn!(host = %host.id, layer.id = %layer_id, why, "a break-glass machine is not adopted"),
            }
        }
        Ok(decisions)
    }

    async fn adopt_one(
        &self,
        view: &StackView,
        layer_id: &strata_domain::LayerId,
        host: HostView,
        reported: ReportedOs,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let (store, stack, now) = (&*self.ports.store, &view.stack, self.ports.clock.now());
        let machine = host.id.clone();
        // Somebody has registered it by hand.
        if self.owner_of(&machine).await?.is_some() {
            return Ok(None);
        }
        let (Some(layer), Some(template)) =
            (store.get(&keys::layer(&stack.id, layer_id)).await?, store.get(&keys::launch_template(layer_id)).await?)
        else {
            return Ok(None);
        };
        let (layer, template) = (Stored::<Layer>::of(layer)?, Stored::<LaunchTemplate>::of(template)?);
        let taken = self.hostnames_of(view).await?;
        let hostname = hostnames::suggest(&stack.hostname_theme, &layer.record.shortname, &taken);
        let registration = Registration { registered_by: BY.to_owned(), reported_os: Some(reported), ..Registration::default() };
        let ids = (InstanceId::from(self.ports.ids.uuid()), stack.id.clone());
        let mut record = registered(ids, hostname, Some(host), registration, now);
        record.layer_ids = vec![layer_id.clone()];
        // A Setup of its own: the launch number is in its nonce.
        record.launch_number = 1;
        let event = move_status(&mut record, InstanceStatus::Assigning, now, stack);
        let decision = self.adoption(view, &record, &machine, trigger);
        let mut adopted = template.record.clone();
        adopted.adopted.insert(machine.clone());
        let mut changes = vec![template.put(&adopted), layer.touch()];
        changes.extend(self.new_record(&record, &machine).await?);
        let told = Told { decisions: vec![decision.clone()], events: event.into_iter().collect(), ..Told::default() };
        changes.extend(told.changes());
        Ok(committed(store.commit(changes).await)?.then_some(decision))
    }

    /// The record and what goes with each record.
    async fn new_record(&self, record: &Instance, machine: &Ec2InstanceId) -> Result<Vec<Change>, StoreError> {
        let owner = keys::Owner { kind: "instance".to_owned(), stack_id: record.stack_id.clone() };
        let of_machine = keys::Ec2Owner { stack_id: record.stack_id.clone(), instance_id: record.id.clone() };
        let host = keys::unique(&record.stack_id, "host", &record.hostname.to_ascii_lowercase());
        let mut changes = vec![
            Change::put(keys::instance(&record.stack_id, &record.id), record, Expect::Absent),
            Change::put(keys::pointer(record.id.as_str()), &owner, Expect::Absent),
            Change::put(host, &record.id, Expect::Absent),
            Change::put(keys::ec2_index(machine), &of_machine, Expect::Absent),
        ];
        changes.extend(busy_changes(&*self.ports.store, record, true).await?);
        Ok(changes)
    }

    /// The host names that the stack has, in lower case.
    async fn hostnames_of(&self, view: &StackView) -> Result<BTreeSet<String>, StoreError> {
        let prefix = keys::unique(&view.stack.id, "host", "").sk;
        let items = self.ports.store.list(&Listing::of(keys::stack_pk(&view.stack.id), prefix.clone())).await?;
        Ok(items.iter().filter_map(|item| item.key.sk.strip_prefix(prefix.as_str())).map(str::to_owned).collect())
    }

    fn adoption(&self, view: &StackView, record: &Instance, machine: &Ec2InstanceId, trigger: &str) -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::new(self.ports.ids.uuid()),
            at: self.ports.clock.now(),
            function: Function::InstanceLifecycle,
            trigger: trigger.to_owned(),
            subject: view.host_path(record),
            stack_id: Some(record.stack_id.clone()),
            layer_id: record.layer_ids.first().cloned(),
            verdict: Verdict::Act,
            saw: format!("{machine} was launched from the layer's break-glass template"),
            did: format!("adopt {machine} as {}", record.hostname),
            why: "the layer's setting launch.adopt_break_glass asks for it".to_owned(),
            touched: Touched::new(None, [record.id.clone()]),
        }
    }
}

/// What it runs, if it may be registered with the stack and be in an ECS layer [REG-6] [ECS-67]; else why not. The tag of the installation is
/// what it was found by.
fn fit(host: &HostView, vpc_id: &str) -> Result<ReportedOs, String> {
    let reported = check_candidate(&candidate(host), vpc_id, None).map_err(|error| error.to_string())?;
    check_ecs_os(&reported).map_err(|error| error.to_string())?;
    Ok(reported)
}
