//! What a call of our own is about: a stack, a layer or an instance, named by its id.

use strata_domain::holds::HoldTarget;
use strata_domain::model::{Instance, Layer, Stack};
use strata_ports::{Key, keys};

use super::super::call::Call;
use super::super::error::ApiError;

/// The ids of a request; exactly one is wanted, since each says what it is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub(super) stack_id: Option<String>,
    pub(super) layer_id: Option<String>,
    pub(super) instance_id: Option<String>,
}

/// What the ids name.
pub(super) struct Subject {
    pub(super) stack: Stack,
    /// The layer, or those that the instance is in.
    pub(super) layers: Vec<Layer>,
    pub(super) instance: Option<Instance>,
}

impl Subject {
    /// Looks it up, and whether the caller may do with it what the call does.
    pub(super) async fn find(call: &Call<'_>, named: Named) -> Result<Self, ApiError> {
        let found = match (named.stack_id, named.layer_id, named.instance_id) {
            (Some(id), None, None) => Self { stack: call.stack(&id).await?.record, layers: Vec::new(), instance: None },
            (None, Some(id), None) => {
                let layer = call.layer(&id).await?.record;
                Self { stack: call.stack(layer.stack_id.as_str()).await?.record, layers: vec![layer], instance: None }
            }
            (None, None, Some(id)) => {
                let instance = call.instance(&id).await?.record;
                let stack = call.stack(instance.stack_id.as_str()).await?.record;
                let ids: Vec<String> = instance.layer_ids.iter().map(ToString::to_string).collect();
                let layers = call.layers(&ids).await?.into_iter().map(|stored| stored.record).collect();
                Self { stack, layers, instance: Some(instance) }
            }
            _ => {
                let text = "Please provide exactly one of StackId, LayerId and InstanceId";
                return Err(ApiError::Validation(text.to_owned()));
            }
        };
        call.permit(Some(&found.stack.id)).await?;
        Ok(found)
    }

    /// Names, for people: `shop`, `shop/web`, `shop/web/web3`.
    pub(super) fn path(&self) -> String {
        let host = self.instance.as_ref().map(|instance| instance.hostname.as_str());
        let layer = self.layers.first().map(|layer| layer.shortname.as_str()).or(host.map(|_| "-"));
        let parts: Vec<&str> = [Some(self.stack.name.as_str()), layer, host].into_iter().flatten().collect();
        parts.join("/")
    }

    /// What a hold on it is on, and the key of a person's; a stack has none.
    pub(super) fn hold(&self) -> Option<(HoldTarget, Key)> {
        let stack = &self.stack.id;
        match (&self.instance, self.layers.first()) {
            (Some(instance), _) => {
                let key = keys::instance_hold(stack, &instance.id, keys::PERSON_HOLD);
                Some((HoldTarget::Instance(instance.id.clone()), key))
            }
            (None, Some(layer)) => Some((HoldTarget::Layer(layer.id.clone()), keys::layer_hold(stack, &layer.id))),
            (None, None) => None,
        }
    }
}
