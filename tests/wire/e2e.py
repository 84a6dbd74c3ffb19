"""End to end on the wire: the six functions' zips, run as Lambda runs them, on servers that speak AWS's protocols.

    e2e.py FOLDER --programs FOLDER --clients PYTHON [--zips FOLDER] [--until STEP]

Each step is fired as AWS fires it, and waits until the world shows what it must, with a deadline. Every request that a function makes is
held against its service's own model. `cargo xtask e2e` runs this.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from deploy import ACCOUNT, FUNCTIONS, INSTALLATION, REGION, Deployment, zipped
from world import POLL_SECONDS, SERVED_BY, USER_KEY, Failed, World, until

AMI_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
SERVICE_ROLE = "aws-opsworks-service-role"
PROFILE = "aws-opsworks-ec2-role-with-ecs"
MODE = f"/{INSTALLATION}/mode"
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
# Long enough for a minute tick, and for a machine to come up after it.
SOON, MINUTES = 90, 240
# ThresholdsWaitTime, and a second.
WAIT_SECONDS = 61


class Walk:
    """The steps, in order; each leaves in `self` what later ones need."""

    def __init__(self, world, deployment, tools):
        self.world = world
        self.deployed = deployment
        self.tools = tools
        self.ec2 = world.client("ec2", "moto")
        self.ecs = world.client("ecs", "cloud")
        self.ssm = world.client("ssm", "cloud")
        self.pages = []
        self.told = []

    def steps(self):
        return [
            ("account", self.account),
            ("api", self.the_aws_cli_makes_a_layer),
            ("start", self.start_instance_brings_one_online),
            ("alarm", self.an_alarm_starts_load_based_instances),
            ("schedule", self.a_tick_starts_time_based_instances),
            ("heal", self.a_machine_that_somebody_stopped_is_healed),
            ("update", self.a_campaign_patches_a_host),
            ("teardown", self.a_teardown_takes_all_down),
        ]

    # what the steps ask with

    def aws(self, *words):
        """The AWS CLI 1.42.18, as a user types it."""
        program = pathlib.Path(self.tools.clients).parent / "aws"
        done = subprocess.run([program, *words, "--output", "json"], env=self.client_environment(), capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Failed(f"aws {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def boto(self, expression):
        """boto3 1.40.18: what `expression` is with `opsworks` a client."""
        code = f"import boto3, json; opsworks = boto3.client('opsworks'); print(json.dumps({expression}, default=str))"
        done = subprocess.run(
            [self.tools.clients, "-c", code], env=self.client_environment(), capture_output=True, text=True, timeout=120
        )
        if done.returncode:
            raise Failed(f"boto3: {expression}: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout)

    def client_environment(self):
        """Our service model, which signs for `lambda`, is installed where the clients look first."""
        return {
            **os.environ,
            "AWS_DATA_PATH": str(self.world.folder / "models"),
            "AWS_ENDPOINT_URL_OPSWORKS": self.deployed.url,
            "AWS_ACCESS_KEY_ID": USER_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
        }

    def instance(self, of):
        return self.boto(f"opsworks.describe_instances(InstanceIds=['{of}'])")["Instances"][0]

    def until_status(self, of, status, seconds=MINUTES):
        return until(f"instance {of} is {status}", lambda: (i := self.instance(of))["Status"] == status and i, seconds)

    def machines(self, *states):
        """Strata's machines in moto's EC2, by record."""
        tagged = [{"Name": "tag:strata:installation", "Values": [INSTALLATION]}]
        states = [{"Name": "instance-state-name", "Values": list(states or ["pending", "running", "stopping", "stopped"])}]
        found = {}
        for reservation in self.ec2.describe_instances(Filters=tagged + states)["Reservations"]:
            for machine in reservation["Instances"]:
                tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
                found[tags["strata:instance"]] = machine
        return found

    def container(self, ec2_id):
        """The container instance of a machine; `None`: it has none."""
        listed = self.ecs.list_container_instances(cluster=self.cluster, filter=f"ec2InstanceId == '{ec2_id}'")
        arns = listed["containerInstanceArns"]
        if not arns:
            return None
        return self.ecs.describe_container_instances(cluster=self.cluster, containerInstances=arns)["containerInstances"][0]

    def look_at_queue(self):
        for body in self.deployed.pages():
            message = json.loads(body["Message"])
            (self.told if message.get("source") == "opsworks" else self.pages).append({**body, "Message": message})

    def until_page(self, what, is_it, seconds=SOON):
        def probe():
            self.look_at_queue()
            return [page for page in self.pages if is_it(page)]

        return until(what, probe, seconds)

    def until_told(self, record, status, seconds=SOON):
        """The notification that an instance changed its status, from the queue that is subscribed to the topic."""

        def probe():
            self.look_at_queue()
            details = [told["Message"]["detail"] for told in self.told]
            return [d for d in details if d.get("instance-id") == record and d.get("status") == status]

        return until(f"a notification that {record} is {status}", probe, seconds)

    # the steps

    def account(self):
        """What an account has before Strata makes anything: network, roles, an image, a cluster with a service; and the mode."""
        # IAM is ministack's; moto's EC2 looks profiles up in moto's own.
        for server in ["ministack", "moto"]:
            self.make_roles(self.world.client("iam", server))
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.ssm.put_parameter(Name=AMI_PARAMETER, Value=image, Type="String")
        self.ssm.put_parameter(Name=MODE, Value="active", Type="String")
        self.cluster = self.ecs.create_cluster(clusterName="shop")["cluster"]["clusterArn"]
        self.ecs.create_service(cluster=self.cluster, serviceName="web", taskDefinition="web", desiredCount=2)
        models = {**os.environ, "AWS_DATA_PATH": str(self.world.folder / "models")}
        subprocess.run([self.tools.programs / "strata", "aws-model", "--install", "--signing-name", "lambda"], env=models, check=True, capture_output=True)

    def make_roles(self, iam):
        trust = json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}]})
        everything = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        for role in [SERVICE_ROLE, PROFILE]:
            iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName=SERVICE_ROLE, PolicyName="all", PolicyDocument=everything)
        iam.create_instance_profile(InstanceProfileName=PROFILE)
        iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=PROFILE)
        iam.create_user(UserName="alice")
        iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=everything)

    def the_aws_cli_makes_a_layer(self):
        self.stack = self.aws(
            "opsworks", "create-stack", "--name", "shop", "--stack-region", REGION,
            "--service-role-arn", f"arn:aws:iam::{ACCOUNT}:role/{SERVICE_ROLE}",
            "--default-instance-profile-arn", f"arn:aws:iam::{ACCOUNT}:instance-profile/{PROFILE}",
            "--default-os", "Amazon Linux 2023",
        )["StackId"]
        self.aws("opsworks", "register-ecs-cluster", "--ecs-cluster-arn", self.cluster, "--stack-id", self.stack)
        self.layer = self.aws(
            "opsworks", "create-layer", "--stack-id", self.stack, "--type", "ecs-cluster", "--name", "ECS Cluster",
            "--shortname", "ecs-cluster", "--attributes", f"EcsClusterArn={self.cluster}", "--enable-auto-healing",
        )["LayerId"]
        placed = ["--stack-id", self.stack, "--layer-ids", self.layer, "--instance-type", "m5.large"]
        make = lambda *more: self.aws("opsworks", "create-instance", *placed, *more)["InstanceId"]
        self.always = make()
        self.load = [make("--auto-scaling-type", "load"), make("--auto-scaling-type", "load")]
        self.timer = make("--auto-scaling-type", "timer")
        found = self.boto(f"opsworks.describe_instances(LayerId='{self.layer}')")["Instances"]
        if {i["Status"] for i in found} != {"stopped"} or len(found) != 4:
            raise Failed(f"four stopped instances, not {found}")
        return "stack, cluster, layer and four instances"

    def start_instance_brings_one_online(self):
        """StartInstance, the table's stream, RunInstances, Setup, the cluster."""
        self.aws("opsworks", "start-instance", "--instance-id", self.always)
        _, launched = until("it runs in EC2", lambda: self.machines("running").get(self.always), SOON)
        instance, took = self.until_status(self.always, "online")
        machine = self.machines("running")[self.always]
        if instance["Ec2InstanceId"] != machine["InstanceId"] or self.container(machine["InstanceId"])["status"] != "ACTIVE":
            raise Failed(f"online, but EC2 says {machine['InstanceId']} and ECS {self.container(machine['InstanceId'])}")
        return f"in EC2 after {launched:.1f} s, online {took:.1f} s later"

    def an_alarm_starts_load_based_instances(self):
        up = "InstanceCount=2,ThresholdsWaitTime=1,IgnoreMetricsTime=1,CpuThreshold=80"
        down = "InstanceCount=1,ThresholdsWaitTime=10,IgnoreMetricsTime=10,CpuThreshold=10"
        self.aws("opsworks", "set-load-based-auto-scaling", "--layer-id", self.layer, "--enable", "--up-scaling", up, "--down-scaling", down)
        cloudwatch = self.world.client("cloudwatch", "moto")

        def alarm():
            found = [a for a in cloudwatch.describe_alarms()["MetricAlarms"] if a["ComparisonOperator"] == "GreaterThanThreshold"]
            return next((a for a in found if a["Threshold"] == 80.0), None)

        set_at = time.monotonic()
        found, _ = until("the alarm stands in CloudWatch", alarm, SOON)
        # An alarm's wait begins anew when the thresholds are set; only after that its event is what starts them.
        until("the thresholds' wait is over", lambda: time.monotonic() - set_at > WAIT_SECONDS, 2 * WAIT_SECONDS)
        cloudwatch.set_alarm_state(AlarmName=found["AlarmName"], StateValue="ALARM", StateReason="the test says so")
        self.deployed.put_aws_event(alarm_event(found))
        begun = time.monotonic()
        _, launched = until("both run in EC2", lambda: set(self.load) <= set(self.machines("running")), SOON)
        for record in self.load:
            self.until_status(record, "online")
            self.until_told(record, "online")
        cloudwatch.set_alarm_state(AlarmName=found["AlarmName"], StateValue="OK", StateReason="the test says so")
        return f"alarm to EC2 {launched:.1f} s, to the notifications of both {time.monotonic() - begun:.1f} s"

    def a_tick_starts_time_based_instances(self):
        now = time.gmtime()
        hours = {str(hour % 24): "on" for hour in (now.tm_hour, now.tm_hour + 1)}
        schedule = {DAYS[now.tm_wday]: hours, DAYS[(now.tm_wday + 1) % 7]: hours}
        self.aws("opsworks", "set-time-based-auto-scaling", "--instance-id", self.timer, "--auto-scaling-schedule", json.dumps(schedule))
        _, launched = until("the minute tick has started it", lambda: self.timer in self.machines("running"), SOON)
        _, took = self.until_status(self.timer, "online")
        return f"tick and launch {launched:.1f} s, online {took:.1f} s later"

    def a_machine_that_somebody_stopped_is_healed(self):
        before = self.machines("running")[self.always]["InstanceId"]
        self.ec2.stop_instances(InstanceIds=[before])
        _, noticed = self.until_page("a page about it", lambda page: is_about(page, "auto-healing", "ecs-cluster1") and not is_resolved(page), MINUTES)
        until("it runs again", lambda: self.always in self.machines("running"), MINUTES)
        _, took = self.until_status(self.always, "online")
        self.until_page("the page that closes the incident", lambda page: is_about(page, "auto-healing", "ecs-cluster1") and is_resolved(page))
        return f"paged after {noticed:.1f} s, online again {took:.1f} s after that"

    def a_campaign_patches_a_host(self):
        self.deployed.put_request("Strata Campaign Request", {
            "verb": "start", "stack": "shop", "layer": "ecs-cluster", "reason": "end to end",
            "requested_by": f"arn:aws:iam::{ACCOUNT}:user/alice",
        })
        machine = self.machines("running")[self.always]["InstanceId"]
        updates = [{"key": "DocumentName", "value": f"{INSTALLATION}-Update"}]

        def patched():
            done = self.ssm.list_command_invocations(Filters=updates, InstanceId=machine)["CommandInvocations"]
            return any(one["Status"] == "Success" for one in done)

        def back():
            container = self.container(machine)
            return container and container["status"] == "ACTIVE" and container["agentConnected"]

        _, drained = until("it is drained for the update", lambda: self.container(machine)["status"] == "DRAINING", MINUTES)
        _, took = until("its update has succeeded", patched, MINUTES)
        _, returned = until("it is back in service", back, MINUTES)
        return f"drained after {drained:.1f} s, patched {took:.1f} s later, ACTIVE again {returned:.1f} s after that"

    def a_teardown_takes_all_down(self):
        machines = {machine["InstanceId"] for machine in self.machines().values()}
        self.deployed.put_request("Strata Teardown Request", {
            "verb": "start", "stack": "shop", "layer": "ecs-cluster", "confirm": "ECS Cluster", "delete_services": True,
            "delete_volumes": True, "delete_stack": False, "requested_by": f"arn:aws:iam::{ACCOUNT}:user/alice",
        })
        _, took = until("no machine is left", lambda: not self.machines(), 2 * MINUTES)
        until("no record is left", lambda: not self.boto(f"opsworks.describe_instances(StackId='{self.stack}')")["Instances"], MINUTES)
        left = self.ecs.list_container_instances(cluster=self.cluster)["containerInstanceArns"]
        if left:
            raise Failed(f"container instances are left: {left}")
        return f"{len(machines)} machines terminated in {took:.1f} s"


