//! A request's body: one JSON object, read into an action's members [WIRE-2..4].

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::front::{MAX_BODY_BYTES, too_large};

/// A parsed body, without the members that count as absent.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    members: Map<String, Value>,
    emptied: BTreeSet<String>,
}

impl Input {
    /// Parses a body; nothing at all counts as `{}` [WIRE-2].
    ///
    /// # Errors
    /// SerializationException.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(too_large(u64::try_from(body.len()).unwrap_or(u64::MAX)));
        }
        let text = body.trim_ascii();
        let json = if text.is_empty() { Value::Object(Map::new()) } else { parse_json(text)? };
        let Value::Object(mut members) = json else {
            return Err(ApiError::Serialization("the body must be one JSON object".to_owned()));
        };
        let emptied = members.iter().filter(|(_, v)| v.as_str() == Some("")).map(|(name, _)| name.clone()).collect();
        drop_unset(&mut members);
        Ok(Self { members, emptied })
    }

    /// The action's members. Unknown ones are ignored, `null` and `""` are absent [WIRE-3].
    ///
    /// # Errors
    /// SerializationException for a wrong JSON type [WIRE-4].
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        T::deserialize(Value::Object(self.members.clone())).map_err(|e| ApiError::Serialization(e.to_string()))
    }

    /// Whether an optional string was sent as `""`: in an update of a member that may be unset, this unsets it.
    pub(crate) fn is_emptied(&self, member: &str) -> bool {
        self.emptied.contains(member)
    }
}

fn parse_json(text: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(text).map_err(|e| ApiError::Serialization(format!("the body is not JSON: {e}")))
}

/// Drops nulls and empty strings from objects at every depth, also from those in lists; texts in lists stay. An hour of a schedule is no
/// optional string: there `""` is a bad value [TIME-4]. A tag's value may be empty [TAG-5]. And `NoDevice` says what it says by being there.
fn drop_unset(members: &mut Map<String, Value>) {
    members.retain(|name, value| !value.is_null() && (value.as_str() != Some("") || name == "NoDevice"));
    for (name, value) in members {
        match value {
            Value::Object(_) if name == "AutoScalingSchedule" => {}
            Value::Object(inner) if name == "Tags" => inner.retain(|_, value| !value.is_null()),
            Value::Object(inner) => drop_unset(inner),
            Value::Array(list) => list.iter_mut().filter_map(Value::as_object_mut).for_each(drop_unset),
            _ => {}
        }
    }
}

/// A required member.
///
/// # Errors
/// ValidationException.
pub(crate) fn required<T>(value: Option<T>, member: &str) -> Result<T, ApiError> {
    value.ok_or_else(|| ApiError::field(member, "is required"))
}

/// An empty list counts as absent, except where the spec says otherwise [DSC-3].
pub(crate) fn non_empty<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|l| !l.is_empty())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "PascalCase")]
    struct Members {
        stack_id: Option<String>,
        ebs_optimized: Option<bool>,
        layer_ids: Option<Vec<String>>,
    }

    fn read(body: &str) -> Result<Members, ApiError> {
        Input::parse(body.as_bytes())?.read()
    }

    /// [WIRE-2] [WIRE-3]
    #[test]
    fn wire_3_unknown_members_are_ignored_and_null_and_empty_texts_are_absent() {
        let nothing = Members { stack_id: None, ebs_optimized: None, layer_ids: None };
        for body in ["", " \n", "{}", r#"{"StackId":null}"#, r#"{"StackId":"","Other":{"a":[1]}}"#, r#"{"stackId":"s"}"#] {
            assert_eq!(read(body).unwrap(), nothing, "{body}");
        }
        assert_eq!(read(r#"{"StackId":"s"}"#).unwrap().stack_id.as_deref(), Some("s"));
        assert!(Input::parse(br#"{"StackId":""}"#).unwrap().is_emptied("StackId"));
    }

    /// [WIRE-4]
    #[test]
    fn wire_4_bad_json_and_wrong_types_are_serialization_errors() {
        for body in
            ["{", "[]", "\"x\"", r#"{"StackId":5}"#, r#"{"EbsOptimized":"true"}"#, r#"{"LayerIds":"a"}"#, r#"{"LayerIds":[1]}"#]
        {
            assert!(matches!(read(body), Err(ApiError::Serialization(_))), "{body}");
        }
    }
}
