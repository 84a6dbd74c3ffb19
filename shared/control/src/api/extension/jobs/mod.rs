//! The long jobs, rolling updates and teardowns: what they would do, how far they are, and what is asked of them.
//!
//! A request is written down in the call's own commit, beside the journal's entry; the job's function heeds it, woken by an event that follows
//! the commit, or else by its next tick. So nothing that was accepted is lost, and whoever asks needs no rights but the API's.

mod campaign;
mod debt;
mod teardown;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use strata_domain::DecisionId;
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::holds::LONGEST_REASON;
use strata_domain::jobs::Order;
use strata_domain::mode::{self, ActionKind, Mode};
use strata_domain::model::{Layer, Stack};
use strata_domain::{LayerId, StackId};
use strata_ports::asked::JobAnswer;
use strata_ports::store::Listing;
use strata_ports::{Change, EventOut, Key, Told};
use strata_triggers::RequestVerb;

use super::super::call::Call;
use super::super::catalogue;
use super::super::error::ApiError;
use super::super::permission;
use super::super::transaction::After;

pub use campaign::CampaignPlanned;
pub(super) use campaign::{describe as describe_campaigns, plan as plan_campaign, request as request_campaign};
pub(super) use debt::describe as describe_debt;
pub use debt::{Debts, LayerDebt};
pub use teardown::TeardownPlanned;
pub(super) use teardown::{describe as describe_teardowns, plan as plan_teardown, request as request_teardown};

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobAsked {
    /// `shop/web`.
    pub subject: String,
    /// The layer.
    pub layer_id: String,
    /// `start`, `pause`, `resume` or `abort`.
    pub verb: String,
    /// The job's id.
    pub id: String,
    /// When it was asked; the answer to it names the same time.
    pub asked_at: Timestamp,
    /// What becomes of what is there; each a sentence.
    pub says: Vec<String>,
}

/// The jobs of one kind; `T` tells one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs<T> {
    /// When it was looked at.
    pub at: Timestamp,
    /// The layer that was asked for, or all that have, had or wait for such a job.
    pub layers: Vec<LayerJobs<T>>,
}

/// A layer's job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerJobs<T> {
    /// `shop/web`.
    pub subject: String,
    /// The layer.
    pub layer_id: String,
    /// Its name.
    pub layer_name: String,
    /// The mode that counts for it; `None`: it cannot be read, or the layer is gone.
    pub mode: Option<Mode>,
    /// Why nothing is done for now, if the mode forbids it.
    pub held_up: Option<String>,
    /// The one that is under way, else the last one.
    pub job: Option<T>,
    /// Requests that were accepted and not yet heeded.
    pub waiting: Vec<Waiting>,
    /// What became of the last request.
    pub answer: Option<JobAnswer>,
}

/// A request that was accepted and not yet heeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What is asked.
    pub verb: RequestVerb,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub asked_at: Timestamp,
}

fn verb_of(text: &str) -> Result<RequestVerb, ApiError> {
    RequestVerb::parse(text)
        .ok_or_else(|| ApiError::field("Verb", format!("expected start, pause, resume or abort, not \"{text}\"")))
}

/// `None` for a start.
fn order_of(verb: RequestVerb) -> Option<Order> {
    match verb {
        RequestVerb::Start => None,
        RequestVerb::Pause => Some(Order::Pause),
        RequestVerb::Resume => Some(Order::Resume),
        RequestVerb::Abort => Some(Order::Abort),
    }
}

/// A reason that a page can quote.
fn reason_of(reason: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(reason) = reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty()) else { return Ok(None) };
    if reason.chars().count() > LONGEST_REASON || reason.chars().any(char::is_control) {
        return Err(ApiError::field("Reason", format!("expected at most {LONGEST_REASON} characters on one line")));
    }
    Ok(Some(reason))
}

fn path(stack: &Stack, layer: &Layer) -> String {
    format!("{}/{}", stack.name, layer.shortname)
}

/// Why nothing is done while the mode is this.
fn held_up(mode: Option<Mode>, kind: ActionKind) -> Option<String> {
    (!mode::permits(mode, kind)).then(|| match mode {
        Some(mode) => format!("the mode is {}; strata thaw lets it act", mode.as_str()),
        None => "the mode cannot be read, so nothing is done".to_owned(),
    })
}

/// Whether the caller may also do what the job will do in their place.
async fn also_permit(call: &Call<'_>, stack: &Stack, actions: &[&str]) -> Result<(), ApiError> {
    for name in actions {
        let also = Call {
            ports: call.ports,
            config: call.config,
            principal: call.principal.clone(),
            action: catalogue::of_target(Some(&format!("OpsWorks_20130218.{name}")))?,
            now: call.now,
            iam: call.iam,
            account: call.account,
            answers: call.answers,
        };
        permission::check(&also, Some(stack)).await?;
    }
    Ok(())
}

/// Requests about a layer that wait, the oldest first.
async fn waiting_for(call: &Call<'_>, pk: &str, layer: &LayerId) -> Result<Vec<Waiting>, ApiError> {
    /// What the requests of both jobs have.
    #[derive(Deserialize)]
    struct Asked {
        verb: RequestVerb,
        requested_by: String,
        at: Timestamp,
    }
    let items = call.store().list(&Listing::of(pk, format!("{layer}#"))).await?;
    let asked = items.iter().filter_map(|item| item.decode::<Asked>().ok());
    Ok(asked.map(|a| Waiting { verb: a.verb, requested_by: a.requested_by, asked_at: a.at }).collect())
}

async fn answer_at(call: &Call<'_>, key: &Key) -> Result<Option<JobAnswer>, ApiError> {
    Ok(call.store().get(key).await?.and_then(|item| item.decode().ok()))
}

/// What a request is about, for its journal entry and its word on the bus.
struct About<'a> {
    stack: &'a StackId,
    layer: &'a LayerId,
    subject: &'a str,
    /// `campaign` or `teardown`.
    job: &'a str,
    verb: RequestVerb,
    why: String,
}

impl About<'_> {
    /// The journal's entry.
    fn told(&self, call: &Call<'_>) -> Vec<Change> {
        let decision = DecisionRecord {
            id: DecisionId::new(call.ports.ids.uuid()),
            at: call.now,
            function: Function::Api,
            trigger: format!("a call of {}", call.principal.arn),
            subject: self.subject.to_owned(),
            stack_id: Some(self.stack.clone()),
            layer_id: Some(self.layer.clone()),
            verdict: Verdict::Act,
            saw: "a person asked for it".to_owned(),
            did: format!("hand on the request to {} the {}", self.verb.as_str(), self.job),
            why: self.why.clone(),
            touched: Touched::default(),
        };
        Told { decisions: vec![decision], ..Told::default() }.changes()
    }

    /// The word that wakes the job's function. It may get lost: the tick looks too.
    fn word(&self, call: &Call<'_>, detail_type: &str) -> After {
        After::Word(EventOut {
            id: call.ports.ids.uuid(),
            detail_type: detail_type.to_owned(),
            resources: Vec::new(),
            detail: json!({ "verb": self.verb.as_str(), "layer-id": self.layer.as_str() }),
            time: call.now,
        })
    }
}
