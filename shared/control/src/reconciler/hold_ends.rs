//! The end of persons' holds: removed when their time has come, and told.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict};
use strata_domain::holds::{Hold, HoldTarget};
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::{DecisionId, LayerId};
use strata_ports::store::Listing;
use strata_ports::{Change, HandlerError, Item, Key, StoreError, Told, keys};

use super::Reconciler;
use super::round::committed;
use super::view::StackView;

/// So many ends are read at once; a tick takes the soonest.
const AT_ONCE: usize = 25;

/// What was held, by names.
struct Held {
    layer_id: Option<LayerId>,
    layer: String,
    host: Option<String>,
}

impl Held {
    fn path(&self, stack: &str) -> String {
        let host = self.host.as_ref().map(|host| format!("/{host}")).unwrap_or_default();
        format!("{stack}/{}{host}", self.layer)
    }
}

impl Reconciler {
    /// Ends the holds whose time has come. One list when there are none.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub(super) async fn end_holds(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let now = self.ports.clock.now();
        let soonest = Listing { limit: Some(AT_ONCE), ..Listing::of(keys::HOLD_ENDS_PK, "") };
        let mut decisions = Vec::new();
        for item in self.ports.store.list(&soonest).await? {
            let end: keys::HoldEnd = item.decode()?;
            if end.until > now {
                break;
            }
            decisions.extend(self.end_hold(item, &end, now, trigger).await?);
        }
        Ok(decisions)
    }

    async fn end_hold(
        &self,
        entry: Item,
        end: &keys::HoldEnd,
        now: Timestamp,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let store = &*self.ports.store;
        let mut changes = vec![Change::Delete { expect: entry.unchanged(), key: entry.key }];
        let mut told = Told::default();
        if let Some(item) = store.get(&Key::new(keys::stack_pk(&end.stack_id), &end.sk)).await? {
            let hold: Hold = item.decode()?;
            // One that was prolonged meanwhile has an entry of its own.
            if hold.until == Some(end.until) {
                changes.push(Change::Delete { expect: item.unchanged(), key: item.key });
                if let Some(view) = StackView::read(store, &end.stack_id).await?
                    && let Some(held) = self.held(&view, &hold).await?
                {
                    (told.decisions, told.pages) = self.words(&view, &hold, &held, now, trigger);
                }
            }
        }
        changes.extend(told.changes());
        Ok(committed(store.commit(changes).await)?.then(|| told.decisions.pop()).flatten())
    }

    /// What a hold is on; `None` if it has gone.
    async fn held(&self, view: &StackView, hold: &Hold) -> Result<Option<Held>, StoreError> {
        Ok(match &hold.target {
            HoldTarget::Layer(id) => {
                let name = view.layer_name(id).map(str::to_owned);
                name.map(|layer| Held { layer_id: Some(id.clone()), layer, host: None })
            }
            HoldTarget::Instance(id) => {
                let Some(item) = self.ports.store.get(&keys::instance(&view.stack.id, id)).await? else { return Ok(None) };
                let record: Instance = item.decode()?;
                let layer_id = record.layer_ids.first().cloned();
                let layer = layer_id.as_ref().and_then(|id| view.layer_name(id)).unwrap_or("-").to_owned();
                Some(Held { layer_id, layer, host: Some(record.hostname) })
            }
        })
    }

    fn words(
        &self,
        view: &StackView,
        hold: &Hold,
        held: &Held,
        now: Timestamp,
        trigger: &str,
    ) -> (Vec<DecisionRecord>, Vec<Page>) {
        let subject = held.path(&view.stack.name);
        let (id, did) = (DecisionId::new(self.ports.ids.uuid()), "scale, heal and update it again".to_owned());
        let why = format!("{} held it until now: {}", hold.by, hold.reason);
        let page = Page {
            incident: format!("hold/{id}"),
            resolved: false,
            severity: Severity::Info,
            kind: PageKind::HoldEnded,
            stack: view.stack.name.clone(),
            layer: Some(held.layer.clone()),
            host: held.host.clone(),
            what: format!("the hold on {subject} has ended"),
            why: why.clone(),
            did: did.clone(),
            next: format!("strata hold {subject} --until 2h --reason '...'"),
            decision: id.clone(),
            at: now,
        };
        let decision = DecisionRecord {
            id,
            at: now,
            function: Function::InstanceLifecycle,
            trigger: trigger.to_owned(),
            subject,
            stack_id: Some(view.stack.id.clone()),
            layer_id: held.layer_id.clone(),
            verdict: Verdict::Act,
            saw: format!("a hold since {} has ended", hold.since),
            did,
            why,
            touched: Touched::default(),
        };
        (vec![decision], vec![page])
    }
}
