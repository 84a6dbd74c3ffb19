//! A stack.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RootDeviceType;
use crate::StackId;

/// A stack's settings [STK-1..12].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// The uuid.
    pub id: StackId,
    /// Shown name; need not be unique.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// AWS account, 12 digits.
    pub account: String,
    /// The VPC; every stack has one [ECS-125].
    pub vpc_id: String,
    /// Subnet of instances that name none.
    pub default_subnet_id: Option<String>,
    /// Zone of instances that name none.
    pub default_availability_zone: Option<String>,
    /// Os of instances that name none.
    pub default_os: String,
    /// Hostname theme [INST-60].
    pub hostname_theme: String,
    /// Chef version: `12` or `11.10` [STK-7].
    pub chef_version: String,
    /// The role under which EC2, ECS and ELB are called.
    pub service_role_arn: String,
    /// Instance profile of layers that name none.
    pub default_instance_profile_arn: String,
    /// Root device of instances that name none.
    pub default_root_device_type: RootDeviceType,
    /// Agent version, `LATEST` or a full number.
    pub agent_version: String,
    /// EC2 key pair of instances that name none.
    pub default_ssh_key_name: Option<String>,
    /// Whether built-in security groups are used [SG-4].
    pub use_opsworks_security_groups: bool,
    /// Whether custom cookbooks are used.
    pub use_custom_cookbooks: bool,
    /// User's JSON, byte for byte as given [IDN-6]; Strata's own settings ride under its key `"strata"`.
    pub custom_json: Option<String>,
    /// Only `Color` is known [STK-12].
    pub attributes: BTreeMap<String, String>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Stack {
    /// `arn:aws:opsworks:<region>:<account>:stack/<uuid>/` [IDN-4].
    pub fn arn(&self) -> String {
        format!("arn:aws:opsworks:{}:{}:stack/{}/", self.region, self.account, self.id)
    }
}
