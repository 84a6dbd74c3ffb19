//! Volumes that EC2 does not know any more: a new empty one takes the place of each that a layer prescribes [EBS-22] [HEAL-5].
//!
//! Our choice: that holds for every start, not only for a heal's, since what EC2 has deleted comes back for nobody. One that somebody assigned by
//! hand fails an ordinary start, as [EBS-31] says, and is let go by a heal. In either case it is told that data is lost. A volume that was
//! detached and is still in the account keeps its data and is attached again.

use jiff::Timestamp;

use super::attached::start_fails;
use super::{Action, Look, Step, VOLUME_FAULT};
use crate::instance_actions::Origin;
use crate::model::{Attached, Instance, Volume, VolumeMaking};
use crate::resources::MAX_VOLUMES;

/// What is to be made before the volumes are looked at; `None` when nothing is.
///
/// A heal that restarts the machine makes what its layers prescribe and it has not, as a heal that launches one does. What the launch of the
/// present machine made must be known first.
pub(super) fn to_make(x: &Look<'_>) -> Option<Step> {
    if x.record.attached.volume_making.is_some() {
        return Some(Step::act(Action::MakeVolume, "a volume is to be made for it"));
    }
    let is_known = x.record.ec2_instance_id.is_some() && x.record.volumes_noted_of == x.record.ec2_instance_id;
    if !x.record.healing || !is_known || x.record.volumes.len() >= MAX_VOLUMES {
        return None;
    }
    let is_missing = |mount: &&String| !x.record.volumes.iter().any(|volume| volume.mount_point == **mount);
    let mount = prescribed(x).iter().find(is_missing)?;
    Some(intend(x.record, mount, None, format!("its layer has a volume at {mount}, and the healed machine has none")))
}

/// Where the volume that is gone was one of a layer's, another is to be made; in a heal, another one is let go. `None`: the start fails.
pub(super) fn go_on(x: &Look<'_>, lost: &str) -> Option<Step> {
    let volume = x.record.volumes.iter().find(|volume| volume.ec2_volume_id == lost)?;
    if prescribed(x).contains(&volume.mount_point) {
        let why = format!("{} is not in the account any more; a new one takes its place at {}", lost, volume.mount_point);
        return Some(intend(x.record, &volume.mount_point, Some(lost), why));
    }
    x.record.healing.then(|| let_go(x.record, volume))
}

/// Registered machines have none of their layers' volumes.
fn prescribed<'a>(x: &Look<'a>) -> &'a [String] {
    if x.record.origin == Origin::Created { &x.rules.volume_mounts } else { &[] }
}

fn intend(record: &Instance, mount_point: &str, lost: Option<&str>, why: String) -> Step {
    // At most 58 of the 64 characters that EC2 takes.
    let token = match lost {
        Some(lost) => format!("{}/{lost}", record.id),
        None => format!("{}/{}-{}", record.id, record.launch_number, record.volumes.len()),
    };
    let making = VolumeMaking { token, mount_point: mount_point.to_owned(), lost: lost.map(str::to_owned) };
    let attached = Attached { volume_making: Some(making), ..record.attached.clone() };
    Step::note(Instance { attached, ..record.clone() }, why)
}

fn let_go(record: &Instance, lost: &Volume) -> Step {
    let why = format!(
        "its volume {} at {:?} is not in the account any more, and no layer has one there",
        lost.ec2_volume_id, lost.mount_point
    );
    let volumes = record.volumes.iter().filter(|volume| *volume != lost).cloned().collect();
    let attached = Attached { volumes_lost: Some(told_of(record, &why)), ..record.attached.clone() };
    Step::note(Instance { volumes, attached, ..record.clone() }, why)
}

/// What was lost before, and this.
fn told_of(record: &Instance, why: &str) -> String {
    record.attached.volumes_lost.as_ref().map_or_else(|| why.to_owned(), |before| format!("{before}; {why}"))
}

