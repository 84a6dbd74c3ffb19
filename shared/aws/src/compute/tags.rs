//! The tags of what a launch makes: by them the machine is found again, permissions are bound to what is ours, and people read them.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Tag;
use strata_domain::machine_tags::{self, Named, Wanted};
use strata_domain::resources::name_of_made_volume;
use strata_domain::{InstanceId, LayerId};
use strata_ports::{LaunchSpec, NewVolume, StackScope, VolumeSpec};

/// The installation's name: destructive permissions are bound to it.
pub const INSTALLATION: &str = "strata:installation";
/// The stack's id.
pub const STACK: &str = "strata:stack";
/// The record's id.
pub const INSTANCE: &str = "strata:instance";
/// The launch's token.
pub const TOKEN: &str = "strata:token";
/// `on` while we want the machine to run, `off` from our stop or termination until the next note that it is in service.
pub const POWER: &str = "strata:power";
/// On a launch template, and on the machines that people launch from it: the layer that it stands for.
pub const BREAK_GLASS: &str = "strata:break-glass";
/// Where the launch's volumes are mounted, see [`volume_notes`].
const VOLUMES: &str = "strata:volumes";
/// EC2's longest value.
const LONGEST_VALUE: usize = 256;

/// One tag.
pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The machine's tags: ours, those of [TAG-9], and as many of the user's as EC2 has room for.
pub(super) fn of_instance(installation: &str, scope: &StackScope, spec: &LaunchSpec) -> Vec<Tag> {
    let mut tags = ours(installation, scope, spec);
    tags.insert(TOKEN.to_owned(), spec.token.clone());
    tags.insert(POWER.to_owned(), "on".to_owned());
    tags.extend(volume_notes(&spec.volumes));
    with_names(tags, spec)
}

/// The tags of a machine that somebody launches from a layer's template: it is ours to command, and no record's.
pub(super) fn of_break_glass(installation: &str, layer: &LayerId, spec: &LaunchSpec) -> Vec<Tag> {
    let own = [(INSTALLATION, installation), (BREAK_GLASS, layer.as_str())];
    with_names(own.map(|(key, value)| (key.to_owned(), value.to_owned())).into(), spec)
}

/// `tags`, with those of [TAG-9] and as many of the user's as EC2 has room for.
fn with_names(mut tags: BTreeMap<String, String>, spec: &LaunchSpec) -> Vec<Tag> {
    let named = Named { stack: &spec.stack_name, hostname: &spec.hostname, layers: &spec.layers, keeps_name: false };
    let wanted = Wanted { names: machine_tags::names(&named), users: machine_tags::users(&spec.tags) };
    tags.extend(wanted.fitting(tags.len()));
    to_tags(tags)
}

/// The tags of its volumes: a launch can only give all of them the same ones, the root volume's included.
pub(super) fn of_volumes(installation: &str, scope: &StackScope, spec: &LaunchSpec) -> Vec<Tag> {
    let mut tags = ours(installation, scope, spec);
    tags.insert("Name".to_owned(), name_of_made_volume(&spec.hostname));
    to_tags(tags)
}

/// The tags of a volume that is made by itself: those of a launch's, and its token.
pub(crate) fn of_volume(installation: &str, scope: &StackScope, new: &NewVolume) -> Vec<Tag> {
    let mut tags = of_record(installation, scope, &new.instance_id);
    tags.insert("Name".to_owned(), name_of_made_volume(&new.hostname));
    tags.insert(TOKEN.to_owned(), new.token.clone());
    to_tags(tags)
}

fn ours(installation: &str, scope: &StackScope, spec: &LaunchSpec) -> BTreeMap<String, String> {
    of_record(installation, scope, &spec.instance_id)
}

fn of_record(installation: &str, scope: &StackScope, record: &InstanceId) -> BTreeMap<String, String> {
    let pairs = [(INSTALLATION, installation), (STACK, scope.stack_id.as_str()), (INSTANCE, record.as_str())];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn to_tags(tags: BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| tag(key, value)).collect()
}

/// Which volume is mounted where, on the machine: each as the last letter of its device and its mount point, `i/data j/logs`, in as many tags
/// as they take.
fn volume_notes(volumes: &[VolumeSpec]) -> BTreeMap<String, String> {
    let mut lines: Vec<String> = Vec::new();
    for volume in volumes {
        let word = format!("{}{}", volume.device.trim_start_matches("/dev/sd"), volume.mount_point);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LONGEST_VALUE => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    let key = |n: usize| if n == 0 { VOLUMES.to_owned() } else { format!("{VOLUMES}:{n:02}") };
    lines.into_iter().enumerate().map(|(n, line)| (key(n), line)).collect()
}

/// Device names and mount points of the volumes that the machine's launch made, in the launch's order.
pub(super) fn noted_volumes(tags: &[Tag]) -> Vec<(String, String)> {
    let notes: BTreeMap<&str, &str> = tags
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value()?)))
        .filter(|(key, _)| key.strip_prefix(VOLUMES).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')))
        .collect();
    let words = notes.values().flat_map(|line| line.split(' '));
    words
        .filter_map(|word| {
            let (letter, mount_point) = word.split_at_checked(word.find('/')?)?;
            Some((format!("/dev/sd{letter}"), mount_point.to_owned()))
        })
        .collect()
}

