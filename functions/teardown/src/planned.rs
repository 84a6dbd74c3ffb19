//! Teardowns that settings plan: pages ahead, and the beginning at their moment. The rule is `strata_domain::teardown::planned`.

use jiff::Timestamp;
use strata_domain::DecisionId;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict};
use strata_domain::mode::{self, ActionKind};
use strata_domain::pages::PageKind;
use strata_domain::settings::teardown::TeardownSettings;
use strata_domain::teardown::planned::{Ahead, PlanStep, PlanView, Planned, next};
use strata_domain::teardown::{check_start, teardown_id};
use strata_fleet::{LayerView, StackView, effective_mode};
use strata_ports::store::Listing;
use strata_ports::{Change, CommitError, HandlerError, Item, Told, keys};
use strata_triggers::{RequestVerb, TeardownRequest};

use crate::Deps;
use crate::observe::{members, unless_gone};
use crate::request::begin;

/// Looks at every plan whose time comes near, and gives the last trouble met: one plan's holds up no other.
pub(crate) async fn look_at_all(
    deps: &Deps,
    woken_by: &str,
    decisions: &mut Vec<DecisionRecord>,
) -> Result<Option<HandlerError>, HandlerError> {
    let mut failed = None;
    for item in deps.store.list(&Listing::of(keys::TEARDOWN_PLANS_PK, "")).await? {
        let now = deps.clock.now();
        let result = match item.decode::<Planned>() {
            Ok(planned) if !planned.is_due(now) => continue,
            Ok(planned) => look_at(&Plan { deps, woken_by, now }, &item, planned).await,
            Err(error) => Err(error.into()),
        };
        match result {
            Ok(told) => decisions.extend(told),
            Err(error) => {
                tracing::warn!(plan = %item.key.sk, error = %error, "a planned teardown could not be looked at");
                failed = Some(error);
            }
        }
    }
    Ok(failed)
}

struct Plan<'a> {
    deps: &'a Deps,
    woken_by: &'a str,
    now: Timestamp,
}

/// The layer that a plan is about, and the settings that plan it.
struct Found {
    stack: StackView,
    layer: LayerView,
    settings: TeardownSettings,
    /// Begun: running or ended.
    has_begun: bool,
    is_under_way: bool,
    refused: Option<String>,
    is_permitted: bool,
}

async fn look_at(plan: &Plan<'_>, item: &Item, planned: Planned) -> Result<Vec<DecisionRecord>, HandlerError> {
    let found = plan.find(&planned).await?;
    let view = found.as_ref().map_or_else(PlanView::default, |f| PlanView {
        settings: Some(&f.settings),
        has_begun: f.has_begun,
        is_under_way: f.is_under_way,
        refused: f.refused.as_deref(),
        is_permitted: f.is_permitted,
    });
    let steps = next(&planned, view, plan.now);
    let mut after = planned.clone();
    let mut told = Told::default();
    for step in &steps {
        plan.tell(step, found.as_ref(), &mut after, &mut told);
    }
    let is_over = steps.contains(&PlanStep::Forget);
    if is_over || after != planned {
        let change = match is_over {
            true => Change::Delete { key: item.key.clone(), expect: item.unchanged() },
            false => Change::put(item.key.clone(), &after, item.unchanged()),
        };
        match plan.deps.store.commit(told.changes().into_iter().chain([change]).collect()).await {
            Ok(()) => {}
            // The next tick tells what became of it.
            Err(CommitError::Conflict { .. } | CommitError::OutcomeUnknown { .. }) => return Ok(Vec::new()),
            Err(error @ (CommitError::Impossible { .. } | CommitError::Unavailable { .. })) => return Err(error.into()),
        }
    }
    let is_to_begin = steps.iter().any(|step| matches!(step, PlanStep::Begin | PlanStep::Hold { .. }));
    if let (true, Some(found)) = (is_to_begin, &found) {
        // What the mode forbids is declined there, and told once.
        let asked = found.request();
        told.decisions.extend(begin(plan.deps, &asked, plan.woken_by, (&found.stack, &found.layer)).await?);
    }
    Ok(told.decisions)
}

