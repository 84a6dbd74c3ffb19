//! RequestTeardown, PlanTeardown, DescribeTeardowns. A layer that has been taken down is still told of, by its teardown's own record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::claims::Claim;
use strata_domain::holds::HoldKind;
use strata_domain::mode::{ActionKind, Mode};
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::settings::Settings;
use strata_domain::teardown::{
    self, MemberView, NewTeardown, Options, ServiceView, Teardown, TeardownPlan, TeardownTold, TeardownView, check_start,
    teardown_id,
};
use strata_domain::{ClusterArn, LayerId, TeardownId};
use strata_ports::keys::Owner;
use strata_ports::store::Listing;
use strata_ports::{Change, CloudError, EcsService, Expect, Item, keys};
use strata_triggers::{RequestVerb, TEARDOWN_ASKED, TeardownRequest};

use super::super::super::actions::visible_stacks;
use super::super::super::call::Call;
use super::super::super::error::ApiError;
use super::super::super::input::{Input, required};
use super::super::super::permission;
use super::super::super::transaction::Answer;
use super::super::describe_status::{Records, mode_of};
use super::{About, JobAsked, Jobs, LayerJobs, also_permit, answer_at, held_up, order_of, path, verb_of, waiting_for};

/// So many teardowns of layers that are gone are told, the newest.
const GONE: usize = 20;
/// A teardown does in a person's place what these allow.
const DOES: [&str; 5] = ["StopInstance", "DeleteInstance", "DeregisterInstance", "UnassignInstance", "DeregisterEcsCluster"];

/// The answer of PlanTeardown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeardownPlanned {
    /// `shop/web`.
    pub subject: String,
    /// The layer's name, which confirms a start.
    pub layer_name: String,
    /// When it was worked out.
    pub at: Timestamp,
    /// The mode that counts; `None`: unreadable.
    pub mode: Option<Mode>,
    /// What keeps a teardown from being begun now, each a sentence.
    pub blocked: Vec<String>,
    /// What goes beside instances, registration and layer.
    pub options: Options,
    /// What it would do.
    #[serde(flatten)]
    pub plan: TeardownPlan,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    layer_id: Option<String>,
    verb: Option<String>,
    confirm: Option<String>,
    delete_services: Option<bool>,
    delete_volumes: Option<bool>,
    delete_addresses: Option<bool>,
    delete_stack: Option<bool>,
}

impl Members {
    fn options(&self) -> Options {
        Options {
            delete_services: self.delete_services == Some(true),
            delete_volumes: self.delete_volumes == Some(true),
            delete_addresses: self.delete_addresses == Some(true),
            delete_stack: self.delete_stack == Some(true),
        }
    }
}

/// What a call is about: a layer as it stands, or what the teardown of one that is gone says of it.
enum Place {
    Standing(Box<Stack>, Box<Layer>),
    Gone(Box<Teardown>),
}

impl Place {
    /// Looks it up, and whether the caller may do with it what the call does.
    async fn find(call: &Call<'_>, layer_id: &str) -> Result<Self, ApiError> {
        let layer = match call.layer(layer_id).await {
            Ok(layer) => layer.record,
            Err(ApiError::NotFound(why)) => {
                let id = LayerId::from(layer_id);
                let gone = all(call, &id).await?.into_iter().next().ok_or(ApiError::NotFound(why))?;
                permit_gone(call, &gone).await?;
                return Ok(Self::Gone(Box::new(gone)));
            }
            Err(error) => return Err(error),
        };
        let stack = call.stack(layer.stack_id.as_str()).await?.record;
        call.permit(Some(&stack.id)).await?;
        Ok(Self::Standing(Box::new(stack), Box::new(layer)))
    }

    fn subject(&self) -> String {
        match self {
            Self::Standing(stack, layer) => path(stack, layer),
            Self::Gone(teardown) => format!("{}/{}", teardown.stack_name, teardown.layer_shortname),
        }
    }
}

/// A layer's teardowns: the one that is under way, then those that have ended, the newest first.
async fn all(call: &Call<'_>, layer: &LayerId) -> Result<Vec<Teardown>, ApiError> {
    let of = |pk: &str| Listing { descending: true, ..Listing::of(pk, format!("{layer}-")) };
    let mut items = call.store().list(&of(keys::TEARDOWNS_PK)).await?;
    items.extend(call.store().list(&Listing { limit: Some(1), ..of(keys::ENDED_TEARDOWNS_PK) }).await?);
    Ok(items.iter().filter_map(|item| item.decode().ok()).collect())
}

