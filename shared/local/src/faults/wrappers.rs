//! One wrapper for each port that can fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_domain::decision::Page;
use strata_domain::mode::Mode;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, ServiceArn, SsmCommandId, TaskArn};
use strata_ports::store::Listing;
use strata_ports::{
    AlarmObservation, AlarmSpec, Alarms, Change, CloudError, ClusterView, CommandRequest, CommandResult, Commands, CommitError,
    Compute, ContainerInstance, ContainerInstanceState, Containers, Ec2Instance, EcsService, EcsTask, EventOut, Events,
    GroupsReset, Item, ItemResult, Key, LaunchSpec, ModeScope, Modes, Objects, Pager, Ping, Ports, ScheduledEvent, StackScope,
    StatusChecks, Store, StoreError,
};

use super::{Fault, Faulty, Kind, Moment};

/// A port and who decides about its calls.
pub(super) struct Wrapped<P: ?Sized> {
    pub(super) faulty: Arc<Faulty>,
    pub(super) inner: Arc<P>,
}

pub(super) fn wrap(faulty: &Arc<Faulty>, ports: Ports) -> Ports {
    Ports {
        store: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.store }),
        compute: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.compute }),
        attachments: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.attachments }),
        upkeep: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.upkeep }),
        containers: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.containers }),
        inventory: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.inventory }),
        load_balancers: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.load_balancers }),
        identity: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.identity }),
        commands: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.commands }),
        alarms: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.alarms }),
        pager: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.pager }),
        events: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.events }),
        modes: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.modes }),
        objects: Arc::new(Wrapped { faulty: faulty.clone(), inner: ports.objects }),
        clock: ports.clock,
        ids: ports.ids,
    }
}

#[async_trait]
impl Compute for Wrapped<dyn Compute> {
    async fn run_instance(&self, scope: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        self.faulty.run("ec2:RunInstances", Kind::Writes, self.inner.run_instance(scope, spec)).await
    }

    async fn ensure_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError> {
        self.faulty.run("ec2:CreateSecurityGroup", Kind::Writes, self.inner.ensure_groups(scope, vpc_id)).await
    }

    async fn reset_groups(&self, scope: &StackScope, vpc_id: &str) -> Result<GroupsReset, CloudError> {
        self.faulty.run("ec2:RevokeSecurityGroupIngress", Kind::Writes, self.inner.reset_groups(scope, vpc_id)).await
    }

    async fn start_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.faulty.run("ec2:StartInstances", Kind::Writes, self.inner.start_instances(scope, ids)).await
    }

    async fn set_instance_type(&self, scope: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError> {
        self.faulty.run("ec2:ModifyInstanceAttribute", Kind::Writes, self.inner.set_instance_type(scope, id, instance_type)).await
    }

    async fn stop_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
        force: bool,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.faulty.run("ec2:StopInstances", Kind::Writes, self.inner.stop_instances(scope, ids, force)).await
    }

    async fn terminate_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.faulty.run("ec2:TerminateInstances", Kind::Writes, self.inner.terminate_instances(scope, ids)).await
    }

    async fn reboot_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        self.faulty.run("ec2:RebootInstances", Kind::Writes, self.inner.reboot_instances(scope, ids)).await
    }

    async fn describe_instances(
        &self,
        scope: &StackScope,
        ids: &[Ec2InstanceId],
        checks: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.describe_instances(scope, ids, checks)).await
    }

    async fn find_by_record(&self, scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.find_by_record(scope, records)).await
    }

    async fn describe_exceptions(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.describe_exceptions(scope)).await
    }

    async fn scheduled_events(&self, scope: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        self.faulty.run("ec2:DescribeInstanceStatus", Kind::Reads, self.inner.scheduled_events(scope)).await
    }

    async fn find_unnoted(&self, scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        self.faulty.run("ec2:DescribeInstances", Kind::Reads, self.inner.find_unnoted(scope)).await
    }

    async fn note_running(&self, scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<(), CloudError> {
        self.faulty.run("ec2:CreateTags", Kind::Writes, self.inner.note_running(scope, ids)).await
    }

    async fn delete_volumes(&self, scope: &StackScope, ec2_volume_ids: &[String]) -> Result<Vec<ItemResult<String>>, CloudError> {
        self.faulty.run("ec2:DeleteVolume", Kind::Writes, self.inner.delete_volumes(scope, ec2_volume_ids)).await
    }
}

#[async_trait]
impl Containers for Wrapped<dyn Containers> {
    async fn describe_cluster(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        self.faulty.run("ecs:DescribeClusters", Kind::Reads, self.inner.describe_cluster(scope, cluster)).await
    }

    async fn describe_container_instances(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        self.faulty
            .run("ecs:DescribeContainerInstances", Kind::Reads, self.inner.describe_container_instances(scope, cluster, arns))
            .await
    }

    async fn find_by_host(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        hosts: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        self.faulty.run("ecs:ListContainerInstances", Kind::Reads, self.inner.find_by_host(scope, cluster, hosts)).await
    }

    async fn describe_exceptions(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        self.faulty.run("ecs:ListContainerInstances", Kind::Reads, self.inner.describe_exceptions(scope, cluster)).await
    }

    async fn set_state(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arns: &[ContainerInstanceArn],
        state: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        self.faulty
            .run("ecs:UpdateContainerInstancesState", Kind::Writes, self.inner.set_state(scope, cluster, arns, state))
            .await
    }

