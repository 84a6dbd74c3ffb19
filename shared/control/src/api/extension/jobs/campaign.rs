//! RequestCampaign, PlanCampaign, DescribeCampaigns.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::claims::ClaimReport;
use strata_domain::mode::{ActionKind, Mode};
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::settings::Settings;
use strata_domain::updates::{
    self, AgentSeen, Campaign, CampaignPlan, CampaignTold, CampaignView, CommandSeen, HostView, NewCampaign, campaign_id,
};
use strata_domain::{CampaignId, InstanceId, InstanceStatus};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, Item, keys};
use strata_triggers::{CAMPAIGN_ASKED, CampaignRequest, RequestVerb};

use super::super::super::actions::visible_stacks;
use super::super::super::call::Call;
use super::super::super::error::ApiError;
use super::super::super::input::{Input, required};
use super::super::super::transaction::Answer;
use super::super::describe_status::{Records, items, mode_of};
use super::super::subject::{Named, Subject};
use super::{About, JobAsked, Jobs, LayerJobs, answer_at, held_up, order_of, path, reason_of, verb_of, waiting_for};

/// The answer of PlanCampaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPlanned {
    /// `shop/web`.
    pub subject: String,
    /// When it was worked out.
    pub at: Timestamp,
    /// The mode that counts; `None`: unreadable.
    pub mode: Option<Mode>,
    /// What keeps a campaign from being begun now, each a sentence.
    pub blocked: Vec<String>,
    /// At so many failures it pauses; a failed canary always pauses it.
    pub failure_budget: u32,
    /// Minutes that a drain may take.
    pub drain_minutes: u32,
    /// Minutes that patch and reboot may take.
    pub patch_minutes: u32,
    /// What it would do.
    #[serde(flatten)]
    pub plan: CampaignPlan,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneLayer {
    layer_id: Option<String>,
}

