//! Schedules, and our own requests.

use serde_json::{Value, json};

use super::Envelope;
use crate::{CAMPAIGN_ASKED, CampaignRequest, TEARDOWN_ASKED, TeardownRequest};

/// `Scheduled Event` of the EventBridge rule named `rule`.
pub fn scheduled(envelope: &Envelope<'_>, rule: &str) -> String {
    envelope.event("Scheduled Event", "aws.events", &[envelope.arn("events", &format!("rule/{rule}"))], json!({}))
}

/// `Strata Teardown Request`; the time is the envelope's.
pub fn teardown_request(envelope: &Envelope<'_>, request: &TeardownRequest) -> String {
    let mut detail = json!({
        "verb": request.verb.as_str(),
        "stack": request.stack,
        "layer": request.layer,
        "requested_by": request.requested_by,
        "delete_services": request.delete_services,
        "delete_volumes": request.delete_volumes,
        "delete_addresses": request.delete_addresses,
        "delete_stack": request.delete_stack,
    });
    if let Some(confirm) = &request.confirm {
        detail["confirm"] = json!(confirm);
    }
    envelope.event("Strata Teardown Request", "strata", &[], detail)
}

/// `Strata Campaign Request`; the time is the envelope's.
pub fn campaign_request(envelope: &Envelope<'_>, request: &CampaignRequest) -> String {
    let mut detail = json!({
        "verb": request.verb.as_str(),
        "stack": request.stack,
        "layer": request.layer,
        "requested_by": request.requested_by,
    });
    if let Some(reason) = &request.reason {
        detail["reason"] = json!(reason);
    }
    envelope.event("Strata Campaign Request", "strata", &[], detail)
}

/// `Strata Campaign Asked`, with the `detail` that the API has put.
pub fn campaign_asked(envelope: &Envelope<'_>, detail: &Value) -> String {
    envelope.event(CAMPAIGN_ASKED, "opsworks", &[], detail)
}

/// `Strata Teardown Asked`, with the `detail` that the API has put.
pub fn teardown_asked(envelope: &Envelope<'_>, detail: &Value) -> String {
    envelope.event(TEARDOWN_ASKED, "opsworks", &[], detail)
}
