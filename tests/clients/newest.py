"""boto3 and the AWS CLI of today. AWS took OpsWorks out of them; `strata aws-model --install` gives it back.

Rules: [CLT-1] [CLT-6] [DSC-5] [STK-2]
"""

import http.server
import json
import os
import subprocess
import threading

import boto3
import botocore.exceptions

from strict import Checker
from support import BINARY, OS, REGION, WORLD, Cli, Story, gone, layer_arguments, main, stack_arguments, temporary_folder, wait

CHECKER = Checker()


def install(folder, *flags, **environment):
    """`strata aws-model --install` as a user of the home `folder` runs it; answers what it printed."""
    environment = {**os.environ, "HOME": str(folder), **environment}
    done = subprocess.run([BINARY, "aws-model", "--install", *flags], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def client_of(data_path, **more):
    """A client of boto3 that looks for models in that folder."""
    os.environ["AWS_DATA_PATH"] = str(data_path)
    try:
        return boto3.Session().client("opsworks", **more)
    finally:
        del os.environ["AWS_DATA_PATH"]


class Recorder(http.server.BaseHTTPRequestHandler):
    """Answers every call with an empty list of stacks and keeps its headers."""

    seen = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(dict(self.headers))
        body = b'{"Stacks": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Newest(Story):
    def tearDown(self):
        CHECKER.assert_clean()

    def test_without_our_model_the_clients_know_no_opsworks(self):
        """[CLT-6]: else the tests below would prove nothing."""
        with self.assertRaises(botocore.exceptions.UnknownServiceError):
            boto3.client("opsworks")
        done = Cli().run("opsworks", "describe-stacks")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("argument command: Invalid choice", done.stderr)

    def test_install_into_the_home_folder(self):
        """[CLT-6]"""
        home = temporary_folder()
        self.assertIn("opsworks", install(home))
        model = home / ".aws/models/opsworks/2013-02-18/service-2.json"
        self.assertEqual(json.loads(model.read_text())["metadata"]["targetPrefix"], "OpsWorks_20130218")
        install(home)  # again: what it wrote itself it may replace
        self.keep(cli=Cli(HOME=str(home)))

    def test_install_into_the_data_path(self):
        """[CLT-6]"""
        data, home = temporary_folder(), temporary_folder()
        install(home, AWS_DATA_PATH=str(data))
        self.assertTrue((data / "opsworks/2013-02-18/service-2.json").is_file())
        self.assertFalse((home / ".aws").exists())
        self.keep(aws=CHECKER.watch(client_of(data)))

    def test_the_cli_reads_and_creates_stacks(self):
        """[CLT-6] [STK-2]: its --region is its own, so the service takes its own region when CreateStack names none."""
        self.assertEqual(self.cli.opsworks("describe-stacks"), {"Stacks": []})
        arguments = {
            "name": "by the newest CLI",
            "region": REGION,
            "service_role_arn": WORLD["service_role_arn"],
            "default_instance_profile_arn": WORLD["instance_profile_arn"],
        }
        stack = self.cli.opsworks("create-stack", **arguments)["StackId"]
        found = self.cli.opsworks("describe-stacks", stack_ids=[stack])["Stacks"][0]
        self.assertEqual((found["Name"], found["Region"], found["DefaultOs"]), ("by the newest CLI", REGION, OS))
        self.assertIsNone(self.cli.opsworks("delete-stack", stack_id=stack))
        done = self.cli.run("opsworks", "delete-stack", "--stack-id", stack)
        self.assertIn(
            f"(ResourceNotFoundException) when calling the DeleteStack operation: Unable to find stack with ID {stack}",
            done.stderr,
        )

    def test_boto3_takes_a_layer_through_its_life(self):
        """[CLT-1] [CLT-6]: the waiters come with the model; answers are judged by our own model here."""
        aws, cluster = self.aws, WORLD["cluster_arns"][0]
        stack = aws.create_stack(**stack_arguments("by the newest boto3"))["StackId"]
        self.keep(stack=stack, cluster=cluster)
        aws.register_ecs_cluster(EcsClusterArn=cluster, StackId=stack)
        layer = aws.create_layer(**layer_arguments(stack, cluster))["LayerId"]
        instance = aws.create_instance(StackId=stack, LayerIds=[layer], InstanceType="m5.large")["InstanceId"]
        aws.start_instance(InstanceId=instance)
        wait(aws, "instance_online", InstanceIds=[instance])
        self.assertEqual(aws.describe_instances(LayerId=layer)["Instances"][0]["Status"], "online")
        aws.stop_instance(InstanceId=instance)
        wait(aws, "instance_stopped", InstanceIds=[instance])
        waited = self.cli.run("opsworks", "wait", "instance-stopped", "--instance-ids", instance)
        self.assertEqual((waited.returncode, waited.stderr), (0, ""))
        aws.delete_instance(InstanceId=instance)
        wait(aws, "instance_terminated", InstanceIds=[instance])
        gone(aws, instance)
        aws.delete_layer(LayerId=layer)
        with self.assertRaises(aws.exceptions.ResourceNotFoundException):
            aws.describe_layers(LayerIds=[layer])

    def test_the_paginator(self):
        """[DSC-5]"""
        pages = self.aws.get_paginator("describe_ecs_clusters").paginate(StackId=self.stack, PaginationConfig={"PageSize": 1})
        self.assertEqual([c["EcsClusterArn"] for page in pages for c in page["EcsClusters"]], [self.cluster])
        self.aws.deregister_ecs_cluster(EcsClusterArn=self.cluster)
        self.aws.delete_stack(StackId=self.stack)

    def test_what_the_clients_sign_for(self):
        """[CLT-6]: a deployed function URL takes only signatures for `lambda`."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            for flags, service in [((), "opsworks"), (("--signing-name", "lambda"), "lambda")]:
                with self.subTest(service):
                    home = temporary_folder()
                    install(home, *flags)
                    client_of(home / ".aws/models", endpoint_url=url).describe_stacks()
                    done = Cli(HOME=str(home)).run("opsworks", "describe-stacks", "--endpoint-url", url)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    seen, Recorder.seen[:] = list(Recorder.seen), []
                    self.assertEqual(len(seen), 2)
                    for headers in seen:
                        self.assertEqual(headers["X-Amz-Target"], "OpsWorks_20130218.DescribeStacks")
                        self.assertIn(f"/{REGION}/{service}/aws4_request", headers["Authorization"])
        finally:
            server.shutdown()
            server.server_close()


if __name__ == "__main__":
    main()
