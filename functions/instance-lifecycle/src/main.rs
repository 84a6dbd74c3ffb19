//! The Lambda function instance-lifecycle: wiring only.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use strata_instance_lifecycle::{Deps, handle};
use strata_local::Standalone;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deps = &Deps::new(Standalone::new().ports);
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        handle(event.payload.get().as_bytes(), deps).await.map(|outcome| outcome.response()).map_err(Error::from)
    };
    lambda_runtime::run(service_fn(answer)).await
}
