"""A finished or unfinished run, for evaluation and drawing. Opens no data and changes nothing."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
from jaxtyping import PyTree

from lvae import configuration
from lvae.errors import UserError
from lvae.storage import checkpoints, records
from lvae.tasks import registry
from lvae.tasks.task import Run, Spec, Splits, Task, spec_from_json


class Loaded(NamedTuple):
    """A run directory: the task, the config, the trained model."""

    task: Task[Any]
    config: ml_collections.ConfigDict
    run: Run[Any]


def read_task(workdir: Path) -> tuple[Task[Any], ml_collections.ConfigDict]:
    """The task of a run directory, and its config.

    Raises:
      UserError: there is no run, or its task is not installed.
    """
    config = records.read_config(workdir)
    name = config.get("task")
    if not isinstance(name, str):
        raise UserError(
            f"{workdir / records.CONFIG}: names no task ({name!r}); bring it back, or train again"
        )
    return registry.find(name), config


def load(workdir: Path) -> Loaded:
    """The trained run in `workdir`.

    Raises:
      UserError: there is no run, no checkpoint, or a damaged one.
    """
    task, config = read_task(workdir)
    return Loaded(task, config, load_run(task, config, workdir))


def load_run(task: Task[Any], config: ml_collections.ConfigDict, workdir: Path) -> Run[Any]:
    """The run of a known task, the averaged params where it keeps an average.

    Raises:
      UserError: there is no checkpoint, or something in the directory is damaged.
    """
    settings = configuration.parse(task.settings, config)
    spec = read_spec(workdir)
    averaged = settings.training.ema_decay > 0
    try:
        shapes = variable_shapes(task, settings, spec)
    except Exception as error:  # whatever a network raises for settings that no run began with
        raise UserError(
            f"{workdir}: {records.CONFIG} and {records.SPEC} do not fit each other "
            f"({type(error).__name__}: {error}); bring them back, or train again"
        ) from error
    return Run(settings, spec, checkpoints.load_variables(workdir, shapes, averaged), workdir)


def load_data(task: Task[Any], settings: Any, spec: Spec) -> Splits:
    """The data of a trained run.

    Raises:
      UserError: they are bad, or gone.
    """
    if task.reload_data is not None:
        return task.reload_data(settings, spec)
    return task.load_data(settings)


def read_spec(workdir: Path) -> Spec:
    """What the network must know of its data.

    Raises:
      UserError: there is none, or it is damaged.
    """
    try:
        return spec_from_json(records.read_spec(workdir))
    except ValueError as error:
        raise UserError(
            f"{workdir / records.SPEC}: {error}; bring it back, or train again"
        ) from error


def variable_shapes(task: Task[Any], settings: Any, spec: Spec) -> PyTree:
    """Shapes and types of {"params", "buffers"}."""
    return jax.eval_shape(lambda key: task.init(settings, spec, key), jax.random.key(0))
