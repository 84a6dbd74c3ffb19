//! Instance: DescribeInstances is the API's busiest and longest answer, so it goes from the stored bytes to the answer's without a copy
//! of each text in between.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strata_domain::instance_actions::Origin;
use strata_domain::model::{BlockDeviceMapping, Layer, LayerType, RootDeviceType, Stack};
use strata_domain::{InstanceStatus, ScalingType};
use strata_ports::{Item, StoreError};

use super::{Time, shape};

/// A text that is borrowed from the stored bytes where it can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transparent, inline)]
pub(crate) struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            // A text with escapes cannot be borrowed.
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Those members of `model::Instance` that the answer needs; a test holds the two together.
#[derive(Debug, Deserialize)]
pub(crate) struct InstanceRow<'a> {
    #[serde(borrow)]
    pub(crate) id: Text<'a>,
    #[serde(borrow)]
    pub(crate) stack_id: Text<'a>,
    #[serde(default)]
    origin: Origin,
    #[serde(borrow, default)]
    registration: Option<RegistrationRow<'a>>,
    #[serde(borrow)]
    pub(crate) layer_ids: Vec<Text<'a>>,
    #[serde(borrow)]
    hostname: Text<'a>,
    #[serde(borrow)]
    instance_type: Text<'a>,
    #[serde(borrow)]
    os: Text<'a>,
    #[serde(borrow)]
    ami_id: Option<Text<'a>>,
    #[serde(borrow)]
    subnet_id: Text<'a>,
    #[serde(borrow)]
    availability_zone: Text<'a>,
    root_device_type: RootDeviceType,
    scaling: ScalingType,
    #[serde(borrow)]
    architecture: Text<'a>,
    #[serde(borrow)]
    virtualization_type: Text<'a>,
    block_device_mappings: Vec<BlockDeviceMapping>,
    #[serde(borrow)]
    ssh_key_name: Option<Text<'a>>,
    install_updates_on_boot: bool,
    ebs_optimized: bool,
    #[serde(borrow)]
    agent_version: Text<'a>,
    #[serde(borrow)]
    tenancy: Option<Text<'a>>,
    pub(crate) created_at: Timestamp,
    status: InstanceStatus,
    has_been_online: bool,
    #[serde(borrow)]
    ec2_instance_id: Option<Text<'a>>,
    #[serde(borrow)]
    container_instance_arn: Option<Text<'a>>,
    #[serde(borrow)]
    private_ip: Option<Text<'a>>,
    #[serde(borrow)]
    public_ip: Option<Text<'a>>,
    #[serde(borrow, default)]
    elastic_ip: Option<Text<'a>>,
    #[serde(borrow)]
    last_service_error_id: Option<Text<'a>>,
}

/// Those members of `model::Registration` that the answer needs.
#[derive(Debug, Deserialize)]
struct RegistrationRow<'a> {
    #[serde(borrow)]
    registered_by: Text<'a>,
    #[serde(borrow)]
    reported_os: Option<ReportedOsRow<'a>>,
}

#[derive(Debug, Deserialize)]
struct ReportedOsRow<'a> {
    #[serde(borrow)]
    family: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    version: Text<'a>,
}

impl<'a> InstanceRow<'a> {
    /// Reads a stored instance.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] names the key.
    pub(crate) fn of(item: &'a Item) -> Result<Self, StoreError> {
        serde_json::from_slice(&item.value).map_err(|e| StoreError::Unreadable { key: item.key.clone(), problem: e.to_string() })
    }

    pub(crate) fn is_in(&self, layer: &strata_domain::LayerId) -> bool {
        self.layer_ids.iter().any(|id| id.as_str() == layer.as_str())
    }
}

shape! {
    /// The EBS volume of a block device.
    EbsBlockDeviceShape<'a> {} unless_absent {
        /// The snapshot that the volume is made from.
        snapshot_id: &'a str,
        /// The I/O operations per second.
        iops: u32,
        /// The size in GiB.
        volume_size: u32,
        /// The type.
        volume_type: &'a str,
        /// Whether the volume is deleted with the instance.
        delete_on_termination: bool,
    }
}

shape! {
    /// A block device of an instance, as it was asked for.
    BlockDeviceMappingShape<'a> {
        /// The device name, or ROOT_DEVICE.
        device_name: &'a str,
    } unless_absent {
        /// The image's mapping of the device is dropped.
        no_device: &'a str,
        /// The virtual device name.
        virtual_name: &'a str,
        /// The EBS volume.
        ebs: EbsBlockDeviceShape<'a>,
    }
}

