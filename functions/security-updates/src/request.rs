//! Requests: somebody wants a campaign begun, paused, resumed or ended. They arrive late, twice and out of order like every event.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::mode::{self, ActionKind, Mode};
use strata_domain::updates::{Campaign, CampaignState, CampaignStep, NewCampaign, PausedBy, campaign_id};
use strata_domain::{CampaignId, DecisionId};
use strata_fleet::{FleetError, LayerView, StackView, effective_mode};
use strata_ports::asked::{self, JobAnswer};
use strata_ports::{Change, CommitError, Expect, HandlerError, Item, Told, journal, keys};
use strata_triggers::{CampaignRequest, RequestVerb, Trigger};

use crate::told::Teller;
use crate::{Deps, read};

/// So many tries at most against other writers; the caller delivers the event again after that.
const TRIES: usize = 5;

/// What a request came to.
#[derive(Default)]
pub(crate) struct Heeded {
    /// What was told of it, if that is news.
    pub(crate) decisions: Vec<DecisionRecord>,
    /// Why it is not done; `None`: it is, or was before.
    refused: Option<String>,
}

impl Heeded {
    fn done(decisions: Vec<DecisionRecord>) -> Self {
        Self { decisions, refused: None }
    }
}

/// Heeds the requests that the API has written down, and leaves the answers; also the last error met.
pub(crate) async fn heed_waiting(deps: &Deps) -> Result<(Vec<DecisionRecord>, Option<HandlerError>), HandlerError> {
    let (mut told, mut failed) = (Vec::new(), None);
    for (item, asked) in asked::waiting::<CampaignRequest>(&*deps.store, keys::CAMPAIGN_REQUESTS_PK).await? {
        match heed_one(deps, &item, &asked).await {
            Ok(decisions) => told.extend(decisions),
            // One request's trouble must not hold up the others; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(layer.id = asked.layer, error = %error, "a request for a campaign could not be heeded");
                failed = Some(error);
            }
        }
    }
    Ok((told, failed))
}

async fn heed_one(deps: &Deps, item: &Item, asked: &CampaignRequest) -> Result<Vec<DecisionRecord>, HandlerError> {
    let heeded = heed(deps, asked, &Trigger::CampaignRequest(asked.clone()).describe()).await?;
    let answer = JobAnswer {
        verb: asked.verb,
        requested_by: asked.requested_by.clone(),
        asked_at: asked.at,
        at: deps.clock.now(),
        refused: heeded.refused,
    };
    asked::answer(&*deps.store, item, keys::campaign_answer(&asked.layer), &answer).await?;
    Ok(heeded.decisions)
}

/// Heeds a request; what cannot be heeded is told with its reason.
pub(crate) async fn heed(deps: &Deps, asked: &CampaignRequest, woken_by: &str) -> Result<Heeded, HandlerError> {
    let heard = Heard { deps, asked, woken_by, until: None };
    let (stack, layer) = match deps.fleet.find_layer(&asked.stack, &asked.layer).await {
        Ok(found) => found,
        Err(FleetError::Gone { why, .. } | FleetError::Refused { why, .. }) => {
            return heard.decline(None, Verdict::Hold, why).await;
        }
        Err(error @ FleetError::NoAnswer { .. }) => return Err(error.into()),
    };
    heard.out(&stack, &layer).await
}

/// Begins the campaign that a window asks for, as if it had been requested when the window opened: at most one for each window, whatever
/// becomes of it. It begins no host from `until` on. `held` says who holds the layer.
pub(crate) async fn heed_window(
    deps: &Deps,
    (asked, until, held): (&CampaignRequest, Timestamp, Option<String>),
    (stack, layer): (&StackView, &LayerView),
    woken_by: &str,
) -> Result<Heeded, HandlerError> {
    let heard = Heard { deps, asked, woken_by, until: Some(until) };
    if let Some(held) = held {
        return heard.decline(Some((stack, layer)), Verdict::Hold, format!("the layer is held by {held}")).await;
    }
    heard.out(stack, layer).await
}

struct Heard<'a> {
    deps: &'a Deps,
    asked: &'a CampaignRequest,
    woken_by: &'a str,
    /// The end of the window that asks; `None` when a person does.
    until: Option<Timestamp>,
}

