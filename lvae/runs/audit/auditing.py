"""An audit from start to end: what is compared, the numbers, the verdict."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lvae.errors import UserError
from lvae.metrics.near_copies import smallest_share
from lvae.runs import memory, modes
from lvae.runs.audit import material, measures, verdict
from lvae.runs.audit.material import ComparedSet, Material
from lvae.runs.export import stored
from lvae.runs.labels import label
from lvae.runs.provenance import versions
from lvae.tasks import restoring
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request

DRAWN = 2000  # samples, unless a number is asked for


class Wanted(NamedTuple):
    """samples: a drawn set; None: `num_samples` samples of the run's mode `prior`. held_out: recordings
    the run was not trained on; None: its validation and test splits. seed: of all draws."""

    samples: Path | None = None
    held_out: Path | None = None
    num_samples: int = DRAWN
    seed: int = 0


class Audit(NamedTuple):
    """result: what audit.json holds. known, sets: what it was measured on, for pictures."""

    result: dict[str, Any]
    known: Material
    sets: dict[str, ComparedSet]


def audit(loaded: Loaded, wanted: Wanted) -> Audit:
    """Measures a set and the model behind it.

    Raises:
      UserError: the task draws nothing new, the set or the data are bad, nothing is held out.
    """
    task, config, run = loaded
    if task.audit is None:
        raise UserError(
            f"{run.workdir}: the task {config.task} draws nothing new; there is nothing to audit"
        )
    splits = restoring.load_data(task, run.settings, run.spec)
    other = None if wanted.held_out is None else task.audit.load(run, wanted.held_out)
    known = material.material(task.audit, run, splits, other, wanted.seed)
    name, about, drawn = _drawn(loaded, wanted)
    sets = {name: drawn} | material.controls(known, _count(drawn), wanted.seed)
    rows = {key: measures.of_set(known, one, wanted.seed) for key, one in sets.items()}
    expected = rows["held out"]["near_copies"]["value"] if "held out" in rows else 0.0
    for row in rows.values():
        row["findings"] = verdict.of_set(row, expected)
    model = measures.of_model(known, wanted.seed)
    found = [*rows[name]["findings"], *verdict.of_model(model)]
    missed = verdict.missed_controls(rows)
    result = {
        "set": name,
        **about,
        "valid": not missed,
        "missed_controls": missed,
        "flagged": bool(found),
        "findings": found,
        "unit": task.audit.unit,
        "measure": task.audit.measure,
        "groups": _groups(known),
        "smallest_leak": measures.power(known)
        | {
            "copied_share": rows[name]["memorised"]["smallest_copied"],
            "near_copies": smallest_share(rows[name]["examples"]) / _compared_share(known),
        },
        "model": model,
        "sets": rows,
        "seed": wanted.seed,
        "versions": versions(),
    }
    return Audit(plain(result), known, sets)


def plain(value: Any) -> Any:
    """As JSON holds it: what is no number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _drawn(loaded: Loaded, wanted: Wanted) -> tuple[str, dict[str, Any], ComparedSet]:
    """The set's name in tables, what it is, and its examples."""
    if wanted.samples is not None:
        return _read(loaded, wanted.samples)
    mode = modes.find_mode(loaded.task, "prior", f"the task {loaded.config.task}")
    request = Request("prior", wanted.seed, wanted.num_samples, None, mode.options())
    plan = modes.planned(loaded, request)
    drawn = next(memory.batches(plan, len(plan.names)))
    fields = {name: array for name, array in drawn.items() if name not in ("name", "id")}
    about = {"mode": "prior", "label": label(loaded.task, "prior"), "samples": None}
    return "prior", about, ComparedSet(fields)


def _read(loaded: Loaded, folder: Path) -> tuple[str, dict[str, Any], ComparedSet]:
    """A set on the disk.

    Raises:
      UserError: it is of another task or damaged.
    """
    task, config, run = loaded
    assert task.audit is not None
    header = stored.header(folder)
    mode = None if header is None else str(header.get("mode"))
    made_by = None if header is None else header.get("config", {}).get("task")
    if made_by not in (None, config.task):
        raise UserError(
            f"--samples={folder}: is a set of the task {made_by}; {run.workdir} is of {config.task}"
        )
    parsed = []
    for place, sample in stored.samples(folder, task.audit.kind):
        try:
            parsed.append(task.audit.parse(run, sample))
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{folder / place}: is no sample of the task {config.task} ({error}); draw it again"
            ) from error
    fields = {name: np.stack([one[name] for one in parsed]) for name in parsed[0]}
    about = {"mode": mode, "label": label(task, mode), "samples": folder.name}
    return mode or folder.name, about, ComparedSet(fields, _sources(folder, len(parsed)))


def _sources(folder: Path, count: int) -> np.ndarray | None:
    """What near-copies in the set have in common: what each sample was made from, as the manifest
    says; None where it does not say, or samples are of nothing in particular."""
    keys = ("frame", "frames", "source", "corners")
    made = [
        json.dumps({key: note[key] for key in keys if key in note}) for note in stored.notes(folder)
    ]
    if len(made) != count or set(made) <= {"{}"}:
        return None
    return np.unique(made, return_inverse=True)[1]


def _compared_share(known: Material) -> float:
    """Of the training examples: a copy of another one is not seen."""
    return len(known.train.groups) / known.train.offered


def _count(drawn: ComparedSet) -> int:
    return len(next(iter(drawn.examples.values())))


def _groups(known: Material) -> dict[str, Any]:
    """How many groups and examples were compared, and how many examples there were."""
    return {
        name: {
            "groups": len(np.unique(part.groups)),
            "examples": len(part.groups),
            "offered": part.offered,
        }
        for name, part in (("training", known.train), ("held_out", known.held_out))
    }