/// What is gone is told to whoever took it down, to those who may see its stack, and to those who may see all.
async fn permit_gone(call: &Call<'_>, teardown: &Teardown) -> Result<(), ApiError> {
    if teardown.requested_by == call.principal.arn {
        return Ok(());
    }
    let stack = call.find::<Stack>(&keys::stack(&teardown.stack_id)).await?;
    permission::check(call, stack.as_ref().map(|stored| &stored.record)).await
}

pub(in super::super) async fn request(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let verb = verb_of(required(m.verb.as_deref(), "Verb")?)?;
    let place = Place::find(call, required(m.layer_id.as_deref(), "LayerId")?).await?;
    let options = m.options();
    let (id, says) = match (order_of(verb), &place) {
        (None, Place::Standing(stack, layer)) => may_start(call, stack, layer, &m).await?,
        (None, Place::Gone(_)) => return Err(ApiError::NotFound(format!("{} is gone already", place.subject()))),
        (Some(order), _) => {
            let teardown = under_way(call, &place).await?;
            if let (RequestVerb::Resume, Place::Standing(stack, _)) = (verb, &place) {
                also_permit(call, stack, &DOES).await?;
            }
            (teardown.id.clone(), teardown::order_means(&teardown, order))
        }
    };
    let (stack, layer) = match &place {
        Place::Standing(stack, layer) => (stack.id.clone(), layer.id.clone()),
        Place::Gone(teardown) => (teardown.stack_id.clone(), teardown.layer_id.clone()),
    };
    let asker = call.principal.arn.clone();
    let request = TeardownRequest {
        verb,
        stack: stack.to_string(),
        layer: layer.to_string(),
        requested_by: asker.clone(),
        delete_services: options.delete_services,
        delete_volumes: options.delete_volumes,
        delete_addresses: options.delete_addresses,
        delete_stack: options.delete_stack,
        confirm: m.confirm,
        at: call.now,
    };
    let key = keys::teardown_request(&layer, call.now, verb.as_str());
    let expect = call.store().get(&key).await?.as_ref().map_or(Expect::Absent, Item::unchanged);
    let (subject, why) = (place.subject(), format!("{asker} asked for it"));
    let about = About { stack: &stack, layer: &layer, subject: &subject, job: "teardown", verb, why };
    let mut changes = vec![Change::put(key, &request, expect)];
    changes.extend(about.told(call));
    let (layer_id, verb) = (layer.to_string(), verb.as_str().to_owned());
    let asked = JobAsked { subject: subject.clone(), layer_id, verb, id: id.to_string(), asked_at: call.now, says };
    Ok(Answer::of(&asked).with(changes).then(about.word(call, TEARDOWN_ASKED)))
}

async fn under_way(call: &Call<'_>, place: &Place) -> Result<Teardown, ApiError> {
    let running = match place {
        Place::Standing(_, layer) => running(call, layer).await?,
        Place::Gone(teardown) => Some((**teardown).clone()).filter(|t| !t.is_ended()),
    };
    running.ok_or_else(|| ApiError::Validation(format!("No teardown of {} is under way", place.subject())))
}

/// The teardown that is under way.
async fn running(call: &Call<'_>, layer: &Layer) -> Result<Option<Teardown>, ApiError> {
    let Some(mark) = call.find::<TeardownId>(&keys::teardown_mark(&layer.stack_id, &layer.id)).await? else { return Ok(None) };
    Ok(call.find::<Teardown>(&keys::teardown(&mark.record)).await?.map(|stored| stored.record))
}

/// Why none may begin now, each a sentence; `confirm` is the layer's name as typed.
async fn hindrances(
    call: &Call<'_>,
    (stack, layer): (&Stack, &Layer),
    confirm: Option<&str>,
    members: &[MemberView],
    mode: Option<Mode>,
) -> Result<Vec<String>, ApiError> {
    let subject = path(stack, layer);
    let mut found = Vec::new();
    if let Some(running) = running(call, layer).await? {
        let told = teardown::tell(&running);
        found.push(format!(
            "A teardown of {subject} is under way since {}, asked for by {}, {} in {}",
            told.started_at, told.requested_by, told.state, told.stage_name
        ));
    }
    for waiting in waiting_for(call, keys::TEARDOWN_REQUESTS_PK, &layer.id).await? {
        if waiting.verb == RequestVerb::Start {
            found.push(format!("A teardown of {subject} was asked for at {} by {}", waiting.asked_at, waiting.requested_by));
        }
    }
    let protected = |json: Option<&str>| match Settings::from_custom_json(json) {
        Ok(settings) => settings.protected,
        // What cannot be read may say that it is.
        Err(_) => true,
    };
    let is_protected = protected(stack.custom_json.as_deref()) || protected(layer.custom_json.as_deref());
    found.extend(check_start(&layer.name, confirm, is_protected, members).err().map(|refused| refused.to_string()));
    found.extend(held_up(mode, ActionKind::Terminate).map(|why| format!("Nothing is taken down in {subject}: {why}")));
    Ok(found)
}