/// The record after its volume was made: it is one of its volumes, in the place of the one that is lost.
///
/// Where somebody has put another volume meanwhile, it is mounted nowhere.
pub fn on_volume_made(record: &Instance, id: &str, now: Timestamp) -> Step {
    let Some(making) = &record.attached.volume_making else {
        return Step::Settled { why: "no volume was being made".to_owned(), notice: None };
    };
    let mut volumes: Vec<Volume> =
        record.volumes.iter().filter(|volume| making.lost.as_ref() != Some(&volume.ec2_volume_id)).cloned().collect();
    let is_taken = volumes.iter().any(|volume| volume.mount_point == making.mount_point);
    let mount_point = if is_taken { String::new() } else { making.mount_point.clone() };
    volumes.push(Volume { ec2_volume_id: id.to_owned(), mount_point });
    let why = match &making.lost {
        Some(lost) => {
            format!("its volume {lost} at {} was lost with its data; the empty {id} has taken its place", making.mount_point)
        }
        None => format!("it had no volume at {} any more; the empty {id} is there now", making.mount_point),
    };
    let attached = Attached {
        volume_making: None,
        volume_made_at: Some(now),
        volumes_lost: Some(told_of(record, &why)),
        ..record.attached.clone()
    };
    Step::note(Instance { volumes, attached, ..record.clone() }, why)
}

