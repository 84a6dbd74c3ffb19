//! The figures of a run, as one JSON object or as a table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::record::{HostHistory, Minute, count_moves};

/// The figures. The world fills what only it knows; the rest is counted from what it recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// `none`, `light` or `heavy`.
    pub faults: String,
    /// Instances of all layers.
    pub instances: u64,
    /// Simulated seconds.
    pub simulated_seconds: u64,
    /// Seconds that the run took; the only figure that differs from run to run.
    pub wall_seconds: f64,
    /// Changed decisions.
    pub decisions: u64,
    /// Ways up, heals not counted.
    pub starts: u64,
    /// Ways down, heals not counted.
    pub stops: u64,
    /// Heals begun.
    pub heals: u64,
    /// Hosts that a rolling update brought through. Filled by the world.
    pub updated_instances: u64,
    /// Pages to on-call, resolved messages not counted.
    pub pages: u64,
    /// Hours for which machines were paid.
    pub instance_hours: f64,
    /// Hours that would have been paid for had every instance been on all the time.
    pub always_on_instance_hours: f64,
    /// Minutes in which the first layer had more work than hosts.
    pub minutes_under_capacity: u64,
    /// Tasks that were stopped with their work unfinished. Filled by the world.
    pub tasks_interrupted: u64,
    /// How often an invariant was looked at. Filled by the world.
    pub invariants_checked: u64,
    /// How often one was found broken.
    pub invariants_broken: u64,
    /// API calls by action, `service:Action`. Filled by the world.
    pub api_calls: BTreeMap<String, u64>,
    /// Lines of the log by type.
    pub log_lines: BTreeMap<String, u64>,
    /// SHA-256 of the log: equal for equal runs.
    pub log_sha256: String,
}

impl Summary {
    /// Counts what the histories and the series tell: starts, stops, heals, hours, minutes under capacity, instances.
    pub fn count(&mut self, states: &[HostHistory], series: &[Minute], end: jiff::Timestamp) {
        let moves = count_moves(states);
        (self.starts, self.stops, self.heals) = (moves.starts, moves.stops, moves.heals);
        self.instances = states.len() as u64;
        let hours = |seconds: i64| (seconds as f64 / 36.0).round() / 100.0;
        self.instance_hours = hours(states.iter().map(|h| h.running(end).as_secs()).sum());
        self.always_on_instance_hours = hours(states.iter().map(|h| h.existed(end).as_secs()).sum());
        self.minutes_under_capacity = series.iter().filter(|minute| minute.is_under_capacity()).count() as u64;
    }

    /// The figures for people, one a line.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n", self.scenario);
        for (name, value) in self.rows() {
            text += &format!("  {name:24}{value}\n");
        }
        if !self.api_calls.is_empty() {
            text += "API calls by action\n";
        }
        for (action, count) in &self.api_calls {
            text += &format!("  {action:48}{:>12}\n", grouped(*count));
        }
        text
    }

    /// The figures with their names, as the table and the report show them.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let percent = if self.always_on_instance_hours > 0.0 {
            let percent = self.instance_hours / self.always_on_instance_hours * 100.0;
            format!(" ({percent:.0} % of always-on, {})", tenths(self.always_on_instance_hours))
        } else {
            String::new()
        };
        let broken = if self.invariants_broken == 0 { "none".to_owned() } else { grouped(self.invariants_broken) };
        vec![
            ("simulated", duration(self.simulated_seconds)),
            ("took", format!("{:.2} s", self.wall_seconds)),
            ("seed, faults", format!("{}, {}", self.seed, self.faults)),
            ("instances", grouped(self.instances)),
            ("decisions", grouped(self.decisions)),
            ("starts", grouped(self.starts)),
            ("stops", grouped(self.stops)),
            ("heals", grouped(self.heals)),
            ("updated instances", grouped(self.updated_instances)),
            ("pages", grouped(self.pages)),
            ("instance-hours", format!("{}{percent}", tenths(self.instance_hours))),
            ("minutes under capacity", grouped(self.minutes_under_capacity)),
            ("tasks interrupted", grouped(self.tasks_interrupted)),
            ("API calls", grouped(self.api_calls.values().sum())),
            ("invariants checked", grouped(self.invariants_checked)),
            ("invariants broken", broken),
            ("log SHA-256", self.log_sha256.clone()),
        ]
    }
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, h, m) => format!("{h} h {m} min"),
        (1, 0, 0) => "1 day".to_owned(),
        (d, 0, 0) => format!("{d} days"),
        (d, h, m) => format!("{d} d {h} h {m} min"),
    }
}

/// Hours to a tenth, with their thousands set apart.
fn tenths(hours: f64) -> String {
    let tenths = (hours * 10.0).round() as u64;
    format!("{}.{}", grouped(tenths / 10), tenths % 10)
}

/// A number with its thousands set apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_every_key_that_scripts_rely_on() {
        let json = serde_json::to_value(Summary::default()).unwrap();
        for key in [
            "seed",
            "simulated_seconds",
            "wall_seconds",
            "decisions",
            "starts",
            "stops",
            "heals",
            "updated_instances",
            "pages",
            "instance_hours",
            "always_on_instance_hours",
            "minutes_under_capacity",
            "tasks_interrupted",
            "invariants_checked",
        ] {
            assert!(json[key].is_number(), "{key}");
        }
        assert!(json["invariants_broken"].is_u64());
        assert!(json["api_calls"].is_object());
        assert!(json["log_sha256"].is_string());
    }

    #[test]
    fn the_table_tells_every_figure_on_a_line_of_its_own() {
        let summary = Summary {
            scenario: "a day".to_owned(),
            simulated_seconds: 86_400,
            starts: 12_345,
            instance_hours: 250.0,
            always_on_instance_hours: 500.0,
            api_calls: [("ec2:StartInstances".to_owned(), 1_000)].into(),
            ..Summary::default()
        };
        let table = summary.table();
        for (name, value) in summary.rows() {
            assert!(
                table.lines().any(|l| l.trim_start().starts_with(name) && l.ends_with(value.as_str())),
                "{name} {value}\n{table}"
            );
        }
        assert!(table.contains("12,345") && table.contains("1 day") && table.contains("(50 % of always-on, 500.0)"), "{table}");
        assert!(table.contains("ec2:StartInstances"), "{table}");
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
