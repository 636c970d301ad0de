"""Measures of a run, split by split; the pictures of it."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lvae import atomic, configuration
from lvae.errors import UserError
from lvae.figures import canvas
from lvae.imaging.sheets import png
from lvae.storage import records
from lvae.tasks import restoring
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Run, Splits, Task

SPLITS = ("train", "validation", "test")


def while_training(task: Task[Any], run: Run[Any], splits: Splits) -> dict[str, Any]:
    """The quick measures of the splits that the task watches, names led by the split's."""
    result: dict[str, Any] = {}
    for split in _present(task.watched, splits):
        result |= _named(split, task.evaluate(run, splits, split, False))
    return result


def thorough(task: Task[Any], run: Run[Any], splits: Splits) -> dict[str, Any]:
    """Everything that the task measures.

    Names are led by the split's. Those of the splits that the task reports stand without it, too.
    """
    flat: dict[str, Any] = {}
    named: dict[str, Any] = {}
    reported = _present(task.reported, splits)
    tested = {"test"} & set(splits)
    for split in [name for name in SPLITS if name in {*reported, *tested}]:
        numbers = task.evaluate(run, splits, split, True)
        named |= _named(split, numbers)
        if split in reported:
            flat |= numbers
    return records.plain(flat | named)


def of_run(loaded: Loaded, data: Path | None = None) -> dict[str, Any]:
    """Everything that the run's task measures, on its own data or on that under `data`.

    Raises:
      UserError: the data are bad, or the config has no field for their place.
    """
    settings = settings_on(loaded, data, undivided=True)
    splits = restoring.load_data(loaded.task, settings, loaded.run.spec)
    return thorough(loaded.task, dataclasses.replace(loaded.run, settings=settings), splits)


def settings_on(loaded: Loaded, data: Path | None, undivided: bool = False) -> Any:
    """The run's settings, with another place of the data where one is named.

    undivided: all of it is the test split, for tasks that can.

    Raises:
      UserError: the config has no field for their place.
    """
    task, config, run = loaded
    if data is None:
        return run.settings
    if "path" not in config.get("data", {}):
        raise UserError(f"--data={data}: the config has no field data.path to set")
    changes: dict[str, Any] = {"data.path": str(data)}
    if undivided and "all_test" in config["data"]:
        changes["data.all_test"] = True
    return configuration.parse(task.settings, configuration.changed(config, changes))


def _present(wanted: Any, splits: Splits) -> list[str]:
    """The splits of these that there are; training where there is none."""
    return [name for name in wanted if name in splits] or ["train"]


def _named(split: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{split}_{name}": value for name, value in numbers.items()}


def write_figures(task: Task[Any], run: Run[Any], splits: Splits) -> None:
    """The task's pictures into `figures/` of the run directory."""
    history = records.read_metrics(run.workdir)
    with canvas.styled():
        for name, picture in task.figures(run, splits, history):
            write_picture(run.workdir / "figures" / f"{name}.png", picture)


def write_picture(path: Path, picture: Figure | np.ndarray) -> None:
    """A figure, or uint8 pixels, as a PNG."""
    if isinstance(picture, np.ndarray):
        atomic.write_bytes(path, png(picture))
    else:
        canvas.save(picture, path)
