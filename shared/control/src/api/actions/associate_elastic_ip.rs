//! AssociateElasticIp [ACT-3] [EIP-13..15, 19] [INST-43]: in any status, also away from an instance of another stack.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::model::ElasticIp;
use strata_domain::resources::associate;
use strata_ports::{Change, Expect, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::transaction::Answer;
use crate::records::{Stored, address_owner_change};

/// Associates a registered Elastic IP address with an instance. An address that another instance has leaves that one; an instance that is
/// not online gets it at its next start.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The address.
    #[schemars(required)]
    elastic_ip: Option<String>,
    /// The instance's id; a call without it is refused.
    instance_id: Option<String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let ip = required(m.elastic_ip, "ElasticIp")?;
    let instance_id = required(m.instance_id, "InstanceId")?;
    let address = call.elastic_ip(&ip).await?;
    let instance = call.instance(&instance_id).await?;
    let (old, new) = (&address.record.stack_id, &instance.record.stack_id);
    // It concerns two stacks when the address moves: both must be the caller's to change.
    call.permitted_stacks([old.clone(), new.clone()]).await?;
    let holder = call.holder(old, address.record.instance_id.as_ref()).await?;
    let present = match &instance.record.elastic_ip {
        Some(other) => call.find::<ElasticIp>(&keys::elastic_ip(new, other)).await?,
        None => None,
    };
    let held_by = holder.as_ref().map(|h| &h.record);
    let its_present = present.as_ref().map(|p| &p.record);
    let Some(next) = associate(&address.record, &instance.record, instance.record.origin, held_by, its_present)? else {
        return Ok(Answer::default());
    };
    let mut changes = moved(call, &address, &next.address).await?;
    changes.push(instance.put(&next.to));
    for due in [Some(&next.to), next.from.as_ref()].into_iter().flatten() {
        changes.extend(call.busy_if_due(due).await?);
    }
    changes.extend(holder.zip(next.from).map(|(before, after)| before.put(&after)));
    changes.extend(present.zip(next.replaced).map(|(before, after)| before.put(&after)));
    changes.push(call.configure_due(new).await?);
    if old != new {
        changes.push(call.configure_due(old).await?);
    }
    Ok(Answer::done(changes))
}

/// The changes of the address itself; one that goes to another stack takes its registration along [EIP-13].
async fn moved(call: &Call<'_>, before: &Stored<ElasticIp>, after: &ElasticIp) -> Result<Vec<Change>, ApiError> {
    if before.record.stack_id == after.stack_id {
        return Ok(vec![before.put(after)]);
    }
    let standing = call.store().get(&keys::registered_address(&after.ip)).await?;
    Ok(vec![
        before.delete(),
        Change::put(keys::elastic_ip(&after.stack_id, &after.ip), after, Expect::Absent),
        address_owner_change(after, standing.map_or(Expect::Absent, |item| item.unchanged())),
    ])
}
