//! The audit record of a call: one JSON line in CloudTrail's shape, since only AWS's own services can write to CloudTrail [TRL-1, 3].

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use strata_ports::Ids;
use strata_triggers::FunctionUrlCall;

/// What stands where a secret would; CloudTrail's own words.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// So many characters of a text, and items of a list or members of an object, are told; a call has up to 6 MB.
const TEXT: usize = 256;
const ITEMS: usize = 100;
/// Objects and lists deeper than the API's own members are not told.
const DEPTH: usize = 6;
/// Parts of members' names, in lower case, whose values are never told: secrets, and what may hold some because it is the user's own.
const SECRET: [&str; 13] = [
    "certificate",
    "chain",
    "customjson",
    "document",
    "environment",
    "password",
    "privatekey",
    "secret",
    "signature",
    "sshkey",
    "token",
    "userdata",
    "customcookbookssource",
];
/// Names that one of those stands in, and that are no secret.
const NOT_SECRET: [&str; 2] = ["sshkeyname", "defaultsshkeyname"];

/// Where records go, and what is in each.
#[derive(Clone)]
pub struct Audit {
    /// `awsRegion`.
    pub region: String,
    /// For `eventID`.
    pub ids: Arc<dyn Ids>,
    /// Takes a record, one line without its end.
    pub write: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Audit {
    /// Writes the record of a call that was answered.
    pub(crate) fn record(&self, call: &FunctionUrlCall, response: &Response<Bytes>) {
        (self.write)(&record(call, response, &self.region, &self.ids.uuid()).to_string());
    }
}

/// A call's record [TRL-1, 2].
fn record(call: &FunctionUrlCall, response: &Response<Bytes>, region: &str, event_id: &str) -> Value {
    let parameters = serde_json::from_slice(&call.body).map_or(Value::Null, |body: Value| told(body, DEPTH, true));
    let request_id = response.headers().get("x-amzn-requestid").and_then(|id| id.to_str().ok());
    let mut record = json!({
        "eventVersion": "1.08",
        "eventTime": call.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "eventSource": "opsworks.amazonaws.com",
        "eventName": call.headers.get("x-amz-target").map(|target| clipped(target.rsplit('.').next().unwrap_or_default())),
        "awsRegion": region,
        "sourceIPAddress": call.source_ip,
        "userAgent": call.headers.get("user-agent").map(|agent| clipped(agent)),
        "requestID": request_id,
        "eventID": event_id,
        "userIdentity": identity(call),
        "requestParameters": parameters,
        "responseElements": null,
    });
    if !response.status().is_success() {
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let text = |name: &str| body[name].as_str().map(clipped);
        record["errorCode"] = json!(text("__type").unwrap_or_else(|| format!("HTTP{}", response.status().as_u16())));
        record["errorMessage"] = json!(text("message").or_else(|| text("Message")).unwrap_or_default());
    }
    record
}

fn identity(call: &FunctionUrlCall) -> Value {
    let arn = call.caller_arn.as_deref().unwrap_or_default();
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let (kind, user) = match resource.split('/').next() {
        Some("user") => ("IAMUser", resource.rsplit('/').next()),
        Some("assumed-role") => ("AssumedRole", None),
        Some("federated-user") => ("FederatedUser", None),
        Some("root") => ("Root", None),
        _ => ("Unknown", None),
    };
    json!({
        "type": kind,
        "principalId": call.principal_id,
        "arn": call.caller_arn,
        "accountId": call.caller_account,
        "accessKeyId": call.access_key_id,
        "userName": user,
    })
}

/// A value as it is told: members in lowerCamelCase, secrets hidden, long texts and lists clipped. Keys of maps, such as tags, stay as
/// they are (`is_structure` is false for them).
fn told(value: Value, depth: usize, is_structure: bool) -> Value {
    match value {
        Value::Object(_) | Value::Array(_) if depth == 0 => json!("..."),
        Value::Object(members) => {
            Value::Object(members.into_iter().take(ITEMS).map(|(k, v)| member(k, v, depth, is_structure)).collect())
        }
        Value::Array(items) => {
            Value::Array(items.into_iter().take(ITEMS).map(|item| told(item, depth - 1, is_structure)).collect::<Vec<_>>())
        }
        Value::String(text) => json!(clipped(&text)),
        other => other,
    }
}

fn member(name: String, value: Value, depth: usize, is_structure: bool) -> (String, Value) {
    let lower = name.to_ascii_lowercase();
    let is_secret = SECRET.iter().any(|part| lower.contains(part)) && !NOT_SECRET.contains(&lower.as_str());
    let holds_keys = matches!(lower.as_str(), "tags" | "attributes");
    let value = if is_secret && !value.is_null() { json!(HIDDEN) } else { told(value, depth - 1, !holds_keys) };
    (clipped(&if is_structure { lower_camel(&name) } else { name }), value)
}

fn lower_camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

fn clipped(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
