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

impl ModeScope {
    /// The name of its SSM parameter: `/<installation>/mode`, `/<installation>/mode/stack/<id>`, `/<installation>/mode/layer/<id>`.
    pub fn parameter(&self, installation: &str) -> String {
        match self {
            Self::Installation => format!("/{installation}/mode"),
            Self::Stack(id) => format!("/{installation}/mode/stack/{id}"),
            Self::Layer(id) => format!("/{installation}/mode/layer/{id}"),
        }
    }
}

/// Deployed, an SSM parameter each, so that plain `aws ssm put-parameter` stops Strata when Strata itself is the trouble.
#[async_trait]
pub trait Modes: Send + Sync {
    /// The modes of these scopes, in their order; `None` where none was set. One look for all of them: what a decision needs is read
    /// together.
    ///
    /// # Errors
    /// One of them is unreadable, or is set to what is no mode: the caller treats it as frozen for stop, terminate and patch
    /// (`strata_domain::mode::permits` with `None`).
    async fn read(&self, scopes: &[ModeScope]) -> Result<Vec<Option<Mode>>, CloudError>;
}

/// The mode that counts for layers of a stack: the strictest of the installation's, the stack's and theirs; `None` when one of them
/// cannot be read. One call.
pub async fn effective<'a>(
    modes: &dyn Modes,
    stack: Option<&StackId>,
    layers: impl IntoIterator<Item = &'a LayerId>,
) -> Option<Mode> {
    let mut scopes = vec![ModeScope::Installation];
    scopes.extend(stack.cloned().map(ModeScope::Stack));
    scopes.extend(layers.into_iter().cloned().map(ModeScope::Layer));
    Some(Mode::strictest(modes.read(&scopes).await.ok()?.into_iter().flatten()))
}
