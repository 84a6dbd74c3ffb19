"""`aws opsworks register` of the AWS CLI 1.42.18, unchanged, up to the moment at which it would run our installer as root.

The command asks OpsWorks, IAM and EC2, then has a shell on the machine to be registered fetch and unpack the agent's installer, write
its `preconfig`, and run `boot-registration` by sudo. Here IAM and EC2 are a small server that answers as AWS does, the machine is this
one, and `sudo` is a program that keeps what it was given instead of running it. So everything up to root's part is real.

Rules: [CLT-5] [REG-10] [REG-11] [REG-12] [INST-5]
"""

import http.server
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
import threading
import urllib.parse

from strict import Checker
from support import (
    ENDPOINT,
    REGION,
    UNKNOWN,
    WORLD,
    Cli,
    Story,
    client,
    layer_arguments,
    main,
    stack_arguments,
    temporary_folder,
    wait,
)

CHECKER = Checker()
AWS = client(CHECKER)
# [CLT-5]
PARAMETERS = {
    "agent_installer_base_url", "agent_installer_tgz", "assets_download_bucket", "charlie_public_key",
    "instance_service_endpoint", "instance_service_port", "instance_service_region", "instance_service_ssl_verify_peer",
    "instance_service_use_ssl", "ops_works_endpoint", "ops_works_port", "ops_works_region", "ops_works_ssl_verify_peer",
    "ops_works_use_ssl", "verbose", "wait_between_runs",
}  # fmt: skip
HOST = "i-0123456789abcdef0"
ADDRESS = "198.51.100.7"


# Keeps its arguments and the folder that they name, then removes that as root's shell would have done.
SUDO = r"""printf '%s\n' "$@" >{folder}/sudo-arguments
unpacked=$(printf '%s' "$3" | sed -n 's|.* \(/tmp/opsworks-agent-installer[.][A-Za-z0-9]*\)/.*|\1|p')
cp -R "$unpacked"/. {folder}/kept/ && rm -rf "$unpacked"
"""
# Keeps its arguments and runs the last of them here.
SSH = r"""printf '%s\n' "$@" >{folder}/ssh-arguments
for last in "$@"; do :; done
exec /bin/sh -c "$last"
"""


class Account(http.server.BaseHTTPRequestHandler):
    """IAM and EC2, as far as `register` asks them: a user may be created, one instance may be found. Keeps all calls."""

    calls = []
    taken_names = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        call = dict(urllib.parse.parse_qsl(body))
        self.calls.append(call)
        status, answer = self.answer(call)
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def answer(self, call):
        action = call["Action"]
        if action == "DescribeInstances":
            addresses = f"<privateIpAddress>10.0.0.7</privateIpAddress><ipAddress>{ADDRESS}</ipAddress>"
            hosts = f"<instancesSet><item><instanceId>{HOST}</instanceId>{addresses}</item></instancesSet>"
            reservations = f"<reservationSet><item>{hosts}</item></reservationSet>"
            return (
                200,
                f"<DescribeInstancesResponse>{reservations}</DescribeInstancesResponse>",
            )
        if action == "CreateUser" and Account.taken_names > 0:
            Account.taken_names -= 1
            error = "<Error><Type>Sender</Type><Code>EntityAlreadyExists</Code><Message>taken</Message></Error>"
            return 409, f"<ErrorResponse>{error}</ErrorResponse>"
        result = ""
        if action == "CreateAccessKey":
            key = "<AccessKeyId>AKIAHOST</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><Status>Active</Status>"
            result = f"<AccessKey><UserName>{call['UserName']}</UserName>{key}</AccessKey>"
        return 200, f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"

    def log_message(self, *_):
        pass


