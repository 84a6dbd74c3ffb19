//! DescribeStatus: stacks, layers, instances by type and status, alarms, holds, jobs, and what is blocked and why.
//!
//! One unreadable record or a CloudWatch that does not answer is told in its place and keeps nothing else from being seen.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use strata_domain::claims::Claim;
use strata_domain::decision::Page;
use strata_domain::holds::{Hold, HoldTarget};
use strata_domain::mode::Mode;
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::settings::Settings;
use strata_domain::teardown::{Teardown, TeardownState};
use strata_domain::updates::{Campaign, CampaignState};
use strata_domain::{CampaignId, InstanceId, InstanceStatus, ScalingType, TeardownId};
use strata_ports::keys::LastStart;
use strata_ports::mode::effective;
use strata_ports::store::Listing;
use strata_ports::{Item, keys};

use super::super::actions::visible_stacks;
use super::super::call::Call;
use super::super::error::ApiError;
use super::super::input::Input;
use super::super::status::{Count, HoldStatus, IncidentStatus, JobStatus, LayerStatus, StackStatus, Status};
use super::super::transaction::Answer;

pub(super) mod scaling;

/// So many host names of one count are told.
const NAMED_HOSTS: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    stack_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stacks = match m.stack_id {
        Some(id) => {
            let stack = call.stack(&id).await?.record;
            call.permit(Some(&stack.id)).await?;
            vec![stack]
        }
        None => visible_stacks(call).await?,
    };
    let mut told = Vec::with_capacity(stacks.len());
    for stack in &stacks {
        told.push(of_stack(call, stack).await?);
    }
    Ok(Answer::of(&Status {
        at: call.now,
        account: call.config.account.clone(),
        region: call.config.region.clone(),
        mode: effective(call.ports.modes.as_ref(), None, None).await,
        stacks: told,
    }))
}

/// What stands in a stack's partition, read once.
pub(super) struct Records {
    pub(super) instances: Vec<Instance>,
    pub(super) holds: Vec<Hold>,
    pub(super) claims: Vec<Claim>,
    pub(super) starts: Vec<Item>,
}

impl Records {
    pub(super) async fn read(call: &Call<'_>, stack: &Stack) -> Result<Self, ApiError> {
        Ok(Self {
            instances: call.instances_of(&stack.id).await?.into_iter().map(|i| i.record).collect(),
            holds: readable(call, stack, keys::HOLD).await?,
            claims: readable(call, stack, keys::CLAIM).await?,
            starts: items(call, stack, keys::LAST_START).await?,
        })
    }

    /// When an instance's last start was accepted, and how many before it had failed.
    pub(super) fn last_start(&self, instance: &Instance) -> Option<LastStart> {
        let key = keys::last_start(&instance.stack_id, &instance.id);
        self.starts.iter().find(|item| item.key == key).and_then(|item| item.decode().ok())
    }

    /// Whether a claim on the instance is in force.
    pub(super) fn is_claimed(&self, instance: &Instance, now: Timestamp) -> bool {
        self.claims.iter().any(|claim| claim.is_in_force(now) && claim.instance_id == instance.id)
    }

    /// The holds in force that cover an instance.
    pub(super) fn holds_on<'a>(&'a self, instance: &'a Instance, now: Timestamp) -> impl Iterator<Item = &'a Hold> {
        self.holds.iter().filter(move |hold| hold.is_in_force(now) && hold.covers(&instance.id, &instance.layer_ids))
    }
}

async fn of_stack(call: &Call<'_>, stack: &Stack) -> Result<StackStatus, ApiError> {
    let records = Records::read(call, stack).await?;
    let layers: Vec<Layer> = call.layers_of(&stack.id).await?.into_iter().map(|l| l.record).collect();
    let mut told = Vec::with_capacity(layers.len());
    for layer in &layers {
        told.push(of_layer(call, stack, layer, &records).await?);
    }
    Ok(StackStatus {
        stack_id: stack.id.to_string(),
        name: stack.name.clone(),
        layers: told,
        unassigned: counts(records.instances.iter().filter(|i| i.layer_ids.is_empty())),
        incidents: incidents(readable(call, stack, keys::INCIDENT).await?),
    })
}

