"""Numbers about a trained run: python -m lvae.evaluate [--workdir=DIR] [--data=DIR].

Prints one JSON object, the last line of stdout.
"""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

from lvae.commands import arguments, process


def main(words: list[str]) -> None:
    """Parses the flags, prints the numbers."""
    parser = arguments.Parser(description=__doc__)
    parser.add_argument(
        "--workdir", type=arguments.path, default=Path("runs/default"), help="Run to measure."
    )
    parser.add_argument(
        "--data",
        type=arguments.path,
        help="Data to measure on, laid out as config.data.path. Default: the run's own.",
    )
    arguments.add_device(parser)
    chosen = parser.parse_args(words)
    process.prepare_jax(chosen.device)
    print(json.dumps(evaluate(chosen.workdir, chosen.data)))


def evaluate(workdir: Path, data: Path | None = None) -> dict[str, Any]:
    """Everything that the run's task measures, on its own data or on that under `data`.

    Raises:
      UserError: there is no run, or the data are bad.
    """
    from lvae import configuration
    from lvae.runs import evaluation
    from lvae.tasks import restoring

    task, config, run = restoring.load(workdir)
    settings = run.settings
    if data is not None:
        config = copy.deepcopy(config)
        config.data.path = str(data)
        settings = configuration.parse(task.settings, config)
    splits = restoring.load_data(task, settings, run.spec)
    return evaluation.thorough(task, dataclasses.replace(run, settings=settings), splits)
