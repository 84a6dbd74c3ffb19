//! Decisions not to do something, told once.

use jiff::Timestamp;
use strata_domain::decision::{DecisionRecord, Function, Severity, Touched, Verdict};
use strata_domain::lifecycle::Notice;
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_domain::service_errors::message;
use strata_ports::{HandlerError, Told, journal, keys};

use super::round::{Run, committed};
use super::telling::{Head, Words, notice_way, notice_words};
use super::view::StackView;
use super::write::open_incident;
use crate::records::{Stored, service_error_changes};

impl Run<'_> {
    /// Tells a decision unless it was the last one about its subject.
    pub(super) async fn tell_news(&mut self, decision: DecisionRecord, sameness: &str) -> Result<(), HandlerError> {
        let store = &self.reconciler.ports.store;
        let news = journal::news(&**store, Function::InstanceLifecycle, &decision.subject, sameness).await?;
        if !news.is_new {
            return Ok(());
        }
        let mut changes = Told { decisions: vec![decision.clone()], ..Told::default() }.changes();
        changes.push(news.change());
        if committed(store.commit(changes).await)? {
            self.decisions.push(decision);
        }
        Ok(())
    }

    /// Why nothing happens to an instance, told once per stay in its status.
    pub(super) async fn notice(
        &mut self,
        view: &StackView,
        stored: &Stored<Instance>,
        notice: Notice,
        why: &str,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        let store = self.reconciler.ports.store.clone();
        if notice == Notice::Outage {
            let told = super::outage::tell(&*store, view, &self.teller(now), &stored.record, why).await?;
            self.decisions.extend(told);
            return Ok(());
        }
        let mut record = stored.record.clone();
        let subject = view.host_path(&record);
        let since = record.agent_silent_since.map(|t| t.to_string()).unwrap_or_default();
        let sameness = format!("{} {} {since}", notice.kind(), record.status_sequence);
        let news = journal::news(&*store, Function::InstanceLifecycle, &subject, &sameness).await?;
        if !news.is_new {
            return Ok(());
        }
        let teller = self.teller(now);
        let (saw, did, pages) = notice_words(notice);
        let verdict = if notice == Notice::ModeForbids { Verdict::WouldAct } else { Verdict::Hold };
        let words = Words { verdict, saw: format!("{}: {saw}", record.hostname), did: did.to_owned(), why: why.to_owned() };
        let touched = Touched::new(notice_way(notice), [record.id.clone()]);
        let decision = DecisionRecord { touched, ..teller.decision(view, &record, subject, words) };
        let mut told = Told { decisions: vec![decision.clone()], ..Told::default() };
        let mut changes = vec![news.change()];
        if let Some(error_type) = notice.service_error() {
            let (error, alert) = teller.service_error(&mut record, error_type, &message(error_type, why));
            changes.extend(service_error_changes(&error));
            changes.push(stored.put(&record));
            told.events.push(alert);
        }
        if pages {
            let incident = format!("{}/{}/{}", notice.kind(), record.id, record.status_sequence);
            let what = format!("{} has failed and is not healed", record.hostname);
            let page = teller.page(
                view,
                &record,
                incident,
                &decision,
                Head { severity: Severity::Critical, kind: PageKind::AutoHealing, what },
            );
            let key = keys::incident(&record.stack_id, record.id.as_str());
            open_incident(&*store, key, page, now, &mut told, &mut changes).await?;
        }
        changes.extend(told.changes());
        if committed(store.commit(changes).await)? {
            self.decisions.push(decision);
        }
        Ok(())
    }
}
