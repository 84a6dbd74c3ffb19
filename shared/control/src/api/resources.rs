//! Look-ups of volumes, Elastic IP addresses and load balancers, and what the actions on them share.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use strata_domain::lifecycle::is_busy;
use strata_domain::model::Volume;
use strata_domain::model::{ElasticIp, Instance, LayerLoadBalancer, RegisteredVolume, Stack, VolumeFacts};
use strata_domain::resources::ResourceError;
use strata_domain::resources::{MAX_VOLUMES, check_register_volume};
use strata_domain::{InstanceId, LayerId, StackId, VolumeId};
use strata_ports::{AddressView, Change, Expect, Item, VolumeView, keys};

use super::call::Call;
use super::error::ApiError;
use crate::records::{Stored, busy_changes, find_address, find_volume, register_address_changes, register_volume_changes};

impl From<ResourceError> for ApiError {
    fn from(e: ResourceError) -> Self {
        Self::Validation(e.to_string())
    }
}

impl Call<'_> {
    /// A registered volume by its uuid, or R in the form of [TXT-5]. The `vol-...` id names none [IDN-3].
    pub(crate) async fn volume(&self, id: &str) -> Result<Stored<RegisteredVolume>, ApiError> {
        let unknown = || ApiError::unknown_id("volume", id);
        let owner = self.owner_of("volume", id).await?.ok_or_else(unknown)?;
        self.find(&keys::volume(&owner.stack_id, &VolumeId::from(id))).await?.ok_or_else(unknown)
    }

    /// A registered Elastic IP address, or R.
    pub(crate) async fn elastic_ip(&self, ip: &str) -> Result<Stored<ElasticIp>, ApiError> {
        let found = find_address(self.store(), ip).await?;
        found.ok_or_else(|| ApiError::NotFound(format!("Unable to find elastic IP with address {ip}")))
    }

    /// The instance that a volume or address names. It names none that is no more, so a missing one has gone since the volume was read,
    /// and the commit will look again.
    pub(crate) async fn holder(
        &self,
        stack: &StackId,
        instance: Option<&InstanceId>,
    ) -> Result<Option<Stored<Instance>>, ApiError> {
        match instance {
            Some(id) => self.find(&keys::instance(stack, id)).await,
            None => Ok(None),
        }
    }

    /// A stack's volumes, oldest first.
    pub(crate) async fn volumes_of(&self, stack: &StackId) -> Result<Vec<RegisteredVolume>, ApiError> {
        let mut volumes = records::<RegisteredVolume>(self, stack, keys::VOLUME).await?;
        volumes.sort_by(|a, b| (a.registered_at, &a.id).cmp(&(b.registered_at, &b.id)));
        Ok(volumes)
    }

    /// A stack's addresses, oldest first.
    pub(crate) async fn elastic_ips_of(&self, stack: &StackId) -> Result<Vec<ElasticIp>, ApiError> {
        let mut addresses = records::<ElasticIp>(self, stack, keys::ELASTIC_IP).await?;
        addresses.sort_by(|a, b| (a.registered_at, &a.ip).cmp(&(b.registered_at, &b.ip)));
        Ok(addresses)
    }

    /// The load balancer that is attached to a layer.
    pub(crate) async fn load_balancer_of(
        &self,
        stack: &StackId,
        layer: &LayerId,
    ) -> Result<Option<Stored<LayerLoadBalancer>>, ApiError> {
        self.find(&keys::load_balancer(stack, layer)).await
    }

    /// The stacks of some records, each read and permitted once.
    pub(crate) async fn permitted_stacks(
        &self,
        of: impl IntoIterator<Item = StackId>,
    ) -> Result<BTreeMap<StackId, Stack>, ApiError> {
        let mut stacks = BTreeMap::new();
        for id in of.into_iter().collect::<BTreeSet<_>>() {
            let stack = self.stack(id.as_str()).await?.record;
            self.permit(Some(&id)).await?;
            stacks.insert(id, stack);
        }
        Ok(stacks)
    }

    /// The change that notes that a load balancer or target group was attached to a layer or detached from it, so that lifecycle brings its hosts
    /// in step.
    pub(crate) async fn balancer_due(&self, stack: &Stack, layer: &LayerId, balancer: &str) -> Result<Change, ApiError> {
        let key = keys::balancer_due(&stack.region, balancer);
        let expect = self.store().get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        let due = keys::BalancerDue {
            stack_id: stack.id.clone(),
            layer_id: layer.clone(),
            balancer: balancer.to_owned(),
            at: self.now,
        };
        Ok(Change::put(key, &due, expect))
    }

    /// The changes that keep the busy index in step with a record that lifecycle has something to do for, for the commit that writes it.
    pub(crate) async fn busy_if_due(&self, instance: &Instance) -> Result<Vec<Change>, ApiError> {
        match is_busy(instance, false) {
            true => Ok(busy_changes(self.store(), instance, true).await?),
            false => Ok(Vec::new()),
        }
    }

    /// The change that notes that Configure is due on all online instances of a stack [EIP-15] [ELB-7].
    pub(crate) async fn configure_due(&self, stack: &StackId) -> Result<Change, ApiError> {
        let key = keys::configure_due(stack);
        let expect = self.store().get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        Ok(Change::put(key, &keys::ConfigureDue { at: self.now }, expect))
    }

    /// The change that notes that Configure is due on all online instances of a layer, since it ships other logs now [CWL-3].
    pub(crate) async fn configure_due_on(&self, layer: &strata_domain::model::Layer) -> Result<Change, ApiError> {
        let key = keys::configure_due_on(&layer.stack_id, &layer.id);
        let expect = self.store().get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        Ok(Change::put(key, &keys::ConfigureDue { at: self.now }, expect))
    }

    /// The change that notes that hosts' users are due on a stack, or on all stacks [SSH-9].
    pub(crate) async fn users_due(&self, stack: Option<&StackId>) -> Result<Change, ApiError> {
        let key = keys::users_due(stack);
        let expect = self.store().get(&key).await?.map_or(Expect::Absent, |item| item.unchanged());
        Ok(Change::put(key, &keys::UsersDue { at: self.now }, expect))
    }
}

