"""Does it help, on recordings that nobody tuned on? python -m benchmarks.utility_folds --data=DIR

The matcher on points (`configs/registration_points.py`) is trained on one training set after another,
each once per fold and seed, and measured on the fold's two recordings; so every recording is held
out once. Matcher and generators are blind to them: --default_runs and --notebook_runs name folders
of generators that were trained fold by fold, `fold-1-of-5` and so on (`benchmarks.cross_validation
--out=DIR` makes them). All training sets have the same number of optimiser steps; sets of drawn or
simulated frames are equally large.

Prints one row per training set: means over recordings, the interval in which the mean lies with 95 %
(bootstrap over recordings), the worst recording. The same command goes on where it was stopped.
"""

import argparse
import contextlib
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.trained import Job, Rows, rows_of
from lvae import api
from lvae.cluster import map_calls
from lvae.commands.train import read_config
from lvae.configuration import changed
from lvae.data.recordings.lasten import write_frames
from lvae.errors import UserError
from lvae.tasks import restoring

YARDSTICK = "classical"
FIRST_ID = 40_000  # of drawn frames
MEASURES = (
    "accuracy",
    "repaired_accuracy",
    "faultless_frames",
    "tracked_accuracy",
    "tracked_faultless_frames",
)
_STILL = {  # frames as they are
    "augmentation.share": 0.0,
    "augmentation.runs": 0.0,
    "augmentation.stray": 0,
}
_CLASSICAL = {  # what `registration` calls classical
    "augmentation.rotation": 20.0,
    "augmentation.shear": 10.0,
    "augmentation.translation": 0.2,
    "augmentation.warp_x": 0.15,
    "augmentation.warp_y": 0.015,
    "augmentation.jitter": 0.005,
    "augmentation.dropout": 0.2,
    "augmentation.relief": 1.0,
    "augmentation.proposals": 16,
    "augmentation.runs": 0.0,
    "augmentation.stray": 0,
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A training set: real frames, and what else. drawn: by which generators. simulated: whether
    frames of the simulator are in it. changes: of the config."""

    drawn: Sequence[str] = ()
    simulated: bool = False
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


ROWS = {
    "real": Row(changes=_STILL),
    "classical": Row(changes=_CLASSICAL),
    "posed": Row(),
    "posed + notebook": Row(("notebook",)),
    "posed + default": Row(("default",)),
    "posed + simulator": Row(simulated=True),
    "posed + both": Row(("default",), simulated=True),
    "posed + adapted": Row(("adapted",)),
    "posed + simulator + adapted": Row(("adapted",), simulated=True),
}


def main(words: Sequence[str] | None = None) -> None:
    """Trains what is missing, prints the table."""
    options = _parser().parse_args(words)
    wanted = _wanted(options.rows)
    print(report.machine())
    print(report.versions("jax", "flax", "numpy", "scipy"), flush=True)
    chosen = _folds(options.only, options.folds)
    cases = list(itertools.product(range(options.seeds), chosen, wanted))
    jobs = [_job(name, fold, seed, options) for seed, fold, name in cases]
    found: dict[str, Rows] = {}
    for number, rows in map_calls(rows_of, jobs, cluster=options.cluster):
        seed, fold, name = cases[number]
        found.setdefault(name, []).extend({"seed": seed} | row for row in rows)
        shares = " ".join(
            f"{row['recording']}: {row['accuracy']:.4f} {row['repaired_accuracy']:.4f}"
            for row in rows
        )
        print(f"{name}, fold {fold}, seed {seed}: {shares}", flush=True)
    steps = jobs[0].config.training.steps
    print(f"\n{steps} steps, folds {chosen} of {options.folds}, {options.seeds} seeds\n")
    print(report.table(table(found)))


def measured(workdir: Path) -> Rows:
    """One row per recording that the run in `workdir` never saw."""
    task, _, run = restoring.load(workdir)
    splits = restoring.load_data(task, run.settings, run.spec)
    numbers = task.evaluate(run, splits, "test", True)["recordings"]
    ids = splits["test"]["id"].reshape(-1, run.settings.data.recording_length)
    return [
        {"recording": f"{own[0]}-{own[-1]}"} | {name: numbers[name][place] for name in numbers}
        for place, own in enumerate(ids)
    ]


def table(found: Mapping[str, Rows]) -> Rows:
    """A line per training set; `wrong` is the share of the yardstick's wrong matches, before the
    global step."""
    means = {name: _by_recording(rows) for name, rows in found.items()}
    lines = []
    for name, values in means.items():
        line: dict[str, Any] = {"training set": name}
        for measure in MEASURES:
            column = np.array([one[measure] for one in values.values()])
            low, high = _interval(column)
            line[measure] = f"{column.mean():.4f} ({low:.4f} to {high:.4f})"
        for measure in ("accuracy", "repaired_accuracy", "tracked_accuracy"):
            line[f"worst {measure}"] = f"{min(one[measure] for one in values.values()):.4f}"
        if YARDSTICK in means:
            wrong = [
                np.mean([1 - one["accuracy"] for one in of.values()])
                for of in (values, means[YARDSTICK])
            ]
            line[f"wrong / {YARDSTICK}'s"] = f"{wrong[0] / wrong[1]:.3f}"
        lines.append(line)
    return lines


def _by_recording(rows: Rows) -> dict[str, dict[str, float]]:
    """Means over seeds."""
    names = dict.fromkeys(row["recording"] for row in rows)
    return {
        name: {
            measure: float(np.mean([row[measure] for row in rows if row["recording"] == name]))
            for measure in MEASURES
        }
        for name in names
    }


def _interval(values: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """Percentile bootstrap of the mean ([efron1979])."""
    chosen = np.random.default_rng(0).integers(len(values), size=(draws, len(values)))
    low, high = np.percentile(values[chosen].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _job(name: str, fold: int, seed: int, options: argparse.Namespace) -> Job:
    row = ROWS[name]
    folders = [_drawn(generator, fold, options) for generator in row.drawn]
    _, config = read_config([f"--config=configs/registration_points.py{options.variant}"])
    simulated = options.frames // config.data.extra_length if row.simulated else 0
    changes: dict[str, Any] = {
        "seed": seed,
        "data.path": str(options.data.resolve()),
        "data.folds": f"{fold}/{options.folds}",
        "data.extra_recordings": simulated,
        "training_set.generated": ",".join(str(folder) for folder in folders),
        **row.changes,
    }
    if options.steps is not None:
        changes |= {"training.steps": options.steps, "training.checkpoint_every": options.steps}
    folder = "".join(letter if letter.isalnum() else "-" for letter in name)
    workdir = options.out.resolve() / folder / f"fold-{fold}-of-{options.folds}-seed-{seed}"
    return Job(changed(config, changes), workdir, measured)


def _drawn(generator: str, fold: int, options: argparse.Namespace) -> Path:
    """A folder of labels that the fold's generator drew, half of them `noise` and half `prior` where
    it has one; made once."""
    runs = getattr(options, f"{generator}_runs")
    if runs is None:
        raise UserError(f"--{generator}_runs: needed for rows with {generator}; name the folder")
    name = f"fold-{fold}-of-{options.folds}"
    out = options.out.resolve() / "sets" / generator / name
    if (out / "complete").exists():
        return out
    run = api.load(runs / name)
    if run.config["data"]["folds"] != f"{fold}/{options.folds}":
        raise UserError(f"{runs / name}: not a run of fold {fold}/{options.folds}")
    modes = ("noise",) if generator == "notebook" else ("noise", "prior")
    for number, mode in enumerate(modes):
        count = options.frames // len(modes)
        drawn = run.draw(mode, count, seed=fold)
        ids = np.arange(count) + FIRST_ID + number * count
        points, visible = np.asarray(drawn["points"]), np.asarray(drawn["visible"])
        write_frames(out, ids, points, visible.astype(bool))
    (out / "complete").touch()
    return out


def _wanted(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")] if text else list(ROWS)
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise UserError(f"--rows: {unknown[0]!r} is no row; there are {', '.join(ROWS)}")
    return names


def _folds(text: str, count: int) -> list[int]:
    if not text:
        return list(range(1, count + 1))
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if not all(1 <= number <= count for number in numbers):
        raise UserError(f"--only={text}: expected numbers from 1 to {count}, as 1,3")
    return numbers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--folds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--only", default="", help="folds to run, as 1,3; default all")
    parser.add_argument("--rows", default="", help=f"commas; default all of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=1, help="runs per fold; default %(default)s")
    parser.add_argument("--steps", type=int, help="of each run; default: the config's")
    parser.add_argument("--frames", type=int, default=3200, help="drawn or simulated, per fold")
    for name, of in (
        ("default", "configs/default.py"),
        ("adapted", "the same with --config.data.extra_recordings=2000"),
        ("notebook", "configs/notebook.py"),
    ):
        parser.add_argument(f"--{name}_runs", type=Path, help=f"runs of {of}, fold by fold")
    parser.add_argument("--variant", default="", help="of the config, as :smoke")
    parser.add_argument("--out", type=Path, default=Path("runs/utility_folds"), help="of all runs")
    parser.add_argument("--cluster", default="here", help="where to train, as local:2")
    return parser


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
