//! Whether every attempt of a commit was answered: what the last attempt says is only true of the last attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use strata_ports::CommitError;

/// Counts the attempts of one call: an interceptor of that call.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU32,
    answered: AtomicU32,
}

impl Attempts {
    /// What a failed call comes to. If the answer to any attempt was lost, that one may have been carried out, or may still be: also
    /// where the next one was throttled, or found a condition broken, perhaps by the lost one itself.
    pub(super) fn judge(&self, last: CommitError) -> CommitError {
        if self.0.sent.load(Ordering::Acquire) > self.0.answered.load(Ordering::Acquire) {
            let why = match last {
                CommitError::OutcomeUnknown { why } => why,
                other => format!("an attempt was not answered; the last one: {other}"),
            };
            return CommitError::OutcomeUnknown { why };
        }
        last
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.sent.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// A server's error is no answer: it does not tell what was done.
    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().status().as_u16();
        if status < 500 && status != 408 {
            self.0.answered.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}
