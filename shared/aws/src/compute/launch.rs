//! RunInstances: what a launch asks for. It follows from the spec and the image alone, so a repeat asks for the same.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::builders::EbsBlockDeviceBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType, Placement, ResourceType, Tag,
    TagSpecification, Tenancy, VolumeType,
};
use strata_domain::block_devices::ROOT_DEVICE;
use strata_domain::model;
use strata_ports::{LaunchSpec, StackScope, VolumeSpec};

use super::images::{Image, RootVolume};
use super::tags;

/// Our choice: containers in bridge mode reach the metadata service, as they did under OpsWorks; Amazon Linux 2023 has the same default.
const METADATA_HOPS: i32 = 2;

/// The request for one machine.
pub(super) fn request(
    client: &Client,
    installation: &str,
    scope: &StackScope,
    spec: &LaunchSpec,
    image: &Image,
) -> RunInstancesFluentBuilder {
    let devices = block_devices(spec, image);
    let has_volumes = devices.iter().any(|device| device.ebs().is_some());
    let mut tagged = vec![tags_of(ResourceType::Instance, tags::of_instance(installation, scope, spec))];
    if has_volumes {
        tagged.push(tags_of(ResourceType::Volume, tags::of_volumes(installation, scope, spec)));
    }
    client
        .run_instances()
        .client_token(&spec.token)
        .min_count(1)
        .max_count(1)
        .image_id(&image.id)
        .instance_type(InstanceType::from(spec.instance_type.as_str()))
        .placement(placement(spec))
        .network_interfaces(network_interface(spec))
        .set_iam_instance_profile(profile(spec))
        .set_key_name(spec.key_name.clone())
        .set_ebs_optimized(spec.ebs_optimized.then_some(true))
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .metadata_options(metadata(spec))
        .set_tag_specifications(Some(tagged))
}

fn tags_of(kind: ResourceType, tags: Vec<Tag>) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build()
}

/// The zone is the subnet's; naming it too makes EC2 refuse a pair that does not fit.
fn placement(spec: &LaunchSpec) -> Placement {
    let tenancy = spec.tenancy.as_deref().map(Tenancy::from);
    Placement::builder().availability_zone(&spec.availability_zone).set_tenancy(tenancy).build()
}

/// An interface of its own, since only there it can be said that a subnet's default of public addresses does not count [ECS-53].
fn network_interface(spec: &LaunchSpec) -> InstanceNetworkInterfaceSpecification {
    let groups = Some(spec.security_group_ids.clone()).filter(|groups| !groups.is_empty());
    InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(&spec.subnet_id)
        .associate_public_ip_address(spec.associate_public_ip)
        .delete_on_termination(true)
        .set_groups(groups)
        .build()
}

fn profile(spec: &LaunchSpec) -> Option<IamInstanceProfileSpecification> {
    let arn = Some(&spec.instance_profile_arn).filter(|arn| !arn.is_empty())?;
    Some(IamInstanceProfileSpecification::builder().arn(arn).build())
}

/// Version 2 of the metadata service is required, unless the layer's settings let version 1 be.
pub(super) fn metadata(spec: &LaunchSpec) -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(if spec.imdsv1 { HttpTokensState::Optional } else { HttpTokensState::Required })
        .http_put_response_hop_limit(METADATA_HOPS)
        .build()
}

pub(super) fn block_devices(spec: &LaunchSpec, image: &Image) -> Vec<BlockDeviceMapping> {
    let root_name = image.root.as_ref().map(|root| root.device.as_str());
    let is_root = |mapping: &&model::BlockDeviceMapping| {
        mapping.device_name == ROOT_DEVICE || Some(mapping.device_name.as_str()) == root_name
    };
    let asked = spec.block_devices.iter().find(is_root).and_then(|mapping| mapping.ebs.as_ref());
    let root = image.root.iter().map(|root| mapped(&root.device, root_volume(root, asked, !spec.plain_root)));
    let others = spec.block_devices.iter().filter(|mapping| !is_root(mapping)).map(other_device);
    root.chain(others).chain(spec.volumes.iter().map(volume)).collect()
}

/// The root volume: encrypted, unless the layer's settings leave that to the image, and as the image has it where nothing else is asked for.
fn root_volume(root: &RootVolume, asked: Option<&model::EbsBlockDevice>, encrypted: bool) -> EbsBlockDevice {
    let builder = asked.map_or_else(EbsBlockDevice::builder, of_record);
    let size = builder.get_volume_size().or(root.size);
    let goes = builder.get_delete_on_termination().unwrap_or(true);
    builder.set_encrypted(encrypted.then_some(true)).set_volume_size(size).delete_on_termination(goes).build()
}

fn other_device(mapping: &model::BlockDeviceMapping) -> BlockDeviceMapping {
    BlockDeviceMapping::builder()
        .device_name(&mapping.device_name)
        .set_ebs(mapping.ebs.as_ref().map(|ebs| of_record(ebs).build()))
        .set_virtual_name(mapping.virtual_name.clone())
        // EC2 takes the empty string only.
        .set_no_device(mapping.no_device.as_ref().map(|_| String::new()))
        .build()
}

fn of_record(ebs: &model::EbsBlockDevice) -> EbsBlockDeviceBuilder {
    EbsBlockDevice::builder()
        .set_snapshot_id(ebs.snapshot_id.clone())
        .set_iops(ebs.iops.map(whole))
        .set_volume_size(ebs.volume_size.map(whole))
        .set_volume_type(ebs.volume_type.as_deref().map(VolumeType::from))
        .set_delete_on_termination(ebs.delete_on_termination)
}

