"""A trained model in one file: arrays as safetensors, beside them config, spec and model card.

The file holds no code, needs no run directory and no training data. A checksum over everything in it
tells a damaged file from a whole one; the same model gives the same bytes.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
from jaxtyping import PyTree

from lvae import atomic, configuration
from lvae.errors import UserError

FORMAT = "lvae model 1"
_ENTRY = "lvae"  # of the metadata; one only, since the library writes several in any order


class ModelFile(NamedTuple):
    """What the file holds.

    config: of the run. spec: as spec.json holds it. card: Markdown for people. arrays: by their
    place in the variables, as params/encoder/kernel.
    """

    config: ml_collections.ConfigDict
    spec: Mapping[str, Any]
    card: str
    arrays: Mapping[str, np.ndarray]


def content(
    config: configuration.AnyConfig, spec: Mapping[str, Any], card: str, variables: PyTree
) -> bytes:
    """The bytes of the file of a model; variables: arrays on the host."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(leaf, order="C") for name, leaf in _flat(variables).items()}
    texts = {"format": FORMAT, "config": configuration.to_dict(config), "spec": spec, "card": card}
    note = json.dumps(texts | {"sha256": _checksum(texts, arrays)}, sort_keys=True)
    return save(arrays, metadata={_ENTRY: note})


def write(path: Path, data: bytes) -> bool:
    """Writes the bytes of a model; returns whether anything was to be done.

    Raises:
      UserError: the place holds something else, or cannot be written.
    """
    if path.is_file() and path.read_bytes() == data:
        return False
    if path.exists():
        raise UserError(f"{path}: is there already; choose another name, or remove it")
    atomic.write_bytes(path, data)
    return True


def read(path: Path) -> ModelFile:
    """The file of a model, whole and as it was written.

    Raises:
      UserError: it is absent, damaged or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            note = json.loads((file.metadata() or {}).get(_ENTRY, "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if not isinstance(note, dict) or note.get("format") != FORMAT:
            raise ValueError(f"it holds no {FORMAT!r}")
        if note.pop("sha256", None) != _checksum(note, arrays):
            raise ValueError("its checksum is another")
        config = ml_collections.ConfigDict(note["config"]).lock()
        return ModelFile(config, dict(note["spec"]), str(note["card"]), arrays)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check it") from error
    except (
        SafetensorError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: is no model file, or a damaged one ({reason}); write it again with lvae export"
        ) from error


def variables(path: Path, arrays: Mapping[str, np.ndarray], shapes: PyTree) -> PyTree:
    """The arrays as a tree of these shapes and types.

    Raises:
      UserError: they are of another model.
    """
    wanted = _flat(shapes)
    for name in sorted({*wanted, *arrays}):
        if name not in wanted or name not in arrays:
            raise UserError(f"{path}: {name} is {'missing' if name in wanted else 'not known'}")
        found, expected = arrays[name], wanted[name]
        if found.shape != expected.shape or found.dtype != expected.dtype:
            raise UserError(
                f"{path}: {name} is {found.dtype} {found.shape}; its config asks for "
                f"{expected.dtype} {expected.shape}"
            )
    return jax.tree.unflatten(jax.tree.structure(shapes), [arrays[name] for name in wanted])


def _flat(tree: PyTree) -> dict[str, Any]:
    """Leaves by name, in the order of the tree."""
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _checksum(texts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, str(array.dtype), array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
