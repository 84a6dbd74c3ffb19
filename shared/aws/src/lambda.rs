//! How a function's `main` runs: wired once, then one event after the other; whatever goes wrong is one line and a failed invocation.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;
use strata_domain::decision::Function;
use strata_ports::machine::SystemClock;
use strata_ports::{Clock, HandlerError, Store};
use strata_telemetry::{TellingStore, lines};

use crate::error::chain;
use crate::{Base, SettingsError};

/// Runs a function for as long as Lambda lets it. `wire` makes what `handle` needs, which answers one event.
///
/// A function that cannot be wired stays up and fails every invocation with the reason: so the event is kept and tried again once the
/// deployment is mended, and the reason stands both in the log and in the invocation's answer.
pub fn run<D, R: Serialize>(
    function: Function,
    wire: impl FnOnce(&Base) -> Result<D, SettingsError>,
    handle: impl AsyncFn(&[u8], &D) -> Result<R, HandlerError>,
) -> ExitCode {
    lines::begin();
    std::panic::set_hook(Box::new(
        |panic| tracing::error!(error.kind = "Panic", error.message = %panic, "the invocation failed"),
    ));
    let wired = Base::from_environment().and_then(|base| {
        base.meter_as(function);
        Ok((wire(&base)?, base))
    });
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(&error),
    };
    let wired = &wired;
    let handle = &handle;
    let answer = |event: LambdaEvent<Box<RawValue>>| async move {
        let (deps, base) = wired.as_ref().map_err(|error| failed("Settings", error))?;
        let answer = handle(event.payload.get().as_bytes(), deps).await;
        base.meter().into_iter().flat_map(|meter| meter.take(SystemClock.now())).for_each(|line| lines::print(&line));
        answer.map_err(|error| failed(kind(&error), &error))
    };
    match runtime.block_on(lambda_runtime::run(service_fn(answer))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => ended(&*error),
    }
}

/// The one line that an invocation's failure is told in, and what Lambda is answered.
fn failed(kind: &'static str, error: &(dyn std::error::Error + 'static)) -> Diagnostic {
    let message = chain(error);
    tracing::error!(
        error.kind = kind,
        error.message = message,
        "the invocation failed; its event comes again, or the next tick makes up for it"
    );
    Diagnostic { error_type: format!("Strata.{kind}"), error_message: message }
}

fn ended(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    tracing::error!(error.kind = "Runtime", error.message = chain(error), "the function ends");
    ExitCode::FAILURE
}

/// The store of a function: its commits are told of, see [`TellingStore`].
pub fn telling(base: &Base, store: impl Store + 'static) -> Arc<dyn Store> {
    match base.meter() {
        Some(meter) => Arc::new(TellingStore::new(Arc::new(store), meter.clone(), Arc::new(SystemClock))),
        None => Arc::new(store),
    }
}

fn kind(error: &HandlerError) -> &'static str {
    match error {
        HandlerError::Event(_) => "Event",
        HandlerError::Store(_) => "Store",
        HandlerError::Commit(_) => "Commit",
        HandlerError::Cloud(_) => "Cloud",
        HandlerError::Api { .. } => "Api",
    }
}
