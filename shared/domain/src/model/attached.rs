//! What lifecycle has to remember of an instance's load balancers, address and volumes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What belongs to an instance and is on its way to its machine, or away from it. Whatever stands here can be repeated after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attached {
    /// Load balancers or address are still to be looked after while it is online.
    pub due: bool,
    /// It was told to leave its load balancers: when their connections have drained at the latest [ELB-6].
    pub balancers_drained_by: Option<Timestamp>,
    /// A load balancer does not take it, for this reason; told once, and tried again when it next becomes `online`.
    pub balancers_refused: Option<String>,
    /// Addresses that were taken from it and may still stand at its machine [EIP-13].
    pub addresses_leaving: Vec<String>,
    /// Volumes that were taken from it and may still be attached to its machine [RES-8].
    pub volumes_leaving: Vec<String>,
    /// In which start it was given an automatic address, or was to be given one [EIP-5].
    pub address_offered: Option<u32>,
    /// With which token its automatic address was allocated, until that is settled.
    pub address_token: Option<String>,
    /// When it is to be looked whether a lost answer has allocated a second address with that token.
    pub address_settles_at: Option<Timestamp>,
    /// The volume that is being made for it, until it is one of its volumes: written before EC2 is asked [EBS-22].
    pub volume_making: Option<VolumeMaking>,
    /// When one was last made: descriptions lag behind.
    pub volume_made_at: Option<Timestamp>,
    /// What was lost in the present life of its machine, in words; told once it is in service.
    pub volumes_lost: Option<String>,
    /// Its address cannot be had, for this reason; told once. Another address, or the next start, tries again.
    pub address_refused: Option<String>,
}

/// A volume that is being made, to stand where one of the layer's is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeMaking {
    /// The client token: a repeat gives the same volume.
    pub token: String,
    /// Where it is mounted, which names the layer's configuration.
    pub mount_point: String,
    /// The volume whose place it takes.
    pub lost: Option<String>,
}

impl Attached {
    /// Something that was taken from the instance may still be at its machine.
    pub fn has_loose_ends(&self) -> bool {
        !self.addresses_leaving.is_empty() || !self.volumes_leaving.is_empty()
    }
}
