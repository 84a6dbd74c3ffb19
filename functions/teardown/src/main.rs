//! The Lambda function teardown: wiring only.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use strata_local::Standalone;
use strata_teardown::{Deps, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let world = Standalone::new();
    let api = Arc::new(strata_control::Api::new(world.ports.clone(), strata_control::ApiConfig::default()));
    let ports = world.ports.clone();
    let deps = &Deps {
        fleet: strata_fleet::Fleet::new(world.opsworks(api)),
        store: ports.store,
        containers: ports.containers,
        modes: ports.modes,
        pager: ports.pager,
        events: ports.events,
        clock: ports.clock,
        ids: ports.ids,
    };
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        handle(event.payload.get().as_bytes(), deps).await.map(|outcome| outcome.response()).map_err(Error::from)
    };
    lambda_runtime::run(service_fn(answer)).await
}
