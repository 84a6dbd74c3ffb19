//! What security-updates looks at: the fleet, the claims and their reports, its commands, and the agents of hosts on their way back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::claims::{Claim, ClaimReport, DrainPolicy};
use strata_domain::holds::Hold;
use strata_domain::load_based::{Direction, ScalingEvent};
use strata_domain::mode::Mode;
use strata_domain::updates::{
    AgentSeen, Campaign, CampaignView, CommandSeen, HostView, PatchReport, Phase, Progress, Verdict, unsteady_services,
};
use strata_domain::workload::Workload;
use strata_domain::{ContainerInstanceArn, Ec2InstanceId, InstanceId, LayerId, SsmCommandId, StackId};
use strata_fleet::{FleetError, InstanceView, LayerView, StackView, effective_mode};
use strata_ports::store::Listing;
use strata_ports::{CommandStatus, ContainerInstance, ContainerInstanceState, Expect, HandlerError, Item, keys};

use crate::Deps;

/// Stack and layer, as far as they still exist.
pub(crate) struct Surroundings {
    pub(crate) stack: Option<StackView>,
    pub(crate) layer: Option<LayerView>,
}

impl Surroundings {
    /// The mode that counts. A layer that is gone has none of its own any more.
    pub(crate) async fn mode(&self, deps: &Deps) -> Option<Mode> {
        match &self.stack {
            Some(stack) => effective_mode(&*deps.modes, stack, self.layer.as_ref()).await,
            None => strata_ports::mode::effective(&*deps.modes, None, None).await,
        }
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

pub(crate) async fn surroundings(deps: &Deps, stack: &StackId, layer: &LayerId) -> Result<Surroundings, HandlerError> {
    Ok(Surroundings { stack: unless_gone(deps.fleet.stack(stack).await)?, layer: unless_gone(deps.fleet.layer(layer).await)? })
}

/// The hosts, and what is needed to write to their claims and to reach them.
pub(crate) struct World {
    pub(crate) hosts: Vec<HostView>,
    is_torn_down: bool,
    min_online: u32,
    upscaled_at: Option<Timestamp>,
    claims: BTreeMap<InstanceId, Expect>,
    ec2: BTreeMap<InstanceId, Ec2InstanceId>,
}

impl World {
    pub(crate) fn view(&self) -> CampaignView<'_> {
        CampaignView {
            hosts: &self.hosts,
            is_torn_down: self.is_torn_down,
            min_online: self.min_online,
            upscaled_at: self.upscaled_at,
        }
    }

    /// Takes in what runs on the hosts.
    pub(crate) fn note_workloads(&mut self, mut workloads: BTreeMap<InstanceId, Workload>) {
        for host in &mut self.hosts {
            host.workload = workloads.remove(&host.id);
        }
    }

    /// What must be true of the claim's record for it to be as it was seen.
    pub(crate) fn claim_as_seen(&self, id: &InstanceId) -> Expect {
        self.claims.get(id).copied().unwrap_or(Expect::Absent)
    }

    pub(crate) fn ec2(&self, id: &InstanceId) -> Option<&Ec2InstanceId> {
        self.ec2.get(id)
    }

    /// What a host's command said of how it stands.
    pub(crate) fn report(&self, id: &InstanceId) -> Option<&PatchReport> {
        self.hosts.iter().find(|h| h.id == *id)?.patches.as_ref()
    }

    pub(crate) fn claim(&self, id: &InstanceId) -> Option<&Claim> {
        self.hosts.iter().find(|h| h.id == *id)?.claim.as_ref()
    }
}

pub(crate) async fn world(
    deps: &Deps,
    around: &Surroundings,
    campaign: &Campaign,
    unsent: &BTreeMap<InstanceId, String>,
) -> Result<World, HandlerError> {
    let now = deps.clock.now();
    let fleet = unless_gone(deps.fleet.instances_of_layer(&campaign.layer_id).await)?.unwrap_or_default();
    let stack = &campaign.stack_id;
    let claim_items = by_instance(deps, stack, keys::CLAIM).await?;
    let reports = by_instance(deps, stack, keys::CLAIM_REPORT).await?;
    let hold_items = deps.store.list(&Listing::of(keys::stack_pk(stack), keys::HOLD)).await?;
    let holds: Vec<Hold> = hold_items.iter().filter_map(|i| i.decode().ok()).filter(|h: &Hold| h.is_in_force(now)).collect();
    let commands = commands(deps, around, campaign, unsent).await;
    let agents = agents(deps, around, campaign, &fleet).await;
    let unsteady = unsteady(deps, around, campaign, &agents).await;
    let waits_for_services = |id: &InstanceId| campaign.progress.get(id).is_some_and(is_restored);
    let is_torn_down = deps.store.get(&keys::teardown_mark(stack, &campaign.layer_id)).await?.is_some();
    let view = |i: &InstanceView| HostView {
        id: i.id.clone(),
        hostname: i.hostname.clone(),
        zone: i.availability_zone.clone(),
        scaling: i.scaling,
        status: i.status,
        held: holds.iter().find(|h| h.covers(&i.id, &i.layer_ids)).map(|h| format!("{}: {}", h.by, h.reason)),
        claim: claim_items.get(&i.id).map(|item| item.decode().unwrap_or_else(|_| unreadable(&i.id))),
        report: reports.get(&i.id).and_then(|item| item.decode::<ClaimReport>().ok()),
        command: commands.seen.get(&i.id).cloned().unwrap_or(CommandSeen::Unknown),
        patches: commands.reports.get(&i.id).cloned(),
        agent: match &i.container_instance_arn {
            Some(arn) => agents.get(arn).map_or(AgentSeen::Unknown, agent),
            None => AgentSeen::NotExpected,
        },
        agent_version: i.container_instance_arn.as_ref().and_then(|arn| agents.get(arn)?.agent_version.clone()),
        unsteady: unsteady.clone().filter(|_| waits_for_services(&i.id)),
        workload: None,
    };
    Ok(World {
        hosts: fleet.iter().map(view).collect(),
        is_torn_down,
        min_online: around.layer.as_ref().map_or(0, |layer| layer.settings.load_scaling.min_online),
        upscaled_at: upscaled_at(deps, campaign).await?,
        claims: claim_items.iter().map(|(id, item)| (id.clone(), item.unchanged())).collect(),
        ec2: fleet.iter().filter_map(|i| Some((i.id.clone(), i.ec2_instance_id.clone()?))).collect(),
    })
}

/// When load-scaling has last started instances, if that was its last event. Only a surge instance makes it worth a read.
async fn upscaled_at(deps: &Deps, campaign: &Campaign) -> Result<Option<Timestamp>, HandlerError> {
    /// What load-scaling stores, as far as it is of interest here.
    #[derive(serde::Deserialize)]
    struct LastEvent {
        event: ScalingEvent,
    }
    if campaign.surge.is_none() {
        return Ok(None);
    }
    let item = deps.store.get(&keys::scaling(&campaign.layer_id, "last-event")).await?;
    let last = item.and_then(|item| item.decode::<LastEvent>().ok());
    Ok(last.filter(|last| last.event.direction == Direction::Up).map(|last| last.event.at))
}

/// A claim that this version cannot read still binds.
fn unreadable(id: &InstanceId) -> Claim {
    let (holder, reason) = ("somebody".to_owned(), "the claim's record is unreadable".to_owned());
    Claim { instance_id: id.clone(), holder, reason, until: Timestamp::MAX, drain: DrainPolicy::Wait }
}

async fn by_instance(deps: &Deps, stack: &StackId, prefix: &str) -> Result<BTreeMap<InstanceId, Item>, HandlerError> {
    let items = deps.store.list(&Listing::of(keys::stack_pk(stack), prefix)).await?;
    let id = |item: &Item| InstanceId::from(item.key.sk.strip_prefix(prefix).unwrap_or_default());
    Ok(items.into_iter().map(|item| (id(&item), item)).collect())
}

/// What is known of the campaign's commands.
struct Commands {
    seen: BTreeMap<InstanceId, CommandSeen>,
    /// What those that succeeded said of how their hosts stand.
    reports: BTreeMap<InstanceId, PatchReport>,
}

/// How far the commands are that the campaign has sent. One that SSM does not tell of is unknown; the patch time is its end.
async fn commands(deps: &Deps, around: &Surroundings, campaign: &Campaign, unsent: &BTreeMap<InstanceId, String>) -> Commands {
    let mut reports = BTreeMap::new();
    let mut seen: BTreeMap<InstanceId, CommandSeen> = unsent
        .iter()
        .map(|(id, why)| (id.clone(), CommandSeen::Failed { why: format!("it could not be sent: {why}") }))
        .collect();
    let mut sent: BTreeMap<&SsmCommandId, &InstanceId> = BTreeMap::new();
    for (id, progress) in &campaign.progress {
        if let Phase::Patching { command: Some(command), .. } = &progress.phase {
            sent.insert(command, id);
        }
    }
    let Some(stack) = around.stack.as_ref().filter(|_| !sent.is_empty()) else { return Commands { seen, reports } };
    let ids: Vec<SsmCommandId> = sent.keys().map(|id| (*id).clone()).collect();
    let results = deps.commands.results(&stack.scope(), &ids).await.unwrap_or_else(|error| {
        tracing::warn!(campaign.id = %campaign.id, error = %error, "the results of update commands could not be read");
        Vec::new()
    });
    for result in results {
        let Some(host) = sent.get(&result.id) else { continue };
        let is = match result.status {
            CommandStatus::Pending | CommandStatus::InProgress => CommandSeen::Running,
            CommandStatus::Success => CommandSeen::Success,
            CommandStatus::Failed => CommandSeen::Failed { why: with_exit_code(result.exit_code, &result.last_line) },
            CommandStatus::TimedOut => CommandSeen::Failed { why: "it timed out".to_owned() },
        };
        if is == CommandSeen::Success {
            reports.extend(PatchReport::of(&result.last_line).map(|report| ((*host).clone(), report)));
        }
        seen.insert((*host).clone(), is);
    }
    Commands { seen, reports }
}

fn with_exit_code(code: Option<i32>, last_line: &str) -> String {
    match code {
        Some(code) => format!("exit code {code}: {last_line}"),
        None => last_line.to_owned(),
    }
}

/// The agents of hosts that may be on their way back; the others' are not asked for.
async fn agents(
    deps: &Deps,
    around: &Surroundings,
    campaign: &Campaign,
    fleet: &[InstanceView],
) -> BTreeMap<ContainerInstanceArn, ContainerInstance> {
    let may_be_back = |id: &InstanceId| {
        campaign.progress.get(id).is_some_and(|p| match p.phase {
            Phase::Patching { .. } | Phase::Verifying { .. } | Phase::Restoring { .. } => true,
            Phase::Waiting | Phase::Draining { .. } | Phase::Done { .. } | Phase::Failed { .. } | Phase::Skipped { .. } => false,
        })
    };
    let arns: Vec<ContainerInstanceArn> =
        fleet.iter().filter(|i| may_be_back(&i.id)).filter_map(|i| i.container_instance_arn.clone()).collect();
    let cluster = around.layer.as_ref().and_then(|l| l.cluster.as_ref());
    let (Some(stack), Some(cluster), false) = (&around.stack, cluster, arns.is_empty()) else { return BTreeMap::new() };
    match deps.containers.describe_container_instances(&stack.scope(), cluster, &arns).await {
        Ok(found) => found.into_iter().map(|c| (c.arn.clone(), c)).collect(),
        Err(error) => {
            tracing::warn!(campaign.id = %campaign.id, error = %error, "container instances could not be described");
            BTreeMap::new()
        }
    }
}

fn agent(container: &ContainerInstance) -> AgentSeen {
    AgentSeen::Seen { active: container.state == ContainerInstanceState::Active, connected: container.agent_connected }
}

/// Given back after its update, and not yet counted as back.
fn is_restored(progress: &Progress) -> bool {
    matches!(progress.phase, Phase::Restoring { then: Verdict::Done, .. })
}

/// Which services of the cluster run fewer tasks than they should. Asked only when a host is back that waits for them; no answer counts
/// as nothing to wait for, since the wait has an end of its own.
async fn unsteady(
    deps: &Deps,
    around: &Surroundings,
    campaign: &Campaign,
    agents: &BTreeMap<ContainerInstanceArn, ContainerInstance>,
) -> Option<String> {
    let waits = campaign.progress.values().any(is_restored);
    let cluster = around.layer.as_ref().and_then(|l| l.cluster.as_ref());
    let (Some(stack), Some(cluster), true) = (&around.stack, cluster, waits && !agents.is_empty()) else { return None };
    match deps.containers.services(&stack.scope(), cluster).await {
        Ok(services) => {
            let counts = services.iter().map(|s| (s.name.as_str(), s.desired, s.running));
            unsteady_services(counts)
        }
        Err(error) => {
            tracing::warn!(campaign.id = %campaign.id, error = %error, "the services of the cluster could not be described");
            None
        }
    }
}
