//! The Lambda function api: wiring only.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use strata_api::{Deps, handle};
use strata_local::Standalone;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let api = strata_control::Api::new(Standalone::new().ports, strata_control::ApiConfig::default());
    let deps = &Deps { api: Arc::new(api) };
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        handle(event.payload.get().as_bytes(), deps).await.map_err(Error::from)
    };
    lambda_runtime::run(service_fn(answer)).await
}
