//! Writing: record, busy entry, index, event, service error, pages and decision of a step in one commit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::claims::ClaimReport;
use strata_domain::decision::{DecisionRecord, Page, Severity, Verdict};
use strata_domain::lifecycle::{VOLUME_FAULT, is_busy};
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::service_errors::message;
use strata_domain::{CommandId, Ec2InstanceId, InstanceStatus};
use strata_ports::store::{MAX_CHANGES, MAX_COMMIT_BYTES};
use strata_ports::{Change, CommitError, Expect, HandlerError, Key, Ports, Store, StoreError, Told, keys};

use super::shortage::Shortages;
use super::telling::{Head, Incident, Routine, Special, Teller, Words, routine, special};
use super::view::StackView;
use super::volumes::{address_changes, volume_changes};
use crate::records::{
    Command, Stored, busy_changes, command_changes, configure_due_change, deregistration_changes, removal_changes,
    service_error_changes,
};
use crate::status_change::move_status;

/// A change of one record that a step asks for.
pub(super) struct Write {
    /// As read.
    pub(super) before: Stored<Instance>,
    /// With the step's changes, except the status.
    pub(super) after: Instance,
    /// The new status; `None` leaves it.
    pub(super) to: Option<InstanceStatus>,
    /// The record goes.
    pub(super) removes: bool,
    /// Why.
    pub(super) why: String,
}

impl Write {
    pub(super) fn note(before: &Stored<Instance>, after: Instance, why: &str) -> Self {
        Self { before: before.clone(), after, to: None, removes: false, why: why.to_owned() }
    }
}

/// A write with everything that goes into its commit.
struct Prepared {
    /// Which of the writes.
    index: usize,
    changes: Vec<Change>,
    told: Told,
    routine: Option<Routine>,
    /// As it will stand.
    record: Instance,
    why: String,
}

impl Prepared {
    /// Its changes, and their bytes.
    fn size(&self) -> (usize, usize) {
        let told = self.told.changes();
        (self.changes.len() + told.len(), self.changes.iter().chain(&told).map(Change::bytes).sum())
    }
}

/// What became of the writes.
#[derive(Default)]
pub(super) struct Written {
    /// Indices of those that stand.
    pub(super) done: Vec<usize>,
    /// Indices of those that the store did not take; the next invocation looks at them again.
    pub(super) troubled: Vec<usize>,
    /// The first trouble with the store.
    pub(super) failed: Option<HandlerError>,
    /// What was told.
    pub(super) decisions: Vec<DecisionRecord>,
}

impl Written {
    fn trouble(&mut self, indices: impl IntoIterator<Item = usize>, error: impl Into<HandlerError>) {
        self.troubled.extend(indices);
        self.failed.get_or_insert(error.into());
    }
}

/// Leaves room in a commit for the grouped decisions.
const ROOM_FOR_DECISIONS: usize = 8;
/// So many bytes of room: a grouped decision names a hundred hosts at most, which is a tenth of this.
const BYTES_FOR_DECISIONS: usize = 200_000;

/// Commits these writes, many to a commit; one that somebody else was quicker with is dropped and looked at again, one that the
/// store does not take now does not keep the others from being written.
pub(super) async fn commit_all(ports: &Ports, view: &StackView, teller: &Teller<'_>, writes: Vec<Write>) -> Written {
    let mut written = Written::default();
    let mut batch: Vec<Prepared> = Vec::new();
    let (mut size, mut bytes) = (0, 0);
    let mut shortages = Shortages::default();
    for (index, write) in writes.into_iter().enumerate() {
        let prepared = match prepare(&*ports.store, view, teller, write, index, &mut shortages).await {
            Ok(prepared) => prepared,
            Err(error) => {
                written.trouble([index], error);
                continue;
            }
        };
        let (its_size, its_bytes) = prepared.size();
        let is_full =
            size + its_size + ROOM_FOR_DECISIONS > MAX_CHANGES || bytes + its_bytes + BYTES_FOR_DECISIONS > MAX_COMMIT_BYTES;
        if is_full {
            commit_batch(ports, view, teller, std::mem::take(&mut batch), &mut written).await;
            (size, bytes) = (0, 0);
        }
        (size, bytes) = (size + its_size, bytes + its_bytes);
        batch.push(prepared);
    }
    commit_batch(ports, view, teller, batch, &mut written).await;
    written
}

