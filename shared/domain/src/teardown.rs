//! Teardown: takes an ECS Cluster layer down in order [ECS-90..97].
//!
//! Services (only if asked), instances, the cluster's registration, the layer, then (only if asked) the stack. The cluster itself is
//! never deleted, nor anything that is not this layer's. [`next`] is pure and level-triggered: the stage is read off the world, so a
//! crash anywhere, or a person who lends a hand, costs nothing.

mod blockers;
mod plan;
pub mod planned;
mod record;
mod stages;
mod step;
mod told;

#[cfg(test)]
mod tests;

pub use blockers::wants_closer_look;
pub use plan::{PlannedStage, TeardownPlan, plan};
pub use record::{NewTeardown, Options, SCHEMA, Teardown, TeardownOutcome, TeardownState, Trouble, teardown_id};
pub use stages::{Stage, because, stage};
pub use step::{Keeper, MemberView, ServiceView, TeardownStep, TeardownView};
pub use told::{TeardownTold, order_means, tell};

use jiff::Timestamp;

/// Why a teardown is not begun. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TeardownRefused {
    /// `"strata".protected` of the layer or its stack.
    #[error("{0} is protected; take \"protected\" out of its strata settings first")]
    Protected(String),
    /// The name was not typed again, or wrongly.
    #[error("the confirmation must be the layer's name, {expected}")]
    NotConfirmed {
        /// The layer's name.
        expected: String,
    },
    /// Members that are another layer's too: deleting them would take them from it.
    #[error("{0} also in another layer; take them out of it, or out of this layer, first")]
    Shared(String),
}

/// Whether a teardown of the layer may begin: not protected, confirmed by its very name, and no member is another layer's too.
///
/// # Errors
/// [`TeardownRefused`] with what to do.
pub fn check_start(
    layer_name: &str,
    confirmation: Option<&str>,
    is_protected: bool,
    members: &[MemberView],
) -> Result<(), TeardownRefused> {
    if is_protected {
        return Err(TeardownRefused::Protected(layer_name.to_owned()));
    }
    if confirmation != Some(layer_name) {
        return Err(TeardownRefused::NotConfirmed { expected: layer_name.to_owned() });
    }
    let shared: Vec<&str> = members.iter().filter(|m| m.is_shared).map(|m| m.hostname.as_str()).collect();
    match shared.as_slice() {
        [] => Ok(()),
        [one] => Err(TeardownRefused::Shared(format!("{one} is"))),
        many => Err(TeardownRefused::Shared(format!("{} are", many.join(", ")))),
    }
}

/// What follows for a teardown, in the order in which it is to be done; empty when there is nothing to do but wait.
///
/// Steps that change the world may be repeated by a later call while the world has not followed; each is idempotent.
pub fn next(teardown: &Teardown, view: &TeardownView, now: Timestamp) -> Vec<TeardownStep> {
    match &teardown.state {
        TeardownState::Running => {}
        TeardownState::Paused { .. } | TeardownState::Ended { .. } => return Vec::new(),
        TeardownState::Aborted => {
            let over = teardown.trouble.is_some().then(|| TeardownStep::Unblock { why: "the teardown was aborted".to_owned() });
            let end = TeardownStep::End { outcome: TeardownOutcome::Aborted, why: stages::left_standing(teardown, view) };
            return over.into_iter().chain([end]).collect();
        }
    }
    let stage = stage(teardown, view);
    let mut steps = Vec::new();
    let is_new = stage != teardown.stage;
    if is_new {
        if teardown.trouble.is_some() {
            steps.push(TeardownStep::Unblock { why: format!("{} is over", teardown.stage.describe()) });
        }
        steps.push(TeardownStep::Enter { stage, why: stages::because(stage, teardown) });
    }
    if stage == Stage::Over {
        steps.push(TeardownStep::End { outcome: TeardownOutcome::Completed, why: stages::left_standing(teardown, view) });
        return steps;
    }
    if view.is_protected {
        let what = format!("{} has been protected since the teardown began", teardown.layer_name);
        if teardown.trouble.is_none() || is_new {
            steps
                .push(TeardownStep::Block { what, advice: "take \"protected\" out of its strata settings, or abort".to_owned() });
        }
        return steps;
    }
    steps.extend(stages::actions(stage, teardown, view, now));
    let is_late = !is_new && now >= stages::deadline(stage, teardown.stage_since);
    if is_late && teardown.trouble.is_none() {
        let (what, advice) = blockers::blockers(stage, teardown, view, now);
        steps.push(TeardownStep::Block { what, advice });
    }
    steps
}
