//! Machines and their volumes, on EC2.
//!
//! One launch is one machine by three means. EC2 remembers a client token and answers a repeat with the machine that it made, at once and in
//! every zone; it forgets tokens in the end, and refuses a repeat that asks for something else than the first call. So each launch first looks
//! for a machine with the token's tag, which settles both as soon as descriptions show the machine. In the seconds in which they do not yet,
//! the token protects: the same request gives the same machine, and one that is refused as different is put off until the look finds it.

pub(crate) mod batches;
pub(crate) mod describe;
mod groups;
pub mod images;
mod launch;
mod rules;
pub mod tags;
pub(crate) mod templates;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Builder;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::AttributeValue;
use strata_domain::{Ec2InstanceId, InstanceId};
use strata_ports::{
    CloudError, Compute, Ec2Instance, Ec2State, GroupsReset, ItemResult, LaunchSpec, ScheduledEvent, StackScope, StatusChecks,
};

use crate::error::{Effect, sort};
use crate::per_stack::PerStack;
use crate::{Base, Role, Uses};
use batches::{Failure, each};
use images::Images;

/// What the methods need.
pub const USES: &[Uses] = &[
    Uses {
        method: "run_instance",
        role: Role::Stack,
        actions: &["ec2:DescribeImages", "ec2:DescribeInstances", "ec2:RunInstances"],
    },
    Uses { method: "run_instance", role: Role::Function, actions: &["ssm:GetParameter"] },
    Uses {
        method: "ensure_groups",
        role: Role::Stack,
        actions: &["ec2:AuthorizeSecurityGroupIngress", "ec2:CreateSecurityGroup", "ec2:DescribeSecurityGroups"],
    },
    Uses {
        method: "reset_groups",
        role: Role::Stack,
        actions: &[
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateSecurityGroup",
            "ec2:DescribeSecurityGroupRules",
            "ec2:DescribeSecurityGroups",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ],
    },
    Uses { method: "start_instances", role: Role::Stack, actions: &["ec2:DescribeInstances", "ec2:StartInstances"] },
    Uses { method: "find_unnoted", role: Role::Stack, actions: &["ec2:DescribeInstances"] },
    Uses { method: "note_running", role: Role::Stack, actions: &["ec2:CreateTags"] },
    Uses { method: "set_instance_type", role: Role::Stack, actions: &["ec2:ModifyInstanceAttribute"] },
    Uses {
        method: "stop_instances",
        role: Role::Stack,
        actions: &["ec2:CreateTags", "ec2:DescribeInstances", "ec2:StopInstances"],
    },
    Uses {
        method: "terminate_instances",
        role: Role::Stack,
        actions: &["ec2:CreateTags", "ec2:DescribeInstances", "ec2:TerminateInstances"],
    },
    Uses { method: "reboot_instances", role: Role::Stack, actions: &["ec2:DescribeInstances", "ec2:RebootInstances"] },
    Uses { method: "describe_instances", role: Role::Stack, actions: &["ec2:DescribeInstanceStatus", "ec2:DescribeInstances"] },
    Uses { method: "find_by_record", role: Role::Stack, actions: &["ec2:DescribeInstanceStatus", "ec2:DescribeInstances"] },
    Uses { method: "describe_exceptions", role: Role::Stack, actions: &["ec2:DescribeInstanceStatus", "ec2:DescribeInstances"] },
    Uses { method: "scheduled_events", role: Role::Stack, actions: &["ec2:DescribeInstanceStatus"] },
    Uses { method: "delete_volumes", role: Role::Stack, actions: &["ec2:DeleteVolume"] },
];

/// EC2, under the stack's service role.
pub struct Ec2Compute {
    clients: PerStack<Client>,
    images: Images,
    installation: String,
}

/// A client of EC2 for a stack.
pub(crate) fn clients(base: &Base) -> PerStack<Client> {
    let make = |config: &_, base: &Base| Client::from_conf(Builder::from(config).interceptor(base.log().clone()).build());
    PerStack::new(base, "EC2", make)
}

type Results = Vec<ItemResult<Ec2InstanceId>>;

impl Ec2Compute {
    /// Over the base's connector.
    pub fn new(base: &Base) -> Self {
        Self { clients: clients(base), images: Images::new(base), installation: base.settings().installation.clone() }
    }

    /// The state of each machine that EC2 shows.
    async fn states(client: &Client, ids: &[Ec2InstanceId]) -> Result<BTreeMap<Ec2InstanceId, Ec2State>, CloudError> {
        let found = describe::by_id(client, ids).await?;
        Ok(found.iter().filter_map(|i| Some((Ec2InstanceId::from(i.instance_id()?), describe::state(i)?))).collect())
    }

    /// Notes on the machines that we take them down.
    ///
    /// Our choice: it hinders nothing when it fails. A stop that is not noted is looked at once too often.
    async fn note_down(client: &Client, ids: &[Ec2InstanceId]) {
        if let Err(error) = Self::note_power(client, ids, "off").await {
            tracing::warn!(error = %error, "a machine could not be tagged");
        }
    }

