//! The built-in security groups: their names, who gets which, and what they let in [SG-1..4] [SG-8] [ECS-57..59].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

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

/// One rule of a group as EC2 counts them: a direction, a protocol, a range of ports and one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupRule {
    /// What goes out; else what comes in.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `-1` for all, or a number.
    pub protocol: String,
    /// First and last port; -1 and -1 where the protocol has none.
    pub ports: (i32, i32),
    /// A group (`sg-...`), a prefix list (`pl-...`) or a CIDR.
    pub peer: String,
}

impl std::fmt::Display for GroupRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let protocol = if self.protocol == "-1" { "everything" } else { &self.protocol };
        let ports = match self.ports {
            (-1, _) | (0, 65_535) => String::new(),
            (from, to) if from == to => format!(" {from}"),
            (from, to) => format!(" {from}-{to}"),
        };
        write!(f, "{protocol}{ports} {} {}", if self.egress { "to" } else { "from" }, self.peer)
    }
}

/// The rules of every built-in group, where `groups` are the ids of all of them [SG-3].
pub fn standard<'a>(groups: impl IntoIterator<Item = &'a String>) -> BTreeSet<GroupRule> {
    let rule = |egress, protocol: &str, ports, peer: &str| GroupRule {
        egress,
        protocol: protocol.to_owned(),
        ports,
        peer: peer.to_owned(),
    };
    let mut rules = BTreeSet::from([rule(true, "-1", (-1, -1), "0.0.0.0/0")]);
    for group in groups {
        rules.extend(OPEN.map(|(protocol, from, to)| rule(false, protocol, (from, to), group)));
    }
    rules
}

/// What makes a group's rules the standard ones again [SG-8].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overwrite {
    /// Those that are missing.
    pub allow: BTreeSet<GroupRule>,
    /// Those that do not belong.
    pub revoke: BTreeSet<GroupRule>,
}

impl Overwrite {
    /// From the rules that a group has to those that it is to have.
    pub fn of(present: &BTreeSet<GroupRule>, standard: &BTreeSet<GroupRule>) -> Self {
        Self { allow: standard.difference(present).cloned().collect(), revoke: present.difference(standard).cloned().collect() }
    }

    /// Nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.revoke.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> [String; 2] {
        ["sg-a".to_owned(), "sg-b".to_owned()]
    }

    fn ssh() -> GroupRule {
        GroupRule { egress: false, protocol: "tcp".to_owned(), ports: (22, 22), peer: "0.0.0.0/0".to_owned() }
    }

    /// [SG-3]
    #[test]
    fn sg_3_all_goes_out_and_only_the_built_in_groups_come_in_on_any_port_of_three_protocols() {
        let words: Vec<String> = standard(&groups()).iter().map(ToString::to_string).collect();
        let expected = [
            "icmp from sg-a",
            "icmp from sg-b",
            "tcp from sg-a",
            "tcp from sg-b",
            "udp from sg-a",
            "udp from sg-b",
            "everything to 0.0.0.0/0",
        ];
        assert_eq!(words, expected);
    }

    /// [SG-8]
    #[test]
    fn sg_8_what_was_added_is_revoked_what_was_taken_away_is_allowed_and_the_rest_stays() {
        let standard = standard(&groups());
        assert!(Overwrite::of(&standard, &standard).is_empty());
        let taken = standard.first().unwrap().clone();
        let mut edited = standard.clone();
        edited.remove(&taken);
        edited.insert(ssh());
        let found = Overwrite::of(&edited, &standard);
        assert_eq!((found.allow, found.revoke), (BTreeSet::from([taken]), BTreeSet::from([ssh()])));
        assert_eq!(Overwrite::of(&BTreeSet::new(), &standard).allow, standard);
    }

    #[test]
    fn a_rule_in_words_names_its_ports_where_they_are_not_all() {
        let of = |ports, egress| GroupRule { ports, egress, ..ssh() }.to_string();
        assert_eq!(of((22, 22), false), "tcp 22 from 0.0.0.0/0");
        assert_eq!(of((8000, 8080), true), "tcp 8000-8080 to 0.0.0.0/0");
        assert_eq!(of((0, 65_535), false), "tcp from 0.0.0.0/0");
    }
}
