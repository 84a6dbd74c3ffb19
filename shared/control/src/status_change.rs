//! The one way in which an instance's status changes: record, sequence number and event go together [EVT-4, 9, 12, 13].

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use strata_domain::InstanceStatus;
use strata_domain::model::{Instance, Stack};
use strata_ports::EventOut;

/// Moves `instance` to `to`: sets status, `status_since` and the next sequence number, and gives the event of the change [EVT-4].
///
/// Set `initiated_by` (and for a launch `ec2_instance_id`) before the call: the event carries what the record then says; the
/// initiator only on the first statuses of a way up or down [EVT-9]. The event's id is the instance's id and the sequence
/// number, so a repeat of the same change is the same event [EVT-13]. `None`, and nothing changed, when it has that status already.
///
/// The caller puts the event into the commit that writes the record (`Told { events, .. }.changes()`) and keeps the busy index
/// in step in the same commit (`records::busy_changes`).
pub fn move_status(instance: &mut Instance, to: InstanceStatus, now: Timestamp, stack: &Stack) -> Option<EventOut> {
    if instance.status == to {
        return None;
    }
    instance.status = to;
    instance.status_since = now;
    (instance.care.frozen_since, instance.care.frozen_seconds) = (None, 0);
    instance.status_sequence += 1;
    Some(event_of(instance, now, stack))
}

fn event_of(instance: &Instance, now: Timestamp, stack: &Stack) -> EventOut {
    let id = format!("{}-{}", instance.id, instance.status_sequence);
    let mut detail = Map::new();
    if let (true, Some(by)) = (names_initiator(instance.status), instance.initiated_by) {
        detail.insert("initiated_by".to_owned(), json!(by.as_str()));
    }
    detail.insert("hostname".to_owned(), json!(instance.hostname));
    detail.insert("stack-id".to_owned(), json!(instance.stack_id));
    detail.insert("layer-ids".to_owned(), json!(instance.layer_ids));
    detail.insert("instance-id".to_owned(), json!(instance.id));
    if let Some(ec2) = &instance.ec2_instance_id {
        detail.insert("ec2-instance-id".to_owned(), json!(ec2));
    }
    detail.insert("status".to_owned(), json!(instance.status.as_str()));
    detail.insert("event-id".to_owned(), json!(id));
    detail.insert("sequence".to_owned(), json!(instance.status_sequence));
    EventOut {
        id,
        detail_type: "OpsWorks Instance State Change".to_owned(),
        resources: vec![instance.arn(&stack.region, &stack.account)],
        detail: Value::Object(detail),
        time: now,
    }
}

/// The first statuses of a way up or down: only their events name an initiator [EVT-9].
fn names_initiator(status: InstanceStatus) -> bool {
    matches!(status, InstanceStatus::Requested | InstanceStatus::Stopping | InstanceStatus::Terminating)
}

#[cfg(test)]
mod tests {
    use strata_domain::InitiatedBy;

    use super::*;
    use crate::records::samples;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// [EVT-4] [EVT-9] [EVT-12]
    #[test]
    fn evt_4_a_change_gives_one_event_and_only_first_statuses_name_the_initiator() {
        let stack = samples::stack();
        let mut instance = samples::instance();
        instance.initiated_by = Some(InitiatedBy::User);
        let now = at("2026-01-01T00:00:00Z");
        let requested = move_status(&mut instance, InstanceStatus::Requested, now, &stack).unwrap();
        assert_eq!(requested.detail_type, "OpsWorks Instance State Change");
        assert_eq!(requested.resources, [format!("arn:aws:opsworks:eu-west-1:123456789012:instance/{}", instance.id)]);
        assert_eq!(requested.detail["initiated_by"], "user");
        assert_eq!(requested.detail["status"], "requested");
        assert!(requested.detail.get("ec2-instance-id").is_none());
        instance.ec2_instance_id = Some("i-1".into());
        let pending = move_status(&mut instance, InstanceStatus::Pending, now, &stack).unwrap();
        assert!(pending.detail.get("initiated_by").is_none());
        assert_eq!(pending.detail["ec2-instance-id"], "i-1");
        assert!(move_status(&mut instance, InstanceStatus::Pending, now, &stack).is_none());
    }

    /// [EVT-1] [EVT-2] [EVT-3]: whatever is told is one of four kinds, about instances by their ARN, in words with hyphens.
    #[test]
    fn evt_1_there_are_four_kinds_of_event() {
        use strata_domain::ScalingType;

        use crate::reconciler::telling::Teller;
        use crate::records::{Command, Deployment, DeploymentState, Target, command_event, deployment_event};
        let (stack, mut instance) = (samples::stack(), samples::instance());
        let now = at("2026-01-01T00:00:00Z");
        instance.scaling = ScalingType::AlwaysOn;
        let target = Target { instance_id: instance.id.clone(), command_id: "c".into(), skipped: false };
        let deployment = Deployment {
            id: "d".into(),
            stack_id: stack.id.clone(),
            command: "configure".to_owned(),
            args: Default::default(),
            comment: None,
            custom_json: None,
            iam_user_arn: None,
            targets: vec![target],
            created_at: now,
            completed_at: None,
            status: DeploymentState::Running,
        };
        let ids = strata_local::SeededIds::new(1, "test");
        let teller = Teller { ids: &ids, now, trigger: "test" };
        let events = [
            move_status(&mut instance, InstanceStatus::Requested, now, &stack).unwrap(),
            command_event(&stack, &Command::of_service("c".into(), &instance, "setup", now)),
            deployment_event(&stack, &deployment, DeploymentState::Running),
            teller.service_error(&mut instance, "InstanceStart", "EC2 refused it.").1,
        ];
        let kinds = events.each_ref().map(|event| event.detail_type.as_str());
        assert_eq!(
            kinds,
            ["Instance State Change", "Command State Change", "Deployment State Change", "Alert"]
                .map(|k| format!("OpsWorks {k}"))
        );
        let arn = format!("arn:aws:opsworks:eu-west-1:123456789012:instance/{}", instance.id);
        for event in &events {
            let of_instance = event.detail_type != "OpsWorks Alert";
            assert_eq!(event.resources, if of_instance { vec![arn.clone()] } else { vec![] }, "{}", event.detail_type);
            for key in event.detail.as_object().unwrap().keys() {
                assert!(!key.contains('_') || key == "initiated_by", "{}: {key}", event.detail_type);
            }
        }
    }

    /// [EVT-13]
    #[test]
    fn evt_13_event_ids_are_stable_and_count_per_instance() {
        let stack = samples::stack();
        let (mut one, mut other) = (samples::instance(), samples::instance());
        let now = at("2026-01-01T00:00:00Z");
        let first = move_status(&mut one, InstanceStatus::Requested, now, &stack).unwrap();
        assert_eq!(first, move_status(&mut other, InstanceStatus::Requested, now, &stack).unwrap());
        let second = move_status(&mut one, InstanceStatus::Pending, now, &stack).unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!((first.detail["sequence"].as_u64(), second.detail["sequence"].as_u64()), (Some(1), Some(2)));
    }
}
