//! SSM under the function's own role, in the region of the stack that is asked about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;

use crate::Base;

/// One client for each region, made when it is first needed.
#[derive(Clone)]
pub(crate) struct OwnSsm {
    base: Base,
    known: Arc<Mutex<BTreeMap<String, Client>>>,
}

impl OwnSsm {
    pub(crate) fn new(base: &Base) -> Self {
        Self { base: base.clone(), known: Arc::default() }
    }

    pub(crate) fn in_region(&self, region: &str) -> Client {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let config = self.base.own_in("SSM", region);
            Client::from_conf(Builder::from(&config).interceptor(self.base.log().clone()).build())
        };
        known.entry(region.to_owned()).or_insert_with(fresh).clone()
    }
}
