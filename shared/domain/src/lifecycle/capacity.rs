//! Which instance type a start asks EC2 for, when EC2 has refused others.
//!
//! Our choice: the record's own type first, then the layer's fallback types in their order, each once per start. What was refused stands in the
//! record before the next one is asked for, so that a crash goes on where it was and does not begin again at the first.

use super::{Ec2Host, Look, Step};
use crate::instance_actions::Origin;
use crate::model::{Care, Instance, Shortage};
use crate::start_retries::retry_at;
use crate::{InitiatedBy, InstanceStatus, ScalingType};

/// EC2's codes for "not this type, here and now", for which another type may do. Other refusals (addresses, volumes, verification) meet every
/// type alike.
const OF_THE_TYPE: [&str; 13] = [
    "InstanceLimitExceeded",
    "InsufficientCapacity",
    "InsufficientCapacityOnHost",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "InsufficientReservedInstanceCapacity",
    "MaxSpotInstanceCountExceeded",
    "ReservationCapacityExceeded",
    "SpotMaxPriceTooLow",
    "UnfulfillableCapacity",
    "Unsupported",
    "UnsupportedOperation.InstanceTypeNotInZone",
    "VcpuLimitExceeded",
];

/// Whether EC2 refused the instance type for want of capacity or quota, so that another type, another zone or a later time may do.
pub fn is_shortage(code: &str) -> bool {
    OF_THE_TYPE.contains(&code)
}

/// The instance type that the present start asks for: the first that EC2 has not refused yet; `None` when all are refused.
pub fn type_to_ask<'a>(record: &'a Instance, fallbacks: &'a [String]) -> Option<&'a str> {
    let refused = &record.shortage.refused_types;
    let own = std::iter::once(&record.instance_type);
    own.chain(fallbacks).find(|candidate| !refused.contains(candidate)).map(String::as_str)
}

/// The answer to a launch, a start or a change of type that EC2 refused: the next type is tried if `code` is about the type and one is left;
/// else `start_failed` [INST-10].
///
/// `asked` is the type that was asked for, `fallbacks` those of the layer's settings.
pub fn on_launch_refused(record: &Instance, asked: &str, fallbacks: &[String], code: &str, why: &str) -> Step {
    if !is_shortage(code) {
        return fails(record, false, format!("EC2 refused to start the machine: {code}: {why}"));
    }
    let mut refused_types = record.shortage.refused_types.clone();
    refused_types.push(asked.to_owned());
    let record = Instance { shortage: Shortage { refused_types, ..record.shortage.clone() }, ..record.clone() };
    match type_to_ask(&record, fallbacks).filter(|_| record.origin == Origin::Created) {
        Some(next) => {
            let why = format!("EC2 has no {asked} in {} ({code}); {next} is tried", record.availability_zone);
            Step::note(record.clone(), why)
        }
        None => {
            let refused = record.shortage.refused_types.join(", ");
            fails(&record, true, format!("EC2 refused to start the machine as {refused}: {code}: {why}"))
        }
    }
}

fn fails(record: &Instance, start_refused: bool, why: String) -> Step {
    let shortage = Shortage { start_refused, ..record.shortage.clone() };
    Step::to(InstanceStatus::StartFailed, Instance { healing: false, shortage, ..record.clone() }, why)
}

/// Whether lifecycle tries a start again that EC2 had no capacity for, since no scaler does: of a 24/7 instance, and of a load-based one that
/// was being healed, or was to stand in for another.
///
/// Our choice: until EC2 takes it or somebody stops it. A time-based one is its schedule's, and a load-based one its scaler's.
pub(super) fn is_to_retry(record: &Instance) -> bool {
    let is_ours = match record.scaling {
        ScalingType::AlwaysOn => true,
        ScalingType::Load => record.initiated_by == Some(InitiatedBy::AutoHealing),
        ScalingType::Timer => false,
    };
    record.status == InstanceStatus::StartFailed && record.shortage.start_refused && is_ours
}

