//! One client per stack, service role and region, made when it is first needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_types::SdkConfig;
use strata_ports::StackScope;

use crate::Base;
use crate::stack_roles::StackRoles;

/// Region, service role and stack of a client's calls.
type Place = (String, String, String);

/// Clients of one service, by the scope that their calls are made in.
#[derive(Clone)]
pub(crate) struct PerStack<C> {
    base: Base,
    roles: StackRoles,
    service: &'static str,
    make: fn(&SdkConfig, &Base) -> C,
    known: Arc<Mutex<BTreeMap<Place, C>>>,
}

impl<C: Clone> PerStack<C> {
    /// `service` as in [`crate::settings::SERVICES`]; `make` makes a client.
    pub(crate) fn new(base: &Base, service: &'static str, make: fn(&SdkConfig, &Base) -> C) -> Self {
        Self { base: base.clone(), roles: base.stack_roles(), service, make, known: Arc::default() }
    }

    /// The client for calls about a stack.
    pub(crate) fn client(&self, scope: &StackScope) -> C {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (scope.region.clone(), scope.service_role_arn.clone(), scope.stack_id.to_string());
        let fresh = || {
            let config = self.base.under(self.service, &scope.region, self.roles.of(scope));
            (self.make)(&config, &self.base)
        };
        known.entry(key).or_insert_with(fresh).clone()
    }
}
