"""The calls of Terraform's AWS provider v5, in its order and with its peculiarities: what it sends when nothing is set, what it reads
at once, and in which statuses it gives up. The provider itself is not needed; boto3 makes the same calls.

Rules: [CLT-2] [CLT-3] [CLT-4] [DSC-9] [INST-10] [INST-21] [INST-33] [ECS-94] [IAM-9] [PERM-16] [PERM-17] [TAG-1] [TAG-8]
[WIRE-3] [WIRE-7]
"""

import time

from strict import Checker
from support import ACCOUNT, OS, QUICK, REGION, UNKNOWN, WORLD, Story, client, main

CHECKER = Checker()
AWS = client(CHECKER)
NOT_FOUND = AWS.exceptions.ResourceNotFoundException
INVALID = AWS.exceptions.ValidationException


def wait_for(instance, pending, target):
    """As the provider waits: any status that is neither pending nor target is an error. `target` None: until it is gone."""
    seen = []
    for _ in range(10 * QUICK["MaxAttempts"]):
        try:
            status = AWS.describe_instances(InstanceIds=[instance])["Instances"][0]["Status"]
        except NOT_FOUND:
            status = None
        if status not in seen:
            seen.append(status)
        if status == target:
            return seen
        if status not in pending:
            raise AssertionError(f"unexpected status {status!r} on the way to {target!r}: {seen}")
        time.sleep(0.05)
    raise AssertionError(f"still {status!r}, expected {target!r}: {seen}")


def started(instance):
    AWS.start_instance(InstanceId=instance)
    return wait_for(instance, {"requested", "pending", "booting", "running_setup"}, "online")


def stopped(instance):
    AWS.stop_instance(InstanceId=instance)
    return wait_for(instance, {"stopping", "terminating", "shutting_down", "terminated"}, "stopped")


def deleted(instance):
    AWS.delete_instance(InstanceId=instance, DeleteElasticIp=True, DeleteVolumes=True)
    return wait_for(instance, {"stopped", "terminating", "terminated"}, None)


def read_stack(stack):
    """DescribeStacks, on "not found" once more against us-east-1, then ListTags with the stack's own ARN."""
    try:
        found = AWS.describe_stacks(StackIds=[stack])["Stacks"][0]
    except NOT_FOUND:
        try:
            found = client(CHECKER).describe_stacks(StackIds=[stack])["Stacks"][0]
        except NOT_FOUND:
            return None
    return {**found, "tags": AWS.list_tags(ResourceArn=found["Arn"])["Tags"]}


def update_stack(stack, **more):
    """Every member, unset ones as empty texts and empty maps."""
    AWS.update_stack(
        **{
            "StackId": stack,
            "Name": "tf",
            "CustomJson": "",
            "DefaultInstanceProfileArn": WORLD["instance_profile_arn"],
            "DefaultRootDeviceType": "ebs",
            "DefaultSshKeyName": "",
            "ServiceRoleArn": WORLD["service_role_arn"],
            "UseCustomCookbooks": False,
            "UseOpsworksSecurityGroups": True,
            "Attributes": {},
            "DefaultOs": OS,
            "HostnameTheme": "Layer_Dependent",
            "ChefConfiguration": {"BerkshelfVersion": "3.2.0", "ManageBerkshelf": False},
            "ConfigurationManager": {"Name": "Chef", "Version": "11.10"},
            **more,
        }
    )


def read_layer(layer):
    """What the provider reads of a layer, in its order; `None` when it is gone."""
    try:
        found = AWS.describe_layers(LayerIds=[layer])["Layers"]
    except NOT_FOUND:
        return None
    balancers = AWS.describe_elastic_load_balancers(LayerIds=[layer])["ElasticLoadBalancers"]
    scaling = AWS.describe_load_based_auto_scaling(LayerIds=[layer])["LoadBasedAutoScalingConfigurations"]
    tags = AWS.list_tags(ResourceArn=found[0]["Arn"])["Tags"]
    return {**found[0], "balancers": [b["ElasticLoadBalancerName"] for b in balancers], "scaling": scaling, "tags": tags}


def layer_arguments(stack, **more):
    """What the provider always sends with CreateLayer."""
    return {
        "StackId": stack,
        "Attributes": {},
        "AutoAssignElasticIps": False,
        "AutoAssignPublicIps": False,
        "CustomRecipes": {},
        "EnableAutoHealing": True,
        "InstallUpdatesOnBoot": True,
        "LifecycleEventConfiguration": {"Shutdown": {"DelayUntilElbConnectionsDrained": True, "ExecutionTimeout": 120}},
        "UseEbsOptimizedInstances": False,
        **more,
    }


