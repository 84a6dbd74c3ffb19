//! What was made of a layer's launch template, at `keys::launch_template`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strata_domain::{Ec2InstanceId, LayerId, StackId};
use strata_ports::StackScope;

/// A layer's launch template. It is written before the template is made, and removed after that is deleted: so none is forgotten, also when
/// layer and stack are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// The layer.
    pub layer_id: LayerId,
    /// Its stack.
    pub stack_id: StackId,
    /// The stack's region.
    pub region: String,
    /// The role under which it was made.
    pub service_role_arn: String,
    /// The template's name.
    pub name: String,
    /// Of its content; `None` while that may be anything.
    pub fingerprint: Option<String>,
    /// Of the stack's and layer's settings that the last look has dealt with.
    pub settings: Option<String>,
    /// Why EC2 did not take what those settings ask for.
    pub refused: Option<String>,
    /// The machines that were adopted: none is adopted twice.
    #[serde(default)]
    pub adopted: BTreeSet<Ec2InstanceId>,
}

impl LaunchTemplate {
    /// Under which role and where it is deleted.
    pub fn scope(&self) -> StackScope {
        let (stack_id, region) = (self.stack_id.clone(), self.region.clone());
        StackScope { stack_id, region, service_role_arn: self.service_role_arn.clone() }
    }

    /// Whether nothing is left to do for these settings, or nothing that a repeat within minutes would change.
    pub fn has_dealt_with(&self, settings: &str) -> bool {
        self.settings.as_deref() == Some(settings) && (self.fingerprint.is_some() || self.refused.is_some())
    }
}
