"""Every recording held out once: python -m benchmarks.cross_validation --data=DIR [--folds=5] [--out=DIR].

Trains `configs/default.py` (or --config, with --config.any.field=value) once per fold, each without
that fold's recordings, and measures it on them: the error, whether samples can be told from the
recording's frames, how near samples come to these, and whether they stay with what was trained on
(`benchmarks.held_out`). Prints one row per recording, then mean and deviation over recordings. With
--out the runs are kept; the same command goes on with what was cut short and repeats nothing.
"""

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import report, results
from benchmarks.held_out import held_out_rows
from benchmarks.trained import Job, Rows, rows_of
from lvae.cluster import map_calls
from lvae.commands.train import is_config, read_config
from lvae.configuration import changed
from lvae.errors import UserError
from lvae.tasks import restoring


def main(words: Sequence[str] | None = None) -> None:
    """Parses the flags, trains and measures the folds, prints the table."""
    chosen, rest = _parser().parse_known_args(words)
    if any(not is_config(word) for word in rest):
        raise UserError(f"{rest[0]}: no such flag; see --help")
    _, config = read_config([f"--config={chosen.config}", *rest])
    changes: dict[str, Any] = {"data.path": str(chosen.data.resolve())}
    changes |= {"training.evaluate_every": 0}
    if chosen.steps is not None:
        changes |= {"training.steps": chosen.steps, "training.checkpoint_every": chosen.steps}
    config = changed(config, changes)
    print(report.machine())
    print(report.versions("jax", "jaxlib", "flax", "scikit-learn"))
    with contextlib.ExitStack() as stack:
        out = chosen.out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        jobs = [
            Job(
                changed(config, {"data.folds": f"{fold}/{chosen.folds}"}),
                out.resolve() / f"fold-{fold}-of-{chosen.folds}",
                measured,
            )
            for fold in range(1, chosen.folds + 1)
        ]
        found: dict[int, Rows] = {}
        for number, rows in map_calls(rows_of, jobs, cluster=chosen.cluster):
            found[number] = [{"fold": f"{number + 1}/{chosen.folds}"} | row for row in rows]
            print(report.table(found[number]), flush=True)
    rows = with_means([row for number in sorted(found) for row in found[number]])
    print(report.table(rows))
    if chosen.result:
        command = f"python -m benchmarks.cross_validation --data=DIR --folds={chosen.folds}"
        told = {"config": Path(chosen.config).stem, "data": "recordings in DIR"}
        results.write(chosen.result, rows, command=command, seeds=[config.seed], **told)


def measured(workdir: Path) -> Rows:
    """One row per recording that the run in `workdir` never saw."""
    task, _, run = restoring.load(workdir)
    return held_out_rows(run, restoring.load_data(task, run.settings, run.spec))


def with_means(rows: Rows) -> Rows:
    """The rows, and the mean and the deviation over them of every column of numbers."""
    numbers = {
        column: [row[column] for row in rows]
        for column, value in rows[0].items()
        if isinstance(value, float)
    }
    mean = {column: statistics.fmean(values) for column, values in numbers.items()}
    spread = {
        column: statistics.stdev(values) if len(values) > 1 else 0.0
        for column, values in numbers.items()
    }
    return [*rows, {"fold": "mean"} | mean, {"fold": "deviation"} | spread]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--folds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--config", default="configs/default.py", help="default %(default)s")
    parser.add_argument("--steps", type=int, help="per fold; default: the config's")
    parser.add_argument("--result", default="", help="also as docs/results/RESULT.json")
    parser.add_argument("--out", type=Path, help="keep the runs here, and go on with those there")
    parser.add_argument(
        "--cluster",
        default="here",
        help="where folds are trained, as local:2; default: %(default)s",
    )
    return parser


if __name__ == "__main__":
    main()