async fn may_start(call: &Call<'_>, stack: &Stack, layer: &Layer, m: &Members) -> Result<(TeardownId, Vec<String>), ApiError> {
    also_permit(call, stack, &DOES).await?;
    if m.delete_stack == Some(true) {
        also_permit(call, stack, &["DeleteStack"]).await?;
    }
    let members = members(call, layer, &Records::read(call, stack).await?);
    let mode = mode_of(call, stack, layer).await;
    if let Some(why) = hindrances(call, (stack, layer), m.confirm.as_deref(), &members, mode).await?.into_iter().next() {
        return Err(ApiError::Validation(why));
    }
    let says = vec![
        format!("{} instances are taken down, and then the layer", members.len()),
        "from its beginning on nothing is started in the layer".to_owned(),
    ];
    Ok((teardown_id(&layer.id, call.now), says))
}

/// The layer's instances, with what keeps a teardown's hands off them.
fn members(call: &Call<'_>, layer: &Layer, records: &Records) -> Vec<MemberView> {
    let held = |i: &Instance| {
        let by_a_person = records.holds_on(i, call.now).find(|h| h.kind == HoldKind::Person);
        by_a_person.map(|h| format!("{}: {}", h.by, h.reason))
    };
    let claim = |i: &Instance| -> Option<Claim> { records.claims.iter().find(|c| c.instance_id == i.id).cloned() };
    let of_layer = records.instances.iter().filter(|i| i.layer_ids.contains(&layer.id));
    of_layer
        .map(|i| MemberView {
            id: i.id.clone(),
            hostname: i.hostname.clone(),
            status: i.status,
            origin: i.origin,
            is_shared: i.layer_ids.iter().any(|l| *l != layer.id),
            claim: claim(i),
            held: held(i),
            kept_by: Vec::new(),
        })
        .collect()
}

pub(in super::super) async fn plan(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let place = Place::find(call, required(m.layer_id.as_deref(), "LayerId")?).await?;
    let Place::Standing(stack, layer) = &place else {
        return Err(ApiError::NotFound(format!("{} is gone already", place.subject())));
    };
    let (stack, layer): (&Stack, &Layer) = (stack, layer);
    let options = m.options();
    let records = Records::read(call, stack).await?;
    let members = members(call, layer, &records);
    let mode = mode_of(call, stack, layer).await;
    let mut blocked = hindrances(call, (stack, layer), Some(&layer.name), &members, mode).await?;
    let cluster = registered_cluster(call, layer).await?;
    let services = match &cluster {
        Some(cluster) if options.delete_services => services(call, stack, cluster).await.unwrap_or_else(|error| {
            blocked.push(format!("The services cannot be read: {error}"));
            Vec::new()
        }),
        Some(_) | None => Vec::new(),
    };
    let view = TeardownView {
        services,
        members,
        is_cluster_registered: cluster.is_some(),
        layer_exists: true,
        stack_exists: true,
        rest_of_stack: rest_of(call, layer, &records).await?,
        is_protected: false,
    };
    let new = NewTeardown {
        id: teardown_id(&layer.id, call.now),
        stack_id: stack.id.clone(),
        stack_name: stack.name.clone(),
        layer_id: layer.id.clone(),
        layer_name: layer.name.clone(),
        layer_shortname: layer.shortname.clone(),
        cluster,
        options,
        requested_by: call.principal.arn.clone(),
        asked_at: call.now,
    };
    let (subject, layer_name, plan) = (place.subject(), layer.name.clone(), teardown::plan(new, view, call.now));
    Ok(Answer::of(&TeardownPlanned { subject, layer_name, at: call.now, mode, blocked, options, plan }))
}

