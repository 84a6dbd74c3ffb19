//! Reads the template: YAML with CloudFormation's short tags, as the JSON that they stand for.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template of this repository.
pub(crate) fn template() -> Value {
    read(include_str!("../../../../template.yaml"))
}

/// YAML as JSON; `!Sub x` becomes `{"Fn::Sub": "x"}`.
///
/// # Panics
/// When the text is no YAML, or no single document.
pub(crate) fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|e| panic!("template.yaml: {e}"));
    let [document] = &documents[..] else { panic!("template.yaml holds {} documents, expected one", documents.len()) };
    value(document)
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => self::scalar(scalar),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(members) => Value::Object(members.iter().map(|(k, v)| (key(k), value(v))).collect()),
        Yaml::Tagged(tag, inner) => tagged(&tag.suffix, value(inner)),
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Alias(_) | Yaml::BadValue => {
            panic!("template.yaml: an alias, or a value that is none: CloudFormation takes neither")
        }
    }
}

fn key(yaml: &Yaml<'_>) -> String {
    match value(yaml) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

fn tagged(tag: &str, inner: Value) -> Value {
    let name = match tag {
        "Ref" | "Condition" => tag.to_owned(),
        other => format!("Fn::{other}"),
    };
    let inner = match (tag, &inner) {
        ("GetAtt", Value::String(path)) => path.split_once('.').map_or(inner.clone(), |(what, of)| json!([what, of])),
        _ => inner,
    };
    Value::Object(Map::from_iter([(name, inner)]))
}

#[test]
fn short_tags_become_the_functions_that_they_stand_for() {
    let read = read("a: !Ref B\nc: [!GetAtt D.E.F, !Sub 'x${G}']\nh: !If [I, 1, \"2\"]\nj: true\nk: ''\n");
    let expected = json!({
        "a": { "Ref": "B" }, "c": [{ "Fn::GetAtt": ["D", "E.F"] }, { "Fn::Sub": "x${G}" }],
        "h": { "Fn::If": ["I", 1, "2"] }, "j": true, "k": "",
    });
    assert_eq!(read, expected);
}
