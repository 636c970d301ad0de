"""Checkpoints of a run directory, by Orbax; nothing else in the project names it."""

import contextlib
import functools
import inspect
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree
from orbax.checkpoint import v1 as ocp

from lvae.errors import UserError
from lvae.storage import checksums

FOLDER = "checkpoints"
TRIES = 100  # of a reader, each after a trainer has replaced the checkpoint that it was reading


class Checkpoints:
    """The checkpoints under `workdir/checkpoints`, for the trainer; use as a context manager.

    A checkpoint is written beside its place and renamed, so that a killed run leaves whole ones
    only. What a killed run left half written is removed: only the one trainer may use this class.
    """

    def __init__(self, workdir: Path, keep: int):
        self._folder = workdir.absolute() / FOLDER
        self._failed = False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._checkpointer = ocp.training.Checkpointer(
                self._folder,
                # The loop decides when to save.
                save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
                preservation_policy=ocp.training.preservation_policies.LatestN(keep),
                cleanup_tmp_directories=True,
            )
        except OSError as error:
            raise UserError(
                f"{self._folder}: cannot be written ({error.strerror or error}); choose another "
                "--workdir"
            ) from error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        with _quiet():
            try:
                self._checkpointer.close()
            except Exception:  # says again what `save` has raised
                if not self._failed:
                    raise

    def steps(self) -> list[int]:
        """The steps of the whole checkpoints, in order."""
        return saved_steps(self._folder.parent)

    def save(self, step: int, state: PyTree) -> None:
        """Saves `state` as the checkpoint of `step` and waits until it is whole.

        Raises:
          UserError: the disk is full or the place cannot be written.
        """
        try:
            with _quiet():
                self._checkpointer.save(step, state, overwrite=True)
            if jax.process_index() == 0:
                checksums.write(self._folder / str(step))
        except Exception as error:  # Orbax and TensorStore raise a dozen kinds
            _drop_echoes()
            self._failed = True
            reason = _first_line(error)
            if isinstance(error, OSError | UserError) or any(
                word in reason for word in _DISK_ERRORS
            ):
                raise UserError(
                    f"{self._folder}: the checkpoint of step {step} cannot be written "
                    f"({reason}); free some space, then run the same command again"
                ) from error
            raise

    def restore(self, step: int, abstract_state: PyTree) -> PyTree:
        """The state of a step, laid out as `abstract_state` says.

        Raises:
          UserError: it is damaged, or it has other shapes.
        """
        return _load(self._folder / str(step), abstract_state, partial=False)


_DISK_ERRORS = ("No space left", "RESOURCE_EXHAUSTED", "Read-only", "Permission denied", "quota")


def saved_steps(workdir: Path) -> list[int]:
    """The steps of the whole checkpoints under `workdir`, in order; creates nothing."""
    try:
        names = [path.name for path in (workdir / FOLDER).iterdir()]
    except OSError:
        return []
    return sorted(int(name) for name in names if name.isdecimal())


def load_variables(workdir: Path, shapes: PyTree, averaged: bool) -> PyTree:
    """{"params", "buffers"} of the newest checkpoint under `workdir` as host arrays.

    Changes nothing, so that the run may be training meanwhile: a checkpoint that the trainer
    removes while it is read gives way to the next one.

    Args:
      workdir: the run directory.
      shapes: of the variables; a checkpoint of another model is found out by them.
      averaged: whether the run keeps an average of its params; it is taken then.

    Raises:
      UserError: there is no checkpoint, it is damaged, or it is of another model.
    """
    params = "ema" if averaged else "params"
    wanted = {params: shapes["params"], "buffers": shapes["buffers"]}
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    state = _load_newest(Path(workdir).absolute(), abstract(wanted, here))
    host = jax.tree.map(np.asarray, state)
    return {"params": host[params], "buffers": host["buffers"]}


def _load_newest(workdir: Path, abstract_state: PyTree) -> PyTree:
    for _ in range(TRIES):
        steps = saved_steps(workdir)
        if not steps:
            break
        folder = workdir / FOLDER / str(steps[-1])
        try:
            return _load(folder, abstract_state, partial=True)
        except UserError:
            if folder.is_dir() and saved_steps(workdir)[-1:] == steps[-1:]:
                raise
    raise UserError(
        f"{workdir / FOLDER}: there is no checkpoint; train first, or name another --workdir"
    )


def _load(folder: Path, abstract_state: PyTree, partial: bool) -> PyTree:
    loading = ocp.options.PyTreeOptions.Loading(partial_load=partial)
    options = ocp.options.PyTreeOptions(loading=loading)
    _drop_echoes()
    try:
        if name := checksums.altered(folder):
            raise ValueError(f"{name} is not as it was written")
        with _quiet(), ocp.Context(pytree_options=options):
            return ocp.load(folder, abstract_state)
    except Exception as error:  # Orbax and TensorStore raise a dozen kinds for a damaged file
        raise UserError(
            f"{folder}: the checkpoint is damaged or of another model ({_first_line(error)}); "
            "delete that folder to fall back on an older one, or train again"
        ) from error


def abstract(state: PyTree, sharding: jax.sharding.Sharding) -> PyTree:
    """Shapes, types and placement of a state, without its values."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), state
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Orbax logs each step of a save, and a traceback from every thread of one that fails."""
    loggers = [logging.getLogger(name) for name in (None, "absl", "asyncio")]
    before = [(logger, logger.level) for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


@functools.cache
def _drop_echoes() -> None:
    """Where a checkpoint cannot be loaded, the arrays that were under way fail too, one by one, in threads
    that nobody waits for, and each would print a traceback. They may do so before the first failure is
    known, so this comes before it."""
    logging.getLogger("asyncio").addFilter(
        lambda record: "never retrieved" not in record.getMessage()
    )
    before = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        closed = "Event loop is closed" in str(unraisable.exc_value)
        if not closed and not inspect.iscoroutine(unraisable.object):
            before(unraisable)

    sys.unraisablehook = hook


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
