//! RegisterInstance [ACT-52] [REG-6] [REG-7]: a machine that exists already becomes an instance of the stack. The agent calls it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_domain::model::{Instance, Registration, Stack};
use strata_domain::registration::{ReportedOs, check_candidate};
use strata_domain::{Ec2InstanceId, InstanceId, hostnames};
use strata_ports::{Change, Expect, HostView, keys};

use super::create_instance::{check_hostname, hostname_taken};
use super::uniqueness::{self, hosts_of};
use crate::api::call::Call;
use crate::api::checks;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::{Stored, busy_changes, candidate, registered};

/// What host names are suggested from: a registered instance is in no layer.
const SHORTNAME: &str = "registered";

/// Registers a machine with a stack. It is meant for the agent on the machine, not for people.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack.
    #[schemars(required)]
    stack_id: Option<String>,
    /// The host name; by default one of the stack's theme.
    hostname: Option<String>,
    /// The public IP address; of an EC2 instance EC2's word counts.
    public_ip: Option<String>,
    /// The private IP address; of an EC2 instance EC2's word counts.
    private_ip: Option<String>,
    /// The public key of the machine's agent.
    rsa_public_key: Option<String>,
    /// That key's fingerprint.
    rsa_public_key_fingerprint: Option<String>,
    /// Who the machine is, by EC2's word; without it the machine is an on-premises one.
    instance_identity: Option<Identity>,
}

/// An EC2 instance identity document and its signature.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    /// The document, byte for byte.
    document: Option<String>,
    /// The signature that the metadata service gives with it.
    signature: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output<'a> {
    /// The instance's id.
    instance_id: &'a str,
}

/// At most so many characters of a key, fingerprint or address; of what is longer none is one.
const MAX_TEXT: usize = 4_096;

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack_id = required(m.stack_id.as_deref(), "StackId")?;
    let identity = check_values(&m)?;
    let stored = call.stack(stack_id).await?;
    let stack = &stored.record;
    call.permit(Some(&stack.id)).await?;

    let machine = match identity {
        Some((document, signature)) => Some(machine(call, stack, document, signature).await?),
        None => None,
    };
    let taken = hosts_of(call, &stack.id).await?;
    checks::quota("instances in a stack", taken.len(), call.config.max_instances)?;
    let hostname = match &m.hostname {
        Some(given) if taken.contains(&given.to_ascii_lowercase()) => return Err(hostname_taken(given)),
        Some(given) => given.clone(),
        None => hostnames::suggest(&stack.hostname_theme, SHORTNAME, &taken),
    };
    let index = machine.as_ref().map(|machine| (keys::ec2_index(&machine.host.id), machine.index));
    let instance = build(call, stack, m, machine, hostname);
    let owner = keys::Owner { kind: "instance".to_owned(), stack_id: stack.id.clone() };
    let mut changes = vec![
        Change::put(keys::instance(&stack.id, &instance.id), &instance, Expect::Absent),
        Change::put(keys::pointer(instance.id.as_str()), &owner, Expect::Absent),
        Change::put(uniqueness::host(&stack.id, &instance.hostname), &instance.id, Expect::Absent),
        // It joins no layer, so it is the stack's write that makes a DeleteStack look again.
        stored.touch(),
    ];
    changes.extend(index.map(|(key, expect)| {
        let owner = keys::Ec2Owner { stack_id: stack.id.clone(), instance_id: instance.id.clone() };
        Change::put(key, &owner, expect)
    }));
    changes.extend(busy_changes(call.store(), &instance, true).await?);
    Ok(Answer::of(&Output { instance_id: instance.id.as_str() }).with(changes))
}

