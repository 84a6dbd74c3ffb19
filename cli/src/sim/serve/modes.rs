//! The modes of a served world, which stand where SSM's parameters stand on AWS.

use serde::{Deserialize, Serialize};
use strata_domain::mode::Mode;
use strata_local::{RedbStore, SimCloud};
use strata_ports::{ModeScope, Store, keys};

/// A scope's mode, as it is or as it is to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    pub(crate) scope: ModeScope,
    /// `None`: it has none of its own.
    pub(crate) mode: Option<Mode>,
    /// Why.
    pub(crate) reason: Option<String>,
}

/// Those that are set.
pub(super) fn list(cloud: &SimCloud) -> Vec<Turn> {
    let modes = cloud.modes().into_iter();
    modes.map(|(scope, mode, reason)| Turn { scope, mode: Some(mode), reason }).collect()
}

/// Turns one.
///
/// # Errors
/// A sentence for the person: there is no such stack or layer. Nothing is changed.
pub(super) async fn turn(cloud: &SimCloud, store: &RedbStore, turn: Turn) -> Result<(), String> {
    let id = match &turn.scope {
        ModeScope::Installation => None,
        ModeScope::Stack(id) => Some(("stack", id.to_string(), keys::stack(id))),
        ModeScope::Layer(id) => Some(("layer", id.to_string(), keys::pointer(id.as_str()))),
    };
    // What is gone may still have a mode, which may be taken away.
    if let (Some((what, id, key)), true) = (id, turn.mode.is_some())
        && store.get(&key).await.map_err(|e| e.to_string())?.is_none()
    {
        return Err(format!("{id}: there is no {what} of that id"));
    }
    cloud.set_mode(turn.scope.clone(), turn.mode);
    cloud.note_mode(turn.scope, turn.reason);
    Ok(())
}
