//! What every adapter of Containers and Commands must do, piece by piece, and on a host that all of the cloud knows.

use strata_domain::{ClusterArn, Ec2InstanceId, ServiceArn, SsmCommandId};

use super::cloud::{Settle, launch};
use crate::{
    CloudError, CommandKind, CommandRequest, Commands, Compute, ContainerInstance, ContainerInstanceState, Containers, StackScope,
};

/// What a stand-in for SSM cannot show. The default is SSM itself: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommandsDiffer {
    /// It has no ListCommandInvocations, so that results cannot be read.
    pub without_results: bool,
    /// It has no DescribeInstanceInformation, so that no agent is ever seen.
    pub without_pings: bool,
}

/// A host that Setup turns into a container instance: a command reaches it, then ECS knows it.
///
/// # Panics
/// With what was broken.
pub async fn host_contract<C: Compute + Commands + Containers>(
    cloud: &C,
    scope: &StackScope,
    cluster: &ClusterArn,
    zone: &str,
    settle: Settle<'_>,
) {
    let host = cloud.run_instance(scope, &launch("record-2", zone)).await.expect("a launch is accepted");
    settle().await;
    let setup = CommandRequest {
        nonce: "setup-record-2-1".to_owned(),
        kind: CommandKind::Setup,
        host: host.id.clone(),
        parameters: vec![("cluster".to_owned(), cluster.to_string())],
        timeout_seconds: 3_600,
    };
    commands_contract(cloud, scope, &setup, settle, CommandsDiffer::default()).await;
    container_instances_contract(cloud, scope, cluster, &host.id).await;
}

/// SSM: an agent that called is seen; one nonce is one command, another nonce another one; unknown commands and hosts are left out.
///
/// # Panics
/// With what was broken.
pub async fn commands_contract(
    commands: &dyn Commands,
    scope: &StackScope,
    request: &CommandRequest,
    settle: Settle<'_>,
    differ: CommandsDiffer,
) {
    if !differ.without_pings {
        let asked = [request.host.clone(), Ec2InstanceId::from("i-0123456789abcdef0")];
        let pings = commands.pings(scope, &asked).await.expect("pings answer");
        assert_eq!(pings.iter().map(|ping| &ping.host).collect::<Vec<_>>(), [&request.host], "only its agent has called");
    }
    let command = commands.send(scope, request).await.expect("a command is accepted");
    assert_eq!(commands.send(scope, request).await.expect("a repeat is accepted"), command, "one nonce is one command");
    settle().await;
    assert_eq!(commands.send(scope, request).await.expect("a late repeat is accepted"), command, "however late it comes");
    let other = CommandRequest { nonce: format!("{}-again", request.nonce), ..request.clone() };
    let other = commands.send(scope, &other).await.expect("a command is accepted");
    assert_ne!(other, command, "another nonce is another command");
    settle().await;
    if differ.without_results {
        return;
    }
    let unknown = SsmCommandId::from("00000000-0000-4000-8000-000000000000");
    let mut wanted = vec![command, other];
    let results = commands.results(scope, &[&[unknown][..], &wanted].concat()).await.expect("unknown commands are no error");
    assert!(results.iter().all(|result| result.status.is_final()), "{results:?}");
    let mut seen: Vec<_> = results.into_iter().map(|result| result.id).collect();
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted, "unknown commands are left out");
}

