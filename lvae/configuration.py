"""Config files on one side, frozen dataclasses on the other: a typo is an error with its name."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import ml_collections

from lvae.errors import UserError

Section = TypeVar("Section")


def section(cls: type[Section], values: Mapping[str, Any], name: str) -> Section:
    """One group of a config as a frozen dataclass.

    Args:
      cls: a dataclass whose fields are exactly the group's fields.
      values: the group, a ConfigDict or a mapping.
      name: the group's dotted name in the config, for messages.

    Raises:
      UserError: a field is unknown, missing or of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise UserError(
            f"config.{name}.{unknown[0]}: no such field; known fields: {', '.join(sorted(fields))}"
        )
    required = {
        key
        for key, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    missing = sorted(required - set(values))
    if missing:
        raise UserError(
            f"config.{name}.{missing[0]}: missing; start from one of the files in configs/"
        )
    converted = {}
    for key in values:
        converted[key] = _converted(values[key], fields[key].type, f"config.{name}.{key}")
    try:
        return cls(**converted)
    except ValueError as error:  # a check in __post_init__
        raise UserError(f"config.{name}: {error}") from error


def _converted(value: Any, expected: Any, name: str) -> Any:
    """`value` with lists as tuples and whole floats as asked; wrong types are refused."""
    if isinstance(value, list | tuple):
        return tuple(value)
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    kind = expected if isinstance(expected, type) else kinds.get(str(expected))
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (int, float, bool, str) and (
        not isinstance(value, kind) or (kind is int and isinstance(value, bool))
    ):
        raise UserError(f"{name}: {value!r} is a {type(value).__name__}; expected {kind.__name__}")
    return value


def to_dict(config: Mapping[str, Any]) -> dict[str, Any]:
    """A plain nested dict: what JSON writes (tuples become lists)."""
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    return json.loads(json.dumps(config))


def to_json(config: Mapping[str, Any]) -> str:
    """The config as JSON text, keys sorted, one field a line."""
    return json.dumps(to_dict(config), indent=2, sort_keys=True) + "\n"


def from_json(text: str) -> ml_collections.ConfigDict:
    """The inverse of `to_json`, locked."""
    return ml_collections.ConfigDict(json.loads(text)).lock()


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Lines `name: old -> new` for every field in which two configs differ."""
    left, right = (to_dict(old), to_dict(new)) if not prefix else (old, new)
    lines: list[str] = []
    for key in sorted(set(left) | set(right)):
        name = f"{prefix}{key}"
        if key not in left:
            lines.append(f"{name}: absent -> {right[key]!r}")
        elif key not in right:
            lines.append(f"{name}: {left[key]!r} -> absent")
        elif isinstance(left[key], dict) and isinstance(right[key], dict):
            lines.extend(differences(left[key], right[key], f"{name}."))
        elif left[key] != right[key]:
            lines.append(f"{name}: {left[key]!r} -> {right[key]!r}")
    return lines
