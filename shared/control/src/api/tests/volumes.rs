//! Registered volumes.

use std::sync::Arc;

use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_local::cloud::AccountVolume;
use strata_local::faults::{Fault, FaultPlan, Faulty, always};
use strata_ports::{Change, Expect, keys};

use super::TestApi;
use super::integrity::assert_whole;
use super::support::{REGION, USER, text};
use crate::api::Api;
use crate::api::call::Call;
use crate::api::catalogue;
use crate::api::permission::Principal;
use crate::api::resources::adopt_attached;
use crate::records::{deregistration_changes, removal_changes};

impl TestApi {
    /// Registers a new volume of the stack's first zone.
    pub(super) async fn volume(&self, stack: &str) -> String {
        let ec2 = self.account.add_volume("eu-west-1a", 20, "gp2");
        text(&self.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": ec2 })).await.good()["VolumeId"])
    }

    async fn update_volume(&self, volume: &str, more: Value) -> super::support::Reply {
        let mut members = json!({ "VolumeId": volume });
        members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call("UpdateVolume", members).await
    }

    /// A new volume that is assigned to the instance.
    pub(super) async fn assigned_volume(&self, stack: &str, instance: &str, mount_point: &str) -> String {
        let volume = self.volume(stack).await;
        self.update_volume(&volume, json!({ "MountPoint": mount_point })).await.good();
        self.assign(&volume, instance).await.good();
        volume
    }

    async fn assign(&self, volume: &str, instance: &str) -> super::support::Reply {
        self.call("AssignVolume", json!({ "VolumeId": volume, "InstanceId": instance })).await
    }

    async fn described_volume(&self, volume: &str) -> Value {
        self.call("DescribeVolumes", json!({ "VolumeIds": [volume] })).await.good()["Volumes"][0].clone()
    }
}

fn odd_volume(id: &str) -> AccountVolume {
    AccountVolume {
        id: id.into(),
        size: 8,
        volume_type: "gp2".into(),
        iops: Some(100),
        zone: "eu-west-1a".into(),
        encrypted: true,
        attached: None,
        is_root: false,
        name: Some("data".into()),
    }
}

/// [ACT-54] [ACT-43] [RES-2] [RES-10] [IDN-3]
#[tokio::test]
async fn res_2_registering_gives_a_uuid_and_the_vol_id_shows_only_as_ec2_volume_id() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.put_volume(odd_volume("vol-1"));
    let id = text(&app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": "vol-1" })).await.good()["VolumeId"]);
    assert!(!id.starts_with("vol-"));
    let expected = json!({
        "VolumeId": id, "Ec2VolumeId": "vol-1", "Name": "data", "Status": "available", "Size": 8, "Region": REGION,
        "AvailabilityZone": "eu-west-1a", "VolumeType": "gp2", "Iops": 100, "Encrypted": true,
    });
    assert_eq!(app.call("DescribeVolumes", json!({ "StackId": stack })).await.good(), json!({ "Volumes": [expected] }));
    for action in ["DeregisterVolume", "UnassignVolume", "UpdateVolume"] {
        app.call(action, json!({ "VolumeId": "vol-1" })).await.not_found();
    }
    app.call("DescribeVolumes", json!({ "VolumeIds": ["vol-1"] })).await.not_found();
    app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": id })).await.not_found();
    assert_whole(&app);
}

/// [ACT-54] [WIRE-13]
#[tokio::test]
async fn act_54_what_register_volume_requires() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    assert_eq!(app.call("RegisterVolume", json!({ "StackId": stack })).await.invalid(), "Ec2 Volume Id: is required");
    assert_eq!(app.call("RegisterVolume", json!({ "Ec2VolumeId": "vol-1" })).await.invalid(), "Stack Id: is required");
    app.call("RegisterVolume", json!({ "StackId": "x", "Ec2VolumeId": "vol-1" })).await.not_found();
    let unknown = app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": "vol-1" })).await.not_found();
    assert!(unknown.contains("vol-1") && unknown.contains(REGION), "{unknown}");
}

