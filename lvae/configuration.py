"""Config files on one side, frozen dataclasses on the other: a typo is an error with its name.

A config file states what its experiment sets. What it leaves out has the default of the group's
dataclass. `experiment` makes the whole config of both; `parse` turns a config into the dataclasses.
"""

import dataclasses
import inspect
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar, Union

import ml_collections

from lvae.errors import UserError

S = TypeVar("S")
Values: TypeAlias = Mapping[str, Any]  # a group, as a config file or JSON holds it
AnyConfig: TypeAlias = Mapping[str, Any] | ml_collections.ConfigDict


def experiment(
    task: str,
    settings: type,
    base: Values,
    variants: Mapping[str, Values],
    argument: str | None,
) -> ml_collections.ConfigDict:
    """The whole config of an experiment, locked; what `get_config(argument)` of a file returns.

    Args:
      task: name of the task.
      settings: its settings class, whose defaults fill in what is not stated.
      base: what the experiment states, group by group.
      variants: changes by name. `a:b` applies `a`, then `b`, then the entry `a:b` if there is one.
      argument: what follows the colon on the command line, or None.

    Raises:
      ValueError: an unknown variant.
      UserError: a value is wrong, see `parse`.
    """
    values = _merged({}, base)
    parts = argument.split(":") if argument else []
    for count, part in enumerate(parts, start=1):
        if part not in variants:
            known = ", ".join(name for name in variants if ":" not in name)
            raise ValueError(f"{part!r}: no such variant; there are {known}")
        values = _merged(values, variants[part])
        if count > 1:
            values = _merged(values, variants.get(":".join(parts[:count]), {}))
    return to_config(task, parse(settings, values))


def _merged(values: Values, changes: Values) -> dict[str, Any]:
    merged = dict(values)
    for name, change in changes.items():
        is_group = isinstance(change, Mapping)
        merged[name] = _merged(merged.get(name, {}), change) if is_group else change
    return merged


def to_config(task: str, settings: Any) -> ml_collections.ConfigDict:
    """The config that `parse` turns into `settings` (a dataclass), locked."""
    groups = {
        name: value for name, value in dataclasses.asdict(settings).items() if value is not None
    }
    return ml_collections.ConfigDict({"task": task, **groups}).lock()


def parse(cls: type[S], config: AnyConfig, name: str = "config") -> S:
    """The groups of a config as one frozen dataclass. name: of the whole, in errors.

    Of a group whose type is a union, the class is taken whose `Literal` fields without a default
    and class constants agree with the values of the group (or, where it has no such value, of `model` and `data`).

    Raises:
      UserError: a field is unknown, missing, of another type or out of its range.
    """
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    values = {key: value for key, value in config.items() if key != "task"}
    designs: dict[str, Any] = {}
    for key in ("data", "model"):
        group = values.get(key)
        designs |= group if isinstance(group, Mapping) else {}
    return _group(cls, values, name, designs)


def _group(cls: type[S], values: Values, name: str, designs: Values) -> S:
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise UserError(
            f"{name}.{unknown[0]}: no such field; known fields: {', '.join(sorted(fields)) or 'none'}"
        )
    for field in fields.values():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and field.name not in values and not _is_group(field.type):
            raise UserError(f"{name}.{field.name}: missing; set it in the config file")
    hints = typing.get_type_hints(cls)
    given = {
        key: values.get(key, {})
        for key, field in fields.items()
        if key in values or (_is_group(field.type) and field.default is dataclasses.MISSING)
    }
    converted = {
        key: _value(value, hints[key], f"{name}.{key}", designs) for key, value in given.items()
    }
    try:
        return cls(**converted)
    except ValueError as error:  # a check in __post_init__
        raise UserError(f"{name}: {error}") from error


def _is_group(kind: Any) -> bool:
    return any(dataclasses.is_dataclass(one) for one in _members(kind))