/// One commit for all; if somebody else was quicker with one of them, one commit for each.
async fn commit_batch(ports: &Ports, view: &StackView, teller: &Teller<'_>, batch: Vec<Prepared>, written: &mut Written) {
    if batch.is_empty() {
        return;
    }
    match commit_together(ports, view, teller, &batch, written).await {
        Ok(true) => {}
        Ok(false) if batch.len() == 1 => {}
        Ok(false) => {
            for prepared in &batch {
                if let Err(error) = commit_together(ports, view, teller, std::slice::from_ref(prepared), written).await {
                    written.trouble([prepared.index], error);
                }
            }
        }
        Err(error) => written.trouble(batch.iter().map(|p| p.index), error),
    }
}

/// Whether the commit stands.
async fn commit_together(
    ports: &Ports,
    view: &StackView,
    teller: &Teller<'_>,
    batch: &[Prepared],
    written: &mut Written,
) -> Result<bool, HandlerError> {
    let mut changes: Vec<Change> = batch.iter().flat_map(|p| p.changes.iter().cloned()).collect();
    let mut groups: BTreeMap<(String, Routine), Vec<(&Instance, &str)>> = BTreeMap::new();
    for prepared in batch {
        changes.extend(prepared.told.changes());
        if let Some(kind) = prepared.routine {
            let group = groups.entry((view.layer_path(&prepared.record), kind)).or_default();
            group.push((&prepared.record, &prepared.why));
        }
    }
    let decisions = groups.iter().filter_map(|((_, kind), members)| teller.routine(view, *kind, members)).collect();
    let told = Told { decisions, ..Told::default() };
    changes.extend(told.changes());
    match ports.store.commit(changes).await {
        Ok(()) => {}
        // Unknown outcomes are looked at again: the record tells.
        Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => return Ok(false),
        Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => return Err(error.into()),
    }
    for prepared in batch {
        written.done.push(prepared.index);
        written.decisions.extend(prepared.told.decisions.iter().cloned());
    }
    written.decisions.extend(told.decisions);
    Ok(true)
}

async fn prepare(
    store: &dyn Store,
    view: &StackView,
    teller: &Teller<'_>,
    write: Write,
    index: usize,
    shortages: &mut Shortages,
) -> Result<Prepared, StoreError> {
    let Write { before, after: mut record, to, removes, why } = write;
    let mut told = Told::default();
    let mut changes = Vec::new();
    if let Some(to) = to {
        told.events.extend(move_status(&mut record, to, teller.now, &view.stack));
        tell_special(store, view, teller, &before.record, &mut record, &why, &mut told, &mut changes, shortages).await?;
    }
    if removes || to.is_some_and(ends_incident) {
        let what = format!("{} is {}", record.hostname, if removes { "deleted" } else { record.status.as_str() });
        close_incident(store, &keys::incident(&record.stack_id, record.id.as_str()), teller.now, &what, &mut told, &mut changes)
            .await?;
    }
    if before.record.ec2_instance_id != record.ec2_instance_id && !removes {
        let (old, new) = (before.record.ec2_instance_id.as_ref(), record.ec2_instance_id.as_ref());
        changes.extend(index_changes(store, old, new, &record).await?);
    }
    if before.record.status == InstanceStatus::Requested && to.is_some() {
        changes.extend(store.get(&keys::launch_backlog(&record.id)).await?.map(delete));
    }
    let report = |i: &Instance| (i.drained_for.clone(), i.out_of_service_since);
    // A record that goes takes its report along.
    if !removes && report(&before.record) != report(&record) {
        changes.extend(claim_report_change(store, &record).await?);
    }
    let routine = match to {
        _ if removes => Some(Routine::Deleted),
        Some(to) => routine(&before.record, to),
        None => None,
    };
    if removes {
        changes.extend(match before.record.status {
            // The machine runs on, and what belongs to it leaves the stack with it [EBS-25].
            InstanceStatus::Deregistering => deregistration_changes(store, &before).await?,
            _ => removal_changes(store, &before).await?,
        });
    } else {
        let is_claimed = view.claim_on(&record.id).is_some_and(|claim| claim.is_in_force(teller.now));
        let busy = is_busy(&record, is_claimed);
        if busy != is_busy(&before.record, false) {
            changes.extend(busy_changes(store, &record, busy).await?);
        }
        changes.extend(run_changes(view, teller, &before.record, &record));
        changes.extend(configure_due_change(store, &before.record, &record, teller.now).await?);
        if before.record.volumes != record.volumes {
            changes.extend(volume_changes(store, view, teller, &before.record, &mut record).await?);
        }
        if before.record.elastic_ip != record.elastic_ip {
            changes.extend(address_changes(store, teller, &before.record, &mut record).await?);
        }
        changes.push(before.put(&record));
    }
    Ok(Prepared { index, changes, told, routine, record, why })
}

