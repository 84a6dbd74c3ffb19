"""Reads a request back into the parameters that it was made of, by the service's own model: the inverse of botocore's serializers.

Known are the protocols query, ec2, json 1.0 and 1.1, rest-json and rest-xml. Whatever a request holds that the model has no place for is
kept under its own name, so that the validator finds it.
"""

import base64
import binascii
import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

import botocore.session

# How a request names its service in its signature, where botocore files the service under another name.
SIGNED_AS = {
    "elasticloadbalancing": ["elb", "elbv2"],
    "monitoring": ["cloudwatch"],
    "dynamodb": ["dynamodb", "dynamodbstreams"],
}
# Query parameters and headers that belong to the protocol, not to an operation; the first are a presigned link's.
OF_THE_PROTOCOL = {"x-id"} | {f"X-Amz-{name}" for name in ["Algorithm", "Credential", "Date", "Expires", "Security-Token", "Signature", "SignedHeaders"]}
HEADERS_OF_THE_PROTOCOL = re.compile(
    r"x-amz-(date|content-sha256|security-token|user-agent|decoded-content-length|trailer|target|te|checksum-.*|sdk-.*)"
)

SESSION = botocore.session.Session()
MODELS = {}


class Unreadable(Exception):
    """The request is not in the form of its protocol; says what is wrong."""


class Request:
    """An HTTP request as it came."""

    def __init__(self, method, target, headers, body):
        self.method = method
        parts = urlsplit(target)
        self.path = parts.path
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body


class Read:
    """A request as its service's model has it."""

    def __init__(self, service, operation, parameters, complaints):
        self.service = service
        self.operation = operation
        self.parameters = parameters
        # What could be read past but is not in the form that the protocol wants.
        self.complaints = complaints


def read(request):
    """The operation and its parameters. Raises `Unreadable`."""
    candidates = [model(name) for name in SIGNED_AS.get(signed_for(request), [signed_for(request)])]
    if "x-amz-target" in request.headers:
        return read_json(request, candidates)
    protocol = candidates[0].metadata["protocol"]
    protocols = candidates[0].metadata.get("protocols") or [protocol]
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return read_query(request, candidates)
    if protocol.startswith("rest-"):
        return read_rest(request, candidates[0])
    raise Unreadable(f"neither a target header nor a form, which {candidates[0].service_name} ({', '.join(protocols)}) wants")


def model(name):
    if name not in MODELS:
        try:
            MODELS[name] = SESSION.get_service_model(name)
        except botocore.exceptions.UnknownServiceError as error:
            raise Unreadable(f"signed for {name}, which is no service that botocore knows") from error
    return MODELS[name]


def signed_for(request):
    """The service in the credential's scope: <key>/<day>/<region>/<service>/aws4_request."""
    scope = request.headers.get("authorization") or "Credential=" + dict(request.query).get("X-Amz-Credential", "")
    found = re.search(r"Credential=[^/,]+/\d{8}/[^/,]*/([^/,]+)/aws4_request", scope)
    if not found:
        raise Unreadable("not signed: no credential scope, neither in an Authorization header nor in the query of a presigned link")
    return found.group(1)


# JSON 1.0 and 1.1


def read_json(request, candidates):
    prefix, _, name = request.headers["x-amz-target"].rpartition(".")
    service = next((c for c in candidates if c.metadata.get("targetPrefix") == prefix), None)
    if service is None:
        raise Unreadable(f"target {prefix}, which is not what {' or '.join(c.service_name for c in candidates)} is called")
    operation = operation_of(service, name)
    complaints = []
    expected = f"application/x-amz-json-{service.metadata['jsonVersion']}"
    if request.headers.get("content-type") != expected:
        complaints.append(f"content type {request.headers.get('content-type')}, expected {expected}")
    try:
        body = json.loads(request.body or b"{}")
    except ValueError as error:
        raise Unreadable(f"the body is not JSON: {error}") from error
    parameters = from_json(body, operation.input_shape, "") if operation.input_shape else body
    return Read(service.service_name, operation, parameters, complaints)


