"""Every recording held out once: python -m benchmarks.cross_validation --data=DIR [--folds=5] [--out=DIR].

Trains `configs/default.py` (or --config) once per fold, each with a fold's recordings as its
validation split, and evaluates it. Prints the mean error, whether samples can be told from real
frames, and how near samples come to the held-out ones, fold by fold and over the folds. Recordings
in a folder `test/` stay out. With --out the runs are kept, and a run that was cut short goes on.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report

ROOT = Path(__file__).parent.parent
MEASURES = {  # name in the evaluation: column
    "validation_reconstruction_px_mean": "error, px",
    "validation_reconstruction_pitches_mean": "error, pitches",
    "validation_prior_two_sample_auroc": "prior told apart, AUROC",
    "validation_simulator_two_sample_auroc": "simulator told apart, AUROC",
    "validation_prior_coverage_ratio": "prior coverage ratio",
    "validation_prior_memorised_share": "prior nearest to training",
    "validation_chance_memorised_share": "the same by chance",
}


def main() -> None:
    """Parses the flags, trains and evaluates the folds, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--folds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--config", default="configs/default.py", help="default %(default)s")
    parser.add_argument("--steps", type=int, help="per fold; default: the config's")
    parser.add_argument("--seed", type=int, default=0, help="of every fold; default %(default)s")
    parser.add_argument("--out", type=Path, help="keep the runs here, and go on with those there")
    arguments = parser.parse_args()
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.out or Path(temporary)).resolve()
        chosen = [
            f"--config={arguments.config}",
            f"--config.data.path={arguments.data.resolve()}",
            f"--config.seed={arguments.seed}",
        ]
        if arguments.steps is not None:
            chosen += [
                f"--config.training.steps={arguments.steps}",
                f"--config.training.checkpoint_every={arguments.steps}",
            ]
        names = [f"{fold}/{arguments.folds}" for fold in range(1, arguments.folds + 1)]
        found = [numbers(chosen, name, folder) for name in names]
    print(report.table(rows(names, found)))


def numbers(chosen: Sequence[str], fold: str, folder: Path) -> dict[str, Any]:
    """The evaluation of the run of a fold, which is trained first, or to its end.

    Raises:
      CalledProcessError: training or evaluation failed; its own line stands on stderr.
    """
    workdir = folder / f"fold-{fold.replace('/', '-of-')}"
    run("train.py", *chosen, f"--config.data.folds={fold}", f"--workdir={workdir}")
    return json.loads(run("-m", "lvae.evaluate", f"--workdir={workdir}").splitlines()[-1])


def run(*command: str) -> str:
    """stdout of a Python command, run to its end.

    Raises:
      CalledProcessError: it failed.
    """
    finished = subprocess.run(
        [sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return finished.stdout


def rows(names: Sequence[str], found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One per fold, then mean and standard deviation over those folds that have the measure."""
    table: list[dict[str, Any]] = [
        {"fold": name} | {column: one.get(key, "-") for key, column in MEASURES.items()}
        for name, one in zip(names, found, strict=True)
    ]
    values = {column: [one[key] for one in found if key in one] for key, column in MEASURES.items()}
    means = {column: statistics.fmean(value) if value else "-" for column, value in values.items()}
    deviations = {
        column: statistics.stdev(value) if len(value) > 1 else "-"
        for column, value in values.items()
    }
    return [*table, {"fold": "mean"} | means, {"fold": "deviation"} | deviations]


if __name__ == "__main__":
    main()
