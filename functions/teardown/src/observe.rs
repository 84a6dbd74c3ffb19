//! What teardown looks at: stack, layer and instances by the API, the cluster's services, claims and holds.

use std::collections::BTreeMap;

use strata_domain::claims::Claim;
use strata_domain::holds::{Hold, HoldKind};
use strata_domain::mode::Mode;
use strata_domain::model::Instance;
use strata_domain::teardown::{Keeper, MemberView, ServiceView, Stage, Teardown, TeardownView};
use strata_domain::{ClusterArn, ContainerInstanceArn, InstanceId, LayerId, StackId};
use strata_fleet::{FleetError, InstanceView, LayerView, StackView, effective_mode, sort};
use strata_ports::store::Listing;
use strata_ports::{CloudError, EcsService, EcsTask, HandlerError, StackScope, keys};

use crate::Deps;

/// One look.
pub(crate) struct World {
    pub(crate) view: TeardownView,
    stack: Option<StackView>,
    layer: Option<LayerView>,
    /// The members that are registered with the cluster.
    containers: BTreeMap<InstanceId, ContainerInstanceArn>,
}

/// So many members at most are looked at for what keeps them: a page names five.
const LOOKED_AT: usize = 20;

impl World {
    /// The mode that counts. What is gone has none of its own any more.
    pub(crate) async fn mode(&self, deps: &Deps) -> Option<Mode> {
        match &self.stack {
            Some(stack) => effective_mode(&*deps.modes, stack, self.layer.as_ref()).await,
            None => strata_ports::mode::effective(&*deps.modes, None, None).await,
        }
    }

    /// Finds out what keeps the members of a stage that is late: the tasks on them, and what AWS last refused. What does not answer now is
    /// left out, since the page must go out all the same.
    pub(crate) async fn look_closer(&mut self, deps: &Deps, teardown: &Teardown) {
        let (Some(scope), mut found) = (self.scope(), BTreeMap::new()) else { return };
        for member in self.view.members.iter().filter(|m| !m.status.is_starting()).take(LOOKED_AT) {
            let mut kept_by: Vec<Keeper> = refusal(deps, &scope.stack_id, &member.id).await.into_iter().collect();
            if let (Some(cluster), Some(container)) = (&teardown.cluster, self.containers.get(&member.id)) {
                match deps.containers.tasks_on(&scope, cluster, container).await {
                    Ok(tasks) => kept_by.extend(tasks.into_iter().filter(|t| !t.daemon).map(keeper)),
                    Err(error) => tracing::warn!(instance.id = %member.id, error = %error, "its tasks could not be listed"),
                }
            }
            found.insert(member.id.clone(), kept_by);
        }
        for member in &mut self.view.members {
            member.kept_by = found.remove(&member.id).unwrap_or_default();
        }
    }

    pub(crate) fn scope(&self) -> Option<StackScope> {
        self.stack.as_ref().map(StackView::scope)
    }
}

/// What is gone is an answer too.
pub(crate) fn unless_gone<T>(answer: Result<T, FleetError>) -> Result<Option<T>, FleetError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(FleetError::Gone { .. }) => Ok(None),
        Err(error @ (FleetError::Refused { .. } | FleetError::NoAnswer { .. })) => Err(error),
    }
}

pub(crate) async fn world(deps: &Deps, teardown: &Teardown) -> Result<World, HandlerError> {
    let Some(stack) = unless_gone(deps.fleet.stack(&teardown.stack_id).await)? else {
        return Ok(World { view: TeardownView::default(), stack: None, layer: None, containers: BTreeMap::new() });
    };
    let mut layers = unless_gone(deps.fleet.layers_of_stack(&stack.id).await)?.unwrap_or_default();
    let layer = layers.iter().position(|l| l.id == teardown.layer_id).map(|at| layers.remove(at));
    let fleet = match &layer {
        Some(layer) => unless_gone(deps.fleet.instances_of_layer(&layer.id).await)?.unwrap_or_default(),
        None => Vec::new(),
    };
    let registered = |i: &InstanceView| Some((i.id.clone(), i.container_instance_arn.clone()?));
    let containers = fleet.iter().filter_map(registered).collect();
    let members = members_of(deps, &stack.id, &teardown.layer_id, fleet).await?;
    let wants_services = teardown.options.delete_services && (teardown.stage <= Stage::Services || !members.is_empty());
    let services = match &teardown.cluster {
        Some(cluster) if wants_services => services(deps, &stack.scope(), cluster).await?,
        Some(_) | None => Vec::new(),
    };
    let rest_of_stack = match layers.first() {
        Some(other) => Some(format!("layer {}", other.name)),
        None if teardown.options.delete_stack && members.is_empty() => strays(deps, &stack.id).await?,
        None => None,
    };
    let view = TeardownView {
        services,
        members,
        is_cluster_registered: is_registered(deps, &stack.id, teardown.cluster.as_ref()).await?,
        layer_exists: layer.is_some(),
        stack_exists: true,
        rest_of_stack,
        is_protected: stack.settings.protected || layer.as_ref().is_some_and(|l| l.settings.protected),
    };
    Ok(World { view, stack: Some(stack), layer, containers })
}

