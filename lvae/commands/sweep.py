"""Trains an experiment with many values of its fields: lvae sweep FILE [--cluster=local:2].

FILE is YAML: config, workdir, fields, measure (docs/howto/sweep.md). Trials that are complete are left
alone, so the same command goes on. Prints a table, the best first, and writes it as sweep.csv.
"""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvae import atomic, cluster
from lvae.commands import arguments, process
from lvae.errors import UserError
from lvae.storage import trackers

if TYPE_CHECKING:  # imported after the flags have been checked
    from lvae.runs.sweeps import Trial

TABLE = "sweep.csv"


def main(words: list[str]) -> None:
    """Parses the flags, trains what is missing, prints the table."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument("file", type=arguments.path, metavar="FILE", help="What to try, as YAML.")
    parser.add_argument("--cluster", default=cluster.HERE, help=f"Where: {cluster.FORMS}.")
    parser.add_argument(
        "--trackers", default="", metavar="NAME,...", help="mlflow, wandb: as of lvae train."
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="Print the trials; train nothing, write nothing."
    )
    arguments.add_device(parser)
    chosen = parser.parse_args(words)
    cluster.check(chosen.cluster)
    names = trackers.check([name for name in chosen.trackers.split(",") if name])
    from lvae.runs import sweeps

    sweep, trials = sweeps.read(chosen.file)
    if chosen.dry_run:
        print("\n".join(str(trial.workdir) for trial in trials))
        return
    calls = [(trial, chosen.device, names) for trial in trials]
    results: dict[int, Mapping[str, Any]] = {}
    for index, result in cluster.map_calls(train_trial, calls, cluster=chosen.cluster):
        results[index] = {"trial": trials[index].workdir.name, "values": trials[index].values}
        results[index] |= result
        said = result.get("error") or result["numbers"].get(sweep.measure)
        print(f"{len(results)}/{len(trials)} {trials[index].workdir}: {said}", file=sys.stderr)
    try:
        rows = sweeps.ordered(sweep, [results[index] for index in range(len(trials))])
    except UserError as error:
        raise UserError(f"{chosen.file}: {error}") from error
    place = Path(sweep.workdir).expanduser() / TABLE
    atomic.write_text(place, as_csv(rows))
    print(as_text(rows))
    if all(row["failure"] for row in rows):
        raise UserError(f"{chosen.file}: every trial failed, the first with: {rows[0]['failure']}")


def train_trial(call: "tuple[Trial, str, Sequence[str]]") -> dict[str, Any]:
    """Trains a trial, or finds it complete: its `numbers`, or the `error` that ended it."""
    trial, device, names = call
    process.prepare_jax(device)
    from lvae import configuration, experiments
    from lvae.runs import loop
    from lvae.tasks import registry

    config = experiments.read(trial.experiment, trial.changes)
    task = registry.find(config.task)
    settings = configuration.parse(task.settings, config)
    whole = configuration.to_config(config.task, settings)
    try:
        return {"numbers": loop.train(task, whole, trial.workdir, names)["evaluation"]}
    except UserError as error:  # as a loss that is not finite: the others go on
        return {"error": str(error)}


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table for people; the column of failures only where there are any."""
    columns = [name for name in rows[0] if name != "failure" or any(row[name] for row in rows)]
    cells = [columns, *([_cell(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same table for programs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
