//! The rules of security groups, one by one, as EC2 numbers them.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, UserIdGroupPair};
use strata_domain::security_groups::GroupRule;
use strata_ports::CloudError;

use crate::error::{Effect, sort};
use crate::filters::{PER_PAGE, filter};

const LOOK: &str = "ec2:DescribeSecurityGroupRules";

/// The rules of these groups by the group's id, each with EC2's own id for it.
pub(super) async fn of<'a>(
    client: &Client,
    groups: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, BTreeMap<GroupRule, String>>, CloudError> {
    let mut found: BTreeMap<String, BTreeMap<GroupRule, String>> = BTreeMap::new();
    let groups: Vec<&str> = groups.collect();
    if groups.is_empty() {
        return Ok(found);
    }
    let request = client.describe_security_group_rules().filters(filter("group-id", groups)).max_results(PER_PAGE);
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| sort(LOOK, Effect::Read, error))?;
        for rule in page.security_group_rules() {
            let (Some(group), Some(id)) = (rule.group_id(), rule.security_group_rule_id()) else { continue };
            found.entry(group.to_owned()).or_default().extend(read(rule).map(|rule| (rule, id.to_owned())));
        }
    }
    Ok(found)
}

/// A rule whose peer is of a kind that is not known here is left alone.
fn read(rule: &SecurityGroupRule) -> Option<GroupRule> {
    let group = rule.referenced_group_info().and_then(|group| group.group_id());
    let peer = group.or(rule.cidr_ipv4()).or(rule.cidr_ipv6()).or(rule.prefix_list_id())?;
    Some(GroupRule {
        egress: rule.is_egress()?,
        protocol: rule.ip_protocol()?.to_owned(),
        ports: (rule.from_port().unwrap_or(-1), rule.to_port().unwrap_or(-1)),
        peer: peer.to_owned(),
    })
}

/// Allows these, at most one call for each direction. Whoever allows one of them at the same moment is told by EC2, and the next look goes on.
pub(super) async fn allow(client: &Client, group: &str, rules: &BTreeSet<GroupRule>) -> Result<(), CloudError> {
    let (out, incoming): (Vec<&GroupRule>, Vec<&GroupRule>) = rules.iter().partition(|rule| rule.egress);
    if !incoming.is_empty() {
        const ACTION: &str = "ec2:AuthorizeSecurityGroupIngress";
        let all = incoming.into_iter().map(permission).collect();
        let answer = client.authorize_security_group_ingress().group_id(group).set_ip_permissions(Some(all)).send().await;
        answer.map_err(|error| raced(ACTION, group, &error).unwrap_or_else(|| sort(ACTION, Effect::Write, error)))?;
    }
    if !out.is_empty() {
        const ACTION: &str = "ec2:AuthorizeSecurityGroupEgress";
        let all = out.into_iter().map(permission).collect();
        let answer = client.authorize_security_group_egress().group_id(group).set_ip_permissions(Some(all)).send().await;
        answer.map_err(|error| raced(ACTION, group, &error).unwrap_or_else(|| sort(ACTION, Effect::Write, error)))?;
    }
    Ok(())
}

/// Revokes these by their ids, at most one call for each direction.
pub(super) async fn revoke(
    client: &Client,
    group: &str,
    rules: &BTreeSet<GroupRule>,
    ids: &BTreeMap<GroupRule, String>,
) -> Result<(), CloudError> {
    let of = |egress| -> Vec<String> {
        rules.iter().filter(|rule| rule.egress == egress).filter_map(|rule| ids.get(rule).cloned()).collect()
    };
    let (incoming, out) = (of(false), of(true));
    if !incoming.is_empty() {
        const ACTION: &str = "ec2:RevokeSecurityGroupIngress";
        let request = client.revoke_security_group_ingress().group_id(group).set_security_group_rule_ids(Some(incoming));
        request.send().await.map_err(|e| raced(ACTION, group, &e).unwrap_or_else(|| sort(ACTION, Effect::Write, e)))?;
    }
    if !out.is_empty() {
        const ACTION: &str = "ec2:RevokeSecurityGroupEgress";
        let request = client.revoke_security_group_egress().group_id(group).set_security_group_rule_ids(Some(out));
        request.send().await.map_err(|e| raced(ACTION, group, &e).unwrap_or_else(|| sort(ACTION, Effect::Write, e)))?;
    }
    Ok(())
}

/// Somebody else has changed the same rules meanwhile: EC2 has done nothing of the call.
fn raced(action: &'static str, group: &str, error: &impl ProvideErrorMetadata) -> Option<CloudError> {
    let code = error.code()?;
    let gone = ["InvalidPermission.Duplicate", "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound"];
    gone.contains(&code).then(|| CloudError::RetryLater { action, why: format!("{code}: somebody else changes {group}") })
}

fn permission(rule: &GroupRule) -> IpPermission {
    let (permission, peer) = (IpPermission::builder().ip_protocol(&rule.protocol), rule.peer.as_str());
    let permission = match rule.protocol.as_str() {
        // With all protocols no ports are named.
        "-1" => permission,
        _ => permission.from_port(rule.ports.0).to_port(rule.ports.1),
    };
    match peer {
        group if group.starts_with("sg-") => permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build()),
        list if list.starts_with("pl-") => permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(list).build()),
        v6 if v6.contains(':') => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(v6).build()),
        v4 => permission.ip_ranges(IpRange::builder().cidr_ip(v4).build()),
    }
    .build()
}
