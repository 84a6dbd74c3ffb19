//! Requests: somebody wants a layer taken down, or a teardown paused, resumed or ended. They arrive late, twice and out of order like
//! every event.

use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::mode::{self, ActionKind, Mode};
use strata_domain::teardown::{NewTeardown, Options, Teardown, check_start, teardown_id};
use strata_domain::{DecisionId, LayerId, StackId, TeardownId};
use strata_fleet::{FleetError, LayerView, StackView, effective_mode};
use strata_ports::asked::{self, JobAnswer};
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, Expect, HandlerError, Item, Told, journal, keys};
use strata_triggers::{RequestVerb, TeardownRequest, Trigger};

use crate::told::{Sentence, Teller};
use crate::{Deps, observe, read};

/// So many tries at most against other writers; the platform delivers the event again after that.
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
    for (item, asked) in asked::waiting::<TeardownRequest>(&*deps.store, keys::TEARDOWN_REQUESTS_PK).await? {
        match heed_one(deps, &item, &asked).await {
            Ok(decisions) => told.extend(decisions),
            // One request's trouble must not hold up the others; the next tick comes back to it.
            Err(error) => {
                tracing::warn!(layer.id = asked.layer, error = %error, "a request for a teardown could not be heeded");
                failed = Some(error);
            }
        }
    }
    Ok((told, failed))
}

async fn heed_one(deps: &Deps, item: &Item, asked: &TeardownRequest) -> Result<Vec<DecisionRecord>, HandlerError> {
    let heeded = heed(deps, asked, &Trigger::TeardownRequest(asked.clone()).describe()).await?;
    let answer = JobAnswer {
        verb: asked.verb,
        requested_by: asked.requested_by.clone(),
        asked_at: asked.at,
        at: deps.clock.now(),
        refused: heeded.refused,
    };
    asked::answer(&*deps.store, item, keys::teardown_answer(&asked.layer), &answer).await?;
    Ok(heeded.decisions)
}

/// Heeds a request; what cannot be heeded is told with its reason.
pub(crate) async fn heed(deps: &Deps, asked: &TeardownRequest, woken_by: &str) -> Result<Heeded, HandlerError> {
    let heard = Heard { deps, asked, woken_by };
    for _ in 0..TRIES {
        let result = match asked.verb {
            RequestVerb::Start => match deps.fleet.find_layer(&asked.stack, &asked.layer).await {
                Ok((stack, layer)) => heard.start(&stack, &layer).await?,
                Err(FleetError::Gone { why, .. } | FleetError::Refused { why, .. }) => {
                    heard.decline(None, Verdict::Hold, why).await?
                }
                Err(error @ FleetError::NoAnswer { .. }) => return Err(error.into()),
            },
            RequestVerb::Pause | RequestVerb::Resume | RequestVerb::Abort => heard.change().await?,
        };
        if let Some(heeded) = result {
            return Ok(heeded);
        }
    }
    Err(CommitError::Conflict { key: keys::teardown(&TeardownId::from(asked.layer.as_str())) }.into())
}

/// Begins a teardown that settings plan; one that cannot be begun is told with its reason, once.
pub(crate) async fn begin(
    deps: &Deps,
    asked: &TeardownRequest,
    woken_by: &str,
    (stack, layer): (&StackView, &LayerView),
) -> Result<Vec<DecisionRecord>, HandlerError> {
    let heard = Heard { deps, asked, woken_by };
    // Where somebody else wrote meanwhile, the next tick looks again.
    Ok(heard.start(stack, layer).await?.unwrap_or_default().decisions)
}

/// What a request came to; `None`: somebody else wrote meanwhile, look again.
type Tried = Result<Option<Heeded>, HandlerError>;

struct Heard<'a> {
    deps: &'a Deps,
    asked: &'a TeardownRequest,
    woken_by: &'a str,
}