impl<'a> BlockDeviceMappingShape<'a> {
    fn of(mapping: &'a BlockDeviceMapping) -> Self {
        let ebs = mapping.ebs.as_ref().map(|ebs| EbsBlockDeviceShape {
            snapshot_id: ebs.snapshot_id.as_deref(),
            iops: ebs.iops,
            volume_size: ebs.volume_size,
            volume_type: ebs.volume_type.as_deref(),
            delete_on_termination: ebs.delete_on_termination,
        });
        Self {
            device_name: &mapping.device_name,
            no_device: mapping.no_device.as_deref(),
            virtual_name: mapping.virtual_name.as_deref(),
            ebs,
        }
    }
}

shape! {
    /// The operating system that an instance reports.
    ReportedOsShape<'a> {} unless_absent {
        /// For example `debian`.
        family: &'a str,
        /// For example `ubuntu`.
        name: &'a str,
        /// For example `22.04`.
        version: &'a str,
    }
}

shape! {
    /// An element of DescribeInstances. `reported_os` is an object even when empty: old Terraform versions crash without it [CLT-4].
    InstanceShape<'a> {
        /// The instance's id, a UUID; not EC2's `i-...`.
        instance_id: &'a str,
        /// The stack's id.
        stack_id: &'a str,
        /// Ids of the layers that it is in.
        layer_ids: &'a [Text<'a>],
        /// Its ARN.
        arn: String,
        /// The host name.
        hostname: &'a str,
        /// The operating system; `Custom` if it runs from an AMI of yours.
        os: &'a str,
        /// The processor architecture.
        architecture: &'a str,
        /// `ec2`, or `on-premises` for a registered machine of your own.
        infrastructure_class: &'static str,
        /// Whether the operating system's updates are installed at boot.
        install_updates_on_boot: bool,
        /// Whether the machine is EBS-optimised.
        ebs_optimized: bool,
        /// The agent version that is claimed, or `INHERIT`.
        agent_version: &'a str,
        /// When it was made, in UTC.
        created_at: Time,
        /// Its status.
        status: &'static str,
        /// What the machine says about its operating system; may be empty.
        reported_os: ReportedOsShape<'a>,
        /// Block devices, as they were asked for.
        block_device_mappings: Vec<BlockDeviceMappingShape<'a>>,
        /// Ids of its security groups.
        security_group_ids: Vec<&'a str>,
    } unless_absent {
        /// The EC2 instance type, such as `m5.large`; like the next four absent for an on-premises instance.
        instance_type: &'a str,
        /// The subnet.
        subnet_id: &'a str,
        /// The zone.
        availability_zone: &'a str,
        /// The root device.
        root_device_type: &'static str,
        /// How the machine is virtualised.
        virtualization_type: &'a str,
        /// Its instance profile; a registered machine's is not known.
        instance_profile_arn: &'a str,
        /// Who registered it, by IAM ARN; absent for one that was created.
        registered_by: &'a str,
        /// The AMI of your own that it runs from.
        ami_id: &'a str,
        /// `load` or `timer`; absent for 24/7.
        auto_scaling_type: &'static str,
        /// The EC2 key pair.
        ssh_key_name: &'a str,
        /// The tenancy, if it was given.
        tenancy: &'a str,
        /// EC2's id, `i-...`, while there is a machine.
        ec2_instance_id: &'a str,
        /// The layer's cluster, while it is in it.
        ecs_cluster_arn: &'a str,
        /// Its container instance, while it is in the cluster.
        ecs_container_instance_arn: &'a str,
        /// Its private address.
        private_ip: &'a str,
        /// Its public address.
        public_ip: &'a str,
        /// Its Elastic IP address; one that is offline gets it at its next start.
        elastic_ip: &'a str,
        /// The agent version that the machine reported.
        reported_agent_version: &'static str,
        /// The newest error about it.
        last_service_error_id: &'a str,
    }
}

/// The agent that we claim to be: no agent of that kind exists any more, but clients compare the number with [ECS-13] [ECS-120].
pub(crate) const REPORTED_AGENT_VERSION: &str = "4039-20240526000000";

/// What an answer about an instance needs beside its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    /// Its stack.
    pub(crate) stack: &'a Stack,
    /// The stack's layers.
    pub(crate) layers: &'a [Layer],
}

