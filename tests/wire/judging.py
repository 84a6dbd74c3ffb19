"""Judges a request's parameters by the service's own model: botocore's validator, and the constraints that it leaves out."""

import re

from botocore.validate import ParamValidator

# botocore's validator holds types, unknown and missing members and lower bounds against the model; these are the rest.
UNICODE_CLASSES = {r"\p{L}": r"\w", r"\p{Z}": r"\s", r"\p{N}": r"\d"}


def judge(read):
    """All that is wrong with a request that could be read, a line each."""
    shape = read.operation.input_shape
    complaints = list(read.complaints)
    if shape is None:
        return complaints + [f"{name}: {read.operation.name} takes no parameters" for name in read.parameters]
    report = ParamValidator().validate(read.parameters, shape)
    if report.has_errors():
        complaints += report.generate_report().splitlines()
    return complaints + list(beyond(read.parameters, shape, ""))


def beyond(value, shape, where):
    """Upper bounds, patterns and enumerations."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from beyond(item, shape.members[name], f"{where}.{name}")
    elif kind == "list" and isinstance(value, list):
        yield from too_much(len(value), shape, where, "items")
        for index, item in enumerate(value):
            yield from beyond(item, shape.member, f"{where}[{index}]")
    elif kind == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from beyond(key, shape.key, f"{where} (key: {key})")
            yield from beyond(item, shape.value, f"{where}.{key}")
    elif kind == "string" and isinstance(value, str):
        yield from too_much(len(value), shape, where, "characters")
        yield from not_one_of(value, shape, where)
        yield from not_of_form(value, shape, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from too_much(value, shape, where, "")


def too_much(amount, shape, where, unit):
    most = shape.metadata.get("max")
    if most is not None and amount > most:
        yield f"{where.lstrip('.')}: {amount} {unit}".rstrip() + f", at most {most}"


def not_one_of(value, shape, where):
    known = shape.metadata.get("enum")
    if known and value not in known:
        yield f"{where.lstrip('.')}: {value!r} is none of {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"


def not_of_form(value, shape, where):
    pattern = compiled(shape.metadata.get("pattern"))
    if pattern and not pattern.fullmatch(value):
        yield f"{where.lstrip('.')}: {value!r} is not of the form {shape.metadata['pattern']}"


COMPILED = {}


def compiled(pattern):
    """A model's pattern, which is written for Java; `None` for the few that Python cannot say."""
    if pattern is None:
        return None
    if pattern not in COMPILED:
        translated = pattern
        for java, python in UNICODE_CLASSES.items():
            translated = translated.replace(java, python)
        try:
            COMPILED[pattern] = re.compile(translated, re.DOTALL)
        except re.error:
            COMPILED[pattern] = None
    return COMPILED[pattern]