def _members(kind: Any) -> tuple[Any, ...]:
    """The types of a union; of another type itself."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        return typing.get_args(kind)
    return (kind,)


def _value(value: Any, kind: Any, name: str, designs: Values) -> Any:
    """`value` as `kind` asks; whole numbers are floats too, lists are tuples."""
    members = _members(kind)
    if value is None and type(None) in members:
        return None
    groups: list[type] = [member for member in members if dataclasses.is_dataclass(member)]  # type: ignore[misc]
    if groups:
        if not isinstance(value, Mapping):
            raise UserError(f"{name}: {value!r} is a {type(value).__name__}; expected a group")
        return _group(_chosen(groups, value, designs, name), value, name, designs)
    (kind,) = (member for member in members if member is not type(None))
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(map(str, arguments))
            raise UserError(f"{name}: {value!r} is none of {known}")
        return value
    if origin is tuple:
        return _tuple(value, arguments, name, designs)
    return _number_or_text(value, kind, name)


def _number_or_text(value: Any, kind: type, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UserError(f"{name}: {value!r} is a {type(value).__name__}; expected {kind.__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{name}: {value!r}; expected a finite number")
    return value


def _tuple(value: Any, kinds: tuple[Any, ...], name: str, designs: Values) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise UserError(f"{name}: {value!r} is a {type(value).__name__}; expected a list")
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    if len(value) != len(kinds):
        raise UserError(f"{name}: {value!r} has {len(value)} entries; expected {len(kinds)}")
    return tuple(
        _value(item, kind, f"{name}[{place}]", designs)
        for place, (item, kind) in enumerate(zip(value, kinds))
    )


def _chosen(classes: list[type[S]], values: Values, designs: Values, name: str) -> type[S]:
    """The one class of a union that fits."""
    if len(classes) == 1:
        return classes[0]
    fitting = [cls for cls in classes if _fits(cls, values, designs)]
    if len(fitting) == 1:
        return fitting[0]
    names = dict.fromkeys(key for cls in classes for key in _choices(cls))
    given = ", ".join(f"{key}={values.get(key, designs.get(key))!r}" for key in names)
    known = "; ".join(
        ", ".join(
            f"{key}={' or '.join(map(str, allowed))}" for key, allowed in _choices(cls).items()
        )
        for cls in classes
    )
    raise UserError(f"{name}: nothing is known for {given}; there are {known}")


def _fits(cls: type, values: Values, designs: Values) -> bool:
    return all(
        values.get(key, designs.get(key)) in allowed for key, allowed in _choices(cls).items()
    )


def _choices(cls: type) -> dict[str, tuple[Any, ...]]:
    """What tells a class of a union from the others: {field: the values that it allows}."""
    choices: dict[str, tuple[Any, ...]] = {}
    for key, kind in typing.get_type_hints(cls).items():
        if typing.get_origin(kind) is ClassVar:
            constant = inspect.getattr_static(cls, key)
            choices[key] = constant if isinstance(constant, tuple) else (constant,)
        elif typing.get_origin(kind) is Literal and _distinguishes(cls, key):
            choices[key] = typing.get_args(kind)
    return choices


def _distinguishes(cls: type, key: str) -> bool:
    """Whether a Literal field names the design: then it has no default."""
    return any(
        field.name == key and field.default is dataclasses.MISSING
        for field in dataclasses.fields(cls)
    )


def changed(config: ml_collections.ConfigDict, changes: Values) -> ml_collections.ConfigDict:
    """A copy of the config with the fields of these dotted names replaced, locked."""
    values = to_dict(config)
    for name, value in changes.items():
        *groups, field = name.split(".")
        group = values
        for part in groups:
            group = group[part]
        group[field] = value
    return ml_collections.ConfigDict(values).lock()


def to_dict(config: AnyConfig) -> dict[str, Any]:
    """A plain nested dict: what JSON writes (tuples become lists)."""
    if isinstance(config, ml_collections.ConfigDict):
        config = config.to_dict()
    return json.loads(json.dumps(config))


def to_json(config: AnyConfig) -> str:
    """The config as JSON text, keys sorted, one field per line."""
    return json.dumps(to_dict(config), indent=2, sort_keys=True) + "\n"


def from_json(text: str) -> ml_collections.ConfigDict:
    """The inverse of `to_json`, locked.

    Raises:
      ValueError: the text is no JSON, or no object.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError(f"holds a JSON {type(values).__name__}; expected an object")
    return ml_collections.ConfigDict(values).lock()


def check_at_least(settings: Any, smallest: float, *names: str) -> None:
    """Raises a ValueError that names the first of these fields that is below `smallest`."""
    for name in names:
        if getattr(settings, name) < smallest:
            raise ValueError(f"{name}={getattr(settings, name)}: must be at least {smallest}")


def differences(old: AnyConfig, new: AnyConfig, prefix: str = "") -> list[str]:
    """Lines `name: old -> new` for every field in which two configs differ."""
    left, right = (to_dict(old), to_dict(new)) if not prefix else (dict(old), dict(new))
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