def alarm_event(alarm):
    """As CloudWatch sends it to EventBridge."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
    return {
        "version": "0", "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92", "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch", "account": ACCOUNT, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "region": REGION,
        "resources": [alarm["AlarmArn"]],
        "detail": {
            "alarmName": alarm["AlarmName"], "configuration": {"metrics": []},
            "previousState": {"value": "OK", "reason": "", "timestamp": now},
            "state": {"value": "ALARM", "reason": "the test says so", "timestamp": now},
        },
    }


def is_about(page, kind, host):
    text = json.dumps(page["Message"])
    return kind in text and host in text


def is_resolved(page):
    """The message's JSON, however it is laid out: an alarm in state OK, or `resolved`."""
    message = page["Message"]
    return message.get("NewStateValue") == "OK" or message.get("resolved") is True


def carry_emissions(world, deployment):
    """What the simulated cloud tells goes on the bus, as AWS's services put it there."""
    while True:
        for event in world.emissions():
            deployment.put_aws_event(event)
        time.sleep(POLL_SECONDS)


def run(world, deployment, tools):
    """Whether all steps passed; the first that fails is the last."""
    walk = Walk(world, deployment, tools)
    for called, step in walk.steps():
        begun = time.monotonic()
        try:
            result = step()
        except Exception as failure:  # noqa: BLE001: whatever went wrong is this step's
            print(f"  FAILED  {called:9} {time.monotonic() - begun:6.1f} s  {type(failure).__name__}: {failure}", flush=True)
            return False
        print(f"  passed  {called:9} {time.monotonic() - begun:6.1f} s  {result or ''}", flush=True)
        if called == tools.until:
            break
    return True


