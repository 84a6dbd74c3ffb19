//! The volumes that launches make, in the records.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use strata_domain::model::{BlockDeviceMapping, EbsBlockDevice, Layer, RegisteredVolume, VolumeConfiguration};

use super::*;

/// The layer's members get two volumes at their first start.
async fn two_volumes_each(world: &World) {
    let mut layer = samples::layer();
    for (mount_point, volume_type) in [("/data", "gp2"), ("/logs", "standard")] {
        layer.volume_configurations.push(VolumeConfiguration {
            mount_point: mount_point.to_owned(),
            number_of_disks: 1,
            size: 20,
            volume_type: volume_type.to_owned(),
            iops: None,
            encrypted: false,
        });
    }
    let key = keys::layer(&layer.stack_id, &layer.id);
    world.commit(vec![Change::put(key, &layer, Expect::Version(1))]).await;
}

/// One instance that was started so.
async fn with_volumes() -> World {
    let world = World::new(1).await;
    two_volumes_each(&world).await;
    world.start_first().await;
    world
}

impl World {
    async fn start_first(&self) {
        self.ask_start(0).await;
        self.step().await;
        self.run(8).await;
    }

    /// The stack's registered volumes, by device.
    async fn volumes(&self) -> Vec<RegisteredVolume> {
        let listing = Listing::of(keys::stack_pk(&samples::stack().id), keys::VOLUME);
        let items = self.store.list(&listing).await.unwrap();
        let mut volumes: Vec<RegisteredVolume> = items.iter().map(|item| item.decode().unwrap()).collect();
        volumes.sort_by(|a, b| (&a.device, &a.ec2_volume_id).cmp(&(&b.device, &b.ec2_volume_id)));
        volumes
    }
}

/// [EBS-16] [EBS-19] [EBS-30], the records: a launch's volumes are registered with the stack, once, and stay tied over a stop.
#[tokio::test]
async fn ebs_16_a_launchs_volumes_are_registered_once_with_the_stack() {
    let world = with_volumes().await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    let volumes = world.volumes().await;
    let shown: Vec<_> =
        volumes.iter().map(|v| (v.device.as_deref(), v.mount_point.as_deref(), v.facts.volume_type.as_str())).collect();
    assert_eq!(shown, [(Some("/dev/sdi"), Some("/data"), "gp2"), (Some("/dev/sdj"), Some("/logs"), "standard")]);
    for volume in &volumes {
        assert_eq!((volume.name.as_deref(), &volume.instance_id), (Some("Created for web1"), &Some(world.ids[0].1.clone())));
        assert!(world.exists(keys::pointer(volume.id.as_str())).await);
        let owner = world.store.get(&keys::registered_volume(&volume.ec2_volume_id)).await.unwrap().unwrap();
        assert_eq!(owner.decode::<keys::VolumeOwner>().unwrap().volume_id, volume.id);
    }
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    world.ask_start(0).await;
    world.run(8).await;
    assert_eq!(
        (world.status(0).await, world.volumes().await),
        (InstanceStatus::Online, volumes),
        "the same ones, the same uuids"
    );
}

