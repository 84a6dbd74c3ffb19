//! The built-in security groups of the account's VPCs, and their rules.

use std::collections::{BTreeMap, BTreeSet};

use strata_domain::security_groups::{ALL, GroupRule, Overwrite, standard};
use strata_ports::{CloudError, GroupsReset};

use super::SimCloud;
use super::state::State;

impl State {
    /// Makes the built-in groups that a VPC lacks, and opens all of ours to one another when one was missing.
    pub(super) fn ensure_groups(&mut self, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        self.admit("ec2:DescribeSecurityGroups", 1)?;
        let known = self.account.built_in_groups.get(vpc_id).cloned().unwrap_or_default();
        let missing: Vec<&str> = ALL.into_iter().filter(|name| !known.contains_key(*name)).collect();
        if missing.is_empty() {
            return Ok(known);
        }
        self.admit("ec2:CreateSecurityGroup", missing.len())?;
        self.admit("ec2:AuthorizeSecurityGroupIngress", ALL.len())?;
        for name in missing {
            self.make_group(vpc_id, name);
        }
        let groups = self.account.built_in_groups.get(vpc_id).cloned().unwrap_or_default();
        let rules = standard(groups.values());
        for id in groups.values().filter(|id| !self.account.foreign_groups.contains(*id)) {
            self.account.group_rules.entry(id.clone()).or_default().extend(rules.clone());
        }
        Ok(groups)
    }

    fn make_group(&mut self, vpc_id: &str, name: &str) -> String {
        let id = format!("sg-{}", self.hex(17));
        self.account.built_in_groups.entry(vpc_id.to_owned()).or_default().insert(name.to_owned(), id.clone());
        id
    }

    /// Gives those that we have made the standard rules and no others.
    pub(super) fn reset_groups(&mut self, vpc_id: &str) -> Result<GroupsReset, CloudError> {
        let groups = self.ensure_groups(vpc_id)?;
        self.admit("ec2:DescribeSecurityGroupRules", 1)?;
        let rules = standard(groups.values());
        let mut reset = GroupsReset::default();
        for (name, id) in groups {
            if self.account.foreign_groups.contains(&id) {
                reset.foreign.push(name);
                continue;
            }
            let present = self.account.group_rules.get(&id).cloned().unwrap_or_default();
            let change = Overwrite::of(&present, &rules);
            if change.is_empty() {
                continue;
            }
            self.admit("ec2:RevokeSecurityGroupIngress", 1)?;
            self.account.group_rules.insert(id, rules.clone());
            reset.changed.insert(name, change);
        }
        Ok(reset)
    }
}

/// What the world's own people and views do with them.
impl SimCloud {
    /// The built-in security groups that were made: their names, by VPC.
    pub fn built_in_groups(&self) -> BTreeMap<String, Vec<String>> {
        let of = |(vpc, groups): (&String, &BTreeMap<String, String>)| (vpc.clone(), groups.keys().cloned().collect());
        self.lock().account.built_in_groups.iter().map(of).collect()
    }

    /// The id of a built-in group.
    pub fn id_of_group(&self, vpc_id: &str, name: &str) -> Option<String> {
        self.lock().account.built_in_groups.get(vpc_id).and_then(|groups| groups.get(name)).cloned()
    }

    /// The rules of a built-in group; none of one that is not there.
    pub fn rules_of_group(&self, vpc_id: &str, name: &str) -> BTreeSet<GroupRule> {
        let id = self.id_of_group(vpc_id, name);
        id.and_then(|id| self.lock().account.group_rules.get(&id).cloned()).unwrap_or_default()
    }

    /// Somebody edits a built-in group's rules.
    pub fn edit_group(&self, vpc_id: &str, name: &str, edit: impl FnOnce(&mut BTreeSet<GroupRule>)) {
        self.with(|s| {
            let id = s.account.built_in_groups.get(vpc_id).and_then(|groups| groups.get(name)).cloned();
            if let Some(id) = id {
                edit(s.account.group_rules.entry(id).or_default());
            }
        });
    }

    /// The VPC has a group of a built-in one's name that Strata has not made.
    pub fn add_foreign_group(&self, vpc_id: &str, name: &str) {
        self.with(|s| {
            let id = s.make_group(vpc_id, name);
            s.account.foreign_groups.insert(id);
        });
    }
}
