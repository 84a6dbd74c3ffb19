//! The rules of resources as tables.

use super::*;
use crate::lifecycle::sample_record;
use crate::model::VolumeFacts;
use crate::{Ec2InstanceId, InstanceId};

fn volume(mount_point: Option<&str>, holder: Option<&str>) -> RegisteredVolume {
    RegisteredVolume {
        id: "volume".into(),
        stack_id: "stack".into(),
        ec2_volume_id: "vol-1".to_owned(),
        name: None,
        mount_point: mount_point.map(str::to_owned),
        instance_id: holder.map(InstanceId::from),
        device: holder.map(|_| "/dev/sdi".to_owned()),
        facts: VolumeFacts {
            state: "available".to_owned(),
            size: 8,
            volume_type: "gp2".to_owned(),
            iops: None,
            encrypted: false,
            zone: "eu-west-1a".to_owned(),
        },
        registered_at: sample_record(InstanceStatus::Stopped).created_at,
    }
}

fn instance(id: &str, status: InstanceStatus) -> Instance {
    Instance { id: id.into(), hostname: id.to_owned(), ..sample_record(status) }
}

fn holding(id: &str, status: InstanceStatus, ec2_volume_id: &str, mount_point: &str) -> Instance {
    let volumes = vec![Volume { ec2_volume_id: ec2_volume_id.to_owned(), mount_point: mount_point.to_owned() }];
    Instance { volumes, ..instance(id, status) }
}

fn address(holder: Option<&str>) -> ElasticIp {
    ElasticIp {
        ip: "203.0.113.2".to_owned(),
        stack_id: "stack".into(),
        name: Some("front".to_owned()),
        domain: "vpc".to_owned(),
        instance_id: holder.map(InstanceId::from),
        registered_at: sample_record(InstanceStatus::Stopped).created_at,
    }
}

/// [RES-3]
#[test]
fn res_3_root_volumes_and_unknown_types_are_refused() {
    for volume_type in ["standard", "gp2", "io1", "st1", "sc1", "gp3", "io2"] {
        assert_eq!(check_register_volume("vol-1", false, volume_type), Ok(()), "{volume_type}");
        assert_eq!(check_register_volume("vol-1", true, volume_type), Err(ResourceError::RootVolume("vol-1".to_owned())));
    }
    for volume_type in ["", "GP2", "gp4"] {
        assert_eq!(check_register_volume("vol-1", false, volume_type), Err(ResourceError::VolumeType(volume_type.to_owned())));
    }
}

#[test]
fn a_mount_point_is_an_absolute_path_below_the_root() {
    let (longest, too_long) = (format!("/{}", "a".repeat(254)), format!("/{}", "a".repeat(255)));
    for path in ["/data", "/mnt/data-1", "/a.b/c", longest.as_str()] {
        assert_eq!(check_mount_point(path), Ok(()), "{path}");
    }
    for path in ["", "/", "data", "./data", "/data/", "//data", "/a/../b", "/a/.", "/a b", "/a\t", "/a\u{0}", too_long.as_str()] {
        assert_eq!(check_mount_point(path), Err(ResourceError::MountPointForm(path.to_owned())), "{path}");
    }
}

