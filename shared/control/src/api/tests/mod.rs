//! The API as its callers see it: over a small store that keeps the conditions and can be told to interfere.

mod clusters;
mod deployments;
mod instances;
mod layers;
mod matrix;
mod permissions;
mod repeats;
mod scaling;
mod sdk;
mod stacks;
mod support;
mod test_cloud;
mod test_store;
mod users;
mod wire_rules;

pub(super) use support::TestApi;