class Machine:
    """The machine to be registered: `ssh` runs its commands here, `sudo` keeps what it was to run and the installer's folder."""

    def __init__(self):
        self.folder = temporary_folder()
        self.programs = self.folder / "bin"
        self.programs.mkdir()
        self.program("sudo", SUDO.format(folder=self.folder))
        self.program("ssh", SSH.format(folder=self.folder))
        if not shutil.which("curl"):
            # A machine without curl cannot be registered by this command, but it can run this test.
            fetch = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[-1]).read())"
            self.program("curl", f'exec {sys.executable} -c "{fetch}" "$@"')

    def program(self, name, script):
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def register(self, *words):
        """Runs `aws opsworks register WORDS` with this machine's programs first."""
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        (self.folder / "kept").mkdir()
        Account.calls.clear()
        path = f"{self.programs}:{os.environ['PATH']}"
        cli = Cli(PATH=path, AWS_ENDPOINT_URL_IAM=ACCOUNT_URL, AWS_ENDPOINT_URL_EC2=ACCOUNT_URL)
        return cli.run("opsworks", "register", *words)

    def sudo_arguments(self):
        return (self.folder / "sudo-arguments").read_text().splitlines()

    def preconfig(self):
        """The lines `:key: <json>` that the installer reads. [REG-11]"""
        lines = (self.folder / "kept/opsworks-agent-installer/preconfig").read_text().splitlines()
        pairs = [line.split(": ", 1) for line in lines]
        assert [key for key, _ in pairs] == sorted(key for key, _ in pairs), lines
        return {key.removeprefix(":"): json.loads(value) for key, value in pairs}


SERVER = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Account)
ACCOUNT_URL = f"http://127.0.0.1:{SERVER.server_port}"