/// The record after EC2 would not make its volume: a start fails [EBS-31], and anything else goes on without it.
pub fn on_volume_not_made(record: &Instance, why: &str) -> Step {
    let attached = Attached { volume_making: None, ..record.attached.clone() };
    let record = Instance { attached, ..record.clone() };
    match record.status.is_starting() {
        true => start_fails(&record, format!("{VOLUME_FAULT} cannot be made: {why}")),
        false => Step::note(record, format!("no volume is made for it: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, check_with, ec2_only, record};
    use super::super::{HostState, Observed, Rules, VolumeAt};
    use super::*;
    use crate::InstanceStatus;

    fn booting() -> Instance {
        let volume = Volume { ec2_volume_id: "vol-1".to_owned(), mount_point: "/data".to_owned() };
        let machine = Some("i-1".into());
        Instance { volumes: vec![volume], volumes_noted_of: machine, ..record(InstanceStatus::Booting) }
    }

    fn rules(mounts: &[&str]) -> Rules {
        Rules { volume_mounts: mounts.iter().map(|mount| (*mount).to_owned()).collect(), ..Rules::default() }
    }

    fn gone(id: &str) -> Observed {
        let mut seen = ec2_only(HostState::Running);
        seen.attached.volumes = Some(vec![(id.to_owned(), VolumeAt::Gone)]);
        seen
    }

    fn making(step: &Step) -> Option<VolumeMaking> {
        match step {
            Step::Note { record, .. } => record.attached.volume_making.clone(),
            _ => None,
        }
    }

    /// [EBS-22] [HEAL-5] The intent is noted before EC2 is asked, two minutes after the volume was missed; its token names what is lost.
    #[test]
    fn ebs_22_a_volume_that_is_gone_is_made_again_where_a_layer_prescribes_it() {
        for healing in [true, false] {
            let record = Instance { healing, ..booting() };
            check_with(&record, &gone("vol-1"), &rules(&["/data"]), 119, "wait");
            let step = check_with(&record, &gone("vol-1"), &rules(&["/data"]), 120, "note");
            let found = making(&step).unwrap();
            assert_eq!((found.mount_point.as_str(), found.lost.as_deref()), ("/data", Some("vol-1")));
            assert!(found.token.ends_with("/vol-1") && found.token.starts_with(record.id.as_str()), "{}", found.token);
        }
    }

    /// [EBS-31] What somebody assigned by hand fails an ordinary start; a heal lets it go, since the machine is missed more.
    #[test]
    fn ebs_31_a_lost_volume_of_no_layer_fails_a_start_and_is_let_go_by_a_heal() {
        check_with(&booting(), &gone("vol-1"), &rules(&["/logs"]), 120, "move start_failed");
        // A registered machine has no volumes of its layers.
        let registered = Instance { origin: Origin::RegisteredEc2, ..booting() };
        check_with(&registered, &gone("vol-1"), &rules(&["/data"]), 120, "move start_failed");
        let healed = Instance { healing: true, ..booting() };
        let Step::Note { record, .. } = check_with(&healed, &gone("vol-1"), &rules(&[]), 120, "note") else { panic!() };
        assert!(record.volumes.is_empty() && record.attached.volumes_lost.as_ref().unwrap().contains("vol-1"));
        // One that the record does not have is no news of its volumes.
        check_with(&healed, &gone("vol-9"), &rules(&[]), 120, "move start_failed");
    }

    /// [EBS-22] Only a heal makes what the record has not: what is added to a layer is for new instances [EBS-17].
    #[test]
    fn ebs_22_a_healed_machine_gets_the_volume_that_it_was_without() {
        let without = Instance { volumes: Vec::new(), launch_number: 3, ..booting() };
        let silent = ec2_only(HostState::Running);
        check_with(&without, &silent, &rules(&["/data"]), 10, "wait");
        let healed = Instance { healing: true, ..without };
        let step = check_with(&healed, &silent, &rules(&["/data"]), 10, "note");
        assert_eq!(making(&step).unwrap().token, format!("{}/3-0", healed.id));
        // A launch of the heal's own has made them; which they are is not known yet.
        let launched = Instance { volumes_noted_of: Some("i-0".into()), ..healed.clone() };
        check_with(&launched, &silent, &rules(&["/data"]), 10, "wait");
        let full = (0..MAX_VOLUMES).map(|n| Volume { ec2_volume_id: format!("vol-{n}"), mount_point: format!("/v{n}") });
        let full = Instance { volumes: full.collect(), ..healed };
        check_with(&full, &silent, &rules(&["/data"]), 10, "wait");
    }

    /// The longest token is one that EC2 takes.
    #[test]
    fn tokens_fit_into_what_ec2_takes() {
        let record = Instance { id: "0a1b2c3d-0000-4000-8000-1234567890ab".into(), launch_number: u32::MAX, ..booting() };
        for lost in [Some("vol-0123456789abcdef0"), None] {
            let token = making(&intend(&record, "/data", lost, String::new())).unwrap().token;
            assert!(token.len() <= 64, "{token}");
        }
    }

    /// [EBS-22] The new one takes the place of the lost one, descriptions get two minutes to show it, and the loss is told.
    #[test]
    fn ebs_22_the_new_volume_stands_where_the_lost_one_stood() {
        let Step::Note { record, .. } = check_with(&booting(), &gone("vol-1"), &rules(&["/data"]), 120, "note") else { panic!() };
        check_with(&record, &gone("vol-1"), &rules(&["/data"]), 121, "act MakeVolume");
        let Step::Note { record, .. } = on_volume_made(&record, "vol-2", at(121)) else { panic!() };
        assert_eq!(record.volumes, [Volume { ec2_volume_id: "vol-2".to_owned(), mount_point: "/data".to_owned() }]);
        assert!(record.attached.volume_making.is_none());
        let lost = record.attached.volumes_lost.as_deref().unwrap();
        assert!(lost.contains("vol-1") && lost.contains("vol-2"), "{lost}");
        check_with(&record, &gone("vol-2"), &rules(&["/data"]), 121 + 119, "wait");
        check_with(&record, &gone("vol-2"), &rules(&["/data"]), 121 + 120, "note");
        // Made again: nothing was being made.
        assert!(matches!(on_volume_made(&record, "vol-3", at(122)), Step::Settled { .. }));
    }

    #[test]
    fn a_place_that_somebody_has_taken_meanwhile_stays_theirs() {
        let Step::Note { record, .. } = check_with(&booting(), &gone("vol-1"), &rules(&["/data"]), 120, "note") else { panic!() };
        let other = Volume { ec2_volume_id: "vol-7".to_owned(), mount_point: "/data".to_owned() };
        let Step::Note { record, .. } = on_volume_made(&Instance { volumes: vec![other], ..*record }, "vol-2", at(121)) else {
            panic!()
        };
        let places: Vec<_> = record.volumes.iter().map(|v| (v.ec2_volume_id.as_str(), v.mount_point.as_str())).collect();
        assert_eq!(places, [("vol-7", "/data"), ("vol-2", "")]);
    }

    /// [EBS-31] A start whose volume EC2 will not make fails; a deletion goes on.
    #[test]
    fn ebs_31_a_refusal_to_make_it_fails_a_start_only() {
        let Step::Note { record, .. } = check_with(&booting(), &gone("vol-1"), &rules(&["/data"]), 120, "note") else { panic!() };
        let step = on_volume_not_made(&record, "MaxIOPSLimitExceeded: too many");
        let Step::Move { to: InstanceStatus::StartFailed, record: failed, why } = step else { panic!("{step:?}") };
        assert!(why.starts_with(VOLUME_FAULT) && failed.attached.volume_making.is_none(), "{why}");
        let leaving = Instance { status: InstanceStatus::Terminated, ..*record };
        assert!(matches!(on_volume_not_made(&leaving, "no"), Step::Note { .. }));
    }
}
