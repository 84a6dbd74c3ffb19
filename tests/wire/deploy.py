"""What template.yaml makes in an account, made in ministack: functions, queues, rules, schedules, table, topic.

Two things differ from the template, and why: ministack, as AWS, lets nobody put events of `aws.*` on the bus, and has nobody who would; so
an AWS event is put as the detail of one of our own, and the rule's `InputPath` gives the function the exact AWS event. And the minute tick
of a test that lasts minutes is helped by one-time schedules.
"""

import json
import time
import zipfile

import front_door
from world import ACCOUNT, REGION, USER_KEY, Failed

INSTALLATION = "strata"
FUNCTIONS = ["api", "instance-lifecycle", "load-scaling", "time-scaling", "security-updates", "teardown"]
TICKING = FUNCTIONS[1:]
CONTROLLERS_ROLE = f"arn:aws:iam::{ACCOUNT}:role/strata-controllers"
# Functions sign with the key that ministack gives them; everybody else is a person.
CALLERS = {
    ACCOUNT: f"arn:aws:sts::{ACCOUNT}:assumed-role/strata-controllers/strata",
    USER_KEY: f"arn:aws:iam::{ACCOUNT}:user/alice",
}
# Which AWS events go to which function, as in the template.
TO_HINTS = [
    "EC2 Instance State-change Notification", "EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation",
    "ECS Container Instance State Change", "EC2 Command Invocation Status-change Notification",
]
TO_FUNCTIONS = {
    "load-scaling": ["CloudWatch Alarm State Change"],
    "security-updates": ["EC2 Command Status-change Notification", "EC2 Command Invocation Status-change Notification"],
    "teardown": ["EC2 Instance State-change Notification", "ECS Container Instance State Change"],
}
REQUESTS = {"security-updates": "Strata Campaign Request", "teardown": "Strata Teardown Request"}
# On whose behalf AWS's events are put.
CARRIER = "wire.carrier"


def name(function):
    return f"{INSTALLATION}-{function}"


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def function_arn(function):
    return arn("lambda", f"function:{name(function)}")