    async fn tasks_on(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        arn: &ContainerInstanceArn,
    ) -> Result<Vec<EcsTask>, CloudError> {
        self.faulty.run("ecs:ListTasks", Kind::Reads, self.inner.tasks_on(scope, cluster, arn)).await
    }

    async fn stop_task(&self, scope: &StackScope, cluster: &ClusterArn, task: &TaskArn, reason: &str) -> Result<(), CloudError> {
        self.faulty.run("ecs:StopTask", Kind::Writes, self.inner.stop_task(scope, cluster, task, reason)).await
    }

    async fn deregister(&self, scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError> {
        self.faulty.run("ecs:DeregisterContainerInstance", Kind::Writes, self.inner.deregister(scope, cluster, arn)).await
    }

    async fn services(&self, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        self.faulty.run("ecs:ListServices", Kind::Reads, self.inner.services(scope, cluster)).await
    }

    async fn scale_service(
        &self,
        scope: &StackScope,
        cluster: &ClusterArn,
        service: &ServiceArn,
        desired: u32,
    ) -> Result<(), CloudError> {
        self.faulty.run("ecs:UpdateService", Kind::Writes, self.inner.scale_service(scope, cluster, service, desired)).await
    }

    async fn delete_service(&self, scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError> {
        self.faulty.run("ecs:DeleteService", Kind::Writes, self.inner.delete_service(scope, cluster, service)).await
    }
}

#[async_trait]
impl Commands for Wrapped<dyn Commands> {
    async fn send(&self, scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        self.faulty.run("ssm:SendCommand", Kind::Writes, self.inner.send(scope, request)).await
    }

    async fn results(&self, scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        self.faulty.run("ssm:ListCommandInvocations", Kind::Reads, self.inner.results(scope, ids)).await
    }

    async fn pings(&self, scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        self.faulty.run("ssm:DescribeInstanceInformation", Kind::Reads, self.inner.pings(scope, hosts)).await
    }
}

#[async_trait]
impl Alarms for Wrapped<dyn Alarms> {
    async fn put(&self, scope: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError> {
        self.faulty.run("cloudwatch:PutMetricAlarm", Kind::Writes, self.inner.put(scope, specs)).await
    }

    async fn delete(&self, scope: &StackScope, names: &[String]) -> Result<(), CloudError> {
        self.faulty.run("cloudwatch:DeleteAlarms", Kind::Writes, self.inner.delete(scope, names)).await
    }

    async fn describe(&self, scope: &StackScope, names: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        self.faulty.run("cloudwatch:DescribeAlarms", Kind::Reads, self.inner.describe(scope, names)).await
    }
}

#[async_trait]
impl Pager for Wrapped<dyn Pager> {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        self.faulty.run("sns:Publish", Kind::Writes, self.inner.publish(page)).await
    }
}

#[async_trait]
impl Events for Wrapped<dyn Events> {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        self.faulty.run("events:PutEvents", Kind::Writes, self.inner.put(events)).await
    }
}

#[async_trait]
impl Objects for Wrapped<dyn Objects> {
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError> {
        self.faulty.run("s3:PutObject", Kind::Writes, self.inner.put(key, bytes, content_type)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CloudError> {
        self.faulty.run("s3:GetObject", Kind::Reads, self.inner.get(key)).await
    }

    async fn delete(&self, key: &str) -> Result<(), CloudError> {
        self.faulty.run("s3:DeleteObject", Kind::Writes, self.inner.delete(key)).await
    }

    /// Nothing is called for a link.
    async fn link(&self, key: &str, valid_for: SignedDuration) -> Result<String, CloudError> {
        self.inner.link(key, valid_for).await
    }
}

/// Modes never fail by plan.
#[async_trait]
impl Modes for Wrapped<dyn Modes> {
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        self.faulty.count("ssm:GetParameters", self.inner.read(scopes)).await
    }
}

#[async_trait]
impl Store for Wrapped<dyn Store> {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        match self.faulty.decide("store:get", Kind::Reads) {
            None => self.inner.get(key).await,
            Some(fault) => Err(StoreError::Unavailable { why: fault.effect().to_owned() }),
        }
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        match self.faulty.decide("store:list", Kind::Reads) {
            None => self.inner.list(listing).await,
            Some(fault) => Err(StoreError::Unavailable { why: fault.effect().to_owned() }),
        }
    }

    fn stamp(&self, pk: &str) -> Option<u64> {
        self.inner.stamp(pk)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let end = self.faulty.end_at("store:commit", Kind::Writes);
        self.faulty.die_if(end == Some(Moment::Before)).await;
        let answer = self.commit_by_plan(changes).await;
        self.faulty.die_if(end == Some(Moment::After)).await;
        answer
    }
}

impl Wrapped<dyn Store> {
    async fn commit_by_plan(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        let Some(fault) = self.faulty.decide("store:commit", Kind::Writes) else { return self.inner.commit(changes).await };
        let why = fault.effect().to_owned();
        match fault {
            // An overlapping transaction has cancelled it, as DynamoDB does.
            Fault::Throttled => match changes.first() {
                Some(first) => Err(CommitError::Conflict { key: first.key().clone() }),
                None => Err(CommitError::Unavailable { why }),
            },
            Fault::Unavailable | Fault::Refused(_) | Fault::Wrong(_) => Err(CommitError::Unavailable { why }),
            Fault::RequestLost => Err(CommitError::OutcomeUnknown { why }),
            Fault::ReplyLost => Err(self.inner.commit(changes).await.err().unwrap_or(CommitError::OutcomeUnknown { why })),
        }
    }
}
