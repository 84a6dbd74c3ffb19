//! What every adapter of Compute must do with the built-in security groups.

use std::collections::BTreeSet;

use strata_domain::security_groups::{ALL, DEFAULT_SERVER, GroupRule, standard};

use crate::{Compute, GroupsReset, StackScope};

/// Groups are made once; a reset takes away what somebody has added, brings back what somebody has taken away, and changes nothing when it is
/// repeated. `vpc` has none of them. `shown` gives a group's rules by its id; `edit` adds the first rule to the group of that id and takes
/// the second one away.
///
/// # Panics
/// With what was broken.
pub async fn security_groups_contract(
    compute: &dyn Compute,
    scope: &StackScope,
    vpc: &str,
    shown: impl AsyncFn(&str) -> BTreeSet<GroupRule>,
    edit: impl AsyncFn(&str, &GroupRule, &GroupRule),
) {
    let groups = compute.ensure_groups(scope, vpc).await.expect("they are made");
    assert_eq!(groups.keys().map(String::as_str).collect::<Vec<_>>(), ALL);
    assert_eq!(compute.ensure_groups(scope, vpc).await.expect("they are there"), groups, "made once");
    let rules = standard(groups.values());
    for id in groups.values() {
        assert_eq!(shown(id).await, rules, "made with the standard rules");
    }
    assert_eq!(compute.reset_groups(scope, vpc).await.expect("reset"), GroupsReset::default(), "nothing was edited");

    let edited = &groups[DEFAULT_SERVER];
    for egress in [false, true] {
        let added = GroupRule { egress, protocol: "tcp".to_owned(), ports: (22, 22), peer: "192.0.2.0/24".to_owned() };
        let taken = rules.iter().find(|rule| rule.egress == egress).expect("there is one").clone();
        edit(edited, &added, &taken).await;
        compute.ensure_groups(scope, vpc).await.expect("they are there");
        assert!(shown(edited).await.contains(&added), "a group that is there keeps its rules when it is only asked for");
        let reset = compute.reset_groups(scope, vpc).await.expect("reset");
        assert_eq!(reset.changed.keys().map(String::as_str).collect::<Vec<_>>(), [DEFAULT_SERVER], "only what was edited");
        let change = &reset.changed[DEFAULT_SERVER];
        assert_eq!((&change.allow, &change.revoke), (&BTreeSet::from([taken]), &BTreeSet::from([added])));
        assert!(reset.foreign.is_empty());
        assert_eq!(shown(edited).await, rules);
    }
    assert_eq!(compute.reset_groups(scope, vpc).await.expect("again"), GroupsReset::default());
}