/// [RES-1], also when two stacks ask at once.
#[tokio::test]
async fn res_1_a_volume_is_registered_with_one_stack_at_a_time() {
    for _ in 0..10 {
        let app = TestApi::new();
        let (a, b) = (app.stack("a").await, app.stack("b").await);
        let ec2 = app.account.add_volume("eu-west-1a", 20, "gp2");
        let register = |stack: &str| json!({ "StackId": stack, "Ec2VolumeId": ec2 });
        let (one, two) =
            futures::future::join(app.call("RegisterVolume", register(&a)), app.call("RegisterVolume", register(&b))).await;
        let (won, lost) = if one.response.status() == 200 { (one, two) } else { (two, one) };
        assert!(lost.invalid().contains("already registered with another stack"));
        let id = text(&won.good()["VolumeId"]);
        let again = app.call("RegisterVolume", register(&a)).await.invalid();
        assert!(again.contains("already registered"), "{again}");
        app.call("DeregisterVolume", json!({ "VolumeId": id })).await.good();
        app.call("RegisterVolume", register(&b)).await.good();
        assert_whole(&app);
    }
}

/// [RES-3]
#[tokio::test]
async fn res_3_only_non_root_volumes_of_a_known_type() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.put_volume(AccountVolume { is_root: true, ..odd_volume("vol-root") });
    app.account.put_volume(AccountVolume { volume_type: "floppy".into(), ..odd_volume("vol-odd") });
    for (id, says) in [("vol-root", "root volume"), ("vol-odd", "floppy")] {
        let message = app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": id })).await.invalid();
        assert!(message.starts_with("Ec2 Volume Id: ") && message.contains(says), "{message}");
    }
    assert_whole(&app);
}

/// [ACT-2] [RES-4] [RES-7] [VAL-2] [IDN-3] [EBS-30]
#[tokio::test]
async fn res_4_register_then_mount_point_then_assign() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (one, other_zone) = (
        app.instance(&stack, &layer, json!({})).await,
        app.instance(&stack, &layer, json!({ "AvailabilityZone": "eu-west-1b" })).await,
    );
    let elsewhere = app.stack("other").await;
    let foreign = app.custom_layer(&elsewhere, "x").await;
    let foreign = app.instance(&elsewhere, &foreign, json!({})).await;
    let volume = app.volume(&stack).await;
    assert!(app.assign(&volume, &one).await.invalid().starts_with("Mount Point: an assigned volume needs one"));
    app.update_volume(&volume, json!({ "MountPoint": "/data" })).await.good();
    assert_eq!(app.call("AssignVolume", json!({ "VolumeId": volume })).await.invalid(), "Instance Id: is required");
    assert!(app.assign(&volume, &other_zone).await.invalid().contains("they must be in one zone"));
    assert!(app.assign(&volume, &foreign).await.invalid().contains("of the stack"));
    app.assign(&volume, "i-1").await.not_found();
    app.assign("unknown", &one).await.not_found();
    app.assign(&volume, &one).await.good();
    let commits = app.record(&one).await.version;
    app.assign(&volume, &one).await.good();
    assert_eq!(app.record(&one).await.version, commits, "the same again does nothing");
    let shown = app.described_volume(&volume).await;
    assert_eq!(
        (&shown["InstanceId"], &shown["Device"], &shown["MountPoint"]),
        (&json!(one), &json!("/dev/sdi"), &json!("/data"))
    );
    let second = app.assigned_volume(&stack, &one, "/logs").await;
    assert_eq!(app.described_volume(&second).await["Device"], "/dev/sdj");
    let third = app.volume(&stack).await;
    app.update_volume(&third, json!({ "MountPoint": "/data" })).await.good();
    assert!(app.assign(&third, &one).await.invalid().contains("/data is already used"));
    let of_instance = app.call("DescribeVolumes", json!({ "InstanceId": one })).await.good();
    assert_eq!(of_instance["Volumes"].as_array().unwrap().len(), 2);
    assert_whole(&app);
}