impl Heard<'_> {
    fn teller(&self) -> Teller<'_> {
        Teller { ids: &*self.deps.ids, woken_by: self.woken_by, now: self.deps.clock.now() }
    }

    /// Begins a teardown.
    async fn start(&self, stack: &StackView, layer: &LayerView) -> Tried {
        let store = &*self.deps.store;
        let id = teardown_id(&layer.id, self.asked.at);
        if store.get(&keys::teardown(&id)).await?.is_some() || store.get(&keys::ended_teardown(&id)).await?.is_some() {
            return Ok(Some(Heeded::default()));
        }
        let found = Some((&stack.id, &layer.id));
        let mark = keys::teardown_mark(&stack.id, &layer.id);
        if store.get(&mark).await?.is_some() {
            return self.decline(found, Verdict::Hold, "a teardown of it is under way".to_owned()).await;
        }
        let members = observe::members(self.deps, &stack.id, &layer.id).await?;
        let is_protected = stack.settings.protected || layer.settings.protected;
        if let Err(refused) = check_start(&layer.name, self.asked.confirm.as_deref(), is_protected, &members) {
            return self.decline(found, Verdict::Hold, refused.to_string()).await;
        }
        let mode = effective_mode(&*self.deps.modes, stack, Some(layer)).await;
        if !mode::permits(mode, ActionKind::Terminate) {
            let verdict = if mode == Some(Mode::Observe) { Verdict::WouldAct } else { Verdict::Hold };
            let why = mode.map_or("the mode cannot be read".to_owned(), |m| format!("the mode is {}", m.as_str()));
            return self.decline(found, verdict, why).await;
        }
        let teardown = self.begin(id, stack, layer);
        let did = format!("begin the teardown of {} with {} instances", layer.name, members.len());
        let sentence = self.sentence(did);
        let told = Told { decisions: vec![self.teller().decision(&teardown, &sentence)], ..Told::default() };
        let mut changes = vec![
            Change::put(keys::teardown(&teardown.id), &teardown, Expect::Absent),
            Change::put(mark, &teardown.id, Expect::Absent),
            Change::Check { key: keys::ended_teardown(&teardown.id), expect: Expect::Absent },
        ];
        changes.extend(told.changes());
        Ok(self.commit(changes).await?.then_some(Heeded::done(told.decisions)))
    }

    fn begin(&self, id: TeardownId, stack: &StackView, layer: &LayerView) -> Teardown {
        let asked = self.asked;
        let new = NewTeardown {
            id,
            stack_id: stack.id.clone(),
            stack_name: stack.name.clone(),
            layer_id: layer.id.clone(),
            layer_name: layer.name.clone(),
            layer_shortname: layer.shortname.clone(),
            cluster: layer.cluster.clone(),
            options: Options {
                delete_services: asked.delete_services,
                delete_volumes: asked.delete_volumes,
                delete_addresses: asked.delete_addresses,
                delete_stack: asked.delete_stack,
            },
            requested_by: asked.requested_by.clone(),
            asked_at: asked.at,
        };
        Teardown::begin(new, self.deps.clock.now())
    }

    fn sentence(&self, did: String) -> Sentence {
        Sentence { kind: "request", did, why: format!("asked for by {}", self.asked.requested_by), is_always_news: true }
    }

    /// Pauses, resumes or aborts a teardown. Stack and layer may be gone, so it is found by what its record calls them.
    async fn change(&self) -> Tried {
        let found = self.running().await?;
        let [item] = found.as_slice() else {
            let why =
                if found.is_empty() { "no teardown of it is under way" } else { "more than one teardown fits: give the ids" };
            return self.decline(None, Verdict::Hold, why.to_owned()).await;
        };
        let before = read(item)?;
        // A request that was overtaken by a newer one, or was meant for an earlier teardown.
        if self.asked.at < before.asked_at {
            let refused = Some(format!("a request of {} was heeded before it", before.asked_at));
            return Ok(Some(Heeded { refused, ..Heeded::default() }));
        }
        let teller = self.teller();
        let mut after = before.clone();
        let did = match self.asked.verb {
            RequestVerb::Start => return Ok(Some(Heeded::default())),
            RequestVerb::Pause => {
                after.pause(teller.now);
                "pause the teardown"
            }
            RequestVerb::Resume => {
                after.resume(teller.now);
                "resume the teardown"
            }
            RequestVerb::Abort => {
                after.abort();
                "abort the teardown"
            }
        };
        if after == before {
            return Ok(Some(Heeded::default()));
        }
        after.asked_at = self.asked.at;
        let told = Told { decisions: vec![teller.decision(&before, &self.sentence(did.to_owned()))], ..Told::default() };
        let mut changes = vec![Change::put(item.key.clone(), &after, item.unchanged())];
        changes.extend(told.changes());
        Ok(self.commit(changes).await?.then_some(Heeded::done(told.decisions)))
    }

    async fn running(&self) -> Result<Vec<Item>, HandlerError> {
        let (stack, layer) = (&self.asked.stack, &self.asked.layer);
        let mut found = Vec::new();
        for item in self.deps.store.list(&Listing::of(keys::TEARDOWNS_PK, "")).await? {
            let t = read(&item)?;
            let is_stack = t.stack_id.as_str() == stack || t.stack_name == *stack;
            if is_stack && (t.layer_id.as_str() == layer || t.layer_shortname == *layer || t.layer_name == *layer) {
                found.push(item);
            }
        }
        Ok(found)
    }

    /// Tells, once per request, why it is not heeded.
    async fn decline(&self, found: Option<(&StackId, &LayerId)>, verdict: Verdict, why: String) -> Tried {
        let asked = self.asked;
        let record = DecisionRecord {
            id: DecisionId::from(self.deps.ids.uuid()),
            at: self.deps.clock.now(),
            function: Function::Teardown,
            trigger: self.woken_by.to_owned(),
            subject: format!("{}/{}", asked.stack, asked.layer),
            stack_id: found.map(|(stack, _)| stack.clone()),
            layer_id: found.map(|(_, layer)| layer.clone()),
            verdict,
            saw: format!("a request to {} the teardown", asked.verb.as_str()),
            did: if verdict == Verdict::WouldAct { "would begin the teardown" } else { "nothing" }.to_owned(),
            why,
            touched: Touched::default(),
        };
        let refused = Some(record.why.clone());
        let subject = format!("request {}", record.subject);
        let sameness = format!("{} {} {}", asked.verb.as_str(), asked.at, record.why);
        let news = journal::news(&*self.deps.store, Function::Teardown, &subject, &sameness).await?;
        if !news.is_new {
            return Ok(Some(Heeded { refused, ..Heeded::default() }));
        }
        let told = Told { decisions: vec![record], ..Told::default() };
        let mut changes = told.changes();
        changes.push(news.change());
        Ok(self.commit(changes).await?.then_some(Heeded { decisions: told.decisions, refused }))
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
