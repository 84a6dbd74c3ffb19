"""The recorder must be able to fail: what botocore writes it reads back as it was, and each kind of fault is found and refused."""

import pathlib
import tempfile
import unittest
from datetime import datetime, timezone
from urllib.parse import urlencode

import boto3
import botocore.exceptions
from botocore.config import Config
from botocore.serialize import create_serializer

import recorder
from judging import judge
from reading import Request, Unreadable, model, read

SIGNED_AS = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing", "cloudwatch": "monitoring", "dynamodbstreams": "dynamodb"}


def authorization(service):
    scope = f"AKIAIOSFODNN7EXAMPLE/20260801/us-east-1/{SIGNED_AS.get(service, service)}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"


def written(service, operation, parameters, protocol=None):
    """The request that botocore makes, without validating it."""
    described = model(service)
    protocol = protocol or described.metadata["protocol"]
    made = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, described.operation_model(operation))
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body)
    body = body.encode() if isinstance(body, str) else body
    path, _, literal = made["url_path"].partition("?")
    query = "&".join(part for part in [literal, urlencode(made["query_string"], doseq=True)] if part)
    headers = {**made["headers"], "authorization": authorization(service)}
    return Request(made["method"], f"{path}?{query}", headers.items(), body)


def faults(request):
    return judge(read(request))


def form(service, text):
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": authorization(service)}
    return Request("POST", "/", headers.items(), text.encode())


SOUND = [
    ("ec2", "RunInstances", {
        "ImageId": "ami-1", "MinCount": 1, "MaxCount": 1, "InstanceType": "c5.large", "EbsOptimized": True,
        "SecurityGroupIds": ["sg-1", "sg-2"], "IamInstanceProfile": {"Arn": "arn:aws:iam::123456789012:instance-profile/p"},
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a.b", "Value": "c&d= "}, {"Key": "e", "Value": ""}]}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30, "DeleteOnTermination": False}}],
    }),
    ("ec2", "DescribeInstances", {"Filters": [{"Name": "tag:strata", "Values": ["x", "y"]}], "InstanceIds": ["i-1"], "MaxResults": 5}),
    ("elb", "RegisterInstancesWithLoadBalancer", {"LoadBalancerName": "l", "Instances": [{"InstanceId": "i-1"}, {"InstanceId": "i-2"}]}),
    ("elbv2", "DescribeTargetHealth", {"TargetGroupArn": "arn:t", "Targets": [{"Id": "i-1", "Port": 80}]}),
    ("iam", "GetInstanceProfile", {"InstanceProfileName": "p"}),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::123456789012:role/strata", "RoleSessionName": "strata", "DurationSeconds": 3600}),
    ("sns", "Publish", {
        "TopicArn": "arn:t", "Message": "m", "Subject": "s",
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "a"}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"}},
    }),
    ("ecs", "UpdateContainerInstancesState", {"cluster": "c", "containerInstances": ["arn:1"], "status": "DRAINING"}),
    ("ssm", "SendCommand", {
        "DocumentName": "strata-Setup", "InstanceIds": ["i-0123456789abcdef0"], "Parameters": {"nonce": ["n"]}, "TimeoutSeconds": 600,
    }),
    ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": {
        "TableName": "strata", "Item": {"pk": {"S": "a"}, "v": {"N": "1"}, "b": {"B": b"\xff"}}, "ConditionExpression": "v = :v",
        "ExpressionAttributeValues": {":v": {"N": "0"}},
    }}]}),
    ("events", "PutEvents", {"Entries": [{"Source": "opsworks", "DetailType": "t", "Detail": "{}", "Resources": ["r"]}]}),
    ("s3", "PutObject", {"Bucket": "bucket", "Key": "a/b c.txt", "Body": b"x", "ContentType": "text/plain", "Metadata": {"k": "v"}}),
    ("s3", "ListObjectsV2", {"Bucket": "bucket", "Prefix": "a/", "MaxKeys": 10}),
    ("s3", "DeleteObjects", {"Bucket": "bucket", "Delete": {"Objects": [{"Key": "a"}, {"Key": "b"}], "Quiet": True}}),
    ("s3", "GetObject", {"Bucket": "bucket", "Key": "a/b"}),
    ("s3", "CopyObject", {"Bucket": "bucket", "Key": "a", "CopySource": "bucket/b"}),
    ("s3", "UploadPart", {"Bucket": "bucket", "Key": "a", "PartNumber": 2, "UploadId": "u", "Body": b"x"}),
    ("lambda", "Invoke", {"FunctionName": "f", "InvocationType": "Event", "Payload": b"{}"}),
]


