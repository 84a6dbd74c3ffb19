//! The Upkeep port: tags, launch templates, and what becomes of those who launch from them with nobody's help.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strata_domain::break_glass::{LONGEST_USER_DATA, cluster_of};
use strata_domain::machine_tags::{self, MOST_TAGS, Named, Wanted};
use strata_domain::tags::Tags;
use strata_domain::{Ec2InstanceId, LayerId, StackId};
use strata_ports::inventory::Platform;
use strata_ports::{CloudError, Ec2State, ItemResult, LaunchSpec, StackScope, TemplateSpec, Upkeep};

use super::account::DEFAULT_VPC;
use super::ec2::Host;
use super::own_hosts::OwnHost;
use super::state::{State, wrong};
use super::{Latency, SimCloud};

/// A launch template of the account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// What its default version says; `None`: somebody else's, whose content nobody here knows.
    pub spec: Option<TemplateSpec>,
    /// The stack that it was made for.
    pub stack_id: Option<StackId>,
    /// How many versions it has had.
    pub versions: u32,
}

impl State {
    fn put_template(&mut self, stack: &StackId, spec: &TemplateSpec) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:CreateLaunchTemplate";
        self.admit("ec2:DescribeLaunchTemplates", 1)?;
        let known = self.account.launch_templates.get(&spec.name);
        match known.map(|known| &known.spec) {
            Some(None) => return Err(foreign(ACTION, &spec.name)),
            Some(Some(known)) if known.fingerprint == spec.fingerprint => return Ok(()),
            Some(Some(_)) => self.admit("ec2:CreateLaunchTemplateVersion", 1)?,
            None => self.admit(ACTION, 1)?,
        }
        if spec.user_data.len() > LONGEST_USER_DATA {
            return Err(wrong(ACTION, "InvalidUserData.Malformed", "user data is limited to 16384 bytes"));
        }
        let versions = self.account.launch_templates.get(&spec.name).map_or(1, |known| known.versions + 1);
        let template = LaunchTemplate { spec: Some(spec.clone()), stack_id: Some(stack.clone()), versions };
        self.account.launch_templates.insert(spec.name.clone(), template);
        Ok(())
    }

    fn delete_template(&mut self, name: &str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:DeleteLaunchTemplate";
        self.admit("ec2:DescribeLaunchTemplates", 1)?;
        match self.account.launch_templates.get(name) {
            None => return Ok(()),
            Some(LaunchTemplate { spec: None, .. }) => return Err(foreign(ACTION, name)),
            Some(_) => self.admit(ACTION, 1)?,
        }
        self.account.launch_templates.remove(name);
        Ok(())
    }

    /// RunInstances with a template, by somebody without Strata.
    fn launch_from_template(&mut self, name: &str, subnet: &str, zone: &str) -> Option<Ec2InstanceId> {
        let template = self.account.launch_templates.get(name)?.spec.clone()?;
        let machine = LaunchSpec { subnet_id: subnet.to_owned(), availability_zone: zone.to_owned(), ..template.machine };
        let no = self.insert_host(None, &machine);
        let host = self.ec2.hosts.get_mut(&no)?;
        let os = machine.os.strip_suffix(" LTS").unwrap_or(&machine.os);
        let platform = os.rsplit_once(' ').map(|(name, version)| (name.to_owned(), version.to_owned()));
        host.own = Some(OwnHost {
            instance_type: machine.instance_type.clone(),
            vpc_id: DEFAULT_VPC.to_owned(),
            subnet_id: subnet.to_owned(),
            zone: zone.to_owned(),
            image_id: machine.ami_id.clone().unwrap_or_else(|| OwnHost::default().image_id),
            key_name: machine.key_name.clone(),
            installation: Some("strata".to_owned()),
            platform: platform.map_or(OwnHost::default().platform, |(name, version)| Some(Platform { name, version })),
            cluster: cluster_of(&template.user_data),
            break_glass: Some(template.layer_id),
            ..OwnHost::default()
        });
        let id = host.id.clone();
        self.power_on(no);
        Some(id)
    }
}

/// Ids in one DescribeTags call.
const IDS_PER_LOOK: usize = 200;
/// Ids in one CreateTags or DeleteTags call.
const IDS_PER_CHANGE: usize = 500;

/// What a launch has tagged its machine with.
fn launch_tags(host: &Host) -> Tags {
    let spec = &host.spec;
    let named = Named { stack: &spec.stack_name, hostname: &spec.hostname, layers: &spec.layers, keeps_name: false };
    let mut tags = Tags::new();
    if host.stack_id.is_some() {
        tags.insert("strata:instance".to_owned(), spec.instance_id.to_string());
        let wanted = Wanted { names: machine_tags::names(&named), users: machine_tags::users(&spec.tags) };
        tags.extend(wanted.fitting(tags.len()));
    }
    tags
}

impl State {
    /// The tags of a machine or volume that is there.
    fn tags_of(&self, id: &str) -> Option<Tags> {
        let host = self.visible_host(&id.into()).and_then(|no| self.ec2.hosts.get(&no));
        let host = host.filter(|host| host.state != Ec2State::Terminated);
        if host.is_none() && self.volume(id).is_none() {
            return None;
        }
        let kept = self.account.tags.get(id).cloned();
        Some(kept.unwrap_or_else(|| host.map(launch_tags).unwrap_or_default()))
    }

