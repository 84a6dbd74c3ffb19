//! The image of an Os.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::Client;
use strata_ports::{CloudError, LaunchSpec, StackScope};

use crate::Base;
use crate::error::{Effect, sort};
use crate::filters::filter;
use crate::own_in_region::OwnSsm;

/// The public parameter that names an Os's newest image for x86_64, the one architecture that instances have.
///
/// They are the distributions' plain images: an ECS-optimized one has an ECS agent already, and Setup installs one [ECS-62]. An Os without
/// one here has no image any more [ECS-121].
///
/// Source: EC2 User Guide, "Reference the latest AMIs using Systems Manager public parameters"; Canonical, "Find Ubuntu images with the AWS
/// SSM Parameter Store" (`ebs-gp3` from 23.10 on).
pub fn parameter(os: &str) -> Option<&'static str> {
    Some(match os {
        "Amazon Linux 2023" => "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "Amazon Linux 2" => "/aws/service/ami-amazon-linux-latest/amzn2-ami-kernel-5.10-hvm-x86_64-gp2",
        "Amazon Linux 2018.03" => "/aws/service/ami-amazon-linux-latest/amzn-ami-hvm-x86_64-gp2",
        "Ubuntu 24.04 LTS" => "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
        "Ubuntu 22.04 LTS" => "/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        "Ubuntu 20.04 LTS" => "/aws/service/canonical/ubuntu/server/20.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        "Ubuntu 18.04 LTS" => "/aws/service/canonical/ubuntu/server/18.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        "Ubuntu 16.04 LTS" => "/aws/service/canonical/ubuntu/server/16.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
        _ => return None,
    })
}

/// An image as far as a launch must know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(super) id: String,
    /// `None`: its root device is an instance store.
    pub(super) root: Option<RootVolume>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootVolume {
    pub(super) device: String,
    /// GiB, where the image says so.
    pub(super) size: Option<i32>,
}

/// Images by region and Os or id, each looked up once until a launch from it fails.
#[derive(Clone)]
pub(crate) struct Images {
    ssm: OwnSsm,
    known: Arc<Mutex<BTreeMap<(String, String), Image>>>,
}

fn key(scope: &StackScope, spec: &LaunchSpec) -> (String, String) {
    (scope.region.clone(), spec.ami_id.clone().unwrap_or_else(|| spec.os.clone()))
}

impl Images {
    pub(crate) fn new(base: &Base) -> Self {
        Self { ssm: OwnSsm::new(base), known: Arc::default() }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Image>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image for a launch.
    pub(crate) async fn find(&self, ec2: &Client, scope: &StackScope, spec: &LaunchSpec) -> Result<Image, CloudError> {
        if let Some(known) = self.known().get(&key(scope, spec)) {
            return Ok(known.clone());
        }
        let id = match &spec.ami_id {
            Some(id) => id.clone(),
            None => self.newest(scope, &spec.os).await?,
        };
        let image = describe(ec2, &scope.region, id).await?;
        self.known().insert(key(scope, spec), image.clone());
        Ok(image)
    }

    /// The next launch looks again: this one may have failed because the image is gone.
    pub(super) fn forget(&self, scope: &StackScope, spec: &LaunchSpec) {
        self.known().remove(&key(scope, spec));
    }

    async fn newest(&self, scope: &StackScope, os: &str) -> Result<String, CloudError> {
        const ACTION: &str = "ssm:GetParameter";
        let none = |why: String| CloudError::Wrong { action: ACTION, code: "ParameterNotFound".to_owned(), why };
        let name = parameter(os).ok_or_else(|| {
            none(format!("nobody publishes an image of {os} any more; use another Os, or Custom with an AmiId of your own"))
        })?;
        let answer = self.ssm.in_region(&scope.region).get_parameter().name(name).send().await;
        let answer = answer.map_err(|error| match sort(ACTION, Effect::Read, error) {
            CloudError::Wrong { code, .. } if code == "ParameterNotFound" => {
                none(format!("there is no image of {os} in {}: no parameter {name}", scope.region))
            }
            other => other,
        })?;
        let value = answer.parameter.and_then(|parameter| parameter.value);
        value.ok_or_else(|| none(format!("the parameter {name} in {} has no value", scope.region)))
    }
}

async fn describe(ec2: &Client, region: &str, id: String) -> Result<Image, CloudError> {
    const ACTION: &str = "ec2:DescribeImages";
    let answer = ec2.describe_images().filters(filter("image-id", [&id])).include_deprecated(true).send().await;
    let answer = answer.map_err(|error| sort(ACTION, Effect::Read, error))?;
    let image = answer.images().first().ok_or_else(|| CloudError::Wrong {
        action: ACTION,
        code: "InvalidAMIID.NotFound".to_owned(),
        why: format!("the image {id} is not there in {region}, or is not shared with the account"),
    })?;
    let device = image.root_device_name().filter(|_| image.root_device_type().is_none_or(|kind| kind.as_str() == "ebs"));
    let root = device.map(|device| {
        let mapped = image.block_device_mappings().iter().find(|mapping| mapping.device_name() == Some(device));
        RootVolume { device: device.to_owned(), size: mapped.and_then(|m| m.ebs()).and_then(|ebs| ebs.volume_size()) }
    });
    Ok(Image { id, root })
}

#[cfg(test)]
mod tests {
    use strata_domain::operating_systems;

    use super::*;

    /// [ECS-121] [ECS-62]
    #[test]
    fn ecs_121_every_supported_os_has_an_image_and_none_is_ecs_optimized() {
        for os in operating_systems::ALL.iter().filter(|os| os.is_supported && os.name != "Custom") {
            assert!(parameter(os.name).is_some(), "{}", os.name);
        }
        for os in operating_systems::ALL.iter().filter_map(|os| parameter(os.name)) {
            assert!(os.starts_with("/aws/service/") && !os.contains("ecs"), "{os}");
        }
        for gone in ["Amazon Linux 2017.09", "CentOS Linux 7", "Red Hat Enterprise Linux 7", "Ubuntu 14.04 LTS", "Custom", ""] {
            assert_eq!(parameter(gone), None, "{gone}");
        }
    }
}
