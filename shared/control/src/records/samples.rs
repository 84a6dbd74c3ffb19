//! Sample records for this crate's tests.

use strata_domain::instance_actions::Origin;
use strata_domain::model::{Attached, Care, Instance, Layer, LayerType, RootDeviceType, ShutdownConfiguration, Stack};
use strata_domain::{InstanceStatus, ScalingType};

fn start_of_2026() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn stack() -> Stack {
    Stack {
        id: "00000000-0000-4000-8000-000000000001".into(),
        name: "shop".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "123456789012".to_owned(),
        vpc_id: "vpc-1".to_owned(),
        default_subnet_id: Some("subnet-a".to_owned()),
        default_availability_zone: Some("eu-west-1a".to_owned()),
        default_os: "Amazon Linux 2023".to_owned(),
        hostname_theme: "Layer_Dependent".to_owned(),
        chef_version: "12".to_owned(),
        service_role_arn: "arn:aws:iam::123456789012:role/service".to_owned(),
        default_instance_profile_arn: "arn:aws:iam::123456789012:instance-profile/ec2".to_owned(),
        default_root_device_type: RootDeviceType::Ebs,
        agent_version: "LATEST".to_owned(),
        default_ssh_key_name: None,
        use_opsworks_security_groups: true,
        use_custom_cookbooks: false,
        custom_cookbooks_source: None,
        chef_configuration: Default::default(),
        custom_json: None,
        attributes: Default::default(),
        tags: Default::default(),
        created_at: start_of_2026(),
    }
}

pub(crate) fn layer() -> Layer {
    Layer {
        id: "00000000-0000-4000-8000-000000000002".into(),
        stack_id: stack().id,
        layer_type: LayerType::EcsCluster,
        name: "web".to_owned(),
        shortname: "ecs-cluster".to_owned(),
        cluster: Some("arn:aws:ecs:eu-west-1:123456789012:cluster/shop".into()),
        enable_auto_healing: true,
        auto_assign_elastic_ips: false,
        auto_assign_public_ips: true,
        custom_instance_profile_arn: None,
        custom_security_group_ids: Vec::new(),
        volume_configurations: Vec::new(),
        install_updates_on_boot: true,
        use_ebs_optimized_instances: false,
        shutdown: ShutdownConfiguration::default(),
        custom_recipes: Default::default(),
        packages: Vec::new(),
        custom_json: None,
        attributes: Default::default(),
        logs: None,
        tags: Default::default(),
        created_at: start_of_2026(),
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        id: "00000000-0000-4000-8000-000000000003".into(),
        stack_id: stack().id,
        origin: Origin::Created,
        registration: None,
        layer_ids: vec![layer().id],
        hostname: "ecs-cluster1".to_owned(),
        instance_type: "m5.large".to_owned(),
        os: "Amazon Linux 2023".to_owned(),
        ami_id: None,
        subnet_id: "subnet-a".to_owned(),
        availability_zone: "eu-west-1a".to_owned(),
        root_device_type: RootDeviceType::Ebs,
        scaling: ScalingType::AlwaysOn,
        architecture: "x86_64".to_owned(),
        virtualization_type: "hvm".into(),
        block_device_mappings: Vec::new(),
        ssh_key_name: None,
        install_updates_on_boot: true,
        ebs_optimized: false,
        agent_version: "INHERIT".to_owned(),
        tenancy: None,
        created_at: start_of_2026(),
        status: InstanceStatus::Stopped,
        status_since: start_of_2026(),
        status_sequence: 0,
        initiated_by: None,
        launch_number: 0,
        started_at: None,
        shortage: strata_domain::model::Shortage::default(),
        online_since: None,
        has_been_online: false,
        ec2_instance_id: None,
        container_instance_arn: None,
        private_ip: None,
        public_ip: None,
        volumes: Vec::new(),
        volumes_noted_of: None,
        elastic_ip: None,
        attached: Attached::default(),
        setup_command: None,
        shutdown_command: None,
        agent_silent_since: None,
        drained_for: None,
        out_of_service_since: None,
        healing: false,
        heals: Vec::new(),
        care: Care::default(),
        delete: None,
        last_service_error_id: None,
    }
}
