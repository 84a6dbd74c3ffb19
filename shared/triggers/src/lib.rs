//! What wakes a function, in the forms that AWS sends, turned into a few enums.
//!
//! [`parse`] recognises a payload by its shape; [`emit`] writes the same forms for the simulated cloud. Nothing here decides
//! anything: an event is only a hint, and the function that it wakes looks at the world afresh.

pub mod emit;
mod error;
mod parse;
mod trigger;

pub use error::{EventError, wrong_function};
pub use parse::{PAYLOAD_LIMIT, parse};
pub use trigger::{
    AlarmEvent, AlarmForm, AlarmState, CAMPAIGN_ASKED, CampaignRequest, CommandStatus, FunctionUrlCall, Hint, HintKind,
    RequestVerb, TEARDOWN_ASKED, TableKey, TeardownRequest, Trigger,
};
