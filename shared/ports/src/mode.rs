//! The mode: read before each batch of actions.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strata_domain::mode::Mode;
use strata_domain::{LayerId, StackId};

use crate::CloudError;

/// Whose mode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ModeScope {
    /// The installation's.
    Installation,
    /// A stack's.
    Stack(StackId),
    /// A layer's.
    Layer(LayerId),
}

/// Deployed, an SSM parameter each, so that plain `aws ssm put-parameter` stops Strata when Strata itself is the trouble.
#[async_trait]
pub trait Modes: Send + Sync {
    /// The mode of one scope; `None` if none was set.
    ///
    /// # Errors
    /// Unreadable: the caller treats it as frozen for stop, terminate and patch (`strata_domain::mode::permits` with `None`).
    async fn read(&self, scope: &ModeScope) -> Result<Option<Mode>, CloudError>;
}

/// The mode that counts for a layer of a stack: the strictest of the three; `None` when one of them cannot be read.
pub async fn effective(modes: &dyn Modes, stack: Option<&StackId>, layer: Option<&LayerId>) -> Option<Mode> {
    let mut scopes = vec![ModeScope::Installation];
    scopes.extend(stack.cloned().map(ModeScope::Stack));
    scopes.extend(layer.cloned().map(ModeScope::Layer));
    let mut found = Vec::new();
    for scope in &scopes {
        found.extend(modes.read(scope).await.ok()?);
    }
    Some(Mode::strictest(found))
}