class Deployment:
    """An installation in a world."""

    def __init__(self, world, zips):
        self.world = world
        self.zips = zips
        for service in ["dynamodb", "events", "lambda", "scheduler", "sns", "sqs", "s3"]:
            setattr(self, service.replace("lambda", "functions"), world.client(service, "ministack"))
        self.ticks = 0

    def make(self):
        self.stream = self.make_table()
        self.topic = self.sns.create_topic(Name=INSTALLATION)["TopicArn"]
        self.bucket = f"{INSTALLATION}-{ACCOUNT}"
        self.s3.create_bucket(Bucket=self.bucket)
        self.hints = self.make_queue("hints", VisibilityTimeout="60")
        self.on_call = self.make_queue("on-call")
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=self.on_call["arn"])
        self.url = front_door.serve(CALLERS, self.functions, name("api"))
        for function in FUNCTIONS:
            self.make_function(function)
        self.functions.create_function_url_config(FunctionName=name("api"), AuthType="AWS_IAM")
        self.feed_lifecycle()
        self.make_rules()
        self.make_schedules()

    def make_table(self):
        table = self.dynamodb.create_table(
            TableName=INSTALLATION,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        return table["TableDescription"]["LatestStreamArn"]

    def make_queue(self, of, **attributes):
        url = self.sqs.create_queue(QueueName=f"{INSTALLATION}-{of}", Attributes=attributes)["QueueUrl"]
        return {"url": url, "arn": arn("sqs", f"{INSTALLATION}-{of}")}

    def settings(self):
        return {
            **self.world.endpoints(),
            "AWS_ENDPOINT_URL_OPSWORKS": self.url,
            "STRATA_INSTALLATION": INSTALLATION,
            "STRATA_TABLE": INSTALLATION,
            "STRATA_TOPIC_ARN": self.topic,
            "STRATA_EVENT_BUS": "default",
            "STRATA_BUCKET": self.bucket,
            "STRATA_EXTERNAL_ID": "strata-e2e",
            "STRATA_API_URL": self.url,
            "STRATA_ACCOUNT": ACCOUNT,
            "STRATA_CONTROLLER_ROLE_ARNS": CONTROLLERS_ROLE,
        }

    def make_function(self, function):
        self.functions.create_function(
            FunctionName=name(function),
            Runtime="provided.al2023",
            Architectures=["x86_64"],
            Handler="bootstrap",
            Role=f"arn:aws:iam::{ACCOUNT}:role/{name(function)}",
            Code={"ZipFile": self.zips[function].read_bytes()},
            MemorySize=256,
            Timeout=60,
            Environment={"Variables": self.settings()},
        )

    def feed_lifecycle(self):
        lifecycle = name("instance-lifecycle")
        self.functions.create_event_source_mapping(
            FunctionName=lifecycle,
            EventSourceArn=self.hints["arn"],
            BatchSize=100,
            MaximumBatchingWindowInSeconds=2,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        self.functions.create_event_source_mapping(
            FunctionName=lifecycle, EventSourceArn=self.stream, StartingPosition="TRIM_HORIZON", BatchSize=100
        )

    def make_rule(self, rule, pattern, target, **more):
        self.events.put_rule(Name=f"{INSTALLATION}-{rule}", EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=f"{INSTALLATION}-{rule}", Targets=[{"Id": "target", "Arn": target, **more}])

    def make_rules(self):
        carried = {"InputPath": "$.detail"}
        self.make_rule("hints", {"source": [CARRIER], "detail-type": TO_HINTS}, self.hints["arn"], **carried)
        for function, kinds in TO_FUNCTIONS.items():
            self.make_rule(f"aws-{function}", {"source": [CARRIER], "detail-type": kinds}, function_arn(function), **carried)
        for function, kind in REQUESTS.items():
            self.make_rule(f"requests-{function}", {"source": ["strata"], "detail-type": [kind]}, function_arn(function))

        # What Strata tells of its instances is to be read back from the queue that is subscribed to the topic.
        self.make_rule("told", {"source": ["opsworks"], "detail-type": ["OpsWorks Instance State Change"]}, self.topic)

    def make_schedules(self):
        """Half of the ticks by rate rules, half by Scheduler: both are to be seen."""
        for function in ["load-scaling", "security-updates", "teardown"]:
            rule = f"{INSTALLATION}-tick-{function}"
            self.events.put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
            self.events.put_targets(Rule=rule, Targets=[{"Id": "target", "Arn": function_arn(function)}])
        for function in ["time-scaling", "instance-lifecycle"]:
            self.schedule(f"tick-{function}", "rate(1 minute)", function)

    def schedule(self, called, expression, function, **more):
        self.scheduler.create_schedule(
            Name=f"{INSTALLATION}-{called}",
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": function_arn(function), "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/scheduler", "Input": self.tick_event()},
            **more,
        )

    def tick_event(self):
        return json.dumps({
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": ACCOUNT, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "region": REGION,
            "resources": [arn("events", "rule/strata-tick")], "detail": {},
        })

    def tick(self, function):
        """A tick of its own, by a one-time schedule that is due at once."""
        self.ticks += 1
        at = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime())
        self.schedule(f"once-{self.ticks}", at, function, ActionAfterCompletion="DELETE")

    def put_aws_event(self, event):
        """An event of AWS's, carried to where the rules send its kind."""
        entry = {"Source": CARRIER, "DetailType": event["detail-type"], "Detail": json.dumps(event)}
        self.put(entry)

    def put_request(self, kind, detail):
        """A request of ours, as `strata campaign` and `strata teardown` put it."""
        self.put({"Source": "strata", "DetailType": kind, "Detail": json.dumps(detail)})

    def put(self, entry):
        answer = self.events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise Failed(f"the bus did not take {entry['DetailType']}: {answer['Entries']}")

    def table(self):
        """All records, by key: what the functions know."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=INSTALLATION)
        return {f"{i['pk']['S']} {i['sk']['S']}": json.loads(i["d"]["S"]) for page in pages for i in page["Items"] if "d" in i}

    def pages(self):
        """What on-call got since the last look."""
        answer = self.sqs.receive_message(QueueUrl=self.on_call["url"], MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.on_call["url"], ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


def zipped(bootstrap, into):
    """A zip as Lambda wants it, where no package was built."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, bootstrap.read_bytes(), zipfile.ZIP_DEFLATED)
    return into