impl Plan<'_> {
    /// Stack, layer and settings as they are now; `None` when one of them is gone, or no longer what the plan is about.
    async fn find(&self, planned: &Planned) -> Result<Option<Found>, HandlerError> {
        let deps = self.deps;
        let Some(stack) = unless_gone(deps.fleet.stack(&planned.stack_id).await)? else { return Ok(None) };
        let layers = unless_gone(deps.fleet.layers_of_stack(&stack.id).await)?.unwrap_or_default();
        let of_stack = stack.settings.teardown.clone();
        let layer = layers.into_iter().find(|layer| match (&planned.layer_id, &of_stack) {
            (Some(id), _) => layer.id == *id,
            // A layer's own plan stands over the stack's.
            (None, Some(settings)) => layer.name == settings.confirm && layer.settings.teardown.is_none(),
            (None, None) => false,
        });
        let Some(layer) = layer else { return Ok(None) };
        let settings = if planned.layer_id.is_some() { layer.settings.teardown.clone() } else { of_stack };
        let Some((settings, moment)) = settings.and_then(|s| s.moment().map(|at| (s, at))) else { return Ok(None) };
        let id = teardown_id(&layer.id, moment);
        let store = &*deps.store;
        let has_begun =
            store.get(&keys::teardown(&id)).await?.is_some() || store.get(&keys::ended_teardown(&id)).await?.is_some();
        let is_under_way = store.get(&keys::teardown_mark(&stack.id, &layer.id)).await?.is_some();
        let is_protected = stack.settings.protected || layer.settings.protected;
        // Who its members are matters only when it is to begin.
        let members = if self.now < moment { Vec::new() } else { members(deps, &stack.id, &layer.id).await? };
        let refused = check_start(&layer.name, Some(&settings.confirm), is_protected, &members).err().map(|e| e.to_string());
        let mode = effective_mode(&*deps.modes, &stack, Some(&layer)).await;
        let is_permitted = mode::permits(mode, ActionKind::Terminate);
        Ok(Some(Found { stack, layer, settings, has_begun, is_under_way, refused, is_permitted }))
    }

    /// Tells a step: a decision, and its pages.
    fn tell(&self, step: &PlanStep, found: Option<&Found>, after: &mut Planned, told: &mut Told) {
        match (step, found) {
            (PlanStep::Warn { ahead, begins_at }, Some(found)) => {
                let decision = self.decision(after, found.place(), Verdict::Act, ("page on-call", found.why()));
                let page = found.warning(*ahead, *begins_at, &decision);
                if let Some(moment) = found.settings.moment() {
                    after.warn(moment, *ahead, page.clone(), self.now);
                }
                told.pages.push(page);
                told.decisions.push(decision);
            }
            (PlanStep::Resolve { why }, _) => {
                let place = after.warned.first().map(|w| place(&w.page)).unwrap_or_default();
                told.decisions.push(self.decision(after, place, Verdict::Act, ("resolve the page", why.clone())));
                let resolved = |page: &Page| Page {
                    resolved: true,
                    why: why.clone(),
                    did: "nothing more".to_owned(),
                    at: self.now,
                    ..page.clone()
                };
                told.pages.extend(after.warned.iter().map(|w| resolved(&w.page)));
            }
            (PlanStep::GiveUp { why }, Some(found)) => {
                let did = "leave the layer standing";
                let decision = self.decision(after, found.place(), Verdict::Hold, (did, why.clone()));
                told.pages.push(found.given_up(why, &decision));
                told.decisions.push(decision);
            }
            (PlanStep::Warn { .. } | PlanStep::GiveUp { .. }, None) => {}
            (PlanStep::Begin | PlanStep::Hold { .. } | PlanStep::Forget, _) => {}
        }
        after.apply(step);
    }

    fn decision(&self, planned: &Planned, place: String, verdict: Verdict, (did, why): (&str, String)) -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::from(self.deps.ids.uuid()),
            at: self.now,
            function: Function::Teardown,
            trigger: self.woken_by.to_owned(),
            subject: place,
            stack_id: Some(planned.stack_id.clone()),
            layer_id: planned.layer_id.clone(),
            verdict,
            saw: "a teardown that the strata settings plan".to_owned(),
            did: did.to_owned(),
            why,
            touched: Touched::default(),
        }
    }
}

fn place(page: &Page) -> String {
    format!("{}/{}", page.stack, page.layer.as_deref().unwrap_or("-"))
}

impl Found {
    fn place(&self) -> String {
        format!("{}/{}", self.stack.name, self.layer.shortname)
    }

    /// Why, and what goes with it.
    fn why(&self) -> String {
        let options = self.settings.options();
        let with = [
            (options.delete_services, "the cluster's services"),
            (options.delete_volumes, "volumes"),
            (options.delete_addresses, "addresses"),
            (options.delete_stack, "the stack"),
        ];
        let with: Vec<&str> = with.into_iter().filter_map(|(is, what)| is.then_some(what)).collect();
        let goes = if with.is_empty() { String::new() } else { format!(", with {}", with.join(", ")) };
        format!("its strata settings plan it for {}{goes}", self.settings.at)
    }

    fn request(&self) -> TeardownRequest {
        let options = self.settings.options();
        TeardownRequest {
            verb: RequestVerb::Start,
            stack: self.stack.id.to_string(),
            layer: self.layer.id.to_string(),
            requested_by: "the strata settings".to_owned(),
            delete_services: options.delete_services,
            delete_volumes: options.delete_volumes,
            delete_addresses: options.delete_addresses,
            delete_stack: options.delete_stack,
            confirm: Some(self.settings.confirm.clone()),
            at: self.settings.moment().unwrap_or_default(),
        }
    }

    fn warning(&self, ahead: Ahead, begins_at: Timestamp, decision: &DecisionRecord) -> Page {
        let place = self.place();
        let what = match &self.refused {
            None => format!("{place} will be taken down at {begins_at}"),
            Some(_) => format!("{place} is planned to be taken down at {begins_at}, but will not be"),
        };
        let did = match &self.refused {
            None => "nothing yet; to keep it, take \"teardown\" out of its strata settings or set \"protected\"".to_owned(),
            Some(why) => format!("nothing, and will do nothing then: {why}"),
        };
        self.page((ahead.as_str(), Severity::Warning), (what, self.why(), did), decision)
    }

    fn given_up(&self, why: &str, decision: &DecisionRecord) -> Page {
        let what = format!("{} was not taken down at {}", self.place(), self.settings.at);
        let did = "leave it standing; give a new moment, or ask for the teardown".to_owned();
        self.page(("given-up", Severity::Info), (what, why.to_owned(), did), decision)
    }

    fn page(&self, (number, severity): (&str, Severity), words: (String, String, String), decision: &DecisionRecord) -> Page {
        let (what, why, did) = words;
        let moment = self.settings.moment().unwrap_or_default().as_second();
        Page {
            incident: format!("teardown-planned/{}/{moment}/{number}", self.layer.id),
            resolved: false,
            severity,
            kind: PageKind::TeardownPlanned,
            stack: self.stack.name.clone(),
            layer: Some(self.layer.shortname.clone()),
            host: None,
            what,
            why,
            did,
            next: format!("aws opsworks describe-layers --layer-ids {}", self.layer.id),
            decision: decision.id.clone(),
            at: decision.at,
        }
    }
}