class Register(Story):
    @classmethod
    def setUpClass(cls):
        threading.Thread(target=SERVER.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        SERVER.shutdown()
        SERVER.server_close()

    def tearDown(self):
        CHECKER.assert_clean()

    def test_what_the_command_needs_of_the_stack(self):
        """[CLT-5] [REG-11]"""
        stack = AWS.create_stack(**stack_arguments("to register with"))["StackId"]
        self.keep(stack=stack, machine=Machine())
        provisioning = AWS.describe_stack_provisioning_parameters(StackId=stack)
        self.assertEqual(set(provisioning["Parameters"]), PARAMETERS)
        self.assertEqual(provisioning["Parameters"]["ops_works_region"], REGION)
        self.assertTrue(provisioning["AgentInstallerUrl"].startswith(("http://", "https://")), provisioning["AgentInstallerUrl"])
        self.keep(parameters=provisioning["Parameters"])

    def check_installer(self):
        """[REG-11]: an executable `boot-registration` that a shell can at least read, called by root's shell."""
        installer = self.machine.folder / "kept/opsworks-agent-installer/boot-registration"
        self.assertTrue(installer.stat().st_mode & stat.S_IXUSR, "boot-registration is executable")
        first = installer.read_text().splitlines()[0]
        self.assertTrue(first.startswith("#!"), first)
        if "sh" in first:
            read = subprocess.run([*shlex.split(first[2:]), "-n", installer], capture_output=True, text=True)
            self.assertEqual((read.returncode, read.stderr), (0, ""))
        arguments = self.machine.sudo_arguments()
        self.assertEqual(arguments[:2], ["/bin/sh", "-c"])
        self.assertIn(f"OPSWORKS_ASSETS_DOWNLOAD_BUCKET={self.parameters['assets_download_bucket']}", arguments[2])
        self.assertIn("opsworks-agent-installer/boot-registration; rm -rf", arguments[2])

    def test_this_machine_on_premises(self):
        """[REG-10] [REG-11]: --local with all overrides."""
        words = ["--infrastructure-class", "on-premises", "--local", "--override-hostname", "metal1"]
        words += ["--override-private-ip", "10.0.0.7", "--override-public-ip", ADDRESS]
        done = self.machine.register("--stack-id", self.stack, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_installer()
        overrides = {"hostname": "metal1", "private_ip": "10.0.0.7", "public_ip": ADDRESS}
        keys = {"access_key_id": "AKIAHOST", "secret_access_key": "secret"}
        self.assertEqual(
            self.machine.preconfig(), {"stack_id": self.stack, **self.parameters, **keys, **overrides, "import": False}
        )
        actions = [call["Action"] for call in Account.calls]
        self.assertEqual(actions, ["CreateGroup", "CreateUser", "AddUserToGroup", "AttachUserPolicy", "CreateAccessKey"])
        self.assertEqual({call.get("Path", "/AWS/OpsWorks/") for call in Account.calls}, {"/AWS/OpsWorks/"})
        self.assertEqual(Account.calls[1]["UserName"], "OpsWorks-to-register-with-metal1")

    def test_a_machine_over_ssh(self):
        """[REG-10]: the shell's words go through ssh, and a taken user name gets a number."""
        Account.taken_names = 1
        done = self.machine.register(
            "--stack-id", self.stack, "--infrastructure-class", "on-premises", "--ssh-username", "ada", ADDRESS
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_installer()
        arguments = (self.machine.folder / "ssh-arguments").read_text().splitlines()
        self.assertEqual(arguments[:4], ["-tt", "-l", "ada", ADDRESS])
        self.assertFalse(self.machine.preconfig()["import"])
        self.assertEqual(Account.calls[2]["UserName"], f"OpsWorks-to-register-with-{ADDRESS}+1")

    def test_an_ec2_instance(self):
        """[REG-10]: looked for in the stack's own VPC; with an instance profile IAM is not asked."""
        done = self.machine.register("--stack-id", self.stack, "--infrastructure-class", "ec2", "--use-instance-profile", HOST)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_installer()
        self.assertEqual([call["Action"] for call in Account.calls], ["DescribeInstances"])
        call = Account.calls[0]
        self.assertEqual((call["Filter.1.Name"], call["Filter.1.Value.1"]), ("vpc-id", WORLD["vpc_id"]))
        self.assertEqual(call["InstanceId.1"], HOST)
        self.assertEqual(self.machine.preconfig(), {"stack_id": self.stack, **self.parameters, "import": True})

    def test_a_host_name_that_is_taken(self):
        """[REG-10]: --override-hostname is compared with the stack's instances before anything is done."""
        cluster = WORLD["cluster_arns"][0]
        AWS.register_ecs_cluster(EcsClusterArn=cluster, StackId=self.stack)
        layer = AWS.create_layer(**layer_arguments(self.stack, cluster))["LayerId"]
        AWS.create_instance(StackId=self.stack, LayerIds=[layer], InstanceType="m5.large", Hostname="taken")
        words = ["--infrastructure-class", "on-premises", "--local", "--override-hostname", "Taken"]
        done = self.machine.register("--stack-id", self.stack, *words)
        self.assertIn("Hostnames must be unique within a stack", done.stderr.replace("\n", " "))
        self.assertEqual(Account.calls, [])

    def test_arguments_that_do_not_go_together(self):
        """[REG-12]"""
        metal, ec2 = ["--infrastructure-class", "on-premises"], ["--infrastructure-class", "ec2"]
        for words, text in [
            (metal, "One of target or --local is required"),
            ([*metal, "--local", ADDRESS], "target and --local are mutually exclusive"),
            ([*metal, "--override-ssh", "ssh", "--ssh-username", "ada", ADDRESS], "--override-ssh cannot be used together with"),
            ([*ec2, "--override-private-ip", "10.0.0.7", HOST], "--override-private-ip is not supported for EC2"),
            ([*ec2, "--override-public-ip", ADDRESS, HOST], "--override-public-ip is not supported for EC2"),
            ([*metal, "--use-instance-profile", "--local"], "--use-instance-profile is only supported for EC2"),
        ]:
            with self.subTest(text):
                done = self.machine.register("--stack-id", self.stack, *words)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(text, done.stderr)
                self.assertEqual(Account.calls, [])

    def test_an_unknown_stack(self):
        done = self.machine.register("--stack-id", UNKNOWN, "--infrastructure-class", "on-premises", "--local")
        self.assertIn(
            f"(ResourceNotFoundException) when calling the DescribeStacks operation: Unable to find stack with ID {UNKNOWN}",
            done.stderr,
        )
        self.assertEqual(Account.calls, [])

    def test_the_agents_own_call(self):
        """[INST-5] [CLT-5]: what the installer then does on the machine is one call."""
        instance = AWS.register_instance(
            StackId=self.stack,
            Hostname="metal1",
            PublicIp=ADDRESS,
            PrivateIp="10.0.0.7",
            RsaPublicKey="k",
            RsaPublicKeyFingerprint="f",
        )["InstanceId"]
        wait(AWS, "instance_registered", InstanceIds=[instance])
        found = AWS.describe_instances(InstanceIds=[instance])["Instances"][0]
        self.assertEqual(
            (found["Hostname"], found["InfrastructureClass"], found["Status"]), ("metal1", "on-premises", "registered")
        )
        self.assertEqual((found["PublicIp"], found["PrivateIp"], found["Os"]), (ADDRESS, "10.0.0.7", "Custom"))


if __name__ == "__main__":
    main()
