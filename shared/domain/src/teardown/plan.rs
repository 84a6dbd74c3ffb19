//! What a teardown would do, without doing it: [`super::next`] itself is asked, again and again, in a world where every call has its effect at
//! once and nothing else changes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::blockers::blockers;
use super::record::{NewTeardown, Teardown};
use super::stages::Stage;
use super::step::{MemberView, TeardownStep, TeardownView};
use crate::InstanceStatus;

/// What one stage would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// Which.
    pub stage: Stage,
    /// In words: `removal of the instances`.
    pub name: String,
    /// What it does, in order, each a sentence without a full stop.
    pub does: Vec<String>,
    /// What keeps it from ending, with what to do; it and all stages after it wait for that.
    pub blocked: Option<String>,
    /// On-call is paged when it takes longer than this.
    pub patience_minutes: i64,
}

/// What a teardown that began now would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeardownPlan {
    /// Stages that have something to do, in order.
    pub stages: Vec<PlannedStage>,
    /// What would be left standing; `None` where it would not come to its end.
    pub left: Option<String>,
}

/// Works out what a teardown of what `view` shows would do if it began at `now`.
pub fn plan(new: NewTeardown, mut view: TeardownView, now: Timestamp) -> TeardownPlan {
    let mut teardown = Teardown::begin(new, now);
    let mut stages: Vec<PlannedStage> = Vec::new();
    // Each look takes at least one thing away, or is the last: a service takes two, an instance two, a stage one.
    let looks = 20 + 4 * (view.services.len() + view.members.len());
    for _ in 0..looks {
        let steps = super::next(&teardown, &view, now);
        let mut has_effect = false;
        for step in &steps {
            if let TeardownStep::End { why, .. } = step {
                return TeardownPlan { stages, left: Some(why.clone()) };
            }
            teardown.apply(step, now);
            if let TeardownStep::Enter { stage, .. } = step {
                stages.push(planned(*stage));
            }
            if let Some(does) = carry_out(step, &mut view) {
                has_effect = true;
                if let Some(planned) = stages.last_mut() {
                    planned.does.push(does);
                }
            }
        }
        if !has_effect && settle(&mut view, &mut stages) {
            continue;
        }
        if !has_effect && !steps.iter().any(|s| matches!(s, TeardownStep::Enter { stage: Stage::Over, .. })) {
            if let Some(planned) = stages.last_mut() {
                let (what, advice) = blockers(planned.stage, &teardown, &view, now);
                planned.blocked = Some(if advice.is_empty() { what } else { format!("{what}: {advice}") });
            }
            break;
        }
    }
    TeardownPlan { stages, left: None }
}

/// What is on its way already arrives. `false` when nothing is.
fn settle(view: &mut TeardownView, stages: &mut [PlannedStage]) -> bool {
    let mut waits = Vec::new();
    for service in view.services.iter_mut().filter(|s| s.desired == 0 && s.tasks > 0) {
        waits.push(format!("wait for the {} tasks of service {} to end", service.tasks, service.name));
        service.tasks = 0;
    }
    for member in &mut view.members {
        let arrives = match member.status {
            InstanceStatus::Stopping | InstanceStatus::ShuttingDown | InstanceStatus::Terminating => InstanceStatus::Stopped,
            InstanceStatus::Unassigning | InstanceStatus::Registering => InstanceStatus::Registered,
            InstanceStatus::Assigning => InstanceStatus::Online,
            _ => continue,
        };
        waits.push(format!("wait for {}, which is {}", member.hostname, member.status));
        member.status = arrives;
    }
    let has_settled = !waits.is_empty();
    if let Some(planned) = stages.last_mut() {
        planned.does.extend(waits);
    }
    has_settled
}

fn planned(stage: Stage) -> PlannedStage {
    let (name, patience_minutes) = (stage.describe().to_owned(), stage.patience().as_mins());
    PlannedStage { stage, name, does: Vec::new(), blocked: None, patience_minutes }
}

/// The step's effect on the world, at once; in words, if it has one.
fn carry_out(step: &TeardownStep, view: &mut TeardownView) -> Option<String> {
    Some(match step {
        TeardownStep::ScaleService { service, name, from, .. } => {
            view.services.iter_mut().filter(|s| s.arn == *service).for_each(|s| (s.desired, s.tasks) = (0, 0));
            format!("scale service {name} from {from} to zero, and wait for its tasks to end")
        }
        TeardownStep::DeleteService { service, name, .. } => {
            view.services.retain(|s| s.arn != *service);
            format!("delete service {name}")
        }
        TeardownStep::Stop { instance, hostname, .. } => {
            members(view, instance).for_each(|m| m.status = InstanceStatus::Stopped);
            format!("drain and stop {hostname}")
        }
        TeardownStep::Delete { instance, hostname, volumes, address } => {
            view.members.retain(|m| m.id != *instance);
            let volumes = if *volumes { " with its volumes" } else { "; its volumes stay" };
            format!("delete {hostname}{volumes}{}", if *address { ", and release its address" } else { "" })
        }
        TeardownStep::Unassign { instance, hostname, .. } => {
            members(view, instance).for_each(|m| m.status = InstanceStatus::Registered);
            format!("take {hostname} out of the layer")
        }
        TeardownStep::Deregister { instance, hostname, .. } => {
            view.members.retain(|m| m.id != *instance);
            format!("hand {hostname} back: it was registered, and runs on in the ECS cluster")
        }
        TeardownStep::DeregisterCluster { cluster, .. } => {
            view.is_cluster_registered = false;
            format!("deregister cluster {}, which stays in ECS", cluster.name())
        }
        TeardownStep::DeleteLayer => {
            view.layer_exists = false;
            "delete the layer".to_owned()
        }
        TeardownStep::DeleteStack => {
            view.stack_exists = false;
            "delete the stack".to_owned()
        }
        TeardownStep::Enter { .. } | TeardownStep::Block { .. } | TeardownStep::Unblock { .. } | TeardownStep::End { .. } => {
            return None;
        }
    })
}

