//! Break-glass: what stands in a layer's launch template, from which anybody can launch a container instance with Strata gone.
//!
//! The template is made of the same settings as a launch; only what a launch has of its own record is decided here.

use std::collections::BTreeMap;

use crate::instance_actions::Origin;
use crate::model::Instance;
use crate::{ClusterArn, LayerId};

/// Stands where a launch has its record's host name.
pub const HOSTNAME: &str = "break-glass";
/// The instance type of a layer that has no instances and names no fallbacks.
const USUAL_TYPE: &str = "m5.large";
/// The Os of a layer without instances whose stack's own cannot be launched by name.
const USUAL_OS: &str = "Amazon Linux 2023";
/// EC2's longest user data, before it is encoded.
pub const LONGEST_USER_DATA: usize = 16_384;
/// The longest part of a name that comes from people.
const LONGEST_PART: usize = 48;

/// The script of a machine's first boot, with an empty cluster.
const BOOT: &str = include_str!("break_glass/boot.sh");
const NO_CLUSTER: &str = "\nCLUSTER=''\n";

/// What a machine of the layer is like, as far as that is not the layer's own setting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Typical {
    /// EC2 instance type.
    pub instance_type: String,
    /// Os string.
    pub os: String,
    /// The image, with Os `Custom`.
    pub ami_id: Option<String>,
    /// EC2 key pair.
    pub key_name: Option<String>,
    /// Whether it is EBS-optimized where that is not so anyway.
    pub ebs_optimized: bool,
    /// `default`, `dedicated` or `host`; `None`: the VPC's.
    pub tenancy: Option<String>,
}

/// What the stack has for instances that name nothing else.
#[derive(Clone, Copy, Debug)]
pub struct StackDefaults<'a> {
    /// Os string.
    pub os: &'a str,
    /// EC2 key pair.
    pub key_name: Option<&'a str>,
}

/// What most of a layer's instances are like; of those that are equally many, the first in order. Registered ones do not count, since their
/// machines were somebody else's idea. Without any, it is what the stack's defaults say, and the first of the layer's fallback types.
///
/// Our choice: an Os whose boot the script does not know gives way to Amazon Linux 2023, since a machine that joins no cluster helps nobody.
pub fn typical<'a>(
    default: &StackDefaults<'_>,
    fallback_types: &[String],
    members: impl Iterator<Item = &'a Instance>,
) -> Typical {
    let mut counts: BTreeMap<Typical, usize> = BTreeMap::new();
    for member in members.filter(|member| member.origin == Origin::Created) {
        *counts.entry(of_instance(member)).or_default() += 1;
    }
    let most = counts.values().max().copied();
    let found = counts.into_iter().find(|(_, count)| Some(*count) == most).map(|(found, _)| found);
    found.unwrap_or_else(|| Typical {
        instance_type: fallback_types.first().map_or(USUAL_TYPE, String::as_str).to_owned(),
        os: known_os(default.os).to_owned(),
        ami_id: None,
        key_name: default.key_name.map(str::to_owned),
        ebs_optimized: false,
        tenancy: None,
    })
}

fn of_instance(member: &Instance) -> Typical {
    let os = if member.ami_id.is_some() { &member.os } else { known_os(&member.os) };
    Typical {
        instance_type: member.instance_type.clone(),
        os: os.to_owned(),
        ami_id: member.ami_id.clone(),
        key_name: member.ssh_key_name.clone(),
        ebs_optimized: member.ebs_optimized,
        tenancy: member.tenancy.clone(),
    }
}

fn known_os(os: &str) -> &str {
    let is_known = os.starts_with("Ubuntu ") || matches!(os, "Amazon Linux 2" | "Amazon Linux 2023");
    if is_known { os } else { USUAL_OS }
}

/// The name of a layer's template, `strata-<stack>-<layer>-<begin of the layer's id>`: readable, and never another layer's, although stacks
/// may share a name. It is given once; a stack that is renamed keeps it.
///
/// Source: EC2 API Reference, `CreateLaunchTemplate`: 3 to 128 of letters, digits and `().-/_`.
pub fn template_name(stack: &str, shortname: &str, layer: &LayerId) -> String {
    let begin: String = layer.as_str().chars().take(8).collect();
    let parts = ["strata".to_owned(), part(stack), part(shortname), part(&begin)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// What people wrote, in letters, digits, `.` and `_`, with one hyphen for anything between.
fn part(text: &str) -> String {
    let mut part = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => part.push(c),
            _ if part.is_empty() || part.ends_with('-') => {}
            _ => part.push('-'),
        }
    }
    part.truncate(LONGEST_PART);
    part.trim_end_matches('-').to_owned()
}

/// The user data of the cluster's machines; `None` for an ARN that has in it what no cluster's has, since it goes into a script.
pub fn user_data(cluster: &ClusterArn) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '-' | '_');
    let (_, name) = cluster.as_str().split_once(":cluster/")?;
    (!name.is_empty() && cluster.as_str().chars().all(is_plain))
        .then(|| BOOT.replacen(NO_CLUSTER, &format!("\nCLUSTER='{cluster}'\n"), 1))
}

/// The cluster that a user data of ours joins; `None` for any other script.
pub fn cluster_of(user_data: &str) -> Option<ClusterArn> {
    let line = user_data.lines().find_map(|line| line.strip_prefix("CLUSTER='"))?;
    line.strip_suffix('\'').filter(|arn| !arn.is_empty()).map(ClusterArn::from)
}

#[cfg(test)]
mod tests;