/// The value of a tag.
pub(crate) fn value<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}

#[cfg(test)]
mod tests {
    use strata_ports::contract::cloud::launch;

    use super::*;

    fn scope() -> StackScope {
        StackScope { stack_id: "stack-1".into(), region: "us-east-1".to_owned(), service_role_arn: "role".to_owned() }
    }

    fn volume(letter: char, mount_point: &str) -> VolumeSpec {
        VolumeSpec {
            mount_point: mount_point.to_owned(),
            size: 10,
            volume_type: "gp3".to_owned(),
            iops: None,
            encrypted: false,
            device: format!("/dev/sd{letter}"),
        }
    }

    fn pairs(tags: &[Tag]) -> BTreeMap<&str, &str> {
        tags.iter().map(|tag| (tag.key().unwrap(), tag.value().unwrap())).collect()
    }

    /// [TAG-9]
    #[test]
    fn tag_9_a_machine_says_whose_it_is() {
        let mut spec = launch("record-1", "us-east-1a");
        spec.hostname = "web1".to_owned();
        spec.stack_name = "shop".to_owned();
        spec.layers = vec![("ecs-cluster".to_owned(), "Web".to_owned())];
        let tags = of_instance("strata", &scope(), &spec);
        let expected = [
            ("Name", "shop - web1"),
            ("opsworks:instance", "web1"),
            ("opsworks:layer:ecs-cluster", "Web"),
            ("opsworks:stack", "shop"),
            ("strata:installation", "strata"),
            ("strata:instance", "record-1"),
            ("strata:power", "on"),
            ("strata:stack", "stack-1"),
            ("strata:token", "record-1-1"),
        ];
        assert_eq!(pairs(&tags), expected.into());
        let volumes = of_volumes("strata", &scope(), &spec);
        assert_eq!(value(&volumes, "Name"), Some("Created for web1"));
        assert_eq!(value(&volumes, INSTALLATION), Some("strata"));
    }

    /// [TAG-3] [TAG-4]: the user's tags fill what is left of EC2's fifty, and never stand in for ours.
    #[test]
    fn tag_3_the_users_tags_take_the_room_that_is_left() {
        let mut spec = launch("record-1", "us-east-1a");
        spec.tags = (0..60).map(|n| (format!("k{n:02}"), String::new())).collect();
        let tags = of_instance("strata", &scope(), &spec);
        assert_eq!(tags.len(), 50);
        assert!(value(&tags, "k41").is_some() && value(&tags, "k42").is_none(), "eight are ours without a layer");
        spec.tags = [("Name", "x"), ("name", "x"), ("Strata:Installation", "x"), ("cost", "7")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let tags = of_instance("strata", &scope(), &spec);
        let pairs = pairs(&tags);
        assert_eq!((pairs.get("cost"), pairs.get("name"), pairs.get("Strata:Installation")), (Some(&"7"), None, None));
        assert_eq!((pairs["Name"], pairs["strata:installation"]), ("contract - record-1", "strata"));
    }

    #[test]
    fn a_key_that_is_too_long_for_ec2_is_left_out() {
        let mut spec = launch("record-1", "us-east-1a");
        let longest = "x".repeat(128 - "opsworks:layer:".len());
        spec.layers = vec![(longest.clone(), "fits".to_owned()), (format!("{longest}x"), "does not".to_owned())];
        let tags = of_instance("strata", &scope(), &spec);
        let layers: Vec<_> = tags.iter().filter(|t| t.key().unwrap().starts_with("opsworks:layer:")).map(Tag::value).collect();
        assert_eq!(layers, [Some("fits")]);
    }

    #[test]
    fn mount_points_are_read_back_in_their_order_however_many_tags_they_take() {
        let long = |n: usize| format!("/{}", "m".repeat(n));
        for (volumes, tags) in [
            (vec![], 0),
            (vec![volume('i', "/data"), volume('k', "/a=b;c")], 1),
            (vec![volume('i', &long(254)), volume('j', "/x")], 2),
            (vec![volume('i', &long(250)), volume('j', "/x")], 1),
            (vec![volume('i', &long(251)), volume('j', "/x")], 2),
            (('i'..='z').map(|c| volume(c, &long(250))).collect(), 18),
        ] {
            let notes = to_tags(volume_notes(&volumes));
            assert_eq!(notes.len(), tags);
            assert!(notes.iter().all(|tag| tag.value().unwrap().chars().count() <= 256));
            let wanted: Vec<_> = volumes.iter().map(|v| (v.device.clone(), v.mount_point.clone())).collect();
            assert_eq!(noted_volumes(&notes), wanted);
        }
    }
}
