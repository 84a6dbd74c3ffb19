"""The servers that together are AWS for the end-to-end test, each on a free loopback port.

- ministack runs the functions' zips and has Lambda, EventBridge, Scheduler, SNS, SQS, DynamoDB with streams, S3, and IAM, which can
  simulate policies there and not in moto;
- moto has EC2, ELB in both versions, STS, and CloudWatch, whose alarms tell there since when they are in their state, and in ministack do not;
- Strata's own simulated cloud (`cloud-endpoint`) has ECS and SSM, and the machines' agents, which follow their power in moto;
- a front door does for the function URL what ministack leaves out: who the caller is.

Before each of the first three stands a recorder, and the functions only ever see that.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request

import boto3
from botocore.config import Config

import recorder

ACCOUNT = "123456789012"
REGION = "us-east-1"
# Whom a key is: moto and ministack take any.
USER_KEY = "AKIAIOSFODNN7EXAMPLE"
POLL_SECONDS = 0.2
START_SECONDS = 60
# Functions speak to a service under this name: which server has it.
SERVED_BY = {
    "DYNAMODB": "ministack", "EVENTBRIDGE": "ministack", "IAM": "ministack", "S3": "ministack", "SNS": "ministack",
    "CLOUDWATCH": "moto", "EC2": "moto", "ELB": "moto", "ELBV2": "moto", "STS": "moto",
    "ECS": "cloud", "SSM": "cloud",
}
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """The walk cannot go on; says what it waited for."""


def until(what, probe, seconds=60):
    """Polls `probe` until it answers something true, and answers that and how long it took."""
    begun = time.monotonic()
    last = None
    while time.monotonic() - begun < seconds:
        try:
            found = probe()
        except Exception as error:  # noqa: BLE001: whatever it is, it may pass; at the deadline it is told
            last, found = error, None
        if found:
            return found, time.monotonic() - begun
        time.sleep(POLL_SECONDS)
    raise Failed(f"after {seconds} s still not: {what}" + (f" (last error: {last})" if last else ""))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def dies_with_us():
    """Run in the child: it ends when we do, however that comes about."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def date_starts():
    """A machine that is started again has a new LaunchTime in EC2, and keeps its first one in moto; Strata tells a run that is left over
    from before a start by it."""
    from moto.core.utils import utcnow
    from moto.ec2.models.instances import Instance

    start = Instance.start

    def dated(machine):
        previous = start(machine)
        if previous.name != "running":
            machine.launch_time = utcnow()
        return previous

    Instance.start = dated


class World:
    """All servers; use it as a context, so that they stop."""

    def __init__(self, folder, cloud_program):
        self.folder = folder
        self.cloud_program = cloud_program
        self.processes = []
        self.recorders = {}
        self.direct = {}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.kill()
            process.wait()

    def start(self):
        date_starts()
        self.direct["moto"] = "http://{}:{}".format(*recorder.moto())
        self.direct["cloud"] = self.start_cloud()
        self.direct["ministack"] = self.start_ministack()
        for name, url in self.direct.items():
            host, port = url.removeprefix("http://").split(":")
            self.recorders[name] = recorder.serve(self.folder / name, (host, int(port)))
        threading.Thread(target=self.mirror_machines, daemon=True).start()

    def start_cloud(self):
        with (self.folder / "cloud.stderr").open("w") as stderr:
            process = subprocess.Popen(
                [self.cloud_program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, preexec_fn=dies_with_us
            )
        self.processes.append(process)
        line = process.stdout.readline().strip()
        if not line.startswith("listening on "):
            raise Failed(f"{self.cloud_program} ended before it listened; see {self.folder}/cloud.stderr")
        return line.removeprefix("listening on ")

    def start_ministack(self):
        port = free_port()
        log = (self.folder / "ministack.log").open("w")
        temporary = self.folder / "tmp"
        temporary.mkdir()
        environment = {
            **os.environ,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "STATE_DIR": str(self.folder / "state"),
            "TMPDIR": str(temporary),
            # The functions' credentials: ministack gives them the account as their key.
            "AWS_ACCESS_KEY_ID": ACCOUNT,
        }
        program = [os.sys.executable, "-m", "ministack"]
        process = subprocess.Popen(
            program, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_us, cwd=self.folder
        )
        self.processes.append(process)
        url = f"http://127.0.0.1:{port}"

        def healthy():
            if process.poll() is not None:
                raise SystemExit(f"ministack ended with {process.returncode}; see {self.folder}/ministack.log")
            with urllib.request.urlopen(f"{url}/_ministack/health", timeout=2) as answer:
                return answer.status == 200

        until("ministack is up", healthy, START_SECONDS)
        return url

    def endpoint(self, server):
        """The recorder before a server."""
        return f"http://127.0.0.1:{self.recorders[server].server_address[1]}"

    def endpoints(self):
        """Environment variables that put the servers together."""
        return {f"AWS_ENDPOINT_URL_{service}": self.endpoint(server) for service, server in SERVED_BY.items()}

    def client(self, service, server):
        """A client of our own, past the recorder: what the test does is not what is judged."""
        keys = {"aws_access_key_id": USER_KEY, "aws_secret_access_key": "secret"}
        config = Config(retries={"max_attempts": 1}, read_timeout=90, parameter_validation=True)
        return boto3.client(service, region_name=REGION, endpoint_url=self.direct[server], config=config, **keys)

    def mirror_machines(self):
        """Tells the simulated cloud what moto's EC2 runs, so that agents come and go with their machines."""
        ec2, told = self.client("ec2", "moto"), None
        while True:
            pages = ec2.get_paginator("describe_instances").paginate()
            machines = {
                instance["InstanceId"]: {
                    "state": instance["State"]["Name"],
                    "zone": instance["Placement"]["AvailabilityZone"],
                    "instance_type": instance["InstanceType"],
                }
                for page in pages
                for reservation in page["Reservations"]
                for instance in reservation["Instances"]
            }
            if machines != told:
                self.post_to_cloud("/_strata/machines", machines)
                told = machines
            time.sleep(POLL_SECONDS)

    def post_to_cloud(self, path, value):
        request = urllib.request.Request(self.direct["cloud"] + path, json.dumps(value).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def emissions(self):
        """What ECS, SSM and EC2's stand-in have told since the last look, in AWS's own form."""
        with urllib.request.urlopen(self.direct["cloud"] + "/_strata/emissions", timeout=10) as answer:
            return json.loads(answer.read())

    def books(self, name):
        """All recorders' lines of `requests.txt` or `complaints.txt`."""
        return [line for server in self.recorders for line in (self.folder / server / f"{name}.txt").read_text().splitlines()]
