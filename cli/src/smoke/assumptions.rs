//! What Strata takes for granted about AWS, and which step of the walk shows it. `docs/unproven-on-aws.md` lists them, and those that no walk
//! can show.

use serde::Serialize;

/// A step of the walk, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Stack, cluster, layer, instance.
    Build,
    /// The first start.
    Start,
    /// The stop, with what drains before it.
    Drain,
    /// The second start.
    Restart,
    /// A rolling update.
    Patch,
    /// The machine goes behind Strata's back.
    Heal,
    /// Everything is deleted.
    Delete,
}

impl Step {
    pub(crate) const ALL: [Self; 7] =
        [Self::Build, Self::Start, Self::Drain, Self::Restart, Self::Patch, Self::Heal, Self::Delete];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Start => "start",
            Self::Drain => "drain",
            Self::Restart => "restart",
            Self::Patch => "patch",
            Self::Heal => "heal",
            Self::Delete => "delete",
        }
    }
}

/// Something that is so only if AWS is as we think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assumption {
    pub(crate) id: &'static str,
    pub(crate) step: Step,
    pub(crate) what: &'static str,
}

pub(crate) const ASSUMPTIONS: [Assumption; 12] = [
    of("AWS-1", Step::Build, "the service role can be assumed with our external id, and ECS answers under it"),
    of("AWS-2", Step::Start, "RunInstances takes image, tags, volumes, profile and token in one call"),
    of("AWS-3", Step::Start, "the SSM agent of a fresh machine calls by itself, and takes our Setup document"),
    of("AWS-4", Step::Start, "Setup ends well, and the ECS agent registers the machine with the cluster"),
    of("AWS-5", Step::Drain, "a container instance can be set DRAINING and deregistered while its machine runs"),
    of("AWS-6", Step::Drain, "StopInstances stops the machine, and it stays the record's"),
    of("AWS-7", Step::Restart, "a stopped machine starts again, and its ECS agent registers afresh after the deregistration"),
    of("AWS-8", Step::Patch, "SendCommand runs our Update document, and its result comes back"),
    of("AWS-9", Step::Patch, "a patched host is back in the cluster after its reboot"),
    of(
        "AWS-10",
        Step::Heal,
        "a machine that was terminated behind our back is seen as lost, and a new one is launched for its record",
    ),
    of("AWS-11", Step::Delete, "TerminateInstances takes the machine and its root volume away"),
    of("AWS-12", Step::Delete, "layer, cluster registration and stack can be removed when their instances are gone"),
];

const fn of(id: &'static str, step: Step, what: &'static str) -> Assumption {
    Assumption { id, step, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/unproven-on-aws.md");

    #[test]
    fn the_document_lists_each_with_the_step_that_shows_it_and_no_others_with_one() {
        let row = |a: &Assumption| format!("| {} | {} | {} |", a.id, a.what, a.step.as_str());
        for assumption in &ASSUMPTIONS {
            assert!(DOCUMENT.contains(&row(assumption)), "docs/unproven-on-aws.md lacks:\n{}", row(assumption));
        }
        let with_step =
            DOCUMENT.lines().filter(|line| Step::ALL.iter().any(|step| line.ends_with(&format!("| {} |", step.as_str()))));
        assert_eq!(with_step.count(), ASSUMPTIONS.len(), "a row with a step is not in the code");
    }

    #[test]
    fn each_step_shows_something_in_the_order_of_the_walk() {
        let steps: Vec<Step> = ASSUMPTIONS.iter().map(|a| a.step).collect();
        assert!(steps.is_sorted());
        assert!(Step::ALL.iter().all(|step| steps.contains(step)));
    }
}
