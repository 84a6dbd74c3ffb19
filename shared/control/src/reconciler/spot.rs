//! Spot interruptions: EC2 takes the machine back in two minutes. Told at once; what follows is seen as any other loss.

use strata_domain::decision::{DecisionRecord, Function, Severity, Verdict};
use strata_domain::model::Instance;
use strata_domain::pages::PageKind;
use strata_ports::{HandlerError, Told, journal, keys};

use super::telling::{Head, Teller, Words};
use super::view::StackView;
use super::{Named, Reconciler};

impl Reconciler {
    /// Tells, once per machine, that EC2 is about to take it back; `action` is EC2's word for how.
    ///
    /// # Errors
    /// [`HandlerError`] when the store does not answer.
    pub async fn tell_spot_interruption(
        &self,
        id: &Named,
        action: &str,
        trigger: &str,
    ) -> Result<Option<DecisionRecord>, HandlerError> {
        let store = &*self.ports.store;
        let (Some(view), Some(item)) = (StackView::read(store, &id.0).await?, store.get(&keys::instance(&id.0, &id.1)).await?)
        else {
            return Ok(None);
        };
        let record: Instance = item.decode()?;
        let Some(machine) = record.ec2_instance_id.clone() else { return Ok(None) };
        let now = self.ports.clock.now();
        let teller = Teller { ids: &*self.ports.ids, now, trigger };
        let subject = view.host_path(&record);
        let news = journal::news(store, Function::InstanceLifecycle, &subject, &format!("spot {machine}")).await?;
        if !news.is_new {
            return Ok(None);
        }
        let words = Words {
            verdict: Verdict::Hold,
            saw: format!("EC2 takes the Spot machine of {} back: {action}", record.hostname),
            did: "wait for EC2, then treat it as any lost host".to_owned(),
            why: "a Spot interruption cannot be stopped".to_owned(),
        };
        let decision = teller.decision(&view, &record, subject, words);
        let what = format!("EC2 takes the Spot machine of {} back in two minutes", record.hostname);
        let head = Head { severity: Severity::Info, kind: PageKind::SpotInterruption, what };
        let page = teller.page(&view, &record, format!("spot/{machine}"), &decision, head);
        let told = Told { decisions: vec![decision.clone()], pages: vec![page], ..Told::default() };
        let mut changes = told.changes();
        changes.push(news.change());
        Ok(super::round::committed(store.commit(changes).await)?.then_some(decision))
    }
}