/// [INST-71] The first start makes the layer's volumes, later ones have them again; a configuration that is added or taken away is so for new
/// instances only.
#[tokio::test]
async fn inst_71_a_configuration_that_is_added_or_removed_counts_for_new_instances_only() {
    let world = World::new(3).await;
    two_volumes_each(&world).await;
    world.start_first().await;
    let first = world.volumes().await;
    let key = keys::layer(&samples::stack().id, &samples::layer().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut layer: Layer = standing.decode().unwrap();
    let more = VolumeConfiguration { mount_point: "/more".to_owned(), ..layer.volume_configurations[0].clone() };
    layer.volume_configurations.push(more);
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    world.start_first().await;
    assert_eq!((world.status(0).await, world.volumes().await), (InstanceStatus::Online, first));
    world.ask_start(1).await;
    world.step().await;
    world.run(8).await;
    let record = world.record(1).await.unwrap();
    let places: Vec<&str> = record.volumes.iter().map(|volume| volume.mount_point.as_str()).collect();
    assert_eq!(places, ["/data", "/logs", "/more"]);
    assert_eq!(world.record(0).await.unwrap().volumes.len(), 2);

    let key = keys::layer(&samples::stack().id, &samples::layer().id);
    let standing = world.store.get(&key).await.unwrap().unwrap();
    let mut layer: Layer = standing.decode().unwrap();
    layer.volume_configurations.retain(|volume| volume.mount_point != "/logs");
    world.commit(vec![Change::put(key, &layer, standing.unchanged())]).await;
    world.ask(0, InstanceStatus::Stopping, |_| {}).await;
    world.run(6).await;
    world.ask_start(0).await;
    world.ask_start(2).await;
    world.step().await;
    world.run(8).await;
    let places = async |world: &World, i: usize| {
        let record = world.record(i).await.unwrap();
        assert_eq!(record.status, InstanceStatus::Online);
        record.volumes.into_iter().map(|volume| volume.mount_point).collect::<Vec<_>>()
    };
    assert_eq!(places(&world, 2).await, ["/data", "/more"], "a new one has what the layer has now");
    assert_eq!(places(&world, 0).await, ["/data", "/logs"], "and one that was there what it had");
}

/// [EBS-23] [EBS-24] [INST-32], the records.
#[tokio::test]
async fn ebs_23_a_deletion_takes_the_volumes_along_only_if_asked_to() {
    for goes in [true, false] {
        let world = with_volumes().await;
        world.ask(0, InstanceStatus::Stopping, |_| {}).await;
        world.run(6).await;
        let delete = DeleteRequest { volumes: goes, elastic_ip: false };
        world.ask(0, InstanceStatus::Terminating, |r| r.delete = Some(delete)).await;
        world.run(4).await;
        assert_eq!(world.record(0).await, None);
        let left = world.volumes().await;
        assert_eq!(left.len(), if goes { 0 } else { 2 });
        assert!(left.iter().all(|v| v.instance_id.is_none() && v.device.is_none()));
        assert_eq!(world.exists(keys::registered_volume("vol-1-0")).await, !goes);
    }
}

/// [RES-1] [EBS-27]: what somebody has registered for another use is neither tied nor deleted.
#[tokio::test]
async fn res_1_a_launchs_volume_that_somebody_else_has_registered_stays_theirs() {
    let world = World::new(1).await;
    let theirs =
        RegisteredVolume { stack_id: "other".into(), instance_id: None, ..with_volumes().await.volumes().await.remove(0) };
    world.commit(crate::records::register_volume_changes(&theirs, Expect::Absent).into()).await;
    two_volumes_each(&world).await;
    world.start_first().await;
    let record = world.record(0).await.unwrap();
    assert_eq!((record.status, record.volumes.len(), world.volumes().await.len()), (InstanceStatus::Online, 1, 1));
}

/// [EBS-19]: a volume that the record has already keeps its mount point, so no launch makes another one there.
#[tokio::test]
async fn ebs_19_a_new_launch_makes_no_volume_where_the_record_has_one() {
    let world = with_volumes().await;
    let before = world.volumes().await;
    world.ask(0, InstanceStatus::Terminating, |r| r.root_device_type = RootDeviceType::InstanceStore).await;
    world.run(6).await;
    assert_eq!(world.status(0).await, InstanceStatus::Stopped);
    world.ask_start(0).await;
    world.run(8).await;
    assert_eq!((world.status(0).await, world.cloud.state().hosts.len()), (InstanceStatus::Online, 2));
    assert_eq!(world.volumes().await, before);
}

impl World {
    /// What the Setup run of the first instance's `launch`th start was told to mount.
    fn told_to_mount(&self, launch: u32) -> String {
        let state = self.cloud.state();
        let (request, _) = &state.commands[&format!("setup-{}-{launch}", self.ids[0].1)];
        let given = |name: &str| request.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        match given("volumes").unwrap().as_str() {
            "none" => "none".to_owned(),
            list => String::from_utf8(BASE64_STANDARD.decode(list).unwrap()).unwrap(),
        }
    }

    async fn restart(&self, as_new: bool) {
        let down = if as_new { InstanceStatus::Terminating } else { InstanceStatus::Stopping };
        let kind = if as_new { RootDeviceType::InstanceStore } else { RootDeviceType::Ebs };
        self.ask(0, down, |r| r.root_device_type = kind).await;
        self.run(6).await;
        self.ask_start(0).await;
        self.run(8).await;
        assert_eq!(self.status(0).await, InstanceStatus::Online);
    }
}

/// [EBS-29], what Setup is told: at the first start, and at each later one.
#[tokio::test]
async fn ebs_29_setup_is_told_at_every_start_what_to_mount() {
    let world = with_volumes().await;
    let expected = "strata-volumes 1\nvol-1-0 /dev/sdi /data\nvol-1-1 /dev/sdj /logs\n";
    assert_eq!(world.told_to_mount(1), expected);
    world.restart(false).await;
    assert_eq!(world.told_to_mount(2), expected);
    let bare = World::new(1).await;
    bare.start_first().await;
    assert_eq!(bare.told_to_mount(1), "none");
}

/// [EBS-17] [EBS-18] [INST-71]
#[tokio::test]
async fn ebs_17_what_is_added_to_or_taken_from_a_layer_later_changes_nothing_for_who_is_there() {
    for as_new in [false, true] {
        let world = with_volumes().await;
        let before = world.volumes().await;
        let mut layer = samples::layer();
        let key = keys::layer(&layer.stack_id, &layer.id);
        layer.volume_configurations.push(VolumeConfiguration {
            mount_point: "/more".to_owned(),
            number_of_disks: 1,
            size: 20,
            volume_type: "gp2".to_owned(),
            iops: None,
            encrypted: false,
        });
        // The two of its first start are no longer in there.
        world.commit(vec![Change::put(key, &layer, Expect::Version(2))]).await;
        world.restart(as_new).await;
        assert_eq!(world.volumes().await, before, "{as_new}");
        assert_eq!(world.told_to_mount(2), world.told_to_mount(1));
        assert_eq!(world.cloud.state().hosts.len(), if as_new { 2 } else { 1 });
    }
}

/// [EBS-14] [EBS-30]: the launch is handed block devices and volumes, each volume under the device name that its record gets.
#[tokio::test]
async fn ebs_30_a_launch_names_the_devices_that_the_records_show() {
    let world = World::new(1).await;
    two_volumes_each(&world).await;
    let ebs = EbsBlockDevice { volume_size: Some(30), ..EbsBlockDevice::default() };
    let mapped = ["ROOT_DEVICE", "/dev/xvdi"].map(|device| BlockDeviceMapping {
        device_name: device.to_owned(),
        ebs: Some(ebs.clone()),
        virtual_name: None,
        no_device: None,
    });
    world
        .ask(0, InstanceStatus::Requested, |r| {
            (r.launch_number, r.started_at) = (1, Some(world.cloud.now()));
            r.block_device_mappings = mapped.to_vec();
        })
        .await;
    world.run(8).await;
    assert_eq!(world.status(0).await, InstanceStatus::Online);
    let spec = world.cloud.state().launches[0].clone();
    assert_eq!(spec.block_devices, mapped);
    let asked: Vec<_> = spec.volumes.iter().map(|v| (v.device.clone(), v.mount_point.clone())).collect();
    let shown: Vec<_> = world.volumes().await.into_iter().map(|v| (v.device.unwrap(), v.mount_point.unwrap())).collect();
    assert_eq!(asked, shown);
    assert_eq!(asked.iter().map(|(device, _)| device.as_str()).collect::<Vec<_>>(), ["/dev/sdj", "/dev/sdk"]);
}

#[tokio::test]
async fn a_launch_is_handed_what_record_and_layers_say() {
    let world = World::new(1).await;
    let layer = Layer {
        custom_security_group_ids: vec!["sg-2".to_owned(), "sg-1".to_owned()],
        tags: [("team".to_owned(), "web".to_owned())].into(),
        ..samples::layer()
    };
    world.commit(vec![Change::put(keys::layer(&layer.stack_id, &layer.id), &layer, Expect::Version(1))]).await;
    world
        .ask(0, InstanceStatus::Requested, |r| {
            (r.launch_number, r.started_at) = (1, Some(world.cloud.now()));
            (r.ssh_key_name, r.tenancy, r.ebs_optimized) = (Some("ops".to_owned()), Some("dedicated".to_owned()), true);
        })
        .await;
    world.run(2).await;
    let spec = world.cloud.state().launches[0].clone();
    assert_eq!(
        spec.security_group_ids,
        ["sg-1", "sg-2", "sg-AWS-OpsWorks-Default-Server", "sg-AWS-OpsWorks-ECS-Cluster"],
        "its layers' own and the built-in ones"
    );
    assert_eq!((spec.key_name.as_deref(), spec.tenancy.as_deref(), spec.ebs_optimized), (Some("ops"), Some("dedicated"), true));
    assert_eq!(spec.layers, [(layer.shortname, layer.name)]);
    assert_eq!(spec.tags, layer.tags);
}

/// Eighteen device names are all there are; one volume more is a failed start that says so.
#[tokio::test]
async fn a_launch_with_more_volumes_than_devices_fails_with_its_reason() {
    for (volumes, status) in [(18, InstanceStatus::Online), (19, InstanceStatus::StartFailed)] {
        let world = World::new(1).await;
        let volume = |n: usize| VolumeConfiguration {
            mount_point: format!("/v{n}"),
            number_of_disks: 1,
            size: 1,
            volume_type: "gp2".to_owned(),
            iops: None,
            encrypted: false,
        };
        let layer = Layer { volume_configurations: (0..volumes).map(volume).collect(), ..samples::layer() };
        world.commit(vec![Change::put(keys::layer(&layer.stack_id, &layer.id), &layer, Expect::Version(1))]).await;
        world.start_first().await;
        assert_eq!(world.status(0).await, status, "{volumes}");
    }
}
