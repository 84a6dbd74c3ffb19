//! Launch templates: what a launch asks for, as far as a layer can know it beforehand, kept by EC2 for whoever launches by hand.
//!
//! A version's description is the fingerprint of its content, so a repeat, or a call whose answer was lost, is seen and not made again.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, InstanceType, LaunchTemplate, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplatePlacementRequest,
    LaunchTemplateTagSpecificationRequest, LaunchTemplateVersion, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
    Tenancy,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use strata_ports::{CloudError, StackScope, TemplateSpec};

use super::images::{Image, parameter};
use super::{launch, tags};
use crate::error::{Effect, sort};
use crate::filters::filter;

const LOOK: &str = "ec2:DescribeLaunchTemplates";
const VERSIONS: &str = "ec2:DescribeLaunchTemplateVersions";
const MAKE: &str = "ec2:CreateLaunchTemplate";
const RENEW: &str = "ec2:CreateLaunchTemplateVersion";
const CHOOSE: &str = "ec2:ModifyLaunchTemplate";
const REMOVE: &str = "ec2:DeleteLaunchTemplate";

/// Makes the template, or brings it up to the spec.
pub(crate) async fn put(
    client: &Client,
    installation: &str,
    scope: &StackScope,
    spec: &TemplateSpec,
    image: &Image,
) -> Result<(), CloudError> {
    let Some(found) = find(client, &spec.name).await? else { return make(client, installation, scope, spec, image).await };
    check_owner(RENEW, installation, &found)?;
    let versions = ends(client, &spec.name).await?;
    let of = |version: &&LaunchTemplateVersion| version.version_description() == Some(&spec.fingerprint);
    if versions.iter().filter(of).any(|version| version.default_version() == Some(true)) {
        return Ok(());
    }
    // One that an earlier call has made, whose answer was lost.
    let known = versions.iter().find(of).and_then(LaunchTemplateVersion::version_number);
    let number = match known {
        Some(number) => number,
        None => renew(client, installation, spec, image).await?,
    };
    let choice = client.modify_launch_template().launch_template_name(&spec.name).default_version(number.to_string());
    choice.send().await.map(drop).map_err(|error| sort(CHOOSE, Effect::Write, error))
}

/// Deletes the template; one that is gone is as good.
pub(crate) async fn delete(client: &Client, installation: &str, name: &str) -> Result<(), CloudError> {
    let Some(found) = find(client, name).await? else { return Ok(()) };
    check_owner(REMOVE, installation, &found)?;
    match client.delete_launch_template().launch_template_name(name).send().await {
        Ok(_) => Ok(()),
        Err(error) => match sort(REMOVE, Effect::Write, error) {
            CloudError::Wrong { code, .. } if code == "InvalidLaunchTemplateName.NotFoundException" => Ok(()),
            error => Err(error),
        },
    }
}

async fn find(client: &Client, name: &str) -> Result<Option<LaunchTemplate>, CloudError> {
    let answer = client.describe_launch_templates().filters(filter("launch-template-name", [name])).send().await;
    let answer = answer.map_err(|error| sort(LOOK, Effect::Read, error))?;
    Ok(answer.launch_templates.unwrap_or_default().into_iter().next())
}

/// The default version and the newest one, which are often the same.
async fn ends(client: &Client, name: &str) -> Result<Vec<LaunchTemplateVersion>, CloudError> {
    let request = client.describe_launch_template_versions().launch_template_name(name);
    let answer = request.versions("$Default").versions("$Latest").send().await;
    let answer = answer.map_err(|error| sort(VERSIONS, Effect::Read, error))?;
    Ok(answer.launch_template_versions.unwrap_or_default())
}

fn check_owner(action: &'static str, installation: &str, found: &LaunchTemplate) -> Result<(), CloudError> {
    if tags::value(found.tags(), tags::INSTALLATION) == Some(installation) {
        return Ok(());
    }
    let name = found.launch_template_name().unwrap_or_default();
    let why =
        format!("the launch template {name} has not the tag {}={installation}, so it is somebody else's", tags::INSTALLATION);
    Err(CloudError::Wrong { action, code: "LaunchTemplateNotOurs".to_owned(), why })
}

