#!/usr/bin/env python3
"""Compares our service model with AWS' own, the last one that botocore had (1.40.18).

    compare_model.py OUR-service-2.json [--allow-missing-operations]

Run it with a Python that has botocore 1.40.18. For every operation: the same input and output members, of the same types, with the same
ones required, and the same errors; for the signature and the wire, the same metadata. What differs for a reason is listed below with its
reason. Exits with 1 and a list if anything else differs, or if a listed difference is none any more.
"""

import argparse
import json
import sys
from pathlib import Path

import botocore
from botocore.loaders import Loader

BOTOCORE = "1.40.18"

# Writers that are out of scope [SCP-2]: they only refuse, so the model has not got them.
OUT_WRITERS = {
    "CreateApp", "DeleteApp", "DeregisterRdsDbInstance", "GrantAccess", "RegisterRdsDbInstance", "UpdateApp", "UpdateRdsDbInstance",
}

NO_APPS = "apps are out of scope: the list is always empty [SCP-3]"
NO_RDS = "databases are out of scope: the list is always empty [SCP-3]"
NO_RAID = "RAID is out of scope [SCP-4], so no layer ever has it"
NO_WINDOWS = "the difference of Linux and Windows; Windows is out of scope [SCP-4]"
NO_FACT = "a fact of the machine that nothing reads off it yet"
NO_DSA = "DSA is dead: the field is omitted (instances.md, question 11)"
NO_REPORT = "told by OpsWorks' agent, which does not exist any more"
NO_PAGES = "never set [TAG-8]"
# For members that the API is to have. Only --allow-missing-operations lets them pass.
NOT_YET = "not built yet"

# Members that AWS' model has and ours has not: path -> reason. It goes for what is below the path, too.
MISSING = {
    "DescribeApps.output.Apps[]": NO_APPS,
    "DescribeDeployments.output.Deployments[].AppId": NO_APPS,
    "DescribeInstances.output.Instances[].Platform": NO_WINDOWS,
    "DescribeInstances.output.Instances[].PrivateDns": NO_FACT,
    "DescribeInstances.output.Instances[].PublicDns": NO_FACT,
    "DescribeInstances.output.Instances[].RootDeviceVolumeId": NO_FACT,
    "DescribeInstances.output.Instances[].SshHostDsaKeyFingerprint": NO_DSA,
    "DescribeInstances.output.Instances[].SshHostRsaKeyFingerprint": NO_FACT,
    "DescribeLayers.output.Layers[].VolumeConfigurations[].RaidLevel": NO_RAID,
    "DescribeOperatingSystems.output.OperatingSystems[].ReportedName": NO_REPORT,
    "DescribeOperatingSystems.output.OperatingSystems[].ReportedVersion": NO_REPORT,
    "DescribeRaidArrays.output.RaidArrays[]": NO_RAID,
    "DescribeRdsDbInstances.output.RdsDbInstances[]": NO_RDS,
    "ListTags.output.NextToken": NO_PAGES,
}

# Members that ours has and AWS' has not: path -> reason.
EXTRA = {
}

# Differences of "required": path -> reason.
REQUIRED = {
    "CreateStack.input.Region": "the newest AWS CLI takes --region for its own; without it the installation's region counts",
}

# Values of enums that ours has and AWS' has not: path and value -> reason.
VALUES = {
}


class Model:
    """A service model with its shapes spread out."""

    def __init__(self, model):
        self.metadata = model["metadata"]
        self.operations = model["operations"]
        self.shapes = model["shapes"]

    def members(self, operation, side):
        """Path -> (type, required, values) of everything below an operation's input or output."""
        found = {}
        reference = self.operations[operation].get(side)
        if reference:
            self._spread(reference["shape"], f"{operation}.{side}", found, is_input=side == "input")
        return found

    def _spread(self, name, path, found, is_input):
        shape = self.shapes[name]
        if shape["type"] == "structure":
            for member, reference in shape["members"].items():
                required = is_input and member in shape.get("required", [])
                below = f"{path}.{member}"
                target = self.shapes[reference["shape"]]
                found[below] = (target["type"], required, set(target.get("enum", [])))
                self._spread(reference["shape"], below, found, is_input)
        elif shape["type"] == "list":
            self._element(shape["member"]["shape"], f"{path}[]", found, is_input)
        elif shape["type"] == "map":
            self._element(shape["key"]["shape"], f"{path}{{key}}", found, is_input)
            self._element(shape["value"]["shape"], f"{path}{{}}", found, is_input)

    def _element(self, name, path, found, is_input):
        shape = self.shapes[name]
        found[path] = (shape["type"], False, set(shape.get("enum", [])))
        self._spread(name, path, found, is_input)


