//! Volumes that somebody has deleted in EC2.

use super::*;

fn one_volume() -> Value {
    json!({ "VolumeConfigurations": [{ "MountPoint": "/data", "NumberOfDisks": 1, "Size": 12, "VolumeType": "gp2" }] })
}

impl House {
    /// Somebody deletes the instance's volume in another console; gives its id.
    async fn lose_volume(&self, instance: &str) -> String {
        let lost = self.record(instance).await.unwrap().volumes[0].ec2_volume_id.clone();
        self.cloud.delete_volume_by_hand(&lost);
        lost
    }

    /// The one volume that the instance has now.
    async fn only_volume(&self, instance: &str) -> String {
        let volumes = self.record(instance).await.unwrap().volumes;
        assert_eq!((volumes.len(), volumes[0].mount_point.as_str()), (1, "/data"), "{volumes:?}");
        volumes[0].ec2_volume_id.clone()
    }

    async fn stopped(&self, root: &str) -> String {
        let instance = self.online(root).await;
        self.on("StopInstance", &instance).await;
        self.until(&instance, InstanceStatus::Stopped).await;
        instance
    }
}

/// [EBS-22] [HEAL-4] [HEAL-5] The same machine comes back with a new empty volume of the layer's configuration, and the loss is told.
#[test]
fn ebs_22_a_heal_that_restarts_the_machine_makes_a_new_volume_in_the_place_of_a_lost_one() {
    in_house(quiet(), one_volume(), async |house| {
        let instance = house.online("ebs").await;
        let (machine, lost) = (house.machine(&instance).await, house.lose_volume(&instance).await);
        house.cloud.inject(Victim::Ec2(machine.as_str().into()), Mishap::Ec2Stop, house.clock.now());
        house.minutes(2).await;
        house.until(&instance, InstanceStatus::Online).await;
        house.minutes(2).await;
        let new = house.only_volume(&instance).await;
        assert_ne!(new, lost);
        assert_eq!((house.machine(&instance).await, house.volume_at(&new)), (machine.clone(), Some(machine)));
        let described = house.call("DescribeVolumes", json!({ "StackId": house.stack })).await["Volumes"].clone();
        let of = |id: &str| described.as_array().unwrap().iter().find(|v| v["Ec2VolumeId"] == id).unwrap().clone();
        let (old, made) = (of(&lost), of(&new));
        assert_eq!((&old["Status"], &old["InstanceId"]), (&json!("deleted"), &Value::Null), "people see what was lost");
        assert_eq!((&made["Size"], &made["VolumeType"], &made["InstanceId"]), (&json!(12), &json!("gp2"), &json!(instance)));
        assert_eq!((house.service_errors().await, house.busy().await), (vec!["VolumeAttach".to_owned()], 0));
        assert_eq!(house.cloud.world_view().volumes.len(), 1);
    });
}

/// [EBS-22] An ordinary start goes on, too: what EC2 has deleted comes back for nobody.
#[test]
fn ebs_22_a_start_makes_a_new_volume_in_the_place_of_a_lost_one_whatever_answer_is_lost() {
    for fault in [Fault::ReplyLost, Fault::Throttled] {
        in_house(quiet().on("ec2:CreateVolume", nth(1), fault), one_volume(), async |house| {
            let instance = house.stopped("ebs").await;
            let lost = house.lose_volume(&instance).await;
            house.on("StartInstance", &instance).await;
            house.until(&instance, InstanceStatus::Online).await;
            assert_ne!(house.only_volume(&instance).await, lost);
            assert_eq!(house.cloud.world_view().volumes.len(), 1, "one volume, however often it was asked for");
        });
    }
}

/// [EBS-31] A volume that EC2 will not make fails the start, with a service error; a later start tries again.
#[test]
fn ebs_31_a_volume_that_cannot_be_made_fails_the_start_and_the_next_one_tries_again() {
    in_house(
        quiet().on("ec2:CreateVolume", nth(1), Fault::Refused("MaxIOPSLimitExceeded".to_owned())),
        one_volume(),
        async |house| {
            let instance = house.stopped("ebs").await;
            house.lose_volume(&instance).await;
            house.on("StartInstance", &instance).await;
            house.until(&instance, InstanceStatus::StartFailed).await;
            assert_eq!(house.service_errors().await, ["VolumeAttach"]);
            house.on("StopInstance", &instance).await;
            house.until(&instance, InstanceStatus::Stopped).await;
            house.on("StartInstance", &instance).await;
            house.until(&instance, InstanceStatus::Online).await;
            house.only_volume(&instance).await;
        },
    );
}

/// What was being made when somebody deletes the instance goes with it, or stays registered, as the deletion says.
#[test]
fn a_deletion_settles_a_volume_that_was_being_made() {
    for goes in [true, false] {
        in_house(quiet().on("ec2:CreateVolume", nth(1), Fault::ReplyLost), one_volume(), async |house| {
            let instance = house.stopped("ebs").await;
            house.lose_volume(&instance).await;
            house.on("StartInstance", &instance).await;
            for _ in 0..20 {
                house.minutes(1).await;
                if house.record(&instance).await.unwrap().attached.volume_making.is_some() {
                    break;
                }
            }
            assert!(house.record(&instance).await.unwrap().attached.volume_making.is_some(), "it is on its way");
            house.on("StopInstance", &instance).await;
            house.until(&instance, InstanceStatus::Stopped).await;
            house.call("DeleteInstance", json!({ "InstanceId": instance, "DeleteVolumes": goes })).await;
            house.minutes(10).await;
            assert!(house.record(&instance).await.is_none());
            let described = house.call("DescribeVolumes", json!({ "StackId": house.stack })).await["Volumes"].clone();
            let alive = described.as_array().unwrap().iter().filter(|v| v["Status"] != "deleted").count();
            assert_eq!((house.cloud.world_view().volumes.len(), alive), if goes { (0, 0) } else { (1, 1) });
        });
    }
}
