//! A cloud that never answers: enough to see what a handler makes of an event.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use strata_domain::decision::Page;
use strata_domain::mode::Mode;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, ServiceArn, SsmCommandId, TaskArn};
use strata_local::{CloudConfig, SeededIds, SimCloud, VirtualClock};
use strata_ports::*;

/// Answers nothing, and tells a fixed time.
pub(crate) struct Silent;

fn silent<T>() -> Result<T, CloudError> {
    Err(CloudError::RetryLater { action: "any", why: "the cloud is silent".to_owned() })
}

/// All ports over `store` and a silent cloud.
pub(crate) fn ports(store: Arc<dyn Store>) -> Ports {
    let silent = Arc::new(Silent);
    let account = SimCloud::new(CloudConfig::default(), 1, Arc::new(VirtualClock::new(silent.now())));
    Ports {
        store,
        compute: silent.clone(),
        attachments: account.clone(),
        containers: silent.clone(),
        inventory: account.clone(),
        load_balancers: account.clone(),
        upkeep: account.clone(),
        identity: account.clone(),
        commands: silent.clone(),
        alarms: silent.clone(),
        pager: silent.clone(),
        events: silent.clone(),
        modes: silent.clone(),
        objects: account.clone(),
        clock: silent,
        ids: Arc::new(SeededIds::new(1, "test")),
    }
}

impl Clock for Silent {
    fn now(&self) -> Timestamp {
        "2026-03-02T18:10:00Z".parse().unwrap()
    }
}

type Batch<T> = Result<Vec<ItemResult<T>>, CloudError>;

#[async_trait]
impl Compute for Silent {
    async fn run_instance(&self, _: &StackScope, _: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        silent()
    }
    async fn ensure_groups(&self, _: &StackScope, _: &str) -> Result<std::collections::BTreeMap<String, String>, CloudError> {
        silent()
    }
    async fn reset_groups(&self, _: &StackScope, _: &str) -> Result<strata_ports::GroupsReset, CloudError> {
        silent()
    }
    async fn find_unnoted(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        silent()
    }
    async fn note_running(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<(), CloudError> {
        silent()
    }
    async fn start_instances(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Batch<Ec2InstanceId> {
        silent()
    }
    async fn set_instance_type(&self, _: &StackScope, _: &Ec2InstanceId, _: &str) -> Result<(), CloudError> {
        silent()
    }
    async fn stop_instances(&self, _: &StackScope, _: &[Ec2InstanceId], _: bool) -> Batch<Ec2InstanceId> {
        silent()
    }
    async fn terminate_instances(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Batch<Ec2InstanceId> {
        silent()
    }
    async fn reboot_instances(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Batch<Ec2InstanceId> {
        silent()
    }
    async fn describe_instances(
        &self,
        _: &StackScope,
        _: &[Ec2InstanceId],
        _: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        silent()
    }
    async fn find_by_record(&self, _: &StackScope, _: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        silent()
    }
    async fn describe_exceptions(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        silent()
    }
    async fn scheduled_events(&self, _: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        silent()
    }
    async fn delete_volumes(&self, _: &StackScope, _: &[String]) -> Batch<String> {
        silent()
    }
}

#[async_trait]
impl Containers for Silent {
    async fn describe_cluster(&self, _: &StackScope, _: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        silent()
    }
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        silent()
    }
    async fn find_by_host(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        silent()
    }
    async fn describe_exceptions(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        silent()
    }
    async fn set_state(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
        _: ContainerInstanceState,
    ) -> Batch<ContainerInstanceArn> {
        silent()
    }
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        silent()
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, _: &TaskArn, _: &str) -> Result<(), CloudError> {
        silent()
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<(), CloudError> {
        silent()
    }
    async fn services(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        silent()
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn, _: u32) -> Result<(), CloudError> {
        silent()
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn) -> Result<(), CloudError> {
        silent()
    }
}

#[async_trait]
impl Commands for Silent {
    async fn send(&self, _: &StackScope, _: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        silent()
    }
    async fn results(&self, _: &StackScope, _: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        silent()
    }
    async fn pings(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        silent()
    }
}

#[async_trait]
impl Alarms for Silent {
    async fn put(&self, _: &StackScope, _: &[AlarmSpec]) -> Result<(), CloudError> {
        silent()
    }
    async fn delete(&self, _: &StackScope, _: &[String]) -> Result<(), CloudError> {
        silent()
    }
    async fn describe(&self, _: &StackScope, _: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        silent()
    }
}

#[async_trait]
impl Modes for Silent {
    async fn read(&self, _: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError> {
        silent()
    }
}

#[async_trait]
impl Pager for Silent {
    async fn publish(&self, _: &Page) -> Result<(), CloudError> {
        silent()
    }
}

#[async_trait]
impl Events for Silent {
    async fn put(&self, _: &[EventOut]) -> Result<(), CloudError> {
        silent()
    }
}
