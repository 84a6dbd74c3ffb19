"""The commands of docs/break-glass.md: each is parsed by the AWS CLI and held against the service's own model, and none is sent."""

import os
import re
import shlex
import sys
import unittest
from pathlib import Path
from unittest import mock

import awscli
import botocore.endpoint
from awscli.clidriver import create_clidriver

DOCS = Path(__file__).resolve().parents[2] / "docs"
SAMPLE = "sample-value"


class Stopped(Exception):
    """The call was about to go out."""


def blocks(text):
    """What stands in the shell examples."""
    return re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S)


def lines(block):
    """The commands of an example, one each, however many lines it has in quotes."""
    kept = ""
    for line in block.splitlines():
        kept = f"{kept}\n{line}" if kept else line
        try:
            shlex.split(kept)
        except ValueError:
            continue
        yield kept
        kept = ""
    if kept:
        raise AssertionError(f"a quote is not closed: {kept}")


def expanded(words, variables):
    """Words with the shell's variables put in; one that no earlier line has set is an error."""

    def value(match):
        name = match.group(1)
        if name not in variables:
            raise AssertionError(f"${name} is used before it is set")
        return variables[name]

    return [re.sub(r"\$([A-Z_]+)", value, word) for word in words]


def commands(text):
    """The commands of the `aws` kind in a document, with its variables put in."""
    variables = {}
    for block in blocks(text):
        for line in lines(block):
            line = line.removeprefix("export ")
            assigned = re.match(r"([A-Z_]+)=(.*)$", line, flags=re.S)
            if assigned and not assigned.group(2).startswith("$("):
                variables[assigned.group(1)] = shlex.split(assigned.group(2))[0]
                continue
            if assigned:
                variables[assigned.group(1)] = SAMPLE
                line = assigned.group(2).removeprefix("$(").removesuffix(")")
            words = shlex.split(line)
            if not words or words[0] != "aws":
                raise AssertionError(f"neither an assignment nor a command of the AWS CLI: {line}")
            yield line, expanded(words[1:], variables)


class Documents(unittest.TestCase):
    def setUp(self):
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}
        patched = mock.patch.dict(os.environ, keys)
        patched.start()
        self.addCleanup(patched.stop)

    def reaches_the_wire(self, words):
        """What the CLI would send; an unknown option, a missing member or one of another shape never comes so far."""
        sent = []

        def stop(endpoint, model, request):
            sent.append((model.service_model.service_name, model.name, request))
            raise Stopped()

        with mock.patch.object(botocore.endpoint.Endpoint, "make_request", stop):
            with mock.patch("sys.stderr") as stderr:
                try:
                    code = create_clidriver().main(words)
                except SystemExit as ended:
                    code = ended.code
        said = "".join(str(call.args[0]) for call in stderr.write.call_args_list)
        return sent, code, said

    def test_every_command_is_one_that_aws_takes(self):
        count = 0
        for line, words in commands((DOCS / "break-glass.md").read_text()):
            with self.subTest(line=line):
                sent, _, said = self.reaches_the_wire(words)
                self.assertEqual(len(sent), 1, said)
                service, operation, _ = sent[0]
                # `aws ecs wait services-stable` asks by another operation than its own name.
                if words[1] != "wait":
                    self.assertEqual(operation.lower(), words[1].replace("-", ""), service)
                count += 1
        self.assertGreater(count, 40)

    def test_a_wrong_command_does_not_pass(self):
        for line in [
            "aws ecs update-service --cluster a --desired-count x",
            "aws ecs update-service --cluster a --service b --desire-count 3",
            "aws ecs no-such-command",
            "aws ec2 stop-instances",
        ]:
            sent, code, _ = self.reaches_the_wire(shlex.split(line)[1:])
            self.assertEqual(sent, [], line)
            self.assertNotEqual(code, 0, line)


if __name__ == "__main__":
    print(f"awscli {awscli.__version__}", file=sys.stderr)
    unittest.main(verbosity=1)