fn members<'a>(view: &'a mut TeardownView, id: &'a crate::InstanceId) -> impl Iterator<Item = &'a mut MemberView> {
    view.members.iter_mut().filter(move |m| m.id == *id)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Options, ServiceView};
    use super::*;
    use crate::ClusterArn;
    use crate::instance_actions::Origin;

    pub(in crate::teardown) fn at(minute: i64) -> Timestamp {
        "2026-03-01T02:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_mins(minute)
    }

    pub(in crate::teardown) fn new_teardown(options: Options) -> NewTeardown {
        NewTeardown {
            id: "t".into(),
            stack_id: "s".into(),
            stack_name: "shop".into(),
            layer_id: "l".into(),
            layer_name: "Web hosts".into(),
            layer_shortname: "web".into(),
            cluster: Some(ClusterArn::from("arn:aws:ecs:eu-central-1:123456789012:cluster/blue")),
            options,
            requested_by: "ada".into(),
            asked_at: at(0),
        }
    }

    fn member(name: &str, status: InstanceStatus, origin: Origin) -> MemberView {
        let (is_shared, claim, held) = (false, None, None);
        MemberView { id: name.into(), hostname: name.into(), status, origin, is_shared, claim, held, kept_by: Vec::new() }
    }

    pub(in crate::teardown) fn view() -> TeardownView {
        TeardownView {
            services: vec![ServiceView { arn: "svc".into(), name: "cart".into(), desired: 3, tasks: 3, daemon: false }],
            members: vec![
                member("web1", InstanceStatus::Online, Origin::Created),
                member("web2", InstanceStatus::Stopped, Origin::Created),
                member("own1", InstanceStatus::Online, Origin::RegisteredEc2),
            ],
            is_cluster_registered: true,
            layer_exists: true,
            stack_exists: true,
            ..TeardownView::default()
        }
    }

    fn shown(plan: &TeardownPlan) -> Vec<String> {
        plan.stages.iter().flat_map(|s| s.does.iter().map(|d| format!("{:?}: {d}", s.stage))).collect()
    }

    #[test]
    fn a_plan_has_the_stages_in_their_order_with_what_each_removes() {
        let options = Options { delete_services: true, delete_volumes: true, delete_stack: true, ..Options::default() };
        let plan = plan(new_teardown(options), view(), at(0));
        assert_eq!(
            shown(&plan),
            [
                "Services: scale service cart from 3 to zero, and wait for its tasks to end",
                "Services: delete service cart",
                "Instances: drain and stop web1",
                "Instances: delete web2 with its volumes",
                "Instances: take own1 out of the layer",
                "Instances: delete web1 with its volumes",
                "Instances: hand own1 back: it was registered, and runs on in the ECS cluster",
                "Cluster: deregister cluster blue, which stays in ECS",
                "Layer: delete the layer",
                "Stack: delete the stack",
            ]
        );
        assert!(plan.left.unwrap().contains("cluster blue in ECS"));
        assert_eq!(plan.stages[0].patience_minutes, 30);
    }

    #[test]
    fn what_was_not_asked_for_is_not_in_the_plan_and_is_said_to_stay() {
        let plan = plan(new_teardown(Options::default()), view(), at(0));
        let shown = shown(&plan).join("\n");
        assert!(!shown.contains("service") && !shown.contains("stack"), "{shown}");
        assert!(shown.contains("delete web2; its volumes stay"), "{shown}");
    }

    #[test]
    fn what_blocks_a_stage_is_named_and_nothing_is_planned_behind_it() {
        let mut held = view();
        held.members[0].held = Some("ada: kernel dump".to_owned());
        let mut shared = view();
        shared.members[0].is_shared = true;
        for (view, says) in
            [(held, "web1 is held: ada: kernel dump: release the hold on web1"), (shared, "web1 is in another layer too")]
        {
            let plan = plan(new_teardown(Options::default()), view, at(0));
            let last = plan.stages.last().unwrap();
            assert_eq!((last.stage, plan.left.is_none()), (Stage::Instances, true));
            assert!(last.blocked.as_deref().unwrap().contains(says), "{:?}", last.blocked);
        }
    }

    #[test]
    fn what_is_on_its_way_already_is_waited_for() {
        let mut on_its_way = view();
        on_its_way.services[0].desired = 0;
        on_its_way.members.truncate(1);
        on_its_way.members[0].status = InstanceStatus::ShuttingDown;
        let plan = plan(new_teardown(Options { delete_services: true, ..Options::default() }), on_its_way, at(0));
        assert_eq!(
            shown(&plan)[..4],
            [
                "Services: wait for the 3 tasks of service cart to end",
                "Services: wait for web1, which is shutting_down",
                "Services: delete service cart",
                "Instances: delete web1; its volumes stay",
            ]
        );
        assert!(plan.left.is_some());
    }

    #[test]
    fn where_nothing_is_left_to_do_the_plan_is_empty() {
        let plan = plan(new_teardown(Options::default()), TeardownView { stack_exists: true, ..TeardownView::default() }, at(0));
        assert!(plan.left.is_some() && plan.stages.iter().all(|s| s.does.is_empty()), "{plan:?}");
    }
}
