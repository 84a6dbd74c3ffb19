"""Judges every answer by the API's own model, before the client reads it.

Clients are forgiving: botocore drops a member that it does not know, takes a number for a text, and a missing list for an empty one.
So what a lenient client accepts proves little. Here a handler looks at the raw answer first and compares it with the output shapes of
botocore's service-2.json. Findings are gathered, so that one test shows all that is wrong; `assert_clean` reports them.
"""

import json
import re

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")  # [IDN-5]
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")  # [IDN-1]
CONTENT_TYPE = "application/x-amz-json-1.1"
# Texts that the model calls String but the spec calls a time.
TIMES = {"CreatedAt", "CompletedAt", "AcknowledgedAt", "RegisteredAt"}
# [IDN-1]: ids that the service makes.
IDS = {"StackId", "LayerId", "InstanceId", "DeploymentId", "CommandId", "VolumeId", "ServiceErrorId", "LastServiceErrorId"}
# [WIRE-12]: errors that every action may answer.
COMMON_ERRORS = {
    "AccessDeniedException": 400,
    "ThrottlingException": 400,
    "InvalidSignatureException": 400,
    "UnrecognizedClientException": 400,
    "MissingAuthenticationTokenException": 400,
    "UnknownOperationException": 400,
    "SerializationException": 400,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
}
# [INST-1]
STATUSES = {
    "requested", "pending", "booting", "running_setup", "online", "setup_failed", "start_failed", "rebooting", "connection_lost",
    "stopping", "shutting_down", "terminating", "terminated", "stop_failed", "stopped",
    "registering", "registered", "assigning", "unassigning", "deregistering",
}  # fmt: skip


class Checker:
    """Watches one botocore client; `called` counts the actions that were answered with 200."""

    def __init__(self):
        self.findings = []
        self.called = {}

    def watch(self, client):
        """Looks at every answer to `client` from now on; answers the client."""
        client.meta.events.register_first("before-parse.opsworks.*", self._answered)
        return client

    def assert_clean(self):
        """Fails with everything that was found since the last call."""
        found, self.findings = self.findings, []
        if found:
            raise AssertionError("answers that the API's model does not allow:\n  " + "\n  ".join(dict.fromkeys(found)))

    def _answered(self, operation_model, response_dict, **_):
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        body, status = response_dict["body"], response_dict["status_code"]
        self.findings += [f"{operation_model.name}: {what}" for what in judge(operation_model, status, headers, body)]
        if status == 200:
            self.called[operation_model.name] = self.called.get(operation_model.name, 0) + 1


def judge(operation, status, headers, body):
    """What is wrong with an answer; nothing if all is well."""
    found = []
    if headers.get("content-type") != CONTENT_TYPE:  # [WIRE-5]
        found.append(f"content-type is {headers.get('content-type')!r}, expected {CONTENT_TYPE!r}")
    if not UUID.fullmatch(headers.get("x-amzn-requestid", "")):
        found.append(f"x-amzn-requestid is {headers.get('x-amzn-requestid')!r}, expected a uuid")
    if status == 200 and operation.output_shape is None:
        if body:  # [WIRE-5]
            found.append(f"body is {body[:200]!r}, expected none")
        return found
    try:
        answer = json.loads(body, object_pairs_hook=_no_member_twice, parse_constant=_no_constant)
    except ValueError as problem:
        return found + [f"body is not JSON ({problem}): {body[:200]!r}"]
    if status == 200:
        return found + list(_value(operation.output_shape, answer, operation.output_shape.name))
    return found + list(_error(operation, status, headers, answer))


def _no_member_twice(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError(f"a member stands twice among {names}")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _error(operation, status, headers, answer):
    """[WIRE-10..12]: exactly __type and message, the same name in the header, and one that this action may answer."""
    if not isinstance(answer, dict) or set(answer) != {"__type", "message"}:
        yield f"error body is {answer!r}, expected __type and message"
        return
    name, message = answer["__type"], answer["message"]
    if headers.get("x-amzn-errortype") != name:
        yield f"x-amzn-errortype is {headers.get('x-amzn-errortype')!r}, __type is {name!r}"
    if not isinstance(message, str) or not message:
        yield f"{name}: message is {message!r}, expected a text"
    modelled = {shape.name for shape in operation.error_shapes}
    if name in {"ValidationException", "ResourceNotFoundException"}:
        if name not in modelled:
            yield f"{name} ({message}) is not among its errors {sorted(modelled)}"
        if status != 400:
            yield f"{name} has status {status}, expected 400"
    elif COMMON_ERRORS.get(name) != status:
        yield f"{name} with status {status} is no error of this API"


def _value(shape, value, path):
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{path} is {value!r}, expected a list"
            return
        for place, element in enumerate(value):
            yield from _value(shape.member, element, f"{path}[{place}]")
    elif shape.type_name == "map":
        yield from _map(shape, value, path)
    else:
        yield from _scalar(shape, value, path)


def _structure(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is {value!r}, expected an object"
        return
    for name, member in value.items():
        if name not in shape.members:
            yield f"{path}.{name} is no member of {shape.name}"
            continue
        yield from _value(shape.members[name], member, f"{path}.{name}")
        if name in TIMES and isinstance(member, str) and not TIME.fullmatch(member):
            yield f"{path}.{name} is {member!r}, expected YYYY-MM-DDTHH:MM:SS+00:00"
        if name in IDS and isinstance(member, str) and not UUID.fullmatch(member):
            yield f"{path}.{name} is {member!r}, expected a lower-case uuid"
    if shape.name == "Instance" and value.get("Status") not in STATUSES:
        yield f"{path}.Status is {value.get('Status')!r}, which is no status of an instance"
    for name, member in shape.members.items():
        if member.type_name == "list" and name not in value:  # [WIRE-6]
            yield f"{path}.{name} is left out, expected [] for an empty list"


def _map(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path} is {value!r}, expected an object"
        return
    for name, member in value.items():
        yield from _scalar(shape.key, name, f"{path} key")
        if member is None and shape.name == "LayerAttributes":  # [WIRE-6]
            continue
        yield from _value(shape.value, member, f"{path}.{name}")


def _scalar(shape, value, path):
    kinds = {"string": str, "boolean": bool, "integer": int, "long": int, "double": (int, float), "float": (int, float)}
    kind = kinds[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):  # [WIRE-8]
        yield f"{path} is {value!r}, expected {shape.type_name}"
        return
    if getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path} is {value!r}, expected one of {shape.enum}"
    if shape.name == "DateTime" and not TIME.fullmatch(value):
        yield f"{path} is {value!r}, expected YYYY-MM-DDTHH:MM:SS+00:00"
