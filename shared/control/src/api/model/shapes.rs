//! From JSON Schema, which is derived from the wire types, to botocore's shapes.

use std::collections::BTreeMap;

use schemars::Schema;
use serde_json::{Value, json};

/// Which way a type goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Read by the API: clients check what is required before they send.
    Input,
    /// Answered by the API: nothing is required, as in botocore's own models.
    Output,
}

/// All shapes by name.
#[derive(Debug, Default)]
pub(super) struct Shapes(BTreeMap<String, Value>);

impl Shapes {
    /// Adds an action's type and everything inside it; returns the name it got.
    pub(super) fn add(&mut self, name: &str, schema: &Schema, side: Side) -> String {
        let definitions = schema.get("$defs").unwrap_or(&Value::Null);
        Reader { shapes: self, definitions, side }.shape(schema.as_value(), name)
    }

    /// Adds an error.
    pub(super) fn exception(&mut self, name: &str, text: &str) {
        let message = self.put("String", json!({ "type": "string" }));
        let members = json!({ "message": { "shape": message, "documentation": html("What is wrong, where, and what to do.") } });
        self.put(name, json!({ "type": "structure", "members": members, "exception": true, "documentation": html(text) }));
    }

    pub(super) fn into_json(self) -> Value {
        self.0.into_iter().collect()
    }

    /// Under this name, or with a number behind it if something else has the name.
    fn put(&mut self, name: &str, shape: Value) -> String {
        let numbered = (2..).map(|n| format!("{name}{n}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|n| self.0.get(n).is_none_or(|s| *s == shape));
        let name = free.expect("numbers do not end");
        self.0.entry(name.clone()).or_insert(shape);
        name
    }
}

struct Reader<'a> {
    shapes: &'a mut Shapes,
    definitions: &'a Value,
    side: Side,
}

impl Reader<'_> {
    /// Puts a schema's shape and those inside it; `name` is for those that have no name of their own.
    ///
    /// # Panics
    /// For a schema that botocore has no shape for. The schemas are our own, and a test reads them all.
    fn shape(&mut self, schema: &Value, name: &str) -> String {
        let schema = without_null(schema);
        if let Some(definition) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.shape(&self.definitions[definition], wire_name(definition));
        }
        if let Some(values) = schema.get("enum") {
            let values: Vec<&Value> = values.as_array().into_iter().flatten().filter(|v| !v.is_null()).collect();
            return self.shapes.put(name, json!({ "type": "string", "enum": values }));
        }
        match kind(schema) {
            Some("string") => self.shapes.put("String", json!({ "type": "string" })),
            Some("boolean") => self.shapes.put("Boolean", json!({ "type": "boolean", "box": true })),
            Some("integer") => self.shapes.put("Integer", json!({ "type": "integer", "box": true })),
            Some("number") => self.shapes.put("Double", json!({ "type": "double", "box": true })),
            Some("array") => self.list(&schema["items"], name),
            Some("object") if schema["additionalProperties"].is_object() => self.map(&schema["additionalProperties"], name),
            Some("object") => self.structure(schema, name),
            Some(_) | None => panic!("{name}: botocore has no shape for {schema}"),
        }
    }

    fn list(&mut self, items: &Value, name: &str) -> String {
        let member = self.shape(items, name);
        self.shapes.put(&format!("{member}List"), json!({ "type": "list", "member": { "shape": member } }))
    }

    fn map(&mut self, values: &Value, name: &str) -> String {
        let key = self.shapes.put("String", json!({ "type": "string" }));
        let value = self.shape(values, name);
        let shape = json!({ "type": "map", "key": { "shape": key }, "value": { "shape": value } });
        self.shapes.put(&format!("{value}Map"), shape)
    }

    fn structure(&mut self, schema: &Value, name: &str) -> String {
        let mut members = BTreeMap::new();
        for (member, of) in schema["properties"].as_object().into_iter().flatten() {
            members.insert(
                member,
                json!({ "shape": self.shape(of, &format!("{name}{member}")), "documentation": html(description(of)) }),
            );
        }
        let mut shape = json!({ "type": "structure", "members": members });
        if self.side == Side::Input
            && let Some(required) = schema.get("required")
        {
            shape["required"] = required.clone();
        }
        if !description(schema).is_empty() {
            shape["documentation"] = html(description(schema)).into();
        }
        self.shapes.put(name, shape)
    }
}

/// Whether an object has members at all.
pub(super) fn has_members(schema: &Schema) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty())
}

/// The doc comment.
pub(super) fn description(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// An optional member's schema allows null; the shape is that of the other alternative.
fn without_null(schema: &Value) -> &Value {
    let alternatives = schema["anyOf"].as_array();
    alternatives.and_then(|a| a.iter().find(|one| kind(one) != Some("null"))).unwrap_or(schema)
}

fn kind(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|k| *k != "null"),
        one => one.as_str(),
    }
}

/// Our names for types say which side they are for; on the wire it is one and the same thing.
fn wire_name(definition: &str) -> &str {
    definition.strip_suffix("Members").or_else(|| definition.strip_suffix("Shape")).unwrap_or(definition)
}

/// A doc comment as botocore's documentation, which is HTML. Rule ids, `[INST-12]`, mean nothing to a client's user.
pub(super) fn html(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, inside, after)) = rest.split_once('[').and_then(|(b, r)| r.split_once(']').map(|(i, a)| (b, i, a))) {
        plain.push_str(before);
        if !is_rule_id(inside) {
            plain.push_str(&format!("[{inside}]"));
        }
        rest = after;
    }
    plain.push_str(rest);
    let one_line = plain.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".").replace(" ,", ",");
    if one_line.is_empty() {
        return one_line;
    }
    let escaped = one_line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut pieces = escaped.split('`');
    let mut html = format!("<p>{}", pieces.next().unwrap_or_default());
    let mut is_code = true;
    for piece in pieces {
        html.push_str(if is_code { "<code>" } else { "</code>" });
        html.push_str(piece);
        is_code = !is_code;
    }
    html + "</p>"
}

/// `INST-12`, `DSC-1, 3`, `EBS-1..6`.
fn is_rule_id(text: &str) -> bool {
    let (family, number) = text.split_once('-').unwrap_or_default();
    !family.is_empty()
        && family.bytes().all(|b| b.is_ascii_uppercase())
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|b| b.is_ascii_digit() || b" ,.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_is_html_of_one_paragraph_without_rule_ids() {
        for (comment, documentation) in [
            ("", ""),
            ("Minutes, 1 to 100.", "<p>Minutes, 1 to 100.</p>"),
            ("The stack [STK-2].\nIts region.", "<p>The stack. Its region.</p>"),
            ("One [DSC-1, 3] [EBS-1..6], two.", "<p>One, two.</p>"),
            ("`load` or `timer` & <none> [sic]", "<p><code>load</code> or <code>timer</code> &amp; &lt;none&gt; [sic]</p>"),
            ("open [", "<p>open [</p>"),
        ] {
            assert_eq!(html(comment), documentation, "{comment}");
        }
    }

    #[test]
    fn a_name_that_something_else_has_gets_a_number_and_the_same_thing_is_there_once() {
        let mut shapes = Shapes::default();
        let (string, boolean) = (json!({ "type": "string" }), json!({ "type": "boolean" }));
        let names = [&string, &boolean, &string, &boolean].map(|shape| shapes.put("A", shape.clone()));
        assert_eq!(names, ["A", "A2", "A", "A2"]);
    }
}
