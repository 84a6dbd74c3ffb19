//! Snapshots: what scripts on a host get to see of their stack, as a file that the host fetches by a link [LIFE-3] [LIFE-7].
//!
//! A command's parameters could not carry a stack. The file is the same for all hosts of a command that are in the same layers, so a look
//! that sends a thousand commands writes one. Nobody needs it after its command: the bucket forgets it after a day.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_domain::model::{Instance, RegisteredVolume};
use strata_domain::snapshot::{Cause, Facts, MAX_BYTES, merged, snapshot};
use strata_domain::{DeploymentId, LayerId};
use strata_ports::store::Listing;
use strata_ports::{CloudError, Ports, Store, StoreError, keys};

use super::users::host_users;
use crate::reconciler::balancers::unread;
use crate::reconciler::view::StackView;
use crate::records::Deployment;

/// So long a host may take to fetch it: a command that waits for its host for an hour still finds it.
const LINK_LASTS: SignedDuration = SignedDuration::from_hours(2);

/// What commands of one sort, of one deployment, in the same layers have in common.
type Sort = (String, Option<DeploymentId>, Vec<LayerId>);

/// The snapshots of one look at a stack: each sort's is taken once.
#[derive(Default)]
pub(crate) struct Snapshots {
    taken: BTreeMap<Sort, Option<String>>,
}

impl Snapshots {
    /// The parameter for a command of type `kind` to `instance`: base64 of the link. `None` where no snapshot can be had for good: scripts
    /// then run without one. `nonce` names the file, so a repeat writes the same one.
    ///
    /// # Errors
    /// What the store or the bucket said, if the next look may hear better.
    pub(crate) async fn parameter(
        &mut self,
        ports: &Ports,
        view: &StackView,
        instance: &Instance,
        (kind, deployment, nonce): (&str, Option<&Deployment>, &str),
    ) -> Result<Option<String>, CloudError> {
        let sort = (kind.to_owned(), deployment.map(|d| d.id.clone()), instance.layer_ids.clone());
        if let Some(known) = self.taken.get(&sort) {
            return Ok(known.clone());
        }
        let key = format!("snapshots/{}/{nonce}.json", view.stack.id);
        let link = match write(ports, view, instance, (kind, deployment), &key).await {
            Ok(link) => link.map(|link| BASE64_STANDARD.encode(link)),
            Err(error @ (CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. })) => return Err(error),
            Err(error) => {
                tracing::info!(stack.id = %view.stack.id, error = %error, "scripts run without a snapshot of their stack");
                None
            }
        };
        self.taken.insert(sort, link.clone());
        Ok(link)
    }
}

/// The link comes first: where there can be none, nothing is written.
async fn write(
    ports: &Ports,
    view: &StackView,
    instance: &Instance,
    of: (&str, Option<&Deployment>),
    key: &str,
) -> Result<Option<String>, CloudError> {
    let link = ports.objects.link(key, LINK_LASTS).await?;
    let text = text(&*ports.store, view, instance, of).await.map_err(unread)?;
    if text.len() > MAX_BYTES {
        tracing::warn!(stack.id = %view.stack.id, bytes = text.len(), "a snapshot is too large; scripts run without one");
        return Ok(None);
    }
    ports.objects.put(key, Bytes::from(text), "application/json").await?;
    Ok(Some(link))
}

/// Each member on a line of its own: the documents find the hosts' lines by that.
async fn text(
    store: &dyn Store,
    view: &StackView,
    instance: &Instance,
    (kind, deployment): (&str, Option<&Deployment>),
) -> Result<String, StoreError> {
    let instances: Vec<Instance> = listed(store, view, keys::INSTANCE).await?;
    let volumes: Vec<RegisteredVolume> = listed(store, view, keys::VOLUME).await?;
    let facts = Facts {
        stack: &view.stack,
        layers: view.layers().collect(),
        instances: instances.iter().collect(),
        volumes: volumes.iter().collect(),
        load_balancers: view.classic_balancers().collect(),
        users: host_users(store, &view.stack.id).await?,
    };
    let cause = Cause {
        kind,
        args: deployment.map(|d| d.args.clone()).unwrap_or_default(),
        deployment_id: deployment.map(|d| &d.id),
        iam_user_arn: deployment.and_then(|d| d.iam_user_arn.as_deref()),
    };
    let of_stack = view.stack.custom_json.as_deref();
    let of_layers = view.layers_of(instance).filter_map(|layer| layer.custom_json.as_deref());
    let of_deployment = deployment.and_then(|d| d.custom_json.as_deref());
    let custom_json = merged(of_stack.into_iter().chain(of_layers).chain(of_deployment));
    let seen = snapshot(&facts, &cause, custom_json);
    Ok(serde_json::to_string_pretty(&seen).expect("a JSON value can be written"))
}

async fn listed<T: serde::de::DeserializeOwned>(store: &dyn Store, view: &StackView, prefix: &str) -> Result<Vec<T>, StoreError> {
    let items = store.list(&Listing::of(keys::stack_pk(&view.stack.id), prefix)).await?;
    items.iter().map(|item| item.decode()).collect()
}
