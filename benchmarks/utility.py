"""Does it help? The registration network, trained with and without generated frames.

    python -m benchmarks.utility --data=DIR --default_run=runs/default --notebook_run=runs/notebook

One row per training set; the same number of steps for all; measured on whole recordings that neither
the network nor the generator saw (the validation split of --data and, if there is one, its test
split). Rows are trained one after another into --out; the same command goes on where it was stopped,
and --rows, --seeds and --steps choose parts of the table. --tune first finds each row's learning
rate, with a seed of its own, on the same recordings for all rows. --full is the field's network
size, for a GPU. Frames that other programs generated are a row too: --generated=NAME=DIR.

Prints the table with mean and spread over seeds; writes it, with a plot, into --out.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks import report
from configs import registration
from lvae import atomic
from lvae.commands import process
from lvae.errors import UserError
from lvae.figures import canvas
from lvae.figures import registration as pictures
from lvae.runs import evaluation, loop, modes
from lvae.tasks import registry, restoring
from lvae.tasks.task import Request

PER_FRAME = 8  # generated frames for every real one, where a row does not say otherwise
MEASURES = ("error_px", "accuracy", "repaired_accuracy", "faultless_frames")
YARDSTICK = "classical"
TUNING_SEED = 1000
TUNING_RATES = (5e-4, 1e-3, 2e-3, 4e-3)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Frames to draw from a trained generator: whose run, the sampling mode, the noise factor."""

    run: str
    mode: str
    factor: float = 1.0


@dataclasses.dataclass(frozen=True)
class Row:
    """A training set.

    drawn: generated frames in it. classical: share of its frames that are augmented classically.
    posed: all frames are brought into other poses, as in configs/registration.py:posed.
    real: whether real frames are in it. simulated: recordings of the simulator, 2 frames each.
    early_share: of the steps, at the start, on simulated frames alone. folders: of frames that are
    there already. per_frame: generated frames of each drawing for every real one.
    """

    drawn: tuple[Drawing, ...] = ()
    classical: float = 0.0
    posed: bool = False
    real: bool = True
    simulated: int = 0
    early_share: float = 0.0
    folders: tuple[str, ...] = ()
    per_frame: int = PER_FRAME


_DEFAULT = (Drawing("default", "noise"), Drawing("default", "prior"))
ROWS = {
    "real": Row(),
    "classical": Row(classical=1.0),
    "notebook noise 1": Row((Drawing("notebook", "noise"),)),
    "notebook noise 2": Row((Drawing("notebook", "noise", 2.0),)),
    "notebook noise 3": Row((Drawing("notebook", "noise", 3.0),)),
    "notebook interpolate": Row((Drawing("notebook", "interpolate"),)),
    "default noise": Row((Drawing("default", "noise"),)),
    "default interpolate": Row((Drawing("default", "interpolate"),)),
    "default prior": Row((Drawing("default", "prior"),)),
    "default noise + prior": Row(_DEFAULT),
    "default 32 per frame": Row(_DEFAULT, per_frame=4 * PER_FRAME),
    "classical + notebook": Row((Drawing("notebook", "noise"),), classical=0.5),
    "classical + default": Row(_DEFAULT, classical=0.5),
    "classical + default 32": Row(_DEFAULT, classical=0.5, per_frame=4 * PER_FRAME),
    "posed": Row(posed=True),
    "posed + notebook": Row((Drawing("notebook", "noise"),), posed=True),
    "posed + default 32": Row(_DEFAULT, posed=True, per_frame=4 * PER_FRAME),
    "simulator": Row(real=False, simulated=640),
    "simulator then real": Row(simulated=640, early_share=0.5),
}


