//! Notes which methods of which ports are called, and hands every call on: so it is known what a function needs to be allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_domain::decision::Page;
use strata_domain::mode::Mode;
use strata_domain::tags::Tags;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, LayerId, ServiceArn, SsmCommandId, TaskArn};
use strata_ports::store::Listing;
use strata_ports::{
    AddressView, AlarmObservation, AlarmSpec, Alarms, Attachments, BalancerHosts, Change, CloudError, ClusterView,
    CommandRequest, CommandResult, Commands, CommitError, Compute, ContainerInstance, ContainerInstanceState, Containers,
    Ec2Instance, EcsService, EcsTask, EventOut, Events, GroupsReset, HostView, IamDecision, Identity, ImageView,
    InstanceIdentity, Inventory, Item, ItemResult, Key, LaunchSpec, LoadBalancerView, LoadBalancers, ModeScope, Modes, NewVolume,
    Objects, Pager, Ping, Ports, RoleCheck, ScheduledEvent, SecurityGroupView, StackScope, StatusChecks, Store, StoreError,
    TemplateSpec, Upkeep, VolumeView, VpcView,
};

/// Methods by port, as the traits spell both.
pub type Methods = BTreeMap<&'static str, BTreeSet<&'static str>>;

/// What was called. Cheap to clone; clones share the notes.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<BTreeSet<(&'static str, &'static str)>>>);

impl Recorder {
    /// `ports`, noted down. Clock and ids call nobody.
    pub fn wrap(&self, ports: Ports) -> Ports {
        Ports {
            store: Arc::new(self.over(ports.store)),
            compute: Arc::new(self.over(ports.compute)),
            attachments: Arc::new(self.over(ports.attachments)),
            upkeep: Arc::new(self.over(ports.upkeep)),
            containers: Arc::new(self.over(ports.containers)),
            inventory: Arc::new(self.over(ports.inventory)),
            load_balancers: Arc::new(self.over(ports.load_balancers)),
            identity: Arc::new(self.over(ports.identity)),
            commands: Arc::new(self.over(ports.commands)),
            alarms: Arc::new(self.over(ports.alarms)),
            pager: Arc::new(self.over(ports.pager)),
            events: Arc::new(self.over(ports.events)),
            modes: Arc::new(self.over(ports.modes)),
            objects: Arc::new(self.over(ports.objects)),
            ..ports
        }
    }

    /// What was called so far.
    pub fn methods(&self) -> Methods {
        let mut methods = Methods::new();
        for (port, method) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            methods.entry(port).or_default().insert(method);
        }
        methods
    }

    fn over<P: ?Sized>(&self, inner: Arc<P>) -> Recorded<P> {
        Recorded { recorder: self.clone(), inner }
    }

    fn note(&self, port: &'static str, method: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((port, method));
    }
}

/// One port.
struct Recorded<P: ?Sized> {
    recorder: Recorder,
    inner: Arc<P>,
}

/// Implements a port by its methods' signatures.
macro_rules! recorded {
    ($port:ident { $($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* } $($more:tt)*) => {
        #[async_trait]
        impl $port for Recorded<dyn $port> {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                self.recorder.note(stringify!($port), stringify!($method));
                self.inner.$method($($argument),*).await
            })*
            $($more)*
        }
    };
}

type Each<T> = Result<Vec<ItemResult<T>>, CloudError>;

recorded!(Store {
    get(key: &Key) -> Result<Option<Item>, StoreError>;
    list(listing: &Listing) -> Result<Vec<Item>, StoreError>;
    commit(changes: Vec<Change>) -> Result<(), CommitError>;
}
fn stamp(&self, pk: &str) -> Option<u64> {
    self.inner.stamp(pk)
});