/// The next try of such a start, after 1, 2, 4, 8 and then every 10 minutes, counted from the attempt; all types are asked for again.
pub(super) fn retry(x: &Look<'_>) -> Option<Step> {
    if !is_to_retry(x.record) {
        return None;
    }
    if let Some(by) = &x.rules.held_by {
        return Some(Step::settled(format!("EC2 had no capacity for it, and {by} holds it")));
    }
    if x.rules.starts_refused || !x.rules.mode_permits {
        return Some(Step::settled("EC2 had no capacity for it, and it may not be started now"));
    }
    let at = retry_at(x.record.started_at.unwrap_or(x.record.status_since), x.record.shortage.retries);
    if x.now < at {
        return Some(Step::wait(at, "EC2 had no capacity for it; it is tried again"));
    }
    let retries = x.record.shortage.retries.saturating_add(1);
    let record = Instance {
        launch_number: x.record.launch_number.saturating_add(1),
        started_at: Some(x.now),
        shortage: Shortage { refused_types: Vec::new(), start_refused: true, retries },
        setup_command: None,
        shutdown_command: None,
        care: Care::default(),
        ..x.record.clone()
    };
    Some(Step::to(InstanceStatus::Requested, record, "EC2 had no capacity for it; it is tried again"))
}

/// The type that the stopped machine must get before it is started: the one that is to be asked for, if it has another. A registered machine
/// keeps the type that its owner gave it.
pub(super) fn type_to_set<'a>(x: &'a Look<'_>, host: &Ec2Host) -> Option<&'a str> {
    if x.record.origin != Origin::Created || host.instance_type.is_empty() {
        return None;
    }
    type_to_ask(x.record, &x.rules.fallback_types).filter(|wanted| *wanted != host.instance_type)
}

#[cfg(test)]
mod tests {
    use super::super::sample_record;
    use super::*;

