//! What a teardown tells: a decision for each kind of step, a page when something blocks and when it does no longer.

use jiff::Timestamp;
use strata_domain::DecisionId;
use strata_domain::decision::{DecisionRecord, Function, Page, Severity, Touched, Verdict};
use strata_domain::mode::Mode;
use strata_domain::pages::PageKind;
use strata_domain::teardown::{Teardown, TeardownOutcome, TeardownStep, Trouble};
use strata_ports::Ids;

/// So many names at most in one sentence.
const NAMES: usize = 10;

/// Who tells, and when.
pub(crate) struct Teller<'a> {
    pub(crate) ids: &'a dyn Ids,
    pub(crate) woken_by: &'a str,
    pub(crate) now: Timestamp,
}

/// A decision in words.
pub(crate) struct Sentence {
    /// Of what kind; of each kind the last one told is remembered.
    pub(crate) kind: &'static str,
    pub(crate) did: String,
    pub(crate) why: String,
    /// Told even if it reads like the last of its kind.
    pub(crate) is_always_news: bool,
}

impl Sentence {
    fn new(kind: &'static str, did: String, why: String) -> Self {
        Self { kind, did, why, is_always_news: false }
    }
}

impl Teller<'_> {
    /// A decision about a teardown.
    pub(crate) fn decision(&self, teardown: &Teardown, sentence: &Sentence) -> DecisionRecord {
        DecisionRecord {
            id: DecisionId::from(self.ids.uuid()),
            at: self.now,
            function: Function::Teardown,
            trigger: self.woken_by.to_owned(),
            subject: subject(teardown),
            stack_id: Some(teardown.stack_id.clone()),
            layer_id: Some(teardown.layer_id.clone()),
            verdict: Verdict::Act,
            saw: format!("teardown in stage {}", teardown.stage.describe()),
            did: sentence.did.clone(),
            why: sentence.why.clone(),
            touched: Touched::default(),
        }
    }

    /// What would be done if the mode let it.
    pub(crate) fn would(&self, teardown: &Teardown, sentence: &Sentence, mode: Option<Mode>) -> Option<DecisionRecord> {
        let (verdict, why) = match mode {
            Some(Mode::Frozen) => return None,
            Some(Mode::Active | Mode::Observe) => (Verdict::WouldAct, "the mode is observe"),
            None => (Verdict::Hold, "the mode cannot be read, so nothing is taken down"),
        };
        let told = self.decision(teardown, sentence);
        Some(DecisionRecord { verdict, did: format!("would {}", told.did), why: format!("{}; {why}", told.why), ..told })
    }

    /// The pages of what began and what ceased to block.
    pub(crate) fn pages(
        &self,
        before: &Teardown,
        after: &Teardown,
        steps: &[TeardownStep],
        decision: Option<&DecisionId>,
    ) -> Vec<Page> {
        let mut pages = Vec::new();
        let Some(decision) = decision else { return pages };
        for step in steps {
            match (step, &before.trouble, &after.trouble) {
                (TeardownStep::Block { what, advice }, _, Some(trouble)) => {
                    pages.push(self.page(after, trouble, what, advice, decision));
                }
                (TeardownStep::Unblock { why }, Some(trouble), _) => pages.push(self.resolved(before, trouble, why, decision)),
                (_, _, _) => {}
            }
        }
        pages
    }

    fn page(&self, teardown: &Teardown, trouble: &Trouble, what: &str, advice: &str, decision: &DecisionId) -> Page {
        Page {
            incident: format!("teardown/{}/{}", teardown.id, trouble.number),
            resolved: false,
            severity: Severity::Warning,
            kind: PageKind::TeardownBlocked,
            stack: teardown.stack_name.clone(),
            layer: Some(teardown.layer_shortname.clone()),
            host: None,
            what: format!("the teardown of {} is blocked: {} does not end", subject(teardown), teardown.stage.describe()),
            why: what.to_owned(),
            did: format!("keeps trying; what to do: {advice}"),
            next: format!("aws opsworks describe-instances --layer-id {}", teardown.layer_id),
            decision: decision.clone(),
            at: self.now,
        }
    }

    /// The end of a page.
    pub(crate) fn resolved(&self, teardown: &Teardown, trouble: &Trouble, why: &str, decision: &DecisionId) -> Page {
        Page {
            resolved: true,
            what: format!("the teardown of {} is not blocked any more", subject(teardown)),
            did: "nothing more".to_owned(),
            ..self.page(teardown, trouble, why, "", decision)
        }
    }
}