pub(super) async fn items(call: &Call<'_>, stack: &Stack, prefix: &str) -> Result<Vec<Item>, ApiError> {
    Ok(call.store().list(&Listing::of(keys::stack_pk(&stack.id), prefix)).await?)
}

/// The records of a kind that this version can read.
async fn readable<T: DeserializeOwned>(call: &Call<'_>, stack: &Stack, prefix: &str) -> Result<Vec<T>, ApiError> {
    Ok(items(call, stack, prefix).await?.iter().filter_map(|item| item.decode().ok()).collect())
}

async fn of_layer(call: &Call<'_>, stack: &Stack, layer: &Layer, records: &Records) -> Result<LayerStatus, ApiError> {
    let members: Vec<&Instance> = records.instances.iter().filter(|i| i.layer_ids.contains(&layer.id)).collect();
    let mode = mode_of(call, stack, layer).await;
    let scaling = scaling::of_layer(call, stack, layer, &members, records).await?;
    let campaign = campaign_of(call, layer).await?;
    let teardown = teardown_of(call, layer).await?;
    let mut blocked = Vec::new();
    blocked.extend(mode_blocks(mode));
    blocked.extend(scaling.as_ref().and_then(|s| s.blocked.clone()));
    blocked.extend([&campaign, &teardown].into_iter().flatten().filter_map(|job| job.blocked.clone()));
    Ok(LayerStatus {
        layer_id: layer.id.to_string(),
        name: layer.name.clone(),
        shortname: layer.shortname.clone(),
        layer_type: layer.layer_type.as_str().to_owned(),
        cluster: layer.cluster.as_ref().map(ToString::to_string),
        mode,
        instances: counts(members.iter().copied()),
        scaling: scaling.map(|s| s.status),
        holds: holds_of(layer, &members, records, call.now),
        campaign: campaign.map(|job| job.status),
        teardown: teardown.map(|job| job.status),
        blocked,
    })
}

/// The mode that counts: the strictest of parameters and settings.
pub(super) async fn mode_of(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Option<Mode> {
    let read = effective(call.ports.modes.as_ref(), Some(&stack.id), Some(&layer.id)).await?;
    let of = |json: Option<&str>| Settings::from_custom_json(json).ok().and_then(|settings| settings.mode);
    let settings = [of(stack.custom_json.as_deref()), of(layer.custom_json.as_deref())];
    Some(Mode::strictest(settings.into_iter().flatten().chain([read])))
}

fn mode_blocks(mode: Option<Mode>) -> Option<String> {
    match mode {
        Some(Mode::Active) => None,
        Some(mode) => Some(format!("nothing is done to machines: the mode is {}", mode.as_str())),
        None => Some("nothing is stopped, terminated or patched: the mode cannot be read".to_owned()),
    }
}

fn counts<'a>(instances: impl Iterator<Item = &'a Instance>) -> Vec<Count> {
    let mut by: BTreeMap<(ScalingType, InstanceStatus), Vec<&str>> = BTreeMap::new();
    for instance in instances {
        by.entry((instance.scaling, instance.status)).or_default().push(&instance.hostname);
    }
    let is_usual = |status| matches!(status, InstanceStatus::Online | InstanceStatus::Stopped);
    let named = |status, hosts: &[&str]| -> Vec<String> {
        if is_usual(status) { Vec::new() } else { hosts.iter().take(NAMED_HOSTS).map(|h| (*h).to_owned()).collect() }
    };
    by.into_iter()
        .map(|((scaling, status), hosts)| Count { scaling, status, instances: hosts.len(), hosts: named(status, &hosts) })
        .collect()
}