/// [RES-5] [INST-43] [RES-9]: every status but `stopped` refuses, of both instances when a volume moves.
#[tokio::test]
async fn inst_43_volumes_are_assigned_moved_and_unassigned_only_while_stopped() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let (one, two) = (app.instance(&stack, &layer, json!({})).await, app.instance(&stack, &layer, json!({})).await);
    let volume = app.assigned_volume(&stack, &one, "/data").await;
    for status in InstanceStatus::ALL.into_iter().filter(|s| *s != InstanceStatus::Stopped) {
        for busy in [&one, &two] {
            app.settle(busy, status).await;
            let message = app.assign(&volume, &two).await.invalid();
            assert!(message.contains("must stop") && message.contains(status.as_str()), "{message}");
            app.settle(busy, InstanceStatus::Stopped).await;
        }
        app.settle(&one, status).await;
        app.call("UnassignVolume", json!({ "VolumeId": volume })).await.invalid();
        app.update_volume(&volume, json!({ "MountPoint": "/other" })).await.invalid();
        app.settle(&one, InstanceStatus::Stopped).await;
    }
    app.assign(&volume, &two).await.good();
    assert!(app.record(&one).await.record.volumes.is_empty(), "it has moved");
    assert_eq!(app.described_volume(&volume).await["InstanceId"], json!(two));
    assert_whole(&app);
    app.call("UnassignVolume", json!({ "VolumeId": volume })).await.good();
    assert!(app.described_volume(&volume).await.get("InstanceId").is_none());
    assert_whole(&app);
}

/// [RES-6]: what EC2 has attached elsewhere may be registered and assigned all the same.
#[tokio::test]
async fn res_6_a_volume_in_use_elsewhere_may_be_registered_and_assigned() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    app.account.put_volume(AccountVolume { attached: Some(("i-else".into(), "/dev/sdx".into())), ..odd_volume("vol-1") });
    let id = text(&app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": "vol-1" })).await.good()["VolumeId"]);
    app.update_volume(&id, json!({ "MountPoint": "/data" })).await.good();
    app.assign(&id, &instance).await.good();
    assert_eq!(app.described_volume(&id).await["Status"], "in-use");
    assert_whole(&app);
}

/// [ACT-21] [ACT-64] [RES-8]
#[tokio::test]
async fn res_8_unassigned_stays_registered_assigned_is_not_deregistered_and_nothing_is_deleted() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let volume = app.assigned_volume(&stack, &instance, "/data").await;
    let refused = app.call("DeregisterVolume", json!({ "VolumeId": volume })).await.invalid();
    assert!(refused.contains("UnassignVolume") && refused.contains(&instance), "{refused}");
    app.call("UnassignVolume", json!({ "VolumeId": volume })).await.good();
    app.call("UnassignVolume", json!({ "VolumeId": volume })).await.good();
    assert_eq!(app.described_volume(&volume).await["MountPoint"], "/data", "still registered");
    app.call("DeregisterVolume", json!({ "VolumeId": volume })).await.good();
    app.call("DeregisterVolume", json!({ "VolumeId": volume })).await.not_found();
    assert_eq!(app.account.volume_ids().len(), 1, "EC2 keeps it");
    assert_whole(&app);
}

/// [ACT-74] [RES-9] [VAL-1]: names of 1 to 128 characters.
#[tokio::test]
async fn act_74_update_volume_sets_name_and_mount_point() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let volume = app.volume(&stack).await;
    app.update_volume(&volume, json!({ "Name": "é".repeat(128), "MountPoint": "/data" })).await.good();
    let long = app.update_volume(&volume, json!({ "Name": "é".repeat(129) })).await.invalid();
    assert!(long.starts_with("Name: must have 1 to 128 characters"), "{long}");
    for bad in ["data", "/", "/a b", "/a//b", "/a/../b", "/a/", "/a\nb"] {
        let message = app.update_volume(&volume, json!({ "MountPoint": bad })).await.invalid();
        assert!(message.starts_with("Mount Point: "), "{bad}: {message}");
    }
    app.update_volume("unknown", json!({ "Name": "x" })).await.not_found();
    app.update_volume(&volume, json!({ "Name": "" })).await.good();
    let shown = app.described_volume(&volume).await;
    assert!(shown.get("Name").is_none(), "an empty name unsets it");
    assert_eq!(shown["MountPoint"], "/data", "what is absent stays");
    app.assign(&volume, &instance).await.good();
    app.update_volume(&volume, json!({ "MountPoint": "/other" })).await.good();
    assert!(app.update_volume(&volume, json!({ "MountPoint": "" })).await.invalid().starts_with("Mount Point"));
    assert_eq!(app.record(&instance).await.record.volumes[0].mount_point, "/other", "both records say the same");
    assert_whole(&app);
}