class Apply(Story):
    """`terraform apply`, again with changes, and `terraform destroy`."""

    def tearDown(self):
        CHECKER.assert_clean()

    def test_stack_create(self):
        """[CLT-2] [WIRE-3]"""
        stack = AWS.create_stack(
            DefaultInstanceProfileArn=WORLD["instance_profile_arn"],
            Name="tf",
            Region=REGION,
            ServiceRoleArn=WORLD["service_role_arn"],
            DefaultOs=OS,
            UseOpsworksSecurityGroups=True,
            ConfigurationManager={"Name": "Chef", "Version": "11.10"},
            VpcId=WORLD["vpc_id"],
            DefaultSubnetId=WORLD["subnet_ids"][1],
            DefaultRootDeviceType="ebs",
        )["StackId"]
        self.keep(stack=stack, stack_arn=f"arn:aws:opsworks:{REGION}:{ACCOUNT}:stack/{stack}/")
        update_stack(stack, DefaultSubnetId=WORLD["subnet_ids"][1])
        AWS.tag_resource(ResourceArn=self.stack_arn, Tags={"Name": "tf", "team": "web"})
        found = read_stack(stack)
        self.assertEqual(found["Arn"], self.stack_arn)
        self.assertEqual(found["VpcId"], WORLD["vpc_id"])
        self.assertEqual(found["DefaultSubnetId"], WORLD["subnet_ids"][1])
        self.assertEqual(found["ConfigurationManager"], {"Name": "Chef", "Version": "11.10"})
        self.assertEqual(found["ChefConfiguration"], {"BerkshelfVersion": "3.2.0", "ManageBerkshelf": False})
        self.assertEqual(found["tags"], {"Name": "tf", "team": "web"})
        for unset in ("CustomJson", "DefaultSshKeyName", "CustomCookbooksSource"):
            self.assertFalse(found.get(unset), f"{unset} was never set")

    def test_stack_update(self):
        """[CLT-2] [WIRE-7]: the service role is sent again; a change of tags is UntagResource and TagResource."""
        source = {
            "Type": "git",
            "Url": "https://example.com/c.git",
            "Username": "",
            "Password": "secret",
            "Revision": "",
            "SshKey": "",
        }
        update_stack(
            self.stack,
            Name="tf 2",
            CustomJson='{"a":1}',
            Attributes={"Color": "rgb(1, 2, 3)"},
            UseCustomCookbooks=True,
            CustomCookbooksSource=source,
        )
        AWS.untag_resource(ResourceArn=self.stack_arn, TagKeys=["team"])
        found = read_stack(self.stack)
        self.assertEqual((found["Name"], found["CustomJson"], found["tags"]), ("tf 2", '{"a":1}', {"Name": "tf"}))
        self.assertEqual(found["Attributes"], {"Color": "rgb(1, 2, 3)"})
        self.assertEqual(found["CustomCookbooksSource"]["Password"], "*****FILTERED*****")
        update_stack(self.stack)
        found = read_stack(self.stack)
        self.assertEqual(
            (found["Name"], found.get("CustomJson", ""), found["DefaultSubnetId"]), ("tf", "", WORLD["subnet_ids"][1])
        )

    def test_a_service_role_that_cannot_be_assumed(self):
        """[IAM-9] [CLT-2]: the provider tries again for 20 minutes, but only on these texts."""
        with self.assertRaises(INVALID) as caught:
            AWS.create_stack(
                Name="tf",
                Region=REGION,
                ServiceRoleArn=f"arn:aws:iam::{ACCOUNT}:role/not-there-yet",
                DefaultInstanceProfileArn=WORLD["instance_profile_arn"],
            )
        text = caught.exception.response["Error"]["Message"]
        known = ("not yet propagated", "not the necessary trust relationship", "validate IAM role permission")
        self.assertTrue(any(part in text for part in known), text)

    def test_user_profile_and_permission(self):
        """[PERM-16] [PERM-17]: SetPermission is tried again on this text, until the profile is there."""
        user = WORLD["user_arns"][1]
        with self.assertRaises(NOT_FOUND) as caught:
            AWS.set_permission(StackId=self.stack, IamUserArn=user, AllowSudo=False, AllowSsh=True)
        self.assertIn("Unable to find user with ARN", caught.exception.response["Error"]["Message"])
        profile = {"IamUserArn": user, "AllowSelfManagement": False, "SshPublicKey": "", "SshUsername": "bob"}
        self.assertEqual(AWS.create_user_profile(**profile)["IamUserArn"], user)
        AWS.update_user_profile(**profile)
        found = AWS.describe_user_profiles(IamUserArns=[user])["UserProfiles"][0]
        self.assertEqual((found["SshUsername"], found["AllowSelfManagement"], found.get("SshPublicKey", "")), ("bob", False, ""))
        AWS.set_permission(StackId=self.stack, IamUserArn=user, AllowSudo=False, AllowSsh=True, Level="deploy")
        AWS.set_permission(StackId=self.stack, IamUserArn=user, AllowSudo=True, AllowSsh=True)
        expected = {"StackId": self.stack, "IamUserArn": user, "AllowSsh": True, "AllowSudo": True, "Level": "deploy"}
        self.assertEqual(AWS.describe_permissions(IamUserArn=user, StackId=self.stack)["Permissions"], [expected])
        self.keep(user=user)

    def test_ecs_cluster_layer_create(self):
        """[CLT-3]: a layer whose load scaling was never set answers DescribeLoadBasedAutoScaling all the same."""
        cluster = WORLD["cluster_arns"][1]
        AWS.register_ecs_cluster(EcsClusterArn=cluster, StackId=self.stack)
        named = {"Name": "Ecs Cluster", "Type": "ecs-cluster", "Shortname": "ecs-cluster"}
        attributes = {"EcsClusterArn": cluster}
        layer = AWS.create_layer(**layer_arguments(self.stack, **named, Attributes=attributes))["LayerId"]
        self.keep(cluster=cluster, layer=layer)
        found = read_layer(layer)
        self.assertEqual(found["Attributes"]["EcsClusterArn"], cluster)
        self.assertEqual((found["balancers"], found["tags"]), ([], {"Name": "tf"}))
        self.assertEqual([(s["LayerId"], s["Enable"]) for s in found["scaling"]], [(layer, False)])
        self.assertEqual(
            (found["AutoAssignPublicIps"], found["AutoAssignElasticIps"], found["EnableAutoHealing"]), (False, False, True)
        )
        shutdown = found["LifecycleEventConfiguration"]["Shutdown"]
        self.assertEqual(shutdown, {"ExecutionTimeout": 120, "DelayUntilElbConnectionsDrained": True})

    def test_ecs_cluster_layer_with_everything_configured(self):
        """[CLT-3] [TAG-1] [TAG-8]: load balancer, scaling and tags, each by a call of its own."""
        AWS.attach_elastic_load_balancer(ElasticLoadBalancerName=WORLD["load_balancers"][0], LayerId=self.layer)
        up = {"InstanceCount": 1, "ThresholdsWaitTime": 5, "IgnoreMetricsTime": 5, "CpuThreshold": 80.0}
        down = {"InstanceCount": 1, "ThresholdsWaitTime": 10, "IgnoreMetricsTime": 10, "CpuThreshold": 30.0}
        AWS.set_load_based_auto_scaling(LayerId=self.layer, Enable=True, UpScaling=up, DownScaling=down)
        arn = AWS.describe_layers(LayerIds=[self.layer])["Layers"][0]["Arn"]
        AWS.tag_resource(ResourceArn=arn, Tags={"stage": "test"})
        found = read_layer(self.layer)
        self.assertEqual((found["balancers"], found["tags"]), ([WORLD["load_balancers"][0]], {"Name": "tf", "stage": "test"}))
        scaling = found["scaling"][0]
        self.assertEqual(
            (scaling["Enable"], scaling["UpScaling"]["CpuThreshold"], scaling["DownScaling"]["ThresholdsWaitTime"]),
            (True, 80.0, 10),
        )

    def test_ecs_cluster_layer_update(self):
        """Only what has changed is sent; a load balancer is changed by detach and attach."""
        AWS.update_layer(LayerId=self.layer, CustomJson='{"b":2}', CustomRecipes={"Setup": ["app::setup"]}, Packages=["jq"])
        AWS.detach_elastic_load_balancer(ElasticLoadBalancerName=WORLD["load_balancers"][0], LayerId=self.layer)
        AWS.attach_elastic_load_balancer(ElasticLoadBalancerName=WORLD["load_balancers"][1], LayerId=self.layer)
        found = read_layer(self.layer)
        self.assertEqual(
            (found["CustomJson"], found["CustomRecipes"]["Setup"], found["Packages"]), ('{"b":2}', ["app::setup"], ["jq"])
        )
        self.assertEqual((found["balancers"], found["Name"]), ([WORLD["load_balancers"][1]], "Ecs Cluster"))
        AWS.update_layer(LayerId=self.layer, CustomJson="", CustomRecipes={"Setup": []}, Packages=[])
        found = read_layer(self.layer)
        self.assertEqual((found.get("CustomJson", ""), found["CustomRecipes"]["Setup"], found["Packages"]), ("", [], []))

    def test_custom_layer(self):
        arguments = layer_arguments(self.stack, Name="Workers", Shortname="workers", Type="custom")
        custom = AWS.create_layer(**arguments)["LayerId"]
        self.keep(custom=custom)
        found = read_layer(custom)
        self.assertEqual((found["Type"], found["Shortname"], found["Attributes"]), ("custom", "workers", {}))
        AWS.update_layer(LayerId=custom, Name="Workers 2", Shortname="workers2")
        self.assertEqual((read_layer(custom)["Name"], read_layer(custom)["Shortname"]), ("Workers 2", "workers2"))

    def test_instance_create_and_start(self):
        """[CLT-4] [INST-10]: started, and in no status on the way that the provider does not know."""
        instance = AWS.create_instance(
            AgentVersion="INHERIT",
            Architecture="x86_64",
            EbsOptimized=False,
            InstallUpdatesOnBoot=True,
            InstanceType="m5.large",
            LayerIds=[self.layer],
            StackId=self.stack,
        )["InstanceId"]
        self.keep(instance=instance)
        seen = started(instance)
        self.assertEqual(seen[-1], "online")
        order = ["requested", "pending", "booting", "running_setup", "online"]
        self.assertEqual(seen, sorted(seen, key=order.index))
        found = AWS.describe_instances(InstanceIds=[instance])["Instances"][0]
        self.assertIsInstance(found["ReportedOs"], dict)
        self.assertEqual(found["SubnetId"], WORLD["subnet_ids"][1])
        self.assertEqual((found["Os"], found["InstallUpdatesOnBoot"], found["EbsOptimized"]), (OS, True, False))

    def test_instance_update(self):
        """[CLT-4]: the provider stops it first, and sends what is unchanged again, Os among it."""
        seen = stopped(self.instance)
        self.assertEqual(seen, sorted(seen, key=["stopping", "shutting_down", "stopped"].index))
        found = AWS.describe_instances(InstanceIds=[self.instance])["Instances"][0]
        AWS.update_instance(
            InstanceId=self.instance,
            AgentVersion=found["AgentVersion"],
            Architecture=found["Architecture"],
            InstallUpdatesOnBoot=found["InstallUpdatesOnBoot"],
            Hostname=found["Hostname"],
            InstanceType="m5.xlarge",
            LayerIds=found["LayerIds"],
            Os=found["Os"],
        )
        changed = AWS.describe_instances(InstanceIds=[self.instance])["Instances"][0]
        self.assertEqual((changed["InstanceType"], changed["Hostname"]), ("m5.xlarge", found["Hostname"]))

    def test_instance_with_an_image_of_its_own(self):
        """[CLT-4]: AmiId and Os `Custom` are sent again, unchanged."""
        image = {"AmiId": "ami-0123456789abcdef0", "Os": "Custom"}
        placed = {"StackId": self.stack, "LayerIds": [self.custom], "InstanceType": "m5.large"}
        instance = AWS.create_instance(**placed, **image, RootDeviceType="ebs")["InstanceId"]
        AWS.update_instance(InstanceId=instance, InstanceType="m5.xlarge", LayerIds=[self.custom], **image)
        found = AWS.describe_instances(InstanceIds=[instance])["Instances"][0]
        self.assertEqual((found["AmiId"], found["Os"], found["InstanceType"]), (image["AmiId"], "Custom", "m5.xlarge"))
        deleted(instance)

    def test_instance_delete(self):
        """[CLT-4] [INST-33]: gone within the provider's patience, by statuses that it knows."""
        seen = deleted(self.instance)
        self.assertIsNone(seen[-1])
        self.assertEqual(AWS.describe_instances(StackId=self.stack)["Instances"], [])

    def test_an_instance_store_instance_goes_its_own_way_down(self):
        """[CLT-4] [INST-21]"""
        placed = {"StackId": self.stack, "LayerIds": [self.layer], "InstanceType": "m5.large"}
        instance = AWS.create_instance(**placed, RootDeviceType="instance-store")["InstanceId"]
        started(instance)
        seen = stopped(instance)
        order = ["terminating", "shutting_down", "terminated", "stopped"]
        self.assertEqual(seen, sorted(seen, key=order.index))
        deleted(instance)

    def test_user_profile_delete(self):
        AWS.delete_user_profile(IamUserArn=self.user)
        with self.assertRaises(NOT_FOUND):
            AWS.describe_user_profiles(IamUserArns=[self.user])

    def test_layer_delete(self):
        """[CLT-3] [ECS-94]: the layer goes first, then the cluster is deregistered; that is the reverse of the guide's order."""
        AWS.delete_layer(LayerId=self.layer)
        AWS.deregister_ecs_cluster(EcsClusterArn=self.cluster)
        self.assertIsNone(read_layer(self.layer))
        self.assertEqual(AWS.describe_ecs_clusters(StackId=self.stack)["EcsClusters"], [])
        AWS.delete_layer(LayerId=self.custom)
        self.assertIsNone(read_layer(self.custom))

    def test_stack_delete(self):
        """[DSC-9]: a read right after the deletion sees it, and that is how a refresh finds out."""
        AWS.delete_stack(StackId=self.stack)
        self.assertIsNone(read_stack(self.stack))
        self.assertIsNone(read_stack(UNKNOWN))


if __name__ == "__main__":
    main()
