//! Which instance type a start asks EC2 for, when EC2 has refused others.
//!
//! Our choice: the record's own type first, then the layer's fallback types in their order, each once per start. What was refused stands in the
//! record before the next one is asked for, so that a crash goes on where it was and does not begin again at the first.

use super::{Ec2Host, Look, Step};
use crate::InstanceStatus;
use crate::instance_actions::Origin;
use crate::model::{Instance, Shortage};

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
        let shortage = Shortage { refused_types: types(names), start_refused: false };
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
}
