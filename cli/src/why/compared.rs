//! What Strata would have started and stopped in mode `observe`, beside what really happened.
//!
//! Our choice: a would-have and what happened are the same when they are about the same host, go the same way and are at most an hour apart. What
//! is told again, because nobody did it, counts once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use strata_control::api::extension::Decisions;
use strata_domain::decision::{DecisionRecord, Function, Verdict, Way};
use strata_domain::{DecisionId, InstanceId};

use super::time;
use crate::status::render::put;

/// So far apart a would-have and what happened are the same.
const SAME: SignedDuration = SignedDuration::from_hours(1);

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// Names, for people: `shop/web`.
    pub(super) subject: String,
    /// From when on.
    pub(super) since: Timestamp,
    /// Whether older decisions since then are left off, so that the first of these may be half the story.
    pub(super) is_truncated: bool,
    /// By path.
    pub(super) layers: BTreeMap<String, LayerComparison>,
}

/// A layer's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct LayerComparison {
    /// So many would-haves really happened.
    pub(super) agreed: usize,
    /// So often Strata itself did it, in a mode that let it.
    pub(super) by_strata: usize,
    /// Where the two differ, oldest first.
    pub(super) differences: Vec<Difference>,
}

/// Something that only one of the two did.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Difference {
    /// When.
    pub(super) at: Timestamp,
    /// The host's name; its id if it is no longer there.
    pub(super) host: String,
    /// `start` or `stop`.
    pub(super) act: &'static str,
    /// Strata would have done it and nobody did; else it was done and Strata would not have.
    pub(super) is_only_strata: bool,
    /// Why Strata would have, or what was seen when it happened.
    pub(super) why: String,
    /// The decision that says so.
    pub(super) decision: DecisionId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A scaler, had the mode let it.
    Would,
    /// A scaler did.
    Strata,
    /// What lifecycle saw the host do.
    Really,
}

/// One host's start or stop.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    who: Who,
    way: Way,
    decision: &'a DecisionRecord,
}

/// Compares what the journal tells. `names` are of the hosts that there are; `only` asks for one of them.
pub(super) fn comparison(told: &Decisions, names: &BTreeMap<InstanceId, String>, only: Option<&InstanceId>) -> Comparison {
    let mut hosts: BTreeMap<(String, &InstanceId), Vec<Step<'_>>> = BTreeMap::new();
    for decision in &told.decisions {
        let Some((who, way)) = who(decision).zip(decision.touched.way) else { continue };
        for id in decision.touched.instance_ids.iter().filter(|id| only.is_none_or(|only| only == *id)) {
            hosts.entry((layer(&decision.subject), id)).or_default().push(Step { who, way, decision });
        }
    }
    let mut layers: BTreeMap<String, LayerComparison> = BTreeMap::new();
    for ((layer, id), steps) in hosts {
        let host = names.get(id).cloned().unwrap_or_else(|| id.to_string());
        one_host(&host, steps, layers.entry(layer).or_default());
    }
    layers.values_mut().for_each(|layer| layer.differences.sort());
    Comparison { subject: told.subject.clone(), since: told.since, is_truncated: told.is_truncated, layers }
}

/// `None` for what neither starts nor stops hosts.
fn who(decision: &DecisionRecord) -> Option<Who> {
    match (decision.function, decision.verdict) {
        (Function::LoadScaling | Function::TimeScaling, Verdict::WouldAct) => Some(Who::Would),
        (Function::LoadScaling | Function::TimeScaling, Verdict::Act) => Some(Who::Strata),
        (Function::InstanceLifecycle, Verdict::Act | Verdict::Hold | Verdict::WouldAct) => Some(Who::Really),
        (Function::LoadScaling | Function::TimeScaling, Verdict::Hold)
        | (Function::Api | Function::SecurityUpdates | Function::Teardown, _) => None,
    }
}

/// `shop/web` of `shop/web/web3`.
fn layer(subject: &str) -> String {
    subject.split('/').take(2).collect::<Vec<_>>().join("/")
}

fn one_host(host: &str, steps: Vec<Step<'_>>, into: &mut LayerComparison) {
    let steps = told_once(steps);
    let of = |who: Who| steps.iter().filter(move |step| step.who == who);
    let mut taken: BTreeSet<&DecisionId> = BTreeSet::new();
    for would in of(Who::Would) {
        let apart = |step: &&Step<'_>| step.decision.at.duration_since(would.decision.at).abs();
        let nearest = of(Who::Really)
            .filter(|step| step.way == would.way && apart(step) <= SAME && !taken.contains(&step.decision.id))
            .min_by_key(apart);
        match nearest {
            Some(step) => {
                taken.insert(&step.decision.id);
                into.agreed += 1;
            }
            None => into.differences.push(difference(host, would)),
        }
    }
    for real in of(Who::Really).filter(|step| !taken.contains(&step.decision.id)) {
        let is_behind = |own: &Step<'_>| {
            let after = real.decision.at.duration_since(own.decision.at);
            own.way == real.way && !after.is_negative() && after <= SAME
        };
        if of(Who::Strata).any(is_behind) {
            into.by_strata += 1;
        } else {
            into.differences.push(difference(host, real));
        }
    }
}

