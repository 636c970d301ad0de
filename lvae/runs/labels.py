"""What a drawn set may be called: only what is drawn from a prior is new."""

from typing import Any

from lvae.tasks.task import Task

NEW = "new: drawn from the prior, of nobody's example in particular"
MADE = "made from {unit}s' own examples by design; not new"
UNKNOWN = "unknown: the folder has no manifest that says how it was made"


def label(task: Task[Any], mode: str | None) -> str:
    """Of a set of this mode; None: nobody knows which."""
    if mode is None or mode not in task.modes:
        return UNKNOWN
    unit = task.audit.unit if task.audit else "patient"
    return NEW if task.modes[mode].new else MADE.format(unit=unit)