async fn make(
    client: &Client,
    installation: &str,
    scope: &StackScope,
    spec: &TemplateSpec,
    image: &Image,
) -> Result<(), CloudError> {
    let own =
        [(tags::INSTALLATION, installation), (tags::STACK, scope.stack_id.as_str()), (tags::BREAK_GLASS, spec.layer_id.as_str())];
    let own: Vec<Tag> = own.map(|(key, value)| tags::tag(key, value)).into();
    let tagged = TagSpecification::builder().resource_type(ResourceType::LaunchTemplate).set_tags(Some(own)).build();
    let request = client
        .create_launch_template()
        .launch_template_name(&spec.name)
        .version_description(&spec.fingerprint)
        .launch_template_data(data(installation, spec, image))
        .tag_specifications(tagged);
    match request.send().await.map_err(|error| sort(MAKE, Effect::Write, error)) {
        Ok(_) => Ok(()),
        // Somebody was quicker, or descriptions do not show yet what a call with a lost answer has made.
        Err(CloudError::Wrong { code, why, .. }) if code == "InvalidLaunchTemplateName.AlreadyExistsException" => {
            Err(CloudError::RetryLater { action: MAKE, why })
        }
        Err(error) => Err(error),
    }
}

async fn renew(client: &Client, installation: &str, spec: &TemplateSpec, image: &Image) -> Result<i64, CloudError> {
    let request = client.create_launch_template_version().launch_template_name(&spec.name);
    let request = request.version_description(&spec.fingerprint).launch_template_data(data(installation, spec, image));
    let answer = request.send().await.map_err(|error| sort(RENEW, Effect::Write, error))?;
    let number = answer.launch_template_version.as_ref().and_then(LaunchTemplateVersion::version_number);
    let unnamed = || CloudError::OutcomeUnknown { action: RENEW, why: "the answer names no version".to_owned() };
    number.ok_or_else(unnamed)
}

/// What [`launch::request`] asks for, without what depends on a subnet: groups stand beside the image, not in a network interface, so that
/// whoever launches can name any subnet of the VPC.
fn data(installation: &str, spec: &TemplateSpec, image: &Image) -> RequestLaunchTemplateData {
    let machine = &spec.machine;
    let tagged = LaunchTemplateTagSpecificationRequest::builder()
        .resource_type(ResourceType::Instance)
        .set_tags(Some(tags::of_break_glass(installation, &spec.layer_id, machine)))
        .build();
    let devices: Vec<_> = launch::block_devices(machine, image).iter().map(device).collect();
    RequestLaunchTemplateData::builder()
        .image_id(image_id(spec, image))
        .instance_type(InstanceType::from(machine.instance_type.as_str()))
        .set_key_name(machine.key_name.clone())
        .set_ebs_optimized(machine.ebs_optimized.then_some(true))
        .set_iam_instance_profile(profile(&machine.instance_profile_arn))
        .set_placement(machine.tenancy.as_deref().map(placement))
        .set_security_group_ids(Some(machine.security_group_ids.clone()).filter(|groups| !groups.is_empty()))
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .metadata_options(metadata(machine))
        .user_data(BASE64_STANDARD.encode(&spec.user_data))
        .tag_specifications(tagged)
        .build()
}

/// An Os is named by its parameter, which EC2 looks up at each launch: so the image is the newest one however long Strata has been gone.
///
/// Source: EC2 User Guide, "Use a Systems Manager parameter instead of an AMI ID in your launch template".
fn image_id(spec: &TemplateSpec, image: &Image) -> String {
    match (&spec.machine.ami_id, parameter(&spec.machine.os)) {
        (None, Some(name)) => format!("resolve:ssm:{name}"),
        (Some(_), _) | (None, None) => image.id.clone(),
    }
}