/// A Setup or Shutdown run that was sent is a command that everybody can see [CMD-27].
fn run_changes(view: &StackView, teller: &Teller<'_>, before: &Instance, record: &Instance) -> Vec<Change> {
    let shutdown = view.layers_of(record).map(|layer| layer.shutdown.execution_timeout_seconds).max();
    let runs = [
        ("setup", &before.setup_command, &record.setup_command, None),
        ("shutdown", &before.shutdown_command, &record.shutdown_command, shutdown),
    ];
    let sent = runs.into_iter().filter(|(_, before, now, _)| before != now);
    let made = sent.filter_map(|(command_type, _, ssm, limit_seconds)| {
        Some(Command {
            begun_at: Some(teller.now),
            ssm_command: Some(ssm.clone()?),
            limit_seconds,
            ..Command::of_service(CommandId::new(teller.ids.uuid()), record, command_type, teller.now)
        })
    });
    made.flat_map(|command| command_changes(&command)).collect()
}

fn delete(item: strata_ports::Item) -> Change {
    Change::Delete { expect: item.unchanged(), key: item.key }
}

/// The statuses that end an incident: in service again, well in no layer, or stopped on purpose.
fn ends_incident(to: InstanceStatus) -> bool {
    matches!(to, InstanceStatus::Online | InstanceStatus::Registered | InstanceStatus::Stopped)
}

