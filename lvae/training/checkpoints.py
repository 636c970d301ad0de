"""Checkpoints of a run directory, by Orbax; nothing else in the project names it."""

import logging
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from lvae.errors import UserError

FOLDER = "checkpoints"


class Checkpoints:
    """The checkpoints under `workdir/checkpoints`; use as a context manager.

    A checkpoint is written beside its place and renamed, so that a killed run leaves whole ones only.
    """

    def __init__(self, workdir: Path, keep: int):
        logging.getLogger("absl").setLevel(logging.WARNING)  # Orbax reports each step of a save
        self._folder = Path(workdir).absolute() / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._checkpointer = ocp.training.Checkpointer(
            self._folder,
            # The loop decides when to save.
            save_decision_policy=ocp.training.save_decision_policies.FixedIntervalPolicy(1),
            preservation_policy=ocp.training.preservation_policies.LatestN(keep),
            cleanup_tmp_directories=True,
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self._checkpointer.close()

    def latest_step(self) -> int | None:
        """The step of the newest whole checkpoint, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def save(self, step: int, state: Any) -> None:
        """Saves `state` as the checkpoint of `step` and waits until it is whole."""
        try:
            self._checkpointer.save(step, state, overwrite=True)
        except Exception as error:
            if isinstance(error, OSError) or "No space left" in str(error):
                raise UserError(
                    f"{self._folder}: the checkpoint of step {step} cannot be written "
                    f"({_first_line(error)}); free some space, then run the same command again"
                ) from error
            raise

    def restore(self, abstract_state: Any) -> tuple[int, Any]:
        """(step, state) of the newest checkpoint, laid out as `abstract_state` says.

        Raises:
          UserError: there is none, it is damaged, or it has other shapes.
        """
        step = self.latest_step()
        if step is None:
            raise UserError(
                f"{self._folder}: there is no checkpoint; train first, or name another --workdir"
            )
        try:
            return step, self._checkpointer.load(step, abstract_state)
        except Exception as error:  # Orbax and TensorStore raise a dozen kinds for a damaged file
            raise UserError(
                f"{self._folder}/{step}: the checkpoint is damaged or of another model "
                f"({_first_line(error)}); delete that folder to fall back on an older one, or train again"
            ) from error


def load_variables(workdir: Path, abstract_state: Any) -> Any:
    """The newest state under `workdir`, for sampling and evaluation; creates nothing.

    Raises:
      UserError: as `Checkpoints.restore`.
    """
    folder = Path(workdir) / FOLDER
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no checkpoint; train first, or name another --workdir")
    with Checkpoints(workdir, keep=10**6) as checkpoints:
        return checkpoints.restore(abstract_state)[1]


def abstract(state: Any, sharding: jax.sharding.Sharding) -> Any:
    """Shapes, types and placement of a state, without its values."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), state
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
