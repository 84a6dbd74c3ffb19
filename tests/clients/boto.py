"""boto3 1.40.18, the last with an OpsWorks model: its waiters, its paginator, its exceptions, and every action of the model, each
answer checked strictly against that model.

Rules: [CLT-1] [INST-2] [INST-3] [INST-4] [INST-5] [DSC-5] [ECS-101] [WIRE-1] [WIRE-2] [WIRE-3] [WIRE-4] [WIRE-5] [WIRE-6]
[WIRE-10] [WIRE-11] [WIRE-15] [WIRE-20] [SCP-2] [SCP-3] [IDN-1] [IDN-5]
"""

import http.client
import json
import unittest
import urllib.parse
import uuid

from botocore.exceptions import WaiterError

from strict import CONTENT_TYPE, TIME, UUID, Checker
from support import ACCOUNT, ENDPOINT, OS, REGION, UNKNOWN, WORLD, Story
from support import client, far_weekday, gone, layer_arguments, main, stack_arguments, until, wait

CHECKER = Checker()
AWS = client(CHECKER)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8mHTLsHcmIRLKRDKJgXWDVb8nSrWmCkYz6sqPL3qCk alice@example.com"


class Checked(Story):
    """Every answer of every test passes the strict checker."""

    def tearDown(self):
        CHECKER.assert_clean()

    def refused(self, exception, text, call, **arguments):
        """The call fails with that client exception, and its text holds `text`."""
        with self.assertRaises(exception) as caught:
            call(**arguments)
        self.assertIn(text, caught.exception.response["Error"]["Message"])
        return caught.exception.response

    def instance(self, instance):
        return AWS.describe_instances(InstanceIds=[instance])["Instances"][0]


