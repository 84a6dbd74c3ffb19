//! A stack.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RootDeviceType;
use crate::tags::Tags;
use crate::{Secret, StackId};

/// `CustomCookbooksSource`: the repository that custom cookbooks come from [STK-10].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CookbooksSource {
    /// `git`, `svn`, `archive` or `s3`.
    pub source_type: String,
    /// Where it is.
    pub url: String,
    /// User name, or access key id.
    pub username: Option<String>,
    /// Password, or secret access key.
    pub password: Option<Secret>,
    /// A private SSH key.
    pub ssh_key: Option<Secret>,
    /// Branch, tag or commit.
    pub revision: Option<String>,
}

/// `ChefConfiguration`: kept and shown; nothing acts on it, since no Chef runs any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChefConfiguration {
    /// Whether Berkshelf is enabled.
    pub manage_berkshelf: Option<bool>,
    /// Its version.
    pub berkshelf_version: Option<String>,
}

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
    /// Where custom cookbooks come from.
    pub custom_cookbooks_source: Option<CookbooksSource>,
    /// Berkshelf settings.
    pub chef_configuration: ChefConfiguration,
    /// User's JSON, byte for byte as given [IDN-6]; Strata's own settings ride under its key `"strata"`.
    pub custom_json: Option<String>,
    /// Only `Color` is known [STK-12].
    pub attributes: BTreeMap<String, String>,
    /// User tags, which its layers inherit [TAG-2].
    #[serde(default)]
    pub tags: Tags,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Stack {
    /// `arn:aws:opsworks:<region>:<account>:stack/<uuid>/` [IDN-4].
    pub fn arn(&self) -> String {
        format!("arn:aws:opsworks:{}:{}:stack/{}/", self.region, self.account, self.id)
    }
}