/// [RES-4] [RES-5] [RES-7] [RES-11] [EBS-30]
#[test]
fn res_5_a_volume_is_assigned_only_between_stopped_instances_of_its_zone() {
    use InstanceStatus::{Online, StartFailed, Stopped};
    let one = || instance("one", Stopped);
    let elsewhere = Instance { availability_zone: "eu-west-1b".to_owned(), ..one() };
    let foreign = Instance { stack_id: "other".into(), ..one() };
    let full = Instance {
        volumes: (0..MAX_VOLUMES).map(|n| Volume { ec2_volume_id: format!("vol-x{n}"), mount_point: format!("/x{n}") }).collect(),
        ..one()
    };
    let (free, held) = (volume(Some("/data"), None), volume(Some("/data"), Some("two")));
    let (stopped, online) = (holding("two", Stopped, "vol-1", "/data"), holding("two", Online, "vol-1", "/data"));
    let created = Origin::Created;
    for (what, refused) in [
        (assign(&volume(None, None), &one(), created, None, &[]), "Mount Point: an assigned volume needs one"),
        (assign(&free, &elsewhere, created, None, &[]), "they must be in one zone"),
        (assign(&free, &foreign, created, None, &[]), "must be of the stack"),
        (assign(&free, &one(), Origin::OnPremises, None, &[]), "on-premises instance cannot use EBS volumes"),
        (assign(&free, &instance("one", Online), created, None, &[]), "stop the instance one"),
        (assign(&free, &instance("one", StartFailed), created, None, &[]), "status is start_failed"),
        (assign(&held, &one(), created, Some(&online), &[]), "stop the instance two"),
        (assign(&free, &holding("one", Stopped, "vol-2", "/data"), created, None, &[]), "/data is already used"),
        (assign(&free, &full, created, None, &[]), "the instance has 18 volumes"),
    ] {
        let text = what.unwrap_err().to_string();
        assert!(text.contains(refused), "{text} / {refused}");
    }
    assert_eq!(assign(&held, &online, created, Some(&online), &[]), Ok(None), "it is there already");
    let tied = assign(&held, &one(), Origin::RegisteredEc2, Some(&stopped), &["/dev/sdi".to_owned()]).unwrap();
    let Assignment { volume, to, from } = tied.unwrap();
    assert_eq!((volume.instance_id, volume.device.as_deref()), (Some("one".into()), Some("/dev/sdj")));
    assert_eq!((to.volumes, from.unwrap().volumes), (stopped.volumes.clone(), Vec::new()));
}

/// [RES-5] [RES-8]
#[test]
fn res_8_unassigning_needs_a_stopped_instance_and_deregistering_no_instance() {
    for status in InstanceStatus::ALL {
        let holder = holding("two", status, "vol-1", "/data");
        let done = unassign(&volume(Some("/data"), Some("two")), &holder);
        assert_eq!(done.is_ok(), status == InstanceStatus::Stopped, "{status}");
        if let Ok((free, without)) = done {
            assert_eq!((free, without.volumes), (volume(Some("/data"), None), Vec::new()));
        }
    }
    assert_eq!(check_deregister_volume(&volume(None, None)), Ok(()));
    let assigned = check_deregister_volume(&volume(None, Some("two")));
    assert_eq!(assigned, Err(ResourceError::VolumeAssigned("two".into())));
}

/// [RES-9]
#[test]
fn res_9_an_assigned_volume_changes_only_while_its_instance_is_stopped_and_keeps_a_mount_point() {
    let to = |name: &str, mount_point: Option<&str>| VolumeUpdate {
        name: Some(name.to_owned()),
        mount_point: mount_point.map(str::to_owned),
    };
    let free = update_volume(&volume(Some("/data"), None), None, to("logs", None)).unwrap();
    assert_eq!((free.0.name.as_deref(), free.0.mount_point, free.1), (Some("logs"), None, None));
    for status in InstanceStatus::ALL {
        let mut holder = holding("two", status, "vol-1", "/data");
        holder.volumes.push(Volume { ec2_volume_id: "vol-2".to_owned(), mount_point: "/taken".to_owned() });
        let volume = volume(Some("/data"), Some("two"));
        let done = update_volume(&volume, Some(&holder), to("logs", Some("/logs")));
        assert_eq!(done.is_ok(), status == InstanceStatus::Stopped, "{status}");
        let Ok((_, Some(held))) = done else { continue };
        let paths: Vec<&str> = held.volumes.iter().map(|v| v.mount_point.as_str()).collect();
        assert_eq!(paths, ["/taken", "/logs"]);
        assert_eq!(update_volume(&volume, Some(&holder), to("x", None)), Err(ResourceError::NoMountPoint));
        let taken = update_volume(&volume, Some(&holder), to("x", Some("/taken")));
        assert!(matches!(taken, Err(ResourceError::MountPointTaken { .. })));
    }
}

/// [EBS-30]
#[test]
fn ebs_30_device_names_begin_at_sdi_and_made_volumes_say_for_whom() {
    let names = |letters: &str| letters.chars().map(|c| format!("/dev/sd{c}")).collect::<Vec<_>>();
    for (taken, next) in [
        ("", Some("/dev/sdi")),
        ("i", Some("/dev/sdj")),
        ("jk", Some("/dev/sdi")),
        ("ijklmnopqrstuvwxy", Some("/dev/sdz")),
        ("ijklmnopqrstuvwxyz", None),
    ] {
        assert_eq!(next_device(&names(taken)).as_deref(), next, "{taken}");
    }
    assert_eq!(name_of_made_volume("web1"), "Created for web1");
}

