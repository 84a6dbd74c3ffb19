//! UpdateInstance [ACT-68] [INST-50..53]: only while stopped. What is fixed at creation may be sent unchanged [CLT-4].

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::instance_actions::{Allowed, InstanceAction, allowed};
use strata_domain::model::{Instance, Layer, RootDeviceType, Stack};
use strata_ports::{Change, Expect};

use super::create_instance::{check_agent_version, check_hostname, check_layers, check_os, check_texts, hostname_taken};
use super::start_instance::check_joins;
use super::uniqueness::{give_back, host, take};
use super::update_stack::unless_emptied;
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, non_empty, required};
use crate::api::transaction::Answer;
use crate::records::Stored;

/// Changes settings of an instance. Members that are left out stay as they are.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The instance's id, a UUID; not EC2's `i-...`.
    #[schemars(required)]
    instance_id: Option<String>,
    /// Ids of the layers that it is in from now on, all of one stack.
    layer_ids: Option<Vec<String>>,
    /// The EC2 instance type, such as `m5.large`.
    instance_type: Option<String>,
    /// `load` or `timer`; absent for 24/7.
    #[schemars(extend("enum" = ["load", "timer"]))]
    auto_scaling_type: Option<String>,
    /// The host name: 1 to 63 letters, digits and hyphens, unique in the stack.
    hostname: Option<String>,
    /// The operating system, or `Custom` together with `AmiId`.
    os: Option<String>,
    /// The AMI; only with the operating system `Custom`.
    ami_id: Option<String>,
    /// The EC2 key pair.
    ssh_key_name: Option<String>,
    /// The processor architecture.
    #[schemars(extend("enum" = ["x86_64", "i386"]))]
    architecture: Option<String>,
    /// Whether the operating system's updates are installed at boot.
    install_updates_on_boot: Option<bool>,
    /// Cannot be changed; the present value may be sent.
    ebs_optimized: Option<bool>,
    /// The agent version that is claimed.
    agent_version: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let id = required(m.instance_id.clone(), "InstanceId")?;
    check_values(&m)?;
    let stored = call.instance(&id).await?;
    let stack = call.stack(stored.record.stack_id.as_str()).await?.record;
    let present: Vec<String> = stored.record.layer_ids.iter().map(ToString::to_string).collect();
    let layers = call.layers_of_one_stack(&non_empty(m.layer_ids.clone()).unwrap_or(present)).await?;
    call.permit(Some(&stack.id)).await?;
    match allowed(InstanceAction::Update, stored.record.status, stored.record.origin) {
        Allowed::Yes => {}
        Allowed::NoEffect => return Ok(Answer::default()),
        Allowed::Refused(text) => return Err(ApiError::Validation(text)),
    }
    check_fixed(&stored.record, &m)?;
    check_layers(&stack, &layers)?;
    let next = changed(input, &stored.record, &stack, &layers, m)?;
    if next.ssh_key_name != stored.record.ssh_key_name {
        call.check_key_pair(&call.scope(&stack), "SshKeyName", next.ssh_key_name.as_deref()).await?;
    }

    let mut changes = vec![stored.put(&next)];
    let joined: Vec<_> = layers.iter().filter(|l| !stored.record.layer_ids.contains(&l.record.id)).collect();
    check_joins(call, joined.iter().map(|l| &l.record)).await?;
    changes.extend(joined.into_iter().map(Stored::touch));
    changes.extend(renamed(call, &stored.record, &next).await?);
    Ok(Answer::done(changes))
}

fn check_values(m: &Members) -> Result<(), ApiError> {
    check_texts(m.instance_type.as_deref(), m.ami_id.as_deref(), m.ssh_key_name.as_deref())?;
    if let Some(hostname) = &m.hostname {
        check_hostname(hostname)?;
    }
    if let Some(os) = &m.os {
        checks::os("Os", os)?;
    }
    if let Some(architecture) = &m.architecture {
        checks::one_of("Architecture", architecture, &["x86_64", "i386"])?;
    }
    Ok(())
}

/// Scaling type and EBS optimization are fixed at creation [INST-51]; the Os may change for instance-store roots only, and not
/// to or from a custom AMI [INST-52].
fn check_fixed(instance: &Instance, m: &Members) -> Result<(), ApiError> {
    let fixed = |member: &str| Err(ApiError::field(member, "cannot be changed"));
    if m.auto_scaling_type.is_some() && m.auto_scaling_type.as_deref() != instance.scaling.as_wire() {
        return fixed("AutoScalingType");
    }
    if m.ebs_optimized.is_some_and(|e| e != instance.ebs_optimized) {
        return fixed("EbsOptimized");
    }
    let os_changes = m.os.as_ref().is_some_and(|os| *os != instance.os);
    let is_custom = instance.os == "Custom" || m.os.as_deref() == Some("Custom");
    if os_changes && (is_custom || instance.root_device_type == RootDeviceType::Ebs) {
        return fixed("Os");
    }
    if m.ami_id.is_some() && m.ami_id != instance.ami_id {
        return fixed("AmiId");
    }
    Ok(())
}

fn changed(
    input: &Input,
    instance: &Instance,
    stack: &Stack,
    layers: &[Stored<Layer>],
    m: Members,
) -> Result<Instance, ApiError> {
    let mut next = instance.clone();
    next.layer_ids = layers.iter().map(|l| l.record.id.clone()).collect();
    next.instance_type = m.instance_type.unwrap_or(next.instance_type);
    next.hostname = m.hostname.unwrap_or(next.hostname);
    next.os = m.os.unwrap_or(next.os);
    next.architecture = m.architecture.unwrap_or(next.architecture);
    next.install_updates_on_boot = m.install_updates_on_boot.unwrap_or(next.install_updates_on_boot);
    next.agent_version = m.agent_version.unwrap_or(next.agent_version);
    next.ssh_key_name = unless_emptied(input, "SshKeyName", m.ssh_key_name, next.ssh_key_name);
    check_os(stack, layers, Some(&next.os), next.ami_id.as_deref())?;
    check_agent_version(layers, &next.agent_version)?;
    Ok(next)
}

async fn renamed(call: &Call<'_>, before: &Instance, after: &Instance) -> Result<Vec<Change>, ApiError> {
    let (old, new) = (host(&before.stack_id, &before.hostname), host(&after.stack_id, &after.hostname));
    if old == new {
        return Ok(Vec::new());
    }
    let mut changes = vec![take(call, new, after.id.as_str(), || hostname_taken(&after.hostname)).await?];
    match give_back(call, old.clone()).await? {
        Some(change) => changes.push(change),
        None => changes.push(Change::Check { key: old, expect: Expect::Absent }),
    }
    Ok(changes)
}