recorded!(Compute {
    run_instance(scope: &StackScope, spec: &LaunchSpec) -> Result<Ec2Instance, CloudError>;
    ensure_groups(scope: &StackScope, vpc_id: &str) -> Result<BTreeMap<String, String>, CloudError>;
    reset_groups(scope: &StackScope, vpc_id: &str) -> Result<GroupsReset, CloudError>;
    start_instances(scope: &StackScope, ids: &[Ec2InstanceId]) -> Each<Ec2InstanceId>;
    set_instance_type(scope: &StackScope, id: &Ec2InstanceId, instance_type: &str) -> Result<(), CloudError>;
    stop_instances(scope: &StackScope, ids: &[Ec2InstanceId], force: bool) -> Each<Ec2InstanceId>;
    terminate_instances(scope: &StackScope, ids: &[Ec2InstanceId]) -> Each<Ec2InstanceId>;
    reboot_instances(scope: &StackScope, ids: &[Ec2InstanceId]) -> Each<Ec2InstanceId>;
    describe_instances(scope: &StackScope, ids: &[Ec2InstanceId], checks: StatusChecks)
        -> Result<Vec<Ec2Instance>, CloudError>;
    find_by_record(scope: &StackScope, records: &[InstanceId]) -> Result<Vec<Ec2Instance>, CloudError>;
    describe_exceptions(scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError>;
    scheduled_events(scope: &StackScope) -> Result<Vec<ScheduledEvent>, CloudError>;
    find_unnoted(scope: &StackScope) -> Result<Vec<Ec2Instance>, CloudError>;
    note_running(scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<(), CloudError>;
    delete_volumes(scope: &StackScope, ec2_volume_ids: &[String]) -> Each<String>;
});

recorded!(Upkeep {
    put_template(scope: &StackScope, spec: &TemplateSpec) -> Result<(), CloudError>;
    delete_template(scope: &StackScope, name: &str) -> Result<(), CloudError>;
    break_glass_hosts(scope: &StackScope) -> Result<Vec<(Ec2InstanceId, LayerId)>, CloudError>;
    tags(scope: &StackScope, resources: &[String]) -> Result<BTreeMap<String, Tags>, CloudError>;
    change_tags(scope: &StackScope, resources: &[String], set: &Tags, unset: &BTreeSet<String>) -> Each<String>;
});

recorded!(Containers {
    describe_cluster(scope: &StackScope, cluster: &ClusterArn) -> Result<Option<ClusterView>, CloudError>;
    describe_container_instances(scope: &StackScope, cluster: &ClusterArn, arns: &[ContainerInstanceArn])
        -> Result<Vec<ContainerInstance>, CloudError>;
    find_by_host(scope: &StackScope, cluster: &ClusterArn, hosts: &[Ec2InstanceId])
        -> Result<Vec<ContainerInstance>, CloudError>;
    describe_exceptions(scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ContainerInstance>, CloudError>;
    set_state(scope: &StackScope, cluster: &ClusterArn, arns: &[ContainerInstanceArn], state: ContainerInstanceState)
        -> Each<ContainerInstanceArn>;
    tasks_on(scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<Vec<EcsTask>, CloudError>;
    stop_task(scope: &StackScope, cluster: &ClusterArn, task: &TaskArn, reason: &str) -> Result<(), CloudError>;
    deregister(scope: &StackScope, cluster: &ClusterArn, arn: &ContainerInstanceArn) -> Result<(), CloudError>;
    services(scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<EcsService>, CloudError>;
    scale_service(scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn, desired: u32) -> Result<(), CloudError>;
    delete_service(scope: &StackScope, cluster: &ClusterArn, service: &ServiceArn) -> Result<(), CloudError>;
});

recorded!(Inventory {
    vpc(scope: &StackScope, id: Option<&str>) -> Result<Option<VpcView>, CloudError>;
    security_groups(scope: &StackScope, ids: &[String]) -> Result<Vec<SecurityGroupView>, CloudError>;
    key_pairs(scope: &StackScope, names: &[String]) -> Result<Vec<String>, CloudError>;
    images(scope: &StackScope, ids: &[String]) -> Result<Vec<ImageView>, CloudError>;
    volumes(scope: &StackScope, ids: &[String]) -> Result<Vec<VolumeView>, CloudError>;
    volumes_of(scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<VolumeView>, CloudError>;
    addresses(scope: &StackScope, ips: &[String]) -> Result<Vec<AddressView>, CloudError>;
    addresses_of(scope: &StackScope, host: &Ec2InstanceId) -> Result<Vec<AddressView>, CloudError>;
    hosts(scope: &StackScope, ids: &[Ec2InstanceId]) -> Result<Vec<HostView>, CloudError>;
});

recorded!(LoadBalancers {
    describe(scope: &StackScope, names: &[String]) -> Result<Vec<LoadBalancerView>, CloudError>;
    hosts(scope: &StackScope, balancer: &str, asked: &[Ec2InstanceId]) -> Result<Option<BalancerHosts>, CloudError>;
    register(scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each<Ec2InstanceId>;
    deregister(scope: &StackScope, balancer: &str, hosts: &[Ec2InstanceId]) -> Each<Ec2InstanceId>;
    drain_time(scope: &StackScope, balancer: &str) -> Result<SignedDuration, CloudError>;
    add_subnets(scope: &StackScope, balancer: &str, subnet_ids: &[String]) -> Result<(), CloudError>;
    tags(scope: &StackScope, names: &[String]) -> Result<BTreeMap<String, Tags>, CloudError>;
    change_tags(scope: &StackScope, name: &str, set: &Tags, unset: &BTreeSet<String>) -> Result<(), CloudError>;
});

recorded!(Attachments {
    attach_volume(scope: &StackScope, volume: &str, host: &Ec2InstanceId, device: &str) -> Result<(), CloudError>;
    make_volume(scope: &StackScope, volume: &NewVolume) -> Result<String, CloudError>;
    detach_volume(scope: &StackScope, volume: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    associate_address(scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    disassociate_address(scope: &StackScope, ip: &str, host: &Ec2InstanceId) -> Result<(), CloudError>;
    allocated_for(scope: &StackScope, token: &str) -> Result<Vec<String>, CloudError>;
    allocate_address(scope: &StackScope, token: &str) -> Result<String, CloudError>;
    release_address(scope: &StackScope, ip: &str) -> Result<(), CloudError>;
});

recorded!(Identity {
    decide(principal: &str, action: &str, resource: &str) -> Result<IamDecision, CloudError>;
    check_role(role_arn: &str, actions: &[&str], cluster: Option<&ClusterArn>) -> Result<RoleCheck, CloudError>;
    verify_instance(document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError>;
});

recorded!(Commands {
    send(scope: &StackScope, request: &CommandRequest) -> Result<SsmCommandId, CloudError>;
    results(scope: &StackScope, ids: &[SsmCommandId]) -> Result<Vec<CommandResult>, CloudError>;
    pings(scope: &StackScope, hosts: &[Ec2InstanceId]) -> Result<Vec<Ping>, CloudError>;
});

recorded!(Alarms {
    put(scope: &StackScope, specs: &[AlarmSpec]) -> Result<(), CloudError>;
    delete(scope: &StackScope, names: &[String]) -> Result<(), CloudError>;
    describe(scope: &StackScope, names: &[String]) -> Result<Vec<AlarmObservation>, CloudError>;
});

recorded!(Pager {
    publish(page: &Page) -> Result<(), CloudError>;
});

recorded!(Events {
    put(events: &[EventOut]) -> Result<(), CloudError>;
});

recorded!(Objects {
    put(key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError>;
    get(key: &str) -> Result<Option<Bytes>, CloudError>;
    delete(key: &str) -> Result<(), CloudError>;
    link(key: &str, valid_for: SignedDuration) -> Result<String, CloudError>;
});

recorded!(Modes {
    read(scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError>;
});

#[cfg(test)]
mod tests {
    use strata_ports::Key;

    use super::*;
    use crate::Standalone;

    #[tokio::test]
    async fn what_is_called_is_noted_by_port_and_method_and_answered_by_the_port() {
        let recorder = Recorder::default();
        let ports = recorder.wrap(Standalone::new().ports);
        assert!(recorder.methods().is_empty());
        let put = Change::put(Key::new("p", "s"), &1, strata_ports::Expect::Absent);
        ports.store.commit(vec![put]).await.unwrap();
        assert_eq!(ports.store.get(&Key::new("p", "s")).await.unwrap().unwrap().version, 1);
        assert_eq!(ports.modes.read(&[ModeScope::Installation]).await.unwrap(), [None]);
        let expected = [("Modes", BTreeSet::from(["read"])), ("Store", BTreeSet::from(["commit", "get"]))];
        assert_eq!(recorder.methods(), Methods::from(expected));
    }
}
