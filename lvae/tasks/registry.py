"""Tasks by name, wherever they live: the entry-point group `lvae.tasks`."""

import functools
import importlib.metadata
from typing import Any

from lvae.errors import UserError
from lvae.tasks.task import Task

GROUP = "lvae.tasks"


def names() -> list[str]:
    """The tasks that are installed."""
    return sorted(_entry_points())


def find(name: str) -> Task[Any]:
    """The task of that name.

    Raises:
      UserError: there is none, or its package cannot be imported.
    """
    found = _entry_points()
    if name not in found:
        raise UserError(
            f"config.task={name!r}: no such task is installed; there are {', '.join(names())}"
        )
    try:
        task = found[name].load()
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"config.task={name!r}: {found[name].value} cannot be imported ({error}); "
            "install its package again"
        ) from error
    if not isinstance(task, Task):
        raise UserError(
            f"config.task={name!r}: {found[name].value} is a {type(task).__name__}; its package "
            "must offer a lvae.tasks.task.Task"
        )
    return task


@functools.cache
def _entry_points() -> dict[str, Any]:  # of importlib_metadata's class, where Dask imports that
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
