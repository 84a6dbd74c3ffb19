//! The wrapper of what is kept in step with layers.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use strata_domain::tags::Tags;
use strata_domain::{Ec2InstanceId, LayerId};
use strata_ports::{CloudError, ItemResult, StackScope, TemplateSpec, Upkeep};

use super::Kind;
use super::wrappers::Wrapped;

#[async_trait]
impl Upkeep for Wrapped<dyn Upkeep> {
    async fn put_template(&self, scope: &StackScope, spec: &TemplateSpec) -> Result<(), CloudError> {
        self.faulty.run("ec2:CreateLaunchTemplateVersion", Kind::Writes, self.inner.put_template(scope, spec)).await
    }

    async fn delete_template(&self, scope: &StackScope, name: &str) -> Result<(), CloudError> {
        self.faulty.run("ec2:DeleteLaunchTemplate", Kind::Writes, self.inner.delete_template(scope, name)).await
    }

    async fn break_glass_hosts(&self, scope: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.break_glass_hosts(scope)).await
    }

    async fn tags(&self, scope: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        self.faulty.run("ec2:DescribeTags", Kind::Reads, self.inner.tags(scope, resources)).await
    }

    async fn change_tags(
        &self,
        scope: &StackScope,
        resources: &[String],
        set: &Tags,
        unset: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        self.faulty.run("ec2:CreateTags", Kind::Writes, self.inner.change_tags(scope, resources, set, unset)).await
    }
}