    fn change_tags(&mut self, id: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:CreateTags";
        let code = if id.starts_with("vol-") { "InvalidVolume.NotFound" } else { "InvalidInstanceID.NotFound" };
        let mut tags = self.tags_of(id).ok_or_else(|| wrong(ACTION, code, format!("the ID '{id}' does not exist")))?;
        tags.extend(set.clone());
        tags.retain(|key, _| !unset.contains(key));
        if tags.len() > MOST_TAGS {
            return Err(wrong(ACTION, "TagLimitExceeded", format!("{id} would have {} tags", tags.len())));
        }
        self.account.tags.insert(id.to_owned(), tags);
        Ok(())
    }
}

fn foreign(action: &'static str, name: &str) -> CloudError {
    wrong(action, "LaunchTemplateNotOurs", format!("the launch template {name} is somebody else's"))
}

#[async_trait]
impl Upkeep for SimCloud {
    async fn put_template(&self, scope: &StackScope, spec: &TemplateSpec) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.put_template(&scope.stack_id, spec)).await
    }

    async fn delete_template(&self, _: &StackScope, name: &str) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.delete_template(name)).await
    }

    async fn break_glass_hosts(&self, _: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeInstances", 1)?;
            let marked = |h: &Host| Some((h.id.clone(), h.own.as_ref()?.break_glass.clone()?));
            let is_shown = |h: &&Host| h.state == Ec2State::Running && h.visible_from <= s.now;
            Ok(s.ec2.hosts.values().filter(is_shown).filter_map(marked).collect())
        })
        .await
    }

    async fn tags(&self, _: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeTags", resources.len().div_ceil(IDS_PER_LOOK))?;
            Ok(resources.iter().filter_map(|id| Some((id.clone(), s.tags_of(id)?))).collect())
        })
        .await
    }

    async fn change_tags(
        &self,
        _: &StackScope,
        resources: &[String],
        set: &Tags,
        unset: &BTreeSet<String>,
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        self.call(Latency::Write, |s| {
            let calls = resources.len().div_ceil(IDS_PER_CHANGE);
            s.admit("ec2:CreateTags", if set.is_empty() { 0 } else { calls })?;
            s.admit("ec2:DeleteTags", if unset.is_empty() { 0 } else { calls })?;
            Ok(resources.iter().map(|id| ItemResult { id: id.clone(), result: s.change_tags(id, set, unset) }).collect())
        })
        .await
    }
}

/// What people do with templates, and see of them.
impl SimCloud {
    /// Launches a machine from a template into a subnet, as somebody does with the AWS CLI alone, and gives its id; `None` without such a
    /// template. What its user data does happens when it has booted.
    pub fn launch_from_template(&self, name: &str, subnet: &str, zone: &str) -> Option<Ec2InstanceId> {
        self.with(|s| s.launch_from_template(name, subnet, zone))
    }
    /// The tags of a machine or volume; `None` for one that is gone.
    pub fn tags_of(&self, id: &str) -> Option<Tags> {
        self.lock().tags_of(id)
    }
    /// Tags a machine or volume, as somebody does in another console; nothing for one that is gone.
    pub fn tag_by_hand(&self, id: &str, key: &str, value: &str) {
        let set = Tags::from([(key.to_owned(), value.to_owned())]);
        self.with(|s| drop(s.change_tags(id, &set, &BTreeSet::new())));
    }
    /// The account's launch templates by name.
    pub fn launch_templates(&self) -> BTreeMap<String, LaunchTemplate> {
        self.lock().account.launch_templates.clone()
    }
    /// Adds a launch template of somebody else's.
    pub fn add_launch_template(&self, name: &str) {
        let template = LaunchTemplate { spec: None, stack_id: None, versions: 1 };
        self.with(|s| drop(s.account.launch_templates.insert(name.to_owned(), template)));
    }
    /// Deletes a launch template, as somebody does in another console.
    pub fn drop_launch_template(&self, name: &str) {
        self.with(|s| drop(s.account.launch_templates.remove(name)));
    }
}

#[cfg(test)]
mod tests {
    use strata_domain::break_glass::user_data;
    use strata_ports::Compute;
    use strata_ports::contract::cloud::launch;

    use super::*;
    use crate::cloud::testkit::{World, config};

    #[tokio::test(start_paused = true)]
    async fn a_machine_of_a_template_joins_the_cluster_of_its_user_data_once_it_has_booted_and_not_twice() {
        let mut w = World::new(config());
        let spec = TemplateSpec {
            name: "strata-shop".to_owned(),
            layer_id: "layer".into(),
            machine: launch("break-glass", ""),
            user_data: user_data(&w.cluster).unwrap(),
            fingerprint: "1".to_owned(),
        };
        w.cloud.put_template(&w.scope, &spec).await.unwrap();
        assert_eq!(w.cloud.launch_from_template("another", "subnet-a", "us-east-1a"), None);
        let host = w.cloud.launch_from_template("strata-shop", "subnet-a", "us-east-1a").unwrap();
        assert!(w.cloud.break_glass_hosts(&w.scope).await.unwrap().is_empty(), "it is on its way");
        w.pass(100).await;
        assert_eq!(w.cloud.break_glass_hosts(&w.scope).await.unwrap(), [(host.clone(), "layer".into())]);
        let joined = w.container(&host).await.unwrap();
        assert!(joined.agent_connected);
        w.cloud.reboot_instances(&w.scope, std::slice::from_ref(&host)).await.unwrap();
        w.pass(200).await;
        assert_eq!(w.container(&host).await.unwrap().arn, joined.arn);
    }
}
