//! The built-in security groups: their names, who gets which, and what they let in [SG-1..4] [ECS-57..59].

use crate::model::{Layer, LayerType};

/// Every instance has it [ECS-59].
pub const DEFAULT_SERVER: &str = "AWS-OpsWorks-Default-Server";
/// Members of the ECS layer have it [ECS-57].
pub const ECS_CLUSTER: &str = "AWS-OpsWorks-ECS-Cluster";
/// Members of a custom layer have it [SG-2].
pub const CUSTOM_SERVER: &str = "AWS-OpsWorks-Custom-Server";

/// All built-in groups: each lets in all TCP, UDP and ICMP from each of them, itself included, and nothing else.
///
/// Our choice: which groups fit is not documented for the ECS group (updates-and-access.md, Q4). Port 22 stays shut [SG-3].
pub const ALL: [&str; 3] = [CUSTOM_SERVER, DEFAULT_SERVER, ECS_CLUSTER];

/// The protocols that are open between them, as EC2 spells a rule: protocol, first and last port (ICMP: every type).
pub const OPEN: [(&str, i32, i32); 3] = [("tcp", 0, 65_535), ("udp", 0, 65_535), ("icmp", -1, -1)];

/// The built-in groups of an instance in these layers; none where its stack does not use them [SG-4].
pub fn of_instance<'a>(is_used: bool, layers: impl Iterator<Item = &'a Layer>) -> Vec<&'static str> {
    if !is_used {
        return Vec::new();
    }
    let of_layer = |layer: &Layer| match layer.layer_type {
        LayerType::EcsCluster => ECS_CLUSTER,
        LayerType::Custom => CUSTOM_SERVER,
    };
    let mut groups: Vec<&str> = layers.map(of_layer).chain([DEFAULT_SERVER]).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}
