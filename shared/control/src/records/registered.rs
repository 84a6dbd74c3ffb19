//! The record of a machine that was there before its instance: registered by its agent, or launched for break-glass and adopted.

use jiff::Timestamp;
use strata_domain::instance_actions::Origin;
use strata_domain::model::{Attached, Care, Instance, Registration, RootDeviceType, Shortage};
use strata_domain::registration::Candidate;
use strata_domain::{InstanceId, InstanceStatus, ScalingType, StackId};
use strata_ports::{Ec2State, HostView};

/// A machine as the rules see it.
pub(crate) fn candidate(host: &HostView) -> Candidate<'_> {
    Candidate {
        id: host.id.as_str(),
        is_running: host.state == Ec2State::Running,
        state: host.state.as_str(),
        vpc_id: &host.vpc_id,
        architecture: &host.architecture,
        is_spot: host.is_spot,
        auto_scaling_group: host.auto_scaling_group.as_deref(),
        installation: host.installation.as_deref(),
        platform: host.platform.as_ref().map(|p| (p.name.as_str(), p.version.as_str())),
    }
}

/// A record in status `registering`, of a machine that EC2 shows, or of one on-premises.
pub(crate) fn registered(
    (id, stack_id): (InstanceId, StackId),
    hostname: String,
    host: Option<HostView>,
    registration: Registration,
    now: Timestamp,
) -> Instance {
    let root = host.as_ref().filter(|h| h.root_device_type == RootDeviceType::InstanceStore.as_str());
    let of_host = |get: fn(&HostView) -> &String| host.as_ref().map(get).cloned();
    Instance {
        id,
        stack_id,
        origin: if host.is_some() { Origin::RegisteredEc2 } else { Origin::OnPremises },
        registration: Some(registration),
        layer_ids: Vec::new(),
        hostname,
        instance_type: of_host(|h| &h.instance_type).unwrap_or_default(),
        os: "Custom".to_owned(),
        // A restart of an instance-store one launches the same image [REG-5].
        ami_id: host.as_ref().and_then(|h| h.image_id.clone()),
        subnet_id: of_host(|h| &h.subnet_id).unwrap_or_default(),
        availability_zone: of_host(|h| &h.zone).unwrap_or_default(),
        root_device_type: if root.is_some() { RootDeviceType::InstanceStore } else { RootDeviceType::Ebs },
        scaling: ScalingType::AlwaysOn,
        virtualization_type: "hvm".to_owned(),
        architecture: of_host(|h| &h.architecture).unwrap_or_else(|| "x86_64".to_owned()),
        ssh_key_name: host.as_ref().and_then(|h| h.key_name.clone()),
        install_updates_on_boot: true,
        ebs_optimized: false,
        agent_version: "INHERIT".to_owned(),
        tenancy: None,
        created_at: now,
        status: InstanceStatus::Registering,
        status_since: now,
        status_sequence: 0,
        initiated_by: None,
        launch_number: 0,
        started_at: None,
        shortage: Shortage::default(),
        online_since: None,
        has_been_online: false,
        ec2_instance_id: host.as_ref().map(|h| h.id.clone()),
        container_instance_arn: None,
        private_ip: host.as_ref().and_then(|h| h.private_ip.clone()),
        public_ip: host.as_ref().and_then(|h| h.public_ip.clone()),
        volumes: Vec::new(),
        // What is attached joins the stack when it is assigned [RES-12].
        volumes_noted_of: host.as_ref().map(|h| h.id.clone()),
        elastic_ip: None,
        attached: Attached::default(),
        block_device_mappings: Vec::new(),
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