/// The stack and layer that a call is about, once the caller may do with it what the call does.
pub(super) async fn place(call: &Call<'_>, layer_id: Option<String>) -> Result<(Stack, Layer), ApiError> {
    let layer_id = required(layer_id, "LayerId")?;
    let subject = Subject::find(call, Named { layer_id: Some(layer_id.clone()), ..Named::default() }).await?;
    let layer = subject.layers.into_iter().next().ok_or_else(|| ApiError::unknown_id("layer", &layer_id))?;
    Ok((subject.stack, layer))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestMembers {
    layer_id: Option<String>,
    verb: Option<String>,
    reason: Option<String>,
}

pub(in super::super) async fn request(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: RequestMembers = input.read()?;
    let verb = verb_of(&required(m.verb, "Verb")?)?;
    let reason = reason_of(m.reason)?;
    let (stack, layer) = place(call, m.layer_id).await?;
    let (id, says) = match order_of(verb) {
        None => may_start(call, &stack, &layer).await?,
        Some(order) => match running(call, &layer).await? {
            Some(campaign) => (campaign.id.clone(), updates::order_means(&campaign, order)),
            None => not_under_way(call, &stack, &layer).await?,
        },
    };
    let (asker, subject) = (call.principal.arn.clone(), path(&stack, &layer));
    let why = reason.clone().unwrap_or_else(|| format!("{asker} asked for it"));
    let request = CampaignRequest {
        verb,
        stack: stack.id.to_string(),
        layer: layer.id.to_string(),
        requested_by: asker,
        reason,
        at: call.now,
    };
    let key = keys::campaign_request(&layer.id, call.now, verb.as_str());
    let expect = call.store().get(&key).await?.as_ref().map_or(Expect::Absent, Item::unchanged);
    let about = About { stack: &stack.id, layer: &layer.id, subject: &subject, job: "campaign", verb, why };
    let mut changes = vec![Change::put(key, &request, expect)];
    changes.extend(about.told(call));
    let (layer_id, verb) = (layer.id.to_string(), verb.as_str().to_owned());
    let asked = JobAsked { subject: subject.clone(), layer_id, verb, id: id.to_string(), asked_at: call.now, says };
    Ok(Answer::of(&asked).with(changes).then(about.word(call, CAMPAIGN_ASKED)))
}

/// The campaign that is under way.
async fn running(call: &Call<'_>, layer: &Layer) -> Result<Option<Campaign>, ApiError> {
    let Some(mark) = call.find::<CampaignId>(&keys::campaign_mark(&layer.stack_id, &layer.id)).await? else { return Ok(None) };
    Ok(call.find::<Campaign>(&keys::campaign(&mark.record)).await?.map(|stored| stored.record))
}

/// The last one that ended.
async fn last(call: &Call<'_>, layer: &Layer) -> Result<Option<Campaign>, ApiError> {
    let of_layer = Listing::of(keys::ENDED_CAMPAIGNS_PK, format!("{}-", layer.id));
    let newest = call.store().list(&Listing { descending: true, limit: Some(1), ..of_layer }).await?;
    Ok(newest.first().and_then(|item| item.decode().ok()))
}

/// Why none may begin now, each a sentence.
async fn hindrances(call: &Call<'_>, stack: &Stack, layer: &Layer, mode: Option<Mode>) -> Result<Vec<String>, ApiError> {
    let subject = path(stack, layer);
    let mut found = Vec::new();
    if let Some(campaign) = running(call, layer).await? {
        let told = updates::tell(&campaign, call.now);
        found.push(format!(
            "A campaign of {subject} is under way since {}, asked for by {}, {}: {}",
            told.started_at, told.requested_by, told.state, told.tally
        ));
    }
    for waiting in waiting_for(call, keys::CAMPAIGN_REQUESTS_PK, &layer.id).await? {
        if waiting.verb == RequestVerb::Start {
            found.push(format!("A campaign of {subject} was asked for at {} by {}", waiting.asked_at, waiting.requested_by));
        }
    }
    if call.store().get(&keys::teardown_mark(&stack.id, &layer.id)).await?.is_some() {
        found.push(format!("{subject} is being taken down"));
    }
    found.extend(held_up(mode, ActionKind::Patch).map(|why| format!("Nothing is patched in {subject}: {why}")));
    Ok(found)
}

async fn may_start(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<(CampaignId, Vec<String>), ApiError> {
    let mode = mode_of(call, stack, layer).await;
    if let Some(why) = hindrances(call, stack, layer, mode).await?.into_iter().next() {
        return Err(ApiError::Validation(why));
    }
    let (settings, members) = (settings_of(layer)?, call.members_of(layer).await?);
    let online = members.iter().filter(|i| i.record.status == InstanceStatus::Online).count();
    let out = settings.updates.allowed_out(online).min(online);
    let says = vec![format!("{online} of {} instances are online, at most {out} of them are out at once", members.len())];
    Ok((campaign_id(&layer.id, call.now), says))
}

/// Something is asked of a campaign that was itself only just asked for; or there is none.
async fn not_under_way(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<(CampaignId, Vec<String>), ApiError> {
    let waiting = waiting_for(call, keys::CAMPAIGN_REQUESTS_PK, &layer.id).await?;
    if let Some(start) = waiting.iter().rfind(|w| w.verb == RequestVerb::Start) {
        let says = vec![format!("the campaign that was asked for at {} has not begun yet", start.asked_at)];
        return Ok((campaign_id(&layer.id, start.asked_at), says));
    }
    let subject = path(stack, layer);
    let before = match last(call, layer).await?.map(|campaign| updates::tell(&campaign, call.now)) {
        Some(CampaignTold { outcome: Some(outcome), since: Some(since), tally, .. }) => {
            format!("; the last one ended at {since}, {outcome}: {tally}")
        }
        Some(_) | None => String::new(),
    };
    Err(ApiError::Validation(format!("No campaign of {subject} is under way{before}")))
}

pub(super) fn settings_of(layer: &Layer) -> Result<Settings, ApiError> {
    Settings::from_custom_json(layer.custom_json.as_deref()).map_err(|error| ApiError::Validation(error.to_string()))
}

pub(in super::super) async fn plan(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: OneLayer = input.read()?;
    let (stack, layer) = place(call, m.layer_id).await?;
    let settings = settings_of(&layer)?;
    let mode = mode_of(call, &stack, &layer).await;
    let hosts = hosts(call, &stack, &layer).await?;
    let new = NewCampaign {
        id: campaign_id(&layer.id, call.now),
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        layer_id: layer.id.clone(),
        layer_name: layer.shortname.clone(),
        requested_by: call.principal.arn.clone(),
        reason: None,
        asked_at: call.now,
        settings: settings.updates.clone(),
        drain: settings.drain,
        hosts: hosts.iter().map(|h| (h.id.clone(), h.hostname.clone())).collect(),
    };
    let view = CampaignView { hosts: &hosts, min_online: settings.load_scaling.min_online, ..CampaignView::default() };
    let measured = last(call, &layer).await?.as_ref().and_then(updates::wave_time);
    Ok(Answer::of(&CampaignPlanned {
        subject: path(&stack, &layer),
        at: call.now,
        mode,
        blocked: hindrances(call, &stack, &layer, mode).await?,
        failure_budget: settings.updates.failure_budget.max(1),
        drain_minutes: settings.updates.drain_minutes,
        patch_minutes: settings.updates.patch_minutes,
        plan: updates::plan(new, view, measured, call.now),
    }))
}

/// The layer's instances as security-updates sees them before it has begun; nobody has a command yet.
async fn hosts(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<Vec<HostView>, ApiError> {
    let records = Records::read(call, stack).await?;
    let of = |item: Item| {
        let id = InstanceId::from(item.key.sk.strip_prefix(keys::CLAIM_REPORT).unwrap_or_default());
        Some((id, item.decode::<ClaimReport>().ok()?))
    };
    let reports: BTreeMap<InstanceId, ClaimReport> =
        items(call, stack, keys::CLAIM_REPORT).await?.into_iter().filter_map(of).collect();
    let view = |i: &Instance| HostView {
        id: i.id.clone(),
        hostname: i.hostname.clone(),
        zone: i.availability_zone.clone(),
        scaling: i.scaling,
        status: i.status,
        held: records.holds_on(i, call.now).next().map(|h| format!("{}: {}", h.by, h.reason)),
        claim: records.claims.iter().find(|c| c.instance_id == i.id).cloned(),
        report: reports.get(&i.id).cloned(),
        command: CommandSeen::Unknown,
        patches: None,
        agent: AgentSeen::NotExpected,
        agent_version: None,
        unsteady: None,
        workload: None,
    };
    let members = records.instances.iter().filter(|i| i.layer_ids.contains(&layer.id));
    Ok(members.map(view).collect())
}

pub(in super::super) async fn describe(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: OneLayer = input.read()?;
    let mut layers = Vec::new();
    if m.layer_id.is_some() {
        let (stack, layer) = place(call, m.layer_id).await?;
        layers.push(of_layer(call, &stack, &layer).await?);
    } else {
        for stack in visible_stacks(call).await? {
            for layer in call.layers_of(&stack.id).await? {
                let told = of_layer(call, &stack, &layer.record).await?;
                if told.job.is_some() || told.answer.is_some() || !told.waiting.is_empty() {
                    layers.push(told);
                }
            }
        }
    }
    Ok(Answer::of(&Jobs { at: call.now, layers }))
}

async fn of_layer(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<LayerJobs<CampaignTold>, ApiError> {
    // In this order, which is the opposite of the function's: what was answered shows in the job.
    let waiting = waiting_for(call, keys::CAMPAIGN_REQUESTS_PK, &layer.id).await?;
    let answer = answer_at(call, &keys::campaign_answer(layer.id.as_str())).await?;
    let campaign = match running(call, layer).await? {
        Some(running) => Some(running),
        None => last(call, layer).await?,
    };
    let mode = mode_of(call, stack, layer).await;
    Ok(LayerJobs {
        subject: path(stack, layer),
        layer_id: layer.id.to_string(),
        layer_name: layer.name.clone(),
        mode,
        held_up: held_up(mode, ActionKind::Patch),
        job: campaign.map(|campaign| updates::tell(&campaign, call.now)),
        waiting,
        answer,
    })
}
