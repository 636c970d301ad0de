"""Where numbers go beside metrics.jsonl: TensorBoard always, MLflow and Weights & Biases if asked.

A tracker that fails while training runs is left out with a warning: a server that does not answer is no
reason to lose a run, whose own record is complete without it.
"""

import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lvae import atomic
from lvae.errors import UserError

FILE = "trackers.json"  # of a run directory: by what each tracker knows the run
PROJECT = "lvae"  # where the tracker's own variables name none
PACKAGES = {"mlflow": "mlflow", "wandb": "wandb"}  # by name of the tracker: what it imports
BATCH = 500  # numbers sent to MLflow at once; its limit is 1000


@runtime_checkable
class Tracker(Protocol):
    """Numbers by name and step."""

    def add(self, name: str, value: float, step: int) -> None:
        """Takes a number."""

    def flush(self) -> None:
        """What has been added is stored."""

    def close(self) -> None:
        """Flushes; nothing is added afterwards."""


def check(names: Iterable[str]) -> tuple[str, ...]:
    """The names, if they are those of trackers that can be used here.

    Raises:
      UserError: an unknown one, or its package is not installed.
    """
    chosen = tuple(names)
    for name in chosen:
        if name not in PACKAGES:
            raise UserError(f"--trackers={name}: no such tracker; there are {', '.join(PACKAGES)}")
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise UserError(
                f"--trackers={name}: needs {PACKAGES[name]}; pip install 'lvae[{name}]'"
            )
    return chosen


def opened(names: Iterable[str], workdir: Path, config: Mapping[str, Any]) -> list[Tracker]:
    """These trackers, for the run in `workdir`; a resumed run goes on where it was.

    Raises:
      UserError: one is unknown, not installed, or does not answer.
    """
    kinds: dict[str, Callable[[Path, Mapping[str, Any], str | None], Any]] = {
        "mlflow": Mlflow,
        "wandb": WeightsAndBiases,
    }
    known = _known(workdir)
    trackers: list[Tracker] = []
    for name in check(names):
        try:
            tracker = kinds[name](workdir, config, known.get(name))
        except Exception as error:  # each library has its own
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"--trackers={name}: cannot be used ({reason})") from error
        known[name] = tracker.run_id
        trackers.append(_Guarded(name, tracker))
    if trackers:
        atomic.write_text(workdir / FILE, json.dumps(known, indent=2) + "\n")
    return trackers


def _known(workdir: Path) -> dict[str, str]:
    try:
        found = json.loads((workdir / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return dict(found) if isinstance(found, dict) else {}


class _Guarded:
    """A tracker whose trouble ends it, not the training."""

    def __init__(self, name: str, tracker: Tracker):
        self._name = name
        self._tracker: Tracker | None = tracker

    def _try(self, action: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            action(self._tracker)
        except Exception as error:  # each library has its own
            self._tracker = None
            reason = " ".join(str(error).split())[:200]
            print(f"warning: {self._name} is left out from here on ({reason})", file=sys.stderr)

    def add(self, name: str, value: float, step: int) -> None:
        self._try(lambda tracker: tracker.add(name, value, step))

    def flush(self) -> None:
        self._try(lambda tracker: tracker.flush())

    def close(self) -> None:
        self._try(lambda tracker: tracker.close())


class Mlflow:
    """One MLflow run; where to is MLflow's own choice (MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME)."""

    def __init__(self, workdir: Path, config: Mapping[str, Any], run_id: str | None):
        from flax.traverse_util import (
            flatten_dict,  # Flax waits for JAX; commands check names first
        )
        from mlflow import MlflowClient

        self._client = MlflowClient()
        self._waiting: list[Any] = []
        self._last: dict[str, int] = {}  # step up to which a name was stored before a resume
        self._resumed = run_id is not None
        if run_id is None:
            name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
            found = self._client.get_experiment_by_name(name)
            experiment = found.experiment_id if found else self._client.create_experiment(name)
            run_id = self._client.create_run(experiment, run_name=workdir.name).info.run_id
            for field, value in flatten_dict(config, sep=".").items():
                self._client.log_param(run_id, field, value)
        self.run_id = run_id
        self._client.update_run(run_id, status="RUNNING")

    def add(self, name: str, value: float, step: int) -> None:
        from mlflow.entities import Metric

        if self._resumed and name not in self._last:
            history = self._client.get_metric_history(self.run_id, name)
            self._last[name] = max((metric.step for metric in history), default=-1)
        if step > self._last.get(name, -1):
            self._waiting.append(Metric(name, value, int(time.time() * 1000), step))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._client.log_batch(self.run_id, metrics=waiting)

    def close(self) -> None:
        self.flush()
        self._client.set_terminated(self.run_id)


class WeightsAndBiases:
    """One run of Weights & Biases; where to is its own choice (WANDB_MODE, WANDB_PROJECT, ...).

    Steps that it has already are dropped by it.
    """

    def __init__(self, workdir: Path, config: Mapping[str, Any], run_id: str | None):
        import wandb

        place = hashlib.sha256(f"{workdir.resolve()} {time.time_ns()}".encode()).hexdigest()
        self.run_id = run_id or place[:16]
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=workdir.name,
            id=self.run_id,
            resume="allow",
            dir=str(workdir),
            config=dict(config),
            settings=wandb.Settings(silent=True),
        )
        self._step = -1
        self._values: dict[str, float] = {}

    def add(self, name: str, value: float, step: int) -> None:
        if step != self._step:
            self.flush()
        self._step = step
        self._values[name] = value

    def flush(self) -> None:
        values, self._values = self._values, {}
        if values:
            self._run.log(values, step=self._step)

    def close(self) -> None:
        self.flush()
        self._run.finish()