/// ECS, on a host that is a container instance without tasks of a service: DRAINING and ACTIVE can be set again and again; a DRAINING one
/// is an exception; one bad ARN never spoils a batch; deregistering twice succeeds and after it the host is no container instance.
///
/// # Panics
/// With what was broken.
pub async fn container_instances_contract(
    containers: &dyn Containers,
    scope: &StackScope,
    cluster: &ClusterArn,
    host: &Ec2InstanceId,
) {
    let view = containers.describe_cluster(scope, cluster).await.expect("describe answers").expect("the cluster is there");
    assert!(view.active && view.arn == *cluster, "{view:?}");
    let none = ClusterArn::new(format!("{cluster}-that-is-not"));
    assert_eq!(containers.describe_cluster(scope, &none).await.expect("describe answers"), None);

    let of_host = async || {
        let hosts = [Ec2InstanceId::from("i-0123456789abcdef0"), host.clone()];
        containers.find_by_host(scope, cluster, &hosts).await.expect("find answers")
    };
    let found = of_host().await;
    assert_eq!(found.iter().map(|c| &c.ec2_instance_id).collect::<Vec<_>>(), [host], "the host is a container instance");
    assert!(found[0].free.cpu > 0 && found[0].free.memory > 0, "what can be reserved is told: {found:?}");
    let arn = found[0].arn.clone();
    let bad = strata_domain::ContainerInstanceArn::new(format!("{}0", arn.as_str()));
    for wanted in [ContainerInstanceState::Draining, ContainerInstanceState::Draining, ContainerInstanceState::Active] {
        let set = containers.set_state(scope, cluster, &[bad.clone(), arn.clone()], wanted).await.expect("the state is set");
        let well: Vec<_> = set.iter().filter(|item| item.result.is_ok()).map(|item| &item.id).collect();
        assert_eq!((set.len(), well), (2, vec![&arn]), "one bad ARN never spoils a batch");
        let seen = containers.describe_container_instances(scope, cluster, &[bad.clone(), arn.clone()]).await;
        let seen = seen.expect("unknown ones are no error");
        assert_eq!(seen.iter().map(|c| (&c.arn, c.state)).collect::<Vec<_>>(), [(&arn, wanted)]);
        assert_eq!(
            of_host().await.iter().map(|c| c.state).collect::<Vec<_>>(),
            [wanted],
            "a DRAINING one is found by its host too"
        );
        let exceptions = containers.describe_exceptions(scope, cluster).await.expect("exceptions answer");
        let is_one = |c: &ContainerInstance| c.arn == arn;
        assert_eq!(exceptions.iter().any(is_one), wanted == ContainerInstanceState::Draining, "{exceptions:?}");
    }
    for task in containers.tasks_on(scope, cluster, &arn).await.expect("tasks answer") {
        for _ in 0..2 {
            containers.stop_task(scope, cluster, &task.arn, "contract").await.expect("stopping twice is a success");
        }
    }
    for _ in 0..2 {
        containers.deregister(scope, cluster, &arn).await.expect("deregistering twice is a success");
    }
    let left = containers.describe_container_instances(scope, cluster, &[arn]).await.expect("describe answers");
    assert!(left.is_empty(), "a deregistered one is left out");
    assert!(of_host().await.is_empty());
}

/// ECS services: one that is scaled above zero cannot be deleted; deleting twice succeeds; a deleted one is not listed. `service` is a
/// REPLICA service, scaled above zero, and the cluster's only one.
///
/// # Panics
/// With what was broken.
pub async fn services_contract(
    containers: &dyn Containers,
    scope: &StackScope,
    cluster: &ClusterArn,
    service: &ServiceArn,
    settle: Settle<'_>,
) {
    let listed = async || containers.services(scope, cluster).await.expect("services answer");
    let found = listed().await;
    assert_eq!(found.iter().map(|s| &s.arn).collect::<Vec<_>>(), [service]);
    assert!(found[0].desired > 0 && !found[0].daemon, "{found:?}");
    let refused = containers.delete_service(scope, cluster, service).await.expect_err("it is scaled above zero");
    assert!(matches!(refused, CloudError::Wrong { .. }), "{refused}");
    for _ in 0..2 {
        containers.scale_service(scope, cluster, service, 0).await.expect("scaling twice is a success");
    }
    assert_eq!(listed().await[0].desired, 0);
    settle().await;
    for _ in 0..2 {
        containers.delete_service(scope, cluster, service).await.expect("deleting twice is a success");
    }
    assert!(listed().await.is_empty(), "a deleted one is not listed");
}
