//! Events out, on EventBridge.

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Builder;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use strata_ports::{CloudError, EventOut, Events};

use crate::error::{Effect, from_code, sort};
use crate::{Base, Role, Uses};

/// Entries of one PutEvents call.
const PER_CALL: usize = 10;
const ACTION: &str = "events:PutEvents";

/// What the methods need.
pub const USES: &[Uses] = &[Uses { method: "put", role: Role::Function, actions: &[ACTION] }];

/// EventBridge, under the function's own role.
pub struct EventBridgeEvents {
    client: Client,
    bus: String,
}

impl EventBridgeEvents {
    /// To the bus that the settings name.
    pub fn new(base: &Base) -> Self {
        let config = Builder::from(&base.own("EVENTBRIDGE")).interceptor(base.log().clone()).build();
        Self { client: Client::from_conf(config), bus: base.settings().event_bus.clone() }
    }

    fn entry(&self, event: &EventOut) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source("opsworks")
            .detail_type(&event.detail_type)
            .set_resources(Some(event.resources.clone()))
            .detail(event.detail.to_string())
            .time(DateTime::from_secs(event.time.as_second()))
            .build()
    }
}

#[async_trait]
impl Events for EventBridgeEvents {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        for chunk in events.chunks(PER_CALL) {
            let entries = chunk.iter().map(|event| self.entry(event)).collect();
            let answer = self.client.put_events().set_entries(Some(entries)).send().await;
            let answer = answer.map_err(|error| sort(ACTION, Effect::Write, error))?;
            // The call succeeds even if single entries do not; the caller puts all of them again, which is at-least-once.
            if let Some(failed) = answer.entries().iter().find(|entry| entry.error_code().is_some()) {
                let why = failed.error_message().unwrap_or_default();
                return Err(from_code(ACTION, Effect::Write, failed.error_code(), why, 400));
            }
        }
        Ok(())
    }
}
