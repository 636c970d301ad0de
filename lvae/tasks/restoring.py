"""A finished or unfinished run, for evaluation and drawing. Opens no data and changes nothing.

A run is its directory, or the one file that `lvae export` makes of it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
from jaxtyping import PyTree

from lvae import configuration
from lvae.errors import UserError
from lvae.storage import checkpoints, model_file, records
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
    config, file = read_config(workdir), workdir
    if not workdir.is_file():
        file = workdir / records.CONFIG
    name = config.get("task")
    if not isinstance(name, str):
        raise UserError(f"{file}: names no task ({name!r}); bring it back, or train again")
    return registry.find(name), config


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """The config of a run, locked.

    Raises:
      UserError: there is no run, or it is damaged.
    """
    if workdir.is_file():
        return model_file.read(workdir).config
    return records.read_config(workdir)


def load(workdir: Path) -> Loaded:
    """The trained run in `workdir`, which may be the file of a model.

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
    if workdir.is_file():
        arrays = model_file.read(workdir).arrays
        return Run(settings, spec, model_file.variables(workdir, arrays, shapes), workdir)
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
    if workdir.is_file():
        file, values = workdir, model_file.read(workdir).spec
    else:
        file, values = workdir / records.SPEC, records.read_spec(workdir)
    try:
        return spec_from_json(values)
    except ValueError as error:
        raise UserError(f"{file}: {error}; bring it back, or train again") from error


def variable_shapes(task: Task[Any], settings: Any, spec: Spec) -> PyTree:
    """Shapes and types of {"params", "buffers"}."""
    return jax.eval_shape(lambda key: task.init(settings, spec, key), jax.random.key(0))
