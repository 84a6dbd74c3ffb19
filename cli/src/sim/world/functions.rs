//! The six functions, wired to one set of ports, as Lambda would run them.

use std::sync::Arc;

use strata_control::Api;
use strata_domain::decision::Function;
use strata_fleet::Fleet;
use strata_ports::{HandlerError, Outcome, Ports};

/// The functions with what they may touch.
pub(crate) struct Functions {
    api: strata_api::Deps,
    lifecycle: strata_instance_lifecycle::Deps,
    load: strata_load_scaling::Deps,
    time: strata_time_scaling::Deps,
    updates: strata_security_updates::Deps,
    teardown: strata_teardown::Deps,
}

/// What a function answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// What it decided, and which messages go back to the queue.
    pub(crate) outcome: Outcome,
    /// The API's HTTP answer.
    pub(crate) response: Option<serde_json::Value>,
}

impl Functions {
    /// Wires all six, each to the `ports` that are its; `client` is the controllers' way to `api`.
    pub(crate) fn new(ports: impl Fn(Function) -> Ports, api: Arc<Api>, client: aws_sdk_opsworks::Client) -> Self {
        let fleet = Fleet::new(client);
        let [load, time, updates, teardown] =
            [Function::LoadScaling, Function::TimeScaling, Function::SecurityUpdates, Function::Teardown].map(&ports);
        Self {
            api: strata_api::Deps { api, audit: None },
            lifecycle: strata_instance_lifecycle::Deps::new(ports(Function::InstanceLifecycle)),
            load: strata_load_scaling::Deps::new(fleet.clone(), load),
            time: strata_time_scaling::Deps {
                fleet: fleet.clone(),
                store: time.store,
                modes: time.modes,
                pager: time.pager,
                events: time.events,
                clock: time.clock,
                ids: time.ids,
            },
            updates: strata_security_updates::Deps {
                fleet: fleet.clone(),
                store: updates.store,
                commands: updates.commands,
                containers: updates.containers,
                modes: updates.modes,
                pager: updates.pager,
                events: updates.events,
                clock: updates.clock,
                ids: updates.ids,
            },
            teardown: strata_teardown::Deps {
                fleet,
                store: teardown.store,
                containers: teardown.containers,
                modes: teardown.modes,
                pager: teardown.pager,
                events: teardown.events,
                clock: teardown.clock,
                ids: teardown.ids,
            },
        }
    }

    /// Runs one function once.
    ///
    /// # Errors
    /// The function's own.
    pub(crate) async fn invoke(&self, function: Function, event: &[u8]) -> Result<Answer, HandlerError> {
        let outcome = match function {
            Function::Api => {
                let response = strata_api::handle(event, &self.api).await?;
                return Ok(Answer { response: serde_json::to_value(response).ok(), ..Answer::default() });
            }
            Function::InstanceLifecycle => strata_instance_lifecycle::handle(event, &self.lifecycle).await,
            Function::LoadScaling => strata_load_scaling::handle(event, &self.load).await,
            Function::TimeScaling => strata_time_scaling::handle(event, &self.time).await,
            Function::SecurityUpdates => strata_security_updates::handle(event, &self.updates).await,
            Function::Teardown => strata_teardown::handle(event, &self.teardown).await,
        };
        outcome.map(|outcome| Answer { outcome, response: None })
    }
}
