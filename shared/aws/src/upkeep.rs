//! What is kept in step with layers: launch templates, on EC2.

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use strata_domain::{Ec2InstanceId, LayerId};
use strata_ports::{CloudError, StackScope, TemplateSpec, Upkeep};

use crate::compute::images::Images;
use crate::compute::{clients, describe, tags, templates};
use crate::filters::filter;
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
}
