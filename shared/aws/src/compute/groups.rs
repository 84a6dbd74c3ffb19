//! The built-in security groups of a VPC: made when they are missing, found by their names ever after, and overwritten when that is asked for.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{IpPermission, ResourceType, TagSpecification, UserIdGroupPair};
use strata_domain::security_groups::{ALL, OPEN, Overwrite, standard};
use strata_ports::{CloudError, GroupsReset};

use super::{rules, tags};
use crate::error::{Effect, sort};
use crate::filters::filter;

const LOOK: &str = "ec2:DescribeSecurityGroups";
const MAKE: &str = "ec2:CreateSecurityGroup";
const OPEN_UP: &str = "ec2:AuthorizeSecurityGroupIngress";

/// A built-in group of a VPC.
struct Group {
    name: String,
    id: String,
    /// This installation made it: others' are used, and never changed.
    is_ours: bool,
}

/// The ids of the built-in groups by name. When one was missing, the rules of all of ours are brought up to it, since they name one another.
pub(super) async fn ensure(client: &Client, installation: &str, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
    Ok(ids(&ensured(client, installation, vpc_id).await?))
}

fn ids(groups: &[Group]) -> BTreeMap<String, String> {
    groups.iter().map(|group| (group.name.clone(), group.id.clone())).collect()
}

async fn ensured(client: &Client, installation: &str, vpc_id: &str) -> Result<Vec<Group>, CloudError> {
    let known = find(client, installation, vpc_id).await?;
    let missing: Vec<&str> = ALL.into_iter().filter(|name| !known.iter().any(|group| group.name == *name)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    let mut made = Vec::new();
    for name in missing {
        made.extend(make(client, installation, vpc_id, name).await?);
    }
    // Somebody else may have made one at the same moment, and descriptions lag behind what we have just made.
    let mut all = find(client, installation, vpc_id).await?;
    made.retain(|group| !all.iter().any(|known| known.name == group.name));
    all.extend(made);
    let ids = ids(&all);
    for group in all.iter().filter(|group| group.is_ours) {
        open_up(client, &group.id, &ids).await?;
    }
    Ok(all)
}

/// Gives the groups that are ours the standard rules and no others [SG-8]. What is missing is allowed before anything is revoked.
pub(super) async fn reset(client: &Client, installation: &str, vpc_id: &str) -> Result<GroupsReset, CloudError> {
    let groups = ensured(client, installation, vpc_id).await?;
    let (ours, theirs): (Vec<&Group>, Vec<&Group>) = groups.iter().partition(|group| group.is_ours);
    let foreign = theirs.into_iter().map(|group| group.name.clone()).collect();
    let wanted = standard(ids(&groups).values());
    let mut reset = GroupsReset { foreign, ..GroupsReset::default() };
    let mut rules = rules::of(client, ours.iter().map(|group| group.id.as_str())).await?;
    for group in ours {
        let present = rules.remove(&group.id).unwrap_or_default();
        let change = Overwrite::of(&present.keys().cloned().collect(), &wanted);
        if change.is_empty() {
            continue;
        }
        rules::allow(client, &group.id, &change.allow).await?;
        rules::revoke(client, &group.id, &change.revoke, &present).await?;
        reset.changed.insert(group.name.clone(), change);
    }
    Ok(reset)
}

async fn find(client: &Client, installation: &str, vpc_id: &str) -> Result<Vec<Group>, CloudError> {
    let filters = vec![filter("vpc-id", [vpc_id]), filter("group-name", ALL)];
    let answer = client.describe_security_groups().set_filters(Some(filters)).send().await;
    let answer = answer.map_err(|error| sort(LOOK, Effect::Read, error))?;
    let group = |group: &aws_sdk_ec2::types::SecurityGroup| {
        let is_ours = tags::value(group.tags(), tags::INSTALLATION) == Some(installation);
        Some(Group { name: group.group_name()?.to_owned(), id: group.group_id()?.to_owned(), is_ours })
    };
    Ok(answer.security_groups().iter().filter_map(group).collect())
}

/// One that is there already is as good as made, and is somebody else's until it is seen.
async fn make(client: &Client, installation: &str, vpc_id: &str, name: &str) -> Result<Option<Group>, CloudError> {
    let tagged = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroup)
        .tags(tags::tag(tags::INSTALLATION, installation))
        .build();
    let request = client.create_security_group().group_name(name).vpc_id(vpc_id).tag_specifications(tagged);
    match request.description(format!("{name}: hosts of Strata's stacks among themselves")).send().await {
        Ok(made) => Ok(made.group_id.map(|id| Group { name: name.to_owned(), id, is_ours: true })),
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => Ok(None),
        Err(error) => Err(sort(MAKE, Effect::Write, error)),
    }
}

/// All rules in one call; where one is there already EC2 refuses all, and each gets a call of its own.
async fn open_up(client: &Client, id: &str, groups: &BTreeMap<String, String>) -> Result<(), CloudError> {
    let all: Vec<IpPermission> = OPEN.iter().map(|rule| permission(*rule, groups.values())).collect();
    match client.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(all)).send().await {
        Ok(_) => return Ok(()),
        Err(error) if error.code() == Some("InvalidPermission.Duplicate") => {}
        Err(error) => return Err(sort(OPEN_UP, Effect::Write, error)),
    }
    for rule in OPEN {
        for from in groups.values() {
            let one = permission(rule, std::iter::once(from));
            match client.authorize_security_group_ingress().group_id(id).ip_permissions(one).send().await {
                Ok(_) => {}
                Err(error) if error.code() == Some("InvalidPermission.Duplicate") => {}
                Err(error) => return Err(sort(OPEN_UP, Effect::Write, error)),
            }
        }
    }
    Ok(())
}

fn permission<'a>((protocol, from, to): (&str, i32, i32), groups: impl Iterator<Item = &'a String>) -> IpPermission {
    let pairs = groups.map(|group| UserIdGroupPair::builder().group_id(group).build()).collect();
    IpPermission::builder().ip_protocol(protocol).from_port(from).to_port(to).set_user_id_group_pairs(Some(pairs)).build()
}