impl<'a> InstanceShape<'a> {
    pub(crate) fn of(row: &'a InstanceRow<'_>, around: Surroundings<'a>) -> Self {
        let layers = || around.layers.iter().filter(|layer| row.is_in(&layer.id));
        let container_instance = row.container_instance_arn.as_ref();
        let cluster = layers().find(|l| l.layer_type == LayerType::EcsCluster).and_then(|l| l.cluster.as_ref());
        let own_profile = layers().find_map(|l| l.custom_instance_profile_arn.as_deref());
        let mut groups: Vec<&str> = Vec::new();
        for group in layers().flat_map(|l| l.custom_security_group_ids.iter().map(String::as_str)) {
            // A group of two of its layers is applied once [SG-10].
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let Stack { region, account, .. } = around.stack;
        let is_on_ec2 = row.origin != Origin::OnPremises;
        let registration = row.registration.as_ref();
        let reported = registration.and_then(|r| r.reported_os.as_ref());
        Self {
            instance_id: row.id.as_str(),
            stack_id: row.stack_id.as_str(),
            layer_ids: &row.layer_ids,
            arn: format!("arn:aws:opsworks:{region}:{account}:instance/{}", row.id.as_str()),
            hostname: row.hostname.as_str(),
            os: row.os.as_str(),
            architecture: row.architecture.as_str(),
            infrastructure_class: if is_on_ec2 { "ec2" } else { "on-premises" },
            install_updates_on_boot: row.install_updates_on_boot,
            ebs_optimized: row.ebs_optimized,
            agent_version: row.agent_version.as_str(),
            created_at: Time(row.created_at),
            status: row.status.as_str(),
            reported_os: ReportedOsShape {
                family: reported.map(|os| os.family.as_str()),
                name: reported.map(|os| os.name.as_str()),
                version: reported.map(|os| os.version.as_str()),
            },
            block_device_mappings: row.block_device_mappings.iter().map(BlockDeviceMappingShape::of).collect(),
            security_group_ids: groups,
            // What EC2 alone has.
            instance_type: is_on_ec2.then_some(row.instance_type.as_str()),
            subnet_id: is_on_ec2.then_some(row.subnet_id.as_str()),
            availability_zone: is_on_ec2.then_some(row.availability_zone.as_str()),
            root_device_type: is_on_ec2.then_some(row.root_device_type.as_str()),
            virtualization_type: is_on_ec2.then_some(row.virtualization_type.as_str()),
            // A registered machine keeps the profile that it was launched with, which is not ours to know.
            instance_profile_arn: (row.origin == Origin::Created)
                .then(|| own_profile.unwrap_or(&around.stack.default_instance_profile_arn)),
            registered_by: registration.map(|r| r.registered_by.as_str()),
            ami_id: row.ami_id.as_ref().map(Text::as_str),
            auto_scaling_type: row.scaling.as_wire(),
            ssh_key_name: row.ssh_key_name.as_ref().map(Text::as_str),
            tenancy: row.tenancy.as_ref().map(Text::as_str),
            ec2_instance_id: row.ec2_instance_id.as_ref().map(Text::as_str),
            // Both are absent before conversion and after deregistration [ECS-66].
            ecs_cluster_arn: container_instance.and(cluster).map(|c| c.as_str()),
            ecs_container_instance_arn: container_instance.map(Text::as_str),
            private_ip: row.private_ip.as_ref().map(Text::as_str),
            public_ip: row.public_ip.as_ref().map(Text::as_str),
            elastic_ip: row.elastic_ip.as_ref().map(Text::as_str),
            reported_agent_version: row.has_been_online.then_some(REPORTED_AGENT_VERSION),
            last_service_error_id: row.last_service_error_id.as_ref().map(Text::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use strata_domain::model::{Instance, Registration};
    use strata_domain::registration::ReportedOs;
    use strata_ports::{Key, keys};

    use super::*;
    use crate::records::samples;

    fn shown(instance: &Instance) -> Value {
        let (stack, layers) = (samples::stack(), [samples::layer()]);
        let key: Key = keys::instance(&stack.id, &instance.id);
        let item = Item { key, version: 1, value: serde_json::to_vec(instance).unwrap().into() };
        let row = InstanceRow::of(&item).unwrap();
        serde_json::to_value(InstanceShape::of(&row, Surroundings { stack: &stack, layers: &layers })).unwrap()
    }

    /// [ECS-66] [WIRE-6]
    #[test]
    fn ecs_66_the_cluster_shows_only_while_there_is_a_container_instance() {
        let mut instance = samples::instance();
        let before = shown(&instance);
        instance.container_instance_arn = Some("arn:ci".into());
        let after = shown(&instance);
        for member in ["EcsClusterArn", "EcsContainerInstanceArn"] {
            assert!(before.get(member).is_none() && after.get(member).is_some(), "{member}");
        }
        assert_eq!(before["LayerIds"], json!([samples::layer().id]));
        assert_eq!(before["ReportedOs"], json!({}));
        assert!(before.get("AutoScalingType").is_none(), "24/7 has no type on the wire");
    }

    /// [REG-7]
    #[test]
    fn reg_7_a_registered_instance_shows_who_registered_it_and_what_it_reports() {
        let reported_os = ReportedOs::of_platform("Ubuntu", "22.04");
        let registration = Registration { registered_by: "arn:ada".to_owned(), reported_os, ..Registration::default() };
        let machine = Instance {
            origin: Origin::RegisteredEc2,
            registration: Some(registration.clone()),
            os: "Custom".to_owned(),
            layer_ids: Vec::new(),
            ..samples::instance()
        };
        let ec2 = shown(&machine);
        for (member, value) in [
            ("InfrastructureClass", json!("ec2")),
            ("RegisteredBy", json!("arn:ada")),
            ("Os", json!("Custom")),
            ("ReportedOs", json!({ "Family": "debian", "Name": "ubuntu", "Version": "22.04" })),
            ("LayerIds", json!([])),
            ("InstanceType", json!("m5.large")),
            ("InstanceProfileArn", Value::Null),
        ] {
            assert_eq!(ec2[member], value, "{member}");
        }
        let own = shown(&Instance { origin: Origin::OnPremises, ..machine });
        assert_eq!(own["InfrastructureClass"], "on-premises");
        for member in ["InstanceType", "SubnetId", "AvailabilityZone", "RootDeviceType", "VirtualizationType"] {
            assert!(own.get(member).is_none(), "{member}");
        }
    }

    #[test]
    fn a_record_from_before_registration_and_tags_existed_is_read_as_a_created_one() {
        let mut old = serde_json::to_value(samples::instance()).unwrap();
        for member in ["origin", "registration"] {
            old.as_object_mut().unwrap().remove(member);
        }
        assert_eq!(serde_json::from_value::<Instance>(old.clone()).unwrap(), samples::instance());
        let item = Item { key: Key::new("p", "s"), version: 1, value: old.to_string().into() };
        assert_eq!(InstanceRow::of(&item).unwrap().origin, Origin::Created);
        let without_tags = |mut record: Value| {
            record.as_object_mut().unwrap().remove("tags");
            record
        };
        let stack = without_tags(serde_json::to_value(samples::stack()).unwrap());
        assert_eq!(serde_json::from_value::<Stack>(stack).unwrap(), samples::stack());
        let layer = without_tags(serde_json::to_value(samples::layer()).unwrap());
        assert_eq!(serde_json::from_value::<Layer>(layer).unwrap(), samples::layer());
    }

    #[test]
    fn every_member_of_the_record_is_read_as_it_was_written_escapes_included() {
        let mut instance = samples::instance();
        instance.hostname = "a\"b\\cü\n".to_owned();
        instance.ami_id = Some("ami-1".to_owned());
        instance.scaling = ScalingType::Load;
        instance.ssh_key_name = Some("key".to_owned());
        instance.tenancy = Some("host".to_owned());
        instance.has_been_online = true;
        instance.ec2_instance_id = Some("i-1".into());
        instance.container_instance_arn = Some("arn:ci".into());
        instance.private_ip = Some("10.0.0.1".to_owned());
        instance.public_ip = Some("192.0.2.1".to_owned());
        instance.elastic_ip = Some("203.0.113.2".to_owned());
        instance.last_service_error_id = Some("e".into());
        let expected = json!({
            "InstanceId": instance.id, "StackId": instance.stack_id, "LayerIds": instance.layer_ids,
            "Arn": instance.arn("eu-west-1", "123456789012"), "Hostname": instance.hostname, "InstanceType": "m5.large",
            "Os": "Amazon Linux 2023", "SubnetId": "subnet-a", "AvailabilityZone": "eu-west-1a", "RootDeviceType": "ebs",
            "Architecture": "x86_64", "VirtualizationType": "hvm", "InfrastructureClass": "ec2", "InstallUpdatesOnBoot": true,
            "EbsOptimized": false, "AgentVersion": "INHERIT", "CreatedAt": "2026-01-01T00:00:00+00:00", "Status": "stopped",
            "ReportedOs": {}, "BlockDeviceMappings": [], "SecurityGroupIds": [],
            "InstanceProfileArn": "arn:aws:iam::123456789012:instance-profile/ec2", "AmiId": "ami-1", "AutoScalingType": "load",
            "SshKeyName": "key", "Tenancy": "host", "Ec2InstanceId": "i-1",
            "EcsClusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/shop", "EcsContainerInstanceArn": "arn:ci",
            "PrivateIp": "10.0.0.1", "PublicIp": "192.0.2.1", "ElasticIp": "203.0.113.2", "ReportedAgentVersion": REPORTED_AGENT_VERSION, "LastServiceErrorId": "e",
        });
        assert_eq!(shown(&instance), expected);
    }
}
