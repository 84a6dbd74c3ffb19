//! Which rules of the spec does a test name?
//!
//! A rule is an id in square brackets, two to six capitals, a hyphen, a number, that stands at the head of a line or of a table's
//! cell in `docs/spec/*.md`. Lines marked `(info)` describe no behaviour: their ids exist but need no test. A rule counts as shown
//! when test code names it, as an id or in a function's name (`load_11_any_single_threshold_fires`): any file under a `tests`
//! folder, or the part of a `.rs` file that follows its test module's attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};

/// What opens a file's test module. Split, so that this file is not taken for a test itself.
const TEST_MODULE: &str = concat!("#[cfg", "(test)]");

/// Command-line options of `cargo xtask rules`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    missing: bool,
    area: Option<String>,
}

impl Options {
    pub(crate) fn from_args(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--missing" => options.missing = true,
                "--area" => options.area = Some(args.next().ok_or("--area needs an area such as LOAD")?.clone()),
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(options)
    }
}

/// The rules that the spec defines.
#[derive(Debug, Default)]
struct Spec {
    /// Rules that a test must show.
    behaviour: BTreeSet<Rule>,
    /// Rules that describe no behaviour.
    info: BTreeSet<Rule>,
}

/// Area and number, so that rules sort as a reader counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule(String, u32);

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl Spec {
    fn read(&mut self, text: &str) {
        for line in text.lines() {
            let into = if line.contains("(info)") { &mut self.info } else { &mut self.behaviour };
            into.extend(defined_in(line));
        }
    }

    fn knows(&self, rule: &Rule) -> bool {
        self.behaviour.contains(rule) || self.info.contains(rule)
    }

    fn has_area(&self, area: &str) -> bool {
        self.behaviour.iter().chain(&self.info).any(|rule| rule.0 == area)
    }
}

/// Rules whose id stands at the head of the line, behind a list mark perhaps, or of one of its table cells.
fn defined_in(line: &str) -> Vec<Rule> {
    let mut text = line.trim_start();
    let numbered = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if let Some(rest) =
        text.strip_prefix(['-', '*']).or_else(|| numbered.strip_prefix('.').filter(|_| numbered.len() < text.len()))
    {
        text = rest;
    }
    std::iter::once(text).chain(line.split('|').skip(1)).filter_map(head).collect()
}

fn head(text: &str) -> Option<Rule> {
    let inside = text.trim_start().trim_start_matches('*').strip_prefix('[')?;
    let (id, _) = inside.split_once(']')?;
    parse(id)
}

fn parse(id: &str) -> Option<Rule> {
    let (area, number) = id.split_once('-')?;
    let is_area = (2..=6).contains(&area.len()) && area.bytes().all(|b| b.is_ascii_uppercase());
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if is_area && is_number { Some(Rule(area.to_owned(), number.parse().ok()?)) } else { None }
}

/// Ids in square brackets anywhere in a text. A list such as `[TIME-2, LOAD-3]` names each.
fn bracketed(text: &str) -> Vec<Rule> {
    text.split('[')
        .skip(1)
        .filter_map(|rest| rest.split_once(']'))
        .flat_map(|(inside, _)| inside.split(", "))
        .filter_map(parse)
        .collect()
}

/// What test code names: ids with or without brackets, and functions named after a rule.
fn named_in(text: &str) -> BTreeSet<Rule> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    words.filter_map(|word| parse(word).or_else(|| from_function_name(word))).collect()
}

/// `load_11_any_single_threshold_fires` names a rule by its first two parts.
fn from_function_name(word: &str) -> Option<Rule> {
    let mut parts = word.splitn(3, '_');
    let (area, number, _rest) = (parts.next()?, parts.next()?, parts.next()?);
    if area.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    parse(&format!("{}-{number}", area.to_uppercase()))
}

