//! Our own requests as somebody puts them on the bus, and the word that the API has written one down.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

use super::Shape;
use super::event_bridge::from;
use super::member::{self, Raw, wrong};
use crate::{CampaignRequest, EventError, RequestVerb, TeardownRequest};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Detail<'a> {
    #[serde(borrow)]
    verb: Raw<'a>,
    #[serde(borrow)]
    stack: Raw<'a>,
    #[serde(borrow)]
    layer: Raw<'a>,
    #[serde(borrow)]
    requested_by: Raw<'a>,
    #[serde(borrow)]
    delete_services: Raw<'a>,
    #[serde(borrow)]
    delete_volumes: Raw<'a>,
    #[serde(borrow)]
    delete_addresses: Raw<'a>,
    #[serde(borrow)]
    delete_stack: Raw<'a>,
    #[serde(borrow)]
    confirm: Raw<'a>,
    #[serde(borrow)]
    reason: Raw<'a>,
}

/// A request stands in the store: whoever is woken reads it there, so that this may come twice, late or never.
pub(super) fn asked(shape: &Shape<'_>) -> Result<Timestamp, EventError> {
    const FORM: &str = "word of a request";
    from(FORM, shape, &["opsworks", "strata"])?;
    member::time(FORM, "time", shape.time)
}

pub(super) fn teardown(shape: &Shape<'_>) -> Result<TeardownRequest, EventError> {
    const FORM: &str = "teardown request";
    from(FORM, shape, &["strata"])?;
    let detail: Detail<'_> = member::object(FORM, "detail", shape.detail)?;
    Ok(TeardownRequest {
        verb: verb(FORM, &detail)?,
        stack: member::name(FORM, "detail.stack", detail.stack)?.into_owned(),
        layer: member::name(FORM, "detail.layer", detail.layer)?.into_owned(),
        requested_by: member::name(FORM, "detail.requested_by", detail.requested_by)?.into_owned(),
        delete_services: member::flag(FORM, "detail.delete_services", detail.delete_services)?,
        delete_volumes: member::flag(FORM, "detail.delete_volumes", detail.delete_volumes)?,
        delete_addresses: member::flag(FORM, "detail.delete_addresses", detail.delete_addresses)?,
        delete_stack: member::flag(FORM, "detail.delete_stack", detail.delete_stack)?,
        confirm: member::optional_text(FORM, "detail.confirm", detail.confirm)?.map(Cow::into_owned),
        at: member::time(FORM, "time", shape.time)?,
    })
}

pub(super) fn campaign(shape: &Shape<'_>) -> Result<CampaignRequest, EventError> {
    const FORM: &str = "campaign request";
    from(FORM, shape, &["strata"])?;
    let detail: Detail<'_> = member::object(FORM, "detail", shape.detail)?;
    Ok(CampaignRequest {
        verb: verb(FORM, &detail)?,
        stack: member::name(FORM, "detail.stack", detail.stack)?.into_owned(),
        layer: member::name(FORM, "detail.layer", detail.layer)?.into_owned(),
        requested_by: member::name(FORM, "detail.requested_by", detail.requested_by)?.into_owned(),
        reason: member::optional_text(FORM, "detail.reason", detail.reason)?.map(Cow::into_owned),
        at: member::time(FORM, "time", shape.time)?,
    })
}

fn verb(form: &'static str, detail: &Detail<'_>) -> Result<RequestVerb, EventError> {
    let text = member::text(form, "detail.verb", detail.verb)?;
    RequestVerb::parse(&text).ok_or_else(|| {
        wrong(form, "detail.verb", format!("is `{}`, expected start, pause, resume or abort", member::clip(&text)))
    })
}
