"""What the scripts share: the server under test, clients of it, the AWS CLI, and waiting by the clients' own waiters.

`cargo xtask clients` starts a server for each script and sets the environment: AWS_ENDPOINT_URL_OPSWORKS, STRATA_WORLD (what
`strata sim world --json` says), STRATA_BINARY, and the dummy credentials. The scripts take nothing else from the machine.
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ENDPOINT = os.environ["AWS_ENDPOINT_URL_OPSWORKS"]
WORLD = json.loads(os.environ["STRATA_WORLD"])
BINARY = os.environ["STRATA_BINARY"]
REGION = "us-east-1"
ACCOUNT = WORLD["account_id"]
UNKNOWN = "00000000-0000-4000-8000-000000000000"
OS = "Amazon Linux 2023"
# The simulated world is hurried, so boto3's waiters need not poll every 15 s: 240 looks, half a second apart.
QUICK = {"Delay": 0.5, "MaxAttempts": 240}


def client(checker=None):
    """An OpsWorks client of boto3, as a user makes one; `checker` looks at every answer first."""
    import boto3

    made = boto3.client("opsworks")
    return checker.watch(made) if checker else made


def wait(client, name, **arguments):
    """The client's own waiter, only quicker."""
    client.get_waiter(name).wait(WaiterConfig=QUICK, **arguments)


def stack_arguments(name, **more):
    """CreateStack's required members, for this world."""
    return {
        "Name": name,
        "Region": REGION,
        "ServiceRoleArn": WORLD["service_role_arn"],
        "DefaultInstanceProfileArn": WORLD["instance_profile_arn"],
        **more,
    }


def layer_arguments(stack, cluster, **more):
    """CreateLayer for the stack's ECS Cluster layer."""
    return {
        "StackId": stack,
        "Type": "ecs-cluster",
        "Name": "ECS Cluster",
        "Shortname": "ecs-cluster",
        "Attributes": {"EcsClusterArn": cluster},
        **more,
    }


def far_weekday(created_at):
    """A weekday that is days away from a time the service told, so that a schedule for it starts nothing while a script runs."""
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    return days[(datetime.datetime.fromisoformat(created_at).weekday() + 3) % 7]


def until(look, is_there):
    """Looks again and again until `is_there` holds of what is seen; answers that."""
    for _ in range(QUICK["MaxAttempts"]):
        seen = look()
        if is_there(seen):
            return seen
        time.sleep(QUICK["Delay"])
    raise AssertionError(f"after {QUICK['MaxAttempts']} looks it is still {seen!r}")


def gone(client, instance):
    """Waits until the record is gone. The waiter `instance_terminated` already ends when it is `terminated` [INST-33]."""

    def status():
        try:
            return client.describe_instances(InstanceIds=[instance])["Instances"][0]["Status"]
        except client.exceptions.ResourceNotFoundException:
            return None

    until(status, lambda seen: seen is None)


class Cli:
    """The AWS CLI that is installed beside this Python."""

    def __init__(self, **environment):
        self.program = Path(sys.executable).parent / "aws"
        self.environment = {**os.environ, **environment}

    def run(self, *words, **options):
        """Runs `aws WORDS`; answers the finished process."""
        words = [str(word) for word in words]
        return subprocess.run(
            [self.program, *words], env=self.environment, capture_output=True, text=True, timeout=300, **options
        )

    def opsworks(self, command, /, **options):
        """Runs `aws opsworks COMMAND` with `options` as flags; answers the JSON that it printed, `None` if it printed nothing."""
        done = self.run("opsworks", command, *flags(options), "--output", "json")
        if done.returncode != 0:
            raise CliError(command, done)
        return json.loads(done.stdout) if done.stdout.strip() else None


class CliError(Exception):
    """The CLI ended with an error: its exit code and its text."""

    def __init__(self, command, done):
        super().__init__(f"aws opsworks {command}: exit code {done.returncode}: {done.stderr.strip()}")
        self.code = done.returncode
        self.text = done.stderr


def flags(options):
    """`layer_ids=["a", "b"]` is `--layer-ids a b`; dicts are JSON; `True` and `False` are `--flag` and `--no-flag`."""
    words = []
    for name, value in options.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
            continue
        words.append(f"--{flag}")
        if isinstance(value, list) and all(isinstance(element, str) for element in value):
            words += value
        else:
            words.append(json.dumps(value) if isinstance(value, (dict, list)) else str(value))
    return words


class Story(unittest.TestCase):
    """Tests of one class that build on each other, in the order in which they stand in the file.

    What a step leaves for later ones it keeps by `keep`; a step that needs what an earlier one failed to leave fails and says so.
    """

    kept = {}

    def __init_subclass__(cls, **rest):
        super().__init_subclass__(**rest)
        cls.kept = {}

    def shortDescription(self):
        return None  # the name says it; rule ids would only clutter the list

    def keep(self, **values):
        self.kept.update(values)

    def __getattr__(self, name):
        if name.startswith("_") or name not in self.kept:
            raise AttributeError(f"`{name}` is not there, because the step that makes it failed")
        return self.kept[name]


class InFileOrder(unittest.TestLoader):
    """Tests in the order in which they are written."""

    def getTestCaseNames(self, case):
        names = super().getTestCaseNames(case)
        order = list(case.__dict__)
        return sorted(names, key=lambda name: order.index(name) if name in order else -1)


def temporary_folder():
    """A folder that is gone when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="strata-clients-")
    _folders.append(folder)
    return Path(folder.name)


_folders = []


def main():
    """Runs the calling script's tests."""
    unittest.main(module="__main__", testLoader=InFileOrder(), verbosity=2)
