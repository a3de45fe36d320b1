"""Checks and converts request members against botocore's description of a service."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape


class ShapeError(Exception):
    """A value does not fit its shape; the text is AWS's validation message."""


@functools.cache
def service_model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def input_shape(service: str, operation: str) -> StructureShape:
    shape = service_model(service).operation_model(operation).input_shape
    if not isinstance(shape, StructureShape):
        raise TypeError(f"{service} {operation} takes no input")
    return shape


def check(value: dict[str, Any], shape: StructureShape) -> None:
    """Refuse a request that AWS would refuse for its form alone."""
    found = list(_faults(value, shape, ""))
    if found:
        plural = "s" if len(found) > 1 else ""
        raise ShapeError(f"{len(found)} validation error{plural} detected: {'; '.join(found)}")


def _faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _member_faults(value, shape, path)
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value, 1):
            yield from _faults(item, shape.member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _faults(item, shape.value, f"{path}.{key}")
    else:
        yield from _scalar_faults(value, shape, path)


def _member_faults(value: dict[str, Any], shape: StructureShape, path: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            where = _join(path, name)
            yield f"Value at '{where}' failed to satisfy constraint: Member must not be null"
    for name, member in shape.members.items():
        if name in value:
            yield from _faults(value[name], member, _join(path, name))


def _scalar_faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    rule = shape.metadata
    said = f"Value '{value}' at '{path}' failed to satisfy constraint: Member must"
    if isinstance(value, str):
        pattern, allowed = rule.get("pattern"), rule.get("enum")
        if pattern and not _matches(pattern, value):
            yield f"{said} satisfy regular expression pattern: {pattern}"
        if allowed and value not in allowed:
            yield f"{said} satisfy enum value set: [{', '.join(allowed)}]"
        if "max" in rule and len(value) > rule["max"]:
            yield f"{said} have length less than or equal to {rule['max']}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if "min" in rule and value < rule["min"]:
            yield f"{said} have value greater than or equal to {rule['min']}"
        if "max" in rule and value > rule["max"]:
            yield f"{said} have value less than or equal to {rule['max']}"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:  # AWS writes Java patterns; some (in tags, mostly) are none of Python's
        return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _join(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def from_template(value: Any, shape: Shape, ignored: frozenset[str], path: str = "") -> Any:
    """Convert template properties (where numbers and booleans may be text) to request members.

    Args:
        value: the resolved properties.
        shape: what the service takes.
        ignored: property names that exist in templates but not in this request.
        path: where `value` sits, for messages.

    Raises:
        ShapeError: a property that neither the service nor `ignored` knows.
    """
    if isinstance(shape, StructureShape):
        unknown = value.keys() - shape.members.keys() - ignored
        if unknown:
            raise ShapeError(f"Encountered unsupported property {path}{sorted(unknown)[0]}")
        return {
            name: from_template(value[name], member, ignored, f"{path}{name}.")
            for name, member in shape.members.items()
            if name in value
        }
    if isinstance(shape, ListShape):
        return [from_template(item, shape.member, ignored, path) for item in value]
    if isinstance(shape, MapShape):
        return {key: from_template(item, shape.value, ignored, path) for key, item in value.items()}
    return _scalar_from_template(value, shape.type_name)


def _scalar_from_template(value: Any, type_name: str) -> Any:
    if type_name in ("integer", "long"):
        return int(value)
    if type_name in ("float", "double"):
        return float(value)
    if type_name == "boolean":
        return str(value).lower() == "true"
    return str(value)
