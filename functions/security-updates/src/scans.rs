//! The daily scan: each online host is asked what it misses. Which is asked when is `strata_domain::updates::scans`.
//!
//! A scan is noted before it is sent, so one whose sending is unknown is sent again with the same nonce. Only ticks look after scans; the
//! note of one that did not end well stands until its host may be asked again.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use strata_domain::mode::{self, ActionKind};
use strata_domain::updates::scans::{ANSWERED_WITHIN, SCAN_EVERY, SCANS_AT_ONCE, ScanHost, due};
use strata_domain::updates::{PatchReport, PatchState};
use strata_domain::{Ec2InstanceId, InstanceId, LayerId, SsmCommandId, StackId};
use strata_fleet::{StackView, effective_mode};
use strata_ports::store::Listing;
use strata_ports::{
    Change, CloudError, CommandKind, CommandRequest, CommandStatus, CommitError, Expect, HandlerError, Item, keys,
};

use crate::observe::unless_gone;
use crate::{Deps, patches};

/// How often all hosts are looked through for scans that are due.
const LOOK_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Seconds that a scan may take: refreshing the mirrors' lists is most of it.
const SCAN_SECONDS: u32 = 600;

/// A scan that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Scan {
    stack_id: StackId,
    host: Ec2InstanceId,
    /// `None` while it is not known whether it was sent.
    command: Option<SsmCommandId>,
    asked_at: Timestamp,
    /// It ended without an answer.
    is_over: bool,
}

/// A note of a scan, as it stands in the store.
struct Noted {
    instance: InstanceId,
    scan: Scan,
    item: Item,
}

impl Noted {
    fn delete(&self) -> Change {
        Change::Delete { key: self.item.key.clone(), expect: self.item.unchanged() }
    }

    fn put(&self, scan: &Scan) -> Change {
        Change::put(self.item.key.clone(), scan, self.item.unchanged())
    }
}

/// Takes in the answers of scans that are out, and asks hosts that are due.
pub(crate) async fn tick(deps: &Deps) -> Result<(), HandlerError> {
    let now = deps.clock.now();
    let mut look_at = None;
    let mut noted = Vec::new();
    for item in deps.store.list(&Listing::of(keys::SCANS_PK, "")).await? {
        if item.key == keys::next_scans() {
            look_at = Some(item);
        } else if let Ok(scan) = item.decode() {
            noted.push(Noted { instance: InstanceId::from(item.key.sk.as_str()), scan, item });
        }
    }
    let open = answers(deps, &noted, now).await?;
    let is_due = look_at.as_ref().is_none_or(|item| item.decode().is_ok_and(|at: Timestamp| now >= at));
    if is_due && open < SCANS_AT_ONCE {
        let asked = ask(deps, &noted, SCANS_AT_ONCE - open, now).await?;
        // With all room taken there may be more to ask: the next tick goes on.
        let next = if asked == SCANS_AT_ONCE - open { now } else { later(now, LOOK_EVERY) };
        let expect = look_at.map_or(Expect::Absent, |item| item.unchanged());
        commit(deps, vec![Change::put(keys::next_scans(), &next, expect)]).await?;
    }
    Ok(())
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// `false` when somebody else was quicker or the outcome is unknown: the next tick tells.
async fn commit(deps: &Deps, changes: Vec<Change>) -> Result<bool, HandlerError> {
    match deps.store.commit(changes).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(false),
        Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => Err(error.into()),
    }
}

/// Takes in what has been answered. Answers how many are still out.
async fn answers(deps: &Deps, noted: &[Noted], now: Timestamp) -> Result<usize, HandlerError> {
    let mut open = 0;
    let mut by_stack: BTreeMap<&StackId, Vec<&Noted>> = BTreeMap::new();
    for note in noted {
        // A host that may be asked again has its note overwritten; what stands longer is that of one that is gone.
        if now.duration_since(note.scan.asked_at) >= SCAN_EVERY.saturating_mul(2) {
            commit(deps, vec![note.delete()]).await?;
        } else if !note.scan.is_over {
            by_stack.entry(&note.scan.stack_id).or_default().push(note);
        }
    }
    for (stack, notes) in by_stack {
        let Some(stack) = unless_gone(deps.fleet.stack(stack).await)? else {
            for note in notes {
                commit(deps, vec![note.delete()]).await?;
            }
            continue;
        };
        open += answers_of(deps, &stack, &notes, now).await?;
    }
    Ok(open)
}