class Reads(unittest.TestCase):
    """What botocore writes is read back as it was, and nothing is found wrong with it."""

    def test_each_protocol(self):
        for service, operation, parameters in SOUND:
            with self.subTest(f"{service} {operation}"):
                found = read(written(service, operation, parameters))
                self.assertEqual((found.service, found.operation.name), (service, operation))
                self.assertEqual(found.parameters, parameters)
                self.assertEqual(judge(found), [])

    def test_alarms_as_a_form(self):
        parameters = {
            "AlarmName": "a", "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 5, "Threshold": 80.0,
            "Dimensions": [{"Name": "LayerId", "Value": "l"}], "AlarmActions": [], "ActionsEnabled": True,
        }
        found = read(written("cloudwatch", "PutMetricAlarm", parameters, "query"))
        self.assertEqual(found.parameters, parameters)
        self.assertEqual(judge(found), [])

    def test_times(self):
        parameters = {"StartTime": datetime(2026, 8, 1, tzinfo=timezone.utc), "MaxResults": 5}
        self.assertEqual(faults(written("ec2", "DescribeSpotPriceHistory", parameters)), [])
        self.assertEqual(faults(form("ec2", "Action=DescribeSpotPriceHistory&Version=2016-11-15&StartTime=2026-08-01T00:00:00Z")), [])
        self.assertIn("StartTime", faults(form("ec2", "Action=DescribeSpotPriceHistory&Version=2016-11-15&StartTime=soon"))[0])