def operation_of(service, name):
    if name not in service.operation_names:
        raise Unreadable(f"{service.service_name} has no operation {name}")
    return service.operation_model(name)


def from_json(value, shape, where):
    """A JSON value as a parameter. Of a wrong type it is left as it is, for the validator."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        return {
            names.get(key, key): from_json(item, shape.members[names[key]], f"{where}.{key}") if key in names else item
            for key, item in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [from_json(item, shape.member, f"{where}[{index}]") for index, item in enumerate(value)]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(item, shape.value, f"{where}.{key}") for key, item in value.items()}
    if kind == "blob" and isinstance(value, str):
        return from_base64(value, where)
    return value


def from_base64(text, where):
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Unreadable(f"{where.lstrip('.')} is not base64: {error}") from error


# query and ec2


def read_query(request, candidates):
    pairs = parse_qsl(request.body.decode(), keep_blank_values=True) + request.query
    form = dict(pairs)
    complaints = [f"{key} is given twice" for key in form if sum(1 for k, _ in pairs if k == key) > 1]
    version, action = form.pop("Version", None), form.pop("Action", None)
    service = next((c for c in candidates if c.metadata["apiVersion"] == version), None)
    if service is None:
        known = ", ".join(f"{c.service_name} {c.metadata['apiVersion']}" for c in candidates)
        raise Unreadable(f"Version {version}, known are {known}")
    operation = operation_of(service, action)
    if operation.input_shape is None:
        return Read(service.service_name, operation, {}, complaints + [f"unknown parameter {key}" for key in form])
    tree = {}
    for key, value in form.items():
        grow(tree, key.split("."), value, key)
    ec2 = service.metadata["protocol"] == "ec2"
    parameters = from_tree(tree, operation.input_shape, ec2, "")
    return Read(service.service_name, operation, parameters, complaints)


def grow(tree, path, value, key):
    """Puts a form's `A.b.1.c=value` into nested dicts."""
    *folders, leaf = path
    for folder in folders:
        tree = tree.setdefault(folder, {})
        if not isinstance(tree, dict):
            raise Unreadable(f"{key}: {folder} is a value already")
    if isinstance(tree.get(leaf), dict):
        raise Unreadable(f"{key} is a value and has parts")
    tree[leaf] = value


def from_tree(tree, shape, ec2, where):
    kind = shape.type_name
    if kind == "structure" and isinstance(tree, dict):
        return structure_from_tree(tree, shape, ec2, where)
    if kind == "list":
        return list_from_tree(tree, shape, ec2, where)
    if kind == "map":
        return map_from_tree(tree, shape, ec2, where)
    return from_text(tree, shape, where) if isinstance(tree, str) else tree


def structure_from_tree(tree, shape, ec2, where):
    names = {}
    for name, member in shape.members.items():
        names[serialized_name(name, member, ec2)] = name
    found = {}
    for key, item in tree.items():
        name = names.get(key)
        found[name or key] = from_tree(item, shape.members[name], ec2, f"{where}.{name}") if name else item
    return found


def serialized_name(name, member, ec2):
    """As botocore's serializers name a member in a form."""
    if ec2 and "queryName" in member.serialization:
        return member.serialization["queryName"]
    given = member.serialization.get("name")
    if ec2 and given:
        return given[0].upper() + given[1:]
    flat = member.type_name == "list" and member.serialization.get("flattened") and member.member.serialization.get("name")
    return flat or given or name


def list_from_tree(tree, shape, ec2, where):
    if tree == "":
        return []
    if not isinstance(tree, dict):
        return tree
    if not ec2 and not shape.serialization.get("flattened"):
        inner = shape.member.serialization.get("name", "member")
        if set(tree) != {inner}:
            raise Unreadable(f"{where.lstrip('.')}: a list's items stand under .{inner}, not under {sorted(tree)}")
        tree = tree[inner]
    return [from_tree(item, shape.member, ec2, f"{where}[{i}]") for i, item in numbered(tree, where)]