/// A volume of a layer: it outlives the machine [EBS-28].
fn volume(volume: &VolumeSpec) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .volume_size(whole(volume.size))
        .volume_type(VolumeType::from(volume.volume_type.as_str()))
        .set_iops(volume.iops.filter(|_| matches!(volume.volume_type.as_str(), "io1" | "io2" | "gp3")).map(whole))
        // Not asked for, the account's own default holds.
        .set_encrypted(volume.encrypted.then_some(true))
        .delete_on_termination(false);
    mapped(&volume.device, ebs.build())
}

fn mapped(device: &str, ebs: EbsBlockDevice) -> BlockDeviceMapping {
    BlockDeviceMapping::builder().device_name(device).ebs(ebs).build()
}

/// Sizes and IOPS were checked when they were written; one that is too large for the wire is refused by EC2.
fn whole(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use strata_ports::contract::cloud::launch;

    use super::*;

    fn image(root: Option<&str>) -> Image {
        let root = root.map(|device| RootVolume { device: device.to_owned(), size: Some(8) });
        Image { id: "ami-1".to_owned(), root }
    }

    fn mapping(device: &str, size: Option<u32>) -> model::BlockDeviceMapping {
        let ebs = model::EbsBlockDevice { volume_size: size, ..model::EbsBlockDevice::default() };
        model::BlockDeviceMapping { device_name: device.to_owned(), ebs: Some(ebs), virtual_name: None, no_device: None }
    }

    fn shown(devices: &[BlockDeviceMapping]) -> Vec<String> {
        let one = |device: &BlockDeviceMapping| {
            let name = device.device_name().unwrap();
            let Some(ebs) = device.ebs() else {
                return format!("{name} {}", device.virtual_name().or(device.no_device().map(|_| "none")).unwrap());
            };
            let kind = ebs.volume_type().map_or("-", VolumeType::as_str);
            let (size, iops) = (ebs.volume_size().unwrap_or(0), ebs.iops().unwrap_or(0));
            let word = |is: Option<bool>, word: &'static str| if is == Some(true) { word } else { "" };
            format!(
                "{name} {kind} {size} {iops}{}{}",
                word(ebs.encrypted(), " encrypted"),
                word(ebs.delete_on_termination(), " goes")
            )
        };
        devices.iter().map(one).collect()
    }

    #[test]
    fn the_root_volume_is_encrypted_and_as_large_as_the_image_or_as_asked() {
        let mut spec = launch("record-1", "us-east-1a");
        assert_eq!(shown(&block_devices(&spec, &image(Some("/dev/xvda")))), ["/dev/xvda - 8 0 encrypted goes"]);
        assert!(block_devices(&spec, &image(None)).is_empty(), "an instance store has no root volume");
        for name in ["ROOT_DEVICE", "/dev/xvda"] {
            spec.block_devices = vec![mapping(name, Some(30))];
            assert_eq!(shown(&block_devices(&spec, &image(Some("/dev/xvda")))), ["/dev/xvda - 30 0 encrypted goes"], "{name}");
        }
    }

    #[test]
    fn old_metadata_requests_and_a_plain_root_volume_are_a_setting_away() {
        let mut spec = launch("record-1", "us-east-1a");
        assert_eq!(metadata(&spec).http_tokens(), Some(&HttpTokensState::Required));
        (spec.imdsv1, spec.plain_root) = (true, true);
        assert_eq!(metadata(&spec).http_tokens(), Some(&HttpTokensState::Optional));
        assert_eq!(shown(&block_devices(&spec, &image(Some("/dev/xvda")))), ["/dev/xvda - 8 0 goes"]);
    }

    /// [EBS-14] [EBS-28]
    #[test]
    fn ebs_28_the_layers_volumes_outlive_the_machine_and_mapped_devices_are_as_asked() {
        let mut spec = launch("record-1", "us-east-1a");
        let store = model::BlockDeviceMapping { ebs: None, virtual_name: Some("ephemeral0".into()), ..mapping("/dev/sdb", None) };
        let none = model::BlockDeviceMapping { ebs: None, no_device: Some("x".into()), ..mapping("/dev/sdc", None) };
        spec.block_devices = vec![store, none, mapping("/dev/sdh", Some(5))];
        let data = VolumeSpec {
            mount_point: "/data".to_owned(),
            size: 10,
            volume_type: "io1".to_owned(),
            iops: Some(100),
            encrypted: true,
            device: "/dev/sdi".to_owned(),
        };
        let logs = VolumeSpec { volume_type: "gp2".to_owned(), encrypted: false, device: "/dev/sdj".to_owned(), ..data.clone() };
        spec.volumes = vec![data, logs];
        let expected = [
            "/dev/xvda - 8 0 encrypted goes",
            "/dev/sdb ephemeral0",
            "/dev/sdc none",
            "/dev/sdh - 5 0",
            "/dev/sdi io1 10 100 encrypted",
            "/dev/sdj gp2 10 0",
        ];
        assert_eq!(shown(&block_devices(&spec, &image(Some("/dev/xvda")))), expected);
    }

    /// [ECS-53]: whether a machine has a public address is said in each launch, whatever the subnet's default is.
    #[test]
    fn ecs_53_a_public_address_is_asked_for_or_refused() {
        let mut spec = launch("record-1", "us-east-1a");
        for asked in [true, false] {
            spec.associate_public_ip = asked;
            assert_eq!(network_interface(&spec).associate_public_ip_address(), Some(asked));
        }
        assert!(network_interface(&spec).groups().is_empty());
        spec.security_group_ids = vec!["sg-1".to_owned()];
        assert_eq!(network_interface(&spec).groups(), ["sg-1"]);
    }
}
