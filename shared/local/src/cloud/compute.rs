//! The Compute port.

use std::collections::BTreeMap;

use async_trait::async_trait;
use strata_domain::{Ec2InstanceId, InstanceId};
use strata_ports::{
    CloudError, Compute, Ec2Instance, Ec2State, GroupsReset, ItemResult, LaunchSpec, ScheduledEvent, StackScope, StatusChecks,
};

use super::ec2::Host;
use super::state::{State, wrong};
use super::{Latency, SimCloud};

/// Ids in one StartInstances, StopInstances, CreateTags, ... call, as our adapter makes them.
const IDS_PER_CHANGE: usize = 500;
/// Ids in one DescribeInstanceStatus call.
const IDS_PER_STATUS: usize = 100;
/// Results of one page.
const PER_PAGE: usize = 1_000;
/// Values of one filter.
const PER_FILTER: usize = 200;

impl SimCloud {
    /// One changing call about many instances; `one` does it to each.
    async fn change(
        &self,
        action: &'static str,
        ids: &[Ec2InstanceId],
        mut one: impl FnMut(&mut State, &Ec2InstanceId) -> Result<(), CloudError>,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Write, |s| {
            // Like our adapter: it looks at the states first, and notes that what it takes down is not wanted to run.
            s.admit("ec2:DescribeInstances", ids.len().div_ceil(PER_FILTER))?;
            if matches!(action, "ec2:StopInstances" | "ec2:TerminateInstances") {
                s.admit(TAGS, ids.len().div_ceil(IDS_PER_CHANGE))?;
            }
            s.admit(action, ids.len().div_ceil(IDS_PER_CHANGE))?;
            Ok(ids.iter().map(|id| ItemResult { id: id.clone(), result: one(s, id) }).collect())
        })
        .await
    }
}

const TAGS: &str = "ec2:CreateTags";

impl State {
    /// Counts DescribeInstanceStatus for those that run.
    fn admit_status(&mut self, found: &[Ec2Instance]) -> Result<(), CloudError> {
        let running = found.iter().filter(|host| host.state == Ec2State::Running).count();
        self.admit("ec2:DescribeInstanceStatus", running.div_ceil(IDS_PER_STATUS))
    }
}

fn describe<'a>(hosts: impl Iterator<Item = &'a Host>) -> Vec<Ec2Instance> {
    hosts.map(Host::describe).collect()
}

#[async_trait]
impl Compute for SimCloud {
    async fn run_instance(&self, scope: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        self.call(Latency::Write, |s| s.run_instance(&scope.stack_id, spec)).await
    }

    async fn ensure_groups(&self, _scope: &StackScope, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        self.call(Latency::Write, |s| s.ensure_groups(vpc_id)).await
    }

    async fn reset_groups(&self, _scope: &StackScope, vpc_id: &str) -> Result<GroupsReset, CloudError> {
        self.call(Latency::Write, |s| s.reset_groups(vpc_id)).await
    }

    async fn start_instances(
        &self,
        _scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.change("ec2:StartInstances", ids, State::start_instance).await
    }

    async fn set_instance_type(&self, _scope: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError> {
        self.call(Latency::Write, |s| s.set_instance_type(id, instance_type)).await
    }

    async fn stop_instances(
        &self,
        _scope: &StackScope,
        ids: &[Ec2InstanceId],
        force: bool,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.change("ec2:StopInstances", ids, |s, id| s.stop_instance(id, force, true)).await
    }

    async fn terminate_instances(
        &self,
        _scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.change("ec2:TerminateInstances", ids, |s, id| s.terminate_instance(id, true)).await
    }

    async fn reboot_instances(
        &self,
        _scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        const ACTION: &str = "ec2:RebootInstances";
        self.change(ACTION, ids, |s, id| {
            let no = s.known(ACTION, id)?;
            let is_running = s.ec2.hosts.get(&no).is_some_and(|h| h.state == Ec2State::Running);
            if !is_running {
                return Err(wrong(ACTION, "IncorrectInstanceState", format!("{id} is not running")));
            }
            s.reboot(no);
            Ok(())
        })
        .await
    }

    async fn describe_instances(
        &self,
        _scope: &StackScope,
        ids: &[Ec2InstanceId],
        checks: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeInstances", ids.len().div_ceil(PER_FILTER))?;
            let found = describe(ids.iter().filter_map(|id| s.ec2.hosts.get(&s.visible_host(id)?)));
            match checks {
                StatusChecks::Asked => s.admit_status(&found).map(|()| found),
                StatusChecks::Skipped => Ok(found.into_iter().map(|host| Ec2Instance { impaired: false, ..host }).collect()),
            }
        })
        .await
    }

    async fn find_by_record(&self, _scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeInstances", records.len().div_ceil(PER_FILTER))?;
            let nos = records.iter().filter_map(|r| s.ec2.by_record.get(r)).flatten();
            let found = describe(nos.filter_map(|no| s.ec2.hosts.get(no)).filter(|h| h.visible_from <= s.now));
            s.admit_status(&found)?;
            Ok(found)
        })
        .await
    }

    async fn describe_exceptions(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call(Latency::Read, |s| {
            let nos = s.ec2.exceptions.get(&scope.stack_id).into_iter().flatten();
            let found = describe(nos.filter_map(|no| s.ec2.hosts.get(no)).filter(|h| h.visible_from <= s.now));
            s.admit("ec2:DescribeInstances", found.len().div_ceil(PER_PAGE).max(1))?;
            // Impaired ones are asked for by each of two checks.
            s.admit("ec2:DescribeInstanceStatus", 2)?;
            Ok(found)
        })
        .await
    }

    async fn scheduled_events(&self, _scope: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        self.call(Latency::Read, |s| {
            s.admit("ec2:DescribeInstanceStatus", 1)?;
            let is_running = |h: &&Host| h.state == Ec2State::Running;
            let event = |h: &Host| {
                let (what, not_before) = h.scheduled?;
                Some(ScheduledEvent { host: h.id.clone(), what, not_before })
            };
            Ok(s.ec2.hosts.values().filter(is_running).filter_map(event).collect())
        })
        .await
    }

    async fn find_unnoted(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.call(Latency::Read, |s| {
            let is_theirs = |h: &&Host| h.stack_id.as_ref() == Some(&scope.stack_id) && h.visible_from <= s.now;
            let found = describe(s.ec2.hosts.values().filter(is_theirs).filter(|h| h.is_unnoted()));
            s.admit("ec2:DescribeInstances", found.len().div_ceil(PER_PAGE).max(1))?;
            Ok(found)
        })
        .await
    }

    async fn note_running(&self, _scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<(), CloudError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.call(Latency::Write, |s| {
            s.admit(TAGS, ids.len().div_ceil(IDS_PER_CHANGE))?;
            for id in ids {
                let no = s.known(TAGS, id)?;
                s.note_running(no);
            }
            Ok(())
        })
        .await
    }

    async fn delete_volumes(
        &self,
        _scope: &StackScope,
        ec2_volume_ids: &[String],
    ) -> Result<Vec<ItemResult<String>>, CloudError> {
        if ec2_volume_ids.is_empty() {
            return Ok(Vec::new());
        }
        self.call(Latency::Write, |s| {
            Ok(ec2_volume_ids.iter().map(|id| ItemResult { id: id.clone(), result: s.delete_volume(id) }).collect())
        })
        .await
    }
}
