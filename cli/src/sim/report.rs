//! The report: one self-contained page. The figures are put in as JSON; the page's own script draws them.

use jiff::Timestamp;
use serde::Serialize;
use strata_domain::InstanceStatus;
use strata_domain::decision::{DecisionRecord, Page};

use super::record::{Minute, RunRecord};

const TEMPLATE: &str = include_str!("report.html");
/// More than a browser shows quickly; the page says how many there were.
const MOST_DECISIONS: usize = 20_000;
/// More than a screen has pixels, also after zooming in.
const MOST_POINTS: usize = 20_000;

#[derive(Serialize)]
struct Data<'a> {
    scenario: &'a str,
    /// Seconds since 1970; all other times are seconds since this one.
    start: i64,
    length: i64,
    figures: Vec<(&'static str, String)>,
    calls: Vec<(&'a str, u64)>,
    series: Series,
    statuses: Vec<&'static str>,
    hosts: Vec<Host<'a>>,
    decisions: Vec<Decision<'a>>,
    decisions_in_all: usize,
    pages: Vec<PageRow<'a>>,
    layer: &'a str,
}

#[derive(Default, Serialize)]
struct Series {
    /// Minutes per value.
    minutes: usize,
    at: Vec<i64>,
    demand: Vec<Option<f64>>,
    capacity: Vec<f64>,
    cpu: Vec<Option<f64>>,
}

#[derive(Serialize)]
struct Host<'a> {
    layer: &'a str,
    host: &'a str,
    scaling: String,
    /// From when, and the index into `statuses`.
    changes: Vec<(i64, usize)>,
    gone: Option<i64>,
}

#[derive(Serialize)]
struct Decision<'a> {
    at: i64,
    function: &'static str,
    verdict: &'a strata_domain::decision::Verdict,
    subject: &'a str,
    trigger: &'a str,
    did: &'a str,
    saw: &'a str,
    why: &'a str,
}

#[derive(Serialize)]
struct PageRow<'a> {
    at: i64,
    incident: &'a str,
    resolved: bool,
    severity: &'a strata_domain::decision::Severity,
    place: String,
    what: &'a str,
    why: &'a str,
    did: &'a str,
    next: &'a str,
}

/// The page of a run, without any reference to the outside.
pub fn page(run: &RunRecord) -> String {
    let json = serde_json::to_string(&data(run)).unwrap_or_else(|_| "{}".to_owned());
    // Split and not replaced, so that no text of a user can be taken for a place to fill in.
    let (head, rest) = TEMPLATE.split_once("{{title}}").expect("the template has a title");
    let (middle, tail) = rest.split_once("{{data}}").expect("the template has a place for the data");
    [head, &in_html(&run.scenario), middle, &in_script(&json), tail].concat()
}

fn data(run: &RunRecord) -> Data<'_> {
    let since = |at: Timestamp| at.duration_since(run.start).as_secs();
    let host = |h| host_row(h, run.start);
    Data {
        scenario: &run.scenario,
        start: run.start.as_second(),
        length: since(run.end),
        figures: run.summary.rows(),
        calls: run.summary.api_calls.iter().map(|(action, count)| (action.as_str(), *count)).collect(),
        series: series(&run.series, run.start),
        statuses: InstanceStatus::ALL.map(InstanceStatus::as_str).to_vec(),
        hosts: run.states.iter().map(host).collect(),
        decisions: run.decisions.iter().take(MOST_DECISIONS).map(|d| decision_row(d, since(d.at))).collect(),
        decisions_in_all: run.decisions.len(),
        pages: run.pages.iter().map(|p| page_row(p, since(p.at))).collect(),
        layer: run.states.first().map_or("", |h| h.layer.as_str()),
    }
}

fn host_row(host: &super::record::HostHistory, start: Timestamp) -> Host<'_> {
    let since = |at: Timestamp| at.duration_since(start).as_secs();
    let index = |status| InstanceStatus::ALL.iter().position(|s| *s == status).unwrap_or(0);
    Host {
        layer: &host.layer,
        host: &host.host,
        scaling: host.scaling.to_string(),
        changes: host.changes.iter().map(|(at, status)| (since(*at), index(*status))).collect(),
        gone: host.gone_at.map(since),
    }
}

fn decision_row(decision: &DecisionRecord, at: i64) -> Decision<'_> {
    Decision {
        at,
        function: decision.function.as_str(),
        verdict: &decision.verdict,
        subject: &decision.subject,
        trigger: &decision.trigger,
        did: &decision.did,
        saw: &decision.saw,
        why: &decision.why,
    }
}

fn page_row(page: &Page, at: i64) -> PageRow<'_> {
    let place = [Some(&page.stack), page.layer.as_ref(), page.host.as_ref()];
    PageRow {
        at,
        incident: &page.incident,
        resolved: page.resolved,
        severity: &page.severity,
        place: place.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("/"),
        what: &page.what,
        why: &page.why,
        did: &page.did,
        next: &page.next,
    }
}

/// The series, thinned for long runs: of each stretch the most demand, the least capacity and the most CPU, so no shortfall is hidden.
fn series(minutes: &[Minute], start: Timestamp) -> Series {
    let stretch = minutes.len().div_ceil(MOST_POINTS).max(1);
    let most = |values: &mut dyn Iterator<Item = f64>| values.reduce(f64::max);
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    let mut series = Series { minutes: stretch, ..Series::default() };
    for chunk in minutes.chunks(stretch) {
        series.at.push(chunk[0].at.duration_since(start).as_secs());
        series.demand.push(most(&mut chunk.iter().filter_map(|m| m.demand)).map(rounded));
        series.capacity.push(rounded(chunk.iter().map(|m| m.capacity).fold(f64::INFINITY, f64::min)));
        series.cpu.push(most(&mut chunk.iter().filter_map(|m| m.cpu)).map(rounded));
    }
    series
}

fn in_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// JSON inside a script element: nothing in it may end the element or begin a comment.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
