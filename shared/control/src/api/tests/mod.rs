//! The API as its callers see it: over a small store that keeps the conditions and can be told to interfere.

mod actions;
mod cloning;
mod clusters;
mod crowd;
mod decisions;
mod deployments;
mod elastic_ips;
mod holds;
mod instance_members;
mod instances;
mod integrity;
mod layer_members;
mod layers;
mod load_balancers;
mod matrix;
mod permissions;
mod preview;
mod provisioning;
mod references;
mod registered;
mod registrars;
mod repeats;
mod resource_calls;
mod scaling;
mod sdk;
mod stacks;
mod status;
mod status_matrix;
mod support;
mod tags;
mod test_cloud;
mod test_store;
mod users;
mod volumes;
mod wire_rules;

pub(super) use support::TestApi;