def numbered(tree, where):
    """The items in order; a list that does not count 1, 2, 3 is no list."""
    if not isinstance(tree, dict) or sorted(tree) != sorted(str(i + 1) for i in range(len(tree))):
        raise Unreadable(f"{where.lstrip('.')}: items are not numbered from 1: {sorted(tree)}")
    return [(i, tree[str(i + 1)]) for i in range(len(tree))]


def map_from_tree(tree, shape, ec2, where):
    if not shape.serialization.get("flattened") and isinstance(tree, dict):
        tree = tree.get("entry", {})
    key_name, value_name = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    found = {}
    for _, entry in numbered(tree, where):
        if not isinstance(entry, dict) or set(entry) != {key_name, value_name}:
            raise Unreadable(f"{where.lstrip('.')}: an entry has {key_name} and {value_name}, not {entry}")
        found[entry[key_name]] = from_tree(entry[value_name], shape.value, ec2, f"{where}.{entry[key_name]}")
    return found


def from_text(text, shape, where):
    """A scalar that stands as text in a form, a header, a path or XML. Not readable as its type it stays text, for the validator."""
    kind = shape.type_name
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind in ("integer", "long") and re.fullmatch(r"-?\d+", text):
        return int(text)
    if kind in ("float", "double"):
        try:
            return float(text)
        except ValueError:
            return text
    if kind == "blob":
        return from_base64(text, where)
    return text


# rest-json and rest-xml


def read_rest(request, service):
    operation, labels = match_operation(request, service)
    shape = operation.input_shape
    if shape is None:
        return Read(service.service_name, operation, {}, [])
    found = {}
    for name, member in shape.members.items():
        place, key = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and key in labels:
            found[name] = from_text(unquote(labels[key]), member, name)
        elif place == "header" and key.lower() in request.headers:
            found[name] = header_value(request.headers[key.lower()], member, name)
        elif place == "headers":
            some = {h[len(key) :]: v for h, v in request.headers.items() if h.startswith(key.lower())}
            found.update({name: some} if some else {})
    found.update(query_members(request, operation))
    found.update(body_members(request, operation))
    return Read(service.service_name, operation, found, unknown_headers(request, shape))


def header_value(text, member, name):
    if member.type_name == "list":
        return [from_text(item.strip(), member.member, name) for item in text.split(",")]
    return from_text(text, member, name)


def match_operation(request, service):
    """Of the operations that the method, the path and the literal part of the query fit, the one that says most."""
    fitting = []
    given = dict(request.query)
    for name in service.operation_names:
        operation = service.operation_model(name)
        template, _, literal = operation.http["requestUri"].partition("?")
        literals = dict(parse_qsl(literal, keep_blank_values=True))
        path = re.fullmatch(path_pattern(template), request.path)
        if operation.http["method"] != request.method or not path:
            continue
        if any(given.get(key) != value for key, value in literals.items()):
            continue
        if given.get("x-id", name) == name and not missing_outside(request, operation):
            fitting.append((len(literals), len(outside(operation)), name, path.groupdict()))
    if not fitting:
        raise Unreadable(f"{service.service_name} has no operation for {request.method} {request.path} with {sorted(given)}")
    _, _, name, labels = max(fitting, key=lambda fit: fit[:2])
    return service.operation_model(name), {key.replace("__", "-"): value for key, value in labels.items()}


def path_pattern(template):
    escaped = re.escape(template.rstrip("/") or "/").replace(r"\{", "{").replace(r"\}", "}").replace(r"\+", "+")
    labelled = re.sub(r"\{([^}+]+)\+\}", lambda m: f"(?P<{group(m)}>.+)", escaped)
    return re.sub(r"\{([^}]+)\}", lambda m: f"(?P<{group(m)}>[^/]+)", labelled) + ("" if template == "/" else "/?")


