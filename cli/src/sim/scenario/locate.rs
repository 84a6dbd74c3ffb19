//! Where in the text of a scenario a field stands, and which field stands at a place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line, from 1, of a byte offset.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    let end = offset.min(text.len());
    text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
}

/// The line of the field at `path` (`layer[1].demand.base`), or of the nearest thing around it that is in the text.
pub(crate) fn line_of(text: &str, path: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut best = None;
    walk(table.get_ref(), String::new(), &mut |at, key, _| {
        let inside = path.strip_prefix(at).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if inside && best.as_ref().is_none_or(|(length, _)| at.len() > *length) {
            best = Some((at.len(), key.start));
        }
    });
    best.map(|(_, offset)| line_at(text, offset))
}

/// The path of the innermost field whose key or value stands at `offset`; empty at the top.
pub(crate) fn path_at(text: &str, offset: usize) -> String {
    let Ok(table) = DeTable::parse(text) else { return String::new() };
    let mut best = String::new();
    walk(table.get_ref(), String::new(), &mut |at, key, value| {
        if (key.contains(&offset) || value.contains(&offset)) && at.len() > best.len() {
            best = at.to_owned();
        }
    });
    best
}

type Visit<'a> = dyn FnMut(&str, Range<usize>, Range<usize>) + 'a;

fn walk(table: &DeTable<'_>, prefix: String, visit: &mut Visit<'_>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        walk_value(value, path, key.span(), visit);
    }
}

fn walk_value(value: &Spanned<DeValue<'_>>, path: String, key: Range<usize>, visit: &mut Visit<'_>) {
    visit(&path, key, value.span());
    match value.get_ref() {
        DeValue::Table(table) => walk(table, path, visit),
        DeValue::Array(array) => {
            for (index, element) in array.iter().enumerate() {
                walk_value(element, format!("{path}[{index}]"), element.span(), visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"x\"\n[[layer]]\nstack = \"a\"\n[[layer]]\nstack = \"b\"\n[layer.demand]\nbase = 1\nspikes = [\n  { at = \"1\" },\n  { at = \"2\" },\n]\n";

    #[test]
    fn a_path_leads_to_its_line_and_a_missing_field_to_what_is_around_it() {
        for (path, line) in [
            ("name", 1),
            ("layer[0].stack", 3),
            ("layer[1].stack", 5),
            ("layer[1]", 4),
            ("layer[1].cluster", 4),
            ("layer[1].demand.base", 7),
            ("layer[1].demand.amplitude", 6),
            ("layer[1].demand.spikes[1].at", 10),
        ] {
            assert_eq!(line_of(TEXT, path), Some(line), "{path}");
        }
        assert_eq!(line_of(TEXT, "world.days"), None);
    }

    #[test]
    fn a_place_leads_to_its_innermost_field() {
        for (needle, path) in [
            ("\"x\"", "name"),
            ("\"b\"", "layer[1].stack"),
            ("base", "layer[1].demand.base"),
            ("\"2\"", "layer[1].demand.spikes[1].at"),
        ] {
            assert_eq!(path_at(TEXT, TEXT.find(needle).unwrap()), path);
        }
    }
}
