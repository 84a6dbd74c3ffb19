//! Why a payload is not an event of ours. Each message is one sentence that names the form, the field and what was expected.

use strata_domain::decision::Function;

use crate::Trigger;

/// Why an event was not taken. None of these goes away by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Larger than Lambda delivers.
    #[error("the event has {bytes} bytes, expected at most {limit}")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
        /// The limit, 6 MiB.
        limit: usize,
    },
    /// Not JSON.
    #[error("the event is not JSON: line {line}, column {column}: {problem}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1; 0 at the start of a line.
        column: usize,
        /// What the parser met there.
        problem: String,
    },
    /// JSON, but in none of the forms in `events/`.
    #[error("the event is in no form that wakes a function: saw {saw}, expected one of the forms in events/")]
    NotRecognised {
        /// What it looks like.
        saw: String,
    },
    /// Recognised, but a field is missing or wrong.
    #[error("{form}: field `{field}` {problem}")]
    WrongForm {
        /// Which form it was recognised as.
        form: &'static str,
        /// Dotted path of the field, for example `detail.state.value`.
        field: String,
        /// What is wrong and what was expected, for example `is a number, expected a string`.
        problem: String,
    },
    /// A good event, sent to a function that has nothing to do with it.
    #[error("{function} is not woken by this event: saw {saw}, expected {expected}")]
    NotForThisFunction {
        /// The function that got it.
        function: Function,
        /// [`Trigger::describe`] of the event.
        saw: String,
        /// What the function is woken by.
        expected: &'static str,
    },
}

/// The error of a function that got another function's event.
pub fn wrong_function(function: Function, trigger: &Trigger) -> EventError {
    EventError::NotForThisFunction { function, saw: trigger.describe(), expected: woken_by(function) }
}

/// What wakes each function; `events/README.md` has the same table.
fn woken_by(function: Function) -> &'static str {
    match function {
        Function::Api => "a function URL request",
        Function::InstanceLifecycle => "a batch of the hint queue, a change of the table, or a scheduled event",
        Function::LoadScaling => "a CloudWatch alarm, or a scheduled event",
        Function::TimeScaling => "a scheduled event",
        Function::SecurityUpdates => "a campaign request, an SSM command's status, or a scheduled event",
        Function::Teardown => "a teardown request, an instance or container instance event, or a scheduled event",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trigger;

    #[test]
    fn every_message_is_one_sentence_that_names_what_was_expected() {
        let tick = Trigger::Tick { at: "2026-03-01T00:00:00Z".parse().unwrap() };
        for (error, message) in [
            (EventError::TooLarge { bytes: 7, limit: 6 }, "the event has 7 bytes, expected at most 6"),
            (
                EventError::NotJson { line: 1, column: 2, problem: "key must be a string".to_owned() },
                "the event is not JSON: line 1, column 2: key must be a string",
            ),
            (
                EventError::NotRecognised { saw: "an empty object".to_owned() },
                "the event is in no form that wakes a function: saw an empty object, expected one of the forms in events/",
            ),
            (
                EventError::WrongForm {
                    form: "scheduled event",
                    field: "time".to_owned(),
                    problem: "is missing, expected a time".to_owned(),
                },
                "scheduled event: field `time` is missing, expected a time",
            ),
            (wrong_function(Function::Api, &tick), "api is not woken by this event: saw tick, expected a function URL request"),
        ] {
            assert_eq!(error.to_string(), message);
        }
    }
}