/// `stack/layer`.
pub(crate) fn subject(teardown: &Teardown) -> String {
    format!("{}/{}", teardown.stack_name, teardown.layer_shortname)
}

/// The steps in words, those of a kind as one; `because` is why their stage's turn has come.
pub(crate) fn sentences(steps: &[TeardownStep], because: &str) -> Vec<Sentence> {
    let mut told: Vec<Sentence> = steps.iter().filter_map(single).collect();
    for (kind, template, why) in [
        ("scale", "scale to zero: {}", because),
        ("delete-service", "delete services {}", "they have no task left"),
        ("stop", "stop {}", because),
        ("delete", "delete {}", "they are stopped"),
        ("unassign", "unassign {}", because),
        ("deregister", "hand back {}", "they were registered, not created: they stay in the cluster"),
    ] {
        let names: Vec<String> =
            steps.iter().filter_map(|s| named(s).filter(|(of, _)| *of == kind).map(|(_, name)| name)).collect();
        if !names.is_empty() {
            told.push(Sentence::new(kind, template.replace("{}", &listed(&names)), why.to_owned()));
        }
    }
    told
}

/// Steps that come one at a time.
fn single(step: &TeardownStep) -> Option<Sentence> {
    let of = |kind, did: &str, why: &str| {
        Some(Sentence { is_always_news: true, ..Sentence::new(kind, did.to_owned(), why.to_owned()) })
    };
    let once = |kind, did: String, why: &str| Some(Sentence::new(kind, did, why.to_owned()));
    match step {
        TeardownStep::DeregisterCluster { cluster } => once(
            "cluster",
            format!("deregister cluster {}", cluster.name()),
            "no instance is left; the cluster itself stays in ECS",
        ),
        TeardownStep::DeleteLayer => {
            once("layer", "delete the layer".to_owned(), "no instance and no registered cluster is left")
        }
        TeardownStep::DeleteStack => once("stack", "delete the stack".to_owned(), "nothing is left in it, and it was asked for"),
        TeardownStep::Block { what, .. } => of("block", "page on-call", what),
        TeardownStep::Unblock { why } => of("unblock", "resolve the page", why),
        TeardownStep::End { outcome: TeardownOutcome::Completed, why } => of("end", "end the teardown: completed", why),
        TeardownStep::End { outcome: TeardownOutcome::Aborted, why } => of("end", "end the teardown: aborted", why),
        TeardownStep::Enter { .. }
        | TeardownStep::ScaleService { .. }
        | TeardownStep::DeleteService { .. }
        | TeardownStep::Stop { .. }
        | TeardownStep::Delete { .. }
        | TeardownStep::Unassign { .. }
        | TeardownStep::Deregister { .. } => None,
    }
}

/// Steps that come in numbers: the kind, and the name of what each is about.
fn named(step: &TeardownStep) -> Option<(&'static str, String)> {
    Some(match step {
        TeardownStep::ScaleService { name, from, .. } => ("scale", format!("{name} (was {from})")),
        TeardownStep::DeleteService { name, .. } => ("delete-service", name.clone()),
        TeardownStep::Stop { hostname, .. } => ("stop", hostname.clone()),
        TeardownStep::Delete { hostname, volumes, address, .. } => {
            let with = match (volumes, address) {
                (true, true) => " with its volumes and address",
                (true, false) => " with its volumes",
                (false, true) => " with its address",
                (false, false) => "",
            };
            ("delete", format!("{hostname}{with}"))
        }
        TeardownStep::Unassign { hostname, .. } => ("unassign", hostname.clone()),
        TeardownStep::Deregister { hostname, .. } => ("deregister", hostname.clone()),
        TeardownStep::Enter { .. }
        | TeardownStep::DeregisterCluster { .. }
        | TeardownStep::DeleteLayer
        | TeardownStep::DeleteStack
        | TeardownStep::Block { .. }
        | TeardownStep::Unblock { .. }
        | TeardownStep::End { .. } => return None,
    })
}

fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