    /// Notes on the machines whether we want them to run; [`describe::exceptions`] tells by it what others have stopped.
    async fn note_power(client: &Client, ids: &[Ec2InstanceId], power: &'static str) -> Result<(), CloudError> {
        const ACTION: &str = "ec2:CreateTags";
        let result = each(ACTION, names(ids), |batch| {
            let request = client.create_tags().set_resources(Some(batch)).tags(tags::tag(tags::POWER, power));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(ACTION, error)) }
        })
        .await;
        result?.into_iter().find_map(|item| item.result.err()).map_or(Ok(()), Err)
    }
}

fn names(ids: &[Ec2InstanceId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn typed(results: Vec<ItemResult<String>>) -> Results {
    results.into_iter().map(|item| ItemResult { id: Ec2InstanceId::from(item.id.as_str()), result: item.result }).collect()
}

/// Divides machines into those that are settled by the state that they are in, and those that EC2 is to be asked for. What descriptions do not
/// show is asked for: EC2 may know it already.
fn settled_by(
    ids: &[Ec2InstanceId],
    states: &BTreeMap<Ec2InstanceId, Ec2State>,
    settle: impl Fn(&Ec2InstanceId, Ec2State) -> Option<Result<(), CloudError>>,
) -> (Results, Vec<Ec2InstanceId>) {
    let (mut settled, mut asked) = (Vec::new(), Vec::new());
    for id in ids {
        match states.get(id).and_then(|state| settle(id, *state)) {
            Some(result) => settled.push(ItemResult { id: id.clone(), result }),
            None => asked.push(id.clone()),
        }
    }
    (settled, asked)
}

fn unfit(action: &'static str, id: &Ec2InstanceId, state: Ec2State) -> CloudError {
    let (code, why) = ("IncorrectInstanceState".to_owned(), format!("{id} is {}", state.as_str()));
    match state {
        Ec2State::Pending | Ec2State::Stopping | Ec2State::Running => {
            CloudError::RetryLater { action, why: format!("{code}: {why}") }
        }
        Ec2State::Stopped | Ec2State::ShuttingDown | Ec2State::Terminated => CloudError::Wrong { action, code, why },
    }
}

#[async_trait]
impl Compute for Ec2Compute {
    async fn run_instance(&self, scope: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        const ACTION: &str = "ec2:RunInstances";
        let client = self.clients.client(scope);
        let nothing = BTreeSet::new();
        if let Some(known) = describe::by_token(&client, scope, &spec.token).await? {
            return describe::view(&known, &nothing);
        }
        let image = self.images.find(&client, scope, spec).await?;
        match launch::request(&client, &self.installation, scope, spec, &image).send().await {
            Ok(answer) => match answer.instances() {
                // It was launched, so a repeat finds it.
                [machine, ..] => describe::view(machine, &nothing)
                    .map_err(|error| CloudError::OutcomeUnknown { action: ACTION, why: error.to_string() }),
                [] => Err(CloudError::OutcomeUnknown { action: ACTION, why: "the answer names no machine".to_owned() }),
            },
            // The token was used, and settings or the newest image have changed since: it is the same launch all the same.
            Err(error) if error.code() == Some("IdempotentParameterMismatch") => {
                let known = describe::by_token(&client, scope, &spec.token).await?;
                let later = || CloudError::RetryLater {
                    action: ACTION,
                    why: format!("the machine of the token {} is not shown yet", spec.token),
                };
                describe::view(&known.ok_or_else(later)?, &nothing)
            }
            Err(error) => {
                let error = sort(ACTION, Effect::Write, error);
                if matches!(error, CloudError::Wrong { .. }) {
                    self.images.forget(scope, spec);
                }
                Err(error)
            }
        }
    }

    async fn ensure_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        groups::ensure(&self.clients.client(scope), &self.installation, vpc_id).await
    }

    async fn reset_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<GroupsReset, CloudError> {
        groups::reset(&self.clients.client(scope), &self.installation, vpc_id).await
    }

    async fn start_instances(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Results, CloudError> {
        const ACTION: &str = "ec2:StartInstances";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.clients.client(scope);
        let states = Self::states(&client, ids).await?;
        let (mut results, asked) = settled_by(ids, &states, |id, state| match state {
            Ec2State::Pending | Ec2State::Running => Some(Ok(())),
            Ec2State::Stopping | Ec2State::ShuttingDown | Ec2State::Terminated => Some(Err(unfit(ACTION, id, state))),
            Ec2State::Stopped => None,
        });
        let started = each(ACTION, names(&asked), |batch| {
            let request = client.start_instances().set_instance_ids(Some(batch));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(ACTION, error)) }
        });
        results.extend(typed(started.await?));
        Ok(results)
    }

    async fn set_instance_type(&self, scope: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError> {
        let value = AttributeValue::builder().value(instance_type).build();
        let request = self.clients.client(scope).modify_instance_attribute().instance_id(id.as_str()).instance_type(value);
        let answer = request.send().await.map_err(|error| sort("ec2:ModifyInstanceAttribute", Effect::Write, error));
        answer.map(drop)
    }

    async fn stop_instances(&self, scope: &StackScope, ids: &[Ec2InstanceId], force: bool) -> Result<Results, CloudError> {
        const ACTION: &str = "ec2:StopInstances";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.clients.client(scope);
        let states = Self::states(&client, ids).await?;
        let (mut results, asked) = settled_by(ids, &states, |id, state| match state {
            Ec2State::Stopped => Some(Ok(())),
            // A stop that hangs is hurried.
            Ec2State::Stopping => (!force).then_some(Ok(())),
            Ec2State::Pending | Ec2State::ShuttingDown | Ec2State::Terminated => Some(Err(unfit(ACTION, id, state))),
            Ec2State::Running => None,
        });
        let is_down = |id: &Ec2InstanceId| matches!(states.get(id), Some(Ec2State::Stopping | Ec2State::Stopped));
        let noted: Vec<_> = ids.iter().filter(|id| asked.contains(id) || is_down(id)).cloned().collect();
        Self::note_down(&client, &noted).await;
        let stopped = each(ACTION, names(&asked), |batch| {
            let request = client.stop_instances().set_instance_ids(Some(batch)).set_force(force.then_some(true));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(ACTION, error)) }
        });
        results.extend(typed(stopped.await?));
        Ok(results)
    }

    async fn terminate_instances(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Results, CloudError> {
        const ACTION: &str = "ec2:TerminateInstances";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.clients.client(scope);
        let states = Self::states(&client, ids).await?;
        let (mut results, asked) = settled_by(ids, &states, |_, state| match state {
            Ec2State::ShuttingDown | Ec2State::Terminated => Some(Ok(())),
            Ec2State::Pending | Ec2State::Running | Ec2State::Stopping | Ec2State::Stopped => None,
        });
        Self::note_down(&client, ids).await;
        let terminated = each(ACTION, names(&asked), |batch| {
            let request = client.terminate_instances().set_instance_ids(Some(batch));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(ACTION, error)) }
        });
        results.extend(typed(terminated.await?));
        Ok(results)
    }

    async fn reboot_instances(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Results, CloudError> {
        const ACTION: &str = "ec2:RebootInstances";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.clients.client(scope);
        let states = Self::states(&client, ids).await?;
        let (mut results, asked) = settled_by(ids, &states, |id, state| match state {
            Ec2State::Running => None,
            // Whatever comes next is not this machine's present run.
            other => Some(Err(CloudError::Wrong {
                action: ACTION,
                code: "IncorrectInstanceState".to_owned(),
                why: format!("{id} is {}, not running", other.as_str()),
            })),
        });
        let rebooted = each(ACTION, names(&asked), |batch| {
            let request = client.reboot_instances().set_instance_ids(Some(batch));
            async move { request.send().await.map(drop).map_err(|error| Failure::of(ACTION, error)) }
        });
        results.extend(typed(rebooted.await?));
        Ok(results)
    }

    async fn describe_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
        checks: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        let client = self.clients.client(scope);
        let found = describe::by_id(&client, ids).await?;
        match checks {
            StatusChecks::Asked => describe::with_status(&client, &found).await,
            StatusChecks::Skipped => describe::without_status(&found),
        }
    }

    async fn find_by_record(&self, scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        let client = self.clients.client(scope);
        describe::with_status(&client, &describe::by_record(&client, scope, records).await?).await
    }

    async fn describe_exceptions(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        describe::exceptions(&self.clients.client(scope), scope).await
    }

    async fn scheduled_events(&self, scope: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        describe::scheduled(&self.clients.client(scope)).await
    }

    async fn find_unnoted(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        describe::unnoted(&self.clients.client(scope), scope).await
    }

    async fn note_running(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<(), CloudError> {
        Self::note_power(&self.clients.client(scope), ids, "on").await
    }

    async fn delete_volumes(&self, scope: &StackScope, ec2_volume_ids: &[String]) -> Result<Vec<ItemResult<String>>, CloudError> {
        const ACTION: &str = "ec2:DeleteVolume";
        let client = self.clients.client(scope);
        let mut results = Vec::with_capacity(ec2_volume_ids.len());
        for id in ec2_volume_ids {
            let answer = client.delete_volume().volume_id(id).send().await;
            let result = match answer.map_err(|error| sort(ACTION, Effect::Write, error)) {
                Err(CloudError::Wrong { code, .. }) if code == "InvalidVolume.NotFound" => Ok(()),
                other => other.map(drop),
            };
            results.push(ItemResult { id: id.clone(), result });
        }
        Ok(results)
    }
}