/// [EBS-27]: a launch's volumes join; what is found on a machine that was noted before does not.
#[test]
fn ebs_27_only_a_launchs_own_volumes_join_the_record() {
    let known = holding("one", InstanceStatus::Requested, "vol-1", "/data");
    let of = |id: &str, path: &str| Volume { ec2_volume_id: id.to_owned(), mount_point: path.to_owned() };
    let machine = Ec2InstanceId::from("i-1");
    let noted = |of: &str| Instance { volumes_noted_of: Some(of.into()), ..known.clone() };
    let shown = [of("vol-1", "/data"), of("vol-2", "/logs")];
    for (record, joined) in [(known.clone(), 2), (noted("i-0"), 2), (noted("i-1"), 1)] {
        assert_eq!(with_launched(&record, &machine, &shown).len(), joined, "{:?}", record.volumes_noted_of);
    }
    assert_eq!(with_launched(&known, &machine, &[]), known.volumes, "what is tied stays, attached or not");
}

/// [EIP-13] [EIP-14] [INST-43] [RES-11]
#[test]
fn eip_14_an_address_is_associated_in_any_status_and_leaves_who_had_it() {
    for status in InstanceStatus::ALL {
        let old = Instance { elastic_ip: Some("203.0.113.2".to_owned()), ..instance("old", status) };
        let new = Instance { stack_id: "other".into(), elastic_ip: Some("203.0.113.9".to_owned()), ..instance("new", status) };
        let present = ElasticIp { ip: "203.0.113.9".to_owned(), ..address(Some("new")) };
        let done = associate(&address(Some("old")), &new, Origin::Created, Some(&old), Some(&present)).unwrap().unwrap();
        assert_eq!(done.address, ElasticIp { stack_id: "other".into(), ..address(Some("new")) }, "{status}");
        assert_eq!((done.to.elastic_ip.as_deref(), done.from.unwrap().elastic_ip), (Some("203.0.113.2"), None));
        assert_eq!(done.replaced.unwrap().instance_id, None);
    }
    let one = instance("one", InstanceStatus::Online);
    assert_eq!(associate(&address(Some("one")), &one, Origin::Created, Some(&one), None), Ok(None), "it is so already");
    let refused = associate(&address(None), &one, Origin::OnPremises, None, None);
    assert_eq!(refused, Err(ResourceError::OnPremises("Elastic IP addresses")));
}

/// [EIP-16]
#[test]
fn eip_16_an_associated_address_is_not_deregistered() {
    assert_eq!(check_deregister_address(&address(None)), Ok(()));
    let refused = check_deregister_address(&address(Some("one")));
    assert_eq!(refused, Err(ResourceError::AddressAssociated("one".into())));
}

/// [ELB-2] [QTA-7]
#[test]
fn elb_2_one_load_balancer_per_layer_and_one_layer_per_load_balancer() {
    let attached = |name: &str| LayerLoadBalancer {
        name: name.to_owned(),
        stack_id: "stack".into(),
        layer_id: "web".into(),
        attached_at: sample_record(InstanceStatus::Stopped).created_at,
    };
    let (front, back) = (attached("front"), attached("back"));
    let (web, extra) = ("web".into(), "extra".into());
    let vpc = (Some("vpc-1"), "vpc-1");
    let check = |of_layer, of_name, vpcs| check_attach("front", &web, of_layer, of_name, vpcs);
    assert_eq!(check(None, None, vpc), Ok(Attachment::Attach));
    assert_eq!(check(Some(&front), Some(&web), vpc), Ok(Attachment::AsItIs));
    assert_eq!(check(Some(&back), None, vpc), Err(ResourceError::LayerHasLoadBalancer("back".to_owned())));
    assert_eq!(check(None, Some(&extra), vpc), Err(ResourceError::LoadBalancerTaken("front".to_owned())));
    for its_vpc in [Some("vpc-2"), None] {
        assert!(matches!(check(None, None, (its_vpc, "vpc-1")), Err(ResourceError::OtherVpc { .. })));
    }
}