/// Checks what needs no look-up, and gives document and signature if there are any.
fn check_values(m: &Members) -> Result<Option<(&str, &str)>, ApiError> {
    if let Some(hostname) = &m.hostname {
        check_hostname(hostname)?;
    }
    for (member, value) in [
        ("PublicIp", &m.public_ip),
        ("PrivateIp", &m.private_ip),
        ("RsaPublicKey", &m.rsa_public_key),
        ("RsaPublicKeyFingerprint", &m.rsa_public_key_fingerprint),
    ] {
        if let Some(value) = value {
            checks::name(member, value, MAX_TEXT)?;
        }
    }
    let Some(identity) = &m.instance_identity else { return Ok(None) };
    let part = |value: &'_ Option<String>, name: &str| match value {
        Some(_) => Ok(()),
        None => Err(ApiError::field("InstanceIdentity", format!("{name} is required"))),
    };
    part(&identity.document, "Document")?;
    part(&identity.signature, "Signature")?;
    Ok(identity.document.as_deref().zip(identity.signature.as_deref()))
}

/// An EC2 instance that may be registered.
struct Machine {
    host: HostView,
    reported_os: ReportedOs,
    /// The condition under which it is nobody's.
    index: Expect,
}

/// The machine that an identity document names: its signature, account and region, and what EC2 says of it [REG-6] [REG-7].
async fn machine(call: &Call<'_>, stack: &Stack, document: &str, signature: &str) -> Result<Machine, ApiError> {
    let wrong = |text: String| ApiError::field("InstanceIdentity", text);
    let identity = call.ports.identity.verify_instance(document, signature).await?;
    let identity = identity.ok_or_else(|| wrong("the signature is not that of the document".to_owned()))?;
    if identity.account != stack.account {
        return Err(wrong(format!("the EC2 instance belongs to account {}, the stack to {}", identity.account, stack.account)));
    }
    if identity.region != stack.region {
        return Err(wrong(format!("the EC2 instance is in {}, the stack in {}", identity.region, stack.region)));
    }
    let hosts = call.ports.inventory.hosts(&call.scope(stack), std::slice::from_ref(&identity.host)).await?;
    let host = hosts.into_iter().find(|host| host.id == identity.host);
    let host = host.ok_or_else(|| wrong(format!("EC2 knows no instance {}", identity.host)))?;
    let reported_os = check_candidate(&candidate(&host), &stack.vpc_id, call.config.installation.as_deref())?;
    let index = nobodys(call, &host.id).await?;
    Ok(Machine { host, reported_os, index })
}

/// The condition on the machine's index under which it is no instance yet. An entry whose record is gone or has another machine is left
/// over.
async fn nobodys(call: &Call<'_>, host: &Ec2InstanceId) -> Result<Expect, ApiError> {
    let Some(entry) = call.find::<keys::Ec2Owner>(&keys::ec2_index(host)).await? else { return Ok(Expect::Absent) };
    let owner = &entry.record;
    match call.find::<Instance>(&keys::instance(&owner.stack_id, &owner.instance_id)).await? {
        Some(Stored { record, .. }) if record.ec2_instance_id.as_ref() == Some(host) => Err(ApiError::field(
            "InstanceIdentity",
            format!("the EC2 instance {host} is already the instance {} of the stack {}", record.id, record.stack_id),
        )),
        Some(_) | None => Ok(entry.unchanged()),
    }
}

/// The record. Of an EC2 instance EC2 is believed, not the agent.
fn build(call: &Call<'_>, stack: &Stack, m: Members, machine: Option<Machine>, hostname: String) -> Instance {
    let (host, reported_os) = machine.map(|machine| (machine.host, machine.reported_os)).unzip();
    let registration = Registration {
        registered_by: call.principal.arn.clone(),
        rsa_public_key: m.rsa_public_key,
        rsa_public_key_fingerprint: m.rsa_public_key_fingerprint,
        reported_os,
    };
    let is_on_ec2 = host.is_some();
    let ids = (InstanceId::from(call.ports.ids.uuid()), stack.id.clone());
    let mut record = registered(ids, hostname, host, registration, call.now);
    if !is_on_ec2 {
        (record.private_ip, record.public_ip) = (m.private_ip, m.public_ip);
    }
    record
}