def group(match):
    return match.group(1).replace("\\", "").replace("-", "__")


def outside(operation):
    """Required members that stand in the query or in a header."""
    shape = operation.input_shape
    members = shape.members if shape else {}
    return [members[name] for name in (shape.required_members if shape else []) if members[name].serialization.get("location") in ("querystring", "header")]


def missing_outside(request, operation):
    given = dict(request.query)
    places = {"querystring": lambda key: key in given, "header": lambda key: key.lower() in request.headers}
    return [m for m in outside(operation) if not places[m.serialization["location"]](m.serialization["name"])]


def query_members(request, operation):
    literal = {key for key, _ in parse_qsl(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)}
    members = operation.input_shape.members
    names = {
        member.serialization.get("name", name): name
        for name, member in members.items()
        if member.serialization.get("location") == "querystring"
    }
    found = {}
    for key, value in request.query:
        if key in literal or key in OF_THE_PROTOCOL:
            continue
        member = members.get(names.get(key))
        if member is not None and member.type_name == "list":
            found.setdefault(names[key], []).append(from_text(value, member.member, key))
        else:
            found[names.get(key, key)] = from_text(value, member, key) if member is not None else value
    return found


def unknown_headers(request, shape):
    known = [m.serialization.get("name", n).lower() for n, m in shape.members.items() if "location" in m.serialization]
    prefixes = tuple(m.serialization["name"].lower() for m in shape.members.values() if m.serialization.get("location") == "headers")
    return [
        f"unknown header {name}"
        for name in request.headers
        if name.startswith("x-amz-") and name not in known and not HEADERS_OF_THE_PROTOCOL.fullmatch(name)
        if not (prefixes and name.startswith(prefixes))
    ]


def body_members(request, operation):
    shape = operation.input_shape
    payload = shape.serialization.get("payload")
    inside = {name: member for name, member in shape.members.items() if "location" not in member.serialization}
    if payload and shape.members[payload].type_name in ("blob", "string"):
        # Streamed: what it holds is the caller's own.
        return {payload: request.body} if request.body else {}
    if not request.body or not inside:
        return {}
    if payload:
        return {payload: from_body(request, operation, shape.members[payload])}
    return from_body(request, operation, shape)


def from_body(request, operation, shape):
    if operation.service_model.metadata["protocol"] == "rest-json":
        try:
            return from_json(json.loads(request.body), shape, "")
        except ValueError as error:
            raise Unreadable(f"the body is not JSON: {error}") from error
    try:
        root = ElementTree.fromstring(request.body)
    except ElementTree.ParseError as error:
        raise Unreadable(f"the body is not XML: {error}") from error
    return from_xml([root], shape, "")


def bare(tag):
    """A tag without its namespace."""
    return tag.rpartition("}")[2]


def from_xml(nodes, shape, where):
    """`nodes` are the elements of one name, of which only a flattened list has several."""
    kind = shape.type_name
    if kind == "list" and shape.serialization.get("flattened"):
        return [from_xml([node], shape.member, f"{where}[{i}]") for i, node in enumerate(nodes)]
    if len(nodes) > 1:
        raise Unreadable(f"{where.lstrip('.')} is given {len(nodes)} times")
    node = nodes[0]
    if kind == "structure":
        return structure_from_xml(node, shape, where)
    if kind == "list":
        return [from_xml([item], shape.member, f"{where}[{i}]") for i, item in enumerate(node)]
    return from_text(node.text or "", shape, where)


def structure_from_xml(node, shape, where):
    names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    grouped = {}
    for child in node:
        grouped.setdefault(bare(child.tag), []).append(child)
    found = {}
    for tag, children in grouped.items():
        name = names.get(tag)
        found[name or tag] = from_xml(children, shape.members[name], f"{where}.{name}") if name else children[0].text
    return found