/// Failures and heals: a decision, a page, for failures a service error.
#[expect(clippy::too_many_arguments, reason = "one commit is put together from all of these")]
async fn tell_special(
    store: &dyn Store,
    view: &StackView,
    teller: &Teller<'_>,
    before: &Instance,
    record: &mut Instance,
    why: &str,
    told: &mut Told,
    changes: &mut Vec<Change>,
    shortages: &mut Shortages,
) -> Result<(), StoreError> {
    let Some(special) = special(before, record.status) else { return Ok(()) };
    let host = record.hostname.clone();
    let (incident, head, did) = match special {
        Special::Heal => (
            format!("heal/{}/{}", record.id, record.status_sequence),
            Head {
                severity: Severity::Warning,
                kind: PageKind::AutoHealing,
                what: format!("{host} has failed and is being healed"),
            },
            format!("heal {host}"),
        ),
        Special::Failure(error_type, kind) => {
            let error_type = if why.starts_with(VOLUME_FAULT) { "VolumeAttach" } else { error_type };
            let (error, alert) = teller.service_error(record, error_type, &message(error_type, why));
            changes.extend(service_error_changes(&error));
            told.events.push(alert);
            let status = record.status;
            (
                format!("{status}/{}/{}", record.id, record.status_sequence),
                Head { severity: Severity::Warning, kind, what: format!("{host} is {status}") },
                format!("leave {host} {status}"),
            )
        }
    };
    let saw = format!("{host} was {}", before.status);
    let words = Words { verdict: Verdict::Act, saw, did, why: why.to_owned() };
    let decision = teller.decision(view, record, view.host_path(record), words);
    let page = teller.page(view, record, incident, &decision, head);
    told.decisions.push(decision);
    if record.status == InstanceStatus::StartFailed && record.shortage.start_refused {
        return shortages.open(store, record, page, told, changes).await;
    }
    let key = keys::incident(&record.stack_id, record.id.as_str());
    let open = store.get(&key).await?.and_then(|item| item.decode::<Incident>().ok()).map(|incident| incident.page);
    // A failed start is tried again and again, and a host that a reboot has lost is healed: on-call has heard of it.
    let is_known = |open: &Page| match special {
        Special::Heal => open.incident.starts_with(LOST),
        Special::Failure(..) => page.kind == PageKind::StartFailed && open.kind == page.kind,
    };
    if open.as_ref().is_some_and(is_known) {
        return Ok(());
    }
    open_incident(store, key, page, teller.now, told, changes).await
}

/// The incidents of hosts that a reboot has lost begin so.
const LOST: &str = "connection_lost/";

/// Pages, and remembers the page so that it can be resolved. An incident that was open about the same subject ends with it.
pub(crate) async fn open_incident(
    store: &dyn Store,
    key: Key,
    page: Page,
    now: Timestamp,
    told: &mut Told,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    let open = store.get(&key).await?;
    let expect = open.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
    if let Some(Ok(incident)) = open.map(|item| item.decode::<Incident>()) {
        told.pages.push(incident.resolved(now, format!("replaced by {}", page.incident)));
    }
    changes.push(Change::put(key, &Incident { page: page.clone() }, expect));
    told.pages.push(page);
    Ok(())
}

/// Resolves the open incident about a subject, if there is one.
pub(crate) async fn close_incident(
    store: &dyn Store,
    key: &Key,
    now: Timestamp,
    what: &str,
    told: &mut Told,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    let Some(item) = store.get(key).await? else { return Ok(()) };
    if let Ok(incident) = item.decode::<Incident>() {
        told.pages.push(incident.resolved(now, what));
    }
    changes.push(delete(item));
    Ok(())
}

/// Tells the claim's holder what becomes of the host, in the commit of the record that says so: `keys::claim_report`.
async fn claim_report_change(store: &dyn Store, record: &Instance) -> Result<Option<Change>, StoreError> {
    let key = keys::claim_report(&record.stack_id, &record.id);
    let standing = store.get(&key).await?;
    Ok(match &record.drained_for {
        Some(holder) => {
            let report = ClaimReport { holder: holder.clone(), out_of_service_since: record.out_of_service_since };
            let expect = standing.as_ref().map_or(Expect::Absent, strata_ports::Item::unchanged);
            Some(Change::put(key, &report, expect))
        }
        None => standing.map(delete),
    })
}

/// Keeps the index from EC2 ids to records in step with the record.
async fn index_changes(
    store: &dyn Store,
    old: Option<&Ec2InstanceId>,
    new: Option<&Ec2InstanceId>,
    record: &Instance,
) -> Result<Vec<Change>, StoreError> {
    let mut changes = Vec::new();
    if let Some(old) = old.filter(|old| Some(*old) != new) {
        changes.extend(store.get(&keys::ec2_index(old)).await?.map(delete));
    }
    if let Some(new) = new {
        let key = keys::ec2_index(new);
        let expect = store.get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        let owner = keys::Ec2Owner { stack_id: record.stack_id.clone(), instance_id: record.id.clone() };
        changes.push(Change::put(key, &owner, expect));
    }
    Ok(changes)
}
