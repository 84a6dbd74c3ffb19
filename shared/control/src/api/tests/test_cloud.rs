//! The ports that the API hardly uses: clusters that exist, alarms that are remembered, events that are counted. The rest refuses.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use strata_domain::decision::Page;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, ServiceArn, SsmCommandId, TaskArn};
use strata_ports::*;

fn unused<T>() -> Result<T, CloudError> {
    Err(CloudError::Wrong { action: "test", code: "Unused".into(), why: "the API has no business here".into() })
}

#[derive(Default)]
pub(super) struct TestCloud {
    /// Clusters by ARN, and whether they are ACTIVE.
    pub(super) clusters: Mutex<BTreeMap<String, bool>>,
    /// Alarms by name.
    pub(super) alarms: Mutex<BTreeMap<String, AlarmSpec>>,
    /// CloudWatch does not answer.
    pub(super) alarms_fail: AtomicBool,
    /// The bus does not answer.
    pub(super) events_fail: AtomicBool,
    /// Events put.
    pub(super) events: Mutex<Vec<EventOut>>,
    seconds: AtomicI64,
    next_id: AtomicU64,
}

impl TestCloud {
    pub(super) fn set_now(&self, now: &str) {
        self.seconds.store(now.parse::<Timestamp>().unwrap().as_second(), Ordering::Relaxed);
    }
    pub(super) fn advance(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }
    fn alarm_call(&self) -> Result<(), CloudError> {
        if self.alarms_fail.load(Ordering::Relaxed) { unused() } else { Ok(()) }
    }
}

impl Clock for TestCloud {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.seconds.load(Ordering::Relaxed)).unwrap()
    }
}

impl Ids for TestCloud {
    fn uuid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.next_id.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl Alarms for TestCloud {
    async fn put(&self, _: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError> {
        self.alarm_call()?;
        self.alarms.lock().unwrap().extend(specs.iter().map(|s| (s.name.clone(), s.clone())));
        Ok(())
    }
    async fn delete(&self, _: &StackScope, names: &[String]) -> Result<(), CloudError> {
        self.alarm_call()?;
        self.alarms.lock().unwrap().retain(|name, _| !names.contains(name));
        Ok(())
    }
    async fn describe(&self, _: &StackScope, _: &[String]) -> Result<Vec<AlarmObservation>, CloudError> {
        self.alarm_call()?;
        Ok(Vec::new())
    }
}

#[async_trait]
impl Events for TestCloud {
    async fn put(&self, events: &[EventOut]) -> Result<(), CloudError> {
        if self.events_fail.load(Ordering::Relaxed) {
            return unused();
        }
        self.events.lock().unwrap().extend_from_slice(events);
        Ok(())
    }
}

#[async_trait]
impl Pager for TestCloud {
    async fn publish(&self, _: &Page) -> Result<(), CloudError> {
        unused()
    }
}

#[async_trait]
impl Commands for TestCloud {
    async fn send(&self, _: &StackScope, _: &CommandRequest) -> Result<SsmCommandId, CloudError> {
        unused()
    }
    async fn results(&self, _: &StackScope, _: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError> {
        unused()
    }
    async fn pings(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError> {
        unused()
    }
}

#[async_trait]
impl Compute for TestCloud {
    async fn run_instance(&self, _: &StackScope, _: &LaunchSpec) -> Result<Ec2Instance, CloudError> {
        unused()
    }
    async fn ensure_groups(&self, _: &StackScope, _: &str) -> Result<BTreeMap<String, String>, CloudError> {
        unused()
    }
    async fn reset_groups(&self, _: &StackScope, _: &str) -> Result<GroupsReset, CloudError> {
        unused()
    }
    async fn start_instances(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        unused()
    }
    async fn set_instance_type(&self, _: &StackScope, _: &Ec2InstanceId, _: &str) -> Result<(), CloudError> {
        unused()
    }
    async fn stop_instances(
        &self,
        _: &StackScope,
        _: &[Ec2InstanceId],
        _: bool,
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        unused()
    }
    async fn terminate_instances(
        &self,
        _: &StackScope,
        _: &[Ec2InstanceId],
    ) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        unused()
    }
    async fn reboot_instances(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<Vec<ItemResult<Ec2InstanceId>>, CloudError> {
        unused()
    }
    async fn describe_instances(
        &self,
        _: &StackScope,
        _: &[Ec2InstanceId],
        _: StatusChecks,
    ) -> Result<Vec<Ec2Instance>, CloudError> {
        unused()
    }
    async fn find_by_record(&self, _: &StackScope, _: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError> {
        unused()
    }
    async fn describe_exceptions(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        unused()
    }
    async fn scheduled_events(&self, _: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError> {
        unused()
    }
    async fn find_unnoted(&self, _: &StackScope) -> Result<Vec<Ec2Instance>, CloudError> {
        unused()
    }
    async fn note_running(&self, _: &StackScope, _: &[Ec2InstanceId]) -> Result<(), CloudError> {
        unused()
    }
    async fn delete_volumes(&self, _: &StackScope, _: &[String]) -> Result<Vec<ItemResult<String>>, CloudError> {
        unused()
    }
}

#[async_trait]
impl Containers for TestCloud {
    async fn describe_cluster(&self, _: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError> {
        let clusters = self.clusters.lock().unwrap();
        Ok(clusters.get(cluster.as_str()).map(|active| ClusterView { arn: cluster.clone(), active: *active }))
    }
    async fn describe_container_instances(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        unused()
    }
    async fn find_by_host(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[Ec2InstanceId],
    ) -> Result<Vec<ContainerInstance>, CloudError> {
        unused()
    }
    async fn describe_exceptions(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError> {
        unused()
    }
    async fn set_state(
        &self,
        _: &StackScope,
        _: &ClusterArn,
        _: &[ContainerInstanceArn],
        _: ContainerInstanceState,
    ) -> Result<Vec<ItemResult<ContainerInstanceArn>>, CloudError> {
        unused()
    }
    async fn tasks_on(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError> {
        unused()
    }
    async fn stop_task(&self, _: &StackScope, _: &ClusterArn, _: &TaskArn, _: &str) -> Result<(), CloudError> {
        unused()
    }
    async fn deregister(&self, _: &StackScope, _: &ClusterArn, _: &ContainerInstanceArn) -> Result<(), CloudError> {
        unused()
    }
    async fn services(&self, _: &StackScope, _: &ClusterArn) -> Result<Vec<EcsService>, CloudError> {
        unused()
    }
    async fn scale_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn, _: u32) -> Result<(), CloudError> {
        unused()
    }
    async fn delete_service(&self, _: &StackScope, _: &ClusterArn, _: &ServiceArn) -> Result<(), CloudError> {
        unused()
    }
}