class Comparison:
    """What differs, and which reasons were needed."""

    def __init__(self):
        self.unexplained = []
        self.explained = []
        self.not_yet = []
        self.needed = set()

    def differs(self, reasons, path, what):
        """Notes a difference; a reason for a path covers what is below it."""
        covering = [known for known in reasons if is_at_or_below(path, known)]
        if not covering:
            self.unexplained.append(f"{path}: {what}")
            return
        known = max(covering, key=len)
        self.needed.add((id(reasons), known))
        notes = self.not_yet if reasons[known] is NOT_YET else self.explained
        notes.append(f"{path}: {what}: {reasons[known]}")

    def stale(self, operations):
        """Listed differences that are none any more."""
        for reasons in (MISSING, EXTRA, REQUIRED, VALUES):
            for path, reason in reasons.items():
                if path.split(".")[0] not in operations or (id(reasons), path) in self.needed:
                    continue
                notes = self.not_yet if reason is NOT_YET else self.unexplained
                notes.append(f"{path}: is listed as a difference, but differs no more: take it off the list")


def is_at_or_below(path, known):
    return path == known or (path.startswith(known) and path[len(known)] in ".[{")


def compare_side(comparison, ours, theirs, operation, side):
    mine, other = ours.members(operation, side), theirs.members(operation, side)
    for path, (kind, required, values) in other.items():
        if path not in mine:
            if not any(is_at_or_below(path, above) and path != above for above in other if above not in mine):
                comparison.differs(MISSING, path, "AWS has it, ours has not")
            continue
        my_kind, my_required, my_values = mine[path]
        if my_kind != kind:
            comparison.differs({}, path, f"ours is {my_kind}, AWS' is {kind}")
        if my_required != required:
            comparison.differs(REQUIRED, path, f"required: ours {my_required}, AWS {required}")
        for value in sorted(my_values - values) if values else []:
            comparison.differs(VALUES, f"{path}={value}", "ours has this value, AWS' has not")
    for path in mine:
        if path not in other:
            comparison.differs(EXTRA, path, "ours has it, AWS has not")


def compare(ours, theirs):
    comparison = Comparison()
    for name in sorted({*ours.metadata, *theirs.metadata} - {"signingName"}):
        if ours.metadata.get(name) != theirs.metadata.get(name):
            comparison.differs({}, f"metadata.{name}", f"ours {ours.metadata.get(name)!r}, AWS {theirs.metadata.get(name)!r}")
    for operation in sorted(ours.operations):
        if operation not in theirs.operations:
            comparison.differs({}, operation, "AWS has no such operation")
            continue
        for key in ("name", "http"):
            if ours.operations[operation].get(key) != theirs.operations[operation].get(key):
                comparison.differs({}, operation, f"{key} differs")
        mine, other = ({e["shape"] for e in m.operations[operation].get("errors", [])} for m in (ours, theirs))
        if mine != other:
            comparison.differs({}, operation, f"errors: ours {sorted(mine)}, AWS {sorted(other)}")
        for side in ("input", "output"):
            compare_side(comparison, ours, theirs, operation, side)
    comparison.stale(ours.operations)
    return comparison


def missing_operations(ours, theirs):
    """Operations that we should have and have not, and ones that we should not have."""
    missing = sorted(set(theirs.operations) - set(ours.operations) - OUT_WRITERS)
    refused = sorted(set(ours.operations) & OUT_WRITERS)
    return missing, [f"{name}: is out of scope and only refuses, so it does not belong into the model" for name in refused]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="our service-2.json, as `strata aws-model` prints it")
    parser.add_argument("--allow-missing-operations", action="store_true", help="only warn of operations and members that are not built yet")
    args = parser.parse_args()
    if botocore.__version__ != BOTOCORE:
        sys.exit(f"this Python has botocore {botocore.__version__}; the comparison is with {BOTOCORE}")
    ours = Model(json.loads(args.model.read_text()))
    # Only the models that botocore brought along: ours may be installed, too.
    builtin = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    theirs = Model(builtin.load_service_model("opsworks", "service-2", "2013-02-18"))

    comparison = compare(ours, theirs)
    missing, wrong = missing_operations(ours, theirs)
    wrong += comparison.unexplained
    not_yet = comparison.not_yet + [f"{name}: our model has not got this operation yet" for name in missing]
    for line in comparison.explained:
        print(f"explained: {line}")
    if args.allow_missing_operations:
        for line in not_yet:
            print(f"warning: {line}")
    else:
        wrong += not_yet
    for line in wrong:
        print(f"DIFFERS: {line}", file=sys.stderr)
    print(f"{len(ours.operations)} operations compared: {len(comparison.explained)} explained differences, {len(wrong)} unexplained")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