/// What lifecycle has noted of AWS's answers; it alone hears them.
async fn refusal(deps: &Deps, stack: &StackId, instance: &InstanceId) -> Option<Keeper> {
    let item = deps.store.get(&keys::instance(stack, instance)).await.ok()??;
    item.decode::<Instance>().ok()?.care.refusal.map(Keeper::Refusal)
}

fn keeper(task: EcsTask) -> Keeper {
    Keeper::Task { arn: task.arn, service: task.service, is_protected: task.protected }
}

/// The layer's instances, with what keeps a teardown's hands off them.
pub(crate) async fn members(deps: &Deps, stack: &StackId, layer: &LayerId) -> Result<Vec<MemberView>, HandlerError> {
    let fleet = unless_gone(deps.fleet.instances_of_layer(layer).await)?.unwrap_or_default();
    members_of(deps, stack, layer, fleet).await
}

async fn members_of(
    deps: &Deps,
    stack: &StackId,
    layer: &LayerId,
    fleet: Vec<InstanceView>,
) -> Result<Vec<MemberView>, HandlerError> {
    if fleet.is_empty() {
        return Ok(Vec::new());
    }
    let now = deps.clock.now();
    let records = |prefix: &'static str| Listing::of(keys::stack_pk(stack), prefix);
    let held = |h: &Hold| h.kind == HoldKind::Person && h.is_in_force(now);
    let holds: Vec<Hold> =
        deps.store.list(&records(keys::HOLD)).await?.iter().filter_map(|i| i.decode().ok()).filter(held).collect();
    let claims: Vec<Claim> = deps.store.list(&records(keys::CLAIM)).await?.iter().filter_map(|i| i.decode().ok()).collect();
    let view = |i: InstanceView| MemberView {
        is_shared: i.layer_ids.iter().any(|l| l != layer),
        claim: claims.iter().find(|c| c.instance_id == i.id).cloned(),
        held: holds.iter().find(|h| h.covers(&i.id, &i.layer_ids)).map(|h| format!("{}: {}", h.by, h.reason)),
        id: i.id,
        hostname: i.hostname,
        status: i.status,
        origin: i.origin,
        kept_by: Vec::new(),
    };
    Ok(fleet.into_iter().map(view).collect())
}

/// The cluster's services; none when the cluster itself is gone, which only its owner can have done.
async fn services(deps: &Deps, scope: &StackScope, cluster: &ClusterArn) -> Result<Vec<ServiceView>, HandlerError> {
    let view = |s: EcsService| ServiceView {
        arn: s.arn,
        name: s.name,
        desired: s.desired,
        tasks: s.running.saturating_add(s.pending),
        daemon: s.daemon,
    };
    match deps.containers.services(scope, cluster).await {
        Ok(found) => Ok(found.into_iter().map(view).collect()),
        Err(CloudError::Wrong { code, .. }) if code == "ClusterNotFoundException" => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// An instance in no layer keeps the stack.
async fn strays(deps: &Deps, stack: &StackId) -> Result<Option<String>, HandlerError> {
    let fleet = unless_gone(deps.fleet.instances_of_stack(stack).await)?.unwrap_or_default();
    Ok(fleet.first().map(|i: &InstanceView| format!("instance {}", i.hostname)))
}

async fn is_registered(deps: &Deps, stack: &StackId, cluster: Option<&ClusterArn>) -> Result<bool, HandlerError> {
    const ACTION: &str = "DescribeEcsClusters";
    let Some(cluster) = cluster else { return Ok(false) };
    let asked = deps.fleet.client().describe_ecs_clusters().stack_id(stack.as_str()).send().await;
    let Some(reply) = unless_gone(asked.map_err(|e| sort(ACTION, e)))? else { return Ok(false) };
    Ok(reply.ecs_clusters().iter().any(|c| c.ecs_cluster_arn() == Some(cluster.as_str())))
}