class AStacksLife(Checked):
    """One stack from its making to its end; every action of the model is called on the way."""

    def test_a_stack_is_made_copied_and_read(self):
        custom_json = '{"a": {"b":  1}}'
        color = {"Color": "rgb(45, 114, 184)"}
        stack = AWS.create_stack(**stack_arguments("conformance", CustomJson=custom_json, Attributes=color))["StackId"]
        self.keep(stack=stack)
        found = AWS.describe_stacks(StackIds=[stack])["Stacks"][0]
        self.assertEqual(found["Name"], "conformance")
        self.assertEqual(found["Region"], REGION)
        self.assertEqual(found["Arn"], f"arn:aws:opsworks:{REGION}:{ACCOUNT}:stack/{stack}/")
        self.assertEqual(found["CustomJson"], custom_json)
        self.assertEqual(found["Attributes"], color)
        self.assertEqual(found["VpcId"], WORLD["vpc_id"])
        self.assertIn(found["DefaultSubnetId"], WORLD["subnet_ids"])
        self.assertEqual(found["ConfigurationManager"], {"Name": "Chef", "Version": "12"})
        self.assertEqual(found["HostnameTheme"], "Layer_Dependent")
        self.assertEqual(found["DefaultRootDeviceType"], "ebs")
        AWS.update_stack(StackId=stack, Name="conformance 2", HostnameTheme="Wild_Cats")
        found = AWS.describe_stacks(StackIds=[stack])["Stacks"][0]
        self.assertEqual(
            (found["Name"], found["HostnameTheme"], found["CustomJson"]), ("conformance 2", "Wild_Cats", custom_json)
        )
        AWS.update_stack(StackId=stack, HostnameTheme="Layer_Dependent")

        copy = AWS.clone_stack(SourceStackId=stack, ServiceRoleArn=WORLD["service_role_arn"])["StackId"]
        self.assertEqual(AWS.describe_stacks(StackIds=[copy])["Stacks"][0]["Name"], "conformance 2-copy")
        self.assertEqual({s["StackId"] for s in AWS.describe_stacks()["Stacks"]}, {stack, copy})
        AWS.delete_stack(StackId=copy)
        self.refused(
            AWS.exceptions.ResourceNotFoundException, f"Unable to find stack with ID {copy}", AWS.describe_stacks, StackIds=[copy]
        )

    def test_what_every_stack_may_ask(self):
        systems = {s["Name"]: s for s in AWS.describe_operating_systems()["OperatingSystems"]}
        self.assertTrue(systems[OS]["Supported"])
        self.assertFalse(systems["Amazon Linux 2018.03"]["Supported"])
        self.assertEqual(len(AWS.describe_agent_versions(StackId=self.stack)["AgentVersions"]), 1)
        self.assertEqual(AWS.describe_raid_arrays(StackId=self.stack)["RaidArrays"], [])
        self.assertEqual(AWS.describe_service_errors(StackId=self.stack)["ServiceErrors"], [])
        parameters = AWS.describe_stack_provisioning_parameters(StackId=self.stack)
        self.assertTrue(parameters["AgentInstallerUrl"].endswith(".tgz"), parameters["AgentInstallerUrl"])

    def test_users_and_what_they_may_do(self):
        user = WORLD["user_arns"][0]
        self.keep(user=user)
        self.assertEqual(AWS.create_user_profile(IamUserArn=user, SshPublicKey=KEY)["IamUserArn"], user)
        name = user.rsplit("/", 1)[1]
        profile = AWS.describe_user_profiles(IamUserArns=[user])["UserProfiles"][0]
        self.assertEqual(profile["IamUserArn"], user)
        self.assertEqual(profile["SshPublicKey"], KEY)
        self.assertFalse(profile["AllowSelfManagement"])
        AWS.update_user_profile(IamUserArn=user, SshUsername=f"{name}-2", AllowSelfManagement=True)
        profile = AWS.describe_user_profiles(IamUserArns=[user])["UserProfiles"][0]
        self.assertEqual(
            (profile["SshUsername"], profile["AllowSelfManagement"], profile["SshPublicKey"]), (f"{name}-2", True, KEY)
        )
        AWS.set_permission(StackId=self.stack, IamUserArn=user, Level="deploy", AllowSsh=True)
        self.assertEqual(
            AWS.describe_permissions(StackId=self.stack, IamUserArn=user)["Permissions"],
            [{"StackId": self.stack, "IamUserArn": user, "Level": "deploy", "AllowSsh": True, "AllowSudo": False}],
        )
        AWS.update_my_user_profile(SshPublicKey=KEY)
        self.assertEqual(AWS.describe_my_user_profile()["UserProfile"]["SshPublicKey"], KEY)

    def test_a_cluster_and_its_layer(self):
        cluster = WORLD["cluster_arns"][0]
        self.assertEqual(AWS.register_ecs_cluster(EcsClusterArn=cluster, StackId=self.stack)["EcsClusterArn"], cluster)
        registered = AWS.describe_ecs_clusters(EcsClusterArns=[cluster])["EcsClusters"][0]
        self.assertEqual(registered["EcsClusterName"], cluster.rsplit("/", 1)[1])
        self.assertEqual(registered["StackId"], self.stack)
        self.assertRegex(registered["RegisteredAt"], TIME)
        layer = AWS.create_layer(**layer_arguments(self.stack, cluster))["LayerId"]
        self.keep(cluster=cluster, layer=layer)
        found = AWS.describe_layers(LayerIds=[layer])["Layers"][0]
        self.assertEqual((found["Type"], found["Name"], found["Shortname"]), ("ecs-cluster", "ECS Cluster", "ecs-cluster"))
        self.assertEqual(found["Attributes"]["EcsClusterArn"], cluster)
        self.assertEqual(found["Arn"], f"arn:aws:opsworks:{REGION}:{ACCOUNT}:layer/{layer}/")
        self.assertEqual(found["Packages"], [])
        AWS.update_layer(LayerId=layer, Packages=["htop"], EnableAutoHealing=True)
        found = AWS.describe_layers(StackId=self.stack)["Layers"][0]
        self.assertEqual((found["LayerId"], found["Packages"], found["EnableAutoHealing"]), (layer, ["htop"], True))
        suggestion = AWS.get_hostname_suggestion(LayerId=layer)
        self.assertEqual((suggestion["LayerId"], suggestion["Hostname"]), (layer, "ecs-cluster1"))

    def test_the_paginator_of_ecs_clusters(self):
        """[DSC-5] [ECS-101]"""
        pages = list(AWS.get_paginator("describe_ecs_clusters").paginate(StackId=self.stack, PaginationConfig={"PageSize": 1}))
        self.assertEqual([[c["EcsClusterArn"] for c in page["EcsClusters"]] for page in pages], [[self.cluster]])
        self.assertNotIn("NextToken", pages[-1])
        everything = AWS.get_paginator("describe_ecs_clusters").paginate(StackId=self.stack).build_full_result()
        self.assertEqual(len(everything["EcsClusters"]), 1)

    def test_tags(self):
        arn = f"arn:aws:opsworks:{REGION}:{ACCOUNT}:layer/{self.layer}/"
        AWS.tag_resource(ResourceArn=arn, Tags={"team": "web", "stage": "test"})
        AWS.untag_resource(ResourceArn=arn, TagKeys=["stage", "not-there"])
        self.assertEqual(AWS.list_tags(ResourceArn=arn)["Tags"], {"team": "web"})

    def test_instances_of_each_scaling_type(self):
        made = {}
        for scaling in (None, "load", "timer"):
            more = {"AutoScalingType": scaling} if scaling else {}
            made[scaling] = AWS.create_instance(StackId=self.stack, LayerIds=[self.layer], InstanceType="m5.large", **more)[
                "InstanceId"
            ]
        self.keep(always=made[None], load=made["load"], timer=made["timer"])
        found = AWS.describe_instances(LayerId=self.layer)["Instances"]
        self.assertEqual([i["Hostname"] for i in found], ["ecs-cluster1", "ecs-cluster2", "ecs-cluster3"])
        self.assertEqual([i.get("AutoScalingType") for i in found], [None, "load", "timer"])
        self.assertEqual({i["Status"] for i in found}, {"stopped"})
        self.assertEqual(found[0]["Arn"], f"arn:aws:opsworks:{REGION}:{ACCOUNT}:instance/{made[None]}")
        self.assertEqual(found[0]["Os"], OS)
        AWS.update_instance(InstanceId=made["load"], InstanceType="c5.large")
        self.assertEqual(self.instance(made["load"])["InstanceType"], "c5.large")

    def test_schedules_and_thresholds(self):
        day = far_weekday(self.instance(self.timer)["CreatedAt"])
        AWS.set_time_based_auto_scaling(InstanceId=self.timer, AutoScalingSchedule={day: {"9": "on", "10": "on"}})
        schedule = AWS.describe_time_based_auto_scaling(InstanceIds=[self.timer])["TimeBasedAutoScalingConfigurations"][0]
        self.assertEqual(schedule["InstanceId"], self.timer)
        self.assertEqual(schedule["AutoScalingSchedule"][day], {"9": "on", "10": "on"})
        up = {"InstanceCount": 2, "ThresholdsWaitTime": 3, "IgnoreMetricsTime": 12, "CpuThreshold": 85.5, "Alarms": []}
        AWS.set_load_based_auto_scaling(LayerId=self.layer, Enable=True, UpScaling=up, DownScaling={"CpuThreshold": 30.0})
        scaling = AWS.describe_load_based_auto_scaling(LayerIds=[self.layer])["LoadBasedAutoScalingConfigurations"][0]
        self.assertEqual((scaling["LayerId"], scaling["Enable"]), (self.layer, True))
        self.assertEqual({name: scaling["UpScaling"][name] for name in up}, up)
        self.assertEqual(scaling["DownScaling"]["CpuThreshold"], 30.0)

    def test_a_volume_is_registered_and_assigned(self):
        volume = AWS.register_volume(Ec2VolumeId=WORLD["volume_ids"][0], StackId=self.stack)["VolumeId"]
        self.assertRegex(volume, UUID)
        AWS.update_volume(VolumeId=volume, Name="data", MountPoint="/mnt/data")
        found = AWS.describe_volumes(VolumeIds=[volume])["Volumes"][0]
        self.assertEqual(
            (found["Name"], found["MountPoint"], found["Ec2VolumeId"]), ("data", "/mnt/data", WORLD["volume_ids"][0])
        )
        placed = {"InstanceType": "m5.large", "AvailabilityZone": found["AvailabilityZone"]}
        owner = AWS.create_instance(StackId=self.stack, LayerIds=[self.layer], **placed)["InstanceId"]
        AWS.assign_volume(VolumeId=volume, InstanceId=owner)
        self.assertEqual([v["VolumeId"] for v in AWS.describe_volumes(InstanceId=owner)["Volumes"]], [volume])
        AWS.unassign_volume(VolumeId=volume)
        self.assertEqual(AWS.describe_volumes(InstanceId=owner)["Volumes"], [])
        AWS.deregister_volume(VolumeId=volume)
        self.assertEqual(AWS.describe_volumes(StackId=self.stack)["Volumes"], [])
        AWS.delete_instance(InstanceId=owner)
        gone(AWS, owner)

    def test_an_elastic_ip_is_registered_and_associated(self):
        address = WORLD["elastic_ips"][0]
        self.assertEqual(AWS.register_elastic_ip(ElasticIp=address, StackId=self.stack)["ElasticIp"], address)
        AWS.update_elastic_ip(ElasticIp=address, Name="front")
        AWS.associate_elastic_ip(ElasticIp=address, InstanceId=self.always)
        found = AWS.describe_elastic_ips(Ips=[address])["ElasticIps"][0]
        self.assertEqual((found["Ip"], found["Name"], found["InstanceId"]), (address, "front", self.always))
        self.assertEqual(self.instance(self.always)["ElasticIp"], address)
        AWS.disassociate_elastic_ip(ElasticIp=address)
        self.assertNotIn("InstanceId", AWS.describe_elastic_ips(StackId=self.stack)["ElasticIps"][0])
        AWS.deregister_elastic_ip(ElasticIp=address)
        self.assertEqual(AWS.describe_elastic_ips(StackId=self.stack)["ElasticIps"], [])

    def test_a_load_balancer_is_attached(self):
        name = WORLD["load_balancers"][0]
        AWS.attach_elastic_load_balancer(ElasticLoadBalancerName=name, LayerId=self.layer)
        found = AWS.describe_elastic_load_balancers(LayerIds=[self.layer])["ElasticLoadBalancers"][0]
        self.assertEqual((found["ElasticLoadBalancerName"], found["LayerId"], found["StackId"]), (name, self.layer, self.stack))
        AWS.detach_elastic_load_balancer(ElasticLoadBalancerName=name, LayerId=self.layer)
        self.assertEqual(AWS.describe_elastic_load_balancers(StackId=self.stack)["ElasticLoadBalancers"], [])

    def test_a_start_by_the_waiter(self):
        """[CLT-1] [INST-2]: the waiter's first look, right after StartInstance, must not see `stopped`."""
        AWS.start_instance(InstanceId=self.always)
        wait(AWS, "instance_online", InstanceIds=[self.always])
        found = self.instance(self.always)
        self.assertEqual(found["Status"], "online")
        self.assertRegex(found["Ec2InstanceId"], "^i-[0-9a-f]+$")
        self.assertEqual(found["EcsClusterArn"], self.cluster)
        self.assertIn(f":container-instance/{self.cluster.rsplit('/', 1)[1]}/", found["EcsContainerInstanceArn"])
        summary = AWS.describe_stack_summary(StackId=self.stack)["StackSummary"]
        self.assertEqual(summary["InstancesCount"], {"Online": 1, "Stopped": 2})
        self.assertEqual((summary["LayersCount"], summary["AppsCount"]), (1, 0))

    def test_a_deployment(self):
        deployment = AWS.create_deployment(
            StackId=self.stack, Command={"Name": "execute_recipes", "Args": {"recipes": ["app::restart"]}}
        )
        deployment = deployment["DeploymentId"]
        found = AWS.describe_deployments(DeploymentIds=[deployment])["Deployments"][0]
        self.assertEqual(found["Command"], {"Name": "execute_recipes", "Args": {"recipes": ["app::restart"]}})
        self.assertEqual((found["InstanceIds"], found["Status"]), ([self.always], "running"))
        command = AWS.describe_commands(DeploymentId=deployment)["Commands"][0]
        self.assertEqual(
            (command["InstanceId"], command["DeploymentId"], command["Type"]), (self.always, deployment, "execute_recipes")
        )
        self.assertEqual(
            AWS.describe_commands(CommandIds=[command["CommandId"]])["Commands"][0]["CommandId"], command["CommandId"]
        )

    def test_a_deployment_that_ends_by_the_waiter(self):
        """[CLT-1]: all targets are stopped, so every command is skipped and the deployment is over at once."""
        arguments = {"Command": {"Name": "configure"}, "InstanceIds": [self.load]}
        deployment = AWS.create_deployment(StackId=self.stack, **arguments)["DeploymentId"]
        wait(AWS, "deployment_successful", DeploymentIds=[deployment])
        found = AWS.describe_deployments(StackId=self.stack)["Deployments"][0]
        self.assertEqual((found["DeploymentId"], found["Status"]), (deployment, "successful"))
        self.assertEqual([c["Status"] for c in AWS.describe_commands(DeploymentId=deployment)["Commands"]], ["skipped"])

    def test_a_reboot(self):
        AWS.reboot_instance(InstanceId=self.always)
        self.assertEqual(self.instance(self.always)["Status"], "rebooting")
        wait(AWS, "instance_online", InstanceIds=[self.always])

    def test_the_whole_stack_stops_and_starts(self):
        AWS.stop_stack(StackId=self.stack)
        wait(AWS, "instance_stopped", StackId=self.stack)
        AWS.start_stack(StackId=self.stack)
        self.assertEqual(
            {i["InstanceId"]: i["Status"] == "stopped" for i in AWS.describe_instances(StackId=self.stack)["Instances"]},
            {self.always: False, self.load: True, self.timer: True},
        )
        wait(AWS, "instance_online", InstanceIds=[self.always])

    def test_a_registered_instance(self):
        """[CLT-1] [INST-5]: the waiter for registered instances; then it is assigned, unassigned and handed back."""
        addresses = {"PublicIp": "198.51.100.7", "PrivateIp": "10.0.0.7"}
        key = {"RsaPublicKey": "key", "RsaPublicKeyFingerprint": "aa:bb"}
        registered = AWS.register_instance(StackId=self.stack, Hostname="metal1", **addresses, **key)["InstanceId"]
        wait(AWS, "instance_registered", InstanceIds=[registered])
        found = self.instance(registered)
        self.assertEqual((found["InfrastructureClass"], found["Hostname"], found["LayerIds"]), ("on-premises", "metal1", []))
        custom = {"StackId": self.stack, "Type": "custom", "Name": "Metal", "Shortname": "metal"}
        metal = AWS.create_layer(**custom)["LayerId"]
        AWS.assign_instance(InstanceId=registered, LayerIds=[metal])
        self.assertEqual(self.instance(registered)["LayerIds"], [metal])
        self.settled(registered)
        AWS.unassign_instance(InstanceId=registered)
        self.assertEqual(self.settled(registered)["LayerIds"], [])
        AWS.deregister_instance(InstanceId=registered)
        gone(AWS, registered)
        AWS.delete_layer(LayerId=metal)

    def settled(self, instance):
        """Waits until the record is in no passing status of registration; answers it."""
        passing = {"registering", "assigning", "unassigning", "running_setup"}
        return until(lambda: self.instance(instance), lambda found: found["Status"] not in passing)

    def test_what_is_out_of_scope(self):
        """[SCP-2] [SCP-3] [WIRE-20]: writers are refused with what to use instead, readers answer with nothing."""
        self.assertEqual(AWS.describe_apps(StackId=self.stack)["Apps"], [])
        self.assertEqual(AWS.describe_rds_db_instances(StackId=self.stack)["RdsDbInstances"], [])
        database = f"arn:aws:rds:{REGION}:{ACCOUNT}:db:main"
        for call, arguments in OUT_WRITERS(self.stack, self.always, database).items():
            with self.subTest(call):
                action = AWS.meta.method_to_api_mapping[call]
                text = f"UnsupportedOperation: {action} is not supported by this OpsWorks implementation (scope: ECS Cluster layers). "
                answer = self.refused(AWS.exceptions.ValidationException, text, getattr(AWS, call), **arguments)
                self.assertGreater(len(answer["Error"]["Message"]), len(text), "it says what to use instead")

    def test_app_exists_by_the_waiter(self):
        """[CLT-1]: any 200 will do, and a 400 ends the waiting."""
        wait(AWS, "app_exists", StackId=self.stack)
        with self.assertRaises(WaiterError):
            wait(AWS, "app_exists", AppIds=[UNKNOWN])

    def test_a_stop_by_the_waiter(self):
        """[CLT-1] [INST-3]: the waiter's first look, right after StopInstance, must not see a start-side status."""
        AWS.stop_instance(InstanceId=self.always)
        wait(AWS, "instance_stopped", InstanceIds=[self.always])
        found = self.instance(self.always)
        self.assertEqual(found["Status"], "stopped")
        self.assertNotIn("EcsContainerInstanceArn", found)

    def test_waiting_for_a_stopped_instance_to_be_online_fails_at_once(self):
        """[CLT-1] [INST-2]"""
        with self.assertRaises(WaiterError) as caught:
            wait(AWS, "instance_online", InstanceIds=[self.always])
        self.assertEqual(caught.exception.last_response["Instances"][0]["Status"], "stopped")

    def test_deletion_by_the_waiter(self):
        """[CLT-1] [INST-4]"""
        for instance in (self.always, self.load, self.timer):
            AWS.delete_instance(InstanceId=instance)
            wait(AWS, "instance_terminated", InstanceIds=[instance])
            gone(AWS, instance)
        self.assertEqual(AWS.describe_instances(StackId=self.stack)["Instances"], [])

    def test_the_end(self):
        AWS.delete_user_profile(IamUserArn=self.user)
        self.assertNotIn(self.user, {p["IamUserArn"] for p in AWS.describe_user_profiles()["UserProfiles"]})
        AWS.deregister_ecs_cluster(EcsClusterArn=self.cluster)
        self.assertNotIn("EcsClusterArn", AWS.describe_layers(LayerIds=[self.layer])["Layers"][0]["Attributes"])
        AWS.delete_layer(LayerId=self.layer)
        AWS.delete_stack(StackId=self.stack)
        self.assertEqual(AWS.describe_stacks()["Stacks"], [])

    def test_every_action_has_answered(self):
        """Each of the model's actions has answered with 200 above, save the writers that are out of scope."""
        refused = {AWS.meta.method_to_api_mapping[call] for call in OUT_WRITERS("", "", "")}
        everything = set(AWS.meta.service_model.operation_names)
        self.assertEqual(sorted(everything - refused - set(CHECKER.called)), [], "actions that never answered with 200")
        self.assertEqual(sorted(refused & set(CHECKER.called)), [], "actions out of scope that answered with 200")


