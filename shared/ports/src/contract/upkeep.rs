//! What every adapter of Upkeep must do.

use crate::{CloudError, StackScope, TemplateSpec, Upkeep};

/// Launch templates are made once, renewed only by another content, and deleted; repeats are successes, and somebody else's stays as it is.
/// `shown` gives the fingerprint that a template's default version has, empty for a foreign one; `foreign` is the name of somebody else's.
///
/// # Panics
/// With what was broken.
pub async fn templates_contract(
    upkeep: &dyn Upkeep,
    scope: &StackScope,
    spec: &TemplateSpec,
    foreign: &str,
    shown: impl AsyncFn(&str) -> Option<(String, u32)>,
) {
    let other = TemplateSpec { fingerprint: format!("{}b", spec.fingerprint), ..spec.clone() };
    for (spec, versions) in [(spec, 1), (spec, 1), (&other, 2), (&other, 2), (spec, 3)] {
        upkeep.put_template(scope, spec).await.expect("a template is taken, and a repeat changes nothing");
        assert_eq!(shown(&spec.name).await, Some((spec.fingerprint.clone(), versions)));
    }
    for _ in 0..2 {
        upkeep.delete_template(scope, &spec.name).await.expect("deleted, and gone");
        assert_eq!(shown(&spec.name).await, None);
    }
    upkeep.put_template(scope, spec).await.expect("made anew");
    assert_eq!(shown(&spec.name).await, Some((spec.fingerprint.clone(), 1)));
    upkeep.delete_template(scope, &spec.name).await.expect("deleted");

    let before = shown(foreign).await;
    assert!(before.is_some(), "somebody else's is there");
    let theirs = TemplateSpec { name: foreign.to_owned(), ..spec.clone() };
    let put = upkeep.put_template(scope, &theirs).await;
    assert!(matches!(put, Err(CloudError::Wrong { .. })), "{put:?}");
    let deleted = upkeep.delete_template(scope, foreign).await;
    assert!(matches!(deleted, Err(CloudError::Wrong { .. })), "{deleted:?}");
    assert_eq!(shown(foreign).await, before);
    assert!(upkeep.break_glass_hosts(scope).await.expect("machines are described").is_empty(), "nobody has launched one");
}