fn holds_of(layer: &Layer, members: &[&Instance], records: &Records, now: Timestamp) -> Vec<HoldStatus> {
    let host = |id: &InstanceId| members.iter().find(|i| i.id == *id).map(|i| i.hostname.clone());
    let holds = records.holds.iter().filter(|h| h.is_in_force(now)).filter_map(|h| {
        let subject = match &h.target {
            HoldTarget::Instance(id) => host(id)?,
            HoldTarget::Layer(id) => (*id == layer.id).then(|| layer.name.clone())?,
        };
        Some(HoldStatus { subject, kind: "hold".to_owned(), by: h.by.clone(), reason: h.reason.clone(), until: h.until })
    });
    let claims = records.claims.iter().filter(|c| c.is_in_force(now)).filter_map(|c| {
        let (by, reason) = (c.holder.clone(), c.reason.clone());
        Some(HoldStatus { subject: host(&c.instance_id)?, kind: "claim".to_owned(), by, reason, until: Some(c.until) })
    });
    holds.chain(claims).collect()
}

/// A long job, and what keeps it from going on.
struct Job {
    status: JobStatus,
    blocked: Option<String>,
}

async fn campaign_of(call: &Call<'_>, layer: &Layer) -> Result<Option<Job>, ApiError> {
    let Some(mark) = call.find::<CampaignId>(&keys::campaign_mark(&layer.stack_id, &layer.id)).await? else { return Ok(None) };
    let Some(campaign) = call.find::<Campaign>(&keys::campaign(&mark.record)).await? else { return Ok(None) };
    let campaign = campaign.record;
    let (state, blocked) = match &campaign.state {
        CampaignState::Running => ("running", None),
        CampaignState::Paused { since, why, .. } => {
            ("paused", Some(format!("the rolling update is paused since {since}: {why}")))
        }
        CampaignState::Finishing => ("finishing", None),
        CampaignState::Aborted { .. } => ("aborted", None),
        CampaignState::Ended { .. } => return Ok(None),
    };
    let status = JobStatus {
        id: campaign.id.to_string(),
        state: state.to_owned(),
        progress: campaign.tally(),
        since: campaign.started_at,
        by: campaign.requested_by.clone(),
    };
    Ok(Some(Job { status, blocked }))
}

async fn teardown_of(call: &Call<'_>, layer: &Layer) -> Result<Option<Job>, ApiError> {
    let Some(mark) = call.find::<TeardownId>(&keys::teardown_mark(&layer.stack_id, &layer.id)).await? else { return Ok(None) };
    let Some(teardown) = call.find::<Teardown>(&keys::teardown(&mark.record)).await? else { return Ok(None) };
    let teardown = teardown.record;
    let (state, paused) = match &teardown.state {
        TeardownState::Running => ("running", None),
        TeardownState::Paused { since } => ("paused", Some(format!("the teardown is paused since {since}"))),
        TeardownState::Aborted => ("aborted", None),
        TeardownState::Ended { .. } => return Ok(None),
    };
    let trouble = teardown.trouble.as_ref().map(|t| format!("{} waits since {}: {}", teardown.stage.describe(), t.since, t.what));
    let status = JobStatus {
        id: teardown.id.to_string(),
        state: state.to_owned(),
        progress: teardown.stage.describe().to_owned(),
        since: teardown.started_at,
        by: teardown.requested_by.clone(),
    };
    Ok(Some(Job { status, blocked: paused.or(trouble) }))
}

/// An open page as it is stored.
#[derive(Deserialize)]
struct Incident {
    page: Page,
}

fn incidents(mut open: Vec<Incident>) -> Vec<IncidentStatus> {
    open.sort_by(|a, b| (b.page.severity, a.page.at).cmp(&(a.page.severity, b.page.at)));
    open.into_iter()
        .map(|Incident { page }| IncidentStatus {
            severity: page.severity.as_str().to_owned(),
            subject: [page.layer, page.host].into_iter().flatten().collect::<Vec<_>>().join("/"),
            what: page.what,
            why: page.why,
            next: page.next,
            since: page.at,
        })
        .collect()
}