/// [ACT-43] [DSC-1] [DSC-4]
#[tokio::test]
async fn act_43_exactly_one_identifying_parameter_and_unknown_ids_spoil_the_call() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let (first, second) = (app.volume(&stack).await, app.volume(&stack).await);
    for members in [json!({}), json!({ "VolumeIds": [] }), json!({ "StackId": stack, "VolumeIds": [first] })] {
        let message = app.call("DescribeVolumes", members).await.invalid();
        assert!(message.starts_with("Please provide"), "{message}");
    }
    for members in [
        json!({ "VolumeIds": [first, "unknown"] }),
        json!({ "StackId": "unknown" }),
        json!({ "InstanceId": "unknown" }),
        json!({ "RaidArrayId": first }),
    ] {
        app.call("DescribeVolumes", members).await.not_found();
    }
    let both = app.call("DescribeVolumes", json!({ "VolumeIds": [second, first, second] })).await.good();
    let ids: Vec<String> = both["Volumes"].as_array().unwrap().iter().map(|v| text(&v["VolumeId"])).collect();
    assert_eq!(ids, [first, second], "each once, oldest first");
}

/// [ACT-35]
#[tokio::test]
async fn act_35_raid_arrays_check_their_ids_and_there_are_none() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    for members in [json!({ "StackId": stack }), json!({ "InstanceId": instance })] {
        assert_eq!(app.call("DescribeRaidArrays", members).await.good(), json!({ "RaidArrays": [] }));
    }
    for members in [json!({ "StackId": "x" }), json!({ "InstanceId": "x" }), json!({ "RaidArrayIds": ["x"] })] {
        app.call("DescribeRaidArrays", members).await.not_found();
    }
    for members in [json!({}), json!({ "StackId": stack, "InstanceId": instance })] {
        app.call("DescribeRaidArrays", members).await.invalid();
    }
}

/// [RES-10]: live where EC2 answers, last seen where it does not, `deleted` where it knows no such volume.
#[tokio::test]
async fn res_10_facts_are_read_live_and_fall_back_to_what_was_last_seen() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.put_volume(odd_volume("vol-1"));
    let id = text(&app.call("RegisterVolume", json!({ "StackId": stack, "Ec2VolumeId": "vol-1" })).await.good()["VolumeId"]);
    let attached = Some(("i-1".into(), "/dev/sdi".into()));
    app.account.put_volume(AccountVolume { size: 16, attached, ..odd_volume("vol-1") });
    let shown = app.described_volume(&id).await;
    assert_eq!((&shown["Size"], &shown["Status"], &shown["Device"]), (&json!(16), &json!("in-use"), &json!("/dev/sdi")));

    let plan = FaultPlan::quiet(1).on("ec2:DescribeVolumes", always(), Fault::Unavailable);
    let ports = Faulty::over(app.api.ports.clone(), plan);
    let deaf = TestApi { api: Arc::new(Api::new(ports, app.api.config.clone())), ..app.clone() };
    let shown = deaf.described_volume(&id).await;
    assert_eq!((&shown["Size"], &shown["Status"]), (&json!(8), &json!("available")), "as it was registered");

    app.account.put_volume(AccountVolume { attached: None, ..odd_volume("vol-1") });
    let scope = strata_ports::StackScope { stack_id: stack.as_str().into(), region: REGION.into(), service_role_arn: "".into() };
    strata_ports::Compute::delete_volumes(app.account.as_ref(), &scope, &["vol-1".to_owned()]).await.unwrap();
    let shown = app.described_volume(&id).await;
    assert_eq!((&shown["Size"], &shown["Status"]), (&json!(8), &json!("deleted")));
}

