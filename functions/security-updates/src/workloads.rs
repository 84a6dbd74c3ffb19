//! What runs on the hosts that a wave would take, and on those that would have to hold it.

use std::collections::BTreeMap;

use strata_domain::claims::DrainPolicy;
use strata_domain::load_based::Candidate;
use strata_domain::updates::{self, Campaign, CampaignStep, HostView};
use strata_domain::workload::Workload;
use strata_domain::{Ec2InstanceId, InstanceId, ScalingType};
use strata_ports::{HandlerError, Places, look_at_workloads};

use crate::Deps;
use crate::observe::{Surroundings, World};

/// So many more are looked at when none of the first would fit.
const LOOKED_AT_BESIDE: usize = 20;

/// The steps again, now knowing what runs on the hosts, if they would begin some. Before that ECS is not asked.
///
/// # Errors
/// ECS's. No host is taken on half of what it says.
pub(crate) async fn mind_room(
    deps: &Deps,
    around: &Surroundings,
    campaign: &Campaign,
    world: &mut World,
    steps: Vec<CampaignStep>,
) -> Result<Vec<CampaignStep>, HandlerError> {
    let begun = steps.iter().filter(|step| matches!(step, CampaignStep::Claim { .. })).count();
    if begun == 0 || !campaign.settings.needs_room {
        return Ok(steps);
    }
    let mut with_room = steps;
    for beside in [0, LOOKED_AT_BESIDE] {
        let now = deps.clock.now();
        let ids = updates::in_question(campaign, &world.view(), now, begun + beside);
        let Some(workloads) = look(deps, around, world, &ids).await? else { return Ok(with_room) };
        world.note_workloads(workloads);
        with_room = updates::next(campaign, &world.view(), now);
        if with_room.iter().any(|step| matches!(step, CampaignStep::Claim { .. })) {
            break;
        }
    }
    Ok(with_room)
}

/// `None` where there is no cluster that could be asked.
async fn look(
    deps: &Deps,
    around: &Surroundings,
    world: &World,
    ids: &[InstanceId],
) -> Result<Option<BTreeMap<InstanceId, Workload>>, HandlerError> {
    let cluster = around.layer.as_ref().and_then(|layer| layer.cluster.as_ref());
    let (Some(stack), Some(cluster)) = (&around.stack, cluster) else { return Ok(None) };
    let hosts: BTreeMap<InstanceId, Ec2InstanceId> =
        world.hosts.iter().filter_map(|h| Some((h.id.clone(), world.ec2(&h.id)?.clone()))).collect();
    let mut members: Vec<Candidate> = world.hosts.iter().map(|host| member(host, ids)).collect();
    let scope = stack.scope();
    // What a drain does about protected tasks is asked when a host drains, not here.
    let places = Places { scope: &scope, cluster, hosts: &hosts, drain: DrainPolicy::Wait };
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    look_at_workloads(&*deps.containers, places, &mut members, count).await?;
    Ok(Some(members.into_iter().filter_map(|m| Some((m.id, m.workload?))).collect()))
}

/// As the question is put for scaling: only a load-based instance that nobody holds has its tasks looked at.
fn member(host: &HostView, ids: &[InstanceId]) -> Candidate {
    Candidate {
        id: host.id.clone(),
        hostname: host.hostname.clone(),
        scaling: if ids.contains(&host.id) { ScalingType::Load } else { ScalingType::AlwaysOn },
        status: host.status,
        availability_zone: host.zone.clone(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        started_at: None,
        failed_starts: 0,
        is_refused: false,
        is_held: false,
        workload: None,
    }
}
