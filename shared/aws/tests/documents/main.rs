//! The SSM documents: their parameters are data, and their scripts are really run, in a directory of their own with stand-ins for what
//! changes a machine.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![cfg(unix)]

mod form;
mod host;
mod logs;
mod metrics;
mod once;
mod recipes;
mod reconnect;
mod setup;
mod snapshot;
mod update;
mod users;
mod volumes;