def verdict(world):
    """Whether no request was malformed; prints what was asked for."""
    requests, complaints = world.books("requests"), sorted(set(world.books("complaints")))
    operations = sorted(set(requests))
    print(f"\n{len(requests)} requests of the functions, {len(operations)} operations: {', '.join(operations)}")
    for complaint in complaints:
        print(f"malformed: {complaint}")
    return bool(requests) and not complaints


def packed(tools, program):
    """A function's zip."""
    if tools.zips:
        return tools.zips / program / "bootstrap.zip"
    return zipped(tools.programs / program, tools.folder / f"{program}.zip")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="holds strata, cloud-endpoint and the functions")
    parser.add_argument("--zips", type=pathlib.Path, help="as cargo-lambda packs them: <function>/bootstrap.zip")
    parser.add_argument("--clients", required=True, help="a Python with boto3 1.40.18 and the AWS CLI 1.42.18 beside it")
    parser.add_argument("--until", help="the last step to take")
    tools = parser.parse_args()
    zips = {function: packed(tools, function) for function in FUNCTIONS}
    if missing := [str(path) for path in zips.values() if not path.is_file()]:
        sys.exit(f"not there: {', '.join(missing)}")
    with World(tools.folder, tools.programs / "cloud-endpoint") as world:
        servers = ", ".join(f"{name} {url}" for name, url in world.direct.items())
        print(f"{servers}; {', '.join(f'{service.lower()} by {server}' for service, server in SERVED_BY.items())}", flush=True)
        deployment = Deployment(world, zips)
        deployment.make()
        threading.Thread(target=carry_emissions, args=(world, deployment), daemon=True).start()
        passed = run(world, deployment, tools)
        (tools.folder / "table.json").write_text(json.dumps(deployment.table(), indent=1))
        sound = verdict(world)
    if not passed:
        print(f"\nthe functions' own words stand in {tools.folder}/ministack.log, their records in table.json")
    sys.exit(0 if passed and sound else 1)


if __name__ == "__main__":
    main()
