//! The tags of classic load balancers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::Client;
use aws_sdk_elasticloadbalancing::types::{Tag, TagKeyOnly};
use strata_domain::tags::Tags;
use strata_ports::CloudError;

use crate::error::{Effect, sort};

pub(super) const LOOK: &str = "elasticloadbalancing:DescribeTags";
pub(super) const SET: &str = "elasticloadbalancing:AddTags";
pub(super) const UNSET: &str = "elasticloadbalancing:RemoveTags";
/// Load balancers in one look.
const PER_CALL: usize = 20;

/// The tags by name. When one of them is missing, ELB says nothing of the others, and each is asked for by itself.
pub(super) async fn of(client: &Client, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
    let mut found = BTreeMap::new();
    for chunk in names.chunks(PER_CALL) {
        match ask(client, chunk).await? {
            Some(all) => found.extend(all),
            None if chunk.len() == 1 => {}
            None => {
                for name in chunk {
                    found.extend(ask(client, std::slice::from_ref(name)).await?.into_iter().flatten());
                }
            }
        }
    }
    Ok(found)
}

/// `None` if one of them is missing.
async fn ask(client: &Client, names: &[String]) -> Result<Option<BTreeMap<String, Tags>>, CloudError> {
    let answer = client.describe_tags().set_load_balancer_names(Some(names.to_vec())).send().await;
    let answer = match answer.map_err(|error| sort(LOOK, Effect::Read, error)) {
        Ok(answer) => answer,
        Err(CloudError::Wrong { code, .. }) if code == "LoadBalancerNotFound" => return Ok(None),
        Err(error) => return Err(error),
    };
    let pair = |tag: &Tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned());
    let of_one = answer
        .tag_descriptions()
        .iter()
        .filter_map(|one| Some((one.load_balancer_name()?.to_owned(), one.tags().iter().map(pair).collect())));
    Ok(Some(of_one.collect()))
}

/// Sets, then takes away; ELB takes one load balancer in a call.
pub(super) async fn change(client: &Client, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
    if !set.is_empty() {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let tags = set.iter().map(tag).collect::<Result<Vec<Tag>, _>>().map_err(|error| unsound(SET, &error))?;
        let request = client.add_tags().load_balancer_names(name).set_tags(Some(tags));
        request.send().await.map_err(|error| sort(SET, Effect::Write, error))?;
    }
    if !unset.is_empty() {
        let keys = unset.iter().map(|key| TagKeyOnly::builder().key(key).build()).collect();
        let request = client.remove_tags().load_balancer_names(name).set_tags(Some(keys));
        request.send().await.map_err(|error| sort(UNSET, Effect::Write, error))?;
    }
    Ok(())
}

fn unsound(action: &'static str, error: &impl std::fmt::Display) -> CloudError {
    CloudError::Wrong { action, code: "ValidationError".to_owned(), why: error.to_string() }
}