class FindsFaults(unittest.TestCase):
    """One request per kind of fault, and the word that its complaint must have."""

    def check(self, request, *words):
        found = faults(request)
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])

    def test_a_member_that_the_model_does_not_have(self):
        self.check(form("ec2", "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1&Gently=true"), "Gently", "Unknown")
        nested = "Action=RegisterInstancesWithLoadBalancer&Version=2012-06-01&LoadBalancerName=l&Instances.member.1.Id=i"
        self.check(form("elb", nested), "Id", "Unknown")
        body = b'{"cluster": "c", "containerInstances": ["a"], "forced": true}'
        headers = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.DescribeContainerInstances",
                   "content-type": "application/x-amz-json-1.1", "authorization": authorization("ecs")}
        self.check(Request("POST", "/", headers.items(), body), "forced", "Unknown")
        headers["content-type"] = "application/x-amz-json-1.0"
        self.check(Request("POST", "/", headers.items(), body.replace(b', "forced": true', b"")), "content type")
        request = written("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"Key": "a"}]}})
        request.body = request.body.replace(b"</Delete>", b"<Loudly>1</Loudly></Delete>")
        self.check(request, "Loudly", "Unknown")
        request = written("s3", "ListObjectsV2", {"Bucket": "b"})
        request.query.append(("newest", "1"))
        self.check(request, "newest", "Unknown")
        request = written("s3", "ListObjectsV2", {"Bucket": "b"})
        request.headers["x-amz-newest"] = "1"
        self.check(request, "x-amz-newest")

    def test_a_member_that_is_missing(self):
        self.check(form("ec2", "Action=RunInstances&Version=2016-11-15&MinCount=1"), "Missing", "MaxCount")
        self.check(written("ssm", "SendCommand", {"InstanceIds": ["i-0123456789abcdef0"]}), "Missing", "DocumentName")
        self.check(written("ec2", "CreateTags", {"Resources": ["i-1"]}), "Missing", "Tags")
        self.check(written("s3", "DeleteObjects", {"Bucket": "b", "Delete": {"Objects": [{"VersionId": "v"}]}}), "Missing", "Key")

    def test_a_value_of_another_type(self):
        self.check(form("ec2", "Action=RunInstances&Version=2016-11-15&MinCount=one&MaxCount=1"), "Invalid type", "MinCount")
        self.check(form("ec2", "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1&Force=yes"), "Invalid type", "Force")
        self.check(written("ecs", "DescribeContainerInstances", {"containerInstances": [7]}), "Invalid type", "containerInstances")

    def test_a_value_out_of_range(self):
        self.check(written("sts", "AssumeRole", {"RoleArn": "a" * 20, "RoleSessionName": "strata", "DurationSeconds": 60}), "900")
        self.check(written("sts", "AssumeRole", {"RoleArn": "a" * 20, "RoleSessionName": "strata", "DurationSeconds": 43201}), "43200")
        self.check(written("elbv2", "DescribeLoadBalancers", {"PageSize": 401}), "PageSize", "400")
        self.check(written("events", "PutEvents", {"Entries": []}), "Entries", "length")
        self.check(written("events", "ListRules", {"NamePrefix": "n" * 65}), "NamePrefix", "64")

    def test_a_list_that_is_too_long(self):
        names = [f"a{i}" for i in range(101)]
        self.check(written("cloudwatch", "DescribeAlarms", {"AlarmNames": names}, "query"), "101 items", "100")

    def test_a_word_that_the_model_does_not_list(self):
        self.check(written("ecs", "UpdateContainerInstancesState", {"containerInstances": ["a"], "status": "GONE"}), "GONE")
        self.check(written("cloudwatch", "DescribeAlarms", {"AlarmTypes": ["Simple"]}, "query"), "Simple")

    def test_a_text_of_another_form(self):
        self.check(written("ssm", "SendCommand", {"DocumentName": "has space", "InstanceIds": ["i-0123456789abcdef0"]}), "has space")
        self.check(written("iam", "GetInstanceProfile", {"InstanceProfileName": "a/b"}), "a/b")

    def test_a_parameter_that_is_given_twice(self):
        self.check(form("ec2", "Action=StopInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.1=i-2"), "twice")

    def test_a_presigned_link_is_judged_as_the_request_that_it_stands_for(self):
        scope = "AKIAIOSFODNN7EXAMPLE%2F20260801%2Fus-east-1%2Fs3%2Faws4_request"
        link = f"/bucket/key?x-id=GetObject&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={scope}&X-Amz-Expires=300&X-Amz-Signature=0"
        sound = read(Request("GET", link, {}.items(), b""))
        self.assertEqual((sound.operation.name, sound.parameters, judge(sound)), ("GetObject", {"Bucket": "bucket", "Key": "key"}, []))
        self.assertTrue(faults(Request("GET", link + "&colour=red", {}.items(), b"")))

    def test_what_is_not_in_the_form_of_its_protocol(self):
        ecs = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters", "authorization": authorization("ecs")}
        elsewhere = {**ecs, "x-amz-target": "AmazonSSM.SendCommand"}
        unknown = {**ecs, "x-amz-target": "AmazonEC2ContainerServiceV20141113.ListGardens"}
        for request, word in [
            (Request("POST", "/", {}.items(), b""), "not signed"),
            (Request("POST", "/", {"authorization": authorization("gardens")}.items(), b""), "gardens"),
            (Request("POST", "/", ecs.items(), b"{"), "not JSON"),
            (Request("POST", "/", elsewhere.items(), b"{}"), "AmazonSSM"),
            (Request("POST", "/", unknown.items(), b"{}"), "ListGardens"),
            (form("ec2", "Action=StopInstances&Version=2006-01-01&InstanceId.1=i-1"), "2006-01-01"),
            (form("ec2", "Action=StopGardens&Version=2016-11-15"), "StopGardens"),
            (form("ec2", "Action=StopInstances&Version=2016-11-15&InstanceId.0=i-1"), "numbered"),
            (form("elb", "Action=DescribeLoadBalancers&Version=2012-06-01&LoadBalancerNames.1=l"), "member"),
            (Request("POST", "/b?garden", {"authorization": authorization("s3")}.items(), b""), "no operation"),
        ]:
            with self.subTest(word), self.assertRaisesRegex(Unreadable, word):
                read(request)


class Proxy(unittest.TestCase):
    """Before a moto of its own: sound requests arrive, others are refused in every protocol, and the books say which."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.server = recorder.serve(self.folder, recorder.moto())
        self.addCleanup(self.server.RequestHandlerClass.ledger.close)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def client(self, service, **config):
        endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret"}
        config = Config(retries={"max_attempts": 1}, **config)
        return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, config=config, **keys)

    def books(self, name):
        return (self.folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()

    def test_sound_requests_arrive(self):
        s3 = self.client("s3")
        s3.create_bucket(Bucket="garden")
        s3.put_object(Bucket="garden", Key="a/b", Body=b"x" * 100)
        self.assertEqual(s3.head_object(Bucket="garden", Key="a/b")["ContentLength"], 100)
        self.assertEqual(s3.get_object(Bucket="garden", Key="a/b")["Body"].read(), b"x" * 100)
        self.client("ec2").describe_instances(MaxResults=5)
        self.client("ssm").put_parameter(Name="/strata/mode", Value="active", Type="String")
        self.assertEqual(self.books("complaints"), [])
        seen = ["s3 CreateBucket", "s3 PutObject", "s3 HeadObject", "s3 GetObject", "ec2 DescribeInstances", "ssm PutParameter"]
        self.assertEqual(self.books("requests"), seen)

    def test_malformed_ones_are_refused_in_every_protocol(self):
        for service, call, parameters in [
            ("ec2", "run_instances", {"MinCount": 1}),
            ("sts", "assume_role", {"RoleSessionName": "s"}),
            ("ssm", "send_command", {"InstanceIds": ["i-0123456789abcdef0"]}),
            ("s3", "delete_objects", {"Bucket": "b", "Delete": {"Objects": [{"VersionId": "v"}]}}),
        ]:
            with self.subTest(service):
                client = self.client(service, parameter_validation=False)
                with self.assertRaises(botocore.exceptions.ClientError) as refused:
                    getattr(client, call)(**parameters)
                self.assertEqual(refused.exception.response["Error"]["Code"], recorder.CODE)
                self.assertIn("Missing required", refused.exception.response["Error"]["Message"])
        self.assertGreaterEqual(len(self.books("complaints")), 4)
        self.assertEqual(len(self.books("requests")), 4)


if __name__ == "__main__":
    unittest.main()
