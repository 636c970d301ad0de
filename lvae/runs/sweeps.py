"""Many trainings of one experiment: which fields get which values, as a YAML file says.

    config: default              # as --config, with variants
    workdir: runs/sweep          # a run directory per trial is made in it
    method: grid                 # every combination; or random
    fields:
      model.latents: [32, 96]
      loss.kl_weight: [0.1, 0.2, 0.5]
    measure: validation_reconstruction_px_mean
    goal: lowest                 # or highest

With `method: random`, `trials` says how many and `seed` which; a field may then also be
`{low: 0.01, high: 1.0, scale: log}`. `set` holds fields that are the same in all trials.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lvae import configuration, experiments
from lvae.errors import UserError
from lvae.tasks import registry

FAILURE = "failure"  # the column of what ended a trial
_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$")
LONGEST_NAME = 120  # characters of a trial's folder; longer names are hashed


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a file says; see the top of this module."""

    config: str
    workdir: str
    measure: str  # of the evaluation at the end of training
    goal: Literal["lowest", "highest"] = "lowest"
    method: Literal["grid", "random"] = "grid"
    trials: int = 0  # of method random
    seed: int = 0  # of method random

    def __post_init__(self) -> None:
        if (self.method == "random") != (self.trials > 0):
            raise ValueError(
                f"method={self.method}, trials={self.trials}: random takes a number of trials, grid "
                "takes none"
            )


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training: its config and its run directory. values: of the fields that are varied."""

    experiment: str
    changes: Mapping[str, Any]
    values: Mapping[str, Any]
    workdir: Path


def read(file: Path) -> tuple[Sweep, list[Trial]]:
    """The sweep of a file and its trials, every one of which has a valid config.

    Raises:
      UserError: the file is absent or no such YAML, or a field or value is wrong; names it.
    """
    entries = _read_yaml(file)
    fields, fixed = entries.pop("fields", None), entries.pop("set", {})
    if not isinstance(fields, dict) or not fields:
        raise UserError(f"{file}: fields: missing; name fields with their values")
    if not isinstance(fixed, dict):
        raise UserError(f"{file}: set: is no group of fields")
    try:
        sweep = configuration.parse(Sweep, entries, "")
    except UserError as error:
        known = "; fields and set are groups of their own" if "no such field" in str(error) else ""
        raise UserError(f"{file}: {str(error).lstrip('.: ')}{known}") from error
    chosen = _random(file, sweep, fields) if sweep.method == "random" else _grid(file, fields)
    trials = []
    for values in chosen:
        changes = {**fixed, **values}
        folder = Path(sweep.workdir).expanduser() / _name(values)
        trials.append(Trial(sweep.config, changes, values, folder))
        _check(file, trials[-1])
    return sweep, trials


def _check(file: Path, trial: Trial) -> None:
    """Raises a UserError if the trial's config is wrong."""
    try:
        config = experiments.read(trial.experiment, trial.changes)
        configuration.parse(registry.find(config.task).settings, config)
    except UserError as error:
        given = ", ".join(f"{name}={value}" for name, value in trial.changes.items())
        raise UserError(f"{file}: {error} (with {given})") from error


def _read_yaml(file: Path) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes 1e-3 for a number, as YAML 1.2 does; PyYAML's is 1.1, where it is a text."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _EXPONENT, list("-+0123456789"))
    try:
        entries = yaml.load(file.read_text(encoding="utf-8"), Loader)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}); check its name") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(entries, dict):
        raise UserError(f"{file}: holds no entries by name, as config, workdir, fields, measure")
    return entries


def _grid(file: Path, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination, the last field fastest."""
    for name, values in fields.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{file}: fields.{name}: {values!r}; a grid takes a list of values")
    for combination in itertools.product(*fields.values()):
        yield dict(zip(fields, combination))


def _random(file: Path, sweep: Sweep, fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Trial i depends on the seed and on i: more trials leave the first as they are."""
    for index in range(sweep.trials):
        generator = np.random.default_rng([sweep.seed, index])
        yield {name: _drawn(file, name, values, generator) for name, values in fields.items()}


def _drawn(file: Path, name: str, values: Any, generator: np.random.Generator) -> Any:
    if isinstance(values, list) and values:
        return values[generator.integers(len(values))]
    place = f"{file}: fields.{name}"
    if not isinstance(values, dict) or not {"low", "high"} <= set(values):
        raise UserError(f"{place}: {values!r}; random takes a list, or low and high")
    if set(values) - {"low", "high", "scale"}:
        raise UserError(f"{place}: {values!r}; known are low, high and scale")
    low, high, scale = values["low"], values["high"], values.get("scale", "linear")
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or low > high or scale not in ("linear", "log") or (scale == "log" and low <= 0):
        raise UserError(
            f"{place}: low={low}, high={high}, scale={scale}; low is a number below high, scale "
            "linear or log, and log needs a low above 0"
        )
    if scale == "log":
        value = math.exp(generator.uniform(math.log(low), math.log(high)))
    else:
        value = generator.uniform(low, high)
    whole = isinstance(low, int) and isinstance(high, int)
    return round(value) if whole else float(f"{value:.4g}")  # as the table shows it


def _name(values: Mapping[str, Any]) -> str:
    """The folder of a trial: its values, so that the same trial is found again in a longer sweep."""
    name = ",".join(f"{field}={value}" for field, value in values.items()).replace("/", "_")
    if len(name) <= LONGEST_NAME and name.isprintable():
        return name
    return hashlib.sha256(json.dumps(dict(values)).encode()).hexdigest()[:16]


def ordered(sweep: Sweep, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table, the best first, failed trials last.

    results: one per trial: `trial`, the values of its fields, and `numbers` or `error`.

    Raises:
      UserError: no trial has the measure; names those there are.
    """
    rows = []
    known: set[str] = set()
    for result in results:
        numbers = result.get("numbers", {})
        known |= {name for name, value in numbers.items() if isinstance(value, int | float)}
        rows.append({**result["values"], sweep.measure: numbers.get(sweep.measure)})
        rows[-1] |= {"trial": result["trial"], FAILURE: result.get("error", "")}
    if known and sweep.measure not in known:
        raise UserError(
            f"measure: {sweep.measure}: not among the numbers of the runs; there are "
            f"{', '.join(sorted(known))}"
        )
    sign = 1 if sweep.goal == "lowest" else -1

    def place(row: Mapping[str, Any]) -> tuple[bool, float]:
        value = row[sweep.measure]
        return value is None, 0.0 if value is None else sign * value

    return sorted(rows, key=place)