fn profile(arn: &str) -> Option<LaunchTemplateIamInstanceProfileSpecificationRequest> {
    Some(arn)
        .filter(|arn| !arn.is_empty())
        .map(|arn| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().arn(arn).build())
}

fn placement(tenancy: &str) -> LaunchTemplatePlacementRequest {
    LaunchTemplatePlacementRequest::builder().tenancy(Tenancy::from(tenancy)).build()
}

fn metadata(machine: &strata_ports::LaunchSpec) -> LaunchTemplateInstanceMetadataOptionsRequest {
    let asked = launch::metadata(machine);
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .set_http_tokens(asked.http_tokens().map(|tokens| LaunchTemplateHttpTokensState::from(tokens.as_str())))
        .set_http_put_response_hop_limit(asked.http_put_response_hop_limit())
        .build()
}

fn device(asked: &BlockDeviceMapping) -> LaunchTemplateBlockDeviceMappingRequest {
    let ebs = asked.ebs().map(|ebs| {
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_encrypted(ebs.encrypted())
            .set_delete_on_termination(ebs.delete_on_termination())
            .set_iops(ebs.iops())
            .set_snapshot_id(ebs.snapshot_id().map(str::to_owned))
            .set_volume_size(ebs.volume_size())
            .set_volume_type(ebs.volume_type().cloned())
            .build()
    });
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(asked.device_name().map(str::to_owned))
        .set_virtual_name(asked.virtual_name().map(str::to_owned))
        .set_no_device(asked.no_device().map(str::to_owned))
        .set_ebs(ebs)
        .build()
}

#[cfg(test)]
mod tests {
    use strata_ports::contract::cloud::launch;

    use super::*;
    use crate::compute::images::RootVolume;

    fn spec() -> TemplateSpec {
        TemplateSpec {
            name: "strata-shop-ecs-cluster-1".to_owned(),
            layer_id: "layer-1".into(),
            machine: launch("break-glass", ""),
            user_data: "#!/bin/bash\n".to_owned(),
            fingerprint: "a1".to_owned(),
        }
    }

    fn image() -> Image {
        Image { id: "ami-1".to_owned(), root: Some(RootVolume { device: "/dev/xvda".to_owned(), size: Some(8) }) }
    }

    #[test]
    fn an_os_is_looked_up_at_each_launch_and_an_image_of_ones_own_is_named() {
        let mut spec = spec();
        let newest = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
        assert_eq!(image_id(&spec, &image()), newest);
        spec.machine.ami_id = Some("ami-1".to_owned());
        assert_eq!(image_id(&spec, &image()), "ami-1");
    }

    #[test]
    fn a_template_leaves_the_subnet_open_and_asks_for_the_rest_as_a_launch_does() {
        let mut spec = spec();
        spec.machine.security_group_ids = vec!["sg-1".to_owned()];
        let data = data("strata", &spec, &image());
        assert!(data.network_interfaces().is_empty(), "run-instances refuses a subnet beside an interface");
        assert_eq!(data.security_group_ids(), ["sg-1"]);
        let options = data.metadata_options().unwrap();
        assert_eq!(options.http_tokens(), Some(&LaunchTemplateHttpTokensState::Required));
        assert_eq!(options.http_put_response_hop_limit(), Some(2));
        let root = data.block_device_mappings()[0].ebs().unwrap();
        assert_eq!((root.encrypted(), root.delete_on_termination(), root.volume_size()), (Some(true), Some(true), Some(8)));
        let own = data.tag_specifications()[0].tags();
        let value = |key: &str| tags::value(own, key);
        assert_eq!((value(tags::BREAK_GLASS), value(tags::INSTALLATION)), (Some("layer-1"), Some("strata")));
        // By these Strata finds the machines of its records; this one is no record's.
        assert_eq!((value(tags::INSTANCE), value(tags::STACK), value(tags::POWER)), (None, None, None));
        spec.machine.imdsv1 = true;
        assert_eq!(metadata(&spec.machine).http_tokens(), Some(&LaunchTemplateHttpTokensState::Optional));
    }
}
