//! What keeps a stage from ending, by name, and what to do about it.

use jiff::Timestamp;

use super::record::Teardown;
use super::stages::{Stage, deadline, hands_off};
use super::step::{Keeper, MemberView, TeardownView};

/// So many names at most in one sentence.
const SHOWN: usize = 5;

/// Whether the present stage is late and nobody was told: then it is worth the calls to find out what keeps each member
/// ([`MemberView::kept_by`]).
pub fn wants_closer_look(teardown: &Teardown, view: &TeardownView, now: Timestamp) -> bool {
    let stage = super::stage(teardown, view);
    teardown.state == super::TeardownState::Running
        && teardown.trouble.is_none()
        && matches!(stage, Stage::Services | Stage::Instances)
        && stage == teardown.stage
        && now >= deadline(stage, teardown.stage_since)
}

/// What keeps a stage from ending, and what to do about it.
pub(super) fn blockers(stage: Stage, teardown: &Teardown, view: &TeardownView, now: Timestamp) -> (String, String) {
    match stage {
        Stage::Services => services(teardown, view),
        Stage::Instances => instances(teardown, view, now),
        Stage::Cluster | Stage::Layer | Stage::Stack => {
            let what = format!("{} does not go through", stage.describe());
            let advice = match (&teardown.last_refusal, stage) {
                (Some(_), Stage::Stack) => {
                    "take out of the stack what the last answer names, or leave it standing: abort".to_owned()
                }
                (Some(_), _) => "do what the last answer says".to_owned(),
                (None, _) => "see whether the API answers: strata doctor".to_owned(),
            };
            (with(what, teardown.last_refusal.as_deref()), advice)
        }
        Stage::Begin | Stage::Over => (stage.describe().to_owned(), String::new()),
    }
}

/// Services that are left; with tasks on the layer's hosts, those by ARN.
fn services(teardown: &Teardown, view: &TeardownView) -> (String, String) {
    let left = listed(view.services.iter().map(|s| format!("{} (desired {}, {} tasks)", s.name, s.desired, s.tasks)));
    let is_left = |keeper: &&Keeper| match keeper {
        Keeper::Task { service: Some(of), .. } => view.services.iter().any(|s| s.arn == *of),
        Keeper::Task { service: None, .. } | Keeper::Refusal(_) => false,
    };
    let keepers: Vec<(&MemberView, &Keeper)> =
        view.members.iter().flat_map(|m| m.kept_by.iter().filter(is_left).map(move |k| (m, k))).collect();
    let what = match keepers.is_empty() {
        true => left,
        false => format!("{left}: {}", listed(keepers.iter().map(|(m, k)| format!("{} on {}", named(k), m.hostname)))),
    };
    let advice = keepers.iter().map(|(_, k)| *k).min_by_key(|k| rank(k)).map_or_else(
        || "look at the services' events, task stop timeouts and deregistration delays in ECS".to_owned(),
        |keeper| remedy(keeper, teardown),
    );
    (with(what, teardown.last_refusal.as_deref()), advice)
}

/// Members that are left: those that are left alone with the reason, else the others with what keeps them.
fn instances(teardown: &Teardown, view: &TeardownView, now: Timestamp) -> (String, String) {
    let untouched: Vec<_> = view.members.iter().filter_map(|m| hands_off(m, now)).collect();
    if let Some((_, advice)) = untouched.first() {
        return (listed(untouched.iter().map(|(what, _)| what.clone())), advice.clone());
    }
    // Whatever is known to keep one says more than what is only slow.
    let mut members: Vec<&MemberView> = view.members.iter().collect();
    members.sort_by_key(|m| m.kept_by.iter().map(rank).min().unwrap_or(u8::MAX));
    let what = listed(members.iter().map(|m| kept(m)));
    let keeper = members.first().and_then(|m| m.kept_by.iter().min_by_key(|k| rank(k)));
    let advice = keeper.map_or_else(
        || "look at the instances' service errors: aws opsworks describe-service-errors".to_owned(),
        |keeper| remedy(keeper, teardown),
    );
    (with(what, teardown.last_refusal.as_deref()), advice)
}

fn kept(member: &MemberView) -> String {
    let head = format!("{} ({})", member.hostname, member.status);
    match member.kept_by.is_empty() {
        true => head,
        false => format!("{head} is kept by {}", listed(member.kept_by.iter().map(named))),
    }
}

fn named(keeper: &Keeper) -> String {
    match keeper {
        Keeper::Refusal(why) => why.clone(),
        Keeper::Task { arn, service, is_protected } => {
            let of = service.as_ref().map_or("no service".to_owned(), |s| format!("service {}", last_part(s.as_str())));
            let protected = if *is_protected { ", protected from scale-in" } else { "" };
            format!("task {arn} of {of}{protected}")
        }
    }
}

fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// What needs a person most comes first.
fn rank(keeper: &Keeper) -> u8 {
    match keeper {
        Keeper::Refusal(_) => 0,
        Keeper::Task { is_protected: true, .. } => 1,
        Keeper::Task { service: None, .. } => 2,
        Keeper::Task { service: Some(_), .. } => 3,
    }
}

/// What to do about it, as a command where there is one.
fn remedy(keeper: &Keeper, teardown: &Teardown) -> String {
    let cluster = teardown.cluster.as_ref().map_or("CLUSTER", |c| c.name());
    match keeper {
        Keeper::Refusal(why) if why.contains("disableApiTermination") => {
            format!("aws ec2 modify-instance-attribute --instance-id {} --no-disable-api-termination", machine(why))
        }
        Keeper::Refusal(why) if why.contains("disableApiStop") => {
            format!("aws ec2 modify-instance-attribute --instance-id {} --no-disable-api-stop", machine(why))
        }
        Keeper::Refusal(_) => "do what AWS's answer says".to_owned(),
        Keeper::Task { arn, is_protected: true, .. } => {
            format!("aws ecs update-task-protection --cluster {cluster} --tasks {arn} --no-protection-enabled")
        }
        Keeper::Task { arn, service: None, .. } => format!("aws ecs stop-task --cluster {cluster} --task {arn}"),
        Keeper::Task { service: Some(_), .. } => {
            "wait for the task, or look at its stop timeout and its target group's deregistration delay".to_owned()
        }
    }
}

/// The EC2 instance that an answer of EC2's names.
fn machine(why: &str) -> &str {
    why.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| word.starts_with("i-")).unwrap_or("INSTANCE")
}

fn with(what: String, refusal: Option<&str>) -> String {
    match refusal {
        Some(refusal) => format!("{what}; the last answer was: {refusal}"),
        None => what,
    }
}

/// The first five by name, and how many more.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let shown = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read_out_of_ec2s_words() {
        for (why, id) in [
            ("OperationNotPermitted: The instance 'i-0ab1' may not be terminated. Modify its 'disableApiTermination'", "i-0ab1"),
            ("something else", "INSTANCE"),
        ] {
            assert_eq!(machine(why), id, "{why}");
        }
    }
}