def OUT_WRITERS(stack, instance, database):
    """The seven writers of [SCP-1] that are out of scope, with arguments that the real service would have taken."""
    return {
        "create_app": {"StackId": stack, "Name": "shop", "Type": "other"},
        "delete_app": {"AppId": UNKNOWN},
        "deregister_rds_db_instance": {"RdsDbInstanceArn": database},
        "grant_access": {"InstanceId": instance},
        "register_rds_db_instance": {"StackId": stack, "RdsDbInstanceArn": database, "DbUser": "u", "DbPassword": "p"},
        "update_app": {"AppId": UNKNOWN, "Name": "shop"},
        "update_rds_db_instance": {"RdsDbInstanceArn": database, "DbUser": "u"},
    }


class Exceptions(Checked):
    """Errors arrive as the client's own exceptions. [WIRE-10] [WIRE-11]"""

    def test_unknown_ids(self):
        not_found = AWS.exceptions.ResourceNotFoundException
        for call, arguments, text in [
            (AWS.describe_stacks, {"StackIds": [UNKNOWN]}, f"Unable to find stack with ID {UNKNOWN}"),
            (AWS.describe_layers, {"LayerIds": [UNKNOWN]}, f"Unable to find layer with ID {UNKNOWN}"),
            (AWS.describe_instances, {"InstanceIds": [UNKNOWN]}, f"Unable to find instance with ID {UNKNOWN}"),
            (AWS.delete_stack, {"StackId": "not-even-a-uuid"}, "Unable to find stack with ID not-even-a-uuid"),
            (AWS.describe_ecs_clusters, {"EcsClusterArns": [WORLD["cluster_arns"][3]]}, WORLD["cluster_arns"][3]),
            (AWS.detach_elastic_load_balancer, {"ElasticLoadBalancerName": "lb", "LayerId": UNKNOWN}, UNKNOWN),
        ]:
            with self.subTest(call.__name__):
                answer = self.refused(not_found, text, call, **arguments)
                self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 400)
                self.assertEqual(answer["Error"]["Code"], "ResourceNotFoundException")
                self.assertRegex(answer["ResponseMetadata"]["RequestId"], UUID)

    def test_invalid_arguments(self):
        invalid = AWS.exceptions.ValidationException
        for call, arguments, text in [
            (AWS.describe_stacks, {"StackIds": []}, "Please provide no arguments or, one or more stack IDs"),
            (AWS.describe_layers, {}, "Please provide one or more layer IDs or a stack ID"),
            (AWS.describe_instances, {}, "Please provide either one or more instance IDs or one stack ID or one layer ID"),
            (AWS.describe_instances, {"StackId": UNKNOWN, "LayerId": UNKNOWN}, "Please provide either one or more instance IDs"),
            (AWS.create_stack, stack_arguments("x" * 65), "64"),
            (AWS.create_stack, stack_arguments("x", HostnameTheme="Dinosaurs"), "Dinosaurs"),
        ]:
            with self.subTest(call.__name__, arguments=arguments):
                self.assertEqual(self.refused(invalid, text, call, **arguments)["Error"]["Code"], "ValidationException")


