//! The built-in security groups of a VPC: made when they are missing, found by their names ever after.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{IpPermission, ResourceType, TagSpecification, UserIdGroupPair};
use strata_domain::security_groups::{ALL, OPEN};
use strata_ports::CloudError;

use super::tags;
use crate::error::{Effect, sort};
use crate::filters::filter;

const LOOK: &str = "ec2:DescribeSecurityGroups";
const MAKE: &str = "ec2:CreateSecurityGroup";
const OPEN_UP: &str = "ec2:AuthorizeSecurityGroupIngress";

/// The ids of the built-in groups by name. When one was missing, the rules of all are brought up to it, since they name one another.
pub(super) async fn ensure(client: &Client, installation: &str, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let mut known = find(client, vpc_id).await?;
    let missing: Vec<&str> = ALL.into_iter().filter(|name| !known.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    for name in missing {
        make(client, installation, vpc_id, name).await?;
    }
    // Somebody else may have made one at the same moment.
    known.extend(find(client, vpc_id).await?);
    for id in known.values() {
        open_up(client, id, &known).await?;
    }
    Ok(known)
}

async fn find(client: &Client, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
    let filters = vec![filter("vpc-id", [vpc_id]), filter("group-name", ALL)];
    let answer = client.describe_security_groups().set_filters(Some(filters)).send().await;
    let answer = answer.map_err(|error| sort(LOOK, Effect::Read, error))?;
    let pair = |group: &aws_sdk_ec2::types::SecurityGroup| Some((group.group_name()?.to_owned(), group.group_id()?.to_owned()));
    Ok(answer.security_groups().iter().filter_map(pair).collect())
}

/// One that is there already is as good as made.
async fn make(client: &Client, installation: &str, vpc_id: &str, name: &str) -> Result<(), CloudError> {
    let tagged = TagSpecification::builder()
        .resource_type(ResourceType::SecurityGroup)
        .tags(tags::tag(tags::INSTALLATION, installation))
        .build();
    let request = client.create_security_group().group_name(name).vpc_id(vpc_id).tag_specifications(tagged);
    match request.description(format!("{name}: hosts of Strata's stacks among themselves")).send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("InvalidGroup.Duplicate") => Ok(()),
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