/// An instance with a volume and an address.
async fn equipped(app: &TestApi) -> (String, String, String, String) {
    let (stack, layer) = app.shop().await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let volume = app.assigned_volume(&stack, &instance, "/data").await;
    let ip = app.address(&stack).await;
    app.call("AssociateElasticIp", json!({ "ElasticIp": ip, "InstanceId": instance })).await.good();
    (stack, instance, volume, ip)
}

/// [EBS-23] [EBS-24] [EIP-17] [INST-32], the records: what the flags do not name stays registered, tied to nothing.
#[tokio::test]
async fn inst_32_a_deletion_takes_only_what_its_flags_name() {
    for (volumes, address) in [(false, false), (true, false), (false, true), (true, true)] {
        let app = TestApi::new();
        let (stack, instance, volume, ip) = equipped(&app).await;
        let members = json!({ "InstanceId": instance, "DeleteVolumes": volumes, "DeleteElasticIp": address });
        app.call("DeleteInstance", members).await.good();
        assert_whole(&app);
        app.finish_deletion(&instance).await;
        assert_whole(&app);
        let left = app.call("DescribeVolumes", json!({ "StackId": stack })).await.good()["Volumes"].clone();
        match volumes {
            true => assert_eq!(left, json!([])),
            false => assert_eq!((&left[0]["VolumeId"], left[0].get("InstanceId")), (&json!(volume), None)),
        }
        let left = app.call("DescribeElasticIps", json!({ "StackId": stack })).await.good()["ElasticIps"].clone();
        match address {
            true => assert_eq!(left, json!([])),
            false => assert_eq!((&left[0]["Ip"], left[0].get("InstanceId")), (&json!(ip), None)),
        }
    }
}

/// [INST-25] [EBS-24]: a forced stop removes the record only.
#[tokio::test]
async fn inst_25_a_forced_stop_leaves_volumes_and_address_registered() {
    let app = TestApi::new();
    let (stack, instance, volume, ip) = equipped(&app).await;
    app.settle(&instance, InstanceStatus::Online).await;
    app.call("StopInstance", json!({ "InstanceId": instance, "Force": true })).await.good();
    assert_whole(&app);
    assert!(app.described_volume(&volume).await.get("InstanceId").is_none());
    let left = app.call("DescribeElasticIps", json!({ "StackId": stack })).await.good();
    assert_eq!((&left["ElasticIps"][0]["Ip"], left["ElasticIps"][0].get("InstanceId")), (&json!(ip), None));
}

/// [EBS-25], the records.
#[tokio::test]
async fn ebs_25_the_volumes_and_the_address_of_a_deregistered_instance_leave_the_stack() {
    let app = TestApi::new();
    let (stack, instance, volume, _) = equipped(&app).await;
    let changes = deregistration_changes(app.store.as_ref(), &app.record(&instance).await).await.unwrap();
    app.commit(changes).await;
    assert_whole(&app);
    app.call("DescribeVolumes", json!({ "VolumeIds": [volume] })).await.not_found();
    assert_eq!(app.call("DescribeElasticIps", json!({ "StackId": stack })).await.good()["ElasticIps"], json!([]));
}

/// [EBS-26] [STK-13]: all resources are deregistered, none deleted, and another stack may have them.
#[tokio::test]
async fn ebs_26_a_deleted_stack_deregisters_everything_and_deletes_nothing() {
    let app = TestApi::new();
    let (stack, other) = (app.stack("shop").await, app.stack("other").await);
    for _ in 0..40 {
        app.volume(&stack).await;
    }
    let ip = app.address(&stack).await;
    app.call("DeleteStack", json!({ "StackId": stack })).await.good();
    assert_whole(&app);
    assert!(app.store.partition(&keys::stack_pk(&stack.as_str().into())).is_empty());
    let ec2 = app.account.volume_ids();
    assert_eq!((ec2.len(), app.account.address_ips().len()), (40, 1), "nothing outside is deleted");
    app.call("RegisterVolume", json!({ "StackId": other, "Ec2VolumeId": ec2[0] })).await.good();
    app.call("RegisterElasticIp", json!({ "StackId": other, "ElasticIp": ip })).await.good();
}

