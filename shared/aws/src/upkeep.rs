//! What is kept in step with layers: launch templates and tags, on EC2.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::Tag;
use strata_domain::tags::Tags;
use strata_domain::{Ec2InstanceId, LayerId};
use strata_ports::{CloudError, ItemResult, StackScope, TemplateSpec, Upkeep};

use crate::compute::batches::{Failure, each};
use crate::compute::images::Images;
use crate::compute::{clients, describe, tags, templates};
use crate::error::{Effect, sort};
use crate::filters::{PER_PAGE, filter, filters};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses {
        method: "put_template",
        role: Role::Stack,
        actions: &[
            "ec2:CreateLaunchTemplate",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:DescribeImages",
            "ec2:DescribeLaunchTemplateVersions",
            "ec2:DescribeLaunchTemplates",
            "ec2:ModifyLaunchTemplate",
        ],
    },
    Uses { method: "put_template", role: Role::Function, actions: &["ssm:GetParameter"] },
    Uses { method: "delete_template", role: Role::Stack, actions: &["ec2:DeleteLaunchTemplate", "ec2:DescribeLaunchTemplates"] },
    Uses { method: "tags", role: Role::Stack, actions: &["ec2:DescribeTags"] },
    Uses { method: "change_tags", role: Role::Stack, actions: &["ec2:CreateTags", "ec2:DeleteTags"] },
    Uses { method: "break_glass_hosts", role: Role::Stack, actions: &["ec2:DescribeInstances"] },
];

/// EC2, under the stack's service role.
pub struct Ec2Upkeep {
    clients: PerStack<Client>,
    images: Images,
    installation: String,
}

impl Ec2Upkeep {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self { clients: clients(base), images: Images::new(base), installation: base.settings().installation.clone() }
    }
}

#[async_trait]
impl Upkeep for Ec2Upkeep {
    async fn put_template(&self, scope: &StackScope, spec: &TemplateSpec) -> Result<(), CloudError> {
        let client = self.clients.client(scope);
        let image = self.images.find(&client, scope, &spec.machine).await?;
        templates::put(&client, &self.installation, scope, spec, &image).await
    }

    async fn delete_template(&self, scope: &StackScope, name: &str) -> Result<(), CloudError> {
        templates::delete(&self.clients.client(scope), &self.installation, name).await
    }

    async fn break_glass_hosts(&self, scope: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError> {
        let ours = filter(&format!("tag:{}", tags::INSTALLATION), [&self.installation]);
        let marked = filter("tag-key", [tags::BREAK_GLASS]);
        let running = filter("instance-state-name", ["running"]);
        let found = describe::instances(&self.clients.client(scope), vec![ours, marked, running]).await?;
        let host = |machine: &aws_sdk_ec2::types::Instance| {
            let layer = tags::value(machine.tags(), tags::BREAK_GLASS)?;
            Some((Ec2InstanceId::from(machine.instance_id()?), LayerId::from(layer)))
        };
        Ok(found.iter().filter_map(host).collect())
    }

    async fn tags(&self, scope: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        let client = self.clients.client(scope);
        let mut found: BTreeMap<String, Tags> = BTreeMap::new();
        for chunk in filters("resource-id", resources) {
            let mut pages = client.describe_tags().filters(chunk).max_results(PER_PAGE).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| sort("ec2:DescribeTags", Effect::Read, error))?;
                for tag in page.tags() {
                    let (Some(id), Some(key)) = (tag.resource_id(), tag.key()) else { continue };
                    let value = tag.value().unwrap_or_default().to_owned();
                    found.entry(id.to_owned()).or_default().insert(key.to_owned(), value);
                }
            }
        }
        Ok(found)
    }

    async fn change_tags(
        &self,
        scope: &StackScope,
        resources: &[String],
        set: &Tags,
        unset: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        const SET: &str = "ec2:CreateTags";
        const UNSET: &str = "ec2:DeleteTags";
        let client = self.clients.client(scope);
        let mut results: Vec<ItemResult<String>> =
            resources.iter().map(|id| ItemResult { id: id.clone(), result: Ok(()) }).collect();
        if !set.is_empty() {
            let tags: Vec<Tag> = set.iter().map(|(key, value)| tags::tag(key, value)).collect();
            results = each(SET, resources.to_vec(), |batch| {
                let request = client.create_tags().set_resources(Some(batch)).set_tags(Some(tags.clone()));
                async move { request.send().await.map(drop).map_err(|error| Failure::of(SET, error)) }
            })
            .await?;
        }
        if unset.is_empty() {
            return Ok(results);
        }
        // A key without a value goes whatever its value is.
        let keys: Vec<Tag> = unset.iter().map(|key| Tag::builder().key(key).build()).collect();
        let (taken, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(|item| item.result.is_ok());
        let taken = taken.into_iter().map(|item| item.id).collect();
        let mut results = each(UNSET, taken, |batch| {
            let request = client.delete_tags().set_resources(Some(batch)).set_tags(Some(keys.clone()));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(UNSET, error)) }
        })
        .await?;
        results.extend(failed);
        Ok(results)
    }
}