async fn records<T: DeserializeOwned>(call: &Call<'_>, stack: &StackId, prefix: &str) -> Result<Vec<T>, ApiError> {
    Ok(call.list::<T>(stack, prefix).await?.into_iter().map(|stored| stored.record).collect())
}

/// What may stand where a registration goes: nothing, or what a stack that is deleted has left behind. Anything else refuses the
/// registration [RES-1].
pub(crate) async fn free_registration(
    call: &Call<'_>,
    standing: Option<Item>,
    stack: &StackId,
    (field, id): (&'static str, &str),
) -> Result<Expect, ApiError> {
    let Some(item) = standing else { return Ok(Expect::Absent) };
    let owner: OfStack = item.decode()?;
    if call.store().get(&keys::stack(&owner.stack_id)).await?.is_none() {
        return Ok(item.unchanged());
    }
    let whom = if owner.stack_id == *stack { "this stack" } else { "another stack" };
    Err(ResourceError::AlreadyRegistered { field, id: id.to_owned(), whom }.into())
}

/// What every registration says.
#[derive(serde::Deserialize)]
struct OfStack {
    stack_id: StackId,
}

/// What EC2 says of a volume, as it is kept.
pub(crate) fn facts_of(view: &VolumeView) -> VolumeFacts {
    VolumeFacts {
        state: view.state.clone(),
        size: view.size,
        volume_type: view.volume_type.clone(),
        iops: view.iops,
        encrypted: view.encrypted,
        zone: view.zone.clone(),
    }
}

/// A new registration of a volume, tied to nothing. Its name is the `Name` tag, if that is not too long [VAL-1].
pub(crate) fn new_volume(call: &Call<'_>, stack: &StackId, view: &VolumeView) -> RegisteredVolume {
    RegisteredVolume {
        id: VolumeId::from(call.ports.ids.uuid()),
        stack_id: stack.clone(),
        ec2_volume_id: view.id.clone(),
        name: view.name.clone().filter(|name| (1..=MAX_VOLUME_NAME).contains(&name.chars().count())),
        mount_point: None,
        instance_id: None,
        device: None,
        facts: facts_of(view),
        registered_at: call.now,
    }
}

/// A new registration of an address, associated with nothing.
pub(crate) fn new_address(call: &Call<'_>, stack: &StackId, view: &AddressView) -> ElasticIp {
    ElasticIp {
        ip: view.ip.clone(),
        stack_id: stack.clone(),
        name: None,
        domain: view.domain.clone(),
        instance_id: None,
        registered_at: call.now,
    }
}

/// Characters in a volume's name [VAL-1].
pub(crate) const MAX_VOLUME_NAME: usize = 128;
/// Characters in an address's name [VAL-1] [EIP-18].
pub(crate) const MAX_ADDRESS_NAME: usize = 32;

/// So many addresses of a machine are taken along, so that all of them fit into the commit.
const MAX_ADDRESSES: usize = 10;

/// The changes that add to the stack what is attached to the machine of a registered instance, for the commit of AssignInstance that
/// writes `next` [RES-12] [REG-2]: its volumes and addresses are registered and tied to it.
///
/// Our choice: what another registration has already stays there, and of several addresses the instance shows the first.
pub(crate) async fn adopt_attached(call: &Call<'_>, stack: &Stack, next: &mut Instance) -> Result<Vec<Change>, ApiError> {
    let Some(host) = next.ec2_instance_id.clone() else { return Ok(Vec::new()) };
    let scope = call.scope(stack);
    let mut changes = Vec::new();
    for view in call.ports.inventory.volumes_of(&scope, &host).await? {
        let is_fit = check_register_volume(&view.id, view.is_root, &view.volume_type).is_ok();
        if !is_fit || next.volumes.len() >= MAX_VOLUMES || find_volume(call.store(), &view.id).await?.is_some() {
            continue;
        }
        let standing = call.store().get(&keys::registered_volume(&view.id)).await?;
        let expect = standing.map_or(Expect::Absent, |item| item.unchanged());
        let volume = RegisteredVolume {
            instance_id: Some(next.id.clone()),
            device: view.device.clone(),
            ..new_volume(call, &stack.id, &view)
        };
        next.volumes.push(Volume { ec2_volume_id: view.id, mount_point: String::new() });
        changes.extend(register_volume_changes(&volume, expect));
    }
    next.volumes_noted_of = Some(host.clone());
    for view in call.ports.inventory.addresses_of(&scope, &host).await?.into_iter().take(MAX_ADDRESSES) {
        if find_address(call.store(), &view.ip).await?.is_some() {
            continue;
        }
        let standing = call.store().get(&keys::registered_address(&view.ip)).await?;
        let expect = standing.map_or(Expect::Absent, |item| item.unchanged());
        let mut address = new_address(call, &stack.id, &view);
        if next.elastic_ip.is_none() {
            address.instance_id = Some(next.id.clone());
            next.elastic_ip = Some(view.ip);
        }
        changes.extend(register_address_changes(&address, expect));
    }
    Ok(changes)
}