/// Prints the coverage and fails if `SEMANTICS.md` or a test names a rule that the spec does not define.
pub(crate) fn report(root: &Path, options: &Options) -> anyhow::Result<()> {
    let mut spec = Spec::default();
    for entry in std::fs::read_dir(root.join("docs/spec")).context("docs/spec")? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "md") {
            spec.read(&std::fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    let mut tests = BTreeMap::new();
    collect_tests(root, root, &mut tests)?;
    let named: BTreeSet<Rule> = tests.values().flat_map(|text| named_in(text)).collect();
    print_areas(&spec, &named, options)?;

    let mut unknown = unknown_in(&spec, "SEMANTICS.md", &std::fs::read_to_string(root.join("SEMANTICS.md")).unwrap_or_default());
    for (path, text) in &tests {
        unknown.extend(unknown_in(&spec, path, text));
    }
    for line in &unknown {
        println!("{line}");
    }
    if unknown.is_empty() { Ok(()) } else { bail!("{} names of rules that docs/spec does not define", unknown.len()) }
}

fn print_areas(spec: &Spec, named: &BTreeSet<Rule>, options: &Options) -> anyhow::Result<()> {
    if let Some(area) = options.area.as_deref().filter(|area| !spec.has_area(area)) {
        bail!("no rule of docs/spec has the area {area}");
    }
    let mut areas: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in &spec.behaviour {
        areas.entry(&rule.0).or_default().push(rule);
    }
    let (mut shown, mut all) = (0, 0);
    for (area, rules) in areas.into_iter().filter(|(area, _)| options.area.as_deref().is_none_or(|wanted| wanted == *area)) {
        let missing: Vec<String> = rules.iter().filter(|rule| !named.contains(**rule)).map(ToString::to_string).collect();
        println!("{area:6} {:4} of {:4} rules named by a test", rules.len() - missing.len(), rules.len());
        if options.missing && !missing.is_empty() {
            println!("       missing: {}", missing.join(" "));
        }
        shown += rules.len() - missing.len();
        all += rules.len();
    }
    println!("TOTAL  {shown:4} of {all:4} ({} %)", 100 * shown / all.max(1));
    Ok(())
}

/// Ids in brackets, and functions named after a rule of a known area, that the spec does not define.
fn unknown_in(spec: &Spec, path: &str, text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let functions = words.filter_map(from_function_name).filter(|rule| spec.has_area(&rule.0));
    let named: BTreeSet<Rule> = bracketed(text).into_iter().chain(functions).collect();
    named
        .into_iter()
        .filter(|rule| !spec.knows(rule))
        .map(|rule| format!("{path} names {rule}, which the spec does not define"))
        .collect()
}

/// Test code by path. This folder is left out: its tests are about rule ids in general.
fn collect_tests(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "node_modules", "xtask", "docs"].contains(&name.as_str()) {
                collect_tests(root, &path, found)?;
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if !["rs", "py", "txt", "json", "toml", "snap"].contains(&extension.as_str()) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let is_test = relative.parent().is_some_and(|p| p.iter().any(|part| part == "tests")) || name == "tests.rs";
        let test_code = if is_test { Some(text.as_str()) } else { text.split_once(TEST_MODULE).map(|(_, tests)| tests) };
        if let Some(code) = test_code {
            found.insert(relative.display().to_string(), code.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(rules: impl IntoIterator<Item = Rule>) -> Vec<String> {
        rules.into_iter().map(|rule| rule.to_string()).collect()
    }

    #[test]
    fn a_rule_is_defined_at_the_head_of_a_line_or_cell_only() {
        for (line, expected) in [
            ("- [QQ-1] text, see [QQ-2]", vec!["QQ-1"]),
            ("[QQ-3] text", vec!["QQ-3"]),
            ("  12. **[QQ-4]** text", vec!["QQ-4"]),
            ("| [QQ-5] | a | [QQ-6] b |", vec!["QQ-5", "QQ-6"]),
            ("| Then | [QQ-7] now |", vec!["QQ-7"]),
            ("text, see [QQ-8]", vec![]),
            ("[Q-9] [QQQQQQQ-9] [qq-9] [QQ-x]", vec![]),
        ] {
            assert_eq!(ids(defined_in(line)), expected, "{line}");
        }
    }

    #[test]
    fn an_info_rule_exists_but_needs_no_test() {
        let mut spec = Spec::default();
        spec.read("- [QQ-1] behaviour\n- [QQ-2] (info) advice\n");
        assert_eq!(ids(spec.behaviour.clone()), ["QQ-1"]);
        assert!(spec.knows(&Rule("QQ".to_owned(), 2)));
        assert_eq!(
            unknown_in(&spec, "a.rs", "[QQ-2] qq_1_holds [QQ-1, QQ-3] qq_4_too zz_9_other"),
            ["a.rs names QQ-3, which the spec does not define", "a.rs names QQ-4, which the spec does not define"]
        );
    }

    #[test]
    fn a_test_names_a_rule_by_id_or_by_its_own_name() {
        let code = "/// [QQ-1]\nfn qq_12_holds() { // as QQ-3 says\n } fn qq_5() {} fn QQ_6_x() {}";
        assert_eq!(ids(named_in(code)), ["QQ-1", "QQ-3", "QQ-12"]);
    }

    #[test]
    fn arguments_are_read_and_a_wrong_one_is_refused() {
        let args = |words: &[&str]| Options::from_args(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(args(&["--missing", "--area", "LOAD"]), Ok(Options { missing: true, area: Some("LOAD".to_owned()) }));
        assert_eq!(args(&["--area"]), Err("--area needs an area such as LOAD".to_owned()));
        assert_eq!(args(&["--all"]), Err("unknown argument `--all`".to_owned()));
    }
}