class Wire(unittest.TestCase):
    """Requests that no SDK would send, by plain HTTP."""

    STACKS = "OpsWorks_20130218.DescribeStacks"

    def send(self, body=b"{}", target=STACKS, method="POST", content_type=CONTENT_TYPE, path="/", **headers):
        """Answers (status, headers in lower case, body)."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if target is not None:
            headers["X-Amz-Target"] = target
        if content_type is not None:
            headers["Content-Type"] = content_type
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(ENDPOINT).netloc, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def error(self, name, status=400, **request):
        found, headers, body = self.send(**request)
        self.assertEqual(found, status, body)
        answer = json.loads(body)
        self.assertEqual(set(answer), {"__type", "message"})
        self.assertEqual((answer["__type"], headers["x-amzn-errortype"]), (name, name))
        self.assertEqual(headers["content-type"], CONTENT_TYPE)
        self.assertRegex(headers["x-amzn-requestid"], UUID)
        return answer["message"]

    def works(self, **request):
        status, headers, body = self.send(**request)
        self.assertEqual((status, headers["content-type"]), (200, CONTENT_TYPE), body)
        return json.loads(body)

    def test_unknown_operations(self):
        """[WIRE-1] [WIRE-12]"""
        for target in (
            None,
            "",
            "OpsWorks_20130218.Nonsense",
            "OpsWorks_20130218.describestacks",
            "DynamoDB_20120810.ListTables",
        ):
            with self.subTest(target=target):
                self.error("UnknownOperationException", target=target)

    def test_any_path_will_do(self):
        """[WIRE-1]"""
        self.assertIn("Stacks", self.works(path="/some/base/path"))

    def test_an_empty_body_is_an_empty_object(self):
        """[WIRE-2]"""
        self.assertEqual(self.works(body=b""), self.works(body=b"{}"))

    def test_a_body_that_is_no_json_object(self):
        """[WIRE-4]"""
        for body in (
            b"{",
            b"nonsense",
            b"[]",
            b'"text"',
            b"null",
            b"1",
            b"{} {}",
            b'{"StackIds": [',
            b"\xff\xfe",
            b"[" * 100_000,
        ):
            with self.subTest(body=body[:20]):
                self.error("SerializationException", body=body)

    def test_members_of_the_wrong_type(self):
        """[WIRE-4]"""
        for body in (b'{"StackIds": "one"}', b'{"StackIds": [1]}', b'{"StackIds": {}}', b'{"StackIds": true}'):
            with self.subTest(body=body):
                self.error("SerializationException", body=body)
        limits = json.dumps({"LayerId": UNKNOWN, "UpScaling": {"InstanceCount": "2"}}).encode()
        self.error("SerializationException", body=limits, target="OpsWorks_20130218.SetLoadBasedAutoScaling")

    def test_a_missing_member_is_a_validation_error(self):
        """[WIRE-4]: the SDK would not send it, other clients do."""
        message = self.error("ValidationException", target="OpsWorks_20130218.DeleteStack")
        self.assertIn("StackId", message.replace(" ", ""))

    def test_unknown_members_and_nulls_are_ignored(self):
        """[WIRE-3]"""
        self.assertEqual(self.works(body=b'{"Nonsense": [1, {"a": 2}], "StackIds": null}'), self.works())

    def test_other_methods(self):
        """[WIRE-1]"""
        for method in ("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
            with self.subTest(method):
                status, _, body = self.send(method=method)
                self.assertIn(status, (400, 404, 405), body)

    def test_another_content_type(self):
        """[WIRE-1]"""
        self.assertIn("Stacks", self.works(content_type=CONTENT_TYPE + "; charset=utf-8"))
        # Our choice: what names none at all is taken for it.
        self.assertIn("Stacks", self.works(content_type=None))
        for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            with self.subTest(content_type):
                status, _, body = self.send(content_type=content_type)
                self.assertGreaterEqual(status, 400, body)
                self.assertLess(status, 500, body)

    def test_a_body_beyond_all_limits(self):
        """Refused with a 4xx, read or unread, and the server goes on."""
        huge = b'{"Nonsense": "' + b"x" * (7 * 1024 * 1024) + b'"}'
        try:
            status, _, body = self.send(body=huge)
            self.assertIn(status, (400, 413), body[:200])
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before the whole of it was sent
        self.assertIn("Stacks", self.works())

    def test_a_call_that_is_sent_again_is_answered_with_its_first_result(self):
        """[WIRE-15]"""
        body = json.dumps(stack_arguments("sent twice")).encode()
        target = "OpsWorks_20130218.CreateStack"
        request = {"body": body, "target": target, "amz_sdk_invocation_id": str(uuid.uuid4())}
        first, second = self.works(**request), self.works(**request)
        self.assertEqual(first, second)
        other = self.works(**{**request, "amz_sdk_invocation_id": str(uuid.uuid4())})
        self.assertNotEqual(first, other)
        for stack in (first, other):
            status, headers, rest = self.send(body=json.dumps(stack).encode(), target="OpsWorks_20130218.DeleteStack")
            self.assertEqual((status, rest, headers["content-type"]), (200, b"", CONTENT_TYPE))  # [WIRE-5]


class TheCheckerItself(unittest.TestCase):
    """The strict checker finds what it is there for: each answer below is wrong in one way."""

    def judged(self, action, body, status=200, **headers):
        from strict import judge

        usual = {"content-type": CONTENT_TYPE, "x-amzn-requestid": str(uuid.uuid4())}
        usual.update({name.replace("_", "-"): value for name, value in headers.items()})
        return judge(AWS.meta.service_model.operation_model(action), status, usual, body)

    def test_right_answers_pass(self):
        cluster = b'{"EcsClusters": [{"EcsClusterArn": "a", "RegisteredAt": "2026-01-02T03:04:05+00:00"}]}'
        self.assertEqual(self.judged("DescribeEcsClusters", cluster), [])
        self.assertEqual(self.judged("DeleteStack", b""), [])
        error = b'{"__type": "ValidationException", "message": "no"}'
        self.assertEqual(self.judged("DeleteStack", error, 400, x_amzn_errortype="ValidationException"), [])

    def test_wrong_answers_are_found(self):
        error = b'{"__type": "ValidationException", "message": "no"}'
        for what, action, body, rest in [
            ("no member of", "DescribeStacks", b'{"Stacks": [], "Extra": 1}', {}),
            ("expected a list", "DescribeStacks", b'{"Stacks": {}}', {}),
            ("is left out", "DescribeStacks", b"{}", {}),
            ("is not JSON", "DescribeStacks", b"", {}),
            ("stands twice", "DescribeStacks", b'{"Stacks": [], "Stacks": []}', {}),
            ("expected none", "DeleteStack", b"{}", {}),
            ("expected string", "DescribeStacks", b'{"Stacks": [{"Name": null}]}', {}),
            ("expected integer", "DescribeVolumes", b'{"Volumes": [{"Size": "8"}]}', {}),
            ("expected integer", "DescribeVolumes", b'{"Volumes": [{"Size": true}]}', {}),
            ("YYYY-MM-DD", "DescribeStacks", b'{"Stacks": [{"CreatedAt": "2026-01-02T03:04:05Z"}]}', {}),
            ("lower-case uuid", "CreateStack", b'{"StackId": "1"}', {}),
            ("expected one of", "DescribeLayers", b'{"Layers": [{"Type": "oracle"}]}', {}),
            ("no status", "DescribeInstances", b'{"Instances": [{"Status": "fine"}]}', {}),
            ("content-type", "DeleteStack", b"", {"content_type": "application/json"}),
            ("x-amzn-requestid", "DeleteStack", b"", {"x_amzn_requestid": "1"}),
            ("x-amzn-errortype", "DeleteStack", error, {"status": 400}),
            (
                "not among its errors",
                "DescribeOperatingSystems",
                error,
                {"status": 400, "x_amzn_errortype": "ValidationException"},
            ),
            ("expected 400", "DeleteStack", error, {"status": 500, "x_amzn_errortype": "ValidationException"}),
            (
                "no error of this API",
                "DeleteStack",
                b'{"__type": "Oops", "message": "no"}',
                {"status": 500, "x_amzn_errortype": "Oops"},
            ),
        ]:
            with self.subTest(what, body=body):
                self.assertIn(what, " / ".join(self.judged(action, body, **rest)))


if __name__ == "__main__":
    main()
