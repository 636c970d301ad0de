"""Numbers about a trained run: python -m lvae.evaluate [--workdir=DIR] [--data=DIR].

Prints one JSON object, the last line of stdout.
"""

import copy
import json
from pathlib import Path
from typing import Any

from absl import flags

from lvae import doors


def evaluate(workdir: Path, data: Path | None = None) -> dict[str, Any]:
    """Everything that the run's task measures, on its own data or on that under `data`.

    Raises:
      UserError: there is no run, or the data are bad.
    """
    from lvae import sampling, tasks
    from lvae.training.records import plain

    run = sampling.load_run(workdir)
    task = tasks.find(run.config.task)
    config = copy.deepcopy(run.config)
    if data is not None:
        config.data.path = str(data)
    return plain(task.evaluate(config, run.variables, task.load_data(config), thorough=True))


def main() -> None:
    """Parses the flags, prints the numbers."""
    doors.check_device()
    data = Path(_DATA.value) if _DATA.value else None
    print(json.dumps(evaluate(Path(_WORKDIR.value), data)))


if __name__ == "__main__":
    _WORKDIR = flags.DEFINE_string("workdir", "runs/default", "Run directory to measure.")
    _DATA = flags.DEFINE_string(
        "data", None, "Data to measure on, laid out as config.data.path. Default: the run's own."
    )
    doors.define_device_flag()
    doors.run(main)
