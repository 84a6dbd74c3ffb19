//! Decision records, pages and events out: what a function tells, written in the same commit as what it decided.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pages::PageKind;
use crate::{DecisionId, InstanceId, LayerId, StackId};

/// The six functions, as they sign their decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// The OpsWorks Stacks API.
    Api,
    /// One step forward per instance; healing.
    InstanceLifecycle,
    /// Load-based scaling.
    LoadScaling,
    /// Time-based scaling.
    TimeScaling,
    /// Rolling updates.
    SecurityUpdates,
    /// Ordered teardown.
    Teardown,
}

impl Function {
    /// All six.
    pub const ALL: [Self; 6] =
        [Self::Api, Self::InstanceLifecycle, Self::LoadScaling, Self::TimeScaling, Self::SecurityUpdates, Self::Teardown];

    /// The name, as in the folder and the template.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::InstanceLifecycle => "instance-lifecycle",
            Self::LoadScaling => "load-scaling",
            Self::TimeScaling => "time-scaling",
            Self::SecurityUpdates => "security-updates",
            Self::Teardown => "teardown",
        }
    }
}

impl std::fmt::Display for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something is done.
    Act,
    /// Nothing is done, for a reason worth telling.
    Hold,
    /// It would have been done, but the mode is `observe`.
    WouldAct,
}

/// One decision, kept in the journal. Only *changed* decisions are written: the same hold for the same reason is told once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The id; pages and events that it caused carry it.
    pub id: DecisionId,
    /// When.
    pub at: Timestamp,
    /// Who decided.
    pub function: Function,
    /// What woke the function, in a few words, for example `alarm strata/shop/ecs-cluster/up-cpu`, `tick`.
    pub trigger: String,
    /// About what: `stack/layer`, `stack/layer/host`; names, not GUIDs.
    pub subject: String,
    /// The stack, if it is about one.
    pub stack_id: Option<StackId>,
    /// The layer, if it is about one.
    pub layer_id: Option<LayerId>,
    /// Act, hold, or would act.
    pub verdict: Verdict,
    /// What was seen, one short sentence.
    pub saw: String,
    /// What was decided, one short sentence, for example `start web3, web4`.
    pub did: String,
    /// Why, in words that an on-call engineer understands.
    pub why: String,
    /// The instances that it is about.
    #[serde(default, skip_serializing_if = "Touched::is_empty")]
    pub touched: Touched,
}

/// Which way a host goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It is started, or comes up.
    Up,
    /// It is stopped, or goes down.
    Down,
}

impl Way {
    /// As a verb: `start` or `stop`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "start",
            Self::Down => "stop",
        }
    }
}

/// The instances that a decision is about: all of them, while its words name a few.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Touched {
    /// Which way they are to go, or were seen to go; `None` for a decision about something else.
    pub way: Option<Way>,
    /// At most the first [`MOST_TOUCHED`] of them.
    pub instance_ids: Vec<InstanceId>,
}

/// So many ids stand in a record, which has to fit into the store.
pub const MOST_TOUCHED: usize = 2_000;

impl Touched {
    /// These instances.
    pub fn new(way: Option<Way>, ids: impl IntoIterator<Item = InstanceId>) -> Self {
        Self { way, instance_ids: ids.into_iter().take(MOST_TOUCHED).collect() }
    }

    fn is_empty(&self) -> bool {
        self.instance_ids.is_empty()
    }
}

/// Whether a decision of a host's stack is about the host: it lists its id, it is its subject, or named in what was decided about one of its
/// layers.
///
/// Hosts are named by words of their own: `web1` is not in `start web12`.
pub fn concerns(decision: &DecisionRecord, stack: &str, (id, host): (&InstanceId, &str), is_of_its_layer: bool) -> bool {
    if decision.touched.instance_ids.contains(id) {
        return true;
    }
    let mut path = decision.subject.split('/');
    if path.next() == Some(stack) && path.next().is_some() && path.next() == Some(host) {
        return true;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let names = |text: &str| text.split(|c| !is_part(c)).any(|word| word == host);
    is_of_its_layer && [&decision.did, &decision.saw, &decision.why].into_iter().any(|text| names(text))
}

/// How bad a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Look at it today.
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// The text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A notice to on-call. One page per incident: a repeat carries the same `incident`, its end the same with `resolved`, and the same
/// severity, so that whoever subscribed to the beginning hears of the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Stable id of the incident, for example `heal/<instance id>/<n>`.
    pub incident: String,
    /// Whether this message closes the incident.
    pub resolved: bool,
    /// How bad.
    pub severity: Severity,
    /// Kind, for filter policies and runbooks.
    pub kind: PageKind,
    /// Stack's name.
    pub stack: String,
    /// Layer's name, if it is about one.
    pub layer: Option<String>,
    /// Host's name, if it is about one.
    pub host: Option<String>,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What Strata did.
    pub did: String,
    /// One command to run next.
    pub next: String,
    /// The decision behind it.
    pub decision: DecisionId,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_concerns_the_hosts_that_it_is_about_or_names_in_their_layer() {
        let decision = |subject: &str, did: &str| DecisionRecord {
            id: "d".into(),
            at: Timestamp::UNIX_EPOCH,
            function: Function::LoadScaling,
            trigger: "tick".to_owned(),
            subject: subject.to_owned(),
            stack_id: None,
            layer_id: None,
            verdict: Verdict::Act,
            saw: "2 of 4 available".to_owned(),
            did: did.to_owned(),
            why: "average cpu above 75%".to_owned(),
            touched: Touched::default(),
        };
        let web1 = (&InstanceId::from("i-1"), "web1");
        for (subject, did, is_of_its_layer, expected) in [
            ("shop/web/web1", "heal it", false, true),
            ("shop/-/web1", "hold it", false, true),
            ("lab/web/web1", "heal it", false, false),
            ("shop/web1", "start none", false, false),
            ("shop/web", "start web12, web1", true, true),
            ("shop/web", "start web12, web1", false, false),
            ("shop/web", "start web12, web1-b", true, false),
            ("shop/web/web12", "heal it", true, false),
        ] {
            assert_eq!(concerns(&decision(subject, did), "shop", web1, is_of_its_layer), expected, "{subject} {did}");
        }
        // A crowd is named in part; all of it is listed.
        let crowd = |id: &str| DecisionRecord {
            touched: Touched::new(Some(Way::Up), [InstanceId::from("i-9"), InstanceId::from(id)]),
            ..decision("shop/web", "start 7 instances (web2, ...)")
        };
        assert!(concerns(&crowd("i-1"), "shop", web1, false) && !concerns(&crowd("i-2"), "shop", web1, true));
    }

    #[test]
    fn a_record_of_before_there_were_lists_of_ids_is_read_and_a_list_is_bounded() {
        let old = r#"{"id":"d","at":"2026-03-02T18:00:00Z","function":"load-scaling","trigger":"tick","subject":"shop/web","stack_id":null,
            "layer_id":null,"verdict":"act","saw":"","did":"start web1","why":""}"#;
        assert_eq!(serde_json::from_str::<DecisionRecord>(old).unwrap().touched, Touched::default());
        let ids = (0..MOST_TOUCHED + 1).map(|n| InstanceId::new(n.to_string()));
        assert_eq!(Touched::new(None, ids).instance_ids.len(), MOST_TOUCHED);
    }
}
