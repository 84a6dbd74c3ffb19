//! The mix as a layer file, which `strata backtest --layer-file` and `strata sim run --scenario` take.

use std::fmt::Write;

use crate::CliError;
use crate::args::RecommendArgs;
use crate::sim::scenario::schedule::{Hours, Weekday, Window};
use crate::sim::scenario::{LayerSpec, Scenario, Thresholds};

/// A layer with the names of the command line and nothing in it yet.
///
/// # Errors
/// Bad input: a name that cannot be one.
pub(super) fn empty_layer(args: &RecommendArgs) -> Result<LayerSpec, CliError> {
    let cluster = args.cluster.as_ref().unwrap_or(&args.stack);
    let text = format!(
        "name = \"recommended\"\n[[layer]]\nstack = {}\ncluster = {}\ninstance_type = {}\n",
        quoted(&args.stack),
        quoted(cluster),
        quoted(&args.instance_type)
    );
    let scenario = Scenario::parse("--stack, --cluster or --instance-type", &text)?;
    scenario.layers.into_iter().next().ok_or_else(|| CliError::BadInput("--stack: there is no layer".to_owned()))
}

/// The file; `head` are the lines above it, without their `#`.
pub(super) fn text(layer: &LayerSpec, head: &[String]) -> String {
    let mut text: String = head.iter().map(|line| format!("# {line}\n")).collect();
    put(
        &mut text,
        format_args!(
            "\nname = \"recommended\"\n\n[[layer]]\nstack = {}\ncluster = {}\ninstance_type = {}\nalways_on = {}\n",
            quoted(&layer.stack),
            quoted(&layer.cluster),
            quoted(&layer.instance_type),
            layer.always_on
        ),
    );
    if !layer.time_based.windows.is_empty() {
        text.push_str("time_based = [\n");
        for window in &layer.time_based.windows {
            put(&mut text, format_args!("  {},\n", one(window)));
        }
        text.push_str("]\n");
    }
    put(&mut text, format_args!("load_based = {}\n", layer.load_based));
    if let Some(scaling) = &layer.load_scaling {
        for (direction, thresholds) in [("up", &scaling.up), ("down", &scaling.down)] {
            put(&mut text, format_args!("\n[layer.load_scaling.{direction}]\n"));
            for (key, value) in values(thresholds) {
                put(&mut text, format_args!("{key} = {value}\n"));
            }
        }
    }
    text
}

/// What is set of a direction, as the file spells it.
fn values(thresholds: &Thresholds) -> Vec<(&'static str, String)> {
    let count = |value: Option<u32>| value.map(|value| value.to_string());
    let number = |value: Option<f64>| value.map(|value| value.to_string());
    let all = [
        ("instances", count(thresholds.instances)),
        ("wait_minutes", count(thresholds.wait_minutes)),
        ("ignore_minutes", count(thresholds.ignore_minutes)),
        ("cpu", number(thresholds.cpu)),
        ("memory", number(thresholds.memory)),
        ("load", number(thresholds.load)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

fn one(window: &Window) -> String {
    let mut text = format!("{{ {}, instances = {}", span(window.hours, &window.days), window.instances);
    if !window.more.is_empty() {
        let more: Vec<String> = window.more.iter().map(|more| format!("{{ {} }}", span(more.hours, &more.days))).collect();
        put(&mut text, format_args!(", more = [{}]", more.join(", ")));
    }
    text + " }"
}

fn span(hours: Hours, days: &[Weekday]) -> String {
    if days.is_empty() {
        return format!("hours = \"{hours}\"");
    }
    let days: Vec<String> = days.iter().map(|day| format!("\"{day:?}\"")).collect();
    format!("hours = \"{hours}\", days = [{}]", days.join(", "))
}

/// A TOML string; the names that pass the check have nothing to escape, the others are to be told as they are.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a String takes every write");
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sim::scenario::LoadScaling;

    /// A file with these time-based instances.
    pub(in crate::recommend) fn with(windows: Vec<Window>) -> String {
        let mut layer = Scenario::built_in().layers[0].clone();
        layer.time_based.windows = windows;
        text(&layer, &[])
    }

    #[test]
    fn what_is_written_is_read_again_as_it_was() {
        let mut layer =
            Scenario::parse("t", "name = \"t\"\n[[layer]]\nstack = \"a\"\ncluster = \"b\"\n").unwrap().layers[0].clone();
        let hours = |text: &str| Hours::parse(text).unwrap();
        let days = vec![Weekday::Monday, Weekday::Friday];
        let more = vec![crate::sim::scenario::schedule::Span { hours: hours("00-24"), days: vec![Weekday::Sunday] }];
        layer.always_on = 3;
        layer.time_based.windows =
            vec![Window { hours: hours("22-02"), instances: 4, days, more }, Window::every_day(hours("23-24"), 1)];
        layer.load_based = 7;
        let up = Thresholds {
            instances: Some(2),
            wait_minutes: Some(2),
            ignore_minutes: Some(5),
            cpu: Some(62.5),
            ..Thresholds::default()
        };
        layer.load_scaling =
            Some(LoadScaling { enabled: true, up, down: Thresholds { cpu: Some(-1.0), ..Thresholds::default() } });
        let text = text(&layer, &["one".to_owned(), "two".to_owned()]);
        assert!(text.starts_with("# one\n# two\n"), "{text}");
        assert_eq!(Scenario::parse("t", &text).unwrap().layers, [layer], "{text}");
    }
}