/// [RES-1] after a crash: DeleteStack was committed, and nothing of what follows it happened.
#[tokio::test]
async fn res_1_a_registration_whose_stack_is_gone_counts_as_none() {
    let app = TestApi::new();
    let (stack, other) = (app.stack("shop").await, app.stack("other").await);
    let (volume, ip) = (app.volume(&stack).await, app.address(&stack).await);
    let gone = [keys::stack(&stack.as_str().into()), keys::stack_entry(&stack.as_str().into())];
    for key in gone {
        let expect = Expect::Version(app.item(&key).await.unwrap().version);
        app.commit(vec![Change::Delete { key, expect }]).await;
    }
    app.call("DeregisterVolume", json!({ "VolumeId": volume })).await.not_found();
    app.call("UpdateElasticIp", json!({ "ElasticIp": ip, "Name": "x" })).await.not_found();
    let ec2 = app.account.volume_ids()[0].clone();
    let new = app.call("RegisterVolume", json!({ "StackId": other, "Ec2VolumeId": ec2 })).await.good();
    assert_ne!(text(&new["VolumeId"]), volume, "uuids are never used again");
    app.call("RegisterElasticIp", json!({ "StackId": other, "ElasticIp": ip })).await.good();
    assert_whole(&app);
}

/// [RES-12]: AssignInstance's part; a root volume, and what is registered elsewhere, is left alone.
#[tokio::test]
async fn res_12_what_is_attached_to_a_registered_instance_joins_the_stack() {
    let app = TestApi::new();
    let (stack, layer) = app.shop().await;
    let other = app.stack("other").await;
    let instance = app.instance(&stack, &layer, json!({})).await;
    let on = |device: &str| Some(("i-1".into(), device.to_owned()));
    app.account.put_volume(AccountVolume { attached: on("/dev/sdf"), ..odd_volume("vol-1") });
    app.account.put_volume(AccountVolume { attached: on("/dev/xvda"), is_root: true, ..odd_volume("vol-2") });
    app.account.put_volume(AccountVolume { attached: on("/dev/sdg"), ..odd_volume("vol-3") });
    app.call("RegisterVolume", json!({ "StackId": other, "Ec2VolumeId": "vol-3" })).await.good();
    let ip = app.account.add_address();
    app.account.associate_address(&ip, Some(&"i-1".into()));

    let stored = app.record(&instance).await;
    let mut next = stored.record.clone();
    next.ec2_instance_id = Some("i-1".into());
    let action = catalogue::of_target(Some("OpsWorks_20130218.AssignInstance")).unwrap();
    let crate::api::Api { ports, config, iam, account, answers, .. } = app.api.as_ref();
    let principal = Principal::of(USER, &[]);
    let call = Call { ports, config, principal, action, now: ports.clock.now(), iam, account, answers };
    let its_stack = call.stack(&stack).await.unwrap().record;
    let mut changes = adopt_attached(&call, &its_stack, &mut next).await.unwrap();
    changes.push(stored.put(&next));
    app.commit(changes).await;
    assert_whole(&app);
    let volumes = app.call("DescribeVolumes", json!({ "InstanceId": instance })).await.good()["Volumes"].clone();
    assert_eq!(volumes.as_array().unwrap().len(), 1);
    assert_eq!((&volumes[0]["Ec2VolumeId"], &volumes[0]["Device"]), (&json!("vol-1"), &json!("/dev/sdf")));
    assert_eq!(app.described(&instance).await["ElasticIp"], json!(ip));
    app.commit(removal_changes(app.store.as_ref(), &app.record(&instance).await).await.unwrap()).await;
    assert_whole(&app);
}