/// The layer's cluster, while it is registered with its stack.
async fn registered_cluster(call: &Call<'_>, layer: &Layer) -> Result<Option<ClusterArn>, ApiError> {
    let Some(cluster) = &layer.cluster else { return Ok(None) };
    let owner = call.find::<Owner>(&keys::cluster(cluster)).await?;
    Ok(owner.filter(|owner| owner.record.stack_id == layer.stack_id).map(|_| cluster.clone()))
}

async fn services(call: &Call<'_>, stack: &Stack, cluster: &ClusterArn) -> Result<Vec<ServiceView>, CloudError> {
    let view = |s: EcsService| ServiceView {
        arn: s.arn,
        name: s.name,
        desired: s.desired,
        tasks: s.running.saturating_add(s.pending),
        daemon: s.daemon,
    };
    Ok(call.ports.containers.services(&call.scope(stack), cluster).await?.into_iter().map(view).collect())
}

/// What else is in the stack and keeps it.
async fn rest_of(call: &Call<'_>, layer: &Layer, records: &Records) -> Result<Option<String>, ApiError> {
    let layers = call.layers_of(&layer.stack_id).await?;
    let other = layers.iter().find(|l| l.record.id != layer.id).map(|l| format!("layer {}", l.record.name));
    let stray = || records.instances.iter().find(|i| i.layer_ids.is_empty()).map(|i| format!("instance {}", i.hostname));
    Ok(other.or_else(stray))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeMembers {
    layer_id: Option<String>,
}

pub(in super::super) async fn describe(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: DescribeMembers = input.read()?;
    let layers = match m.layer_id {
        Some(id) => vec![told(call, &Place::find(call, &id).await?).await?],
        None => everything(call).await?,
    };
    Ok(Answer::of(&Jobs { at: call.now, layers }))
}

/// The layers that stand and have to do with a teardown, then those that are gone.
async fn everything(call: &Call<'_>) -> Result<Vec<LayerJobs<TeardownTold>>, ApiError> {
    let mut layers = Vec::new();
    for stack in visible_stacks(call).await? {
        for layer in call.layers_of(&stack.id).await? {
            let place = Place::Standing(Box::new(stack.clone()), Box::new(layer.record));
            let told = told(call, &place).await?;
            if told.job.is_some() || told.answer.is_some() || !told.waiting.is_empty() {
                layers.push(told);
            }
        }
    }
    let mut items = call.store().list(&Listing::of(keys::TEARDOWNS_PK, "")).await?;
    items.extend(call.store().list(&Listing::of(keys::ENDED_TEARDOWNS_PK, "")).await?);
    let mut teardowns: Vec<Teardown> = items.iter().filter_map(|item| item.decode().ok()).collect();
    teardowns.sort_by_key(|t| std::cmp::Reverse(t.started_at));
    for teardown in teardowns {
        let is_gone = call.store().get(&keys::layer(&teardown.stack_id, &teardown.layer_id)).await?.is_none();
        if layers.len() < GONE && is_gone && permit_gone(call, &teardown).await.is_ok() {
            layers.push(told(call, &Place::Gone(Box::new(teardown))).await?);
        }
    }
    Ok(layers)
}

async fn told(call: &Call<'_>, place: &Place) -> Result<LayerJobs<TeardownTold>, ApiError> {
    let layer_id = match place {
        Place::Standing(_, layer) => layer.id.clone(),
        Place::Gone(teardown) => teardown.layer_id.clone(),
    };
    // In this order, which is the opposite of the function's: what was answered shows in the job.
    let waiting = waiting_for(call, keys::TEARDOWN_REQUESTS_PK, &layer_id).await?;
    let answer = answer_at(call, &keys::teardown_answer(layer_id.as_str())).await?;
    let newest = all(call, &layer_id).await?.into_iter().next();
    let (layer_name, mode, teardown) = match place {
        Place::Standing(stack, layer) => {
            let mode = mode_of(call, stack, layer).await;
            (layer.name.clone(), Some(mode), newest)
        }
        Place::Gone(teardown) => (teardown.layer_name.clone(), None, newest.or_else(|| Some((**teardown).clone()))),
    };
    Ok(LayerJobs {
        subject: place.subject(),
        layer_id: layer_id.to_string(),
        layer_name,
        mode: mode.flatten(),
        held_up: mode.and_then(|mode| held_up(mode, ActionKind::Terminate)),
        job: teardown.map(|teardown| teardown::tell(&teardown)),
        waiting,
        answer,
    })
}