async fn answers_of(deps: &Deps, stack: &StackView, notes: &[&Noted], now: Timestamp) -> Result<usize, HandlerError> {
    let sent: Vec<SsmCommandId> = notes.iter().filter_map(|note| note.scan.command.clone()).collect();
    let results = match sent.is_empty() {
        true => Vec::new(),
        false => deps.commands.results(&stack.scope(), &sent).await.unwrap_or_else(|error| {
            tracing::warn!(stack.id = %stack.id, error = %error, "the results of scans could not be read");
            Vec::new()
        }),
    };
    let mut open = 0;
    for note in notes {
        let result = results.iter().find(|r| note.scan.command.as_ref() == Some(&r.id));
        let report = result.filter(|r| r.status == CommandStatus::Success).and_then(|r| PatchReport::of(&r.last_line));
        if let Some(report) = report {
            let kept = patches::kept(&*deps.store, &stack.id, &note.instance, report, now).await?;
            commit(deps, vec![kept, note.delete()]).await?;
        } else if result.is_some_and(|r| r.status.is_final()) || now.duration_since(note.scan.asked_at) >= ANSWERED_WITHIN {
            let why = result.map_or("no answer in time", |r| r.last_line.as_str());
            tracing::warn!(stack.id = %stack.id, instance.id = %note.instance, why, "the host did not say what it misses");
            commit(deps, vec![note.put(&Scan { is_over: true, ..note.scan.clone() })]).await?;
        } else {
            open += 1;
            if note.scan.command.is_none() {
                send(deps, stack, &note.instance, &note.scan).await?;
            }
        }
    }
    Ok(open)
}

/// Asks at most `room` hosts that are due. Answers how many.
async fn ask(deps: &Deps, noted: &[Noted], room: usize, now: Timestamp) -> Result<usize, HandlerError> {
    let mut asked = 0;
    for stack in deps.fleet.stacks().await? {
        // A scan changes nothing on a host, but a frozen installation runs nothing there either.
        if asked >= room || !mode::permits(effective_mode(&*deps.modes, &stack, None).await, ActionKind::Patch) {
            continue;
        }
        for (instance, host) in due_in(deps, &stack, noted, room - asked, now).await? {
            let scan = Scan { stack_id: stack.id.clone(), host, command: None, asked_at: now, is_over: false };
            let expect = noted.iter().find(|n| n.instance == instance).map_or(Expect::Absent, |n| n.item.unchanged());
            if commit(deps, vec![Change::put(keys::scan(&instance), &scan, expect)]).await? {
                send(deps, &stack, &instance, &scan).await?;
                asked += 1;
            }
        }
    }
    Ok(asked)
}

async fn due_in(
    deps: &Deps,
    stack: &StackView,
    noted: &[Noted],
    room: usize,
    now: Timestamp,
) -> Result<Vec<(InstanceId, Ec2InstanceId)>, HandlerError> {
    let Some(layers) = unless_gone(deps.fleet.layers_of_stack(&stack.id).await)? else { return Ok(Vec::new()) };
    let fleet = unless_gone(deps.fleet.instances_of_stack(&stack.id).await)?.unwrap_or_default();
    let mut told: BTreeMap<InstanceId, Timestamp> = BTreeMap::new();
    for item in deps.store.list(&Listing::of(keys::stack_pk(&stack.id), keys::PATCH_STATE)).await? {
        if let (Some(id), Ok(state)) = (item.key.sk.strip_prefix(keys::PATCH_STATE), item.decode::<PatchState>()) {
            told.insert(InstanceId::from(id), state.at);
        }
    }
    let declines = |id: &LayerId| layers.iter().any(|l| l.id == *id && !l.settings.updates.scan);
    let asked_at = |id: &InstanceId| noted.iter().find(|n| n.instance == *id).map(|n| n.scan.asked_at);
    let hosts: Vec<ScanHost> = fleet
        .iter()
        .map(|i| ScanHost {
            id: i.id.clone(),
            status: i.status,
            is_wanted: i.ec2_instance_id.is_some() && !i.layer_ids.iter().any(declines),
            told_at: told.get(&i.id).copied(),
            asked_at: asked_at(&i.id),
        })
        .collect();
    let mut ec2: BTreeMap<InstanceId, Ec2InstanceId> =
        fleet.into_iter().filter_map(|i| Some((i.id, i.ec2_instance_id?))).collect();
    Ok(due(&hosts, room, now).into_iter().filter_map(|id| ec2.remove_entry(&id)).collect())
}

/// Sends a scan that is noted, and notes its id. What could not be sent is sent again by the next tick; what SSM refuses is over.
async fn send(deps: &Deps, stack: &StackView, instance: &InstanceId, scan: &Scan) -> Result<(), HandlerError> {
    let request = CommandRequest {
        nonce: format!("scan/{instance}/{}", scan.asked_at.as_second()),
        kind: CommandKind::Update,
        host: scan.host.clone(),
        parameters: vec![("kind".to_owned(), "scan".to_owned())],
        timeout_seconds: SCAN_SECONDS,
    };
    let after = match deps.commands.send(&stack.scope(), &request).await {
        Ok(id) => Scan { command: Some(id), ..scan.clone() },
        Err(error @ (CloudError::Refused { .. } | CloudError::Wrong { .. })) => {
            tracing::warn!(stack.id = %stack.id, instance.id = %instance, error = %error, "the host cannot be scanned");
            Scan { is_over: true, ..scan.clone() }
        }
        Err(error @ (CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. })) => {
            tracing::warn!(stack.id = %stack.id, instance.id = %instance, error = %error, "the scan was not sent");
            return Ok(());
        }
    };
    let Some(item) = deps.store.get(&keys::scan(instance)).await? else { return Ok(()) };
    if item.decode::<Scan>().is_ok_and(|now| now == *scan) {
        commit(deps, vec![Change::put(item.key.clone(), &after, item.unchanged())]).await?;
    }
    Ok(())
}