    fn types(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn refused(names: &[&str]) -> Instance {
        let shortage = Shortage { refused_types: types(names), ..Shortage::default() };
        Instance { shortage, ..sample_record(InstanceStatus::Requested) }
    }

    #[test]
    fn each_type_is_asked_for_once_in_the_order_of_the_settings() {
        let fallbacks = types(&["m5a.large", "m5.large", "m6i.large"]);
        for (gone, next) in [
            (&[][..], Some("m5.large")),
            (&["m5.large"], Some("m5a.large")),
            (&["m5.large", "m5a.large"], Some("m6i.large")),
            (&["m5.large", "m5a.large", "m6i.large"], None),
        ] {
            assert_eq!(type_to_ask(&refused(gone), &fallbacks), next, "{gone:?}");
        }
        assert_eq!(type_to_ask(&refused(&["m5.large"]), &[]), None);
    }

    /// [INST-10]
    #[test]
    fn inst_10_a_shortage_tries_the_next_type_and_only_the_last_one_fails_the_start() {
        let fallbacks = types(&["m5a.large"]);
        let refuse = |record: &Instance, asked: &str, code: &str| on_launch_refused(record, asked, &fallbacks, code, "none left");
        let Step::Note { record, why } = refuse(&refused(&[]), "m5.large", "InsufficientInstanceCapacity") else { panic!() };
        assert_eq!(record.shortage.refused_types, ["m5.large"]);
        assert_eq!(why, "EC2 has no m5.large in eu-west-1a (InsufficientInstanceCapacity); m5a.large is tried");
        let Step::Move { to, record, why } = refuse(&record, "m5a.large", "VcpuLimitExceeded") else { panic!() };
        assert_eq!((to, record.shortage.start_refused), (InstanceStatus::StartFailed, true));
        assert_eq!(why, "EC2 refused to start the machine as m5.large, m5a.large: VcpuLimitExceeded: none left");
        for code in ["InsufficientFreeAddressesInSubnet", "InvalidAMIID.NotFound"] {
            let Step::Move { to, record, .. } = refuse(&refused(&[]), "m5.large", code) else { panic!("{code}") };
            assert_eq!((to, record.shortage.start_refused), (InstanceStatus::StartFailed, false), "no other type helps");
        }
    }

    #[test]
    fn another_type_is_another_launch() {
        assert_eq!(refused(&[]).launch_token(), "inst-1");
        assert_eq!(refused(&["m5.large"]).launch_token(), "inst-1.1");
        let longest = Instance { id: "0".repeat(36).as_str().into(), launch_number: u32::MAX, ..refused(&["t"; 16]) };
        assert!(longest.launch_token().len() <= 64);
    }

    #[test]
    fn the_codes_are_sorted() {
        assert!(OF_THE_TYPE.is_sorted());
    }

    mod retries {
        use super::super::super::tests::{at, check_with, ec2_only};
        use super::super::super::{HostState, Observed, Rules, is_busy};
        use super::*;

        /// Refused, asked for at second 0 after so many tries of lifecycle's own.
        fn refused_after(retries: u32, scaling: ScalingType, by: InitiatedBy) -> Instance {
            let shortage = Shortage { refused_types: types(&["m5.large"]), start_refused: true, retries };
            Instance { shortage, scaling, initiated_by: Some(by), ..sample_record(InstanceStatus::StartFailed) }
        }

        fn check(record: &Instance, now: i64, expected: &str) {
            check_with(record, &ec2_only(HostState::Stopped), &Rules::default(), now, expected);
        }

        #[test]
        fn what_ec2_has_no_capacity_for_is_tried_again_after_1_2_4_8_and_then_10_minutes() {
            for (retries, minutes) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (5, 10), (u32::MAX, 10)] {
                let record = refused_after(retries, ScalingType::AlwaysOn, InitiatedBy::User);
                check(&record, minutes * 60 - 1, "wait");
                check(&record, minutes * 60, "move requested");
            }
            let record = refused_after(1, ScalingType::AlwaysOn, InitiatedBy::User);
            let step = check_with(&record, &Observed::nothing(), &Rules::default(), 120, "move requested");
            let Step::Move { record: again, .. } = step else { panic!("{step:?}") };
            assert_eq!((again.launch_number, again.started_at), (record.launch_number + 1, Some(at(120))), "a launch of its own");
            assert_eq!(again.shortage, Shortage { refused_types: Vec::new(), start_refused: true, retries: 2 });
        }

        #[test]
        fn a_scaled_instance_is_its_scalers_unless_it_was_being_healed() {
            for (scaling, by, is_ours) in [
                (ScalingType::AlwaysOn, InitiatedBy::User, true),
                (ScalingType::AlwaysOn, InitiatedBy::AutoHealing, true),
                (ScalingType::Load, InitiatedBy::AutoHealing, true),
                (ScalingType::Load, InitiatedBy::AutoScaling, false),
                (ScalingType::Load, InitiatedBy::User, false),
                (ScalingType::Timer, InitiatedBy::AutoHealing, false),
                (ScalingType::Timer, InitiatedBy::AutoScaling, false),
            ] {
                let record = refused_after(0, scaling, by);
                check(&record, 60, if is_ours { "move requested" } else { "settled" });
                assert_eq!(is_busy(&record, false), is_ours, "{scaling} {by:?}");
                let other = Instance { shortage: Shortage::default(), ..record };
                check(&other, 6_000, "settled");
                assert!(!is_busy(&other, false), "a start that failed otherwise would fail again");
            }
        }

        #[test]
        fn holds_the_mode_and_layers_that_refuse_starts_keep_it_from_being_tried() {
            let record = refused_after(0, ScalingType::AlwaysOn, InitiatedBy::User);
            for rules in [
                Rules { held_by: Some("ada".into()), ..Rules::default() },
                Rules { mode_permits: false, ..Rules::default() },
                Rules { starts_refused: true, ..Rules::default() },
            ] {
                check_with(&record, &Observed::nothing(), &rules, 6_000, "settled");
            }
        }
    }
}
