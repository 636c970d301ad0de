"""Rows of training metrics: when one is due, what is in it, when training must stop."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from jaxtyping import PyTree

from lvae.errors import UserError
from lvae.runs.progress import Progress
from lvae.storage.checkpoints import Checkpoints
from lvae.storage.records import Records
from lvae.tasks.training_settings import TrainingSettings

Window = list[dict[str, np.ndarray]]  # metrics by step, of the steps since the last row


def steps_to_boundary(now: int, total_steps: int, settings: TrainingSettings) -> int:
    """Steps of the next dispatch: as many as allowed, but never past a row of metrics."""
    boundary = min(total_steps, (now // settings.log_every + 1) * settings.log_every)
    return min(settings.steps_per_dispatch, boundary - now)


def mean_over_steps(window: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Means over the steps of a row."""
    return {
        name: np.asarray(np.mean(np.concatenate([metrics[name] for metrics in window]), axis=0))
        for name in window[0]
    }


def refuse_non_finite(
    losses: np.ndarray, first_step: int, workdir: Path, store: Checkpoints
) -> None:
    """Raises a UserError that names the step if a loss is NaN or infinite."""
    wrong = np.flatnonzero(~np.isfinite(losses))
    if not len(wrong):
        return
    kept = store.steps()
    state = f"the state of step {kept[-1]} is kept" if kept else "no checkpoint yet"
    raise UserError(
        f"{workdir}: the loss became {losses[wrong[0]]} at step {first_step + int(wrong[0]) + 1} "
        f"({state}); lower config.training.learning_rate or set config.training.gradient_clip"
    )


def write_rows(
    rows: Sequence[Records],
    windows: Sequence[Window],
    now: int,
    progress: Progress,
) -> None:
    """One row of training metrics for every member; the windows begin anew."""
    means = [mean_over_steps(window) for window in windows]
    for writer, window, row in zip(rows, windows, means):
        writer.write(now, "train", row)
        writer.write_speed(now, progress.steps_per_second())
        window.clear()
    loss = float(np.mean([row["loss"] for row in means]))
    scalars = {name: float(value) for name, value in means[0].items() if np.ndim(value) == 0}
    progress.report({"loss": loss} if len(rows) > 1 else {"loss": loss} | scalars)


def count_parameters(params: PyTree) -> int:
    """Numbers in a tree of arrays."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
