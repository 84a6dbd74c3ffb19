//! The built-in security groups of a new stack's VPC get the standard rules, whatever was edited in them [SG-8].
//!
//! CreateStack and CloneStack leave an entry in the commit that writes the stack; the tick works it off. One list when there is none.

use strata_domain::decision::{DecisionRecord, Function, Touched, Verdict};
use strata_domain::mode::{ActionKind, permits};
use strata_domain::security_groups::GroupRule;
use strata_domain::{DecisionId, ServiceErrorId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, CloudError, GroupsReset, HandlerError, Item, Told, keys};

use super::Reconciler;
use super::attach::for_good;
use super::balancers::alert;
use super::round::committed;
use super::view::StackView;
use crate::records::{ServiceError, service_error_changes};

/// So many rules are named in a decision.
const NAMED_RULES: usize = 10;

impl Reconciler {
    /// Overwrites the groups of stacks that are new.
    ///
    /// Our choice: the groups of a stack that does not use them are left alone, and so is a group of such a name that this installation has not
    /// made: OpsWorks' own may still guard machines. It is told.
    ///
    /// # Errors
    /// The first trouble with the store; the other stacks were looked at all the same.
    pub(super) async fn overwrite_groups(&self, trigger: &str) -> Result<Vec<DecisionRecord>, HandlerError> {
        let (mut failed, mut decisions) = (Ok(()), Vec::new());
        for item in self.ports.store.list(&Listing::of(keys::GROUPS_DUE_PK, "")).await? {
            match self.overwrite_groups_of(item, trigger).await {
                Ok(told) => decisions.extend(told),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed.map(|()| decisions)
    }

    async fn overwrite_groups_of(&self, item: Item, trigger: &str) -> Result<Option<DecisionRecord>, HandlerError> {
        let stack = StackId::new(item.key.sk.clone());
        let over = Change::Delete { expect: item.unchanged(), key: item.key };
        let view = StackView::read(&*self.ports.store, &stack).await?;
        let Some(mut view) = view.filter(|view| view.stack.use_opsworks_security_groups) else {
            committed(self.ports.store.commit(vec![over]).await)?;
            return Ok(None);
        };
        let mode = view.mode_of(&*self.ports.modes, &[]).await;
        if !permits(mode, ActionKind::Start) || !permits(mode, ActionKind::Stop) {
            return Ok(None);
        }
        match self.ports.compute.reset_groups(&view.scope, &view.stack.vpc_id).await {
            Ok(reset) => self.tell_reset(&view, &reset, over, trigger).await,
            Err(error) if for_good(&error).is_none() => {
                tracing::warn!(stack.id = %stack, error = %error, "the built-in security groups are overwritten later");
                Ok(None)
            }
            Err(error) => {
                self.groups_refused(&view, &error, over).await?;
                Ok(None)
            }
        }
    }

    /// A reset that has changed nothing, and left nothing alone, is not worth a word.
    async fn tell_reset(
        &self,
        view: &StackView,
        reset: &GroupsReset,
        over: Change,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let decision = (*reset != GroupsReset::default()).then(|| DecisionRecord {
            id: DecisionId::new(self.ports.ids.uuid()),
            at: self.ports.clock.now(),
            function: Function::InstanceLifecycle,
            trigger: trigger.to_owned(),
            subject: format!("{}/security groups", view.stack.name),
            stack_id: Some(view.stack.id.clone()),
            layer_id: None,
            verdict: Verdict::Act,
            saw: format!("the stack is new, and the built-in security groups of {} were edited or foreign", view.stack.vpc_id),
            did: in_words(reset),
            why: "CreateStack overwrites the built-in security groups with the standard rules".to_owned(),
            touched: Touched::default(),
        });
        let told = Told { decisions: decision.iter().cloned().collect(), ..Told::default() };
        let changes = [over].into_iter().chain(told.changes()).collect();
        Ok(committed(self.ports.store.commit(changes).await)?.then_some(decision).flatten())
    }

    async fn groups_refused(&self, view: &StackView, error: &CloudError, over: Change) -> Result<(), HandlerError> {
        let why = for_good(error).unwrap_or_else(|| error.to_string());
        let error = ServiceError {
            id: ServiceErrorId::new(self.ports.ids.uuid()),
            stack_id: view.stack.id.clone(),
            instance_id: None,
            error_type: "SecurityGroups".to_owned(),
            message: format!(
                "The built-in security groups of {} did not get their standard rules; they stay as they are: {why}.",
                view.stack.vpc_id
            ),
            created_at: self.ports.clock.now(),
        };
        let mut changes = vec![over];
        changes.extend(service_error_changes(&error));
        changes.extend(Told { events: vec![alert(&error)], ..Told::default() }.changes());
        committed(self.ports.store.commit(changes).await)?;
        Ok(())
    }
}

/// What was done to each group, in the order of their names.
fn in_words(reset: &GroupsReset) -> String {
    let changed = reset.changed.iter().map(|(name, change)| {
        let revoked = change.revoke.iter().map(|rule| format!("revoke {rule}"));
        let allowed = change.allow.iter().map(|rule: &GroupRule| format!("allow {rule}"));
        let all: Vec<String> = revoked.chain(allowed).collect();
        let more = all.len().saturating_sub(NAMED_RULES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{name}: {}{more}", all[..all.len().min(NAMED_RULES)].join(", "))
    });
    let foreign = reset.foreign.iter().map(|name| format!("leave {name} alone, which this installation has not made"));
    changed.chain(foreign).collect::<Vec<_>>().join("; ")
}
