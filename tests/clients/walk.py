"""The whole life of a layer by the AWS CLI 1.42.18, the last with an OpsWorks model: each step is `aws opsworks` commands, as an operator
types them, and every answer is looked at.

Rules: [CLT-1] [INST-2] [INST-3] [INST-4] [ECS-92] [ECS-94] [ECS-96] [TXT-5] [WIRE-10]
"""

import re

from support import ACCOUNT, OS, REGION, UNKNOWN, WORLD, Cli, CliError, Story, far_weekday, main, until

AWS = Cli()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mHTLsHcmIRLKRDKJgXWDVb8nSrWmCkYz6sqPL3qCk alice@example.com"


class Walk(Story):
    """In the order of the guide: stack, cluster, layer, instances, start, look around, stop, delete in order."""

    def refused(self, error, text, command, /, **options):
        """The CLI ends with 255, and tells error and text."""
        with self.assertRaises(CliError) as caught:
            AWS.opsworks(command, **options)
        self.assertEqual(caught.exception.code, 255)
        self.assertIn(f"({error})", caught.exception.text)
        self.assertIn(text, caught.exception.text)

    def instances(self, **which):
        return AWS.opsworks("describe-instances", **which)["Instances"]

    def status(self, instance):
        return self.instances(instance_ids=[instance])[0]["Status"]

    def gone(self, instance):
        until(lambda: self.instances(stack_id=self.stack), lambda found: instance not in {i["InstanceId"] for i in found})
        self.refused(
            "ResourceNotFoundException",
            f"Unable to find instance with ID {instance}",
            "describe-instances",
            instance_ids=[instance],
        )

    def create_stack(self, name):
        return AWS.opsworks(
            "create-stack",
            name=name,
            stack_region=REGION,
            service_role_arn=WORLD["service_role_arn"],
            default_instance_profile_arn=WORLD["instance_profile_arn"],
        )["StackId"]

    def create_layer(self, stack, cluster):
        return AWS.opsworks(
            "create-layer",
            stack_id=stack,
            type="ecs-cluster",
            name="ECS Cluster",
            shortname="ecs-cluster",
            attributes=f"EcsClusterArn={cluster}",
        )["LayerId"]

    def test_create_stack(self):
        stack = self.create_stack("walk")
        self.keep(stack=stack)
        found = AWS.opsworks("describe-stacks", stack_ids=[stack])["Stacks"][0]
        self.assertEqual((found["Name"], found["Region"], found["VpcId"]), ("walk", REGION, WORLD["vpc_id"]))
        self.assertEqual(found["Arn"], f"arn:aws:opsworks:{REGION}:{ACCOUNT}:stack/{stack}/")
        self.assertRegex(found["CreatedAt"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")
        self.keep(day=far_weekday(found["CreatedAt"]))
        AWS.opsworks("update-stack", stack_id=stack, custom_json='{"walk": true}')
        self.assertEqual(AWS.opsworks("describe-stacks")["Stacks"][0]["CustomJson"], '{"walk": true}')

    def test_register_ecs_cluster(self):
        cluster = WORLD["cluster_arns"][0]
        self.keep(cluster=cluster)
        self.assertEqual(
            AWS.opsworks("register-ecs-cluster", ecs_cluster_arn=cluster, stack_id=self.stack), {"EcsClusterArn": cluster}
        )
        found = AWS.opsworks("describe-ecs-clusters", stack_id=self.stack)["EcsClusters"]
        self.assertEqual([(c["EcsClusterArn"], c["StackId"]) for c in found], [(cluster, self.stack)])
        self.assertEqual(AWS.opsworks("describe-ecs-clusters", ecs_cluster_arns=[cluster])["EcsClusters"], found)

    def test_create_layer(self):
        layer = self.create_layer(self.stack, self.cluster)
        self.keep(layer=layer)
        found = AWS.opsworks("describe-layers", stack_id=self.stack)["Layers"]
        self.assertEqual(
            [(l["LayerId"], l["Type"], l["Attributes"]["EcsClusterArn"]) for l in found], [(layer, "ecs-cluster", self.cluster)]
        )
        AWS.opsworks("update-layer", layer_id=layer, name="Web hosts", enable_auto_healing=True)
        found = AWS.opsworks("describe-layers", layer_ids=[layer])["Layers"][0]
        self.assertEqual((found["Name"], found["EnableAutoHealing"]), ("Web hosts", True))
        suggested = AWS.opsworks("get-hostname-suggestion", layer_id=layer)
        self.assertEqual(suggested, {"LayerId": layer, "Hostname": "ecs-cluster1"})

    def test_create_instances(self):
        placed = {"stack_id": self.stack, "layer_ids": [self.layer], "instance_type": "m5.large"}
        always = AWS.opsworks("create-instance", **placed)["InstanceId"]
        load = AWS.opsworks("create-instance", **placed, auto_scaling_type="load")["InstanceId"]
        timer = AWS.opsworks("create-instance", **placed, auto_scaling_type="timer", hostname="nightly")["InstanceId"]
        self.keep(always=always, load=load, timer=timer)
        found = self.instances(layer_id=self.layer)
        self.assertEqual([i["InstanceId"] for i in found], [always, load, timer])
        self.assertEqual([i["Hostname"] for i in found], ["ecs-cluster1", "ecs-cluster2", "nightly"])
        self.assertEqual([i.get("AutoScalingType") for i in found], [None, "load", "timer"])
        self.assertEqual({(i["Status"], i["Os"], i["RootDeviceType"]) for i in found}, {("stopped", OS, "ebs")})

    def test_set_time_based_auto_scaling(self):
        hours = {"8": "on", "9": "on"}
        AWS.opsworks("set-time-based-auto-scaling", instance_id=self.timer, auto_scaling_schedule={self.day: hours})
        found = AWS.opsworks("describe-time-based-auto-scaling", instance_ids=[self.timer])["TimeBasedAutoScalingConfigurations"]
        self.assertEqual([(c["InstanceId"], c["AutoScalingSchedule"][self.day]) for c in found], [(self.timer, hours)])

    def test_set_load_based_auto_scaling(self):
        up = "InstanceCount=1,ThresholdsWaitTime=3,IgnoreMetricsTime=12,CpuThreshold=85"
        down = {"InstanceCount": 1, "ThresholdsWaitTime": 10, "CpuThreshold": 20}
        AWS.opsworks("set-load-based-auto-scaling", layer_id=self.layer, enable=True, up_scaling=up, down_scaling=down)
        found = AWS.opsworks("describe-load-based-auto-scaling", layer_ids=[self.layer])["LoadBasedAutoScalingConfigurations"][0]
        self.assertEqual((found["LayerId"], found["Enable"]), (self.layer, True))
        self.assertEqual((found["UpScaling"]["CpuThreshold"], found["UpScaling"]["IgnoreMetricsTime"]), (85.0, 12))
        self.assertEqual((found["DownScaling"]["CpuThreshold"], found["DownScaling"]["ThresholdsWaitTime"]), (20.0, 10))

    def test_users_and_permissions(self):
        user = WORLD["user_arns"][0]
        self.keep(user=user)
        made = AWS.opsworks("create-user-profile", iam_user_arn=user, ssh_username="alice", ssh_public_key=KEY)
        self.assertEqual(made, {"IamUserArn": user})
        AWS.opsworks("update-user-profile", iam_user_arn=user, allow_self_management=True)
        found = AWS.opsworks("describe-user-profiles", iam_user_arns=[user])["UserProfiles"][0]
        self.assertEqual((found["SshUsername"], found["SshPublicKey"], found["AllowSelfManagement"]), ("alice", KEY, True))
        AWS.opsworks("set-permission", stack_id=self.stack, iam_user_arn=user, level="manage", allow_ssh=True, allow_sudo=False)
        expected = {"StackId": self.stack, "IamUserArn": user, "AllowSsh": True, "AllowSudo": False, "Level": "manage"}
        self.assertIn(expected, AWS.opsworks("describe-permissions", stack_id=self.stack)["Permissions"])
        self.assertIn("IamUserArn", AWS.opsworks("describe-my-user-profile")["UserProfile"])

    def test_a_volume(self):
        volume = AWS.opsworks("register-volume", stack_id=self.stack, ec_2_volume_id=WORLD["volume_ids"][0])["VolumeId"]
        AWS.opsworks("update-volume", volume_id=volume, name="data", mount_point="/mnt/data")
        found = AWS.opsworks("describe-volumes", stack_id=self.stack)["Volumes"]
        self.assertEqual(
            [(v["Name"], v["MountPoint"], v["Ec2VolumeId"]) for v in found], [("data", "/mnt/data", WORLD["volume_ids"][0])]
        )
        zone = found[0]["AvailabilityZone"]
        placed = {"stack_id": self.stack, "layer_ids": [self.layer], "instance_type": "m5.large", "availability_zone": zone}
        owner = AWS.opsworks("create-instance", **placed)["InstanceId"]
        AWS.opsworks("assign-volume", volume_id=volume, instance_id=owner)
        self.assertEqual([v["VolumeId"] for v in AWS.opsworks("describe-volumes", instance_id=owner)["Volumes"]], [volume])
        AWS.opsworks("unassign-volume", volume_id=volume)
        AWS.opsworks("deregister-volume", volume_id=volume)
        self.assertEqual(AWS.opsworks("describe-volumes", stack_id=self.stack)["Volumes"], [])
        AWS.opsworks("delete-instance", instance_id=owner)
        self.gone(owner)

    def test_an_elastic_ip(self):
        address = WORLD["elastic_ips"][0]
        made = AWS.opsworks("register-elastic-ip", elastic_ip=address, stack_id=self.stack)
        self.assertEqual(made, {"ElasticIp": address})
        AWS.opsworks("update-elastic-ip", elastic_ip=address, name="front")
        AWS.opsworks("associate-elastic-ip", elastic_ip=address, instance_id=self.always)
        found = AWS.opsworks("describe-elastic-ips", instance_id=self.always)["ElasticIps"]
        self.assertEqual([(e["Ip"], e["Name"], e["InstanceId"]) for e in found], [(address, "front", self.always)])
        AWS.opsworks("disassociate-elastic-ip", elastic_ip=address)
        AWS.opsworks("deregister-elastic-ip", elastic_ip=address)
        self.assertEqual(AWS.opsworks("describe-elastic-ips", stack_id=self.stack)["ElasticIps"], [])

    def test_a_load_balancer(self):
        name = WORLD["load_balancers"][0]
        AWS.opsworks("attach-elastic-load-balancer", elastic_load_balancer_name=name, layer_id=self.layer)
        found = AWS.opsworks("describe-elastic-load-balancers", stack_id=self.stack)["ElasticLoadBalancers"]
        self.assertEqual([(b["ElasticLoadBalancerName"], b["LayerId"]) for b in found], [(name, self.layer)])
        AWS.opsworks("detach-elastic-load-balancer", elastic_load_balancer_name=name, layer_id=self.layer)
        self.assertEqual(AWS.opsworks("describe-elastic-load-balancers", layer_ids=[self.layer])["ElasticLoadBalancers"], [])

    def test_tags(self):
        arn = f"arn:aws:opsworks:{REGION}:{ACCOUNT}:stack/{self.stack}/"
        self.assertIsNone(AWS.opsworks("tag-resource", resource_arn=arn, tags="team=web,stage=test"))
        self.assertEqual(AWS.opsworks("list-tags", resource_arn=arn)["Tags"], {"team": "web", "stage": "test"})
        AWS.opsworks("untag-resource", resource_arn=arn, tag_keys=["stage"])
        self.assertEqual(AWS.opsworks("list-tags", resource_arn=arn)["Tags"], {"team": "web"})

    def test_start_instance_and_wait_until_it_is_online(self):
        """[CLT-1] [INST-2]"""
        self.assertIsNone(AWS.opsworks("start-instance", instance_id=self.always))
        waited = AWS.run("opsworks", "wait", "instance-online", "--instance-ids", self.always)
        self.assertEqual((waited.returncode, waited.stdout), (0, ""), waited.stderr)
        found = self.instances(instance_ids=[self.always])[0]
        self.assertEqual((found["Status"], found["EcsClusterArn"]), ("online", self.cluster))
        self.assertRegex(found["Ec2InstanceId"], "^i-[0-9a-f]+$")

    def test_describe_the_rest(self):
        """Whatever a person looks at while a stack runs; the other describe commands stand at their own steps."""
        summary = AWS.opsworks("describe-stack-summary", stack_id=self.stack)["StackSummary"]
        self.assertEqual((summary["Name"], summary["LayersCount"], summary["AppsCount"]), ("walk", 1, 0))
        self.assertEqual(summary["InstancesCount"], {"Online": 1, "Stopped": 2})
        self.assertEqual(AWS.opsworks("describe-service-errors", stack_id=self.stack)["ServiceErrors"], [])
        self.assertEqual(AWS.opsworks("describe-raid-arrays", stack_id=self.stack)["RaidArrays"], [])
        self.assertEqual(AWS.opsworks("describe-apps", stack_id=self.stack)["Apps"], [])
        self.assertEqual(AWS.opsworks("describe-rds-db-instances", stack_id=self.stack)["RdsDbInstances"], [])
        self.assertIn(OS, {s["Name"] for s in AWS.opsworks("describe-operating-systems")["OperatingSystems"]})
        versions = AWS.opsworks("describe-agent-versions", stack_id=self.stack)["AgentVersions"]
        self.assertEqual([v["ConfigurationManager"] for v in versions], [{"Name": "Chef", "Version": "12"}])
        parameters = AWS.opsworks("describe-stack-provisioning-parameters", stack_id=self.stack)
        self.assertIn("assets_download_bucket", parameters["Parameters"])

    def test_create_deployment(self):
        recipes = {"Name": "execute_recipes", "Args": {"recipes": ["app::restart"]}}
        deployment = AWS.opsworks("create-deployment", stack_id=self.stack, command=recipes, comment="by hand")["DeploymentId"]
        found = AWS.opsworks("describe-deployments", deployment_ids=[deployment])["Deployments"][0]
        self.assertEqual((found["Command"], found["Comment"], found["InstanceIds"]), (recipes, "by hand", [self.always]))
        self.assertIn(found["Status"], ("running", "successful"))
        waited = AWS.run("opsworks", "wait", "deployment-successful", "--deployment-ids", deployment)
        self.assertEqual((waited.returncode, waited.stdout), (0, ""), waited.stderr)
        command = AWS.opsworks("describe-commands", deployment_id=deployment)["Commands"]
        self.assertEqual([(c["InstanceId"], c["Type"]) for c in command], [(self.always, "execute_recipes")])
        self.assertEqual((command[0]["Status"], command[0]["ExitCode"]), ("successful", 0))
        self.assertIn("LogUrl", command[0])
        latest = AWS.opsworks("describe-commands", instance_id=self.always)["Commands"]
        self.assertIn(command[0]["CommandId"], {c["CommandId"] for c in latest})

    def test_wait_until_a_deployment_is_successful(self):
        """[CLT-1]: every target is stopped, so its commands are skipped and it ends."""
        arguments = {"stack_id": self.stack, "command": "Name=configure", "instance_ids": [self.load]}
        deployment = AWS.opsworks("create-deployment", **arguments)["DeploymentId"]
        waited = AWS.run("opsworks", "wait", "deployment-successful", "--deployment-ids", deployment)
        self.assertEqual((waited.returncode, waited.stdout), (0, ""), waited.stderr)
        found = AWS.opsworks("describe-deployments", stack_id=self.stack)["Deployments"][0]
        self.assertEqual((found["DeploymentId"], found["Status"]), (deployment, "successful"))

    def test_what_may_not_be_done_while_it_runs(self):
        self.refused("ValidationException", "stop", "delete-instance", instance_id=self.always)
        self.refused("ValidationException", "", "delete-layer", layer_id=self.layer)
        self.refused("ValidationException", "", "deregister-ecs-cluster", ecs_cluster_arn=self.cluster)
        self.refused("ValidationException", "", "delete-stack", stack_id=self.stack)
        self.assertEqual(self.status(self.always), "online")

    def test_stop_instance_and_wait_until_it_is_stopped(self):
        """[CLT-1] [INST-3]"""
        AWS.opsworks("stop-instance", instance_id=self.always)
        waited = AWS.run("opsworks", "wait", "instance-stopped", "--instance-ids", self.always)
        self.assertEqual((waited.returncode, waited.stdout), (0, ""), waited.stderr)
        self.assertEqual(self.status(self.always), "stopped")

    def test_delete_instances_and_wait_until_they_are_terminated(self):
        """[CLT-1] [INST-4]"""
        AWS.opsworks("delete-instance", instance_id=self.always, delete_elastic_ip=True, delete_volumes=True)
        waited = AWS.run("opsworks", "wait", "instance-terminated", "--instance-ids", self.always)
        self.assertEqual((waited.returncode, waited.stdout), (0, ""), waited.stderr)
        AWS.opsworks("delete-instance", instance_id=self.load)
        AWS.opsworks("delete-instance", instance_id=self.timer)
        for instance in (self.always, self.load, self.timer):
            self.gone(instance)

    def test_deregister_the_cluster_then_delete_the_layer(self):
        """[ECS-92] [ECS-94]: the guide's order."""
        AWS.opsworks("deregister-ecs-cluster", ecs_cluster_arn=self.cluster)
        self.assertEqual(AWS.opsworks("describe-ecs-clusters", stack_id=self.stack)["EcsClusters"], [])
        AWS.opsworks("delete-layer", layer_id=self.layer)
        self.assertEqual(AWS.opsworks("describe-layers", stack_id=self.stack)["Layers"], [])

    def test_delete_the_layer_then_deregister_the_cluster(self):
        """[ECS-94] [ECS-96]: the other order; and the cluster may be registered with another stack now."""
        stack = self.create_stack("walk back")
        AWS.opsworks("register-ecs-cluster", ecs_cluster_arn=self.cluster, stack_id=stack)
        layer = self.create_layer(stack, self.cluster)
        AWS.opsworks("delete-layer", layer_id=layer)
        found = AWS.opsworks("describe-ecs-clusters", ecs_cluster_arns=[self.cluster])["EcsClusters"]
        self.assertEqual([c["StackId"] for c in found], [stack])
        AWS.opsworks("deregister-ecs-cluster", ecs_cluster_arn=self.cluster)
        AWS.opsworks("delete-stack", stack_id=stack)

    def test_delete_stack(self):
        AWS.opsworks("delete-user-profile", iam_user_arn=self.user)
        AWS.opsworks("delete-stack", stack_id=self.stack)
        self.refused(
            "ResourceNotFoundException", f"Unable to find stack with ID {self.stack}", "describe-stacks", stack_ids=[self.stack]
        )
        self.assertEqual(AWS.opsworks("describe-stacks")["Stacks"], [])

    def test_errors_name_the_operation_and_the_reason(self):
        """[TXT-5] [WIRE-10]"""
        done = AWS.run("opsworks", "start-instance", "--instance-id", UNKNOWN)
        self.assertEqual(done.returncode, 255)
        text = f"(ResourceNotFoundException) when calling the StartInstance operation: Unable to find instance with ID {UNKNOWN}"
        self.assertIn(text, re.sub(r"\s+", " ", done.stderr))


if __name__ == "__main__":
    main()
