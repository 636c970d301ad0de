"""Numbers about a trained run: python -m lvae.evaluate [--workdir=DIR] [--data=DIR].

Prints one JSON object, the last line of stdout; on a terminal also its numbers as a table, below it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvae.commands import arguments, process


def main(words: list[str]) -> None:
    """Parses the flags, prints the numbers."""
    parser = arguments.Parser(description=__doc__)
    arguments.add_run(parser, "Run to measure.")
    parser.add_argument(
        "--data",
        type=arguments.path,
        help="Data to measure on, laid out as config.data.path. Default: the run's own.",
    )
    arguments.add_device(parser)
    chosen = parser.parse_args(words)
    place = arguments.chosen_run(chosen, words)
    process.prepare_jax(chosen.device)
    numbers = evaluate(place, chosen.data)
    print(json.dumps(numbers), flush=True)
    if sys.stdout.isatty():
        print_table(numbers)


def evaluate(workdir: Path, data: Path | None = None) -> dict[str, Any]:
    """Everything that the run's task measures, on its own data or on that under `data`.

    Raises:
      UserError: there is no run, or the data are bad.
    """
    from lvae.runs import evaluation
    from lvae.tasks import restoring

    return evaluation.of_run(restoring.load(workdir), data)


SPLITS = ("train", "validation", "test")


def table(numbers: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Single numbers by name and split; "" where a name says no split and no split has its value."""
    rows: dict[str, dict[str, float]] = {}
    unnamed: dict[str, float] = {}
    for name, value in numbers.items():
        if isinstance(value, (int, float)):
            split, _, measure = name.partition("_")
            if split in SPLITS:
                rows.setdefault(measure, {})[split] = float(value)
            else:
                unnamed[name] = float(value)
    for name, value in unnamed.items():
        if value not in rows.get(name, {}).values():
            rows.setdefault(name, {})[""] = value
    return rows


def print_table(numbers: Mapping[str, Any]) -> None:
    """The numbers for a reader, on stderr: stdout is for the object."""
    from rich.console import Console
    from rich.table import Table

    rows = table(numbers)
    splits = [split for split in ("", *SPLITS) if any(split in row for row in rows.values())]
    shown = Table("", *splits, box=None)
    for name, row in rows.items():
        shown.add_row(name, *(f"{row[split]:.4g}" if split in row else "" for split in splits))
    Console(stderr=True, highlight=False).print(shown)
