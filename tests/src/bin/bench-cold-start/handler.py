"""What a Python function of the same services costs: imports boto3, makes its clients, and calls each once per event.

Speaks the runtime API itself, with the standard library alone, so that no more is measured than a function needs.
"""
import http.client
import json
import os

import boto3
from botocore.config import Config

ROLE = "arn:aws:iam::123456789012:role/service"
CALLS = {
    "cloudwatch": ("describe_alarms", {"AlarmNames": ["a"]}),
    "dynamodb": ("query", {
        "TableName": "strata", "KeyConditionExpression": "pk = :pk", "ConsistentRead": True,
        "ExpressionAttributeValues": {":pk": {"S": "stacks"}},
    }),
    "ec2": ("describe_instances", {}),
    "ecs": ("describe_clusters", {}),
    "elb": ("describe_load_balancers", {}),
    "events": ("put_events", {"Entries": [{"Source": "opsworks", "DetailType": "t", "Detail": "{}"}]}),
    "iam": ("get_role", {"RoleName": "r"}),
    "opsworks": ("describe_stacks", {}),
    "sns": ("publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"}),
    "ssm": ("get_parameters", {"Names": ["/strata/mode"]}),
    "sts": ("assume_role", {"RoleArn": ROLE, "RoleSessionName": "strata"}),
}

config = Config(retries={"max_attempts": 1})
clients = {name: boto3.client(name, config=config) for name in os.environ["STRATA_BENCH_SERVICES"].split(",")}
called = os.environ["STRATA_BENCH_CALLED"].split(",")


def handle(_event):
    for name in called:
        operation, members = CALLS[name]
        getattr(clients[name], operation)(**members)
    return {"decisions": []}


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = runtime.getresponse()
    event = json.loads(answer.read())
    path = f"/2018-06-01/runtime/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/response"
    runtime.request("POST", path, json.dumps(handle(event)))
    runtime.getresponse().read()
