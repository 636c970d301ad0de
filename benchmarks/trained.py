"""Runs that a benchmark trains and measures: each at most once, several at a time by
`lvae.cluster.map_calls(rows_of, jobs)`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from lvae import atomic
from lvae.runs import loop
from lvae.storage.records import plain
from lvae.tasks import registry

Rows = list[dict[str, Any]]


class Job(NamedTuple):
    """A run. config: the whole one. workdir: its directory. measure: a function of a module, from
    the finished run's directory to rows of a table."""

    config: ConfigDict
    workdir: Path
    measure: Callable[[Path], Rows]


def rows_of(job: Job) -> Rows:
    """Trains the run, or goes on where it was cut off, and measures it, unless that was done
    before: `measures.json` in its directory holds the rows.

    Raises:
      UserError: bad data, or a directory of another run.
    """
    loop.train(registry.find(job.config.task), job.config, job.workdir)
    path = job.workdir / "measures.json"
    if not path.exists():
        atomic.write_text(path, json.dumps(plain({"rows": job.measure(job.workdir)})))
    return json.loads(path.read_text())["rows"]