/// Without what repeats the step before it: a would-have that nobody followed, and a host that comes up, and then into service.
fn told_once(steps: Vec<Step<'_>>) -> Vec<Step<'_>> {
    let (mut would, mut really): (Option<Way>, Option<Way>) = (None, None);
    let mut once = Vec::with_capacity(steps.len());
    for step in steps {
        let is_new = match step.who {
            Who::Would => would.replace(step.way) != Some(step.way),
            Who::Strata => true,
            Who::Really => {
                // What really changed makes the next would-have a new one.
                would = None;
                really.replace(step.way) != Some(step.way)
            }
        };
        if is_new {
            once.push(step);
        }
    }
    once
}

fn difference(host: &str, step: &Step<'_>) -> Difference {
    let DecisionRecord { id, at, saw, why, .. } = step.decision;
    let is_only_strata = step.who == Who::Would;
    let why = if is_only_strata { why.clone() } else { format!("{saw}: {why}") };
    Difference { at: *at, host: host.to_owned(), act: step.way.as_str(), is_only_strata, why, decision: id.clone() }
}

/// The comparison in words.
pub(super) fn screen(told: &Comparison) -> String {
    let mut text =
        format!("{} since {}: what Strata would have done, beside what really happened\n", told.subject, time(told.since));
    if told.is_truncated {
        text.push_str("... older decisions are left off: a later --since, or one layer or host, tells the whole of it\n");
    }
    if told.layers.is_empty() {
        text.push_str("no host was started or stopped, and none would have been\n");
    }
    for (path, layer) in &told.layers {
        let only = |is_only_strata| layer.differences.iter().filter(|d| d.is_only_strata == is_only_strata).count();
        put(
            &mut text,
            format_args!(
                "\n{path}: {} as Strata would have, {} that only Strata would have done, {} that it would not have done, {} by itself\n",
                layer.agreed,
                only(true),
                only(false),
                layer.by_strata
            ),
        );
        for Difference { at, host, act, is_only_strata, why, .. } in &layer.differences {
            let what = if *is_only_strata { "Strata would have, and nobody did" } else { "was done, and Strata would not have" };
            put(&mut text, format_args!("  {}  {act:<6}{host}: {what}\n    because  {why}\n", time(*at)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use strata_domain::decision::Touched;

    use super::*;

    /// When, who, verdict, way, hosts.
    type Entry = (&'static str, Function, Verdict, Way, &'static [&'static str]);

    fn told(entries: &[Entry]) -> Decisions {
        let decision = |(n, (at, function, verdict, way, ids)): (usize, &Entry)| DecisionRecord {
            id: format!("d-{n}").into(),
            at: format!("2026-03-02T{at}:00Z").parse().unwrap(),
            function: *function,
            trigger: "tick".to_owned(),
            subject: if *function == Function::InstanceLifecycle && ids.len() == 1 { "shop/web/x" } else { "shop/web" }
                .to_owned(),
            stack_id: None,
            layer_id: None,
            verdict: *verdict,
            saw: "a start asked for by user".to_owned(),
            did: "-".to_owned(),
            why: "its hour".to_owned(),
            touched: Touched::new(Some(*way), ids.iter().map(|id| InstanceId::from(*id))),
        };
        let decisions = entries.iter().enumerate().map(decision).collect();
        let since = "2026-03-01T00:00:00Z".parse().unwrap();
        Decisions { subject: "shop/web".to_owned(), since, decisions, is_truncated: false }
    }

    const LIFE: Function = Function::InstanceLifecycle;
    const TIME: Function = Function::TimeScaling;
    const LOAD: Function = Function::LoadScaling;

    /// Agreed, by Strata, and each difference as `start a at d-0`, with a `!` where nobody did it.
    fn compared(entries: &[Entry]) -> (usize, usize, Vec<String>) {
        let names = BTreeMap::from([(InstanceId::from("i1"), "web1".to_owned())]);
        let compared = comparison(&told(entries), &names, None);
        let layer = compared.layers.get("shop/web").cloned().unwrap_or_default();
        let words = |d: &Difference| format!("{}{} {} {}", if d.is_only_strata { "!" } else { "" }, d.act, d.host, d.decision);
        (layer.agreed, layer.by_strata, layer.differences.iter().map(words).collect())
    }

    #[test]
    fn what_happened_within_the_hour_is_the_same_and_the_rest_is_a_difference() {
        use Verdict::{Act, Hold, WouldAct};
        use Way::{Down, Up};
        for (entries, expected) in [
            (vec![], (0, 0, vec![])),
            (vec![("10:00", TIME, WouldAct, Up, &["i1"][..]), ("11:00", LIFE, Act, Up, &["i1"])], (1, 0, vec![])),
            (vec![("09:58", LIFE, Act, Up, &["i1"]), ("10:00", TIME, WouldAct, Up, &["i1"])], (1, 0, vec![])),
            (
                vec![("10:00", TIME, WouldAct, Up, &["i1"]), ("11:01", LIFE, Act, Up, &["i1"])],
                (0, 0, vec!["!start web1 d-0", "start web1 d-1"]),
            ),
            (
                vec![("10:00", TIME, WouldAct, Up, &["i1"]), ("10:05", LIFE, Act, Down, &["i1"])],
                (0, 0, vec!["!start web1 d-0", "stop web1 d-1"]),
            ),
            // Told again each hour, since nobody did it; and a host that came up, and then into service.
            (
                vec![("10:00", TIME, WouldAct, Up, &["i1"]), ("11:00", TIME, WouldAct, Up, &["i1"])],
                (0, 0, vec!["!start web1 d-0"]),
            ),
            (vec![("10:00", LIFE, Act, Up, &["i1"]), ("10:04", LIFE, Act, Up, &["i1"])], (0, 0, vec!["start web1 d-0"])),
            // One that nobody names any more keeps its id; a failed host that the mode keeps from being healed is down.
            (
                vec![("10:00", LOAD, WouldAct, Down, &["i1", "i2"]), ("10:09", LIFE, WouldAct, Down, &["i1"])],
                (1, 0, vec!["!stop i2 d-0"]),
            ),
            // In a mode that let it.
            (vec![("10:00", LOAD, Act, Up, &["i1"]), ("10:01", LIFE, Act, Up, &["i1"])], (0, 1, vec![])),
            (vec![("10:00", LOAD, Hold, Up, &["i1"])], (0, 0, vec![])),
            // A day of one, a would-have for each way.
            (
                vec![
                    ("08:00", TIME, WouldAct, Up, &["i1"]),
                    ("08:01", LIFE, Act, Up, &["i1"]),
                    ("18:00", TIME, WouldAct, Down, &["i1"]),
                    ("19:00", TIME, WouldAct, Down, &["i1"]),
                    ("21:00", LIFE, Act, Down, &["i1"]),
                ],
                (1, 0, vec!["!stop web1 d-2", "stop web1 d-4"]),
            ),
        ] {
            let (agreed, by_strata, differences) = compared(&entries);
            assert_eq!((agreed, by_strata, differences.iter().map(String::as_str).collect::<Vec<_>>()), expected, "{entries:?}");
        }
    }

    #[test]
    fn a_comparison_has_a_line_for_each_layer_and_two_for_each_difference() {
        let entries: [Entry; 3] = [
            ("08:00", TIME, Verdict::WouldAct, Way::Up, &["i1", "i2"]),
            ("08:04", LIFE, Verdict::Act, Way::Up, &["i1"]),
            ("12:00", LIFE, Verdict::Act, Way::Up, &["i2"]),
        ];
        let names = BTreeMap::from([(InstanceId::from("i1"), "web1".to_owned()), (InstanceId::from("i2"), "web2".to_owned())]);
        let whole = comparison(&told(&entries), &names, None);
        assert_eq!(
            screen(&whole),
            "\
shop/web since 2026-03-01 00:00:00 UTC: what Strata would have done, beside what really happened

shop/web: 1 as Strata would have, 1 that only Strata would have done, 1 that it would not have done, 0 by itself
  2026-03-02 08:00:00 UTC  start web2: Strata would have, and nobody did
    because  its hour
  2026-03-02 12:00:00 UTC  start web2: was done, and Strata would not have
    because  a start asked for by user: its hour
"
        );
        let one = comparison(&told(&entries), &names, Some(&InstanceId::from("i1")));
        assert_eq!((one.layers["shop/web"].agreed, one.layers["shop/web"].differences.len()), (1, 0));
        let nothing = screen(&comparison(&told(&[]), &names, None));
        assert!(nothing.contains("none would have been"), "{nothing}");
    }
}
