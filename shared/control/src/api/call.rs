//! What an action is given: the caller, the time, and look-ups of records by the ids that clients send.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use strata_domain::model::{Instance, Layer, Stack};
use strata_domain::permissions::Needed;
use strata_domain::{InitiatedBy, InstanceId, LayerId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Key, Ports, StackScope, Store, keys};

use super::ApiConfig;
use super::answer_memory::AnswerMemory;
use super::catalogue::Action;
use super::error::ApiError;
use super::permission::{self, IamMemory, Principal};
use super::references::AccountMemory;
use crate::records::Stored;

/// One call of one action; a retried transaction gets a new `now`.
pub(crate) struct Call<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) config: &'a ApiConfig,
    pub(crate) principal: Principal,
    pub(crate) action: &'static Action,
    pub(crate) now: Timestamp,
    pub(crate) iam: &'a IamMemory,
    pub(crate) account: &'a AccountMemory,
    pub(crate) answers: &'a AnswerMemory,
}

impl Call<'_> {
    pub(crate) fn store(&self) -> &dyn Store {
        self.ports.store.as_ref()
    }

    /// Who asked, for events [EVT-9].
    pub(crate) fn initiated_by(&self) -> InitiatedBy {
        if self.principal.is_controller { InitiatedBy::AutoScaling } else { InitiatedBy::User }
    }

    /// The permission check, after the ids and before the state rules [WIRE-13]; `None` for what concerns no one stack.
    pub(crate) async fn permit(&self, stack: Option<&StackId>) -> Result<(), ApiError> {
        if self.principal.is_controller || self.action.level == Needed::Any {
            return Ok(());
        }
        let stack = match stack {
            Some(id) => Some(self.stack(id.as_str()).await?.record),
            None => None,
        };
        permission::check(self, stack.as_ref()).await
    }

    /// One record, if it is there.
    pub(crate) async fn find<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<Stored<T>>, ApiError> {
        Ok(self.store().get(key).await?.map(Stored::of).transpose()?)
    }

    /// All records of a stack whose sort key has the prefix.
    pub(crate) async fn list<T: DeserializeOwned>(&self, stack: &StackId, prefix: &str) -> Result<Vec<Stored<T>>, ApiError> {
        let items = self.store().list(&Listing::of(keys::stack_pk(stack), prefix)).await?;
        Ok(items.into_iter().map(Stored::of).collect::<Result<_, _>>()?)
    }

    /// What an id's pointer record says, if the id is known and of this kind.
    pub(crate) async fn owner_of(&self, kind: &str, id: &str) -> Result<Option<keys::Owner>, ApiError> {
        let pointer = self.find::<keys::Owner>(&keys::pointer(id)).await?;
        Ok(pointer.map(|p| p.record).filter(|owner| owner.kind == kind))
    }

    /// A stack, or R [TXT-5].
    pub(crate) async fn stack(&self, id: &str) -> Result<Stored<Stack>, ApiError> {
        self.find(&keys::stack(&StackId::from(id))).await?.ok_or_else(|| ApiError::unknown_id("stack", id))
    }

    /// A layer, or R [TXT-5].
    pub(crate) async fn layer(&self, id: &str) -> Result<Stored<Layer>, ApiError> {
        let unknown = || ApiError::unknown_id("layer", id);
        let owner = self.owner_of("layer", id).await?.ok_or_else(unknown)?;
        self.find(&keys::layer(&owner.stack_id, &LayerId::from(id))).await?.ok_or_else(unknown)
    }

    /// An instance, or R [TXT-5].
    pub(crate) async fn instance(&self, id: &str) -> Result<Stored<Instance>, ApiError> {
        let unknown = || ApiError::unknown_id("instance", id);
        let owner = self.owner_of("instance", id).await?.ok_or_else(unknown)?;
        self.find(&keys::instance(&owner.stack_id, &InstanceId::from(id))).await?.ok_or_else(unknown)
    }

    /// Layers by id, in the order given; one unknown id spoils the whole call [DSC-4].
    pub(crate) async fn layers(&self, ids: &[String]) -> Result<Vec<Stored<Layer>>, ApiError> {
        let mut layers = Vec::with_capacity(ids.len());
        for id in ids {
            layers.push(self.layer(id).await?);
        }
        Ok(layers)
    }

    /// Layers by id that must all be of one stack [TXT-8].
    pub(crate) async fn layers_of_one_stack(&self, ids: &[String]) -> Result<Vec<Stored<Layer>>, ApiError> {
        let layers = self.layers(ids).await?;
        if layers.windows(2).any(|pair| pair[0].record.stack_id != pair[1].record.stack_id) {
            return Err(ApiError::Validation("Please only provide layer IDs from the same stack".to_owned()));
        }
        Ok(layers)
    }

    /// A stack's layers, oldest first.
    pub(crate) async fn layers_of(&self, stack: &StackId) -> Result<Vec<Stored<Layer>>, ApiError> {
        let mut layers: Vec<Stored<Layer>> = self.list(stack, keys::LAYER).await?;
        layers.sort_by(|a, b| (a.record.created_at, &a.record.id).cmp(&(b.record.created_at, &b.record.id)));
        Ok(layers)
    }

    /// A stack's instances, oldest first.
    pub(crate) async fn instances_of(&self, stack: &StackId) -> Result<Vec<Stored<Instance>>, ApiError> {
        let mut instances: Vec<Stored<Instance>> = self.list(stack, keys::INSTANCE).await?;
        instances.sort_by(|a, b| (a.record.created_at, &a.record.id).cmp(&(b.record.created_at, &b.record.id)));
        Ok(instances)
    }

    /// A layer's members, oldest first. To be sure that none joins unseen, read the layer before, and write it conditionally.
    pub(crate) async fn members_of(&self, layer: &Layer) -> Result<Vec<Stored<Instance>>, ApiError> {
        let mut instances = self.instances_of(&layer.stack_id).await?;
        instances.retain(|i| i.record.layer_ids.contains(&layer.id));
        Ok(instances)
    }

    /// Under which role and region the cloud is called for a stack.
    pub(crate) fn scope(&self, stack: &Stack) -> StackScope {
        StackScope { stack_id: stack.id.clone(), region: stack.region.clone(), service_role_arn: stack.service_role_arn.clone() }
    }
}
