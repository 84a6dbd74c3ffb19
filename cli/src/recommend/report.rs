//! What is printed: the mix with its reasons, its cost, and its risk on the held-out days.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Recommendation;
use super::judged::Judged;
use crate::args::RecommendArgs;

/// Hours of a mean month.
const MONTH: f64 = 730.0;

impl Recommendation {
    /// The lines above the files that are written.
    pub(super) fn head(&self, args: &RecommendArgs) -> Vec<String> {
        let file = args.history.metrics.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // A file's name may hold a line break, and a comment may not.
        let file: String = file.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let mut head = vec![format!("Recommended by `strata recommend` from {file}: {}.", self.span())];
        head.extend(self.reasons.iter().map(|reason| format!("{}: {}", reason.what, reason.why)));
        head.extend(self.verdicts());
        head
    }

    /// What was fitted and what was judged on.
    pub(super) fn span(&self) -> String {
        let first = self.fitted.first().map_or(self.parted.held_out_from, |day| day.begin);
        format!(
            "fitted on {} to {}, judged on {} to {}",
            first, self.parted.held_out_from, self.parted.held_out_from, self.parted.to
        )
    }

    pub(super) fn recommended(&self) -> &Judged {
        &self.judged[self.judged.len() - 1]
    }

    /// Whether it was worth it, a sentence for each of the other ways.
    pub(super) fn verdicts(&self) -> Vec<String> {
        let mine = self.recommended();
        let others = &self.judged[..self.judged.len() - 1];
        others.iter().map(|other| self.verdict(mine, other)).collect()
    }

    fn verdict(&self, mine: &Judged, other: &Judged) -> String {
        let (under, than) = (mine.measures.minutes_under, other.measures.minutes_under);
        let (hours, of) = (mine.measures.instance_hours, other.measures.instance_hours);
        let figures = format!("{under} minutes short instead of {than}, {hours:.0} host-hours instead of {of:.0}");
        let word = match (mine.beats(other, self.limit), other.beats(mine, self.limit)) {
            (true, _) => "better than",
            (false, true) => "WORSE than",
            (false, false) => "as good as",
        };
        format!("{word} {}: {figures}", other.name)
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut text = format!("{}\n{}\n\n", self.span(), self.demand());
        for reason in &self.reasons {
            put(&mut text, format_args!("{}\n    {}\n", reason.what, reason.why));
        }
        text.push('\n');
        self.figures(&mut text);
        put(&mut text, format_args!("\n{}\n", self.risk()));
        for verdict in self.verdicts() {
            put(&mut text, format_args!("{verdict}\n"));
        }
        for warning in &self.parted.warnings {
            put(&mut text, format_args!("note: {warning}\n"));
        }
        text
    }

    /// A column for each way to scale.
    fn figures(&self, text: &mut String) {
        const LABEL: usize = 26;
        let mut row = |label: &str, of: &dyn Fn(&Judged) -> String| {
            let cells: String = self.judged.iter().map(|one| format!("{:>16}", of(one))).collect();
            put(text, format_args!("{label:<LABEL$}{cells}\n"));
        };
        row("on the days held out", &|one| one.name.to_owned());
        row("minutes under capacity", &|one| one.measures.minutes_under.to_string());
        row("  of the minutes measured", &|one| format!("{:.2} %", percent(one.measures.minutes_under, one.measures.measured)));
        row("  server-hours missing", &|one| format!("{:.1}", one.measures.server_hours_missing));
        row("  most hosts missing", &|one| format!("{:.1}", one.worst().map_or(0.0, |(hosts, _)| hosts)));
        row("host-hours paid for", &|one| format!("{:.1}", one.measures.instance_hours));
        row("cost", &|one| format!("{:.2}", one.measures.cost(self.price)));
        row("cost a month", &|one| format!("{:.2}", self.month(one)));
        row("scaling events", &|one| one.measures.events.to_string());
        row("  of them flaps", &|one| one.measures.flaps.to_string());
    }

    /// What the held-out days would cost if they lasted for a month.
    fn month(&self, one: &Judged) -> f64 {
        let hours = one.measures.minutes.len() as f64 / 60.0;
        if hours > 0.0 { one.measures.cost(self.price) / hours * MONTH } else { 0.0 }
    }

    pub(super) fn demand(&self) -> String {
        let mean: Vec<f64> = self.fitted.iter().flat_map(|day| day.minutes.iter().flatten()).copied().collect();
        let mean = if mean.is_empty() { 0.0 } else { mean.iter().sum::<f64>() / mean.len() as f64 };
        format!("demand {mean:.1} hosts in the mean, {:.1} at most", self.peak)
    }

    /// The risk, in words.
    pub(super) fn risk(&self) -> String {
        let mine = self.recommended();
        let fitted = percent(self.on_fitted.under, self.on_fitted.measured);
        let held_out = percent(mine.measures.minutes_under, mine.measures.measured);
        let worst = match mine.worst() {
            None => "no host was missing".to_owned(),
            Some((hosts, at)) => format!("at worst {hosts:.1} hosts were missing, first at {at}"),
        };
        let word = if mine.measures.minutes_under <= self.limit { "within" } else { "BEYOND" };
        format!(
            "risk: {held_out:.2} % of the held-out minutes under capacity, {word} the limit; {worst}. \
             Expected from the fitted days, each under a mix of the others: {fitted:.2} %"
        )
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let judged: Vec<Value> = self.judged.iter().map(|one| self.one(one)).collect();
        let windows: Vec<Value> = self.layer.time_based.windows.iter().map(window).collect();
        json!({
            "fitted_from": self.fitted.first().map(|day| day.begin),
            "held_out_from": self.parted.held_out_from,
            "to": self.parted.to,
            "peak_demand": self.peak,
            "always_on": self.layer.always_on,
            "time_based": windows,
            "load_based": self.layer.load_based,
            "load_scaling": self.layer.load_scaling.as_ref().map(|scaling| json!({ "up": thresholds(&scaling.up), "down": thresholds(&scaling.down) })),
            "reasons": self.reasons,
            "price_per_hour": self.price,
            "limit_minutes": self.limit,
            "expected_percent_under": percent(self.on_fitted.under, self.on_fitted.measured),
            "judged": judged,
            "verdicts": self.verdicts(),
            "warnings": self.parted.warnings,
        })
    }

    fn one(&self, one: &Judged) -> Value {
        let mut object = json!(one.measures);
        object["name"] = json!(one.name);
        object["cost"] = json!(one.measures.cost(self.price));
        object["cost_a_month"] = json!(self.month(one));
        object["most_hosts_missing"] = json!(one.worst().map_or(0.0, |(hosts, _)| hosts));
        object
    }
}

fn window(window: &crate::sim::scenario::Window) -> Value {
    json!({
        "instances": window.instances,
        "schedule": crate::backtest::engine::weekly(&window.schedule()).to_wire(),
    })
}

fn thresholds(of: &crate::sim::scenario::Thresholds) -> Value {
    json!({ "instances": of.instances, "wait_minutes": of.wait_minutes, "ignore_minutes": of.ignore_minutes, "cpu": of.cpu })
}

fn percent(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 }
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a String takes every write");
}