def main() -> None:
    """Trains what is missing, prints the table."""
    options = _arguments()
    rows = _rows(options)
    out = Path(options.out)
    jax.config.update("jax_compilation_cache_dir", str(out / "compiled"))  # seeds share programs
    print(report.machine())
    print(report.versions("jax", "flax", "numpy", "scipy"), flush=True)
    results: dict[str, dict[str, Any]] = {}
    for name, row in rows.items():
        generated = _generated_folders(row, options)
        rate = _tuned_rate(name, row, generated, options) if options.tune else options.learning_rate
        runs = []
        for seed in range(options.seeds):
            workdir = out / _folder_name(name) / f"seed-{seed}"
            config = _config(row, generated, options, seed, rate, options.steps)
            runs.append(_measured(config, workdir))
            print(f"{name}, seed {seed}: {_line(runs[-1])}", flush=True)
        results[name] = {"learning_rate": rate, "runs": runs}
    text = report.table(_table(results))
    print(f"\n{options.steps} steps, {options.seeds} seeds; means over recordings, ± over seeds\n")
    print(text)
    atomic.write_text(out / "utility.md", text + "\n")
    atomic.write_text(out / "utility.json", json.dumps(results, indent=1) + "\n")
    accuracies = {
        name: [run["accuracy"] for run in result["runs"]] for name, result in results.items()
    }
    repaired = {
        name: [run["repaired_accuracy"] for run in result["runs"]]
        for name, result in results.items()
    }
    canvas.save(pictures.utility(accuracies, repaired), out / "utility.png")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Help)
    parser.add_argument("--data", default="", help="recordings, as config.data.path; '' simulates")
    parser.add_argument("--default_run", default="runs/default", help="a trained run of default")
    parser.add_argument("--notebook_run", default="runs/notebook", help="a trained run of notebook")
    parser.add_argument(
        "--generated",
        action="append",
        default=[],
        metavar="NAME=DIR",
        help="a further row: real frames and those in DIR (several: commas); may be repeated",
    )
    parser.add_argument("--rows", default="", help=f"commas; default all of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=3, help="runs per row")
    parser.add_argument("--steps", type=int, default=3000, help="optimiser steps per run")
    parser.add_argument("--learning_rate", type=float, default=1e-3, help="without --tune")
    parser.add_argument("--tune", action="store_true", help=f"find each row's rate: {TUNING_RATES}")
    parser.add_argument("--tuning_steps", type=int, default=1000, help="of each run that tunes")
    parser.add_argument("--full", action="store_true", help="384 x 384, 32 filters")
    parser.add_argument("--smoke", action="store_true", help="seconds; means nothing")
    parser.add_argument("--out", default="runs/utility", help="runs, sets, table, plot")
    return parser.parse_args()


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The page as it is written, and defaults."""


def _rows(options: argparse.Namespace) -> dict[str, Row]:
    """The rows that were asked for, in the table's order."""
    rows = dict(ROWS)
    for entry in options.generated:
        name, _, folders = entry.partition("=")
        if not folders:
            raise UserError(f"--generated={entry}: write NAME=DIR")
        rows[name] = Row(folders=tuple(folders.split(",")))
    if not options.rows:
        return rows
    wanted = [name.strip() for name in options.rows.split(",")]
    unknown = [name for name in wanted if name not in rows]
    if unknown:
        raise UserError(f"--rows: {unknown[0]!r} is no row; there are {', '.join(rows)}")
    return {name: row for name, row in rows.items() if name in wanted}


def _generated_folders(row: Row, options: argparse.Namespace) -> list[str]:
    """The row's generated frames, drawn if they are not there yet."""
    folders = list(row.folders)
    for drawing in row.drawn:
        run = Path(options.default_run if drawing.run == "default" else options.notebook_run)
        loaded = restoring.load(run)
        train = loaded.task.load_data(loaded.run.settings)["train"]
        out = Path(options.out) / "sets" / f"{drawing.run}-{drawing.mode}-{drawing.factor:g}"
        if row.per_frame != PER_FRAME:
            out = out.with_name(f"{out.name}-{row.per_frame}")
        count = row.per_frame * int(train["real"].sum())
        own = loaded.task.modes[drawing.mode].options
        chosen = own() if drawing.factor == 1.0 else own(factor=drawing.factor)
        modes.draw(loaded, Request(drawing.mode, 1, count, options=chosen), out)
        folders.append(str(out))
    return folders


def _config(
    row: Row,
    generated: list[str],
    options: argparse.Namespace,
    seed: int,
    learning_rate: float,
    steps: int,
) -> Any:
    sizes = ["full"] if options.full else ["smoke"] if options.smoke else []
    variants = [*(["posed"] if row.posed else []), *sizes]
    config = registration.get_config(":".join(variants) or None)
    with config.unlocked():
        config.seed = seed
        config.data.path = options.data
        config.data.extra_recordings = min(row.simulated, 2) if options.smoke else row.simulated
        config.training_set.real = row.real
        config.training_set.generated = ",".join(generated)
        config.training_set.early_share = row.early_share
        if not row.posed:
            config.augmentation.share = row.classical
        config.training.learning_rate = learning_rate
        config.training.evaluate_every = 0  # at the end only
        if not options.smoke:
            config.training.steps = steps
    return config


def _tuned_rate(name: str, row: Row, generated: list[str], options: argparse.Namespace) -> float:
    """The learning rate with the highest accuracy at the end of a shorter run."""
    found = {}
    for rate in TUNING_RATES:
        workdir = Path(options.out) / _folder_name(name) / f"rate-{rate:g}"
        config = _config(row, generated, options, TUNING_SEED, rate, options.tuning_steps)
        found[rate] = _measured(config, workdir)["accuracy"]
    print(f"{name}: " + ", ".join(f"{rate:g}: {value:.3f}" for rate, value in found.items()))
    return max(found, key=lambda rate: found[rate])


def _measured(config: Any, workdir: Path) -> dict[str, Any]:
    """Trains, or finds the trained run; means and the worst over all held-out recordings."""
    record = workdir / "utility.json"
    loop.train(registry.find("registration"), config, workdir)
    if not record.exists():
        task, _, run = restoring.load(workdir)
        found = evaluation.thorough(task, run, task.load_data(run.settings))
        recordings = {
            name: found["recordings"][name] + found.get("test_recordings", {}).get(name, [])
            for name in MEASURES
        }
        atomic.write_text(record, json.dumps(recordings) + "\n")
    recordings = json.loads(record.read_text())
    result: dict[str, Any] = {name: float(np.mean(recordings[name])) for name in MEASURES}
    return result | {"worst": min(recordings["accuracy"]), "recordings": recordings}


def _table(results: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One line per row; `wrong` is the share of classical's wrong matches, before repair."""
    wrong = {
        name: 1 - np.mean([run["accuracy"] for run in result["runs"]])
        for name, result in results.items()
    }
    lines = []
    for name, result in results.items():
        line: dict[str, Any] = {"training set": name}
        for column, field, form in (
            ("error, px at 384", "error_px", ".2f"),
            ("accuracy", "accuracy", ".4f"),
            ("repaired", "repaired_accuracy", ".4f"),
            ("worst recording", "worst", ".3f"),
            ("faultless frames", "faultless_frames", ".2f"),
        ):
            values = [run[field] for run in result["runs"]]
            spread = f" ± {np.std(values, ddof=1):{form}}" if len(values) > 1 else ""
            line[column] = f"{np.mean(values):{form}}{spread}"
        if YARDSTICK in wrong and wrong[YARDSTICK] > 0:
            line[f"wrong / {YARDSTICK}'s"] = f"{wrong[name] / wrong[YARDSTICK]:.2f}"
        line["learning rate"] = f"{result['learning_rate']:g}"
        lines.append(line)
    return lines


def _line(run: dict[str, Any]) -> str:
    return (
        f"error {run['error_px']:.2f} px, accuracy {run['accuracy']:.4f}, repaired "
        f"{run['repaired_accuracy']:.4f}, worst recording {run['worst']:.3f}"
    )


def _folder_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


if __name__ == "__main__":
    process.start_with_large_pages()
    try:
        main()
    except UserError as error:
        raise SystemExit(f"benchmarks.utility: {error}") from None
