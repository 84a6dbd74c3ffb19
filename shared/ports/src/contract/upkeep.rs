//! What every adapter of Upkeep must do.

use std::collections::BTreeSet;

use strata_domain::tags::Tags;

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

/// Tags are set, overwritten and taken away, each key by itself; what is gone is missing and spoils no batch. `resources` are two without
/// tags of their own.
///
/// # Panics
/// With what was broken.
pub async fn tags_contract(upkeep: &dyn Upkeep, scope: &StackScope, resources: &[String; 2]) {
    let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Tags>();
    let keys = |keys: &[&str]| keys.iter().map(|k| (*k).to_owned()).collect::<BTreeSet<String>>();
    let seen = async |at: usize| {
        let mut found = upkeep.tags(scope, resources).await.expect("tags are described");
        found.remove(&resources[at]).unwrap_or_default()
    };
    for _ in 0..2 {
        let set = tags(&[("stage", "prod"), ("empty", "")]);
        let done = upkeep.change_tags(scope, resources, &set, &keys(&["never there"])).await.expect("set, and set again");
        assert!(done.len() == 2 && done.iter().all(|item| item.result.is_ok()), "{done:?}");
        assert_eq!((seen(0).await, seen(1).await), (set.clone(), set));
    }
    let gone = "vol-0123456789abcdef0".to_owned();
    let mixed = [resources[0].clone(), gone.clone()];
    let done = upkeep.change_tags(scope, &mixed, &tags(&[("stage", "test")]), &keys(&["empty"])).await.expect("each by itself");
    let failed: Vec<_> = done.iter().filter(|item| item.result.is_err()).map(|item| item.id.clone()).collect();
    assert_eq!(failed, [gone], "what is gone fails alone");
    assert_eq!(seen(0).await, tags(&[("stage", "test")]));
    assert_eq!(seen(1).await, tags(&[("stage", "prod"), ("empty", "")]), "the other is as it was");
    assert!(upkeep.tags(scope, &["vol-0123456789abcdef0".to_owned()]).await.expect("nothing").is_empty());
    assert!(upkeep.tags(scope, &[]).await.expect("nothing is asked for").is_empty());
    assert!(upkeep.change_tags(scope, &[], &tags(&[("a", "b")]), &keys(&[])).await.expect("nothing to do").is_empty());
}
