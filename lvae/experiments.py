"""The shipped configs by name: `default` is configs/default.py, `default:smoke` its variant.

In an installed package they lie in it; in the repository beside it.
"""

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from lvae import configuration
from lvae.errors import UserError

_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "configs", _HERE.parent / "configs")  # of a wheel; of the repository


def folder() -> Path:
    """Where the shipped configs are."""
    return next((place for place in _FOLDERS if place.is_dir()), _FOLDERS[0])


def names() -> list[str]:
    """The shipped configs."""
    return sorted(path.stem for path in folder().glob("[!_]*.py"))


def summary(name: str) -> str:
    """What a shipped config says of itself in its first line."""
    text = (folder() / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").split("\n", 1)[0]


def variants(name: str) -> list[str]:
    """The variants that the file of a shipped config states; nothing is imported for it."""
    text = (folder() / f"{name}.py").read_text(encoding="utf-8")
    for statement in ast.parse(text).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name("VARIANTS")], value=ast.Dict(keys=keys))
                | ast.AnnAssign(target=ast.Name("VARIANTS"), value=ast.Dict(keys=keys))
            ):
                known = [str(key.value) for key in keys if isinstance(key, ast.Constant)]
                return [key for key in known if ":" not in key]
    return []


def located(experiment: str) -> str:
    """`NAME[:VARIANT]` as the file of that config, with the variant behind it; another file as it is.

    Raises:
      UserError: a name, not a file, and none of the shipped ones.
    """
    name, colon, variant = experiment.partition(":")
    if not name.isidentifier():
        return experiment
    if name not in names():
        raise UserError(
            f"--config={experiment}: no such config; there are {', '.join(names())}; "
            "one of your own is named by its file, as in --config=FILE.py"
        )
    return f"{folder() / name}.py{colon}{variant}"


def read(experiment: str, changes: Mapping[str, Any] | None = None) -> ml_collections.ConfigDict:
    """The config of `NAME[:VARIANT]` or `FILE.py[:VARIANT]`, with fields replaced by dotted names.

    Values are not checked; `lvae.configuration.parse` does that.

    Raises:
      UserError: no such config, variant or field.
    """
    file, _, variant = located(experiment).partition(":")
    module_spec = importlib.util.spec_from_file_location("_lvae_config", file)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"--config={experiment}: is no Python file; known names: lvae configs")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        config = module.get_config(variant or None)
    except (OSError, AttributeError, ValueError) as error:
        raise UserError(f"--config={experiment}: {error}") from error
    for name in changes or {}:
        _refuse_unknown(config, name)
    return configuration.changed(config, changes or {})


def _refuse_unknown(config: ml_collections.ConfigDict, name: str) -> None:
    """Raises a UserError if a dotted name leads to no field; a field that is None has no groups."""
    group: Any = config
    for count, part in enumerate(parts := name.split("."), start=1):
        if not isinstance(group, ml_collections.ConfigDict) or part not in group:
            known = ", ".join(group) if isinstance(group, ml_collections.ConfigDict) else "none"
            raise UserError(
                f"config.{'.'.join(parts[:count])}: no such field; known fields: {known}"
            )
        group = group[part]
