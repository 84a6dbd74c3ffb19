//! What a `ResourceArn` names: a stack or a layer [TAG-1] [IDN-4].

use strata_domain::arns::{ResourceArn, ResourceKind};
use strata_domain::model::{Layer, Stack};
use strata_domain::tags::Tags;

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::records::Stored;

/// A taggable resource as it stands.
pub(super) struct Tagged {
    /// The stack, or the layer's stack.
    pub(super) stack: Stored<Stack>,
    /// The layer, if the ARN names one.
    pub(super) layer: Option<Stored<Layer>>,
}

impl Tagged {
    /// Looks it up and asks for permission on its stack [PERM-12].
    ///
    /// # Errors
    /// V for what cannot be tagged, R for what is not there, here or in this account and region [IDN-4].
    pub(super) async fn find(call: &Call<'_>, arn: &str) -> Result<Self, ApiError> {
        let form = "must be arn:<partition>:opsworks:<region>:<account>:stack/<id>/, or layer/<id>/; nothing else has tags";
        let named = ResourceArn::parse(arn).ok_or_else(|| ApiError::field("ResourceArn", format!("{form}; it is \"{arn}\"")))?;
        let (kind, layer, stack) = match named.kind {
            ResourceKind::Stack => ("stack", None, call.stack(named.id).await?),
            ResourceKind::Layer => {
                let layer = call.layer(named.id).await?;
                let stack = call.stack(layer.record.stack_id.as_str()).await?;
                ("layer", Some(layer), stack)
            }
        };
        if (named.region, named.account) != (stack.record.region.as_str(), stack.record.account.as_str()) {
            return Err(ApiError::NotFound(format!("Unable to find {kind} with ARN {arn}")));
        }
        call.permit(Some(&stack.record.id)).await?;
        Ok(Self { stack, layer })
    }

    /// Its own tags.
    pub(super) fn own(&self) -> &Tags {
        self.layer.as_ref().map_or(&self.stack.record.tags, |layer| &layer.record.tags)
    }

    /// What it inherits: a layer its stack's tags, a stack nothing.
    pub(super) fn inherited(&self) -> Tags {
        self.layer.as_ref().map(|_| self.stack.record.tags.clone()).unwrap_or_default()
    }
}
