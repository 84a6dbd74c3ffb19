//! The Pager, Events and Modes ports: what went out can be read, modes can be set.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::decision::Page;
use strata_domain::mode::Mode;
use strata_domain::pages::{Message, Origin};
use strata_ports::{CloudError, EventOut, Events, ModeScope, Modes, Pager};
use strata_triggers::{CAMPAIGN_ASKED, TEARDOWN_ASKED, emit};

use super::{Latency, SimCloud, Source};

/// Entries in one PutEvents call.
const PER_PUT: usize = 10;
/// Names in one GetParameters call.
const PER_GET: usize = 10;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Telling {
    pages: Vec<(Timestamp, Page)>,
    events: Vec<(Timestamp, EventOut)>,
    modes: BTreeMap<ModeScope, Mode>,
    /// Why they were set, where somebody has said so.
    #[serde(default)]
    mode_reasons: BTreeMap<ModeScope, String>,
    unreadable: bool,
}

#[async_trait]
impl Pager for SimCloud {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| {
            s.admit("sns:Publish", 1)?;
            s.telling.pages.push((s.now, page.clone()));
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Events for SimCloud {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        if events.is_empty() {
            return Ok(());
        }
        self.call(Latency::Write, |s| {
            s.admit("events:PutEvents", events.len().div_ceil(PER_PUT))?;
            let now = s.now;
            s.telling.events.extend(events.iter().map(|event| (now, event.clone())));
            // What the rules of the template let through to a function; nobody here follows the rest.
            for event in events {
                match event.detail_type.as_str() {
                    CAMPAIGN_ASKED => s.tell(Source::CampaignAsked, |e| emit::campaign_asked(e, &event.detail)),
                    TEARDOWN_ASKED => s.tell(Source::TeardownAsked, |e| emit::teardown_asked(e, &event.detail)),
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Modes for SimCloud {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        const ACTION: &str = "ssm:GetParameters";
        if scopes.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit(ACTION, scopes.len().div_ceil(PER_GET))?;
            if s.telling.unreadable {
                return Err(CloudError::RetryLater { action: ACTION, why: "InternalServerError".to_owned() });
            }
            Ok(scopes.iter().map(|scope| s.telling.modes.get(scope).copied()).collect())
        })
        .await
    }
}

impl SimCloud {
    /// Sets a scope's mode, or removes it.
    pub fn set_mode(&self, scope: ModeScope, mode: Option<Mode>) {
        self.with(|s| match mode {
            Some(mode) => drop(s.telling.modes.insert(scope, mode)),
            None => drop(s.telling.modes.remove(&scope)),
        });
    }

    /// Notes why a scope's mode is what it is.
    pub fn note_mode(&self, scope: ModeScope, reason: Option<String>) {
        self.with(|s| match reason {
            Some(reason) => drop(s.telling.mode_reasons.insert(scope, reason)),
            None => drop(s.telling.mode_reasons.remove(&scope)),
        });
    }

    /// The modes that are set, and why as far as somebody has said so.
    pub fn modes(&self) -> Vec<(ModeScope, Mode, Option<String>)> {
        let state = self.lock();
        let telling = &state.telling;
        telling.modes.iter().map(|(scope, mode)| (scope.clone(), *mode, telling.mode_reasons.get(scope).cloned())).collect()
    }

    /// Whether modes can be read at all.
    pub fn set_modes_unreadable(&self, unreadable: bool) {
        self.with(|s| s.telling.unreadable = unreadable);
    }

    /// Pages as on-call got them, with the time, repeats included; those from the `skip`th on.
    pub fn pages(&self, skip: usize) -> Vec<(Timestamp, Page)> {
        self.lock().telling.pages.iter().skip(skip).cloned().collect()
    }

    /// As [`pages`](Self::pages), in the form that SNS delivers. The installation is called `strata`.
    pub fn notices(&self, skip: usize) -> Vec<(Timestamp, Message)> {
        let state = self.lock();
        let origin = Origin { installation: "strata", account: &state.config.account, region: &state.config.region };
        state.telling.pages.iter().skip(skip).map(|(at, page)| (*at, Message::of(page, &origin))).collect()
    }

    /// Events that were put on the bus, with the time, repeats included; those from the `skip`th on.
    pub fn events_out(&self, skip: usize) -> Vec<(Timestamp, EventOut)> {
        self.lock().telling.events.iter().skip(skip).cloned().collect()
    }
}