impl Heard<'_> {
    fn teller(&self) -> Teller<'_> {
        Teller { ids: &*self.deps.ids, woken_by: self.woken_by, now: self.deps.clock.now() }
    }

    /// Does what is asked, against other writers.
    async fn out(&self, stack: &StackView, layer: &LayerView) -> Result<Heeded, HandlerError> {
        for _ in 0..TRIES {
            let result = match self.asked.verb {
                RequestVerb::Start => self.start(stack, layer).await?,
                RequestVerb::Pause | RequestVerb::Resume | RequestVerb::Abort => self.change(stack, layer).await?,
            };
            if let Some(heeded) = result {
                return Ok(heeded);
            }
        }
        Err(CommitError::Conflict { key: keys::campaign_mark(&stack.id, &layer.id) }.into())
    }

    /// Begins a campaign. `None`: somebody else wrote meanwhile, look again.
    async fn start(&self, stack: &StackView, layer: &LayerView) -> Result<Option<Heeded>, HandlerError> {
        let store = &*self.deps.store;
        let id = campaign_id(&layer.id, self.asked.at);
        if store.get(&keys::campaign(&id)).await?.is_some() || store.get(&keys::ended_campaign(&id)).await?.is_some() {
            return Ok(Some(Heeded::default()));
        }
        let decline = |verdict, why: String| async move { self.decline(Some((stack, layer)), verdict, why).await.map(Some) };
        if let Some(mark) = store.get(&keys::campaign_mark(&stack.id, &layer.id)).await? {
            let running: CampaignId = mark.decode()?;
            return decline(Verdict::Hold, format!("campaign {running} is under way")).await;
        }
        if store.get(&keys::teardown_mark(&stack.id, &layer.id)).await?.is_some() {
            return decline(Verdict::Hold, "the layer is being taken down".to_owned()).await;
        }
        let mode = effective_mode(&*self.deps.modes, stack, Some(layer)).await;
        if !mode::permits(mode, ActionKind::Patch) {
            let verdict = if mode == Some(Mode::Observe) { Verdict::WouldAct } else { Verdict::Hold };
            let why = mode.map_or("the mode cannot be read".to_owned(), |m| format!("the mode is {}", m.as_str()));
            return decline(verdict, why).await;
        }
        let campaign = self.begin(id, stack, layer).await?;
        let teller = self.teller();
        let did = format!("begin a rolling update of {} instances, until {}", campaign.progress.len(), campaign.window_end);
        let why = self.asked.reason.clone().unwrap_or_else(|| format!("asked for by {}", self.asked.requested_by));
        let told = Told { decisions: vec![teller.decision(&campaign, did, why)], ..Told::default() };
        let mut changes = vec![
            Change::put(keys::campaign(&campaign.id), &campaign, Expect::Absent),
            Change::put(keys::campaign_mark(&stack.id, &layer.id), &campaign.id, Expect::Absent),
            Change::Check { key: keys::teardown_mark(&stack.id, &layer.id), expect: Expect::Absent },
            Change::Check { key: keys::ended_campaign(&campaign.id), expect: Expect::Absent },
        ];
        changes.extend(told.changes());
        Ok(self.commit(changes).await?.then_some(Heeded::done(told.decisions)))
    }

    async fn begin(&self, id: CampaignId, stack: &StackView, layer: &LayerView) -> Result<Campaign, HandlerError> {
        let fleet = self.deps.fleet.instances_of_layer(&layer.id).await?;
        let new = NewCampaign {
            id,
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            layer_id: layer.id.clone(),
            layer_name: layer.shortname.clone(),
            requested_by: self.asked.requested_by.clone(),
            reason: self.asked.reason.clone(),
            asked_at: self.asked.at,
            settings: layer.settings.updates.clone(),
            drain: layer.settings.drain,
            hosts: fleet.into_iter().map(|i| (i.id, i.hostname)).collect(),
        };
        let mut campaign = Campaign::begin(new, self.deps.clock.now());
        campaign.window_end = self.until.unwrap_or(campaign.window_end);
        Ok(campaign)
    }

    /// Pauses, resumes or aborts the layer's campaign. `None`: somebody else wrote meanwhile, look again.
    async fn change(&self, stack: &StackView, layer: &LayerView) -> Result<Option<Heeded>, HandlerError> {
        let Some(item) = self.running(stack, layer).await? else {
            let why = "no campaign is under way".to_owned();
            return self.decline(Some((stack, layer)), Verdict::Hold, why).await.map(Some);
        };
        let before = read(&item)?;
        // A request that was overtaken by a newer one, or was meant for an earlier campaign.
        if self.asked.at < before.asked_at {
            let refused = Some(format!("a request of {} was heeded before it", before.asked_at));
            return Ok(Some(Heeded { refused, ..Heeded::default() }));
        }
        let teller = self.teller();
        let by = format!("asked for by {}", self.asked.requested_by);
        let mut after = before.clone();
        let did = match self.asked.verb {
            RequestVerb::Start => return Ok(Some(Heeded::default())),
            RequestVerb::Pause => {
                after.pause(PausedBy::Person, &by, teller.now);
                "pause the campaign"
            }
            RequestVerb::Resume => {
                after.resume();
                "resume the campaign"
            }
            RequestVerb::Abort => {
                if !matches!(before.state, CampaignState::Aborted { .. } | CampaignState::Ended { .. }) {
                    after.apply(&CampaignStep::Abort { why: by.clone() }, teller.now);
                }
                "abort the campaign"
            }
        };
        if after == before {
            return Ok(Some(Heeded::default()));
        }
        after.asked_at = self.asked.at;
        let decision = teller.decision(&before, did.to_owned(), by.clone());
        let id = decision.id.clone();
        let not_paused = teller.not_paused(&before, &format!("{did}, {by}"), id.clone());
        let pages = not_paused.into_iter().chain(teller.not_held_back(&before, &after, id)).collect();
        let told = Told { decisions: vec![decision], pages, ..Told::default() };
        let mut changes = vec![Change::put(item.key.clone(), &after, item.unchanged())];
        changes.extend(told.changes());
        Ok(self.commit(changes).await?.then_some(Heeded::done(told.decisions)))
    }

    async fn running(&self, stack: &StackView, layer: &LayerView) -> Result<Option<Item>, HandlerError> {
        let Some(mark) = self.deps.store.get(&keys::campaign_mark(&stack.id, &layer.id)).await? else { return Ok(None) };
        Ok(self.deps.store.get(&keys::campaign(&mark.decode::<CampaignId>()?)).await?)
    }

    /// Tells, once per request, why it is not heeded.
    async fn decline(
        &self,
        found: Option<(&StackView, &LayerView)>,
        verdict: Verdict,
        why: String,
    ) -> Result<Heeded, HandlerError> {
        let asked = self.asked;
        let record = DecisionRecord {
            id: DecisionId::from(self.deps.ids.uuid()),
            at: self.deps.clock.now(),
            function: Function::SecurityUpdates,
            trigger: self.woken_by.to_owned(),
            subject: format!("{}/{}", asked.stack, asked.layer),
            stack_id: found.map(|(stack, _)| stack.id.clone()),
            layer_id: found.map(|(_, layer)| layer.id.clone()),
            verdict,
            saw: format!("a request to {} the campaign", asked.verb.as_str()),
            did: match verdict {
                Verdict::WouldAct => "would begin a rolling update",
                Verdict::Act | Verdict::Hold => "nothing",
            }
            .to_owned(),
            why,
            touched: Touched::default(),
        };
        let refused = Some(record.why.clone());
        let subject = format!("request {}", record.subject);
        let sameness = format!("{} {} {}", asked.verb.as_str(), asked.at, record.why);
        let news = journal::news(&*self.deps.store, Function::SecurityUpdates, &subject, &sameness).await?;
        if !news.is_new {
            return Ok(Heeded { refused, ..Heeded::default() });
        }
        let told = Told { decisions: vec![record], ..Told::default() };
        let mut changes = told.changes();
        changes.push(news.change());
        let decisions = if self.commit(changes).await? { told.decisions } else { Vec::new() };
        Ok(Heeded { decisions, refused })
    }

    /// `false` when somebody else was quicker or the outcome is unknown: the next look tells.
    async fn commit(&self, changes: Vec<Change>) -> Result<bool, HandlerError> {
        match self.deps.store.commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => Ok(false),
            Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => Err(error.into()),
        }
    }
}
