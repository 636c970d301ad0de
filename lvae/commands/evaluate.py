"""Numbers about a trained run: python -m lvae.evaluate [--workdir=DIR] [--data=DIR].

Prints one JSON object, the last line of stdout.
"""

import json
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
    print(json.dumps(evaluate(place, chosen.data)))


def evaluate(workdir: Path, data: Path | None = None) -> dict[str, Any]:
    """Everything that the run's task measures, on its own data or on that under `data`.

    Raises:
      UserError: there is no run, or the data are bad.
    """
    from lvae.runs import evaluation
    from lvae.tasks import restoring

    return evaluation.of_run(restoring.load(workdir), data)
