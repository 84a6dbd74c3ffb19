//! What every adapter of Modes must do.

use strata_domain::LayerId;
use strata_domain::mode::Mode;

use crate::{ModeScope, Modes};

/// Modes are read in the order that they are asked for, however many there are; what was never set, or was removed, is `None`. `set`
/// sets a scope's mode, or removes it; none is set to begin with.
///
/// # Panics
/// With what was broken.
pub async fn modes_contract(modes: &dyn Modes, set: impl AsyncFn(ModeScope, Option<Mode>)) {
    let mut scopes = vec![ModeScope::Installation, ModeScope::Stack("contract".into())];
    scopes.extend((0..20).map(|n| ModeScope::Layer(LayerId::new(format!("contract-{n:02}")))));
    let read = async |scopes: &[ModeScope]| modes.read(scopes).await.expect("modes can be read");
    assert_eq!(read(&[]).await, []);
    assert_eq!(read(&scopes).await, vec![None; scopes.len()], "none is set");

    let wanted: Vec<Option<Mode>> =
        (0..scopes.len()).map(|n| [Some(Mode::Frozen), None, Some(Mode::Active), Some(Mode::Observe)][n % 4]).collect();
    for (scope, mode) in scopes.iter().zip(&wanted) {
        if mode.is_some() {
            set(scope.clone(), *mode).await;
        }
    }
    assert_eq!(read(&scopes).await, wanted, "in the order that was asked for");
    let backwards: Vec<ModeScope> = scopes.iter().rev().cloned().collect();
    assert_eq!(read(&backwards).await, wanted.iter().rev().copied().collect::<Vec<_>>());

    set(ModeScope::Installation, Some(Mode::Active)).await;
    assert_eq!(read(&scopes[..1]).await, [Some(Mode::Active)], "the last one that was set counts");
    for scope in &scopes {
        set(scope.clone(), None).await;
    }
    assert_eq!(read(&scopes).await, vec![None; scopes.len()], "what was removed is not set");
}
