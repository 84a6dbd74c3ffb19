//! Upkeep: what the account has beside machines and is kept in step with layers: launch templates for break-glass, tags.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strata_domain::tags::Tags;
use strata_domain::{Ec2InstanceId, LayerId};

use crate::{CloudError, ItemResult, LaunchSpec, StackScope};

/// A layer's launch template as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSpec {
    /// Its name: 3 to 128 letters, digits and `-._/()`.
    pub name: String,
    /// The layer; the template and its machines are tagged with it.
    pub layer_id: LayerId,
    /// What a machine of it asks for. Token, record, zone and subnet are left to whoever launches, and count for nothing.
    pub machine: LaunchSpec,
    /// The script of its first boot, as plain text of at most 16 KiB.
    pub user_data: String,
    /// Two specs of one fingerprint have one content. Letters and digits, at most 255.
    pub fingerprint: String,
}

/// What is kept in step. All calls are idempotent.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Makes the launch template, or gives it a new default version; one whose default version has the fingerprint already is left as it is.
    ///
    /// # Errors
    /// `Wrong` when the Os has no image, when a template of the name is somebody else's, or without the right; `RetryLater` when throttled;
    /// `OutcomeUnknown`: ask again.
    async fn put_template(&self, scope: &StackScope, spec: &TemplateSpec) -> Result<(), CloudError>;
    /// Deletes the launch template with all its versions; one that is gone is a success.
    ///
    /// # Errors
    /// `Wrong` for somebody else's template, or without the right; otherwise as above.
    async fn delete_template(&self, scope: &StackScope, name: &str) -> Result<(), CloudError>;
    /// The running machines that somebody has launched from layers' templates, and the layer of each. A constant number of calls.
    async fn break_glass_hosts(&self, scope: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError>;
    /// The tags of machines and volumes by EC2's ids, as many calls as there are hundreds of them. What has none, or is gone, is missing.
    async fn tags(&self, scope: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError>;
    /// Sets these tags on all of them and takes those keys away, keys that are not there included. Batched by the adapter.
    ///
    /// # Errors
    /// For all of them `RetryLater` when throttled at once; for each `Wrong` when it is gone or the role has no right to it.
    async fn change_tags(
        &self,
        scope: &StackScope,
        resources: &[String],
        set: &Tags,
        unset: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError>;
}
